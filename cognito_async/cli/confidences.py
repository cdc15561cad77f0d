"""What is told in confidence: from the environment, from a file, or at a hidden prompt; never on the command line."""

import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from getpass import getpass
from pathlib import Path
from typing import Final

from attrs import frozen

from cognito_async.cli.exits import CommandError

LONGEST: Final = 4096
OTHERS: Final = 0o077


@frozen
class Confidence:
    """Something that is told in confidence.

    Attributes:
        name: What to call it.
        variable: Its environment variable.
        option: The option that names a file with it.
        twice: Whether it is asked for twice, as nobody sees what is typed.
    """

    name: str
    variable: str
    option: str
    twice: bool = False


CLIENT_SECRET: Final = Confidence("client secret", "COGNITO_CLIENT_SECRET", "--client-secret-file")
PASSWORD: Final = Confidence("new password", "COGNITO_PASSWORD", "--password-file", twice=True)
CODE: Final = Confidence("confirmation code", "COGNITO_CONFIRMATION_CODE", "--code-file")


def told(confidence: Confidence, file: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Give what a file or the environment tells.

    Args:
        confidence: What is wanted.
        file: The file that was named for it; None for none.
        environ: The environment.

    Returns:
        Its value; None if nobody tells.

    Raises:
        CommandError: The file can't be used.
    """
    if file is not None:
        return _read(confidence, Path(file))
    return environ.get(confidence.variable) or None


def asked(confidence: Confidence) -> str:
    """Ask for it, if somebody is there to answer.

    Args:
        confidence: What is wanted.

    Returns:
        Its value.

    Raises:
        CommandError: Nobody is there, or nothing was typed.
    """
    if not _somebody_is_there():
        raise CommandError(
            f"no {confidence.name}: set {confidence.variable}, or name a file with it by {confidence.option}"
            " (without a terminal nobody can be asked)"
        )
    value = _prompt(f"{confidence.name.capitalize()}: ")
    if not value:
        raise CommandError(f"no {confidence.name} was typed")
    if confidence.twice and _prompt(f"{confidence.name.capitalize()}, once more: ") != value:
        raise CommandError(f"the two are not the same; the {confidence.name} was not sent anywhere")
    return value


def _prompt(text: str) -> str:
    try:
        return getpass(text, stream=sys.stderr)
    except EOFError:
        return ""


def _somebody_is_there() -> bool:
    with suppress(ValueError, AttributeError):  # closed, or not there at all
        return sys.stdin.isatty()
    return False


def _read(confidence: Confidence, path: Path) -> str:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise CommandError(f"the {confidence.name} can't be read from {path}: {error.strerror}") from None
    # A pipe, as `<(pass show …)` makes one, has no mode that means anything.
    if os.name == "posix" and stat.S_ISREG(status.st_mode) and status.st_mode & OTHERS:
        raise CommandError(f"others can read {path}, which holds the {confidence.name}: chmod 600 it first")
    try:
        value = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise CommandError(f"{path} holds no {confidence.name}: it is not UTF-8") from None
    if not value or len(content) > LONGEST or "\n" in value:
        raise CommandError(f"{path} must hold the {confidence.name} and nothing else, in one line")
    return value
