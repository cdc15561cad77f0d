"""The source distribution and the wheel contain what their users need."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import ROOT

FOLDERS = (".ci", "benchmarks", "cognito_async", "docs", "examples", "tests", "tools")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both, without a network, and return their folder."""
    path = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def sdist(folder: Path) -> set[str]:
    """Return the names of the files in the source distribution."""
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def sources(name: str) -> set[str]:
    """Return the names of the files in a folder of the project, but for caches."""
    files = (path.relative_to(ROOT) for path in (ROOT / name).rglob("*") if path.is_file())
    return {str(path) for path in files if not re.search(r"__pycache__|\.pyc$|/\.", str(path))}


@pytest.mark.parametrize("name", FOLDERS)
def test_sdist_contains_every_file_of_a_folder(name: str, sdist: set[str]) -> None:
    """Checks and tests can be run from the source distribution."""
    assert sources(name)
    assert sources(name) <= sdist


def test_sdist_contains_the_files_that_the_makefile_names(sdist: set[str]) -> None:
    """Each target finds its requirements."""
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"(?<![=\w/-])[\w/-]+\.(?:txt|toml|py)\b", makefile))  # not the examples of variables
    assert {
        "constraints.txt",
        "requirements-dev.txt",
        "requirements-oldest.txt",
        "benchmarks/requirements.txt",
    } <= named
    assert {"Makefile", "CONTRIBUTING.md", "CHANGELOG.md", "README.md", "LICENSE", "PKG-INFO", *named} <= sdist


def test_sdist_contains_nothing_else(sdist: set[str]) -> None:
    """Neither environments nor caches."""
    files = {name for name in sdist if "/" not in name}
    assert {name.partition("/")[0] for name in sdist} - files <= set(FOLDERS)
    assert not any("__pycache__" in name or ".venv" in name for name in sdist)


def test_wheel_contains_the_package_and_its_data(folder: Path) -> None:
    """The requirements of the local pool and the marker of typed packages are data."""
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        names = set(archive.namelist())
    assert {"cognito_async/py.typed", "cognito_async/testing/requirements.txt"} <= names
    assert {name.partition("/")[0] for name in names if not name.partition("/")[0].endswith(".dist-info")} == {
        "cognito_async"
    }
