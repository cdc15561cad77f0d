"""Where what a command writes goes: a file that takes its place once it is whole, a pipe, or standard output."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

from cognito_async.cli import streams
from cognito_async.cli.exits import CommandError, Exit
from cognito_async.cli.interrupts import as_ctrl_c
from cognito_async.errors import CognitoError
from cognito_async.files import descriptor_of, is_replaced, open_output

STANDARD_OUTPUT: Final = "-"


def is_standard_output(name: str) -> bool:
    """Tell whether a name stands for standard output: a hyphen, or such as ``/dev/stdout``.

    Raises:
        CommandError: It can't be looked at.
    """
    with _told(name):
        return name == STANDARD_OUTPUT or descriptor_of(Path(name)) == 1


@contextmanager
def writing(name: str) -> Generator[IO[str]]:
    """Open what a name stands for.

    Args:
        name: A path, or a hyphen for standard output.

    Yields:
        A stream.

    Raises:
        CommandError: It is a folder, or can't be written.
        BrokenPipeError: Nobody reads standard output any more.
    """
    if is_standard_output(name):
        yield streams.data()
        return
    with _told(name), ExitStack() as until_the_end:
        path = Path(name)
        if is_replaced(path):  # what is begun names users, and must not be left behind
            until_the_end.enter_context(as_ctrl_c())
        yield until_the_end.enter_context(open_output(path))


@contextmanager
def _told(name: str) -> Generator[None]:
    """Turn what the system says into words about the file."""
    try:
        yield
    except CognitoError:  # some are OSErrors too, and about something else
        raise
    except IsADirectoryError:
        raise CommandError(f"{name} is a folder: name a file") from None
    except OSError as error:
        raise CommandError(f"{name} can't be written: {error.strerror}", Exit.TROUBLE) from None
