"""Print the longest stall of the event loop while a library opens a session and makes its first call.

`stall MODULE URL` where MODULE is one of the `first_answer_…` programs beside this one. Its imports happen before the
loop runs, as they do in a program that imports at the top.
"""

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable

LOOKS_BEFORE = 200


class Watch:
    """A coroutine that comes round with every turn of the loop and keeps the longest turn."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.stopped = False

    async def look(self) -> None:
        """Look at the clock once a turn until stopped."""
        before = time.perf_counter()
        while not self.stopped:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest = max(self.longest, now - before)
            before = now


async def main(first_answer: Callable[[str, Callable[[], None]], Awaitable[None]], url: str) -> None:
    """Watch the loop while the program runs; print the longest stall and, for comparison, that of an idle loop."""
    watch = Watch()
    looking = asyncio.create_task(watch.look())
    for _ in range(LOOKS_BEFORE):
        await asyncio.sleep(0)
    idle, watch.longest = watch.longest, 0.0

    def answered() -> None:
        watch.stopped = True

    await first_answer(url, answered)
    await looking
    print(json.dumps([watch.longest, idle]))


if __name__ == "__main__":
    program = importlib.import_module(f"benchmarks.programs.{sys.argv[1]}")
    asyncio.run(main(program.first_answer, sys.argv[2]))
