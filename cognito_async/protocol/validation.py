"""The checks before anything is sent: required members, types, lengths, sizes and ranges, at any depth.

Patterns and the values of enumerations are left to the service: those in its model are not reliable enough to refuse
what a user typed. A check names the rule and never the value.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (values of any type are what this file works on)

import re
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from cognito_async.errors import ParameterValidationError
from cognito_async.protocol.operation import Request
from cognito_async.protocol.shapes import (
    Blob,
    Boolean,
    Document,
    Integer,
    ListOf,
    MapOf,
    Shape,
    Struct,
    Structure,
    Text,
    members,
)

Fault = tuple[str, str]
"""The rest of the path below the value that was checked, and the rule that is broken."""

Check = Callable[[Any, Any], Fault | None]

MAX_INTEGER = 2**63
MAX_DOCUMENT_DEPTH = 100
MAX_DOCUMENT_BITS = 10_000  # well below the number of digits at which Python refuses to print one
_PRINTABLE_KEY = r"[A-Za-z][\w:.-]{0,63}"


def validate(request: Request[Any]) -> None:
    """Check a request against the service's published constraints.

    Args:
        request: The request, with bound defaults filled in.

    Raises:
        ParameterValidationError: For the first member that breaks a rule.
    """
    fault = _structure(request)
    if fault is not None:
        path, rule = fault
        raise ParameterValidationError(path.removeprefix("."), rule, operation=request.OPERATION.name)


def validate_value(parameter: str, value: object, shape: Shape) -> None:
    """Check one value outside a request, e.g. one that is bound to a client.

    Args:
        parameter: The name to show in the error.
        value: What was given.
        shape: What it must be.

    Raises:
        ParameterValidationError: If it breaks a rule.
    """
    fault = _CHECKS[type(shape)](value, shape)
    if fault is not None:
        raise ParameterValidationError(parameter + fault[0], fault[1])


def _structure(value: Structure) -> Fault | None:
    kind = type(value)
    for name, required, check, shape in _PLANS.get(kind) or _plan(kind):
        given = getattr(value, name)
        if given is None:
            if required:
                return f".{name}", "is required"
            continue
        fault = check(given, shape)
        if fault is not None:
            return f".{name}{fault[0]}", fault[1]
    return None


def _plan(kind: type[Structure]) -> "list[tuple[str, bool, Check, Shape]]":
    """List what to check of a class, once."""
    plan = [(name, about.required, _CHECKS[type(about.shape)], about.shape) for name, about in members(kind)]
    _PLANS[kind] = plan
    return plan


def _struct(value: Any, shape: Any) -> Fault | None:
    if not isinstance(value, shape.type):
        return _wrong_type(value, f"a {shape.type.__name__}")
    return _structure(value)


def _text(value: Any, shape: Shape) -> Fault | None:
    if not isinstance(value, str):
        return _wrong_type(value, "a str")
    if not value.isascii() and _has_surrogates(value):
        return "", "must be valid Unicode text (it holds half of a surrogate pair)"
    return _bounds(len(value), shape, "have", "characters")


def _has_surrogates(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _integer(value: Any, shape: Shape) -> Fault | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return _wrong_type(value, "an int")
    if not -MAX_INTEGER <= value < MAX_INTEGER:
        return "", "must fit into 64 bits"
    return _bounds(value, shape, "be", "")


def _boolean(value: Any, _: Shape) -> Fault | None:
    return None if isinstance(value, bool) else _wrong_type(value, "a bool")


def _blob(value: Any, shape: Shape) -> Fault | None:
    if not isinstance(value, bytes | bytearray | memoryview):
        return _wrong_type(value, "bytes")
    return _bounds(memoryview(value).nbytes, shape, "have", "bytes")


def _list(value: Any, shape: Any) -> Fault | None:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray | memoryview):
        return _wrong_type(value, "a list or tuple")
    check = _CHECKS[type(shape.element)]
    for index, element in enumerate(value):
        fault = check(element, shape.element)
        if fault is not None:
            return f"[{index}]{fault[0]}", fault[1]
    return _bounds(len(value), shape, "have", "elements")


def _map(value: Any, shape: Any) -> Fault | None:
    if not isinstance(value, Mapping):
        return _wrong_type(value, "a mapping")
    check = _CHECKS[type(shape.value)]
    for index, (key, element) in enumerate(value.items()):
        fault = _text(key, shape.key)
        if fault is not None:
            return f"[key {index}]{fault[0]}", fault[1]
        fault = check(element, shape.value)
        if fault is not None:
            return f"[{_shown(key, index)}]{fault[0]}", fault[1]
    return _bounds(len(value), shape, "have", "entries")


def _document(value: Any, _: Any, depth: int = 0) -> Fault | None:
    if depth > MAX_DOCUMENT_DEPTH:
        return "", f"must be JSON of at most {MAX_DOCUMENT_DEPTH} levels"
    if isinstance(value, Mapping):
        return _document_map(value, depth + 1)
    if isinstance(value, list | tuple):
        return _document_list(value, depth + 1)
    return _document_scalar(value)


def _document_map(values: Mapping[Any, Any], depth: int) -> Fault | None:
    for index, (key, element) in enumerate(values.items()):
        fault = _text(key, _ANY_TEXT) or _document(element, None, depth)
        if fault is not None:
            return f"[{_shown(key, index)}]{fault[0]}", fault[1]
    return None


def _document_list(values: Sequence[Any], depth: int) -> Fault | None:
    for index, element in enumerate(values):
        fault = _document(element, None, depth)
        if fault is not None:
            return f"[{index}]{fault[0]}", fault[1]
    return None


def _document_scalar(value: object) -> Fault | None:
    if isinstance(value, str):
        return _text(value, _ANY_TEXT)
    if isinstance(value, int) and value.bit_length() > MAX_DOCUMENT_BITS:
        return "", f"must hold no integer of more than {MAX_DOCUMENT_BITS:,} bits"
    if isinstance(value, float) and not isfinite(value):
        return "", "must be JSON, which has no NaN and no infinity"
    if value is None or isinstance(value, bool | int | float):
        return None
    return _wrong_type(value, "JSON (dict, list, str, int, float, bool or None)")


def _bounds(size: int, shape: Shape, verb: str, unit: str) -> Fault | None:
    if shape.low is not None and size < shape.low:
        return "", f"must {verb} at least {shape.low} {unit}".rstrip()
    if shape.high is not None and size > shape.high:
        return "", f"must {verb} at most {shape.high} {unit}".rstrip()
    return None


def _wrong_type(value: object, wanted: str) -> Fault:
    given = "None" if value is None else type(value).__name__
    return "", f"must be {wanted}, not {given}"


def _shown(key: object, index: int) -> str:
    """Name an entry by its key where that reads as a name; anything else could be a value gone astray."""
    return repr(key) if isinstance(key, str) and re.fullmatch(_PRINTABLE_KEY, key, re.ASCII) else f"entry {index}"


_ANY_TEXT = Text()
_PLANS: "dict[type[Structure], list[tuple[str, bool, Check, Shape]]]" = {}
_CHECKS: dict[type[Shape], Check] = {
    Text: _text,
    Integer: _integer,
    Boolean: _boolean,
    Blob: _blob,
    Document: _document,
    ListOf: _list,
    MapOf: _map,
    Struct: _struct,
}
