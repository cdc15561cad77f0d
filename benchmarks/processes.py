"""Child processes: measured programs and the loopback server, with a clean environment and a time limit."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(__file__).resolve().parent / "programs"
TIME_LIMIT = 180.0

Result = TypeVar("Result")


class ChildFailedError(Exception):
    """A child process failed; the message is the last line of its error output."""


class Start(NamedTuple):
    """Seconds from the start of a process to its first response."""

    wall: float
    cpu: float


def environment() -> dict[str, str]:
    """Return the environment of a child: no proxies, and dummy keys as the only AWS configuration."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "PYTHONPATH" or not (name.lower().startswith(("aws_", "python")) or name.lower().endswith("_proxy"))
    }
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")])),
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00",
        "AWS_SECRET_ACCESS_KEY": "benchmarks-have-no-secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextmanager
def limited(process: subprocess.Popen[str], seconds: float = TIME_LIMIT) -> Iterator[None]:
    """Kill a child that runs longer than the time limit, so that no read from it blocks forever."""
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def result_of(module: str, *arguments: str, kind: type[Result], time_limit: float = TIME_LIMIT) -> Result:
    """Run `python -m module arguments` and return the JSON in its last line of output, which must be a `kind`.

    Raises:
        ChildFailedError: The program failed, took too long or printed something else.
    """
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(
            command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=time_limit, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise ChildFailedError(f"took longer than {time_limit:.0f} s") from late
    if done.returncode != 0:
        raise ChildFailedError(last_line(done.stderr))
    result = json.loads(done.stdout.splitlines()[-1])
    if not isinstance(result, kind):
        raise ChildFailedError(f"printed {type(result).__name__} instead of {kind.__name__}")
    return result


def start_of(program: Path, *arguments: str) -> Start:
    """Run a program and return how long it took to its first response.

    The program prints the CPU seconds it has used by then. The wall time is measured here, from before its start.

    Raises:
        ChildFailedError: The program failed or printed nothing.
    """
    began = time.perf_counter()
    with (
        subprocess.Popen(
            [sys.executable, str(program), *arguments],
            env=environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        limited(process),
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        wall = time.perf_counter() - began
        _, errors = process.communicate()
    if process.returncode != 0 or not line:
        raise ChildFailedError(last_line(errors))
    return Start(wall, float(line))


def last_line(text: str) -> str:
    """Return the last line that is not empty, without the frame of exception groups."""
    lines = (line.strip(" |+-") for line in reversed(text.splitlines()))
    return next((line for line in lines if line), "no error output")


class TurnProcess:
    """A program that does a turn of its work on request; use it as a context manager.

    It prints the numbers of each turn as a JSON list on one line.
    """

    def __init__(self, module: str, *arguments: str, time_limit: float = TIME_LIMIT) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._time_limit = time_limit

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._errors = opened.enter_context(tempfile.TemporaryFile("w+"))
            self._process = opened.enter_context(
                subprocess.Popen(
                    self._command,
                    env=environment(),
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                    text=True,
                )
            )
            opened.enter_context(limited(self._process, self._time_limit))
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._opened:
            try:
                self._process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def turn(self) -> list[float]:
        """Request a turn and return its numbers.

        Raises:
            ChildFailedError: The program has ended instead.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(TIME_LIMIT)
            self._errors.seek(0)
            raise ChildFailedError(last_line(self._errors.read()))
        numbers: list[float] = json.loads(line)
        return numbers


class ServerProcess:
    """The loopback server on a free port of 127.0.0.1; use it as a context manager."""

    def __init__(self, *flags: str) -> None:
        self._flags = flags
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", *self._flags],
            env=environment(),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def stats(self) -> dict[str, int]:
        """Return the numbers of requests and of throttled requests."""
        return {name: int(count) for name, count in self._get("stats").items()}

    def share_throttled(self) -> float:
        """Return the share of the requests that were throttled."""
        stats = self.stats()
        return stats.get("throttled", 0) / stats["requests"]

    def ledger(self) -> dict[str, Any]:
        """Return the changes that were applied.

        `applied` lists the users whose password was changed, `messages` counts the messages of each user, `faults` has
        each user's fault.
        """
        return self._get("ledger")

    def _get(self, page: str) -> dict[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/{page}", timeout=10) as response:
            content: dict[str, Any] = json.load(response)
        return content
