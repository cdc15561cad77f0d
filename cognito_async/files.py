"""Private files, lock files and atomic file replacement."""

import errno
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, TypeAlias

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


OWNER_ONLY: Final = 0o600  # the mode of files that may name users
OTHERS: Final = 0o077  # the permissions of users other than the owner
LOCK_INTERVAL: Final = 0.01  # seconds between two attempts to take a lock
MAX_SYMLINKS: Final = 40
NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)  # not on Windows

Target: TypeAlias = str | Path | IO[str]


def check_private(path: Path) -> os.stat_result | None:
    """Return the status of a file, None if it is missing; raise PermissionError unless only this user can access it."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    _check_private(status, path)
    return status


def _check_private(status: os.stat_result, path: Path) -> None:
    problem = None
    if stat.S_ISLNK(status.st_mode):
        problem = "it is a symbolic link; use the path of the file itself"
    elif not stat.S_ISREG(status.st_mode):
        problem = "it is not a regular file"
    elif os.name != "posix":
        pass  # Windows has access control lists instead of owners and modes
    elif status.st_uid != os.geteuid():
        problem = "it belongs to another user; use another file"
    elif status.st_mode & OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        problem = f"other users can access it (mode {mode:o}); chmod 600 it if you trust its content"
    if problem is not None:
        raise PermissionError(errno.EPERM, problem, str(path))


def open_private(path: Path, flags: int) -> int:
    """Open a private file, see ``check_private``, or create it with mode 0600; return the descriptor."""
    flags |= NO_FOLLOW
    while True:
        with suppress(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with suppress(FileNotFoundError):  # removed since
            check_private(path)  # before it is opened, which blocks for a named pipe
            descriptor = os.open(path, flags)
            break
    try:
        _check_private(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_private(path: Path) -> bytes | None:
    """Return the content of a private file; None if it is missing.

    Raises:
        PermissionError: Other users can access the file; see ``check_private``.
        OSError: The file cannot be read.
    """
    with suppress(FileNotFoundError):
        if check_private(path) is not None:  # before it is opened, which blocks for a named pipe
            with os.fdopen(os.open(path, os.O_RDONLY | NO_FOLLOW), "rb") as file:
                _check_private(os.fstat(file.fileno()), path)
                return file.read()
    return None


class FileLock:
    """An exclusive lock on a file, released by the system when the process dies.

    It is not the file to protect: closing any descriptor of an SQLite file would drop the locks that SQLite holds.
    """

    def __init__(self, path: Path, *, timeout: float = 0.0) -> None:
        """Take the lock; raise BlockingIOError if another holds it for longer than ``timeout`` seconds.

        The lock file is created if it is missing, and removed on release.
        """
        self._path = path
        deadline = time.monotonic() + timeout
        while True:
            self._descriptor: int | None = open_private(path, os.O_RDWR)
            try:
                _lock(self._descriptor)
            except (BlockingIOError, PermissionError) as error:  # PermissionError: Windows
                self._close()
                if time.monotonic() >= deadline:
                    raise BlockingIOError(error.errno, error.strerror) from None
                time.sleep(LOCK_INTERVAL)
                continue
            except OSError:
                self._close()
                raise
            if self._is_in_place():
                return
            self._close()  # the previous holder removed the file between open and lock

    def fileno(self) -> int:
        """Return the descriptor; a child process that inherits it keeps the lock if this process dies."""
        if self._descriptor is None:
            raise ValueError("the lock is released")
        return self._descriptor

    def release(self) -> None:
        """Release the lock and remove its file; safe to call twice."""
        if self._descriptor is not None:
            if self._is_in_place():  # do not remove a lock file that replaced ours
                with suppress(OSError):  # Windows does not remove an open file; a leftover file is harmless
                    self._path.unlink()
            self._close()

    def _is_in_place(self) -> bool:
        with suppress(OSError):
            return self._descriptor is not None and os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        return False

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(path: Path) -> bool:
    """Return whether a lock is held; False if its file is missing or cannot be opened."""
    if not path.exists():
        return False
    try:
        FileLock(path).release()
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def open_output(target: Target) -> Generator[IO[str]]:
    """Open a target for writing UTF-8 text with unchanged line ends; a stream is used as it is and stays open.

    Regular files are replaced atomically (through symbolic links). Devices, pipes and descriptors such as
    ``/dev/stdout`` are written in place.
    """
    if not isinstance(target, str | Path):
        yield target
        return
    path = Path(target)
    if is_replaced(path):
        with replace_file(Path(os.path.realpath(path))) as file:
            yield file
        return
    descriptor = descriptor_of(path)
    # Opening /dev/stdout by name would truncate a file that the shell appends to with >>.
    with open(path if descriptor is None else os.dup(descriptor), "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a path or a descriptor
        yield file


def is_replaced(path: Path) -> bool:
    """Return whether ``open_output`` replaces the file at a path; True for a missing file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return True
    return stat.S_ISREG(mode) and descriptor_of(path) is None


def descriptor_of(path: Path) -> int | None:
    """Return the descriptor that a path such as ``/dev/stdout`` refers to; None for other paths."""
    pattern = re.compile(rf"(?:/dev/fd|/proc/{os.getpid()}/fd)/([0-9]+)")
    for _ in range(MAX_SYMLINKS):
        folder = Path(os.path.realpath(path.parent))
        found = pattern.fullmatch(str(folder / path.name))
        if found is not None:
            return int(found[1])
        if not path.is_symlink():
            return None
        path = folder / path.readlink()
    return None


@contextmanager
def replace_file(path: Path) -> Generator[IO[str]]:
    """Write a temporary file with mode 0600 that replaces ``path`` when the block succeeds."""
    folder, prefix = path.absolute().parent, f".{path.name}."
    temporary = tempfile.NamedTemporaryFile("w", dir=folder, prefix=prefix, delete=False, newline="", encoding="utf-8")  # noqa: SIM115 - renamed below
    try:
        with temporary:
            yield temporary.file  # the wrapper's frames would show the text in tracebacks with locals
        Path(temporary.name).replace(path)
    except BaseException:
        Path(temporary.name).unlink(missing_ok=True)
        raise
