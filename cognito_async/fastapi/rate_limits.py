"""Rate limits per client IP and per username, counted in this process with bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from hashlib import sha256
from ipaddress import IPv6Address, IPv6Network
from typing import Annotated, Any, Final, Protocol

from fastapi import Depends
from starlette.requests import HTTPConnection

from cognito_async.fastapi.client_ip import Address
from cognito_async.fastapi.dependencies import dependencies_of
from cognito_async.fastapi.errors import RateLimitedError
from cognito_async.fastapi.origin import SAFE_METHODS
from cognito_async.fastapi.settings import DEFAULT_POOL

_IPV6_PREFIX: Final = 64  # the network that one subscriber usually has


class RateLimit(Protocol):
    """A rate limit per key. Implement it over shared storage such as Redis to count across processes."""

    async def hit(self, key: str) -> float:
        """Count a request.

        Args:
            key: The client, such as an IP address or a hash of a username.

        Returns:
            0.0 if the request is allowed, otherwise the seconds until the next one is.
        """
        ...


class MemoryRateLimit:
    """Allows a number of requests per period for each key, in a burst or spread over the period.

    Requests become available again one by one, evenly over the period. If there are more than ``max_keys`` keys, the
    least recently used one is forgotten.
    """

    def __init__(
        self, hits: int, seconds: float, *, max_keys: int = 50_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Create a rate limit.

        Args:
            hits: The number of requests per period, at least 1.
            seconds: The period in seconds, above 0.
            max_keys: The number of keys to remember, at least 1.
            clock: Returns the time in seconds.

        Raises:
            ValueError: An argument is out of range.
        """
        if hits < 1 or seconds <= 0 or max_keys < 1:
            raise ValueError("hits and max_keys must be at least 1, and seconds must be above 0")
        self._interval = seconds / hits
        self._tolerance = seconds - self._interval
        self._max_keys = max_keys
        self._clock = clock
        # Generic cell rate algorithm: for each key, the time at which its full burst is available again.
        self._available: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of keys in memory."""
        return len(self._available)

    async def hit(self, key: str) -> float:
        """Count a request, see ``RateLimit.hit``. A rejected request does not count."""
        now = self._clock()
        available = max(self._available.get(key, now), now)
        if available - now > self._tolerance:
            self._available.move_to_end(key)
            return available - now - self._tolerance
        self._available[key] = available + self._interval
        self._available.move_to_end(key)
        if len(self._available) > self._max_keys:
            self._available.popitem(last=False)
        return 0.0


def rate_limit(limit: RateLimit, pool: str = DEFAULT_POOL) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return a dependency that limits requests per client IP; an IPv6 /64 network counts as one client.

    GET, HEAD and OPTIONS requests are not counted, so the dependency can protect a whole router or application.

    Args:
        limit: The rate limit.
        pool: The name of the user pool whose settings list the trusted proxies.

    Returns:
        The dependency. It raises RateLimitedError.
    """

    async def check(
        connection: HTTPConnection, address: Annotated[Address | None, Depends(dependencies_of(pool).client_ip)]
    ) -> None:
        if connection.scope.get("method") not in SAFE_METHODS:  # a WebSocket has no method
            await check_rate_limit(limit, rate_limit_key(address))

    return check


async def check_rate_limit(limit: RateLimit, key: str) -> None:
    """Count a request; raise RateLimitedError if the limit is exceeded."""
    seconds = await limit.hit(key)
    if seconds > 0:
        raise RateLimitedError("rate limit exceeded", retry_after=seconds)


async def check_username_limit(limit: RateLimit, username: str) -> None:
    """Count an attempt for a username, whether or not the user exists.

    Args:
        limit: The rate limit. Its key is a hash of the case-folded username.
        username: The username as entered.

    Raises:
        RateLimitedError: Too many attempts; ``retry_after`` is the time to wait in seconds.
    """
    await check_rate_limit(limit, sha256(username.casefold().encode()).hexdigest())


def rate_limit_key(address: Address | None) -> str:
    """Return the key of a client: its IPv4 address or IPv6 /64 network; all clients without an address share one."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _IPV6_PREFIX), strict=False))
    return "unknown" if address is None else str(address)
