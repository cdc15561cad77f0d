"""Run the command line in this process, in a child process or on a terminal, against a scripted service."""

import asyncio
import fcntl
import json
import os
import pty
import struct
import sys
import termios
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from attrs import frozen

from cognito_async.cli import main
from tests.support.processes import ROOT
from tests.support.scripted_server import Connection, ScriptedServer, answer

PROGRAM = (sys.executable, "-W", "error", "-m", "cognito_async.cli")
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
CODE, PASSWORD, CLIENT_SECRET = "123456", "Pass-w0rd!", "app-client-5ecret"
TIMEOUT = 60

Response = tuple[int, dict[str, Any]]
OK: Response = (200, {})


def error_response(code: str, message: str = "no", status: int = 400) -> Response:
    """Return an error response of the service."""
    return status, {"__type": code, "message": message}


CODE_MISMATCH = error_response("CodeMismatchException", "Invalid code provided.")
LIMIT = error_response("LimitExceededException", "Attempt limit exceeded.")
THROTTLED = error_response("TooManyRequestsException", "Rate exceeded")


class Service:
    """A server in place of Amazon Cognito: by default every request succeeds."""

    def __init__(self) -> None:
        self.responses: dict[str, list[Response]] = defaultdict(list)
        """The next responses for each username."""
        self.defaults: dict[str, Response] = {}
        """The response for each username after those."""
        self.gate = asyncio.Event()
        """Requests wait for it before they are answered; it is set at first."""
        self.gate.set()
        self.users: list[dict[str, Any]] = []
        """The users that ListUsers returns."""
        self.calls: list[tuple[str, str]] = []
        """The operation and the username of each request."""
        self.server = ScriptedServer(otherwise=self._respond)

    async def __aenter__(self) -> Self:
        await self.server.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.gate.set()
        await self.server.__aexit__(None, None, None)

    @property
    def url(self) -> str:
        """The endpoint."""
        return self.server.url

    @property
    def endpoint(self) -> tuple[str, ...]:
        """The option that selects the service, which resuming requires."""
        return ("--endpoint-url", self.url)

    def options(self, *, rate: str = "500") -> tuple[str, ...]:
        """Return the command-line options that select the service, a user pool and an app client."""
        location = ("--region", "eu-west-1", *self.endpoint)
        return (*location, "--user-pool-id", "eu-west-1_AbC", "--client-id", "app", "--rate", rate)

    async def wait_for_requests(self, number: int) -> None:
        """Wait until the service has received a number of requests."""
        async with asyncio.timeout(TIMEOUT):
            await self.server.until(lambda: len(self.server.requests) >= number)

    def requests_by_user(self) -> dict[str, int]:
        """Count the requests by username."""
        counts: dict[str, int] = defaultdict(int)
        for _, user in self.calls:
            counts[user] += 1
        return dict(counts)

    async def _respond(self, connection: Connection) -> None:
        request = connection.request
        assert request is not None
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        user = request.json.get("Username", "")
        self.calls.append((operation, user))
        await self.gate.wait()
        if operation == "ListUsers":
            status, body = self._list_users(request.json)
        else:
            queued = self.responses[user]
            status, body = queued.pop(0) if queued else self.defaults.get(user, OK)
        await answer(body, status)(connection)

    def _list_users(self, request: Mapping[str, Any]) -> Response:
        first = int(request.get("PaginationToken", "0"))
        limit = int(request.get("Limit", 60))
        body: dict[str, Any] = {"Users": self.users[first : first + limit]}
        if first + limit < len(self.users):
            body["PaginationToken"] = str(first + limit)
        return 200, body


def write_users(folder: Path, number: int = 6, *, name: str = "users.csv") -> Path:
    """Write an input for any action: users a0, a1, … with codes and passwords."""
    path = folder / name
    path.touch(mode=0o600)
    rows = [f"a{index},{CODE},{PASSWORD}{index}" for index in range(number)]
    path.write_text("\n".join(["username,confirmation_code,password", *rows, ""]))
    return path


@frozen
class Completed:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment for child processes without the settings of the machine."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COGNITO_", "NO_COLOR"))}
    own["AWS_EC2_METADATA_DISABLED"] = "true"
    return {**own, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100", **(variables or {})}


@asynccontextmanager
async def spawned(
    *command: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None, stdout: int | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process without a terminal; it is killed if the block leaves it running."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(variables),
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE if stdout is None else stdout,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def started(
    *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None, stdout: int | None = None
) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """Start the command line as a process without a terminal."""
    return spawned(*PROGRAM, *arguments, variables=variables, cwd=cwd, stdout=stdout)


async def finish(process: asyncio.subprocess.Process, stdin: str = "") -> Completed:
    """Wait for the end of a process."""
    async with asyncio.timeout(TIMEOUT):
        out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Completed(process.returncode, (out or b"").decode(), err.decode())


async def run(
    *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: str = ""
) -> Completed:
    """Run the command line as a process without a terminal."""
    async with started(*arguments, variables=variables, cwd=cwd) as process:
        return await finish(process, stdin)


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> Completed:
    """Run the command line in this process."""
    capsys.readouterr()
    code = main(arguments)
    captured = capsys.readouterr()
    return Completed(code, captured.out, captured.err)


@frozen
class InThread:
    """Runs the command line in a thread of this process: like ``run``, and four times as fast."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    async def __call__(
        self, *arguments: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Completed:
        """Run a command."""
        with self.monkeypatch.context() as patch:
            for name in set(os.environ) - set(environment()):
                patch.delenv(name)
            for name, value in environment(variables).items():
                patch.setenv(name, value)
            if cwd is not None:
                patch.chdir(cwd)
            return await asyncio.to_thread(run_here, self.capsys, *arguments)


class Terminal:
    """A process on a pseudo-terminal."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.shown = ""
        """The process's output so far."""
        self._process = process
        self._descriptor = descriptor
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            self.shown += os.read(self._descriptor, 65536).decode(errors="replace")
        except OSError:  # the process has ended and closed its side
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._changed.set()

    async def wait_for(self, text: str) -> None:
        """Wait until the process has printed a text."""
        async with asyncio.timeout(TIMEOUT):
            while text not in self.shown:
                self._changed.clear()
                await self._changed.wait()

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._descriptor, text.encode())

    async def exit_code(self) -> int:
        """Wait for the end of the process and return its exit code."""
        async with asyncio.timeout(TIMEOUT):
            return await self._process.wait()

    def close(self) -> None:
        """Close the terminal."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)


def _take_terminal() -> None:
    """Make the process the leader of a session on the terminal that is its standard input."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@asynccontextmanager
async def terminal(
    *arguments: str,
    program: Sequence[str] = PROGRAM,
    variables: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> AsyncIterator[Terminal]:
    """Run the command line, or another program, on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *program,
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
