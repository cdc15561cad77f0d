"""A lock that ends with its holder, however that ends: a locked file of its own.

Of its own, because closing any descriptor of an SQLite file would take away the locks that SQLite has on it.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


PAUSE: Final = 0.01
"""Seconds between two tries to take a lock."""

OWNER_ONLY: Final = 0o600
"""The mode of every file that a job makes: what is in it concerns nobody else."""


class FileLock:
    """Holds a lock; its file is there for as long as the lock is held, or longer where the holder was killed."""

    def __init__(self, path: Path, *, patience: float = 0.0) -> None:
        """Take the lock.

        Args:
            path: The lock's own file.
            patience: How long to try, in seconds: who only looks whether it is taken has it for an instant.

        Raises:
            BlockingIOError: Somebody else has it.
            OSError: The file can't be made.
        """
        self._path = path
        give_up = time.monotonic() + patience
        while True:
            self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
            try:
                _take(self._descriptor)
            except OSError as error:
                self._close()
                if time.monotonic() >= give_up:
                    raise BlockingIOError(error.errno, error.strerror) from None
                time.sleep(PAUSE)
                continue
            if self._is_at(path):
                return
            self._close()  # the last holder has just removed it

    def _is_at(self, path: Path) -> bool:
        with suppress(OSError):
            return self._descriptor is not None and os.path.samestat(os.fstat(self._descriptor), path.stat())
        return False

    def release(self) -> None:
        """Give the lock back; safe twice."""
        if self._descriptor is not None:
            if self._is_at(self._path):  # and not another's, where somebody has removed ours
                with suppress(OSError):  # Windows removes no open file: then it stays, which does no harm
                    self._path.unlink()
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds a lock.

    Args:
        path: The lock's own file.

    Returns:
        True if so; False also where the file can't be opened.
    """
    if not path.exists():
        return False
    try:
        FileLock(path).release()
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
