"""Tests of the Django application."""

import os

from cognito_async.testing import FakeCognito

os.environ.setdefault("DJANGO_SECRET_KEY", "for tests")

import django_app  # noqa: F401 - configures Django, which reads the key
from django.test import Client


def test_sign_in(user_pool: FakeCognito) -> None:
    """A user signs in with a password."""
    client = Client(headers={"Host": "localhost"}, enforce_csrf_checks=True)
    form = {"username": "ada", "password": "Analytical-1843"}
    assert client.post("/sign-in", form).status_code == 403
    headers = {"X-CSRFToken": client.get("/csrf-token").json()["token"]}
    assert client.post("/sign-in", form | {"password": "wrong"}, headers=headers).status_code == 401
    assert client.get("/me").status_code == 401
    assert client.post("/sign-in", form, headers=headers).status_code == 200
    assert client.get("/me").json() == {"username": "ada"}
