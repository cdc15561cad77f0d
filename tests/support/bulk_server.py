"""What the tests of bulk jobs share: a service within the process, a bench for jobs, and a look into journals."""

import asyncio
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
from cognito_async.bulk import Action, BulkPolicy, Job, Outcome, Source, State, Summary, files
from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.scripted_transport import refuse, respond

POOL: Final = "eu-west-1_Pool"
APP: Final = "app-client"
CREDENTIALS: Final = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="k" * 40)
QUICK: Final = RetryPolicy(transient_base=0.001, throttled_base=0.001, max_delay=0.004)
HASTY: Final = BulkPolicy(deferral=0.01, longest_deferral=0.02, patience=5.0, backoff=QUICK)
EMAIL: Final = (
    "Exceeded daily email limit for the operation or the account. If a higher limit is required, please configure your"
    " user pool to use your own Amazon SES configuration for sending email."
)


@frozen
class Asked:
    """One request as the service got it.

    Attributes:
        number: Its number, from 1.
        operation: The operation's name.
        body: The parsed body.
        headers: The headers.
    """

    number: int
    operation: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def user(self) -> str:
        """The user that it is about."""
        return str(self.body.get("Username", ""))


Reply = HttpResponse | BaseException
Answer = Callable[[Asked], Reply | Awaitable[Reply]]


def done(_: Asked) -> Reply:
    """Do what is asked."""
    return respond()


def lost(*, sent: bool = True) -> TransportError:
    """Make what comes of a lost connection."""
    return TransportError("the connection was lost", sent=sent)


def by_user(**replies: Reply) -> Answer:
    """Answer each user in its own way, and do what the others ask."""
    return lambda asked: replies.get(asked.user) or respond()


def script(*replies: Reply) -> Answer:
    """Answer with one reply after the other, and then do what is asked."""
    return lambda asked: replies[asked.number - 1] if asked.number <= len(replies) else respond()


THROTTLED: Final = refuse("TooManyRequestsException", "Rate exceeded")
LIMITED: Final = refuse("LimitExceededException", "Attempt limit exceeded, please try after some time.")
NO_EMAIL: Final = refuse("LimitExceededException", EMAIL)
NO_POOL: Final = refuse("ResourceNotFoundException", "User pool client app-client does not exist.")
NOBODY: Final = refuse("UserNotFoundException", "Username/client id combination not found.")
MISTAKEN: Final = refuse("CodeMismatchException", "Invalid verification code provided, please try again.")
EXPIRED: Final = refuse("ExpiredCodeException", "Invalid code provided, please request a code again.")
FAILED: Final = refuse("InternalErrorException", "Something went wrong", 500)


class Service:
    """A transport that is the service itself."""

    def __init__(self, answer: Answer = done) -> None:
        self.answer = answer
        self.requests: list[Asked] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Respond."""
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        asked = Asked(len(self.requests) + 1, operation, json.loads(request.body), dict(request.headers))
        self.requests.append(asked)
        reply = self.answer(asked)
        if isinstance(reply, Awaitable):
            reply = await reply
        else:
            await asyncio.sleep(0)
        if isinstance(reply, BaseException):
            if isinstance(reply, TransportError):
                reply = type(reply)(reply.message, sent=reply.sent)
            raise reply
        return reply

    async def close(self) -> None:
        """Have nothing to close."""

    @property
    def users(self) -> list[str]:
        """The users that requests came for, in order."""
        return [asked.user for asked in self.requests]


def write_csv(path: Path, users: Collection[str] | int, *, secrets: bool = True) -> Path:
    """Write rows for users, or for so many."""
    named = [f"user{number}" for number in range(users)] if isinstance(users, int) else users
    if secrets:
        lines = ["username,confirmation_code,password", *(f"{user},123456,Passw0rd!" for user in named)]
    else:
        lines = ["username", *named]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


class Bench:
    """A folder, a service and a session, to put jobs on."""

    def __init__(self, folder: Path, answer: Answer = done, **session: Any) -> None:
        self.folder = folder
        self.source = folder / "users.csv"
        self.journal = folder / "users.journal"
        self.service = Service(answer)
        given = {"credentials": CREDENTIALS, **session}
        self.session = AsyncCognitoSession("eu-west-1", transport=self.service, **given)
        self._rounds = files.ROUNDS

    async def __aenter__(self) -> Self:
        files.ROUNDS = 1  # type: ignore[misc]  # the fingerprint's slowness is its own test's part
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        files.ROUNDS = self._rounds  # type: ignore[misc]
        await self.session.close()

    def client(self, **bound: Any) -> CognitoClient:
        """Make a client that is bound to app client and pool."""
        return self.session.client(**{"client_id": APP, "user_pool_id": POOL, **bound})

    def job(self, action: Action | str, source: Source | Path | None = None, **options: Any) -> Job:
        """Make a job, hasty unless told otherwise."""
        given = {"journal": self.journal, "policy": HASTY, "random": lambda: 0.5, **options}
        client = given.pop("client", None) or self.client()
        return Job(client, action, self.source if source is None else source, **given)

    async def run(self, action: Action | str, source: Source | Path | None = None, **options: Any) -> Summary:
        """Run a job to its end."""
        async with asyncio.timeout(60):
            again = options.pop("again", ())
            return await self.job(action, source, **options).run_to_end(again)

    def written(self, *, beside: Path | None = None) -> bytes:
        """Give all that is in the folder's files, but for one."""
        return b"".join(path.read_bytes() for path in self.folder.iterdir() if path != beside)

    def states(self) -> dict[str, str]:
        """Give each user's state, from the journal."""
        return {name: state for _, name, state in look(self.journal, "line, username, state")}

    def counts(self) -> Counter[str]:
        """Count the states."""
        return Counter(state for (state,) in look(self.journal, "state"))


async def outcomes_of(job: Job, again: Collection[State] = ()) -> list[Outcome]:
    """Run a job to its end, and give what it told."""
    async with asyncio.timeout(60), aclosing(job.run(again)) as outcomes:
        return [outcome async for outcome in outcomes]


def look(journal: Path, columns: str) -> list[Any]:
    """Look into a journal, as another program would."""
    with closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(f"SELECT {columns} FROM rows ORDER BY line").fetchall()
