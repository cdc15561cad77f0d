"""A fake user pool for the tests of this folder."""

import pytest

from cognito_async.testing import FakeCognito


@pytest.fixture(autouse=True)
def user_pool(fake_cognito: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> FakeCognito:
    """Set the variables of the application; the pool has one user."""
    app_client = fake_cognito.create_app_client()
    monkeypatch.delenv("COGNITO_CLIENT_SECRET", raising=False)
    for name, value in fake_cognito.environment(app_client).items():
        monkeypatch.setenv(name, value)
    fake_cognito.issuer.client_id = app_client.client_id
    fake_cognito.create_user("ada", password="Analytical-1843", email="ada@example.com")
    return fake_cognito
