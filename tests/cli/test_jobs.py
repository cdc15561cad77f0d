"""Bulk jobs and exports from the command line."""

import asyncio
import csv
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.terminal import (
    AWS,
    CLIENT_SECRET,
    CODE,
    CODE_MISMATCH,
    LIMIT,
    PASSWORD,
    PROGRAM,
    THROTTLED,
    InThread,
    Response,
    Service,
    environment,
    error_response,
    run,
    run_here,
    write_users,
)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service that answers every request with success."""
    async with Service() as opened:
        yield opened


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> InThread:
    """The command line in a thread of this process."""
    return InThread(capsys, monkeypatch)


# --- a run and its output ---


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
async def test_action_calls_its_operation_once_per_user(
    service: Service, cli: InThread, tmp_path: Path, action: str, operation: str
) -> None:
    users = write_users(tmp_path, 3)
    variables = {**AWS, "COGNITO_CLIENT_SECRET": CLIENT_SECRET}
    completed = await cli("bulk", action, str(users), *service.options(), variables=variables)
    assert (completed.code, completed.out) == (0, "")
    assert sorted(service.calls) == [(operation, f"a{index}") for index in range(3)]
    assert "3 done" in completed.err
    hashed = [b"SecretHash" in request.body for request in service.server.requests]
    assert all(hashed) == any(hashed) == (action in {"confirm", "forgot"})
    assert {path.name for path in tmp_path.iterdir()} == {"users.csv", "users.csv.journal"}


async def test_plain_output_prints_20_rows_of_a_kind_and_the_next_command(
    service: Service, cli: InThread, tmp_path: Path
) -> None:
    users = write_users(tmp_path, 30)
    for index in range(25):
        service.defaults[f"a{index}"] = CODE_MISMATCH
    completed = await cli("bulk", "confirm", str(users), *service.options(), "--max-errors", "0", cwd=tmp_path)
    assert (completed.code, completed.out) == (3, "")
    lines = completed.err.splitlines()
    rows = [line for line in lines if " refused: CodeMismatchException Invalid code provided." in line]
    assert len(rows) == 20
    assert any(line.startswith("line 2 a0 refused: ") for line in rows)
    assert any(line.startswith("  25 refused: CodeMismatchException - ") for line in lines)
    assert any("5 done, 25 refused" in line for line in lines)
    assert lines[-1].endswith("cognito-async bulk report users.csv.journal")
    assert "bulk resume" not in completed.err


async def test_published_rate_is_the_default(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = write_users(tmp_path, 1)
    target = ("--region", "eu-west-1", "--endpoint-url", service.url, "--client-id", "app")
    completed = await cli("bulk", "forgot", str(users), *target, "--json")
    start = completed.objects[0]
    assert (start["rate"], start["published"], start["category"]) == (30, True, "UserAccountRecovery")


async def test_json_output(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = write_users(tmp_path)
    service.defaults["a1"] = CODE_MISMATCH
    service.responses["a2"] = [THROTTLED]
    completed = await cli("bulk", "confirm", str(users), *service.options(), "--json")
    assert (completed.code, completed.err) == (3, "")
    events = [event["event"] for event in completed.objects]
    assert (events[0], events[-1], set(events[1:-1])) == ("start", "summary", {"outcome", "progress"})
    start, summary = completed.objects[0], completed.objects[-1]
    assert set(start) == {
        "event", "action", "does", "rows", "target", "region", "endpoint_url", "journal", "continued", "rate",
        "published", "category",
    }  # fmt: skip
    assert (start["action"], start["rate"], start["continued"]) == ("confirm", 500.0, False)
    [outcome] = [event for event in completed.objects if event["event"] == "outcome"]
    assert (outcome["line"], outcome["username"], outcome["state"]) == (3, "a1", "refused")
    assert outcome["code"] == "CodeMismatchException"
    assert set(summary) == {
        "event", "ending", "states", "kinds", "seconds", "settled", "throttled", "until", "detail", "journal", "exit",
    }  # fmt: skip
    assert (summary["ending"], summary["exit"], summary["throttled"]) == ("finished", 3, 1)
    assert summary["states"]["done"] == 5
    assert summary["kinds"] == [{"state": "refused", "code": "CodeMismatchException", "rows": 1}]


async def test_output_contains_no_secrets(
    service: Service, cli: InThread, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    users, secret = write_users(tmp_path, 2), tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(f"{CLIENT_SECRET}\n")
    service.defaults["a0"] = error_response("InvalidPasswordException", f"Value '{PASSWORD}0' with {CODE} is bad")
    arguments = ("bulk", "confirm", str(users), *service.options(), "--client-secret-file", str(secret))
    outputs = [
        await cli(*arguments, "--json"),
        await cli("bulk", "resume", f"{users}.journal", *service.endpoint, "--again", "refused"),
    ]
    monkeypatch.chdir(tmp_path)
    outputs.append(run_here(capsys, "bulk", "report", f"{users}.journal", "--html", "r.html", "--csv", "r.csv"))
    outputs.append(run_here(capsys, "bulk", "status", f"{users}.journal"))
    assert [completed.code for completed in outputs] == [3, 3, 0, 0]
    assert all(b"SecretHash" in request.body for request in service.server.requests)
    texts = [completed.out + completed.err for completed in outputs]
    texts += [path.read_bytes().decode(errors="replace") for path in tmp_path.iterdir() if path not in {users, secret}]
    for text in texts:
        for value in (CLIENT_SECRET, PASSWORD, CODE):
            assert value not in text


async def test_input_that_others_can_read_causes_a_warning_only_if_it_holds_secrets(
    service: Service, cli: InThread, tmp_path: Path
) -> None:
    users = write_users(tmp_path, 1)
    names = tmp_path / "names.csv"
    names.write_text("username\na0\n")
    warned = {}
    for path in (users, names):
        path.chmod(0o644)
        completed = await cli("bulk", "set-password", path.name, *service.options(), variables=AWS, cwd=tmp_path)
        warned[path.name] = [line for line in completed.err.splitlines() if "other users can read" in line]
    (line,) = warned["users.csv"]
    assert line.endswith("users.csv, which holds password: chmod 600 it")
    assert warned["names.csv"] == []


# --- dry runs and strict jobs ---


async def test_dry_run_lists_invalid_rows_and_sends_nothing(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = write_users(tmp_path, 4)
    with users.open("a") as file:
        file.write("short,123456,x\nlonely\n")
    completed = await cli("bulk", "confirm", str(users), *service.options(rate="2"), "--dry-run")
    assert completed.code == 3
    short, lonely, estimate = completed.out.splitlines()
    assert short.startswith("line 6 short: password ")
    assert lonely.startswith("line 7: ")
    assert estimate.startswith("6 rows, 2 invalid; about 2 s at 2 requests per second")
    as_json = await cli("bulk", "confirm", str(users), *service.options(rate="2"), "--dry-run", "--json")
    assert [event["event"] for event in as_json.objects] == ["bad row", "bad row", "estimate"]
    assert set(as_json.objects[0]) == {"event", "line", "username", "reason"}
    assert as_json.objects[2] == {"event": "estimate", "rows": 6, "bad": 2, "seconds": 2.0, "rate": 2.0}
    valid = await cli("bulk", "confirm", str(write_users(tmp_path, 2, name="v.csv")), *service.options(), "--dry-run")
    assert valid.code == 0
    assert service.calls == []
    assert not list(tmp_path.glob("*.journal"))


async def test_dry_run_finds_duplicate_users(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("username\nada\nbob\nada\n")
    completed = await cli("bulk", "forgot", str(users), *service.options(), "--format", "csv", "--dry-run", "--json")
    assert completed.code == 3
    assert (completed.objects[0]["line"], completed.objects[0]["username"]) == (4, "ada")
    assert completed.objects[-1]["bad"] == 1


async def test_strict_job_with_invalid_row_sends_nothing(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = write_users(tmp_path, 2)
    with users.open("a") as file:
        file.write("short,123456,x\n")
    completed = await cli("bulk", "confirm", str(users), *service.options(), "--strict")
    assert completed.code == 2
    assert "line 4 " in completed.err
    assert service.calls == []


# --- pausing and resuming ---


async def test_deferred_rows_pause_the_job(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = write_users(tmp_path, 3)
    service.defaults["a1"] = LIMIT
    completed = await cli("bulk", "forgot", str(users), *service.options(), "--wait", "0", cwd=tmp_path)
    assert completed.code == 75
    assert "deferred: LimitExceededException Attempt limit exceeded. (retry at " in completed.err
    assert f"cognito-async bulk resume users.csv.journal --endpoint-url {service.url}  (at " in completed.err
    resumed = await cli("bulk", "resume", "users.csv.journal", *service.endpoint, cwd=tmp_path)
    assert resumed.code == 75
    assert service.requests_by_user() == {"a0": 1, "a1": 1, "a2": 1}


@pytest.mark.parametrize(
    ("response", "ending"),
    [
        (error_response("ResourceNotFoundException", "User pool client app does not exist."), "too many errors"),
        (error_response("LimitExceededException", "Exceeded daily email limit for the operation."), "e-mail limit"),
    ],
)
async def test_failures_of_the_whole_job_pause_it(
    service: Service, cli: InThread, tmp_path: Path, response: Response, ending: str
) -> None:
    users = write_users(tmp_path, 4)
    service.defaults.update({f"a{index}": response for index in range(4)})
    options = ("--max-errors", "3", "--wait", "0", "--json")
    completed = await cli("bulk", "forgot", str(users), *service.options(), *options)
    assert completed.code == 75
    assert completed.objects[-1]["ending"] == ending


async def test_summary_names_the_error_that_stopped_the_job(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = write_users(tmp_path, 2)
    no_app_client = error_response("ResourceNotFoundException", "User pool client app does not exist.")
    service.defaults.update(dict.fromkeys(("a0", "a1"), no_app_client))
    completed = await cli("bulk", "forgot", str(users), *service.options())
    assert "consecutive" not in completed.err
    assert "  the service rejects the job itself: ResourceNotFoundException\n" in completed.err
    again = await cli("bulk", "resume", f"{users}.journal", *service.endpoint, "--max-errors", "1")
    assert "  1 consecutive error, the last one ResourceNotFoundException: " in again.err


async def test_resume_again_refused_retries_rows_that_the_service_refused(
    service: Service, cli: InThread, tmp_path: Path
) -> None:
    users = write_users(tmp_path, 3)
    with users.open("a") as file:
        file.write(f"a0,{CODE},{PASSWORD}\n")
    service.responses["a1"] = [CODE_MISMATCH]
    first = await cli("bulk", "confirm", str(users), *service.options())
    assert first.code == 3
    again = await cli("bulk", "resume", f"{users}.journal", *service.endpoint, "--again", "refused")
    assert again.code == 3  # the duplicate row stays refused
    assert service.requests_by_user() == {"a0": 1, "a1": 2, "a2": 1}


async def test_resume_options_take_precedence_over_the_journal(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = write_users(tmp_path, 1)
    elsewhere = ("--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:9", "--client-id", "app")
    service.defaults["a0"] = LIMIT
    first = await cli("bulk", "forgot", str(users), *elsewhere, "--max-errors", "1", "--dry-run")
    assert first.code == 0
    started = await cli("bulk", "forgot", str(users), *service.options(), "--wait", "0")
    assert started.code == 75
    resumed = await cli(
        "bulk",
        "resume",
        f"{users}.journal",
        *service.endpoint,
        "--rate",
        "7",
        "--region",
        "us-east-1",
        "--wait",
        "0",
        "--json",
    )
    start = resumed.objects[0]
    assert (start["rate"], start["region"], start["endpoint_url"]) == (7.0, "us-east-1", service.url)
    assert (start["continued"], start["published"]) == (True, False)


async def test_other_action_with_the_same_list_needs_another_journal(
    service: Service, cli: InThread, tmp_path: Path
) -> None:
    write_users(tmp_path, 1)
    sign_out = ("bulk", "sign-out", "users.csv", *service.options())
    assert (await cli("bulk", "reset", *sign_out[2:], variables=AWS, cwd=tmp_path)).code == 0
    for journal in ("users.sign-out.journal", "users.sign-out-2.journal"):
        refused = await cli(*sign_out, variables=AWS, cwd=tmp_path)
        assert (refused.code, refused.err.splitlines()[-1].endswith(f" --journal {journal}")) == (2, True)
        assert (await cli(*sign_out, "--journal", journal, variables=AWS, cwd=tmp_path)).code == 0


async def test_changed_list_is_not_sent_with_another_journal(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text("username\na0\na1\n")
    arguments = ("bulk", "reset", "users.csv", *service.options())
    service.defaults["a1"] = error_response("UserNotFoundException")
    assert (await cli(*arguments, variables=AWS, cwd=tmp_path)).code == 3
    users.write_text("username\na0\nb1\n")
    refused = await cli(*arguments, variables=AWS, cwd=tmp_path)
    assert (refused.code, "--journal" in refused.err) == (2, False)
    assert refused.err.splitlines()[-1].endswith("would repeat the action for 1 user")
    assert service.requests_by_user() == {"a0": 1, "a1": 1}


@pytest.mark.parametrize("form", [(), ("--json",)])
async def test_nothing_is_printed_before_a_journal_of_another_job_is_refused(
    form: tuple[str, ...], service: Service, cli: InThread, tmp_path: Path
) -> None:
    users = write_users(tmp_path, 1)
    options = (*service.options(), *form)
    assert (await cli("bulk", "reset", str(users), *options, variables=AWS)).code == 0
    for arguments in (
        ("sign-out", str(users), *options),
        ("reset", str(users), *options, "--user-pool-id", "eu-west-1_B"),
    ):
        refused = await cli("bulk", *arguments, variables=AWS)
        assert (refused.code, refused.out, len(refused.err.splitlines())) == (2, "", 1)
    write_users(tmp_path, 2)
    refused = await cli("bulk", "reset", str(users), *options, variables=AWS)
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (2, "", 1)


async def test_repeated_job_says_that_nothing_was_sent(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text("username\na0\na1\na1\n")
    service.defaults["a0"] = error_response("UserNotFoundException")
    first = await cli("bulk", "reset", str(users), *service.options(), variables=AWS)
    again = await cli("bulk", "reset", str(users), *service.options(), variables=AWS)
    resumed = await cli("bulk", "resume", f"{users}.journal", *service.endpoint, variables=AWS)
    assert first.code == again.code == resumed.code == 3
    assert "nothing to do" not in first.err
    for repeated in (again, resumed):
        assert "nothing to do: all rows were settled by earlier runs; nothing was sent." in repeated.err
        assert "reset finished" not in repeated.err
        assert "1 done, 2 refused" in repeated.err
    retried = await cli("bulk", "resume", f"{users}.journal", *service.endpoint, "--again", "refused", variables=AWS)
    assert "nothing to do" not in retried.err


async def test_job_with_invalid_rows_only_is_not_reported_as_repeated(
    service: Service, cli: InThread, tmp_path: Path
) -> None:
    users = tmp_path / "users.csv"
    users.write_text("username\na b\n")
    completed = await cli("bulk", "reset", str(users), *service.options(), variables=AWS)
    assert "reset finished" in completed.err


async def test_input_without_rows_causes_a_warning(service: Service, cli: InThread, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text("username\n")
    for more in ((), ("--json",), ("--dry-run",), ("--dry-run", "--json")):
        completed = await cli("bulk", "reset", "users.csv", *service.options(), *more, variables=AWS, cwd=tmp_path)
        assert completed.code == 0
        assert completed.err.splitlines()[-1] == "cognito-async: warning: no rows in users.csv"


# --- sources ---


async def test_resuming_a_job_from_stdin_needs_no_stdin(service: Service, tmp_path: Path) -> None:
    rows = json.dumps({"username": "ada"}) + "\n" + json.dumps({"username": "bob"}) + "\n"
    journal = str(tmp_path / "j")
    service.responses["ada"] = [error_response("UserNotFoundException")]
    arguments = ("bulk", "reset", "-", "--format", "jsonl", "--journal", journal)
    completed = await run(*arguments, *service.options(), variables=AWS, stdin=rows)
    assert completed.code == 3
    resumed = await run("bulk", "resume", journal, *service.endpoint, "--again", "refused", variables=AWS)
    assert resumed.code == 0
    assert service.requests_by_user() == {"ada": 2, "bob": 1}


async def test_other_rows_from_stdin_are_another_job(service: Service, tmp_path: Path) -> None:
    arguments = ("bulk", "reset", "-", *service.options(), "--journal", str(tmp_path / "j"))
    assert (await run(*arguments, variables=AWS, stdin="username\nada\nbob\n")).code == 0
    other = await run(*arguments, variables=AWS, stdin="username\neve\n")
    assert other.code == 2
    assert "line 2 of standard input" in other.err
    assert (await run(*arguments, variables=AWS, stdin="username\nada\nbob\n")).code == 0
    assert service.requests_by_user() == {"ada": 1, "bob": 1}


async def test_resuming_a_job_from_a_named_pipe_needs_no_writer(
    service: Service, cli: InThread, tmp_path: Path
) -> None:
    pipe = tmp_path / "users.csv"
    os.mkfifo(pipe)
    writing = asyncio.create_task(asyncio.to_thread(pipe.write_text, "username\nada\n"))
    assert (await cli("bulk", "reset", str(pipe), *service.options(), variables=AWS)).code == 0
    await writing
    assert (await cli("bulk", "resume", f"{pipe}.journal", *service.endpoint, variables=AWS)).code == 0
    assert service.requests_by_user() == {"ada": 1}


# --- generated passwords ---


async def test_passwords_file_must_not_be_the_input_or_the_journal(
    service: Service, cli: InThread, tmp_path: Path
) -> None:
    users = write_users(tmp_path, 2)
    before = users.read_bytes()
    for name in (users, tmp_path / "users.csv.journal"):
        options = ("--generate", "--temporary", "--passwords-file", str(name))
        completed = await cli("bulk", "set-password", str(users), *service.options(), *options, variables=AWS)
        assert (completed.code, completed.err.count("\n")) == (2, 1)
    assert (service.calls, users.read_bytes()) == ([], before)
    assert not list(tmp_path.glob("*.journal"))


async def test_generated_passwords_are_only_in_their_file(service: Service, cli: InThread, tmp_path: Path) -> None:
    users, passwords_file = write_users(tmp_path, 3), tmp_path / "made.csv"
    options = ("--generate", "--temporary", "--passwords-file", str(passwords_file))
    completed = await cli("bulk", "set-password", str(users), *service.options(), *options, variables=AWS)
    assert completed.code == 0
    assert passwords_file.stat().st_mode & 0o777 == 0o600
    with passwords_file.open(newline="") as file:
        generated = {row["username"]: row["password"] for row in csv.DictReader(file)}
    sent = {request.json["Username"]: request.json["Password"] for request in service.server.requests}
    assert generated == sent
    assert not any(request.json["Permanent"] for request in service.server.requests)
    journal = Path(f"{users}.journal").read_bytes()
    for password in generated.values():
        assert password not in completed.out + completed.err
        assert password.encode() not in journal


# --- export ---


async def test_export_writes_one_line_per_user(service: Service, cli: InThread, tmp_path: Path) -> None:
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
    target = ("--region", "eu-west-1", "--endpoint-url", service.url, "--user-pool-id", "eu-west-1_AbC")
    chosen = ("--columns", "username,enabled,address,created", "--status", "confirmed", "--output", "u.csv")
    completed = await cli("users", "export", *target, *chosen, variables=AWS, cwd=tmp_path)
    assert (completed.code, completed.out) == (0, "")
    assert "65 users" in completed.err
    lines = (tmp_path / "u.csv").read_text().splitlines()
    assert lines[:2] == ["username,enabled,address,created", "u1,true,=1 2,2023-11-14T22:13:20+00:00"]
    assert len(lines) == 66
    assert (tmp_path / "u.csv").stat().st_mode & 0o777 == 0o600
    json_lines = await cli("users", "export", *target, "--format", "jsonl", variables=AWS)
    assert len(json_lines.objects) == 130
    assert json_lines.objects[0]["address"] == "=1\n2"
    failed = await cli("users", "export", *target, "--output", "none.csv", cwd=tmp_path)
    assert (failed.code, failed.err.count("\n")) == (1, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"u.csv"}


async def test_export_into_closed_pipe_prints_no_traceback(service: Service) -> None:
    service.users = [{"Username": "u" * 100} for _ in range(3000)]
    target = f"--region eu-west-1 --endpoint-url {service.url} --user-pool-id eu-west-1_AbC"
    process = await asyncio.create_subprocess_shell(
        f"{' '.join(PROGRAM)} users export {target} | head -n 1",
        env=environment(AWS), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert out.startswith(b"username,")
    assert b"Traceback" not in err
    assert b"Exception" not in err
