"""Many concurrent requests with a throttling service, and a statistical test of user enumeration by time."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import product
from random import Random
from time import perf_counter
from typing import Any

import httpx
import pytest
from blockbuster import blockbuster_ctx
from fastapi import FastAPI

from cognito_async import RetryPolicy
from cognito_async.fastapi import (
    Cognito,
    CognitoDep,
    CognitoSettings,
    ResetConfirmation,
    ResetLimits,
    password_reset_router,
)
from tests.fastapi.test_password_reset import UNLIMITED
from tests.support.asgi import asgi_client
from tests.support.scripted_server import Action, Connection, ScriptedServer, answer

EXTRA = 0.03  # seconds that the service needs in addition for existing users


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterable[None]:
    """Fail a test if the library blocks the event loop."""
    with blockbuster_ctx("cognito_async"):
        yield


class Pool:
    """A user pool with a rate limit that takes longer for existing users."""

    def __init__(self, *, known: Callable[[str], bool] = lambda _: False, rate: float = float("inf")) -> None:
        self.served: list[str] = []
        """The usernames of the served requests."""

        self.throttled = 0
        """The number of throttled requests."""

        self._known = known
        self._rate = rate
        self._tokens = 10.0
        self._at = 0.0

    async def __call__(self, connection: Connection) -> None:
        """Handle a request."""
        assert connection.request is not None
        name = connection.request.json["Username"]
        now = asyncio.get_running_loop().time()
        self._tokens = min(self._tokens + (now - self._at) * self._rate, 10.0) if self._at else 10.0
        self._at = now
        reply: Action = answer()
        if self._tokens < 1:
            self.throttled += 1
            reply = answer({"__type": "TooManyRequestsException", "message": "Rate exceeded"}, 400)
        else:
            self._tokens -= 1
            if self._known(name):
                await asyncio.sleep(EXTRA)
            self.served.append(name)
        await reply(connection)


@asynccontextmanager
async def application(pool: Pool, **limits: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application with the pool."""
    async with ScriptedServer(otherwise=pool) as server:
        settings = CognitoSettings(client_id="abc", region="eu-west-1", endpoint_url=server.url)
        app = FastAPI(lifespan=Cognito(settings=settings, reset_limits=ResetLimits(**limits)).lifespan)
        confirmation = ResetConfirmation(username_limit=UNLIMITED, minimum_duration=0.0)
        app.include_router(password_reset_router(confirmation=confirmation, address_limit=UNLIMITED))

        @app.post("/naive")
        async def naive(name: str, client: CognitoDep) -> None:
            await client.forgot_password(username=name)

        async with asgi_client(app) as http:
            yield http


async def test_forgot_password_under_load_sends_every_accepted_request() -> None:
    """The queue is bounded, no response is a 500, and each 202 is followed by a request to the service."""
    pool = Pool(rate=150.0)
    names = [f"user{number}@example.com" for number in range(200)]
    patient = RetryPolicy(max_attempts=30, throttled_base=0.05)
    async with application(pool, workers=8, waiting=120, retry=patient) as http:
        posts = (http.post("/forgot-password", json={"username": name}) for name in names)
        responses = await asyncio.gather(*posts)
        taken = [name for name, response in zip(names, responses, strict=True) if response.status_code == 202]
        refused = [response for response in responses if response.status_code != 202]
        assert 120 <= len(taken) <= 140
        assert {response.status_code for response in refused} == {503}
        assert len({response.content for response in refused}) == 1
        assert all(response.headers["retry-after"] == "5" for response in refused)
    assert sorted(pool.served) == sorted(taken)
    assert pool.throttled


async def test_reset_password_under_load_is_served_or_can_be_retried() -> None:
    """No response of 200 concurrent requests is a 500."""
    pool = Pool(rate=150.0)
    body = {"code": "123456", "password": "Analytical-1843"}
    async with application(pool) as http:
        posts = [http.post("/reset-password", json={"username": f"user{number}", **body}) for number in range(200)]
        responses = await asyncio.gather(*posts)
    statuses = [response.status_code for response in responses]
    assert set(statuses) <= {200, 502, 503, 504}  # timeouts are possible on a busy machine
    assert 10 <= statuses.count(200) <= len(pool.served)
    assert all("retry-after" in response.headers for response in responses if response.status_code == 503)


# --- user enumeration -------------------------------------------------------------------------------------------------


async def timed(http: httpx.AsyncClient, path: str, name: str) -> tuple[float, bytes]:
    """Request a code and return the duration in seconds and the whole response."""
    how: dict[str, Any] = {"params": {"name": name}} if path == "/naive" else {"json": {"username": name}}
    started = perf_counter()
    response = await http.post(path, **how)
    return perf_counter() - started, repr(
        (response.status_code, sorted(response.headers.items()), response.content)
    ).encode()


def distinguishability(some: list[float], others: list[float]) -> float:
    """Return the probability that a sample of the first list is greater: 0.5 if they are indistinguishable."""
    return statistics.fmean((one > other) + (one == other) / 2 for one, other in product(some, others))


async def ask_all(http: httpx.AsyncClient, path: str, count: int) -> tuple[list[float], list[float], set[bytes]]:
    """Request codes for existing and unknown users in random order; return their durations and the responses."""
    order = [(kind, number) for number in range(count) for kind in ("existing", "unknown")]
    Random(1843).shuffle(order)  # load on the machine affects both kinds
    times: dict[str, list[float]] = {"existing": [], "unknown": []}
    responses = set[bytes]()
    for kind, number in order:
        seconds, response = await timed(http, path, f"{kind}{number}@example.com")
        times[kind].append(seconds)
        responses.add(response)
    return times["existing"], times["unknown"], responses


async def test_forgot_password_does_not_reveal_users_by_content_or_time() -> None:
    """The responses for 500 existing and 500 unknown users are identical, and their times indistinguishable."""
    pool = Pool(known=lambda name: name.startswith("existing"))
    async with application(pool, waiting=2000) as http:
        known, unknown, responses = await ask_all(http, "/forgot-password", 500)
    assert len(responses) == 1
    assert len(pool.served) == 1000
    assert abs(statistics.median(known) - statistics.median(unknown)) < EXTRA / 10
    assert 0.4 < distinguishability(known, unknown) < 0.6  # five standard deviations


async def test_measurement_detects_a_route_that_reveals_users() -> None:
    """A route that waits for the service reveals its users."""
    pool = Pool(known=lambda name: name.startswith("existing"))
    async with application(pool) as http:
        known, unknown, responses = await ask_all(http, "/naive", 20)
    assert len(responses) == 1
    assert distinguishability(known, unknown) > 0.7
