"""The emulator's process: it starts, listens on loopback only, and always ends."""

# ruff: noqa: ASYNC220, ASYNC240 — looking at files and starting the odd process takes no time worth a thread

import asyncio
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from cognito_async.testing import emulator
from cognito_async.testing.emulator import COMMAND_VARIABLE, Emulator
from cognito_async.testing.environment import PREPARE_COMMAND, LocalPoolError
from tests.support.processes import ROOT, is_alive, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

LISTEN = """
import os, signal, socket, sys
server = socket.create_server(("127.0.0.1", 0))
ready = f"Running on http://127.0.0.1:{server.getsockname()[1]} (CTRL + C to quit)"
"""
# A replacement that starts quickly, for tests that do not need the real emulator.
STAND_IN = [sys.executable, "-c", LISTEN + "print(ready, flush=True); signal.pause()"]
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print(ready, flush=True)\nwhile True: signal.pause()"
STUBBORN = [sys.executable, "-c", LISTEN + DEAF]


def child_of(running: Emulator) -> emulator._Child:
    """Return the child process, which some tests inspect."""
    assert running._child is not None
    return running._child


def get(url: str, path: str) -> bytes:
    """Return the response to a GET, read with a plain socket."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def listening_addresses(pid: int) -> set[str]:
    """Return the addresses on which a process listens, as in /proc."""
    links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    own = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:")}
    tables = (Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6"))
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in own}


async def test_emulator_starts_and_responds() -> None:
    """With Cognito, credential checks and the pinned version."""
    async with Emulator() as running:
        health = await asyncio.to_thread(get, running.endpoint_url, "/_ministack/health")
    assert health.startswith(b"HTTP/1.1 200")
    assert b'"cognito-idp": "available"' in health
    assert b'"auth": "enabled"' in health


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
async def test_emulator_listens_on_loopback_only() -> None:
    """One socket, on 127.0.0.1."""
    async with Emulator() as running:
        assert listening_addresses(running.pid) == {"0100007F"}


async def test_end_of_block_leaves_nothing() -> None:
    """The process, its watchdog and its folder are gone."""
    async with Emulator() as running:
        child = child_of(running)
        pids = (child.pid, child._process.pid)
        assert all(map(is_alive, pids))
        assert Path(child.folder).is_dir()
    assert not any(map(is_alive, pids))
    assert not Path(child.folder).exists()


async def test_emulator_can_be_started_again() -> None:
    """But not twice concurrently."""
    local = Emulator(command=STAND_IN)
    async with local:
        first = local.pid
        with pytest.raises(LocalPoolError, match="already"):
            await local.__aenter__()
        assert is_alive(first)
    async with local:
        assert local.pid != first


@pytest.mark.parametrize("name", ["endpoint_url", "pid"])
def test_endpoint_before_the_start_is_an_error(name: str) -> None:
    """LocalPoolError."""
    with pytest.raises(LocalPoolError, match="async with"):
        getattr(Emulator(), name)


async def test_exception_in_the_block_ends_the_emulator() -> None:
    """The exception is raised."""
    pids: list[int] = []

    async def failing_test() -> None:
        async with Emulator(command=STAND_IN) as running:
            pids.append(running.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing_test()
    assert not is_alive(pids[0])


async def test_cancelled_start_ends_the_emulator() -> None:
    """Nothing is left."""
    local = Emulator(command=[sys.executable, "-c", "import signal; signal.pause()"])
    task = asyncio.create_task(local.__aenter__())
    await until(lambda: local._child is not None and local._child.pid)
    child = child_of(local)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(child.pid)
    assert not Path(child.folder).exists()


async def test_start_cancelled_while_spawning_ends_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is not lost."""
    made: list[emulator._Child] = []
    spawn = Emulator._spawn

    def spawn_after_the_cancellation(self: Emulator, command: Sequence[str]) -> None:
        loop.call_soon_threadsafe(task.cancel)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result()
        spawn(self, command)
        made.append(child_of(self))

    monkeypatch.setattr(Emulator, "_spawn", spawn_after_the_cancellation)
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(Emulator(command=STAND_IN).__aenter__())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert made[0]._process.returncode is not None
    assert not is_alive(made[0].pid)


async def test_cancelled_shutdown_still_ends_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a process that ignores SIGTERM."""
    monkeypatch.setattr(emulator, "_GRACE", 0.3)
    local = await Emulator(command=STUBBORN).__aenter__()
    pid = local.pid
    task = asyncio.create_task(local.__aexit__(None, None, None))
    for _ in range(3):
        await asyncio.sleep(0.02)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(pid)


async def test_killed_watchdog_does_not_keep_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended by its process ID."""
    monkeypatch.setattr(emulator, "_GRACE", 0.1)
    async with Emulator(command=STAND_IN) as running:
        pid = running.pid
        child_of(running)._process.kill()
    await until(lambda: not is_alive(pid))


async def test_wrapper_script_leaves_nothing(tmp_path: Path) -> None:
    """The process that it started in the background ends, too."""
    notes = tmp_path / "pid"
    script = f"{shlex.join(STUBBORN)} & echo $! > {shlex.quote(str(notes))}; wait"
    async with Emulator(command=["/bin/sh", "-c", script]):
        await until(lambda: notes.exists() and notes.read_text().endswith("\n"))  # the child may be faster
        pid = int(notes.read_text())
        assert is_alive(pid)
    await until(lambda: not is_alive(pid))


@pytest.mark.parametrize("stage", ["ready", "starting"])
async def test_emulator_ends_when_the_tests_are_killed(stage: str, tmp_path: Path) -> None:
    """By SIGKILL, at any stage."""
    program = f"""
import asyncio, sys, threading
from cognito_async.testing import emulator
async def run():
    local = emulator.Emulator()
    if {stage == "starting"}:
        emulator._Child._note = lambda self, line: print(self._process.pid, self.folder, flush=True)
    async with local:
        print(local.pid, local._child.folder, flush=True)
        await asyncio.Event().wait()
asyncio.run(run())
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        pid, _, folder = (await asyncio.to_thread(tests.stdout.readline)).strip().partition(" ")
        assert is_alive(int(pid))
        tests.kill()
    await until(lambda: not is_alive(int(pid)))
    await until(lambda: not Path(folder).exists())


async def test_failing_command_shows_its_output() -> None:
    """In the error."""
    program = "import sys; print('out of luck'); sys.exit('and out of time')"
    with pytest.raises(LocalPoolError, match=r"ended before it was ready(?s:.*)out of luck") as caught:
        await Emulator(command=[sys.executable, "-c", program]).__aenter__()
    assert "and out of time" in str(caught.value)


async def test_start_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error shows the output."""
    program = "import signal; print('still thinking', flush=True); signal.pause()"
    local = Emulator(command=[sys.executable, "-c", program], startup_timeout=0.5)
    first_of = emulator._first_of

    async def once_it_has_spoken(*futures: Future[None], within: float) -> None:
        if local._child is not None:  # otherwise the end is awaited
            await until(lambda: "still thinking" in child_of(local).tail)
        await first_of(*futures, within=within)

    monkeypatch.setattr(emulator, "_first_of", once_it_has_spoken)
    with pytest.raises(LocalPoolError, match=r"not ready after 0\.5 s(?s:.*)still thinking"):
        await local.__aenter__()
    assert local._child is None


async def test_missing_command_names_the_prepare_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where the command comes from."""
    with pytest.raises(LocalPoolError, match="no program 'no-such-emulator'") as caught:
        await Emulator(command=["no-such-emulator"]).__aenter__()
    assert PREPARE_COMMAND in str(caught.value)
    monkeypatch.setenv(COMMAND_VARIABLE, "nowhere/ministack --flag")
    with pytest.raises(LocalPoolError, match=COMMAND_VARIABLE):
        await Emulator().__aenter__()


async def test_command_that_cannot_run_shows_the_reason(tmp_path: Path) -> None:
    """As reported by the watchdog."""
    broken = tmp_path / "ministack"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(LocalPoolError, match="No such file"):
        await Emulator(command=[str(broken)]).__aenter__()


async def test_command_variable_is_split_like_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments and quoted spaces work."""
    monkeypatch.setenv(COMMAND_VARIABLE, shlex.join(STAND_IN))
    async with Emulator() as running:
        assert running.endpoint_url.startswith("http://127.0.0.1:")


async def test_emulator_does_not_inherit_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of AWS, Python or Docker; its folder is private."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "PYTHONPATH", "DOCKER_HOST", "USE_SSL", "LOG_LEVEL"):
        monkeypatch.setenv(name, "unix:///yours")
    # Without PATH, which may be longer than the kept part of a line.
    program = LISTEN + "del os.environ['PATH']; print(dict(os.environ)); print(ready, flush=True); signal.pause()"
    async with Emulator(command=[sys.executable, "-c", program]) as running:
        seen, folder = child_of(running).tail[0], child_of(running).folder
    assert "yours" not in seen
    assert f"'STATE_DIR': '{folder}'" in seen
    assert f"'TMPDIR': '{folder}'" in seen
    assert "'SERVICES': 'cognito-idp,ses,iam,sts'" in seen


async def test_output_is_read_while_the_loop_is_blocked() -> None:
    """Tests may run on another loop than the fixture."""
    program = LISTEN + (
        "print(ready, flush=True)\n"
        "for _ in range(100): print('x' * 100_000)\n"
        "sys.stdout.flush()\n"
        "with server.accept()[0] as peer: peer.recv(65536); peer.sendall(b'said it all')\n"
        "signal.pause()"
    )
    async with Emulator(command=[sys.executable, "-c", program]) as running:
        assert get(running.endpoint_url, "/").startswith(b"said it all")  # blocks the loop
        assert max(map(len, child_of(running).tail)) <= 500
