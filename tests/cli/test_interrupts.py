"""Runs that are cut short: by Ctrl-C once and twice, by other signals, by a kill; and terminals that come and go."""

import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.test_bulk import to, write_users
from tests.support.processes import ROOT
from tests.support.terminal import CODE_MISMATCH, Service, begin, end, look, run, terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals are POSIX")

USERS = 40


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """Give a service that holds its answers back until the gate is opened."""
    async with Service() as opened:
        opened.gate.clear()
        yield opened


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
async def test_the_first_signal_ends_in_order(service: Service, tmp_path: Path, name: str) -> None:
    """What is on its way comes to its end, the rest is left, and 75 says that it can go on; which it then does."""
    users = write_users(tmp_path, USERS)
    process = await begin("bulk", "confirm", str(users), *to(service))
    await service.until(2)
    process.send_signal(getattr(signal, name))
    assert process.stderr is not None
    said = ""
    while "stopping: " not in said:
        said += (await process.stderr.readline()).decode()
    service.gate.set()
    ended = await end(process)
    assert ended.code == 75
    served = service.sent()
    assert 2 <= len(served) < USERS
    assert f"{len(served)} done" in ended.err
    assert f"cognito-async bulk resume {os.path.relpath(users)}.journal" in ended.err
    if name == "SIGINT":
        resumed = await run("bulk", "resume", f"{users}.journal")
        assert resumed.code == 0
        assert service.sent() == {f"a{index}": 1 for index in range(USERS)}


async def test_the_second_signal_leaves_at_once(service: Service, tmp_path: Path) -> None:
    """Nothing is waited for; 130 and a line say so, and what was on its way is settled by resuming."""
    users = write_users(tmp_path, USERS)
    process = await begin("bulk", "confirm", str(users), *to(service))
    await service.until(2)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    said = ""
    while "stopping: " not in said:
        said += (await process.stderr.readline()).decode()
    process.send_signal(signal.SIGINT)
    ended = await end(process)
    assert ended.code == 130
    assert "left at once; what was on its way is settled when you resume" in ended.err
    assert "Traceback" not in ended.err
    service.gate.set()
    resumed = await run("bulk", "resume", f"{users}.journal")
    assert resumed.code == 0
    assert set(service.sent()) == {f"a{index}" for index in range(USERS)}


async def test_a_killed_job_is_resumed_from_its_journal_alone(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it runs, `status` tells so and a second run is refused; after the kill, every row comes to its end."""
    users = write_users(tmp_path, USERS)
    journal = f"{users}.journal"
    process = await begin("bulk", "forgot", str(users), *to(service))
    await service.until(3)
    seen = json.loads(look(capsys, "bulk", "status", journal, "--json").out)
    assert (seen["running"], seen["total"], seen["states"]["done"]) == (True, USERS, 0)
    assert seen["states"]["sent"] >= 3
    assert "running since" in look(capsys, "bulk", "status", journal).out
    second = await run("bulk", "resume", journal)
    assert second.code == 75
    assert "is in use" in second.err
    process.kill()
    await end(process)
    left = look(capsys, "bulk", "status", journal).out
    assert "its last run was killed" in left
    assert "cognito-async bulk resume" in left
    service.gate.set()
    resumed = await run("bulk", "resume", journal, "--json")
    summary = resumed.objects[-1]
    assert resumed.code == 3  # a code may have been sent to those that were on their way: nobody can tell
    assert summary["states"]["unknown"] >= 3
    assert summary["states"]["unknown"] + summary["states"]["done"] == USERS
    assert set(service.sent().values()) == {1}


async def test_nobody_reads_the_objects(service: Service, tmp_path: Path) -> None:
    """When the reader of --json goes away, the job stops in order, and can be resumed."""
    users = write_users(tmp_path, USERS)
    service.always.update({f"a{index}": CODE_MISMATCH for index in range(USERS)})
    reader, writer = os.pipe()
    options = ("--json", "--max-errors", "0")
    process = await begin("bulk", "confirm", str(users), *to(service, rate="50"), *options, stdout=writer)
    os.close(writer)
    await service.until(2)
    os.close(reader)
    service.gate.set()
    ended = await end(process)
    assert ended.code == 75
    assert "can be resumed" in ended.err
    assert "Traceback" not in ended.err


async def test_the_live_display(service: Service, tmp_path: Path) -> None:
    """On a terminal a bar shows how far it is, refusals stand above it, and the end tells what to do; 0, 3 or 75."""
    users = write_users(tmp_path, USERS)
    service.always["a3"] = CODE_MISMATCH
    service.gate.set()
    arguments = ("bulk", "confirm", str(users), *to(service, rate="40"))
    async with terminal(*arguments, cwd=tmp_path) as screen:
        await screen.until("line 5 a3 refused: CodeMismatchException")
        assert await screen.end() == 3
        await screen.until("cognito-async bulk report users.csv.journal")
        assert "━" in screen.shown
        assert " of 40" in screen.shown
        assert "/s of 40/s" in re.sub(r"\x1b\[[0-9;]*m", "", screen.shown)
        assert "\x1b[31m" in screen.shown
        assert screen.shown.count("\x1b[?25l") == screen.shown.count("\x1b[?25h") == 1  # the cursor is given back


async def test_ctrl_c_on_the_terminal(service: Service, tmp_path: Path) -> None:
    """The key does what the signal does, and the display says what happens next."""
    users = write_users(tmp_path, USERS)
    async with terminal("bulk", "confirm", str(users), *to(service), cwd=tmp_path) as screen:
        await service.until(2)
        await screen.until("on their way")
        screen.type("\x03")
        await screen.until("Ctrl-C again leaves at once")
        service.gate.set()
        assert await screen.end() == 75
        await screen.until("cognito-async bulk resume users.csv.journal")


@pytest.mark.parametrize(
    ("options", "variables"), [(["--plain"], {}), ([], {"TERM": "dumb"}), ([], {"PYTHONPATH_WITHOUT_RICH": "1"})]
)
async def test_plain_lines_on_a_terminal(
    service: Service, tmp_path: Path, options: list[str], variables: dict[str, str]
) -> None:
    """Where it is wished, where the terminal can't do more, and where rich is not there, lines are plain."""
    users = write_users(tmp_path, 3)
    service.gate.set()
    if variables.pop("PYTHONPATH_WITHOUT_RICH", None):
        (tmp_path / "rich.py").write_text("raise ImportError('not here')\n")
        variables = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    async with terminal("bulk", "confirm", str(users), *to(service), *options, variables=variables) as screen:
        assert await screen.end() == 0
        await screen.until("100 % 3 of 3")
        await screen.until("confirm finished")
        assert "\x1b" not in screen.shown


async def test_no_colour(service: Service, tmp_path: Path) -> None:
    """With NO_COLOR the live display has no colours."""
    users = write_users(tmp_path, 3)
    service.always["a1"] = CODE_MISMATCH
    service.gate.set()
    async with terminal("bulk", "confirm", str(users), *to(service), variables={"NO_COLOR": "1"}) as screen:
        assert await screen.end() == 3
        await screen.until("confirm finished")
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", screen.shown)


async def test_code_and_password_are_asked_for(service: Service) -> None:
    """Neither is shown as it is typed; the password is asked for twice."""
    service.gate.set()
    place = ("--region", "eu-west-1", "--endpoint-url", service.url, "--client-id", "app")
    async with terminal("confirm-forgot-password", "--username", "ada", *place) as screen:
        await screen.until("Confirmation code: ")
        screen.type("654321\n")
        await screen.until("New password: ")
        screen.type("Diff-erent1\n")
        await screen.until("New password, once more: ")
        screen.type("Diff-erent1\n")
        assert await screen.end() == 0
        await screen.until("ada has the new password")
        assert "654321" not in screen.shown
        assert "Diff-erent1" not in screen.shown
    [request] = service.server.requests
    assert (request.json["ConfirmationCode"], request.json["Password"]) == ("654321", "Diff-erent1")


async def test_two_passwords_that_differ(service: Service) -> None:
    """Nothing is sent when the second password is another one."""
    place = ("--region", "eu-west-1", "--endpoint-url", service.url, "--client-id", "app")
    variables = {"COGNITO_CONFIRMATION_CODE": "654321"}
    async with terminal("confirm-forgot-password", "--username", "ada", *place, variables=variables) as screen:
        await screen.until("New password: ")
        screen.type("Diff-erent1\n")
        await screen.until("once more: ")
        screen.type("Diff-erent2\n")
        assert await screen.end() == 2
        await screen.until("the two are not the same")
    assert service.seen == []


async def test_a_prompt_is_left_with_ctrl_c() -> None:
    """Ctrl-C at a prompt is no traceback, and the exit code is 130."""
    place = ("--region", "eu-west-1", "--client-id", "app")
    async with terminal("confirm-forgot-password", "--username", "ada", *place) as screen:
        await screen.until("Confirmation code: ")
        screen.type("\x03")
        assert await screen.end() == 130
        await screen.until("interrupted")
        assert "Traceback" not in screen.shown


async def test_the_client_secret_is_asked_for_again(service: Service, tmp_path: Path) -> None:
    """A resumed job whose app client has a secret asks for it, as no journal holds it."""
    users = write_users(tmp_path, 2)
    service.always["a0"] = CODE_MISMATCH
    service.gate.set()
    first = await run(
        "bulk", "confirm", str(users), *to(service), variables={"COGNITO_CLIENT_SECRET": "app-client-5ecret"}
    )
    assert first.code == 3
    alone = await run("bulk", "resume", f"{users}.journal", "--again", "refused")
    assert alone.code == 2
    assert "COGNITO_CLIENT_SECRET" in alone.err
    async with terminal("bulk", "resume", f"{users}.journal", "--again", "refused") as screen:
        await screen.until("Client secret: ")
        screen.type("app-client-5ecret\n")
        assert await screen.end() == 3
        assert "5ecret" not in screen.shown
    hashes = {r.json["SecretHash"] for r in service.server.requests if r.json["Username"] == "a0"}
    assert len(hashes) == 1
