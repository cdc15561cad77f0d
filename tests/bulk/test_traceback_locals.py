"""Tracebacks of jobs with local variables, as error reporters collect them, contain no passwords, codes or secrets."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cognito_async.bulk import (
    BulkError,
    FileSource,
    IterableSource,
    JobMismatchError,
    JournalError,
    JournalLostError,
    SourceError,
    actions,
    set_password,
)
from cognito_async.bulk.journal import Journal
from cognito_async.bulk.journal_writer import PasswordFile
from cognito_async.errors import SessionClosedError
from tests.bulk.test_journal import file_limit, is_full
from tests.support.bulk_server import JobHarness, ReceivedRequest, Reply, lost_connection, write_csv
from tests.support.canaries import CANARY, canary, leaking_frames
from tests.support.scripted_transport import respond

HEADER = "username,confirmation_code,password\n"
ROWS = "".join(f"user{number},{CANARY}1,{CANARY}-Passw0rd!\n" for number in range(600))


async def failure(harness: JobHarness, action: Any = "confirm", source: Any = None, **options: Any) -> BaseException:
    """Return the error of a job whose client has a secret."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - checked by the caller
        await harness.run(action, source, client=harness.client(client_secret=canary()), **options)
    return caught.value


@pytest.mark.parametrize("number", [1, 5], ids=["sent", "outcome"])
async def test_frames_of_a_journal_error_contain_no_secrets(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error passes the sender of a row, which holds its values."""
    calls = iter(range(1, 1000))

    def fail(*_: object) -> None:
        if next(calls) >= number:
            raise JournalError("no space")

    async with JobHarness(tmp_path) as harness:
        harness.source.write_text(HEADER + ROWS)
        monkeypatch.setattr(Journal, "write", fail)
        error = await failure(harness)
    assert isinstance(error, JournalError)
    assert leaking_frames(error) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (ROWS, "no header"),
        (f'"{CANARY}\n', "header"),
        (f'{{"username": "{CANARY}"}}', "JSON"),
        (HEADER + ROWS + f"{CANARY},{CANARY}\n", "line 602"),
        (HEADER + f'{CANARY},{CANARY},"{CANARY}\n', "quote"),
        (HEADER + f"user,{CANARY},{CANARY}\0\n", "NUL"),
    ],
    ids=["no header", "quote", "json", "fields", "open quote", "nul"],
)
async def test_frames_of_a_source_error_contain_no_secrets(content: str, problem: str, tmp_path: Path) -> None:
    """The first line of a file without a header is a row."""
    async with JobHarness(tmp_path) as harness:
        harness.source.write_text(content)
        error = await failure(harness, strict=True)
    assert isinstance(error, SourceError)
    assert problem in str(error)
    assert leaking_frames(error) == []


async def test_frames_of_a_read_error_contain_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block that was read before the error is not in a frame, while fingerprinting and while sending."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(size) or self.fail()

        def readinto(self, buffer: Any) -> int:
            return super().readinto(buffer) or len(self.fail())

        def fail(self) -> bytes:
            raise OSError(5, "Input/output error")

    async with JobHarness(tmp_path) as harness:
        harness.source.write_text(HEADER + ROWS)
        with monkeypatch.context() as patch:
            patch.setattr(FileSource, "_open", lambda _: Failing((HEADER + ROWS).encode()))
            error = await failure(harness)
        assert "Input/output" in str(error)
        assert leaking_frames(error) == []
        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", lambda *_, **__: Failing((HEADER + ROWS).encode()))
            error = await failure(harness)
        assert "Input/output" in str(error)
        assert leaking_frames(error) == []


async def test_frames_of_a_changed_input_contain_no_secrets(tmp_path: Path) -> None:
    """The changed block is not in a frame."""
    async with JobHarness(tmp_path) as harness:
        harness.source.write_text(HEADER + ROWS)
        source = FileSource(harness.source)
        await source.info(b"")
        harness.source.write_text(HEADER + ROWS.replace("user", "more"))
        source._read_info = lambda _: None  # type: ignore[method-assign, assignment, return-value]
        with pytest.raises(SourceError, match="changed") as caught:
            async for _ in source.chunks(("username", "password")):
                pass
    assert leaking_frames(caught.value) == []


@pytest.mark.parametrize("form", ["async", "sync", "list"])
async def test_frames_of_an_iterable_that_fails_contain_no_secrets(form: str, tmp_path: Path) -> None:
    """The last mapping is not in a frame of the library, also if the rows differ from those of the journal."""

    def plain(name: str, *, fail: bool) -> Iterator[dict[str, str]]:
        yield {"username": name, "confirmation_code": canary(), "password": f"{canary()}-Passw0rd!"}
        if fail:
            raise LookupError

    async def asynchronous(name: str, *, fail: bool) -> AsyncIterator[dict[str, str]]:
        for each in plain(name, fail=fail):
            yield each
            del each

    def rows(name: str, *, fail: bool) -> Any:
        if form == "async":
            return asynchronous(name, fail=fail)
        return plain(name, fail=fail) if fail or form == "sync" else list(plain(name, fail=False))

    async with JobHarness(tmp_path) as harness:
        error = await failure(harness, source=IterableSource(rows("ada", fail=True)))
        assert isinstance(error, LookupError)
        assert leaking_frames(error) == []
        await harness.run("confirm", IterableSource(rows("ada", fail=False)))
        error = await failure(harness, source=IterableSource(rows("bob", fail=False)))
        assert isinstance(error, JobMismatchError)
        assert leaking_frames(error) == []


@pytest.mark.parametrize("how", ["closed", "cancelled", "lost"])
async def test_frames_of_an_interrupted_job_contain_no_secrets(how: str, tmp_path: Path) -> None:
    """A closed session, a cancelled task and a lost journal end the requests in flight."""

    async def respond_to(request: ReceivedRequest) -> Reply:
        if request.number == 3:
            if how == "closed":
                await harness.session.close()
            elif how == "lost":
                harness.journal.unlink()
            else:
                run.cancel()
                await asyncio.get_running_loop().create_future()
        return respond() if request.number % 2 else lost_connection()

    async with JobHarness(tmp_path, respond_to) as harness:
        harness.source.write_text(HEADER + ROWS)
        run = asyncio.ensure_future(harness.run("confirm", client=harness.client(client_secret=canary())))
        with pytest.raises((SessionClosedError, JournalLostError, asyncio.CancelledError)) as caught:
            await run
    assert leaking_frames(caught.value) == []


@pytest.mark.parametrize("fail", [OSError(28, "No space left on device"), BulkError("no")], ids=["disk", "bulk"])
async def test_frames_of_unwritten_passwords_contain_no_secrets(
    fail: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Generated passwords are not in the frames of the writer, the sender and the planner."""
    monkeypatch.setattr(actions, "generate_password", lambda: f"{CANARY}-Passw0rd!")
    write: Callable[..., None] = PasswordFile.write

    def fail_second(self: PasswordFile, rows: list[Any]) -> None:
        if rows[0]["username"] != "username":
            raise fail
        write(self, rows)

    generate = set_password(permanent=True, generate=True)
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 40, secrets=False)
        with monkeypatch.context() as patch:
            patch.setattr(PasswordFile, "write", fail_second)
            error = await failure(harness, generate, passwords=tmp_path / "p.csv")
        assert isinstance(error, BulkError)
        assert leaking_frames(error) == []
        file = PasswordFile(tmp_path / "q.csv")
        with file_limit(60), pytest.raises(OSError, check=is_full) as caught:
            file.write([generate.complete({"username": "ada"})] * 9)
        file.close()
        assert leaking_frames(caught.value) == []
