"""Build the documentation site into ``site/``: ``python -m tools.build_docs``. Every warning is an error."""

import ast
import html
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import griffe

from tools.docs_extension import AttrsConstructors, HideInternals

ROOT = Path(__file__).parent.parent
PUBLIC_MODULES = ("__init__.py", "pytest_plugin.py")
"""The files whose literal ``__all__`` lists public names."""
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
    if faults := [*page_faults(ROOT / "docs", (ROOT / "mkdocs.yml").read_text())]:
        print(*faults, sep="\n", file=sys.stderr)
        return 1
    if faults := [*site_faults(ROOT / "site")]:
        print(*faults, sep="\n", file=sys.stderr)
        return 1
    if missing := [*missing_names(ROOT / "site")]:
        print(f"Public names without an entry in docs/reference/: {', '.join(missing)}", file=sys.stderr)
        return 1
    return 0


def page_faults(docs: Path, configuration: str) -> Iterator[str]:
    """Yield the pages that the navigation lacks, and images that do not exist, which the builder accepts."""
    listed = set(re.findall(r"[\w/.-]+\.md", configuration))
    for path in sorted(docs.rglob("*.md")):
        name = path.relative_to(docs).as_posix()
        if name not in listed:
            yield f"docs/{name} is not in the navigation of mkdocs.yml"
        for image in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", path.read_text()):
            if not image.startswith(("http:", "https:")) and not (path.parent / image).is_file():
                yield f"docs/{name}: there is no image {image}"


def site_faults(site: Path) -> Iterator[str]:
    """Yield the pages that request scripts, styles or images from other hosts, and what the search on file:// lacks."""
    for path in sorted(site.rglob("*.html")):
        loaded = re.findall(
            r"<(?:script|link|img)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)", path.read_text()
        )
        yield from (f"{path.relative_to(site)} loads {address}" for address in loaded)
    if not (site / "search.js").is_file():
        yield "search.js is missing, without which the search does not work on file://"


def missing_names(site: Path) -> Iterator[str]:
    """Yield the public names, and the members and constructor parameters of public classes, that the site lacks."""
    extensions = griffe.load_extensions(HideInternals(), AttrsConstructors())
    package = griffe.load("cognito_async", search_paths=[ROOT], extensions=extensions)
    entries, texts = inventory(site), sections(site)
    documented = {entry.rpartition(".")[2] for entry in entries}
    for path in public_names():
        name = path.rpartition(".")[2]
        public = package[path.partition(".")[2]]
        if name not in documented:
            yield path
        elif public.is_class:
            yield from missing_members(public.final_target if public.is_alias else public, entries, texts)


def missing_members(cls: griffe.Class, entries: Mapping[str, str], texts: Mapping[str, str]) -> Iterator[str]:
    """Yield the members and constructor parameters of a class that neither its entry nor those of its bases show."""
    owners = [cls.canonical_path, *(base.canonical_path for base in cls.mro())]
    words = {word for owner in owners if owner in entries for word in re.findall(r"\w+", texts[entries[owner]])}
    for name, member in sorted(cls.all_members.items()):
        found = member.final_target if isinstance(member, griffe.Alias) else member
        if name == "__init__" and isinstance(found, griffe.Function):
            parameters = {parameter.name for parameter in found.parameters} - words
            yield from (f"{cls.canonical_path}({parameter})" for parameter in sorted(parameters - {"self"}))
        elif name.startswith("_") and name != "__call__":
            continue
        elif (member.is_function or (member.has_docstring and name not in words)) and not any(
            f"{owner}.{name}" in entries for owner in owners
        ):
            yield f"{cls.canonical_path}.{name}"


def public_names() -> Iterator[str]:
    """Yield the paths of the public names, except for modules and ``__version__``."""
    for path in (ROOT / "cognito_async").rglob("*.py"):
        if path.name in PUBLIC_MODULES:
            package = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                    names: list[str] = ast.literal_eval(node.value)
                    yield from (f"{package}.{n}" for n in names if n[0] != "_" and not (path.parent / n).exists())


def inventory(site: Path) -> dict[str, str]:
    """Return the anchor of each entry in the inventory of the site."""
    *_, compressed = (site / "objects.inv").read_bytes().split(b"\n", 4)  # after four lines of text
    rows = (line.split() for line in zlib.decompress(compressed).decode().splitlines())
    return {name: address.partition("#")[2].replace("$", name) for name, _, _, address, _ in rows}


def sections(site: Path) -> dict[str, str]:
    """Return the text of each entry of the reference by its anchor, without the entries of its members."""
    found: dict[str, str] = {}
    for page in (site / "reference").glob("*.html"):
        _, *parts = re.split(r'<h\d id="([\w.]+)" class="doc doc-heading">', page.read_text())
        texts = (html.unescape(re.sub(r"<[^>]+>", "", part)) for part in parts[1::2])
        found |= dict(zip(parts[::2], texts, strict=True))
    return found


if __name__ == "__main__":
    sys.exit(main())
