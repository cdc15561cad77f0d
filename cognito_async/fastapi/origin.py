"""Cross-origin checks for forms (CSRF protection), based on Fetch Metadata and Origin headers."""

from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from cognito_async.fastapi.errors import CrossOriginError

JSON: Final = "application/json"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_OWN_SITES: Final = frozenset({"same-origin", "none"})


def same_origin(*allowed: str) -> Callable[[HTTPConnection], Coroutine[Any, Any, None]]:
    """Return a dependency that raises CrossOriginError for requests from pages of other origins, except JSON.

    GET, HEAD and OPTIONS requests pass, so the dependency can protect a whole router or application. WebSockets are
    checked like forms. JSON is not checked, because browsers send a CORS preflight request first. Pages with forms
    should send ``Referrer-Policy: same-origin``; ``no-referrer`` hides their own origin too. ``allowed`` are other
    origins, such as ``"https://www.example.com"``.
    """

    async def check(connection: HTTPConnection) -> None:
        check_origin(connection, allowed)

    return check


def check_origin(connection: HTTPConnection, allowed: Collection[str]) -> None:
    """Raise CrossOriginError for a form or WebSocket from another origin; see ``same_origin``."""
    method = connection.scope.get("method")  # a WebSocket has no method
    if method in SAFE_METHODS or (method is not None and media_type(connection.headers) == JSON):
        return
    if not is_same_origin(connection.headers, allowed):
        raise CrossOriginError("the form was submitted from another origin")


def is_same_origin(headers: Mapping[str, str], allowed: Collection[str] = ()) -> bool:
    """Return whether a request comes from this origin, an allowed origin, or not from a browser.

    ``Sec-Fetch-Site`` decides if present: browsers since 2023 send it over HTTPS. Otherwise the host in ``Origin`` must
    equal ``Host``. A request with neither header does not come from a browser, so it cannot be forged by another site.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin in allowed:
        return True
    if site is not None:
        return site in _OWN_SITES
    if origin is None:
        return True
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(host) and host == headers.get("host")


def media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of a body in lower case without parameters; empty if there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
