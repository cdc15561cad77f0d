"""How fast the requests of one quota category may go: a budget that is told, or found out from throttling.

Pure: the time is an argument, and nobody waits here.
"""

from collections import deque
from math import inf

REACTION = 0.25
"""Seconds after a cut in which further throttling is taken as the answer to requests that had left before it."""

WINDOW = 0.25
"""Seconds over which the rate of answers is measured for a cut."""

CUT = 0.95
"""The part of the measured rate that is kept after a cut."""

LOWEST_RATE = 0.5
"""Requests a second below which no cut goes: the service's smallest quota is one a second."""

FAST_GROWTH = 8.0
"""Growth a second while nothing is known to be too much: ninefold."""

SLOW_GROWTH = 0.02
"""Growth a second where the service has throttled before."""

DOUBLING = 4.0
"""Seconds without throttling that double the slow growth: the limit may have been raised, or others have gone."""

PROVEN = 0.9
"""The part of what the service bore lately to which the rate returns fast after a cut."""

MEMORY = 10
"""How many seconds count as lately."""

SAMPLE = 40
"""How many of the last outcomes decide whether a free pace is to be limited."""

FEW = 3
"""Refusals up to which a pace stays free."""

MANY = 0.25
"""The part of the last outcomes up to which refusals are left to the retries: single ones need not mean a limit."""

BURST = 0.02
"""Seconds' worth of requests that may gather in the bucket, to make up for a loop that comes late."""


class Pace:
    """The budget of one category: a bucket of requests that fills at ``rate`` a second.

    A pace starts free, unless it was told a rate. Throttling in earnest sets it to the category's published rate; from
    there it grows fast until the service throttles again, then falls to what the service did answer. From then on it
    returns fast to what the service has borne lately, and only feels its way up beyond that: so it settles just below a
    limit. A told rate is never exceeded, but
    cut like any other when the service throttles.

    Attributes:
        rate: Requests a second; None while nothing limits them.
        limit: The told rate; infinite if none was.
    """

    __slots__ = (
        *("_answers", "_available", "_cut_at", "_exploring", "_moved_at", "_outcomes", "_seconds", "_start"),
        *("limit", "rate"),
    )

    def __init__(self, start: float, told: float | None = None) -> None:
        """Take the rate to start from after the first throttling, and the told rate, if any."""
        self.rate: float | None = told
        self.limit: float = inf if told is None else told
        self._start = min(start, self.limit)
        self._exploring = True
        self._available = 1.0
        self._moved_at = -inf
        self._cut_at = -inf
        self._answers: deque[float] = deque()
        self._outcomes: deque[bool] = deque(maxlen=SAMPLE)
        self._seconds: deque[tuple[int, int]] = deque(maxlen=MEMORY)  # each second and its number of answers

    def take(self, now: float) -> bool:
        """Take the right to one request, if there is one.

        Args:
            now: The time in seconds.

        Returns:
            True if the request may go.
        """
        if self.rate is None:
            return True
        self._move(now)
        if self._available < 1.0:
            return False
        self._available -= 1.0
        return True

    def give_back(self) -> None:
        """Give back a right that was not used."""
        self._available += 1.0

    def wait(self, now: float, ahead: int = 0) -> float:
        """Tell how long until there is a right for whoever has ``ahead`` others before it.

        Args:
            now: The time in seconds.
            ahead: How many others come first.

        Returns:
            Seconds.
        """
        if self.rate is None:
            return 0.0
        self._move(now)
        return max((ahead + 1.0 - self._available) / self.rate, 0.0)

    def answered(self, now: float) -> None:
        """Note that the service took a request, which tells of what it can bear."""
        if self.rate is None:
            self._outcomes.append(True)
            return
        self._answers.append(now)
        self._forget(now)
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + 1)
        else:
            self._seconds.append((second, 1))

    def throttled(self, now: float) -> None:
        """Note that the service refused a request for being one too many."""
        if self.rate is None:
            self._outcomes.append(False)
            refused = self._outcomes.count(False)
            if refused > FEW and refused > MANY * len(self._outcomes):
                self.rate = self._start
                self._available, self._moved_at, self._cut_at = 0.0, now, now
            return
        self._move(now)
        if now - self._cut_at < REACTION:
            return
        self._cut_at = now
        self._exploring = False
        # Few answers may also mean few requests, so one cut never takes more than half.
        self.rate = max(min(self.rate, self._measured(now)) * CUT, self.rate / 2, min(LOWEST_RATE, self.limit))
        self._available = min(self._available, 0.0)

    def _measured(self, now: float) -> float:
        """Measure the rate of answers over the last window."""
        self._forget(now)
        return len(self._answers) / WINDOW

    def _forget(self, now: float) -> None:
        while self._answers and self._answers[0] < now - WINDOW:
            self._answers.popleft()

    def _growth(self, now: float, rate: float) -> float:
        """Give the growth a second: fast up to what is proven, then slow, and the bolder the longer nothing happens."""
        if self._exploring or rate < self._proven(now):
            return FAST_GROWTH
        boldness: float = 2.0 ** min((now - self._cut_at) / DOUBLING, 64.0)
        return min(SLOW_GROWTH * boldness, FAST_GROWTH)

    def _proven(self, now: float) -> float:
        """Give most of the second-best second of late; the best may owe itself to a burst that the service allowed."""
        counts = sorted(count for second, count in self._seconds if now - MEMORY <= second < int(now))
        return counts[-2] * PROVEN if len(counts) > 1 else 0.0

    def _move(self, now: float) -> None:
        """Fill the bucket, and let the rate grow, up to now."""
        rate = self.rate or 0.0
        passed = max(now - self._moved_at, 0.0) if self._moved_at > -inf else 0.0
        self._moved_at = max(now, self._moved_at)
        full = 1.0 + rate * BURST
        self._available = min(self._available + passed * rate, full)
        wanted = self._available < full  # a rate that nobody uses up proves nothing
        if wanted and now - self._cut_at >= REACTION and rate < self.limit:
            self.rate = min(rate * (1.0 + self._growth(now, rate)) ** min(passed, 1.0), self.limit)
