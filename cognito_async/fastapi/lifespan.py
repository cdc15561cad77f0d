"""Opens a user pool's session when the application starts, and closes it when the application ends."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

from attrs import frozen

from cognito_async.client import CognitoClient
from cognito_async.fastapi.refusals import PoolNotOpenError, SettingsError
from cognito_async.fastapi.reset_queue import ResetLimits, ResetQueue
from cognito_async.fastapi.settings import CognitoSettings, SettingsSource, read_settings
from cognito_async.session import AsyncCognitoSession

State: TypeAlias = Mapping[str, Any]
Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[State | None]]
"""What FastAPI takes as its ``lifespan``."""


@frozen(kw_only=True, repr=False, eq=False)
class OpenPool:
    """One user pool, while the application runs.

    Attributes:
        settings: What it was opened with.
        session: Its connections.
        client: A client bound to its app client and pool.
        patient_client: The same, for what runs in the background.
        reset_queue: The password resets that wait to be requested.
    """

    settings: CognitoSettings
    session: AsyncCognitoSession
    client: CognitoClient
    patient_client: CognitoClient
    reset_queue: ResetQueue


SessionFactory: TypeAlias = Callable[[CognitoSettings], AsyncCognitoSession]


def session_of(settings: CognitoSettings) -> AsyncCognitoSession:
    """Make the session that settings ask for; all else is as by default.

    Args:
        settings: The pool's settings.

    Returns:
        A session, not used yet.
    """
    return AsyncCognitoSession(settings.region, endpoint_url=settings.endpoint_url)


def key_of(pool: str) -> str:
    """Name the place of a pool in the lifespan's state."""
    return f"cognito_async.{pool}"


@asynccontextmanager
async def open_pool(
    name: str, source: SettingsSource | None, make_session: SessionFactory, limits: ResetLimits
) -> AsyncGenerator[dict[str, Any]]:
    """Open a pool for as long as the block lasts.

    Args:
        name: The pool's name in this program.
        source: The settings, or what makes them; None for the environment's.
        make_session: Makes the session.
        limits: The bounds of what runs in the background.

    Yields:
        The state for the server: it reaches every request, also those of mounted applications.

    Raises:
        SettingsError: A setting is missing or can't be right.
    """
    settings = read_settings(name, source)
    secret = None if settings.client_secret is None else settings.client_secret.get_secret_value()
    async with make_session(settings) as session, ResetQueue(limits) as queue:
        client = session.client(settings.client_id, secret, settings.user_pool_id)
        opened = OpenPool(
            settings=settings,
            session=session,
            client=client,
            patient_client=client.with_options(timeouts=limits.timeouts, retry=limits.retry),
            reset_queue=queue,
        )
        yield {key_of(name): opened}


def find_pool(state: State, name: str) -> OpenPool:
    """Find an open pool.

    Args:
        state: What the lifespan has yielded.
        name: The pool's name in this program.

    Returns:
        The pool.

    Raises:
        PoolNotOpenError: No lifespan has opened it.
    """
    found = state.get(key_of(name))
    if isinstance(found, OpenPool):
        return found
    given = "Cognito()" if name == "default" else f"Cognito({name!r})"
    raise PoolNotOpenError(
        f"no lifespan has opened the Cognito pool {name!r}: give the outermost application "
        f"FastAPI(lifespan={given}.lifespan), or join_lifespans(...) for several. In a test, enter the client: "
        "`with TestClient(app) as client`, since without `with` (and with httpx.ASGITransport) no lifespan runs."
    )


def join_lifespans(*lifespans: Lifespan) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]:
    """Make one lifespan of several: entered in the order given, left in the reverse.

    Args:
        *lifespans: Those of pools, and your own. What they yield is put together. One that needs a pool when it starts
            is not joined but written around the pool's: see ``Cognito.client_of``.

    Returns:
        The lifespan for ``FastAPI(lifespan=...)``; it raises SettingsError if two of them yield the same name.
    """

    @asynccontextmanager
    async def joined(app: Any) -> AsyncGenerator[dict[str, Any]]:  # noqa: ANN401 - Starlette says no more of it
        state: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            for lifespan in lifespans:
                yielded = await stack.enter_async_context(lifespan(app)) or {}
                twice = sorted(state.keys() & yielded.keys())
                if twice:
                    raise SettingsError(f"two lifespans yield {', '.join(twice)}; give each pool a name of its own")
                state.update(yielded)
            yield state

    return joined
