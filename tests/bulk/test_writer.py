"""The writer: one thread, one commit for all that waits, and nobody left waiting when it fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from cognito_async.bulk import BulkError, JournalError, Outcome, State
from cognito_async.bulk.journal import Journal
from cognito_async.bulk.writer import Writer
from tests.support.bulk_server import Bench, look, write_csv


def row(line: int, state: State = State.PLANNED) -> Outcome:
    """Make a row."""
    return Outcome(line=line, username=f"user{line}", state=state)


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    """Open a writer on a journal with 100 planned rows."""
    writer = Writer(tmp_path / "j", lambda: 1.0)
    await writer.open(None)
    await writer.call(writer.journal.plan, [row(line) for line in range(1, 101)], 1.0)
    yield writer
    await writer.close()


async def test_what_waits_goes_into_one_commit(writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit once for rows that come together, and be durable when the wait is over."""
    batches: list[tuple[int, int]] = []
    write = Journal.write

    def count(self: Journal, sent: Sequence[int], outcomes: Sequence[Outcome], now: float) -> None:
        batches.append((len(sent), len(outcomes)))
        write(self, sent, outcomes, now)

    monkeypatch.setattr(Journal, "write", count)
    await asyncio.gather(*(writer.sent(line) for line in range(1, 101)))
    assert {state for (state,) in look(tmp_path / "j", "state")} == {"sent"}
    await asyncio.gather(*(writer.settled(row(line, State.DONE)) for line in range(1, 51)), writer.sent(60))
    assert batches == [(100, 0), (1, 50)]
    assert [state for (state,) in look(tmp_path / "j", "state")] == ["done"] * 50 + ["sent"] * 50


async def test_closing_writes_what_is_left(tmp_path: Path) -> None:
    """Write what nobody waited for."""
    writer = Writer(tmp_path / "j", lambda: 1.0)
    await writer.open(None)
    await writer.call(writer.journal.plan, [row(1)], 1.0)
    left = writer.sent(1)
    await writer.close()
    assert left.done()
    assert look(tmp_path / "j", "state") == [("sent",)]


async def test_a_writer_that_was_never_opened(tmp_path: Path) -> None:
    """Close without a journal, and say that there is none."""
    writer = Writer(tmp_path / "j", lambda: 1.0)
    with pytest.raises(BulkError, match="not open"):
        _ = writer.journal
    await writer.close()


@pytest.mark.parametrize(
    "error", [JournalError("full"), UnicodeError("half"), MemoryError()], ids=lambda e: type(e).__name__
)
async def test_an_error_reaches_all_who_wait_now_and_later(
    error: Exception, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let nobody wait for a commit that will never come, whatever the error is; write nothing after it."""

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", fail)
        async with asyncio.timeout(60):
            results = await asyncio.gather(*(writer.sent(line) for line in range(1, 11)), return_exceptions=True)
    assert results == [error] * 10
    with pytest.raises(type(error)):
        await writer.settled(row(1, State.DONE))


async def test_a_journal_that_fails_ends_the_job_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the error although rows wait with patience left, and send nothing more."""
    from cognito_async.bulk import BulkPolicy  # noqa: PLC0415
    from tests.support.bulk_server import THROTTLED, by_user  # noqa: PLC0415

    times, write = iter(range(99)), Journal.write

    def fail(self: Journal, sent: Sequence[int], outcomes: Sequence[Outcome], now: float) -> None:
        if next(times) == 4:
            raise JournalError("the disk is gone")
        write(self, sent, outcomes, now)

    async with Bench(tmp_path, by_user(user0=THROTTLED)) as bench, asyncio.timeout(60):
        write_csv(bench.source, 100)
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", fail)
            with pytest.raises(JournalError, match="disk is gone"):
                await bench.run("confirm", policy=BulkPolicy(patience=900.0))
        assert len(bench.service.requests) < 30
        bench.service.answer = by_user()
        assert (await bench.run("confirm")).all_done
