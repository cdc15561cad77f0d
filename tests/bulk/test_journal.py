"""The journal: state transitions, exclusive access, and errors."""

import asyncio
import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path

import pytest

from cognito_async.bulk import JobMismatchError, JournalError, JournalInUseError, Outcome, State, database
from cognito_async.bulk import journal as journals
from cognito_async.bulk.database import ExclusiveDatabase, Schema, lock_path
from cognito_async.bulk.journal import (
    Fact,
    Journal,
    JournalReader,
    journal_files,
    read_facts,
    read_status,
    read_with_activity,
    rows_needing_attention,
)
from cognito_async.bulk.rows import count_kinds
from cognito_async.files import FileLock
from tests.support.bulk_server import JobHarness, ReceivedRequest, Reply, write_csv
from tests.support.processes import ROOT, until
from tests.support.scripted_transport import respond

NOW = 1_800_000_000.0


def planned(*lines: int, user: str = "user{}") -> list[Outcome]:
    """Return planned rows."""
    return [Outcome(line=line, username=user.format(line), state=State.PLANNED) for line in lines]


def settled(line: int, state: State, **facts: object) -> Outcome:
    """Return an outcome."""
    return Outcome(line=line, username=f"user{line}", state=state, attempts=1, **facts)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Open a journal with five planned rows."""
    with Journal(tmp_path / "j") as opened:
        opened.add_rows(planned(1, 2, 3, 4, 5), NOW)
        yield opened


def state_of(journal: Journal, line: int) -> State:
    """Return the state of a row."""
    return journal.rows_between(line, line)[line].state


# --- rows ---


@pytest.mark.parametrize("state", [State.DONE, State.REFUSED, State.UNKNOWN, State.DEFERRED, State.PLANNED])
def test_row_transitions_from_planned_to_sent_to_settled(journal: Journal, state: State) -> None:
    """Every state is recorded, and other rows are unchanged."""
    assert state_of(journal, 3) is State.PLANNED
    journal.write([3], [], NOW)
    assert state_of(journal, 3) is State.SENT
    journal.write([], [settled(3, state, code="Code", due=NOW + 9, ambiguous=True, deferrals=2)], NOW)
    assert journal.rows_between(1, 5)[3] == Outcome(
        line=3, username="user3", state=state, code="Code", attempts=1, due=NOW + 9, ambiguous=True, deferrals=2
    )
    assert {state_of(journal, line) for line in (1, 2, 4, 5)} == {State.PLANNED}


def test_attempts_add_up_over_runs(journal: Journal) -> None:
    """The attempts of all runs are added up."""
    for _ in range(3):
        journal.write([2], [settled(2, State.REFUSED)], NOW)
    with closing(sqlite3.connect(journal.path)) as connection:
        assert connection.execute("SELECT attempts, at FROM rows WHERE line = 2").fetchall() == [(3, NOW)]


def test_recover_sent_idempotent_rows_are_planned(journal: Journal) -> None:
    """Rows in flight are planned again as ambiguous, if repeating is safe."""
    journal.write([1, 2], [settled(2, State.DONE)], NOW)
    assert journal.recover_sent(NOW, repeat=True, reason="killed") == []
    assert (state_of(journal, 1), journal.rows_between(1, 1)[1].ambiguous, state_of(journal, 2)) == (
        State.PLANNED, True, State.DONE,
    )  # fmt: skip


def test_recover_sent_other_rows_are_unknown_once(journal: Journal) -> None:
    """Other rows in flight are unknown, and reported once."""
    journal.write([1, 4], [], NOW)
    unknown = journal.recover_sent(NOW, repeat=False, reason="killed")
    assert [(outcome.line, outcome.state, outcome.reason) for outcome in unknown] == [
        (1, State.UNKNOWN, "killed"),
        (4, State.UNKNOWN, "killed"),
    ]
    assert journal.recover_sent(NOW, repeat=False, reason="killed") == []


def test_sendable_rows_are_ordered_and_limited(journal: Journal) -> None:
    """Planned and due rows are returned in order, up to the limit."""
    journal.write([], [settled(1, State.DONE), settled(2, State.DEFERRED, due=NOW + 10)], NOW)
    assert [row.line for row in journal.sendable(0, NOW, 2, include_planned=True)] == [3, 4]
    assert [row.line for row in journal.sendable(4, NOW, 2, include_planned=True)] == [5]
    assert [row.line for row in journal.sendable(0, NOW + 10, 9, include_planned=True)] == [2, 3, 4, 5]
    assert [row.line for row in journal.sendable(0, NOW + 10, 9, include_planned=False)] == [2]
    assert journal.next_due() == NOW + 10


def test_add_rows_refuses_duplicates_across_batches(journal: Journal) -> None:
    """Duplicates within and across batches are refused."""
    added = journal.add_rows([*planned(6, 7, user="twin"), *planned(8, user="user2")], NOW)
    assert [(row.state, row.code, row.reason) for row in added] == [
        (State.PLANNED, None, None),
        (State.REFUSED, "DuplicateRow", "duplicate of line 6"),
        (State.REFUSED, "DuplicateRow", "duplicate of line 2"),
    ]


def test_duplicate_index_digest_collision_is_no_duplicate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users with equal digests are compared by name."""
    monkeypatch.setattr(journals, "_digest", lambda _: 7)
    with Journal(tmp_path / "j") as journal:
        first = journal.add_rows(planned(1, 2), NOW)
        second = journal.add_rows([*planned(3), *planned(4, user="user1")], NOW)
    assert [row.state for row in (*first, *second)] == [State.PLANNED] * 3 + [State.REFUSED]


def test_add_rows_after_invalid_row_is_no_duplicate(journal: Journal) -> None:
    """A valid row is planned after an invalid row of the same user."""
    journal.add_rows([Outcome(line=6, username="eve", state=State.REFUSED, code="InvalidRow")], NOW)
    (added,) = journal.add_rows(planned(7, user="eve"), NOW)
    assert added.state is State.PLANNED


def test_replan_skips_invalid_and_duplicate_rows(journal: Journal) -> None:
    """Refused rows are planned again, except invalid and duplicate ones."""
    journal.write([], [settled(1, State.REFUSED, code="UserNotFoundException", deferrals=6)], NOW)
    journal.write(
        [], [settled(2, State.REFUSED, code="DuplicateRow"), settled(3, State.REFUSED, code="InvalidRow")], NOW
    )
    journal.replan([State.REFUSED])
    assert [state_of(journal, line) for line in (1, 2, 3)] == [State.PLANNED, State.REFUSED, State.REFUSED]
    assert journal.rows_between(1, 1)[1].deferrals == 0


def test_counts_by_state_and_code(journal: Journal) -> None:
    """Rows are counted by state, and errors by state and code."""
    journal.write(
        [], [settled(1, State.DONE), settled(2, State.REFUSED, code="X"), settled(3, State.UNKNOWN, code="X")], NOW
    )
    states, errors = journal.counts()
    assert states == {State.PLANNED: 2, State.DONE: 1, State.REFUSED: 1, State.UNKNOWN: 1}
    assert count_kinds(errors) == {(State.REFUSED, "X"): 1, (State.UNKNOWN, "X"): 1}


def test_failed_write_is_rolled_back(journal: Journal) -> None:
    """A batch is written completely or not at all."""
    with pytest.raises(JournalError):
        journal.add_rows(planned(6, 7, 1), NOW)  # line 1 exists
    assert set(journal.rows_between(1, 9)) == {1, 2, 3, 4, 5}
    journal.write([1], [], NOW)


# --- the file ---


def test_journal_files_are_private_and_closing_leaves_one(tmp_path: Path) -> None:
    """All files have mode 0600, and closing leaves one."""
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.add_rows(planned(1), NOW)
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    assert list(tmp_path.iterdir()) == [path]


def test_commits_are_synced(journal: Journal) -> None:
    """Commits are synced to the disk, in WAL mode."""
    settings = [journal._database.rows(f"PRAGMA {name}")[0][0] for name in ("synchronous", "journal_mode")]
    assert settings == [2, "wal"]


def test_identify_other_identity_raises_job_mismatch(tmp_path: Path) -> None:
    """Facts are stored; another identity is rejected without changing them."""
    with Journal(tmp_path / "j") as journal:
        journal.identify({"action": "confirm", "app client": "a"}, {"salt": "s"})
        with pytest.raises(JobMismatchError, match="app client a, not b"):
            journal.identify({"action": "confirm", "app client": "b"}, {"salt": "t"})
        journal.remember({"pool": "c"})
    with Journal(tmp_path / "j") as journal:
        assert journal.facts() == {"action": "confirm", "app client": "a", "salt": "s", "pool": "c"}


@pytest.mark.parametrize("content", [b"username,password\nada,secret\n", b"\x89PNG" * 999, b"SQLite format 3\0" * 99])
async def test_other_file_is_rejected_and_unchanged(content: bytes, tmp_path: Path) -> None:
    """A file that is not a journal is rejected and not changed."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 1)
        harness.journal.touch(mode=0o600)
        harness.journal.write_bytes(content)
        with pytest.raises(JournalError, match="not a database"):
            await harness.run("confirm")
        assert harness.journal.read_bytes() == content
        assert not harness.service.requests


def test_other_database_is_rejected(tmp_path: Path) -> None:
    """Databases of other programs, and other versions, are rejected."""
    path = tmp_path / "j"
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE rows (a)")
    with pytest.raises(JournalError, match="not a cognito_async journal"):
        Journal(path)
    path.unlink()
    Journal(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="version 99"):
        Journal(path)


def test_impossible_path_raises_journal_error(tmp_path: Path) -> None:
    """A directory, or a path in a missing directory, is rejected."""
    for path in (tmp_path, tmp_path / "absent" / "j"):
        with pytest.raises(JournalError):
            Journal(path)


@pytest.mark.skipif(getattr(os, "geteuid", os.getpid)() != 0, reason="needs root to switch to another user")
def test_read_only_journal_raises_journal_error() -> None:
    """A read-only file or directory raises JournalError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        Journal(path).close()
        path.chmod(0o400)
        os.chown(path, 65534, -1)
        for mode in (0o777, 0o555):
            Path(folder).chmod(mode)
            os.seteuid(65534)
            try:
                with pytest.raises(JournalError, match="make it writable"), Journal(path) as journal:
                    journal.remember({"name": "value"})
            finally:
                os.seteuid(0)


# --- exclusive access ---

HOLDER = """
import sys
from pathlib import Path
from cognito_async.bulk.journal import Journal
from cognito_async.bulk import JournalInUseError
try:
    journal = Journal(Path(sys.argv[1]))
except JournalInUseError as error:
    sys.exit(f"in use: {error}")
print("held", flush=True)
sys.stdin.read()
"""


async def test_second_process_raises_journal_in_use_and_first_continues(tmp_path: Path) -> None:
    """Other processes and jobs are rejected, and the running job is not disturbed."""
    gate = asyncio.Event()

    async def hold(request: ReceivedRequest) -> Reply:
        if request.number == 3:
            await gate.wait()
        return respond()

    async with JobHarness(tmp_path, hold) as harness, asyncio.timeout(60):
        write_csv(harness.source, 30, secrets=False)
        first = asyncio.create_task(harness.run("forgot"))
        await until(lambda: len(harness.service.requests) >= 3)
        with pytest.raises(JournalInUseError):
            await harness.run("forgot")
        command = [sys.executable, "-c", HOLDER, str(harness.journal)]
        other = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert other.returncode, other.stdout
        assert "in use" in other.stderr
        # A reader that disconnects must not remove the -wal file of the running job.
        program = (
            f"import sqlite3; c = sqlite3.connect({str(harness.journal)!r}); c.execute('SELECT * FROM rows'); c.close()"
        )
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=True)
        assert harness.journal.with_name("users.journal-wal").exists()
        gate.set()
        assert (await first).all_done
    assert sorted(harness.service.users) == sorted(f"user{number}" for number in range(30))


async def test_journal_of_killed_process_is_free(tmp_path: Path) -> None:
    """The lock is released when its process is killed."""
    path = tmp_path / "j"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(JournalInUseError):
        Journal(path)
    holder.send_signal(signal.SIGKILL)
    await holder.communicate()
    Journal(path).close()


async def test_job_cancelled_while_opening_releases_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that is still being opened is closed when the job is cancelled."""
    opening, prepare = asyncio.Event(), ExclusiveDatabase._prepare
    loop = asyncio.get_running_loop()

    def slowly(self: ExclusiveDatabase, schema: Schema) -> None:
        asyncio.run_coroutine_threadsafe(_set(opening), loop).result()
        prepare(self, schema)

    async with JobHarness(tmp_path) as harness, asyncio.timeout(60):
        write_csv(harness.source, 3)
        with monkeypatch.context() as patch:
            patch.setattr(ExclusiveDatabase, "_prepare", slowly)
            run = asyncio.create_task(harness.run("confirm"))
            await opening.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
        assert (await harness.run("confirm")).all_done


async def _set(event: asyncio.Event) -> None:
    event.set()


# --- a full disk ---


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Limit the size of files, in bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def is_full(error: OSError) -> bool:
    """Return whether the error is that of a full disk, or of a file over its limit."""
    return error.errno in {errno.EFBIG, errno.ENOSPC}


@pytest.mark.parametrize("action", ["confirm", "forgot"])
async def test_file_size_limit_raises_journal_error_and_loses_nothing(action: str, tmp_path: Path) -> None:
    """A journal that cannot grow ends the job; nothing is lost or sent twice."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 3000)
        with file_limit(400_000), pytest.raises(JournalError):
            await harness.run(action)
        before = len(harness.service.requests)
        assert before < 3000
        summary = await harness.run(action)
    assert sum(summary.states.values()) == 3000
    assert len(set(harness.service.users)) + summary.states.get(State.UNKNOWN, 0) >= 3000
    if action == "forgot":
        assert len(set(harness.service.users)) == len(harness.service.users), "sent twice"


async def test_full_disk_raises_journal_error_and_job_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk raises JournalError, and the job resumes when there is space."""
    monkeypatch.setattr(database, "SETTINGS", (*database.SETTINGS, "max_page_count = 20"))
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 3000)
        with pytest.raises(JournalError, match="free disk space and resume"):
            await harness.run("reset")
        assert not harness.service.requests
        monkeypatch.undo()
        assert (await harness.run("reset")).all_done


async def test_kill_while_identifying_leaves_valid_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The salt and the fingerprint are stored together or not at all."""
    for kill in range(1, 4):
        async with JobHarness(tmp_path) as harness:
            write_csv(harness.source, 3)
            harness.journal.unlink(missing_ok=True)
            times, remember = iter(range(1, 99)), Journal.remember

            def fail(self: Journal, facts: dict[str, str]) -> None:
                if next(times) == kill:  # noqa: B023 - used within the round
                    raise LookupError("killed")
                remember(self, facts)  # noqa: B023

            with monkeypatch.context() as patch:
                patch.setattr(Journal, "remember", fail)
                with suppress(LookupError):
                    await harness.run("confirm")
            assert (await harness.run("confirm")).all_done


# --- other paths and readers ---


OPEN = """
import sys
from pathlib import Path
from cognito_async.bulk import JournalInUseError, database, journal
database.CLAIM_TIMEOUT = 0.0
try:
    journal.Journal(Path(sys.argv[1]))
except JournalInUseError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("how", ["symlink", "no lock file"])
def test_journal_in_use_by_other_path_is_rejected(how: str, *, existing: bool, tmp_path: Path) -> None:
    """A journal in use is detected through a link to its directory, and without its lock file."""
    (tmp_path / "folder").mkdir()
    path, other = tmp_path / "folder" / "j", tmp_path / "link" / "j"
    if existing:
        Journal(path).close()
    with Journal(path):
        if how == "symlink":
            other.parent.symlink_to(path.parent)
        else:
            lock_path(path).unlink()
            other = path
        second = subprocess.run(
            [sys.executable, "-c", OPEN, other], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert second.stdout == "JournalInUseError\n"
    Journal(other).close()


def test_journal_waits_for_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a journal waits for readers, up to a timeout."""
    path = tmp_path / "j"
    Journal(path).close()
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("PRAGMA journal_mode = WAL")
        reader.execute("SELECT count(*) FROM rows").fetchone()
        with monkeypatch.context() as patch:
            patch.setattr(database, "CLAIM_TIMEOUT", 0.0)
            with pytest.raises(JournalInUseError):
                Journal(path)
        monkeypatch.setattr("time.sleep", lambda _: reader.close())
        Journal(path).close()


async def test_symlink_loop_raises_journal_error(tmp_path: Path) -> None:
    """A symbolic link to itself is rejected."""
    async with JobHarness(tmp_path) as harness:
        harness.journal.symlink_to(harness.journal)
        write_csv(harness.source, 1, secrets=False)
        with pytest.raises(JournalError):
            await harness.run("forgot")


@pytest.mark.parametrize("started", [False, True])
def test_hard_link_raises_journal_error(tmp_path: Path, *, started: bool) -> None:
    """A file with several hard links is rejected, because its -wal file could be missed."""
    with Journal(tmp_path / "j") if started else nullcontext():
        (tmp_path / "j").touch(mode=0o600)
        os.link(tmp_path / "j", tmp_path / "other")
        with pytest.raises(JournalError, match="hard link"):
            Journal(tmp_path / "other")


def test_closed_journal_is_complete_while_read(tmp_path: Path) -> None:
    """The file is complete after closing, even while a reader keeps the -wal file."""
    path, copied = tmp_path / "j", tmp_path / "copy"
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as reader:
        with Journal(path) as journal:
            reader.execute("SELECT count(*) FROM rows").fetchone()
            journal.add_rows([Outcome(line=1, username="ada", state=State.PLANNED)], 0.0)
        copied.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(f"{copied.as_uri()}?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT username FROM rows").fetchall() == [("ada",)]


def test_close_keeps_replaced_lock_file(tmp_path: Path) -> None:
    """A lock file that replaced the journal's own is not removed."""
    path = tmp_path / "j"
    with Journal(path):
        lock_path(path).unlink()
        lock_path(path).touch()
    assert lock_path(path).exists()


# --- reading from outside the job ---


def test_read_status_reports_job_and_activity(tmp_path: Path) -> None:
    """The status has facts, counts, the last run, and whether a process runs the job."""
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.identify({Fact.ACTION: "reset"}, {Fact.LINES: "9"})
        journal.add_rows(planned(1, 2, 3), NOW)
        run = journal.start_run(time.time() - 30, 25.0)
        journal.write([], [settled(1, State.DONE), settled(2, State.DEFERRED, code="X", due=NOW)], time.time())
        status = read_status(path)
        assert (status.running, status.total, status.next_due, status.rate > 0) == (True, 9, NOW, True)
        assert status.states == {State.DONE: 1, State.DEFERRED: 1, State.PLANNED: 1}
        assert count_kinds(status.errors) == {(State.DEFERRED, "X"): 1}
        assert status.last_run is not None
        assert (status.last_run.number, status.last_run.quota, status.last_run.ended) == (1, 25.0, None)
        journal.remember({Fact.COMPLETE: "yes"})
        journal.end_run(run, NOW, "stopped", 4)
    status = read_status(path)
    assert (status.running, status.total) == (False, 3)
    assert status.last_run is not None
    assert (status.last_run.ending, status.last_run.throttled) == ("stopped", 4)
    assert read_facts(path)[Fact.ACTION] == "reset"
    assert [row.line for row in rows_needing_attention(path)] == [2]


def test_journal_files_resolve_links(tmp_path: Path) -> None:
    """All files of a journal are named, by their real path."""
    (tmp_path / "link").symlink_to(tmp_path / "j")
    assert [path.name for path in journal_files(tmp_path / "link")] == [f"j{suffix}" for suffix in database.SUFFIXES]


@pytest.mark.parametrize("starts", [True, False])
def test_read_with_activity_job_starts_or_ends_meanwhile_reads_again(tmp_path: Path, *, starts: bool) -> None:
    """The result and the activity belong together, so that no running job is reported as killed."""
    path = tmp_path / "j"
    Journal(path).close()
    locks = [] if starts else [FileLock(lock_path(path))]
    calls: list[int] = []

    def query(_: JournalReader) -> int:
        calls.append(1)
        if len(calls) == 1:
            if starts:
                locks.append(FileLock(lock_path(path)))
            else:
                locks[0].release()
        return len(calls)

    assert read_with_activity(path, query) == (2, starts)
    locks[0].release()
