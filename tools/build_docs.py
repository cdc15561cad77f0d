"""Build the documentation site into ``site/``: ``python -m tools.build_docs``. Every warning is an error."""

import ast
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
HARMLESS = ("No issues found", "Build started", "Build finished")


def main() -> int:
    """Build the site and return the exit code."""
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", "mkdocs.yml"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    output = process.stdout + process.stderr
    print(output, end="")
    # Warnings about docstrings are only logged, even in strict mode.
    warnings = [line for line in output.splitlines() if line.strip() and not line.startswith(HARMLESS)]
    if process.returncode or warnings:
        print("The documentation has errors or warnings; fix the lines above.", file=sys.stderr)
        return 1
    if missing := sorted(set(public_names()) - documented_names(ROOT / "site" / "objects.inv")):
        print(f"Public names without an entry in docs/reference/: {', '.join(missing)}", file=sys.stderr)
        return 1
    return 0


def public_names() -> Iterator[str]:
    """Yield the names in the literal ``__all__`` of each package, except for modules and ``__version__``."""
    for path in (ROOT / "cognito_async").rglob("__init__.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names: list[str] = ast.literal_eval(node.value)
                yield from (name for name in names if name[0] != "_" and not (path.parent / name).exists())


def documented_names(inventory: Path) -> set[str]:
    """Return the names in the inventory of the site, without their modules."""
    *_, compressed = inventory.read_bytes().split(b"\n", 4)  # after four lines of text
    lines = zlib.decompress(compressed).decode().splitlines()
    return {line.split()[0].rpartition(".")[2] for line in lines}


if __name__ == "__main__":
    sys.exit(main())
