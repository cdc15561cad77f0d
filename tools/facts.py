"""The service model as sorted lines of facts, committed so that a diff shows the changes of a newer model."""

from collections.abc import Iterator
from typing import Any


def facts_text(model: dict[str, Any]) -> str:
    """Return the facts of a model."""
    return "".join(f"{fact}\n" for fact in [*_operations(model), *_shapes(model)])


def _operations(model: dict[str, Any]) -> Iterator[str]:
    for name, operation in sorted(model["operations"].items()):
        auth = "unsigned" if operation.get("authtype") == "none" else "signed"
        output = operation.get("output", {}).get("shape", "nothing")
        yield f"operation {name}: {auth}, {operation['input']['shape']} to {output}"
        yield from (f"error {name}: {error['shape']}" for error in sorted(operation["errors"], key=str))


def _shapes(model: dict[str, Any]) -> Iterator[str]:
    for name, shape in sorted(model["shapes"].items()):
        traits = [f"{trait}={shape[trait]}" for trait in ("min", "max") if trait in shape]
        traits += [trait for trait in ("sensitive", "document", "exception") if shape.get(trait)]
        inner = [f"{part} {shape[part]['shape']}" for part in ("key", "value", "member") if part in shape]
        yield f"shape {name}: {' '.join([shape['type'], *inner, *traits])}"
        required = shape.get("required", ())
        for member, target in shape.get("members", {}).items():
            yield f"member {name}.{member}: {target['shape']}{' required' if member in required else ''}"
        yield from (f"value {name}: {value}" for value in shape.get("enum", ()))
