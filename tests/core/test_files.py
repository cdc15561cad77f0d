"""Lock files and atomic file replacement."""

from pathlib import Path

import pytest

from cognito_async import files
from cognito_async.files import FileLock, is_locked, replace_file


def test_lock_file_removed_before_locking_is_created_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is on the file at the path, not on one that its last holder has just removed."""
    path, take, calls = tmp_path / "lock", files._lock, iter((1, 2, 3))

    def remove_first(descriptor: int) -> None:
        if next(calls) == 1:
            path.unlink()
        take(descriptor)

    monkeypatch.setattr(files, "_lock", remove_first)
    lock = FileLock(path)
    assert path.exists()
    with pytest.raises(BlockingIOError):
        FileLock(path)
    lock.release()
    lock.release()
    assert not path.exists()


def test_lock_waits_for_momentary_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock with a timeout waits for a process that only checks it."""
    path = tmp_path / "lock"
    checking = FileLock(path)
    assert is_locked(path)
    monkeypatch.setattr("time.sleep", lambda _: checking.release())
    FileLock(path, timeout=60.0).release()
    assert not is_locked(path)


def test_released_lock_has_no_descriptor(tmp_path: Path) -> None:
    """The descriptor is available while the lock is held."""
    lock = FileLock(tmp_path / "lock")
    assert lock.fileno() >= 0
    lock.release()
    with pytest.raises(ValueError, match="released"):
        lock.fileno()


def test_replace_file_replaces_completely_or_not_at_all(tmp_path: Path) -> None:
    """A failure keeps the old file and leaves no other; a success replaces it with mode 0600."""
    path = tmp_path / "report.csv"
    path.write_text("old")
    path.chmod(0o644)

    def fail() -> None:
        with replace_file(path) as file:
            file.write(f"new {1 // 0}")

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    with replace_file(path) as file:
        file.write("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="No such file"), replace_file(tmp_path / "missing" / "report.csv"):
        pass
