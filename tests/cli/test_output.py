"""Destinations of reports and exports, and what status and report read from a journal."""

import asyncio
import codecs
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cognito_async.bulk.database import lock_path
from cognito_async.bulk.journal import Journal
from cognito_async.bulk.report.exports import BYTE_ORDER_MARK
from cognito_async.bulk.rows import Outcome, State
from cognito_async.cli.errors import Exit
from cognito_async.cli.settings import FACT, JobSettings, Target, UserFilter, saved_settings
from cognito_async.files import FileLock
from tests.support.processes import until
from tests.support.terminal import AWS, PROGRAM, InThread, Service, environment, finish, run_here, started, write_users

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, links and signals are POSIX")

HELD = "ResourceNotFoundException"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service with 130 users."""
    async with Service() as opened:
        opened.users = [
            {"Username": f"u{index}", "Attributes": [{"Name": "email", "Value": f"u{index}@x"}]} for index in range(130)
        ]
        yield opened


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The journal of a job that failed because its app client does not exist, in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = Path("users.journal")
    with Journal(path) as opened:
        settings = JobSettings(action="reset", input="/some/where/users.csv", target=Target(region="eu-west-1"))
        facts = {"action": "reset", "user pool": "eu-west-1_a", "planned": "yes", **settings.facts()}
        opened.remember(facts)
        run = opened.start_run(1e9, 30.0)
        opened.add_rows([Outcome(line=line, username=f"a{line}", state=State.PLANNED) for line in range(1, 6)], 1e9)
        held = [Outcome(line=line, username=f"a{line}", state=State.PLANNED, code=HELD) for line in range(1, 4)]
        refused = Outcome(line=4, username="a4", state=State.REFUSED, code="UserNotFoundException")
        opened.write([], [*held, refused], 1e9)
        opened.end_run(run, 1e9 + 5, "too many errors", 0)
    return path


def target(service: Service) -> tuple[str, ...]:
    """Return the options that select the service's user pool."""
    return ("--endpoint-url", service.url, "--user-pool-id", "eu-west-1_AbC")


# --- destinations ---


def test_report_follows_links(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("old.csv").write_text("old")
    Path("link").symlink_to("old.csv")
    Path("dangling").symlink_to("new.json")
    before = Path("old.csv").stat().st_ino
    completed = run_here(capsys, "bulk", "report", str(journal), "--csv", "link", "--json", "dangling")
    assert (completed.code, completed.out) == (0, "link\ndangling\n")
    assert Path("link").is_symlink()
    assert Path("dangling").is_symlink()
    assert "UserNotFoundException" in Path("old.csv").read_text()
    assert json.loads(Path("new.json").read_text())["total"] == 5
    assert Path("old.csv").stat().st_ino != before
    assert Path("old.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("option", ["--html", "--csv", "--json"])
def test_report_writes_into_named_pipe(journal: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    os.mkfifo("pipe")
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_text()))
    reader.start()
    completed = run_here(capsys, "bulk", "report", str(journal), option, "pipe")
    reader.join()
    assert (completed.code, completed.out) == (0, "pipe\n")
    assert "UserNotFoundException" in got[0]
    assert not got[0].startswith(BYTE_ORDER_MARK)
    assert Path("pipe").is_fifo()


def test_report_to_stdout_names_other_files_on_stderr(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    completed = run_here(capsys, "bulk", "report", str(journal), "--json", "-", "--html", "page.html")
    assert (completed.code, completed.err) == (0, "page.html\n")
    assert json.loads(completed.out)["total"] == 5
    table = run_here(capsys, "bulk", "report", str(journal), "--csv", "-")
    assert table.out.splitlines()[1].startswith("4,a4,refused,UserNotFoundException")
    assert not Path("-").exists()


def test_only_csv_files_start_with_a_byte_order_mark(journal: Path) -> None:
    command = [*PROGRAM, "bulk", "report", str(journal), "--csv"]
    piped = subprocess.run([*command, "-"], check=True, env=environment(), capture_output=True, timeout=30).stdout
    subprocess.run([*command, "rows.csv"], check=True, env=environment(), capture_output=True, timeout=30)
    assert piped.startswith(b"line,username,")
    assert Path("rows.csv").read_bytes() == codecs.BOM_UTF8 + piped


@pytest.mark.parametrize("number", [1, 3])
def test_report_to_a_descriptor_appends(journal: Path, number: int) -> None:
    Path("name").symlink_to(f"/dev/fd/{number}")
    Path("kept.csv").write_text("kept\n")
    command = " ".join([*PROGRAM, "bulk", "report", str(journal), "--csv", "name", f"{number}>>", "kept.csv"])
    subprocess.run(command, shell=True, check=True, env=environment(), capture_output=True, timeout=30)
    kept = Path("kept.csv").read_text().splitlines()
    assert kept[0] == "kept"
    assert kept[2].startswith("4,a4,refused,")
    assert len(kept) == 3


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        (("--html", "folder"), Exit.USAGE, "folder is a directory"),
        (("--csv", "to-folder", "--html", "page.html"), Exit.USAGE, "to-folder is a directory"),
        (("--csv", "to-journal"), Exit.USAGE, "to-journal is the journal itself"),
        (("--json", "users.journal-wal"), Exit.USAGE, "is the journal itself"),
        (("--csv", "same", "--json", "./same"), Exit.USAGE, "./same"),
        (("--csv", "-", "--json", "-"), Exit.USAGE, "- "),
        (("--csv", "loop"), Exit.USAGE, "loop"),
        (("--csv", "no/such"), Exit.FAILURE, "no/such: No such file or directory"),
        (("--csv", "/dev/fd/987"), Exit.FAILURE, "/dev/fd/987"),
    ],
)
def test_invalid_report_path_changes_no_file(
    journal: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: Exit, part: str
) -> None:
    Path("folder").mkdir()
    for name, leads in (("to-folder", "folder"), ("to-journal", str(journal)), ("loop", "loop")):
        Path(name).symlink_to(leads)
    before = {path: path.lstat().st_mtime_ns for path in Path().iterdir()}
    completed = run_here(capsys, "bulk", "report", str(journal), *options)
    assert (completed.code, completed.out, completed.err.count("\n")) == (code, "", 1)
    assert part in completed.err
    assert {path: path.lstat().st_mtime_ns for path in Path().iterdir()} == before


async def test_export_destinations(
    service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = InThread(capsys, monkeypatch)
    monkeypatch.chdir(tmp_path)
    export = ("users", "export", *target(service), "--columns", "username")
    out = await cli(*export, "--output", "-", variables=AWS)
    assert (out.code, out.err) == (0, "cognito-async: 130 users written\n")
    lines = ["username", *(f"u{index}" for index in range(130))]
    assert out.out.splitlines() == lines
    os.mkfifo("pipe")
    reading = asyncio.create_task(asyncio.to_thread(Path("pipe").read_text))
    piped = await cli(*export, "--output", "pipe", variables=AWS)
    assert (piped.code, (await reading).splitlines()) == (0, lines)
    Path("old.csv").write_text("old")
    Path("link").symlink_to("old.csv")
    assert (await cli(*export, "--output", "link", variables=AWS)).code == 0
    assert Path("old.csv").read_text().splitlines() == lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "old.csv", "pipe"]
    assert Path("link").is_symlink()
    assert Path("pipe").is_fifo()


async def test_export_warns_about_columns_without_values(
    service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = InThread(capsys, monkeypatch)
    service.users[-1]["Attributes"].append({"Name": "name", "Value": "Ada"})
    export = ("users", "export", *target(service))
    for form in ("csv", "jsonl"):
        chosen = ("--columns", "username,name,emial,departmnt", "--format", form)
        completed = await cli(*export, *chosen, variables=AWS)
        assert completed.code == 0
        assert "emial, departmnt;" in completed.err
    usual = await cli(*export, variables=AWS)
    service.users = []
    no_users = await cli(*export, "--columns", "emial", variables=AWS)
    for completed in (usual, no_users):
        assert (completed.code, "no user has" in completed.err) == (0, False)


@pytest.mark.parametrize(
    ("name", "ignoring"),
    [("SIGINT", False), ("SIGTERM", False), ("SIGHUP", False), ("SIGTERM", True), ("SIGHUP", True)],
)
async def test_signal_during_export_keeps_the_old_file(
    service: Service, tmp_path: Path, name: str, *, ignoring: bool
) -> None:
    output = tmp_path / "u.csv"
    output.write_text("old")
    service.gate.clear()
    before = signal.getsignal(signal.SIGINT)
    if ignoring:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    async with started("users", "export", *target(service), "--output", str(output), variables=AWS) as process:
        signal.signal(signal.SIGINT, before)
        await service.wait_for_requests(1)
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(getattr(signal, name))
        completed = await finish(process)
    assert (completed.code, completed.err) == (130, "cognito-async: interrupted\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


async def test_sigterm_ends_export_into_full_pipe(service: Service, tmp_path: Path) -> None:
    service.users = [{"Username": f"{index:0>2000}"} for index in range(100)]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    async with started("users", "export", *target(service), "--output", str(pipe), variables=AWS) as process:
        await until(lambda: select.select([reader], [], [], 0)[0])
        process.send_signal(signal.SIGTERM)
        completed = await finish(process)
    os.close(reader)
    assert completed.code == -signal.SIGTERM


# --- status and report ---


def test_status_explains_failures_of_the_job_itself(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run_here(capsys, "bulk", "status", str(journal)).out.splitlines()
    assert "  1 refused, 4 not sent yet" in lines
    assert any(line.startswith(f"  3 not sent yet: {HELD} - ") for line in lines)
    status = json.loads(run_here(capsys, "bulk", "status", str(journal), "--json").out)
    assert set(status) == {
        "event", "journal", "action", "user_pool_id", "client_id", "source", "running", "total", "settled", "states",
        "kinds", "rate", "next_due", "last_run",
    }  # fmt: skip
    assert (status["total"], status["settled"], status["user_pool_id"]) == (5, 1, "eu-west-1_a")
    assert set(status["last_run"]) == {"started", "ended", "ending", "quota"}
    assert {"state": "planned", "code": HELD, "rows": 3} in status["kinds"]
    assert {"state": "refused", "code": "UserNotFoundException", "rows": 1} in status["kinds"]


@pytest.mark.parametrize("running", [False, True])
def test_status_and_report_agree(journal: Path, capsys: pytest.CaptureFixture[str], *, running: bool) -> None:
    lock = FileLock(lock_path(journal.resolve())) if running else None
    try:
        status = json.loads(run_here(capsys, "bulk", "status", str(journal), "--json").out)
        report = json.loads(run_here(capsys, "bulk", "report", str(journal), "--json", "-").out)
        page = run_here(capsys, "bulk", "report", str(journal), "--html", "-").out
        text = run_here(capsys, "bulk", "status", str(journal)).out
    finally:
        if lock is not None:
            lock.release()
    assert status["running"] is report["running"] is running
    assert status["source"] == report["source"] == "users.csv"
    assert ("  resume:  " in text) is not running
    assert "users.csv" in page
    assert "/some/where" not in page


@pytest.mark.parametrize("command", ["status", "report", "resume"])
def test_input_instead_of_journal_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    users = write_users(tmp_path, 1)
    users.chmod(0o644)
    completed = run_here(capsys, "bulk", command, "users.csv")
    assert (completed.code, "chmod" in completed.err) == (Exit.USAGE, False)
    assert "users.csv is not a journal" in completed.err
    assert "users.csv.journal" not in completed.err
    Journal(tmp_path / "users.csv.journal").close()
    assert "did you mean users.csv.journal?" in run_here(capsys, "bulk", command, "users.csv").err
    assert "is not a journal" not in run_here(capsys, "bulk", command, "users.csv.journal").err


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:9"])
def test_status_prints_the_resume_command_with_the_endpoint(
    journal: Path, capsys: pytest.CaptureFixture[str], endpoint: str | None
) -> None:
    settings = JobSettings(action="reset", target=Target(region="eu-west-1", endpoint_url=endpoint))
    with Journal(journal) as opened:
        opened.remember(settings.facts())
    last = run_here(capsys, "bulk", "status", str(journal)).out.splitlines()[-1]
    option = f" --endpoint-url {endpoint}" if endpoint else ""
    assert last == f"  resume:  cognito-async bulk resume users.journal{option}"


def test_status_of_a_job_of_a_program_prints_no_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path / "j") as opened:
        opened.remember({"action": "reset", "user pool": "eu-west-1_a"})
        opened.add_rows([Outcome(line=2, username="ada", state=State.PLANNED)], 1e9)
        opened.remember({"planned": "yes"})
    last = run_here(capsys, "bulk", "status", str(tmp_path / "j")).out.splitlines()[-1]
    assert last == "  resume:  run the program that started the job"
    assert run_here(capsys, "bulk", "resume", str(tmp_path / "j")).code == Exit.USAGE


def test_status_of_a_killed_job(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(journal) as opened:
        opened.start_run(2e9, 30.0)
    assert "was killed" in run_here(capsys, "bulk", "status", str(journal)).out
    status = json.loads(run_here(capsys, "bulk", "status", str(journal), "--json").out)
    assert (status["running"], status["last_run"]["ended"]) == (False, None)


# --- saved settings ---


def test_settings_survive_the_journal() -> None:
    settings = JobSettings(
        action="set-password", generate=True, permanent=False, passwords="/p", max_errors=None, wait=0.0, rate=2.0,
        users=UserFilter(status="CONFIRMED", attributes={"email": "a@b"}), target=Target(region="eu-west-1"),
    )  # fmt: skip
    assert saved_settings(settings.facts(), Path()) == settings


@pytest.mark.parametrize("saved", [None, "", "{}", "[]", "null", '{"action": "reset"}', '{"target": {}, "users": 1}'])
def test_journal_without_settings_is_not_resumed(
    saved: str | None, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal(journal) as opened:
        opened.remember({FACT: saved or ""})
    completed = run_here(capsys, "bulk", "resume", str(journal))
    assert (completed.code, completed.out, completed.err.count("\n")) == (Exit.USAGE, "", 1)
    assert run_here(capsys, "bulk", "status", str(journal)).code == Exit.DONE
