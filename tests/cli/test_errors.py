"""Exit codes and messages of errors."""

import errno
import os
import sys
from pathlib import Path

import click
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
    JournalLostError,
    SourceError,
)
from cognito_async.cli.errors import DEBUG, CommandError, Exit, exit_code, run
from tests.support.terminal import AWS, Service, run_here
from tests.support.terminal import run as run_process

CANARY = "Canary-5ecret"


def with_cause(error: CognitoError, cause: BaseException) -> CognitoError:
    """Return the error with a cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JournalInUseError("in use"), Exit.PAUSED),
        (with_cause(JournalError("full"), OSError(errno.ENOSPC, "No space left on device")), Exit.PAUSED),
        (with_cause(JournalError("denied"), PermissionError(errno.EACCES, "Permission denied")), Exit.USAGE),
        (SourceError("empty"), Exit.USAGE),
        (JobMismatchError("other"), Exit.USAGE),
        (ParameterValidationError("username", "is required"), Exit.USAGE),
        (ServiceError("wrong", code="CodeMismatchException", status=400), Exit.PARTIAL),
        (AmbiguousOutcomeError("unknown"), Exit.PARTIAL),
        (ServiceError("slow down", code="TooManyRequestsException", status=400), Exit.PAUSED),
        (ServiceError("oops", code="InternalErrorException", status=500), Exit.PAUSED),
        (ConnectError("refused"), Exit.PAUSED),
        (CredentialsError("none"), Exit.FAILURE),
        (JournalLostError("deleted"), Exit.FAILURE),
        (JournalError("not a journal"), Exit.USAGE),
        (BulkError("something"), Exit.FAILURE),
    ],
)
def test_exit_code_of_library_errors(error: CognitoError, code: Exit) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandError("no"), Exit.USAGE),
        (CommandError("no", Exit.INTERRUPTED), Exit.INTERRUPTED),
        (SourceError("a\nb"), Exit.USAGE),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (ValueError(CANARY), Exit.FAILURE),
        (ExceptionGroup(CANARY, [TypeError(CANARY)]), Exit.FAILURE),
        (AssertionError(CANARY), Exit.FAILURE),
        (RecursionError(CANARY), Exit.FAILURE),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.FAILURE),
        (click.ClickException(CANARY), Exit.FAILURE),
        (click.UsageError(CANARY), Exit.USAGE),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_every_error_ends_in_one_line(
    error: BaseException,
    code: Exit,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    debug: bool,
) -> None:
    def fail() -> None:
        raise error

    if debug:
        monkeypatch.setenv(DEBUG, "1")
    assert run(click.Command("fail", callback=fail), []) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("cognito-async: ")
    if not debug:
        assert captured.err.count("\n") == 1
        assert CANARY not in captured.err


def test_traceback_is_shown_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise LookupError(CANARY)

    command = click.Command("fail", callback=fail)
    run(command, [])
    quiet = capsys.readouterr().err
    monkeypatch.setenv(DEBUG, "1")
    run(command, [])
    verbose = capsys.readouterr().err
    assert "LookupError" in quiet
    assert "Traceback" not in quiet
    assert "Traceback" in verbose


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", b"Canary-5ecret\x80"),
        ("AWS_SECRET_ACCESS_KEY", b"Canary-5ecret\n"),
        ("AWS_ACCESS_KEY_ID", b"Canary-5ecret\xff"),
        ("AWS_ACCESS_KEY_ID", b"Canary-5ecret\r\n"),
        ("AWS_SESSION_TOKEN", b"Canary-5ecret\n"),
        ("AWS_SESSION_TOKEN", b"Canary-5ecret\xe2\x80\xa8"),
    ],
)
@pytest.mark.parametrize("command", [("users", "export"), ("bulk", "sign-out", "u.csv", "--wait", "0")])
@pytest.mark.skipif(sys.platform == "win32", reason="environment variables are bytes on POSIX only")
async def test_invalid_credentials_end_without_traceback_or_secret(
    name: str, value: bytes, command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "u.csv").write_text("username\nada\n")
    async with Service() as service:
        target = ("--user-pool-id", "eu-west-1_a", "--endpoint-url", service.url)
        completed = await run_process(*command, *target, variables={**AWS, name: os.fsdecode(value)}, cwd=tmp_path)
    assert "Traceback" not in completed.err
    assert CANARY not in completed.err + completed.out


def test_foreign_file_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "some.db"
    file.write_bytes(b"not a database at all, but long enough to be looked at" * 50)
    completed = run_here(capsys, "bulk", "resume", str(file))
    assert (completed.code, completed.err.count("\n")) == (Exit.USAGE, 1)
