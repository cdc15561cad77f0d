"""Runs the command line as a process of its own, with or without a terminal, against a service that does as told."""

import asyncio
import fcntl
import json
import os
import pty
import struct
import sys
import termios
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from attrs import frozen

from cognito_async.cli import main
from tests.support.processes import ROOT
from tests.support.scripted_server import Connection, ScriptedServer, answer

PROGRAM = (sys.executable, "-W", "error", "-m", "cognito_async.cli")
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

Answer = tuple[int, dict[str, Any]]
OK: Answer = (200, {})


def refusal(code: str, message: str = "no", status: int = 400) -> Answer:
    """Make an answer that refuses."""
    return status, {"__type": code, "message": message}


CODE_MISMATCH = refusal("CodeMismatchException", "Invalid code provided.")
LIMIT = refusal("LimitExceededException", "Attempt limit exceeded.")
THROTTLED = refusal("TooManyRequestsException", "Rate exceeded")


class Service:
    """Stands for Amazon Cognito: answers each user as told, with success where nothing was told.

    Attributes:
        answers: What each user is answered, one after the other.
        always: What each user is answered after that.
        gate: Where each request waits before it is answered.
        users: What ListUsers gives.
        seen: The operation and the user of each request.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.always: dict[str, Answer] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.users: list[dict[str, Any]] = []
        self.seen: list[tuple[str, str]] = []
        self.server = ScriptedServer(otherwise=self._answer)

    async def __aenter__(self) -> Self:
        await self.server.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.gate.set()
        await self.server.__aexit__(None, None, None)

    @property
    def url(self) -> str:
        """Give its address."""
        return self.server.url

    async def until(self, requests: int) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(60):
            await self.server.until(lambda: len(self.server.requests) >= requests)

    def sent(self) -> dict[str, int]:
        """Count the requests by user."""
        counts: dict[str, int] = defaultdict(int)
        for _, user in self.seen:
            counts[user] += 1
        return dict(counts)

    async def _answer(self, connection: Connection) -> None:
        request = connection.request
        assert request is not None
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        user = request.json.get("Username", "")
        self.seen.append((operation, user))
        await self.gate.wait()
        if operation == "ListUsers":
            status, body = self._page(request.json)
        else:
            told = self.answers[user]
            status, body = told.pop(0) if told else self.always.get(user, OK)
        await answer(body, status)(connection)

    def _page(self, request: Mapping[str, Any]) -> Answer:
        first = int(request.get("PaginationToken", "0"))
        limit = int(request.get("Limit", 60))
        body: dict[str, Any] = {"Users": self.users[first : first + limit]}
        if first + limit < len(self.users):
            body["PaginationToken"] = str(first + limit)
        return 200, body


@frozen
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code.
        out: Its standard output.
        err: Its standard error.
    """

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Give standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of the processes: this one's without what people set for themselves."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COGNITO_", "NO_COLOR"))}
    own["AWS_EC2_METADATA_DISABLED"] = "true"  # no test looks further than loopback
    return {**own, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100", **(variables or {})}


async def begin(
    *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None, stdout: int | None = None
) -> asyncio.subprocess.Process:
    """Begin a process that has no terminal."""
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        env=environment(variables),
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE if stdout is None else stdout,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def end(process: asyncio.subprocess.Process, stdin: str = "") -> Ended:
    """Wait until a process ends."""
    async with asyncio.timeout(60):
        out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Ended(process.returncode, (out or b"").decode(), err.decode())


async def run(
    *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: str = ""
) -> Ended:
    """Run a process that has no terminal."""
    return await end(await begin(*arguments, variables=variables, cwd=cwd), stdin)


def look(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    """Run a command that only reads, in this process."""
    capsys.readouterr()
    code = main(arguments)
    said = capsys.readouterr()
    return Ended(code, said.out, said.err)


@frozen
class Here:
    """Runs commands in a thread of this process: as `run` does, and four times as fast."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    async def __call__(
        self, *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Ended:
        """Run a command."""
        with self.monkeypatch.context() as patch:
            for name in set(os.environ) - set(environment()):
                patch.delenv(name)
            for name, value in environment(variables).items():
                patch.setenv(name, value)
            if cwd is not None:
                patch.chdir(cwd)
            return await asyncio.to_thread(look, self.capsys, *arguments)


class Terminal:
    """A process on a terminal of its own.

    Attributes:
        shown: What it has written there so far.
    """

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.shown = ""
        self._process = process
        self._descriptor = descriptor
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            self.shown += os.read(self._descriptor, 65536).decode(errors="replace")
        except OSError:  # the process is gone, and its side of the terminal with it
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._changed.set()

    async def until(self, text: str) -> None:
        """Wait until it has shown a text."""
        async with asyncio.timeout(60):
            while text not in self.shown:
                self._changed.clear()
                await self._changed.wait()

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._descriptor, text.encode())

    async def end(self) -> int:
        """Wait until the process ends, and give its exit code."""
        async with asyncio.timeout(60):
            return await self._process.wait()

    def close(self) -> None:
        """Take the terminal away."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)


def _take_terminal() -> None:
    """Make the process the leader of a session on the terminal that is its standard input."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@asynccontextmanager
async def terminal(
    *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None
) -> AsyncIterator[Terminal]:
    """Run a process on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        env=environment(variables),
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    opened = Terminal(process, ours)
    try:
        yield opened
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        opened.close()
