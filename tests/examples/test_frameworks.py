"""The examples for other frameworks, against fake user pools."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet

from cognito_async import NotAuthorizedException, TokenError
from cognito_async.sign_in import SignedIn
from cognito_async.testing import FakeCognito, TokenIssuer
from tests.support.processes import ROOT

OLD, NEW = "Analytical-1843", "Differential-1822"
Post = Callable[[str, dict[str, str]], Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, fake_cognito: FakeCognito) -> FakeCognito:
    """Set the variables of an application that uses the fake user pool."""
    fake_cognito.create_user("ada", password=OLD, email="ada@example.com", groups=["staff"])
    variables = {
        "COGNITO_USER_POOL_ID": fake_cognito.user_pool_id,
        "COGNITO_CLIENT_ID": fake_cognito.app_client.client_id,
        "AWS_ENDPOINT_URL": fake_cognito.endpoint_url,
        "DJANGO_SECRET_KEY": "for tests",
        "STATE_KEY": Fernet.generate_key().decode(),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_REGION", raising=False)
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


async def test_sessions_of_litestar_hold_the_challenge(environ: FakeCognito) -> None:
    """A wrong code can be corrected; afterwards the challenge is gone. A lost response ends the sign-in."""
    user = environ.users["ada"]
    form = {"username": "ada", "password": OLD}
    async with started(example("litestar_app").app) as client:
        client.base_url = "https://localhost"  # the cookie is for HTTPS
        assert (await client.post("/sign-in/code", json={"code": "123456"})).status_code == 401
        unknown = await client.post("/sign-in", json=form | {"username": "unknown"})
        wrong = await client.post("/sign-in", json=form | {"password": NEW})
        assert (unknown.status_code, unknown.json()) == (wrong.status_code, wrong.json())
        assert (await client.post("/sign-in", json={})).status_code == 401
        assert "access_token" in (await client.post("/sign-in", json=form)).json()
        user.mfa = ["EMAIL_OTP"]
        for number in range(2):
            assert (await client.post("/sign-in", json=form)).status_code == 202
            assert (await client.post("/sign-in/code", json={"code": "000000"})).status_code == 401
            if number:
                environ.fail_next("RespondToAuthChallenge", lose_response=True)
            answer = {"code": environ.messages[-1].code}
            assert (await client.post("/sign-in/code", json=answer)).status_code == (401 if number else 201)
            assert (await client.post("/sign-in/code", json=answer)).status_code == 401
        user.status = "FORCE_CHANGE_PASSWORD"
        assert (await client.post("/sign-in", json=form)).status_code == 403


@pytest.mark.parametrize("name", ["starlette_app", "litestar_app"])
async def test_route_requires_an_access_token_of_the_pool(name: str, environ: FakeCognito) -> None:
    """Valid tokens are accepted; missing, forged and expired ones get 401."""
    token = await access_token(environ)
    forged = TokenIssuer(client_id=os.environ["COGNITO_CLIENT_ID"]).access_token()
    async with started(example(name).app) as client:
        for header in (f"Bearer {token}", f"bearer {token}"):
            accepted = await client.get("/me", headers={"Authorization": header})
            assert (accepted.status_code, accepted.json()) == (200, {"username": "ada"})
        assert challenge_of(await client.get("/me")) == (401, "Bearer")
        for header in (token, f"Basic {token}", "Bearer"):
            assert challenge_of(await client.get("/me", headers={"Authorization": header})) == (401, "Bearer")
        for header in ("Bearer x", f"Bearer {forged}"):
            refused = challenge_of(await client.get("/me", headers={"Authorization": header}))
            assert refused == (401, 'Bearer error="invalid_token"')


def challenge_of(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the challenge of a response."""
    return response.status_code, response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("name", ["starlette_app", "litestar_app"])
async def test_route_requires_the_group(name: str, environ: FakeCognito) -> None:
    """A valid token of another user is 403."""
    async with started(example(name).app) as client:
        for groups, status in ((["staff"], 200), (["admins"], 403)):
            headers = {"Authorization": f"Bearer {environ.issuer.access_token(groups=groups)}"}
            response = await client.get("/staff", headers=headers)
            assert response.status_code == status
        assert challenge_of(response) == (403, 'Bearer error="insufficient_scope"')


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
    for header, allowed in ((f"Bearer {token}", True), ("Bearer x", False), (token, False), (f"bearer {token}", True)):
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
async def django_client() -> AsyncIterator[httpx.AsyncClient]:
    """Run the Django application, which can be configured once."""
    transport = httpx.ASGITransport(import_module("django_app").application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
    for thread in threading.enumerate():
        if thread.name.endswith("(join)"):  # of asgiref; it has reported the end of a request, and ends now
            thread.join(10)


@asynccontextmanager
async def django_post() -> AsyncIterator[Post]:
    """Run the Django application for a page that has fetched the CSRF token."""
    async with django_client() as client:
        client.headers["X-CSRFToken"] = (await client.get("/csrf-token")).json()["token"]

        async def post(path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
            response = await client.post(path, data=form)
            return response.status_code, response.json()

        yield post


both = pytest.mark.parametrize("start", [aiohttp_post, django_post])


@both
async def test_password_is_reset(start: Callable[[], Any], environ: FakeCognito) -> None:
    """A code is sent, a wrong one is refused, and unknown users look like known ones."""
    async with start() as post:
        sent = await post("/forgot-password", {"username": "ada"})
        assert sent == await post("/forgot-password", {"username": "unknown"})
        assert sent[0] == 202
        form = {"username": "ada", "code": environ.messages[-1].code, "password": NEW}
        refused = await post("/reset-password", form | {"code": "000000"})
        assert refused[0] == 400
        assert refused == await post("/reset-password", form | {"username": "unknown"})
        environ.fail_next("ConfirmForgotPassword", lose_response=True, times=3)
        assert (await post("/reset-password", form))[0] == 502
        assert environ.users["ada"].password == NEW


@both
async def test_lost_response_has_a_text_for_users(start: Callable[[], Any], environ: FakeCognito) -> None:
    """It depends on the operation; that of the error is for developers."""
    environ.users["ada"].mfa = ["EMAIL_OTP"]
    async with start() as post:
        environ.fail_next("ForgotPassword", lose_response=True)
        status, content = await post("/forgot-password", {"username": "ada"})
        assert (status, "code may have been sent" in content["message"]) == (502, True)
        _, challenge = await post("/sign-in", {"username": "ada", "password": OLD})
        environ.fail_next("RespondToAuthChallenge", lose_response=True)
        form = {"state": challenge.get("state", ""), "code": environ.messages[-1].code}
        assert await post("/sign-in/code", form) == (502, {"message": "Sign in again."})


@both
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"password": "weak"}, "password"),
        ({"password": "all-in-lower-case-1"}, "password"),
        ({"password": ""}, "password"),
        ({"username": ""}, "username"),
        ({"username": "a" * 200}, "username"),
        ({"code": ""}, "code"),
        ({"code": "1" * 3000}, "code"),
    ],
)
async def test_bad_input_is_refused_with_a_message(
    start: Callable[[], Any], environ: FakeCognito, changed: dict[str, str], named: str
) -> None:
    """The response names the field, and nothing is sent."""
    async with start() as post:
        form = {"username": "ada", "code": "123456", "password": NEW}
        status, content = await post("/reset-password", form | changed)
    assert status == 400
    assert named in str(content)
    assert environ.requests == []


@both
async def test_missing_field_is_refused(start: Callable[[], Any], environ: FakeCognito) -> None:
    """An empty form is not a server error."""
    async with start() as post:
        for path in ("/sign-in", "/forgot-password", "/reset-password"):
            assert (await post(path, {}))[0] == 400


@both
async def test_user_signs_in_with_a_code(start: Callable[[], Any], environ: FakeCognito) -> None:
    """A wrong code can be corrected; a challenge is answered once; wrong passwords look like unknown users."""
    environ.users["ada"].mfa = ["EMAIL_OTP"]
    async with start() as post:
        refused = await post("/sign-in", {"username": "ada", "password": NEW})
        assert refused == await post("/sign-in", {"username": "unknown", "password": OLD})
        assert refused[0] == 401
        _, challenge = await post("/sign-in", {"username": "ada", "password": OLD})
        form = {"state": challenge.get("state", ""), "code": environ.messages[-1].code}
        assert (await post("/sign-in/code", form | {"code": "000000"}))[0] == 401
        assert (await post("/sign-in/code", form))[0] == 200
        assert (await post("/sign-in/code", form))[0] in {400, 401}


@pytest.mark.parametrize("rotates", [False, True])
async def test_aiohttp_refreshes_and_signs_out(
    *, environ: FakeCognito, monkeypatch: pytest.MonkeyPatch, rotates: bool
) -> None:
    """Without rotation, the refresh token stays the same. After the sign-out, neither token can be used."""
    app_client = environ.create_app_client(refresh_token_rotation=rotates)
    monkeypatch.setenv("COGNITO_CLIENT_ID", app_client.client_id)
    async with TestClient(TestServer(example("aiohttp_app").create_app())) as client:

        async def post(path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
            async with client.post(path, data=form) as response:
                return response.status, await response.json()

        async def me(header: str) -> tuple[int, str | None]:
            async with client.get("/me", headers={"Authorization": header}) as response:
                return response.status, response.headers.get("WWW-Authenticate")

        _, first = await post("/sign-in", {"username": "ada", "password": OLD})
        status, second = await post("/refresh", {"refresh_token": first["refresh_token"]})
        assert status == 200
        assert (first["refresh_token"] != second["refresh_token"]) is rotates
        assert await me(f"Bearer {second['access_token']}") == (200, None)
        assert await me("Bearer x") == (401, 'Bearer error="invalid_token"')
        assert (await post("/sign-out", {"refresh_token": second["refresh_token"]}))[0] == 200
        refused = await post("/refresh", {"refresh_token": second["refresh_token"]})
        assert refused == (401, {"message": "Sign in again."})


async def test_aiohttp_responds_503_without_keys(environ: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreachable key set is not the fault of the token."""
    token = await access_token(environ)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    async with (
        TestClient(TestServer(example("aiohttp_app").create_app())) as client,
        client.get("/me", headers={"Authorization": f"Bearer {token}"}) as response,
    ):
        assert response.status == 503


@pytest.mark.parametrize("rotates", [False, True])
async def test_django_refreshes_and_signs_out(
    *, environ: FakeCognito, monkeypatch: pytest.MonkeyPatch, rotates: bool
) -> None:
    """The session keeps the refresh token; after the sign-out, it is gone and revoked."""
    app_client = environ.create_app_client(refresh_token_rotation=rotates)
    monkeypatch.setenv("COGNITO_CLIENT_ID", app_client.client_id)
    django_app = import_module("django_app")
    django_app.verifier.cache_clear()
    async with django_client() as client:
        client.headers["X-CSRFToken"] = (await client.get("/csrf-token")).json()["token"]
        assert (await client.post("/access-token")).status_code == 401
        assert (await client.post("/sign-out")).status_code == 200
        assert (await client.post("/sign-in", data={"username": "ada", "password": OLD})).status_code == 200
        tokens = {(await client.post("/access-token")).json()["access_token"] for _ in range(2)}
        assert len(tokens) == 2
        for token in tokens:
            found = await client.get("/api/me", headers={"Authorization": f"Bearer {token}"})
            assert found.json() == {"username": "ada"}
        refused = await client.get("/api/me", headers={"Authorization": "Bearer x"})
        assert challenge_of(refused) == (401, 'Bearer error="invalid_token"')
        assert (await client.post("/sign-out")).status_code == 200
        assert environ.requests[-1].operation == "RevokeToken"
        assert (await client.get("/me")).status_code == 401
        assert (await client.post("/access-token")).status_code == 401
    await django_app.verifier().close()
    django_app.verifier.cache_clear()


async def test_django_responds_503_without_keys(environ: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreachable key set is not the fault of the token."""
    token = await access_token(environ)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    django_app = import_module("django_app")
    django_app.verifier.cache_clear()
    async with django_client() as client:
        assert (await client.get("/api/me", headers={"Authorization": f"Bearer {token}"})).status_code == 503
    await django_app.verifier().close()
    django_app.verifier.cache_clear()


@both
async def test_unsupported_challenge_is_refused(start: Callable[[], Any], environ: FakeCognito) -> None:
    """The site says so; it does not fail."""
    environ.create_user("grace", password=OLD, status="FORCE_CHANGE_PASSWORD")
    async with start() as post:
        assert (await post("/sign-in", {"username": "grace", "password": OLD}))[0] == 403


def test_synchronous_threads_share_an_event_loop(environ: FakeCognito) -> None:
    """Errors are those of the call; each process has its own session, and closes it."""
    synchronous = example("synchronous")
    done = synchronous.sign_in("ada", OLD)
    assert synchronous.user_of(f"Bearer {done.tokens.access_token}").username == "ada"
    with pytest.raises(TokenError):
        synchronous.user_of("Bearer x")
    with pytest.raises(NotAuthorizedException):
        synchronous.sign_in("ada", NEW)
    opened = synchronous.cognito()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.getpid", lambda: 1)
        forked = synchronous.cognito()
    assert forked is not opened is synchronous.cognito()
    for each in (opened, forked):
        each.close()
    assert "cognito" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("name", ["starlette", "litestar", "aiohttp", "django", "lambda", "synchronous"])
def test_tests_of_an_example_pass(name: str, tmp_path: Path) -> None:
    """As the page says: in the folder of the applications, without other frameworks and plugins."""
    folder = ROOT / "examples" / "frameworks"
    (file,) = (path.name for path in folder.glob(f"test_{name}*.py"))
    assert f"python -m pytest {file}`" in (ROOT / "docs" / "other-frameworks.md").read_text()
    is_async = name in {"aiohttp", "django"}
    plugins = ["cognito_async.testing.pytest_plugin", *(["pytest_asyncio.plugin"] if is_async else [])]
    options = [word for plugin in plugins for word in ("-p", plugin)]
    for other in {"starlette", "litestar", "django"} - {name}:
        (tmp_path / f"{other}.py").write_text("raise ImportError(__name__)")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", *options, file]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert f"{2 if name == 'litestar' else 1} passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


async def test_changed_state_of_a_sign_in_is_refused(environ: FakeCognito) -> None:
    """The browser of an aiohttp site keeps the state, and cannot create one."""
    async with aiohttp_post() as post:
        status, _ = await post("/sign-in/code", {"state": "x" * 200, "code": "123456"})
    assert status == 401


async def test_django_requires_the_csrf_token(environ: FakeCognito) -> None:
    """A form of another site has none; the session knows the user after a sign-in."""
    form = {"username": "ada", "password": OLD}
    async with django_client() as client:
        assert (await client.post("/sign-in", data=form)).status_code == 403
        token = (await client.get("/csrf-token")).json()["token"]
        assert (await client.get("/me")).status_code == 401
        assert (await client.post("/sign-in", data=form, headers={"X-CSRFToken": token})).status_code == 200
        assert (await client.get("/me")).json() == {"username": "ada"}


@pytest.fixture(autouse=True)
def _no_modules_left() -> Iterator[None]:
    """Forget the imported examples, except for Django's, whose settings are global."""
    yield
    for name in ("starlette_app", "litestar_app", "aiohttp_app", "lambda_authorizer", "synchronous"):
        sys.modules.pop(name, None)
