"""Mistakes that people make with jobs: another input, one journal twice, a source that is used up, odd arguments."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from cognito_async.bulk import (
    BulkError,
    Ending,
    FileSource,
    IterableSource,
    JobMismatchError,
    JournalError,
    JournalInUseError,
    KnownRows,
    Outcome,
    SourceError,
    State,
    database,
)
from cognito_async.bulk.advice import advise
from cognito_async.bulk.database import lock_of
from cognito_async.bulk.journal import Journal
from cognito_async.errors import ParameterValidationError
from tests.support.bulk_server import NO_EMAIL, Bench, by_user, outcomes_of, write_csv
from tests.support.processes import ROOT


async def users(*names: object) -> AsyncIterator[Any]:
    """Give rows."""
    for name in names:
        yield name


def files_in(folder: Path) -> set[str]:
    """Give the names of a folder's files."""
    return {path.name for path in folder.iterdir()}


# --- another input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("eve", "bob"), "line 1 of rows is about another user"),
        (("ada",), "ends at line 1, but there were 2 lines"),
        (("ada", "bob", "eve"), "there is a line 3 in rows that was not there"),
        ((), "ends at line 0"),
    ],
)
@pytest.mark.parametrize("action", ["forgot", "confirm"])
async def test_other_rows_are_another_job(names: tuple[str, ...], told: str, action: str, tmp_path: Path) -> None:
    """Refuse rows that are not those the finished journal is about, wherever they come from."""

    def rows(*given: str) -> AsyncIterator[Any]:
        return users(*({"username": name, "confirmation_code": "1", "password": "Passw0rd!"} for name in given))

    async with Bench(tmp_path) as bench:
        await bench.run(action, IterableSource(rows("ada", "bob")))
        with pytest.raises(JobMismatchError, match=told):
            await bench.run(action, IterableSource(rows(*names)))
        same = await bench.run(action, IterableSource(rows("ada", "bob")))
    assert (same.ending, same.settled, bench.service.users) == (Ending.FINISHED, 0, ["ada", "bob"])


async def test_a_stream_does_not_go_on_with_a_file_s_journal(tmp_path: Path) -> None:
    """Tell a file from a stream, whatever is in it, and keep what the journal remembers of the file."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, ["ada"], secrets=False)
        await bench.run("forgot")
        with pytest.raises(JobMismatchError, match="input has changed"):
            await bench.run("forgot", IterableSource(users("ada")), remember={"note": "another"})
        with Journal(bench.journal) as journal:
            assert "note" not in journal.facts()
        assert (await bench.run("forgot")).settled == 0


async def test_a_finished_source_is_not_needed_again(tmp_path: Path) -> None:
    """Go on from the journal alone, as whoever resumes has no stream any more; a new journal needs one."""
    async with Bench(tmp_path) as bench:
        await bench.run("forgot", IterableSource(users("ada"), name="a stream"))
        assert (await bench.run("forgot", KnownRows("a stream"))).all_done
        with pytest.raises(SourceError, match="is needed again"):
            await bench.run("forgot", KnownRows("a stream"), journal=tmp_path / "another")


@pytest.mark.parametrize("left", ["at its end", "early", "cancelled"])
async def test_a_job_that_is_run_again_reads_nothing_twice(left: str, tmp_path: Path) -> None:
    """Know the source again that the same job has read to its end, however its run was left."""
    async with Bench(tmp_path) as bench:
        job = bench.job("reset", IterableSource(users("ada", "bob", "eve")))
        async with aclosing(job.run()) as outcomes:
            await anext(outcomes)
            if left == "at its end":
                assert len([outcome async for outcome in outcomes]) == 2
        if left == "cancelled":
            again = asyncio.ensure_future(job.run_to_end())
            await asyncio.sleep(0)
            again.cancel()
            with pytest.raises(asyncio.CancelledError):
                await again
        states = dict((await job.run_to_end()).states)
    assert states.pop(State.UNKNOWN, 0) + states.pop(State.DONE) == 3  # what was on its way is for nobody to tell
    assert not states


async def test_a_source_that_refuses_leaves_no_task(tmp_path: Path) -> None:
    """Wait for nothing any more where a source gives no rows at all."""
    async with Bench(tmp_path) as bench:
        with pytest.raises(SourceError, match="is needed again"):
            await bench.run("forgot", KnownRows("a stream"))
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- a source that is used up -----------------------------------------------------------------------------------------


async def test_a_rehearsal_uses_a_generator_up(tmp_path: Path) -> None:
    """Say so, instead of finishing with nothing done; what can be read again is."""

    class Users:
        def __aiter__(self) -> AsyncIterator[str]:
            return users("ada")

    async with Bench(tmp_path) as bench:
        job = bench.job("forgot", IterableSource(users("ada")))
        assert (await job.dry_run()).rows == 1
        with pytest.raises(SourceError, match="read only once"):
            await job.run_to_end()
        job = bench.job("forgot", IterableSource(Users()))
        assert (await job.dry_run()).rows == 1
        assert (await job.run_to_end()).states == {State.DONE: 1}


async def test_a_rehearsal_finds_users_who_come_twice(tmp_path: Path) -> None:
    """Refuse in the rehearsal what the run would refuse, and leave nothing behind."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, ["ada", "bob", "ada", "eve", "bob"], secrets=False)
        job = bench.job("forgot")
        told = [outcome async for outcome in job.check()]
        assert [outcome.code for outcome in told] == [None, None, "DuplicateRow", None, "DuplicateRow"]
        estimate = await job.dry_run()
    assert (estimate.rows, estimate.faulty) == (5, 2)
    assert files_in(tmp_path) == {bench.source.name}


async def test_a_rehearsal_writes_down_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep in no file that anybody could find what a rehearsal remembers, also while it runs."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    async with Bench(tmp_path) as bench:
        job = bench.job("forgot", IterableSource(users(*(f"user{number}" for number in range(1200)))))
        async with aclosing(job.check()) as outcomes:
            assert (await anext(outcomes)).username == "user0"
            assert not files_in(tmp_path)


async def test_any_async_iterable_is_a_source(tmp_path: Path) -> None:
    """Take a generator as it is; refuse each of its rows that is none, and go on."""
    async with Bench(tmp_path) as bench:
        given: Any = users("ada", 5, None, ("bob",), b"eve", {"username": "eve"})
        told = await outcomes_of(bench.job("forgot", given))
    assert bench.service.users == ["ada", "eve"]
    refused = {outcome.line: outcome.reason for outcome in told if outcome.state is State.REFUSED}
    assert refused[2] == "is of type int, and neither a mapping nor a username"
    assert list(refused) == [2, 3, 4, 5]


# --- one journal, two jobs --------------------------------------------------------------------------------------------


OPEN = """
import sys
from pathlib import Path
from cognito_async.bulk import JournalInUseError, database, journal
database.CLAIM_PATIENCE = 0.0
try:
    journal.Journal(Path(sys.argv[1]))
except JournalInUseError as error:
    print(error)
"""


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("how", ["symlink", "no lock's file"])
def test_another_way_to_a_journal_in_use_is_no_way(how: str, *, again: bool, tmp_path: Path) -> None:
    """Find out that another process works on a journal, by whatever name, and where its lock was tidied away."""
    path, other = tmp_path / "j", tmp_path / "other"
    if again:
        Journal(path).close()
    with Journal(path):
        if how == "symlink":
            other.symlink_to(path)
        else:
            lock_of(path).unlink()
            other = path
        second = subprocess.run(
            [sys.executable, "-c", OPEN, other], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert second.stdout.startswith("another process is working on")
    Journal(other).close()


def test_who_only_reads_a_journal_keeps_no_job_from_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for whoever looks at a journal, for a while."""
    path = tmp_path / "j"
    Journal(path).close()
    with closing(sqlite3.connect(path)) as looking:
        looking.execute("PRAGMA journal_mode = WAL")
        looking.execute("SELECT count(*) FROM rows").fetchone()
        with monkeypatch.context() as patch:
            patch.setattr(database, "CLAIM_PATIENCE", 0.0)
            with pytest.raises(JournalInUseError, match="or reading it"):
                Journal(path)
        monkeypatch.setattr("time.sleep", lambda _: looking.close())
        Journal(path).close()


async def test_a_journal_that_is_a_link_to_itself(tmp_path: Path) -> None:
    """Say that it can't be used, instead of following it."""
    async with Bench(tmp_path) as bench:
        bench.journal.symlink_to(bench.journal)
        write_csv(bench.source, 1, secrets=False)
        with pytest.raises(JournalError, match="can't be used"):
            await bench.run("forgot")


@pytest.mark.parametrize("begun", [False, True])
def test_a_journal_with_two_names_is_refused(tmp_path: Path, *, begun: bool) -> None:
    """By the other name somebody could work on it unseen, and what is not in the file yet would be missing."""
    with Journal(tmp_path / "j") if begun else nullcontext():
        (tmp_path / "j").touch()
        os.link(tmp_path / "j", tmp_path / "other")
        with pytest.raises(JournalError, match="has a second name"):
            Journal(tmp_path / "other")


def test_a_journal_is_whole_though_somebody_reads_it(tmp_path: Path) -> None:
    """When a job ends, all of it is in the one file, also while a reader keeps the others from being removed."""
    path, copied = tmp_path / "j", tmp_path / "copy"
    with closing(sqlite3.connect(path)) as looking:
        with Journal(path) as journal:
            looking.execute("SELECT count(*) FROM rows").fetchone()
            journal.plan([Outcome(line=1, username="ada", state=State.PLANNED)], 0.0)
        copied.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(f"{copied.as_uri()}?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT username FROM rows").fetchall() == [("ada",)]


def test_a_lock_that_was_replaced_stays(tmp_path: Path) -> None:
    """Remove no lock but one's own."""
    path = tmp_path / "j"
    with Journal(path):
        lock_of(path).unlink()
        lock_of(path).touch()
    assert lock_of(path).exists()


async def test_a_job_is_run_once_at_a_time(tmp_path: Path) -> None:
    """Say how to leave a loop early, to whoever runs a job that is still being run."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 3, secrets=False)
        job = bench.job("forgot")
        async with aclosing(job.run()) as outcomes:
            await anext(outcomes)
            with pytest.raises(BulkError, match="aclosing"):
                await job.run_to_end()
        assert (await job.run_to_end()).states == {State.DONE: 3}


# --- odd arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", ["nonsense", ["nonsense"], [State.DONE], [State.PLANNED], [7]])
async def test_what_may_not_be_repeated_is_not(again: Any, tmp_path: Path) -> None:
    """Refuse states that nobody has, and those whose rows must not be sent again."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 1, secrets=False)
        with pytest.raises(ParameterValidationError, match=r"again must be of State\.DEFERRED"):
            await bench.run("forgot", again=again)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"source": 5}, "source must be a path"),
        ({"source": b"users.csv"}, "source must be a path"),
        ({"policy": "patient"}, "policy must be a BulkPolicy"),
        ({"passwords": "users.journal"}, "passwords must be another file than the journal"),
        ({"passwords": "users.journal-wal"}, "passwords must be another file than the journal"),
        ({"passwords": "users.csv"}, "passwords must be another file than input"),
        ({"passwords": "./a/../users.csv"}, "passwords must be another file than input"),
        ({"journal": "users.csv"}, "journal must be another file than input"),
    ],
)
async def test_arguments_are_checked_at_once(
    options: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refuse what can't be right before anything is opened, and two uses of one file."""
    monkeypatch.chdir(tmp_path)
    async with Bench(Path()) as bench:
        with pytest.raises(ParameterValidationError, match=told):
            bench.job("forgot", **options)
        with pytest.raises(ParameterValidationError, match="passwords must be another file than input"):
            bench.job("forgot", FileSource(bench.source), passwords=bench.source)
        with pytest.raises(SourceError, match="must be one of csv, jsonl"):
            FileSource(bench.source, "xml")  # type: ignore[arg-type]
    assert not files_in(tmp_path)


# --- the day's e-mail -------------------------------------------------------------------------------------------------


async def test_the_day_s_e_mail_has_a_name_of_its_own(tmp_path: Path) -> None:
    """Tell the pool's limit from the user's allowance, and what to do about it."""
    async with Bench(tmp_path, by_user(bob=NO_EMAIL)) as bench:
        write_csv(bench.source, ["ada", "bob"], secrets=False)
        summary = await bench.run("forgot")
    assert summary.ending is Ending.EMAIL_LIMIT
    assert summary.kinds == {(State.DEFERRED, "DailyEmailLimit"): 1}
    advice = advise("DailyEmailLimit", "forgot", State.DEFERRED)
    assert "SES" in advice.todo
    assert "hourly" not in advice.title
