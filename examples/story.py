"""How the examples tell what happens: each act on a line, how long it took, and under it what came of it."""

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
Refusal = TypeVar("Refusal", bound=CognitoError)


@contextmanager
def act(title: str) -> Generator[Callable[[str], None], None, None]:
    """Time what the block does, then print it with what the block has to say about the outcome."""
    outcome: list[str] = []
    started = perf_counter()
    yield outcome.append
    took = f"{(perf_counter() - started) * 1000:,.0f} ms"
    print(f"  {title}{took:>{WIDTH - len(title) - 2}}")
    for line in outcome:
        print(fill(line, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT))
    print(flush=True)


def check(held: Value | None, sentence: str) -> Value:
    """Return what must be there or true; where it is not, end the story with a sentence."""
    if not held:
        raise SystemExit(f"It did not hold: {sentence}")
    return held


async def refused(attempt: Awaitable[object], kind: type[Refusal]) -> Refusal:
    """Await what must be refused, and return the error that it was refused with."""
    try:
        await attempt
    except kind as error:
        return error
    raise SystemExit(f"It did not hold: this should have been refused with {kind.__name__}.")


def quote(error: CognitoError) -> str:
    """Put a typed error into a line: its name, and what the service said."""
    return f"{type(error).__name__}: {error.message}"


def tell(story: Coroutine[Any, Any, None]) -> None:
    """Run a story; where it goes wrong, end with one sentence and exit code 1."""
    try:
        asyncio.run(story)
    except CognitoError as error:
        sys.exit(f"It went wrong: {type(error).__name__}: {error}")
    except LocalPoolError as error:
        sys.exit(str(error))
    except (KeyboardInterrupt, EOFError):
        sys.exit("\nGoodbye.")
