"""Access to the internals of cognito_async, in one place to adapt when they change."""
# ruff: noqa: PLC0415 - importing is part of what is measured

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from inspect import isclass
from typing import Any

from benchmarks.contenders import POOL

Sample = dict[str, Any]


def list_users_decoder(headers: Mapping[str, str], body: bytes) -> Callable[[], Sequence[object]]:
    """Return a function that decodes a ListUsers response into its users."""
    from cognito_async.operations import ListUsersRequest
    from cognito_async.protocol.wire import HttpResponse, decode

    request = ListUsersRequest(user_pool_id=POOL)

    def users() -> Sequence[object]:
        return decode(HttpResponse(200, headers, body), request).users or ()

    return users


def families() -> list[str]:
    """Return the names of the modules with operations."""
    import cognito_async.operations as package

    modules = (found.name for found in pkgutil.iter_modules(package.__path__) if not found.ispkg)
    return [name for name in modules if requests_of(name)]


def requests_of(family: str) -> list[type[Any]]:
    """Return the request classes that a module defines."""
    from cognito_async.protocol.operation import Request

    module = importlib.import_module(f"cognito_async.operations.{family}")
    return [
        kind
        for kind in vars(module).values()
        if isclass(kind) and issubclass(kind, Request) and kind.__module__ == module.__name__
    ]


def heaviest(family: str) -> str:
    """Return the name of the module's request class with the most members, nested ones and the response included."""
    return max(requests_of(family), key=_weight).__name__


def use(family: str, request_name: str) -> None:
    """Do everything that a first call does except sending: import, build, validate, encode, decode."""
    module = importlib.import_module(f"cognito_async.operations.{family}")
    from cognito_async.protocol.validation import validate
    from cognito_async.protocol.wire import HttpResponse, decode, encode

    kind = getattr(module, request_name)
    request = _filled(kind)
    validate(request)
    encode(request)
    response = kind.OPERATION.response
    decode(HttpResponse(200, {}, b"{}" if response is None else _response_body(response)), request)


def _members(kind: type[Any]) -> Sequence[tuple[str, Any]]:
    from cognito_async.protocol.shapes import members

    return members(kind)


def _weight(kind: type[Any]) -> int:
    """Count members at any depth, each class once."""
    seen: set[type[Any]] = set()
    _visit(kind, seen)
    if kind.OPERATION.response is not None:
        _visit(kind.OPERATION.response, seen)
    return sum(len(_members(structure)) for structure in seen)


def _visit(kind: type[Any], seen: set[type[Any]]) -> None:
    if kind in seen:
        return
    seen.add(kind)
    for _, about in _members(kind):
        shape = about.shape
        while (inner := getattr(shape, "element", getattr(shape, "value", None))) is not None:
            shape = inner
        if (nested := getattr(shape, "type", None)) is not None:
            _visit(nested, seen)


def _filled(kind: type[Any]) -> Any:
    return kind(**{name: _value(about.shape) for name, about in _members(kind)})


def _value(shape: Any) -> Any:
    """Return the smallest value that a shape allows, but never an empty one."""
    size = max(shape.low or 1, 1)
    makers: dict[str, Callable[[], object]] = {
        "Struct": lambda: _filled(shape.type),
        "ListOf": lambda: [_value(shape.element)] * size,
        "MapOf": lambda: {"k" * max(shape.key.low or 1, 1): _value(shape.value)},
        "Text": lambda: "x" * size,
        "Integer": lambda: size,
        "Boolean": lambda: True,
        "Blob": lambda: b"x" * size,
        "Document": dict,
    }
    return makers[type(shape).__name__]()


def _response_body(kind: type[Any]) -> bytes:
    import json

    return json.dumps(_wire_object(kind)).encode()


def _wire_object(kind: type[Any]) -> Sample:
    return {about.wire_name: _wire_value(about.shape) for _, about in _members(kind)}


def _wire_value(shape: Any) -> Any:
    makers: dict[str, Callable[[], object]] = {
        "Struct": lambda: _wire_object(shape.type),
        "ListOf": lambda: [_wire_value(shape.element)],
        "MapOf": lambda: {"k": _wire_value(shape.value)},
        "Blob": lambda: "eA==",
        "Timestamp": lambda: 1_700_000_000.5,
    }
    return makers[kind]() if (kind := type(shape).__name__) in makers else _value(shape)
