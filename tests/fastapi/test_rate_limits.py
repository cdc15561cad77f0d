"""Rate limits per client IP and per username."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from math import inf, nan
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from attrs import fields
from fastapi import Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from cognito_async import ParameterValidationError
from cognito_async.fastapi import (
    Cognito,
    MemoryRateLimit,
    RateLimitedError,
    ResetConfirmation,
    ResetLimits,
    ResetRequests,
    SignInOptions,
    check_username_limit,
    install_problems,
    password_reset_router,
    rate_limit,
    sign_in_router,
)
from cognito_async.fastapi.rate_limits import check_client_limit, rate_limit_key
from cognito_async.fastapi.request import parse_address
from cognito_async.fastapi.reset_queue import ResetQueue
from tests.support.asgi import SETTINGS, asgi_client


async def test_memory_rate_limit_after_burst_restores_requests_one_by_one() -> None:
    """A burst of three is allowed, then one request every 20 seconds."""
    clock = SimpleNamespace(now=1000.0)
    limit = MemoryRateLimit(3, 60.0, clock=lambda: clock.now)
    assert [await limit.hit("a") for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]
    clock.now += 19.0
    assert await limit.hit("a") == pytest.approx(1.0)
    assert await limit.hit("b") == 0.0
    clock.now += 1.0
    assert [await limit.hit("a") for _ in range(2)] == [0.0, 20.0]
    clock.now += 3600.0
    assert [await limit.hit("a") for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 5))
async def test_memory_rate_limit_with_any_pauses_is_never_exceeded(pauses: list[float], hits: int) -> None:
    """No window allows more than twice the hits, and waiting for the returned time is enough."""
    clock = SimpleNamespace(now=0.0)
    limit = MemoryRateLimit(hits, 60.0, clock=lambda: clock.now)
    allowed: list[float] = []
    for pause in pauses:
        clock.now += pause
        seconds = await limit.hit("a")
        if seconds:
            clock.now += seconds + 1e-6
            assert await limit.hit("a") == 0.0
        allowed.append(clock.now)
    for start in allowed:
        assert sum(start <= time < start + 60.0 for time in allowed) <= 2 * hits


async def test_memory_rate_limit_with_many_keys_keeps_counts_in_bounded_memory() -> None:
    """100,000 other keys do not reset a count, and new keys are still allowed."""
    clock = SimpleNamespace(now=0.0)
    limit = MemoryRateLimit(5, 900.0, clock=lambda: clock.now)
    for _ in range(5):
        assert await limit.hit("a") == 0.0
    for number in range(100_000):
        await limit.hit(str(number))
    assert await limit.hit("a") > 0.0
    assert len(limit) == 50_000
    assert len(limit._shared) <= 50_000
    allowed = [await limit.hit(f"new{number}") == 0.0 for number in range(100)]
    assert sum(allowed) > 90


async def test_memory_rate_limit_with_full_table_limits_each_further_key() -> None:
    """Keys that share a counter are not allowed more requests, also when they get a separate counter later."""
    clock = SimpleNamespace(now=0.0)
    limit = MemoryRateLimit(3, 60.0, max_keys=10, clock=lambda: clock.now)
    for number in range(10):
        for _ in range(3):
            assert await limit.hit(f"early{number}") == 0.0
    clock.now += 30.0
    assert [await limit.hit("late") == 0.0 for _ in range(5)] == [True, True, True, False, False]
    clock.now += 31.0  # all other counts end
    for number in range(9):
        await limit.hit(f"new{number}")
    assert [await limit.hit("late") == 0.0 for _ in range(3)].count(True) == 1  # one was restored


async def test_memory_rate_limit_drops_keys_after_their_period() -> None:
    """The table does not grow with the number of keys over time."""
    clock = SimpleNamespace(now=0.0)
    limit = MemoryRateLimit(1, 60.0, max_keys=1000, clock=lambda: clock.now)
    for number in range(10_000):
        assert await limit.hit(str(number)) == 0.0
        clock.now += 1.0
    assert len(limit) < 200


async def test_memory_rate_limit_allows_ipv6_networks_more() -> None:
    """The prefix length at the end of the key selects the limit."""
    limit = MemoryRateLimit(2, 60.0)
    counts = {}
    for key in ("2001:db8::/64", "2001:db8::/56", "2001:db8::/48"):
        counts[key[-3:]] = [await limit.hit(key) == 0.0 for _ in range(50)].count(True)
    assert counts == {"/64": 2, "/56": 8, "/48": 30}
    limit = MemoryRateLimit(2, 60.0, network_hits={48: 5})
    assert [await limit.hit("2001:db8::/48") == 0.0 for _ in range(50)].count(True) == 5


@pytest.mark.parametrize(
    ("invalid", "arguments"),
    [
        ("hits", {"hits": 0}),
        ("seconds", {"seconds": 0.0}),
        ("max_keys", {"max_keys": 0}),
        ("network_hits", {"network_hits": {48: 0}}),
        *((name, {name: nan}) for name in ("hits", "seconds", "max_keys")),
        *((name, {name: inf}) for name in ("hits", "seconds", "max_keys")),
        *((name, {name: "9"}) for name in ("hits", "seconds", "max_keys")),
        ("hits", {"hits": True}),
        ("network_hits", {"network_hits": {56: 1, 48: nan}}),
        ("network_hits", {"network_hits": {64: 1}}),
        ("network_hits", {"network_hits": {56: 1, 128: 1}}),
    ],
)
def test_memory_rate_limit_with_an_invalid_argument_names_it(invalid: str, arguments: dict[str, Any]) -> None:
    """All numbers must be positive, and the networks those that have keys: with NaN, nothing would be limited."""
    with pytest.raises(ParameterValidationError) as caught:
        MemoryRateLimit(**{"hits": 1, "seconds": 60.0, **arguments})
    assert caught.value.parameter == invalid


def test_memory_rate_limit_accepts_the_smallest_numbers() -> None:
    """One request, and one key."""
    assert len(MemoryRateLimit(1, 0.5, network_hits={56: 1, 48: 1}, max_keys=1)) == 0
    assert len(MemoryRateLimit(1, 0.5, network_hits={})) == 0


@pytest.mark.parametrize(
    ("parameter", "create"),
    [
        ("address_limit", lambda: sign_in_router(address_limit=5)),  # type: ignore[arg-type]
        ("address_limit", lambda: password_reset_router(address_limit=5)),  # type: ignore[arg-type]
        ("refresh_limit", lambda: SignInOptions(refresh_limit=5)),  # type: ignore[arg-type]
        ("client_limit", lambda: ResetConfirmation(client_limit=5)),  # type: ignore[arg-type]
        ("username_limit", lambda: ResetLimits(username_limit=5)),  # type: ignore[arg-type]
        ("limit", lambda: rate_limit(5)),  # type: ignore[arg-type]
    ],
)
def test_number_in_place_of_a_rate_limit_is_refused_at_creation(parameter: str, create: Callable[[], object]) -> None:
    """And not by the first request."""
    with pytest.raises(ParameterValidationError) as caught:
        create()
    assert caught.value.parameter == parameter


class FakeRateLimit:
    """Allows one request per key and records the keys."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def hit(self, key: str) -> float:
        """Count a request."""
        self.keys.append(key)
        return 0.0 if self.keys.count(key) == 1 else 7.0


async def test_check_username_limit_uses_a_hash_of_the_folded_name() -> None:
    """The key does not contain the username and ignores case and Unicode form; the error has the time to wait."""
    limit = FakeRateLimit()
    await check_username_limit(limit, "Zo\u00eb")
    for spelling in ("zO\u00cb", "zoe\u0308"):
        with pytest.raises(RateLimitedError) as caught:
            await check_username_limit(limit, spelling)
        assert caught.value.retry_after == 7
    assert len(set(limit.keys)) == 1
    assert "zo" not in limit.keys[0]


async def test_key_prefix_is_not_part_of_the_hash() -> None:
    """Otherwise its characters could combine with those of the username: U+037A is a space and an iota in NFKC."""
    limit = FakeRateLimit()
    await check_username_limit(limit, "\u03b9ris", key_prefix="codes ")
    await check_username_limit(limit, "\u03b9ris")
    await check_username_limit(limit, "codes\u037aris")
    assert limit.keys[0] == f"codes {limit.keys[1]}"


class Unlimited(FakeRateLimit):
    """Records the keys of all requests."""

    async def hit(self, key: str) -> float:
        """Allow a request."""
        self.keys.append(key)
        return 0.0


async def test_limits_can_share_a_storage() -> None:
    """The keys of two limits differ, also for a client without an address."""
    sign_in: dict[str, Any] = {
        f"{name}_limit": Unlimited() for name in ("client", "username", "message_client", "message")
    }
    options, confirmed, requested, client = SignInOptions(**sign_in), Unlimited(), Unlimited(), AsyncMock()
    resets = ResetConfirmation(client_limit=confirmed, username_limit=confirmed, minimum_duration=0)
    for address in (None, ip_address("192.0.2.1")):
        for kind in ("sign-in", "challenge"):
            await options.check_attempt("ada", address, kind, can_send_message=True)
    await resets.confirm(client, username="ada", code="1", password="Analytical-1843")
    async with ResetQueue(ResetLimits(username_limit=requested)) as queue:
        ResetRequests(queue, client).submit("ada")
    found = [{*limit.keys} for limit in (*sign_in.values(), confirmed, requested)]
    assert [len(keys) for keys in found] == [4, 2, 2, 1, 2, 1]
    assert {re.sub("[0-9a-f]{64}", "…", key) for key in set.union(*found)} == {
        *("sign-in client …", "sign-in client … 192.0.2.1", "challenge client …", "challenge client … 192.0.2.1"),
        *("sign-in username …", "challenge username …"),
        *("message client …", "message client … 192.0.2.1", "message username …"),
        *("reset-password client …", "reset-password username …", "forgot-password username …"),
    }


async def test_routes_can_share_a_storage() -> None:
    """The limits per client IP of both routers and of refreshes have their own keys."""
    limit = FakeRateLimit()
    settings = SETTINGS.model_copy(update={"client_secret": SecretStr("secret"), "user_pool_id": "eu-west-1_A"})
    app = FastAPI(lifespan=Cognito(settings=settings).lifespan)
    app.include_router(sign_in_router(options=SignInOptions(refresh_limit=limit), address_limit=limit))
    app.include_router(password_reset_router(address_limit=limit))
    async with asgi_client(app) as http:
        for path in ("/sign-in", "/refresh", "/forgot-password"):
            assert (await http.post(path, json=[])).status_code == 400
    assert limit.keys == [f"{name} address 192.0.2.1" for name in ("sign-in", "refresh", "password-reset")]


@pytest.mark.parametrize("invalid", [None, 10, object()])
def test_limit_without_hit_is_refused(invalid: Any) -> None:
    """When it is configured, not by the first request."""
    for kind in (SignInOptions, ResetConfirmation, ResetLimits):
        names = [each.name for each in fields(kind) if each.name.endswith("_limit")]
        assert names
        for name in names:
            with pytest.raises(ParameterValidationError) as caught:
                kind(**{name: invalid})
            assert caught.value.parameter == name
    with pytest.raises(ParameterValidationError) as caught:
        rate_limit(invalid)
    assert caught.value.parameter == "limit"


async def test_check_username_limit_accepts_any_text() -> None:
    """Also text that cannot be encoded."""
    limit = FakeRateLimit()
    await check_username_limit(limit, "ada\ud800")
    assert len(limit.keys) == 1


async def test_short_wait_is_a_rate_limited_error() -> None:
    """The key of an IPv4 client is its address."""
    clock = SimpleNamespace(now=0.0)
    limit = MemoryRateLimit(1, 0.5, clock=lambda: clock.now)
    await check_client_limit(limit, ip_address("192.0.2.1"))
    assert await limit.hit("192.0.2.1") == 0.5
    with pytest.raises(RateLimitedError) as caught:
        await check_client_limit(limit, ip_address("192.0.2.1"))
    assert caught.value.retry_after == 0.5


async def test_check_username_limit_with_client_ip_counts_by_username_and_client() -> None:
    """An IPv6 client has three keys."""
    limit = FakeRateLimit()
    for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
        await check_username_limit(limit, "ada", ip_address(address))
        with pytest.raises(RateLimitedError):
            await check_username_limit(limit, "ada", ip_address(address))
    assert len(set(limit.keys)) == 5
    assert {key.rpartition(" ")[2] for key in limit.keys} == {
        *("192.0.2.1", "192.0.2.2", "2001:db8::/64", "2001:db8::/56", "2001:db8::/48"),
    }


async def test_rate_limit_dependency_counts_unsafe_methods_per_client_ip() -> None:
    """GET, HEAD and OPTIONS are not counted; another client has its own limit."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)
    install_problems(app)

    @app.api_route("/", methods=["GET", "POST"], dependencies=[Depends(rate_limit(MemoryRateLimit(1, 30.0)))])
    async def route() -> None:
        pass

    async with asgi_client(app) as http:
        assert (await http.post("/")).status_code == 200
        response = await http.post("/")
        assert (response.status_code, response.headers["retry-after"]) == (429, "30")
        for method in ("GET", "HEAD", "OPTIONS"):
            assert (await http.request(method, "/")).status_code in {200, 405}
    async with asgi_client(app, client=("192.0.2.2", 1)) as http:
        assert (await http.post("/")).status_code == 200


async def test_rate_limit_dependency_counts_ipv6_networks() -> None:
    """An IPv6 client with many /64 networks is limited."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)
    install_problems(app)

    @app.post("/", dependencies=[Depends(rate_limit(MemoryRateLimit(1, 30.0)))])
    async def route() -> None:
        pass

    statuses = []
    for number in range(6):
        async with asgi_client(app, client=(f"2001:db8::{number:x}:0:0:0:1", 1)) as http:
            statuses.append((await http.post("/")).status_code)
    assert statuses == [200, 200, 200, 200, 429, 429]  # the /56 network


def test_rate_limit_key_is_an_ipv4_address_or_an_ipv6_network() -> None:
    """Addresses in one IPv6 network share a key; so do clients without an address."""
    assert rate_limit_key(parse_address("2001:db8::1")) == "2001:db8::/64"
    assert rate_limit_key(parse_address("2001:db8::ffff:1")) == "2001:db8::/64"
    assert rate_limit_key(parse_address("2001:db8:0:1234::1"), 56) == "2001:db8:0:1200::/56"
    assert rate_limit_key(parse_address("2001:db8:0:1234::1"), 48) == "2001:db8::/48"
    assert rate_limit_key(parse_address("203.0.113.7")) == "203.0.113.7"
    assert rate_limit_key(None) == "unknown"
