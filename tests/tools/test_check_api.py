"""The check of the public API."""

import os
import subprocess
from pathlib import Path

import pytest

from tools import check_api
from tools.check_api import breaking_changes, failing_imports


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a repository with a package, whose function has a parameter."""
    module = tmp_path / "cognito_async" / "__init__.py"
    module.parent.mkdir()
    module.write_text('__all__ = ["call"]\ndef call(a: int) -> None: ...\n')
    (module.parent / "internal.py").write_text("def helper() -> None: ...\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "--quiet", "--message", "First")
    return tmp_path


def git(project: Path, *arguments: str) -> None:
    """Run git in a repository."""
    subprocess.run(["git", *arguments], cwd=project, check=True)


def test_api_without_an_earlier_release_is_not_compared(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is a note instead."""
    assert list(breaking_changes(project, "0.1.0")) == []
    assert "no earlier release" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tag", "version", "allowed"),
    [("v0.1.0", "0.1.1", False), ("v0.1.0", "0.2.0", True), ("v1.0.0", "1.1.0", False), ("v1.9.0", "2.0.0", True)],
)
def test_breaking_change_needs_a_version_that_says_so(project: Path, tag: str, version: str, *, allowed: bool) -> None:
    """A major version, or a minor one before 1.0."""
    git(project, "tag", tag)
    assert list(breaking_changes(project, version)) == []
    (project / "cognito_async" / "internal.py").write_text("")
    assert list(breaking_changes(project, version)) == []
    (project / "cognito_async" / "__init__.py").write_text('__all__ = ["call"]\ndef call() -> None: ...\n')
    problems = list(breaking_changes(project, version))
    assert not problems if allowed else "call(a)" in problems[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_module_that_cannot_be_imported_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name."""
    package = tmp_path / "cognito_async"
    package.mkdir()
    for name in ("missing.py", "errors.py", "__main__.py"):
        (package / name).touch()
    monkeypatch.setattr(check_api, "ROOT", tmp_path)
    assert [line.partition(":")[0] for line in failing_imports()] == ["cognito_async.missing"]
