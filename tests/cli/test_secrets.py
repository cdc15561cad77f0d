"""Secrets from files, the environment and prompts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cognito_async.cli import secrets
from cognito_async.cli.errors import CommandError, Exit
from cognito_async.cli.secrets import SecretValue
from tests.support.terminal import CLIENT_SECRET, CODE_MISMATCH, Service, run, run_here, terminal, write_users

APP_CLIENT = ("--username", "ada", "--client-id", "id", "--region", "eu-west-1")
NEW_PASSWORD = "Diff-erent1"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A running service."""
    async with Service() as opened:
        yield opened


def to(service: Service) -> tuple[str, ...]:
    """Return the options that select the service and an app client."""
    return ("--region", "eu-west-1", "--endpoint-url", service.url, "--client-id", "app")


# --- files and environment ---


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    """Write a file with a secret."""
    path = folder / "secret"
    path.touch()
    path.chmod(mode)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_secret_file_of_others_is_rejected(mode: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = secret_file(tmp_path, CLIENT_SECRET.encode(), mode)
    completed = run_here(capsys, "forgot-password", *APP_CLIENT, "--client-secret-file", str(file))
    assert completed.code == Exit.USAGE
    assert "chmod 600" in completed.err
    assert CLIENT_SECRET not in completed.err


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"\xff\xfe", b"a\0b", "a\u2028b".encode(), b"x" * 5000])
def test_secret_file_with_invalid_content_is_rejected(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = secret_file(tmp_path, content)
    completed = run_here(capsys, "forgot-password", *APP_CLIENT, "--client-secret-file", str(file))
    assert (completed.code, completed.err.count("\n")) == (Exit.USAGE, 1)
    assert str(file) in completed.err


@pytest.mark.parametrize("secret", [secrets.PASSWORD, secrets.CODE, secrets.CLIENT_SECRET])
@pytest.mark.parametrize(
    "content",
    [
        "a secret",
        "a secret\n",
        "a secret\r\n",
        "\ufeffa secret\n",
        "\ufeff a secret \t\r\n",
        "\na secret\n\n",
        "a secret\r",
    ],
)
def test_secret_file_holds_one_line(content: str, secret: secrets.Secret, tmp_path: Path) -> None:
    """Byte order mark, line ends and surrounding whitespace are no part of a secret; whitespace within is."""
    file = secret_file(tmp_path, content.encode())
    assert secrets.read(secret, str(file)) == SecretValue("a secret")


def test_secret_file_takes_precedence_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGNITO_PASSWORD", "other")
    assert secrets.read(secrets.PASSWORD, str(secret_file(tmp_path, b"secret"))) == SecretValue("secret")
    assert secrets.read(secrets.PASSWORD, None) == SecretValue("other")
    monkeypatch.setenv("COGNITO_PASSWORD", "")
    assert secrets.read(secrets.PASSWORD, None) is None


@pytest.mark.parametrize("value", ["Canary\n", "Canary\udc80", "a\r\nCanary", "Canary\x1b[2J"])
def test_invalid_environment_variable_is_named_and_not_repeated(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGNITO_PASSWORD", value)
    with pytest.raises(CommandError) as raised:
        secrets.read(secrets.PASSWORD, None)
    assert "COGNITO_PASSWORD" in str(raised.value)
    assert "Canary" not in str(raised.value)


# --- prompts ---


async def test_prompts_hide_the_code_and_the_password(service: Service) -> None:
    async with terminal("confirm-forgot-password", "--username", "ada", *to(service)) as screen:
        await screen.wait_for("Confirmation code: ")
        screen.type("654321\n")
        await screen.wait_for("New password: ")
        screen.type(f"{NEW_PASSWORD}\n")
        await screen.wait_for("Repeat new password: ")
        screen.type(f"{NEW_PASSWORD}\n")
        assert await screen.exit_code() == Exit.DONE
        await screen.wait_for("ada: password set")
        assert "654321" not in screen.shown
        assert NEW_PASSWORD not in screen.shown
    [request] = service.server.requests
    assert (request.json["ConfirmationCode"], request.json["Password"]) == ("654321", NEW_PASSWORD)


async def test_different_passwords_send_nothing(service: Service) -> None:
    variables = {"COGNITO_CONFIRMATION_CODE": "654321"}
    async with terminal("confirm-forgot-password", "--username", "ada", *to(service), variables=variables) as screen:
        await screen.wait_for("New password: ")
        screen.type(f"{NEW_PASSWORD}\n")
        await screen.wait_for("Repeat new password: ")
        screen.type("Diff-erent2\n")
        assert await screen.exit_code() == Exit.USAGE
    assert service.calls == []


async def test_ctrl_c_at_a_prompt_exits_130() -> None:
    arguments = ("--username", "ada", "--region", "eu-west-1", "--client-id", "app")
    async with terminal("confirm-forgot-password", *arguments) as screen:
        await screen.wait_for("Confirmation code: ")
        screen.type("\x03")
        assert await screen.exit_code() == Exit.INTERRUPTED
        await screen.wait_for("interrupted")
        assert "Traceback" not in screen.shown


async def test_prompt_without_terminal_exits_2(service: Service) -> None:
    completed = await run("confirm-forgot-password", "--username", "ada", *to(service), "--ask-client-secret")
    assert (completed.code, completed.err.count("\n")) == (Exit.USAGE, 1)
    assert service.calls == []


async def test_resume_prompts_for_the_client_secret(service: Service, tmp_path: Path) -> None:
    users = write_users(tmp_path, 2)
    service.defaults["a0"] = CODE_MISMATCH
    arguments = ("bulk", "confirm", str(users), *service.options())
    first = await run(*arguments, variables={"COGNITO_CLIENT_SECRET": CLIENT_SECRET})
    assert first.code == Exit.PARTIAL
    resume = ("bulk", "resume", f"{users}.journal", *service.endpoint, "--again", "refused")
    without_terminal = await run(*resume)
    assert without_terminal.code == Exit.USAGE
    assert "COGNITO_CLIENT_SECRET" in without_terminal.err
    async with terminal(*resume) as screen:
        await screen.wait_for("Client secret: ")
        screen.type(f"{CLIENT_SECRET}\n")
        assert await screen.exit_code() == Exit.PARTIAL
        assert CLIENT_SECRET not in screen.shown
    hashes = {r.json["SecretHash"] for r in service.server.requests if r.json["Username"] == "a0"}
    assert len(hashes) == 1
