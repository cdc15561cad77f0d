"""The journal: what is known of each row of a job, in one SQLite file, made to be killed at any moment.

Everything here blocks; ``writer.py`` keeps it off the loop. No password, code or secret ever comes here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from attrs import evolve, frozen

from cognito_async.bulk.database import Database
from cognito_async.bulk.errors import JobMismatchError
from cognito_async.bulk.names import Names
from cognito_async.bulk.rows import DUPLICATE, INTERRUPTED, Outcome, State

PLANNED: Final = "planned"
"""The fact that the whole source is in the journal."""

INSERT: Final = "INSERT INTO rows (line, username, state, code, reason, at) VALUES (?, ?, ?, ?, ?, ?)"
MARK: Final = "UPDATE rows SET state = 'sent' WHERE line = ?"
SETTLE: Final = (
    "UPDATE rows SET state = ?, code = ?, reason = ?, attempts = attempts + ?, at = ?, due = ?, ambiguous = ?,"
    " deferrals = ? WHERE line = ?"
)
REOPEN: Final = (
    "UPDATE rows SET state = 'planned', code = NULL, reason = NULL, due = NULL, deferrals = 0"
    " WHERE state = ? AND coalesce(code, '') NOT IN ('DuplicateRow', 'InvalidRow')"
)
ENTRY: Final = "SELECT line, username, state, code, due, ambiguous, deferrals FROM rows"
KNOWN: Final = f"{ENTRY} WHERE line BETWEEN ? AND ?"
PENDING: Final = f"{ENTRY} WHERE line > ? AND (state = ? OR (state = 'deferred' AND due <= ?)) ORDER BY line LIMIT ?"


@frozen
class Entry:
    """A row as the journal knows it, for whoever is to send it.

    Attributes:
        line: Its line, from 1.
        username: The user.
        state: What is known of it.
        code: The kind of trouble it was in; None if it was in none.
        due: When it is tried again, in seconds since 1970; None where it isn't deferred.
        ambiguous: Whether a request for it may have been applied.
        deferrals: How often it was put off.
    """

    line: int
    username: str
    state: State
    code: str | None = None
    due: float | None = None
    ambiguous: bool = False
    deferrals: int = 0

    def is_due(self, now: float, *, planned: bool) -> bool:
        """Tell whether it is to be sent: if it is planned and those are wanted, or deferred and its time has come."""
        if self.state is State.PLANNED:
            return planned
        return self.state is State.DEFERRED and self.due is not None and self.due <= now


class Journal:
    """The journal of one job, open for writing; only one process has it open at a time."""

    def __init__(self, path: Path | None) -> None:
        """Open the journal, or begin it.

        Args:
            path: Where it is; None for one without a file, which is gone when it is closed.

        Raises:
            JournalInUseError: Another process has it.
            JournalError: It can't be opened, or is no journal.
        """
        self._database = Database(path)
        self.path: Path = self._database.path
        self._names: Names | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal, which leaves one file."""
        self._database.close()

    # --- the job ---

    def facts(self) -> dict[str, str]:
        """Give what was remembered of the job."""
        return dict(self._database.rows("SELECT name, value FROM facts"))

    def remember(self, facts: Mapping[str, str]) -> None:
        """Remember facts of the job, over those of the same names."""
        with self._database.transaction():
            self._database.execute_many("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def identify(self, identity: Mapping[str, str], facts: Mapping[str, str]) -> None:
        """Remember whose journal it is, or make sure that it is still the same.

        Args:
            identity: What must never change, by name.
            facts: What else to remember.

        Raises:
            JobMismatchError: The journal belongs to another job.
        """
        known = self.facts()
        for name, value in identity.items():
            if known.get(name, value) != value:
                told = "has changed since it was begun" if name == "input" else f"is for {known[name]}, not for {value}"
                raise JobMismatchError(
                    f"{self.path}: the job's {name} {told}; go on with what it was begun with, or name a new journal"
                )
        self.remember({**facts, **identity})

    def begin_run(self, now: float, quota: float | None) -> int:
        """Note that a run begins.

        Returns:
            Its number.
        """
        with self._database.transaction():
            statement = "INSERT INTO runs (started, quota) VALUES (?, ?)"
            return self._database.execute(statement, (now, quota)).lastrowid or 0

    def end_run(self, run: int, now: float, ending: str, throttled: int) -> None:
        """Note that a run has ended, and why."""
        with self._database.transaction():
            statement = "UPDATE runs SET ended = ?, ending = ?, throttled = ? WHERE id = ?"
            self._database.execute(statement, (now, ending, throttled, run))

    # --- the rows ---

    def begin_anew(self) -> None:
        """Forget a job whose source was not read to its end and for which nothing was sent.

        So an input can be mended after it was refused, and one that changes is read as it is now.
        """
        touched = "SELECT 1 FROM rows WHERE attempts > 0 OR state NOT IN ('planned', 'refused') LIMIT 1"
        if PLANNED in self.facts() or self._database.rows(touched):
            return
        with self._database.transaction():
            for table in ("rows", "facts"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - one of the two

    def last_line(self) -> int:
        """Give the last line that is known; 0 if none is."""
        return int(self._database.rows("SELECT coalesce(max(line), 0) FROM rows")[0][0])

    def take_over(self, now: float, *, repeats: bool, reason: str) -> list[Outcome]:
        """Settle what was on its way when the last run was killed.

        Args:
            now: The time in seconds since 1970.
            repeats: Whether repeating is harmless: then the rows are planned again, else nobody can tell.
            reason: What to say of the rows of which nobody can tell.

        Returns:
            The outcomes that are unknown now.
        """
        with self._database.transaction():
            if repeats:
                self._database.execute("UPDATE rows SET state = 'planned', ambiguous = 1 WHERE state = 'sent'")
                return []
            found = self._database.execute("SELECT line, username FROM rows WHERE state = 'sent'").fetchall()
            self._database.execute(
                "UPDATE rows SET state = 'unknown', code = ?, reason = ?, at = ?, ambiguous = 1 WHERE state = 'sent'",
                (INTERRUPTED, reason, now),
            )
        state, code = State.UNKNOWN, INTERRUPTED
        return [
            Outcome(line=line, username=name, state=state, code=code, reason=reason, ambiguous=True)
            for line, name in found
        ]

    def reopen(self, states: Iterable[State]) -> int:
        """Plan the rows of these states again, for whoever knows that they may be repeated.

        Rows that the input is to blame for stay refused.

        Returns:
            How many there are.
        """
        with self._database.transaction():
            return sum(self._database.execute(REOPEN, (state,)).rowcount for state in states)

    def known(self, first: int, last: int) -> dict[int, Entry]:
        """Give the rows that the journal knows, by line.

        Args:
            first: The first line.
            last: The last line.

        Returns:
            The rows from the first line to the last.
        """
        return {row[0]: _entry(row) for row in self._database.rows(KNOWN, (first, last))}

    def pending(self, after: int, now: float, limit: int, *, planned: bool) -> list[Entry]:
        """Give the next rows to send.

        Args:
            after: The line after which to begin.
            now: The time in seconds since 1970.
            limit: How many to give at most.
            planned: Whether to give rows that are planned, beside deferred ones whose time has come.

        Returns:
            The rows, in order.
        """
        values = (after, str(State.PLANNED) if planned else "", now, limit)
        return [_entry(row) for row in self._database.rows(PENDING, values)]

    def next_due(self) -> float | None:
        """Tell when the next deferred row is due, in seconds since 1970; None if none is."""
        due = self._database.rows("SELECT min(due) FROM rows WHERE state = 'deferred'")[0][0]
        return None if due is None else float(due)

    def counts(self) -> "tuple[Counter[State], Counter[tuple[State, str]]]":
        """Count the rows by state, and those in trouble by state and kind."""
        states: Counter[State] = Counter()
        kinds: Counter[tuple[State, str]] = Counter()
        for state, code, number in self._database.rows("SELECT state, code, count(*) FROM rows GROUP BY state, code"):
            states[State(state)] += number
            if code is not None:
                kinds[State(state), code] += number
        return states, kinds

    def plan(self, rows: Sequence[Outcome], now: float) -> list[Outcome]:
        """Take rows in: planned ones, and those that are refused before anything is sent.

        Args:
            rows: The rows, in order.
            now: The time in seconds since 1970.

        Returns:
            The rows as they were taken in: one whose user has come before is refused.
        """
        self._names = self._names or Names(self._database)
        with self._database.transaction():
            firsts = self._names.take([(row.username, row.line) for row in rows if row.state is State.PLANNED])
            taken = [_unless_come_before(row, firsts) for row in rows]
            self._database.execute_many(INSERT, [_planned_or_refused(row, now) for row in taken])
        return taken

    def write(self, sent: Sequence[int], outcomes: Sequence[Outcome], now: float) -> None:
        """Note which rows are about to be sent, and what became of others, in one transaction.

        Args:
            sent: The lines that are about to be sent.
            outcomes: What became of rows.
            now: The time in seconds since 1970.
        """
        settled = [
            (o.state, o.code, o.reason, o.attempts, now, o.due, o.ambiguous, o.deferrals, o.line) for o in outcomes
        ]
        with self._database.transaction():
            self._database.execute_many(MARK, [(line,) for line in sent])
            self._database.execute_many(SETTLE, settled)


def _unless_come_before(row: Outcome, firsts: Mapping[int, int]) -> Outcome:
    """Refuse a row whose user has come before."""
    first = firsts.get(row.line)
    if first is None:
        return row
    why = f"the user has come before, in line {first}"
    return evolve(row, state=State.REFUSED, code=DUPLICATE, reason=why)


def _planned_or_refused(row: Outcome, now: float) -> tuple[object, ...]:
    return row.line, row.username, row.state, row.code, row.reason, None if row.state is State.PLANNED else now


def _entry(row: tuple[int, str, str, str | None, float | None, int, int]) -> Entry:
    line, username, state, code, due, ambiguous, deferrals = row
    return Entry(line, username, State(state), code, due, bool(ambiguous), deferrals)
