"""Validation before anything is sent; patterns and enumerations, unreliable in the model, are left to the service.

Errors name the rule and never the value. Checks return faults, to be raised from frames that do not hold the value.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (values of any type are what this file works on)

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any, TypeVar

from cognito_async.errors import CognitoError, ParameterValidationError
from cognito_async.protocol.filters import broken_filter
from cognito_async.protocol.operation import RawRequest, Request
from cognito_async.protocol.shapes import (
    Blob,
    Boolean,
    Document,
    Integer,
    ListOf,
    MapOf,
    Member,
    Shape,
    Struct,
    Structure,
    Text,
    Timestamp,
    members,
)

Fault = tuple[str, str]  # the path below the checked value, and the broken rule
Check = Callable[[Any, Any], Fault | None]
ResultT = TypeVar("ResultT")

FILTER = ("ListUsersRequest", "filter")  # the member whose syntax the service model describes in prose only
# IDs, tokens and hashes: they never contain line breaks or control characters.
PRINTABLE_MEMBERS = frozenset({"AccessToken", "ClientId", "RefreshToken", "SecretHash", "Token", "UserPoolId"})
MAX_INTEGER = 2**63
MAX_DOCUMENT_DEPTH = 100
MAX_DOCUMENT_BITS = 10_000  # well below the number of digits that Python refuses to print
_PRINTABLE_KEY = r"[A-Za-z][\w:.-]{0,63}"


def validate(request: Request[Any]) -> None:
    """Raise ParameterValidationError for the first member that breaks one of the service's published constraints."""
    fault = guarded(_structure, request)
    if fault is None and request.extra is not None:
        fault = guarded(_extra, request)
    if fault is not None:
        path, rule = fault
        raise ParameterValidationError(path.removeprefix("."), rule, operation=request.OPERATION.name)


def guarded(step: Callable[[Request[Any]], ResultT], request: Request[Any]) -> ResultT:
    """Run a step that calls methods of the caller's values, whose errors may quote the value and are replaced."""
    try:
        return step(request)
    except CognitoError:
        raise
    except Exception as error:  # noqa: BLE001 - any class of error can come out of a caller's method
        kind = type(error).__name__
    rule = f"holds a value whose own methods raise {kind}; pass plain str, int, list and dict values"
    raise ParameterValidationError("request", rule, operation=request.OPERATION.name)


def broken_form(value: object, longest: int | None = None, *, spaces: bool = False) -> str | None:
    """Return the rule that an ID, key or secret breaks, if any; ``spaces`` are valid inside, not at start or end."""
    if not isinstance(value, str):
        return _wrong_type(value, "a str")[1]
    plain = "".join((value, ""))  # noqa: FLY002 - a plain str, even of a subclass whose methods do something else
    if not plain:
        return "must not be empty"
    if longest is not None and len(plain) > longest:
        return f"must have at most {longest} characters"
    if not plain.isprintable():
        return "must contain printable characters only, without line breaks"
    if spaces:
        return "must not start or end with a space" if plain != plain.strip() else None
    return "must not contain spaces" if " " in plain else None


def _structure(value: Structure) -> Fault | None:
    for name, required, check, shape in _PLANS.get(type(value)) or _plan(type(value)):
        given = getattr(value, name)
        if given is None:
            if required:
                return f".{name}", "is required"
            continue
        fault = check(given, shape)
        if fault is not None:
            return f".{name}{fault[0]}", fault[1]
    return None


def _extra(request: Request[Any]) -> Fault | None:
    extra, argument = request.extra, "payload" if isinstance(request, RawRequest) else "extra"
    if not isinstance(extra, Mapping):
        return f".{argument}", _wrong_type(extra, "a mapping")[1]
    fault = _document(extra, None)
    if fault is not None:
        return f".{argument}{fault[0]}", fault[1]
    for name, about in members(type(request)):
        if about.wire_name in extra and getattr(request, name) is not None:
            return f".{argument}[{about.wire_name!r}]", f"must not be passed together with {name}"
    return None


def _plan(kind: type[Structure]) -> "list[tuple[str, bool, Check, Shape]]":
    """Make and keep the list of checks of a class."""
    _PLANS[kind] = [
        (name, about.required, _filter if (kind.__name__, name) == FILTER else _check_of(about), about.shape)
        for name, about in members(kind)
    ]
    return _PLANS[kind]


def _check_of(about: Member) -> Check:
    is_printable = about.wire_name in PRINTABLE_MEMBERS and type(about.shape) is Text
    return _printable_text if is_printable else _CHECKS[type(about.shape)]


def _printable_text(value: Any, shape: Shape) -> Fault | None:
    fault = _text(value, shape)
    if fault is None and not value.isprintable():
        return "", "must contain printable characters only, without line breaks"
    return fault


def _struct(value: Any, shape: Any) -> Fault | None:
    if not isinstance(value, shape.type):
        return _wrong_type(value, f"a {shape.type.__name__}")
    return _structure(value)


def _text(value: Any, shape: Shape) -> Fault | None:
    if not isinstance(value, str):
        return _wrong_type(value, "a str")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return "", "must be valid Unicode text (it holds half of a surrogate pair)"
    return _bounds(len(value), shape, "have", "characters")


def _filter(value: Any, shape: Shape) -> Fault | None:
    fault = _text(value, shape)
    if fault is not None:
        return fault
    rule = broken_filter(value)
    return None if rule is None else ("", rule)


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


def _timestamp(value: Any, _: Shape) -> Fault | None:
    if not isinstance(value, datetime):
        return _wrong_type(value, "a datetime")
    return ("", "must have a time zone, such as datetime.now(UTC)") if value.utcoffset() is None else None


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
        for index, (key, element) in enumerate(value.items()):
            fault = _text(key, _ANY_TEXT) or _document(element, None, depth + 1)
            if fault is not None:
                return f"[{_shown(key, index)}]{fault[0]}", fault[1]
        return None
    if isinstance(value, list | tuple):
        for index, element in enumerate(value):
            fault = _document(element, None, depth + 1)
            if fault is not None:
                return f"[{index}]{fault[0]}", fault[1]
        return None
    return _document_scalar(value)


def _document_scalar(value: object) -> Fault | None:
    if isinstance(value, str):
        return _text(value, _ANY_TEXT)
    if isinstance(value, int) and value.bit_length() > MAX_DOCUMENT_BITS:
        return "", f"must not contain integers of more than {MAX_DOCUMENT_BITS:,} bits"
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
    """Return the key if it looks like a name, else the entry's number: the key may be a misplaced secret."""
    return repr(key) if isinstance(key, str) and re.fullmatch(_PRINTABLE_KEY, key, re.ASCII) else f"entry {index}"


_ANY_TEXT = Text()
_PLANS: "dict[type[Structure], list[tuple[str, bool, Check, Shape]]]" = {}
_CHECKS: dict[type[Shape], Check] = {
    Text: _text,
    Integer: _integer,
    Boolean: _boolean,
    Timestamp: _timestamp,
    Blob: _blob,
    Document: _document,
    ListOf: _list,
    MapOf: _map,
    Struct: _struct,
}
