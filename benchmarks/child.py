"""Child processes: started with a clean environment, limited in time, ended by their own id."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(__file__).resolve().parent / "programs"
TIME_LIMIT = 180.0

Result = TypeVar("Result")


class ChildFailedError(Exception):
    """A child ended badly; the text is the last line it wrote to its error output."""


class Start(NamedTuple):
    """How long a program took to its first answer: seconds on the wall, seconds of CPU."""

    wall: float
    cpu: float


def environment() -> dict[str, str]:
    """Return what a child sees: no proxies, no AWS configuration but dummy keys, bytecode allowed."""
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
    """Kill a child that is still there after the time limit, so that no read from it waits for ever."""
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def answer_of(module: str, *arguments: str, kind: type[Result], time_limit: float = TIME_LIMIT) -> Result:
    """Run `python -m module arguments` and return the JSON it prints as its last line, which must be a `kind`.

    Raises:
        ChildFailedError: It ended with an error, took too long or printed something else.
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
    answer = json.loads(done.stdout.splitlines()[-1])
    if not isinstance(answer, kind):
        raise ChildFailedError(f"printed a {type(answer).__name__}, not a {kind.__name__}")
    return answer


class Standing:
    """A child that stands by and does a turn of its work whenever asked; use it as a context manager.

    It says the numbers of each turn as a JSON list on one line.
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
        """Ask for a turn and return its numbers.

        Raises:
            ChildFailedError: The child has ended instead.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        said = self._process.stdout.readline()
        if not said:
            self._process.wait(TIME_LIMIT)
            self._errors.seek(0)
            raise ChildFailedError(last_line(self._errors.read()))
        numbers: list[float] = json.loads(said)
        return numbers


def start_of(program: str, arguments: Sequence[str]) -> Start:
    """Run a program of `benchmarks/programs` until it says that it has its first answer, and say how long that took.

    The program prints the CPU seconds it has used by then; the wall time is taken here, from before it was started.

    Raises:
        ChildFailedError: It ended with an error or without an answer.
    """
    command = [sys.executable, str(PROGRAMS / f"{program}.py"), *arguments]
    began = time.perf_counter()
    with (
        subprocess.Popen(
            command, env=environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
        limited(process),
    ):
        assert process.stdout is not None
        said = process.stdout.readline()
        wall = time.perf_counter() - began
        _, errors = process.communicate()
    if process.returncode != 0 or not said:
        raise ChildFailedError(last_line(errors))
    return Start(wall, float(said))


def last_line(text: str) -> str:
    """Return the last line that says something, without the frame that exception groups are drawn in."""
    lines = (line.strip(" |+-") for line in reversed(text.splitlines()))
    return next((line for line in lines if line), "ended without a word")
