"""Tests of the Django application."""

import os

from cognito_async.testing import FakeCognito

os.environ.setdefault("DJANGO_SECRET_KEY", "for tests")

import django_app
import pytest
from django.test import AsyncClient


@pytest.mark.asyncio
async def test_sign_in(user_pool: FakeCognito) -> None:
    """A user signs in with a password, gets a new access token and signs out."""
    client = AsyncClient(headers={"Host": "localhost"}, enforce_csrf_checks=True)
    form = {"username": "ada", "password": "Analytical-1843"}
    assert (await client.post("/sign-in", form)).status_code == 403
    headers = {"X-CSRFToken": (await client.get("/csrf-token")).json()["token"]}
    assert (await client.post("/sign-in", form | {"password": "wrong"}, headers=headers)).status_code == 401
    assert (await client.get("/me")).status_code == 401
    assert (await client.post("/sign-in", form, headers=headers)).status_code == 200
    assert (await client.get("/me")).json() == {"username": "ada"}
    token = (await client.post("/access-token", headers=headers)).json()["access_token"]
    response = await client.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert response.json() == {"username": "ada"}
    assert (await client.post("/sign-out", headers=headers)).status_code == 200
    assert (await client.post("/access-token", headers=headers)).status_code == 401
    await django_app.verifier().close()
