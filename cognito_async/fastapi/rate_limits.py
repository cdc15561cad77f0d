"""Rate limits per client IP and per username, counted in this process with bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from ipaddress import IPv6Address
from socket import AF_INET6, inet_ntop
from typing import Any, Final, Protocol
from unicodedata import normalize

from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi.problems import RateLimitedError
from cognito_async.fastapi.request import Address, parse_address
from cognito_async.operations import UserContextDataType
from cognito_async.protocol.validators import check_number

IPV6_PREFIXES: Final = (64, 56, 48)  # the networks that a home, a site or an organization has


class RateLimit(Protocol):
    """A rate limit per key. Implement it over shared storage such as Redis to count across processes."""

    async def hit(self, key: str) -> float:
        """Count a request.

        Args:
            key: A client IP, a hash of a username or e-mail address, or both. The routers put the name of the limit
                before it, so that their limits can share a storage; for several pools, add a prefix. An IPv6 client has
                three keys that are counted one after the other and end in ``/64``, ``/56`` and ``/48``; give the larger
                networks larger limits.

        Returns:
            0.0 if the request is allowed, otherwise the seconds until the next one is.
        """
        ...


class MemoryRateLimit:
    """Allows a number of requests per period for each key, in a burst or spread over the period.

    Requests become available again one by one, evenly over the period; no period has more than twice the number.

    Memory is bounded, but no count is forgotten before its requests are available again. While ``max_keys`` keys are
    counted, further keys share as many counters by their hash, which is random in each process. A shared counter allows
    no key more requests, but it may reject one because of others.
    """

    def __init__(
        self,
        hits: int,
        seconds: float,
        *,
        network_hits: Mapping[int, int] | None = None,
        max_keys: int = 50_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a rate limit.

        Args:
            hits: The number of requests per period, at least 1.
            seconds: The period in seconds, above 0.
            network_hits: The number of requests per period for IPv6 networks by prefix length, 56 or 48; None for 4
                and 15 times ``hits``.
            max_keys: The number of keys that are counted separately, at least 1.
            clock: Returns the time in seconds.

        Raises:
            ParameterValidationError: An argument is out of range.
        """
        check_number("hits", hits, 1)
        networks = {56: 4 * hits, 48: 15 * hits} if network_hits is None else network_hits
        if not networks.keys() <= {*IPV6_PREFIXES[1:]}:
            raise ParameterValidationError("network_hits", "must have no prefix lengths but 56 and 48; /64 has hits")
        for count in networks.values():
            check_number("network_hits", count, 1)
        check_number("max_keys", max_keys, 1)
        check_number("seconds", seconds, 0, above=True)
        self._seconds = seconds
        self._interval = seconds / hits
        self._network_intervals = {f"/{prefix}": seconds / count for prefix, count in networks.items()}
        self._max_keys = max_keys
        self._clock = clock
        # Generic cell rate algorithm: for each key, the time at which its full burst is available again.
        self._available: OrderedDict[str, float] = OrderedDict()
        self._shared: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._available)

    async def hit(self, key: str) -> float:
        """Count a request, see ``RateLimit.hit``. A rejected request does not count."""
        now = self._clock()
        interval = self._network_intervals.get(key[-3:], self._interval)
        shared_key = hash(key) % self._max_keys
        known = self._available.get(key)
        available = max(now, self._shared.get(shared_key, now) if known is None else known)
        wait = available - now - (self._seconds - interval)
        if wait > 0:
            return wait
        if known is not None or self._has_space(now):
            self._available[key] = available + interval
        else:
            self._shared[shared_key] = available + interval
        return 0.0

    def _has_space(self, now: float) -> bool:
        for _ in range(min(2, len(self._available))):
            key, available = self._available.popitem(last=False)
            if available > now:
                self._available[key] = available
        return len(self._available) < self._max_keys


def check_rate_limit(name: str, limit: object) -> None:
    """Raise ParameterValidationError for an argument that is not a rate limit."""
    if not callable(getattr(limit, "hit", None)):
        raise ParameterValidationError(name, "must have a method hit(key), such as MemoryRateLimit(20, 60.0)")


def is_rate_limit(_: object, attribute: Any, value: object) -> None:  # noqa: ANN401 - an attrs Attribute
    """Check a field, as a validator of attrs."""
    check_rate_limit(attribute.name, value)


def address_limit_of(limit: RateLimit | None) -> RateLimit:
    """Return the ``address_limit`` of a router; None stands for the default."""
    if limit is None:
        return MemoryRateLimit(20, 60.0)
    check_rate_limit("address_limit", limit)
    return limit


async def _count(limit: RateLimit, key: str) -> None:
    seconds = await limit.hit(key)
    if seconds > 0:
        raise RateLimitedError("rate limit exceeded", retry_after=seconds)


async def check_client_limit(limit: RateLimit, client_ip: Address | None, key_prefix: str = "") -> None:
    """Count a request of a client, for IPv6 in each of its networks; raise RateLimitedError if a limit is exceeded."""
    for prefix in IPV6_PREFIXES if isinstance(client_ip, IPv6Address) else IPV6_PREFIXES[:1]:
        await _count(limit, key_prefix + rate_limit_key(client_ip, prefix))


async def check_username_limit(
    limit: RateLimit, username: str, client_ip: Address | None = None, *, key_prefix: str = ""
) -> None:
    """Count an attempt for a username, whether or not the user exists; raise RateLimitedError if there are too many.

    A small limit by username alone lets anyone lock a user out. Use one by username and client, and a larger one by
    username alone against attempts from many clients.

    Args:
        limit: The rate limit. Its keys contain a hash of the username.
        username: The username as entered.
        client_ip: Counts by username and client; None counts by username alone.
        key_prefix: The beginning of the keys, which keeps limits apart that share a storage.
    """
    # Case and Unicode form do not matter.
    key = key_prefix + sha256(normalize("NFKC", username).casefold().encode(errors="replace")).hexdigest()
    if client_ip is None:
        await _count(limit, key)
    else:
        await check_client_limit(limit, client_ip, f"{key} ")


def rate_limit_key(client_ip: Address | None, prefix: int = IPV6_PREFIXES[0]) -> str:
    """Return the key of a client: its IPv4 address or IPv6 network; clients without an address share one."""
    if isinstance(client_ip, IPv6Address):  # ipaddress takes ten times as long to format a network
        network = client_ip.packed[: prefix // 8].ljust(16, b"\0")
        return f"{inet_ntop(AF_INET6, network)}/{prefix}"
    return "unknown" if client_ip is None else str(client_ip)


def client_ip_of(context: UserContextDataType | None) -> Address | None:
    return parse_address(context.ip_address) if context and context.ip_address else None
