"""Check the public API: ``python -m tools.check_api``.

All public types are complete; every module can be imported first, without warnings; and breaking changes since the
last release need a new major version (before 1.0, a new minor version).
"""

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cognito_async
from cognito_async.version import __version__

ROOT = Path(__file__).parent.parent
PACKAGE = cognito_async.__name__


def main() -> int:
    """Print all problems, and return 1 if there are any."""
    problems = [*incomplete_types(), *failing_imports(), *breaking_changes(ROOT, __version__)]
    print(*problems, sep="\n", end="\n" if problems else "")
    return int(bool(problems))


def incomplete_types() -> Iterator[str]:
    """Yield basedpyright's report if a public symbol has an unknown or ambiguous type."""
    command = ["basedpyright", "--verifytypes", PACKAGE, "--ignoreexternal"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with TemporaryDirectory() as folder:  # in the work tree, the package is not an installed one
        report = subprocess.run(  # noqa: S603
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    if report.returncode:
        yield report.stdout


def failing_imports() -> Iterator[str]:
    """Yield the modules that cannot be imported before the others, or that warn."""
    for module in pkgutil.walk_packages([str(ROOT / PACKAGE)], f"{PACKAGE}."):
        if module.name.rpartition(".")[2] == "__main__":
            continue
        pid = os.fork()  # faster than an interpreter for each
        if not pid:
            os._exit(_import_fails(module.name))
        if os.waitpid(pid, 0)[1]:
            yield f"{module.name}: the import fails or warns, see above"


def _import_fails(name: str) -> int:
    for loaded in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
        del sys.modules[loaded]
    warnings.simplefilter("error")
    try:
        importlib.import_module(name)
    except (Exception, Warning) as error:  # noqa: BLE001 - reported
        print(f"{name}: {error!r}", flush=True)
        return 1
    return 0


def breaking_changes(root: Path, version: str) -> Iterator[str]:
    """Yield griffe's report on breaking changes of public names since the last tag, unless the version allows them."""
    tags = ["git", "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]
    last = subprocess.run(tags, cwd=root, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    if not last:
        print("no earlier release: the API is not compared")
        return
    command = [sys.executable, "-m", "griffe", "check", PACKAGE, "--against", last]
    report = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    public = {*public_names(root, last)}
    changes = [
        line
        for line in (report.stderr or report.stdout).splitlines()
        if (name := re.match(r"\S+:\d+: (\w+)", line)) and name[1] in public
    ]
    if changes and _compatible_versions(last) == _compatible_versions(version):
        yield "\n".join([f"breaking changes since {last}:", *changes])


def public_names(root: Path, tag: str) -> Iterator[str]:
    """Yield the names in the literal ``__all__`` of each package, as of a tag."""
    listing = ["git", "ls-tree", "-r", "--name-only", tag, PACKAGE]
    for path in subprocess.check_output(listing, cwd=root, text=True).splitlines():  # noqa: S603
        if path.endswith("__init__.py"):
            source = subprocess.check_output(["git", "show", f"{tag}:{path}"], cwd=root, text=True)  # noqa: S603, S607
            for node in ast.parse(source).body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                    yield from ast.literal_eval(node.value)


def _compatible_versions(version: str) -> tuple[str, ...]:
    """Return the numbers that change with a breaking change: the major version, and before 1.0 the minor, too."""
    major, minor = re.findall(r"\d+", version)[:2]
    return (major, minor) if major == "0" else (major,)


if __name__ == "__main__":
    sys.exit(main())
