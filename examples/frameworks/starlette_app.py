"""Starlette: a route that needs an access token. Run it with: uvicorn starlette_app:app."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cognito_async import JwksUnavailableError, TokenError
from cognito_async.tokens import TokenVerifier


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[dict[str, Any]]:
    """Open one verifier for the process."""
    async with TokenVerifier(
        user_pool_id=os.environ["COGNITO_USER_POOL_ID"],
        token_use="access",
        client_ids={os.environ["COGNITO_CLIENT_ID"]},
    ) as verifier:
        yield {"verifier": verifier}


async def me(request: Request) -> Response:
    """Return the username."""
    header = request.headers.get("authorization", "")
    token = await request.state.verifier.verify(header.removeprefix("Bearer "))
    return JSONResponse({"username": token.username})


async def unauthorized(_: Request, error: Exception) -> Response:
    """Respond to an invalid token, or a missing one."""
    return JSONResponse({"error": str(error)}, 401, {"WWW-Authenticate": "Bearer"})


async def unavailable(_: Request, __: Exception) -> Response:
    """Respond if the public keys cannot be fetched."""
    return JSONResponse({"error": "try again later"}, 503)


app = Starlette(
    routes=[Route("/me", me)],
    lifespan=lifespan,
    exception_handlers={TokenError: unauthorized, JwksUnavailableError: unavailable},
)
