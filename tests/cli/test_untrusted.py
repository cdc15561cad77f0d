"""Journals that others may have changed, values that could control a terminal, and closed streams."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cognito_async.bulk.journal import Journal, journal_files
from cognito_async.bulk.rows import Outcome, State
from cognito_async.cli.errors import CommandError, Exit
from cognito_async.cli.settings import JobSettings, Target
from tests.support.terminal import (
    AWS,
    LIMIT,
    PROGRAM,
    InThread,
    Service,
    environment,
    error_response,
    finish,
    run_here,
    started,
    terminal,
    write_users,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals and modes are POSIX")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service that answers every request with success."""
    async with Service() as opened:
        yield opened


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> InThread:
    """The command line in a thread of this process."""
    return InThread(capsys, monkeypatch)


# --- endpoints in journals ---


@pytest.mark.parametrize("given", [(), ("--endpoint-url", "http://127.0.0.1:9")], ids=["none", "another"])
async def test_resume_without_the_endpoint_sends_nothing(
    given: tuple[str, ...], service: Service, cli: InThread, tmp_path: Path
) -> None:
    """A journal alone does not choose where passwords and signed requests are sent, nor does the environment."""
    users = write_users(tmp_path, 2)
    service.defaults["a0"] = LIMIT
    assert (await cli("bulk", "confirm", str(users), *service.options(), "--wait", "0")).code == Exit.PAUSED
    before = len(service.calls)
    variables = {"AWS_ENDPOINT_URL": service.url}
    resumed = await cli("bulk", "resume", f"{users}.journal", *given, variables=variables)
    assert (resumed.code, len(service.calls)) == (Exit.USAGE, before)
    assert service.url in resumed.err
    assert (await cli("bulk", "resume", f"{users}.journal", *service.endpoint, "--wait", "0")).code == Exit.PAUSED


@pytest.mark.parametrize(
    ("endpoint", "is_own"),
    [
        (None, True),
        ("https://cognito-idp.eu-west-1.amazonaws.com", True),
        ("https://cognito-idp.eu-west-1.amazonaws.com/", True),
        ("https://cognito-idp-fips.eu-west-1.amazonaws.com", True),
        ("https://cognito-idp.eu-west-1.api.aws", False),  # the standard endpoint of the region is dual-stack
        ("http://cognito-idp.eu-west-1.amazonaws.com", False),
        ("https://cognito-idp.eu-west-2.amazonaws.com", False),
        ("https://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", False),
        ("https://cognito-idp.eu-west-1.amazonaws.com.evil.example", False),
        ("https://cognito-idp.eu-west-1.amazonaws.com@evil.example", False),
        ("http://127.0.0.1:8080", False),
    ],
)
def test_only_the_endpoints_of_aws_are_trusted(endpoint: str | None, *, is_own: bool) -> None:
    """Hosts of AWS's customers are not AWS's endpoints."""
    target = Target(region="eu-west-1", endpoint_url=endpoint)
    target.check_endpoint(endpoint)
    if is_own:
        target.check_endpoint(None)
    else:
        with pytest.raises(CommandError) as caught:
            target.check_endpoint(None)
        assert caught.value.exit is Exit.USAGE


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
@pytest.mark.parametrize("name", ["resume", "status", "report"])
def test_journal_that_others_can_access_is_refused(
    name: str, mode: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others can read its usernames, or have changed its settings."""
    with Journal(tmp_path / "j") as journal:
        journal.remember(JobSettings(action="reset", target=Target(region="eu-west-1")).facts())
    (tmp_path / "j").chmod(mode)
    completed = run_here(capsys, "bulk", name, str(tmp_path / "j"))
    assert (completed.code, completed.out) == (Exit.USAGE, "")
    assert "chmod 600" in completed.err
    assert [path.name for path in tmp_path.iterdir()] == ["j"]


# --- journals that are lost, and inputs that change ---


async def test_deleted_journal_ends_the_job_with_exit_code_1(service: Service, tmp_path: Path) -> None:
    """The job ends within a second although nothing is sent, and does not report success."""
    users = write_users(tmp_path, 40)
    service.gate.clear()
    async with started("bulk", "confirm", str(users), *service.options(), "--plain") as process:
        await service.wait_for_requests(1)
        for file in journal_files(Path(f"{users}.journal")):
            file.unlink(missing_ok=True)
        service.gate.set()
        completed = await finish(process)
    assert completed.code == Exit.FAILURE
    assert "deleted or replaced" in completed.err
    assert "finished" not in completed.err
    assert len(service.calls) < 40


# --- values that could control a terminal ---

EVIL = "ada\x1b]0;evil\x07\x9b2J\u202e"


async def test_export_to_a_terminal_escapes_control_characters(service: Service, tmp_path: Path) -> None:
    """A terminal gets no escape sequence of an attribute; a file and a pipe hold the values unchanged."""
    service.users = [{"Username": "ada", "Attributes": [{"Name": "name", "Value": EVIL}]}]
    target = ("--endpoint-url", service.url, "--user-pool-id", "eu-west-1_AbC")
    for form in ("csv", "jsonl"):
        export = ("users", "export", *target, "--columns", "username,name", "--format", form)
        async with terminal(*export, variables=AWS, cwd=tmp_path) as opened:
            assert await opened.exit_code() == Exit.DONE
            await opened.wait_for("1 user written")
            assert "ada\\u001b]0;evil\\u0007\\u009b2J\\u202e" in opened.shown
            assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(opened.shown)
        async with started(*export, variables=AWS, cwd=tmp_path) as process:
            piped = await finish(process)
        line = piped.out.splitlines()[-1]
        assert EVIL in (json.loads(line)["name"] if form == "jsonl" else line)


def test_report_escapes_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the rows of the CSV file nor the name of a file contain control characters."""
    monkeypatch.chdir(tmp_path)
    with Journal(tmp_path / "j") as journal:
        refused = Outcome(line=1, username=EVIL, state=State.REFUSED, code="X\x1b", reason=f"is\n {EVIL}")
        journal.add_rows([refused], 1e9)
    shown = run_here(capsys, "bulk", "report", "j", "--csv", "-", "--json", "report\x1b[2J.json")
    assert "ada\\u001b]0;evil" in shown.out
    assert shown.err == "report\\u001b[2J.json\n"
    missing = run_here(capsys, "bulk", "status", "no\x1b[2J\n")
    status = run_here(capsys, "bulk", "status", "j")
    for text in (shown.out.replace("\r\n", "\n"), shown.err, missing.err, status.out):
        assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(text)
    assert "no\\u001b[2J\\n" in missing.err


# --- closed streams ---


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "0<&-", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize(
    "arguments",
    ["bulk status j", "bulk report j --csv -", "bulk report j --csv x.csv", "bulk reset - --journal k --region r"],
)
def test_closed_streams_end_without_traceback(arguments: str, closed: str, tmp_path: Path) -> None:
    """Writing to a closed stdout is an error; no file takes the place of a closed stream."""
    Journal(tmp_path / "j").close()
    (tmp_path / "x.csv").touch()
    command = f"{' '.join(PROGRAM)} {arguments} {closed}"
    completed = subprocess.run(
        command, shell=True, check=False, cwd=tmp_path, capture_output=True, text=True, env=environment(), timeout=60
    )
    writes = arguments.startswith(("bulk status", "bulk report"))
    assert completed.returncode == (Exit.USAGE if not writes else Exit.FAILURE if "1>&-" in closed else Exit.DONE)
    assert "Error" not in completed.stderr.replace("OSError", "")
    assert completed.stderr.count("\n") <= 1


async def test_job_with_closed_stdout_runs(service: Service, tmp_path: Path) -> None:
    """A job without --json writes nothing to stdout, and its journal does not take its place."""
    users = write_users(tmp_path, 3)
    command = " ".join([*PROGRAM, "bulk", "confirm", str(users), *service.options(), "--plain", "0<&- 1>&-"])
    completed = await asyncio.to_thread(
        subprocess.run, command, shell=True, check=False, capture_output=True, text=True, env=environment(), timeout=60
    )
    assert completed.returncode == Exit.DONE, completed.stderr
    assert "3 done" in completed.stderr
    assert len(service.calls) == 3


# --- input and explanations ---


async def test_inputs_of_other_programs_are_read(service: Service, cli: InThread, tmp_path: Path) -> None:
    """The files that spreadsheets and AWS's own tools write are inputs."""
    contents = {
        "lines.jsonl": '{"Username":"ada","Enabled":true}\n',
        "aws.csv": "cognito:username,name,email\nada,Ada,ada@example.com\n",
        "semicolon.csv": "username;name\r\nada;Ada\r\n",
        "tab.tsv": "username\tname\nada\tAda\n",
        "sep.csv": "sep=,\r\nusername,name\r\nada,Ada\r\n",
        "mac.csv": "username,name\rada,Ada\r",
        "empty.csv": "username,name\nada,Ada\n,\n   \n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, newline="")
        completed = await cli("bulk", "reset", str(tmp_path / name), *service.options(), variables=AWS)
        assert completed.code == Exit.DONE, completed.err
    assert service.calls == [("AdminResetUserPassword", "ada")] * len(contents)


async def test_case_sensitive_is_remembered(service: Service, cli: InThread, tmp_path: Path) -> None:
    """Names that differ in case are duplicates by default."""
    for options, sent in (((), 1), (("--case-sensitive",), 2)):
        users = tmp_path / f"users{sent}.csv"
        users.write_text("username\nada\nAda\n")
        completed = await cli("bulk", "reset", str(users), *service.options(), *options, variables=AWS)
        assert (completed.code, len(service.calls)) == (Exit.DONE if sent == 2 else Exit.PARTIAL, sent)
        service.calls.clear()
        resumed = await cli("bulk", "resume", f"{users}.journal", *service.endpoint, "--json", variables=AWS)
        assert resumed.objects[-1]["states"]["done"] == sent


async def test_advice_for_invalid_parameter_is_chosen_by_its_reason(
    service: Service, cli: InThread, tmp_path: Path
) -> None:
    """A name that the service rejects does not need a verified address."""
    users = write_users(tmp_path, 2)
    constraint = "1 validation error detected: Value at 'username' failed to satisfy constraint: Member must satisfy x"
    no_address = "Cannot reset password for the user as there is no registered/verified email or phone_number"
    service.defaults["a0"] = error_response("InvalidParameterException", constraint)
    for reasons, verified, invalid in (
        ((constraint,), 0, 1),
        ((constraint, no_address), 1, 1),
        ((no_address,) * 2, 1, 0),
    ):
        service.defaults |= {
            f"a{n}": error_response("InvalidParameterException", text) for n, text in enumerate(reasons)
        }
        journal = str(tmp_path / f"{len(list(tmp_path.iterdir()))}.journal")
        completed = await cli("bulk", "reset", str(users), *service.options(), "--journal", journal, variables=AWS)
        status = await cli("bulk", "status", journal)
        for text in (completed.err, status.out):
            assert text.count("AdminUpdateUserAttributes") == verified
            assert text.count("corrected rows alone") == invalid


async def test_forgot_explains_users_who_do_not_exist(service: Service, cli: InThread, tmp_path: Path) -> None:
    """The service accepts unknown names if the app client hides which users exist."""
    users = write_users(tmp_path, 2)
    completed = await cli("bulk", "forgot", str(users), *service.options())
    status = await cli("bulk", "status", f"{users}.journal")
    reset = await cli("bulk", "reset", str(users), *service.options(), "--journal", str(tmp_path / "k"), variables=AWS)
    assert ["hides which users exist" in text for text in (completed.err, status.out, reset.err)] == [True, True, False]


async def test_status_of_a_running_job_without_lock_file(service: Service, cli: InThread, tmp_path: Path) -> None:
    """A live job is not called killed."""
    users = write_users(tmp_path, 3)
    service.gate.clear()
    async with started("bulk", "confirm", str(users), *service.options(), "--plain") as process:
        await service.wait_for_requests(1)
        os.unlink(f"{users}.journal-lock")  # noqa: PTH108 - not a blocking path operation to the linter
        status = await cli("bulk", "status", f"{users}.journal")
        service.gate.set()
        completed = await finish(process)
    assert "running" in status.out.splitlines()[1]
    assert "killed" not in status.out
    assert completed.code == Exit.DONE
