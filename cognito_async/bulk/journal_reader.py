"""Read a journal without changing it, also while a job is running."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from attrs import frozen

from cognito_async.bulk.database import in_use, reading
from cognito_async.bulk.journal import PLANNED
from cognito_async.bulk.rows import State

Result = TypeVar("Result")

ALL_ROWS: Final = PLANNED
"""The name of the fact that all rows of the source are in the journal."""
RATE_WINDOW: Final = 60
"""Seconds over which the current rate is measured."""

_FACTS: Final = "SELECT name, value FROM facts"
_COUNTS: Final = "SELECT state, code, count(*) FROM rows GROUP BY state, code"
_LAST_RUN: Final = "SELECT started, ended, ending, quota, throttled FROM runs ORDER BY id DESC LIMIT 1"
_RECENT: Final = "SELECT count(*) FROM rows WHERE at > ? AND state IN ('done', 'refused', 'unknown')"
_NEXT_DUE: Final = "SELECT min(due) FROM rows WHERE state = 'deferred'"


@frozen
class LastRun:
    """The last run of a job; times are seconds since 1970."""

    started: float
    ended: float | None
    """None while it runs, and if it was killed."""
    ending: str | None
    """Why it ended; None as above."""
    quota: float | None
    """Requests per second; None if they were not limited."""
    throttled: int


@frozen(kw_only=True)
class JournalStatus:
    """The state of a job at one moment."""

    facts: Mapping[str, str]
    states: Mapping[State, int]
    """The number of rows by state."""
    kinds: Mapping[tuple[State, str], int]
    """The number of rows that are not done by state and error code; planned ones failed because of the job itself."""
    total: int | None
    """The number of rows; None if it is not known yet."""
    running: bool
    rate: float
    """Rows settled per second in the last minute."""
    next_due: float | None
    """When the next deferred row is retried, in seconds since 1970; None if no row is deferred."""
    last_run: LastRun | None


def read_facts(path: Path) -> dict[str, str]:
    """Return the facts that a journal holds about its job.

    Raises:
        JournalError: There is no journal.
    """
    with reading(path) as connection:
        return dict(connection.execute(_FACTS))


def read_status(path: Path) -> JournalStatus:
    """Return the state of a job.

    Raises:
        JournalError: There is no journal.
    """
    return read_consistently(path, lambda running: _read_status(path, running=running))


def read_consistently(path: Path, read: Callable[[bool], Result]) -> Result:
    """Call ``read(running)``, again if a run of the job started or ended meanwhile.

    Args:
        path: The journal.
        read: Reads the journal; its argument is whether a process is working on the job.
    """
    running = in_use(path)
    while True:
        result = read(running)
        before, running = running, in_use(path)
        if running == before:
            return result


def _read_status(path: Path, *, running: bool) -> JournalStatus:
    with reading(path) as connection:
        facts: dict[str, str] = dict(connection.execute(_FACTS))
        counts = connection.execute(_COUNTS).fetchall()
        run = connection.execute(_LAST_RUN).fetchone()
        next_due: float | None = connection.execute(_NEXT_DUE).fetchone()[0]
        last_run = None if run is None else LastRun(*run)
        window = min(RATE_WINDOW, time.time() - last_run.started) if last_run is not None else 0.0
        recent: int = connection.execute(_RECENT, (time.time() - window,)).fetchone()[0] if window else 0
    states: Counter[State] = Counter()
    kinds: Counter[tuple[State, str]] = Counter()
    for state, code, number in counts:
        states[State(state)] += number
        if code is not None and state != State.DONE:
            kinds[State(state), code] += number
    total = states.total() if ALL_ROWS in facts else facts.get("lines")
    return JournalStatus(
        facts=facts,
        states=states,
        kinds=kinds,
        total=None if total is None else int(total),
        running=running,
        rate=recent / window if window else 0.0,
        next_due=next_due,
        last_run=last_run,
    )
