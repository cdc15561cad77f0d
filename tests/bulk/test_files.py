"""Rows from files, pipes and standard input."""

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from cognito_async.bulk import Ending, FileSource, IterableSource, JobMismatchError, Row, SourceError, State
from cognito_async.bulk.files import BLOCK
from cognito_async.bulk.formats import Line, Splitter
from tests.support.bulk_server import Bench, outcomes_of, write_csv
from tests.support.processes import ROOT, until

PROGRAM = Path(__file__).parent / "programs" / "from_stdin.py"
COLUMNS = ("username", "confirmation_code", "password")


async def read(source: FileSource, columns: tuple[str, ...] = COLUMNS) -> list[Row]:
    """Read all rows."""
    async with asyncio.timeout(60), aclosing(source.chunks(columns)) as chunks:
        return [row async for rows in chunks for row in rows]


async def test_a_file_is_read_in_blocks(tmp_path: Path) -> None:
    """Give all rows of a file that is longer than a block, in order, and a few at a time."""
    path = write_csv(tmp_path / "users.csv", 5000)
    async with aclosing(FileSource(path).chunks(COLUMNS)) as chunks:
        sizes = [len(rows) async for rows in chunks]
    assert sum(sizes) == 5000
    assert max(sizes) < BLOCK / 20
    assert [row.line for row in await read(FileSource(path))] == list(range(2, 5002))


async def test_a_fingerprint_changes_with_the_content_and_the_salt(tmp_path: Path) -> None:
    """Know a file again; a byte more, or another salt, makes another fingerprint."""
    path = write_csv(tmp_path / "users.csv", 10)
    source = FileSource(path)
    first = await source.extent(b"salt")
    assert await source.extent(b"salt") == first
    assert first.lines == 10
    assert (await source.extent(b"pepper")).fingerprint != first.fingerprint
    path.write_bytes(path.read_bytes() + b"\n")
    assert (await source.extent(b"salt")).fingerprint != first.fingerprint


async def test_a_fingerprint_takes_its_time(tmp_path: Path) -> None:
    """Make guessing the passwords of a short file cost something."""
    from cognito_async.bulk import files  # noqa: PLC0415 - to look at a number

    assert files.ROUNDS >= 100_000


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("absent.csv", "absent.csv is not there"),
        (".", "Name it"),
        ("folder.csv", "Is a directory"),
    ],
)
async def test_a_file_that_cannot_be_read(name: str, told: str, tmp_path: Path) -> None:
    """Say so, in words about the input."""
    (tmp_path / "folder.csv").mkdir()
    async with Bench(tmp_path) as bench:
        with pytest.raises(SourceError, match=told):
            await bench.run("confirm", tmp_path / name)
        assert not bench.service.requests


@pytest.mark.parametrize("action", ["confirm", "forgot"])
async def test_broken_rows_are_refused_and_the_job_goes_on(action: str, tmp_path: Path) -> None:
    """Count what can't be sent as refused, with line and reason, and do the rest."""
    async with Bench(tmp_path) as bench:
        text = write_csv(bench.source, ["ada", "bob", "ada", "eve"]).read_bytes()
        text += b"broken\nzoe,123456,Passw0rd!,more\n,123456,Passw0rd!\n" + b"x" * 129 + b",123456,Passw0rd!\n"
        text += b"nul\0,123456,Passw0rd!\n\xff,123456,Passw0rd!\n" + b"y" * 1_000_000 + b"\nian,123456,Passw0rd!\n"
        bench.source.write_bytes(text)
        told = await outcomes_of(bench.job(action))
        assert sorted(bench.service.users) == ["ada", "bob", "eve", "ian"]
    refused = {outcome.line: str(outcome.reason) for outcome in told if outcome.state is State.REFUSED}
    reasons = ["line 2", "1 fields", "4 fields", "username", "username", "NUL", "UTF-8", "longer"]
    assert list(refused) == [4, 6, 7, 8, 9, 10, 11, 12]
    assert not [line for line, reason in zip(refused, reasons, strict=True) if reason not in refused[line]]
    assert {outcome.code for outcome in told} == {None, "DuplicateRow", "InvalidRow"}
    assert bench.counts() == {"done": 4, "refused": 8}


@pytest.mark.parametrize("action", ["confirm", "forgot"])
@pytest.mark.parametrize("bad", ["broken", "user1,123456,Passw0rd!"], ids=["broken", "duplicate"])
async def test_strictness_stops_before_anything_is_sent(action: str, bad: str, tmp_path: Path) -> None:
    """Read all first under ``strict``, and send nothing where the last row is bad, however often it is tried."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 2000)
        with bench.source.open("a") as file:
            file.write(f"{bad}\n")
        for _ in range(2):
            with pytest.raises(SourceError, match="line 2002 of") as caught:
                await bench.run(action, strict=True)
            assert caught.value.line == 2002
        assert not bench.service.requests
        write_csv(bench.source, 2000)
        assert (await bench.run(action, strict=True)).all_done


@pytest.mark.parametrize("action", ["confirm", "forgot"])
@pytest.mark.parametrize("rows", [0, 1, 3000])
async def test_a_named_pipe(action: str, rows: int, tmp_path: Path) -> None:
    """Read a pipe while it is written."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    async with Bench(tmp_path) as bench:
        writing = asyncio.create_task(asyncio.to_thread(write_csv, pipe, rows))
        summary = await bench.run(action, FileSource(pipe))
        await writing
    assert (len(bench.service.requests), summary.states.get(State.DONE, 0)) == (rows, rows)


def run_program(action: str, journal: Path, text: bytes) -> list[object]:
    """Run a job in a process of its own with these bytes for its standard input."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", PROGRAM, action, journal],
        input=text, capture_output=True, check=False, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert not done.returncode, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_standard_input(tmp_path: Path) -> None:
    """Read rows that another program pipes in; resumed with the same, nothing is repeated."""
    text = b"username\nada\nbob\nada\n"
    *told, ending = run_program("forgot", tmp_path / "j", text)
    assert told == [
        [4, "ada", "refused", "the user has come before, in line 2"],
        [2, "ada", "done", None],
        [3, "bob", "done", None],
    ]
    assert run_program("forgot", tmp_path / "j", text) == [ending] == ["finished"]


async def test_a_pipe_may_be_piped_in_again(tmp_path: Path) -> None:
    """Go on with rows that are piped in once more; refuse others, and fewer."""

    async def rows(*users: str) -> AsyncIterator[dict[str, str]]:
        for user in users:
            yield {"username": user, "confirmation_code": "123456", "password": "Passw0rd!"}

    async with Bench(tmp_path) as bench:
        job = bench.job("confirm", IterableSource(rows("ada", "bob", "eve")))
        await job.run_to_end()
        again = await bench.run("confirm", IterableSource(rows("ada", "bob", "eve")))
        assert (again.settled, len(bench.service.requests)) == (0, 3)
        with pytest.raises(JobMismatchError, match="line 2 of rows is about another user"):
            await bench.run("confirm", IterableSource(rows("ada", "zoe", "eve")))
        with pytest.raises(JobMismatchError, match="ends at line 2"):
            await bench.run("confirm", IterableSource(rows("ada", "bob")))
        assert len(bench.service.requests) == 3


async def test_a_stop_ends_a_pipe_that_gives_nothing(tmp_path: Path) -> None:
    """Stop while a pipe is silent, whether anybody has opened it for writing or not."""
    for opened in (True, False):
        pipe = tmp_path / f"pipe{opened}.csv"
        os.mkfifo(pipe)
        held = os.open(pipe, os.O_RDWR) if opened else None
        async with Bench(tmp_path) as bench, asyncio.timeout(60):
            job = bench.job("forgot", FileSource(pipe), journal=tmp_path / f"{opened}.journal")
            run = asyncio.create_task(job.run_to_end())
            await until(lambda: [thread for thread in threading.enumerate() if "input" in thread.name])
            job.stop()
            assert (await run).ending is Ending.STOPPED
            if held is not None:
                os.close(held)
            for thread in threading.enumerate():
                while "input" in thread.name and thread.is_alive():
                    os.close(os.open(pipe, os.O_RDWR))  # lets it go, once it has come so far as to open the pipe
                    await asyncio.to_thread(thread.join, 0.05)
        gc.collect()  # a file that nobody closed would be told of now


async def test_whatever_goes_wrong_with_reading_ends_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no job wait for a thread that has died of something unexpected."""

    def fail(self: Splitter, block: bytes) -> list[Line]:
        raise MemoryError

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("embedded null byte")

    async with Bench(tmp_path) as bench, asyncio.timeout(60):
        write_csv(bench.source, 3)
        with monkeypatch.context() as patch:
            patch.setattr(Splitter, "lines", fail)
            with pytest.raises(MemoryError):
                await bench.run("forgot")
        source = FileSource(bench.source)
        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", refuse)
            with pytest.raises(ValueError, match="null byte"):
                await read(source)
