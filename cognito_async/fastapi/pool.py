"""A user pool as an application knows it: its name, its settings, its lifespan and its dependencies."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from cognito_async.client import CognitoClient
from cognito_async.fastapi.dependencies import Dependencies, dependencies_of
from cognito_async.fastapi.lifespan import SessionFactory, find_pool, open_pool, session_of
from cognito_async.fastapi.reset_queue import ResetLimits
from cognito_async.fastapi.settings import DEFAULT_POOL, SettingsSource


class Cognito:
    """A user pool in an application. Making one reads nothing and opens nothing: its lifespan does, in each process.

        cognito = Cognito()
        app = FastAPI(lifespan=cognito.lifespan)

    Attributes:
        name: The pool's name in this program.
        dependencies: What routes can ask for. Those of the pool ``"default"`` also have annotations, such as
            ``CognitoDep``; for another pool write ``Annotated[CognitoClient, Depends(staff.dependencies.client)]``.
    """

    def __init__(
        self,
        name: str = DEFAULT_POOL,
        settings: SettingsSource | None = None,
        *,
        session: SessionFactory = session_of,
        reset_limits: ResetLimits | None = None,
    ) -> None:
        """Name the pool.

        Args:
            name: The pool's name in this program; it tells several pools of one application apart.
            settings: The settings, or what makes them when the application starts, such as a subclass of
                CognitoSettings. None for the environment's: ``COGNITO_…`` for the default pool, else e.g.
                ``COGNITO_STAFF_…``.
            session: Makes the session from the settings; give your own for other options, such as quotas.
            reset_limits: The bounds of what runs in the background; None for the defaults of ResetLimits.
        """
        self.name: str = name
        self.dependencies: Dependencies = dependencies_of(name)
        self._settings = settings
        self._session = session
        self._reset_limits = reset_limits or ResetLimits()

    def __repr__(self) -> str:
        return f"Cognito({self.name!r})"

    def lifespan(self, app: object) -> AbstractAsyncContextManager[dict[str, Any]]:
        """Open the pool for as long as the application runs; for ``FastAPI(lifespan=...)`` and ``join_lifespans``.

        Args:
            app: The application; it is not looked at.

        Returns:
            The context: it raises SettingsError if a setting is missing, and when it is left, it waits for the password
            resets that were taken and closes the session.
        """
        del app
        return open_pool(self.name, self._settings, self._session, self._reset_limits)

    def client_of(self, state: Mapping[str, Any]) -> CognitoClient:
        """Give the pool's client where there is no request: in a lifespan of your own, around the pool's.

            @asynccontextmanager
            async def lifespan(app):
                async with cognito.lifespan(app) as state:
                    yield {**state, "policy": await PasswordPolicy.from_pool(cognito.client_of(state))}

        Args:
            state: What the pool's lifespan has yielded.

        Returns:
            The client, bound to the app client and the pool; it works until the lifespan ends.

        Raises:
            PoolNotOpenError: This pool is not in it.
        """
        return find_pool(state, self.name).client
