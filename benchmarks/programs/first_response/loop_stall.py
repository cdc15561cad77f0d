"""Print the longest stall of the event loop while a program of this folder runs: `loop_stall PROGRAM URL`.

Its imports happen before the loop runs, as in any program that imports at the top.
"""

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable

IDLE_TURNS = 200


class StallDetector:
    """Measures the longest turn of the event loop."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.stopped = False

    async def run(self) -> None:
        """Read the clock once per turn until stopped."""
        before = time.perf_counter()
        while not self.stopped:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest = max(self.longest, now - before)
            before = now


async def main(first_response: Callable[[str, Callable[[], None]], Awaitable[None]], url: str) -> None:
    """Run the program; print the longest stall and, for comparison, that of an idle loop."""
    detector = StallDetector()
    detecting = asyncio.create_task(detector.run())
    for _ in range(IDLE_TURNS):
        await asyncio.sleep(0)
    idle, detector.longest = detector.longest, 0.0

    def received() -> None:
        detector.stopped = True

    await first_response(url, received)
    await detecting
    print(json.dumps([detector.longest, idle]))


if __name__ == "__main__":
    program = importlib.import_module(f"benchmarks.programs.first_response.{sys.argv[1]}")
    asyncio.run(main(program.first_response, sys.argv[2]))
