"""Concurrency of a run: how many rows are in flight, and the signal that stops it."""

import asyncio
from typing import Final

from cognito_async.bulk.progress import Summary
from cognito_async.rate_limiter import CategoryLimiter

# Rows that may wait for the rate limiter, as seconds of its rate, so that it never runs dry.
QUEUED_SECONDS: Final = 0.1
MIN_QUEUED: Final = 2
INITIAL_LIMIT: Final = 4


class ConcurrencyLimiter:
    """Limits the rows in flight, and those that wait for the rate limiter. The limit rises with each done row."""

    def __init__(self, rate_limiter: CategoryLimiter, maximum: int) -> None:
        self._rate_limiter = rate_limiter
        self._maximum = maximum
        self._limit = min(INITIAL_LIMIT, maximum)
        self._changed = asyncio.Event()
        self.in_flight: int = 0
        self.waiting: int = 0  # of the rows in flight, those that wait for their first turn in the rate limiter

    async def wait(self) -> None:
        while self._is_full():
            self._changed.clear()
            await self._changed.wait()

    def _is_full(self) -> bool:
        rate = self._rate_limiter.rate
        return self.in_flight >= self._limit or (
            rate is not None and self.waiting >= MIN_QUEUED + rate * QUEUED_SECONDS
        )

    def update(self, *, in_flight: int = 0, waiting: int = 0, raise_limit: bool = False) -> None:
        self.in_flight += in_flight
        self.waiting += waiting
        if raise_limit:
            self._limit = min(self._limit + 1, self._maximum)
        if not self._is_full():
            self._changed.set()


class StopSignal(asyncio.Event):
    """Stops a run: set by the caller, by a decision about the job, or by a failure. The first of each counts."""

    def __init__(self) -> None:
        super().__init__()
        self.requested: bool = False  # by the caller
        self.end: Summary | None = None
        self.failure: BaseException | None = None

    def request(self) -> None:
        self.requested = True
        self.set()

    def finish(self, end: Summary) -> None:
        self.end = self.end or end
        self.set()

    def fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.set()

    def take_end(self) -> Summary | None:
        """Return the summary, if any, and clear it, so that the run can continue after a pause."""
        end, self.end = self.end, None
        if not self.requested and self.failure is None:
            self.clear()
        return end

    async def sleep(self, seconds: float) -> bool:
        """Sleep until the signal is set, at most for some seconds; return whether it is set."""
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
        except TimeoutError:
            return False
        return True
