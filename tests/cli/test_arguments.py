"""The command line itself: what it takes, what it refuses, and what it never repeats."""

import argparse
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cognito_async import (
    AmbiguousOutcomeError,
    CognitoError,
    ConnectError,
    CredentialsError,
    ParameterValidationError,
    ServiceError,
)
from cognito_async.bulk import (
    BulkError,
    JobMismatchError,
    JournalError,
    JournalInUseError,
    Outcome,
    Progress,
    SourceError,
    State,
)
from cognito_async.cli import main
from cognito_async.cli.commands import make_parser
from cognito_async.cli.displays import PlainDisplay
from cognito_async.cli.exits import MEANING, Exit
from cognito_async.cli.failures import exit_of, explain
from cognito_async.cli.wording import pace
from cognito_async.version import __version__
from tests.support.terminal import environment

CANARY = "Canary-5ecret!"
NO_RATES = ("0", "-1", "1e-320", "0.009", "10001", "1e300")
READERS = ("resume", "status", "report")
POOL = ("--user-pool-id", "eu-west-1_a")
MADE = ("--generate", "--passwords-file")
FOLDERS = dict.fromkeys((".", "..", "/", "../"), "is a folder: name a file")
LONG = "a" * 300
NO_OUTPUTS = {**FOLDERS, "": "must name a file", "a\0b": "must name a file"}
NO_INPUTS = {**NO_OUTPUTS, LONG: "can't be used: File name too long", "u.csv/x": "can't be used: Not a directory"}
NO_FILES = {**NO_INPUTS, "-": "must name a file; - is none"}


@pytest.fixture(autouse=True)
def _no_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine says about pools, app clients and secrets."""
    for name in ("COGNITO_USER_POOL_ID", "COGNITO_CLIENT_ID", "COGNITO_CLIENT_SECRET", "COGNITO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Give a parser and all that are under it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for under in action.choices.values():
                yield from leaves(under)


def test_every_option_is_explained() -> None:
    """Each command has a description and the exit codes, and each of its options a help text."""
    found = list(leaves(make_parser()))
    assert len(found) > 12
    for parser in found:
        assert parser.description
        for code, meaning in MEANING.items():
            assert f"{code:<5}{meaning}" in parser.format_help()
        for action in parser._actions:
            for told in getattr(action, "_choices_actions", [action]):
                assert told.help, (parser.prog, told.dest)


def test_no_option_takes_a_secret() -> None:
    """Whatever sounds like a secret is a file to read it from, or a wish to be asked."""
    options = {option for parser in leaves(make_parser()) for option in parser._option_string_actions}
    about_secrets = {option for option in options if any(word in option for word in ("secret", "password", "code"))}
    assert about_secrets == {
        "--client-secret-file", "--ask-client-secret", "--password-file", "--passwords-file", "--code-file",
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["bulk", "confirm", "users.csv", f"--client-secret={CANARY}"],
        ["bulk", "confirm", "users.csv", "--client-secret", CANARY],
        ["bulk", "confirm", "users.csv", f"--client_secret={CANARY}"],
        ["bulk", "set-password", "users.csv", f"--password={CANARY}"],
        ["confirm-forgot-password", "--username", "ada", "--password", CANARY],
        ["confirm-forgot-password", "--username", "ada", "--code", CANARY],
        ["confirm-forgot-password", "--username", "ada", "--secret-access-key", CANARY],
        ["confirm-forgot-password", "--username", "ada", f"--pass={CANARY}"],
        ["confirm-forgot-password", "--username", "ada", f"-p{CANARY}"],
        ["confirm-forgot-password", "--username", "ada", CANARY],
        ["bulk", "reset", "users.csv", CANARY],
        ["bulk", "reset", "users.csv", "--rate", CANARY],
        ["bulk", "reset", "users.csv", "--format", CANARY],
        ["bulk", "reset", "users.csv", "--attribute", CANARY],
        ["bulk", "reset", "users.csv", f"--strict={CANARY}"],
        ["bulk", "reset", "users.csv", "--max-errors", CANARY],
        ["bulk", "resume", "users.journal", "--again", CANARY],
        ["bulk", CANARY],
        [CANARY],
        [f"--{CANARY}"],
    ],
)
def test_what_cannot_be_read_is_not_repeated(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A secret in the wrong place is refused with one line that does not hold it, and exit code 2."""
    assert main(arguments) == Exit.USAGE
    said = capsys.readouterr()
    assert CANARY not in said.out + said.err
    assert said.out == ""
    assert said.err.startswith("cognito-async: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bulk", "confirm", "u.csv", "--password", "x"], "--password is no option"),
        (["bulk", "confirm", "u.csv", "--ratee", "3"], "argument 4 is not known"),
        (["bulk", "confirm", "u.csv", "--ratee", "3"], "did you mean --rate?"),
        *((["bulk", "confirm", "u.csv", "--rate", rate], "--rate: must be from 0.01 to 10000") for rate in NO_RATES),
        (["bulk", "confirm", "u.csv", "--rate", "inf"], "--rate: must be a number"),
        (["bulk", "confirm", "u.csv", "--format", "xml"], "must be csv or jsonl"),
        (["bulk", "confirm", "u.csv"], "which region?"),
        (["bulk", "confirm", "u.csv", "--region", "eu-west-1"], "which app client?"),
        (["bulk", "reset", "u.csv", "--region", "eu-west-1"], "which user pool?"),
        (["bulk", "reset", "u.csv", "--user-pool-id", "eu-west-1_a", "--pool"], "INPUT or --pool"),
        (["bulk", "reset", "--user-pool-id", "eu-west-1_a"], "whom?"),
        (["bulk", "reset", "--user-pool-id", "eu-west-1_a", "--pool"], "Give --journal"),
        (["bulk", "reset", "-", "--user-pool-id", "eu-west-1_a"], "Give --journal"),
        (["bulk", "reset", "u.csv", "--user-pool-id", "eu-west-1_a", "--status", "CONFIRMED"], "give --pool too"),
        (["bulk", "set-password", "u.csv", "--user-pool-id", "eu-west-1_a", "--generate"], "belong together"),
        (["bulk", "reset", "none.csv", "--user-pool-id", "eu-west-1_a"], "none.csv is not there"),
        (["bulk", "reset", "u.xls", "--user-pool-id", "eu-west-1_a"], "cannot infer the format"),
        (["bulk", "status", "none.journal"], "none.journal"),
        (["bulk", "resume", "none.journal"], "none.journal"),
        (["bulk", "report", "none.journal"], "none.journal"),
        *((["bulk", command, path], said) for command in READERS for path, said in NO_FILES.items()),
        *((["bulk", "reset", "--pool", "--journal", path, *POOL], said) for path, said in NO_FILES.items()),
        *((["bulk", "reset", path, "--format", "csv", *POOL], said) for path, said in NO_INPUTS.items()),
        *((["users", "export", "--output", path, *POOL], said) for path, said in NO_OUTPUTS.items()),
        *((["bulk", "set-password", "u.csv", *MADE, path, *POOL], said) for path, said in NO_FILES.items()),
    ],
)
def test_what_is_unusable_exits_with_2(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line says what is wrong and what to do, and no file is left behind."""
    monkeypatch.chdir(tmp_path)
    inputs = {"u.csv", "u.xls"}
    for name in inputs:
        (tmp_path / name).touch(mode=0o600)
    assert main(arguments) == Exit.USAGE
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == inputs


def test_every_command_takes_an_address() -> None:
    """`--endpoint-url` can be given everywhere; where nothing is sent, the help says so."""
    commands = [parser for parser in leaves(make_parser()) if parser.get_default("room")]
    assert len(commands) == 11
    for parser in commands:
        assert "--endpoint-url" in parser.format_help()
    silent = [parser.prog.split()[-1] for parser in commands if "nothing is sent\n" in parser.format_help()]
    assert silent == ["status", "report"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        *((["bulk", command, "pipe"], "pipe can't be a journal") for command in READERS),
        (["bulk", "reset", "u.csv", "--journal", "pipe", *POOL], "pipe can't be a journal"),
        (["bulk", "set-password", "u.csv", *MADE, "pipe", *POOL], "pipe can't keep passwords"),
        (["bulk", "set-password", "u.csv", *MADE, "open.csv", *POOL], "others can read "),
        (["bulk", "set-password", "u.csv", *MADE, "open.csv", *POOL, "--dry-run"], "chmod 600 it"),
        (["bulk", "status", "loop"], "loop can't be used"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="modes, pipes and links are POSIX")
def test_what_stands_where_a_file_should(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is refused before anything is begun: with 2, and without a journal."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "u.csv").write_text("username,password\nada,Passw0rd!\n")
    (tmp_path / "open.csv").touch()
    (tmp_path / "open.csv").chmod(0o644)
    os.mkfifo("pipe")
    (tmp_path / "loop").symlink_to("loop")
    assert main(arguments) == Exit.USAGE
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop", "open.csv", "pipe", "u.csv"]


def test_slow_rates_are_told_as_they_are() -> None:
    """No rate that can be given reads like none at all."""
    assert [pace(rate) for rate in (0.01, 0.5, 1, 2.5, 30, 99.96, 10_000)] == [
        "0.01", "0.5", "1", "2.5", "30", "100.0", "10,000",
    ]  # fmt: skip


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is sent, and the line says how to mend it."""
    file = tmp_path / "secret"
    file.write_text(CANARY)
    file.chmod(0o644)
    place = ("--username", "ada", "--client-id", "id", "--region", "eu-west-1")
    assert main(["forgot-password", *place, "--client-secret-file", str(file)]) == Exit.USAGE
    err = capsys.readouterr().err
    assert "others can read" in err
    assert "chmod 600" in err
    assert CANARY not in err


@pytest.mark.parametrize("content", [b"", b"one\ntwo\n", b"\xff\xfe", b"x" * 5000])
def test_a_secret_file_holds_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that can't hold what it should is refused before anything is sent."""
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_bytes(content)
    place = ("--username", "ada", "--client-id", "id", "--region", "eu-west-1")
    assert main(["forgot-password", *place, "--client-secret-file", str(file)]) == Exit.USAGE
    assert str(file) in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """It goes to standard output, and the exit code is 0."""
    assert main(["--version"]) == Exit.DONE
    assert capsys.readouterr().out == f"cognito-async {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    """Who asks for help waits for no HTTP library, no attrs and no rich."""
    program = (
        "import sys, json; from cognito_async.cli import main; code = main(['bulk', 'confirm', '--help']);"
        "print(json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment(), capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    code, modules = json.loads(told.stdout.splitlines()[-1])
    assert code == Exit.DONE
    assert not {"aiohttp", "rich", "attr", "cattrs", "asyncio", "sqlite3", "botocore"} & set(modules)


def test_a_journal_of_somebody_else_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no journal is refused in one line."""
    file = tmp_path / "some.db"
    file.write_bytes(b"not a database at all, but long enough to be looked at" * 50)
    assert main(["bulk", "resume", str(file)]) == Exit.USAGE
    assert capsys.readouterr().err.count("\n") == 1


def chained(error: CognitoError, cause: BaseException) -> CognitoError:
    """Give an error with a cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JournalInUseError("busy"), Exit.PAUSED),
        (chained(JournalError("full"), OSError(errno.ENOSPC, "No space left on device")), Exit.PAUSED),
        (chained(JournalError("denied"), PermissionError(errno.EACCES, "Permission denied")), Exit.USAGE),
        (SourceError("empty"), Exit.USAGE),
        (JobMismatchError("other"), Exit.USAGE),
        (ParameterValidationError("username", "is required"), Exit.USAGE),
        (ServiceError("wrong", code="CodeMismatchException", status=400), Exit.ROWS),
        (AmbiguousOutcomeError("who knows"), Exit.ROWS),
        (ServiceError("slow down", code="TooManyRequestsException", status=400), Exit.PAUSED),
        (ServiceError("oops", code="InternalErrorException", status=500), Exit.PAUSED),
        (ConnectError("nobody there"), Exit.PAUSED),
        (CredentialsError("none"), Exit.TROUBLE),
        (BulkError("something"), Exit.TROUBLE),
    ],
)
def test_what_errors_exit_with(error: CognitoError, code: Exit) -> None:
    """Each error that a command can end with has its exit code, and one line."""
    assert exit_of(error) == code
    assert explain(error).isprintable()


def test_a_long_wait_is_told_once() -> None:
    """A log is not filled while the job waits for rows that are due later."""
    said: list[str] = []
    display = PlainDisplay(5.0, said.append)
    progress = Progress(
        states={State.DEFERRED: 1}, kinds={}, total=1, reading=False, in_flight=0, rate=0.0, quota=30.0, throttled=0,
        waiting_until=5000.0,
    )  # fmt: skip
    for now in (1000.0, 2000.0, 3000.0):
        display.progress(progress, now)
    [line] = said
    assert "waits for deferred rows until" in line
    assert "(in 1 h 6 min)" in line


def test_nothing_steers_the_terminal() -> None:
    """What an input or the service holds is shown with its control characters spelt out."""
    said: list[str] = []
    row = Outcome(line=2, username="ada\x1b[2J\u202eevil", state=State.REFUSED, code="X", reason="a\nb")
    PlainDisplay(5.0, said.append).outcome(row)
    assert said == ["line 2 ada\\x1b[2J\\u202eevil refused: X a\\nb"]
