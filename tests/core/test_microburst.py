"""A smoke test: a hundred password resets through the fault proxy microburst, against MiniStack.

microburst does not record what was applied, but the user pool does: afterwards each user signs in.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from cognito_async import (
    AmbiguousOutcomeError,
    AsyncCognitoSession,
    CognitoClient,
    CognitoError,
    NotAuthorizedException,
    RetryPolicy,
    Timeouts,
)
from cognito_async.testing import LocalPool
from tests.support.processes import running
from tests.support.scripted_transport import reset

pipeline = pytest.importorskip("microburst.core.pipeline")
app = pytest.importorskip("microburst.app")

USERS = 100
OPERATION = "ConfirmForgotPassword"
TIMEOUTS = Timeouts(total=90.0, attempt=60.0)  # a busy machine must not add faults
OLD, NEW = "Analytical-1843", "Difference-1822"
# The statuses are Cognito's. With faults before the request is forwarded, nothing is applied; with faults of the
# response, the reset is.
FAULTS: dict[str, dict[str, Any]] = {
    "throttled": {"error": {"code": "TooManyRequestsException", "status": 400, "message": "Rate exceeded"}},
    "limit exceeded": {"error": {"code": "LimitExceededException", "status": 400, "message": "Attempt limit exceeded"}},
    "500": {"error": {"code": "InternalErrorException", "status": 500, "message": "Something broke"}},
    "reset before": {"reset": True},
    "504 before": {"timeout_ms": 10},
    "slow": {"latency": 20},
    "cut response": {"response": {"abort_bytes": 0}},
    "truncated response": {"response": {"truncate_bytes": 1}},
    "corrupted response": {"response": {"corrupt_bytes": 1}},
}
NAMES = tuple(FAULTS)
RETRIED = ("throttled", "limit exceeded", "500", "reset before", "504 before")


def address(number: int) -> str:
    """Return the address of a user."""
    return f"user-{number}@example.com"


def fault_of(number: int) -> str | None:
    """Return the fault of a user's first attempt; two users in five have one."""
    return NAMES[(number // 5 * 2 + number % 5) % len(NAMES)] if number % 5 < 2 else None


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Start a pool with all users."""
    with running(LocalPool(users={address(number): OLD for number in range(USERS)})) as made:
        yield made


@asynccontextmanager
async def proxy_for(pool: LocalPool) -> AsyncIterator[tuple[str, Any]]:
    """Run microburst in front of the pool; yield its URL and the proxy."""
    rules = [
        {
            "service": "*",
            "operation": OPERATION,
            "body": f"Username == '{address(number)}'",
            "times": 1,
            **FAULTS[fault],
        }
        for number in range(USERS)
        if (fault := fault_of(number)) is not None
    ]
    proxy = pipeline.Microburst(pool.endpoint_url, rules=rules)
    runner = web.AppRunner(app.make_app(proxy), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", proxy
    finally:
        await runner.cleanup()


async def signs_in(client: CognitoClient, user: str, password: str) -> bool:
    """Return whether the user can sign in with a password."""
    parameters = {"USERNAME": user, "PASSWORD": password}
    try:
        await client.initiate_auth(auth_flow="USER_PASSWORD_AUTH", auth_parameters=parameters)
    except NotAuthorizedException:
        return False
    return True


async def test_resets_through_a_fault_proxy_are_reported_correctly(pool: LocalPool) -> None:
    """A success was applied, a plain failure was not, and all others are ambiguous."""
    users = [address(number) for number in range(USERS)]
    outcomes: dict[str, CognitoError | None] = {}
    policy = RetryPolicy(transient_base=0.001, throttled_base=0.001)
    async with pool.session() as direct, proxy_for(pool) as (url, proxy):
        client = direct.client(pool.client_id)
        await asyncio.gather(*(client.forgot_password(username=user) for user in users))
        code = await pool.code_for(users[0])  # all codes of the emulator are equal
        async with AsyncCognitoSession(pool.region, endpoint_url=url, retry=policy, timeouts=TIMEOUTS) as session:
            through = session.client(pool.client_id)

            async def confirm(user: str) -> None:
                try:
                    await reset(through, username=user, confirmation_code=code, password=NEW)
                except CognitoError as error:
                    outcomes[user] = error
                else:
                    outcomes[user] = None

            await asyncio.gather(*map(confirm, users))
            stats = session.stats
        applied = dict(zip(users, await asyncio.gather(*(signs_in(client, user, NEW) for user in users)), strict=True))

    met = [fault for number in range(USERS) if (fault := fault_of(number)) is not None]
    assert len(proxy.fired) == len(met)  # each fault fired once, on a first attempt
    assert stats.calls == USERS
    assert stats.attempts == USERS + stats.retries
    for number, user in enumerate(users):
        error, fault = outcomes[user], fault_of(number)
        assert applied[user] == (error is None) or isinstance(error, AmbiguousOutcomeError), (user, fault, error)
        if fault == "corrupted response":  # a random byte; only the first one matters
            assert error is None or type(error) is AmbiguousOutcomeError
        else:
            assert error is None, (user, fault)
    kinds = Counter(met)
    assert set(kinds) == set(FAULTS)
    assert stats.retries >= sum(kinds[fault] for fault in RETRIED)
