"""What tests need that start processes and look at them."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cognito_async.testing import LocalPool

ROOT = Path(__file__).parents[2]


def is_alive(pid: int) -> bool:
    """Say whether a process runs: one that has ended and waits to be collected does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the latter where it goes just as it is looked at
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc/self").exists()


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for the condition, looking often; fail when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def running(pool: LocalPool) -> Iterator[LocalPool]:
    """Run a pool from outside all the loops that the tests run on, so that a module's tests can share it."""
    with asyncio.Runner() as runner:
        runner.run(pool.__aenter__())
        try:
            yield pool
        finally:
            runner.run(pool.__aexit__(None, None, None))
