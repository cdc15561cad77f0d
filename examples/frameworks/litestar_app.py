"""Litestar: routes that sign users in, and routes that need an access token. Run it with: uvicorn litestar_app:app."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import JSONBody

from cognito_async import (
    AmbiguousOutcomeError,
    AsyncCognitoSession,
    CognitoClient,
    CognitoError,
    Fault,
    JwksUnavailableError,
    ParameterValidationError,
    SignInExpiredError,
    TokenError,
    TokenGroupError,
    TokenScopeError,
)
from cognito_async.sign_in import (
    EmailOtpChallenge,
    SignedIn,
    SignInResult,
    SmsMfaChallenge,
    SoftwareTokenMfaChallenge,
)
from cognito_async.tokens import AccessToken, TokenVerifier, bearer_challenge, bearer_token


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncGenerator[None]:
    """Open one session for the process."""
    pool, client_id = os.environ["COGNITO_USER_POOL_ID"], os.environ["COGNITO_CLIENT_ID"]
    async with (
        AsyncCognitoSession() as session,
        TokenVerifier(user_pool_id=pool, token_use="access", client_ids={client_id}, session=session) as verifier,
    ):
        app.state.verifier = verifier
        app.state.client = session.client(
            client_id=client_id, client_secret=os.environ.get("COGNITO_CLIENT_SECRET"), user_pool_id=pool
        )
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


def answer(request: Request[Any, Any, State], result: SignInResult) -> Response[dict[str, str | None]]:
    """Respond with the tokens, or ask for a code; the session of the browser holds the challenge."""
    match result:
        case SignedIn(tokens=tokens):
            request.clear_session()
            return Response({"access_token": tokens.access_token, "refresh_token": tokens.refresh_token})
        case SoftwareTokenMfaChallenge() | SmsMfaChallenge() | EmailOtpChallenge():
            request.session["sign_in"] = result.state()
            return Response({"challenge": result.name}, status_code=202)
        case _:
            return Response({"error": f"this site does not support {result.name}"}, status_code=403)


@post("/sign-in")
async def sign_in(
    request: Request[Any, Any, State], state: State, data: JSONBody[dict[str, str]]
) -> Response[dict[str, str | None]]:
    """Sign a user in with a username and a password."""
    client: CognitoClient = state.client
    return answer(request, await client.sign_in(username=data.get("username", ""), password=data.get("password", "")))


@post("/sign-in/code")
async def enter_code(
    request: Request[Any, Any, State], state: State, data: JSONBody[dict[str, str]]
) -> Response[dict[str, str | None]]:
    """Continue a sign-in with a code."""
    client: CognitoClient = state.client
    if "sign_in" not in request.session:
        raise SignInExpiredError("sign in first")
    challenge = client.resume_sign_in(request.session["sign_in"])
    assert isinstance(challenge, SoftwareTokenMfaChallenge | SmsMfaChallenge | EmailOtpChallenge)  # noqa: S101
    return answer(request, await challenge.respond(data.get("code", "")))


def refuse_sign_in(_: Request[Any, Any, Any], error: CognitoError) -> Response[dict[str, str]]:
    """Respond to an error of the user; whether the user exists must not be visible."""
    if isinstance(error, SignInExpiredError | AmbiguousOutcomeError):
        return Response({"error": "sign in again"}, status_code=401)
    if isinstance(error, ParameterValidationError) or error.fault is Fault.USER:
        return Response({"error": "the username, password or code is wrong"}, status_code=401)
    raise error


def refuse(_: Request[Any, Any, Any], error: TokenError) -> Response[dict[str, str]]:
    """Respond to a request without an acceptable token."""
    status = 403 if isinstance(error, TokenGroupError | TokenScopeError) else 401
    headers = {"WWW-Authenticate": bearer_challenge(error)}
    return Response({"error": str(error)}, status_code=status, headers=headers)


def unavailable(_: Request[Any, Any, Any], __: JwksUnavailableError) -> Response[dict[str, str]]:
    """Respond if the public keys cannot be fetched."""
    return Response({"error": "try again later"}, status_code=503)


# Secure: browsers send the cookie over HTTPS only. SameSite "lax", the default: not with POST requests of other sites.
browser = ServerSideSessionConfig(secure=True, max_age=180)

app = Litestar(
    [me, staff, sign_in, enter_code],
    middleware=[browser.middleware],
    lifespan=[lifespan],
    dependencies={"access_token": Provide(verify)},
    exception_handlers={TokenError: refuse, JwksUnavailableError: unavailable, CognitoError: refuse_sign_in},
    logging_config=None,  # uvicorn configures it
)
