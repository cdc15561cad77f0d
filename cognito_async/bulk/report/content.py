"""The report on a job: what its journal tells, read while the job runs, rests or is over."""

import os
import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from attrs import evolve, field, frozen

from cognito_async.bulk.database import reading
from cognito_async.bulk.errors import JournalError
from cognito_async.bulk.journal import PLANNED
from cognito_async.bulk.report.timeline import SHOWN, Timeline, step_for, timeline
from cognito_async.bulk.rows import DUPLICATE, FINAL, INTERRUPTED, INVALID, Outcome, State

Result = TypeVar("Result")

UNSENT: Final = f"coalesce(code, '') NOT IN ('{INVALID}', '{DUPLICATE}', '{INTERRUPTED}')"
"""Nothing was sent for these when they were noted: they would stand out of a chart of the job's speed."""
SETTLED: Final = f"state IN ('done', 'refused', 'unknown') AND {UNSENT}"
EXTENT: Final = f"SELECT min(at), max(at) FROM rows WHERE {SETTLED}"  # noqa: S608 - constants only
LAST_LINE: Final = "SELECT max(line) FROM rows"
BLOCK: Final = 100_000
"""Lines that are counted at once: SQLite sorts to group, and sorts some in memory but millions on the disk."""
COUNT: Final = (
    f"SELECT state, code, CASE WHEN {SETTLED} THEN CAST((at - :origin) / :width AS INTEGER) END AS cell, count(*)"  # noqa: S608 - constants only
    " FROM rows WHERE line BETWEEN :first AND :last GROUP BY state, code, cell"
)
CELLS: Final = 50_000
"""About how many cells a timeline is counted in before it is cut and drawn."""
NEXT_DUE: Final = "SELECT min(due) FROM rows WHERE state = 'deferred'"
RUNS: Final = "SELECT id, started, ended, ending, quota, throttled FROM runs ORDER BY id"
PAGE: Final = 1000
CASES: Final = (
    "SELECT line, username, state, code, reason, attempts, due, ambiguous, deferrals FROM rows"  # noqa: S608 - constants only
    f" WHERE line > ? AND state IN ('refused', 'unknown', 'deferred') ORDER BY line LIMIT {PAGE}"
)


@frozen(kw_only=True)
class Run:
    """One run of a job.

    Attributes:
        number: Its number, from 1.
        started: When it began, in seconds since 1970.
        ended: When it ended; None if it still runs, or was killed.
        ending: Why it ended, as Ending and the runner name it; None if it still runs, or was killed.
        quota: Requests a second that it kept to at its beginning; None where nothing limited it.
        throttled: How many requests the service throttled; known at its end only.
        settled: How many rows it sent for and settled.
        last: When it settled the last of them, to about a step of the timeline; None if none.
    """

    number: int
    started: float
    ended: float | None = None
    ending: str | None = None
    quota: float | None = None
    throttled: int = 0
    settled: int = 0
    last: float | None = None


@frozen(kw_only=True)
class Report:
    """What a journal tells of its job.

    Attributes:
        path: The journal.
        read_at: When it was read, in seconds since 1970.
        action: The action's name and variant.
        user_pool: The user pool's id; None where the job needed none.
        app_client: The app client's id; None where the job needed none.
        source: What the input is called; None where the journal does not know.
        running: Whether a process works on the job; None where nobody looked.
        whole: Whether the journal has all rows of the input; False while more may come.
        runs: The runs, in order.
        states: The number of rows by state.
        kinds: The number of rows in trouble, by state and code.
        timeline: When rows were settled that something was sent for.
        next_due: When the next deferred row is tried again, in seconds since 1970; None if none is.
    """

    path: Path
    read_at: float
    action: str
    user_pool: str | None = None
    app_client: str | None = None
    source: str | None = None
    running: bool | None = None
    whole: bool = True
    runs: tuple[Run, ...] = ()
    states: Mapping[State, int] = field(factory=dict[State, int])
    kinds: Mapping[tuple[State, str], int] = field(factory=dict[tuple[State, str], int])
    timeline: Timeline = field(factory=Timeline)
    next_due: float | None = None

    @classmethod
    def read(
        cls, path: str | Path, *, now: float | None = None, running: bool | None = None, source: str | None = None
    ) -> Self:
        """Read a journal, and change nothing; its job may run meanwhile, in this process or in another one.

        Args:
            path: The journal.
            now: The time in seconds since 1970; None for the clock's.
            running: Whether a process works on the job, if the caller knows; None if not.
            source: What to call the input, if the caller knows better than the journal; None if not.

        Returns:
            The report, of one moment.

        Raises:
            JournalError: It is not there, is no journal, or can't be read.
        """
        moment = datetime.now(UTC).timestamp() if now is None else now
        report = cls(path=Path(path), read_at=moment, running=running, **read(Path(path), _gather))
        return report if source is None else evolve(report, source=source)

    @property
    def total(self) -> int:
        """How many rows the journal has."""
        return sum(self.states.values())

    @property
    def waiting(self) -> int:
        """How many rows are not settled yet."""
        return self.total - sum(self.states.get(state, 0) for state in FINAL)

    @property
    def started(self) -> float | None:
        """When the first run began, in seconds since 1970; None if there was none."""
        return self.runs[0].started if self.runs else None

    @property
    def ended(self) -> float | None:
        """When the last run ended, in seconds since 1970; None if it has not, or was killed."""
        return self.runs[-1].ended if self.runs else None

    @property
    def ending(self) -> str | None:
        """Why the last run ended; None if it has not, or was killed."""
        return self.runs[-1].ending if self.runs else None

    @property
    def quota(self) -> float | None:
        """Requests a second that the last limited run kept to; None where nothing limited any."""
        return next((run.quota for run in reversed(self.runs) if run.quota is not None), None)

    def cases(self) -> Generator[Outcome]:
        """Give the rows that a person may have to look at: refused, unknown and deferred ones, in flat memory.

        Yields:
            The rows, in order, as the journal has them by the time they are asked for.

        Raises:
            JournalError: The journal can't be read.
        """
        after = 0
        while found := read(self.path, partial(_cases, after=after)):
            for line, username, state, code, reason, attempts, due, ambiguous, deferrals in found:
                yield Outcome(
                    line=line, username=username, state=State(state), code=code, reason=reason, attempts=attempts,
                    due=due, ambiguous=bool(ambiguous), deferrals=deferrals,
                )  # fmt: skip
            after = found[-1][0]


# --- reading ---


def read(path: Path, query: Callable[[sqlite3.Connection], Result]) -> Result:
    """Query a journal, and once more if a job opened it meanwhile: at rest it is read as a file that never changes.

    Args:
        path: The journal.
        query: What to ask; it sees the journal as of one moment, and may be called again.

    Returns:
        The query's result.

    Raises:
        JournalError: It is not there, is no journal, or can't be read.
    """
    while True:
        mark = _mark(path)
        try:
            with reading(path) as connection:
                connection.execute("BEGIN")  # one moment for all that is asked
                result = query(connection)
        except JournalError:
            if mark is None or _mark(path) == mark:
                raise
        else:
            if mark is None or _mark(path) == mark:
                return result


def _mark(path: Path) -> tuple[int, int] | None:
    """Give what changes when a journal at rest does; None while it is open, or where it is not there."""
    real = Path(os.path.realpath(path))  # SQLite's other files are beside the journal, and not beside a link to it
    if real.with_name(f"{real.name}-wal").exists() or not real.exists():
        return None
    found = real.stat()
    return found.st_mtime_ns, found.st_size


def _cases(connection: sqlite3.Connection, after: int) -> list[Any]:
    return connection.execute(CASES, (after,)).fetchall()


def _gather(connection: sqlite3.Connection) -> dict[str, Any]:
    """Read all of a report but where and when."""
    facts: dict[str, str] = dict(connection.execute("SELECT name, value FROM facts"))
    first, last = connection.execute(EXTENT).fetchone()
    origin = float(int(first or 0))
    width = step_for(((last or 0) - origin) / CELLS)
    states, kinds, cells = _count(connection, origin, width)
    return {
        "action": facts.get("action", ""),
        "user_pool": facts.get("user pool") or None,
        "app_client": facts.get("app client") or None,
        "source": facts.get("source"),
        "whole": PLANNED in facts,
        "runs": tuple(_runs(connection.execute(RUNS), cells, origin, width)),
        "states": states,
        "kinds": kinds,
        "timeline": timeline(cells, origin, width),
        "next_due": connection.execute(NEXT_DUE).fetchone()[0],
    }


def _count(
    connection: sqlite3.Connection, origin: float, width: int
) -> tuple[Counter[State], Counter[tuple[State, str]], dict[int, list[int]]]:
    """Count the rows by state, by state and code, and by the cells of the timeline."""
    states: Counter[State] = Counter()
    kinds: Counter[tuple[State, str]] = Counter()
    cells: dict[int, list[int]] = {}
    lines = connection.execute(LAST_LINE).fetchone()[0] or 0
    for first in range(1, lines + 1, BLOCK):
        block = {"origin": origin, "width": width, "first": first, "last": first + BLOCK - 1}
        for name, code, cell, number in connection.execute(COUNT, block):
            state = State(name)
            states[state] += number
            if code is not None:
                kinds[state, code] += number
            if cell is not None:
                cells.setdefault(cell, [0] * len(SHOWN))[SHOWN.index(state)] += number
    return states, kinds, cells


def _runs(
    rows: Iterable[tuple[int, float, float | None, str | None, float | None, int]],
    cells: Mapping[int, list[int]],
    origin: float,
    width: int,
) -> Iterator[Run]:
    """Make the runs; a cell belongs to the last run that began before the cell's end."""
    found = list(rows)
    starts = [started for _, started, *_ in found]
    settled, last = Counter[int](), dict[int, float]()
    for cell, counts in sorted(cells.items()):
        end = origin + (cell + 1) * width
        place = max(bisect_left(starts, end) - 1, 0)
        settled[place] += sum(counts)
        last[place] = end
    for place, (_, started, ended, ending, quota, throttled) in enumerate(found):
        yield Run(
            number=place + 1, started=started, ended=ended, ending=ending, quota=quota, throttled=throttled,
            settled=settled[place], last=last.get(place),
        )  # fmt: skip


# --- writing ---
