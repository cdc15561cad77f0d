"""Size of the wheel and the installation, lines of code, and the time of the first use of an operation."""

import ast
import importlib.metadata
import io
import subprocess
import sys
import tempfile
import tokenize
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.contenders import AIOBOTOCORE, CAPO, OURS, contenders
from benchmarks.internals import families, heaviest
from benchmarks.processes import ROOT, ChildFailedError, environment, last_line, result_of
from benchmarks.results import Spread, Table

GENERATED = "# GENERATED"
PEERS = {AIOBOTOCORE: "aiobotocore", CAPO: "capo-cognito-identity-provider"}


def size(*, quick: bool) -> list[Table]:
    """Measure the installed size, count lines, and time the creation of a client and the first use of an operation."""
    times = Table(
        "Creating a client and first use of an operation",
        "Fresh processes with third-party libraries already loaded. First use: import the module, build a request with "
        "every member set, validate, encode, and decode a full response.",
        ("measurement", "ms", "target"),
    )
    _time_ours(times, runs=2 if quick else 3)
    _time_aiobotocore(times, runs=2 if quick else 3)
    return [_installed(), times]


def _installed() -> Table:
    table = Table(
        "Size",
        "Installed: all files of the wheel and its dependencies, without bytecode, pip and setuptools; "
        "MB = 1,000,000 bytes. Lines: of the .py files in the wheel.",
        ("measurement", "value", "target"),
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            wheel = _built_wheel(Path(folder))
            with zipfile.ZipFile(wheel) as content:
                _count_lines(table, content)
                table.add("wheel", f"{wheel.stat().st_size / 1e3:,.0f} KB", "<= 800 KB")
                own = sum(entry.file_size for entry in content.infolist())
                metadata = next(name for name in content.namelist() if name.endswith(".dist-info/METADATA"))
                needed = _requirements(content.read(metadata).decode())
            parts = _closure(needed)
            total = own + sum(map(_installed_bytes, parts))
            table.add(f"installed, {OURS} and {len(parts)} dependencies", f"{total / 1e6:.1f} MB", "<= 16 MB")
        except (ChildFailedError, importlib.metadata.PackageNotFoundError, OSError) as failure:
            table.add_failed(OURS, failure)
    for name, distribution in PEERS.items():
        try:
            parts = _closure({distribution})
            total = sum(map(_installed_bytes, parts))
        except importlib.metadata.PackageNotFoundError:
            table.add(f"installed, {name}", "not installed")
        else:
            table.add(f"installed, {name} and {len(parts) - 1} dependencies", f"{total / 1e6:.1f} MB")
    return table


def _built_wheel(folder: Path) -> Path:
    """Build the wheel with the installed hatchling."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(
        command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        raise ChildFailedError(last_line(done.stderr))
    return next(folder.glob("*.whl"))


def _count_lines(table: Table, content: zipfile.ZipFile) -> None:
    """Count the lines of the package, generated ones separately."""
    lines = {True: 0, False: 0}
    files = {True: 0, False: 0}
    code = 0
    for name in content.namelist():
        if name.endswith((".py", ".pyi")):
            text = content.read(name).decode()
            generated = text.startswith(GENERATED)
            lines[generated] += len(text.splitlines())
            files[generated] += 1
            if not generated and "/testing/" not in name:
                code += _code_lines(text)
    table.add("hand-written lines of code, without testing/", f"{code:,}")
    table.add("hand-written lines, comments included", f"{lines[False]:,} in {files[False]} files")
    table.add("generated lines", f"{lines[True]:,} in {files[True]} files", "<= 9,000 in <= 30 files")


def _code_lines(text: str) -> int:
    """Count lines of code, without empty lines, comments and docstrings."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            constant = body[0].value
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                documented.update(range(constant.lineno, (constant.end_lineno or 0) + 1))
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {line for token in tokens if token.type not in nothing for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - documented)


def _requirements(metadata: str) -> set[str]:
    """Return the requirements in a METADATA file that apply here, without extras."""
    lines = (line.removeprefix("Requires-Dist:") for line in metadata.splitlines() if line.startswith("Requires-Dist:"))
    return _applying(lines)


def _applying(lines: Iterable[str]) -> set[str]:
    """Return the names of the requirements that apply here, without extras."""
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(one.name) for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})
    }


def _closure(names: set[str]) -> set[str]:
    """Return the distributions with their direct and indirect requirements."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= _applying(importlib.metadata.requires(name) or []) - found
    return found


def _installed_bytes(name: str) -> int:
    """Return the size of an installed distribution, without bytecode."""
    files = importlib.metadata.files(name) or []
    paths = [Path(str(file.locate())) for file in files if "__pycache__" not in file.parts]
    return sum(path.stat().st_size for path in paths if path.is_file())


def _time_ours(table: Table, runs: int) -> None:
    """Time the largest operation of each module, each run in its own process."""
    first: dict[str, float] = {}
    all_results: list[dict[str, float]] = []
    for family in families():
        request = heaviest(family)
        name = f"{request.removesuffix('Request')} in {family}"
        try:
            results = [result_of("benchmarks.programs.first_use", family, request, kind=dict) for _ in range(runs + 1)]
        except ChildFailedError as failure:
            table.add_failed(f"first use of {name}", failure)
        else:
            first[name] = Spread.of(one["first"] for one in results[1:]).median  # the first run compiled the bytecode
            all_results += results[1:]
    if not first:
        return
    slowest = max(first, key=lambda name: first[name])
    opened, client, second = (Spread.of(one[part] for one in all_results) for part in ("open", "client", "second"))
    table.add("creating a client", client.show("{:.4f}"), "<= 1 ms")
    table.add(f"first use, slowest of {len(first)} modules: {slowest}", f"{first[slowest]:.1f}", "<= 25 ms")
    table.add("first use, all modules", Spread.of(first.values()).show("{:.1f}"))
    table.add("second use", second.show("{:.2f}"))
    table.add("for comparison: import, session and first client", opened.show("{:.1f}"))


def _time_aiobotocore(table: Table, runs: int) -> None:
    if why := contenders()[AIOBOTOCORE].absence():
        table.add(AIOBOTOCORE, why)
        return
    try:
        times = [result_of("benchmarks.programs.first_use", AIOBOTOCORE, kind=list) for _ in range(runs)]
    except ChildFailedError as failure:
        table.add_failed(AIOBOTOCORE, failure)
        return
    table.add("aiobotocore: creating its first client", Spread.of(one[0] for one in times).show("{:.1f}"))
    table.add("aiobotocore: creating its second client", Spread.of(one[1] for one in times).show("{:.1f}"))
