"""Visit a site, a block of visits at a time: `visits PORT VISITS CONNECTIONS`.

Each visit sends the form for another user over a connection that is kept. For each line on standard input it makes
VISITS and prints the seconds of wall time that one took, all connections together, the median of what a visitor waited,
and its own seconds of CPU a visit: it must cost little beside the site.
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


class Visitor(asyncio.Protocol):
    """One connection, which sends the next form as soon as the last one is answered."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._numbers: Iterator[int] = iter(())
        self._received = b""
        self._finished: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio gives a full one for TCP."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits."""
        if self._finished is not None and not self._finished.done():
            self._finished.set_exception(error or ConnectionError("the site has closed a connection"))

    async def visit(self, numbers: Iterator[int]) -> None:
        """Visit the site for each number that this connection gets hold of."""
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
        """Look whether the answer is whole; it must be good."""
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
            self._finished.set_exception(RuntimeError(f"the site answered {self._received!r}"))
            return
        self._received = b""
        self._next()


async def block(visitors: list[Visitor], numbers: range) -> list[float]:
    """Make a block of visits and measure it."""
    for visitor in visitors:
        visitor.waits.clear()
    left = iter(numbers)
    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.timeout(TIME_LIMIT):
        await asyncio.gather(*[visitor.visit(left) for visitor in visitors])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    median = statistics.median(wait for visitor in visitors for wait in visitor.waits)
    return [wall / len(numbers), median, cpu / len(numbers)]


async def main(port: int, visits: int, connections: int) -> None:
    """Warm up, then make a block of visits for each line that comes in."""
    loop = asyncio.get_running_loop()
    visitors = [(await loop.create_connection(Visitor, "127.0.0.1", port))[1] for _ in range(connections)]
    await block(visitors, range(8 * connections))
    first = 8 * connections
    for _ in sys.stdin:  # stops the loop between blocks, when there is nothing for it to do
        print(json.dumps(await block(visitors, range(first, first + visits))), flush=True)
        first += visits


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
