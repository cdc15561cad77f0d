"""Make calls with one library, one after the other, a block at a time: `waits CONTENDER URL CALLS`.

For each line on standard input it prints the median of the seconds that a caller waited.
"""

import asyncio
import json
import statistics
import sys
import time

from benchmarks.contenders import Caller, contenders

WARM_UP = 32


async def block(caller: Caller, calls: int) -> float:
    """Make the calls, and return the median."""
    waits: list[float] = []
    for number in range(calls):
        began = time.perf_counter()
        await caller.confirm(f"user{number}@example.com", "123456")
        waits.append(time.perf_counter() - began)
    return statistics.median(waits)


async def main(name: str, url: str, calls: int) -> None:
    """Warm up, then make a block of calls for each line that comes in."""
    async with contenders()[name].opened(url) as caller:
        await block(caller, WARM_UP)
        for _ in sys.stdin:  # stops the loop between blocks, when there is nothing for it to do
            print(json.dumps([await block(caller, calls)]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
