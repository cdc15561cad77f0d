"""Attacks on the password reset router: lock-out of users, floods of messages, and slow request bodies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from time import monotonic
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from cognito_async import errors
from cognito_async.fastapi import Cognito, CognitoSettings, MemoryRateLimit, ResetConfirmation, password_reset_router
from cognito_async.fastapi.request import BODY_TIMEOUT
from tests.fastapi.test_password_reset import FakeClient, kind_of, service_error, site
from tests.fastapi.test_request_bodies import GOOD
from tests.support.asgi import asgi_client

SETTINGS = CognitoSettings(
    client_id="abc",
    region="eu-west-1",
    endpoint_url="http://127.0.0.1:9",
    trusted_proxies=(ip_network("192.0.2.0/24"),),  # the address of the test client
)
WRONG = {**GOOD, "code": "000000"}


@asynccontextmanager
async def default_site(client: FakeClient, **overrides: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application with the default limits; ``X-Forwarded-For`` selects the client IP.

    Overrides are dependencies of the pool by name.
    """
    cognito = Cognito(settings=SETTINGS)
    app = FastAPI(lifespan=cognito.lifespan)
    app.include_router(password_reset_router(confirmation=ResetConfirmation(minimum_duration=0.0)))

    async def fake() -> FakeClient:
        return client

    replaced = {getattr(cognito.dependencies, name): function for name, function in overrides.items()}
    app.dependency_overrides = {cognito.dependencies.client: fake, **replaced}
    async with asgi_client(app) as http:
        yield http


async def post(http: httpx.AsyncClient, path: str, address: str, body: dict[str, str]) -> httpx.Response:
    """Send a request from a client IP."""
    return await http.post(path, json=body, headers={"X-Forwarded-For": address})


async def no_context() -> None:
    """Replace the user context."""


# --- attempts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attacker", "victim"),
    [("203.0.113.7", "203.0.113.8"), ("2001:db8::1", "2001:db8:1::1"), ("2001:db8::1", "2001:db8:0:1::1")],
)
async def test_wrong_codes_of_one_client_do_not_lock_out_the_user(attacker: str, victim: str) -> None:
    """Five wrong codes exhaust the limit of the client; the user can still set a password from another address.

    Without a user context, too.
    """
    client = FakeClient(service_error(errors.CodeMismatchException))
    async with default_site(client, user_context=no_context) as http:
        statuses = [(await post(http, "/reset-password", attacker, WRONG)).status_code for _ in range(20)]
        assert statuses == [400] * 5 + [429] * 15
        client.error = None
        assert (await post(http, "/reset-password", victim, GOOD)).status_code == 200
        other = {**GOOD, "username": "grace@example.com"}
        assert kind_of(await post(http, "/reset-password", attacker, other)) == (429, "rate-limited")  # 20 per minute
    assert len(client.calls) == 6


async def test_wrong_codes_of_one_ipv6_network_do_not_lock_out_the_user() -> None:
    """A /48 network has 15 attempts per username, however many addresses it uses."""
    client = FakeClient(service_error(errors.CodeMismatchException))
    async with default_site(client) as http:
        for number in range(200):
            await post(http, "/reset-password", f"2001:db8:0:{number << 8:x}::1", WRONG)
        assert len(client.calls) == 15
        client.error = None
        assert (await post(http, "/reset-password", "203.0.113.8", GOOD)).status_code == 200


async def test_attempts_per_username_are_limited_for_all_clients() -> None:
    """No more than 50 attempts are made from many addresses; other usernames are not affected."""
    client = FakeClient(service_error(errors.CodeMismatchException))
    async with default_site(client) as http:
        responses = [await post(http, "/reset-password", f"203.0.113.{number}", WRONG) for number in range(60)]
        assert [response.status_code for response in responses] == [400] * 50 + [429] * 10
        other = {**WRONG, "username": "grace@example.com"}
        assert (await post(http, "/reset-password", "203.0.113.1", other)).status_code == 400


@pytest.mark.virtual_clock
async def test_attempts_are_restored_over_the_period() -> None:
    """A client has another attempt after three minutes, and five after 15."""
    clock = asyncio.get_running_loop().time
    client = FakeClient(service_error(errors.CodeMismatchException))
    async with site(client, client_limit=MemoryRateLimit(5, 900.0, clock=clock)) as http:
        for pause, expected in ((0.0, 5), (180.0, 1), (900.0, 5)):
            await asyncio.sleep(pause)
            responses = [await http.post("/reset-password", json=WRONG) for _ in range(10)]
            assert [response.status_code for response in responses].count(400) == expected
        assert 170 < int(responses[-1].headers["retry-after"]) <= 180


async def test_rate_limited_attempts_reveal_no_users() -> None:
    """The responses for existing and unknown users are identical."""
    contents = set()
    for error in (errors.CodeMismatchException, errors.UserNotFoundException):
        async with default_site(FakeClient(service_error(error))) as http:
            for _ in range(5):
                await post(http, "/reset-password", "203.0.113.7", WRONG)
            response = await post(http, "/reset-password", "203.0.113.7", WRONG)
        contents.add((response.status_code, response.json()["type"], tuple(response.json())))
    assert len(contents) == 1


async def test_default_address_limit_is_per_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 20 requests, another one is allowed every three seconds."""
    limit = partial(MemoryRateLimit, clock=lambda: 0.0)
    monkeypatch.setattr("cognito_async.fastapi.password_reset.MemoryRateLimit", limit)
    async with default_site(FakeClient()) as http:
        for _ in range(20):
            await post(http, "/forgot-password", "203.0.113.7", {"username": "ada"})
        response = await post(http, "/forgot-password", "203.0.113.7", {"username": "ada"})
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")


# --- messages ---------------------------------------------------------------------------------------------------------


async def test_flood_from_one_ipv6_network_is_limited() -> None:
    """A /48 network has 300 requests per minute for different usernames, a /56 network 80 and a /64 network 20."""
    for step, expected in ((0, 20), (1, 80), (256, 300)):
        client = FakeClient()
        started = monotonic()
        async with default_site(client) as http:
            statuses = []
            for number in range(400):
                address = f"2001:db8:0:{(number % 256) * step:x}::{number + 1:x}"
                response = await post(http, "/forgot-password", address, {"username": f"user{number}"})
                statuses.append(response.status_code)
        assert set(statuses) == {202, 429}
        restored = expected * (monotonic() - started) / 60
        assert expected <= statuses.count(202) <= expected + restored + 1
        assert len(client.calls) == statuses.count(202)


async def test_codes_per_username_are_limited_without_a_visible_difference() -> None:
    """Five codes are sent; the responses to further requests are the same bytes."""
    client = FakeClient()
    async with default_site(client) as http:
        responses = set()
        for number in range(100):
            response = await post(http, "/forgot-password", f"203.0.113.{number}", {"username": "Ada@example.com"})
            responses.add((response.status_code, tuple(sorted(response.headers.items())), response.content))
        await post(http, "/forgot-password", "203.0.113.1", {"username": "grace@example.com"})
    assert len(responses) == 1
    assert [call["username"] for call in client.calls] == ["Ada@example.com"] * 5 + ["grace@example.com"]


@pytest.mark.virtual_clock
async def test_slow_requests_of_one_client_do_not_delay_others() -> None:
    """With 20 slow requests of one client, another client's request starts within three seconds."""
    started: dict[str, float] = {}
    clock = asyncio.get_running_loop().time

    class Slow(FakeClient):
        """Takes 19 seconds."""

        async def forgot_password(self, **arguments: Any) -> None:
            """Record the time."""
            started[arguments["username"]] = clock()
            await asyncio.sleep(19.0 if arguments["username"] != "new" else 0.1)

    async with default_site(Slow(), user_context=no_context) as http:
        for number in range(20):
            await post(http, "/forgot-password", "203.0.113.7", {"username": f"slow{number}"})
        await asyncio.sleep(0.5)
        submitted = clock()
        assert (await post(http, "/forgot-password", "203.0.113.8", {"username": "new"})).status_code == 202
        await asyncio.sleep(1.0)
        assert started["new"] - submitted < 3.0
        await asyncio.sleep(100.0)
    assert len(started) == 21


# --- slow bodies ------------------------------------------------------------------------------------------------------


@pytest.mark.virtual_clock
@pytest.mark.parametrize("path", ["/forgot-password", "/reset-password"])
@pytest.mark.parametrize("pause", [1.0, 60.0])
async def test_slow_body_is_a_request_timeout(path: str, pause: float) -> None:
    """A body that arrives byte by byte or not at all ends after ten seconds, and the connection is closed."""
    clock = asyncio.get_running_loop().time
    client = FakeClient()

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"{"
            await asyncio.sleep(pause)

    async with site(client) as http:
        started = clock()
        response = await http.post(path, content=drip(), headers={"Content-Type": "application/json"})
    assert kind_of(response) == (408, "body-timeout")
    assert clock() - started == pytest.approx(BODY_TIMEOUT)
    assert response.headers["connection"] == "close"
    assert not client.calls
