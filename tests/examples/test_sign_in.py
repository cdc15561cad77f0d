"""The sign-in program, run as a reader runs it, and against a server that stands for AWS."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import pytest

from cognito_async.testing import FakeCognito
from tests.support.processes import ROOT

ADA, PASSWORD, NEW_PASSWORD = "ada@example.com", "Analytical-1843", "Differential-1822"


@pytest.fixture
async def fake() -> AsyncIterator[FakeCognito]:
    """Run a fake user pool with an app client that has a secret."""
    async with FakeCognito() as running:
        running.create_app_client("app", client_secret="secret-of-the-app-client")
        yield running


async def run(*arguments: str, stdin: str = "", **variables: str) -> tuple[int | None, str, str]:
    """Run the program without a terminal; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "examples" / "sign_in.py"), *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
    return process.returncode, out.decode(), err.decode()


async def sign_in(fake: FakeCognito, stdin: str) -> tuple[int | None, str, str]:
    """Sign a user in at the fake, which stands for AWS."""
    variables = {"AWS_ENDPOINT_URL": fake.endpoint_url, "COGNITO_CLIENT_SECRET": "secret-of-the-app-client"}
    arguments = ("--user-pool-id", fake.user_pool_id, "--client-id", "app", "--username", ADA)
    return await run(*arguments, stdin=stdin, **variables)


async def test_demo_runs_all_steps_and_prints_no_secret() -> None:
    """All steps have the expected result."""
    code, out, err = await run()
    assert (code, err) == (0, "")
    assert out.count(" ms\n") == 4
    assert "ada is signed in until" in out
    assert PASSWORD not in out
    assert NEW_PASSWORD not in out


async def test_user_of_aws_answers_challenges(fake: FakeCognito) -> None:
    """A code with letters and a wrong one are asked for again."""
    fake.create_user("ada", password=PASSWORD, email=ADA, mfa=["SOFTWARE_TOKEN_MFA"])
    right = fake.totp_code("ada")
    wrong = f"{(int(right) + 500_000) % 10**6:06d}"
    code, out, _ = await sign_in(fake, f"{PASSWORD}\nabc\n{wrong}\n{right}\n")
    assert code == 0
    assert "ParameterValidationError" in out
    assert "CodeMismatchException" in out
    assert "ada is signed in until" in out
    assert PASSWORD not in str(fake.requests)


async def test_used_code_is_asked_for_again(fake: FakeCognito) -> None:
    """A code of the authenticator app is accepted once; the challenge stays open."""
    user = fake.create_user("ada", password=PASSWORD, email=ADA, mfa=["SOFTWARE_TOKEN_MFA"])
    used, user.last_totp_step = fake.totp_code("ada"), int(fake.now) // 30
    fake.advance(30)
    following = fake.totp_code("ada")
    fake.advance(-30)
    code, out, _ = await sign_in(fake, f"{PASSWORD}\n{used}\n{following}\n")
    assert code == 0
    assert "ExpiredCodeException" in out
    assert "ada is signed in until" in out


async def test_wrong_password_ends_the_program(fake: FakeCognito) -> None:
    """With the service's message."""
    fake.create_user("ada", password=PASSWORD, email=ADA)
    code, _, err = await sign_in(fake, f"{NEW_PASSWORD}\n")
    assert code == 1
    assert "NotAuthorizedException: Incorrect username or password." in err


async def test_incomplete_arguments_are_refused() -> None:
    """All three name the user."""
    code, _, err = await run("--client-id", "app")
    assert code == 2
    assert "required together" in err
