"""Hypothesis strategies for requests and responses.

Requests follow the package's metadata (``protocol.shapes``), responses and errors botocore's model, so a test that
compares both sides compares two independent readings of the service.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeAlias

from attrs import evolve
from botocore.loaders import Loader
from botocore.model import ServiceModel
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cognito_async import operations
from cognito_async.protocol.filters import SEARCHABLE_ATTRIBUTES
from cognito_async.protocol.operation import Request
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
from cognito_async.protocol.validation import CLOSED_MEMBERS, POOL_ID, PRINTABLE_MEMBERS

Json: TypeAlias = Any
"""What json.loads gives."""

ROOM = 3
"""How many elements, and how many characters, a value may have beyond the fewest that it needs."""
LONGEST = 300
"""Up to here a text is also tried at its greatest length."""
INT32 = 2**31
INT64 = 2**63
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 4_102_444_800
"""The year 2100 in epoch seconds."""


# --- model ---


@cache
def service_model() -> Any:
    """Return botocore's model of the service."""
    return ServiceModel(Loader().load_service_model("cognito-idp", "service-2"), "cognito-idp")


@cache
def request_types() -> dict[str, type[Request[Any]]]:
    """Return the request class of each operation, by AWS's names in the model's order."""
    return {name: getattr(operations, f"{name}Request") for name in service_model().operation_names}


def nested_shapes(shape: Shape) -> Iterator[Shape]:
    """Yield a shape and its element shapes, without the members of structures."""
    yield shape
    if isinstance(shape, ListOf):
        yield from nested_shapes(shape.element)
    elif isinstance(shape, MapOf):
        yield from nested_shapes(shape.key)
        yield from nested_shapes(shape.value)


# --- valid requests ---

CHARACTERS = st.characters(exclude_categories=["Cs"])
FILTERS = st.builds(
    '{} {} "{}"'.format,
    st.sampled_from(SEARCHABLE_ATTRIBUTES),
    st.sampled_from(["=", "^="]),
    st.text(CHARACTERS, max_size=50).map(lambda value: value.replace("\\", "\\\\").replace('"', '\\"')),
)
"""Filters of ListUsers."""
POOL_IDS = st.from_regex(r"[a-z]{2}(-[a-z]{2,9}){1,2}-[0-9]_[0-9A-Za-z]{1,9}", fullmatch=True)
"""User pool IDs of AWS."""
SCALARS = st.none() | st.booleans() | st.integers(-INT64, INT64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS: SearchStrategy[Json] = st.recursive(
    SCALARS | st.text(CHARACTERS, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=5), inner, max_size=3),
    max_leaves=8,
)


def requests(operation: str) -> SearchStrategy[Request[Any]]:
    """Return valid requests of an operation, given its AWS name."""
    return structures(request_types()[operation])


def structures(kind: type[Structure]) -> SearchStrategy[Any]:
    """Make valid instances of a generated class; an optional member is there or not."""
    if kind not in _STRUCTURES:
        strategies = {name: member_values(kind, name, about) for name, about in members(kind)}
        wanted = {name: strategies[name] for name, about in members(kind) if about.required}
        optional = {name: strategies[name] for name, about in members(kind) if not about.required}
        _STRUCTURES[kind] = st.fixed_dictionaries(wanted, optional=optional).map(lambda given: kind(**given))
    return _STRUCTURES[kind]


_STRUCTURES: dict[type[Structure], SearchStrategy[Any]] = {}


def member_values(kind: type[Structure], name: str, about: Member) -> SearchStrategy[Any]:
    """Make valid values of a member."""
    if is_filter(kind, name):
        return FILTERS
    if about.wire_name == POOL_ID:
        return POOL_IDS
    if about.wire_name in CLOSED_MEMBERS:
        known = st.sampled_from(sorted(known_values(kind)[name]))
        return known if isinstance(about.shape, Text) else st.lists(known, max_size=ROOM)
    if about.wire_name in PRINTABLE_MEMBERS:
        return values(about.shape).filter(str.isprintable)
    return values(about.shape)


def is_filter(kind: type[Structure], name: str) -> bool:
    """Return whether a member is the filter of ListUsers, the only text with a syntax that is checked."""
    return (kind.__name__, name) == ("ListUsersRequest", "filter")


def values(shape: Shape) -> SearchStrategy[Any]:
    """Return valid values of a shape."""
    return _VALUES[type(shape)](shape)


def _texts(shape: Shape) -> SearchStrategy[str]:
    return texts(shape.low or 0, shape.high)


@cache
def texts(low: int, high: int | None) -> SearchStrategy[str]:
    """Return texts of any characters, mostly short ones, and of the maximum length if that is small."""
    short = st.text(CHARACTERS, min_size=low, max_size=_limited(low, high))
    if high is None or high > LONGEST:
        return short
    return short | CHARACTERS.map(lambda character: character * high)


@cache
def _integers(low: int | None, high: int | None) -> SearchStrategy[int]:
    return st.integers(-INT32 if low is None else low, INT32 - 1 if high is None else high)


def _lists(shape: Any) -> SearchStrategy[list[Any]]:
    low = shape.low or 0
    return st.lists(values(shape.element), min_size=low, max_size=_limited(low, shape.high))


def _maps(shape: Any) -> SearchStrategy[dict[str, Any]]:
    low = shape.low or 0
    return st.dictionaries(values(shape.key), values(shape.value), min_size=low, max_size=_limited(low, shape.high))


def _limited(low: int, high: int | None) -> int:
    return low + ROOM if high is None else min(low + ROOM, high)


_VALUES: dict[type[Shape], Callable[[Any], SearchStrategy[Any]]] = {
    Text: _texts,
    Integer: lambda shape: _integers(shape.low, shape.high),
    Boolean: lambda _: st.booleans(),
    Blob: lambda shape: st.binary(min_size=shape.low or 0, max_size=_limited(shape.low or 0, shape.high)),
    Document: lambda _: DOCUMENTS.filter(lambda document: document is not None),
    ListOf: _lists,
    MapOf: _maps,
    Struct: lambda shape: structures(shape.type),
    Timestamp: lambda _: st.datetimes(timezones=st.just(UTC)),
}


CHECKED: Mapping[str, Any] = {
    "AuthFlow": "USER_AUTH",
    "ExplicitAuthFlows": ["ALLOW_USER_AUTH"],
    POOL_ID: "eu-west-1_x",
}
"""Valid values of the members of which more than type and size is checked, by wire name."""


def smallest(kind: type[Structure], character: str = "x") -> Any:
    """Return the smallest valid instance of a class, with the required members only."""
    return kind(
        **{
            name: CHECKED.get(about.wire_name) or smallest_value(about.shape, _character(about, character))
            for name, about in members(kind)
            if about.required
        }
    )


def _character(about: Member, character: str) -> str:
    return character if character.isprintable() or about.wire_name not in PRINTABLE_MEMBERS else "x"


def smallest_value(shape: Shape, character: str = "x") -> Any:
    """Return the smallest valid value of a shape that is not empty."""
    count = max(shape.low or 0, 1)
    if isinstance(shape, Struct):
        return smallest(shape.type, character)
    if isinstance(shape, ListOf):
        return [smallest_value(shape.element, character)] * count
    if isinstance(shape, MapOf):
        value = smallest_value(shape.value, character)
        return {f"{smallest_value(shape.key, character)}{number}": value for number in range(count)}
    simple = {Text: character * count, Integer: shape.low or 0, Boolean: True, Blob: b"x" * count, Document: {}}
    return EPOCH if isinstance(shape, Timestamp) else simple[type(shape)]


def changed(instance: Any, **changes: Any) -> Any:
    """Return a copy with other members, valid or not."""
    return evolve(instance, **changes)


# --- responses ---


def answers(operation: str) -> SearchStrategy[dict[str, Json]]:
    """Return responses of an operation as JSON, with missing, null and unknown members, and unknown enum values."""
    shape = service_model().operation_model(operation).output_shape
    return UNKNOWN if shape is None else _wire_structures(shape.name)


UNKNOWN: SearchStrategy[dict[str, Json]] = st.dictionaries(
    st.sampled_from(["__type", "NewMember", "username", "user_pool_id", "Émoji 😀", ""]), DOCUMENTS, max_size=2
)
WHOLE_SECONDS = st.integers(0, LATEST)
TIMES: SearchStrategy[float] = (
    WHOLE_SECONDS
    | WHOLE_SECONDS.map(float)
    | st.floats(0, LATEST)
    | st.integers(0, LATEST * 1000).map(lambda n: n / 1000)
)


@cache
def _wire_structures(name: str) -> SearchStrategy[dict[str, Json]]:
    shape = service_model().shape_for(name)
    optional = {wire_name: st.none() | wire_values(inner) for wire_name, inner in shape.members.items()}
    known = st.fixed_dictionaries({}, optional=optional)
    return st.tuples(UNKNOWN, known).map(lambda parts: {**parts[0], **parts[1]})


def wire_values(shape: Any) -> SearchStrategy[Json]:
    """Return the JSON of a shape of botocore, as the service could send it."""
    if getattr(shape, "is_document_type", False):
        return DOCUMENTS
    kind = shape.type_name
    if kind == "structure":
        return _wire_structures(shape.name)
    if kind == "list":
        return st.lists(st.none() | wire_values(shape.member), max_size=ROOM)
    if kind == "map":
        return st.dictionaries(texts(0, 8), st.none() | wire_values(shape.value), max_size=ROOM)
    if kind == "string" and shape.enum:
        return st.sampled_from(shape.enum) | st.just("VALUE_OF_NEXT_YEAR")
    return _WIRE_SCALARS[kind]


_WIRE_SCALARS: Mapping[str, SearchStrategy[Json]] = {
    "string": texts(0, 12),
    "integer": st.integers(-INT32, INT32 - 1),
    "long": st.integers(-INT64, INT64 - 1),
    "boolean": st.booleans(),
    "timestamp": TIMES,
    "blob": st.binary(max_size=12).map(lambda content: b64encode(content).decode("ascii")),
}


# --- AWS's names ---


def by_wire_names(value: Any, shape: Shape | None = None) -> Any:
    """Return an instance as boto3 would: dicts with AWS's names, without members that are None.

    Args:
        value: A generated structure, or a value of a shape.
        shape: The value's shape; None for a structure.

    Returns:
        The plain value.
    """
    if value is None:
        return None
    if isinstance(value, Structure):
        given = ((about, getattr(value, name)) for name, about in members(type(value)))
        return {about.wire_name: by_wire_names(member, about.shape) for about, member in given if member is not None}
    if isinstance(shape, ListOf):
        return [by_wire_names(element, shape.element) for element in value]
    if isinstance(shape, MapOf):
        return {key: by_wire_names(element, shape.value) for key, element in value.items()}
    return value
