"""An application with the sign-in routes and a fake user pool."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy
from http.cookies import SimpleCookie
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from cognito_async import RetryPolicy
from cognito_async.fastapi import Cognito, CognitoSettings, MemoryRateLimit, SignInOptions, sign_in_router
from cognito_async.session import AsyncCognitoSession
from cognito_async.testing import FakeCognito
from tests.sign_in.support import EMAIL, NAME, PASSWORD, PHONE
from tests.support.asgi import asgi_client

SECRET = "app-client-secret-of-the-tests"
ORIGIN = "https://site.example"


def unlimited() -> MemoryRateLimit:
    """Return a limit that no test reaches."""
    return MemoryRateLimit(10_000, 1.0)


def options(**changes: Any) -> SignInOptions:
    """Return options without a minimum duration and limits."""
    limits = {f"{name}_limit": unlimited() for name in ("client", "username", "message_client", "message", "refresh")}
    return SignInOptions(**{"minimum_duration": 0.0, **limits, **changes})


def settings_of(fake: FakeCognito, *, secret: str | None = SECRET, **changes: Any) -> CognitoSettings:
    """Return the settings of a new app client."""
    app_client = {name: changes.pop(name) for name in tuple(changes) if name not in CognitoSettings.model_fields}
    created = fake.create_app_client(client_secret=secret, **app_client)
    return CognitoSettings(
        client_id=created.client_id,
        client_secret=None if secret is None else SecretStr(secret),
        user_pool_id=fake.user_pool_id,
        endpoint_url=fake.endpoint_url,
        **changes,
    )


@asynccontextmanager
async def site(
    fake: FakeCognito,
    how: SignInOptions | None = None,
    *,
    settings: CognitoSettings | None = None,
    pool: str = "default",
    **router: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application; requests come from a page of the site and have no cookies but those that a test passes."""

    def session(settings: CognitoSettings) -> AsyncCognitoSession:
        retry = RetryPolicy(max_attempts=2, throttled_base=0, transient_base=0)
        return AsyncCognitoSession(settings.region, endpoint_url=settings.endpoint_url, retry=retry)

    cognito = Cognito(pool, settings=settings or settings_of(fake), session=session)
    app = FastAPI(lifespan=cognito.lifespan, title="Acme")
    app.include_router(sign_in_router(pool, options=how or options(), **{"address_limit": unlimited(), **router}))
    async with asgi_client(app) as http:
        http.base_url = ORIGIN
        http.headers["Origin"] = ORIGIN
        http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # keeps no cookies
        yield http


def ada(fake: FakeCognito, **changes: Any) -> None:
    """Create the user."""
    fake.create_user(NAME, **{"password": PASSWORD, "email": EMAIL, "phone_number": PHONE, **changes})


async def start(http: httpx.AsyncClient, **body: Any) -> httpx.Response:
    """Start a sign-in of the user."""
    return await http.post("/sign-in", json={"username": EMAIL, "password": PASSWORD, **body})


async def challenge(http: httpx.AsyncClient, name: str, **body: Any) -> dict[str, Any]:
    """Start a sign-in, which leads to a challenge, and return the response."""
    response = await start(http, **body)
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()
    assert (content["state"], content["challenge"]["name"]) == ("challenge", name)
    return content


async def answer(http: httpx.AsyncClient, content: dict[str, Any], **answer: Any) -> httpx.Response:
    """Answer the challenge of a response."""
    return await http.post("/sign-in/challenge", json={"continue": content["continue"], "answer": answer})


def tokens(response: httpx.Response) -> dict[str, Any]:
    """Return the content of the response to a completed sign-in."""
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()
    assert content["state"] == "signed_in", content
    assert response.headers["content-type"] == "application/json"
    return content


def cookies(response: httpx.Response) -> dict[str, dict[str, str]]:
    """Return the values and attributes of the cookies that a response sets."""
    found: dict[str, dict[str, str]] = {}
    for line in response.headers.get_list("set-cookie"):
        for name, morsel in SimpleCookie(line).items():
            found[name] = {"value": morsel.value, **{key: str(value) for key, value in morsel.items() if value}}
    return found


def cookie_header(response: httpx.Response) -> dict[str, str]:
    """Return the header with which a browser sends the cookies of a response."""
    return {"Cookie": "; ".join(f"{name}={about['value']}" for name, about in cookies(response).items())}


def kind_of(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the type of a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, response.json()["type"].rpartition(":")[2]
