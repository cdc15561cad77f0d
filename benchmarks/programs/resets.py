"""Reset the passwords of many users, each once, and print the outcomes: `resets CONTENDER URL USERS TASKS RATE`.

RATE is the configured rate of contenders that have one. The result: seconds, and the users by outcome.
"""

import asyncio
import json
import sys
import time
from collections import Counter

from benchmarks.contenders import Caller, contenders

UNKNOWN = "AmbiguousOutcomeError"
TIME_LIMIT = 150.0


class Outcomes:
    """The users by outcome, as reported by the library."""

    def __init__(self) -> None:
        self.succeeded: list[str] = []
        self.failed: list[str] = []
        self.unknown: list[str] = []
        self.errors: Counter[str] = Counter()

    async def reset(self, caller: Caller, user: str) -> None:
        """Reset a password and record the outcome."""
        try:
            await caller.confirm(user, "123456")
        except Exception as error:  # noqa: BLE001 - each library has its own errors
            kind = name_of(error)
            self.errors[kind] += 1
            (self.unknown if kind == UNKNOWN else self.failed).append(user)
        else:
            self.succeeded.append(user)


def name_of(error: Exception) -> str:
    """Return the name of an error's class, or the service's code for botocore."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", type(error).__name__))
    return type(error).__name__


async def main(name: str, url: str, users: int, tasks: int, rate: float) -> None:
    """Reset all users from concurrent tasks."""
    outcomes = Outcomes()
    left = iter(range(users))

    async def work(caller: Caller) -> None:
        for number in left:
            await outcomes.reset(caller, f"user{number}@example.com")

    async with contenders(rate)[name].opened(url) as caller, asyncio.timeout(TIME_LIMIT):
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(work(caller))
        seconds = time.perf_counter() - began
    result = {
        "seconds": seconds,
        "succeeded": outcomes.succeeded,
        "failed": outcomes.failed,
        "unknown": outcomes.unknown,
        "errors": outcomes.errors,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
