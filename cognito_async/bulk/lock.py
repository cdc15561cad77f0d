"""A lock on a file that ends with its holder, however that ends."""

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    FAR = 1 << 40  # past every byte that is ever read or written

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of another kind than SQLite's own, so never in its way


class FileLock:
    """Holds an existing file for one process. Close it after everything else that has the file open."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Args:
            path: The file.

        Raises:
            BlockingIOError: Somebody else has it.
            OSError: The file can't be opened.
        """
        self._descriptor: int | None = os.open(path, os.O_RDWR)
        try:
            _take(self._descriptor)
        except OSError as error:
            self.release()
            raise BlockingIOError(error.errno, error.strerror) from None

    def release(self) -> None:
        """Give the file free; safe twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(path: Path) -> bool:
    """Tell whether some process holds a file.

    Args:
        path: The file.

    Raises:
        OSError: It can't be opened.
    """
    try:
        FileLock(path).release()
    except BlockingIOError:
        return True
    return False
