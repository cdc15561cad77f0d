"""Rate limits per client IP and per username."""

from types import SimpleNamespace

import pytest
from fastapi import Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st

from cognito_async.fastapi import (
    Cognito,
    MemoryRateLimit,
    RateLimitedError,
    check_username_limit,
    install_problems,
    rate_limit,
)
from cognito_async.fastapi.client_ip import parse_address
from cognito_async.fastapi.rate_limits import rate_limit_key
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


async def test_memory_rate_limit_with_many_keys_has_bounded_memory() -> None:
    """The least recently used key is forgotten."""
    limit = MemoryRateLimit(1, 60.0, max_keys=100)
    assert await limit.hit("a") == 0.0
    for number in range(1000):
        await limit.hit(str(number))
        assert await limit.hit("a") > 0.0
    assert len(limit) == 100


@pytest.mark.parametrize(("hits", "seconds", "max_keys"), [(0, 60.0, 1), (1, 0.0, 1), (1, 60.0, 0)])
def test_memory_rate_limit_with_invalid_arguments_raises_value_error(hits: int, seconds: float, max_keys: int) -> None:
    """All numbers must be positive."""
    with pytest.raises(ValueError, match="at least 1"):
        MemoryRateLimit(hits, seconds, max_keys=max_keys)


async def test_check_username_limit_uses_a_hash_of_the_folded_name() -> None:
    """The key does not contain the username and ignores case; the error has the time to wait."""
    keys: list[str] = []

    class OneHit:
        """Allows one request."""

        async def hit(self, key: str) -> float:
            """Count a request."""
            keys.append(key)
            return 0.0 if len(keys) == 1 else 7.0

    limit = OneHit()
    await check_username_limit(limit, "Ada")
    with pytest.raises(RateLimitedError) as caught:
        await check_username_limit(limit, "aDA")
    assert caught.value.retry_after == 7
    assert keys[0] == keys[1]
    assert "ada" not in keys[0].casefold()


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


def test_rate_limit_key_is_an_ipv4_address_or_an_ipv6_network() -> None:
    """Addresses in one IPv6 /64 network share a key; so do clients without an address."""
    assert rate_limit_key(parse_address("2001:db8::1")) == "2001:db8::/64"
    assert rate_limit_key(parse_address("2001:db8::ffff:1")) == "2001:db8::/64"
    assert rate_limit_key(parse_address("203.0.113.7")) == "203.0.113.7"
    assert rate_limit_key(None) == "unknown"
