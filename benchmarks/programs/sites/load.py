"""Send forms to a site, a block at a time: `load PORT REQUESTS CONNECTIONS`.

Each request has another user name and uses a kept connection. For each line on standard input it sends REQUESTS and
prints [wall seconds per request, over all connections; median seconds per response; its own CPU seconds per request].
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator

from benchmarks.contenders import PASSWORD

TIME_LIMIT = 60.0


class Client(asyncio.Protocol):
    """A connection, which sends the next form as soon as the last one is answered."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._numbers: Iterator[int] = iter(())
        self._received = b""
        self._finished: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the running block."""
        if self._finished is not None and not self._finished.done():
            self._finished.set_exception(error or ConnectionError("the site closed a connection"))

    async def run(self, numbers: Iterator[int]) -> None:
        """Send a form for each number until there are none left."""
        self._numbers, self._finished = numbers, asyncio.get_running_loop().create_future()
        self._next()
        await self._finished

    def _next(self) -> None:
        assert self._transport is not None
        assert self._finished is not None
        number = next(self._numbers, None)
        if number is None:
            self._finished.set_result(None)
            return
        body = b'{"username": "user%d-%d@example.com", "code": "123456", "password": "%s"}' % (
            os.getpid(),
            number,
            PASSWORD.encode(),
        )
        self._sent = time.perf_counter()
        self._transport.write(
            b"POST /reset-password HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Accept: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    def data_received(self, data: bytes) -> None:
        """Check the response when it is complete."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < int(length[15:]):
            return
        self.waits.append(time.perf_counter() - self._sent)
        if not head.startswith(b"HTTP/1.1 200 "):
            assert self._finished is not None
            self._finished.set_exception(RuntimeError(f"unexpected response: {self._received!r}"))
            return
        self._received = b""
        self._next()


async def block(clients: list[Client], numbers: range) -> list[float]:
    """Send a block of requests and measure it."""
    for client in clients:
        client.waits.clear()
    left = iter(numbers)
    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.timeout(TIME_LIMIT):
        await asyncio.gather(*[client.run(left) for client in clients])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    median = statistics.median(wait for client in clients for wait in client.waits)
    return [wall / len(numbers), median, cpu / len(numbers)]


async def main(port: int, requests: int, connections: int) -> None:
    """Warm up, then send a block for each line on standard input."""
    loop = asyncio.get_running_loop()
    clients = [(await loop.create_connection(Client, "127.0.0.1", port))[1] for _ in range(connections)]
    await block(clients, range(8 * connections))
    first = 8 * connections
    for _ in sys.stdin:  # blocks the loop between blocks, when it has nothing to do
        print(json.dumps(await block(clients, range(first, first + requests))), flush=True)
        first += requests


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
