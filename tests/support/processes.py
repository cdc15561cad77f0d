"""Helpers for tests that start processes."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cognito_async.testing import LocalPool

ROOT = Path(__file__).parents[2]


def without_coverage(variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which a program does not measure coverage, which imports modules."""
    return {name: value for name, value in variables.items() if not name.startswith("COVERAGE_")}


def is_alive(pid: int) -> bool:
    """Return whether a process is running; False for a zombie."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the latter if it ends during the read
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc/self").exists()


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition is true; fail after a timeout."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def running(pool: LocalPool) -> Iterator[LocalPool]:
    """Run a pool outside of the tests' event loops, so that all tests of a module can share it."""
    with asyncio.Runner() as runner:
        runner.run(pool.__aenter__())
        try:
            yield pool
        finally:
            runner.run(pool.__aexit__(None, None, None))
