"""Dependencies for routes."""

from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Form, WebSocket
from starlette.requests import HTTPConnection

from cognito_async import CognitoClient, ParameterValidationError
from cognito_async.fastapi import (
    ClientIpDep,
    ClientMetadataDep,
    Cognito,
    CognitoDep,
    CognitoSettings,
    FormUserContextDep,
    MemoryRateLimit,
    PoolNotOpenError,
    ResetLimits,
    ResetRequestsDep,
    TokenAuth,
    UserContextDep,
    password_reset_router,
    rate_limit,
    require_groups,
    sign_in_router,
)
from cognito_async.fastapi.dependencies import preferred_language
from tests.support.asgi import SETTINGS, asgi_client
from tests.support.scripted_transport import ScriptedTransport, refuse, respond, scripted_session


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", None),
        ("de-CH, de;q=0.9, en;q=0.8", "de-CH"),
        ("en;q=0.2, fr ; q=0.7", "fr"),
        ("en;q=0, fr;q=0.001", "fr"),
        ("en;q=0", None),
        ("*", None),
        ("en-US,en", "en-US"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("not_a_tag, x, it", "it"),
        ("en\x00, <script>", None),
        ("en;q=2, de;q=nan", None),
        ("de;q=1, en", "de"),
        ("de," * 333 + " ", "de"),
        ("de," * 333 + "  ", None),
    ],
)
def test_preferred_language(header: str, language: str | None) -> None:
    """The highest weight wins, then the order; invalid tags and long headers are ignored."""
    assert preferred_language(header) == language


async def test_user_context_and_client_metadata_come_from_headers() -> None:
    """Routes receive the client IP, the form field and the language; invalid headers are ignored."""
    settings = CognitoSettings(client_id="abc", region="eu-west-1", trusted_proxies=(ip_network("192.0.2.0/24"),))
    app = FastAPI(lifespan=Cognito(settings=settings).lifespan)

    @app.get("/")
    async def read(context: UserContextDep, metadata: ClientMetadataDep) -> tuple[str | None, dict[str, str]]:
        return context.ip_address if context else None, dict(metadata)

    @app.post("/")
    async def read_form(context: FormUserContextDep, name: Annotated[str, Form()]) -> list[str | None]:
        return [name, context.ip_address if context else None, context.encoded_data if context else None]

    form = {"name": "ada", "encoded_data": "eyJ9"}
    async with asgi_client(app) as http:
        headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7", "Accept-Language": "de-CH"}
        assert (await http.get("/", headers=headers)).json() == ["203.0.113.7", {"locale": "de-CH"}]
        several = [("Accept-Language", "fr;q=0.1"), ("Accept-Language", "de")]
        assert (await http.get("/", headers=several)).json() == ["192.0.2.1", {"locale": "de"}]
        garbage = {b"X-Forwarded-For": b"\xff\xfe, \x01", b"Accept-Language": b"\xff"}
        assert (await http.get("/", headers=garbage)).json() == ["192.0.2.1", {}]
        assert (await http.post("/", data=form)).json() == ["ada", "192.0.2.1", "eyJ9"]
        assert (await http.post("/", data={"name": "ada"})).json() == ["ada", "192.0.2.1", None]
    async with asgi_client(app, client=("", 0)) as http:  # as on a Unix socket
        assert (await http.post("/", data=form)).json() == ["ada", None, "eyJ9"]
        assert (await http.post("/", data={"name": "ada"})).json() == ["ada", None, None]


async def test_dependency_override_replaces_the_client() -> None:
    """Any Cognito object with the same name has the key; background requests use the replacement too."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)
    requested: list[str] = []

    class Fake:
        """Records the usernames."""

        async def forgot_password(self, *, username: str, **_: object) -> None:
            """Record the username."""
            requested.append(username)

    @app.get("/")
    async def read(client: CognitoDep, resets: ResetRequestsDep) -> str:
        resets.submit("ada")
        return type(client).__name__

    async def fake() -> Fake:  # a plain function would run in a thread
        return Fake()

    app.dependency_overrides[Cognito().dependencies.client] = fake
    async with asgi_client(app) as http:
        assert (await http.get("/")).json() == "Fake"
    assert requested == ["ada"]


@pytest.mark.virtual_clock
async def test_background_requests_have_the_policy_of_the_reset_limits() -> None:
    """Six throttled attempts do not lose the request, unlike in a route."""
    transport = ScriptedTransport(*[refuse("TooManyRequestsException")] * 6, respond(body=b"{}"))
    limits = ResetLimits(drain=120.0)
    cognito = Cognito(settings=SETTINGS, session=lambda _: scripted_session(transport), reset_limits=limits)
    app = FastAPI(lifespan=cognito.lifespan)

    @app.get("/")
    async def read(resets: ResetRequestsDep) -> None:
        resets.submit("ada")

    async with asgi_client(app) as http:
        assert (await http.get("/")).status_code == 200
    assert len(transport.attempts) == 7


def test_named_pool_has_dependencies_on_the_user() -> None:
    """They are those that applications write themselves, so overrides work."""
    staff = Cognito("staff").dependencies
    assert (staff.current_user, staff.optional_user) == (TokenAuth("staff"), TokenAuth("staff", optional=True))


@pytest.mark.parametrize(
    "create",
    [
        *(Cognito, TokenAuth, sign_in_router, password_reset_router, CognitoSettings.from_environment),
        *(partial(rate_limit, MemoryRateLimit(1, 1.0)), lambda name: require_groups("admins", pool=name)),
    ],
)
def test_name_of_a_pool_has_lower_case_letters_digits_and_underscores(
    create: Callable[[Any], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other names could share their variables and cookies with another pool."""
    monkeypatch.setenv("COGNITO_EU_STAFF2_CLIENT_ID", "abc")
    monkeypatch.setenv("COGNITO_EU_STAFF2_REGION", "eu-west-1")
    assert create("eu_staff2")
    for name in ("eu-staff", "Staff", "our staff", "", "2nd", "_staff", "staff\n", "st\u00e4ff", "staff.eu", SETTINGS):
        with pytest.raises(ParameterValidationError) as caught:
            create(name)
        assert caught.value.parameter == "pool"
        assert caught.value.rule == (
            "must have lower-case letters, digits and underscores only, and begin with a letter"
        )


async def test_dependency_without_lifespan_raises_pool_not_open_error() -> None:
    """The message says how to open the pool, in applications and in tests."""
    app = FastAPI()

    @app.get("/")
    async def read(client: CognitoDep) -> str:
        return repr(client)

    with pytest.raises(PoolNotOpenError):  # servers that run no lifespan need not have a state
        await Cognito().dependencies.client(HTTPConnection({"type": "http", "headers": []}))
    async with asgi_client(app) as http:
        with pytest.raises(PoolNotOpenError, match=r"'default'.*lifespan=Cognito\(\)\.lifespan.*with TestClient"):
            await http.get("/")


async def test_websocket_route_receives_the_client() -> None:
    """The dependencies work in WebSocket routes."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)
    clients: list[object] = []

    @app.websocket("/")
    async def talk(socket: WebSocket, client: CognitoDep, ip: ClientIpDep) -> None:
        clients.extend((client, ip))
        await socket.close()

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(_: object) -> None:
        pass

    async with app.router.lifespan_context(app) as state:
        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "subprotocols": []}
        await app({**scope, "client": None, "server": None, "scheme": "ws", "state": dict(state or {})}, receive, send)
    assert isinstance(clients[0], CognitoClient)
    assert clients[1] is None  # the server does not know it
