"""Exit codes, and how each error becomes one line on stderr and an exit code."""

import errno
import io
import logging
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Final

import click

from cognito_async.errors import (
    AmbiguousOutcomeError,
    CognitoError,
    ParameterValidationError,
    RateLimitTimeoutError,
    ServiceError,
    TransportError,
)

PROGRAM: Final = "cognito-async"
DEBUG: Final = "COGNITO_ASYNC_DEBUG"  # adds a traceback to the message about an unexpected error


class Exit(IntEnum):
    """The exit codes. 75 is a temporary failure in sysexits.h."""

    DONE = 0
    FAILURE = 1
    USAGE = 2
    PARTIAL = 3
    PAUSED = 75
    INTERRUPTED = 130


MEANING: Final[Mapping[Exit, str]] = {
    Exit.DONE: "all done",
    Exit.FAILURE: "any other error",
    Exit.USAGE: "invalid command line or input",
    Exit.PARTIAL: "some rows were refused or have an unknown outcome",
    Exit.PAUSED: "paused: resume or retry later",
    Exit.INTERRUPTED: "interrupted",
}


class CommandError(Exception):
    """Ends a command with a message; the message holds no secret."""

    def __init__(self, message: str, exit: Exit = Exit.USAGE) -> None:  # noqa: A002 - sys.exit's word for it
        super().__init__(message)
        self.exit: Exit = exit


_INSTEAD: Final = {
    "client-secret secret": "set COGNITO_CLIENT_SECRET, or use --client-secret-file or --ask-client-secret",
    "password": "set COGNITO_PASSWORD, use --password-file or enter it when prompted; bulk jobs read it from INPUT",
    "code confirmation-code": "set COGNITO_CONFIRMATION_CODE, use --code-file or enter it when prompted; bulk jobs read"
    " it from INPUT",
    "access-key access-key-id aws-access-key-id secret-key secret-access-key aws-secret-access-key session-token":
    "set the AWS_* environment variables, or use a profile with the extra aws",
}  # fmt: skip
# Options that do not exist on purpose, and where to put the secret instead.
SECRET_OPTIONS: Final = {name: place for names, place in _INSTEAD.items() for name in names.split()}


class UnexpectedArgument(click.UsageError):
    def __init__(self, value: str, context: click.Context) -> None:
        super().__init__("unexpected argument", context)
        self.value: str = value


def describe_usage_error(error: click.UsageError, arguments: Sequence[str]) -> str:
    """Describe a usage error; click's own texts quote values, which may be secrets."""
    context = error.ctx
    match error:
        case click.NoSuchOption():
            name = error.option_name.lstrip("-").replace("_", "-").lower()
            if name in SECRET_OPTIONS:
                return (
                    f"--{name} is not an option: command lines are visible to other users and saved in shell history;"
                    f" {SECRET_OPTIONS[name]}"
                )
            text = _unrecognized("option", error.option_name, arguments)
            if error.possibilities:
                text += f"; did you mean {error.possibilities[0]}?"
        case UnexpectedArgument():
            text = _unrecognized("argument", error.value, arguments)
        case click.BadOptionUsage():
            params = [] if context is None else context.command.params
            is_flag = any(error.option_name in param.opts and getattr(param, "is_flag", False) for param in params)
            text = f"{error.option_name} {'does not take a value' if is_flag else 'requires a value'}"
        case click.MissingParameter(param=click.Parameter() as param):
            text = f"{_name(param)} is required"
        case click.BadParameter(param=click.Parameter() as param):
            text = f"{_name(param)} {getattr(param.type, 'requirement', 'is invalid')}"
        case click.NoSuchCommand(ctx=click.Context(command=click.Group() as group)):
            text = f"unknown command; available: {', '.join(group.commands)}"
        case _:
            text = "invalid command line"
    return text if context is None else f"{text}; see `{context.command_path} --help`"


def _unrecognized(kind: str, start: str, arguments: Sequence[str]) -> str:
    position = next((place for place, typed in enumerate(arguments, 1) if typed.startswith(start)), len(arguments))
    return f"unrecognized {kind} at position {position} (not shown: it may be a secret)"


def _name(param: click.Parameter) -> str:
    return max(param.opts, key=len) if isinstance(param, click.Option) else param.human_readable_name


def exit_code(error: CognitoError) -> Exit:
    from cognito_async.bulk import errors as bulk  # noqa: PLC0415 - not needed by --help
    from cognito_async.protocol.retry import classify  # noqa: PLC0415 - not needed by --help

    if isinstance(error, AmbiguousOutcomeError):
        return Exit.PARTIAL
    is_temporary = isinstance(error, TransportError | bulk.JournalInUseError) or classify(error) is not None
    if is_temporary or (isinstance(error, bulk.JournalError) and _is_disk_full(error)):
        return Exit.PAUSED
    if isinstance(error, bulk.JournalLostError):
        return Exit.FAILURE
    if isinstance(error, bulk.JournalError | bulk.SourceError | bulk.JobMismatchError | ParameterValidationError):
        return Exit.USAGE
    return Exit.PARTIAL if isinstance(error, ServiceError) else Exit.FAILURE


def _is_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        is_full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}
        if is_full or getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            return True
        error = error.__cause__
    return False


def run(command: click.Command, arguments: Sequence[str]) -> int:
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # usernames may not be encodable on this terminal
    logging.getLogger("cognito_async").addHandler(logging.NullHandler())  # log lines would break the live display
    code = 0
    try:
        code = _invoke(command, arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # such as `| head`
        _discard_stdout()
        return code or Exit.FAILURE
    except OSError as error:  # such as a full disk behind `>`
        _discard_stdout()
        return _fail(f"cannot write output: {error.strerror}", Exit(code or Exit.FAILURE))
    return code


def _replace_closed_streams() -> None:
    """Replace streams that the caller closed, so that no file gets their descriptors; writing to stdout fails."""
    for name, flags in (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115


def _invoke(command: click.Command, arguments: Sequence[str]) -> int:
    try:
        with command.make_context(PROGRAM, list(arguments)) as context:
            return int(command.invoke(context) or Exit.DONE)
    except click.exceptions.Exit as error:  # after --help and --version
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.USAGE
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and not isinstance(error, CognitoError):
            raise
        return _fail(*_explain(error, arguments))


def _explain(error: BaseException, arguments: Sequence[str]) -> tuple[str, Exit]:
    match error:
        case click.UsageError():
            return describe_usage_error(error, arguments), Exit.USAGE
        case CommandError():
            return str(error), error.exit
        case TransportError() if not isinstance(error, RateLimitTimeoutError):
            return f"{error}; check the network, the region and --endpoint-url, then retry", exit_code(error)
        case CognitoError():
            return str(error), exit_code(error)
        case KeyboardInterrupt():
            return "interrupted", Exit.INTERRUPTED
        case _:  # a bug; the text of the error is not shown, because it may contain a secret
            if os.environ.get(DEBUG):
                traceback.print_exception(error)
            hint = f"please report this as a bug ({DEBUG}=1 shows the traceback, which may contain secrets)"
            return f"unexpected {type(error).__name__}; {hint}", Exit.FAILURE


def _fail(message: str, code: Exit) -> int:
    from cognito_async.cli.output import warn  # noqa: PLC0415 - imports this module

    warn(message)
    return code


def _discard_stdout() -> None:
    """Keep the interpreter from flushing into a closed pipe when it exits."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
