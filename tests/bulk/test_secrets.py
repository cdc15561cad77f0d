"""Secrets of a job stay where they belong: canaries in every place that holds one, and a look at what is written."""

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
from tests.support.bulk_server import HASTY, POOL, Asked, Bench, Reply, lost, outcomes_of
from tests.support.scripted_transport import refuse, respond

CANARY: Final = "yranac"[::-1]  # never written as such: a traceback shows the lines of this file
PASSWORD: Final = f"{CANARY}-Passw0rd!"
CODE: Final = f"{CANARY}123456"
SECRET: Final = f"{CANARY}clientsecret"
KEY: Final = f"{CANARY}{'k' * 34}"
TOKEN: Final = f"{CANARY}{'t' * 60}"
GENERATE: Final = set_password(permanent=True, generate=True)


def parrot(asked: Asked, code: str = "InvalidParameterException", status: int = 400) -> Reply:
    """Refuse, and repeat all that was sent: body, values and headers."""
    said = [json.dumps(dict(asked.body)), *map(str, asked.body.values()), *asked.headers.values()]
    return refuse(code, " ".join(said), status)


def moody(asked: Asked) -> Reply:
    """Answer in all the ways there are, and repeat what was sent wherever something is said."""
    kinds: list[Callable[[], Reply]] = [
        respond,
        lambda: parrot(asked),
        lambda: parrot(asked, "TooManyRequestsException") if asked.number < 60 else respond(),
        lambda: parrot(asked, "LimitExceededException"),
        lambda: parrot(asked, "InternalErrorException", 500),
        lambda: parrot(asked, "NotAuthorizedException"),
        lambda: parrot(asked, "A new one"),
        lost,
        lambda: respond(200, f"<html>{asked.body}".encode()),
        lambda: refuse(f"Odd{asked.body.get('Password', '')}", "no"),
    ]
    return kinds[asked.number % len(kinds)]()


def rows(action: Action | str) -> str:
    """Give rows, good and broken ones, with canaries in each field that is secret."""
    if action is GENERATE:
        return "".join(f"user{number}\n" for number in range(40))
    good = "".join(f"user{number},{CODE},{PASSWORD}{number}\n" for number in range(40))
    broken = [
        f"short,{CODE}",
        f"long,{CODE},{PASSWORD},{PASSWORD}",
        f'quote,{CODE},"{PASSWORD}',
        f"nul,{CODE},{PASSWORD}\0",
        f"{'x' * 200},{CODE},{PASSWORD}",
        f"big,{CODE},{PASSWORD * 100}",
        *(f"blank{number},{CODE}\t,{PASSWORD}ä\\\\" for number in range(10)),
        f"user1,{CODE},{PASSWORD}",
    ]
    return good + "\n".join(broken) + "\n"


class Watch:
    """Collects what anybody could read: files at any moment, outcomes, errors, logs."""

    def __init__(self, bench: Bench, caplog: pytest.LogCaptureFixture, passwords: Path) -> None:
        self.seen: list[str] = []
        self.made: set[str] = set()
        self._bench = bench
        self._caplog = caplog
        self._passwords = passwords

    def files(self) -> None:
        """Look at all files but the one for passwords and the input."""
        for path in self._bench.folder.iterdir():
            if path not in {self._passwords, self._bench.source}:
                self.seen.append(path.read_bytes().decode("latin-1"))

    def error(self, error: BaseException) -> None:
        """Look at an error, and at all that it stands on."""
        self.seen += ["".join(traceback.format_exception(error)), repr(error), repr(vars(error))]

    def leaks(self) -> Iterator[str]:
        """Give what was seen that holds a canary or a password that was made up."""
        self.files()
        for record in self._caplog.records:
            self.seen += [record.getMessage(), repr(record.__dict__)]
        marks = {CANARY, *self.made}
        for text in self.seen:
            for mark in marks:
                if (at := text.find(mark)) >= 0:
                    yield text[max(at - 200, 0) : at + 100]


@pytest.mark.parametrize("action", ["confirm", "set-password", GENERATE], ids=["confirm", "set-password", "generated"])
async def test_no_secret_is_written_shown_or_raised(
    action: Action | str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Run jobs in every kind of trouble, with a service that repeats all it is told, and find no secret anywhere."""
    caplog.set_level(logging.DEBUG)
    credentials = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key=KEY, session_token=TOKEN)
    passwords = tmp_path / "passwords.csv"

    def answer(asked: Asked) -> Reply:
        watch.files()  # as they are while the request is on its way, with -wal and -shm
        if action is GENERATE:
            watch.made.add(asked.body["Password"])
        return moody(asked)

    async with Bench(tmp_path, answer, credentials=credentials) as bench:
        bench.source.write_text(f"username,confirmation_code,password\n{rows(action)}")
        if action is GENERATE:
            bench.source.write_text(f"username\n{rows(action)}")
        watch = Watch(bench, caplog, passwords)
        client = bench.client(client_secret=SECRET)
        options: dict[str, Any] = {"client": client, "remember": {"pool": POOL}}
        if action is GENERATE:
            options["passwords"] = passwords
        job = bench.job(action, **options)
        for _ in range(2):
            for outcome in await outcomes_of(job):
                watch.seen.append(repr(outcome))
            watch.seen += [repr(job.summary), repr(job.progress), repr(job), repr(client)]
        assert len(bench.service.requests) > 40
        leaks = list(watch.leaks())
    assert not leaks, leaks[0]
    assert (passwords.exists() and CANARY not in passwords.read_text()) is (action is GENERATE)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_no_secret_is_in_an_error(form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Look at what jobs raise: strictness, missing columns, other users than before, a closed session."""
    caplog.set_level(logging.DEBUG)
    header = "" if form == "jsonl" else "username,confirmation_code,password\n"

    def line(user: str, password: str = PASSWORD) -> str:
        if form == "csv":
            return f"{user},{CODE},{password}\n"
        return json.dumps({"username": user, "confirmation_code": CODE, "password": password}) + "\n"

    async with Bench(tmp_path) as bench:
        watch = Watch(bench, caplog, tmp_path / "none")
        bench.source = tmp_path / f"users.{form}"
        for text in (
            line("ada"),
            header + line("ada") + line("bob")[:-4] + "\n",
            header + line("ada") + line("bob", PASSWORD * 99),
            header + line("ada", PASSWORD[:2] + "\\"),
            header + f'{{"username": "ada", "confirmation_code": "{CODE}", "password": "{PASSWORD}\\ud800"}}\n',
        ):
            bench.source.write_text(text)
            try:
                await bench.run("confirm", strict=True)
            except SourceError as error:
                watch.error(error)
            bench.journal.unlink(missing_ok=True)
        assert sum("SourceError" in text for text in watch.seen) >= 3

        async def given(user: str) -> Any:
            yield {"username": user, "confirmation_code": CODE, "password": PASSWORD}

        await bench.run("confirm", IterableSource(given("ada")))
        with pytest.raises(JobMismatchError) as mismatch:
            await bench.run("confirm", IterableSource(given("bob")))
        watch.error(mismatch.value)
        await bench.session.close()
        bench.journal.unlink()
        with pytest.raises(SessionClosedError) as closed:
            await bench.run("confirm", IterableSource(given("ada")))
        watch.error(closed.value)
        leaks = list(watch.leaks())
    assert not leaks, leaks[0]


async def test_a_password_that_the_service_did_not_take_is_nowhere(tmp_path: Path) -> None:
    """Write no generated password that was refused, lost, or not settled when the job was cancelled."""
    passwords, arrived = tmp_path / "passwords.csv", asyncio.Event()

    async def answer(asked: Asked) -> Reply:
        if asked.number == 3:
            arrived.set()
            await asyncio.get_running_loop().create_future()
        return refuse("InvalidPasswordException") if asked.number % 2 else lost()

    async with Bench(tmp_path, answer) as bench:
        bench.source.write_text("username\nada\nbob\neve\n")
        run = asyncio.create_task(bench.run(GENERATE, passwords=passwords, policy=HASTY))
        await arrived.wait()
        run.cancel()
        await asyncio.wait([run])
        made = [asked.body["Password"].encode() for asked in bench.service.requests]
        written = bench.written()
    assert len(made) >= 3
    assert not [password for password in made if password in written]


async def test_an_input_leaves_nothing_of_itself_but_users_and_a_slow_fingerprint(tmp_path: Path) -> None:
    """Keep usernames, and of the rest only a salted fingerprint."""
    async with Bench(tmp_path) as bench:
        bench.source.write_text(f"username,confirmation_code,password,note\nada,{CODE},{PASSWORD},{CANARY}note\n")
        async with aclosing(bench.job("confirm").run()) as outcomes:
            async for _ in outcomes:
                assert CANARY.encode() not in bench.written(beside=bench.source)
    assert b"ada" in bench.journal.read_bytes()
