"""Cognito and its lifespan: one session per pool, shared with mounted applications."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from cognito_async import AsyncCognitoSession, CognitoClient, SessionClosedError
from cognito_async.fastapi import (
    Cognito,
    CognitoDep,
    CognitoSessionDep,
    CognitoSettings,
    CognitoSettingsDep,
    PoolNotOpenError,
    SettingsError,
    combine_lifespans,
    session_of,
)
from tests.support.asgi import SETTINGS, asgi_client


async def test_lifespan_opens_one_session_and_closes_it() -> None:
    """All requests share the session and client; the session is closed at shutdown."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)
    seen: list[tuple[CognitoClient, AsyncCognitoSession]] = []

    @app.get("/")
    async def read(client: CognitoDep, session: CognitoSessionDep) -> str:
        seen.append((client, session))
        return repr(client)

    async with asgi_client(app) as http:
        for _ in range(2):
            assert (await http.get("/")).status_code == 200
    assert seen[0] == seen[1]
    client, session = seen[0]
    assert isinstance(client, CognitoClient)
    assert isinstance(session, AsyncCognitoSession)
    with pytest.raises(SessionClosedError):
        await client.forgot_password(username="ada")


async def test_lifespan_reads_settings_at_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application can be imported without settings; startup fails if one is missing."""
    app = FastAPI(lifespan=Cognito().lifespan)
    with pytest.raises(SettingsError, match="COGNITO_CLIENT_ID"):
        async with asgi_client(app):
            pass
    monkeypatch.setenv("COGNITO_CLIENT_ID", "abc")
    monkeypatch.setenv("COGNITO_REGION", "eu-west-1")
    async with asgi_client(app):
        pass


async def test_mounted_application_shares_the_session() -> None:
    """The lifespan of a mounted application never runs; its routes use the pool of the outermost one."""
    app, inner, innermost = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan), FastAPI(), FastAPI()
    app.mount("/inner", inner)
    inner.mount("/most", innermost)

    @innermost.get("/")
    @app.get("/")
    async def read(session: CognitoSessionDep) -> int:
        return id(session)

    async with asgi_client(app) as http:
        assert (await http.get("/inner/most/")).json() == (await http.get("/")).json()


async def test_combine_lifespans_with_two_pools_opens_both() -> None:
    """Each pool has its own client and settings."""
    staff = Cognito("staff", CognitoSettings(client_id="xyz", region="eu-west-2"))
    app = FastAPI(lifespan=combine_lifespans(Cognito(settings=SETTINGS).lifespan, staff.lifespan))
    seen: list[object] = []

    @app.get("/")
    async def read(
        client: CognitoDep,
        other: Annotated[CognitoClient, Depends(staff.dependencies.client)],
        settings: Annotated[CognitoSettings, Depends(staff.dependencies.settings)],
    ) -> str:
        seen.extend((client, other))
        return settings.client_id

    async with asgi_client(app) as http:
        assert (await http.get("/")).json() == "xyz"
    assert seen[0] is not seen[1]


async def test_combine_lifespans_with_duplicate_names_raises_settings_error() -> None:
    """Two pools cannot have one name."""
    pools = [Cognito(settings=SETTINGS) for _ in range(2)]
    app = FastAPI(lifespan=combine_lifespans(*(pool.lifespan for pool in pools)))
    with pytest.raises(SettingsError, match=r"cognito_async\.default"):
        async with asgi_client(app):
            pass


async def test_combine_lifespans_merges_states_in_order() -> None:
    """Lifespans are entered in order and exited in reverse."""
    order: list[str] = []

    @asynccontextmanager
    async def mine(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        order.append("enter")
        yield {"mine": "here"}
        order.append("exit")

    @asynccontextmanager
    async def without_state(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(lifespan=combine_lifespans(Cognito(settings=SETTINGS).lifespan, mine, without_state))
    async with app.router.lifespan_context(app) as state:
        assert sorted(state or {}) == ["cognito_async.default", "mine"]
        assert order == ["enter"]
    assert order == ["enter", "exit"]


async def test_client_of_in_a_wrapping_lifespan_returns_the_pools_client() -> None:
    """It is the client that routes receive; another pool's name raises an error."""
    cognito = Cognito(settings=SETTINGS)
    seen: list[CognitoClient] = []

    @asynccontextmanager
    async def mine(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with cognito.lifespan(app) as state:
            seen.append(cognito.client_of(state))
            yield {**state, "mine": "here"}

    app = FastAPI(lifespan=mine)

    @app.get("/")
    async def read(client: CognitoDep, settings: CognitoSettingsDep) -> bool:
        assert settings is SETTINGS
        return client is seen[0]

    async with asgi_client(app) as http:
        assert (await http.get("/")).json() is True
    with pytest.raises(PoolNotOpenError, match="'staff'"):
        Cognito("staff").client_of({})


def test_default_session_uses_the_region_of_the_settings() -> None:
    """Without a user pool ID, no other value has it."""
    settings = CognitoSettings(client_id="abc", region="us-east-2", endpoint_url="https://cognito.example")
    assert repr(session_of(settings)).startswith("AsyncCognitoSession(region='us-east-2', ")


async def test_session_factory_is_used_and_its_session_closed() -> None:
    """The factory receives the settings."""
    sessions: list[AsyncCognitoSession] = []

    def create(settings: CognitoSettings) -> AsyncCognitoSession:
        sessions.append(session_of(settings))
        return sessions[0]

    app = FastAPI(lifespan=Cognito(settings=SETTINGS, session=create).lifespan)
    async with app.router.lifespan_context(app):
        pass
    with pytest.raises(SessionClosedError):
        await sessions[0].client("abc").forgot_password(username="ada")
