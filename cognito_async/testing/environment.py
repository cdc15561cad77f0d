"""The emulator's virtualenv: created once in the user's cache folder, with pinned versions."""

import asyncio
import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Final

from cognito_async.files import FileLock

PREPARE_COMMAND: Final = "python -m cognito_async.testing prepare"
OUTPUT_LINES: Final = 30  # lines of output in errors

REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")  # with the hashes of all files of each release

# Settings of pip that would install the packages elsewhere, or contradict the pins.
_MISLEADING: Final = frozenset(
    ("PIP_CONSTRAINT", "PIP_PREFIX", "PIP_PYTHON", "PIP_REQUIREMENT", "PIP_ROOT", "PIP_TARGET", "PIP_USER",
     "__PYVENV_LAUNCHER__")
)  # fmt: skip

_REPORTED: Final = 5  # packages for each line of progress

StepRunner = Callable[[Sequence[str], Mapping[str, str], int, Callable[[str], None]], Awaitable[tuple[int, str]]]


class LocalPoolError(RuntimeError):
    """The local pool is not available; the message says how to fix it."""

    __module__ = "cognito_async.testing"


def environment_folder() -> Path:
    """Return the path of the virtualenv in the user's cache; it depends on Python and the pinned versions."""
    defaults = {"win32": os.environ.get("LOCALAPPDATA") or "~/AppData/Local", "darwin": "~/Library/Caches"}
    cache = os.environ.get("XDG_CACHE_HOME") or defaults.get(sys.platform, "~/.cache")
    requirements = REQUIREMENTS.read_text()
    kind = "\n".join((requirements, str(sys.implementation.cache_tag), sysconfig.get_platform()))
    digest = hashlib.sha256(kind.encode()).hexdigest()[:8]
    emulator = re.search(r"^(ministack)==([\w.]+)", requirements, re.MULTILINE)
    assert emulator is not None
    version = f"{emulator[1]}-{emulator[2]}-py{sys.version_info.major}.{sys.version_info.minor}"
    return Path(cache).expanduser().absolute() / "cognito_async" / f"{version}-{digest}"


async def run_step(
    command: Sequence[str], environment: Mapping[str, str], lock: int, on_line: Callable[[str], None]
) -> tuple[int, str]:
    """Run a step of the installation; return its exit code and output, each line of which is passed to ``on_line``."""
    # The step holds the lock, too: if this process is killed, pip may still be writing.
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=() if sys.platform == "win32" else (lock,),
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        async for line in process.stdout:
            lines.append(line.decode(errors="replace"))
            on_line(lines[-1])
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await run_to_completion(process.communicate())
    return process.returncode or 0, "".join(lines)


async def prepare(*, run: StepRunner = run_step) -> Path:
    """Create the virtualenv unless it exists, and return the path of its interpreter.

    Args:
        run: Runs a step, given its command, its variables, the descriptor of the lock, and a function that is called
            with each line of output.

    Raises:
        LocalPoolError: It cannot be created, e.g. without a network. The message has the output of the step.
    """
    folder = await asyncio.to_thread(environment_folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def exists() -> bool:
        return (folder / "complete").exists() and python.exists()  # False for a dangling link

    try:
        if not await asyncio.to_thread(exists):
            await asyncio.to_thread(folder.parent.mkdir, parents=True, exist_ok=True)
            async with _locked(folder.with_name(f"{folder.name}.lock")) as lock:
                if not await asyncio.to_thread(exists):
                    await _make(folder, python, run, lock)
    except OSError as error:
        raise LocalPoolError(
            f"cannot create the emulator's virtualenv: {error}; fix it and run: {PREPARE_COMMAND}"
        ) from error
    return python


async def _make(folder: Path, python: Path, run: StepRunner, lock: int) -> None:
    packages = len(re.findall(r"^[\w-]+==", REQUIREMENTS.read_text(), re.MULTILINE))
    progress = _Progress(packages)
    progress.show(f"installing the emulator into {folder}: {packages} pinned packages, about 100 MB; done once")
    with contextlib.suppress(FileNotFoundError):
        await asyncio.to_thread(shutil.rmtree, folder)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k not in _MISLEADING}
    pip = [str(python), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    for step, done in (
        ([sys.executable, "-I", "-m", "venv", str(folder)], "the virtualenv was created"),
        ([*pip, "--require-hashes", "-r", str(REQUIREMENTS)], "the packages were installed"),
    ):
        code, output = await run(step, variables, lock, progress.count)
        if code:
            tail = "\n".join(output.rstrip().splitlines()[-OUTPUT_LINES:])
            raise LocalPoolError(
                f"cannot create the emulator's virtualenv in {folder}; fix the cause below and run: {PREPARE_COMMAND}\n"
                f"{shlex.join(step[:5])} …:\n{tail}"
            )
        progress.show(done, timed=True)
    await asyncio.to_thread((folder / "complete").touch)


class _Progress:
    """Shows the progress of an installation on the standard error stream."""

    def __init__(self, packages: int) -> None:
        self._packages, self._collected = packages, 0
        self._started = time.monotonic()

    def show(self, text: str, *, timed: bool = False) -> None:
        """Show a line, with the time since the start."""
        elapsed = f" after {time.monotonic() - self._started:.0f} s" if timed else ""
        print(f"cognito_async: {text}{elapsed}", file=sys.stderr, flush=True)

    def count(self, line: str) -> None:
        """Count the packages that pip collects."""
        if line.startswith(("Collecting ", "Processing ")):  # from an index, or from a folder
            self._collected += 1
            if self._collected % _REPORTED == 0:
                self.show(f"package {self._collected} of {self._packages}", timed=True)


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncGenerator[int, None]:
    """Hold an inter-process lock; yield its descriptor."""
    while True:
        with contextlib.suppress(BlockingIOError):
            lock = FileLock(path)  # does not wait, so it does not block the loop
            break
        await asyncio.sleep(0.1)
    try:
        yield lock.fileno()
    finally:
        lock.release()


async def run_to_completion(work: Coroutine[object, None, object]) -> None:
    """Complete a coroutine even if the caller is cancelled; then raise the cancellation."""
    task, interruption = asyncio.create_task(work), None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            interruption = error
    try:
        task.result()
    finally:
        if interruption is not None:
            raise interruption
