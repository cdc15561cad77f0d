"""Sources: files, pipes, standard input, iterables and the user pool."""

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from cognito_async import ParameterValidationError, ServiceError
from cognito_async.bulk import (
    FileSource,
    IterableSource,
    JobMismatchError,
    PoolSource,
    Row,
    SourceError,
    SourceInfo,
    State,
    StopReason,
    sources,
)
from cognito_async.bulk.csv_jsonl import Line, LineSplitter
from cognito_async.bulk.sources import BLOCK
from tests.support.bulk_server import JobHarness, ReceivedRequest, Reply, run_outcomes, write_csv
from tests.support.processes import ROOT, until
from tests.support.scripted_transport import refuse, respond

PROGRAM = Path(__file__).parent / "programs" / "job_from_stdin.py"
COLUMNS = ("username", "confirmation_code", "password")


async def read(source: FileSource, columns: tuple[str, ...] = COLUMNS) -> list[Row]:
    """Return all rows of a source."""
    async with asyncio.timeout(60), aclosing(source.chunks(columns)) as chunks:
        return [row async for rows in chunks for row in rows]


async def each(rows: Iterable[Mapping[str, str]]) -> AsyncIterator[Mapping[str, str]]:
    """Yield rows."""
    for row in rows:
        yield row


async def test_file_source_long_file_yields_small_chunks(tmp_path: Path) -> None:
    """A file that is longer than a block is read completely, in order, in small chunks."""
    path = write_csv(tmp_path / "users.csv", 5000)
    async with aclosing(FileSource(path).chunks(COLUMNS)) as chunks:
        sizes = [len(rows) async for rows in chunks]
    assert sum(sizes) == 5000
    assert max(sizes) < BLOCK / 20
    assert [row.line for row in await read(FileSource(path))] == list(range(2, 5002))


async def test_fingerprint_changes_with_content_and_salt(tmp_path: Path) -> None:
    """The fingerprint is stable, and changes with the content and the salt."""
    path = write_csv(tmp_path / "users.csv", 10)
    source = FileSource(path)
    first = await source.info(b"salt")
    assert await source.info(b"salt") == first
    assert first.lines == 10
    assert (await source.info(b"pepper")).fingerprint != first.fingerprint
    path.write_bytes(path.read_bytes() + b"\n")
    assert (await source.info(b"salt")).fingerprint != first.fingerprint


async def test_fingerprint_is_slow(tmp_path: Path) -> None:
    """The fingerprint uses many rounds, so that short files of passwords cannot be guessed."""
    assert sources.FINGERPRINT_ROUNDS >= 100_000


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent.csv", "absent.csv not found"),
        (".", "format"),
        ("folder.csv", "Is a directory"),
    ],
)
async def test_file_source_unreadable_file_raises_source_error(name: str, problem: str, tmp_path: Path) -> None:
    """Missing files, directories and unknown formats raise SourceError."""
    (tmp_path / "folder.csv").mkdir()
    async with JobHarness(tmp_path) as harness:
        with pytest.raises(SourceError, match=problem):
            await harness.run("confirm", tmp_path / name)
        assert not harness.service.requests


@pytest.mark.parametrize("action", ["confirm", "forgot"])
async def test_job_invalid_rows_are_refused_and_others_sent(action: str, tmp_path: Path) -> None:
    """Invalid rows are refused with line and reason; the other rows are sent."""
    async with JobHarness(tmp_path) as harness:
        text = write_csv(harness.source, ["ada", "bob", "ada", "eve"]).read_bytes()
        text += b"broken\nzoe,123456,Passw0rd!,more\n,123456,Passw0rd!\n" + b"x" * 129 + b",123456,Passw0rd!\n"
        text += b"nul\0,123456,Passw0rd!\n" + b"y" * 1_000_000 + b"\nian,123456,Passw0rd!\n"
        harness.source.write_bytes(text)
        outcomes = await run_outcomes(harness.job(action))
        assert sorted(harness.service.users) == ["ada", "bob", "eve", "ian"]
    refused = {outcome.line: str(outcome.reason) for outcome in outcomes if outcome.state is State.REFUSED}
    reasons = ["line 2", "1 field;", "4 fields", "username", "username", "NUL", "longer"]
    assert list(refused) == [4, 6, 7, 8, 9, 10, 11]
    assert not [line for line, reason in zip(refused, reasons, strict=True) if reason not in refused[line]]
    assert {outcome.code for outcome in outcomes} == {None, "DuplicateRow", "InvalidRow"}
    assert harness.counts() == {"done": 4, "refused": 7}


@pytest.mark.parametrize("password", ["", " \t ", '"  "'])
@pytest.mark.parametrize("form", ["csv", "iterable"])
async def test_row_without_password_is_refused(password: str, form: str, tmp_path: Path) -> None:
    """An empty cell is a missing value; the row names its user, and nothing is sent for it."""
    async with JobHarness(tmp_path) as harness:
        harness.source.write_text(f"username;confirmation_code;password\nada;123456;{password}\nbob;123456;Passw0rd!\n")
        rows = [row.values for row in await read(FileSource(harness.source))]
        for action in ("confirm", "set-password"):
            source = harness.source if form == "csv" else IterableSource(each(rows))
            assert (await harness.job(action, source).dry_run()).invalid == 1
            source = harness.source if form == "csv" else IterableSource(each(rows))
            outcomes = await run_outcomes(harness.job(action, source, journal=tmp_path / action))
            assert [(row.username, row.code, row.reason) for row in outcomes if row.state is State.REFUSED] == [
                ("ada", "InvalidRow", "password is missing")
            ]
    assert harness.service.users == ["bob", "bob"]


@pytest.mark.parametrize("action", ["confirm", "forgot"])
async def test_file_that_is_not_utf_8_sends_nothing(action: str, tmp_path: Path) -> None:
    """A file in Windows-1252 is rejected as a whole, also if the only such character is in an ignored column."""
    async with JobHarness(tmp_path) as harness:
        names = ("username,confirmation_code,password,city", *(f"user{n},123456,Passw0rd!,Berlin" for n in range(3000)))
        text = "\r\n".join([*names, "ada,123456,Passw0rd!,K\xf6ln", "eve,123456,Passw0rd!,K\xf6ln"])
        harness.source.write_bytes(text.encode("cp1252"))
        job = harness.job(action)
        for use in (job.run_to_end, job.dry_run, job.run_to_end):
            with pytest.raises(SourceError, match=r"line 3002 of .*CSV UTF-8") as caught:
                await use()
            assert caught.value.line == 3002
        assert not harness.service.requests
        harness.source.write_text(text, encoding="utf-8")
        assert (await job.run_to_end()).states == {State.DONE: 3002}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("shift", range(-3, 4))
async def test_file_source_finds_the_first_line_that_is_not_utf_8(end: str, shift: int, tmp_path: Path) -> None:
    """Neither characters nor line ends that are divided between two reads lead to an error or to another line."""
    path, start = tmp_path / "users.csv", f"username{end}"
    path.write_bytes(f"{start}{'x' * (BLOCK - len(start) + shift)}{end}\u20ac{end}\u00e9{end}".encode())
    source = FileSource(path)
    assert (await source.info(b"")).lines == 3
    assert (source._invalid_line, len(await read(source, ("username",)))) == (None, 3)
    for line, tail in {5: b"\xe9 is e", 4: b"\xe2\x82"}.items():
        text = path.read_bytes() if line == 5 else path.read_bytes().removesuffix(f"\u00e9{end}".encode())
        broken = FileSource(tmp_path / "broken.csv")
        (tmp_path / "broken.csv").write_bytes(text + tail)
        await broken.info(b"")
        assert broken._invalid_line == line


async def test_line_of_a_pipe_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """A pipe cannot be checked in advance."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    async with JobHarness(tmp_path) as harness:
        writing = asyncio.create_task(asyncio.to_thread(pipe.write_bytes, b"username\nada\nb\xff\neve\n"))
        outcomes = await run_outcomes(harness.job("forgot", FileSource(pipe)))
        await writing
    assert [str(row.reason) for row in outcomes if row.state is State.REFUSED] == ["the line is not UTF-8 (byte 2)"]
    assert sorted(harness.service.users) == ["ada", "eve"]


@pytest.mark.parametrize("action", ["confirm", "forgot"])
@pytest.mark.parametrize("bad", ["broken", "user1,123456,Passw0rd!"], ids=["broken", "duplicate"])
async def test_strict_job_invalid_last_row_sends_nothing(action: str, bad: str, tmp_path: Path) -> None:
    """A strict job with an invalid last row sends nothing, and runs once the row is fixed."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 2000)
        with harness.source.open("a") as file:
            file.write(f"{bad}\n")
        for _ in range(2):
            with pytest.raises(SourceError, match="line 2002 of") as caught:
                await harness.run(action, strict=True)
            assert caught.value.line == 2002
        assert not harness.service.requests
        write_csv(harness.source, 2000)
        assert (await harness.run(action, strict=True)).all_done


@pytest.mark.parametrize("action", ["confirm", "forgot"])
@pytest.mark.parametrize("rows", [0, 1, 3000])
async def test_file_source_named_pipe_is_read_completely(action: str, rows: int, tmp_path: Path) -> None:
    """A named pipe is read while it is written."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    async with JobHarness(tmp_path) as harness:
        writing = asyncio.create_task(asyncio.to_thread(write_csv, pipe, rows))
        summary = await harness.run(action, FileSource(pipe))
        await writing
    assert (len(harness.service.requests), summary.states.get(State.DONE, 0)) == (rows, rows)


def run_program(action: str, journal: Path, text: bytes) -> list[object]:
    """Run a job in another process with the given standard input."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", PROGRAM, action, journal],
        input=text, capture_output=True, check=False, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert not done.returncode, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_file_source_standard_input_resumes_without_repeats(tmp_path: Path) -> None:
    """Rows from standard input are sent once, also if they are piped in again."""
    text = b"username\nada\nbob\nada\n"
    *outcomes, ending = run_program("forgot", tmp_path / "j", text)
    assert outcomes == [
        [4, "ada", "refused", "duplicate of line 2"],
        [2, "ada", "done", None],
        [3, "bob", "done", None],
    ]
    assert run_program("forgot", tmp_path / "j", text) == [ending] == ["finished"]


async def test_job_stream_again_accepts_only_the_same_rows(tmp_path: Path) -> None:
    """A stream can be passed again; other or fewer rows raise JobMismatchError."""

    async def rows(*users: str) -> AsyncIterator[dict[str, str]]:
        for user in users:
            yield {"username": user, "confirmation_code": "123456", "password": "Passw0rd!"}

    async with JobHarness(tmp_path) as harness:
        job = harness.job("confirm", IterableSource(rows("ada", "bob", "eve")))
        await job.run_to_end()
        second = await harness.run("confirm", IterableSource(rows("ada", "bob", "eve")))
        assert (second.settled, len(harness.service.requests)) == (0, 3)
        with pytest.raises(JobMismatchError, match="line 2 of rows"):
            await harness.run("confirm", IterableSource(rows("ada", "zoe", "eve")))
        with pytest.raises(JobMismatchError, match="line 2"):
            await harness.run("confirm", IterableSource(rows("ada", "bob")))
        assert len(harness.service.requests) == 3


async def test_stop_ends_job_on_silent_pipe(tmp_path: Path) -> None:
    """A job stops while its pipe is silent, whether or not it has a writer."""
    for opened in (True, False):
        pipe = tmp_path / f"pipe{opened}.csv"
        os.mkfifo(pipe)
        held = os.open(pipe, os.O_RDWR) if opened else None
        async with JobHarness(tmp_path) as harness, asyncio.timeout(60):
            job = harness.job("forgot", FileSource(pipe), journal=tmp_path / f"{opened}.journal")
            run = asyncio.create_task(job.run_to_end())
            await until(lambda: [thread for thread in threading.enumerate() if "input" in thread.name])
            job.stop()
            assert (await run).ending is StopReason.STOPPED
            if held is not None:
                os.close(held)
            for thread in threading.enumerate():
                while "input" in thread.name and thread.is_alive():
                    os.close(os.open(pipe, os.O_RDWR))  # unblocks the thread once it has opened the pipe
                    await asyncio.to_thread(thread.join, 0.05)
        gc.collect()  # reports files that were not closed


async def test_job_unexpected_read_error_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unexpected errors of the reading thread reach the caller."""

    def fail(self: LineSplitter, block: bytes) -> list[Line]:
        raise MemoryError

    def reject(*_: object, **__: object) -> None:
        raise ValueError("embedded null byte")

    async with JobHarness(tmp_path) as harness, asyncio.timeout(60):
        write_csv(harness.source, 3)
        with monkeypatch.context() as patch:
            patch.setattr(LineSplitter, "lines", fail)
            with pytest.raises(MemoryError):
                await harness.run("forgot")
        source = FileSource(harness.source)
        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", reject)
            with pytest.raises(ValueError, match="null byte"):
                await read(source)


# --- iterables and the user pool ---


@pytest.mark.parametrize(
    "rows",
    [["ada", "bob"], ("ada", "bob"), ({"username": name} for name in ("ada", "bob")), {"ada": 1, "bob": 2}.keys()],
    ids=["list", "tuple", "generator", "keys"],
)
async def test_job_reads_any_iterable(rows: Any, tmp_path: Path) -> None:
    """Usernames in memory need no asynchronous generator; the job is resumed with the same rows."""
    async with JobHarness(tmp_path) as harness:
        job = harness.job("reset", rows)
        assert (await job.run_to_end()).states == {State.DONE: 2}
        assert harness.service.users == ["ada", "bob"]
        assert (await harness.run("reset", IterableSource(["ada", "bob"], lines=2))).settled == 0
        with pytest.raises(JobMismatchError):
            await harness.run("reset", IterableSource(["ada", "eve"]), journal=harness.journal)


async def test_long_iterable_is_read_in_chunks() -> None:
    """A list longer than a chunk keeps its order."""
    async with aclosing(IterableSource(f"user{n}" for n in range(1200)).chunks(("username",))) as chunks:
        read_in = [rows async for rows in chunks]
    assert [len(rows) for rows in read_in] == [500, 500, 200]
    assert [row.line for rows in read_in for row in rows] == list(range(1, 1201))


@pytest.mark.parametrize("rows", [{"username": "ada"}, b"ada", 17, None])
async def test_source_of_another_type_is_rejected_when_it_is_created(rows: Any, tmp_path: Path) -> None:
    """A single row is not a list of rows."""
    with pytest.raises(ParameterValidationError, match="rows"):
        IterableSource(rows)
    async with JobHarness(tmp_path) as harness:
        if rows is not None:
            with pytest.raises(ParameterValidationError, match="source"):
                harness.job("reset", rows)
    with pytest.raises(ParameterValidationError, match="rows"):
        IterableSource("ada")


async def test_missing_file_of_a_new_job_does_not_mention_progress(tmp_path: Path) -> None:
    """Nothing has been sent that could be resumed; the path is more likely to be wrong."""
    async with JobHarness(tmp_path) as harness:
        with pytest.raises(SourceError, match=r"absent\.csv not found; check the path") as caught:
            await harness.run("confirm", tmp_path / "absent.csv")
    assert "progress" not in str(caught.value)


async def iterate(*rows: Mapping[str, str] | str) -> AsyncIterator[Mapping[str, str] | str]:
    """Yield rows."""
    for row in rows:
        yield row


async def test_iterable_source_accepts_usernames_and_mappings(tmp_path: Path) -> None:
    """Usernames and mappings are rows; a row without the column is refused."""
    async with JobHarness(tmp_path) as harness:
        given: Any = IterableSource(iterate("ada", {"username": "bob"}, {"user": "eve"}, {"username": 7}))  # type: ignore[dict-item]
        outcomes = await run_outcomes(harness.job("forgot", given))
    assert harness.service.users == ["ada", "bob"]
    assert {outcome.line: outcome.reason for outcome in outcomes if outcome.state is State.REFUSED} == {
        3: "username is missing",
        4: "username must be a string",
    }


async def test_iterable_source_yields_chunks_and_reports_length() -> None:
    """Rows are yielded in chunks, and the number of rows is reported if known."""
    source = IterableSource(iterate(*(f"user{number}" for number in range(1200))), lines=1200)
    assert [len(rows) async for rows in source.chunks(("username",))] == [500, 500, 200]
    assert await source.info(b"") == SourceInfo(lines=1200)


async def test_job_empty_source_finishes(tmp_path: Path) -> None:
    """A job without rows finishes."""
    async with JobHarness(tmp_path) as harness:
        summary = await harness.run("forgot", IterableSource(iterate()))
    assert (summary.ending, summary.states) == (StopReason.FINISHED, {})


def test_row_repr_has_no_values() -> None:
    """The repr of a row holds no password."""
    assert repr(Row(3, {"username": "ada", "password": "secret"})) == "Row(line=3, error=None)"


USERS = [
    {
        "Username": f"user{number}",
        "UserStatus": "CONFIRMED" if number % 2 else "RESET_REQUIRED",
        "Attributes": [{"Name": "email_verified", "Value": "true" if number % 3 else "false"}],
    }
    for number in range(150)
]


def pool(request: ReceivedRequest) -> Reply:
    """List users in pages, and accept other requests."""
    if request.operation != "ListUsers":
        return respond()
    start = int(request.body.get("PaginationToken", "0"))
    end = start + request.body["Limit"]
    page: dict[str, Any] = {"Users": USERS[start:end]}
    if end < len(USERS):
        page["PaginationToken"] = str(end)
    return respond(body=json.dumps(page).encode())


async def test_pool_source_is_listed_before_first_request(tmp_path: Path) -> None:
    """The whole user pool is listed before the job changes its users."""
    async with JobHarness(tmp_path, pool) as harness:
        summary = await harness.run("reset", PoolSource(harness.client()))
        operations = [request.operation for request in harness.service.requests]
        assert operations == ["ListUsers"] * 3 + ["AdminResetUserPassword"] * 150
        assert summary.states == {State.DONE: 150}
        second = await harness.run("reset", PoolSource(harness.client()))
    assert (second.settled, len(harness.service.requests)) == (0, 153)


@pytest.mark.parametrize(
    ("options", "sent_filter", "count"),
    [
        ({}, None, 150),
        ({"filter": 'email ^= "a"'}, 'email ^= "a"', 150),
        ({"status": "CONFIRMED"}, 'cognito:user_status = "CONFIRMED"', 75),
        ({"filter": 'email ^= "a"', "status": "CONFIRMED"}, 'email ^= "a"', 75),
        ({"status": "confirmed"}, 'cognito:user_status = "CONFIRMED"', 75),
        ({"attributes": {"email_verified": "true"}}, None, 100),
        ({"attributes": {"email_verified": "true"}, "status": "CONFIRMED"}, 'cognito:user_status = "CONFIRMED"', 50),
        ({"attributes": {"phone_number": "1"}}, None, 0),
    ],
    ids=["all", "filter", "status", "both", "lower case", "attributes", "attributes and status", "none"],
)
async def test_pool_source_selects_users(
    options: dict[str, Any], sent_filter: str | None, count: int, tmp_path: Path
) -> None:
    """The filter is sent to the service; status and attributes are applied to its response."""
    async with JobHarness(tmp_path, pool) as harness:
        summary = await harness.run("reset", PoolSource(harness.client(), **options))
    assert harness.service.requests[0].body.get("Filter") == sent_filter
    assert summary.states.get(State.DONE, 0) == count


async def test_pool_source_unknown_status_raises_parameter_validation_error(tmp_path: Path) -> None:
    """A misspelled status would select no users."""
    async with JobHarness(tmp_path, pool) as harness:
        with pytest.raises(ParameterValidationError, match="RESET_REQUIRED"):
            PoolSource(harness.client(), status="ACTIVE")


async def test_pool_source_with_other_selection_raises_job_mismatch(tmp_path: Path) -> None:
    """A journal rejects another selection of users."""
    async with JobHarness(tmp_path, pool) as harness:
        await harness.run("reset", PoolSource(harness.client(), status="CONFIRMED"))
        with pytest.raises(JobMismatchError, match="source"):
            await harness.run("reset", PoolSource(harness.client()))


async def test_pool_source_action_with_secrets_raises_source_error(tmp_path: Path) -> None:
    """Actions that need more than usernames are rejected."""
    async with JobHarness(tmp_path, pool) as harness:
        with pytest.raises(SourceError, match="confirmation_code, password"):
            await harness.run("confirm", PoolSource(harness.client()))
        assert not harness.service.requests


async def test_pool_source_failed_listing_restarts(tmp_path: Path) -> None:
    """A failed listing sends nothing, and is repeated completely by the next run."""

    def failing(request: ReceivedRequest) -> Reply:
        return refuse("NotAuthorizedException") if request.body.get("PaginationToken") == "120" else pool(request)

    async with JobHarness(tmp_path, failing) as harness:
        with pytest.raises(ServiceError):
            await harness.run("reset", PoolSource(harness.client()))
        assert {request.operation for request in harness.service.requests} == {"ListUsers"}
        harness.service.respond = pool
        summary = await harness.run("reset", PoolSource(harness.client()))
    assert summary.states == {State.DONE: 150}
