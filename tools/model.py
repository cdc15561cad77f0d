"""Read the service model and the tables into plain data for the renderers."""

import keyword
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader

from cognito_async.protocol.secret_names import is_secret_name
from tools import defaults
from tools.checks import ModelError, check_values
from tools.normalize import normalize

TABLES = Path(__file__).parent / "tables"
TABLE_NAMES = ("operations", "families", "quotas", "names", "bounds", "binding", "types", "parameters", "secrets")
# Python names that a member cannot have: they would hide a type in annotations, the instance or the unknown members.
RESERVED = frozenset({"str", "int", "bool", "bytes", "datetime", "list", "dict", "self", "extra"})
# Names of the client that an operation cannot have.
CLIENT_NAMES = frozenset({"bound", "call", "prepare", "send", "session", "with_options"})
TOKENS = ("NextToken", "PaginationToken")
SCALARS = {
    "string": "str",
    "integer": "int",
    "long": "int",
    "boolean": "bool",
    "timestamp": "datetime",
    "blob": "bytes",
}
SHAPES = {"string": "Text", "integer": "Integer", "long": "Integer", "boolean": "Boolean", "blob": "Blob"}


@frozen
class Member:
    """One member of a structure."""

    wire_name: str
    name: str
    annotation: str
    expression: str
    required: bool
    secret: bool
    bindable: bool
    bounds: str
    phrase: str

    @property
    def optional(self) -> bool:
        """Whether the constructor argument is optional, with None as its default."""
        return self.bindable or not self.required


@frozen
class Structure:
    """A request, a response or a nested type."""

    name: str
    doc: str
    members: tuple[Member, ...]
    nested: tuple[str, ...]
    values: tuple[str, ...]


@frozen
class Page:
    """Pagination of an operation: Python names of the token and the list, and the item's annotation."""

    token: str
    items: str
    item_type: str


@frozen
class Operation:
    """An operation of the service."""

    name: str
    method: str
    family: str
    summary: str
    category: str | None
    rate: int | None
    signed: bool | None
    request: Structure
    response: Structure | None
    empty_response: str | None
    errors: tuple[str, ...]
    fills: tuple[tuple[str, str], ...]
    page: Page | None
    idempotency: str
    applied: tuple[str, ...]
    gone: tuple[str, ...]
    how_to_verify: str


@frozen
class Service:
    """Everything that the renderers need."""

    operations: tuple[Operation, ...]
    families: dict[str, str]
    shared: dict[str, Any]
    nested: dict[str, Structure]
    quotas: dict[str, Any]
    values: dict[str, tuple[str, ...]]
    secret_names: tuple[str, ...]
    errors: dict[str, dict[str, str]] = field(repr=False)


def table(name: str) -> dict[str, Any]:
    """Read one of the tables beside this file."""
    return tomllib.loads((TABLES / f"{name}.toml").read_text(encoding="utf-8"))


def snake_case(name: str, words: dict[str, str]) -> str:
    """Convert PascalCase to snake_case: ``GetCSVHeader`` to ``get_csv_header``."""
    for word, plain in words.items():
        name = name.replace(word, plain)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return name.lower()


def load_model(directory: str | None = None) -> dict[str, Any]:
    """Load the service model of the installed botocore, or of a directory laid out like botocore's data directory."""
    loader = Loader(extra_search_paths=[directory] if directory else None, include_default_search_paths=not directory)
    try:
        model: dict[str, Any] = loader.load_service_model("cognito-idp", "service-2")
    except BotoCoreError as error:
        raise ModelError(f"no cognito-idp model in {directory or 'botocore'}") from error
    return normalize(model)


class Reader:
    """Combines a model with the tables, and fills in defaults for missing rows."""

    def __init__(self, model: dict[str, Any]) -> None:
        """Read the tables."""
        self.model = model
        self.shapes: dict[str, Any] = model["shapes"]
        self.tables = {name: table(name) for name in TABLE_NAMES}
        self.families: dict[str, str] = self.tables["families"]["families"]
        self.shared: dict[str, Any] = self.tables["families"]["shared"]
        self.quotas = self.tables["quotas"]
        self.rates: dict[str, int] = {name: row["rate"] for name, row in self.quotas["categories"].items()}
        self.names = self.tables["names"]
        self.binding = self.tables["binding"]
        self.secrets = set(self.tables["secrets"]["unmarked"]["members"])
        self.not_secret = set(self.tables["secrets"]["not_secret"]["names"])
        self.sent = self.reachable("input")
        self.received = self.reachable("output")
        self.rows = {name: self._row(name) for name in self._operation_names()}
        self.unreviewed_phrases: set[str] = set()
        self.unreviewed_secrets: set[str] = set()
        self.unreviewed_names: set[str] = set()

    def _operation_names(self) -> list[str]:
        """Return the names of the operations in the order of the table, new ones last."""
        known = [name for name in self.tables["operations"] if name in self.model["operations"]]
        return [*known, *sorted(set(self.model["operations"]) - set(known))]

    def _row(self, name: str) -> dict[str, Any]:
        row: dict[str, Any] = self.tables["operations"].get(name, {})
        default = defaults.operation_row(name, self.model, self.tables["families"]["nouns"])
        missing = {key: value for key, value in default.items() if key not in row}
        if "idempotency" in row:
            missing = {key: missing[key] for key in ("family", "summary") if key in missing}
        return {**missing, **row}

    def service(self) -> Service:
        """Return the whole service."""
        check_values(self)
        operations = tuple(self.operation(name) for name in self.rows)
        nested_names = sorted(self.sent | self.received)
        nested = {name: self.structure(name, self._type_doc(name)) for name in nested_names}
        enums = {name: tuple(shape["enum"]) for name, shape in sorted(self.shapes.items()) if shape.get("enum")}
        structures = [*nested.values(), *(each for op in operations for each in (op.request, op.response) if each)]
        members = [member for structure in structures for member in structure.members]
        return Service(
            operations=operations,
            families=self.families,
            shared=self.shared,
            nested=nested,
            quotas=self.quotas,
            values=enums,
            secret_names=tuple(sorted({member.wire_name for member in members if member.secret})),
            errors=dict(self._errors()),
        )

    def _type_doc(self, name: str) -> str:
        default = f"{defaults.words(name.removesuffix('Type'))}."
        return str(self.tables["types"].get(name) or default[0].upper() + default[1:])

    def operation(self, name: str) -> Operation:
        """Return one operation."""
        model, row = self.model["operations"][name], self.rows[name]
        request_name, response_name = model["input"]["shape"], model.get("output", {}).get("shape")
        response = None
        if response_name and self.shapes[response_name]["members"]:
            response = self.structure(response_name, f"The response of {name}.", operation=name)
        signed = None if name in self.binding["optionally_signed"]["operations"] else model.get("authtype") != "none"
        return Operation(
            name=name,
            method=self._method_name(name),
            family=row["family"],
            summary=row["summary"],
            category=row.get("category"),
            rate=self.rates.get(row.get("category", "")),
            signed=signed,
            request=self.structure(request_name, f"The request of {name}.", operation=name),
            response=response,
            empty_response=response_name if response is None else None,
            errors=tuple(sorted(error["shape"] for error in model["errors"])),
            fills=tuple(self._fills(name, request_name)),
            page=self._page(request_name, response_name),
            idempotency=row["idempotency"],
            applied=tuple(row.get("applied_errors", ())),
            gone=tuple(row.get("gone", ())),
            how_to_verify=row.get("how_to_verify", ""),
        )

    def structure(self, name: str, doc: str, operation: str | None = None) -> Structure:
        """Return one structure; ``operation`` is the name of the operation for requests and responses."""
        shape = self.shapes[name]
        is_request = operation is not None and name == self.model["operations"][operation]["input"]["shape"]
        received_only = not is_request and name not in self.sent
        members: dict[str, Member] = {}
        for wire_name in shape["members"]:
            member = self._member(name, wire_name, operation if is_request else None, received_only=received_only)
            while member.name in members:  # spelled alike, such as UserID and UserId
                self.unreviewed_names.add(f"{name}.{wire_name}")
                member = evolve(member, name=f"{member.name}_")
            members[member.name] = member
        targets = [self._leaf(member["shape"]) for member in shape["members"].values()]
        nested = [target for target in targets if self._is_struct(target)]
        values = [target for target in targets if self.shapes[target].get("enum")]
        return Structure(name, doc, tuple(members.values()), tuple(dict.fromkeys(nested)), tuple(dict.fromkeys(values)))

    def python_name(self, wire_name: str) -> str:
        """Return the Python name of a member or method."""
        name = snake_case(wire_name, self.names["words"])
        return f"{name}_" if keyword.iskeyword(name) or name in RESERVED else name

    def _method_name(self, operation: str) -> str:
        name = self.python_name(operation)
        return f"{name}_" if name in CLIENT_NAMES else name

    def _member(self, owner: str, wire_name: str, operation: str | None, *, received_only: bool) -> Member:
        shape_name = self.shapes[owner]["members"][wire_name]["shape"]
        shape = self.shapes[shape_name]
        low, high = self.tables["bounds"].get(f"{owner}.{wire_name}", (shape.get("min"), shape.get("max")))
        filled = {member for _, member in self._fills(operation, owner)} if operation else set()
        name = self.python_name(wire_name)
        return Member(
            wire_name=wire_name,
            name=name,
            annotation=self.annotation(
                shape_name, received_only=received_only, sent_only=not received_only and owner not in self.received
            ),
            expression=self._expression(shape_name, low, high),
            required=wire_name in self.shapes[owner].get("required", ()),
            secret=self._is_secret(owner, wire_name),
            bindable=received_only or (operation is not None and name in filled),
            bounds=_bounds_text(shape["type"], low, high),
            phrase=self._phrase(operation, wire_name) if operation else "",
        )

    def annotation(self, shape_name: str, *, received_only: bool, sent_only: bool = False) -> str:
        """Return the annotation of a shape.

        Types that are only received have concrete lists and dicts. Those that are only sent have enumerations of the
        known values, so that type checkers find typos; all others may hold values that this version does not know.
        """
        shape = self.shapes[shape_name]
        kind = shape["type"]
        if shape.get("document"):
            return "JsonValue"
        if kind == "structure":
            return shape_name
        if kind == "list":
            inner = self.annotation(shape["member"]["shape"], received_only=received_only, sent_only=sent_only)
            return f"{'list' if received_only else 'Sequence'}[{inner}]"
        if kind == "map":
            inner = self.annotation(shape["value"]["shape"], received_only=received_only, sent_only=sent_only)
            return f"{'dict' if received_only else 'Mapping'}[str, {inner}]"
        if shape.get("enum"):
            return shape_name if sent_only else f"{shape_name} | str"
        return SCALARS[kind]

    def _expression(self, shape_name: str, low: int | None, high: int | None) -> str:
        shape = self.shapes[shape_name]
        kind = shape["type"]
        if shape.get("document"):
            return "Document()"
        if kind == "structure":
            return f"Struct({shape_name})"
        if kind == "timestamp":
            return "Timestamp()"
        inner = [self._inner(shape[part]["shape"]) for part in ("key", "value", "member") if part in shape]
        bounds = [] if low is None and high is None else [str(low), str(high)]
        return f"{ {'list': 'ListOf', 'map': 'MapOf'}.get(kind) or SHAPES[kind] }({', '.join(inner + bounds)})"

    def _inner(self, shape_name: str) -> str:
        shape = self.shapes[shape_name]
        return self._expression(shape_name, shape.get("min"), shape.get("max"))

    def _phrase(self, operation: str, wire_name: str) -> str:
        phrases = self.tables["parameters"]
        phrase = phrases["by_operation"].get(f"{operation}.{wire_name}") or phrases["any"].get(wire_name)
        if not phrase:
            self.unreviewed_phrases.add(wire_name)
        return str(phrase or defaults.words(wire_name))

    def _fills(self, operation: str, request: str) -> Iterator[tuple[str, str]]:
        """Yield the bound values that fill a request: a rule of protocol.binding, and the member."""
        plain = {"UserPoolId": "user_pool_id", "ClientId": "client_id", "SecretHash": "secret_hash"}
        for wire_name, rule in plain.items():
            if wire_name in self.shapes[request]["members"]:
                yield rule, self.python_name(wire_name)
        for rule in ("client_secret", "secret_hash_in_map"):
            if self.binding[rule].get(operation) in self.sent_members(operation):
                yield rule, self.python_name(self.binding[rule][operation])

    def sent_members(self, operation: str) -> list[str]:
        """Return the AWS names of the members of an operation's request."""
        return [*self.shapes[self.model["operations"][operation]["input"]["shape"]]["members"]]

    def _page(self, request: str, response: str | None) -> Page | None:
        if response is None:
            return None
        received = self.shapes[response]["members"]
        tokens = [token for token in TOKENS if token in self.shapes[request]["members"] and token in received]
        lists = [name for name, member in received.items() if self.shapes[member["shape"]]["type"] == "list"]
        if not tokens or len(lists) != 1:  # with several lists, it is unclear which of them is paginated
            return None
        item = self.shapes[received[lists[0]]["shape"]]["member"]["shape"]
        return Page(self.python_name(tokens[0]), self.python_name(lists[0]), self.annotation(item, received_only=True))

    def _errors(self) -> Iterator[tuple[str, dict[str, str]]]:
        for name, shape in sorted(self.shapes.items()):
            if shape.get("exception"):
                extra = [wire_name for wire_name in shape["members"] if wire_name.lower() != "message"]
                yield name, {self.python_name(wire_name): wire_name for wire_name in extra}

    def reachable(self, direction: str) -> set[str]:
        """Return the nested structures of requests ("input") or responses ("output")."""
        found: set[str] = set()
        open_ends = [op[direction]["shape"] for op in self.model["operations"].values() if direction in op]
        while open_ends:
            for member in self.shapes[open_ends.pop()]["members"].values():
                target = self._leaf(member["shape"])
                if self._is_struct(target) and target not in found:
                    found.add(target)
                    open_ends.append(target)
        return found

    def _leaf(self, shape_name: str) -> str:
        """Return the innermost element of lists and maps."""
        shape = self.shapes[shape_name]
        inner = shape.get("member") or shape.get("value")
        return self._leaf(inner["shape"]) if inner else shape_name

    def _is_sensitive(self, shape_name: str) -> bool:
        """Return whether the model marks a shape, or its elements, as sensitive."""
        shape = self.shapes[shape_name]
        inner = shape.get("member") or shape.get("value")
        return bool(shape.get("sensitive")) or (inner is not None and self._is_marked_scalar(inner["shape"]))

    def _is_secret(self, owner: str, wire_name: str) -> bool:
        """Return whether a member is secret: by the model, by the table, or by its name until it is reviewed."""
        shape_name = self.shapes[owner]["members"][wire_name]["shape"]
        if self._is_sensitive(shape_name) or f"{owner}.{wire_name}" in self.secrets:
            return True
        leaf = self.shapes[self._leaf(shape_name)]
        free_form = leaf.get("document") or (leaf["type"] in {"string", "blob"} and not leaf.get("enum"))
        if not free_form or wire_name in self.not_secret or not is_secret_name(wire_name):
            return False
        self.unreviewed_secrets.add(f"{owner}.{wire_name}")
        return True

    def _is_marked_scalar(self, shape_name: str) -> bool:
        return not self._is_struct(self._leaf(shape_name)) and self._is_sensitive(shape_name)

    def _is_struct(self, shape_name: str) -> bool:
        shape = self.shapes[shape_name]
        return shape["type"] == "structure" and not shape.get("document")


def _bounds_text(kind: str, low: int | None, high: int | None) -> str:
    unit = {"string": " chars", "blob": " bytes", "list": " elements", "map": " entries"}.get(kind, "")
    low = low or None if unit else low
    if low is None and high is None:
        return ""
    if low is None:
        return f"at most {high:,}{unit}"
    return f"at least {low:,}{unit}" if high is None else f"{low:,} to {high:,}{unit}"
