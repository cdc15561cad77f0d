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
    """Limits the rows in flight; the limit rises with each row that is done.

    Few rows wait for the rate limiter at a time: a row that is started is recorded as sent when its turn comes, and is
    in doubt if the job is killed.
    """

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


class Slot:
    """The place of one row in a ConcurrencyLimiter; taken on creation."""

    __slots__ = ("_limiter", "_waiting")

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self._limiter = limiter
        self._waiting = True
        limiter.update(in_flight=1, waiting=1)

    def start_request(self) -> bool:
        """Record that a request passed the rate limiter; return whether it is the row's first."""
        first, self._waiting = self._waiting, False
        if first:
            self._limiter.update(waiting=-1)
        return first

    def release(self, *, done: bool) -> None:
        """Free the slot; ``done`` raises the limit."""
        self._limiter.update(in_flight=-1, waiting=-1 if self._waiting else 0, raise_limit=done)


class StopSignal:
    """Stops a run: set by the caller, by a decision about the job, or by a failure."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.requested: bool = False  # by the caller
        self.end: Summary | None = None
        self.failure: BaseException | None = None

    def is_set(self) -> bool:
        return self._event.is_set()

    def request(self) -> None:
        self.requested = True
        self._event.set()

    def finish(self, end: Summary) -> None:
        """Stop with a summary; the first one counts."""
        self.end = self.end or end
        self._event.set()

    def fail(self, error: BaseException) -> None:
        """Stop with a failure; the first one counts."""
        self.failure = self.failure or error
        self._event.set()

    def take_end(self) -> Summary | None:
        """Return the summary, if any, and clear it, so that the run can continue after a pause."""
        end, self.end = self.end, None
        if not self.requested and self.failure is None:
            self._event.clear()
        return end

    async def wait(self) -> None:
        await self._event.wait()

    async def sleep(self, seconds: float) -> bool:
        """Sleep until the signal is set, at most for some seconds; return whether it is set."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True
