"""Cognito: a user pool in an application, opened and closed by the lifespan."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

from cognito_async.client import CognitoClient
from cognito_async.fastapi.dependencies import Dependencies, OpenPool, dependencies_of, find_pool, state_key
from cognito_async.fastapi.errors import SettingsError
from cognito_async.fastapi.reset_queue import ResetLimits, ResetQueue
from cognito_async.fastapi.settings import DEFAULT_POOL, CognitoSettings, SettingsSource, read_settings
from cognito_async.session import AsyncCognitoSession

Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]


def session_of(settings: CognitoSettings) -> AsyncCognitoSession:
    """Create a session with the region and endpoint of the settings and default options."""
    return AsyncCognitoSession(settings.region, endpoint_url=settings.endpoint_url)


class Cognito:
    """A user pool in an application. Settings are read and connections opened by its lifespan, in each process.

    Attributes:
        name: The name of the pool in this application.
        dependencies: The dependencies for routes. The default pool also has annotations such as ``CognitoDep``; for
            another pool use ``Annotated[CognitoClient, Depends(staff.dependencies.client)]``.
    """

    def __init__(
        self,
        name: str = DEFAULT_POOL,
        settings: SettingsSource | None = None,
        *,
        session: Callable[[CognitoSettings], AsyncCognitoSession] = session_of,
        reset_limits: ResetLimits | None = None,
    ) -> None:
        """Configure a user pool.

        Args:
            name: The name of the pool in this application, unique among its pools.
            settings: The settings, or a function or subclass of CognitoSettings that is called at startup. None reads
                the environment: ``COGNITO_…`` for the default pool, ``COGNITO_STAFF_…`` for the pool ``"staff"``.
            session: Creates the session from the settings; pass a function to set other options, such as quotas.
            reset_limits: The limits of background requests; None for the defaults of ResetLimits.
        """
        self.name: str = name
        self.dependencies: Dependencies = dependencies_of(name)
        self._settings = settings
        self._session = session
        self._reset_limits = reset_limits or ResetLimits()

    def __repr__(self) -> str:
        return f"Cognito({self.name!r})"

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncGenerator[dict[str, Any]]:
        """Open the pool while the application runs; for ``FastAPI(lifespan=...)`` and ``combine_lifespans``.

        It yields the lifespan state, which servers pass to every request, including requests to mounted applications.
        On exit, queued password resets are sent and the session is closed.

        Raises:
            SettingsError: A setting is missing or invalid.
        """
        del app
        settings, limits = read_settings(self.name, self._settings), self._reset_limits
        async with self._session(settings) as session, ResetQueue(limits) as queue:
            client = session.client(
                settings.client_id,
                # Not a local variable, which error reporters collect.
                None if settings.client_secret is None else settings.client_secret.get_secret_value(),
                settings.user_pool_id,
            )
            pool = OpenPool(
                settings=settings,
                session=session,
                client=client,
                background_client=client.with_options(timeouts=limits.timeouts, retry=limits.retry),
                reset_queue=queue,
            )
            yield {state_key(self.name): pool}

    def client_of(self, state: Mapping[str, Any]) -> CognitoClient:
        """Return the client from the state yielded by ``lifespan``, for a lifespan of your own that wraps it.

        Raises:
            PoolNotOpenError: The state does not contain this pool.
        """
        return find_pool(state, self.name).client


def combine_lifespans(*lifespans: Lifespan) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]:
    """Combine lifespans into one: entered in this order, exited in reverse, with their states merged.

    It raises SettingsError if two lifespans yield the same key. A lifespan that needs a pool at startup must wrap the
    pool's lifespan instead, see ``Cognito.client_of``.
    """

    @asynccontextmanager
    async def combined(app: Any) -> AsyncGenerator[dict[str, Any]]:  # noqa: ANN401 - the type that Starlette passes
        state: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            for lifespan in lifespans:
                yielded = await stack.enter_async_context(lifespan(app)) or {}
                duplicates = sorted(state.keys() & yielded.keys())
                if duplicates:
                    raise SettingsError(f"duplicate lifespan state {', '.join(duplicates)}: name each pool differently")
                state.update(yielded)
            yield state

    return combined
