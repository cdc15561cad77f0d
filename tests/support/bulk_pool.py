"""A fake user pool over HTTP: counts what it applied, fails at random, and calls a hook at each phase of a request."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from random import Random
from types import TracebackType
from typing import Any, Final, Self

MESSAGES: Final = {
    "ExpiredCodeException": "Invalid code provided, please request a code again.",
    "CodeMismatchException": "Invalid verification code provided, please try again.",
    "UserNotFoundException": "Username/client id combination not found.",
    "TooManyRequestsException": "Rate exceeded",
    "LimitExceededException": "Attempt limit exceeded, please try after some time.",
    "InternalErrorException": "Something went wrong",
}


class Phase(Enum):
    """The phases of a request."""

    RECEIVED = "received, not applied"
    APPLIED = "applied, not responded"
    RESPONDED = "responded"


class Failure(Enum):
    """How a request fails."""

    NONE = "no failure"
    THROTTLED = "throttled"
    LIMITED = "the user's hourly limit"
    CUT_BEFORE = "connection reset, not applied"
    CUT_AFTER = "applied, then connection reset"
    FAILED_BEFORE = "status 500, not applied"
    FAILED_AFTER = "applied, then status 500"


WEIGHTS: Final[Mapping[Failure, float]] = {
    Failure.NONE: 95.0,
    Failure.THROTTLED: 3.0,
    Failure.LIMITED: 0.4,
    Failure.CUT_BEFORE: 0.4,
    Failure.CUT_AFTER: 0.4,
    Failure.FAILED_BEFORE: 0.4,
    Failure.FAILED_AFTER: 0.4,
}


class FakePool:
    """A user pool that counts the requests that it applied."""

    url: str
    """The endpoint URL."""

    def __init__(self, rng: Random, weights: Mapping[Failure, float] = WEIGHTS, latency: float = 0.002) -> None:
        self.applied: Counter[str] = Counter()
        """The number of applied requests by user."""

        self.seen: set[str] = set()
        """The users of all requests."""

        self.at: Callable[[Phase], None] = lambda phase: None
        """Called at each phase of each request; may kill the client."""

        self._rng = rng
        self._failures, self._weights = list(weights), list(weights.values())
        self._latency = latency
        self._connections: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await self._server.wait_closed()

    def add(self, connection: "_Connection") -> None:
        """Add a connection."""
        self._connections.add(connection)

    def remove(self, connection: "_Connection") -> None:
        """Remove a connection."""
        self._connections.discard(connection)

    def handle(self, connection: "_Connection", operation: str, body: Mapping[str, Any]) -> None:
        """Apply a request, or choose how it fails; respond after the latency."""
        self.seen.add(body["Username"])
        self.at(Phase.RECEIVED)
        failure = self._rng.choices(self._failures, self._weights)[0]
        error = _ERRORS.get(failure)
        if error is None and failure is not Failure.CUT_BEFORE:
            error = self._apply(operation, body)
            self.at(Phase.APPLIED)
            if failure is Failure.FAILED_AFTER:
                error = "InternalErrorException"
        delay = self._latency * (0.5 + self._rng.random())
        asyncio.get_running_loop().call_later(delay, self._respond, connection, failure, error)

    def _respond(self, connection: "_Connection", failure: Failure, error: str | None) -> None:
        if failure in {Failure.CUT_BEFORE, Failure.CUT_AFTER}:
            connection.abort()
            return
        connection.respond(error)
        self.at(Phase.RESPONDED)

    def _apply(self, operation: str, body: Mapping[str, Any]) -> str | None:
        """Apply a request, or return an error code."""
        user = body["Username"]
        if user.startswith("missing"):
            return "UserNotFoundException"
        if operation == "ConfirmForgotPassword":
            if body["ConfirmationCode"] != "123456":
                return "CodeMismatchException"
            if self.applied[user]:
                return "ExpiredCodeException"
        self.applied[user] += 1
        return None


_ERRORS: Final[Mapping[Failure, str]] = {
    Failure.THROTTLED: "TooManyRequestsException",
    Failure.LIMITED: "LimitExceededException",
    Failure.FAILED_BEFORE: "InternalErrorException",
}


class _Connection(asyncio.Protocol):
    """A minimal HTTP server connection."""

    transport: asyncio.Transport

    def __init__(self, pool: FakePool) -> None:
        self._pool = pool
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._pool.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.remove(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        length = int(headers[b"content-length"])
        if len(rest) >= length:
            self._buffer = rest[length:]
            operation = head.partition(b"X-Amz-Target: AWSCognitoIdentityProviderService.")[2].split(b"\r\n")[0]
            self._pool.handle(self, operation.decode(), json.loads(rest[:length]))

    def respond(self, error: str | None) -> None:
        """Send success, or an error."""
        if self.transport.is_closing():
            return
        body = b"{}" if error is None else json.dumps({"__type": error, "message": MESSAGES[error]}).encode()
        status = 200 if error is None else 500 if error == "InternalErrorException" else 400
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)

    def abort(self) -> None:
        """Reset the connection."""
        self.transport.abort()
