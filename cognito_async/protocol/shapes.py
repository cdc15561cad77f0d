"""The shapes of the service's data: types, bounds, wire names and secrecy of the members of structures."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
)

from attrs import NOTHING, Attribute, field, frozen

MASK = "***"  # replaces a secret in reprs, logs and messages

if TYPE_CHECKING:
    JsonValue: TypeAlias = "Mapping[str, JsonValue] | Sequence[JsonValue] | str | int | float | bool | None"
else:
    JsonValue = object
    """Any JSON value. At run time this is ``object``, because the type refers to itself."""


class Shape:
    """The form of a value; ``low`` and ``high`` bound its length, size or number, None means unbounded."""

    __slots__ = ("high", "low")

    def __init__(self, low: int | None = None, high: int | None = None) -> None:
        self.low: int | None = low
        self.high: int | None = high


class Text(Shape):
    """A str, bounded in characters."""


class Integer(Shape):
    """An int, bounded in value."""


class Boolean(Shape):
    """A bool."""


class Blob(Shape):
    """Bytes, bounded in length, base64 on the wire."""


class Timestamp(Shape):
    """An aware datetime in UTC, epoch seconds on the wire."""


class Document(Shape):
    """Any JSON value."""


class ListOf(Shape):
    """A list, bounded in size."""

    def __init__(self, element: Shape, low: int | None = None, high: int | None = None) -> None:
        super().__init__(low, high)
        self.element = element


class MapOf(Shape):
    """A map with text keys, bounded in size."""

    def __init__(self, key: Shape, value: Shape, low: int | None = None, high: int | None = None) -> None:
        super().__init__(low, high)
        self.key = key
        self.value = value


class Struct(Shape):
    """An instance of one of the generated classes."""

    def __init__(self, type_: "type[Structure]") -> None:
        super().__init__()
        self.type: type[Structure] = type_


class Member(NamedTuple):
    """A member of a structure."""

    wire_name: str
    shape: Shape
    required: bool
    secret: bool


def member(
    wire_name: str, shape: Shape, *, default: Any = NOTHING, required: bool | None = None, secret: bool = False
) -> Any:
    """Declare a member of a structure; ``required`` is None if a request needs it whenever the constructor does."""
    about = Member(wire_name, shape, required=default is NOTHING if required is None else required, secret=secret)
    return field(default=default, metadata={"member": about})


def members(kind: "type[Structure]") -> tuple[tuple[str, Member], ...]:
    """Return the members of a generated class with their Python names, in the model's order."""
    if kind not in _MEMBERS:
        described = ((attribute.name, attribute.metadata.get("member")) for attribute in kind.__attrs_attrs__)
        _MEMBERS[kind] = tuple((name, about) for name, about in described if about is not None)
    return _MEMBERS[kind]


def known_values(kind: "type[Structure]") -> dict[str, frozenset[str]]:
    """Return the known values of each member of a class that is an enumeration or a list of such values."""
    found = {attribute.name: _literals(attribute.type) for attribute in kind.__attrs_attrs__}
    return {name: values for name, values in found.items() if values}


def _literals(annotation: Any) -> frozenset[str]:
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return frozenset(arguments)
    return frozenset(value for argument in arguments for value in _literals(argument))


_MEMBERS: "dict[type[Structure], tuple[tuple[str, Member], ...]]" = {}


class Record:
    """Base of the attrs classes: comparison, copying and masking reprs, which attrs would compile for each class."""

    __slots__ = ()
    __attrs_attrs__: ClassVar[Any] = ()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        """Yield the members that are set, secrets masked; rich ignores the ``__repr__`` of attrs classes."""
        for attribute in self.__attrs_attrs__:
            value = getattr(self, attribute.name, None)  # a constructor that raises leaves members unset
            if value is not None:
                yield attribute.name, _MASKED if _is_secret(attribute, value) else value

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002, FBT001 - IPython's protocol
        """Print the repr in IPython, and in Hypothesis, which prints the fields of attrs classes otherwise."""
        printer.text(repr(self))

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, attribute.name) for attribute in self.__attrs_attrs__)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __getstate__(self) -> tuple[Any, ...]:
        return self._values()

    def __setstate__(self, values: tuple[Any, ...]) -> None:
        for attribute, value in zip(self.__attrs_attrs__, values, strict=True):
            object.__setattr__(self, attribute.name, value)


class _Masked:
    """Stands for a secret in a repr."""

    def __repr__(self) -> str:
        return MASK


_MASKED = _Masked()


def _is_secret(attribute: "Attribute[Any]", value: object) -> bool:
    about: Member | None = attribute.metadata.get("member")
    if about is None:
        return "secret" in attribute.metadata
    return about.secret or (_holds_structures(about.shape) and not _is_made_of_structures(value))


def _holds_structures(shape: Shape) -> bool:
    if isinstance(shape, ListOf):
        return _holds_structures(shape.element)
    return isinstance(shape, Struct) or (isinstance(shape, MapOf) and _holds_structures(shape.value))


def _is_made_of_structures(value: object) -> bool:
    """Return False for invalid values, such as boto3's dicts: they cannot mask their secrets."""
    if isinstance(value, list | tuple):
        return all(_is_made_of_structures(element) for element in cast("Sequence[object]", value))
    if isinstance(value, dict):
        return _is_made_of_structures([*cast("dict[object, object]", value).values()])
    return isinstance(value, Structure)


class _PydanticSerializer:
    """Creates the serializer that pydantic looks for in a value whose annotation does not say its type, such as Any."""

    def __get__(self, _: object, owner: type) -> object:
        from cognito_async.protocol.json_values import pydantic_serializer  # noqa: PLC0415 - it imports this module

        return pydantic_serializer(owner)


class Structure(Record):
    """Base of the requests, responses and types of operations."""

    __slots__ = ("_extra",)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__module__.startswith("cognito_async.operations."):
            cls.__module__ = "cognito_async"  # which exports all of them

    @property
    def extra(self) -> Mapping[str, Any]:
        """The received members that this version does not know, by AWS name; not in comparisons and reprs."""
        return cast("Mapping[str, Any]", getattr(self, "_extra", _NO_EXTRA))

    def to_dict(self, *, snake_case: bool = False, secrets: bool = False) -> dict[str, Any]:
        """Return the members that are set as a dict that can be serialized to JSON.

        Times are ISO 8601 texts, bytes are base64. The dict contains personal data, such as usernames and attribute
        values, but no credentials: no tokens, sessions, codes, client secrets and challenge parameters, and no members
        that this version does not know. Routes of FastAPI that return a response serialize it in this way, too.

        Args:
            snake_case: Whether to use the names of Python (``user_status``) instead of those of AWS (``UserStatus``).
            secrets: Whether to include credentials and, by their AWS names, the members of ``extra``.

        Returns:
            A new dict.
        """
        from cognito_async.protocol.json_values import to_dict  # noqa: PLC0415 - it imports this module

        return to_dict(self, snake_case=snake_case, secrets=secrets)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield the items of ``to_dict()``: routes of FastAPI without a response model call ``dict``."""
        return iter(self.to_dict().items())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Return the schema that pydantic uses for response models."""
        from cognito_async.protocol.json_values import pydantic_schema  # noqa: PLC0415 - it imports this module

        return pydantic_schema(cls, handler.generate_schema)

    __pydantic_serializer__: ClassVar[_PydanticSerializer] = _PydanticSerializer()

    def __copy__(self) -> Self:
        """Copy shallowly; attrs' generic copy takes 1.5 times as long."""
        return self.with_members({})

    def with_members(self, changes: Mapping[str, Any]) -> Self:
        """Return a copy with other values for some members."""
        changed = object.__new__(type(self))
        for attribute in self.__attrs_attrs__:
            name = attribute.name
            object.__setattr__(changed, name, changes[name] if name in changes else getattr(self, name))
        if hasattr(self, "_extra"):
            keep_extra(changed, self._extra)
        return changed

    def __getstate__(self) -> tuple[Any, ...]:
        return (*super().__getstate__(), getattr(self, "_extra", None))

    def __setstate__(self, values: tuple[Any, ...]) -> None:
        super().__setstate__(values[:-1])
        if values[-1] is not None:
            keep_extra(self, values[-1])


_NO_EXTRA: Mapping[str, Any] = MappingProxyType({})


def keep_extra(received: Structure, extra: Mapping[str, Any]) -> None:
    """Keep unknown members of a response, apart from the fields, because most responses have none."""
    object.__setattr__(received, "_extra", extra)


AnyStructure = TypeVar("AnyStructure", bound=Structure)


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=False, field_specifiers=(member,))
def structure(kind: type[AnyStructure]) -> type[AnyStructure]:
    """Turn a generated class into a frozen, keyword-only attrs class."""
    return frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False, match_args=False)(kind)
