"""Jobs against an in-process service: scripted responses, a job harness, and queries of journals."""

import asyncio
import copy
import json
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from attrs import frozen

from cognito_async import AsyncCognitoSession, CognitoClient, Credentials, RetryPolicy, TransportError
from cognito_async.bulk import Action, BulkPolicy, Job, Outcome, Source, State, Summary, sources
from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.scripted_transport import refuse, respond

POOL: Final = "eu-west-1_Pool"
APP: Final = "app-client"
CREDENTIALS: Final = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="k" * 40)
FAST_BACKOFF: Final = RetryPolicy(transient_base=0.001, throttled_base=0.001, max_delay=0.004)
FAST_POLICY: Final = BulkPolicy(deferral=0.01, longest_deferral=0.02, patience=5.0, backoff=FAST_BACKOFF)


@frozen
class ReceivedRequest:
    """A request as the service received it."""

    number: int
    """Its number, from 1."""

    operation: str
    """The operation's name."""

    body: Mapping[str, Any]
    """The parsed body."""

    headers: Mapping[str, str]
    """The headers."""

    @property
    def user(self) -> str:
        """The username in the request."""
        return str(self.body.get("Username", ""))


Reply = HttpResponse | BaseException
Responder = Callable[[ReceivedRequest], Reply | Awaitable[Reply]]


def accept(_: ReceivedRequest) -> Reply:
    """Return success."""
    return respond()


def lost_connection(*, sent: bool = True) -> TransportError:
    """Return the error of a lost connection."""
    return TransportError("the connection was lost", sent=sent)


def by_user(**replies: Reply) -> Responder:
    """Return a responder with one reply per user, and success for other users."""
    return lambda request: replies.get(request.user) or respond()


def in_order(*replies: Reply) -> Responder:
    """Return a responder with one reply per request, and success after the last."""
    return lambda request: replies[request.number - 1] if request.number <= len(replies) else respond()


THROTTLED: Final = refuse("TooManyRequestsException", "Rate exceeded")
USER_LIMIT: Final = refuse("LimitExceededException", "Attempt limit exceeded, please try after some time.")
EMAIL_LIMIT_MESSAGE: Final = (
    "Exceeded daily email limit for the operation or the account. If a higher limit is required, please configure your"
    " user pool to use your own Amazon SES configuration for sending email."
)
EMAIL_LIMIT: Final = refuse("LimitExceededException", EMAIL_LIMIT_MESSAGE)
NO_APP_CLIENT: Final = refuse("ResourceNotFoundException", "User pool client app-client does not exist.")
USER_NOT_FOUND: Final = refuse("UserNotFoundException", "Username/client id combination not found.")
CODE_MISMATCH: Final = refuse("CodeMismatchException", "Invalid verification code provided, please try again.")
EXPIRED_CODE: Final = refuse("ExpiredCodeException", "Invalid code provided, please request a code again.")
INTERNAL_ERROR: Final = refuse("InternalErrorException", "Something went wrong", 500)


class FakeService:
    """A transport that answers requests itself."""

    def __init__(self, respond: Responder = accept) -> None:
        self.respond = respond
        """Returns the reply to a request; an exception is raised as an error of the transport."""

        self.requests: list[ReceivedRequest] = []
        """The requests received."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Respond, or raise an error."""
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        received = ReceivedRequest(len(self.requests) + 1, operation, json.loads(request.body), dict(request.headers))
        self.requests.append(received)
        reply = self.respond(received)
        if isinstance(reply, Awaitable):
            reply = await reply
        else:
            await asyncio.sleep(0)
        if isinstance(reply, BaseException):
            raise copy.copy(reply)
        return reply

    async def close(self) -> None:
        """Do nothing."""

    @property
    def users(self) -> list[str]:
        """The users of the requests, in order."""
        return [request.user for request in self.requests]


def write_csv(path: Path, users: Collection[str] | int, *, secrets: bool = True) -> Path:
    """Write rows for the given users, or for a number of users."""
    names = [f"user{number}" for number in range(users)] if isinstance(users, int) else users
    if secrets:
        lines = ["username,confirmation_code,password", *(f"{user},123456,Passw0rd!" for user in names)]
    else:
        lines = ["username", *names]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


class JobHarness:
    """A folder, a fake service and a session for running jobs."""

    def __init__(self, folder: Path, respond: Responder = accept, **session: Any) -> None:
        self.folder = folder
        self.source = folder / "users.csv"
        self.journal = folder / "users.journal"
        self.service = FakeService(respond)
        given = {"credentials": CREDENTIALS, **session}
        self.session = AsyncCognitoSession("eu-west-1", transport=self.service, **given)
        self._rounds = sources.FINGERPRINT_ROUNDS

    async def __aenter__(self) -> Self:
        sources.FINGERPRINT_ROUNDS = 1  # type: ignore[misc]  # the slow fingerprint has its own test
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        sources.FINGERPRINT_ROUNDS = self._rounds  # type: ignore[misc]
        await self.session.close()

    def client(self, **bound: Any) -> CognitoClient:
        """Return a client that is bound to the app client and the user pool."""
        return self.session.client(**{"client_id": APP, "user_pool_id": POOL, **bound})

    def job(self, action: Action | str, source: Source | Path | None = None, **options: Any) -> Job:
        """Create a job, with FAST_POLICY by default."""
        given = {"journal": self.journal, "policy": FAST_POLICY, "random": lambda: 0.5, **options}
        client = given.pop("client", None) or self.client()
        return Job(client, action, self.source if source is None else source, **given)

    async def run(self, action: Action | str, source: Source | Path | None = None, **options: Any) -> Summary:
        """Create a job and run it to its end."""
        async with asyncio.timeout(60):
            retry_states = options.pop("retry_states", ())
            return await self.job(action, source, **options).run_to_end(retry_states)

    def written(self, *, without: Path | None = None) -> bytes:
        """Return the content of all files in the folder, except for one."""
        return b"".join(path.read_bytes() for path in self.folder.iterdir() if path != without)

    def states(self) -> dict[str, str]:
        """Return the state of each user, from the journal."""
        return dict(journal_columns(self.journal, "username, state"))

    def counts(self) -> Counter[str]:
        """Return the number of rows by state, from the journal."""
        return Counter(state for (state,) in journal_columns(self.journal, "state"))


async def run_outcomes(job: Job, retry_states: Collection[State] = ()) -> list[Outcome]:
    """Run a job to its end and return its outcomes."""
    async with asyncio.timeout(60), aclosing(job.run(retry_states)) as outcomes:
        return [outcome async for outcome in outcomes]


def journal_columns(journal: Path, columns: str) -> list[Any]:
    """Return columns of all rows of a journal, read as another program would."""
    with closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(f"SELECT {columns} FROM rows ORDER BY line").fetchall()
