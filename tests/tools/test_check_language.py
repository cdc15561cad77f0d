"""The check for overused words."""

import subprocess
from pathlib import Path

import pytest

from tools.check_language import problems


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return an empty git repository."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    "words", ["to" + "ld", "No" + "body", "who" + "ever", "an" + "ew", "beg" + "un", "m" + "ended", "of its" + " own"]
)
@pytest.mark.parametrize("name", ["page.md", "module.py", "Makefile"])
def test_language_check_finds_each_word(repository: Path, name: str, words: str) -> None:
    """The place and the word are reported, in any kind of file."""
    (repository / name).write_text(f"A first line.\nThen {words} is here.\n")
    [problem] = problems(repository)
    assert problem.startswith(f"{name}:2:")
    assert words in problem


def test_language_check_ignores_parts_of_words_and_binary_files(repository: Path) -> None:
    """Only whole words count."""
    (repository / "text").write_text("recommended amendments\n")
    (repository / "image").write_bytes(b"\xff" + b"to" + b"ld")
    assert list(problems(repository)) == []


def test_project_has_no_overused_words() -> None:
    """`make check` runs the same."""
    assert list(problems()) == []
