"""Conversion between the generated classes and JSON values with cattrs. The only module that imports it."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (converts values of any type)

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cattrs import BaseConverter
from cattrs.fns import identity

from cognito_async.protocol.shapes import (
    Blob,
    Document,
    ListOf,
    MapOf,
    Shape,
    Struct,
    Structure,
    Timestamp,
    keep_extra,
    members,
)

Hook = Callable[[Any], Any]
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")


class UnexpectedShape(Exception):  # noqa: N818 - never leaves the protocol
    """A part of the response does not have the expected form, which the message names."""


def _encoder(shape: Shape) -> Hook:
    if isinstance(shape, Struct):
        return CONVERTER.unstructure  # looks up the hook by the value's class, and creates it on first use
    if isinstance(shape, ListOf):
        element = _encoder(shape.element)
        return lambda values: [element(value) for value in values]
    if isinstance(shape, MapOf):
        entry = _encoder(shape.value)
        return lambda values: {key: entry(value) for key, value in values.items()}
    return _ENCODERS.get(type(shape), identity)


def _encode_blob(value: bytes | bytearray | memoryview) -> str:
    return b64encode(bytes(value)).decode("ascii")


def encode_document(value: Any) -> Any:
    """Return a JSON value made of plain dicts and lists."""
    if isinstance(value, Mapping):
        return {key: encode_document(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [encode_document(element) for element in value]
    return value


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _encode_timestamp(value: datetime) -> float:
    microseconds = (value - _EPOCH) // _MICROSECOND
    return microseconds / 1_000_000 if microseconds % 1_000_000 else microseconds // 1_000_000


_ENCODERS: dict[type[Shape], Hook] = {Blob: _encode_blob, Document: encode_document, Timestamp: _encode_timestamp}


def _decoder(shape: Shape) -> Hook:
    """Return the hook for a shape. Scalars are kept as they are: an unexpected one must not fail the call."""
    if isinstance(shape, Struct):
        return _struct_decoder(shape.type)
    if isinstance(shape, ListOf):
        return _list_decoder(_decoder(shape.element))
    if isinstance(shape, MapOf):
        return _map_decoder(_decoder(shape.value))
    return _DECODERS.get(type(shape), identity)


def _struct_decoder(kind: type[Structure]) -> Callable[..., Any]:
    """Return the hook that decodes a class; cattrs's would reject a response without a required member."""
    plan: list[tuple[Callable[[object, object], None], str, Hook]] | None = None  # with the setters of the slots
    known: set[str]

    def decode_struct(value: Any, _: object = None) -> Any:
        nonlocal plan, known
        if not isinstance(value, dict):
            raise UnexpectedShape("an object")
        if plan is None:  # made on first use: most responses hold few of their possible types
            plan = [
                (getattr(kind, name).__set__, about.wire_name, _decoder(about.shape)) for name, about in members(kind)
            ]
            known = {wire_name for _, wire_name, _ in plan}
        decoded = object.__new__(kind)
        for set_member, wire_name, decoder in plan:
            member = value.get(wire_name)
            if member is not None and decoder is not identity:
                member = decoder(member)
            set_member(decoded, member)
        if not value.keys() <= known:
            keep_extra(decoded, {name: member for name, member in value.items() if name not in known})
        return decoded

    return decode_struct


def _list_decoder(element: Hook) -> Hook:
    def decode_list(values: Any) -> list[Any]:
        if not isinstance(values, list):
            raise UnexpectedShape("a list")
        return [None if value is None else element(value) for value in values]

    return decode_list


def _map_decoder(entry: Hook) -> Hook:
    def decode_map(values: Any) -> dict[str, Any]:
        if not isinstance(values, dict):
            raise UnexpectedShape("an object")
        return {key: None if value is None else entry(value) for key, value in values.items()}

    return decode_map


def _decode_blob(value: Any) -> bytes:
    try:
        return b64decode(value)
    except (ValueError, TypeError):
        raise UnexpectedShape("base64") from None


# Seconds that datetime cannot represent are milliseconds if they are in this range: the years 1978 to 2100.
_MILLISECONDS = range(253_402_300_800, 4_102_444_800_000)


def _decode_timestamp(value: Any) -> datetime | None:
    """Read epoch seconds or ISO 8601. An unreadable time is None: it must not fail the call."""
    try:
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            time = datetime.fromisoformat(value.strip().upper())
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, bool):
            return None
        seconds = float(value)
        return datetime.fromtimestamp(seconds / 1000 if int(seconds) in _MILLISECONDS else seconds, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


_DECODERS: dict[type[Shape], Hook] = {Blob: _decode_blob, Timestamp: _decode_timestamp}


def _is_structure(kind: type) -> bool:
    return issubclass(kind, Structure)


def _unstructure_hook(kind: type[Structure]) -> Hook:
    """Return the hook that encodes a class; cattrs's would be compiled, which takes longer than most requests."""
    plan = [(name, about.wire_name, _encoder(about.shape)) for name, about in members(kind)]

    def unstructure_object(value: Any) -> dict[str, Any]:
        given = ((wire_name, encoder, getattr(value, name)) for name, wire_name, encoder in plan)
        return {wire_name: encoder(member) for wire_name, encoder, member in given if member is not None}

    return unstructure_object


CONVERTER = BaseConverter(detailed_validation=False)
CONVERTER.register_unstructure_hook_factory(_is_structure, _unstructure_hook)
CONVERTER.register_structure_hook_factory(_is_structure, _struct_decoder)
