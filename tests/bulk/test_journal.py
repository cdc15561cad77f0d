"""The journal: its transitions, its lock, and what it says when it can't be used."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from cognito_async.bulk import JobMismatchError, JournalError, JournalInUseError, Outcome, State, names
from cognito_async.bulk import database as databases
from cognito_async.bulk import lock as locks
from cognito_async.bulk.database import Database
from cognito_async.bulk.journal import Entry, Journal
from tests.support.bulk_server import Asked, Bench, Reply, write_csv
from tests.support.processes import ROOT, until
from tests.support.scripted_transport import respond

NOW = 1_800_000_000.0


def planned(*lines: int, user: str = "user{}") -> list[Outcome]:
    """Make planned rows."""
    return [Outcome(line=line, username=user.format(line), state=State.PLANNED) for line in lines]


def settled(line: int, state: State, **facts: object) -> Outcome:
    """Make an outcome."""
    return Outcome(line=line, username=f"user{line}", state=state, attempts=1, **facts)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Open a journal with five planned rows."""
    with Journal(tmp_path / "j") as opened:
        opened.plan(planned(1, 2, 3, 4, 5), NOW)
        yield opened


def state_of(journal: Journal, line: int) -> State:
    """Give a row's state."""
    return journal.known(line, line)[line].state


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.DONE, State.REFUSED, State.UNKNOWN, State.DEFERRED, State.PLANNED])
def test_a_row_goes_from_planned_to_sent_to_settled(journal: Journal, state: State) -> None:
    """Keep each state that a row can come to, and touch no other row."""
    assert state_of(journal, 3) is State.PLANNED
    journal.write([3], [], NOW)
    assert state_of(journal, 3) is State.SENT
    journal.write([], [settled(3, state, code="Code", due=NOW + 9, ambiguous=True, deferrals=2)], NOW)
    assert journal.known(1, 5)[3] == Entry(3, "user3", state, "Code", NOW + 9, True, 2)  # noqa: FBT003
    assert {state_of(journal, line) for line in (1, 2, 4, 5)} == {State.PLANNED}


def test_attempts_are_counted_over_all_runs(journal: Journal) -> None:
    """Add a run's attempts to those before."""
    for _ in range(3):
        journal.write([2], [settled(2, State.REFUSED)], NOW)
    with closing(sqlite3.connect(journal.path)) as connection:
        assert connection.execute("SELECT attempts, at FROM rows WHERE line = 2").fetchall() == [(3, NOW)]


def test_what_was_on_its_way_is_planned_again_where_repeating_is_harmless(journal: Journal) -> None:
    """Plan it as ambiguous."""
    journal.write([1, 2], [settled(2, State.DONE)], NOW)
    assert journal.take_over(NOW, repeats=True, reason="killed") == []
    assert (state_of(journal, 1), journal.known(1, 1)[1].ambiguous, state_of(journal, 2)) == (
        State.PLANNED, True, State.DONE,
    )  # fmt: skip


def test_what_was_on_its_way_is_unknown_where_it_is_not(journal: Journal) -> None:
    """Tell of it once, with the reason."""
    journal.write([1, 4], [], NOW)
    told = journal.take_over(NOW, repeats=False, reason="killed")
    assert [(outcome.line, outcome.state, outcome.reason) for outcome in told] == [
        (1, State.UNKNOWN, "killed"),
        (4, State.UNKNOWN, "killed"),
    ]
    assert journal.take_over(NOW, repeats=False, reason="killed") == []


def test_pending_rows_come_in_order_and_by_pages(journal: Journal) -> None:
    """Give planned rows and deferred ones whose time has come, after a line, no more than asked for."""
    journal.write([], [settled(1, State.DONE), settled(2, State.DEFERRED, due=NOW + 10)], NOW)
    assert [entry.line for entry in journal.pending(0, NOW, 2, planned=True)] == [3, 4]
    assert [entry.line for entry in journal.pending(4, NOW, 2, planned=True)] == [5]
    assert [entry.line for entry in journal.pending(0, NOW + 10, 9, planned=True)] == [2, 3, 4, 5]
    assert [entry.line for entry in journal.pending(0, NOW + 10, 9, planned=False)] == [2]
    assert journal.next_due() == NOW + 10


def test_duplicates_are_refused_within_and_across_batches(journal: Journal) -> None:
    """Name the line in which the user came first."""
    taken = journal.plan([*planned(6, 7, user="twin"), *planned(8, user="user2")], NOW)
    assert [(row.state, row.code, row.reason) for row in taken] == [
        (State.PLANNED, None, None),
        (State.REFUSED, "DuplicateRow", "the user has come before, in line 6"),
        (State.REFUSED, "DuplicateRow", "the user has come before, in line 2"),
    ]


def test_two_users_who_look_alike_to_the_journal_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users are told apart by their names, and not by the digests that find them."""
    monkeypatch.setattr(names, "_digest", lambda _: 7)
    with Journal(tmp_path / "j") as journal:
        first = journal.plan(planned(1, 2), NOW)
        second = journal.plan([*planned(3), *planned(4, user="user1")], NOW)
    assert [row.state for row in (*first, *second)] == [State.PLANNED] * 3 + [State.REFUSED]


def test_a_broken_row_does_not_make_a_good_one_a_duplicate(journal: Journal) -> None:
    """Send for a user whose first row could not be sent."""
    journal.plan([Outcome(line=6, username="eve", state=State.REFUSED, code="InvalidRow")], NOW)
    (taken,) = journal.plan(planned(7, user="eve"), NOW)
    assert taken.state is State.PLANNED


def test_reopening_leaves_what_the_input_is_to_blame_for(journal: Journal) -> None:
    """Plan refused rows again, but no duplicates and no broken rows."""
    journal.write([], [settled(1, State.REFUSED, code="UserNotFoundException", deferrals=6)], NOW)
    journal.write(
        [], [settled(2, State.REFUSED, code="DuplicateRow"), settled(3, State.REFUSED, code="InvalidRow")], NOW
    )
    assert journal.reopen([State.REFUSED]) == 1
    assert [state_of(journal, line) for line in (1, 2, 3)] == [State.PLANNED, State.REFUSED, State.REFUSED]
    assert journal.known(1, 1)[1].deferrals == 0


def test_counts(journal: Journal) -> None:
    """Count by state, and by kind of trouble."""
    journal.write(
        [], [settled(1, State.DONE), settled(2, State.REFUSED, code="X"), settled(3, State.UNKNOWN, code="X")], NOW
    )
    states, kinds = journal.counts()
    assert states == {State.PLANNED: 2, State.DONE: 1, State.REFUSED: 1, State.UNKNOWN: 1}
    assert kinds == {(State.REFUSED, "X"): 1, (State.UNKNOWN, "X"): 1}


def test_a_failed_write_leaves_nothing(journal: Journal) -> None:
    """Write all of a batch or none of it."""
    with pytest.raises(JournalError):
        journal.plan(planned(6, 7, 1), NOW)  # the last line is there already
    assert set(journal.known(1, 9)) == {1, 2, 3, 4, 5}
    journal.write([1], [], NOW)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_journal_is_for_its_owner_and_leaves_one_file(tmp_path: Path) -> None:
    """Show users' names to nobody else, and clean up."""
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.plan(planned(1), NOW)
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_outlives_the_machine(journal: Journal) -> None:
    """Have SQLite wait for the disk with each commit, and leave the file whole when killed between two."""
    settings = [journal._database.rows(f"PRAGMA {name}")[0][0] for name in ("synchronous", "journal_mode")]
    assert settings == [2, "wal"]


def test_facts_and_identity(tmp_path: Path) -> None:
    """Keep facts, and refuse another identity without changing anything."""
    with Journal(tmp_path / "j") as journal:
        journal.identify({"action": "confirm", "app client": "a"}, {"salt": "s"})
        with pytest.raises(JobMismatchError, match="app client is for a, not for b"):
            journal.identify({"action": "confirm", "app client": "b"}, {"salt": "t"})
        journal.remember({"pool": "c"})
    with Journal(tmp_path / "j") as journal:
        assert journal.facts() == {"action": "confirm", "app client": "a", "salt": "s", "pool": "c"}


@pytest.mark.parametrize("content", [b"username,password\nada,secret\n", b"\x89PNG" * 999, b"SQLite format 3\0" * 99])
async def test_another_file_is_left_alone(content: bytes, tmp_path: Path) -> None:
    """Refuse a file that is no journal, and change no byte of it."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 1)
        bench.journal.write_bytes(content)
        with pytest.raises(JournalError, match=r"name another file|can't be used"):
            await bench.run("confirm")
        assert bench.journal.read_bytes() == content
        assert not bench.service.requests


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    """Refuse a database of another program, and a journal of another version."""
    path = tmp_path / "j"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE rows (a)")
    with pytest.raises(JournalError, match="no journal of a job"):
        Journal(path)
    path.unlink()
    Journal(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="version 99"):
        Journal(path)


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    """Say why in words."""
    for path, told in ((tmp_path, "can't be used"), (tmp_path / "absent" / "j", "No such file")):
        with pytest.raises(JournalError, match=told):
            Journal(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to be refused as")
def test_a_journal_that_may_not_be_written() -> None:
    """Say what to do about a read-only journal, and about a folder without rights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        Journal(path).close()
        path.chmod(0o444)
        for mode in (0o777, 0o555):
            Path(folder).chmod(mode)
            os.seteuid(65534)
            try:
                told = r"can't be used.*make it writable and resume"
                with pytest.raises(JournalError, match=told), Journal(path) as journal:
                    journal.remember({"name": "value"})
            finally:
                os.seteuid(0)


# --- the lock ---------------------------------------------------------------------------------------------------------

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


async def test_a_second_process_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    """Tell another process, and another job of this one, that the journal is in use; lose nothing by it."""
    gate = asyncio.Event()

    async def hold(asked: Asked) -> Reply:
        if asked.number == 3:
            await gate.wait()
        return respond()

    async with Bench(tmp_path, hold) as bench, asyncio.timeout(60):
        write_csv(bench.source, 30, secrets=False)
        first = asyncio.create_task(bench.run("forgot"))
        await until(lambda: len(bench.service.requests) >= 3)
        with pytest.raises(JournalInUseError, match="another process is working on"):
            await bench.run("forgot")
        command = [sys.executable, "-c", HOLDER, str(bench.journal)]
        other = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert other.returncode, other.stdout
        assert "in use" in other.stderr
        # A reader that comes and goes must not take itself for the last one and clear up under the job.
        look = (
            f"import sqlite3; c = sqlite3.connect({str(bench.journal)!r}); c.execute('SELECT * FROM rows'); c.close()"
        )
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", look], check=True)
        assert bench.journal.with_name("users.journal-wal").exists()
        gate.set()
        assert (await first).all_done
    assert sorted(bench.service.users) == sorted(f"user{number}" for number in range(30))


async def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    """Free the journal when the process that has it is killed."""
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


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the file that others find, and not one that the last holder has just removed."""
    path, take, times = tmp_path / "lock", locks._take, iter((1, 2, 3))

    def remove_first(descriptor: int) -> None:
        if next(times) == 1:
            path.unlink()
        take(descriptor)

    monkeypatch.setattr(locks, "_take", remove_first)
    lock = locks.FileLock(path)
    assert path.exists()
    with pytest.raises(BlockingIOError):
        locks.FileLock(path)
    lock.release()
    lock.release()
    assert not path.exists()


def test_a_lock_that_is_only_looked_at_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for whoever looks at a lock, which takes it for an instant."""
    path = tmp_path / "lock"
    looking = locks.FileLock(path)
    monkeypatch.setattr("time.sleep", lambda _: looking.release())
    locks.FileLock(path, patience=60.0).release()


async def test_cancelled_while_it_opens_a_job_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Close a journal that was still being opened when the job was cancelled."""
    opening, begin = asyncio.Event(), Database._begin
    loop = asyncio.get_running_loop()

    def slowly(self: Database) -> None:
        asyncio.run_coroutine_threadsafe(_set(opening), loop).result()
        begin(self)

    async with Bench(tmp_path) as bench, asyncio.timeout(60):
        write_csv(bench.source, 3)
        with monkeypatch.context() as patch:
            patch.setattr(Database, "_begin", slowly)
            run = asyncio.create_task(bench.run("confirm"))
            await opening.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
        assert (await bench.run("confirm")).all_done


async def _set(event: asyncio.Event) -> None:
    event.set()


# --- a full disk ------------------------------------------------------------------------------------------------------


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Let no file grow past some bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("action", ["confirm", "forgot"])
async def test_a_file_that_cannot_grow_ends_the_job_and_loses_nothing(action: str, tmp_path: Path) -> None:
    """Raise JournalError, send nothing that is not noted, and go on when there is room."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 3000)
        with file_limit(400_000), pytest.raises(JournalError, match="can't be used"):
            await bench.run(action)
        before = len(bench.service.requests)
        assert before < 3000
        summary = await bench.run(action)
    assert sum(summary.states.values()) == 3000
    assert len(set(bench.service.users)) + summary.states.get(State.UNKNOWN, 0) >= 3000
    if action == "forgot":
        assert len(set(bench.service.users)) == len(bench.service.users), "a second message"


async def test_a_full_disk_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Advise to make room and resume."""
    monkeypatch.setattr(databases, "SETTINGS", (*databases.SETTINGS, "max_page_count = 20"))
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 3000)
        with pytest.raises(JournalError, match="database or disk is full; make room and resume; nothing is lost"):
            await bench.run("reset")
        assert not bench.service.requests
        monkeypatch.undo()
        assert (await bench.run("reset")).all_done


async def test_a_kill_while_the_job_is_named_leaves_a_journal_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Note the salt with the fingerprint that was made with it, or neither."""
    for kill in range(1, 4):
        async with Bench(tmp_path) as bench:
            write_csv(bench.source, 3)
            bench.journal.unlink(missing_ok=True)
            times, remember = iter(range(1, 99)), Journal.remember

            def fail(self: Journal, facts: dict[str, str]) -> None:
                if next(times) == kill:  # noqa: B023 - used within the round
                    raise LookupError("killed")
                remember(self, facts)  # noqa: B023

            with monkeypatch.context() as patch:
                patch.setattr(Journal, "remember", fail)
                with suppress(LookupError):
                    await bench.run("confirm")
            assert (await bench.run("confirm")).all_done
