"""SQLite files: one exclusive writer, consistent snapshots for readers, errors as JournalErrors."""

import errno
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import frozen

from cognito_async.bulk.errors import JournalError, JournalInUseError, JournalLostError
from cognito_async.files import LOCK_INTERVAL, FileLock, check_private, is_locked, open_private

Result = TypeVar("Result")

SUFFIXES: Final = ("", "-wal", "-shm", "-journal", "-lock")  # of the files that belong to a journal
SETTINGS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",  # commits survive a power failure
    "cache_size = -2048",  # KiB
)
LOCK_TIMEOUT: Final = 0.1
CLAIM_TIMEOUT: Final = 2.0  # seconds; readers hold the file, too
PRIMARY_CODE: Final = 0xFF  # the part of SQLite's error codes that names the kind of error

# The byte of a -shm file that SQLite keeps locked in each process that has the database open (UNIX_SHM_DMS).
SHM_OPEN_BYTE: Final = 128

_open_here: Final[set[Path]] = set()  # the databases that this process has open

_FIXES: Final = {
    "full|no space": "free disk space and resume; nothing is lost",
    "readonly|permission denied": "make it writable and resume",
    "not a database": "use another file",
}  # by a pattern of the error message


@frozen
class Schema:
    """What a database file must be."""

    application_id: int  # distinguishes it from the SQLite files of other programs
    version: int
    tables: str  # the statements that create the tables

    def check(self, path: Path, database: "Database") -> None:
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
        with journal_errors(self.path):
            return self._connection.execute(statement, values).fetchall()

    def value(self, statement: str, values: "Sequence[object] | dict[str, object]" = ()) -> Any:  # noqa: ANN401 - of any type
        return self.rows(statement, values)[0][0]

    def function(self, name: str, function: Callable[..., int]) -> None:
        self._connection.create_function(name, -1, function, deterministic=True)


class ExclusiveDatabase(Database):
    """An SQLite file, or a temporary database (no path), that only this process writes."""

    def __init__(self, path: Path | None, schema: Schema) -> None:
        named = path or Path("(temporary)")
        # One lock per file, whatever directory links lead to it.
        self._file = None if path is None else _real(path)
        self._lock: FileLock | None = None
        try:
            with journal_errors(named):
                if self._file is not None:
                    self._lock = _create_locked(self._file, named)
                super().__init__(
                    named, sqlite3.connect(self._file or "", isolation_level=None, check_same_thread=False)
                )
            self._prepare(schema)
        except BaseException:
            self.close()
            raise
        self._identity = self._current_identity()
        if self._file is not None:
            _open_here.add(self._file)

    def check_in_place(self) -> None:
        """Raise JournalLostError if the file or its -wal file was deleted or replaced since it was opened."""
        if self._file is not None and self._current_identity() != self._identity:
            raise JournalLostError(
                f"the journal {self.path} was deleted or replaced while the job was running; nothing more was sent."
                " Restore it before you start the job again, or rows will be sent twice"
            )

    def _current_identity(self) -> list[tuple[int, int] | None]:
        # Where the file system has no inodes (some on Windows), they are 0, and only a deletion is noticed.
        files = () if self._file is None else (self._file, self._file.with_name(f"{self._file.name}-wal"))
        statuses = [_status(file) for file in files]
        return [None if status is None else (status.st_dev, status.st_ino) for status in statuses]

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
        """Check that no other process uses the file, even if the lock file was removed."""
        deadline = time.monotonic() + CLAIM_TIMEOUT
        while time.monotonic() < deadline:
            try:
                self._connection.execute("PRAGMA journal_mode = DELETE")  # requires SQLite's exclusive lock
            except sqlite3.DatabaseError as error:  # other errors show with the first write
                if error.sqlite_errorcode & PRIMARY_CODE == sqlite3.SQLITE_BUSY:
                    time.sleep(LOCK_INTERVAL)
                    continue
            return
        raise _in_use_error(self.path)

    def close(self) -> None:
        """Close the file and release the lock; safe to call twice."""
        if hasattr(self, "_connection"):
            with suppress(sqlite3.Error):  # a reader keeps the -wal file; the main file is complete without it
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
        if self._file is not None:
            _open_here.discard(self._file)
        if self._lock is not None:
            self._lock.release()

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def execute_many(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        self._connection.executemany(statement, values)

    @contextmanager
    def transaction(self) -> Generator[None]:
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
    try:
        lock = FileLock(lock_path(file), timeout=LOCK_TIMEOUT)
    except BlockingIOError:
        raise _in_use_error(path) from None
    with ExitStack() as on_error:
        on_error.callback(lock.release)
        _check_files(file)
        if _status(file) is None:
            os.close(open_private(file, os.O_RDWR))
        if file.lstat().st_nlink > 1:  # SQLite keeps the -wal file beside the name that it was opened by
            raise JournalError(f"the journal {path} has more than one hard link; remove the others")
        on_error.pop_all()
    return lock


def _check_files(file: Path) -> None:
    for suffix in SUFFIXES:
        check_private(file.with_name(file.name + suffix))


def _real(path: Path) -> Path:
    """Return a path without links to its directory; a link to the file itself is kept, and rejected."""
    return Path(os.path.realpath(path.parent)) / path.name


def _status(file: Path) -> os.stat_result | None:
    with suppress(OSError):
        return file.lstat()
    return None


def lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}-lock")


def is_in_use(path: Path) -> bool:
    file = _real(path)
    lock = lock_path(file)
    # A killed process leaves its lock file. A missing one can have been removed while a job is running.
    return is_locked(lock) if lock.exists() else file in _open_here or _is_open(file)


if sys.platform == "win32":

    def _is_open(file: Path) -> bool:  # noqa: ARG001
        return False  # Windows does not remove the lock file of a running job
else:
    import fcntl

    def _is_open(file: Path) -> bool:
        """Return whether another process has a database open, by the lock that SQLite keeps on the -shm file."""
        with suppress(OSError), open(f"{file}-shm", "r+b", buffering=0) as shared:  # noqa: PTH123
            try:
                fcntl.lockf(shared, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, SHM_OPEN_BYTE)
            except (BlockingIOError, PermissionError):
                return True
        return False


def _in_use_error(path: Path) -> JournalInUseError:
    return JournalInUseError(
        f"{path} is in use: another process runs the job or reads the journal; wait for it, or stop it and resume"
    )


def read_snapshot(path: Path, schema: Schema, query: Callable[[Database], Result]) -> tuple[Result, bool]:
    """Return the result of queries of a consistent snapshot, and whether a process had the file open for writing."""
    while True:  # until no process opens or closes the file meanwhile: one that is not in use is read as immutable
        before = is_in_use(path), _immutable_version(path)
        try:
            with _reading(path, schema) as database:
                result = query(database)
        except JournalError:
            if (is_in_use(path), _immutable_version(path)) == before:
                raise
        else:
            if (is_in_use(path), _immutable_version(path)) == before:
                return result, before[0]


@contextmanager
def _reading(path: Path, schema: Schema) -> Generator[Database]:
    file = _real(path)
    with journal_errors(path):
        _check_files(file)
        if not file.exists():
            raise JournalError(f"journal not found: {path}")
        # An immutable database needs no -shm file and no write permission.
        mode = "mode=ro" if _immutable_version(path) is None else "immutable=1"
        with closing(sqlite3.connect(f"{file.as_uri()}?{mode}", uri=True, isolation_level=None)) as connection:
            database = Database(path, connection)
            connection.execute("BEGIN")  # one snapshot for all queries
            if not database.value("SELECT count(*) FROM sqlite_schema"):
                raise JournalError(f"{path} is empty; no job was started with it")
            schema.check(path, database)
            yield database


def _immutable_version(path: Path) -> tuple[int, int] | None:
    """Return a value that changes when a file that is not in use does; None if it is in use or missing."""
    file = _real(path)
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
        fix = next((f"; {fix}" for sign, fix in _FIXES.items() if re.search(sign, why.lower())), "")
        name = getattr(error, "filename", None) if getattr(error, "errno", None) == errno.EPERM else None
        raise JournalError(f"cannot use the journal {name or path}: {why}{fix}") from error
