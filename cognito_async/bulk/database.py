"""The SQLite file under a journal: opened for one process, with transactions, and with words for what goes wrong."""

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from cognito_async.bulk.errors import JournalError, JournalInUseError
from cognito_async.bulk.lock import OWNER_ONLY, PAUSE, FileLock, is_locked

APPLICATION_ID: Final = 0x436F674A  # "CogJ": tells a journal from any other SQLite file
VERSION: Final = 1
CACHE_KIB: Final = 2048
SETTINGS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",  # what was written survives the machine, not only the process
    f"cache_size = -{CACHE_KIB}",
)
PATIENCE: Final = 0.1
CLAIM_PATIENCE: Final = 2.0  # seconds; whoever reads a journal is in the way, too
PRIMARY: Final = 0xFF  # the part of SQLite's codes that tells the kind of error
NO_FILE: Final = Path("of this rehearsal")
LIVE: Final = "mode=ro"
IMMUTABLE: Final = "immutable=1"  # leaves no files beside it, and needs no right to write any
SCHEMA: Final = f"""
BEGIN;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    line INTEGER PRIMARY KEY,      -- in the input, from 1
    username TEXT NOT NULL,        -- '' where the row could not be read
    state TEXT NOT NULL,           -- planned, sent, done, refused, deferred, unknown
    code TEXT,                     -- the kind of trouble
    reason TEXT,                   -- what happened, without secrets
    attempts INTEGER NOT NULL DEFAULT 0,
    at REAL,                       -- when the state was reached, in seconds since 1970
    due REAL,                      -- when a deferred row is tried again
    ambiguous INTEGER NOT NULL DEFAULT 0,
    deferrals INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started REAL NOT NULL,
    ended REAL,                    -- NULL while it runs, and where it was killed
    ending TEXT,                   -- why it ended
    quota REAL,                    -- requests a second that it kept to
    throttled INTEGER NOT NULL DEFAULT 0
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""
_ADVICE: Final = {
    "full": "make room and resume; nothing is lost",
    "no space": "make room and resume; nothing is lost",
    "readonly": "make it writable and resume",
    "permission denied": "make it writable and resume",
    "not a database": "name another file",
}


class Database:
    """An SQLite file that only one process has open for writing."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, or begin it.

        Args:
            path: Where it is; None for none: what does not fit into memory goes to a file that nobody else can find.

        Raises:
            JournalInUseError: Another process has it.
            JournalError: It can't be opened, or is something else.
        """
        self.path: Path = path or NO_FILE
        self._lock: FileLock | None = None
        file = "" if path is None else os.path.realpath(path)  # a journal by another name is the same journal
        try:
            with told(self.path):
                if file:
                    self._lock = self._taken(Path(file))
                self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._begin()
        except BaseException:
            self.close()
            raise

    def _taken(self, file: Path) -> FileLock:
        """Take the file's lock, and make the file."""
        try:
            lock = FileLock(lock_of(file), patience=PATIENCE)
        except BlockingIOError:
            raise in_use_error(self.path) from None
        try:
            if not file.exists():
                os.close(os.open(file, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
            check_names(file, self.path)
        except BaseException:
            lock.release()
            raise
        return lock

    def _begin(self) -> None:
        empty = self.rows("SELECT count(*) FROM sqlite_schema")[0][0] == 0
        if not empty:
            check_kind(self.path, *self.rows("PRAGMA application_id")[0], *self.rows("PRAGMA user_version")[0])
            self._claim()
        with told(self.path):
            if empty:
                self._connection.executescript(SCHEMA)
            for setting in SETTINGS:
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on others see us

    def _claim(self) -> None:
        """Make sure that nobody else works on it: where the lock's file was removed, only SQLite knows.

        Leaving the mode that is meant for several takes being alone. Any other trouble shows with the first change.
        """
        give_up = time.monotonic() + CLAIM_PATIENCE
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & PRIMARY != sqlite3.SQLITE_BUSY:
                    return
            else:
                return
            if time.monotonic() >= give_up:
                raise in_use_error(self.path)
            time.sleep(PAUSE)

    def close(self) -> None:
        """Close the file, and give it free; safe twice."""
        if hasattr(self, "_connection"):
            with suppress(sqlite3.Error):  # where somebody reads it, its other files stay; but it is whole without them
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """Give all rows of a query."""
        with told(self.path):
            return self._connection.execute(statement, values).fetchall()

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Change something, within a transaction."""
        return self._connection.execute(statement, values)

    def execute_many(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Change something for each of some values, within a transaction."""
        self._connection.executemany(statement, values)

    def function(self, name: str, function: Callable[[str], int]) -> None:
        """Let statements call a function."""
        self._connection.create_function(name, 1, function, deterministic=True)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Make all changes within the block durable together, or none of them."""
        with told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def check_names(file: Path, path: Path) -> None:
    """Make sure that nobody can come by another name: SQLite keeps what is written last beside the name it was given.

    Args:
        file: The journal's file.
        path: How it was named.

    Raises:
        JournalError: The file has several names.
    """
    if file.is_file() and file.stat().st_nlink > 1:
        raise JournalError(f"the journal {path} has a second name (a hard link), by which others may use it: remove it")


def lock_of(path: Path) -> Path:
    """Name the lock's file of a journal."""
    return path.with_name(f"{path.name}-lock")


def in_use(path: Path) -> bool:
    """Tell whether a job is working on a journal."""
    return is_locked(lock_of(Path(os.path.realpath(path))))


def in_use_error(path: Path) -> JournalInUseError:
    """Say that a job is working on a journal."""
    return JournalInUseError(
        f"another process is working on {path}, or reading it; wait for it, or stop it with Ctrl-C and resume"
    )


@contextmanager
def reading(path: Path) -> Generator[sqlite3.Connection]:
    """Open a journal to look at, also while a job works on it, and leave nothing behind.

    Args:
        path: Where it is.

    Yields:
        A connection that can only read.

    Raises:
        JournalError: There is no journal.
    """
    if not path.exists():
        raise JournalError(f"there is no journal {path}")
    if not path.is_file():
        raise JournalError(f"{path} can't be used as a journal: it is no file")
    file = Path(os.path.realpath(path))
    at_rest = not file.with_name(f"{file.name}-wal").exists()
    with (
        told(path),
        closing(sqlite3.connect(f"{file.as_uri()}?{IMMUTABLE if at_rest else LIVE}", uri=True)) as found,
    ):
        tables = found.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if not tables:
            raise JournalError(f"{path} is empty: no job was begun with it")
        numbers = (found.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        check_kind(path, *numbers)
        yield found


def check_kind(path: Path, application_id: int, version: int) -> None:
    """Make sure that an SQLite file is a journal that this version reads.

    Raises:
        JournalError: It is not.
    """
    if application_id != APPLICATION_ID:
        raise JournalError(f"{path} is a database, but no journal of a job; name another file")
    if version != VERSION:
        raise JournalError(f"{path} is a journal of version {version}; this program reads version {VERSION}")


@contextmanager
def told(path: Path) -> Generator[None]:
    """Turn what SQLite and the system say into words about the journal."""
    try:
        yield
    except JournalError:
        raise
    except (sqlite3.Error, OSError) as error:
        why = str(error.strerror if isinstance(error, OSError) else error)
        advice = next((f"; {advice}" for sign, advice in _ADVICE.items() if sign in why.lower()), "")
        raise JournalError(f"the journal {path} can't be used: {why}{advice}") from error
