"""Imports point downwards: a module imports its own layer and those below."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cognito_async

PACKAGE = Path(cognito_async.__file__).parent
LAYERS = (
    ("cli", "fastapi", "testing"),
    ("bulk",),
    ("sign_in", "tokens"),
    ("client", "session"),
    ("call",),
    ("credentials", "deadline", "event_loop", "files", "location", "quotas", "rate_limiter", "signer", "transport"),
    ("operations", "protocol"),
    ("errors", "version"),
)
"""The packages and modules of each layer, the highest first."""

METHODS_OF_CLIENTS = ("client", "sign_in")  # ``client.sign_in`` imports it when it is called
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}


def name_of(path: Path) -> str:
    """Return the name of the module's package, or of the module if it is in none."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(node: ast.AST) -> Iterator[str]:
    """Yield the packages and modules that run-time imports name, at any depth."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        found: list[str] = []
        if isinstance(child, ast.ImportFrom) and child.module == PACKAGE.name:
            found = [f"{child.module}.{alias.name}" for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            found = [child.module or ""]
        elif isinstance(child, ast.Import):
            found = [alias.name for alias in child.names]
        yield from (name.split(".")[1] for name in found if name.startswith(f"{PACKAGE.name}."))
        yield from imports(child)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_no_higher_layer(path: Path) -> None:
    """Except for types, and the public names, which are the highest layer."""
    name = name_of(path)
    if name in {"__init__", "__pyinstaller"}:
        return
    for imported in imports(ast.parse(path.read_text())):
        if (name, imported) != METHODS_OF_CLIENTS:
            assert LAYER_OF[name] <= LAYER_OF.get(imported, 0), f"{path}: imports {imported}"
