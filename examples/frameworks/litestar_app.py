"""Litestar: a route that needs an access token. Run it with: uvicorn litestar_app:app."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide

from cognito_async import JwksUnavailableError, TokenError
from cognito_async.tokens import AccessToken, TokenVerifier


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncGenerator[None]:
    """Open one verifier for the process."""
    async with TokenVerifier(
        user_pool_id=os.environ["COGNITO_USER_POOL_ID"],
        token_use="access",
        client_ids={os.environ["COGNITO_CLIENT_ID"]},
    ) as verifier:
        app.state.verifier = verifier
        yield


async def verify(request: Request[Any, Any, State], state: State) -> AccessToken:
    """Return the verified access token of the request."""
    verifier: TokenVerifier[AccessToken] = state.verifier
    return await verifier.verify(request.headers.get("authorization", "").removeprefix("Bearer "))


@get("/me")
async def me(access_token: NamedDependency[AccessToken]) -> dict[str, str | None]:
    """Return the username."""
    return {"username": access_token.username}


def unauthorized(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
    """Respond to an invalid token, or a missing one."""
    return Response({"error": str(error)}, status_code=401, headers={"WWW-Authenticate": "Bearer"})


def unavailable(_: Request[Any, Any, Any], __: Exception) -> Response[dict[str, str]]:
    """Respond if the public keys cannot be fetched."""
    return Response({"error": "try again later"}, status_code=503)


app = Litestar(
    [me],
    lifespan=[lifespan],
    dependencies={"access_token": Provide(verify)},
    exception_handlers={TokenError: unauthorized, JwksUnavailableError: unavailable},
    logging_config=None,  # uvicorn configures it
)
