"""Settings that only some routes need: startup fails without them, and the error names the variable."""

import logging
import re
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from starlette.applications import Starlette
from starlette.routing import Host, Mount

from cognito_async.fastapi import (
    Cognito,
    CognitoSettings,
    CurrentUser,
    OptionalUser,
    SettingsError,
    SignInOptions,
    TokenAuth,
    combine_lifespans,
    current_user,
    install_problems,
    require_groups,
    sign_in_router,
)
from cognito_async.testing import TokenIssuer
from cognito_async.tokens import AccessToken
from tests.support.asgi import SETTINGS, asgi_client

ISSUER = TokenIssuer()
POOL_ID = "eu-west-1_AbCdEfGhI"
KEYS = {"state_keys": ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}


class StaffSettings(CognitoSettings):
    """Settings with their own prefix."""

    model_config = SettingsConfigDict(env_prefix="STAFF_")


def application(cognito: Cognito, *routers: APIRouter, **options: Any) -> FastAPI:
    """Create an application."""
    app = FastAPI(lifespan=cognito.lifespan, **options)
    for router in routers:
        app.include_router(router, prefix="/account")
    return app


def protected() -> APIRouter:
    """Return a router with a protected route."""
    router, outer = APIRouter(), APIRouter()

    @router.get("/me")
    async def me(user: CurrentUser) -> str | None:
        return user.username

    outer.include_router(router, prefix="/deep")
    return outer


async def refused(app: Starlette) -> str:
    """Start an application and return the message of the error."""
    with pytest.raises(SettingsError) as caught:
        async with asgi_client(app):
            pass
    assert caught.value.__cause__ is None
    return str(caught.value)


async def starts(app: Starlette) -> bool:
    """Start and stop an application."""
    async with asgi_client(app):
        return True


def settings(**changes: Any) -> CognitoSettings:
    """Return settings without a user pool ID, client secret and keys, except for changes."""
    return CognitoSettings(client_id="abc", region="eu-west-1", **changes)


@pytest.mark.parametrize(
    ("flow", "given", "missing"),
    [
        ("USER_SRP_AUTH", {}, {"COGNITO_STATE_KEYS", "COGNITO_USER_POOL_ID"}),
        ("USER_SRP_AUTH", {"user_pool_id": POOL_ID}, {"COGNITO_STATE_KEYS"}),
        ("USER_SRP_AUTH", KEYS, {"COGNITO_USER_POOL_ID"}),
        ("USER_AUTH", {}, {"COGNITO_STATE_KEYS"}),
    ],
)
async def test_sign_in_routes_without_their_settings_fail_at_startup(
    flow: Any, given: dict[str, Any], missing: set[str]
) -> None:
    """The error names the variables and the route."""
    router = sign_in_router(options=SignInOptions(auth_flow=flow))
    message = await refused(application(Cognito(settings=settings(**given)), router))
    assert set(re.findall(r"COGNITO_\w+", message)) == missing
    assert " /account/sign-in " in message
    assert ("openssl rand -base64 32" in message) is ("COGNITO_STATE_KEYS" in missing)


async def test_sign_in_routes_with_their_settings_start() -> None:
    """A client secret replaces the keys; only SRP needs the user pool ID."""
    secret = {"client_secret": SecretStr("secret")}
    assert await starts(application(Cognito(settings=settings(user_pool_id=POOL_ID, **secret)), sign_in_router()))
    assert await starts(application(Cognito(settings=settings(user_pool_id=POOL_ID, **KEYS)), sign_in_router()))
    other = sign_in_router(options=SignInOptions(auth_flow="USER_PASSWORD_AUTH"))
    assert await starts(application(Cognito(settings=settings(**KEYS)), other))


@pytest.mark.parametrize(
    "dependency",
    [
        Depends(current_user),
        Depends(TokenAuth(optional=True)),
        Depends(TokenAuth(cookie="__Host-access_token")),
        require_groups("staff"),
        require_groups("staff", user=TokenAuth(cookie="a")),
    ],
)
async def test_protected_routes_without_a_pool_id_fail_at_startup(dependency: Any) -> None:
    """Wherever the dependency is: here, at the application, a router and a route."""
    cognito = Cognito(settings=settings())

    async def read() -> None:
        """Do nothing."""

    everywhere, inner = application(cognito, dependencies=[dependency]), APIRouter(dependencies=[dependency])
    everywhere.get("/")(read)
    inner.get("/")(read)
    single = APIRouter()
    single.get("/", dependencies=[dependency])(read)
    for app in (everywhere, application(cognito, inner), application(cognito, single)):
        message = await refused(app)
        assert re.findall(r"COGNITO_\w+", message) == ["COGNITO_USER_POOL_ID"]


async def test_websockets_and_mounted_applications_are_checked() -> None:
    """Also those of Starlette, and routers in routers."""
    cognito = Cognito(settings=SETTINGS)
    app = application(cognito)

    @app.websocket("/socket")
    async def socket(user: OptionalUser) -> None:
        """Do nothing."""

    assert " /socket " in await refused(app)
    inner = FastAPI()
    inner.include_router(protected(), prefix="/api")
    mounted = application(cognito)
    mounted.mount("/inner", inner)
    assert " /inner/api/deep/me " in await refused(mounted)
    for routes, path in (
        ([Mount("/inner", inner)], "/inner/api/deep/me"),
        ([Host("api.example.com", inner)], "/api/deep/me"),
        ([Mount("/inner", protected())], "/inner/deep/me"),
        (protected().routes, "/deep/me"),
    ):
        assert f" {path} " in await refused(Starlette(routes=routes, lifespan=cognito.lifespan))


async def test_object_without_routes_needs_no_settings() -> None:
    """Such as another framework, or none: the lifespan is a context manager."""
    cognito = Cognito(settings=SETTINGS)
    async with cognito.lifespan(None) as state:
        assert cognito.client_of(state).bound.user_pool_id is None


async def test_overridden_dependencies_need_no_settings() -> None:
    """Tests replace the user or the client. The overrides of another application do not count."""
    app, inner = application(Cognito(settings=SETTINGS), protected()), FastAPI()
    inner.include_router(protected())
    app.dependency_overrides[current_user] = lambda: None
    assert await starts(app)
    app.mount("/inner", inner)
    assert "/inner/deep/me" in await refused(app)
    inner.dependency_overrides[current_user] = lambda: None
    assert await starts(app)

    cognito = Cognito(settings=settings())
    app = application(cognito, sign_in_router())
    app.dependency_overrides[cognito.dependencies.client] = lambda: None
    message = await refused(app)
    assert re.findall(r"COGNITO_\w+", message) == ["COGNITO_STATE_KEYS"]
    app.dependency_overrides[cognito.dependencies.settings] = lambda: None
    assert await starts(app)


async def test_settings_are_those_of_the_pool_that_the_routes_use() -> None:
    """Each pool has its variables; a subclass of the settings has its own. A verifier needs no user pool ID."""
    staff_user = Annotated[AccessToken, Depends(Cognito("staff").dependencies.current_user)]

    def site(staff: Cognito) -> FastAPI:
        app = application(Cognito(settings=SETTINGS, verifier=ISSUER.verifier()), protected())
        app.router.lifespan_context = combine_lifespans(app.router.lifespan_context, staff.lifespan)

        @app.get("/staff")
        async def read(user: staff_user) -> None:
            """Do nothing."""

        return app

    assert "'staff'" in (message := await refused(site(Cognito("staff", settings))))
    assert re.findall(r"[A-Z_]*USER_POOL_ID", message) == ["COGNITO_STAFF_USER_POOL_ID"]
    own = StaffSettings(client_id="abc", region="eu-west-1")
    assert re.findall(r"[A-Z_]*USER_POOL_ID", await refused(site(Cognito("staff", own)))) == ["STAFF_USER_POOL_ID"]
    assert await starts(site(Cognito("staff", settings, verifier=ISSUER.verifier())))


async def test_routes_that_cannot_be_inspected_report_settings_on_request(caplog: pytest.LogCaptureFixture) -> None:
    """Another ASGI application around a mounted one hides its routes. The log has the variable, and no attempts."""
    inner = FastAPI()
    install_problems(inner)
    inner.include_router(protected())
    inner.include_router(sign_in_router())

    async def opaque(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    app = application(Cognito(settings=settings()))
    app.mount("/", opaque)
    async with asgi_client(app) as http:
        responses: list[httpx.Response] = [
            await http.get("/deep/me"),
            await http.post("/sign-in", json={"username": "ada", "password": "Analytical-1843"}),
        ]
    assert [response.status_code for response in responses] == [500, 500]
    assert not [response for response in responses if "pool_id" in response.text or "STATE_KEYS" in response.text]
    first, second = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert first.startswith("ParameterValidationError: user_pool_id ")
    assert "COGNITO_USER_POOL_ID" in first
    assert "COGNITO_STATE_KEYS" in second
    assert not [each for each in (first, second) if "attempts" in each or "None" in each]
