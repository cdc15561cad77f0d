"""Where reports and exports go: files, links, pipes, standard output; and that nothing is left of what is cut short."""

import asyncio
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
from cognito_async.bulk.rows import Outcome, State
from cognito_async.cli.exits import Exit
from cognito_async.files import FileLock
from tests.support.processes import until
from tests.support.terminal import AWS, PROGRAM, Here, Service, begin, end, environment, look

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, links and signals are POSIX")

HELD = "ResourceNotFoundException"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """Give a service with a pool of 130 users."""
    async with Service() as opened:
        opened.users = [
            {"Username": f"u{index}", "Attributes": [{"Name": "email", "Value": f"u{index}@x"}]} for index in range(130)
        ]
        yield opened


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the journal of a job that was stopped for what it was itself at fault for, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    path = Path("users.journal")
    with Journal(path) as opened:
        order = {
            "action": "reset",
            "input": "/some/where/users.csv",
            "choice": None,
            "address": {"region": "eu-west-1"},
        }
        facts = {"action": "reset", "user pool": "eu-west-1_a", "planned": "yes", "command line": json.dumps(order)}
        opened.remember(facts)
        run = opened.start_run(1e9, 30.0)
        opened.add_rows([Outcome(line=line, username=f"a{line}", state=State.PLANNED) for line in range(1, 6)], 1e9)
        held = [Outcome(line=line, username=f"a{line}", state=State.PLANNED, code=HELD) for line in range(1, 4)]
        refused = Outcome(line=4, username="a4", state=State.REFUSED, code="UserNotFoundException")
        opened.write([], [*held, refused], 1e9)
        opened.end_run(run, 1e9 + 5, "too many errors", 0)
    return path


def place(service: Service) -> tuple[str, ...]:
    """Give the options that lead to the service's pool."""
    return ("--endpoint-url", service.url, "--user-pool-id", "eu-west-1_AbC")


# --- what a name stands for ---


def test_a_report_follows_links(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link stays one; what it leads to is replaced as a whole, also where nothing is there yet."""
    Path("old.csv").write_text("old")
    Path("link").symlink_to("old.csv")
    Path("dangling").symlink_to("new.json")
    before = Path("old.csv").stat().st_ino
    ended = look(capsys, "bulk", "report", str(journal), "--csv", "link", "--json", "dangling")
    assert (ended.code, ended.out) == (0, "link\ndangling\n")
    assert Path("link").is_symlink()
    assert Path("dangling").is_symlink()
    assert "UserNotFoundException" in Path("old.csv").read_text()
    assert json.loads(Path("new.json").read_text())["total"] == 5
    assert Path("old.csv").stat().st_ino != before
    assert Path("old.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("option", ["--html", "--csv", "--json"])
def test_a_report_goes_through_a_pipe(journal: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    """A named pipe is written to, and stays one."""
    os.mkfifo("pipe")
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_text()))
    reader.start()
    ended = look(capsys, "bulk", "report", str(journal), option, "pipe")
    reader.join()
    assert (ended.code, ended.out) == (0, "pipe\n")
    assert "UserNotFoundException" in got[0]
    assert Path("pipe").is_fifo()


def test_a_report_to_standard_output(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hyphen is no file's name: the report is all that stdout holds, and the other file is named on stderr."""
    ended = look(capsys, "bulk", "report", str(journal), "--json", "-", "--html", "page.html")
    assert (ended.code, ended.err) == (0, "page.html\n")
    assert json.loads(ended.out)["total"] == 5
    table = look(capsys, "bulk", "report", str(journal), "--csv", "-")
    assert table.out.splitlines()[1].startswith("4,a4,refused,UserNotFoundException")
    assert not Path("-").exists()


@pytest.mark.parametrize("number", [1, 3])
def test_a_descriptor_by_its_name(journal: Path, number: int) -> None:
    """What such as /dev/stdout leads to goes on where it stands, though it is a file: a shell's `>>` keeps more."""
    Path("name").symlink_to(f"/dev/fd/{number}")
    Path("kept.csv").write_text("kept\n")
    command = " ".join([*PROGRAM, "bulk", "report", str(journal), "--csv", "name", f"{number}>>", "kept.csv"])
    subprocess.run(command, shell=True, check=True, env=environment(), capture_output=True, timeout=30)
    kept = Path("kept.csv").read_text().splitlines()
    assert kept[0] == "kept"
    assert kept[2].startswith("4,a4,refused,")
    assert len(kept) == 3


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--html", "folder"), Exit.USAGE, "folder is a folder: name a file"),
        (("--csv", "to-folder", "--html", "page.html"), Exit.USAGE, "to-folder is a folder: name a file"),
        (("--csv", "to-journal"), Exit.USAGE, "to-journal is the journal itself"),
        (("--json", "users.journal-wal"), Exit.USAGE, "is the journal itself"),
        (("--csv", "same", "--json", "./same"), Exit.USAGE, "./same is named twice"),
        (("--csv", "-", "--json", "-"), Exit.USAGE, "- is named twice"),
        (("--csv", "loop"), Exit.USAGE, "loop can't be used"),
        (("--csv", "no/such"), Exit.TROUBLE, "no/such can't be written: No such file or directory"),
        (("--csv", "/dev/fd/987"), Exit.TROUBLE, "/dev/fd/987 can't be written"),
    ],
)
def test_where_no_report_can_go(
    journal: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: Exit, said: str
) -> None:
    """One line says why, and no file is written, changed or left behind."""
    Path("folder").mkdir()
    for name, leads in (("to-folder", "folder"), ("to-journal", str(journal)), ("loop", "loop")):
        Path(name).symlink_to(leads)
    before = {path: path.lstat().st_mtime_ns for path in Path().iterdir()}
    ended = look(capsys, "bulk", "report", str(journal), *options)
    assert (ended.code, ended.out, ended.err.count("\n")) == (code, "", 1)
    assert said in ended.err
    assert {path: path.lstat().st_mtime_ns for path in Path().iterdir()} == before


async def test_an_export_goes_where_it_is_told(
    service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hyphen is standard output, a pipe gets the lines, and a link leads to the file that is replaced."""
    here = Here(capsys, monkeypatch)
    monkeypatch.chdir(tmp_path)
    export = ("users", "export", *place(service), "--columns", "username")
    out = await here(*export, "--output", "-", variables=AWS)
    assert (out.code, out.err) == (0, "cognito-async: 130 users written\n")
    lines = ["username", *(f"u{index}" for index in range(130))]
    assert out.out.splitlines() == lines
    os.mkfifo("pipe")
    reading = asyncio.create_task(asyncio.to_thread(Path("pipe").read_text))
    piped = await here(*export, "--output", "pipe", variables=AWS)
    assert (piped.code, (await reading).splitlines()) == (0, lines)
    Path("old.csv").write_text("old")
    Path("link").symlink_to("old.csv")
    assert (await here(*export, "--output", "link", variables=AWS)).code == 0
    assert Path("old.csv").read_text().splitlines() == lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "old.csv", "pipe"]
    assert Path("link").is_symlink()
    assert Path("pipe").is_fifo()


async def test_columns_that_nobody_has(
    service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was chosen and that no user has anything for is told; one user with a value is enough."""
    here = Here(capsys, monkeypatch)
    service.users[-1]["Attributes"].append({"Name": "name", "Value": "Ada"})
    export = ("users", "export", *place(service))
    for form in ("csv", "jsonl"):
        chosen = ("--columns", "username,name,emial,departmnt", "--format", form)
        ended = await here(*export, *chosen, variables=AWS)
        assert ended.code == 0
        assert "no user has a value for emial, departmnt: " in ended.err
    usual = await here(*export, variables=AWS)
    service.users = []
    nobody = await here(*export, "--columns", "emial", variables=AWS)
    for ended in (usual, nobody):
        assert (ended.code, "no user has" in ended.err) == (0, False)


@pytest.mark.parametrize(
    ("name", "ignoring"),
    [("SIGINT", False), ("SIGTERM", False), ("SIGHUP", False), ("SIGTERM", True), ("SIGHUP", True)],
)
async def test_an_export_that_is_cut_short(service: Service, tmp_path: Path, name: str, *, ignoring: bool) -> None:
    """Every signal leaves the old file, and no other; also where SIGINT is ignored, as in a shell's background."""
    output = tmp_path / "u.csv"
    output.write_text("old")
    service.gate.clear()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if ignoring else None
    try:
        process = await begin("users", "export", *place(service), "--output", str(output), variables=AWS)
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    await service.until(1)
    assert len(list(tmp_path.iterdir())) == 2
    process.send_signal(getattr(signal, name))
    ended = await end(process)
    assert (ended.code, ended.err) == (130, "cognito-async: interrupted\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


async def test_an_export_into_a_pipe_that_nobody_empties_can_be_ended(service: Service, tmp_path: Path) -> None:
    """There is nothing to clean up, and so nothing to wait for."""
    service.users = [{"Username": f"{index:0>2000}"} for index in range(100)]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    process = await begin("users", "export", *place(service), "--output", str(pipe), variables=AWS)
    await until(lambda: select.select([reader], [], [], 0)[0])
    process.send_signal(signal.SIGTERM)
    ended = await end(process)
    os.close(reader)
    assert ended.code == -signal.SIGTERM


# --- the same facts in all ---


def test_what_a_job_is_itself_at_fault_for(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`status` tells why too many errors ended it, of how many rows, and what to do; for programs, too."""
    told = look(capsys, "bulk", "status", str(journal)).out.splitlines()
    place = told.index("          4 not sent yet")
    assert told[place + 1] == f"            3 {HELD} - User pool or app client not found"
    assert told[place + 2].strip() == "Check the IDs and the region of the job, then resume."
    status = json.loads(look(capsys, "bulk", "status", str(journal), "--json").out)
    assert {"state": "planned", "code": HELD, "rows": 3} in status["kinds"]
    assert {"state": "refused", "code": "UserNotFoundException", "rows": 1} in status["kinds"]


@pytest.mark.parametrize("running", [False, True])
def test_status_and_report_agree(journal: Path, capsys: pytest.CaptureFixture[str], *, running: bool) -> None:
    """Whether it runs, and what its input is called, is the same in the status, in JSON and on the page."""
    lock = FileLock(lock_path(journal.resolve())) if running else None
    try:
        status = json.loads(look(capsys, "bulk", "status", str(journal), "--json").out)
        report = json.loads(look(capsys, "bulk", "report", str(journal), "--json", "-").out)
        page = look(capsys, "bulk", "report", str(journal), "--html", "-").out
        said = look(capsys, "bulk", "status", str(journal)).out
    finally:
        if lock is not None:
            lock.release()
    assert status["running"] is report["running"] is running
    assert status["source"] == report["source"] == "users.csv"
    assert ("The job is running." in page) is running
    assert ("too many errors" in said) is not running
    assert "users.csv" in page
    assert "/some/where" not in page


def test_a_job_that_was_killed(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page knows that nobody works on it any more."""
    with Journal(journal) as opened:
        opened.start_run(2e9, 30.0)
    page = look(capsys, "bulk", "report", str(journal), "--html", "-").out
    assert "The run was killed. Resume the job to continue." in page
    assert "its last run was killed" in look(capsys, "bulk", "status", str(journal)).out
