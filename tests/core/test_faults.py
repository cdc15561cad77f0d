"""The fault matrix: each class of replay safety, each way in which a first attempt fails, over real sockets.

What is expected stands in a table of classes and groups of faults. It follows from the rules, not from the code:

- what never left is sent again for every operation;
- throttling is an answer, nothing was applied: every operation is sent again;
- another refusal is an answer too: it is the call's error;
- after an ambiguous attempt (cut or out of time after sending, the server's failure, an answer that can't be read) what
  is idempotent or uses up a code is sent again, and the rest ends in AmbiguousOutcomeError at once.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

import aiohttp
import pytest
from attrs import frozen

from cognito_async import (
    AmbiguousOutcomeError,
    AsyncCognitoSession,
    CognitoClient,
    CognitoError,
    ConnectError,
    Credentials,
    InvalidResponseError,
    RequestTimeoutError,
    RetryPolicy,
    Timeouts,
    TransportError,
)
from cognito_async.errors import (
    ExpiredCodeException,
    InternalErrorException,
    InvalidParameterException,
    InvalidPasswordException,
    LimitExceededException,
    NotAuthorizedException,
    RefreshTokenReuseException,
    ResourceNotFoundException,
    TooManyRequestsException,
    UserNotFoundException,
)
from cognito_async.operations.facts import IDEMPOTENCY
from tests.support.clocks import advance
from tests.support.scripted_server import (
    JSON_HEADERS,
    Action,
    Connection,
    ScriptedServer,
    answer,
    cut,
    head,
    reset_connection,
    send,
)
from tests.support.scripted_transport import reset

pytestmark = pytest.mark.manual_clock

LIMIT = 10.0
TIMEOUTS = Timeouts(total=None, attempt=LIMIT)
POLICY = RetryPolicy(max_attempts=3, transient_base=0, throttled_base=0)
KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret")


# --- the classes ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Kind:
    """A class of replay safety, by one of its operations.

    Attributes:
        call: Calls the operation.
        rules: Its row in the table.
        trace: What the service says to a repetition if the first attempt was applied, else any other refusal.
        reads_body: Whether the answer has members. Where it has none, a status of 200 before an object says all.
        how_to_verify: How to find out what an ambiguous attempt did; None where nobody needs to be told.
    """

    call: Callable[[CognitoClient], Awaitable[Any]]
    rules: str
    trace: type[CognitoError]
    reads_body: bool
    how_to_verify: str | None = None


KINDS: Mapping[str, Kind] = {
    "idempotent read": Kind(
        call=lambda client: client.get_user(access_token="a token"),
        rules="idempotent",
        trace=ResourceNotFoundException,
        reads_body=True,
    ),
    "idempotent write": Kind(
        call=lambda client: client.admin_enable_user(username="ada"),
        rules="idempotent",
        trace=UserNotFoundException,
        reads_body=False,
    ),
    "delete": Kind(
        call=lambda client: client.admin_delete_user(username="ada"),
        rules="delete",
        trace=UserNotFoundException,
        reads_body=False,
    ),
    "self-consuming": Kind(
        call=reset,
        rules="self-consuming",
        trace=ExpiredCodeException,
        reads_body=False,
        how_to_verify=IDEMPOTENCY["ConfirmForgotPassword"].how_to_verify,
    ),
    "sends a message": Kind(
        call=lambda client: client.forgot_password(username="ada"),
        rules="once",
        trace=InvalidParameterException,
        reads_body=True,
        how_to_verify=IDEMPOTENCY["ForgotPassword"].how_to_verify,
    ),
    "unsafe": Kind(
        call=lambda client: client.get_tokens_from_refresh_token(refresh_token="a token"),
        rules="once",
        trace=RefreshTokenReuseException,
        reads_body=True,
        how_to_verify=IDEMPOTENCY["GetTokensFromRefreshToken"].how_to_verify,
    ),
}

# --- the faults -------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Fault:
    """A way in which an attempt fails.

    Attributes:
        group: What it leaves behind.
        error: What the attempt ends with.
        action: What the server does with the request; None where it never gets that far.
        before: What the server does as soon as there is a connection; such a request is not seen whole.
        arranged: What is done about the connection on the client's side: ``"refused"`` or ``"dead"``.
    """

    group: str
    error: type[CognitoError]
    action: Action | None = None
    before: Action | None = None
    arranged: str = ""

    @property
    def seen(self) -> bool:
        """Whether the server sees the request."""
        return self.action is not None


def refusal(kind: type[CognitoError], status: int = 400) -> Action:
    """Answer with one of the service's errors."""
    return answer({"__type": kind.__name__, "message": "no"}, status)


def page(status: int) -> Action:
    """Answer with a proxy's HTML."""
    return answer(b"<html><h1>Proxy</h1></html>", status, Content_Type="text/html")


async def settle() -> None:
    """Let the other side take in what was written: the turns of the loop that this takes at most, and more."""
    for _ in range(20):
        await asyncio.sleep(0)


def stall(data: bytes = b"") -> Action:
    """Send some bytes, then let the attempt's time go by."""

    async def act(connection: Connection) -> None:
        await connection.write(data)
        await settle()
        advance(LIMIT + 0.1)
        await connection.reader.read()

    return act


def slow(data: bytes, start: bytes) -> Action:
    """Send the start, then a byte a second, until the client has gone."""

    async def act(connection: Connection) -> None:
        await connection.write(start)
        for byte in data:
            if connection.reader.at_eof():
                return
            await connection.write(bytes([byte]))
            await settle()
            advance(1.0)
        raise AssertionError("the client waited for the whole of it")

    return act


async def reset_in_the_request(connection: Connection) -> None:
    """Reset the connection when the first byte of the request has come."""
    await connection.reader.read(1)
    connection.abort()


BODY = b'{"Username": "ada", "UserAttributes": []}'
WHOLE = head(200, {**JSON_HEADERS, "Content-Length": str(len(BODY))})

FAULTS: Mapping[str, Fault] = {
    "connection refused": Fault(group="not sent", error=ConnectError, arranged="refused"),
    "connection found dead": Fault(group="not sent", error=TransportError, arranged="dead"),
    "reset in the request": Fault(group="ambiguous", error=TransportError, before=reset_in_the_request),
    "closed after the request": Fault(group="ambiguous", error=TransportError, action=cut()),
    "reset after the request": Fault(group="ambiguous", error=TransportError, action=reset_connection()),
    "cut in the head": Fault(group="ambiguous", error=TransportError, action=cut(WHOLE[:40])),
    "cut in the body": Fault(group="begun", error=TransportError, action=cut(WHOLE + BODY[:9])),
    "truncated JSON": Fault(group="begun", error=InvalidResponseError, action=answer(BODY[:-3])),
    "500": Fault(group="ambiguous", error=InternalErrorException, action=refusal(InternalErrorException, 500)),
    "503 empty": Fault(group="ambiguous", error=InvalidResponseError, action=answer(b"", 503)),
    "502 HTML": Fault(group="ambiguous", error=InvalidResponseError, action=page(502)),
    "504 HTML": Fault(group="ambiguous", error=InvalidResponseError, action=page(504)),
    "200 HTML": Fault(group="ambiguous", error=InvalidResponseError, action=page(200)),
    "no answer": Fault(group="ambiguous", error=RequestTimeoutError, action=stall()),
    "half a head": Fault(group="ambiguous", error=RequestTimeoutError, action=stall(WHOLE[:40])),
    "dripping body": Fault(group="begun", error=RequestTimeoutError, action=slow(BODY, WHOLE)),
    "not HTTP": Fault(group="ambiguous", error=InvalidResponseError, action=send(b"SSH-2.0-OpenSSH_9.9\r\n")),
    "larger than its Content-Length": Fault(
        group="ambiguous", error=InvalidResponseError, action=send(head(200, {"Content-Length": "2"}) + b"{}{}{}")
    ),
    "throttled": Fault(group="throttled", error=TooManyRequestsException, action=refusal(TooManyRequestsException)),
    "429 empty": Fault(group="throttled", error=InvalidResponseError, action=answer(b"", 429)),
    "limit exceeded": Fault(group="limited", error=LimitExceededException, action=refusal(LimitExceededException)),
    "redirect": Fault(group="answered", error=InvalidResponseError, action=answer(b"", 307, Location="/elsewhere")),
    "refused": Fault(group="answered", error=NotAuthorizedException, action=refusal(NotAuthorizedException)),
}

# --- what is expected -------------------------------------------------------------------------------------------------

SUCCESS = "success"
FAULT = "the fault's error"
TRACE = "the trace's error"
UNKNOWN = "AmbiguousOutcomeError that is also the fault's error"
REFUSED = "AmbiguousOutcomeError that is no other error"

# The columns: what follows the first attempt is a success, a refusal (the trace, if there is one), or the fault each
# time. Each cell: the number of attempts, and how the call ends.
Cell = tuple[int, str]
ANSWERED: tuple[Cell, Cell, Cell] = ((1, FAULT), (1, FAULT), (1, FAULT))
AGAIN: tuple[Cell, Cell, Cell] = ((2, SUCCESS), (2, TRACE), (3, FAULT))
AGAIN_ONCE: tuple[Cell, Cell, Cell] = ((2, SUCCESS), (2, TRACE), (2, FAULT))
EVERY: Mapping[str, tuple[Cell, Cell, Cell]] = {
    "not sent": AGAIN,
    "throttled": AGAIN,
    "limited": AGAIN_ONCE,  # an allowance per user and hour: repeated once by default
    "answered": ANSWERED,
}
THEN = ("success", "trace", "fault")
RULES: Mapping[str, Mapping[str, tuple[Cell, Cell, Cell]]] = {
    "idempotent": {**EVERY, "ambiguous": AGAIN},
    "delete": {**EVERY, "ambiguous": ((2, SUCCESS), (2, SUCCESS), (3, FAULT))},
    "self-consuming": {**EVERY, "ambiguous": ((2, SUCCESS), (2, REFUSED), (3, UNKNOWN))},
    "once": {**EVERY, "ambiguous": ((1, UNKNOWN), (1, UNKNOWN), (1, UNKNOWN))},
}


def expected(kind: Kind, fault: Fault, then: str) -> Cell:
    """Look up how many attempts there are, and how the call ends."""
    if fault.group == "begun" and not kind.reads_body:
        return 1, SUCCESS  # a 200 and the start of an object: nothing that is missing would be read
    group = "ambiguous" if fault.group == "begun" else fault.group
    return RULES[kind.rules][group][THEN.index(then)]


# --- the arrangement --------------------------------------------------------------------------------------------------


class LateServer(ScriptedServer):
    """Refuses connections until ``arrive`` is called."""

    _socket: socket.socket

    async def __aenter__(self) -> Self:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._serve, sock=self._socket, start_serving=False)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._start: asyncio.Task[None] | None = None
        return self

    def arrive(self) -> None:
        """Listen from now on."""
        self._socket.listen(8)
        self._start = asyncio.ensure_future(self._server.start_serving())


def dying_connections(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let connections die between the pool and the first byte."""
    connect = aiohttp.TCPConnector.connect
    left = times

    async def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        connection: Any = await connect(*arguments, **options)
        if left:
            left -= 1
            connection.transport.abort()
        return connection

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", dying)


def first(times: int, action: Action) -> Action:
    """Do something for the first few connections only."""
    done = Counter[str]()

    async def act(connection: Connection) -> None:
        done["times"] += 1
        if done["times"] <= times:
            await action(connection)

    return act


def session_of(server: ScriptedServer, **options: Any) -> AbstractAsyncContextManager[AsyncCognitoSession]:
    """Open a session on a server."""
    return AsyncCognitoSession(
        "eu-west-1", endpoint_url=server.url, **{"retry": POLICY, "timeouts": TIMEOUTS, "credentials": KEYS, **options}
    )


async def outcome_of(call: Awaitable[Any]) -> CognitoError | None:
    """Give the error that a call ends with, None for success."""
    try:
        await call
    except CognitoError as error:
        return error
    return None


def check_ambiguous(error: CognitoError | None, kind: Kind, attempts: int, cause: type[CognitoError]) -> None:
    """Check what every AmbiguousOutcomeError says."""
    assert isinstance(error, AmbiguousOutcomeError)
    assert error.how_to_verify == kind.how_to_verify
    assert kind.how_to_verify is not None
    assert kind.how_to_verify in str(error)
    assert len(error.history) == error.attempts == attempts
    assert error.__cause__ is error.history[-1]
    assert type(error.__cause__) is cause


# --- the matrix -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("fault_name", FAULTS)
@pytest.mark.parametrize("kind_name", KINDS)
async def test_fault(kind_name: str, fault_name: str, then: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of requests that the server saw, and the outcome, are exactly those of the table."""
    kind, fault = KINDS[kind_name], FAULTS[fault_name]
    attempts, outcome = expected(kind, fault, then)
    faults = 3 if then == "fault" else 1
    good = refusal(kind.trace) if then == "trace" else answer(BODY)
    script = [fault.action] * faults if fault.action else []
    before = first(faults, fault.before) if fault.before else None
    if fault.arranged == "dead":
        dying_connections(monkeypatch, faults)
    server = (LateServer if fault.arranged == "refused" else ScriptedServer)(*script, otherwise=good, on_connect=before)
    events: list[Any] = []

    def on_event(event: Any) -> None:
        events.append(event)
        if isinstance(server, LateServer) and faults == 1:
            server.arrive()

    async with server, session_of(server, on_event=on_event) as session:
        error = await outcome_of(kind.call(session.client("abc", user_pool_id="eu-west-1_AbC")))
        stats = session.stats

    assert len(server.requests) == (attempts if fault.seen else max(attempts - faults, 0))
    assert stats.attempts == attempts
    assert stats.retries == attempts - 1
    assert stats.succeeded == (outcome == SUCCESS)
    assert stats.ambiguous == (outcome in {UNKNOWN, REFUSED})
    assert len(events) == stats.retries + stats.ambiguous
    if outcome == SUCCESS:
        assert error is None
    elif outcome in {FAULT, TRACE}:
        assert type(error) is (fault.error if outcome == FAULT else kind.trace)
        assert error is not None
        assert error.attempts == attempts
    elif outcome == UNKNOWN:
        check_ambiguous(error, kind, attempts, fault.error)
        assert isinstance(error, fault.error)
    else:
        check_ambiguous(error, kind, attempts, kind.trace)
        assert type(error) is AmbiguousOutcomeError
        assert error.code is None


def test_the_matrix_is_whole() -> None:
    """All classes, at least 14 faults, every group of faults in every row of the rules."""
    assert len(FAULTS) >= 14
    groups = {fault.group for fault in FAULTS.values()} - {"begun"}
    assert all(set(row) == groups for row in RULES.values())
    assert {kind.rules for kind in KINDS.values()} == set(RULES)


# --- longer stories ---------------------------------------------------------------------------------------------------

LOST = cut()
THROTTLE = refusal(TooManyRequestsException)


async def story(*script: Action, call: Callable[[CognitoClient], Awaitable[Any]] = reset) -> CognitoError | None:
    """Play a script to its last step, and give the call's error."""
    async with ScriptedServer(*script, otherwise=refusal(InvalidParameterException)) as server:
        async with session_of(server) as session:
            error = await outcome_of(call(session.client("abc", user_pool_id="eu-west-1_AbC")))
        assert len(server.requests) == len(script)
    return error


@pytest.mark.parametrize(
    "code",
    [
        "CodeMismatchException",
        "ExpiredCodeException",
        "NotAuthorizedException",
        "PasswordHistoryPolicyViolationException",
        "TooManyFailedAttemptsException",
    ],
)
async def test_each_trace_of_an_applied_reset(code: str) -> None:
    """Every refusal that a password changed by the lost attempt may cause leaves the outcome open."""
    error = await story(LOST, answer({"__type": code, "message": "no"}, 400))
    assert type(error) is AmbiguousOutcomeError
    assert [past.code for past in error.history] == [None, code]


async def test_a_limit_reached_after_a_lost_attempt() -> None:
    """A used-up allowance may be the trace of the lost attempt as well, and is repeated once."""
    limited = refusal(LimitExceededException)
    error = await story(LOST, limited, limited)
    assert type(error) is AmbiguousOutcomeError
    assert len(error.history) == 3


async def test_a_refusal_that_rules_the_lost_attempt_out() -> None:
    """A password against the policy can't have been set by the attempt before: the bare error, which is certain."""
    assert type(await story(LOST, refusal(InvalidPasswordException))) is InvalidPasswordException


async def test_throttling_does_not_make_a_lost_attempt_clear() -> None:
    """The last answer says that the last attempt was not applied; it says nothing of the first."""
    error = await story(LOST, THROTTLE, THROTTLE)
    assert isinstance(error, AmbiguousOutcomeError)
    assert isinstance(error, TooManyRequestsException)  # the pace is what to change before one asks again
    assert [type(past) for past in error.history] == [
        TransportError,
        TooManyRequestsException,
        TooManyRequestsException,
    ]


async def test_a_trace_after_throttling_between() -> None:
    """What was lost two attempts ago still explains the refusal."""
    error = await story(LOST, THROTTLE, refusal(ExpiredCodeException))
    assert type(error) is AmbiguousOutcomeError
    assert len(error.history) == 3


async def test_throttled_then_refused() -> None:
    """No attempt was ambiguous: an expired code is an expired code."""
    assert type(await story(THROTTLE, THROTTLE, refusal(ExpiredCodeException))) is ExpiredCodeException


async def test_throttled_then_lost_then_refused() -> None:
    """The order does not matter."""
    assert type(await story(THROTTLE, LOST, refusal(ExpiredCodeException))) is AmbiguousOutcomeError


@pytest.mark.parametrize("script", [(LOST, THROTTLE), (THROTTLE, LOST), (LOST, LOST)])
async def test_a_delete_found_done_at_the_third_attempt(script: tuple[Action, ...]) -> None:
    """Gone after any lost attempt is a success."""
    gone = refusal(UserNotFoundException)
    assert await story(*script, gone, call=KINDS["delete"].call) is None


async def test_a_delete_throttled_then_gone() -> None:
    """Nothing was lost: the user was never there, or someone else deleted it."""
    error = await story(THROTTLE, refusal(UserNotFoundException), call=KINDS["delete"].call)
    assert type(error) is UserNotFoundException


async def test_a_message_throttled_then_lost() -> None:
    """Throttled requests are repeated, the lost one is not."""
    error = await story(THROTTLE, LOST, call=KINDS["sends a message"].call)
    check_ambiguous(error, KINDS["sends a message"], 2, TransportError)


async def test_a_message_stuck_on_its_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the request may have left, so nobody can tell that it did not arrive."""
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    stuck = asyncio.Event()

    async def narrow(client: socket.socket, address: Any) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await connect(client, address)

    async def deaf(connection: Connection) -> None:
        connection.reader._transport.pause_reading()  # type: ignore[attr-defined]
        stuck.set()
        await loop.create_future()

    monkeypatch.setattr(loop, "sock_connect", narrow)
    kind = KINDS["sends a message"]
    async with ScriptedServer(on_connect=deaf) as server, session_of(server) as session:
        server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        metadata = {f"key {n}": "x" * 100_000 for n in range(9)}
        call = session.client("abc").forgot_password(username="ada", client_metadata=metadata)
        ending = asyncio.ensure_future(outcome_of(call))
        await stuck.wait()
        advance(LIMIT + 0.1)
        error = await ending
        assert server.connections == 1
    check_ambiguous(error, kind, 1, RequestTimeoutError)
    assert isinstance(error, RequestTimeoutError)
    assert error.sent is None
