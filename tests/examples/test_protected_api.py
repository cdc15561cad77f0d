"""The example API: sign-in, protected routes, refresh, sign-out and password reset, without another package."""

import asyncio
import os
import re
import runpy
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from cognito_async.testing import FakeCognito, LocalPool
from tests.support.asgi import asgi_client
from tests.support.processes import ROOT, until

PROGRAM = ROOT / "examples" / "protected_api.py"
ADA, OLD, NEW = "ada@example.com", "Analytical-1843", "Differential-1822"
SECRET = "secret-of-the-app-client"


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeCognito]:
    """Run a fake user pool with an app client, which the environment names."""
    async with FakeCognito() as running:
        app_client = running.create_app_client(client_secret=SECRET)
        set_environment(monkeypatch, running, app_client.client_id, SECRET)
        yield running


def set_environment(patch: pytest.MonkeyPatch, pool: Any, client_id: str, secret: str | None) -> None:
    """Set the variables of an application."""
    patch.setenv("COGNITO_ENDPOINT_URL", pool.endpoint_url)
    patch.setenv("COGNITO_USER_POOL_ID", pool.user_pool_id)
    patch.setenv("COGNITO_CLIENT_ID", client_id)
    patch.setenv("COGNITO_CLIENT_SECRET", secret or "")


async def sign_in(http: httpx.AsyncClient, password: str = OLD) -> dict[str, Any]:
    """Sign the user in and return the content of the response."""
    response = await http.post("/account/sign-in", json={"username": ADA, "password": password})
    content: dict[str, Any] = response.json()
    assert response.status_code == 200, content
    return content


def bearer(content: dict[str, Any]) -> dict[str, str]:
    """Return the header for protected routes."""
    return {"Authorization": f"Bearer {content['access_token']}"}


def test_program_fits_in_60_lines_without_another_authentication_package() -> None:
    """A newcomer reads all of it."""
    text = PROGRAM.read_text()
    assert len(text.splitlines()) <= 60
    packages = {line.split()[1].partition(".")[0] for line in text.splitlines() if re.match("(from|import) ", line)}
    assert packages == {"asyncio", "contextlib", "os", "uvicorn", "fastapi", "cognito_async"}


async def test_user_signs_in_and_calls_protected_routes(fake: FakeCognito) -> None:
    """With a second factor, a group, a refresh and a sign-out."""
    fake.create_user("ada", password=OLD, email=ADA, mfa=["SOFTWARE_TOKEN_MFA"])
    async with asgi_client(runpy.run_path(str(PROGRAM))["app"]) as http:
        assert (await http.get("/me")).status_code == 401
        challenge = await sign_in(http)
        body = {"continue": challenge["continue"], "answer": {"type": "code", "code": fake.totp_code("ada")}}
        signed_in = (await http.post("/account/sign-in/challenge", json=body)).json()
        assert (await http.get("/me", headers=bearer(signed_in))).json() == {"username": "ada"}
        assert (await http.delete("/orders/7", headers=bearer(signed_in))).status_code == 403
        fake.users["ada"].groups = ("staff",)
        held = {"refresh_token": signed_in["refresh_token"]}
        refreshed = (await http.post("/account/refresh", json=held)).json()
        assert (await http.delete("/orders/7", headers=bearer(refreshed))).status_code == 204
        assert (await http.post("/account/sign-out", json=held)).json()["revoked"] is True
        assert (await http.post("/account/refresh", json=held)).status_code == 401
        paths = (await http.get("/openapi.json")).json()["paths"]
        assert {path.removeprefix("/account") for path in paths} == {
            "/me", "/orders/{order}", "/sign-in", "/sign-in/challenge", "/refresh", "/sign-out", "/forgot-password",
            "/reset-password",
        }  # fmt: skip


async def test_user_resets_the_password_and_signs_in(fake: FakeCognito) -> None:
    """The old password is refused like one of an unknown user."""
    fake.create_user("ada", password=OLD, email=ADA)
    async with asgi_client(runpy.run_path(str(PROGRAM))["app"]) as http:
        await http.post("/account/forgot-password", json={"username": ADA})
        await until(lambda: fake.messages)
        body = {"username": ADA, "code": fake.messages[-1].code, "password": NEW}
        assert (await http.post("/account/reset-password", json=body)).status_code == 200
        bodies = ({"username": name, "password": OLD} for name in (ADA, "unknown@example.com"))
        refused = [await http.post("/account/sign-in", json=body) for body in bodies]
        assert [response.status_code for response in refused] == [401, 401]
        assert refused[0].content == refused[1].content
        await sign_in(http, NEW)


@pytest.mark.skipif(sys.platform == "win32", reason="the local pool is a POSIX program")
async def test_api_works_with_a_local_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """MiniStack checks SRP proofs and issues tokens that the verifier accepts."""
    async with LocalPool(client_secret=True, users={ADA: OLD}) as pool:
        set_environment(monkeypatch, pool, pool.client_id, pool.client_secret)
        async with asgi_client(runpy.run_path(str(PROGRAM))["app"]) as http:
            signed_in = await sign_in(http)
            assert (await http.get("/me", headers=bearer(signed_in))).status_code == 200
            refreshed = await http.post("/account/refresh", json={"refresh_token": signed_in["refresh_token"]})
            assert (await http.get("/me", headers=bearer(refreshed.json()))).status_code == 200


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
async def test_program_serves_a_fake_pool() -> None:
    """As a reader runs it; Ctrl-C ends it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(PROGRAM)),
        env={**os.environ, "PYTHONPATH": str(ROOT), "PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            async for line in process.stderr:
                if found := re.search(r"running on (http://[\d.:]+)", line.decode()):
                    break
            async with httpx.AsyncClient(base_url=found[1] if found else "") as http:
                signed_in = await sign_in(http)
                assert (await http.delete("/orders/7", headers=bearer(signed_in))).status_code == 204
            process.send_signal(signal.SIGINT)
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert b"Analytical-1843" in output
    assert (process.returncode, b"Traceback" in errors) == (0, False)
