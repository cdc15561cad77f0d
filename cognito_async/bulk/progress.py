"""How far a job has come."""

from collections import Counter, deque
from collections.abc import Mapping
from enum import Enum
from typing import Final

from attrs import field, frozen

from cognito_async.bulk.journal import Entry
from cognito_async.bulk.rows import FINAL, Outcome, State

WINDOW: Final = 10
"""Seconds over which the present rate is measured."""


class Ending(Enum):
    """Why a run ended."""

    FINISHED = "finished"
    """Every row is done, refused or unknown."""
    STOPPED = "stopped"
    """It was told to stop; what was on its way came to its end."""
    DEFERRED = "deferred"
    """What is left can only be tried later."""
    EMAIL_LIMIT = "e-mail limit"
    """The account's e-mail for the day is used up."""
    TOO_MANY_ERRORS = "too many errors"
    """Row after row went wrong: is it the right pool, are the credentials good?"""
    NO_SERVICE = "no service"
    """The service could not be reached, or throttled, for as long as a row may wait."""


@frozen(kw_only=True)
class Progress:
    """How far a job has come, at one moment.

    Attributes:
        states: The number of rows by state, over all runs of the job.
        kinds: The number of rows in trouble, by state and code.
        total: How many rows there are; None while nobody knows.
        reading: Whether the source is still being read into the journal, before the first request.
        in_flight: How many rows are on their way.
        rate: Rows settled a second, over the last seconds.
        quota: Requests a second that the session keeps to at present; None if nothing limits it.
        throttled: How many requests the service has throttled in this run.
        waiting_until: When the job goes on, in seconds since 1970, while it waits for deferred rows; None while it
            works.
        trouble: What the job waits for in place, such as the service; None while all is well.
    """

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
        """How many rows are done, refused or unknown."""
        return sum(self.states.get(state, 0) for state in FINAL)

    @property
    def time_left(self) -> float | None:
        """Seconds to the end at the present rate; None where nobody can tell."""
        if self.total is None or self.rate <= 0:
            return None
        return max(self.total - self.settled, 0) / self.rate


@frozen(kw_only=True)
class Summary:
    """How a run ended.

    Attributes:
        ending: Why it ended.
        states: The number of rows by state, over all runs of the job.
        kinds: The number of rows in trouble, by state and code.
        seconds: How long the run took.
        settled: How many rows it settled.
        throttled: How many requests the service throttled.
        until: When to resume, in seconds since 1970; None where it can be at once, or where nothing is left.
        detail: What to know beside the ending, in a sentence; empty where there is nothing.
    """

    ending: Ending
    states: Mapping[State, int] = field(factory=dict[State, int])
    kinds: Mapping[tuple[State, str], int] = field(factory=dict[tuple[State, str], int])
    seconds: float = 0.0
    settled: int = 0
    throttled: int = 0
    until: float | None = None
    detail: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.ending is Ending.FINISHED

    @property
    def all_done(self) -> bool:
        """Whether every row was done."""
        return self.finished and sum(self.states.values()) == self.states.get(State.DONE, 0)


@frozen(kw_only=True)
class Estimate:
    """What a dry run found.

    Attributes:
        rows: How many rows there are.
        faulty: How many of them would be refused before anything is sent.
        seconds: How long the job would take at the told rate; None where no rate is told.
        rate: That rate, in requests a second.
    """

    rows: int
    faulty: int
    seconds: float | None
    rate: float | None


class Tally:
    """Counts what becomes of rows."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.states: Counter[State] = Counter()
        self.kinds: Counter[tuple[State, str]] = Counter()
        self.settled: int = 0
        self._seconds: deque[tuple[int, int]] = deque(maxlen=WINDOW + 1)

    def load(self, states: Counter[State], kinds: Counter[tuple[State, str]]) -> None:
        """Take what the journal has counted."""
        self.states, self.kinds = states, kinds

    def planned(self, outcome: Outcome) -> None:
        """Count a row that is new."""
        self.states[outcome.state] += 1
        if outcome.code is not None:
            self.kinds[outcome.state, outcome.code] += 1

    def moved(self, entry: Entry, outcome: Outcome, now: float) -> None:
        """Count a row that changed its state."""
        self.states[entry.state] -= 1
        if entry.code is not None:
            self.kinds[entry.state, entry.code] -= 1
        self.planned(outcome)
        if outcome.state in FINAL:
            self.settled += 1
            second = int(now)
            if self._seconds and self._seconds[-1][0] == second:
                self._seconds[-1] = (second, self._seconds[-1][1] + 1)
            else:
                self._seconds.append((second, 1))

    def rate(self, now: float) -> float:
        """Measure rows settled a second over the last whole seconds."""
        second = int(now)
        counts = [count for at, count in self._seconds if second - WINDOW <= at < second]
        if not counts:
            return 0.0
        first = max(self._seconds[0][0], second - WINDOW)
        return sum(counts) / (second - first)
