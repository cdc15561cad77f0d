"""Tests of the Litestar application."""

from litestar.testing import TestClient
from litestar_app import app

from cognito_async.testing import FakeCognito


def test_staff_requires_the_group(user_pool: FakeCognito) -> None:
    """Requests without a token get 401, users outside of the group 403."""
    issuer = user_pool.issuer
    with TestClient(app) as client:
        assert client.get("/staff").status_code == 401
        client.headers["Authorization"] = f"Bearer {issuer.access_token(username='ada')}"
        assert client.get("/me").json() == {"username": "ada"}
        assert client.get("/staff").status_code == 403
        client.headers["Authorization"] = f"Bearer {issuer.access_token(username='grace', groups=['staff'])}"
        assert client.get("/staff").json() == {"username": "grace"}


def test_sign_in(user_pool: FakeCognito) -> None:
    """A user signs in with a password and a code, of which a wrong one can be corrected."""
    user_pool.users["ada"].mfa = ["EMAIL_OTP"]
    with TestClient(app, base_url="https://site.example") as client:
        form = {"username": "ada", "password": "Analytical-1843"}
        assert client.post("/sign-in", json=form | {"password": "wrong"}).status_code == 401
        assert client.post("/sign-in", json=form).json() == {"challenge": "EMAIL_OTP"}
        assert client.post("/sign-in/code", json={"code": "000000"}).status_code == 401
        tokens = client.post("/sign-in/code", json={"code": user_pool.messages[-1].code}).json()
        assert client.get("/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}).status_code == 200
        assert client.post("/sign-in/code", json={"code": "000000"}).status_code == 401
