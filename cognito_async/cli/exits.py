"""What the program exits with, and the error that carries such a code out of a command."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

PROGRAM: Final = "cognito-async"


class Exit(IntEnum):
    """The exit codes. 75 is what sysexits.h calls a temporary failure."""

    DONE = 0
    TROUBLE = 1
    USAGE = 2
    ROWS = 3
    PAUSED = 75
    LEFT = 130


MEANING: Final[Mapping[Exit, str]] = MappingProxyType(
    {
        Exit.DONE: "all done",
        Exit.TROUBLE: "anything else",
        Exit.USAGE: "the command or its input can't be used",
        Exit.ROWS: "some were refused, or nobody can tell whether they were done",
        Exit.PAUSED: "paused: the same can go on, or be tried again, later",
        Exit.LEFT: "interrupted; of a job: left at once, by a second Ctrl-C",
    }
)
EXIT_CODES: Final = "exit codes:\n" + "\n".join(f"  {code:<5}{meaning}" for code, meaning in MEANING.items())
"""The table for the end of each help text."""


class CommandError(Exception):
    """What ends a command, in a sentence for people; it holds no secret.

    Attributes:
        exit: The exit code.
    """

    def __init__(self, message: str, exit: Exit = Exit.USAGE) -> None:  # noqa: A002 - what it is
        super().__init__(message)
        self.exit: Exit = exit
