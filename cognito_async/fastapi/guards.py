"""Dependencies that refuse a request before the route sees it: forms from other sites, and too many tries."""

from collections.abc import Callable, Collection, Coroutine
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import Depends
from starlette.requests import HTTPConnection

from cognito_async.fastapi.body import JSON, content_type
from cognito_async.fastapi.dependencies import dependencies_of
from cognito_async.fastapi.origin import is_same_origin
from cognito_async.fastapi.rate_limit import RateLimit
from cognito_async.fastapi.refusals import CrossOriginError, RateLimitedError
from cognito_async.fastapi.settings import DEFAULT_POOL
from cognito_async.fastapi.visitor import Address, household

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def same_origin(*allowed: str) -> Callable[[HTTPConnection], Coroutine[Any, Any, None]]:
    """Make a dependency that refuses what a page of another site sends, unless it is JSON.

    What only reads (GET, HEAD, OPTIONS) passes, so that it can guard a whole router or application; a WebSocket that a
    page of another site opens does not. JSON from a page elsewhere needs no check: the browser asks the site first, and
    what it may do is for CORS to say.

    Pages with forms should not send ``Referrer-Policy: no-referrer``: then browsers say ``Origin: null``, which is
    refused where they do not send ``Sec-Fetch-Site`` besides (old ones, and all of them over plain HTTP). With
    ``Referrer-Policy: same-origin`` other sites learn as little.

    Args:
        *allowed: Further origins that are welcome, such as ``"https://www.example.com"``.

    Returns:
        The dependency; it raises CrossOriginError.
    """

    async def check(connection: HTTPConnection) -> None:
        refuse_foreign(connection, allowed)

    return check


def refuse_foreign(connection: HTTPConnection, allowed: Collection[str]) -> None:
    """Refuse what a page of another site sends; see ``same_origin``.

    Args:
        connection: The request, or the WebSocket.
        allowed: Further origins that are welcome.

    Raises:
        CrossOriginError: It comes from elsewhere.
    """
    method = connection.scope.get("method")  # a WebSocket has none, and is refused like a form
    if method in _SAFE or (method is not None and content_type(connection.headers) == JSON):
        return
    if not is_same_origin(connection.headers, allowed):
        raise CrossOriginError("a form was sent from another origin")


def limited(limit: RateLimit, pool: str = DEFAULT_POOL) -> Callable[..., Coroutine[Any, Any, None]]:
    """Make a dependency that counts the requests from each address, where an IPv6 network of /64 counts as one.

    What only reads (GET, HEAD, OPTIONS) is not counted, so that it can guard a whole router or application.

    Args:
        limit: What counts.
        pool: The pool whose settings name the trusted proxies.

    Returns:
        The dependency; it raises RateLimitedError.
    """

    async def check(
        connection: HTTPConnection, address: Annotated[Address | None, Depends(dependencies_of(pool).visitor)]
    ) -> None:
        if connection.scope.get("method") not in _SAFE:  # a WebSocket has none
            await admit(limit, household(address))

    return check


async def admit(limit: RateLimit, key: str) -> None:
    """Count a try.

    Args:
        limit: What counts.
        key: Who tries.

    Raises:
        RateLimitedError: It was one too many; it says when to come back.
    """
    wait = await limit.wait(key)
    if wait > 0:
        raise RateLimitedError("too many tries", retry_after=wait)


async def admit_user(limit: RateLimit, username: str) -> None:
    """Count a try for a user name, real or not; what counts never gets the name itself.

    Args:
        limit: What counts.
        username: The name as typed.

    Raises:
        RateLimitedError: It was one too many; it says when to come back.
    """
    await admit(limit, sha256(username.casefold().encode()).hexdigest())
