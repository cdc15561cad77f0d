"""Django: views that reset a password, in one file. Run it with: uvicorn django_app:application."""

import os

from django import forms
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from cognito_async import AmbiguousOutcomeError, AsyncCognitoSession, CognitoClient, Fault, ServiceError

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["DJANGO_SECRET_KEY"],
    ALLOWED_HOSTS=["localhost"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
)


class ForgotPassword(forms.Form):
    """The form that requests a code."""

    username = forms.CharField(max_length=128)


class ResetPassword(ForgotPassword):
    """The form that sets the new password."""

    code = forms.CharField(max_length=2048)
    password = forms.CharField(max_length=256, strip=False)


def client_of(session: AsyncCognitoSession) -> CognitoClient:
    """Return a client for the app client of this site."""
    return session.client(os.environ["COGNITO_CLIENT_ID"], os.environ.get("COGNITO_CLIENT_SECRET"))


@require_POST
async def forgot_password(request: HttpRequest) -> JsonResponse:
    """Send a code to the user."""
    form = ForgotPassword(request.POST)
    if not form.is_valid():
        return JsonResponse(form.errors, status=400)
    try:
        async with AsyncCognitoSession() as session:
            await client_of(session).forgot_password(username=form.cleaned_data["username"])
    except ServiceError as error:
        if error.fault is not Fault.USER:
            raise
    return JsonResponse({"message": "If the user exists, a code was sent."}, status=202)


@require_POST
async def reset_password(request: HttpRequest) -> JsonResponse:
    """Set the new password."""
    form = ResetPassword(request.POST)
    if not form.is_valid():
        return JsonResponse(form.errors, status=400)
    data = form.cleaned_data
    try:
        async with AsyncCognitoSession() as session:
            await client_of(session).confirm_forgot_password(
                username=data["username"], confirmation_code=data["code"], password=data["password"]
            )
    except AmbiguousOutcomeError as error:  # the password may have been changed
        return JsonResponse({"message": error.how_to_verify}, status=502)
    except ServiceError as error:
        if error.fault is not Fault.USER:
            raise
        return JsonResponse({"message": "The code is wrong or has expired."}, status=400)
    return JsonResponse({"message": "The password was changed."})


urlpatterns = [path("forgot-password", forgot_password), path("reset-password", reset_password)]
application = get_asgi_application()
