"""Tests of the Starlette application."""

from starlette.testclient import TestClient
from starlette_app import app

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
