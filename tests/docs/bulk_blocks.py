"""Checks for the blocks of docs/bulk.md."""

import asyncio
import signal

import pytest

from cognito_async.bulk import Job, JournalError, State, StopReason
from cognito_async.bulk.journal import read_status
from tests.docs.reader import ADA, NEW, TIMEOUT, Check, Reader
from tests.support.docs import Block
from tests.support.processes import until


async def stops_at_ctrl_c(block: Block, reader: Reader) -> None:
    """The program of the first block, interrupted during a long list: no row is left unknown or in flight."""
    journal = reader.folder / "users.journal"
    journal.unlink()
    (reader.folder / "users.csv").write_text("username\n" + "".join(f"user{n}\n" for n in range(200)))
    async with asyncio.timeout(TIMEOUT), reader.started("-W", "error", str(reader.save(block))) as process:
        await until(lambda: _is_sending(reader))
        process.send_signal(signal.SIGINT)
        output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b""), output
    assert set(read_status(journal).states) == {State.REFUSED, State.PLANNED}
    journal.unlink()
    (reader.folder / "users.csv").write_text(f"username\n{ADA}\n")
    await reader.run("-W", "error", str(reader.save(block)))


def _is_sending(reader: Reader) -> bool:
    try:
        return State.REFUSED in read_status(reader.folder / "users.journal").states
    except JournalError:  # it does not exist yet
        return False


async def describes_a_job(block: Block, reader: Reader) -> None:
    """Functions that check, run and repeat a job, and print its summary."""
    names = reader.names(block)
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", printed.append)
        async with reader.pool.session() as session:
            client = session.client(user_pool_id=reader.pool.user_pool_id)
            job = Job(client, "sign-out", [ADA, "missing", ADA], journal=reader.folder / "j")
            await names["check_and_run"](job)
            await names["retry"](job)
            assert job.summary.ending is StopReason.FINISHED
    assert printed[0] == "3 rows, 1 invalid, 0 min"
    text = {"finished: 1 done, 2 refused", "1 refused: DuplicateRow", "1 refused: UserNotFoundException"}
    assert [set(each.splitlines()) for each in printed[1:]] == [text, text]


async def maps_columns(block: Block, reader: Reader) -> None:
    """A job on a file with other columns."""
    path = reader.folder / "crm.csv"
    path.write_text(f"Nr;E-Mail;Kennwort\n1;{ADA};{NEW}\n2;bob@example.com;\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(reader.folder)
        async with reader.pool.session() as session:
            client = session.client(reader.pool.client_id, user_pool_id=reader.pool.user_pool_id)
            summary = await reader.names(block)["crm_job"](client, path).run_to_end()
            assert summary.states == {State.DONE: 1, State.REFUSED: 1}
            assert await client.verify_password(username=ADA, password=NEW)


CHECKS: list[Check] = [describes_a_job, maps_columns]
