"""Who is asking: the visitor's address behind the proxies that are trusted, and the language of their browser.

Pure. Everything here comes from outside, so whatever can't be read is left out.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from cognito_async.fastapi.settings import Network

Address = IPv4Address | IPv6Address

_PORT = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}")
_LONGEST_HEADER = 1000
_LANGUAGE = re.compile(r"([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3})\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?")
_PREFIX_V6 = 64


def read_address(text: str) -> Address | None:
    """Read an address as proxies write it: bare, with a port, in brackets, in quotes.

    Args:
        text: The text, e.g. ``"203.0.113.7:4711"`` or ``"[2001:db8::1]:443"``.

    Returns:
        The address, an IPv4 one where it was mapped into IPv6; None for what is no address.
    """
    text = text.strip().strip('"')
    match = _PORT.fullmatch(text)
    try:
        address = ip_address((match[1] or match[2]) if match else text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))  # without a zone, which means something to its host only


def visitor_address(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Network]) -> Address | None:
    """Find the visitor's address: the first, from the right, that no trusted proxy has.

    Args:
        peer: The address at the other end of the connection; None if there is none, as on a Unix socket.
        forwarded: The values of all ``X-Forwarded-For`` headers, in order.
        trusted: The networks of the proxies that are believed.

    Returns:
        The address; the last one that is sure where the next can't be read. None if not even the peer has one.
    """
    address = None if peer is None else read_address(peer)
    if address is None:
        return None
    hops = [hop for value in forwarded for hop in value.split(",")]
    for hop in reversed(hops):
        if not any(address in network for network in trusted):
            break
        further = read_address(hop)
        if further is None:
            break
        address = further
    return address


def household(address: Address | None) -> str:
    """Name what an address is counted as: itself, or its /64 network, of which one visitor has all addresses.

    Args:
        address: The visitor's address; None if unknown: then all such visitors count as one.

    Returns:
        The name.
    """
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _PREFIX_V6), strict=False))
    return "unknown" if address is None else str(address)


def preferred_language(header: str | None) -> str | None:
    """Find the language that a browser likes best.

    Args:
        header: The value of ``Accept-Language``; None if there is none.

    Returns:
        A language tag such as ``"de-CH"``; None where there is none that can be read, or the header is too long.
    """
    if header is None or len(header) > _LONGEST_HEADER:
        return None
    ranked = sorted(_languages(header), key=lambda one: -one[0])  # sorted keeps the order of equals
    return ranked[0][1] if ranked else None


def _languages(header: str) -> Iterator[tuple[float, str]]:
    for part in header.split(","):
        match = _LANGUAGE.fullmatch(part.strip())
        weight = float(match[2] or 1) if match else 0.0
        if match and weight > 0:
            yield weight, match[1]
