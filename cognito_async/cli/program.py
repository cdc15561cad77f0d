"""Runs one command, and turns how it ends into an exit code and a line for people."""

import io
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from cognito_async.cli.commands import make_parser
from cognito_async.cli.exits import PROGRAM, CommandError, Exit
from cognito_async.cli.parser import parse
from cognito_async.errors import CognitoError


def run(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: What follows the program's name.

    Returns:
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that a terminal can't show is no reason to fail
    # What the library logs is for programs; here the displays say it, and a stray line would tear the live one.
    logger = logging.getLogger("cognito_async")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    code = 0
    try:
        code = _carry_out(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # such as `| head`: whoever reads has seen enough
        _let_go_of_stdout()
        return code or Exit.TROUBLE
    except OSError as error:  # such as a full disk behind `>`
        _let_go_of_stdout()
        return _failed(f"the output can't be written: {error.strerror}", Exit(code or Exit.TROUBLE))
    return code


def _carry_out(arguments: Sequence[str]) -> int:
    try:
        options = parse(make_parser(), arguments)
        return int(import_module(f"cognito_async.cli.{options.room}").run(options))
    except SystemExit as ended:  # after --help and --version
        return int(ended.code or 0)
    except CommandError as error:
        return _failed(str(error), error.exit)
    except CognitoError as error:
        from cognito_async.cli.failures import exit_of, explain  # noqa: PLC0415 - --help has no need of it

        return _failed(explain(error), exit_of(error))
    except KeyboardInterrupt:
        return _failed("interrupted", Exit.LEFT)


def _failed(message: str, code: Exit) -> int:
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{PROGRAM}: {message}\n")
        sys.stderr.flush()
    return code


def _let_go_of_stdout() -> None:
    """Keep the interpreter from flushing into a pipe that nobody reads, as it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
