"""Django: views that sign users in and out and reset passwords. Run it with: uvicorn django_app:application."""

import os
from collections.abc import Awaitable, Callable
from functools import cache, wraps
from typing import Any

from django import forms
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

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

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["DJANGO_SECRET_KEY"],
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",  # on the server: sessions hold challenges
)

POLICY = RegexValidator(
    r"(?s)^(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?=.*[^A-Za-z0-9]).{8,}",
    "Use at least 8 characters: letters in upper and lower case, digits and symbols.",
)
UNKNOWN_OUTCOMES = {  # what users can do after a lost response; error.how_to_verify is for developers
    "ForgotPassword": "A code may have been sent. If none arrives, request another one.",
    "ConfirmForgotPassword": "The password may have been changed. Sign in with the new password to find out.",
}


class SignIn(forms.Form):
    """The form that starts a sign-in."""

    username = forms.CharField(max_length=128)
    password = forms.CharField(max_length=256, strip=False)


class Code(forms.Form):
    """The form that continues a sign-in with a code."""

    code = forms.CharField(max_length=16)


class ForgotPassword(forms.Form):
    """The form that requests a code."""

    username = forms.CharField(max_length=128)


class ResetPassword(forms.Form):
    """The form that sets the new password."""

    username = forms.CharField(max_length=128)
    code = forms.CharField(max_length=2048)
    # Checked here, because the service may check it for existing users only.
    password = forms.CharField(max_length=256, strip=False, validators=[POLICY])


View = Callable[[HttpRequest, CognitoClient, dict[str, Any]], Awaitable[HttpResponse]]


def message(text: str, *, status: int = 200) -> JsonResponse:
    """Return a response with a message."""
    return JsonResponse({"message": text}, status=status)


def takes(form_class: type[forms.Form], refusal: str, *, status: int) -> Callable[[View], Callable[..., Any]]:
    """Return a decorator for a view that takes a valid form; all errors of the user have the same response."""

    def decorate(view: View) -> Callable[..., Any]:
        @wraps(view)
        async def run(request: HttpRequest) -> HttpResponse:
            form = form_class(request.POST)
            if not form.is_valid():
                return JsonResponse(form.errors, status=400)
            try:
                async with AsyncCognitoSession() as session:
                    client = session.client(
                        client_id=os.environ["COGNITO_CLIENT_ID"],
                        client_secret=os.environ.get("COGNITO_CLIENT_SECRET"),
                        user_pool_id=os.environ["COGNITO_USER_POOL_ID"],
                    )
                    return await view(request, client, form.cleaned_data)
            except ParameterValidationError as error:  # names the field, and does not contain its value
                return message(str(error), status=400)
            except AmbiguousOutcomeError as error:
                return message(UNKNOWN_OUTCOMES.get(error.operation or "", "Sign in again."), status=502)
            except CognitoError as error:
                if error.fault is not Fault.USER:
                    raise  # Django logs it, and responds with status 500
            return message(refusal, status=status)

        return require_POST(run)

    return decorate


@require_GET
async def csrf_token(request: HttpRequest) -> JsonResponse:
    """Set the CSRF cookie, and return the token for the header X-CSRFToken of POST requests."""
    return JsonResponse({"token": get_token(request)})


@require_GET
async def me(request: HttpRequest) -> JsonResponse:
    """Return the username of the signed-in user."""
    username = await request.session.aget("username")
    return JsonResponse({"username": username}) if username else message("Sign in.", status=401)


@takes(SignIn, "The username or password is wrong.", status=401)
async def sign_in(request: HttpRequest, client: CognitoClient, form: dict[str, Any]) -> HttpResponse:
    """Sign a user in."""
    return await next_step(request, await client.sign_in(**form))


@takes(Code, "The code is wrong.", status=401)
async def answer(request: HttpRequest, client: CognitoClient, form: dict[str, Any]) -> HttpResponse:
    """Continue a sign-in with a code."""
    state = await request.session.aget("sign_in")
    if not state:
        return message("Sign in first.", status=400)
    challenge = client.resume_sign_in(state)
    assert isinstance(challenge, SoftwareTokenMfaChallenge | SmsMfaChallenge | EmailOtpChallenge)  # noqa: S101
    try:
        return await next_step(request, await challenge.respond(form["code"]))
    except SignInExpiredError:
        return message("Sign in again.", status=401)


async def next_step(request: HttpRequest, result: SignInResult) -> HttpResponse:
    """Sign the user in to this site, or ask for a code."""
    match result:
        case SignedIn(username=username, tokens=tokens):
            await request.session.aflush()  # a new session ID, so that an ID set before the sign-in is worthless
            await request.session.aset("username", username)
            await request.session.aset("refresh_token", tokens.refresh_token)
            return message("Welcome!")
        case SoftwareTokenMfaChallenge() | SmsMfaChallenge() | EmailOtpChallenge():
            await request.session.aset("sign_in", result.state())
            return message("Enter the code.", status=202)
        case _:
            return message(f"This site does not support {result.name}.", status=403)


@takes(forms.Form, "Sign in again.", status=401)
async def access_token(request: HttpRequest, client: CognitoClient, _: dict[str, Any]) -> HttpResponse:
    """Return a new access token, with which the page calls an API."""
    refresh_token = await request.session.aget("refresh_token")
    if not refresh_token:
        return message("Sign in.", status=401)
    tokens = (await client.get_tokens_from_refresh_token(refresh_token=refresh_token)).authentication_result
    assert tokens is not None  # noqa: S101
    if tokens.refresh_token:  # with rotation; otherwise the old one remains valid
        await request.session.aset("refresh_token", tokens.refresh_token)
    return JsonResponse({"access_token": tokens.access_token})


@takes(forms.Form, "You are signed out.", status=200)
async def sign_out(request: HttpRequest, client: CognitoClient, _: dict[str, Any]) -> HttpResponse:
    """Sign the user out of this site, and revoke the tokens of the sign-in."""
    refresh_token = await request.session.aget("refresh_token")
    await request.session.aflush()
    if refresh_token:
        await client.revoke_token(token=refresh_token)
    return message("You are signed out.")


@cache
def verifier() -> TokenVerifier[AccessToken]:
    """Return the verifier of the process, for ASGI: all requests share an event loop."""
    return TokenVerifier(
        user_pool_id=os.environ["COGNITO_USER_POOL_ID"],
        token_use="access",
        client_ids={os.environ["COGNITO_CLIENT_ID"]},
    )


@require_GET
async def api_me(request: HttpRequest) -> JsonResponse:
    """Return the username of the access token."""
    try:
        token = await verifier().verify(bearer_token(request.headers.get("Authorization")))
    except TokenError as error:
        headers = {"WWW-Authenticate": bearer_challenge(error)}
        return JsonResponse({"message": str(error)}, status=401, headers=headers)
    except JwksUnavailableError:
        return message("Try again later.", status=503)
    return JsonResponse({"username": token.username})


@takes(ForgotPassword, "If the user exists, a code was sent.", status=202)
async def forgot_password(_: HttpRequest, client: CognitoClient, form: dict[str, Any]) -> HttpResponse:
    """Send a code to the user."""
    await client.forgot_password(**form)
    return message("If the user exists, a code was sent.", status=202)


@takes(ResetPassword, "The code is wrong or has expired, or the password is not accepted.", status=400)
async def reset_password(_: HttpRequest, client: CognitoClient, form: dict[str, Any]) -> HttpResponse:
    """Set the new password."""
    await client.confirm_forgot_password(
        username=form["username"], confirmation_code=form["code"], password=form["password"]
    )
    return message("The password was changed.")


urlpatterns = [
    path("csrf-token", csrf_token),
    path("me", me),
    path("sign-in", sign_in),
    path("sign-in/code", answer),
    path("access-token", access_token),
    path("sign-out", sign_out),
    path("api/me", api_me),
    path("forgot-password", forgot_password),
    path("reset-password", reset_password),
]
application = get_asgi_application()
