"""Reads a command line, and repeats nothing of what it can't read: that may be a secret in the wrong place."""

import re
from argparse import Action, ArgumentError, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, NoReturn

from cognito_async.cli.exits import EXIT_CODES, CommandError

_INSTEAD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "client-secret": "set COGNITO_CLIENT_SECRET, or use --client-secret-file or --ask-client-secret",
        "secret": "set COGNITO_CLIENT_SECRET, or use --client-secret-file or --ask-client-secret",
        "password": "set COGNITO_PASSWORD, use --password-file, or let it be asked for; bulk reads them from INPUT",
        "code": "set COGNITO_CONFIRMATION_CODE, use --code-file, or let it be asked for; bulk reads them from INPUT",
        "confirmation-code": "set COGNITO_CONFIRMATION_CODE, use --code-file, or let it be asked for",
        "access-key": "use the AWS_* environment variables, or a profile with the extra aws",
        "access-key-id": "use the AWS_* environment variables, or a profile with the extra aws",
        "aws-access-key-id": "use the AWS_* environment variables, or a profile with the extra aws",
        "secret-access-key": "use the AWS_* environment variables, or a profile with the extra aws",
        "aws-secret-access-key": "use the AWS_* environment variables, or a profile with the extra aws",
        "secret-key": "use the AWS_* environment variables, or a profile with the extra aws",
        "session-token": "use the AWS_* environment variables, or a profile with the extra aws",
    }
)
_QUIETER: Final = (
    (re.compile(r"ignored explicit argument .*", re.DOTALL), "takes no value"),
    (re.compile(r"ambiguous option: .*", re.DOTALL), "an option is not known"),
    (re.compile(r"unrecognized arguments: .*", re.DOTALL), "an argument is not known"),
)
"""Where argparse would repeat what was typed, and what is said instead."""


class Parser(ArgumentParser):
    """A parser that raises CommandError where argparse would repeat the command line and exit."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, without what was typed.

        Raises:
            CommandError: Always.
        """
        for pattern, quieter in _QUIETER:
            message = pattern.sub(quieter, message)
        raise CommandError(f"{message}; see `{self.prog} --help`")

    def _check_value(self, action: Action, value: Any) -> None:  # noqa: ANN401 - as argparse has it
        """Refuse a word that is no command, without repeating it."""
        if action.choices is not None and value not in action.choices:
            raise ArgumentError(action, f"must be one of: {', '.join(map(str, action.choices))}")


def settings(summary: str, examples: str = "", *, brief: str | None = None) -> dict[str, Any]:
    """Give what every parser is made with.

    Args:
        summary: What the command does.
        examples: Command lines to show at the end of its help; empty for none.
        brief: What the list of commands says of it; None for its summary.

    Returns:
        Arguments for ``add_parser`` and ``Parser``.
    """
    epilog = (f"examples:\n{examples}\n\n" if examples else "") + EXIT_CODES
    return {
        # Without this, `--client-secret x` would be short for `--client-secret-file x`.
        "allow_abbrev": False,
        "formatter_class": RawDescriptionHelpFormatter,
        "description": summary,
        "epilog": epilog,
        **({} if brief is None else {"help": brief}),
    }


def parse(parser: Parser, arguments: Sequence[str]) -> Namespace:
    """Read a command line.

    Args:
        parser: What reads it; each command's own parser is in its namespace as ``parser``.
        arguments: What follows the program's name.

    Returns:
        The options.

    Raises:
        CommandError: It can't be read, or holds a secret.
    """
    _refuse_secrets(arguments)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        own: ArgumentParser = getattr(options, "parser", parser)
        raise CommandError(f"{_unknown(unknown[0], arguments, own)}; see `{own.prog} --help`")
    return options


def _refuse_secrets(arguments: Iterable[str]) -> None:
    for argument in arguments:
        if argument == "--":
            return
        name = argument.partition("=")[0]
        if name.startswith("--") and (instead := _INSTEAD.get(name[2:].replace("_", "-").lower())) is not None:
            raise CommandError(
                f"{name} is no option: everybody on this machine can read a command line, and the shell keeps it;"
                f" {instead}"
            )


def _unknown(argument: str, arguments: Sequence[str], parser: ArgumentParser) -> str:
    """Say which argument is not known: by its place, and by what it may have been meant to be."""
    place = arguments.index(argument) + 1 if argument in arguments else len(arguments)
    said = f"argument {place} is not known (it isn't repeated here, as it might be a secret)"
    known = re.findall(r"--[a-z][a-z-]*", parser.format_help())
    meant = get_close_matches(argument.partition("=")[0], known, n=1, cutoff=0.8)
    return f"{said}; did you mean {meant[0]}?" if meant else said
