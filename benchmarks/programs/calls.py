"""Make calls with a library, a block at a time: `calls CONTENDER OPERATION URL CALLS CONCURRENCY`.

For each line on standard input it makes CALLS calls and prints [CPU seconds per call; wall seconds per call; median
seconds of a call]. Several of these can take turns in short blocks, so that load on the machine affects all alike.
"""

import asyncio
import json
import statistics
import sys
import time

from benchmarks.contenders import USERS_IN_PAGE, Caller, contenders

WARM_UP_CALLS = 32
TIME_LIMIT = 60.0


async def block(caller: Caller, operation: str, calls: int, concurrency: int) -> list[float]:
    """Make the calls from concurrent tasks and return the numbers of the block."""
    left = iter(range(calls))
    durations: list[float] = []

    async def confirm(number: int) -> None:
        await caller.confirm(f"user{number}@example.com", "123456")

    async def list_users(_: int) -> None:
        users = await caller.list_users()
        if users != USERS_IN_PAGE:
            raise RuntimeError(f"received {users} users instead of {USERS_IN_PAGE}")

    call = list_users if operation == "list_users" else confirm

    async def work() -> None:
        for number in left:
            began = time.perf_counter()
            await call(number)
            durations.append(time.perf_counter() - began)

    cpu, wall = time.process_time(), time.perf_counter()
    async with asyncio.timeout(TIME_LIMIT), asyncio.TaskGroup() as tasks:
        for _ in range(concurrency):
            tasks.create_task(work())
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return [cpu / calls, wall / calls, statistics.median(durations)]


async def main(name: str, operation: str, url: str, calls: int, concurrency: int) -> None:
    """Warm up, then make a block of calls for each line on standard input."""
    async with contenders()[name].opened(url) as caller:
        await block(caller, operation, max(WARM_UP_CALLS, 8 * concurrency), concurrency)
        for _ in sys.stdin:  # blocks the loop between blocks, when it has nothing to do
            print(json.dumps(await block(caller, operation, calls, concurrency)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
