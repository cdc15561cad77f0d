"""The crowd: two hundred visitors and a service that throttles, and a thousand who try to find out who exists."""

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
from cognito_async.fastapi import Cognito, CognitoDep, CognitoSettings, ResetLimits, password_reset_router
from tests.fastapi.test_lifespan import visiting
from tests.fastapi.test_reset_router import FREE
from tests.support.scripted_server import Action, Connection, ScriptedServer, answer

EXTRA = 0.03  # seconds that a user who exists takes the service longer


@pytest.fixture(autouse=True)
def _never_blocked() -> Iterable[None]:
    """Fail a test in which the library blocks the loop."""
    with blockbuster_ctx("cognito_async"):
        yield


class Pool:
    """Answers as a user pool: knows some users, for whom it takes longer, and allows so many requests a second.

    Attributes:
        served: The names for which a request was served.
        throttled: How many requests were refused.
    """

    def __init__(self, *, known: Callable[[str], bool] = lambda _: False, rate: float = float("inf")) -> None:
        self.served: list[str] = []
        self.throttled = 0
        self._known = known
        self._rate = rate
        self._tokens = 10.0
        self._at = 0.0

    async def __call__(self, connection: Connection) -> None:
        """Answer a request."""
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
async def site(pool: Pool, **limits: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run a site before a pool."""
    async with ScriptedServer(otherwise=pool) as server:
        settings = CognitoSettings(client_id="abc", region="eu-west-1", endpoint_url=server.url)
        app = FastAPI(lifespan=Cognito(settings=settings, reset_limits=ResetLimits(**limits)).lifespan)
        app.include_router(password_reset_router(floor=0.0, **FREE))

        @app.post("/naive")
        async def naive(name: str, client: CognitoDep) -> None:
            await client.forgot_password(username=name)

        async with visiting(app) as visitor:
            yield visitor


async def test_two_hundred_visitors_and_a_service_that_throttles() -> None:
    """Nobody gets a 500, the queue is bounded, and all who were told that a code comes get one, before the end."""
    pool = Pool(rate=150.0)
    names = [f"user{number}@example.com" for number in range(200)]
    patient = RetryPolicy(max_attempts=30, throttled_base=0.05)
    async with site(pool, workers=8, waiting=120, retry=patient) as visitor:
        posts = (visitor.post("/forgot-password", json={"username": name}) for name in names)
        answers = await asyncio.gather(*posts)
        taken = [name for name, told in zip(names, answers, strict=True) if told.status_code == 202]
        refused = [told for told in answers if told.status_code != 202]
        assert 120 <= len(taken) <= 140
        assert {told.status_code for told in refused} == {503}
        assert len({told.content for told in refused}) == 1
        assert all(told.headers["retry-after"] == "5" for told in refused)
    assert sorted(pool.served) == sorted(taken)
    assert pool.throttled


async def test_two_hundred_passwords_and_a_service_that_throttles() -> None:
    """Of two hundred who set a password at once, each is served or told to come back; nobody gets a 500."""
    pool = Pool(rate=150.0)
    body = {"code": "123456", "password": "Analytical-1843"}
    async with site(pool) as visitor:
        posts = [visitor.post("/reset-password", json={"username": f"user{number}", **body}) for number in range(200)]
        answers = await asyncio.gather(*posts)
    statuses = [told.status_code for told in answers]
    assert set(statuses) <= {200, 502, 503, 504}  # on a machine that is very busy, some run out of time
    assert 10 <= statuses.count(200) <= len(pool.served)
    assert all("retry-after" in told.headers for told in answers if told.status_code == 503)


# --- who exists -------------------------------------------------------------------------------------------------------


async def timed(visitor: httpx.AsyncClient, path: str, name: str) -> tuple[float, bytes]:
    """Ask for a code and give the seconds it took, and all that came back."""
    how: dict[str, Any] = {"params": {"name": name}} if path == "/naive" else {"json": {"username": name}}
    started = perf_counter()
    told = await visitor.post(path, **how)
    return perf_counter() - started, repr((told.status_code, sorted(told.headers.items()), told.content)).encode()


def told_apart(some: list[float], others: list[float]) -> float:
    """Give the chance that one of the first took longer than one of the others: 0.5 if nothing tells them apart."""
    return statistics.fmean((one > other) + (one == other) / 2 for one, other in product(some, others))


async def ask_all(visitor: httpx.AsyncClient, path: str, count: int) -> tuple[list[float], list[float], set[bytes]]:
    """Ask for known and unknown users in random order, and give their times and the answers."""
    order = [(kind, number) for number in range(count) for kind in ("there", "ghost")]
    Random(1843).shuffle(order)  # whatever the machine does meanwhile meets both kinds
    times: dict[str, list[float]] = {"there": [], "ghost": []}
    answers = set[bytes]()
    for kind, number in order:
        seconds, told = await timed(visitor, path, f"{kind}{number}@example.com")
        times[kind].append(seconds)
        answers.add(told)
    return times["there"], times["ghost"], answers


async def test_nobody_learns_who_exists() -> None:
    """Five hundred known and five hundred unknown users get identical answers in times that tell nothing."""
    pool = Pool(known=lambda name: name.startswith("there"))
    async with site(pool, waiting=2000) as visitor:
        known, unknown, answers = await ask_all(visitor, "/forgot-password", 500)
    assert len(answers) == 1
    assert len(pool.served) == 1000
    assert abs(statistics.median(known) - statistics.median(unknown)) < EXTRA / 10
    assert 0.4 < told_apart(known, unknown) < 0.6  # chance alone would have to be off by five standard deviations


async def test_the_measurement_would_notice() -> None:
    """A route that waits for the service gives its users away, and the same measurement sees it."""
    pool = Pool(known=lambda name: name.startswith("there"))
    async with site(pool) as visitor:
        known, unknown, answers = await ask_all(visitor, "/naive", 20)
    assert len(answers) == 1
    assert told_apart(known, unknown) > 0.7
