"""The emulator's virtualenv: created once, again if it is unusable, and with clear errors."""

# ruff: noqa: ASYNC220 — looking at files and starting the odd process takes no time worth a thread

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from cognito_async.testing import environment
from cognito_async.testing.__main__ import main
from cognito_async.testing.emulator import COMMAND_VARIABLE
from cognito_async.testing.environment import (
    PREPARE_COMMAND,
    REQUIREMENTS,
    LocalPoolError,
    environment_folder,
    prepare,
    run_step,
)
from tests.support.processes import ROOT, is_alive, until

# asyncio waits for child processes in threads, as in Python 3.11.
WAITING_THREAD = "asyncio-waitpid"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")


@pytest.fixture(autouse=True)
def _children_are_collected(_no_thread_left: None) -> Iterator[None]:
    """Wait for the threads that wait for child processes."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith(WAITING_THREAD):
            thread.join(timeout=10)


class Steps:
    """Replaces venv and pip: records the commands, creates what they would create, or fails."""

    def __init__(self, *, failing: str = "") -> None:
        self.failing = failing
        self.commands: list[Sequence[str]] = []
        self.environment: Mapping[str, str] = {}

    async def __call__(
        self, command: Sequence[str], environment: Mapping[str, str], lock: int, on_line: Callable[[str], None]
    ) -> tuple[int, str]:
        """Replace ``run_step``."""
        self.commands.append(command)
        self.environment = environment
        if self.failing in command:
            return 1, "noise\n" * 100 + f"the {self.failing} step is out of order"
        if "venv" in command:
            (Path(command[-1]) / "bin").mkdir(parents=True)
            (Path(command[-1]) / "bin" / "python").touch()
        for number in range(20 if "pip" in command else 0):
            on_line(f"Collecting package{number}==1.0\n")
            on_line("  Using cached package.whl\n")
        return 0, ""


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Use an empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    return tmp_path


def test_environment_is_in_the_cache_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME is used, and the name depends on Python and the pins."""
    folder = environment_folder()
    assert folder.parent == cache / "cognito_async"
    assert folder.name.startswith(f"ministack-1.5.33-py{sys.version_info.major}.{sys.version_info.minor}-")
    other = cache / "requirements.txt"
    other.write_text(f"{REQUIREMENTS.read_text()}another==1\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", other)
    assert environment_folder() != folder


def test_every_requirement_is_pinned_with_hashes() -> None:
    """A tampered index cannot replace a package, on any platform that a release has files for."""
    requirements = [
        text.split() for text in REQUIREMENTS.read_text().replace("\\\n", "").splitlines() if text[0] != "#"
    ]
    assert {"ministack", "botocore", "cryptography"} <= {words[0].partition("==")[0] for words in requirements}
    for name, *hashes in requirements:
        assert "==" in name
        assert len(hashes) >= 1
        assert all(re.fullmatch(r"--hash=sha256:[\da-f]{64}", text) for text in hashes), name


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("linux", ".cache"), ("darwin", "Library/Caches"), ("win32", "AppData/Local")],
)
def test_default_cache_folder_of_each_platform(platform: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert environment_folder().parent == Path.home() / expected / "cognito_async"


async def test_environment_is_created_once(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With progress; the second call does nothing."""
    steps = Steps()
    python = await prepare(run=steps)
    assert python == environment_folder() / "bin" / "python"
    assert [next(word for word in ("venv", "pip") if word in step) for step in steps.commands] == ["venv", "pip"]
    assert steps.commands[1][-3:] == ["--require-hashes", "-r", str(REQUIREMENTS)]
    notice, created, *packages, installed = capfd.readouterr().err.splitlines()
    assert str(cache) in notice
    assert "20 pinned packages, about 100 MB; done once" in notice
    assert "virtualenv" in created
    assert [line.partition(" after")[0] for line in packages] == [
        f"cognito_async: package {count} of 20" for count in (5, 10, 15, 20)
    ]
    assert re.search(r"installed after \d+ s$", installed)
    await prepare(run=steps)
    assert len(steps.commands) == 2
    assert capfd.readouterr().err == ""


async def test_environment_with_missing_python_is_created_again(cache: Path) -> None:
    """As after an upgrade of Python."""
    python = await prepare(run=Steps())
    python.unlink()
    python.symlink_to(cache / "removed")
    await prepare(run=(steps := Steps()))
    assert len(steps.commands) == 2


@pytest.mark.parametrize("step", ["venv", "pip"])
@pytest.mark.usefixtures("cache")
async def test_failing_step_shows_its_output_and_is_repeated(step: str) -> None:
    """An incomplete environment is created again."""
    with pytest.raises(LocalPoolError, match=f"the {step} step is out of order") as caught:
        await prepare(run=Steps(failing=step))
    assert PREPARE_COMMAND in str(caught.value)
    assert str(caught.value).count("noise") < 50
    leftover = environment_folder() / "leftover"
    leftover.parent.mkdir(exist_ok=True)
    leftover.touch()
    await prepare(run=(steps := Steps()))
    assert len(steps.commands) == 2
    assert not leftover.exists()


async def test_cache_folder_that_cannot_be_written_is_an_error(cache: Path) -> None:
    """It names the same command."""
    (cache / "cognito_async").write_text("in the way")
    with pytest.raises(LocalPoolError, match=PREPARE_COMMAND):
        await prepare(run=Steps())


@pytest.mark.usefixtures("cache")
async def test_pip_gets_index_settings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other settings of Python and pip are removed."""
    unwanted = {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_USER", "PIP_CONSTRAINT"}
    for name in (*unwanted, "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "set")
    await prepare(run=(steps := Steps()))
    assert steps.environment["PIP_INDEX_URL"] == "set"
    assert not unwanted & set(steps.environment)


def test_concurrent_processes_create_it_once(cache: Path) -> None:
    """The second one waits."""
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.testing.test_environment import Steps
from cognito_async.testing.environment import prepare
async def run(command, environment, lock, on_line):
    print("step", flush=True)
    await asyncio.sleep(0.1)
    return await Steps()(command, environment, lock, on_line)
print(asyncio.run(prepare(run=run)))
"""
    both = [
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    said = b"".join(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said.count(b"step") == 2
    assert said.count(str(environment_folder()).encode()) == 2


async def test_lock_is_held_by_a_running_step(cache: Path) -> None:
    """After its parent was killed."""
    program = """
import asyncio, sys
from cognito_async.testing import environment as home
async def run(command, environment, lock, on_line):
    return await home.run_step(
        [sys.executable, "-c", "import os, signal; print(os.getpid(), file=open('pid', 'w')); signal.pause()"],
        environment, lock, on_line)
asyncio.run(home.prepare(run=run))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=cache, env=environment, stderr=subprocess.DEVNULL
    ) as first:
        await until(lambda: (cache / "pid").exists() and (cache / "pid").read_text().endswith("\n"))
        first.kill()
    orphan = int((cache / "pid").read_text())
    second = asyncio.create_task(prepare(run=(steps := Steps())))
    await asyncio.sleep(0.1)
    assert not steps.commands
    os.kill(orphan, signal.SIGTERM)
    await second
    assert len(steps.commands) == 2


async def test_step_returns_exit_code_and_output(tmp_path: Path) -> None:
    """Both streams, and each line when it is printed."""
    program = "import sys; print('plain'); print('grave', file=sys.stderr); sys.exit(3)"
    with (tmp_path / "lock").open("w") as lock:
        lines: list[str] = []
        code, output = await run_step([sys.executable, "-c", program], {}, lock.fileno(), lines.append)
    assert code == 3
    assert sorted(output.split()) == ["grave", "plain"]
    assert "".join(lines) == output


async def test_cancelled_step_is_killed(tmp_path: Path) -> None:
    """Pip does not keep running."""
    notes = tmp_path / "pid"
    program = f"import os, signal; print(os.getpid(), file=open({str(notes)!r}, 'w')); signal.pause()"
    with (tmp_path / "lock").open("w") as lock:
        task = asyncio.create_task(run_step([sys.executable, "-c", program], {}, lock.fileno(), print))
        await until(lambda: notes.exists() and notes.read_text().endswith("\n"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not is_alive(int(notes.read_text()))


def test_prepare_prints_the_folder(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If the environment exists."""
    asyncio.run(prepare(run=Steps()))
    assert main(["prepare"]) == 0
    assert str(environment_folder()) in capsys.readouterr().out


@pytest.mark.usefixtures("cache")
def test_prepare_fails_with_the_output_of_the_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert main(["prepare"]) == 1
    assert "/bin/false -I -m venv" in capsys.readouterr().err
