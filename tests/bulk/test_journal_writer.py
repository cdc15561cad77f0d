"""The journal writer: group commits, and errors reach every waiter."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from cognito_async.bulk import BulkPolicy, JournalError, Outcome, State
from cognito_async.bulk.journal import Journal
from cognito_async.bulk.journal_writer import JournalWriter
from tests.support.bulk_server import THROTTLED, JobHarness, by_user, journal_columns, write_csv


def row(line: int, state: State = State.PLANNED) -> Outcome:
    """Return a row."""
    return Outcome(line=line, username=f"user{line}", state=state)


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[JournalWriter]:
    """Open a writer on a journal with 100 planned rows."""
    writer = JournalWriter(tmp_path / "j", lambda: 1.0)
    await writer.call(writer.open, None)
    await writer.call(writer.journal.add_rows, [row(line) for line in range(1, 101)], 1.0)
    yield writer
    await writer.close()


async def test_concurrent_writes_share_one_commit(
    writer: JournalWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that arrive together share a commit, which is durable when awaited."""
    batches: list[tuple[int, int]] = []
    write = Journal.write

    def count(self: Journal, sent: Sequence[int], outcomes: Sequence[Outcome], now: float) -> None:
        batches.append((len(sent), len(outcomes)))
        write(self, sent, outcomes, now)

    monkeypatch.setattr(Journal, "write", count)
    await asyncio.gather(*(writer.mark_sent(line) for line in range(1, 101)))
    assert {state for (state,) in journal_columns(tmp_path / "j", "state")} == {"sent"}
    await asyncio.gather(*(writer.record(row(line, State.DONE)) for line in range(1, 51)), writer.mark_sent(60))
    assert batches == [(100, 0), (1, 50)]
    assert [state for (state,) in journal_columns(tmp_path / "j", "state")] == ["done"] * 50 + ["sent"] * 50


async def test_close_writes_pending_rows(tmp_path: Path) -> None:
    """Closing writes what is pending."""
    writer = JournalWriter(tmp_path / "j", lambda: 1.0)
    await writer.call(writer.open, None)
    await writer.call(writer.journal.add_rows, [row(1)], 1.0)
    pending = writer.mark_sent(1)
    await writer.close()
    assert pending.done()
    assert journal_columns(tmp_path / "j", "state") == [("sent",)]


async def test_unopened_writer_can_be_closed(tmp_path: Path) -> None:
    """A writer that was not opened can be closed."""
    writer = JournalWriter(tmp_path / "j", lambda: 1.0)
    await writer.close()


@pytest.mark.parametrize(
    "error", [JournalError("full"), UnicodeError("half"), MemoryError()], ids=lambda e: type(e).__name__
)
async def test_write_error_reaches_every_waiter(
    error: Exception, writer: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error reaches all waiters, and nothing is written after it."""

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", fail)
        async with asyncio.timeout(60):
            results = await asyncio.gather(*(writer.mark_sent(line) for line in range(1, 11)), return_exceptions=True)
    assert results == [error] * 10
    with pytest.raises(type(error)):
        await writer.record(row(1, State.DONE))


async def test_journal_error_ends_job_immediately(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is raised although rows are in backoff, and nothing more is sent."""
    times, write = iter(range(99)), Journal.write

    def fail(self: Journal, sent: Sequence[int], outcomes: Sequence[Outcome], now: float) -> None:
        if next(times) == 4:
            raise JournalError("disk failure")
        write(self, sent, outcomes, now)

    async with JobHarness(tmp_path, by_user(user0=THROTTLED)) as harness, asyncio.timeout(60):
        write_csv(harness.source, 100)
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", fail)
            with pytest.raises(JournalError, match="disk failure"):
                await harness.run("confirm", policy=BulkPolicy(patience=900.0))
        assert len(harness.service.requests) < 30
        harness.service.respond = by_user()
        assert (await harness.run("confirm")).all_done
