"""The journal: the schema of a job's SQLite file, and everything that reads or writes it.

A journal is valid at every moment, however the process ends. It never holds a password, a code or a secret. All
functions block; ``journal_writer`` runs them in a thread.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from functools import partial
from hashlib import blake2b
from operator import methodcaller
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import evolve, frozen

from cognito_async.bulk.database import SUFFIXES, Database, ExclusiveDatabase, Schema, read_snapshot
from cognito_async.bulk.errors import JobMismatchError
from cognito_async.bulk.rows import DUPLICATE_ROW, INTERRUPTED, INVALID_ROW, ErrorGroup, Outcome, State, username_key
from cognito_async.bulk.troubleshooting import reason_kind

Result = TypeVar("Result")

SCHEMA: Final = Schema(
    application_id=0x436F674A,  # "CogJ"
    version=1,
    tables="""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    line INTEGER PRIMARY KEY,      -- in the source, from 1
    username TEXT NOT NULL,        -- '' if the row could not be parsed
    state TEXT NOT NULL,           -- planned, sent, done, refused, deferred, unknown
    code TEXT,                     -- the error code
    reason TEXT,                   -- the error message, without secrets
    attempts INTEGER NOT NULL DEFAULT 0,
    at REAL,                       -- when the state was reached, in seconds since 1970
    due REAL,                      -- when a deferred row is tried again
    ambiguous INTEGER NOT NULL DEFAULT 0,
    deferrals INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started REAL NOT NULL,
    ended REAL,                    -- NULL while it runs, and if it was killed
    ending TEXT,                   -- why it ended
    quota REAL,                    -- the rate limit in requests per second
    throttled INTEGER NOT NULL DEFAULT 0
);
""",
)

COLUMNS: Final = "line, username, state, code, reason, attempts, due, ambiguous, deferrals"
INVALID_INPUT: Final = f"coalesce(code, '') IN ('{INVALID_ROW}', '{DUPLICATE_ROW}')"
DUPLICATE_OF: Final = "duplicate of line "  # the reason of a duplicate row, followed by the first row's line
# Rows that are not done, without duplicates of rows that are.
NEED_ATTENTION: Final = (
    f"state IN ('refused', 'unknown', 'deferred') AND (code IS NOT '{DUPLICATE_ROW}' OR (SELECT first.state FROM rows"  # noqa: S608 - constants
    f" AS first WHERE first.line = CAST(substr(rows.reason, {len(DUPLICATE_OF) + 1}) AS INTEGER)) IS NOT 'done')"
)
INSERT: Final = "INSERT INTO rows (line, username, state, code, reason, at) VALUES (?, ?, ?, ?, ?, ?)"
UPDATE: Final = (
    "UPDATE rows SET state = ?, code = ?, reason = ?, attempts = attempts + ?, at = ?, due = ?, ambiguous = ?,"
    " deferrals = ? WHERE line = ?"
)
REPLAN: Final = (
    "UPDATE rows SET state = 'planned', code = NULL, reason = NULL, due = NULL, deferrals = 0"  # noqa: S608 - constants
    f" WHERE state = ? AND NOT {INVALID_INPUT}"
)
# Rows whose state was set by a response, which is what a chart of the rate shows.
SETTLED: Final = (
    f"state IN ('done', 'refused', 'unknown') AND NOT {INVALID_INPUT} AND coalesce(code, '') != '{INTERRUPTED}'"
)

BLOCK: Final = 100_000  # lines per grouping query: SQLite sorts groups of some rows in memory, of millions on the disk
PAGE: Final = 1000
RECENT: Final = 60  # seconds over which JournalStatus measures the rate
STREAM: Final = "read once"  # the fact INPUT of a source that has no fingerprint


class Fact(StrEnum):
    """The names of facts that every journal stores about its job."""

    ACTION = "action"
    USER_POOL = "user pool"
    APP_CLIENT = "app client"
    SOURCE = "source"
    INPUT = "input"  # the fingerprint of the source, or STREAM
    SALT = "salt"  # of the fingerprint
    LINES = "lines"  # the approximate number of rows, if known before they are read
    COMPLETE = "planned"  # present when the journal holds all rows of the source


@frozen(kw_only=True)
class Run:
    """A run of a job."""

    __module__ = "cognito_async.bulk.report"

    number: int
    """The number of the run, from 1."""
    started: float
    """When it started, in seconds since 1970."""
    ended: float | None = None
    """When it ended; None if it is running, or was killed."""
    ending: str | None = None
    """Why it ended: a value of StopReason, or ``"cancelled"``; None if it is running, or was killed."""
    quota: float | None = None
    """The rate limit at its start, in requests per second; None if there was none."""
    throttled: int = 0
    """The number of requests that the service throttled; 0 until it ends."""
    settled: int = 0
    """The number of rows that it settled by sending requests; only set by ``Report.read``."""
    last: float | None = None
    """When it settled the last of them, to about a step of the timeline; only set by ``Report.read``."""


class JournalReader:
    """Queries of a journal. Use ``read_journal`` to get a consistent snapshot of one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def facts(self) -> dict[str, str]:
        return dict(self._database.rows("SELECT name, value FROM facts"))

    def runs(self) -> list[Run]:
        names = ("number", "started", "ended", "ending", "quota", "throttled")
        found = self._database.rows("SELECT id, started, ended, ending, quota, throttled FROM runs ORDER BY id")
        return [Run(**dict(zip(names, values, strict=True))) for values in found]

    def last_line(self) -> int:
        return int(self._database.value("SELECT coalesce(max(line), 0) FROM rows"))

    def rows_between(self, first: int, last: int) -> dict[int, Outcome]:
        return {row.line: row for row in self.select("line BETWEEN ? AND ?", first, last)}

    def sendable(self, after: int, now: float, limit: int, *, include_planned: bool) -> list[Outcome]:
        """Return the next rows to send, in order: deferred ones that are due and, if included, planned ones."""
        planned = State.PLANNED if include_planned else ""
        due = "line > ? AND (state = ? OR (state = 'deferred' AND due <= ?)) ORDER BY line LIMIT ?"
        return self.select(due, after, planned, now, limit)

    def select(self, condition: str, *values: object) -> list[Outcome]:
        """Return the rows for which a condition of SQL is true."""
        statement = f"SELECT {COLUMNS} FROM rows WHERE {condition}"  # noqa: S608 - constants
        return [_outcome(*row) for row in self._database.rows(statement, values)]

    def next_due(self) -> float | None:
        due = self._database.value("SELECT min(due) FROM rows WHERE state = 'deferred'")
        return None if due is None else float(due)

    def counts(self) -> "tuple[Counter[State], list[ErrorGroup]]":
        self._database.function("reason_kind", reason_kind)
        groups = "state, code, CASE WHEN code IS NULL THEN 0 ELSE reason_kind(code, reason) END"
        states: Counter[State] = Counter()
        errors: dict[object, ErrorGroup] = {}
        for name, code, kind, reason, _, number in self._grouped(groups, "TRUE", "reason, min(line)"):
            state = State(name)
            states[state] += number
            if code is not None:
                key = state, code, kind
                group = errors.get(key) or ErrorGroup(state=state, code=code, reason=reason, rows=0)
                errors[key] = evolve(group, rows=group.rows + number)
        return states, list(errors.values())

    def settled_span(self) -> tuple[float, float]:
        """Return when the first and the last row were settled, in seconds since 1970; zeros if none was."""
        first, last = self._database.rows(f"SELECT min(at), max(at) FROM rows WHERE {SETTLED}")[0]  # noqa: S608 - constants
        return float(first or 0), float(last or 0)

    def settled_per_cell(self, origin: float, width: int) -> Generator[tuple[int, State, int]]:
        """Yield cells of ``width`` seconds from ``origin`` on, states, and the numbers of rows settled; none is 0."""
        cell = f"CAST((at - {origin:f}) / {width:d} AS INTEGER)"
        for number, state, _, count in self._grouped(f"{cell}, state", SETTLED):
            yield number, State(state), count

    def settled_since(self, time: float) -> int:
        statement = "SELECT count(*) FROM rows WHERE at > ? AND state IN ('done', 'refused', 'unknown')"
        return int(self._database.value(statement, (time,)))

    def _grouped(self, groups: str, condition: str, more: str = "0") -> Generator[Any]:
        """Count rows by groups, one block of lines after the other; SQLite takes ``more`` from the row of a minimum."""
        statement = (
            f"SELECT {groups}, {more}, count(*) FROM rows WHERE line BETWEEN ? AND ? AND {condition} GROUP BY {groups}"  # noqa: S608 - constants and numbers
        )
        for first in range(1, self.last_line() + 1, BLOCK):
            yield from self._database.rows(statement, (first, first + BLOCK - 1))


class Journal(JournalReader, AbstractContextManager["Journal"]):
    """The journal of a job, or a temporary one (no path), open for writing by this process alone."""

    _database: ExclusiveDatabase

    def __init__(self, path: Path | None) -> None:
        super().__init__(ExclusiveDatabase(path, SCHEMA))
        self.path: Path = self._database.path
        self._duplicates: DuplicateIndex | None = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def check_in_place(self) -> None:
        self._database.check_in_place()

    def remember(self, facts: Mapping[str, str]) -> None:
        with self._database.transaction():
            self._database.execute_many("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def identify(self, identity: Mapping[str, str], facts: Mapping[str, str]) -> None:
        """Store facts, and those that must not change; raise JobMismatchError if one of the latter did."""
        known = self.facts()
        for name, value in identity.items():
            if known.get(name, value) != value:
                if name == Fact.INPUT:
                    raise self.input_mismatch("the input changed since the job started")
                problem = f"the journal is for the {name} {known[name]}, not {value}"
                raise JobMismatchError(f"{self.path}: {problem}; use the same {name}, or use a new journal")
        self.remember({**facts, **identity})

    def input_mismatch(self, problem: str) -> JobMismatchError:
        """Return the error about a changed input; its advice repeats the action for no user."""
        repeats = int(self._database.value("SELECT count(*) FROM rows WHERE state IN ('done', 'sent', 'unknown')"))
        fix = "restore the input, or use a new journal"
        if repeats:
            users = "1 user" if repeats == 1 else f"{repeats:,} users"
            fix = (
                "restore the input and resume, and put corrected rows alone into a new file with a new journal. A new"
                f" journal for this input would repeat the action for {users}"
            )
        return JobMismatchError(f"{self.path}: {problem}; {fix}", repeats=repeats)

    def start_run(self, now: float, quota: float | None) -> int:
        """Record the start of a run; return its number."""
        self._database.rows("INSERT INTO runs (started, quota) VALUES (?, ?)", (now, quota))
        return int(self._database.value("SELECT max(id) FROM runs"))

    def end_run(self, run: int, now: float, ending: str, throttled: int) -> None:
        statement = "UPDATE runs SET ended = ?, ending = ?, throttled = ? WHERE id = ?"
        self._database.rows(statement, (now, ending, throttled, run))

    def discard_unstarted(self) -> None:
        """Clear a journal for which nothing was sent, if its source was not read to its end and may change."""
        touched = "SELECT 1 FROM rows WHERE attempts > 0 OR state NOT IN ('planned', 'refused') LIMIT 1"
        if Fact.COMPLETE in self.facts() or self._database.rows(touched):
            return
        with self._database.transaction():
            for table in ("rows", "facts"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - one of the two

    def recover_sent(self, now: float, *, repeat: bool, reason: str) -> list[Outcome]:
        """Plan the rows again that were in flight when the last run was killed, or return them as unknown rows."""
        if repeat:
            self._database.rows("UPDATE rows SET state = 'planned', ambiguous = 1 WHERE state = 'sent'")
            return []
        unknown = [
            evolve(row, state=State.UNKNOWN, code=INTERRUPTED, reason=reason, attempts=0, due=None, ambiguous=True)
            for row in self.select("state = 'sent'")
        ]
        self.write([], unknown, now)
        return unknown

    def replan(self, states: Iterable[State]) -> None:
        """Plan the rows in these states again, except invalid and duplicate ones."""
        with self._database.transaction():
            self._database.execute_many(REPLAN, [(state,) for state in states])

    def add_rows(self, rows: Sequence[Outcome], now: float, *, case_sensitive: bool = False) -> list[Outcome]:
        """Add planned and invalid rows; refuse those of users who have an earlier row. Return them as added."""
        self._duplicates = self._duplicates or DuplicateIndex(self._database, case_sensitive=case_sensitive)
        with self._database.transaction():
            firsts = self._duplicates.add({row.line: row.username for row in rows if row.state is State.PLANNED})
            added = [
                evolve(row, state=State.REFUSED, code=DUPLICATE_ROW, reason=f"{DUPLICATE_OF}{firsts[row.line]}")
                if row.line in firsts
                else row
                for row in rows
            ]
            self._database.execute_many(
                INSERT,
                [
                    (
                        row.line,
                        row.username,
                        row.state,
                        row.code,
                        row.reason,
                        None if row.state is State.PLANNED else now,
                    )
                    for row in added
                ],
            )
        return added

    def write(self, sent: Sequence[int], outcomes: Sequence[Outcome], now: float) -> None:
        """Record in one transaction the lines that are about to be sent, and the outcomes of others."""
        updates = [
            (row.state, row.code, row.reason, row.attempts, now, row.due, row.ambiguous, row.deferrals, row.line)
            for row in outcomes
        ]
        with self._database.transaction():
            self._database.execute_many("UPDATE rows SET state = 'sent' WHERE line = ?", [(line,) for line in sent])
            self._database.execute_many(UPDATE, updates)


class DuplicateIndex:
    """The first line of each user, for finding duplicates among millions of rows in little memory."""

    # It is a temporary table: an index in the journal would be rewritten with every batch of rows.
    CACHE_KIB: Final = 12288  # holds a million users; more go to a file that SQLite deletes

    def __init__(self, database: ExclusiveDatabase, *, case_sensitive: bool) -> None:
        self._database = database
        self._key = partial(username_key, case_sensitive=case_sensitive)
        for setting in (f"temp.cache_size = -{self.CACHE_KIB}", "temp.journal_mode = OFF", "temp.synchronous = OFF"):
            database.rows(f"PRAGMA {setting}")
        database.rows("CREATE TEMP TABLE users (digest INTEGER PRIMARY KEY, line INTEGER NOT NULL)")
        database.function("digest", self._digest)
        with database.transaction():
            database.execute(
                "INSERT OR IGNORE INTO users SELECT digest(username), line FROM rows"  # noqa: S608 - constants
                f" WHERE NOT {INVALID_INPUT} ORDER BY line"
            )

    def add(self, users: Mapping[int, str]) -> dict[int, int]:
        """Add usernames by line, within a transaction; return the first line of each duplicate, by its line."""
        value, firsts = self._database.value, dict[int, int]()
        for line, username in users.items():
            digest = self._digest(username)
            if self._database.execute("INSERT OR IGNORE INTO users VALUES (?, ?)", (digest, line)).rowcount == 0:
                first = int(value("SELECT line FROM users WHERE digest = ?", (digest,)))
                known = users.get(first) or str(value("SELECT username FROM rows WHERE line = ?", (first,)))
                if self._key(known) == self._key(username):  # not only the digests are equal
                    firsts[line] = first
        return firsts

    def _digest(self, username: str) -> int:
        return _digest(self._key(username))


def _digest(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), signed=True)


def _outcome(line: int, username: str, state: str, *values: Any) -> Outcome:  # noqa: ANN401 - of COLUMNS
    code, reason, attempts, due, ambiguous, deferrals = values
    return Outcome(
        line=line, username=username, state=State(state), code=code, reason=reason, attempts=attempts, due=due,
        ambiguous=bool(ambiguous), deferrals=deferrals,
    )  # fmt: skip


# --- reading a journal from outside its job ---


@frozen(kw_only=True)
class JournalStatus:
    """The state of a job at one moment, read from its journal."""

    facts: Mapping[str, str]
    states: Mapping[State, int]
    errors: Sequence[ErrorGroup]  # a planned row has an error of the job itself
    total: int | None  # None if it is not known yet
    rate: float  # rows settled per second in the last minute, since the last run started
    next_due: float | None  # when the next deferred row is due, in seconds since 1970
    last_run: Run | None
    running: bool = False


def read_with_activity(path: Path, query: Callable[[JournalReader], Result]) -> tuple[Result, bool]:
    """Return the result of queries, which may run twice, of a snapshot, and whether a process ran the job meanwhile."""
    return read_snapshot(path, SCHEMA, lambda database: query(JournalReader(database)))


def read_journal(path: Path, query: Callable[[JournalReader], Result]) -> Result:
    """Return the result of queries of a consistent snapshot, also while the job runs; change nothing."""
    return read_with_activity(path, query)[0]


def read_facts(path: Path) -> dict[str, str]:
    """Return what a journal stores about its job, see Fact; raise JournalError if it cannot be read."""
    return read_journal(path, JournalReader.facts)


def read_status(path: Path) -> JournalStatus:
    """Return the state of a job; raise JournalError if its journal cannot be read."""
    status, running = read_with_activity(path, _status)
    return evolve(status, running=running)


def _status(journal: JournalReader) -> JournalStatus:
    facts, runs, now = journal.facts(), journal.runs(), time.time()
    states, errors = journal.counts()
    last = runs[-1] if runs else None
    window = 0.0 if last is None else min(RECENT, now - last.started)
    total = states.total() if Fact.COMPLETE in facts else facts.get(Fact.LINES)
    return JournalStatus(
        facts=facts,
        states=states,
        errors=errors,
        total=None if total is None else int(total),
        rate=journal.settled_since(now - window) / window if window > 0 else 0.0,
        next_due=journal.next_due(),
        last_run=last,
    )


def rows_needing_attention(path: Path) -> Generator[Outcome]:
    """Yield the refused, unknown and deferred rows, except duplicates of done rows, in order and in flat memory."""
    condition = f"line > ? AND {NEED_ATTENTION} ORDER BY line LIMIT {PAGE}"
    after = 0
    while page := read_journal(path, methodcaller("select", condition, after)):
        yield from page
        after = page[-1].line


def journal_files(path: Path) -> list[Path]:
    """Return the real paths of a journal and of the files that SQLite and the lock keep beside it."""
    return [Path(f"{os.path.realpath(path)}{suffix}") for suffix in SUFFIXES]
