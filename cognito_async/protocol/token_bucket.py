"""An adaptive token bucket for the requests of one quota category. Pure: the time is an argument."""

from collections import deque
from math import inf

REACTION = 0.25  # seconds after a cut; throttling within them concerns requests that were sent before it
WINDOW = 0.25  # seconds over which the rate of accepted requests is measured for a cut
CUT = 0.95  # fraction of the measured rate that is kept after a cut
LOWEST_RATE = 0.5  # requests per second after a cut; the service's smallest quota is one per second
FAST_GROWTH = 8.0  # per second while no limit is known (the rate grows ninefold)
SLOW_GROWTH = 0.02  # per second above a rate at which the service has throttled
DOUBLING = 4.0  # seconds without throttling after which the slow growth doubles: the limit may have changed
PROVEN = 0.9  # fraction of the recently accepted rate to which the rate returns quickly after a cut
MEMORY = 10  # seconds that count as recent
SAMPLE = 40  # recent outcomes that decide whether an unlimited bucket becomes limited
FEW = 3  # throttled requests in the sample, up to which a bucket stays unlimited
MANY = 0.25  # fraction of throttled requests in the sample, up to which a bucket stays unlimited
BURST = 0.02  # capacity in seconds of requests, so that a late event loop can catch up


class AdaptiveTokenBucket:
    """A token bucket that fills at ``rate`` permits per second and adapts the rate to throttling.

    A bucket starts unlimited unless a rate is configured. Sustained throttling sets it to the category's published
    rate. From there it grows fast until the service throttles again, then falls to the rate that the service accepted.
    After that it returns quickly to the recently accepted rate and grows slowly beyond it, so it settles just below the
    limit. A configured rate is never exceeded, but it is cut like any other when the service throttles.
    """

    def __init__(self, start: float, configured: float | None = None) -> None:
        """Set the rate used after the first throttling, and the configured rate, if any."""
        self.rate: float | None = configured  # permits per second; None while unlimited
        self.limit: float = inf if configured is None else configured
        self._start = min(start, self.limit)
        self._exploring = True
        self._available = 1.0
        self._updated_at = -inf
        self._cut_at = -inf
        self._accepted: deque[float] = deque()
        self._outcomes: deque[bool] = deque(maxlen=SAMPLE)
        self._per_second: deque[tuple[int, int]] = deque(maxlen=MEMORY)  # (second, accepted requests)

    def try_acquire(self, now: float) -> bool:
        """Take a permit if one is available; return whether the request may be sent."""
        if self.rate is None:
            return True
        self._update(now)
        if self._available < 1.0:
            return False
        self._available -= 1.0
        return True

    def release(self) -> None:
        """Return a permit that was not used."""
        self._available += 1.0

    def wait_time(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a permit is available behind ``ahead`` other waiters."""
        if self.rate is None:
            return 0.0
        self._update(now)
        return max((ahead + 1.0 - self._available) / self.rate, 0.0)

    def record_success(self, now: float) -> None:
        """Record that the service accepted a request."""
        if self.rate is None:
            self._outcomes.append(True)
            return
        self._accepted.append(now)
        self._drop_old(now)
        second = int(now)
        if self._per_second and self._per_second[-1][0] == second:
            self._per_second[-1] = (second, self._per_second[-1][1] + 1)
        else:
            self._per_second.append((second, 1))

    def record_throttle(self, now: float) -> None:
        """Record that the service throttled a request."""
        if self.rate is None:
            self._outcomes.append(False)
            throttled = self._outcomes.count(False)
            if throttled > FEW and throttled > MANY * len(self._outcomes):
                self.rate = self._start
                self._available, self._updated_at, self._cut_at = 0.0, now, now
            return
        self._update(now)
        if now - self._cut_at < REACTION:
            return
        self._cut_at = now
        self._exploring = False
        self._drop_old(now)
        measured = len(self._accepted) / WINDOW
        # Few accepted requests may also mean few requests, so one cut never takes more than half.
        self.rate = max(min(self.rate, measured) * CUT, self.rate / 2, min(LOWEST_RATE, self.limit))
        self._available = min(self._available, 0.0)

    def _drop_old(self, now: float) -> None:
        while self._accepted and self._accepted[0] < now - WINDOW:
            self._accepted.popleft()

    def _growth(self, now: float, rate: float) -> float:
        """Return the growth per second: fast up to the proven rate, then slow, doubling while nothing is throttled."""
        if self._exploring or rate < self._proven(now):
            return FAST_GROWTH
        factor: float = 2.0 ** min((now - self._cut_at) / DOUBLING, 64.0)
        return min(SLOW_GROWTH * factor, FAST_GROWTH)

    def _proven(self, now: float) -> float:
        """Return most of the second-best recent second; the best may be due to a burst that the service allowed."""
        counts = sorted(count for second, count in self._per_second if now - MEMORY <= second < int(now))
        return counts[-2] * PROVEN if len(counts) > 1 else 0.0

    def _update(self, now: float) -> None:
        """Fill the bucket and grow the rate up to ``now``."""
        rate = self.rate or 0.0
        passed = max(now - self._updated_at, 0.0) if self._updated_at > -inf else 0.0
        self._updated_at = max(now, self._updated_at)
        full = 1.0 + rate * BURST
        self._available = min(self._available + passed * rate, full)
        in_demand = self._available < full  # a rate that is not used up proves nothing
        if in_demand and now - self._cut_at >= REACTION and rate < self.limit:
            self.rate = min(rate * (1.0 + self._growth(now, rate)) ** min(passed, 1.0), self.limit)
