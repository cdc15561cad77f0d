"""Progress and results of a job."""

from collections import Counter, deque
from collections.abc import Mapping
from enum import Enum
from typing import Final

from attrs import field, frozen

from cognito_async.bulk.rows import FINAL_STATES, Outcome, State

RATE_WINDOW: Final = 10
"""Seconds over which the current rate is measured."""


class StopReason(Enum):
    """Why a run ended."""

    __module__ = "cognito_async.bulk"

    FINISHED = "finished"
    """Every row is done, refused or unknown."""
    STOPPED = "stopped"
    """``Job.stop`` was called; rows in flight were completed."""
    DEFERRED = "deferred"
    """The remaining rows can only be tried later."""
    EMAIL_LIMIT = "e-mail limit"
    """The account reached its daily e-mail limit."""
    TOO_MANY_ERRORS = "too many errors"
    """Too many consecutive rows failed; check the user pool and the credentials."""
    NO_SERVICE = "no service"
    """The service was unreachable or throttled for longer than the policy allows."""


@frozen(kw_only=True)
class Progress:
    """A job's progress at one moment.

    Attributes:
        states: The number of rows by state, over all runs of the job.
        kinds: The number of rows with an error, by state and code.
        total: The number of rows; None if it is not known yet.
        reading: Whether the source is being read into the journal, before the first request.
        in_flight: The number of rows in flight.
        rate: Rows settled per second, over the last seconds.
        quota: The current rate limit in requests per second; None if there is none.
        throttled: The number of requests that the service throttled in this run.
        waiting_until: When the run continues, in seconds since 1970, while it waits for deferred rows; None otherwise.
        trouble: The error that a row is being retried for, such as an unreachable service; None if there is none.
    """

    __module__ = "cognito_async.bulk"

    states: Mapping[State, int]
    kinds: Mapping[tuple[State, str], int]
    total: int | None
    reading: bool
    in_flight: int
    rate: float
    quota: float | None
    throttled: int
    waiting_until: float | None = None
    trouble: str | None = None

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
    """The result of a run.

    Attributes:
        ending: Why the run ended.
        states: The number of rows by state, over all runs of the job.
        kinds: The number of rows with an error, by state and code.
        seconds: The duration of the run.
        settled: The number of rows that the run settled.
        throttled: The number of requests that the service throttled.
        until: When to resume, in seconds since 1970; None if it can be resumed now, or if nothing is left.
        detail: More about the ending, in a sentence; empty if there is nothing to add.
    """

    __module__ = "cognito_async.bulk"

    ending: StopReason
    states: Mapping[State, int] = field(factory=dict[State, int])
    kinds: Mapping[tuple[State, str], int] = field(factory=dict[tuple[State, str], int])
    seconds: float = 0.0
    settled: int = 0
    throttled: int = 0
    until: float | None = None
    detail: str = ""

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
    """The result of a dry run.

    Attributes:
        rows: The number of rows.
        invalid: The number of rows that would be refused before anything is sent.
        seconds: The estimated duration at the configured rate; None if no rate is configured.
        rate: The configured rate in requests per second; None if there is none.
    """

    __module__ = "cognito_async.bulk"

    rows: int
    invalid: int
    seconds: float | None
    rate: float | None


class Tally:
    """Counts rows by state, and measures the rate."""

    def __init__(self) -> None:
        self.states: Counter[State] = Counter()
        self.kinds: Counter[tuple[State, str]] = Counter()
        self.settled: int = 0
        self._per_second: deque[tuple[int, int]] = deque(maxlen=RATE_WINDOW + 1)

    def add(self, row: Outcome) -> None:
        """Count a new row."""
        self.states[row.state] += 1
        if row.code is not None:
            self.kinds[row.state, row.code] += 1

    def move(self, before: Outcome, after: Outcome, now: float) -> None:
        """Count a row that changed its state."""
        self.states[before.state] -= 1
        if before.code is not None:
            self.kinds[before.state, before.code] -= 1
        self.add(after)
        if after.state in FINAL_STATES:
            self.settled += 1
            second = int(now)
            if self._per_second and self._per_second[-1][0] == second:
                self._per_second[-1] = (second, self._per_second[-1][1] + 1)
            else:
                self._per_second.append((second, 1))

    def rate(self, now: float) -> float:
        """Return the rows settled per second over the last whole seconds."""
        second = int(now)
        counts = [count for at, count in self._per_second if second - RATE_WINDOW <= at < second]
        if not counts:
            return 0.0
        first = max(self._per_second[0][0], second - RATE_WINDOW)
        return sum(counts) / (second - first)
