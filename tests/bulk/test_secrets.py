"""Secrets of a job do not leak: canary values are searched in everything that is written."""

import asyncio
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import pytest

from cognito_async import Credentials, SessionClosedError
from cognito_async.bulk import Action, IterableSource, JobMismatchError, SourceError, set_password
from tests.support.bulk_server import (
    FAST_POLICY,
    POOL,
    JobHarness,
    ReceivedRequest,
    Reply,
    lost_connection,
    run_outcomes,
)
from tests.support.scripted_transport import refuse, respond

CANARY: Final = "yranac"[::-1]  # not a literal, because tracebacks show the lines of this file
PASSWORD: Final = f"{CANARY}-Passw0rd!"
CODE: Final = f"{CANARY}123456"
SECRET: Final = f"{CANARY}clientsecret"
KEY: Final = f"{CANARY}{'k' * 34}"
TOKEN: Final = f"{CANARY}{'t' * 60}"
GENERATE: Final = set_password(permanent=True, generate=True)


def echo(request: ReceivedRequest, code: str = "InvalidParameterException", status: int = 400) -> Reply:
    """Return an error that repeats the body, the values and the headers of the request."""
    sent = [json.dumps(dict(request.body)), *map(str, request.body.values()), *request.headers.values()]
    return refuse(code, " ".join(sent), status)


def respond_variously(request: ReceivedRequest) -> Reply:
    """Return every kind of response; all messages repeat what was sent."""
    replies: list[Callable[[], Reply]] = [
        respond,
        lambda: echo(request),
        lambda: echo(request, "TooManyRequestsException") if request.number < 60 else respond(),
        lambda: echo(request, "LimitExceededException"),
        lambda: echo(request, "InternalErrorException", 500),
        lambda: echo(request, "NotAuthorizedException"),
        lambda: echo(request, "A new one"),
        lost_connection,
        lambda: respond(200, f"<html>{request.body}".encode()),
        lambda: refuse(f"Odd{request.body.get('Password', '')}", "no"),
    ]
    return replies[request.number % len(replies)]()


def rows(action: Action | str) -> str:
    """Return valid and invalid rows, with canary values in each secret field."""
    if action is GENERATE:
        return "".join(f"user{number}\n" for number in range(40))
    valid = "".join(f"user{number},{CODE},{PASSWORD}{number}\n" for number in range(40))
    invalid = [
        f"short,{CODE}",
        f"long,{CODE},{PASSWORD},{PASSWORD}",
        f'quote,{CODE},"{PASSWORD}',
        f"nul,{CODE},{PASSWORD}\0",
        f"{'x' * 200},{CODE},{PASSWORD}",
        f"big,{CODE},{PASSWORD * 100}",
        *(f"space{number},{CODE}\t,{PASSWORD}ä\\\\" for number in range(10)),
        f"user1,{CODE},{PASSWORD}",
    ]
    return valid + "\n".join(invalid) + "\n"


class LeakDetector:
    """Collects files, outcomes, errors and logs, and searches them for secrets."""

    def __init__(self, harness: JobHarness, caplog: pytest.LogCaptureFixture, passwords: Path) -> None:
        self.seen: list[str] = []
        self.generated: set[str] = set()
        self._bench = harness
        self._caplog = caplog
        self._passwords = passwords

    def read_files(self) -> None:
        """Read all files except the password file and the input."""
        for path in self._bench.folder.iterdir():
            if path not in {self._passwords, self._bench.source}:
                self.seen.append(path.read_bytes().decode("latin-1"))

    def add_error(self, error: BaseException) -> None:
        """Add an error with its traceback and causes."""
        self.seen += ["".join(traceback.format_exception(error)), repr(error), repr(vars(error))]

    def leaks(self) -> Iterator[str]:
        """Yield excerpts with a canary value or a generated password."""
        self.read_files()
        for record in self._caplog.records:
            self.seen += [record.getMessage(), repr(record.__dict__)]
        secrets = {CANARY, *self.generated}
        for text in self.seen:
            for secret in secrets:
                if (at := text.find(secret)) >= 0:
                    yield text[max(at - 200, 0) : at + 100]


@pytest.mark.parametrize("action", ["confirm", "set-password", GENERATE], ids=["confirm", "set-password", "generated"])
async def test_job_leaks_no_secret(action: Action | str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No secret is in files, outcomes, logs or reprs, even if the service echoes all of them."""
    caplog.set_level(logging.DEBUG)
    credentials = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key=KEY, session_token=TOKEN)
    passwords = tmp_path / "passwords.csv"

    def respond_to(request: ReceivedRequest) -> Reply:
        detector.read_files()  # while the request is in flight, with -wal and -shm
        if action is GENERATE:
            detector.generated.add(request.body["Password"])
        return respond_variously(request)

    async with JobHarness(tmp_path, respond_to, credentials=credentials) as harness:
        harness.source.write_text(f"username,confirmation_code,password\n{rows(action)}")
        if action is GENERATE:
            harness.source.write_text(f"username\n{rows(action)}")
        detector = LeakDetector(harness, caplog, passwords)
        client = harness.client(client_secret=SECRET)
        options: dict[str, Any] = {"client": client, "remember": {"pool": POOL}}
        if action is GENERATE:
            options["passwords"] = passwords
        job = harness.job(action, **options)
        for _ in range(2):
            for outcome in await run_outcomes(job):
                detector.seen.append(repr(outcome))
            detector.seen += [repr(job.summary), repr(job.progress), repr(job), repr(client)]
        assert len(harness.service.requests) > 40
        leaks = list(detector.leaks())
    assert not leaks, leaks[0]
    assert (passwords.exists() and CANARY not in passwords.read_text()) is (action is GENERATE)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_job_errors_leak_no_secret(form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No secret is in the errors that jobs raise."""
    caplog.set_level(logging.DEBUG)
    header = "" if form == "jsonl" else "username,confirmation_code,password\n"

    def line(user: str, password: str = PASSWORD) -> str:
        if form == "csv":
            return f"{user},{CODE},{password}\n"
        return json.dumps({"username": user, "confirmation_code": CODE, "password": password}) + "\n"

    async with JobHarness(tmp_path) as harness:
        detector = LeakDetector(harness, caplog, tmp_path / "none")
        harness.source = tmp_path / f"users.{form}"
        for text in (
            line("ada"),
            header + line("ada") + line("bob")[:-4] + "\n",
            header + line("ada") + line("bob", PASSWORD * 99),
            header + line("ada", PASSWORD[:2] + "\\"),
            header + f'{{"username": "ada", "confirmation_code": "{CODE}", "password": "{PASSWORD}\\ud800"}}\n',
        ):
            harness.source.write_text(text)
            try:
                await harness.run("confirm", strict=True)
            except SourceError as error:
                detector.add_error(error)
            harness.journal.unlink(missing_ok=True)
        assert sum("SourceError" in text for text in detector.seen) >= 3

        async def given(user: str) -> Any:
            yield {"username": user, "confirmation_code": CODE, "password": PASSWORD}

        await harness.run("confirm", IterableSource(given("ada")))
        with pytest.raises(JobMismatchError) as mismatch:
            await harness.run("confirm", IterableSource(given("bob")))
        detector.add_error(mismatch.value)
        await harness.session.close()
        harness.journal.unlink()
        with pytest.raises(SessionClosedError) as closed:
            await harness.run("confirm", IterableSource(given("ada")))
        detector.add_error(closed.value)
        leaks = list(detector.leaks())
    assert not leaks, leaks[0]


async def test_unaccepted_password_is_not_written(tmp_path: Path) -> None:
    """Passwords that were refused, lost or interrupted are in no file."""
    passwords, arrived = tmp_path / "passwords.csv", asyncio.Event()

    async def respond_to(request: ReceivedRequest) -> Reply:
        if request.number == 3:
            arrived.set()
            await asyncio.get_running_loop().create_future()
        return refuse("InvalidPasswordException") if request.number % 2 else lost_connection()

    async with JobHarness(tmp_path, respond_to) as harness:
        harness.source.write_text("username\nada\nbob\neve\n")
        run = asyncio.create_task(harness.run(GENERATE, passwords=passwords, policy=FAST_POLICY))
        await arrived.wait()
        run.cancel()
        await asyncio.wait([run])
        passwords_sent = [request.body["Password"].encode() for request in harness.service.requests]
        written = harness.written()
    assert len(passwords_sent) >= 3
    assert not [password for password in passwords_sent if password in written]


async def test_journal_holds_only_usernames_of_input(tmp_path: Path) -> None:
    """Of the input, the journal holds usernames and a fingerprint."""
    async with JobHarness(tmp_path) as harness:
        harness.source.write_text(f"username,confirmation_code,password,note\nada,{CODE},{PASSWORD},{CANARY}note\n")
        async with aclosing(harness.job("confirm").run()) as outcomes:
            async for _ in outcomes:
                assert CANARY.encode() not in harness.written(without=harness.source)
    assert b"ada" in harness.journal.read_bytes()
