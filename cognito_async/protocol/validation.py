"""Validation before anything is sent; most patterns and unknown enumeration values are left to the service.

The service model is unreliable there; misspellings of known values, unknown authentication flows and malformed user
pool IDs are refused. Errors name the rule and never the value. Checks return faults, to be raised from frames that do
not hold the value.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (values of any type are what this file works on)

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from math import isfinite
from typing import Any, TypeVar

from cognito_async.errors import CognitoError, ParameterValidationError
from cognito_async.protocol.endpoints import pool_id_rule
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
    known_values,
    members,
)

Violation = tuple[str, str]  # the path below the checked value, and the broken rule
Violations = Sequence[Violation]
Check = Callable[[Any, Any], Violations]
EnumRule = Callable[[str, frozenset[str]], str | None]
ResultT = TypeVar("ResultT")

POOL_ID = "UserPoolId"
# Enumerations with long, similar values, to which the service rarely adds one: unknown values are refused, too.
CLOSED_MEMBERS = frozenset({"AuthFlow", "ExplicitAuthFlows"})
FILTER = ("ListUsersRequest", "filter")  # the member whose syntax the service model describes in prose only
# IDs, tokens and hashes: they never contain line breaks or control characters.
PRINTABLE_MEMBERS = frozenset({"AccessToken", "ClientId", "RefreshToken", "SecretHash", "Token"})
MAX_INTEGER = 2**63
MAX_DOCUMENT_DEPTH = 100
MAX_DOCUMENT_BITS = 10_000  # well below the number of digits that Python refuses to print
MAX_FAULTS = 100
MAX_EXAMPLE = 4  # members in the example of a class
MAX_ENUM_LENGTH = 100
MIN_MISSPELLED = 5  # letters; shorter values, such as "ON", differ in one letter by intention
_PRINTABLE_KEY = r"[A-Za-z][\w:.-]{0,63}"


def validate(request: Request[Any], *, at_aws: bool = False) -> None:
    """Raise ParameterValidationError for the members that break the service's published constraints.

    ``at_aws`` is whether the request is sent to AWS, where the ID of a user pool starts with a region.
    """
    faults = guarded(_structure, request)
    if at_aws and all(path != ".user_pool_id" for path, _ in faults):
        faults = [*guarded(_pool_id_at_aws, request), *faults]
    if request.extra is not None:
        faults = [*faults, *guarded(_extra, request)]
    if faults:
        (path, rule), *others = ((path.removeprefix("."), rule) for path, rule in faults)
        raise ParameterValidationError(path, rule, operation=request.OPERATION.name, others=others)


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
        return _rule_of_type(value, "a str")
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


def _structure(value: Structure) -> Violations:
    faults: Violations = _NONE
    kind: type = type(value)
    for name, required, check, shape in _plan(kind):
        given = getattr(value, name)
        if given is None:
            if required:
                faults = [*faults, (f".{name}", "is required")]
            continue
        found = check(given, shape)
        if found:
            faults = _joined(faults, f".{name}", found)
    return faults


def _pool_id_at_aws(request: Request[Any]) -> Violations:
    value = getattr(request, "user_pool_id", None)
    rule = None if value is None else pool_id_rule(value, at_aws=True)
    return _NONE if rule is None else [(".user_pool_id", rule)]


def _joined(faults: Violations, path: str, found: Violations) -> Violations:
    """Add the faults of a member or element."""
    return [*faults, *((f"{path}{below}", rule) for below, rule in found)][:MAX_FAULTS]


def _extra(request: Request[Any]) -> Violations:
    extra, argument = request.extra, "payload" if isinstance(request, RawRequest) else "extra"
    if not isinstance(extra, Mapping):
        return [(f".{argument}", _rule_of_type(extra, "a mapping"))]
    return [
        *((f".{argument}{path}", rule) for path, rule in _document(extra, None)),
        *(
            (f".{argument}[{about.wire_name!r}]", f"must not be passed together with {name}")
            for name, about in members(type(request))
            if about.wire_name in extra and getattr(request, name) is not None
        ),
    ]


@cache
def _plan(kind: type[Structure]) -> list[tuple[str, bool, Check, Shape]]:
    """Return the list of checks of a class."""
    values = known_values(kind)
    return [
        (
            name,
            about.required,
            _filter if (kind.__name__, name) == FILTER else _check_of(about, values.get(name)),
            about.shape,
        )
        for name, about in members(kind)
    ]


def _check_of(about: Member, known: frozenset[str] | None) -> Check:
    check = _CHECKS[type(about.shape)]
    if known is not None:
        return partial(_enumerated, check, _closed_rule if about.wire_name in CLOSED_MEMBERS else _spelling_rule, known)
    if about.wire_name == POOL_ID:
        return _pool_id
    is_printable = about.wire_name in PRINTABLE_MEMBERS and type(about.shape) is Text
    return _printable_text if is_printable else check


def _enumerated(check: Check, rule_of: EnumRule, known: frozenset[str], value: Any, shape: Shape) -> Violations:
    """Check a value of an enumeration, or a list of such values."""
    faults = check(value, shape)
    if faults:
        return faults
    if isinstance(value, str):
        rule = None if value in known else rule_of(value, known)
        return _NONE if rule is None else [("", rule)]
    return [
        (f"[{index}]{path}", rule)
        for index, element in enumerate(value)
        for path, rule in _enumerated(_text, rule_of, known, element, _ANY_TEXT)
    ][:MAX_FAULTS]


def _closed_rule(_: str, known: frozenset[str]) -> str:
    return f"must be one of {', '.join(map(repr, sorted(known)))}; client.call sends newer values"


def _spelling_rule(value: str, known: frozenset[str]) -> str | None:
    intended = misspelled(value, known)
    return None if intended is None else f"must be spelled {intended!r}; client.call sends any value"


def misspelled(value: str, known: Iterable[str]) -> str | None:
    """Return the known value that differs from a value in case, separators or one letter only; None if none does."""
    if len(value) > MAX_ENUM_LENGTH:
        return None
    plain = _plain(value)
    return next((each for each in sorted(known) if _is_typo(plain, _plain(each))), None)


def _plain(value: str) -> str:
    return "".join(filter(str.isalnum, value.casefold()))


def _is_typo(given: str, meant: str) -> bool:
    """Return whether two strings differ in one letter, or in two swapped ones; digits, as in versions, must match."""
    if given == meant:
        return True
    start = next((at for at, (one, other) in enumerate(zip(given, meant, strict=False)) if one != other), None)
    start = min(len(given), len(meant)) if start is None else start
    given, meant = given[start:], meant[start:]
    if given[:1].isdigit() or meant[:1].isdigit() or start + len(meant) < MIN_MISSPELLED:
        return False
    if given[:2] == meant[1::-1] and given[2:] == meant[2:]:
        return True
    return start > 0 and (given[1:] in {meant, meant[1:]} or given == meant[1:])


def _printable_text(value: Any, shape: Shape) -> Violations:
    faults = _text(value, shape)
    if not faults and not value.isprintable():
        return [("", "must contain printable characters only, without line breaks")]
    return faults


def _pool_id(value: Any, shape: Shape) -> Violations:
    faults = _text(value, shape)
    if faults:
        return faults
    rule = pool_id_rule(value, at_aws=False)
    return _NONE if rule is None else [("", rule)]


def _struct(value: Any, shape: Any) -> Violations:
    if isinstance(value, shape.type):
        return _structure(value)
    return _wrong_type(value, _described(shape.type, value))


def _described(kind: type[Structure], value: object) -> str:
    """Name a class; for a dict, such as boto3's, with the members that the dict holds."""
    article = "an" if kind.__name__[0] in "AEIO" else "a"  # types that start with U start with User or UI
    if not isinstance(value, Mapping):
        return f"{article} {kind.__name__}"
    given = [name for name, about in members(kind) if about.required or name in value or about.wire_name in value]
    shown = given or [members(kind)[0][0]]
    return f"{article} {kind.__name__}, such as {_example(kind, shown)}"


def _example(kind: type[Structure], names: Sequence[str]) -> str:
    return f"cognito_async.{kind.__name__}({', '.join(f'{name}=...' for name in names[:MAX_EXAMPLE])})"


def _text(value: Any, shape: Shape) -> Violations:
    if not isinstance(value, str):
        return _wrong_type(value, "a str")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return [("", "must be valid Unicode text (it contains a lone surrogate)")]
    return _bounds(len(value), shape, "have", "characters")


def _filter(value: Any, shape: Shape) -> Violations:
    faults = _text(value, shape)
    if faults:
        return faults
    rule = broken_filter(value)
    return _NONE if rule is None else [("", rule)]


def _integer(value: Any, shape: Shape) -> Violations:
    if not isinstance(value, int) or isinstance(value, bool):
        return _wrong_type(value, "an int")
    if not -MAX_INTEGER <= value < MAX_INTEGER:
        return [("", "must fit into 64 bits")]
    return _bounds(value, shape, "be", "")


def _boolean(value: Any, _: Shape) -> Violations:
    return _NONE if isinstance(value, bool) else _wrong_type(value, "a bool")


def _blob(value: Any, shape: Shape) -> Violations:
    if not isinstance(value, bytes | bytearray | memoryview):
        return _wrong_type(value, "bytes")
    return _bounds(memoryview(value).nbytes, shape, "have", "bytes")


def _timestamp(value: Any, _: Shape) -> Violations:
    if not isinstance(value, datetime):
        return _wrong_type(value, "a datetime")
    return [("", "must have a time zone, such as datetime.now(UTC)")] if value.utcoffset() is None else _NONE


def _list(value: Any, shape: Any) -> Violations:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray | memoryview):
        wanted = "a list or tuple"
        if isinstance(shape.element, Struct) and isinstance(value, Mapping | Structure):
            kind = shape.element.type
            wanted += f" of {kind.__name__}, such as [{_example(kind, [name for name, _ in members(kind)])}]"
        return _wrong_type(value, wanted)
    check = _CHECKS[type(shape.element)]
    faults: Violations = _NONE
    for index, element in enumerate(value):
        found = check(element, shape.element)
        if found:
            faults = _joined(faults, f"[{index}]", found)
            if len(faults) == MAX_FAULTS:
                break
    return faults or _bounds(len(value), shape, "have", "elements")


def _map(value: Any, shape: Any) -> Violations:
    if not isinstance(value, Mapping):
        return _wrong_type(value, "a mapping")
    check = _CHECKS[type(shape.value)]
    faults: Violations = _NONE
    for index, (key, element) in enumerate(value.items()):
        found = _text(key, shape.key)
        if found:
            faults = _joined(faults, f"[key {index}]", found)
        elif found := check(element, shape.value):
            faults = _joined(faults, f"[{_shown(key, index)}]", found)
        if len(faults) == MAX_FAULTS:
            break
    return faults or _bounds(len(value), shape, "have", "entries")


def _document(value: Any, _: Any, depth: int = 0) -> Violations:
    """Return the first fault of a JSON value."""
    if depth > MAX_DOCUMENT_DEPTH:
        return [("", f"must be JSON of at most {MAX_DOCUMENT_DEPTH} levels")]
    if isinstance(value, Mapping):
        for index, (key, element) in enumerate(value.items()):
            found = _text(key, _ANY_TEXT) or _document(element, None, depth + 1)
            if found:
                return _joined(_NONE, f"[{_shown(key, index)}]", found)
        return _NONE
    if isinstance(value, list | tuple):
        for index, element in enumerate(value):
            found = _document(element, None, depth + 1)
            if found:
                return _joined(_NONE, f"[{index}]", found)
        return _NONE
    return _document_scalar(value)


def _document_scalar(value: object) -> Violations:
    if isinstance(value, str):
        return _text(value, _ANY_TEXT)
    if isinstance(value, int) and value.bit_length() > MAX_DOCUMENT_BITS:
        return [("", f"must not contain integers of more than {MAX_DOCUMENT_BITS:,} bits")]
    if isinstance(value, float) and not isfinite(value):
        return [("", "must be JSON, which has no NaN and no infinity")]
    if value is None or isinstance(value, bool | int | float):
        return _NONE
    return _wrong_type(value, "JSON (dict, list, str, int, float, bool or None)")


def _bounds(size: int, shape: Shape, verb: str, unit: str) -> Violations:
    if shape.low is not None and size < shape.low:
        return [("", _rule_of_bound(f"{verb} at least", shape.low, unit))]
    if shape.high is not None and size > shape.high:
        return [("", _rule_of_bound(f"{verb} at most", shape.high, unit))]
    return _NONE


def _rule_of_bound(verb: str, bound: float, unit: str) -> str:
    return f"must {verb} {bound} {unit.removesuffix('s') if bound == 1 else unit}".rstrip()


def _wrong_type(value: object, wanted: str) -> Violations:
    return [("", _rule_of_type(value, wanted))]


def _rule_of_type(value: object, wanted: str) -> str:
    return f"must be {wanted}, not {'None' if value is None else type(value).__name__}"


def _shown(key: object, index: int) -> str:
    """Return the key if it looks like a name, else the entry's number: the key may be a misplaced secret."""
    return repr(key) if isinstance(key, str) and re.fullmatch(_PRINTABLE_KEY, key, re.ASCII) else f"entry {index}"


_ANY_TEXT = Text()
_NONE: Violations = ()
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
