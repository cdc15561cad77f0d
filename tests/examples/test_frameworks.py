"""The examples for other frameworks, against fake user pools."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import httpx
import pytest
from aiohttp.test_utils import TestClient, TestServer

from cognito_async.sign_in import SignedIn
from cognito_async.testing import FakeCognito, TokenIssuer
from tests.support.processes import ROOT

OLD, NEW = "Analytical-1843", "Differential-1822"
Post = Callable[[str, dict[str, str]], Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, fake_cognito: FakeCognito) -> FakeCognito:
    """Set the variables of an application that uses the fake user pool."""
    app = fake_cognito.create_app_client()
    fake_cognito.create_user("ada", password=OLD, email="ada@example.com", groups=["staff"])
    variables = {
        "COGNITO_USER_POOL_ID": fake_cognito.user_pool_id,
        "COGNITO_CLIENT_ID": app.client_id,
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": fake_cognito.endpoint_url,
        "DJANGO_SECRET_KEY": "for tests",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(ROOT / "examples" / "frameworks")
    return fake_cognito


def example(name: str) -> Any:
    """Import an example with the variables of this test."""
    sys.modules.pop(name, None)
    return import_module(name)


async def access_token(fake: FakeCognito) -> str:
    """Sign the user in."""
    async with fake.session() as session:
        client = session.client(os.environ["COGNITO_CLIENT_ID"], user_pool_id=fake.user_pool_id)
        done = await client.sign_in(username="ada", password=OLD)
    assert isinstance(done, SignedIn)
    return done.tokens.access_token


@asynccontextmanager
async def started(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run the lifespan of an ASGI application and yield an HTTP client."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    ready: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}
    running = asyncio.create_task(app(scope, events.get, ready.put))

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    await events.put({"type": "lifespan.startup"})
    assert (await ready.get())["type"] == "lifespan.startup.complete"
    transport = httpx.ASGITransport(with_state)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
    await events.put({"type": "lifespan.shutdown"})
    await running


@pytest.mark.parametrize("name", ["starlette_app", "litestar_app"])
async def test_route_requires_an_access_token_of_the_pool(name: str, environ: FakeCognito) -> None:
    """Valid tokens are accepted; missing, forged and expired ones get 401."""
    token = await access_token(environ)
    forged = TokenIssuer(client_id=os.environ["COGNITO_CLIENT_ID"]).access_token()
    async with started(example(name).app) as client:
        accepted = await client.get("/me", headers={"Authorization": f"Bearer {token}"})
        assert (accepted.status_code, accepted.json()) == (200, {"username": "ada"})
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {forged}"}):
            refused = await client.get("/me", headers=headers)
            assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("name", ["starlette_app", "litestar_app"])
async def test_route_responds_503_without_keys(
    name: str, environ: FakeCognito, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable key set is not the fault of the token."""
    token = await access_token(environ)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    async with started(example(name).app) as client:
        assert (await client.get("/me", headers={"Authorization": f"Bearer {token}"})).status_code == 503


def test_authorizer_accepts_tokens_of_the_pool(environ: FakeCognito) -> None:
    """The context has the user; the event loop is kept between invocations."""
    with asyncio.Runner() as runner:
        token = runner.run(access_token(environ))
    authorizer = example("lambda_authorizer")
    for header, allowed in ((f"Bearer {token}", True), ("Bearer x", False), (f"Bearer {token}", True)):
        assert authorizer.handler({"headers": {"authorization": header}}, None)["isAuthorized"] is allowed
    assert authorizer.handler({"headers": {}}, None) == {"isAuthorized": False}
    authorizer.runner.run(authorizer.verifier.close())
    authorizer.runner.close()


@asynccontextmanager
async def aiohttp_post() -> AsyncIterator[Post]:
    """Run the application for aiohttp.web."""
    async with TestClient(TestServer(example("aiohttp_app").create_app())) as client:

        async def post(path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
            async with client.post(path, data=form) as response:
                return response.status, await response.json()

        yield post


@asynccontextmanager
async def django_post() -> AsyncIterator[Post]:
    """Run the Django application, which can be configured once."""
    application = import_module("django_app").application
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        client.cookies.set("csrftoken", "a" * 32)

        async def post(path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
            response = await client.post(path, data=form, headers={"X-CSRFToken": "a" * 32})
            return response.status_code, response.json()

        yield post


@pytest.mark.parametrize("start", [aiohttp_post, django_post])
async def test_password_is_reset(start: Callable[[], Any], environ: FakeCognito) -> None:
    """A code is sent, a wrong one is refused, and unknown users look like known ones."""
    async with start() as post:
        sent = await post("/forgot-password", {"username": "ada"})
        assert sent == await post("/forgot-password", {"username": "unknown"})
        assert sent[0] == 202
        form = {"username": "ada", "code": environ.messages[-1].code, "password": NEW}
        assert (await post("/reset-password", form | {"code": "000000"}))[0] == 400
        environ.fail_next("ConfirmForgotPassword", lose_response=True, times=3)
        assert (await post("/reset-password", form))[0] == 502
        assert environ.users["ada"].password == NEW


@pytest.fixture(autouse=True)
def _no_modules_left() -> Iterator[None]:
    """Forget the imported examples, except for Django's, whose settings are global."""
    yield
    for name in ("starlette_app", "litestar_app", "aiohttp_app", "lambda_authorizer"):
        sys.modules.pop(name, None)
