"""Tests of calls from synchronous code."""

from concurrent.futures import ThreadPoolExecutor

import synchronous

from cognito_async.sign_in import SignedIn
from cognito_async.testing import FakeCognito


def test_threads_share_a_session(user_pool: FakeCognito) -> None:
    """Each signs a user in and verifies the token."""

    def work(_: int) -> str | None:
        done = synchronous.sign_in("ada", "Analytical-1843")
        assert isinstance(done, SignedIn)
        return synchronous.user_of(f"Bearer {done.tokens.access_token}").username

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(8))) == ["ada"] * 8
    synchronous.cognito().close()
