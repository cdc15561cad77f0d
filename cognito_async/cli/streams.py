"""Standard output for data, standard error for people; neither can take the job down when nobody listens any more."""

import io
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Final, cast

from cognito_async.cli.exits import PROGRAM


class Listener(io.TextIOBase):
    """Standard error for people: a terminal that is closed meanwhile is no error."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding, for who looks at it."""
        return sys.stderr.encoding

    def write(self, text: str) -> int:
        """Write, if anybody listens."""
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if anybody listens."""
        with suppress(OSError, ValueError):
            sys.stderr.flush()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        with suppress(OSError, ValueError):
            return sys.stderr.isatty()
        return False

    def fileno(self) -> int:
        """Give the descriptor, for who asks for the terminal's size."""
        return sys.stderr.fileno()


PEOPLE: Final = cast("IO[str]", Listener())


def say(text: str) -> None:
    """Print a line for people."""
    PEOPLE.write(f"{text}\n")
    PEOPLE.flush()


def warn(text: str) -> None:
    """Print a line for people that is no part of a display."""
    say(f"{PROGRAM}: {text}")


def put(text: str) -> None:
    """Print a line of data.

    Raises:
        BrokenPipeError: Nobody reads any more.
    """
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def put_json(values: Mapping[str, object]) -> None:
    """Print an object in one line of data.

    Raises:
        BrokenPipeError: Nobody reads any more.
    """
    put(json.dumps(values, ensure_ascii=True))


def data() -> IO[str]:
    """Give standard output for data that programs read: UTF-8, and line ends as they are written."""
    for stream in (sys.stdout,):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", newline="")
    return cast("IO[str]", sys.stdout)


def is_smart_terminal() -> bool:
    """Tell whether people look at a terminal on which lines can be written over."""
    return PEOPLE.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}
