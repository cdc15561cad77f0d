"""A user pool in an application: its lifespan, and dependencies that ``dependency_overrides`` can replace."""

import logging
import re
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar

from fastapi import Depends, Form, routing
from starlette.requests import HTTPConnection

from cognito_async.client import CognitoClient
from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi.authentication import TokenAuth
from cognito_async.fastapi.open_pool import OpenPool, find_pool, state_key
from cognito_async.fastapi.problems import SettingsError
from cognito_async.fastapi.rate_limits import RateLimit, check_client_limit, check_rate_limit
from cognito_async.fastapi.request import MAX_ENCODED_DATA, SAFE_METHODS, Address, client_ip, is_ignored
from cognito_async.fastapi.reset_queue import ResetLimits, ResetQueue, ResetRequests
from cognito_async.fastapi.settings import (
    DEFAULT_POOL,
    CognitoSettings,
    RequiredSetting,
    SettingsSource,
    env_prefix,
    invalid_settings,
    prefix_of,
    read_settings,
)
from cognito_async.operations import UserContextDataType
from cognito_async.session import AsyncCognitoSession

if TYPE_CHECKING:
    from cognito_async.tokens import AccessToken, TokenVerifier

    VerifierSource: TypeAlias = (
        TokenVerifier[AccessToken] | Callable[[CognitoSettings, AsyncCognitoSession], TokenVerifier[AccessToken]]
    )
    """A verifier, or a function that is called at startup and returns one."""

Value = TypeVar("Value")
Dependency: TypeAlias = Callable[..., Coroutine[Any, Any, Value]]
Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]

_LOG = logging.getLogger("cognito_async.fastapi")
_IGNORED: Final = (
    "X-Forwarded-For of a connection that is not trusted is ignored: if your proxy sent it, add its network, or unix "
    "for a Unix socket, to %sTRUSTED_PROXIES; until then, all users of the proxy count as one client"
)
_MAX_LANGUAGE_HEADER: Final = 1000
_LANGUAGE = re.compile(r"([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3})\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?")
# Since FastAPI includes routers without copying their routes, this is the way to all of them.
_flat: Callable[[Iterable[Any]], Iterator[Any]] = getattr(routing, "iter_route_contexts", iter)


class Dependencies:
    """The dependencies of one user pool. A pool name always has the same objects, so overrides work.

    ``user_context`` is ``user_context_data`` with the client IP; ``form_user_context`` adds the form field
    ``encoded_data``. Both are None if nothing is known, and so is ``client_ip``. ``current_user`` is the verified
    access token; ``optional_user`` is None for requests without one.
    """

    def __init__(self, pool: str) -> None:
        async def settings(connection: HTTPConnection) -> CognitoSettings:
            return opened(connection).settings

        async def session(connection: HTTPConnection) -> AsyncCognitoSession:
            return opened(connection).session

        async def client(connection: HTTPConnection) -> CognitoClient:
            return opened(connection).client

        async def reset_requests(
            connection: HTTPConnection, current: Annotated[CognitoClient, Depends(client)]
        ) -> ResetRequests:
            found = opened(connection)
            # An overridden client is used as it is.
            return ResetRequests(found.reset_queue, found.background_client if current is found.client else current)

        # Without a dependency on the settings: FastAPI spends more time on one than this function takes.
        async def address(connection: HTTPConnection) -> Address | None:
            peer = None if connection.client is None else connection.client.host
            forwarded = connection.headers.getlist("x-forwarded-for")
            found = opened(connection)
            trusted = found.settings.trusted_proxies
            if forwarded and _IGNORED not in found.logged and is_ignored(peer, forwarded, trusted):
                found.logged.add(_IGNORED)
                _LOG.warning(_IGNORED, env_prefix(pool))
            return client_ip(peer, forwarded, trusted)

        async def user_context(ip: Annotated[Address | None, Depends(address)]) -> UserContextDataType | None:
            return None if ip is None else UserContextDataType(ip_address=str(ip))

        async def form_user_context(
            context: Annotated[UserContextDataType | None, Depends(user_context)],
            encoded_data: Annotated[str | None, Form(max_length=MAX_ENCODED_DATA)] = None,
        ) -> UserContextDataType | None:
            return with_encoded_data(context, encoded_data)

        def opened(connection: HTTPConnection) -> OpenPool:
            return find_pool(connection.scope.get("state", {}), pool)

        self.settings: Dependency[CognitoSettings] = settings
        self.session: Dependency[AsyncCognitoSession] = session
        self.client: Dependency[CognitoClient] = client
        self.reset_requests: Dependency[ResetRequests] = reset_requests
        self.client_ip: Dependency[Address | None] = address
        self.user_context: Dependency[UserContextDataType | None] = user_context
        self.form_user_context: Dependency[UserContextDataType | None] = form_user_context
        self.current_user: TokenAuth = TokenAuth(pool)
        self.optional_user: TokenAuth = TokenAuth(pool, optional=True)


@cache
def dependencies_of(pool: str) -> Dependencies:
    return Dependencies(pool)


def with_encoded_data(context: UserContextDataType | None, encoded_data: str | None) -> UserContextDataType | None:
    """Add the device data collected by AWS's threat protection script, if there is any."""
    if not encoded_data:
        return context
    return UserContextDataType(ip_address=context.ip_address if context else None, encoded_data=encoded_data)


def rate_limit(limit: RateLimit, pool: str = DEFAULT_POOL) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return a dependency that raises RateLimitedError for too many requests per IPv4 address or IPv6 network.

    GET, HEAD and OPTIONS requests are not counted, so the dependency can protect a whole router or application.
    ``pool`` is the user pool whose settings list the trusted proxies.

    Raises:
        ParameterValidationError: ``limit`` is not a rate limit, or ``pool`` not the name of a pool.
    """
    check_rate_limit("limit", limit)

    async def check(
        connection: HTTPConnection, ip: Annotated[Address | None, Depends(dependencies_of(pool).client_ip)]
    ) -> None:
        if connection.scope.get("method") not in SAFE_METHODS:  # a WebSocket has no method
            await check_client_limit(limit, ip)

    return check


async def client_metadata(connection: HTTPConnection) -> Mapping[str, str]:
    """Return the preferred language for Lambda triggers, such as ``{"locale": "de-CH"}``; empty if there is none."""
    language = preferred_language(",".join(connection.headers.getlist("accept-language")))
    return {} if language is None else {"locale": language}


def preferred_language(header: str) -> str | None:
    """Return the first language tag with the highest weight in an Accept-Language header; None if there is none."""
    if len(header) > _MAX_LANGUAGE_HEADER:
        return None
    matches = [match for part in header.split(",") if (match := _LANGUAGE.fullmatch(part.strip()))]
    best = max(matches, key=lambda match: float(match[2] or 1), default=None)
    return None if best is None or float(best[2] or 1) == 0 else best[1]


def session_of(settings: CognitoSettings) -> AsyncCognitoSession:
    """Create a session with the region and endpoint of the settings and default options."""
    return AsyncCognitoSession(settings.region, endpoint_url=settings.endpoint_url)


class Cognito:
    """A user pool in an application. Settings are read and connections opened by its lifespan, in each process."""

    def __init__(
        self,
        name: str = DEFAULT_POOL,
        settings: SettingsSource | None = None,
        *,
        session: Callable[[CognitoSettings], AsyncCognitoSession] = session_of,
        reset_limits: ResetLimits | None = None,
        verifier: "VerifierSource | None" = None,
    ) -> None:
        """Configure a user pool.

        Args:
            name: The name of the pool in this application, unique among its pools: lower-case letters, digits and
                underscores. It is part of the names of variables and cookies.
            settings: The settings, or a function or subclass of CognitoSettings that is called at startup. None reads
                the environment: ``COGNITO_…`` for the default pool, ``COGNITO_STAFF_…`` for the pool ``"staff"``.
            session: Creates the session from the settings; pass a function to set other options, such as quotas.
            reset_limits: The limits of background requests; None for the defaults of ResetLimits.
            verifier: Verifies access tokens for ``CurrentUser``: a verifier, which stays open, or a function that
                creates one from the settings and the session at startup. None to accept the tokens of the user pool
                that were issued to the app client.

        Raises:
            ParameterValidationError: ``name`` has other characters.
        """
        self.name: str = name
        """The name of the pool in this application."""

        self.dependencies: Dependencies = dependencies_of(name)
        """The dependencies for routes.

        The default pool also has annotations such as ``CognitoDep``; for another pool use
        ``Annotated[CognitoClient, Depends(staff.dependencies.client)]``.
        """

        self._settings = settings
        self._session = session
        self._reset_limits = reset_limits or ResetLimits()
        self._verifier = verifier

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncGenerator[dict[str, Any]]:
        """Open the pool while the application runs; for ``FastAPI(lifespan=...)`` and ``combine_lifespans``.

        It yields the lifespan state, which servers pass to every request, including requests to mounted applications.
        On exit, queued password resets are sent and the session is closed.

        Raises:
            SettingsError: A setting is missing or invalid, also one that only some routes of ``app`` need.
        """
        settings, limits = read_settings(self.name, self._settings), self._reset_limits
        async with self._session(settings) as session, AsyncExitStack() as stack, ResetQueue(limits) as queue:
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
                verifier=self._open_verifier(settings, session, stack),
            )
            _check_routes(app, self.name, pool, prefix_of(self.name, self._settings))
            yield {state_key(self.name): pool}

    def _open_verifier(
        self, settings: CognitoSettings, session: AsyncCognitoSession, stack: AsyncExitStack
    ) -> "TokenVerifier[AccessToken] | ParameterValidationError":
        """Return the verifier, or the error for routes that need one."""
        if self._verifier is not None and not callable(self._verifier):
            return self._verifier
        create = self._verifier or self._create_verifier
        verifier = create(settings, session)
        if not isinstance(verifier, ParameterValidationError):
            stack.push_async_callback(verifier.close)
        return verifier

    def _create_verifier(
        self, settings: CognitoSettings, session: AsyncCognitoSession
    ) -> "TokenVerifier[AccessToken] | ParameterValidationError":
        from cognito_async.tokens import TokenVerifier  # noqa: PLC0415 - imports cryptography

        if settings.user_pool_id is None:
            rule = f"is required to verify tokens; set {env_prefix(self.name)}USER_POOL_ID"
            return ParameterValidationError("user_pool_id", rule)
        return TokenVerifier(
            user_pool_id=settings.user_pool_id,
            token_use="access",  # noqa: S106 - not a password
            client_ids={settings.client_id},
            session=session,
        )

    def client_of(self, state: Mapping[str, Any]) -> CognitoClient:
        """Return the client from the state yielded by ``lifespan``, for a lifespan of your own that wraps it.

        Raises:
            PoolNotOpenError: The state does not contain this pool.
        """
        return find_pool(state, self.name).client


def _check_routes(app: object, name: str, pool: OpenPool, prefix: str) -> None:
    """Raise SettingsError if a route of an application or of a mounted one needs a setting that is missing."""
    found: dict[str, str] = {}
    for path, call in _dependencies(getattr(app, "routes", ()), getattr(app, "dependency_overrides", ()), ""):
        missing = _missing(call, name, pool)
        if missing is not None:
            setting, purpose = missing
            reason = f"{prefix}{setting.upper()} is not set, but the route {path} needs it {purpose}"
            found.setdefault(setting, reason)
    if found:
        raise invalid_settings(name, found.values())


def _dependencies(
    routes: Iterable[Any], overrides: Collection[Any], path: str
) -> Iterator[tuple[str, Callable[..., Any] | None]]:
    """Yield the dependencies of all routes, with the path of the route, except for overridden ones."""
    for route in _flat(routes):
        here = path + (getattr(route, "path", None) or "")
        pending = [*getattr(getattr(route, "dependant", None), "dependencies", ())]
        while pending:
            found = pending.pop()
            if (found.call.used_by if isinstance(found.call, RequiredSetting) else found.call) not in overrides:
                yield here, found.call
                pending += found.dependencies
        inner = getattr(getattr(route, "app", None), "dependency_overrides", ())
        yield from _dependencies(getattr(route, "routes", None) or (), inner, here)


def _missing(call: object, name: str, pool: OpenPool) -> tuple[str, str] | None:
    """Return the setting of a pool that a dependency lacks, and its purpose; None if it lacks none."""
    error, settings = pool.verifier, pool.settings
    if isinstance(call, RequiredSetting) and call.pool == name and not any(getattr(settings, n) for n in call.names):
        return call.names[0], call.purpose
    if isinstance(call, TokenAuth) and call.pool == name and isinstance(error, ParameterValidationError):
        return error.parameter, "to verify tokens"
    return None


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


_DEFAULT = dependencies_of(DEFAULT_POOL)

CognitoDep = Annotated[CognitoClient, Depends(_DEFAULT.client)]
CognitoSettingsDep = Annotated[CognitoSettings, Depends(_DEFAULT.settings)]
CognitoSessionDep = Annotated[AsyncCognitoSession, Depends(_DEFAULT.session)]
ResetRequestsDep = Annotated[ResetRequests, Depends(_DEFAULT.reset_requests)]
ClientIpDep = Annotated[Address | None, Depends(_DEFAULT.client_ip)]
UserContextDep = Annotated[UserContextDataType | None, Depends(_DEFAULT.user_context)]
FormUserContextDep = Annotated[UserContextDataType | None, Depends(_DEFAULT.form_user_context)]
ClientMetadataDep = Annotated[Mapping[str, str], Depends(client_metadata)]
