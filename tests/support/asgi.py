"""Run a FastAPI or Starlette application without a server."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette

from cognito_async.fastapi import CognitoSettings

SETTINGS = CognitoSettings(client_id="abc", region="eu-west-1", endpoint_url="http://127.0.0.1:9")


@asynccontextmanager
async def asgi_client(
    app: Starlette, *, client: tuple[str, int] | None = ("192.0.2.1", 4711)
) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Run the lifespan of an application and yield an HTTP client for it; requests have the lifespan state."""
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "client": client, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as http:
            yield http
