"""Tests of the application for aiohttp.web."""

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp_app import create_app
from cryptography.fernet import Fernet

from cognito_async.testing import FakeCognito


@pytest.mark.asyncio
async def test_sign_in(user_pool: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user signs in with a password and a code, refreshes the tokens and signs out."""
    monkeypatch.setenv("STATE_KEY", Fernet.generate_key().decode())
    user_pool.users["ada"].mfa = ["EMAIL_OTP"]
    async with TestClient(TestServer(create_app())) as client:
        form = {"username": "ada", "password": "Analytical-1843"}
        async with client.post("/sign-in", data=form) as response:
            state = (await response.json())["state"]
        form = {"state": state, "code": user_pool.messages[-1].code}
        async with client.post("/sign-in/code", data=form) as response:
            tokens = await response.json()
        async with client.get("/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}) as response:
            assert await response.json() == {"username": "ada"}
        form = {"refresh_token": tokens["refresh_token"]}
        for path, status in (("/refresh", 200), ("/sign-out", 200), ("/refresh", 401)):
            async with client.post(path, data=form) as response:
                assert response.status == status
