"""What a release requires of the repository; ``make release`` tries the rest."""

import subprocess
from pathlib import Path

import pytest

from tools import release
from tools.release import TAG, ReleaseError, check_repository


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clone with one commit on the branch ``main``."""
    git(tmp_path, "init", "--bare", "--initial-branch=main", "origin")
    git(tmp_path, "clone", "origin", "clone")
    folder = tmp_path / "clone"
    git(folder, "checkout", "-B", "main")
    git(folder, "commit", "--allow-empty", "--message", "first")
    git(folder, "push", "origin", "main")
    monkeypatch.setattr(release, "ROOT", folder)
    return folder


def test_committed_version_of_main_can_be_published(repository: Path) -> None:
    """If it has no tag."""
    check_repository()
    git(repository, "tag", "v0.0.1")
    check_repository()


def test_uncommitted_changes_are_not_published(repository: Path) -> None:
    """New files are changes, too."""
    (repository / "new.py").touch()
    with pytest.raises(ReleaseError, match="uncommitted"):
        check_repository()


def test_another_branch_is_not_published(repository: Path) -> None:
    """Releases are made from ``main``."""
    git(repository, "checkout", "-b", "feature")
    with pytest.raises(ReleaseError, match="branch main"):
        check_repository()


@pytest.mark.parametrize("where", ["here", "origin"])
def test_version_is_published_once(repository: Path, where: str) -> None:
    """The tag of another clone counts, too."""
    git(repository, "tag", TAG)
    if where == "origin":
        git(repository, "push", "origin", TAG)
        git(repository, "tag", "--delete", TAG)
    with pytest.raises(ReleaseError, match="exists"):
        check_repository()
