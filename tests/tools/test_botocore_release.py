"""The pinned botocore: a warning if there is a newer release, which never fails, and the command that pins it."""

import re
import sys
import time
from pathlib import Path

import pytest
from botocore import __version__

from tools import botocore_release
from tools.botocore_release import ROOT, is_behind, main, newest, pinned


def printing(text: str, code: int = 0) -> list[str]:
    """Return a command that prints what pip would."""
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({code})"]


NEWER = printing("botocore (99.1.0)\nAvailable versions: 99.1.0, 1.44.8\n  INSTALLED: 1.44.8")
HANGING = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the files that name the release."""
    for name in botocore_release.PINNED:
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr(botocore_release, "ROOT", tmp_path)
    return tmp_path


def test_installed_release_is_the_pinned_one() -> None:
    """The generated code comes from the pinned model."""
    assert pinned(ROOT) == __version__


def test_newer_release_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """It names both releases and the command."""
    assert main([], NEWER) == 0
    output = capsys.readouterr().out
    assert output.startswith("warning: botocore 99.1.0")
    assert pinned(ROOT) in output
    assert "make upgrade-model" in output


@pytest.mark.parametrize("text", [f"botocore ({pinned(ROOT)})", "botocore (1.2.3)"])
def test_current_release_is_no_warning(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also if the registry lags behind."""
    assert main([], printing(text)) == 0
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "lookup",
    [printing("ERROR: No matching distribution found for botocore", 1), printing(""), ["/no/such/program"], HANGING],
    ids=["refused", "silent", "no pip", "slow"],
)
def test_failed_lookup_never_fails_the_check(lookup: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a network, or with a slow registry, the check ends soon."""
    started = time.monotonic()
    assert main([], lookup, seconds=1.0) == 0
    assert time.monotonic() - started < 20
    assert "could not be looked up" in capsys.readouterr().out


def test_pin_replaces_the_release_in_all_files(project: Path) -> None:
    """Only its own lines change."""
    assert main(["--pin"], NEWER) == 0
    for name in botocore_release.PINNED:
        text, before = (project / name).read_text(), (ROOT / name).read_text()
        assert text == re.sub("botocore==.*", "botocore==99.1.0", before)
    assert pinned(project) == "99.1.0"


def test_pin_without_network_fails_and_changes_nothing(project: Path) -> None:
    """The user asked for a newer release and does not get one."""
    assert main(["--pin"], ["/no/such/program"]) == 1
    assert pinned(project) == pinned(ROOT)


def test_lookup_is_bounded() -> None:
    """Pip has time limits and does not retry; the command as a whole has a limit, too."""
    assert {"--retries", "--timeout"} <= set(botocore_release.LOOKUP)
    assert botocore_release.LOOKUP_SECONDS <= 15
    assert newest(HANGING, 0.1) is None


@pytest.mark.parametrize(
    ("version", "other", "expected"), [("1.44.8", "1.44.10", True), ("1.9", "1.10", True), ("2.0", "1.99.9", False)]
)
def test_releases_are_compared_by_number(version: str, other: str, *, expected: bool) -> None:
    """Not as text."""
    assert is_behind(version, other) is expected
