"""Looks into a journal without touching it, also while a job works on it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from attrs import frozen

from cognito_async.bulk import State
from cognito_async.bulk.database import in_use, reading
from cognito_async.bulk.journal import PLANNED

Result = TypeVar("Result")

LATELY: Final = 60
"""Seconds over which the present rate is measured."""

_COUNTS: Final = "SELECT state, code, count(*) FROM rows GROUP BY state, code"
_LAST_RUN: Final = "SELECT started, ended, ending, quota, throttled FROM runs ORDER BY id DESC LIMIT 1"
_LATELY: Final = "SELECT count(*) FROM rows WHERE at > ? AND state IN ('done', 'refused', 'unknown')"
_DUE: Final = "SELECT min(due) FROM rows WHERE state = 'deferred'"


@frozen(kw_only=True)
class LastRun:
    """The last run of a job.

    Attributes:
        started: When it began, in seconds since 1970.
        ended: When it ended; None while it runs, and where it was killed.
        ending: Why it ended; None likewise.
        quota: Requests a second that it kept to; None where nothing limited it.
        throttled: How many requests were throttled; 0 while it runs.
    """

    started: float
    ended: float | None
    ending: str | None
    quota: float | None
    throttled: int


@frozen(kw_only=True)
class Ledger:
    """What a journal says at one moment.

    Attributes:
        facts: What it remembers of the job.
        states: The number of rows by state.
        kinds: The number of rows in trouble, by state and code; planned ones are what the job itself is at fault for.
        total: How many rows there are; None while nobody knows.
        running: Whether a process works on it.
        rate: Rows settled a second in the last minute, while it runs.
        due: When the next deferred row is tried again, in seconds since 1970; None if none is.
        last: Its last run; None before the first.
    """

    facts: Mapping[str, str]
    states: Mapping[State, int]
    kinds: Mapping[tuple[State, str], int]
    total: int | None
    running: bool
    rate: float
    due: float | None
    last: LastRun | None


def read_facts(path: Path) -> dict[str, str]:
    """Read what a journal remembers of its job.

    Raises:
        JournalError: There is no journal.
    """
    with reading(path) as connection:
        return dict(connection.execute("SELECT name, value FROM facts"))


def with_activity(path: Path, read: Callable[[bool], Result]) -> Result:
    """Read a journal, and once more if a job began or ended with it meanwhile.

    Args:
        path: The journal.
        read: Reads it, and is told whether a process works on it.

    Returns:
        What was read.
    """
    running = in_use(path)
    while True:
        result = read(running)
        before, running = running, in_use(path)
        if running == before:
            return result


def read_ledger(path: Path) -> Ledger:
    """Read what a journal says.

    Args:
        path: The journal.

    Returns:
        What it says at this moment.

    Raises:
        JournalError: There is no journal.
    """
    return with_activity(path, lambda running: _read(path, running=running))


def _read(path: Path, *, running: bool) -> Ledger:
    with reading(path) as connection:
        facts: dict[str, str] = dict(connection.execute("SELECT name, value FROM facts"))
        counts = connection.execute(_COUNTS).fetchall()
        run = connection.execute(_LAST_RUN).fetchone()
        due: float | None = connection.execute(_DUE).fetchone()[0]
        last = None if run is None else _last_run(*run)
        window = min(LATELY, time.time() - last.started) if last is not None else 0.0
        lately: int = connection.execute(_LATELY, (time.time() - window,)).fetchone()[0] if window else 0
    states: Counter[State] = Counter()
    kinds: Counter[tuple[State, str]] = Counter()
    for state, code, number in counts:
        states[State(state)] += number
        if code is not None and state is not State.DONE:
            kinds[State(state), code] += number
    known = states.total() if PLANNED in facts else facts.get("lines")
    return Ledger(
        facts=facts,
        states=states,
        kinds=kinds,
        total=None if known is None else int(known),
        running=running,
        rate=lately / window if window else 0.0,
        due=due,
        last=last,
    )


def _last_run(started: float, ended: float | None, ending: str | None, quota: float | None, throttled: int) -> LastRun:
    return LastRun(started=started, ended=ended, ending=ending, quota=quota, throttled=throttled)
