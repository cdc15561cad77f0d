"""An HTTP server on loopback that follows a script, byte by byte."""

import asyncio
import contextlib
import gzip
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from attrs import frozen

BLOCK = b" " * 65536
JSON_HEADERS = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": "r-1"}


@frozen(kw_only=True)
class Received:
    """A request as it was received."""

    connection: int
    """The number of its connection, from 1."""

    line: str
    """The request line."""

    headers: Mapping[str, str]
    """The headers, with names in lower case."""

    raw: bytes
    """The bytes of the head."""

    body: bytes
    """The body."""

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


class Connection:
    """A connection, as seen by an action."""

    def __init__(
        self, server: "ScriptedServer", number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.number = number
        self.reader = reader
        self.writer = writer
        self.request: Received | None = None

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """Close the connection after the data that was written."""
        self.writer.close()

    def abort(self) -> None:
        """Reset the connection."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def read_request(self) -> Received | None:
        """Read a request; None if the client has closed the connection."""
        try:
            raw = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        line, *lines = raw.decode("latin-1").rstrip().split("\r\n")
        pairs = (text.partition(":") for text in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Received(connection=self.number, line=line, headers=headers, raw=raw, body=body)


Action = Callable[[Connection], Awaitable[None]]


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the head of a response."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Scripted\r\n{lines}\r\n".encode("latin-1")


def answer(body: bytes | dict[str, Any] = b"{}", status: int = 200, **headers: str) -> Action:
    """Respond, and keep the connection; underscores in header names stand for hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(head(status, {**JSON_HEADERS, "Content-Length": str(len(content)), **given}) + content)


def send(data: bytes) -> Action:
    """Send bytes unchanged, and keep the connection."""

    async def act(connection: Connection) -> None:
        await connection.write(data)

    return act


def cut(data: bytes = b"") -> Action:
    """Send some bytes and close the connection."""

    async def act(connection: Connection) -> None:
        await connection.write(data)
        connection.close()

    return act


def reset_connection(data: bytes = b"") -> Action:
    """Send some bytes and reset the connection."""

    async def act(connection: Connection) -> None:
        await connection.write(data)
        connection.abort()

    return act


def never(data: bytes = b"") -> Action:
    """Send some bytes and then nothing, until the client closes the connection."""

    async def act(connection: Connection) -> None:
        await connection.write(data)
        await connection.reader.read()

    return act


def drip(data: bytes) -> Action:
    """Send single bytes, one for each call of ``server.gate.release()``."""

    async def act(connection: Connection) -> None:
        for byte in data:
            await connection.server.gate.acquire()
            await connection.write(bytes([byte]))

    return act


def echo() -> Action:
    """Send the request back, which is not valid HTTP."""

    async def act(connection: Connection) -> None:
        assert connection.request is not None
        await connection.write(connection.request.raw + connection.request.body)
        connection.close()

    return act


def flood(size: int, *, status: int = 200, chunked: bool = False, start: bytes = b"{") -> Action:
    """Respond with a body of ``size`` bytes, without holding it in memory."""
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}

    async def act(connection: Connection) -> None:
        await connection.write(head(status, {**JSON_HEADERS, **framing}))
        left = size
        block = start + BLOCK[len(start) :]
        while left:
            piece = block[:left]
            await connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            left -= len(piece)
            block = BLOCK
        if chunked:
            await connection.write(b"0\r\n\r\n")

    return act


def compressed(body: bytes, status: int = 200) -> Action:
    """Respond with gzip."""
    return answer(gzip.compress(body), status, Content_Encoding="gzip")


class ScriptedServer:
    """Runs one action of its script per request, then ``otherwise`` for all further requests."""

    listener: Any
    """The listening socket, whose options new connections inherit."""

    port: int
    """The port."""

    url: str
    """The URL."""

    def __init__(
        self,
        *script: Action,
        otherwise: Action | None = None,
        on_connect: Action | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self.requests: list[Received] = []
        """The received requests."""

        self.connections = 0
        """The number of connections that were opened."""

        self.open = 0
        """The number of open connections."""

        self.gate = asyncio.Semaphore(0)
        """Lets ``drip`` send a byte."""

        self._script = list(script)
        self._otherwise = otherwise or answer()
        self._on_connect = on_connect
        self._live: dict[asyncio.Task[None], Connection] = {}
        self._changed = asyncio.Event()
        self._failure: Exception | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.listener = self._server.sockets[0]
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        tasks = list(self._live)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        if self._failure is not None:
            raise self._failure

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true; it is checked after each request and closed connection."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def close_connections(self) -> None:
        """Close all connections, including idle ones."""
        for connection in self._live.values():
            connection.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        connection = Connection(self, self.connections, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._live[task] = connection
        try:
            await self._converse(connection)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 - raised where the test sees it
            self._failure = error
        finally:
            del self._live[task]
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self.open -= 1
            self._changed.set()

    async def _converse(self, connection: Connection) -> None:
        if self._on_connect is not None:
            await self._on_connect(connection)
        while not connection.writer.is_closing():
            connection.request = await connection.read_request()
            if connection.request is None:
                return
            self.requests.append(connection.request)
            self._changed.set()
            await (self._script.pop(0) if self._script else self._otherwise)(connection)
