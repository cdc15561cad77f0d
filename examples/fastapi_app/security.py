"""Protection of all pages: response headers, body size, the session cookie, and threat protection of Cognito."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Depends
from fastapi.responses import PlainTextResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cognito_async.fastapi import ClientMetadataDep, UserContextDep

MAX_BODY_BYTES: Final = 32 * 1024

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # with "no-referrer", browsers hide where a form comes from
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


async def caller_of(context: UserContextDep, metadata: ClientMetadataDep) -> dict[str, Any]:
    """Return the arguments of calls that describe the client: for threat protection, and for Lambda triggers."""
    return {"user_context_data": context, "client_metadata": metadata or None}


CallerDep = Annotated[dict[str, Any], Depends(caller_of)]


def security_headers(scope: Scope) -> Mapping[str, str]:
    """Return the headers of every response to a request."""
    cache = "no-cache" if scope["path"].startswith("/static") else "no-store"  # pages hold names and messages
    hsts = {"Strict-Transport-Security": "max-age=31536000"} if scope["scheme"] == "https" else {}
    return {**_HEADERS, **hsts, "Cache-Control": cache}


class SecurityMiddleware:
    """Add the security headers, and refuse bodies that are larger than any form. Cookies are Secure with HTTPS."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(security_headers(scope))
                if "set-cookie" in headers and scope["scheme"] == "https":
                    headers["Set-Cookie"] += "; secure"
            await send(message)

        app = self._app
        if scope["method"] == "POST":
            length = Headers(scope=scope).get("content-length", "")  # the server enforces the declared length
            if not length.isdecimal():
                app = PlainTextResponse("Content-Length required.", 411)
            elif int(length) > MAX_BODY_BYTES:
                app = PlainTextResponse("Request body too large.", 413)
        await app(scope, receive, send_with_headers)
