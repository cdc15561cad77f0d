"""Bring a service model into the form that the generator reads, whatever a newer model contains."""

from typing import Any

KNOWN_TYPES = frozenset({"string", "integer", "long", "boolean", "timestamp", "blob", "list", "map", "structure"})


def normalize(model: dict[str, Any]) -> dict[str, Any]:
    """Normalize a model in place and return it.

    Each operation gets request and response shapes of its own, and its list of errors. What has no generated class
    becomes a document, which is any JSON value: numbers with fractions, and structures that contain themselves.
    """
    shapes = model["shapes"]
    for name, shape in [*shapes.items()]:
        if shape["type"] not in KNOWN_TYPES:
            shapes[name] = _document()
        elif shape["type"] == "structure":
            shape.setdefault("members", {})
    taken: set[str] = set()
    for name, operation in sorted(model["operations"].items()):
        operation["input"] = {"shape": _own(shapes, operation.get("input", {}).get("shape"), f"{name}Request")}
        output = operation.get("output", {}).get("shape")
        if output in taken:
            operation["output"] = {"shape": _own(shapes, output, f"{name}Response")}
        taken |= {output} - {None}
        declared = [error["shape"] for error in operation.get("errors", ())]  # some are listed twice
        operation["errors"] = [{"shape": error} for error in dict.fromkeys(declared)]
    finished: set[str] = set()
    for name in [*shapes]:
        _break_cycles(shapes, name, [], finished)
    return model


def _document() -> dict[str, Any]:
    return {"type": "structure", "members": {}, "document": True}


def _own(shapes: dict[str, Any], given: str | None, wanted: str) -> str:
    if given != wanted:
        shapes.setdefault(wanted, shapes[given] if given else {"type": "structure", "members": {}})
    return wanted


def _break_cycles(shapes: dict[str, Any], name: str, path: list[str], finished: set[str]) -> None:
    """Replace references from a shape to itself, found depth first; ``path`` leads to the shape."""
    if name in finished:
        return
    shape = shapes[name]
    inner = [*shape.get("members", {}).values(), *(shape[part] for part in ("member", "value") if part in shape)]
    for reference in inner:
        if reference["shape"] in [*path, name]:
            reference["shape"] = "RecursiveDocument"
            shapes["RecursiveDocument"] = _document()
        else:
            _break_cycles(shapes, reference["shape"], [*path, name], finished)
    finished.add(name)
