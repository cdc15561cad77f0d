"""A fake user pool for the tests of this folder."""

import pytest

from cognito_async.testing import FakeCognito


@pytest.fixture(autouse=True)
def user_pool(fake_cognito: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> FakeCognito:
    """Set the variables of the application; the pool has one user."""
    app_client = fake_cognito.create_app_client()
    monkeypatch.setenv("COGNITO_USER_POOL_ID", fake_cognito.user_pool_id)
    monkeypatch.setenv("COGNITO_CLIENT_ID", app_client.client_id)
    monkeypatch.setenv("AWS_ENDPOINT_URL", fake_cognito.endpoint_url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fake_cognito.issuer.client_id = app_client.client_id
    fake_cognito.create_user("ada", password="Analytical-1843", email="ada@example.com")
    return fake_cognito
