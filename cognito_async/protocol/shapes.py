"""The shapes of the service's data: what a member may be, under which name it travels, whether it is secret."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar, dataclass_transform

from attrs import NOTHING, Attribute, field, frozen

MASK = "***"
"""What stands for a secret."""

if TYPE_CHECKING:
    JsonValue: TypeAlias = "Mapping[str, JsonValue] | Sequence[JsonValue] | str | int | float | bool | None"
else:
    JsonValue = object
    """What a free-form document may hold: any JSON. (At run time no name for it, since it would hold itself.)"""


class Shape:
    """What a value must be; ``low`` and ``high`` bound its length, size or number, None where unbounded."""

    __slots__ = ("high", "low")

    def __init__(self, low: int | None = None, high: int | None = None) -> None:
        self.low: int | None = low
        self.high: int | None = high


class Text(Shape):
    """A str, bounded in characters."""

    __slots__ = ()


class Integer(Shape):
    """An int, bounded in value."""

    __slots__ = ()


class Boolean(Shape):
    """A bool."""

    __slots__ = ()


class Blob(Shape):
    """Bytes, bounded in length, base64 on the wire."""

    __slots__ = ()


class Timestamp(Shape):
    """An aware datetime in UTC, epoch seconds on the wire."""

    __slots__ = ()


class Document(Shape):
    """Any JSON value."""

    __slots__ = ()


class ListOf(Shape):
    """A list, bounded in size."""

    __slots__ = ("element",)

    def __init__(self, element: Shape, low: int | None = None, high: int | None = None) -> None:
        super().__init__(low, high)
        self.element: Shape = element


class MapOf(Shape):
    """A map with text keys, bounded in size."""

    __slots__ = ("key", "value")

    def __init__(self, key: Shape, value: Shape, low: int | None = None, high: int | None = None) -> None:
        super().__init__(low, high)
        self.key: Shape = key
        self.value: Shape = value


class Struct(Shape):
    """An instance of one of the generated classes."""

    __slots__ = ("type",)

    def __init__(self, type_: "type[Structure]") -> None:
        super().__init__()
        self.type: type[Structure] = type_


class Member:
    """What is known of one member of a structure beside its Python name and type."""

    __slots__ = ("required", "secret", "shape", "wire_name")

    def __init__(self, wire_name: str, shape: Shape, *, required: bool, secret: bool) -> None:
        self.wire_name: str = wire_name
        self.shape: Shape = shape
        self.required: bool = required
        self.secret: bool = secret


def member(
    wire_name: str, shape: Shape, *, default: Any = NOTHING, required: bool | None = None, secret: bool = False
) -> Any:
    """Declare a member of a structure: an attrs field that knows its form on the wire.

    Args:
        wire_name: The name on the wire, e.g. ``"ClientId"``.
        shape: What the value must be.
        default: None where the constructor may leave it out; nothing where it must be given.
        required: Whether a request without it is refused; None if so exactly where the constructor wants it.
        secret: Whether its value is kept out of every repr, log and error text.

    Returns:
        The field.
    """
    about = Member(wire_name, shape, required=default is NOTHING if required is None else required, secret=secret)
    return field(default=default, metadata={"member": about})


def members(kind: "type[Structure]") -> tuple[tuple[str, Member], ...]:
    """List the members of a generated class with their Python names, in the model's order."""
    listed = _MEMBERS.get(kind)
    if listed is None:
        listed = tuple((attribute.name, attribute.metadata["member"]) for attribute in kind.__attrs_attrs__)
        _MEMBERS[kind] = listed
    return listed


_MEMBERS: "dict[type[Structure], tuple[tuple[str, Member], ...]]" = {}


class Record:
    """Base of our attrs classes: comparison, and a repr without secrets.

    The methods stand here once instead of in each class: attrs would compile them anew for each, which takes longer
    than all else about a class, and programs wait for that before their first call.
    """

    __slots__ = ()
    __attrs_attrs__: ClassVar[Any] = ()

    def __repr__(self) -> str:
        """Show what is set, with ``***`` for the value of a secret."""
        shown = [
            f"{attribute.name}={MASK if _is_secret(attribute) else repr(value)}"
            for attribute, value in zip(self.__attrs_attrs__, self._values(), strict=True)
            if value is not None
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

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


def _is_secret(attribute: "Attribute[Any]") -> bool:
    about = attribute.metadata.get("member")
    return about is not None and about.secret


class Structure(Record):
    """Base of the generated classes."""

    __slots__ = ()

    def __copy__(self) -> Self:
        """Copy the members as they are: attrs' own way takes half as long again."""
        copied = object.__new__(type(self))
        for name, _ in members(type(self)):
            object.__setattr__(copied, name, getattr(self, name))
        return copied


AnyStructure = TypeVar("AnyStructure", bound=Structure)


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=False, field_specifiers=(member,))
def structure(kind: type[AnyStructure]) -> type[AnyStructure]:
    """Make a frozen, keyword-only attrs class; decorates the generated ones."""
    return frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False, match_args=False)(kind)
