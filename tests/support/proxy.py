"""An HTTP proxy on loopback: tunnels for CONNECT, forwarding for other requests, and refusals."""

import asyncio
import ssl
from types import TracebackType
from typing import Self


class Proxy:
    """Connects every request to one server, whichever host the request names."""

    port: int
    """The port."""

    url: str
    """The URL."""

    def __init__(self, target: int, *, response: bytes | None = None, tls: ssl.SSLContext | None = None) -> None:
        """Configure a proxy.

        Args:
            target: The port of the server.
            response: Sent in place of connecting; the connection is closed after it. None to connect.
            tls: The TLS settings of the proxy itself; None for plain HTTP.
        """
        self._target = target
        self._response = response
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.lines: list[str] = []
        """The first line of the first request on each connection."""

        self.authorizations: list[str | None] = []
        """The ``Proxy-Authorization`` header of these requests; None if there was none."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, *lines = head.decode("latin-1").rstrip().split("\r\n")
            headers = dict(text.split(": ", 1) for text in lines)
            self.lines.append(line)
            self.authorizations.append(headers.get("Proxy-Authorization"))
            if self._response is not None:
                writer.write(self._response)
                return
            await self._connect(head, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _connect(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            if head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                target_writer.write(head)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, target_writer))
                group.create_task(_copy(target_reader, writer))
        finally:
            target_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
