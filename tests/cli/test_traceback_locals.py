"""Tracebacks of the command line with local variables contain no secrets, as with COGNITO_ASYNC_DEBUG."""

import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cognito_async import AsyncCognitoSession, ParameterValidationError
from cognito_async.bulk.journal import Journal
from cognito_async.cli import jobs, secrets, users
from cognito_async.cli.errors import CommandError
from cognito_async.cli.settings import JobSettings, Options, Target
from tests.support.canaries import CANARY, canary, leaking_frames

VARIABLES = {"COGNITO_CLIENT_SECRET", "COGNITO_PASSWORD", "COGNITO_CONFIRMATION_CODE", "AWS_SECRET_ACCESS_KEY"}
TARGET = {"region": "eu-west-1", "client_id": "app", "endpoint_url": "http://127.0.0.1:1", "username": "ada"}


@pytest.fixture(autouse=True)
def canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a canary into each variable that can hold a secret."""
    for name in VARIABLES:
        monkeypatch.setenv(name, canary())


def looks_clean(error: BaseException) -> bool:
    """Return whether neither the error nor its frames contain a canary."""
    return not leaking_frames(error) and not any(CANARY in line for line in traceback.format_exception(error))


@pytest.mark.parametrize("command", ["forgot", "confirm", "resume", "forgot-password", "confirm-forgot-password"])
@pytest.mark.parametrize("secret", [f"{CANARY}\u00a0", CANARY], ids=["invalid", "valid"])
def test_frames_of_commands_contain_no_secrets(
    secret: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalid client secret, and a service that cannot be reached, end every command that has secrets."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "u.csv").touch(mode=0o600)
    (tmp_path / "u.csv").write_text(f"username,confirmation_code,password\nada,{CANARY},{CANARY}\n")

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no network")

    options = Options(**TARGET, input="u.csv", plain=True)
    if command == "resume":
        with Journal(tmp_path / "j") as journal:
            target = Target(region="eu-west-1", client_id="app", endpoint_url=TARGET["endpoint_url"])
            journal.remember(JobSettings(action="forgot", input="u.csv", target=target, has_secret=True).facts())
        options = Options(journal="j", endpoint_url=TARGET["endpoint_url"], plain=True)
    monkeypatch.setenv("COGNITO_CLIENT_SECRET", secret)
    if secret == CANARY:
        monkeypatch.setattr(AsyncCognitoSession, "client", fail)
    commands: dict[str, Callable[[Options], object]] = {
        "forgot-password": users.forgot_password,
        "confirm-forgot-password": users.confirm_forgot_password,
        "resume": jobs.resume,
    }
    with pytest.raises((ParameterValidationError, ConnectionError)) as caught:
        commands.get(command, partial(jobs.start, command))(options)
    assert looks_clean(caught.value)


@pytest.mark.parametrize(
    ("content", "mode"),
    [(f"{CANARY}\nmore", 0o600), (f"{CANARY}\0", 0o600), (CANARY * 999, 0o600), (CANARY, 0o644)],
    ids=["lines", "nul", "long", "readable"],
)
def test_frames_of_an_invalid_secret_file_contain_no_secrets(content: str, mode: int, tmp_path: Path) -> None:
    """The content is not in a frame when the file is rejected."""
    (tmp_path / "secret").write_text(content)
    (tmp_path / "secret").chmod(mode)
    with pytest.raises(CommandError) as caught:
        secrets.read(secrets.PASSWORD, str(tmp_path / "secret"))
    assert looks_clean(caught.value)


def test_frames_of_an_invalid_variable_contain_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repr of ``os.environ`` shows all variables, so it must not be a local variable."""
    monkeypatch.setenv("COGNITO_PASSWORD", f"{CANARY}\n")
    with pytest.raises(CommandError) as caught:
        secrets.read(secrets.PASSWORD, None)
    assert looks_clean(caught.value)


def test_frames_of_different_entries_contain_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """No frame holds the user's input."""
    entries = iter([canary(), f"{canary()}2"])
    monkeypatch.setattr(secrets, "getpass", lambda *_, **__: next(entries))
    monkeypatch.setattr(secrets, "_is_terminal", lambda: True)
    with pytest.raises(CommandError) as caught:
        secrets.prompt(secrets.PASSWORD)
    assert looks_clean(caught.value)
