"""Progress and results of a job."""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import pairwise
from typing import Final

from attrs import field, frozen

from cognito_async.bulk.rows import FINAL_STATES, ErrorGroup, Outcome, State, count_kinds

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
RATE_WINDOW: Final = 10  # seconds over which the current rate is measured


class StopReason(Enum):
    """Why a run ended."""

    FINISHED = "finished"
    """Every row is done, refused or unknown."""
    STOPPED = "stopped"
    """``Job.stop`` was called; rows in flight were completed."""
    DEFERRED = "deferred"
    """The remaining rows can only be tried later."""
    EMAIL_LIMIT = "e-mail limit"
    """The account reached its daily e-mail limit."""
    TOO_MANY_ERRORS = "too many errors"
    """Too many consecutive rows failed, or no row can be sent; check the user pool and the credentials."""
    NO_SERVICE = "no service"
    """The service was unreachable or throttled for longer than the policy allows."""


@frozen(kw_only=True)
class Progress:
    """A job's progress at one moment."""

    states: Mapping[State, int]
    """The number of rows by state, over all runs of the job."""
    kinds: Mapping[tuple[State, str], int]
    """The number of rows with an error, by state and code."""
    total: int | None
    """The number of rows; None if it is not known yet."""
    reading: bool
    """Whether the source is being read into the journal, before the first request."""
    in_flight: int
    """The number of rows in flight."""
    rate: float
    """Rows settled per second, over the last seconds."""
    quota: float | None
    """The current rate limit in requests per second; None if there is none."""
    throttled: int
    """The number of requests that the service throttled in this run."""
    waiting_until: float | None = None
    """When the run continues, in seconds since 1970, while it waits for deferred rows; None otherwise."""
    trouble: str | None = None
    """The error that a row is being retried for, such as an unreachable service; None if there is none."""

    @property
    def settled(self) -> int:
        """The number of rows that are done, refused or unknown."""
        return sum(self.states.get(state, 0) for state in FINAL_STATES)

    @property
    def time_left(self) -> float | None:
        """Seconds until the end at the current rate; None if unknown."""
        if self.total is None or self.rate <= 0:
            return None
        return max(self.total - self.settled, 0) / self.rate


@frozen(kw_only=True)
class Summary:
    """The result of a run."""

    ending: StopReason
    """Why the run ended."""
    states: Mapping[State, int] = field(factory=dict[State, int])
    """The number of rows by state, over all runs of the job."""
    errors: Sequence[ErrorGroup] = ()
    """The rows with errors, in groups, over all runs of the job."""
    seconds: float = 0.0
    """The duration of the run."""
    settled: int = 0
    """The number of rows that the run settled."""
    throttled: int = 0
    """The number of requests that the service throttled."""
    until: float | None = None
    """When to resume, in seconds since 1970; None if it can be resumed now, or if nothing is left."""
    detail: str = ""
    """More about the ending, in a sentence; empty if there is nothing to add."""

    @property
    def kinds(self) -> Mapping[tuple[State, str], int]:
        """The number of rows with an error, by state and code."""
        return count_kinds(self.errors)

    @property
    def finished(self) -> bool:
        """Whether every row is settled."""
        return self.ending is StopReason.FINISHED

    @property
    def all_done(self) -> bool:
        """Whether every row is done."""
        return self.finished and sum(self.states.values()) == self.states.get(State.DONE, 0)


@frozen(kw_only=True)
class Estimate:
    """The result of a dry run."""

    rows: int
    """The number of rows."""
    invalid: int
    """The number of rows that would be refused before anything is sent."""
    seconds: float | None
    """The estimated duration at the configured rate; None if no rate is configured."""
    rate: float | None
    """The configured rate in requests per second; None if there is none."""


class Tally:
    """Counts rows by state, and measures the rate. Times are those of the event loop."""

    def __init__(self) -> None:
        self.states: Counter[State] = Counter()
        self.kinds: Counter[tuple[State, str]] = Counter()
        self.settled: int = 0
        self._first = 0  # the second in which the first row was settled
        self._recent: Counter[int] = Counter()  # the rows settled in each of the last seconds

    def add(self, row: Outcome, change: int = 1) -> None:
        self.states[row.state] += change
        if row.code is not None:
            self.kinds[row.state, row.code] += change

    def move(self, before: Outcome, after: Outcome, now: float) -> None:
        self.add(before, -1)
        self.add(after)
        if after.state in FINAL_STATES:
            second = int(now)
            self._first = self._first or second
            self.settled += 1
            if second not in self._recent:
                self._recent = Counter({at: rows for at, rows in self._recent.items() if at >= second - RATE_WINDOW})
            self._recent[second] += 1

    def rate(self, now: float) -> float:
        """Return the rows settled per second over the last whole seconds."""
        second = int(now)
        start = max(self._first, second - RATE_WINDOW)
        rows = sum(self._recent[at] for at in range(start, second))
        return rows / (second - start) if rows else 0.0


def duration(seconds: float) -> str:
    """Format a duration in its two largest units, such as ``"2 h 14 min"``."""
    if 0 < seconds < 1:
        return "under 1 s"
    seconds = round(seconds)
    for (large, name), (small, part) in pairwise(_UNITS):
        if seconds >= large:
            whole, rest = divmod(round(seconds / small), large // small)
            return f"{whole} {name} {rest} {part}" if rest else f"{whole} {name}"
    return f"{seconds} s"
