"""Starlette: routes that need an access token. Run it with: uvicorn starlette_app:app."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cognito_async import CognitoError, JwksUnavailableError, TokenError, TokenGroupError, TokenScopeError
from cognito_async.tokens import AccessToken, TokenVerifier, bearer_challenge, bearer_token


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[dict[str, Any]]:
    """Open one verifier for the process."""
    async with TokenVerifier(
        user_pool_id=os.environ["COGNITO_USER_POOL_ID"],
        token_use="access",
        client_ids={os.environ["COGNITO_CLIENT_ID"]},
    ) as verifier:
        yield {"verifier": verifier}


async def verified(request: Request, *groups: str) -> AccessToken:
    """Return the access token of the request; the user must be in all groups."""
    verifier: TokenVerifier[AccessToken] = request.state.verifier
    token = await verifier.verify(bearer_token(request.headers.get("authorization")))
    if not token.groups.issuperset(groups):
        raise TokenGroupError(f"the user must be in the groups: {', '.join(groups)}")
    return token


async def me(request: Request) -> Response:
    """Return the username."""
    return JSONResponse({"username": (await verified(request)).username})


async def staff(request: Request) -> Response:
    """Return the username of a member of the group staff."""
    return JSONResponse({"username": (await verified(request, "staff")).username})


async def refuse(_: Request, error: Exception) -> Response:
    """Respond to a request without an acceptable token."""
    assert isinstance(error, CognitoError)  # noqa: S101 - for type checkers
    status = 403 if isinstance(error, TokenGroupError | TokenScopeError) else 401
    return JSONResponse({"error": str(error)}, status, {"WWW-Authenticate": bearer_challenge(error)})


async def unavailable(_: Request, __: Exception) -> Response:
    """Respond if the public keys cannot be fetched."""
    return JSONResponse({"error": "try again later"}, 503)


app = Starlette(
    routes=[Route("/me", me), Route("/staff", staff)],
    lifespan=lifespan,
    exception_handlers={TokenError: refuse, JwksUnavailableError: unavailable},
)
