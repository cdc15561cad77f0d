"""JSON-ready dicts of the generated classes, and their schemas for pydantic, so that routes can return responses."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

from cognito_async.protocol.shapes import (
    Blob,
    Boolean,
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

if TYPE_CHECKING:
    from pydantic_core import CoreSchema, SchemaSerializer

# Masked in reprs, because logs must not contain personal data; but the subject of many responses. Everything else that
# is secret is a credential: tokens, sessions, client secrets, codes, challenge parameters, URLs with authorization.
_PERSONAL_DATA = frozenset(
    {
        *("AnalyticsEndpointId", "ClientId", "IpAddress", "LastIPAddress", "ProviderAttributeValue", "UserSub"),
        *("Username", "Value"),
    }
)


def is_credential(about: Member) -> bool:
    """Return whether a member is left out unless it is asked for."""
    return about.secret and about.wire_name not in _PERSONAL_DATA


def to_dict(value: Structure, *, snake_case: bool, secrets: bool) -> dict[str, Any]:
    """Return the members that are set; see ``Structure.to_dict``."""
    convert = partial(_to_json, convert=partial(to_dict, snake_case=snake_case, secrets=secrets))
    members_set = ((name, about, getattr(value, name)) for name, about in members(type(value)))
    result = {
        name if snake_case else about.wire_name: convert(member)
        for name, about, member in members_set
        if member is not None and (secrets or not is_credential(about))
    }
    return {**(value.extra or {}), **result} if secrets else result


def _to_json(value: object, *, convert: Callable[[Structure], dict[str, Any]]) -> object:
    """Convert a value by its own type: an unexpected one in a response must not fail."""
    if isinstance(value, Structure):
        return convert(value)
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value).items()
        return {key: _to_json(entry, convert=convert) for key, entry in entries}
    if isinstance(value, list | tuple):
        return [_to_json(element, convert=convert) for element in cast("list[object]", value)]
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(cast("bytes", value)).decode("ascii")
    return value.isoformat() if isinstance(value, datetime) else value


def pydantic_schema(kind: type[Structure], generate: Callable[[type], "CoreSchema"]) -> "CoreSchema":
    """Return the schema of a class: only its instances are valid, and they are serialized by ``to_dict``.

    Args:
        kind: The class.
        generate: Returns the schema of the class of a member.
    """
    from pydantic_core import PydanticKnownError  # noqa: PLC0415 - pydantic calls this, and is not a dependency
    from pydantic_core import core_schema as schemas  # noqa: PLC0415

    def instance(value: object) -> object:
        if not isinstance(value, kind):
            raise PydanticKnownError("is_instance_of", {"class": kind.__name__})
        return value

    # A function keeps pydantic from serializing by the types, which only describe the JSON: values may have others.
    unchanged = schemas.plain_serializer_function_ser_schema(_unchanged)
    scalars: dict[type[Shape], CoreSchema] = {
        Boolean: schemas.bool_schema(),
        Integer: schemas.int_schema(),
        Timestamp: schemas.datetime_schema(),
        Text: schemas.str_schema(),
        Blob: schemas.str_schema(),
    }

    def schema_of(shape: Shape) -> "CoreSchema":
        if isinstance(shape, Struct):
            return generate(shape.type)
        if isinstance(shape, ListOf):
            return schemas.list_schema(schema_of(shape.element))
        if isinstance(shape, MapOf):
            return schemas.dict_schema(values_schema=schema_of(shape.value))
        return scalars.get(type(shape)) or schemas.any_schema()

    fields = {
        about.wire_name: schemas.typed_dict_field(schema_of(about.shape), required=False)
        for _, about in members(kind)
        if not is_credential(about)
    }
    described = schemas.typed_dict_schema(fields, serialization=unchanged)
    return schemas.no_info_plain_validator_function(
        instance,
        json_schema_input_schema=described,  # for FastAPI(separate_input_output_schemas=False)
        ref=f"{kind.__module__}.{kind.__qualname__}",
        serialization=schemas.plain_serializer_function_ser_schema(kind.to_dict, return_schema=described),
    )


@cache
def pydantic_serializer(kind: type) -> "SchemaSerializer":
    """Return the serializer of a class."""
    try:
        from pydantic import TypeAdapter  # noqa: PLC0415 - not a dependency
    except ImportError:
        raise AttributeError("pydantic is not installed") from None
    serializer: SchemaSerializer = TypeAdapter(kind).serializer
    return serializer


def _unchanged(value: object) -> object:
    return value
