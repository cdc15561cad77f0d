"""Private files, lock files and atomic file replacement."""

import errno
import io
import locale
import os
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cognito_async import files
from cognito_async.files import (
    FileLock,
    check_private,
    descriptor_of,
    is_locked,
    is_replaced,
    open_output,
    open_private,
    read_private,
    replace_file,
)


@pytest.fixture(autouse=True)
def _all_descriptors_are_closed() -> Generator[None]:
    """Compare the open descriptors before and after each test."""
    before = sorted(Path("/dev/fd").iterdir())
    yield
    assert sorted(Path("/dev/fd").iterdir()) == before


# --- private files ----------------------------------------------------------------------------------------------------


def open_and_close(path: Path) -> None:
    """Open a private file."""
    os.close(open_private(path, os.O_RDWR))


def link(path: Path) -> None:
    """Make the file a link to a private file."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def fifo(path: Path) -> None:
    """Make the file a named pipe."""
    path.unlink()
    os.mkfifo(path, 0o600)


ATTACKS: dict[str, Callable[[Path], Any]] = {
    "link": link,
    "named pipe": fifo,
    "readable": lambda path: path.chmod(0o640),
    "writable": lambda path: path.chmod(0o602),
}
if getattr(os, "geteuid", os.getpid)() == 0:
    ATTACKS["other owner"] = lambda path: os.chown(path, 12345, -1)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """Return a private file."""
    path = tmp_path / "private"
    path.touch(mode=0o600)
    path.write_bytes(b"content")
    return path


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
@pytest.mark.parametrize("use", [check_private, read_private, open_and_close])
def test_file_that_others_control_is_refused(private: Path, use: Callable[[Path], Any], attack: Any) -> None:
    """The error has its number, the reason and the path."""
    attack(private)
    with pytest.raises(PermissionError) as raised:
        use(private)
    assert (raised.value.errno, raised.value.filename) == (errno.EPERM, str(private))
    assert raised.value.strerror


@pytest.mark.parametrize("use", [read_private, open_and_close])
def test_file_that_becomes_accessible_before_it_is_opened_is_refused(
    private: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[Path], Any]
) -> None:
    """The descriptor is checked, and links are not followed."""
    for attack in (lambda path: path.chmod(0o640), link):

        def check(path: Path, attack: Any = attack) -> Any:
            status = check_private(path)
            attack(path)
            return status

        private.chmod(0o600)
        monkeypatch.setattr(files, "check_private", check)
        with pytest.raises(OSError) as raised:  # noqa: PT011 - the path is checked
            use(private)
        assert raised.value.filename == str(private)
        assert raised.value.errno in {errno.EPERM, errno.ELOOP}


def test_file_that_is_removed_before_it_is_opened_is_missing(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or created."""

    def remove(path: Path) -> Any:
        status = check_private(path)
        path.unlink()
        return status

    monkeypatch.setattr(files, "check_private", remove)
    assert read_private(private) is None
    private.touch(mode=0o600)
    open_and_close(private)
    assert private.read_bytes() == b""


def test_private_file_is_read_and_opened(private: Path) -> None:
    """With the flags of the caller."""
    assert read_private(private) == b"content"
    descriptor = open_private(private, os.O_RDWR | os.O_APPEND)
    os.write(descriptor, b", more")
    os.close(descriptor)
    assert read_private(private) == b"content, more"


def test_missing_private_file_is_created_on_request(tmp_path: Path) -> None:
    """With mode 0600."""
    path = tmp_path / "missing"
    assert check_private(path) is None
    assert read_private(path) is None
    mask = os.umask(0)
    try:
        descriptor = open_private(path, os.O_WRONLY)
    finally:
        os.umask(mask)
    os.write(descriptor, b"content")
    os.close(descriptor)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_private(path) == b"content"


# --- locks ------------------------------------------------------------------------------------------------------------


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
    with pytest.raises(BlockingIOError) as raised:
        FileLock(path)
    assert (raised.value.errno, raised.value.strerror) == (errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
    lock.release()
    lock.release()
    assert not path.exists()


def test_lock_waits_for_momentary_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock with a timeout waits for a process that only checks it."""
    path = tmp_path / "lock"
    checking = FileLock(path)
    assert is_locked(path)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        checking.release()

    monkeypatch.setattr("time.sleep", sleep)
    lock = FileLock(path, timeout=60.0)
    assert len(pauses) == 1
    assert 0 < pauses[0] < 1
    assert is_locked(path)
    lock.release()
    assert not is_locked(path)


def test_lock_without_a_timeout_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the clock does not advance."""
    pauses: list[float] = []
    lock = FileLock(tmp_path / "lock")

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        lock.release()

    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", sleep)
        patch.setattr("time.monotonic", lambda: 0.0)
        with pytest.raises(BlockingIOError):
            FileLock(tmp_path / "lock")
    assert pauses == []
    lock.release()


def test_lock_file_without_a_holder_or_with_unsafe_permissions_is_not_locked(tmp_path: Path) -> None:
    """It was left behind, or is no lock file."""
    path = tmp_path / "lock"
    path.touch(mode=0o600)
    assert not is_locked(path)
    path.touch(mode=0o644)
    assert not is_locked(path)


def test_file_system_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Immediately."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files, "_lock", refuse)
    with pytest.raises(OSError, match="No locks"):
        FileLock(tmp_path / "lock", timeout=60.0)


def test_lock_whose_file_cannot_be_removed_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    path = tmp_path / "lock"
    lock = FileLock(path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        lock.release()
    assert path.exists()
    assert not is_locked(path)


def test_released_lock_has_no_descriptor(tmp_path: Path) -> None:
    """The descriptor is available while the lock is held."""
    lock = FileLock(tmp_path / "lock")
    assert lock.fileno() >= 0
    lock.release()
    with pytest.raises(ValueError, match="released"):
        lock.fileno()


# --- output -----------------------------------------------------------------------------------------------------------


TEXT = "größe\r\nline\n"


@pytest.fixture(params=["UTF-8", "ASCII"])
def _locale(request: pytest.FixtureRequest) -> Generator[None]:
    """Change the encoding of the locale, which must not matter."""
    before = locale.setlocale(locale.LC_CTYPE)
    if request.param == "ASCII":
        locale.setlocale(locale.LC_CTYPE, "C")
    yield
    locale.setlocale(locale.LC_CTYPE, before)


@pytest.mark.usefixtures("_locale")
@pytest.mark.parametrize("kind", [str, Path])
def test_output_replaces_a_file_through_links(tmp_path: Path, kind: Callable[[Path], str | Path]) -> None:
    """The text is UTF-8, and line ends are unchanged."""
    path, shortcut = tmp_path / "report.csv", tmp_path / "shortcut"
    shortcut.symlink_to(path.name)
    path.write_text("old")
    with open_output(kind(shortcut)) as file:
        file.write(TEXT)
        file.flush()
        assert path.read_text() == "old"
    assert path.read_bytes() == TEXT.encode()
    assert shortcut.is_symlink()
    assert set(tmp_path.iterdir()) == {path, shortcut}


def test_output_to_a_stream_leaves_it_open() -> None:
    """It belongs to the caller."""
    stream = io.StringIO()
    with open_output(stream) as file:
        assert file is stream
        file.write(TEXT)
    assert stream.getvalue() == TEXT


@pytest.mark.usefixtures("_locale")
def test_output_to_a_named_pipe_is_written_in_place(tmp_path: Path) -> None:
    """Its reader gets the text."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open_output(path) as file:
        file.write(TEXT)
    assert os.read(reader, 1000) == TEXT.encode()
    os.close(reader)
    assert path.is_fifo()


def test_output_to_a_descriptor_appends(tmp_path: Path) -> None:
    """By each of its names; the descriptor stays open."""
    path, shortcut = tmp_path / "log", tmp_path / "shortcut"
    with path.open("w") as log:
        shortcut.symlink_to(f"/dev/fd/{log.fileno()}")
        log.write("first\n")
        log.flush()
        for name in (f"/dev/fd/{log.fileno()}", f"/proc/{os.getpid()}/fd/{log.fileno()}", shortcut):
            assert descriptor_of(Path(name)) == log.fileno()
            assert not is_replaced(Path(name))
            with open_output(name) as file:
                file.write("more\n")
        log.write("last\n")
    assert path.read_text() == "first\nmore\nmore\nmore\nlast\n"


def test_files_are_replaced_and_devices_are_not(tmp_path: Path) -> None:
    """A missing file is created; a link without an end is no descriptor."""
    path, ring = tmp_path / "report.csv", tmp_path / "ring"
    assert is_replaced(path)
    path.touch()
    assert is_replaced(path)
    os.mkfifo(tmp_path / "pipe")
    assert not any(is_replaced(other) for other in (tmp_path / "pipe", Path("/dev/null"), tmp_path))
    ring.symlink_to(ring.name)
    assert descriptor_of(ring) is None


def test_temporary_file_has_the_name_of_the_file_and_its_folder(tmp_path: Path) -> None:
    """So that it can be renamed, and found after a crash. Its removal by others hides no error."""
    with suppress(ZeroDivisionError), replace_file(tmp_path / "report.csv") as file:
        [temporary] = tmp_path.iterdir()
        assert temporary.name.startswith(".report.csv.")
        temporary.unlink()
        file.write(f"{1 // 0}")


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
    with pytest.raises(FileNotFoundError), replace_file(tmp_path / "missing" / "report.csv"):
        pass
