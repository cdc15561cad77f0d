"""Passwords that a job makes up, and the file that they are written to."""

import csv
import errno
import io
import os
import secrets
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cognito_async.bulk.errors import BulkError
from cognito_async.bulk.lock import OWNER_ONLY

LENGTH: Final = 20
SYMBOLS: Final = "-_.!"  # taken by every password policy, and by shells and spreadsheets as they are
KINDS: Final = (string.ascii_lowercase, string.ascii_uppercase, string.digits, SYMBOLS)


def new_password() -> str:
    """Make a password of 20 characters that has at least one of each kind that a policy can ask for.

    Returns:
        The password; 120 bits of it are chance.
    """
    alphabet = "".join(KINDS)
    while True:
        password = secrets.choice(string.ascii_letters) + "".join(secrets.choice(alphabet) for _ in range(LENGTH - 1))
        if all(any(character in kind for character in password) for kind in KINDS):
            return password


class PasswordFile:
    """A CSV file of usernames and passwords that only its owner can read.

    A password is written once the service has taken it. A user whom a killed job comes to twice is in it twice: the
    last line counts.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, new or to be continued.

        Args:
            path: Where it is.

        Raises:
            BulkError: It can't be written, or others can read it.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
        except OSError as error:
            raise BulkError(f"the passwords can't be written to {path}: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        mode = os.fstat(descriptor).st_mode & 0o777
        if os.name == "posix" and mode & ~OWNER_ONLY:
            self._file.close()
            raise BulkError(f"others can read {path} (its mode is {mode:o}): chmod 600 it, or name another file")
        try:
            if os.fstat(descriptor).st_size == 0:
                self.write([("username", "password")])
        except OSError as error:
            self._file.close()
            raise BulkError(f"the passwords can't be written to {path}: {error.strerror}") from error

    def write(self, lines: Sequence[tuple[str, str]]) -> None:
        """Write lines so that they outlast a crash.

        Args:
            lines: Usernames with their passwords.

        Raises:
            OSError: The disk is full, say.
        """
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        content = text.getvalue().encode()
        descriptor = self._file.fileno()
        size = os.fstat(descriptor).st_size
        written = 0
        try:
            written = self._file.write(content) or 0
            os.fsync(descriptor)
        finally:
            if written != len(content):
                os.ftruncate(descriptor, size)  # half a line would spoil the next
        if written != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
