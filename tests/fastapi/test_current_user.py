"""Protected routes: CurrentUser, OptionalUser, required scopes and groups."""

import logging
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.requests import HTTPConnection

from cognito_async import AsyncCognitoSession, ParameterValidationError, TokenExpiredError, TokenGroupError
from cognito_async.fastapi import (
    Cognito,
    CognitoSettings,
    CurrentUser,
    NotAuthenticatedError,
    OptionalUser,
    PoolNotOpenError,
    TokenAuth,
    combine_lifespans,
    current_user,
    install_problems,
    problem_responses,
    require_any_group,
    require_groups,
    require_scopes,
)
from cognito_async.fastapi.request import MAX_COOKIE_LENGTH
from cognito_async.testing import FakeCognito, LocalPool, TokenIssuer
from cognito_async.tokens import AccessToken, TokenVerifier
from tests.support.asgi import asgi_client
from tests.support.canaries import leaking_frames
from tests.support.processes import running
from tests.support.scripted_server import ScriptedServer, answer

POOL = "eu-west-1_AbCdEfGhI"
CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"
READ = "shop.example.com/orders.read"
COOKIE = "__Host-access_token"
ISSUER = TokenIssuer(user_pool_id=POOL, client_id=CLIENT)
EXPIRED = ISSUER.access_token(expires_in=-1)


def case(_: object) -> str:
    """Return the name of a test case without its tokens, which differ between processes."""
    return "case"


StaffUser = Annotated[AccessToken, Depends(Cognito("staff").dependencies.current_user)]
PageUser = Annotated[AccessToken, Depends(TokenAuth(cookie=COOKIE))]
OptionalPageUser = Annotated[AccessToken | None, Depends(TokenAuth(cookie=COOKIE, optional=True))]


def bearer(token: str) -> dict[str, str]:
    """Return the header."""
    return {"Authorization": f"Bearer {token}"}


def settings_of(endpoint_url: str | None = None, **changes: str | None) -> CognitoSettings:
    """Return the settings of the issuer's pool."""
    values = {"client_id": CLIENT, "user_pool_id": POOL, "endpoint_url": endpoint_url} | changes
    return CognitoSettings.model_validate(values)


def create_app(*cognito: Cognito) -> FastAPI:
    """Create an application with a route for each dependency."""
    app = FastAPI(lifespan=combine_lifespans(*(each.lifespan for each in cognito)))
    install_problems(app)

    @app.get("/me", responses=problem_responses("TokenError", "TokenScopeError", "JwksUnavailableError"))
    async def me(user: CurrentUser) -> str | None:
        return user.username

    @app.get("/maybe")
    async def maybe(user: OptionalUser) -> str | None:
        return None if user is None else user.username

    @app.get("/orders", dependencies=[require_scopes(READ, "openid")])
    async def orders() -> None:
        """Needs two scopes."""

    @app.get("/refunds", dependencies=[require_groups("staff")])
    async def refunds(user: CurrentUser, same: Annotated[AccessToken, require_groups("staff", "finance")]) -> bool:
        return user is same

    @app.get("/page")
    @app.post("/page")
    async def page(user: PageUser) -> str | None:
        return user.username

    @app.get("/optional-page")
    @app.post("/optional-page")
    async def optional_page(user: OptionalPageUser) -> str | None:
        return None if user is None else user.username

    @app.get("/staff")
    async def staff(user: StaffUser) -> str | None:
        return user.username

    @app.get("/staff/admin", dependencies=[require_groups("admins", pool="staff")])
    async def admin() -> None:
        """Needs a group of the other pool."""

    return app


def outcome(response: httpx.Response) -> tuple[int, str | None, str | None]:
    """Return the status, the challenge and the type of the problem."""
    kind: str | None = None
    if response.headers["content-type"] == "application/problem+json":
        kind = response.json()["type"].rpartition(":")[2]
        assert response.json()["status"] == response.status_code
    return response.status_code, response.headers.get("www-authenticate"), kind


MISSING = (401, "Bearer", "not-authenticated")
INVALID = (401, 'Bearer error="invalid_token"', "invalid-token")
NO_GROUP = (403, 'Bearer error="insufficient_scope"', "insufficient-scope")
NO_SCOPE = (403, f'Bearer error="insufficient_scope", scope="openid {READ}"', "insufficient-scope")
CROSS_ORIGIN = (403, None, "cross-origin")


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """Create an application with the issuer's verifier."""
    return create_app(Cognito(settings=settings_of(), verifier=ISSUER.verifier()))


async def test_current_user_is_the_verified_access_token(app: FastAPI) -> None:
    """The scheme is not case-sensitive."""
    token = ISSUER.access_token(username="ada")
    async with asgi_client(app) as http:
        for scheme in ("Bearer", "bearer", "BEARER "):
            response = await http.get("/me", headers={"Authorization": f"{scheme} {token}"})
            assert (response.status_code, response.json()) == (200, "ada")


@pytest.mark.parametrize(
    ("value", "current", "optional"),
    [
        (None, MISSING, (200, None, None)),
        ("", MISSING, MISSING),
        ("Basic YWRhOnB3", MISSING, MISSING),
        ("Bearer", MISSING, MISSING),
        ("Bearer ", MISSING, MISSING),
        ("Bearer a.b.c", INVALID, INVALID),
        (ISSUER.access_token(), MISSING, MISSING),
        (f"Bearer {ISSUER.access_token()}x", INVALID, INVALID),
        (f"Bearer {ISSUER.access_token()}, Bearer {ISSUER.access_token()}", INVALID, INVALID),
        (f"Bearer {ISSUER.access_token(expires_in=-1)}", INVALID, INVALID),
        (f"Bearer {ISSUER.access_token(client_id='other')}", INVALID, INVALID),
        (f"Bearer {ISSUER.access_token(iss='https://example.com')}", INVALID, INVALID),
        (f"Bearer {ISSUER.id_token()}", INVALID, INVALID),
        (f"Bearer {TokenIssuer(user_pool_id='eu-west-1_Other', client_id=CLIENT).access_token()}", INVALID, INVALID),
    ],
    ids=case,
)
async def test_bad_credentials_are_refused(
    app: FastAPI, value: str | None, current: tuple[Any, ...], optional: tuple[Any, ...]
) -> None:
    """Only requests without the header are anonymous; a challenge without an error code means no bearer token."""
    headers = {} if value is None else {"Authorization": value}
    async with asgi_client(app) as http:
        assert outcome(await http.get("/me", headers=headers)) == current
        assert outcome(await http.get("/maybe", headers=headers)) == optional


async def test_several_authorization_headers_are_refused(app: FastAPI) -> None:
    """Proxies and servers may disagree on which one counts."""
    header = ("Authorization", f"Bearer {ISSUER.access_token()}")
    async with asgi_client(app) as http:
        for path in ("/me", "/maybe", "/orders"):
            for other in (header, ("Authorization", "Basic YWRhOnB3")):
                assert outcome(await http.get(path, headers=[header, other])) == INVALID


async def test_refusal_reveals_nothing_of_the_token(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the response nor the log has the token or its claims."""
    caplog.set_level(logging.DEBUG)
    token = ISSUER.access_token(username="canary-user", expires_in=-1)
    async with asgi_client(app) as http:
        response = await http.get("/me", headers=bearer(token))
    assert response.headers["cache-control"] == "no-store"
    assert not any(text in response.text + caplog.text for text in ("canary-user", token, token.split(".")[1]))


async def test_missing_scope_is_refused_with_the_required_scopes(app: FastAPI) -> None:
    """All scopes are required, and listed."""
    async with asgi_client(app) as http:
        for scopes in ([], [READ], ["openid"], ["OPENID", READ]):
            assert outcome(await http.get("/orders", headers=bearer(ISSUER.access_token(scopes=scopes)))) == NO_SCOPE
        for scopes in ([READ, "openid"], [READ, "openid", "email"]):
            allowed = bearer(ISSUER.access_token(scopes=scopes))
            assert (await http.get("/orders", headers=allowed)).status_code == 200
        assert outcome(await http.get("/orders")) == MISSING


async def test_missing_group_is_refused_without_naming_a_scope(app: FastAPI) -> None:
    """All groups are required. The token is verified once for all dependencies of a request."""
    async with asgi_client(app) as http:
        for groups in ([], ["staff"], ["finance"], ["Staff", "finance"], ["staff finance"]):
            assert outcome(await http.get("/refunds", headers=bearer(ISSUER.access_token(groups=groups)))) == NO_GROUP
        allowed = await http.get("/refunds", headers=bearer(ISSUER.access_token(groups=["finance", "staff"])))
        assert allowed.json() is True
        assert outcome(await http.get("/refunds", headers=bearer("a.b.c"))) == INVALID


async def test_any_group_is_enough_for_require_any_group() -> None:
    """The error lists them, and the dependency returns the user, also of a cookie."""
    app = FastAPI(lifespan=Cognito(settings=settings_of(), verifier=ISSUER.verifier()).lifespan)

    @app.get("/reports")
    async def reports(user: Annotated[AccessToken, require_any_group("staff", "auditors")]) -> str | None:
        return user.username

    @app.get("/pages")
    async def pages(user: Annotated[AccessToken, require_any_group("staff", user=TokenAuth(cookie=COOKIE))]) -> None:
        """Reads the cookie."""

    async with asgi_client(app) as http:
        cookie = {"Cookie": f"{COOKIE}={ISSUER.access_token(groups=['staff'])}"}
        assert (await http.get("/pages", headers=cookie)).status_code == 200
        for groups in (["staff"], ["auditors", "others"], ["auditors", "staff"]):
            allowed = await http.get("/reports", headers=bearer(ISSUER.access_token(groups=groups)))
            assert allowed.json() == "ada"
        for groups in ([], ["Staff"], ["staff auditors"]):
            with pytest.raises(TokenGroupError) as caught:
                await http.get("/reports", headers=bearer(ISSUER.access_token(groups=groups)))
            assert caught.value.required == ("auditors", "staff")
        with pytest.raises(NotAuthenticatedError):
            await http.get("/reports")
    for invalid in ((), ("",), ("staff", 1)):
        with pytest.raises(ParameterValidationError) as refused:
            require_any_group(*invalid)
        assert refused.value.parameter == "groups"


@pytest.mark.parametrize(("scopes", "groups"), [((), ()), (("",), ("",)), ((1,), (1,)), (('a" b="c',), (None,))])
def test_invalid_requirements_are_refused_when_they_are_declared(scopes: tuple[Any, ...], groups: tuple[Any]) -> None:
    """A route that requires nothing by mistake would be open."""
    with pytest.raises(ParameterValidationError) as caught:
        require_scopes(*scopes)
    assert caught.value.parameter == "scopes"
    with pytest.raises(ParameterValidationError) as caught:
        require_groups(*groups)
    assert caught.value.parameter == "groups"


@pytest.mark.parametrize("require", [require_scopes, require_groups, require_any_group])
def test_pool_that_is_not_that_of_the_user_is_refused(require: Any) -> None:
    """Otherwise the tokens of another pool would be accepted."""

    async def own() -> None:
        """Return no user."""

    page = TokenAuth(cookie=COOKIE)
    for pool, user in (("staff", page), ("default", TokenAuth("staff")), ("default", own)):
        with pytest.raises(ParameterValidationError) as caught:
            require("a", pool=pool, user=user)
        assert caught.value.parameter == "pool"
    for arguments in ({"pool": "default", "user": page}, {"pool": "staff", "user": TokenAuth("staff")}, {"user": own}):
        assert require("a", **arguments)


async def test_requirements_of_the_verifier_are_refused_alike() -> None:
    """Its errors name the required scopes, too; a function can create it from settings and session."""

    def create(settings: CognitoSettings, session: AsyncCognitoSession) -> TokenVerifier[AccessToken]:
        assert isinstance(session, AsyncCognitoSession)
        return TokenVerifier.offline(
            user_pool_id=settings.user_pool_id or "",
            token_use="access",
            client_ids={settings.client_id},
            required_scopes=["openid", READ],
            jwks=ISSUER.jwks,
        )

    async with asgi_client(create_app(Cognito(settings=settings_of(), verifier=create))) as http:
        assert outcome(await http.get("/me", headers=bearer(ISSUER.access_token()))) == NO_SCOPE
        allowed = ISSUER.access_token(scopes=["openid", READ])
        assert (await http.get("/me", headers=bearer(allowed))).status_code == 200


# --- keys -------------------------------------------------------------------------------------------------------------


async def test_keys_are_loaded_by_the_first_request(caplog: pytest.LogCaptureFixture) -> None:
    """The application starts while they are unavailable: 503 with Retry-After, then 200 without a restart."""
    token = bearer(ISSUER.access_token())
    async with ScriptedServer(answer({}, 500), otherwise=answer(ISSUER.jwks)) as server:
        app = create_app(Cognito(settings=settings_of(server.url)))
        async with asgi_client(app) as http:
            assert not server.requests
            assert outcome(await http.get("/maybe")) == (200, None, None)
            for path in ("/me", "/maybe", "/refunds"):
                response = await http.get(path, headers=token)
                assert outcome(response) == (503, None, "unavailable")
                assert 1 <= int(response.headers["retry-after"]) <= 10
            assert outcome(await http.get("/me")) == MISSING
            assert outcome(await http.get("/me", headers=bearer("a.b.c"))) == INVALID
        async with asgi_client(app) as http:
            for _ in range(3):
                assert (await http.get("/me", headers=token)).json() == "ada"
        lines = [request.line for request in server.requests]
    assert lines == [f"GET /{POOL}/.well-known/jwks.json HTTP/1.1"] * 2
    assert "cognito_async.fastapi" in {record.name for record in caplog.records if record.levelno == logging.WARNING}


@pytest.mark.parametrize("prefix", ["COGNITO", "AWS"])
async def test_environment_is_enough(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The IDs are; the endpoint is that of the session, and COGNITO_ENDPOINT_URL comes before AWS_ENDPOINT_URL."""
    async with ScriptedServer(otherwise=answer(ISSUER.jwks)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv(f"{prefix}_ENDPOINT_URL", server.url)
        monkeypatch.setenv("COGNITO_USER_POOL_ID", POOL)
        monkeypatch.setenv("COGNITO_CLIENT_ID", CLIENT)
        async with asgi_client(create_app(Cognito())) as http:
            assert (await http.get("/me", headers=bearer(ISSUER.access_token()))).json() == "ada"


async def test_named_pools_have_their_own_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of one pool is refused by the other."""
    other = TokenIssuer(user_pool_id="eu-west-1_Staff1", client_id="staffclient")
    async with ScriptedServer(otherwise=answer(other.jwks)) as server:
        monkeypatch.setenv("COGNITO_STAFF_USER_POOL_ID", "eu-west-1_Staff1")
        monkeypatch.setenv("COGNITO_STAFF_CLIENT_ID", "staffclient")
        monkeypatch.setenv("COGNITO_STAFF_ENDPOINT_URL", server.url)
        customers = Cognito(settings=settings_of(), verifier=ISSUER.verifier())
        async with asgi_client(create_app(customers, Cognito("staff"))) as http:
            admin, customer = (
                bearer(issuer.access_token(username=name, groups=["admins"]))
                for issuer, name in ((other, "grace"), (ISSUER, "ada"))
            )
            assert (await http.get("/staff", headers=admin)).json() == "grace"
            assert (await http.get("/staff/admin", headers=admin)).status_code == 200
            assert (await http.get("/me", headers=customer)).json() == "ada"
            assert outcome(await http.get("/staff", headers=customer)) == INVALID
            assert outcome(await http.get("/staff/admin", headers=customer)) == INVALID
            assert outcome(await http.get("/me", headers=admin)) == INVALID
            no_admin = bearer(other.access_token())
            assert outcome(await http.get("/staff/admin", headers=no_admin)) == NO_GROUP


async def test_token_without_lifespan_raises_pool_not_open_error() -> None:
    """Servers that run no lifespan need not have a state."""
    with pytest.raises(PoolNotOpenError):
        await current_user(HTTPConnection({"type": "http", "headers": []}))


# --- cookies ----------------------------------------------------------------------------------------------------------


async def test_cookie_is_read_only_on_request(app: FastAPI) -> None:
    """A dependency reads either the header or the cookie."""
    token = ISSUER.access_token()
    cookies = {"Cookie": f"theme=dark; {COOKIE}={token}"}
    async with asgi_client(app) as http:
        assert outcome(await http.get("/me", headers=cookies)) == MISSING
        assert (await http.get("/maybe", headers=cookies)).json() is None
        assert (await http.get("/page", headers=cookies)).json() == "ada"
        assert (await http.get("/optional-page", headers=cookies)).json() == "ada"
        assert outcome(await http.get("/page", headers=bearer(token))) == MISSING
        assert (await http.get("/optional-page", headers={"Cookie": "theme=dark"})).json() is None


@pytest.mark.parametrize("space", [b"\x1f", b"\x85", b"\xa0"])
async def test_cookie_with_another_name_is_ignored(app: FastAPI, space: bytes) -> None:
    """Browsers let any host of the domain set it, as its name does not start with the prefix."""
    planted = space + f"{COOKIE}={ISSUER.access_token(username='mallory')}".encode()
    own = f"{COOKIE}={ISSUER.access_token()}".encode()
    async with asgi_client(app) as http:
        assert outcome(await http.get("/page", headers={b"Cookie": planted})) == MISSING
        assert (await http.get("/page", headers={b"Cookie": planted + b"; \t" + own})).json() == "ada"


BAD_COOKIES = (
    *("", "a.b.c", f"{ISSUER.access_token()}; {COOKIE}={ISSUER.access_token()}"),
    ISSUER.access_token() + ";" * MAX_COOKIE_LENGTH,
)


@pytest.mark.parametrize("value", BAD_COOKIES, ids=case)
async def test_bad_cookie_is_refused(app: FastAPI, value: str) -> None:
    """So are several cookies with the name, as another host of the domain may have set one, and very long headers."""
    async with asgi_client(app) as http:
        for path in ("/page", "/optional-page"):
            assert outcome(await http.get(path, headers={"Cookie": f"{COOKIE}={value}"})) == INVALID


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://site.example"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
    ],
)
async def test_cookie_counts_only_for_requests_of_this_site(
    app: FastAPI, headers: Mapping[str, str], *, allowed: bool
) -> None:
    """Reading is left to the browser's same-origin policy; requests without the cookie are anonymous."""
    cookies = {"Cookie": f"{COOKIE}={ISSUER.access_token()}", **headers}
    async with asgi_client(app) as http:
        for path in ("/page", "/optional-page"):
            assert outcome(await http.post(path, headers=cookies)) == ((200, None, None) if allowed else CROSS_ORIGIN)
            assert (await http.get(path, headers=cookies)).json() == "ada"
        assert (await http.post("/optional-page", headers=headers)).json() is None
        assert outcome(await http.post("/page", headers=headers)) == MISSING


async def test_allowed_origin_may_send_the_cookie() -> None:
    """Other origins are named, as for ``same_origin``; equal dependencies are interchangeable."""
    origin = "https://www.example.com"
    auth = TokenAuth(cookie=COOKIE, allowed_origins=[origin])
    app = FastAPI(lifespan=Cognito(settings=settings_of(), verifier=ISSUER.verifier()).lifespan)

    @app.post("/", dependencies=[require_groups("staff", user=auth), require_scopes("openid", user=auth)])
    async def post() -> None:
        """Change something."""

    cookie = {"Cookie": f"{COOKIE}={ISSUER.access_token(groups=['staff'], scopes=['openid'])}"}
    async with asgi_client(app) as http:
        assert (await http.post("/", headers={"Origin": origin, **cookie})).status_code == 200
    assert auth == TokenAuth(cookie=COOKIE, allowed_origins=(origin,))
    assert auth != TokenAuth(cookie=COOKIE)
    with pytest.raises(ParameterValidationError) as caught:
        TokenAuth(cookie="a=b; c")
    assert caught.value.parameter == "cookie"


# --- applications -----------------------------------------------------------------------------------------------------


async def test_websocket_is_refused_without_a_token(app: FastAPI) -> None:
    """It works in WebSocket routes, which close the connection; browsers' cookies need the origin of the site."""

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, user: CurrentUser) -> None:
        await websocket.accept()
        await websocket.send_text(user.username or "")
        await websocket.close()

    @app.websocket("/page-socket")
    async def page_socket(websocket: WebSocket, user: PageUser) -> None:
        await websocket.accept()
        await websocket.send_text(user.username or "")
        await websocket.close()

    cookie = {"Cookie": f"{COOKIE}={ISSUER.access_token()}"}
    assert await socket_messages(app, "/socket", bearer(ISSUER.access_token())) == ["accept", "send", "close"]
    assert await socket_messages(app, "/page-socket", cookie) == ["accept", "send", "close"]
    for path, headers in (("/socket", {}), ("/page-socket", {**cookie, "Origin": "https://evil.example"})):
        assert await socket_messages(app, path, headers) == ["close"]


async def socket_messages(app: FastAPI, path: str, headers: Mapping[str, str]) -> list[str]:
    """Open a WebSocket and return the messages of the application."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"].removeprefix("websocket."))

    async with app.router.lifespan_context(app) as state:
        scope = {"type": "websocket", "path": path, "headers": raw, "query_string": b"", "state": dict(state or {})}
        await app({**scope, "subprotocols": [], "scheme": "ws"}, receive, send)
    return sent


def test_openapi_describes_the_security_schemes(app: FastAPI) -> None:
    """Swagger UI shows its Authorize button, and a lock beside each protected route."""
    document = app.openapi()
    schemes = document["components"]["securitySchemes"]
    assert schemes["CognitoBearer"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"} | {
        "description": schemes["CognitoBearer"]["description"]
    }
    assert schemes["CognitoCookie"] == {"type": "apiKey", "in": "cookie", "name": COOKIE}
    assert schemes["CognitoBearer-staff"]["scheme"] == "bearer"
    paths = document["paths"]
    for path in ("/me", "/maybe", "/orders", "/refunds"):
        assert paths[path]["get"]["security"] == [{"CognitoBearer": []}]
    assert paths["/page"]["post"]["security"] == [{"CognitoCookie": []}]
    assert paths["/staff/admin"]["get"]["security"] == [{"CognitoBearer-staff": []}]
    assert paths["/me"]["get"]["responses"].keys() == {"200", "401", "403", "503"}
    assert "parameters" not in paths["/me"]["get"]


def test_openapi_describes_refusals_of_protected_routes(app: FastAPI) -> None:
    """What a route declares itself is kept. Reading with a cookie has no origin check; open routes have no refusals."""

    @app.get("/declared", responses={401: {"description": "Mine"}})
    async def declared(user: CurrentUser) -> None:
        """Declares a response."""

    @app.get("/open")
    async def is_open() -> None:
        """Needs no token."""

    app.openapi_schema = None
    for document in (app.openapi(), app.openapi()):
        found = {
            (method, path): each["responses"]
            for path, item in document["paths"].items()
            for method, each in item.items()
        }
        for key in (("get", "/maybe"), ("get", "/orders"), ("get", "/staff/admin"), ("post", "/page")):
            assert found[key].keys() == {"200", "401", "403", "503"}
        kinds = set(found["get", "/orders"]["401"]["content"]["application/problem+json"]["examples"])
        assert kinds == {"urn:cognito-async:not-authenticated", "urn:cognito-async:invalid-token"}
        refused = {key: str(found[key].get("403")) for key in found}
        assert [key for key, text in refused.items() if "cross-origin" in text] == [
            ("post", "/page"),
            ("post", "/optional-page"),
        ]
        assert found["get", "/declared"]["401"] == {"description": "Mine"}
        assert found["get", "/open"].keys() == {"200"}


def test_security_scheme_of_a_pool_has_a_valid_name() -> None:
    """OpenAPI allows these characters in names of components."""
    assert TokenAuth("staff").scheme_name == "CognitoBearer-staff"
    assert TokenAuth("our_staff", cookie="a").scheme_name == "CognitoCookie-our_staff"


async def test_dependency_override_replaces_the_user(app: FastAPI) -> None:
    """Also for the requirements, which then check the replacement."""
    token = ISSUER.verifier().verify_cached(ISSUER.access_token(username="grace", groups=["staff"]))

    async def grace() -> AccessToken:
        return token

    app.dependency_overrides[current_user] = grace
    try:
        async with asgi_client(app) as http:
            assert (await http.get("/me")).json() == "grace"
            assert outcome(await http.get("/refunds")) == NO_GROUP
    finally:
        app.dependency_overrides.clear()
    assert Cognito().dependencies.current_user == current_user


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/header", bearer(EXPIRED)),
        ("/cookie", {"Cookie": f"{COOKIE}={EXPIRED}"}),
    ],
    ids=case,
)
async def test_error_holds_no_token_in_the_frames_of_the_package(path: str, headers: Mapping[str, str]) -> None:
    """Error reporters collect the local variables of tracebacks."""
    app = FastAPI(lifespan=Cognito(settings=settings_of(), verifier=ISSUER.verifier()).lifespan)

    @app.get("/header")
    async def read_header(user: CurrentUser) -> None:
        """Without problem details."""

    @app.get("/cookie")
    async def read_cookie(user: PageUser) -> None:
        """Without problem details."""

    async with asgi_client(app) as http:
        with pytest.raises(TokenExpiredError) as raised:
            await http.get(path, headers=headers)
    leaks = leaking_frames(raised.value, EXPIRED)
    assert [leak for leak in leaks if leak.startswith(("authentication.py", "verifier.py", "claims.py"))] == []


class ClosingVerifier(TokenVerifier[AccessToken]):
    """Counts how often it was closed."""

    closed = 0

    async def close(self) -> None:
        """Close it."""
        self.closed += 1
        await super().close()


async def test_lifespan_closes_the_verifier_that_it_created() -> None:
    """One that was passed belongs to the caller."""
    rules: Any = {"user_pool_id": POOL, "token_use": "access", "client_ids": {CLIENT}, "jwks": ISSUER.jwks}
    passed: Any = ClosingVerifier.offline(**rules)
    created: Any = ClosingVerifier.offline(**rules)
    for verifier in (passed, lambda _settings, _session: created):
        async with asgi_client(create_app(Cognito(settings=settings_of(), verifier=verifier))) as http:
            assert (await http.get("/me", headers=bearer(ISSUER.access_token()))).status_code == 200
            assert (passed.closed, created.closed) == (0, 0)
    assert (passed.closed, created.closed) == (0, 1)


# --- test utilities ---------------------------------------------------------------------------------------------------


async def test_fake_cognito_serves_an_application() -> None:
    """Sign in, call a route, and rotate the keys of the pool."""
    async with FakeCognito() as fake:
        fake.create_user("ada", password="An old passw0rd!")
        client_app = fake.create_app_client()
        settings = settings_of(fake.endpoint_url, client_id=client_app.client_id, user_pool_id=fake.user_pool_id)
        async with asgi_client(create_app(Cognito(settings=settings))) as http, fake.session() as session:
            response = await fake.client(session, client_app).initiate_auth(
                auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": "ada", "PASSWORD": "An old passw0rd!"}
            )
            assert response.authentication_result is not None
            tokens = response.authentication_result
            assert (await http.get("/me", headers=bearer(tokens.access_token or ""))).json() == "ada"
            assert outcome(await http.get("/me", headers=bearer(tokens.id_token or ""))) == INVALID


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Start a local pool."""
    with running(LocalPool(users={"ada@example.com": "An old passw0rd!"})) as started:
        yield started


async def test_local_pool_has_a_verifier_for_its_tokens(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no network. An application with the pool's environment accepts the same tokens."""
    async with pool.session() as session:
        response = await session.client(pool.client_id).initiate_auth(
            auth_flow="USER_PASSWORD_AUTH",
            auth_parameters={"USERNAME": "ada@example.com", "PASSWORD": "An old passw0rd!"},
        )
    tokens = response.authentication_result
    assert tokens is not None
    access = await pool.verifier().verify(tokens.access_token or "")
    assert access.client_id == pool.client_id
    identity = pool.verifier(token_use="id").verify_cached(tokens.id_token or "")
    assert (identity.sub, identity.email) == (access.sub, "ada@example.com")
    for name, value in pool.environment().items():
        monkeypatch.setenv(name, value)
    async with asgi_client(create_app(Cognito())) as http:
        assert (await http.get("/me", headers=bearer(tokens.access_token or ""))).json() == access.username
