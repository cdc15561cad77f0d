"""A fake user pool for the tests of this folder."""

import pytest

from cognito_async.testing import FakeCognito


@pytest.fixture(autouse=True)
def user_pool(fake_cognito: FakeCognito, fake_environ: dict[str, str]) -> FakeCognito:
    """Set the variables of the application; the pool has one user."""
    fake_cognito.create_user("ada", password="Analytical-1843", email="ada@example.com")
    return fake_cognito
