"""aiohttp.web: routes that sign users in and out and reset passwords. Run it with: python aiohttp_app.py."""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from cryptography.fernet import Fernet, InvalidToken

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
)
from cognito_async.sign_in import (
    EmailOtpChallenge,
    SignedIn,
    SignInResult,
    SmsMfaChallenge,
    SoftwareTokenMfaChallenge,
)
from cognito_async.tokens import AccessToken, TokenVerifier, bearer_challenge, bearer_token

CLIENT = web.AppKey("client", CognitoClient)
VERIFIER = web.AppKey("verifier", TokenVerifier[AccessToken])
STATES = web.AppKey("states", Fernet)  # encrypts challenges, which the browser keeps until the code is entered
POLICY = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?=.*[^A-Za-z0-9]).{8,256}", re.DOTALL)
POLICY_TEXT = "must have at least 8 characters: letters in upper and lower case, digits and symbols"
UNKNOWN_OUTCOMES = {  # what users can do after a lost response; error.how_to_verify is for developers
    "ForgotPassword": "A code may have been sent. If none arrives, request another one.",
    "ConfirmForgotPassword": "The password may have been changed. Sign in with the new password to find out.",
}
REFUSALS = {  # the same for all errors of the user: whether the user exists must not be visible
    "/sign-in": ("The username, password or code is wrong.", 401),
    "/sign-in/code": ("The username, password or code is wrong.", 401),
    "/refresh": ("Sign in again.", 401),
    "/sign-out": ("The refresh token is not valid.", 400),
    "/reset-password": ("The code is wrong or has expired, or the password is not accepted.", 400),
}
routes = web.RouteTableDef()


async def open_client(app: web.Application) -> AsyncIterator[None]:
    """Open one session for the process."""
    pool, client_id = os.environ["COGNITO_USER_POOL_ID"], os.environ["COGNITO_CLIENT_ID"]
    async with (
        AsyncCognitoSession() as session,
        TokenVerifier(user_pool_id=pool, token_use="access", client_ids={client_id}, session=session) as app[VERIFIER],
    ):
        app[CLIENT] = session.client(
            client_id=client_id, client_secret=os.environ.get("COGNITO_CLIENT_SECRET"), user_pool_id=pool
        )
        yield


@web.middleware
async def handle_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Respond to errors of the user. All others are logged by aiohttp, which responds with status 500."""
    try:
        return await handler(request)
    except ParameterValidationError as error:  # names the field, and does not contain its value
        return message(str(error), status=400)
    except AmbiguousOutcomeError as error:
        return message(UNKNOWN_OUTCOMES.get(error.operation or "", "Sign in again."), status=502)
    except SignInExpiredError:
        return message("Sign in again.", status=401)
    except CognitoError as error:
        if error.fault is not Fault.USER:
            raise
    text, status = REFUSALS[request.path]
    return message(text, status=status)


def message(text: str, *, status: int = 200) -> web.Response:
    """Return a response with a message."""
    return web.json_response({"message": text}, status=status)


async def form_of(request: web.Request, *names: str) -> list[str]:
    """Return the fields of the request's form."""
    try:
        form = await request.post()
    except (ValueError, LookupError) as error:  # an invalid body, or an unknown charset
        raise ParameterValidationError("form", "must be a form in UTF-8") from error
    values = [form.get(name) for name in names]
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, str) or not value:
            raise ParameterValidationError(name, "is required")
    return [str(value) for value in values]


@routes.post("/sign-in")
async def sign_in(request: web.Request) -> web.Response:
    """Sign a user in."""
    username, password = await form_of(request, "username", "password")
    return next_step(request, await request.app[CLIENT].sign_in(username=username, password=password))


@routes.post("/sign-in/code")
async def answer(request: web.Request) -> web.Response:
    """Continue a sign-in with a code."""
    state, code = await form_of(request, "state", "code")
    try:
        opened = request.app[STATES].decrypt(state, ttl=180).decode()
    except (InvalidToken, ValueError):
        return message("Sign in again.", status=401)
    challenge = request.app[CLIENT].resume_sign_in(opened)
    assert isinstance(challenge, SoftwareTokenMfaChallenge | SmsMfaChallenge | EmailOtpChallenge)  # noqa: S101
    return next_step(request, await challenge.respond(code))


def next_step(request: web.Request, result: SignInResult) -> web.Response:
    """Return the tokens, or the challenge that the user has to answer."""
    match result:
        case SignedIn(tokens=tokens):
            return web.json_response({"access_token": tokens.access_token, "refresh_token": tokens.refresh_token})
        case SoftwareTokenMfaChallenge() | SmsMfaChallenge() | EmailOtpChallenge():
            state = request.app[STATES].encrypt(result.state().encode()).decode()
            return web.json_response({"challenge": result.name, "state": state})
        case _:
            return message(f"This site does not support {result.name}.", status=403)


async def verified(request: web.Request) -> AccessToken:
    """Return the access token of the request."""
    try:
        return await request.app[VERIFIER].verify(bearer_token(request.headers.get("Authorization")))
    except TokenError as error:
        headers = {"WWW-Authenticate": bearer_challenge(error)}
        raise web.HTTPUnauthorized(text=str(error), headers=headers) from error
    except JwksUnavailableError as error:
        raise web.HTTPServiceUnavailable(text="Try again later.") from error


@routes.get("/me")
async def me(request: web.Request) -> web.Response:
    """Return the username."""
    return web.json_response({"username": (await verified(request)).username})


@routes.post("/refresh")
async def refresh(request: web.Request) -> web.Response:
    """Return new tokens."""
    (token,) = await form_of(request, "refresh_token")
    response = await request.app[CLIENT].get_tokens_from_refresh_token(refresh_token=token)
    tokens = response.authentication_result
    assert tokens is not None  # noqa: S101
    # Without rotation, the response has no refresh token: the old one remains valid.
    return web.json_response({"access_token": tokens.access_token, "refresh_token": tokens.refresh_token or token})


@routes.post("/sign-out")
async def sign_out(request: web.Request) -> web.Response:
    """Revoke a refresh token, and the access tokens of the same sign-in."""
    (token,) = await form_of(request, "refresh_token")
    await request.app[CLIENT].revoke_token(token=token)
    return message("You are signed out.")


@routes.post("/forgot-password")
async def forgot_password(request: web.Request) -> web.Response:
    """Send a code to the user."""
    (username,) = await form_of(request, "username")
    try:
        await request.app[CLIENT].forgot_password(username=username)
    except CognitoError as error:
        if error.fault is not Fault.USER:
            raise
    return message("If the user exists, a code was sent.", status=202)


@routes.post("/reset-password")
async def reset_password(request: web.Request) -> web.Response:
    """Set the new password."""
    username, code, password = await form_of(request, "username", "code", "password")
    if not POLICY.fullmatch(password):  # checked here, because the service may check it for existing users only
        raise ParameterValidationError("password", POLICY_TEXT)
    await request.app[CLIENT].confirm_forgot_password(username=username, confirmation_code=code, password=password)
    return message("The password was changed.")


def create_app() -> web.Application:
    """Create the application."""
    app = web.Application(middlewares=[handle_errors])
    app[STATES] = Fernet(os.environ["STATE_KEY"])
    app.add_routes(routes)
    app.cleanup_ctx.append(open_client)
    return app


if __name__ == "__main__":
    web.run_app(create_app())
