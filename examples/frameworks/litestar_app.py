"""Litestar: routes that need an access token. Run it with: uvicorn litestar_app:app."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide

from cognito_async import JwksUnavailableError, TokenError, TokenGroupError, TokenScopeError
from cognito_async.tokens import AccessToken, TokenVerifier, bearer_challenge, bearer_token


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
    return await verifier.verify(bearer_token(request.headers.get("authorization")))


@get("/me")
async def me(access_token: NamedDependency[AccessToken]) -> dict[str, str | None]:
    """Return the username."""
    return {"username": access_token.username}


@get("/staff")
async def staff(access_token: NamedDependency[AccessToken]) -> dict[str, str | None]:
    """Return the username of a member of the group staff."""
    if "staff" not in access_token.groups:
        raise TokenGroupError("the user must be in the group staff")
    return {"username": access_token.username}


def refuse(_: Request[Any, Any, Any], error: TokenError) -> Response[dict[str, str]]:
    """Respond to a request without an acceptable token."""
    status = 403 if isinstance(error, TokenGroupError | TokenScopeError) else 401
    headers = {"WWW-Authenticate": bearer_challenge(error)}
    return Response({"error": str(error)}, status_code=status, headers=headers)


def unavailable(_: Request[Any, Any, Any], __: JwksUnavailableError) -> Response[dict[str, str]]:
    """Respond if the public keys cannot be fetched."""
    return Response({"error": "try again later"}, status_code=503)


app = Litestar(
    [me, staff],
    lifespan=[lifespan],
    dependencies={"access_token": Provide(verify)},
    exception_handlers={TokenError: refuse, JwksUnavailableError: unavailable},
    logging_config=None,  # uvicorn configures it
)
