"""Bodies of the sign-in routes: required fields, and requests without a body."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from cognito_async.fastapi import sign_in_router
from cognito_async.testing import FakeCognito
from tests.fastapi.sign_in_site import ada, cookie_header, cookies, kind_of, options, site, start, tokens
from tests.sign_in.support import EMAIL, PASSWORD

ROUTES = ["/refresh", "/sign-out"]


@pytest.fixture
async def fake() -> AsyncIterator[FakeCognito]:
    """Run a fake user pool."""
    async with FakeCognito() as running:
        yield running


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({}, {"#/username", "#/password"}),
        ({"username": EMAIL}, {"#/password"}),
        ({"password": PASSWORD}, {"#/username"}),
    ],
)
@pytest.mark.parametrize("flow", ["USER_SRP_AUTH", "USER_PASSWORD_AUTH"])
async def test_missing_fields_are_required(
    fake: FakeCognito, flow: Any, body: dict[str, str], missing: set[str]
) -> None:
    """Each of them is listed with the same rule; no attempt is counted or sent."""
    async with site(fake, options(auth_flow=flow)) as http:
        response = await http.post("/sign-in", json=body)
    assert kind_of(response) == (422, "bad-input")
    assert {each["pointer"]: each["detail"] for each in response.json()["errors"]} == dict.fromkeys(
        missing, "is required"
    )
    assert not fake.requests


@pytest.mark.parametrize("flow", ["USER_AUTH", "CUSTOM_AUTH"])
async def test_flows_without_a_password_start_without_one(fake: FakeCognito, flow: Any) -> None:
    """The pool decides on the first factor."""
    ada(fake)
    async with site(fake, options(auth_flow=flow)) as http:
        assert (await start(http, password=None)).status_code != 422
    assert fake.requests


def test_openapi_describes_the_fields_of_the_flow() -> None:
    """The password is required by some flows, and no body is required with cookies."""
    for flow, where, required in (("USER_SRP_AUTH", "body", True), ("USER_AUTH", "cookies", False)):
        app = FastAPI()
        app.include_router(sign_in_router(options=options(auth_flow=flow, tokens=where)))
        bodies = {path: item["post"]["requestBody"] for path, item in app.openapi()["paths"].items()}
        schema = bodies["/sign-in"]["content"]["application/json"]["schema"]
        assert ("password" in schema["required"]) is required
        assert bodies["/sign-in"]["required"]
        assert [bodies[path]["required"] for path in ROUTES] == [required] * 2


@pytest.mark.parametrize("typed", [{}, {"Content-Type": "application/json"}])
async def test_cookies_need_no_body(fake: FakeCognito, typed: dict[str, str]) -> None:
    """Neither in a browser nor in another program, which may always send the media type."""
    ada(fake)
    for browser in (True, False):
        async with site(fake, options(tokens="cookies")) as http:
            first = await start(http)
            if not browser:
                del http.headers["Origin"]
            second = await http.post("/refresh", headers=cookie_header(first) | typed)
            assert tokens(second)["state"] == "signed_in"
            third = await http.post("/sign-out", headers=cookie_header(second) | typed)
            assert third.json() == {"state": "signed_out", "revoked": True}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
async def test_empty_request_of_another_origin_is_refused(
    fake: FakeCognito, path: str, headers: dict[str, str]
) -> None:
    """``fetch`` and ``sendBeacon`` send it without a preflight request: it must not sign the user out."""
    async with site(fake, options(tokens="cookies")) as http:
        response = await http.post(path, headers={**headers, "Cookie": "__Host-refresh_token=x"})
    assert kind_of(response) == (403, "cross-origin")
    assert not cookies(response)
    assert not fake.requests


async def chunks() -> AsyncIterator[bytes]:
    """Yield a body whose length is unknown."""
    yield b'{"refresh_token": "x"}'


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "request_arguments",
    [
        {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},  # a form without fields
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"Content-Type": ""}},
        {"content": b"{}"},
        {"content": chunks},
    ],
)
async def test_other_bodies_are_refused(fake: FakeCognito, path: str, request_arguments: dict[str, Any]) -> None:
    """Only a request without a body, with the media type of JSON or none, is like an empty object."""
    arguments = {**request_arguments}
    if callable(arguments.get("content")):
        arguments["content"] = arguments["content"]()
    async with site(fake, options(tokens="cookies")) as http:
        response = await http.post(path, **arguments)
    assert kind_of(response) == (415, "unsupported-body")
    assert not fake.requests


@pytest.mark.parametrize("path", [*ROUTES, "/sign-in", "/sign-in/challenge"])
async def test_other_routes_need_a_body(fake: FakeCognito, path: str) -> None:
    """Without cookies, so do a refresh and a sign-out."""
    async with site(fake, options(tokens="cookies" if path not in ROUTES else "body")) as http:
        response: httpx.Response = await http.post(path)
        empty = await http.post(path, headers={"Content-Type": "application/json"})
    assert kind_of(response) == (415, "unsupported-body")
    assert kind_of(empty) == (400, "malformed-body")
