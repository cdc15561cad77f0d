"""A user pool over HTTP that remembers what it did to each user, misbehaves by chance, and can kill who asks it."""

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


class Moment(Enum):
    """Where in a request's life something happens."""

    BEFORE = "it has arrived, and nothing is applied"
    APPLIED = "it is applied, and not answered"
    ANSWERED = "it is answered"


class Fault(Enum):
    """What goes wrong with a request."""

    NONE = "nothing"
    THROTTLED = "refused as one too many"
    LIMITED = "refused for what the user may do in an hour"
    CUT_BEFORE = "the connection is reset, nothing applied"
    CUT_AFTER = "applied, then the connection is reset"
    FAILED_BEFORE = "status 500, nothing applied"
    FAILED_AFTER = "applied, then status 500"


WEIGHTS: Final[Mapping[Fault, float]] = {
    Fault.NONE: 95.0,
    Fault.THROTTLED: 3.0,
    Fault.LIMITED: 0.4,
    Fault.CUT_BEFORE: 0.4,
    Fault.CUT_AFTER: 0.4,
    Fault.FAILED_BEFORE: 0.4,
    Fault.FAILED_AFTER: 0.4,
}


class Pool:
    """The users, and what was done to them.

    Attributes:
        applied: How often something was done to each user.
        seen: The users that requests came for.
        at: Called at each moment of each request; may kill the process that sent it.
        url: Where it listens.
    """

    url: str

    def __init__(self, chance: Random, weights: Mapping[Fault, float] = WEIGHTS, latency: float = 0.002) -> None:
        self.applied: Counter[str] = Counter()
        self.seen: set[str] = set()
        self.at: Callable[[Moment], None] = lambda moment: None
        self._chance = chance
        self._faults, self._weights = list(weights), list(weights.values())
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

    def enter(self, connection: "_Connection") -> None:
        """Take a connection in."""
        self._connections.add(connection)

    def leave(self, connection: "_Connection") -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def take(self, connection: "_Connection", operation: str, body: Mapping[str, Any]) -> None:
        """Take a request: decide now what becomes of it, and answer after the latency."""
        self.seen.add(body["Username"])
        self.at(Moment.BEFORE)
        fault = self._chance.choices(self._faults, self._weights)[0]
        refusal = _REFUSALS.get(fault)
        if refusal is None and fault is not Fault.CUT_BEFORE:
            refusal = self._apply(operation, body)
            self.at(Moment.APPLIED)
            if fault is Fault.FAILED_AFTER:
                refusal = "InternalErrorException"
        delay = self._latency * (0.5 + self._chance.random())
        asyncio.get_running_loop().call_later(delay, self._answer, connection, fault, refusal)

    def _answer(self, connection: "_Connection", fault: Fault, refusal: str | None) -> None:
        if fault in {Fault.CUT_BEFORE, Fault.CUT_AFTER}:
            connection.abort()
            return
        connection.answer(refusal)
        self.at(Moment.ANSWERED)

    def _apply(self, operation: str, body: Mapping[str, Any]) -> str | None:
        """Do what is asked, or give the code of the refusal."""
        user = body["Username"]
        if user.startswith("nobody"):
            return "UserNotFoundException"
        if operation == "ConfirmForgotPassword":
            if body["ConfirmationCode"] != "123456":
                return "CodeMismatchException"
            if self.applied[user]:
                return "ExpiredCodeException"
        self.applied[user] += 1
        return None


_REFUSALS: Final[Mapping[Fault, str]] = {
    Fault.THROTTLED: "TooManyRequestsException",
    Fault.LIMITED: "LimitExceededException",
    Fault.FAILED_BEFORE: "InternalErrorException",
}


class _Connection(asyncio.Protocol):
    """Speaks as much HTTP as one client needs."""

    transport: asyncio.Transport

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._pool.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.leave(self)

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
            self._pool.take(self, operation.decode(), json.loads(rest[:length]))

    def answer(self, refusal: str | None) -> None:
        """Say that it is done, or why not."""
        if self.transport.is_closing():
            return
        body = b"{}" if refusal is None else json.dumps({"__type": refusal, "message": MESSAGES[refusal]}).encode()
        status = 200 if refusal is None else 500 if refusal == "InternalErrorException" else 400
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abort()
