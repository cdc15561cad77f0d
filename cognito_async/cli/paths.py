"""What is at a path that somebody typed: said in a sentence before anything is begun."""

import os
import stat
from pathlib import Path

from cognito_async.cli.exits import CommandError
from cognito_async.files import OWNER_ONLY


def looked_at(path: Path) -> os.stat_result | None:
    """Look at what a path leads to.

    Args:
        path: The path.

    Returns:
        Its status; None where nothing is there.

    Raises:
        CommandError: It is a folder, or can't be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandError(f"{path} can't be used: {error.strerror}") from None
    if stat.S_ISDIR(found.st_mode):
        raise CommandError(f"{path} is a folder: name a file")
    return found


def journal_to_begin(name: str) -> Path:
    """Give the path of a journal that may be there.

    Raises:
        CommandError: It can't be one.
    """
    path = Path(name)
    found = looked_at(path)
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise CommandError(f"{path} can't be a journal: it is no regular file")
    return path


def journal_to_read(name: str) -> Path:
    """Give the path of a journal that is there.

    Raises:
        CommandError: It is not there, or can't be one.
    """
    path = journal_to_begin(name)
    if not path.exists():
        raise CommandError(f"there is no journal {path}")
    return path


def check_passwords_file(path: Path) -> None:
    """Make sure that a file can take generated passwords, before a journal is begun.

    Raises:
        CommandError: It can't keep them, or others can read it.
    """
    found = looked_at(path)
    if found is None:
        return
    if not stat.S_ISREG(found.st_mode):
        raise CommandError(f"{path} can't keep passwords: it is no regular file")
    mode = found.st_mode & 0o777
    if os.name == "posix" and mode & ~OWNER_ONLY:
        raise CommandError(f"others can read {path} (its mode is {mode:o}): chmod 600 it, or name another file")
