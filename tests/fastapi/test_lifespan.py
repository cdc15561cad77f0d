"""Lifespan and dependencies: one session for each pool, in the application and in those mounted in it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, WebSocket

from cognito_async import AsyncCognitoSession, CognitoClient, SessionClosedError
from cognito_async.fastapi import (
    Cognito,
    CognitoDep,
    CognitoSessionDep,
    CognitoSettings,
    CognitoSettingsDep,
    PoolNotOpenError,
    ResetRequestsDep,
    SettingsError,
    join_lifespans,
    session_of,
)

SETTINGS = CognitoSettings(client_id="abc", region="eu-west-1", endpoint_url="http://127.0.0.1:9")


@asynccontextmanager
async def visiting(
    app: FastAPI, *, client: tuple[str, int] = ("192.0.2.1", 4711)
) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Run an application's lifespan, and give an HTTP client that speaks with it, as a server would do."""
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(with_state, client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as visitor:
            yield visitor


async def test_the_lifespan_opens_one_session_and_closes_it() -> None:
    """All requests get the same session and client, and after the application the session is closed."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)
    seen: list[tuple[CognitoClient, AsyncCognitoSession]] = []

    @app.get("/")
    async def look(client: CognitoDep, session: CognitoSessionDep) -> str:
        seen.append((client, session))
        return repr(client)

    async with visiting(app) as visitor:
        for _ in range(2):
            answer = await visitor.get("/")
            assert answer.status_code == 200
    assert seen[0] == seen[1]
    client, session = seen[0]
    assert isinstance(client, CognitoClient)
    assert isinstance(session, AsyncCognitoSession)
    with pytest.raises(SessionClosedError):
        await client.forgot_password(username="ada")


async def test_nothing_is_read_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application can be imported without settings; it starts with those that are there then."""
    app = FastAPI(lifespan=Cognito().lifespan)
    with pytest.raises(SettingsError, match="COGNITO_CLIENT_ID"):
        async with visiting(app):
            pass
    monkeypatch.setenv("COGNITO_CLIENT_ID", "abc")
    monkeypatch.setenv("COGNITO_REGION", "eu-west-1")
    async with visiting(app):
        pass


async def test_a_mounted_application_has_the_same_pool() -> None:
    """A sub-application's routes get the session, although its lifespan never runs."""
    app, inner, innermost = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan), FastAPI(), FastAPI()
    app.mount("/inner", inner)
    inner.mount("/most", innermost)

    @innermost.get("/")
    @app.get("/")
    async def look(session: CognitoSessionDep) -> int:
        return id(session)

    async with visiting(app) as visitor:
        assert (await visitor.get("/inner/most/")).json() == (await visitor.get("/")).json()


async def test_several_pools() -> None:
    """Each pool has its own session and client, told apart by its name."""
    staff = Cognito("staff", CognitoSettings(client_id="xyz", region="eu-west-2"))
    app = FastAPI(lifespan=join_lifespans(Cognito(settings=SETTINGS).lifespan, staff.lifespan))
    seen: list[object] = []

    @app.get("/")
    async def look(
        client: CognitoDep,
        other: Annotated[CognitoClient, Depends(staff.dependencies.client)],
        settings: Annotated[CognitoSettings, Depends(staff.dependencies.settings)],
    ) -> str:
        seen.extend((client, other))
        return settings.client_id

    async with visiting(app) as visitor:
        assert (await visitor.get("/")).json() == "xyz"
    assert seen[0] is not seen[1]


async def test_two_pools_of_one_name_are_a_mistake() -> None:
    """A pool that hides another one is found out at the start."""
    one = Cognito(settings=SETTINGS)
    app = FastAPI(lifespan=join_lifespans(one.lifespan, Cognito(settings=SETTINGS).lifespan))
    with pytest.raises(SettingsError, match=r"two lifespans yield cognito_async\.default"):
        async with visiting(app):
            pass


async def test_a_lifespan_of_your_own_is_joined() -> None:
    """Lifespans are entered in order and left in reverse; what they yield is put together."""
    order: list[str] = []

    @asynccontextmanager
    async def mine(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        order.append("in")
        yield {"mine": "here"}
        order.append("out")

    @asynccontextmanager
    async def silent(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(lifespan=join_lifespans(Cognito(settings=SETTINGS).lifespan, mine, silent))
    async with app.router.lifespan_context(app) as state:
        assert sorted(state or {}) == ["cognito_async.default", "mine"]
        assert order == ["in"]
    assert order == ["in", "out"]


async def test_a_lifespan_around_the_pool_s_has_its_client() -> None:
    """What is read from the pool when the application starts goes through the pool's own session."""
    cognito = Cognito(settings=SETTINGS)
    seen: list[CognitoClient] = []

    @asynccontextmanager
    async def mine(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with cognito.lifespan(app) as state:
            seen.append(cognito.client_of(state))
            yield {**state, "mine": "here"}

    app = FastAPI(lifespan=mine)

    @app.get("/")
    async def look(client: CognitoDep, settings: CognitoSettingsDep) -> str:
        assert settings is SETTINGS
        return str(client is seen[0])

    async with visiting(app) as visitor:
        assert (await visitor.get("/")).json() == "True"
    with pytest.raises(PoolNotOpenError, match="no lifespan has opened the Cognito pool 'staff'"):
        Cognito("staff").client_of({})


async def test_dependencies_can_be_overridden() -> None:
    """A test puts a client of its own in the place of the pool's, by the key of any Cognito of that name."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)
    asked: list[str] = []

    class Fake:
        """Counts."""

        async def forgot_password(self, *, username: str, **_: object) -> None:
            """Count."""
            asked.append(username)

    @app.get("/")
    async def look(client: CognitoDep, resets: ResetRequestsDep) -> str:
        resets.submit("ada")
        return type(client).__name__

    async def fake() -> Fake:  # a plain function would run in a thread
        return Fake()

    app.dependency_overrides[Cognito().dependencies.client] = fake
    async with visiting(app) as visitor:
        assert (await visitor.get("/")).json() == "Fake"
    assert asked == ["ada"]


async def test_without_a_lifespan_the_error_says_what_to_do() -> None:
    """A dependency that finds no pool names it, and the ways to open it."""
    app = FastAPI()

    @app.get("/")
    async def look(client: CognitoDep) -> str:
        return repr(client)

    async with visiting(app) as visitor:
        with pytest.raises(PoolNotOpenError, match=r"'default'.*FastAPI\(lifespan=Cognito\(\)\.lifespan\).*with Test"):
            await visitor.get("/")


async def test_websockets_have_the_dependencies_too() -> None:
    """A WebSocket route gets the client."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)
    seen: list[object] = []

    @app.websocket("/")
    async def talk(socket: WebSocket, client: CognitoDep) -> None:
        seen.append(client)
        await socket.close()

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(_: object) -> None:
        pass

    async with app.router.lifespan_context(app) as state:
        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "subprotocols": []}
        await app({**scope, "client": None, "server": None, "scheme": "ws", "state": dict(state or {})}, receive, send)
    assert isinstance(seen[0], CognitoClient)


async def test_a_session_of_your_own_is_used_and_closed() -> None:
    """The factory gets the settings; what it makes is what the routes get."""
    made: list[AsyncCognitoSession] = []

    def make(settings: CognitoSettings) -> AsyncCognitoSession:
        made.append(session_of(settings))
        return made[0]

    app = FastAPI(lifespan=Cognito(settings=SETTINGS, session=make).lifespan)
    async with app.router.lifespan_context(app):
        pass
    with pytest.raises(SessionClosedError):
        await made[0].client("abc").forgot_password(username="ada")
