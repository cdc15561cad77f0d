"""SQLite files: one exclusive writer, consistent snapshots for readers, errors as JournalErrors."""

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import frozen

from cognito_async.bulk.errors import JournalError, JournalInUseError
from cognito_async.files import LOCK_INTERVAL, OWNER_ONLY, FileLock, is_locked

Result = TypeVar("Result")

SUFFIXES: Final = ("", "-wal", "-shm", "-lock")
"""The suffixes of the files that belong to a journal."""

CACHE_KIB: Final = 2048
SETTINGS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",  # commits survive a power failure
    f"cache_size = -{CACHE_KIB}",
)
LOCK_TIMEOUT: Final = 0.1
CLAIM_TIMEOUT: Final = 2.0  # seconds; readers hold the file, too
PRIMARY_CODE: Final = 0xFF  # the part of SQLite's error codes that names the kind of error
TEMPORARY: Final = Path("(temporary)")

_FIXES: Final = {
    "full": "free disk space and resume; nothing is lost",
    "no space": "free disk space and resume; nothing is lost",
    "readonly": "make it writable and resume",
    "permission denied": "make it writable and resume",
    "not a database": "use another file",
}


@frozen
class Schema:
    """What a database file must be.

    Attributes:
        application_id: Distinguishes it from the SQLite files of other programs.
        version: The version of the schema.
        tables: The statements that create the tables.
    """

    application_id: int
    version: int
    tables: str

    def check(self, path: Path, database: "Database") -> None:
        """Raise JournalError unless a database has this schema."""
        if database.value("PRAGMA application_id") != self.application_id:
            raise JournalError(f"{path} is an SQLite database but not a cognito_async journal; use another file")
        version = database.value("PRAGMA user_version")
        if version != self.version:
            raise JournalError(f"{path} has journal version {version}; this release supports version {self.version}")


class Database:
    """An SQLite connection that raises JournalError."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path: Path = path
        self._connection = connection

    def rows(self, statement: str, values: "Sequence[object] | dict[str, object]" = ()) -> list[Any]:
        """Return all rows of a query."""
        with journal_errors(self.path):
            return self._connection.execute(statement, values).fetchall()

    def value(self, statement: str, values: "Sequence[object] | dict[str, object]" = ()) -> Any:  # noqa: ANN401 - of any type
        """Return the first column of the first row of a query."""
        return self.rows(statement, values)[0][0]


class ExclusiveDatabase(Database):
    """An SQLite file that this process alone may write."""

    def __init__(self, path: Path | None, schema: Schema) -> None:
        """Open or create the file.

        Args:
            path: The file; None for a temporary database that no other process can open.
            schema: The schema to create or to require.

        Raises:
            JournalInUseError: Another process uses the file.
            JournalError: The file cannot be opened, or is not a journal.
        """
        named = path or TEMPORARY
        file = "" if path is None else os.path.realpath(path)  # one lock per file, whatever path leads to it
        self._lock: FileLock | None = None
        try:
            with journal_errors(named):
                if file:
                    self._lock = _create_locked(Path(file), named)
                super().__init__(named, sqlite3.connect(file, isolation_level=None, check_same_thread=False))
            self._prepare(schema)
        except BaseException:
            self.close()
            raise

    def _prepare(self, schema: Schema) -> None:
        is_new = self.value("SELECT count(*) FROM sqlite_schema") == 0
        if not is_new:
            schema.check(self.path, self)
            self._claim()
        with journal_errors(self.path):
            if is_new:
                self._connection.executescript(
                    f"BEGIN; {schema.tables} PRAGMA application_id = {schema.application_id};"
                    f" PRAGMA user_version = {schema.version}; COMMIT;"
                )
            for setting in SETTINGS:
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # visible to others from here on

    def _claim(self) -> None:
        """Check that no other process uses the file, even if the lock file was removed.

        Leaving WAL mode requires SQLite's exclusive lock. Other errors show with the first write.
        """
        deadline = time.monotonic() + CLAIM_TIMEOUT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                    return
            else:
                return
            if time.monotonic() >= deadline:
                raise _in_use_error(self.path)
            time.sleep(LOCK_INTERVAL)

    def close(self) -> None:
        """Close the file and release the lock; safe to call twice."""
        if hasattr(self, "_connection"):
            with suppress(sqlite3.Error):  # a reader keeps the -wal file; the main file is complete without it
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Execute a statement within a transaction."""
        return self._connection.execute(statement, values)

    def execute_many(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Execute a statement for each of some values, within a transaction."""
        self._connection.executemany(statement, values)

    def function(self, name: str, function: Callable[[str], int]) -> None:
        """Let statements call a function."""
        self._connection.create_function(name, 1, function, deterministic=True)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit all changes of the block, or none."""
        with journal_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _create_locked(file: Path, path: Path) -> FileLock:
    """Lock a file, and create it if it is missing."""
    try:
        lock = FileLock(lock_path(file), timeout=LOCK_TIMEOUT)
    except BlockingIOError:
        raise _in_use_error(path) from None
    try:
        if not file.exists():
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
        _check_links(file, path)
    except BaseException:
        lock.release()
        raise
    return lock


def _check_links(file: Path, path: Path) -> None:
    """Reject a file with several hard links: SQLite keeps the -wal file beside the name that it was opened by."""
    if file.is_file() and file.stat().st_nlink > 1:
        raise JournalError(f"the journal {path} has more than one hard link; remove the others")


def lock_path(path: Path) -> Path:
    """Return the lock file of a database file."""
    return path.with_name(f"{path.name}-lock")


def is_in_use(path: Path) -> bool:
    """Return whether a process has a database file open for writing."""
    return is_locked(lock_path(Path(os.path.realpath(path))))


def _in_use_error(path: Path) -> JournalInUseError:
    return JournalInUseError(
        f"{path} is in use: another process runs the job or reads the journal; wait for it, or stop it and resume"
    )


def read_snapshot(path: Path, schema: Schema, query: Callable[[Database], Result]) -> Result:
    """Query a consistent snapshot of a file, also while a process writes it; leave no files behind.

    Args:
        path: The file.
        schema: The schema to require.
        query: Runs the queries. It is called again if a process opened the file meanwhile, because a file that is not
            in use is read as an immutable one.

    Raises:
        JournalError: The file is missing, is not a journal, or cannot be read.
    """
    while True:
        version = _immutable_version(path)
        try:
            with _reading(path, schema) as database:
                result = query(database)
        except JournalError:
            if version is None or _immutable_version(path) == version:
                raise
        else:
            if version is None or _immutable_version(path) == version:
                return result


@contextmanager
def _reading(path: Path, schema: Schema) -> Generator[Database]:
    if not path.exists():
        raise JournalError(f"journal not found: {path}")
    if not path.is_file():
        raise JournalError(f"{path} is not a regular file")
    uri = Path(os.path.realpath(path)).as_uri()
    # An immutable database needs no -shm file and no write permission.
    mode = "mode=ro" if _immutable_version(path) is None else "immutable=1"
    with journal_errors(path), closing(sqlite3.connect(f"{uri}?{mode}", uri=True, isolation_level=None)) as connection:
        database = Database(path, connection)
        connection.execute("BEGIN")  # one snapshot for all queries
        if not database.value("SELECT count(*) FROM sqlite_schema"):
            raise JournalError(f"{path} is empty; no job was started with it")
        schema.check(path, database)
        yield database


def _immutable_version(path: Path) -> tuple[int, int] | None:
    """Return a value that changes when a file that is not in use does; None if it is in use or missing."""
    file = Path(os.path.realpath(path))
    if file.with_name(f"{file.name}-wal").exists() or not file.exists():
        return None
    status = file.stat()
    return status.st_mtime_ns, status.st_size


@contextmanager
def journal_errors(path: Path) -> Generator[None]:
    """Raise errors of SQLite and the system as JournalErrors."""
    try:
        yield
    except JournalError:
        raise
    except (sqlite3.Error, OSError) as error:
        why = str(error.strerror if isinstance(error, OSError) else error)
        fix = next((f"; {fix}" for sign, fix in _FIXES.items() if sign in why.lower()), "")
        raise JournalError(f"cannot use the journal {path}: {why}{fix}") from error
