"""Validation of every member of every request, against the bounds of botocore's model."""

import json
import re
from collections import UserDict, UserList, deque
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, get_args

import pytest
from attrs import frozen
from botocore import xform_name
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cognito_async import AsyncCognitoSession, AttributeType, operations
from cognito_async.errors import CognitoError, ParameterValidationError
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
    Timestamp,
    members,
)
from cognito_async.protocol.validation import (
    CLOSED_MEMBERS,
    MAX_DOCUMENT_BITS,
    MAX_DOCUMENT_DEPTH,
    POOL_ID,
    PRINTABLE_MEMBERS,
    broken_form,
    misspelled,
    validate,
)
from cognito_async.protocol.wire import encode
from tests.support.strategies import (
    changed,
    is_filter,
    request_types,
    service_model,
    smallest,
    smallest_value,
    structures,
)

CANARY = "canary-7f3a"
POOL = ".user_pool_id"
NAMES = list(request_types())
# Bounds that the service holds to although its model lacks them (issue 2).
KNOWN_BETTER = {"ConfirmForgotPassword": {".password": (6, 256)}}


@frozen(kw_only=True)
class Place:
    """A place in a request for a value."""

    path: str
    """The path as errors name it, with a dot in front."""

    shape: Shape
    """What the value must be."""

    model: Any
    """botocore's shape of the same place."""

    build: Callable[[Any], Request[Any]]
    """Makes a request that is valid but for the value given for this place."""


def places(name: str) -> Iterator[Place]:
    """Yield every place of an operation's request, at any depth."""
    kind = request_types()[name]
    for path, shape, model, build in _in_structure(kind, service_model().operation_model(name).input_shape):
        if not is_filter(kind, path.removeprefix(".")):  # has a syntax, see test_filters.py
            yield Place(path=path, shape=shape, model=model, build=build)


Found = tuple[str, Shape, Any, Callable[[Any], Any]]


def _in_structure(kind: type[Structure], model: Any) -> Iterator[Found]:
    for name, about in members(kind):
        for path, shape, inner, build in _in_value(about.shape, model.members[about.wire_name]):

            def whole(value: Any, name: str = name, build: Callable[[Any], Any] = build) -> Any:
                return changed(smallest(kind), **{name: build(value)})

            yield f".{name}{path}", shape, inner, whole


def _in_value(shape: Shape, model: Any) -> Iterator[Found]:
    yield "", shape, model, lambda value: value
    if isinstance(shape, ListOf):
        last = len(smallest_value(shape)) - 1
        for path, inner, inner_model, build in _in_value(shape.element, model.member):
            yield f"[{last}]{path}", inner, inner_model, _last_element(shape, build)
    elif isinstance(shape, MapOf):
        key = list(smallest_value(shape))[-1]
        index = len(smallest_value(shape)) - 1
        yield f"[key {index}]", shape.key, model.key, _last_key(shape, key)
        for path, inner, inner_model, build in _in_value(shape.value, model.value):
            yield f"[{key!r}]{path}", inner, inner_model, _last_value(shape, key, build)
    elif isinstance(shape, Struct):
        yield from _in_structure(shape.type, model)


def _last_element(shape: Shape, build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: [*smallest_value(shape)[:-1], build(value)]


def _last_key(shape: Shape, key: str) -> Callable[[Any], Any]:
    return lambda value: {(value if name == key else name): element for name, element in smallest_value(shape).items()}


def _last_value(shape: Shape, key: str, build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: {**smallest_value(shape), key: build(value)}


def refused(request: Request[Any], path: str) -> str:
    """Assert that a request is refused at a path without quoting the value, and return the rule."""
    with pytest.raises(ParameterValidationError) as caught:
        validate(request)
    error = caught.value
    assert error.parameter == path.removeprefix(".")
    assert error.operation == request.OPERATION.name
    assert str(error).startswith(f"{error.parameter} {error.rule}")
    assert CANARY not in f"{error} {error!r} {error.args} {error.__dict__}"
    assert error.__cause__ is None
    assert error.__context__ is None
    assert isinstance(error, ValueError)
    return error.rule


def of_size(shape: Shape, size: int) -> Any:
    """Return a value of a length, size or number, with the canary in it if possible."""
    if isinstance(shape, Integer):
        return size
    if isinstance(shape, Text):
        return (CANARY * (size // len(CANARY) + 1))[:size]
    if isinstance(shape, Blob):
        return bytes(size)
    if isinstance(shape, MapOf):
        return {f"{smallest_value(shape.key)}{number}": smallest_value(shape.value) for number in range(size)}
    assert isinstance(shape, ListOf)
    return [smallest_value(shape.element)] * size


UNITS = {Text: "characters", Blob: "bytes", ListOf: "elements", MapOf: "entries"}


@pytest.mark.parametrize("name", NAMES)
def test_request_with_required_members_is_valid(name: str) -> None:
    """Required members are enough, even with characters that the model's patterns forbid."""
    validate(smallest(request_types()[name]))
    validate(smallest(request_types()[name], "\N{SNOWMAN}"))
    validate(smallest(request_types()[name], "\n"))


@pytest.mark.parametrize("name", NAMES)
def test_bounds_are_those_of_the_model(name: str) -> None:
    """The minimum and maximum of each length, size and number are valid, one less or more is not."""
    for place in places(name):
        if place.path == POOL:  # has a form, see test_endpoints.py
            continue
        metadata = place.model.metadata
        low, high = KNOWN_BETTER.get(name, {}).get(place.path, (metadata.get("min"), metadata.get("max")))
        if isinstance(place.shape, MapOf) and place.shape.key.high is not None and place.shape.key.high < 4:
            continue
        verb = "be" if isinstance(place.shape, Integer) else "have"
        unit = UNITS.get(type(place.shape), "")
        if low is not None:
            validate(place.build(of_size(place.shape, low)))
            if low > 0 or isinstance(place.shape, Integer):
                rule = refused(place.build(of_size(place.shape, low - 1)), place.path)
                assert rule == f"must {verb} at least {counted(low, unit)}"
        if high is not None:
            validate(place.build(of_size(place.shape, high)))
            rule = refused(place.build(of_size(place.shape, high + 1)), place.path)
            assert rule == f"must {verb} at most {counted(high, unit)}"


def counted(number: int, unit: str) -> str:
    """Return a number with its unit, as in "1 character" and "2 characters"."""
    return f"{number} {unit[:-1] if number == 1 else unit}".rstrip()


def test_bounds_are_checked_at_any_depth() -> None:
    """The tests above reach bounded values inside lists, maps and structures."""
    found = [place for name in NAMES for place in places(name)]
    bounded = [place for place in found if {"min", "max"} & set(place.model.metadata)]
    assert len(bounded) > 600
    assert {type(place.shape) for place in bounded} == {Text, Integer, Blob, ListOf, MapOf}
    assert max(place.path.count(".") for place in bounded) >= 4
    assert any("[key" in place.path for place in bounded)


class Colour(StrEnum):
    """A subclass of str."""

    RED = "red"


WRONG: dict[type[Shape], tuple[tuple[str, Any], ...]] = {
    Text: (
        ("int", 7),
        ("bool", True),
        ("bytes", CANARY.encode()),
        ("list", [CANARY]),
        ("dict", {CANARY: 1}),
        ("float", 0.5),
    ),
    Integer: (("bool", True), ("str", CANARY), ("str", "7"), ("float", 7.0), ("Decimal", Decimal(7)), ("list", [7])),
    Boolean: (("int", 1), ("int", 0), ("str", "true"), ("list", [])),
    Blob: (("str", CANARY), ("int", 7), ("list", [1, 2]), ("dict", {})),
    ListOf: (
        *(
            ("str", CANARY),
            ("bytes", CANARY.encode()),
            ("dict", {CANARY: CANARY}),
            ("set", {CANARY}),
            ("int", 7),
            ("bool", True),
        ),
        *(
            ("generator", (number for number in [7])),
            ("map", map(str, ())),
            ("dict_keys", {}.keys()),
            ("memoryview", memoryview(b"a")),
        ),
    ),
    MapOf: (("list", [(CANARY, CANARY)]), ("str", CANARY), ("int", 7), ("set", {CANARY}), ("tuple", ())),
    Struct: (
        *(
            ("dict", {}),
            ("dict", {CANARY: CANARY}),
            ("str", CANARY),
            ("list", []),
            ("bool", False),
            ("type", Structure),
        ),
        ("ConfirmForgotPasswordRequest", smallest(operations.ConfirmForgotPasswordRequest)),
    ),
    Timestamp: (("str", CANARY), ("int", 7), ("float", 7.5), ("date", date(2026, 1, 1))),
    Document: (
        ("bytes", CANARY.encode()),
        ("set", {CANARY}),
        ("object", object()),
        ("datetime", datetime.now(UTC)),
        ("Decimal", Decimal(1)),
    ),
}
WANTED: dict[type[Shape], str] = {
    Text: "a str",
    Integer: "an int",
    Boolean: "a bool",
    Blob: "bytes",
    ListOf: "a list or tuple",
    MapOf: "a mapping",
    Timestamp: "a datetime",
    Document: "JSON (dict, list, str, int, float, bool or None)",
}


def name_of(kind: type[Structure]) -> str:
    """Return the name of a class with its article."""
    return f"{'an' if kind.__name__[0] in 'AEIO' else 'a'} {kind.__name__}"


@pytest.mark.parametrize("name", NAMES)
def test_value_of_wrong_type_names_both_types(name: str) -> None:
    """The rule names the expected and the given type, never the value."""
    for place in places(name):
        wanted = name_of(place.shape.type) if isinstance(place.shape, Struct) else WANTED[type(place.shape)]
        for kind, value in WRONG[type(place.shape)]:
            if place.path.endswith("]") and "[key" in place.path and kind in {"list", "dict"}:
                continue  # not hashable, so never a key of a dict
            rule = refused(place.build(value), place.path)
            if isinstance(place.shape, Struct) and kind == "dict":
                rule = re.sub(r", such as cognito_async\.\w+\([a-z0-9_=., ]+\)", "", rule)
            if isinstance(place.shape, ListOf) and kind == "dict":
                rule = re.sub(r" of \w+, such as \[cognito_async\.\w+\([a-z0-9_=., ]+\)\]", "", rule)
            assert rule == f"must be {wanted}, not {kind}"


def test_time_without_time_zone_is_refused() -> None:
    """It could be any of 24 instants; botocore takes it as local time."""
    kind = operations.InitiatePointInTimeRecoveryRequest
    request = kind(user_pool_id="eu-west-1_AbC", restore_timestamp=datetime(2026, 11, 1, 12))  # noqa: DTZ001
    assert refused(request, "restore_timestamp").startswith("must have a time zone")


def owners(name: str) -> Iterator[tuple[str, type[Structure], Any, Callable[[Any], Any]]]:
    """Yield an operation's request and the structures in it, with their paths."""
    yield "", request_types()[name], service_model().operation_model(name).input_shape, lambda request: request
    for place in places(name):
        if isinstance(place.shape, Struct):
            yield place.path, place.shape.type, place.model, place.build


@pytest.mark.parametrize("name", NAMES)
def test_required_member_missing_is_refused(name: str) -> None:
    """Required members must be set, at any depth; None omits any other."""
    for path, kind, model, build in owners(name):
        for python_name, about in members(kind):
            request = build(changed(smallest(kind), **{python_name: None}))
            if about.wire_name in model.required_members:
                assert refused(request, f"{path}.{python_name}") == "is required"
            else:
                validate(request)


@pytest.mark.parametrize("name", NAMES)
def test_none_inside_list_or_map_is_refused(name: str) -> None:
    """None means an omitted member; elements and entries cannot be omitted."""
    for place in places(name):
        if place.path.endswith("]") and not isinstance(place.shape, Document):
            assert refused(place.build(None), place.path).endswith(", not None")


@pytest.mark.parametrize("name", NAMES)
def test_lone_surrogate_is_refused(name: str) -> None:
    """Text that cannot be encoded is refused by name instead of failing in a codec."""
    for place in places(name):
        if isinstance(place.shape, Text):
            rule = refused(place.build("\ud800" + "x" * (place.shape.low or 0)), place.path)
            assert rule == "must be valid Unicode text (it contains a lone surrogate)"


@pytest.mark.parametrize("name", NAMES)
def test_patterns_and_known_values_are_left_to_the_service(name: str) -> None:
    """Text of a valid length is accepted, regardless of the model's pattern and enumeration, with few exceptions."""
    unlikely = "\N{SNOWMAN} \x00\n\U0001f600<'\""
    for place in places(name):
        checked = {f".{xform_name(member)}" for member in (*PRINTABLE_MEMBERS, *CLOSED_MEMBERS, POOL_ID)}
        if isinstance(place.shape, Text) and place.path.partition("[")[0] not in checked:
            low = place.shape.low or 0
            high = low + len(unlikely) if place.shape.high is None else place.shape.high
            request = place.build((unlikely * (low + 1))[: min(max(low, 1), high)])
            validate(request)
            json.loads(encode(request))


def test_path_is_a_python_expression() -> None:
    """Paths use attribute names, indexes and keys."""
    attribute = operations.AttributeType(name="email", value="ada@example.com")
    broken = operations.AttributeType(name="", value=CANARY)
    request = operations.AdminUpdateUserAttributesRequest(
        user_pool_id="eu-west-1_AbC", username="ada", user_attributes=[attribute, attribute, attribute, broken]
    )
    assert refused(request, "user_attributes[3].name") == "must have at least 1 character"
    provider: Any = {"client_secret": CANARY, "two words": 7}
    other = operations.CreateIdentityProviderRequest(
        user_pool_id="eu-west-1_AbC",
        provider_name="p",
        provider_type="OIDC",
        provider_details=provider,
        attribute_mapping={},
    )
    assert refused(other, "provider_details[entry 1]") == "must be a str, not int"


def test_unusual_key_is_shown_by_its_position() -> None:
    """A key that does not look like a name may be a misplaced secret."""
    for key in (f"{CANARY} x", f"{CANARY}@example.com", "é" + CANARY, CANARY * 20, f"1{CANARY}"):
        request = operations.ForgotPasswordRequest(client_id="c", username="ada", client_metadata={"a": "b", key: 7})  # type: ignore[dict-item]
        assert refused(request, "client_metadata[entry 1]") == "must be a str, not int"


# --- confirm_forgot_password ---

CONTRACT = {
    "client_id": (1, 128),
    "confirmation_code": (1, 2048),
    "password": (6, 256),
    "username": (1, 128),
    "secret_hash": (1, 128),
}
VALID: dict[str, Any] = {
    "client_id": "c",
    "confirmation_code": "123456",
    "password": "correct horse",
    "username": "ada",
    "secret_hash": "h",
}


@pytest.mark.parametrize(("parameter", "low", "high"), [(name, *bounds) for name, bounds in CONTRACT.items()])
def test_confirm_forgot_password_bounds(parameter: str, low: int, high: int) -> None:
    """Lengths are counted in characters, not bytes."""
    request = operations.ConfirmForgotPasswordRequest(**VALID)
    for size in (low, high):
        validate(changed(request, **{parameter: "\U0001f600" * size}))
    assert refused(changed(request, **{parameter: CANARY[: low - 1]}), parameter).startswith(
        f"must have at least {low} "
    )
    assert refused(changed(request, **{parameter: CANARY * high}), parameter).startswith(f"must have at most {high} ")
    if parameter == "secret_hash":
        validate(changed(request, secret_hash=None))
    else:
        assert refused(changed(request, **{parameter: None}), parameter) == "is required"


class NoTransport:
    """Fails the test if anything is sent."""

    async def send(self, request: Any) -> Any:
        """Fail the test."""
        raise AssertionError("something was sent")

    async def close(self) -> None:
        """Do nothing."""


async def test_invalid_request_is_not_sent() -> None:
    """Unsigned requests are refused before they are sent, signed ones before the credentials are looked up."""
    async with AsyncCognitoSession("eu-west-1", transport=NoTransport()) as session:
        client = session.client("client", "secret", "eu-west-1_AbC")
        with pytest.raises(ParameterValidationError, match=r"password must have at least 6 characters") as caught:
            await client.confirm_forgot_password(username="ada", confirmation_code="1", password="short")
        assert caught.value.operation == "ConfirmForgotPassword"
        assert "short" not in str(caught.value)
        with pytest.raises(ParameterValidationError, match="user_attributes must be a list or tuple, not str"):
            await client.admin_create_user(username="ada", user_attributes="email")  # type: ignore[arg-type]
        with pytest.raises(ParameterValidationError, match="limit must be at most 60"):
            await client.list_users(limit=61)


@pytest.mark.parametrize(
    ("value", "spaces", "rule"),
    [
        ("abc", False, None),
        ("a b", True, None),
        ("日本", False, None),
        ("", False, "must not be empty"),
        (5, False, "must be a str, not int"),
        (None, False, "must be a str, not None"),
        (b"abc", False, "must be a str, not bytes"),
        ("abcdefgh", False, None),
        ("abcdefghi", False, "must have at most 8 characters"),
        ("a b", False, "must not contain spaces"),
        (" ab", True, "must not start or end with a space"),
        ("ab ", True, "must not start or end with a space"),
    ],
)
def test_broken_form_returns_the_rule(value: object, spaces: bool, rule: str | None) -> None:  # noqa: FBT001
    """The value is never part of the rule."""
    assert broken_form(value, 8, spaces=spaces) == rule
    assert spaces or broken_form(value, 8) == rule


@pytest.mark.parametrize(
    "character",
    ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\xa0", "\u200b", "\u2028", "\u2029", "\udc80", "\ufeff"],
)
@pytest.mark.parametrize("template", ["{}ab", "a{}b", "ab{}"])
def test_broken_form_refuses_unprintable_characters(character: str, template: str) -> None:
    """Line separators, control and format characters, and surrogates are invalid wherever they are."""
    rule = broken_form(template.format(character), spaces=True)
    assert rule is not None
    assert "printable" in rule


class Hostile(str):
    """A str whose methods raise errors that quote it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError(self)

    def __len__(self) -> int:
        raise RuntimeError(self)

    __hash__ = str.__hash__


class HostileMap(dict[str, str]):
    """A dict whose methods raise errors that quote it."""

    def items(self) -> Any:
        """Raise an error."""
        raise RuntimeError(str(self))


@pytest.mark.parametrize("changes", [{"username": Hostile("canary")}, {"client_metadata": HostileMap(a="canary")}])
def test_validate_method_of_a_value_raises_is_a_validation_error(changes: dict[str, Any]) -> None:
    """Neither the error nor its context quotes what the method raised."""
    request = operations.ForgotPasswordRequest(**{"client_id": "c", "username": "ada", **changes})
    with pytest.raises(ParameterValidationError) as caught:
        validate(request)
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None
    assert (caught.value.parameter, caught.value.operation) == ("request", "ForgotPassword")
    assert "RuntimeError" in caught.value.rule


def test_subclasses_and_other_collections_are_accepted() -> None:
    """Any sequence is a list, any mapping a map, a StrEnum a str, and each can be encoded."""
    attribute = operations.AttributeType(name=Colour.RED, value="x")
    for several in ([attribute], (attribute,), UserList([attribute]), deque([attribute])):
        request = operations.SignUpRequest(
            client_id="c", username="ada", password="correct horse", user_attributes=several
        )
        validate(request)
        assert json.loads(encode(request))["UserAttributes"] == [{"Name": "red", "Value": "x"}]
    for mapping in ({"a": "b"}, UserDict({"a": "b"}), MappingProxyType({"a": "b"})):
        forgot = operations.ForgotPasswordRequest(client_id="c", username="ada", client_metadata=mapping)
        validate(forgot)
        assert json.loads(encode(forgot))["ClientMetadata"] == {"a": "b"}


# --- documents ---


def settings_request(document: Any) -> Request[Any]:
    """Return a request with a free-form document."""
    return operations.UpdateManagedLoginBrandingRequest(settings=document)


def nested(depth: int, innermost: Any = None, *, mapping: bool = False) -> Any:
    """Return a value in nested lists or dicts."""
    for _ in range(depth):
        innermost = {"k": innermost} if mapping else [innermost]
    return innermost


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        "",
        0,
        -1.5,
        True,
        False,
        {"a": [None, {"b": (1, 2)}]},
        2**63 - 1,
        "\U0001f600",
        MappingProxyType({"a": 1}),
    ],
    ids=repr,
)
def test_json_documents_are_accepted(document: Any) -> None:
    """Tuples are lists, and None is null."""
    validate(settings_request(document))
    encode(settings_request(document))


@pytest.mark.parametrize("mapping", [False, True], ids=["lists", "dicts"])
def test_document_nested_too_deeply_is_refused(*, mapping: bool) -> None:
    """The limit is far below Python's recursion limit, and holds for a hundred thousand levels."""
    deepest = nested(MAX_DOCUMENT_DEPTH, 1, mapping=mapping)
    validate(settings_request(deepest))
    encode(settings_request(deepest))
    for depth in (MAX_DOCUMENT_DEPTH + 1, 2_000, 100_000):
        with pytest.raises(ParameterValidationError) as caught:
            validate(settings_request(nested(depth, CANARY, mapping=mapping)))
        assert caught.value.rule == f"must be JSON of at most {MAX_DOCUMENT_DEPTH} levels"
        assert caught.value.parameter == "settings" + ("['k']" if mapping else "[0]") * (MAX_DOCUMENT_DEPTH + 1)
        assert len(str(caught.value)) < 1_000


def cycles() -> Iterator[Any]:
    """Yield documents that contain themselves."""
    direct: list[Any] = [1]
    direct.append(direct)
    yield direct
    many: list[Any] = []
    many.extend([many] * 50)
    yield many
    table: dict[str, Any] = {"a": 1}
    table["self"] = table
    yield table
    one: dict[str, Any] = {}
    other = [one, one, one]
    one.update(a=other, b=other, c=(other,))
    yield one


@pytest.mark.parametrize("document", list(cycles()), ids=["list", "many", "dict", "both"])
@pytest.mark.timeout(60)
def test_document_with_a_cycle_is_refused(document: Any) -> None:
    """Neither an endless loop nor a RecursionError."""
    with pytest.raises(ParameterValidationError, match="levels"):
        validate(settings_request(document))


@pytest.mark.parametrize(
    ("document", "path", "rule"),
    [
        (float("nan"), "", "must be JSON, which has no NaN and no infinity"),
        ({"a": [1, float("inf")]}, "['a'][1]", "must be JSON, which has no NaN and no infinity"),
        ([-float("inf")], "[0]", "must be JSON, which has no NaN and no infinity"),
        ({1: 2}, "[entry 0]", "must be a str, not int"),
        ({"a": {None: 2}}, "['a'][entry 0]", "must be a str, not NoneType"),
        ({"a": {(CANARY,): 2}}, "['a'][entry 0]", "must be a str, not tuple"),
        ({"a": "\ud800"}, "['a']", "must be valid Unicode text (it contains a lone surrogate)"),
        ({f"{CANARY}\udfff": 1}, "[entry 0]", "must be valid Unicode text (it contains a lone surrogate)"),
        ({"a": {CANARY.encode()}}, "['a']", "must be JSON (dict, list, str, int, float, bool or None), not set"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_document_that_is_not_json_is_refused(document: Any, path: str, rule: str) -> None:
    """The path leads into the document; NaN is refused, which Python's json would write."""
    request = settings_request(document)
    with pytest.raises(ParameterValidationError) as caught:
        validate(request)
    assert caught.value.parameter == f"settings{path}"
    assert caught.value.rule.replace("not None", "not NoneType") == rule
    assert CANARY not in str(caught.value)


HUGE = 10**5_000


@pytest.mark.parametrize("name", NAMES)
def test_huge_integer_is_refused(name: str) -> None:
    """Numbers of thousands of digits are refused by name, instead of a ValueError from json."""
    for place in places(name):
        if isinstance(place.shape, Integer):
            refused(place.build(HUGE), place.path)
            refused(place.build(-HUGE), place.path)
        elif isinstance(place.shape, Document):
            refused(place.build({"a": HUGE}), f"{place.path}['a']")


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_integers_of_64_bits_are_valid(number: int) -> None:
    """Those in documents may have more."""
    kind = operations.UpdateProvisionedLimitRequest
    request = changed(smallest(kind), requested_limit_value=number)
    validate(request)
    assert json.loads(encode(request))["RequestedLimitValue"] == number
    wider = changed(request, requested_limit_value=number + (1 if number > 0 else -1))
    assert refused(wider, "requested_limit_value") == "must fit into 64 bits"
    validate(settings_request(2**MAX_DOCUMENT_BITS - 1))
    assert "bits" in refused(settings_request(2**MAX_DOCUMENT_BITS), "settings")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, float("nan"), float("inf"), 1e308, 0.0, -0.0, "\udfff", Colour.RED, b"", object()])
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=40).flatmap(
        lambda content: st.sampled_from([content, bytearray(content), memoryview(content)])
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "name",
    ["CompleteWebAuthnRegistration", "CreateManagedLoginBranding", "SetUICustomization", "CreateGroup", "SignUp"],
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_valid_request_can_be_encoded(name: str, data: st.DataObject) -> None:
    """Any Python value in any member is refused by name, or can be encoded as JSON."""
    request = data.draw(structures(request_types()[name]))
    chosen = data.draw(st.sampled_from([python for python, _ in members(type(request))]))
    request = changed(request, **{chosen: data.draw(ANYTHING)})
    try:
        validate(request)
    except CognitoError:
        return
    json.loads(encode(request), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "content",
    [b"abcdef", bytearray(b"abcdef"), memoryview(b"abcdef"), memoryview(b"aXbXcXdXeXfX")[::2]],
    ids=lambda c: type(c).__name__,
)
def test_valid_bytes_can_be_encoded(content: Any) -> None:
    """Bytes, bytearray and memoryview are blobs, strided views included."""
    request = operations.SetUICustomizationRequest(user_pool_id="eu-west-1_AbC", image_file=content)
    validate(request)
    assert json.loads(encode(request))["ImageFile"] == "YWJjZGVm"


def test_blob_size_is_counted_in_bytes() -> None:
    """The size of a memoryview is its number of bytes, not of items."""
    view = memoryview(bytes(131_072 + 4)).cast("I")
    refused(operations.SetUICustomizationRequest(user_pool_id="eu-west-1_AbC", image_file=view), "image_file")  # type: ignore[arg-type]


# --- all faults, dicts and misspellings -------------------------------------------------------------------------------


def errors_of(request: Request[Any]) -> dict[str, str]:
    """Return all faults of a request."""
    with pytest.raises(ParameterValidationError) as caught:
        encode(request)
    error = caught.value
    assert error.errors[0] == (error.parameter, error.rule)
    assert error.message == f"{error.parameter} {error.rule}"
    return dict(error.errors)


def test_all_faults_of_a_request_are_reported() -> None:
    """At any depth, with those of ``extra``, and the first in the message."""
    wrong: Any = 5
    attributes = [AttributeType(name="a"), AttributeType(name=wrong, value=wrong)]
    request = operations.AdminCreateUserRequest(
        username="", user_attributes=attributes, temporary_password=wrong, extra={"Username": "ada"}
    )
    assert errors_of(request) == {
        "user_pool_id": "is required",
        "username": "must have at least 1 character",
        "user_attributes[1].name": "must be a str, not int",
        "user_attributes[1].value": "must be a str, not int",
        "temporary_password": "must be a str, not int",
        "extra['Username']": "must not be passed together with username",
    }


def test_number_of_reported_faults_is_limited() -> None:
    """A long list may be wrong as a whole."""
    wrong: Any = [5] * 10_000
    request = operations.AdminUpdateUserAttributesRequest(user_pool_id="l_p", username="ada", user_attributes=wrong)
    assert len(errors_of(request)) == 100
    many: Any = {f"key{number}": 5 for number in range(101)}
    assert len(errors_of(operations.ForgotPasswordRequest(client_id="c", username="u", client_metadata=many))) == 100


@pytest.mark.parametrize(
    ("given", "example"),
    [
        ({"Name": CANARY, "Value": CANARY}, "(name=..., value=...)"),
        ({"name": CANARY}, "(name=...)"),
        ({"value": CANARY}, "(name=..., value=...)"),
        ({CANARY: CANARY}, "(name=...)"),
    ],
)
def test_dict_in_place_of_a_structure_names_the_class(given: Any, example: str) -> None:
    """With the members that the dict holds, and without their values."""
    request = operations.AdminCreateUserRequest(user_pool_id="l_p", username="ada", user_attributes=[given])
    rule = f"must be an AttributeType, such as cognito_async.AttributeType{example}, not dict"
    assert errors_of(request) == {"user_attributes[0]": rule}


@pytest.mark.parametrize("given", [{"email": CANARY}, AttributeType(name="email", value=CANARY)])
def test_structure_or_dict_in_place_of_a_list_names_the_class(given: Any) -> None:
    """With an example, and without the values."""
    request = operations.AdminCreateUserRequest(user_pool_id="l_p", username="ada", user_attributes=given)
    example = "[cognito_async.AttributeType(name=..., value=...)]"
    rule = f"must be a list or tuple of AttributeType, such as {example}, not {type(given).__name__}"
    assert errors_of(request) == {"user_attributes": rule}


@pytest.mark.parametrize("action", ["SUPRESS", "suppress", "RE-SEND", "RESEDN", "RESENDD"])
def test_misspelled_value_of_an_enumeration_is_refused(action: Any) -> None:
    """With the intended value."""
    request = operations.AdminCreateUserRequest(user_pool_id="l_p", username="ada", message_action=action)
    assert re.search("'SUPPRESS'|'RESEND'", errors_of(request)["message_action"])
    wrong: Any = ["EMAIL", "EMIAL"]
    request = operations.AdminCreateUserRequest(user_pool_id="l_p", username="ada", desired_delivery_mediums=wrong)
    assert "'EMAIL'" in errors_of(request)["desired_delivery_mediums[1]"]


@pytest.mark.parametrize("action", ["SUPPRESS", "SUPPRESS2", "NEW_ACTION", "x"])
def test_known_and_new_values_of_an_enumeration_are_sent(action: Any) -> None:
    """The service may have values that this version does not know."""
    request = operations.AdminCreateUserRequest(user_pool_id="l_p", username="ada", message_action=action)
    assert json.loads(encode(request))["MessageAction"] == action


@pytest.mark.parametrize("flow", ["USER_SRP_ATUH", "user_srp_auth", "USER_SRP", "PASSWORD_AUTH", "CUSTOM", "foo", ""])
def test_unknown_authentication_flow_is_refused(flow: Any) -> None:
    """With the choices, and with the call that sends any value."""
    for kind in ("InitiateAuth", "AdminInitiateAuth"):
        errors = errors_of(changed(smallest(request_types()[kind]), auth_flow=flow))
        assert all(repr(value) in errors["auth_flow"] for value in get_args(operations.AuthFlowType))
        assert "client.call" in errors["auth_flow"]
    for kind in ("CreateUserPoolClient", "UpdateUserPoolClient"):
        flows = ["ALLOW_USER_AUTH", f"ALLOW_{flow}"]
        errors = errors_of(changed(smallest(request_types()[kind]), explicit_auth_flows=flows))
        assert errors.keys() == {"explicit_auth_flows[1]"}
        rule = errors["explicit_auth_flows[1]"]
        assert all(repr(value) in rule for value in get_args(operations.ExplicitAuthFlowsType))


def test_every_known_authentication_flow_is_sent() -> None:
    """As one value and in lists."""
    for flow in get_args(operations.AuthFlowType):
        assert json.loads(encode(changed(smallest(operations.InitiateAuthRequest), auth_flow=flow)))["AuthFlow"] == flow
    flows = list(get_args(operations.ExplicitAuthFlowsType))
    request = changed(smallest(operations.CreateUserPoolClientRequest), explicit_auth_flows=flows)
    assert json.loads(encode(request))["ExplicitAuthFlows"] == flows


POOL_FAULTS = [
    *(("eu-west-1-X", True), ("AbC123", True), ("_AbC123", True), ("eu-west-1_", True), ("eu-west-1_A\n", True)),
    *(("eu west_X", True), ("eu-west-1_\uff11", True), (f"eu-west-1_{'x' * 46}", True)),
    *(("eu-west1_X", False), ("local_abc", False), ("Local_abc", False), ("my_local_abc", False)),
    *(("eu-west-1_X", None), ("us-gov-west-1_AbC123", None), (f"eu-west-1_{'x' * 45}", None)),
]


@pytest.mark.parametrize(("pool", "refused_everywhere"), POOL_FAULTS)
def test_user_pool_id_has_the_form_of_the_service_model(pool: str, *, refused_everywhere: bool | None) -> None:
    """At AWS, with a region; the fault is reported together with the others. The default is an endpoint."""
    request = operations.AdminGetUserRequest(user_pool_id=pool, username="")
    valid = changed(request, username="ada")
    if not refused_everywhere:
        validate(valid)
        encode(valid)
    for at_aws in (False, True):
        with pytest.raises(ParameterValidationError) as caught:
            encode(request, at_aws=at_aws)
        refused_here = refused_everywhere or (at_aws and refused_everywhere is False)
        assert [path for path, _ in caught.value.errors] == ["user_pool_id"] * bool(refused_here) + ["username"]
        if refused_here:
            with pytest.raises(ParameterValidationError) as caught:
                encode(valid, at_aws=at_aws)
            assert caught.value.parameter == "user_pool_id"
            assert ("endpoint_url" in caught.value.rule) is not refused_everywhere
        else:
            assert json.loads(encode(valid, at_aws=at_aws)) == {"UserPoolId": pool, "Username": "ada"}


@pytest.mark.parametrize(
    ("value", "meant", "is_slip"),
    [
        ("EMAIK", "EMAIL", True),
        ("EXAIL", "EMAIL", True),
        ("XMAIL", "EMAIL", False),
        ("SMST", "SMSS", False),
        ("USER_RP_AUTH", "USER_SRP_AUTH", True),
        ("user-srp auth", "USER_SRP_AUTH", True),
        ("USER_P_AUTH", "USER_SRP_AUTH", False),
        ("SHA_X56", "SHA_256", False),
        ("SHA_2B6", "SHA_XB6", False),
        ("SHA_XB6", "SHA_2B6", False),
        ("a" * 100, "A" * 100, True),
        ("a" * 101, "A" * 101, False),
    ],
    ids=lambda value: str(value)[:14],
)
def test_slip_of_one_letter_is_a_misspelling(value: str, meant: str, *, is_slip: bool) -> None:
    """Not of the first letter, of a digit, or in a short or very long value."""
    assert misspelled(value, {meant, "OTHER"}) == (meant if is_slip else None)


def test_no_value_of_the_model_is_taken_for_a_misspelling() -> None:
    """If the service adds such values, older versions must send them."""
    enumerations = [get_args(kind) for kind in (getattr(operations, name) for name in dir(operations))]
    assert sum(map(bool, enumerations)) > 60
    for values in enumerations:
        for value in values:
            assert misspelled(value, set(values) - {value}) is None


def test_structures_of_operations_have_the_module_that_exports_them() -> None:
    """Those of applications keep their own."""

    class Own(Structure):
        pass

    class Modelled(Structure):
        __module__ = "cognito_async.operations.users"

    assert (Own.__module__, Modelled.__module__) == (__name__, "cognito_async")
