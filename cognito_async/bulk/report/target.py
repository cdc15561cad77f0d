"""Where a report goes: a file that takes its place once it is whole, or what is there and is written to as it is."""

import os
import re
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, TypeAlias

Target: TypeAlias = str | Path | IO[str]
"""A file's path, or a stream that is open for writing."""

MOST_LINKS: Final = 40
"""Links that are followed one after the other; systems follow no more."""


@contextmanager
def opened(target: Target) -> Generator[IO[str]]:
    """Open what a report is written to, in UTF-8 and with line ends as they are.

    A file is replaced as a whole, or not at all; where a link leads to one, that one is. Whatever else is there, such
    as a device or a named pipe, is written to: a file in its place would destroy it. A folder can't be written to.

    Args:
        target: A path, or a stream, which is used as it is and stays open.

    Yields:
        A stream.

    Raises:
        OSError: It can't be written.
    """
    if not isinstance(target, str | Path):
        yield target
        return
    path = Path(target)
    if is_replaced(path):
        with replaced(Path(os.path.realpath(path))) as file:
            yield file
        return
    descriptor = descriptor_of(path)
    # The descriptor itself, since opening its name anew would cut off what a shell's `>>` has kept.
    with open(path if descriptor is None else os.dup(descriptor), "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a path or a descriptor
        yield file


def is_replaced(path: Path) -> bool:
    """Tell whether a new file takes a path's place: where there is a file, or nothing yet.

    Args:
        path: The path; links are followed.

    Returns:
        Whether it does; if not, what is there is written to.

    Raises:
        OSError: It can't be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return True
    return stat.S_ISREG(mode) and descriptor_of(path) is None


def descriptor_of(path: Path) -> int | None:
    """Tell which descriptor of this process a path stands for: 1 for ``/dev/stdout``, None for a path like others."""
    own = re.compile(rf"(?:/dev/fd|/proc/{os.getpid()}/fd)/([0-9]+)")
    for _ in range(MOST_LINKS):
        folder = Path(os.path.realpath(path.parent))
        found = own.fullmatch(str(folder / path.name))
        if found is not None:
            return int(found[1])
        if not path.is_symlink():
            return None
        path = folder / path.readlink()
    return None


@contextmanager
def replaced(path: Path) -> Generator[IO[str]]:
    """Open a file that takes another one's place once it is complete, and that only its owner can read.

    Args:
        path: The file whose place it takes.

    Yields:
        The new file.

    Raises:
        OSError: It can't be written.
    """
    folder, prefix = path.absolute().parent, f".{path.name}."
    made = tempfile.NamedTemporaryFile("w", dir=folder, prefix=prefix, delete=False, newline="", encoding="utf-8")  # noqa: SIM115 - renamed below
    try:
        with made as file:
            yield file
        Path(made.name).replace(path)
    except BaseException:
        Path(made.name).unlink(missing_ok=True)
        raise
