"""What protects every page: headers for the browser, and a bound on what is sent."""

from collections.abc import Mapping
from typing import Final

from fastapi import status
from fastapi.responses import PlainTextResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 32 * 1024
STATIC: Final = "/static"

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers do not say where a form comes from
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HSTS: Final = "max-age=31536000"


def headers_for(scope: Scope) -> Mapping[str, str]:
    """Give the headers that go with every answer.

    Args:
        scope: The request.

    Returns:
        The headers.
    """
    return {
        **_HEADERS,
        # Pages hold forms, names and what they have to say once; style and script hold nothing of anybody.
        "Cache-Control": "no-cache" if scope["path"].startswith(STATIC) else "no-store",
        **({"Strict-Transport-Security": _HSTS} if scope["scheme"] == "https" else {}),
    }


class SecurityHeaders:
    """Adds the headers to every answer, those of errors among them; but for bugs, see ``bug_page``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers_for(scope))
            await send(message)

        await self._app(scope, receive, send_with_headers)


class SmallBodies:
    """Refuses a body that is larger than any form of this site, or does not say how large it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            told = Headers(scope=scope).get("content-length", "")  # the server holds the sender to it
            if not told.isdecimal():
                await PlainTextResponse("Say how long it is.", status.HTTP_411_LENGTH_REQUIRED)(scope, receive, send)
                return
            if int(told) > MOST_BYTES:
                await PlainTextResponse("Too long.", status.HTTP_413_CONTENT_TOO_LARGE)(scope, receive, send)
                return
        await self._app(scope, receive, send)
