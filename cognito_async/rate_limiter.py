"""Client-side rate limits, one FIFO limiter per quota category."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from cognito_async.deadline import Deadline
from cognito_async.errors import RateLimitTimeoutError
from cognito_async.protocol.operation import Operation
from cognito_async.protocol.token_bucket import AdaptiveTokenBucket

UNPUBLISHED_RATE = 10.0
SHORTEST_TIMER = 0.001


class CategoryLimiter(Protocol):
    """The rate limit of one quota category. An implementation may share it between processes."""

    __module__: str = "cognito_async"

    @property
    def rate(self) -> float | None:
        """Requests per second; None while the category is not limited."""
        ...

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a permit."""
        ...

    async def acquire(self, time_left: float, on_wait: Callable[[float], None]) -> None:
        """Wait for a permit to send one request.

        Args:
            time_left: How long the caller can wait, in seconds; infinite for no limit.
            on_wait: Called with the expected wait in seconds if the request has to wait.

        Raises:
            RateLimitTimeoutError: The permit would come too late.
        """
        ...

    def release(self) -> None:
        """Return a permit that was not used."""
        ...

    def record_success(self) -> None:
        """Record that the service accepted a request."""
        ...

    def record_throttle(self) -> None:
        """Record that the service throttled a request."""
        ...


class RateLimiter(Protocol):
    """Maps operations to the limiters of their quota categories."""

    __module__: str = "cognito_async"

    def limiter(self, operation: Operation) -> CategoryLimiter:
        """Return the limiter of an operation's quota category."""
        ...

    def limiters(self) -> Mapping[str, CategoryLimiter]:
        """Return the limiters that were used, by category."""
        ...


class LocalCategoryLimiter:
    """The rate limit of one category within one session; see CategoryLimiter."""

    def __init__(self, category: str, configured_rate: float | None) -> None:
        """Limit the category to its configured rate, or adapt to the service's throttling if it is None."""
        self._category = category
        self._bucket = None if configured_rate is None else AdaptiveTokenBucket(configured_rate, configured_rate)
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rate(self) -> float | None:
        """Requests per second; None while the category is not limited."""
        return None if self._bucket is None else self._bucket.rate

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a permit."""
        return len(self._waiters)

    async def acquire(self, time_left: float, on_wait: Callable[[float], None]) -> None:
        """Wait for a permit to send one request; see CategoryLimiter."""
        bucket = self._bucket
        if bucket is None:
            return
        loop = asyncio.get_running_loop()
        if not self._waiters and bucket.try_acquire(loop.time()):
            return
        wait = bucket.wait_time(loop.time(), ahead=len(self._waiters))
        if wait >= time_left:
            raise self._timeout(wait)
        on_wait(wait)
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        self._start_timer()
        try:
            with Deadline(time_left if time_left < float("inf") else None):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self.release()
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                raise self._timeout(wait) from None
            raise

    def release(self) -> None:
        """Return a permit that was not used."""
        if self._bucket is not None:
            self._bucket.release()
            self._wake_waiters()

    def record_success(self) -> None:
        """Record that the service accepted a request."""
        if self._bucket is not None:
            self._bucket.record_success(asyncio.get_running_loop().time())

    def record_throttle(self) -> None:
        """Record that the service throttled a request; the first one creates the bucket."""
        if self._bucket is None:
            from cognito_async.operations.facts import PUBLISHED  # noqa: PLC0415 - only needed after throttling

            self._bucket = AdaptiveTokenBucket(PUBLISHED.get(self._category, UNPUBLISHED_RATE))
        self._bucket.record_throttle(asyncio.get_running_loop().time())

    def _timeout(self, wait: float) -> RateLimitTimeoutError:
        return RateLimitTimeoutError(
            f"the rate limit of quota category {self._category} ({self.rate:.3g} requests per second) allows the "
            f"request in {wait:.3g} s, after the call's time limit; raise Timeouts(total=...) or send fewer requests",
            sent=False,
        )

    def _start_timer(self) -> None:
        if self._timer is None and self._waiters and self._bucket is not None:
            loop = asyncio.get_running_loop()
            delay = max(self._bucket.wait_time(loop.time()), SHORTEST_TIMER)
            self._timer = loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        """Wake waiters in FIFO order while there are permits."""
        now = asyncio.get_running_loop().time()
        while self._waiters and self._bucket is not None:
            if self._waiters[0].done():  # cancelled; its task has not run yet
                self._waiters.popleft()
            elif self._bucket.try_acquire(now):
                self._waiters.popleft().set_result(None)
            else:
                break
        self._start_timer()


class LocalRateLimiter:
    """The rate limits of one session."""

    def __init__(self, configured_rates: Mapping[str, float]) -> None:
        """Use the configured rates by category; all other categories adapt to the service's throttling."""
        self._configured_rates = configured_rates
        self._limiters: dict[str, LocalCategoryLimiter] = {}

    def limiter(self, operation: Operation) -> LocalCategoryLimiter:
        """Return the limiter of an operation; operations without a published category have separate limiters."""
        category = operation.category or operation.name
        limiter = self._limiters.get(category)
        if limiter is None:
            limiter = self._limiters[category] = LocalCategoryLimiter(category, self._configured_rates.get(category))
        return limiter

    def limiters(self) -> Mapping[str, LocalCategoryLimiter]:
        """Return the limiters that were used, by category."""
        return self._limiters
