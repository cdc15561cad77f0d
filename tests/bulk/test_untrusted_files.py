"""Files that other users may have prepared, and files that change during a run."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cognito_async.bulk import (
    BulkError,
    BulkPolicy,
    FileSource,
    JournalError,
    JournalLostError,
    SourceError,
    State,
    StopReason,
    journal_writer,
    set_password,
)
from cognito_async.bulk.database import SUFFIXES, is_in_use, journal_errors, lock_path
from cognito_async.bulk.journal import Journal, journal_files, read_facts, read_status
from cognito_async.bulk.journal_writer import PasswordFile
from cognito_async.bulk.report import Report
from cognito_async.bulk.sources import BLOCK
from tests.support.bulk_server import USER_LIMIT, JobHarness, ReceivedRequest, Reply, write_csv
from tests.support.processes import ROOT, until
from tests.support.scripted_transport import respond

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners, modes and links are POSIX")


# --- files of others ---


def loosen(path: Path) -> None:
    """Let the group read a file."""
    path.chmod(0o640)


def link(path: Path) -> None:
    """Replace a file by a symbolic link to it."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def give_away(path: Path) -> None:
    """Change the owner of a file."""
    os.chown(path, 65534, -1)


WAYS = [
    loosen,
    link,
    pytest.param(give_away, marks=pytest.mark.skipif(getattr(os, "geteuid", os.getpid)() != 0, reason="needs root")),
]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("change", WAYS)
def test_journal_files_of_others_are_refused(change: Callable[[Path], None], suffix: str, tmp_path: Path) -> None:
    """A journal, or a file that belongs to one, is neither opened nor read nor changed."""
    path = tmp_path / "j"
    Journal(path).close()
    file = path.with_name(f"j{suffix}")
    file.touch(mode=0o600)
    change(file)
    before = path.read_bytes()
    for use in (Journal, read_facts, read_status, Report.read):
        with pytest.raises(JournalError, match=r"symbolic link|another user|chmod 600"):
            use(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("target", ["existing", "missing"])
async def test_job_with_a_linked_journal_sends_nothing(target: str, tmp_path: Path) -> None:
    """A link is refused, also one to a file that would be created."""
    (tmp_path / "existing").touch(mode=0o600)
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 2, secrets=False)
        harness.journal.symlink_to(target)
        with pytest.raises(JournalError) as caught:
            await harness.run("forgot")
        assert isinstance(caught.value.__cause__, PermissionError)
        assert harness.service.requests == []
    assert sorted(os.listdir(tmp_path)) == ["existing", "users.csv", "users.journal"]  # noqa: PTH208


@pytest.mark.parametrize("change", WAYS)
def test_passwords_file_of_others_is_refused(change: Callable[[Path], None], tmp_path: Path) -> None:
    """Nothing is appended to a file that another user may read or have prepared."""
    path = tmp_path / "p.csv"
    PasswordFile(path).close()
    change(path)
    with pytest.raises(BulkError) as caught:
        PasswordFile(path)
    assert isinstance(caught.value.__cause__, PermissionError)
    assert path.read_text() == "username,password\n"


def test_files_are_created_private_whatever_the_umask(tmp_path: Path) -> None:
    """Journal, lock and passwords files have mode 0600."""
    umask = os.umask(0)
    try:
        with Journal(tmp_path / "j"):
            PasswordFile(tmp_path / "p.csv").close()
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(umask)
    assert set(modes) == {"j", "j-wal", "j-shm", "j-lock", "p.csv"}
    assert set(modes.values()) == {0o600}


def test_journal_behind_a_linked_directory_is_used(tmp_path: Path) -> None:
    """Links to directories are common, and lead to the same lock."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    Journal(tmp_path / "link" / "j").close()
    assert (tmp_path / "folder" / "j").exists()


def test_refused_lock_file_is_named(tmp_path: Path) -> None:
    """The message names the file to fix."""
    lock_path(tmp_path / "j").symlink_to("nowhere")
    with pytest.raises(JournalError, match="j-lock"):
        Journal(tmp_path / "j")
    with pytest.raises(JournalError, match=r"the journal j: \[.*full|no space"), journal_errors(Path("j")):
        raise OSError(28, "[test] no space left")


# --- a journal that is lost during a run ---


def remove(path: Path) -> None:
    """Remove a journal with its files."""
    for file in journal_files(path):
        file.unlink(missing_ok=True)


def replace(path: Path) -> None:
    """Replace a journal by a copy of itself."""
    copy = path.with_name("copy")
    copy.touch(mode=0o600)
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def remove_wal(path: Path) -> None:
    """Remove the file with the latest changes."""
    path.with_name(f"{path.name}-wal").unlink()


def remove_directory(path: Path) -> None:
    """Rename the journal's directory."""
    path.parent.rename(path.parent.with_name("gone"))


@pytest.mark.parametrize("action", ["forgot", "confirm"])
@pytest.mark.parametrize("lose", [remove, replace, remove_wal, remove_directory])
async def test_lost_journal_ends_the_run(action: str, lose: Callable[[Path], None], tmp_path: Path) -> None:
    """After the journal is lost, no further row is sent, because the next run would send it again."""

    async def lose_at_20(request: ReceivedRequest) -> Reply:
        if request.number == 20:
            lose(harness.journal)
        return respond()

    folder = tmp_path / "folder"
    folder.mkdir()
    async with JobHarness(folder, lose_at_20) as harness:
        harness.source = tmp_path / "users.csv"
        write_csv(harness.source, 2000)
        policy = BulkPolicy(concurrency=8)
        with pytest.raises(JournalLostError):
            await harness.run(action, policy=policy)
        assert len(harness.service.requests) <= 20 + 2 * policy.concurrency


async def test_lost_journal_ends_a_waiting_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that waits for deferred rows looks for its journal at least once per second."""
    assert journal_writer.WATCH_INTERVAL <= 1.0
    monkeypatch.setattr(journal_writer, "WATCH_INTERVAL", 0.01)
    async with JobHarness(tmp_path, lambda _: USER_LIMIT) as harness:
        write_csv(harness.source, 1, secrets=False)
        job = harness.job("forgot", policy=BulkPolicy(deferral=3000.0))
        run = asyncio.create_task(job.run_to_end())
        await until(lambda: harness.service.requests and job.progress.waiting_until)
        remove(harness.journal)
        async with asyncio.timeout(60):
            with pytest.raises(JournalLostError):
                await run
        assert len(harness.service.requests) == 1


# --- an input that changes during a run ---


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("action", ["forgot", "confirm"])
@pytest.mark.parametrize("change", ["in place", "appended", "truncated", "replaced"])
async def test_changed_rows_are_not_sent(
    action: str, change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, strict: bool
) -> None:
    """A file that changes after it was fingerprinted ends the run before a changed row; others are not lost."""
    read_info = FileSource._read_info

    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 4000)
        original = harness.source.read_bytes()
        assert len(original) > 2 * BLOCK

        def fingerprint_then_change(self: FileSource, salt: bytes) -> object:
            found = read_info(self, salt)
            if change == "replaced":
                harness.source.unlink()
            changed = {
                "in place": original.replace(b"user3500,", b"mallory1,"),
                "appended": original + b"mallory,123456,Passw0rd!\n",
                "truncated": original[: -BLOCK // 2],
                "replaced": original.replace(b"user3500,", b"mallory1,"),
            }
            harness.source.write_bytes(changed[change])
            return found

        with monkeypatch.context() as patch:
            patch.setattr(FileSource, "_read_info", fingerprint_then_change)
            with pytest.raises(SourceError, match="changed while the job was running"):
                await harness.run(action, strict=strict)
        sent = harness.service.users
        assert not [user for user in sent if "mallory" in user]
        assert (len(sent) > 0) is (action == "confirm" and not strict)
        harness.source.write_bytes(original)
        summary = await harness.run(action, strict=strict)
        assert summary.states == {State.DONE: 4000}
    assert len(harness.service.users) == len(set(harness.service.users)) == 4000


async def test_deferred_rows_of_a_changed_file_are_not_sent(tmp_path: Path) -> None:
    """Passwords are read again for deferred rows; a changed one is not sent."""

    def limit_then_change(request: ReceivedRequest) -> Reply:
        harness.source.write_bytes(harness.source.read_bytes().replace(b"Passw0rd!", b"Changed0!"))
        return USER_LIMIT if request.number == 1 else respond()

    async with JobHarness(tmp_path, limit_then_change) as harness:
        write_csv(harness.source, 1)
        with pytest.raises(SourceError, match="changed"):
            await harness.run("confirm")
        assert [request.body["Password"] for request in harness.service.requests] == ["Passw0rd!"]


# --- a lock file that is removed during a run ---

HOLD = """
import sys
from pathlib import Path
from cognito_async.bulk.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.start_run(1e9, None)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["running", "killed"])
def test_status_without_lock_file_knows_whether_the_job_runs(how: str, tmp_path: Path) -> None:
    """A running job is not reported as killed because its lock file is gone, and a killed one not as running."""
    path = tmp_path / "j"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        if how == "killed":
            holder.kill()
            holder.wait()
        lock_path(path).unlink()
        for _ in range(2):
            status = read_status(path)
            assert status.last_run is not None
            assert (status.running, status.last_run.ended) == (how == "running", None)
            assert Report.read(path).running is (how == "running")


def test_journal_of_this_process_without_lock_file_is_in_use(tmp_path: Path) -> None:
    """The check does not touch the locks of a journal that this process has open."""
    with Journal(tmp_path / "j"):
        lock_path(tmp_path / "j").unlink()
        assert is_in_use(tmp_path / "j")
    assert not is_in_use(tmp_path / "j")


async def test_run_with_removed_lock_file_finishes(tmp_path: Path) -> None:
    """The lock file is not part of the journal's content."""

    def remove_lock(request: ReceivedRequest) -> Reply:
        lock_path(harness.journal).unlink(missing_ok=True)
        return respond()

    async with JobHarness(tmp_path, remove_lock) as harness:
        write_csv(harness.source, 50)
        assert (await harness.run("confirm")).ending is StopReason.FINISHED
        generated = set_password(permanent=True, generate=True)
        summary = await harness.run(generated, journal=tmp_path / "second", passwords=tmp_path / "p.csv")
        assert summary.all_done
