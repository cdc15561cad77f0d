"""Bulk jobs from the command line, as processes, against a service that answers as told."""

import asyncio
import csv
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.terminal import (
    AWS,
    CODE_MISMATCH,
    LIMIT,
    PROGRAM,
    THROTTLED,
    Here,
    Service,
    environment,
    look,
    refusal,
    run,
)

SECRET, PASSWORD = "app-client-5ecret", "Pass-w0rd!"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """Give a service that answers everything with success."""
    async with Service() as opened:
        yield opened


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """Give what runs commands in this process."""
    return Here(capsys, monkeypatch)


def write_users(folder: Path, number: int = 6, *, name: str = "users.csv") -> Path:
    """Write an input for any action: users a0, a1 and so on."""
    path = folder / name
    path.touch(mode=0o600)
    rows = [f"a{index},123456,{PASSWORD}{index}" for index in range(number)]
    path.write_text("\n".join(["username,confirmation_code,password", *rows, ""]))
    return path


def to(service: Service, *, rate: str = "500") -> tuple[str, ...]:
    """Give the options that lead to the service."""
    place = ("--region", "eu-west-1", "--endpoint-url", service.url)
    return (*place, "--user-pool-id", "eu-west-1_AbC", "--client-id", "app", "--rate", rate)


@pytest.mark.parametrize(
    ("action", "operation"),
    [
        ("confirm", "ConfirmForgotPassword"),
        ("forgot", "ForgotPassword"),
        ("reset", "AdminResetUserPassword"),
        ("set-password", "AdminSetUserPassword"),
        ("sign-out", "AdminUserGlobalSignOut"),
    ],
)
async def test_each_action_does_its_operation(
    service: Service, here: Here, tmp_path: Path, action: str, operation: str
) -> None:
    """Each user is served once, the journal is beside the input, and the exit code is 0."""
    users = write_users(tmp_path, 3)
    ended = await here("bulk", action, str(users), *to(service), variables={**AWS, "COGNITO_CLIENT_SECRET": SECRET})
    assert (ended.code, ended.out) == (0, "")
    assert sorted(service.seen) == [(operation, f"a{index}") for index in range(3)]
    assert "3 done" in ended.err
    hashed = [b"SecretHash" in request.body for request in service.server.requests]
    assert all(hashed) == any(hashed) == (action in {"confirm", "forgot"})
    assert {path.name for path in tmp_path.iterdir()} == {"users.csv", "users.csv.journal"}


async def test_a_log_tells_refusals_counts_and_what_to_do_next(service: Service, here: Here, tmp_path: Path) -> None:
    """Plain lines go to stderr, one a refused row; further ones of a kind are only counted; the exit code is 3."""
    users = write_users(tmp_path, 30)
    for index in range(25):
        service.always[f"a{index}"] = CODE_MISMATCH
    ended = await here("bulk", "confirm", str(users), *to(service), "--max-errors", "0", cwd=tmp_path)
    assert (ended.code, ended.out) == (3, "")
    lines = ended.err.splitlines()
    told = [line for line in lines if " refused: CodeMismatchException Invalid code provided." in line]
    assert len(told) == 20
    assert any(line.startswith("line 2 a0 refused: ") for line in told)
    assert "further rows refused with CodeMismatchException are counted, and are in the report" in lines
    assert "  25 refused: CodeMismatchException - Wrong code" in lines
    assert "5 done, 25 refused" in ended.err
    assert "shared with your applications" in ended.err
    assert "cognito-async bulk report users.csv.journal" in ended.err
    assert "resume" not in lines[-1]


async def test_the_published_rate_is_the_default(service: Service, here: Here, tmp_path: Path) -> None:
    """The start line says what it is, and of which category."""
    users = write_users(tmp_path, 1)
    place = ("--region", "eu-west-1", "--endpoint-url", service.url, "--client-id", "app")
    ended = await here("bulk", "forgot", str(users), *place)
    assert ended.code == 0
    assert "at most 30 requests a second, AWS's published quota of UserAccountRecovery" in ended.err


async def test_objects_for_programs(service: Service, here: Here, tmp_path: Path) -> None:
    """With --json, stdout holds an object a line and nothing else: start, rows not done, progress, summary."""
    users = write_users(tmp_path)
    service.always["a1"] = CODE_MISMATCH
    service.answers["a2"] = [THROTTLED]
    ended = await here("bulk", "confirm", str(users), *to(service), "--json")
    assert (ended.code, ended.err) == (3, "")
    events = [told["event"] for told in ended.objects]
    assert (events[0], events[-1], set(events[1:-1])) == ("start", "summary", {"outcome", "progress"})
    start, summary = ended.objects[0], ended.objects[-1]
    assert (start["action"], start["rate"], start["category"]) == ("confirm", 500.0, "UserAccountRecovery")
    [outcome] = [told for told in ended.objects if told["event"] == "outcome"]
    assert (outcome["line"], outcome["username"], outcome["state"]) == (3, "a1", "refused")
    assert outcome["code"] == "CodeMismatchException"
    assert (summary["ending"], summary["exit"], summary["throttled"]) == ("finished", 3, 1)
    assert summary["states"]["done"] == 5
    assert summary["kinds"] == [{"state": "refused", "code": "CodeMismatchException", "rows": 1}]


async def test_a_dry_run_sends_nothing(service: Service, here: Here, tmp_path: Path) -> None:
    """Each bad row is told with its line and reason, then the number of rows and the time; no journal is begun."""
    users = write_users(tmp_path, 4)
    with users.open("a") as file:
        file.write("short,123456,x\nlonely\n")
    ended = await here("bulk", "confirm", str(users), *to(service, rate="2"), "--dry-run")
    assert ended.code == 3
    assert ended.out.splitlines() == [
        "line 6 short: password must have at least 6 characters",
        "line 7 (no username): the line has 1 fields; the header has 3",
        "6 rows, 2 rows can't be sent; the job would take about 2 s at 2 a second. Nothing was sent.",
    ]
    as_json = await here("bulk", "confirm", str(users), *to(service), "--dry-run", "--json")
    assert [told["event"] for told in as_json.objects] == ["bad row", "bad row", "estimate"]
    good = await here("bulk", "confirm", str(write_users(tmp_path, 2, name="good.csv")), *to(service), "--dry-run")
    assert good.code == 0
    assert service.seen == []
    assert not list(tmp_path.glob("*.journal"))


async def test_strict_sends_nothing_beside_a_bad_row(service: Service, here: Here, tmp_path: Path) -> None:
    """The line that is bad is named, and the exit code is 2."""
    users = write_users(tmp_path, 2)
    with users.open("a") as file:
        file.write("short,123456,x\n")
    ended = await here("bulk", "confirm", str(users), *to(service), "--strict")
    assert ended.code == 2
    assert "line 4 " in ended.err
    assert service.seen == []


async def test_what_can_only_be_done_later_pauses(service: Service, here: Here, tmp_path: Path) -> None:
    """Deferred rows end the run with 75 and a time; resuming then, with nothing else given, goes on."""
    users = write_users(tmp_path, 3)
    service.always["a1"] = LIMIT
    ended = await here("bulk", "forgot", str(users), *to(service), "--wait", "0", cwd=tmp_path)
    assert ended.code == 75
    assert "deferred: LimitExceededException Attempt limit exceeded. (again at " in ended.err
    assert "cognito-async bulk resume users.csv.journal, from " in ended.err
    resumed = await here("bulk", "resume", "users.csv.journal", cwd=tmp_path)
    assert resumed.code == 75
    assert service.sent() == {"a0": 1, "a1": 1, "a2": 1}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refusal("ResourceNotFoundException", "User pool client app does not exist."), "too many errors"),
        (refusal("LimitExceededException", "Exceeded daily email limit for the operation."), "e-mail for today"),
    ],
)
async def test_what_stops_the_job_pauses_it(
    service: Service, here: Here, tmp_path: Path, answer: tuple[int, dict[str, object]], said: str
) -> None:
    """A job that can't go on says why, and exits with 75."""
    users = write_users(tmp_path, 4)
    service.always.update({f"a{index}": answer for index in range(4)})
    ended = await here("bulk", "forgot", str(users), *to(service), "--max-errors", "3", "--wait", "0")
    assert ended.code == 75
    assert said in ended.err
    assert "cognito-async bulk resume" in ended.err


async def test_refused_rows_are_sent_again_on_request(service: Service, here: Here, tmp_path: Path) -> None:
    """`--again refused` sends for what was refused by the service, and for nothing else."""
    users = write_users(tmp_path, 3)
    with users.open("a") as file:
        file.write(f"a0,123456,{PASSWORD}\n")
    service.answers["a1"] = [CODE_MISMATCH]
    first = await here("bulk", "confirm", str(users), *to(service))
    assert first.code == 3
    again = await here("bulk", "resume", f"{users}.journal", "--again", "refused")
    assert again.code == 3  # the duplicate stays
    assert service.sent() == {"a0": 1, "a1": 2, "a2": 1}


async def test_standard_input(service: Service, tmp_path: Path) -> None:
    """Rows from a pipe need a journal; usernames alone are in it, so that resuming needs no pipe."""
    rows = json.dumps({"username": "ada"}) + "\n" + json.dumps({"username": "bob"}) + "\n"
    journal = str(tmp_path / "j")
    service.answers["ada"] = [refusal("UserNotFoundException")]
    args = ("bulk", "reset", "-", "--format", "jsonl", "--journal", journal)
    ended = await run(*args, *to(service), variables=AWS, stdin=rows)
    assert ended.code == 3
    resumed = await run("bulk", "resume", journal, "--again", "refused", variables=AWS)
    assert resumed.code == 0
    assert service.sent() == {"ada": 2, "bob": 1}


async def test_another_stream_is_another_job(service: Service, tmp_path: Path) -> None:
    """What is piped into a finished job is compared with what it was begun with, and is not taken for done."""
    args = ("bulk", "reset", "-", *to(service), "--journal", str(tmp_path / "j"))
    assert (await run(*args, variables=AWS, stdin="username\nada\nbob\n")).code == 0
    other = await run(*args, variables=AWS, stdin="username\neve\n")
    assert other.code == 2
    assert "line 2 of standard input is about another user than before" in other.err
    assert (await run(*args, variables=AWS, stdin="username\nada\nbob\n")).code == 0
    assert service.sent() == {"ada": 1, "bob": 1}


async def test_a_named_pipe_is_not_needed_to_resume(service: Service, here: Here, tmp_path: Path) -> None:
    """Nobody has to write into it again once the journal knows all rows."""
    pipe = tmp_path / "users.csv"
    os.mkfifo(pipe)
    writing = asyncio.create_task(asyncio.to_thread(pipe.write_text, "username\nada\n"))
    assert (await here("bulk", "reset", str(pipe), *to(service), variables=AWS)).code == 0
    await writing
    assert (await here("bulk", "resume", f"{pipe}.journal", variables=AWS)).code == 0
    assert service.sent() == {"ada": 1}


async def test_a_dry_run_finds_users_who_come_twice(service: Service, here: Here, tmp_path: Path) -> None:
    """What the run would refuse is told before it, whatever the files are called."""
    users = tmp_path / "rehearsal"
    users.write_text("username\nada\nbob\nada\n")
    options = ("--format", "csv", "--dry-run")
    ended = await here("bulk", "forgot", str(users), *to(service), *options)
    assert ended.code == 3
    assert ended.out.startswith("line 4 ada: duplicate of line 2\n3 rows, 1 row can't be sent")


async def test_passwords_go_into_no_other_file(service: Service, here: Here, tmp_path: Path) -> None:
    """The input, or the journal, is not taken for the file that passwords are written to."""
    users = write_users(tmp_path, 2)
    users.chmod(0o600)
    before = users.read_bytes()
    for name in (users, tmp_path / "users.csv.journal"):
        options = ("--generate", "--temporary", "--passwords-file", str(name))
        ended = await here("bulk", "set-password", str(users), *to(service), *options, variables=AWS)
        assert ended.code == 2
        assert "must not be" in ended.err
    assert (service.seen, users.read_bytes()) == ([], before)
    assert not list(tmp_path.glob("*.journal"))


async def test_generated_passwords_go_to_a_file_of_their_own(service: Service, here: Here, tmp_path: Path) -> None:
    """Each user gets a password that the file has and nothing else has; only the owner can read the file."""
    users, kept = write_users(tmp_path, 3), tmp_path / "made.csv"
    options = ("--generate", "--temporary", "--passwords-file", str(kept))
    ended = await here("bulk", "set-password", str(users), *to(service), *options, variables=AWS)
    assert ended.code == 0
    assert kept.stat().st_mode & 0o777 == 0o600
    with kept.open(newline="") as file:
        made = {row["username"]: row["password"] for row in csv.DictReader(file)}
    sent = {request.json["Username"]: request.json["Password"] for request in service.server.requests}
    assert made == sent
    assert not any(request.json["Permanent"] for request in service.server.requests)
    journal = Path(f"{users}.journal").read_bytes()
    for password in made.values():
        assert password not in ended.out + ended.err
        assert password.encode() not in journal


async def test_no_secret_is_told(
    service: Service, here: Here, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets, codes and passwords are in no output, journal or report, though the service repeats them."""
    users, secret = write_users(tmp_path, 2), tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(f"{SECRET}\n")
    service.always["a0"] = refusal("InvalidPasswordException", f"Value '{PASSWORD}0' with 123456 is bad")
    args = ("bulk", "confirm", str(users), *to(service), "--client-secret-file", str(secret))
    told = [await here(*args, "--json"), await here("bulk", "resume", f"{users}.journal", "--again", "refused")]
    monkeypatch.chdir(tmp_path)
    told.append(look(capsys, "bulk", "report", f"{users}.journal", "--html", "r.html", "--csv", "r.csv"))
    told.append(look(capsys, "bulk", "status", f"{users}.journal"))
    assert [ended.code for ended in told] == [3, 3, 0, 0]
    assert all(b"SecretHash" in request.body for request in service.server.requests)
    texts = [ended.out + ended.err for ended in told]
    texts += [path.read_bytes().decode(errors="replace") for path in tmp_path.iterdir() if path not in {users, secret}]
    for text in texts:
        for confidence in (SECRET, PASSWORD, "123456"):
            assert confidence not in text


async def test_reports(
    service: Service, here: Here, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an option there is a page beside the journal; the files are named on stdout and are the owner's alone."""
    users = write_users(tmp_path, 2)
    service.always["a1"] = CODE_MISMATCH
    await here("bulk", "confirm", str(users), *to(service))
    monkeypatch.chdir(tmp_path)
    page = look(capsys, "bulk", "report", "users.csv.journal")
    assert (page.code, page.out) == (0, "users.csv.journal.html\n")
    both = look(capsys, "bulk", "report", "users.csv.journal", "--csv", "r.csv", "--json", "r.json")
    assert (both.code, both.out) == (0, "r.csv\nr.json\n")
    for name in ("users.csv.journal.html", "r.csv", "r.json"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert "CodeMismatchException" in (tmp_path / "r.csv").read_text()
    clash = look(capsys, "bulk", "report", "users.csv.journal", "--json", "users.csv.journal")
    assert clash.code == 2
    nowhere = look(capsys, "bulk", "report", "users.csv.journal", "--csv", "no/such/r.csv")
    assert (nowhere.code, nowhere.err.count("\n")) == (1, 1)


async def test_users_are_exported_in_flat_lines(service: Service, here: Here, tmp_path: Path) -> None:
    """Columns are chosen by name; a value with a line break stays one line; the file is the owner's alone."""
    service.users = [
        {
            "Username": f"u{index}",
            "UserStatus": "CONFIRMED" if index % 2 else "UNCONFIRMED",
            "Enabled": True,
            "UserCreateDate": 1.7e9,
            "Attributes": [{"Name": "email", "Value": f"u{index}@example.com"}, {"Name": "address", "Value": "=1\n2"}],
        }
        for index in range(130)
    ]
    place = ("--region", "eu-west-1", "--endpoint-url", service.url, "--user-pool-id", "eu-west-1_AbC")
    chosen = ("--columns", "username,enabled,address,created", "--status", "CONFIRMED", "--output", "u.csv")
    ended = await here("users", "export", *place, *chosen, variables=AWS, cwd=tmp_path)
    assert (ended.code, ended.out) == (0, "")
    assert "65 users written to u.csv" in ended.err
    lines = (tmp_path / "u.csv").read_text().splitlines()
    assert lines[:2] == ["username,enabled,address,created", "u1,true,=1 2,2023-11-14T22:13:20+00:00"]
    assert len(lines) == 66
    assert (tmp_path / "u.csv").stat().st_mode & 0o777 == 0o600
    every = await here("users", "export", *place, "--format", "jsonl", variables=AWS)
    assert len(every.objects) == 130
    assert every.objects[0]["address"] == "=1\n2"
    failed = await here("users", "export", *place, "--output", "none.csv", cwd=tmp_path)
    assert failed.code == 1
    assert "no AWS credentials" in failed.err
    assert {path.name for path in tmp_path.iterdir()} == {"u.csv"}


async def test_nobody_reads_the_export(service: Service) -> None:
    """A reader that has seen enough is no reason for a traceback."""
    service.users = [{"Username": "u" * 100} for _ in range(3000)]
    place = f"--region eu-west-1 --endpoint-url {service.url} --user-pool-id eu-west-1_AbC"
    process = await asyncio.create_subprocess_shell(
        f"{' '.join(PROGRAM)} users export {place} | head -n 1",
        env=environment(AWS), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert out.startswith(b"username,")
    assert b"Traceback" not in err
    assert b"Exception" not in err
