"""Helpers of the examples: steps with their duration, expectations, and an exit code."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from textwrap import fill
from time import perf_counter
from typing import Any, TypeVar

from cognito_async import CognitoError
from cognito_async.testing import LocalPoolError

WIDTH = 78
INDENT = " " * 6
Value = TypeVar("Value")
Error = TypeVar("Error", bound=CognitoError)


@contextmanager
def act(title: str) -> Generator[Callable[[str], None], None, None]:
    """Run a step; print its title, its duration, and the results that it passes to the yielded function."""
    results: list[str] = []
    started = perf_counter()
    yield results.append
    took = f"{(perf_counter() - started) * 1000:,.0f} ms"
    print(f"  {title}{took:>{WIDTH - len(title) - 2}}")
    for line in results:
        print(fill(line, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT))
    print(flush=True)


def check(value: Value | None, expectation: str) -> Value:
    """Return a value that must be true; otherwise exit with the expectation."""
    if not value:
        raise SystemExit(f"Failed: {expectation}")
    return value


async def refused(attempt: Awaitable[object], kind: type[Error]) -> Error:
    """Await a call that must fail, and return its error; exit if it succeeds."""
    try:
        await attempt
    except kind as error:
        return error
    raise SystemExit(f"Failed: expected {kind.__name__}")


def quote(error: CognitoError) -> str:
    """Return the name and the message of an error."""
    return f"{type(error).__name__}: {error.message}"


def run(example: Coroutine[Any, Any, None]) -> None:
    """Run an example; on an error exit with a message and code 1."""
    try:
        asyncio.run(example)
    except CognitoError as error:
        sys.exit(f"Failed: {type(error).__name__}: {error}")
    except LocalPoolError as error:
        sys.exit(str(error))
    except (KeyboardInterrupt, EOFError):
        sys.exit("\nInterrupted.")
