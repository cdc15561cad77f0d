"""Signals, kills, closed pipes and terminals."""

import json
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cognito_async.cli.errors import Exit
from tests.support.processes import ROOT
from tests.support.terminal import CODE_MISMATCH, Service, finish, run, run_here, started, terminal, write_users

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals are POSIX")

USERS = 40


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service that holds requests until its gate is opened."""
    async with Service() as opened:
        opened.gate.clear()
        yield opened


async def read_until_stopping(process: Process) -> None:
    """Read the standard error of a process until it has reported the first signal."""
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if line.startswith(b"Stopping: "):
            return
    raise AssertionError("the process did not report the signal")


# --- signals ---


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
async def test_first_signal_waits_for_requests_and_exits_75(service: Service, tmp_path: Path, name: str) -> None:
    users = write_users(tmp_path, USERS)
    async with started("bulk", "confirm", str(users), *service.options()) as process:
        await service.wait_for_requests(2)
        process.send_signal(getattr(signal, name))
        await read_until_stopping(process)
        service.gate.set()
        completed = await finish(process)
    assert completed.code == Exit.PAUSED
    served = service.requests_by_user()
    assert 2 <= len(served) < USERS
    assert f"{len(served)} done" in completed.err
    assert f"cognito-async bulk resume {os.path.relpath(users)}.journal" in completed.err
    if name == "SIGINT":
        resumed = await run("bulk", "resume", f"{users}.journal", *service.endpoint)
        assert resumed.code == Exit.DONE
        assert service.requests_by_user() == {f"a{index}": 1 for index in range(USERS)}


async def test_second_signal_exits_130_immediately(service: Service, tmp_path: Path) -> None:
    users = write_users(tmp_path, USERS)
    async with started("bulk", "confirm", str(users), *service.options()) as process:
        await service.wait_for_requests(2)
        process.send_signal(signal.SIGINT)
        await read_until_stopping(process)
        process.send_signal(signal.SIGINT)
        completed = await finish(process)
    assert completed.code == Exit.INTERRUPTED
    assert completed.err.splitlines()[-1].startswith("cognito-async: aborted")
    assert "Traceback" not in completed.err
    service.gate.set()
    resumed = await run("bulk", "resume", f"{users}.journal", *service.endpoint)
    assert resumed.code == Exit.DONE
    assert set(service.requests_by_user()) == {f"a{index}" for index in range(USERS)}


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
async def test_ignored_signal_stays_ignored(service: Service, tmp_path: Path, name: str) -> None:
    """As under nohup, and in the background of a shell."""
    number = getattr(signal, name)
    users = write_users(tmp_path, 3)
    before = signal.signal(number, signal.SIG_IGN)
    async with started("bulk", "confirm", str(users), *service.options()) as process:
        signal.signal(number, before)
        await service.wait_for_requests(2)
        process.send_signal(number)
        service.gate.set()
        completed = await finish(process)
    assert completed.code == Exit.DONE
    assert set(service.requests_by_user().values()) == {1}


async def test_sigterm_stops_a_job_that_ignores_sigint(service: Service, tmp_path: Path) -> None:
    users = write_users(tmp_path, USERS)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    async with started("bulk", "confirm", str(users), *service.options()) as process:
        signal.signal(signal.SIGINT, before)
        await service.wait_for_requests(2)
        process.send_signal(signal.SIGTERM)
        await read_until_stopping(process)
        service.gate.set()
        completed = await finish(process)
    assert completed.code == Exit.PAUSED


async def test_killed_job_is_resumed_from_its_journal(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = write_users(tmp_path, USERS)
    journal = f"{users}.journal"
    async with started("bulk", "forgot", str(users), *service.options()):
        await service.wait_for_requests(3)
        status = json.loads(run_here(capsys, "bulk", "status", journal, "--json").out)
        assert (status["running"], status["total"], status["states"]["done"]) == (True, USERS, 0)
        assert status["states"]["sent"] >= 3
        assert "running since" in run_here(capsys, "bulk", "status", journal).out
        second = await run("bulk", "resume", journal, *service.endpoint)
        assert (second.code, second.err.count("\n")) == (Exit.PAUSED, 1)
    left = json.loads(run_here(capsys, "bulk", "status", journal, "--json").out)
    assert (left["running"], left["last_run"]["ended"]) == (False, None)
    service.gate.set()
    resumed = await run("bulk", "resume", journal, *service.endpoint, "--json")
    summary = resumed.objects[-1]
    assert resumed.code == Exit.PARTIAL  # whether the service sent a code for the in-flight rows is unknown
    assert summary["states"]["unknown"] >= 3
    assert summary["states"]["unknown"] + summary["states"]["done"] == USERS
    assert set(service.requests_by_user().values()) == {1}


async def test_closed_stdout_stops_a_job_with_json_output(service: Service, tmp_path: Path) -> None:
    users = write_users(tmp_path, USERS)
    service.defaults.update({f"a{index}": CODE_MISMATCH for index in range(USERS)})
    reader, writer = os.pipe()
    options = ("--json", "--max-errors", "0")
    arguments = ("bulk", "confirm", str(users), *service.options(rate="50"), *options)
    async with started(*arguments, stdout=writer) as process:
        os.close(writer)
        await service.wait_for_requests(2)
        os.close(reader)
        service.gate.set()
        completed = await finish(process)
    assert (completed.code, completed.err.count("\n")) == (Exit.PAUSED, 1)


# --- terminals ---


async def test_live_display(service: Service, tmp_path: Path) -> None:
    users = write_users(tmp_path, USERS)
    service.defaults["a3"] = CODE_MISMATCH
    service.gate.set()
    arguments = ("bulk", "confirm", str(users), *service.options(rate="40"))
    async with terminal(*arguments, cwd=tmp_path) as screen:
        await screen.wait_for("line 5 a3 refused: CodeMismatchException")
        assert await screen.exit_code() == Exit.PARTIAL
        await screen.wait_for("cognito-async bulk report users.csv.journal")
        assert "━" in screen.shown
        assert " of 40" in screen.shown
        assert "/s of 40/s" in re.sub(r"\x1b\[[0-9;]*m", "", screen.shown)
        assert "\x1b[31m" in screen.shown
        hidden, restored = screen.shown.count("\x1b[?25l"), screen.shown.count("\x1b[?25h")
        assert hidden == restored == 1


async def test_ctrl_c_on_a_terminal_stops_the_job(service: Service, tmp_path: Path) -> None:
    users = write_users(tmp_path, USERS)
    async with terminal("bulk", "confirm", str(users), *service.options(), cwd=tmp_path) as screen:
        await service.wait_for_requests(2)
        await screen.wait_for("in flight")
        screen.type("\x03")
        await screen.wait_for("Press Ctrl-C again to quit now")
        service.gate.set()
        assert await screen.exit_code() == Exit.PAUSED
        await screen.wait_for("cognito-async bulk resume users.csv.journal")


@pytest.mark.parametrize(
    ("options", "variables"),
    [(["--plain"], {}), ([], {"TERM": "dumb"}), ([], {"PYTHONPATH": f"without-rich{os.pathsep}{ROOT}"})],
)
async def test_plain_lines_on_a_terminal(
    service: Service, tmp_path: Path, options: list[str], variables: dict[str, str]
) -> None:
    users = write_users(tmp_path, 3)
    service.gate.set()
    (tmp_path / "without-rich").mkdir()
    (tmp_path / "without-rich" / "rich.py").write_text("raise ImportError('not here')\n")
    arguments = ("bulk", "confirm", str(users), *service.options(), *options)
    async with terminal(*arguments, variables=variables, cwd=tmp_path) as screen:
        assert await screen.exit_code() == Exit.DONE
        await screen.wait_for("100 % 3 of 3")
        await screen.wait_for("confirm finished")
        assert "\x1b" not in screen.shown


async def test_no_color_is_respected(service: Service, tmp_path: Path) -> None:
    users = write_users(tmp_path, 3)
    service.defaults["a1"] = CODE_MISMATCH
    service.gate.set()
    arguments = ("bulk", "confirm", str(users), *service.options())
    async with terminal(*arguments, variables={"NO_COLOR": "1"}) as screen:
        assert await screen.exit_code() == Exit.PARTIAL
        await screen.wait_for("confirm finished")
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", screen.shown)
