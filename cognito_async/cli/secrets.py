"""Secrets from a file, the environment or a hidden prompt; never from the command line."""

import os
import stat
import sys
import unicodedata
from contextlib import suppress
from getpass import getpass
from pathlib import Path
from typing import Final

from attrs import field, frozen

from cognito_async.cli.errors import CommandError
from cognito_async.files import OTHERS

MAX_SIZE: Final = 4096  # bytes


@frozen
class Secret:
    name: str
    variable: str
    option: str  # names a file with the secret
    confirmed: bool = False  # whether the prompt asks for it twice


@frozen
class SecretValue:
    """The value of a secret. Its repr, which error reporters show, does not contain it."""

    value: str = field(repr=False)


CLIENT_SECRET: Final = Secret("client secret", "COGNITO_CLIENT_SECRET", "--client-secret-file")
PASSWORD: Final = Secret("new password", "COGNITO_PASSWORD", "--password-file", confirmed=True)
CODE: Final = Secret("confirmation code", "COGNITO_CONFIRMATION_CODE", "--code-file")


def read(secret: Secret, file: str | None) -> SecretValue | None:
    """Read a secret from its file if one was given, else from the environment."""
    if file is not None:
        return _read_file(secret, Path(file))
    found = SecretValue(os.environ.get(secret.variable, ""))
    if not _is_text(found.value):
        raise CommandError(f"invalid {secret.variable}: must be one line of UTF-8 text without control characters")
    return found if found.value else None


def client_secret(file: str | None, *, ask: bool) -> SecretValue | None:
    return prompt(CLIENT_SECRET) if ask else read(CLIENT_SECRET, file)


def prompt(secret: Secret) -> SecretValue:
    if not _is_terminal():
        raise CommandError(
            f"no {secret.name}: set {secret.variable} or pass {secret.option} (cannot prompt: stdin is not a terminal)"
        )
    entered = _ask(f"{secret.name.capitalize()}: ")
    if not entered.value:
        raise CommandError(f"no {secret.name} was entered")
    if secret.confirmed and _ask(f"Repeat {secret.name}: ") != entered:
        raise CommandError(f"the two entries of the {secret.name} do not match; nothing was sent")
    return entered


def _ask(text: str) -> SecretValue:
    with suppress(EOFError):
        return SecretValue(getpass(text, stream=sys.stderr).strip())
    return SecretValue("")


def _is_terminal() -> bool:
    with suppress(ValueError, AttributeError):  # closed or missing
        return sys.stdin.isatty()
    return False


def _read_file(secret: Secret, path: Path) -> SecretValue:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            # A pipe, such as `<(pass show …)`, has no meaningful mode.
            if os.name == "posix" and stat.S_ISREG(status.st_mode) and status.st_mode & OTHERS:
                raise CommandError(f"other users can access {path}, which holds the {secret.name}: chmod 600 it")
            found = _parse(file.read(MAX_SIZE + 1))
    except OSError as error:
        raise CommandError(f"cannot read the {secret.name} from {path}: {error.strerror}") from None
    if found is None:
        raise CommandError(f"invalid {path}: must hold the {secret.name} only, as one line of UTF-8 text")
    return found


def _parse(content: bytes) -> SecretValue | None:
    """Return the only line of a file, without byte order mark, line end and surrounding whitespace."""
    with suppress(UnicodeDecodeError):
        value = content.decode("utf-8-sig").strip()
        if value and len(content) <= MAX_SIZE and _is_text(value):
            return SecretValue(value)
    return None


def _is_text(value: str) -> bool:
    return not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in value)
