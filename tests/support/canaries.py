"""Canary values for secrets, and a search for them in tracebacks."""

from collections.abc import Iterator
from pathlib import Path
from traceback import walk_tb
from typing import Any

from cognito_async.protocol.shapes import Blob, Document, ListOf, MapOf, Shape, Struct, Structure, Text, members
from tests.support.strategies import CHECKED, is_filter, smallest_value

CANARY = "c4n4ry"
TESTS = str(Path(__file__).parent.parent)


def canary(shape: Shape | None = None) -> str:
    """Return a canary of a valid length."""
    return CANARY.ljust((shape and shape.low) or 0, "x")


def filled(kind: type[Structure], *, secret: bool = False) -> Any:
    """Return a valid instance with every member set, and a canary in each secret one at any depth."""
    return kind(
        **{
            name: f'email = "{CANARY}"'
            if is_filter(kind, name)
            else CHECKED.get(about.wire_name) or _value(about.shape, secret=secret or about.secret)
            for name, about in members(kind)
        }
    )


def _value(shape: Shape, *, secret: bool) -> Any:
    if isinstance(shape, Struct):
        return filled(shape.type, secret=secret)
    if isinstance(shape, ListOf):
        return [_value(shape.element, secret=secret)] * max(shape.low or 0, 1)
    if isinstance(shape, MapOf):
        return {"key": _value(shape.value, secret=secret)}
    secrets = {Text: canary(shape), Blob: canary(shape).encode(), Document: {"key": [canary()]}}
    return (secrets if secret else {}).get(type(shape)) or smallest_value(shape)


def leaking_frames(error: BaseException, secret: str = CANARY) -> list[str]:
    """Return the local variables that contain a secret, in all frames of an error but those of the tests.

    Error reporters collect the ``repr`` of these variables, for the error and for its causes and contexts.
    """
    return [
        f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}:{name}"
        for each in _chain(error)
        for frame, _ in walk_tb(each.__traceback__)
        if not frame.f_code.co_filename.startswith(TESTS)
        for name, value in frame.f_locals.items()
        if secret in repr(value)
    ]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error with its causes, contexts and history, including those that Python does not print."""
    seen: list[BaseException] = []
    rest = [error]
    while rest:
        each = rest.pop()
        if each is not None and each not in seen:
            seen.append(each)
            rest += [each.__cause__, each.__context__, *getattr(each, "history", ())]
            yield each
