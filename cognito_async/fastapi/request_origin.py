"""Where a request comes from: the client IP behind trusted proxies, and the origin of the page (CSRF protection)."""

import re
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi.errors import CrossOriginError
from cognito_async.fastapi.settings import UNIX_SOCKET, Proxy

Address: TypeAlias = IPv4Address | IPv6Address

JSON: Final = "application/json"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS: Final = {("http", "80"), ("https", "443")}  # browsers leave them out
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


def client_ip(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Proxy]) -> Address | None:
    """Return the rightmost address that is not a trusted proxy; the last trusted one if the next entry is invalid."""
    address = None if peer is None else _parse_peer(peer)
    hops = [hop for value in forwarded for hop in value.split(",")]
    while hops and _is_trusted(address, trusted):
        previous = parse_address(hops.pop())
        if previous is None:
            break
        address = previous
    return address


def is_ignored(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Proxy]) -> bool:
    """Return whether a header of an untrusted peer is ignored, unless the server has applied it, as uvicorn does."""
    address = None if peer is None else _parse_peer(peer)
    hops = [hop for value in forwarded for hop in value.split(",")]
    return not _is_trusted(address, trusted) and (address is None or address not in map(parse_address, hops))


def _is_trusted(address: Address | None, trusted: Sequence[Proxy]) -> bool:
    if address is None:
        return UNIX_SOCKET in trusted
    return any(address in proxy for proxy in trusted if proxy != UNIX_SOCKET)


def origins(allowed: Collection[str]) -> frozenset[str]:
    """Check ``allowed_origins``; a single string is rejected, and so is "null", which any page can send."""
    if not isinstance(cast("object", allowed), Collection) or not all(map(_is_origin, allowed)):
        rule = (
            'must be a list of origins as browsers send them, such as "https://www.example.com": '
            "in lower case, without wildcards, a path and the default port"
        )
        raise ParameterValidationError("allowed_origins", rule)
    return frozenset(allowed)


def _is_origin(value: object) -> bool:
    match = _ORIGIN.fullmatch(value) if isinstance(value, str) else None
    return match is not None and match.groups() not in _DEFAULT_PORTS


def same_origin(*allowed: str) -> Callable[[HTTPConnection], Coroutine[Any, Any, None]]:
    """Return a dependency that raises CrossOriginError for requests from pages of other origins, except JSON.

    GET, HEAD and OPTIONS requests pass, so the dependency can protect a whole router or application. WebSockets are
    checked like forms. JSON is not checked, because browsers send a CORS preflight request first. Pages with forms
    should send ``Referrer-Policy: same-origin``; ``no-referrer`` hides their own origin too. ``allowed`` are other
    origins, such as ``"https://www.example.com"``.
    """
    checked = origins(allowed)

    async def check(connection: HTTPConnection) -> None:
        check_origin(connection, checked)

    return check


def check_origin(connection: HTTPConnection, allowed: Collection[str]) -> None:
    method = connection.scope.get("method")  # a WebSocket has no method
    if method in SAFE_METHODS or (method is not None and media_type(connection.headers) == JSON):
        return
    if not is_same_origin(connection.headers, allowed):
        raise CrossOriginError("the form was submitted from another origin")


def is_same_origin(headers: Mapping[str, str], allowed: Collection[str] = ()) -> bool:
    """Return whether a request comes from this origin, an allowed origin, or not from a browser."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin in allowed:
        return True
    if site is not None:  # browsers since 2023 send it over HTTPS
        return site in {"same-origin", "none"}
    if origin is None:  # not a browser, so the request cannot be forged by another site
        return True
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(host) and host == headers.get("host")


def cookie_values(headers: Headers, name: str) -> list[str]:
    """Return the values of all cookies with a name, as sent."""
    pairs = [pair.partition("=") for line in headers.getlist("cookie") for pair in line.split(";")]
    # Only spaces and tabs are removed: any site of the domain can set a cookie named U+00A0 and "__Host-access_token".
    return [value.strip(" \t") for key, _, value in pairs if key.strip(" \t") == name]


def media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
