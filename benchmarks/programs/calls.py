"""Make calls with one library, a block at a time: `calls CONTENDER OPERATION URL CALLS CONCURRENCY`.

After a warm-up it waits for a line on standard input, makes CALLS calls, prints the seconds of CPU and of wall time
that one took, and waits again, until standard input closes. So several of these can take turns in short blocks, and
whatever else the machine does meets all of them alike.
"""

import asyncio
import json
import sys
import time

from benchmarks.contenders import USERS_IN_PAGE, Caller, contenders

WARM_UP_ROUNDS = 8
TIME_LIMIT = 60.0


async def work(caller: Caller, operation: str, calls: int, concurrency: int) -> None:
    """Make the calls from that many tasks, each taking the next call as soon as it is free."""
    left = iter(range(calls))

    async def confirm() -> None:
        for number in left:
            await caller.confirm(f"user{number}@example.com", "123456")

    async def list_users() -> None:
        for _ in left:
            users = await caller.list_users()
            if users != USERS_IN_PAGE:
                raise RuntimeError(f"{users} users came, not {USERS_IN_PAGE}")

    task = list_users if operation == "list_users" else confirm
    async with asyncio.timeout(TIME_LIMIT), asyncio.TaskGroup() as tasks:
        for _ in range(concurrency):
            tasks.create_task(task())


async def main(name: str, operation: str, url: str, calls: int, concurrency: int) -> None:
    """Warm up, then make a block of calls for each line that comes in."""
    async with contenders()[name].opened(url) as caller:
        await work(caller, operation, WARM_UP_ROUNDS * concurrency, concurrency)
        for _ in sys.stdin:  # stops the loop between blocks, when there is nothing for it to do
            cpu, wall = time.process_time(), time.perf_counter()
            await work(caller, operation, calls, concurrency)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            print(json.dumps([cpu / calls, wall / calls]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
