"""The fault matrix: each kind of idempotency and each fault of the first attempt, over real sockets.

The expected outcomes are in a table of kinds and groups of faults, which follows from the rules, not from the code:

- a request that was not sent is retried for every operation;
- throttling means that nothing was applied: it is retried for every operation;
- any other rejection is the call's error;
- after an ambiguous attempt (connection lost or timed out after sending, server error, unreadable response) idempotent
  and one-time operations are retried, and all others raise AmbiguousOutcomeError.
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


# --- kinds ------------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Kind:
    """A kind of idempotency, with one of its operations."""

    call: Callable[[CognitoClient], Awaitable[Any]]
    """Calls the operation."""

    rules: str
    """Its row in the table."""

    trace: type[CognitoError]
    """The error of a repetition if the first attempt was applied, else any other error."""

    reads_body: bool
    """Whether the response has members. Without members, status 200 and the start of an object are enough."""

    how_to_verify: str | None = None
    """How to find out whether an ambiguous attempt was applied; None if that is not needed."""


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
    "one-time": Kind(
        call=reset,
        rules="one-time",
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

# --- faults -----------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Fault:
    """A fault of an attempt."""

    group: str
    """Its group in the table."""

    error: type[CognitoError]
    """The class of the attempt's error."""

    action: Action | None = None
    """The server's action for the request; None if the request is not received."""

    before: Action | None = None
    """The server's action for the connection; the request is not received completely."""

    arranged: str = ""
    """A fault of the connection: ``"refused"`` or ``"dead"``."""

    @property
    def seen(self) -> bool:
        """Whether the server receives the whole request."""
        return self.action is not None


def refusal(kind: type[CognitoError], status: int = 400) -> Action:
    """Respond with an error of the service."""
    return answer({"__type": kind.__name__, "message": "no"}, status)


def page(status: int) -> Action:
    """Respond with a proxy's HTML page."""
    return answer(b"<html><h1>Proxy</h1></html>", status, Content_Type="text/html")


async def settle() -> None:
    """Let the other side read what was written."""
    for _ in range(20):
        await asyncio.sleep(0)


def stall(data: bytes = b"") -> Action:
    """Send some bytes, then let the attempt time out."""

    async def act(connection: Connection) -> None:
        await connection.write(data)
        await settle()
        advance(LIMIT + 0.1)
        await connection.reader.read()

    return act


def slow(data: bytes, start: bytes) -> Action:
    """Send the start, then a byte per second until the client is gone."""

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
    """Reset the connection after the first byte of the request."""
    await connection.reader.read(1)
    connection.abort()


BODY = b'{"Username": "ada", "UserAttributes": []}'
WHOLE = head(200, {**JSON_HEADERS, "Content-Length": str(len(BODY))})

FAULTS: Mapping[str, Fault] = {
    "connection refused": Fault(group="not sent", error=ConnectError, arranged="refused"),
    "pooled connection closed": Fault(group="not sent", error=TransportError, arranged="dead"),
    "reset in the request": Fault(group="ambiguous", error=TransportError, before=reset_in_the_request),
    "closed after the request": Fault(group="ambiguous", error=TransportError, action=cut()),
    "reset after the request": Fault(group="ambiguous", error=TransportError, action=reset_connection()),
    "cut in the head": Fault(group="ambiguous", error=TransportError, action=cut(WHOLE[:40])),
    "cut in the body": Fault(group="incomplete", error=TransportError, action=cut(WHOLE + BODY[:9])),
    "truncated JSON": Fault(group="incomplete", error=InvalidResponseError, action=answer(BODY[:-3])),
    "500": Fault(group="ambiguous", error=InternalErrorException, action=refusal(InternalErrorException, 500)),
    "503 empty": Fault(group="ambiguous", error=InvalidResponseError, action=answer(b"", 503)),
    "502 HTML": Fault(group="ambiguous", error=InvalidResponseError, action=page(502)),
    "504 HTML": Fault(group="ambiguous", error=InvalidResponseError, action=page(504)),
    "200 HTML": Fault(group="ambiguous", error=InvalidResponseError, action=page(200)),
    "no response": Fault(group="ambiguous", error=RequestTimeoutError, action=stall()),
    "half a head": Fault(group="ambiguous", error=RequestTimeoutError, action=stall(WHOLE[:40])),
    "slow body": Fault(group="incomplete", error=RequestTimeoutError, action=slow(BODY, WHOLE)),
    "not HTTP": Fault(group="ambiguous", error=InvalidResponseError, action=send(b"SSH-2.0-OpenSSH_9.9\r\n")),
    "larger than its Content-Length": Fault(
        group="ambiguous", error=InvalidResponseError, action=send(head(200, {"Content-Length": "2"}) + b"{}{}{}")
    ),
    "throttled": Fault(group="throttled", error=TooManyRequestsException, action=refusal(TooManyRequestsException)),
    "429 empty": Fault(group="throttled", error=InvalidResponseError, action=answer(b"", 429)),
    "limit exceeded": Fault(group="limited", error=LimitExceededException, action=refusal(LimitExceededException)),
    "redirect": Fault(group="rejected", error=InvalidResponseError, action=answer(b"", 307, Location="/elsewhere")),
    "refused": Fault(group="rejected", error=NotAuthorizedException, action=refusal(NotAuthorizedException)),
}

# --- expected outcomes ------------------------------------------------------------------------------------------------

SUCCESS = "success"
FAULT = "the fault's error"
TRACE = "the trace's error"
UNKNOWN = "AmbiguousOutcomeError that is also the fault's error"
REFUSED = "AmbiguousOutcomeError only"

# Columns: all attempts after the first succeed, are rejected (with the trace, if there is one), or have the same fault.
# Each cell: the number of attempts, and the outcome.
Cell = tuple[int, str]
REJECTED: tuple[Cell, Cell, Cell] = ((1, FAULT), (1, FAULT), (1, FAULT))
RETRIED: tuple[Cell, Cell, Cell] = ((2, SUCCESS), (2, TRACE), (3, FAULT))
RETRIED_ONCE: tuple[Cell, Cell, Cell] = ((2, SUCCESS), (2, TRACE), (2, FAULT))
COMMON: Mapping[str, tuple[Cell, Cell, Cell]] = {
    "not sent": RETRIED,
    "throttled": RETRIED,
    "limited": RETRIED_ONCE,  # a limit per user and hour: retried once by default
    "rejected": REJECTED,
}
THEN = ("success", "trace", "fault")
RULES: Mapping[str, Mapping[str, tuple[Cell, Cell, Cell]]] = {
    "idempotent": {**COMMON, "ambiguous": RETRIED},
    "delete": {**COMMON, "ambiguous": ((2, SUCCESS), (2, SUCCESS), (3, FAULT))},
    "one-time": {**COMMON, "ambiguous": ((2, SUCCESS), (2, REFUSED), (3, UNKNOWN))},
    "once": {**COMMON, "ambiguous": ((1, UNKNOWN), (1, UNKNOWN), (1, UNKNOWN))},
}


def expected(kind: Kind, fault: Fault, then: str) -> Cell:
    """Return the number of attempts and the outcome of the call."""
    if fault.group == "incomplete" and not kind.reads_body:
        return 1, SUCCESS  # the rest of the body is not needed
    group = "ambiguous" if fault.group == "incomplete" else fault.group
    return RULES[kind.rules][group][THEN.index(then)]


# --- servers and sessions ---------------------------------------------------------------------------------------------


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
        """Start listening."""
        self._socket.listen(8)
        self._start = asyncio.ensure_future(self._server.start_serving())


def dying_connections(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Close connections between the pool and the first byte."""
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
    """Apply an action to the first connections only."""
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
    """Return the error of a call; None for success."""
    try:
        await call
    except CognitoError as error:
        return error
    return None


def check_ambiguous(error: CognitoError | None, kind: Kind, attempts: int, cause: type[CognitoError]) -> None:
    """Check the attributes of an AmbiguousOutcomeError."""
    assert isinstance(error, AmbiguousOutcomeError)
    assert error.how_to_verify == kind.how_to_verify
    assert kind.how_to_verify is not None
    assert kind.how_to_verify in str(error)
    assert len(error.history) == error.attempts == attempts
    assert error.__cause__ is error.history[-1]
    assert type(error.__cause__) is cause


# --- matrix -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("fault_name", FAULTS)
@pytest.mark.parametrize("kind_name", KINDS)
async def test_fault_leads_to_attempts_and_outcome_of_the_table(
    kind_name: str, fault_name: str, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of requests at the server, and the outcome."""
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


def test_fault_matrix_is_complete() -> None:
    """All kinds, at least 14 faults, and every group in every row."""
    assert len(FAULTS) >= 14
    groups = {fault.group for fault in FAULTS.values()} - {"incomplete"}
    assert all(set(row) == groups for row in RULES.values())
    assert {kind.rules for kind in KINDS.values()} == set(RULES)


# --- several faults in one call ---------------------------------------------------------------------------------------

LOST = cut()
THROTTLE = refusal(TooManyRequestsException)


async def run_script(*script: Action, call: Callable[[CognitoClient], Awaitable[Any]] = reset) -> CognitoError | None:
    """Respond with a script and return the call's error."""
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
async def test_reset_lost_then_rejected_is_ambiguous(code: str) -> None:
    """For each rejection that the applied first attempt may cause."""
    error = await run_script(LOST, answer({"__type": code, "message": "no"}, 400))
    assert type(error) is AmbiguousOutcomeError
    assert [past.code for past in error.history] == [None, code]


async def test_reset_lost_then_limit_exceeded_is_ambiguous() -> None:
    """The lost attempt may have used up the limit; it is retried once."""
    limited = refusal(LimitExceededException)
    error = await run_script(LOST, limited, limited)
    assert type(error) is AmbiguousOutcomeError
    assert len(error.history) == 3


async def test_reset_lost_then_invalid_password_is_certain() -> None:
    """The first attempt cannot have set this password."""
    assert type(await run_script(LOST, refusal(InvalidPasswordException))) is InvalidPasswordException


async def test_reset_lost_then_throttled_is_ambiguous() -> None:
    """The throttled attempt was not applied, but the first one may have been."""
    error = await run_script(LOST, THROTTLE, THROTTLE)
    assert isinstance(error, AmbiguousOutcomeError)
    assert isinstance(error, TooManyRequestsException)
    assert [type(past) for past in error.history] == [
        TransportError,
        TooManyRequestsException,
        TooManyRequestsException,
    ]


async def test_reset_lost_then_throttled_then_expired_is_ambiguous() -> None:
    """The first attempt explains the expired code."""
    error = await run_script(LOST, THROTTLE, refusal(ExpiredCodeException))
    assert type(error) is AmbiguousOutcomeError
    assert len(error.history) == 3


async def test_reset_throttled_then_expired_is_certain() -> None:
    """No attempt was ambiguous."""
    assert type(await run_script(THROTTLE, THROTTLE, refusal(ExpiredCodeException))) is ExpiredCodeException


async def test_reset_throttled_then_lost_then_expired_is_ambiguous() -> None:
    """The order does not matter."""
    assert type(await run_script(THROTTLE, LOST, refusal(ExpiredCodeException))) is AmbiguousOutcomeError


@pytest.mark.parametrize("script", [(LOST, THROTTLE), (THROTTLE, LOST), (LOST, LOST)])
async def test_delete_not_found_in_third_attempt_is_success(script: tuple[Action, ...]) -> None:
    """After any lost attempt."""
    gone = refusal(UserNotFoundException)
    assert await run_script(*script, gone, call=KINDS["delete"].call) is None


async def test_delete_throttled_then_not_found_is_an_error() -> None:
    """No attempt was lost, so the user did not exist."""
    error = await run_script(THROTTLE, refusal(UserNotFoundException), call=KINDS["delete"].call)
    assert type(error) is UserNotFoundException


async def test_message_throttled_then_lost_is_not_retried() -> None:
    """Only the throttled attempt is retried."""
    error = await run_script(THROTTLE, LOST, call=KINDS["sends a message"].call)
    check_ambiguous(error, KINDS["sends a message"], 2, TransportError)


async def test_message_partly_sent_is_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the request may have been received."""
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
