"""What the values of options are made of. A value that can't be used is never repeated: it may be a secret."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Final, TypeVar

SLOWEST: Final = 0.01
FASTEST: Final = 10_000.0
"""Requests a second: nobody waits for less, and no account has more."""

Value = TypeVar("Value")


def rate(text: str) -> float:
    """Read requests a second."""
    number = _number(text)
    if not SLOWEST <= number <= FASTEST:
        raise ArgumentTypeError(f"must be from {SLOWEST:g} to {FASTEST:g}")
    return number


def seconds(text: str) -> float:
    """Read a time in seconds."""
    number = _number(text)
    if number < 0:
        raise ArgumentTypeError("must be at least 0")
    return number


def interval(text: str) -> float:
    """Read the seconds between two lines: a tenth at least."""
    return max(seconds(text), 0.1)


def count(text: str) -> int:
    """Read a whole number, 0 or more."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:  # noqa: PLR2004 - a billion is enough of anything
        raise ArgumentTypeError("must be a whole number, 0 or more")
    return int(text)


def file(text: str) -> str:
    """Read the name of a file."""
    if text == "-":
        raise ArgumentTypeError("must name a file; - is none")
    return file_or_stream(text)


def file_or_stream(text: str) -> str:
    """Read the name of a file, or a hyphen for standard input or output."""
    if not text or "\0" in text:
        raise ArgumentTypeError("must name a file")
    return text


def pair(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise ArgumentTypeError("must be NAME=VALUE")
    return name, value


def names(text: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found) or len({*found}) < len(found):
        raise ArgumentTypeError("must be names with commas between them, each once")
    return found


def one_of(choices: Mapping[str, Value]) -> Callable[[str], Value]:
    """Make what reads one of some words.

    Args:
        choices: The words, and what they stand for.

    Returns:
        The reader.
    """

    def read(text: str) -> Value:
        if text not in choices:
            raise ArgumentTypeError(f"must be {' or '.join(choices)}")
        return choices[text]

    return read


def some_of(choices: Mapping[str, Value]) -> Callable[[str], tuple[Value, ...]]:
    """Make what reads words with commas between them.

    Args:
        choices: The words, and what they stand for.

    Returns:
        The reader.
    """

    def read(text: str) -> tuple[Value, ...]:
        words = [word.strip() for word in text.split(",")]
        if not all(word in choices for word in words):
            raise ArgumentTypeError(f"must be {' or '.join(choices)}, or several with commas between them")
        return tuple(choices[word] for word in words)

    return read


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ArgumentTypeError("must be a number") from None
    if not isfinite(number):
        raise ArgumentTypeError("must be a number")
    return number
