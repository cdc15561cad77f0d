"""The client IP behind trusted proxies."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from cognito_async.fastapi.settings import Network

Address: TypeAlias = IPv4Address | IPv6Address

_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}")


def parse_address(text: str) -> Address | None:
    """Parse an address as proxies write it, optionally with a port, brackets or quotes; None if invalid."""
    text = text.strip().strip('"')
    match = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((match[1] or match[2]) if match else text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))  # without the zone, which only its own host understands


_parse_peer = lru_cache(parse_address)  # peers are short, unlike headers, and often the same proxy


def client_ip(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Network]) -> Address | None:
    """Return the rightmost address that is not a trusted proxy; the last trusted one if the next entry is invalid.

    ``peer`` is the address of the connection and ``forwarded`` the values of all ``X-Forwarded-For`` headers in order.
    """
    address = None if peer is None else _parse_peer(peer)
    if address is None:
        return None
    hops = [hop for value in forwarded for hop in value.split(",")]
    for hop in reversed(hops):
        if not any(address in network for network in trusted):
            break
        previous = parse_address(hop)
        if previous is None:
            break
        address = previous
    return address
