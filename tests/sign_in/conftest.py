"""A fake user pool with a client for each test."""

from collections.abc import AsyncIterator

import pytest

from cognito_async import AsyncCognitoSession, CognitoClient, RetryPolicy
from cognito_async.testing import FakeCognito
from tests.sign_in.support import SECRET


@pytest.fixture
async def fake() -> AsyncIterator[FakeCognito]:
    """Run a fake user pool."""
    async with FakeCognito() as running:
        yield running


@pytest.fixture
async def session(fake: FakeCognito) -> AsyncIterator[AsyncCognitoSession]:
    """Open a session whose retries do not wait."""
    async with fake.session(retry=RetryPolicy(max_attempts=9, throttled_base=0, transient_base=0)) as opened:
        yield opened


@pytest.fixture
def client(fake: FakeCognito, session: AsyncCognitoSession) -> CognitoClient:
    """Return a client for an app client with a secret."""
    return fake.client(session, fake.create_app_client("app", client_secret=SECRET))
