"""Mutations and their import; the runs are tried with ``make mutants``."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

from tools import mutants
from tools.mutants import ROOT, TABLES, Mutant

SOURCE = '''"""Sums."""

NAMES = ("constants of modules are kept",)


def add(a: int, b: int = 1) -> int:
    """Add."""
    if a:
        print(a, end="")
    if a < b:
        raise ValueError("messages are kept")
    del b
    return a + 1
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a package with one module."""
    package = tmp_path / "some_sums"
    package.mkdir()
    (package / "sums.py").write_text(SOURCE)
    monkeypatch.setattr(mutants, "PACKAGE", package)
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


def found() -> dict[tuple[str, str], Mutant]:
    """Return the mutants by their changes."""
    return {(mutant.before, mutant.after): mutant for mutant in mutants.mutants("sums.py")}


@pytest.mark.usefixtures("package")
def test_mutants_change_one_place_of_a_function() -> None:
    """Operators, arguments, conditions, constants and statements; not annotations, texts and constants of modules."""
    changes = found()
    assert set(changes) == {
        ("def add(a: int, b: int = 1) -> int:", "def add(a: int, b: int = 2) -> int:"),
        ("if a:", "if not a:"),
        ('print(a, end="")', "pass"),
        ('print(a, end="")', 'print(None, end="")'),
        ('print(a, end="")', "print(a, )"),
        ('print(a, end="")', 'print(a, end="XXXX")'),
        ("if a < b:", "if a <= b:"),
        ("del b", "pass"),
        ("return a + 1", "return a - 1"),
        ("return a + 1", "return a + 2"),
    }
    mutant = changes["return a + 1", "return a - 1"]
    assert (mutant.function, mutant.line) == ("add", 13)
    assert mutant.source == SOURCE.replace("a + 1", "a - 1")
    assert len({mutant.key for mutant in changes.values()}) == len(changes)


@pytest.mark.usefixtures("package")
def test_mutant_is_imported_instead_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is unchanged, and so are the names in tracebacks."""
    mutation = mutants._Mutation(found()["return a + 1", "return a - 1"])
    monkeypatch.setattr(sys, "meta_path", [mutation, *sys.meta_path])
    sums = importlib.import_module("some_sums.sums")
    assert sums.add(5, 1) == 4
    assert Path(sums.__file__ or "").read_text() == SOURCE


def test_tables_name_modules_and_tests_that_exist() -> None:
    """Each module that the table must cover has a row, and each equivalent mutant a reason."""
    rows = tomllib.loads((TABLES / "mutants.toml").read_text())["tests"]
    package = ROOT / "cognito_async"
    for folder in ("protocol", "sign_in", "tokens"):
        modules = {f"{folder}/{path.name}" for path in (package / folder).glob("*.py") if path.name != "__init__.py"}
        assert modules <= set(rows)
    for module, tests in rows.items():
        assert (package / module).exists()
        assert all((ROOT / test.partition("::")[0]).exists() for test in tests), module
    for row in tomllib.loads((TABLES / "equivalent_mutants.toml").read_text())["mutant"]:
        assert row["module"] in rows
        assert row["reason"]
