"""Reset many users' passwords and print what the library said of each: `resets CONTENDER URL USERS TASKS [RATE]`.

RATE is what a contender that can be told a rate is told. Every user has a name and a code of its own and is tried
once: what a loop over a list of users does. The answer: seconds, and the users by what their caller learned.
"""

import asyncio
import json
import sys
import time
from collections import Counter

from benchmarks.contenders import Caller, contenders

UNKNOWN = "AmbiguousOutcomeError"
TIME_LIMIT = 150.0


class Learned:
    """What the callers learned of their users."""

    def __init__(self) -> None:
        self.succeeded: list[str] = []
        self.failed: list[str] = []
        self.unknown: list[str] = []
        self.errors: Counter[str] = Counter()

    async def reset(self, caller: Caller, user: str) -> None:
        """Reset one password and keep what came of it."""
        try:
            await caller.confirm(user, "123456")
        except Exception as error:  # noqa: BLE001 - every library raises its own
            kind = name_of(error)
            self.errors[kind] += 1
            (self.unknown if kind == UNKNOWN else self.failed).append(user)
        else:
            self.succeeded.append(user)


def name_of(error: Exception) -> str:
    """Return the error's name: its class, or for botocore's one class the code of the service."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        return str(answer.get("Error", {}).get("Code", type(error).__name__))
    return type(error).__name__


async def main(name: str, url: str, users: int, tasks: int, rate: float) -> None:
    """Work through the users with that many tasks."""
    learned = Learned()
    left = iter(range(users))

    async def work(caller: Caller) -> None:
        for number in left:
            await learned.reset(caller, f"user{number}@example.com")

    async with contenders(rate)[name].opened(url) as caller, asyncio.timeout(TIME_LIMIT):
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(work(caller))
        seconds = time.perf_counter() - began
    answer = {
        "seconds": seconds,
        "succeeded": learned.succeeded,
        "failed": learned.failed,
        "unknown": learned.unknown,
        "errors": learned.errors,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
