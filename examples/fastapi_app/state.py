"""What the requests share, kept in this process: sign-ins, sessions, the password policy, and recent forms.

A site with several workers keeps them in a store that the workers share, such as Redis.
"""

import asyncio
import hmac
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from attrs import define, field, frozen
from fastapi import FastAPI
from starlette.types import Lifespan

from cognito_async import AmbiguousOutcomeError, CognitoClient, CognitoError, SignInExpiredError, Timeouts
from cognito_async.fastapi import (
    Cognito,
    MemoryRateLimit,
    PasswordPolicy,
    RateLimit,
    ResetConfirmation,
    minimum_duration,
)
from cognito_async.sign_in import SoftwareTokenSecret
from cognito_async.testing import Message as Mail
from cognito_async.tokens import TokenProvider, TokenVerifier

Value = TypeVar("Value")
Mailbox = Callable[[], Awaitable[list[Mail]]]

_LOG = logging.getLogger("fastapi_app")

_SESSION_SECONDS: Final = 12 * 3600.0
_SIGN_IN_SECONDS: Final = 15 * 60.0  # Cognito itself ends a sign-in after 3 to 15 minutes
_CLOCK_DIFFERENCE: Final = 60.0  # between Cognito and this machine, in seconds


class MemoryStore(Generic[Value]):
    """Values by key. Each expires, and the oldest is dropped when there are too many."""

    def __init__(self, *, seconds: float, max_items: int = 10_000, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._max_items = max_items
        self._clock = clock
        self._items: OrderedDict[str, tuple[float, Value]] = OrderedDict()

    def put(self, key: str, value: Value, *, seconds: float | None = None) -> None:
        """Store a value for the given time; None for the store's default."""
        self._items.pop(key, None)
        self._items[key] = (self._clock() + (self._seconds if seconds is None else seconds), value)
        if len(self._items) > self._max_items:
            self._items.popitem(last=False)

    def add(self, value: Value) -> str:
        """Store a value and return its key, which is random."""
        key = secrets.token_urlsafe(32)
        self.put(key, value)
        return key

    def get(self, key: str) -> Value | None:
        """Return a value; None if it is missing or has expired."""
        expires_at, value = self._items.get(key, (0.0, None))
        return value if self._clock() < expires_at else None

    def drop(self, key: str) -> None:
        """Remove a value, if it is there."""
        self._items.pop(key, None)


@frozen
class PendingSignIn:
    """A sign-in that waits for the answer to a challenge. The browser's cookie holds only its ID."""

    username: str = field(repr=False)  # as typed
    requested_at: float
    state: str = field(repr=False)  # for client.resume_sign_in
    app_secret: SoftwareTokenSecret | None  # of the authenticator app to set up


@define
class UserSession:
    """A signed-in user. The tokens stay on the server; the browser's cookie holds the session's ID."""

    username: str = field(repr=False)  # as typed
    all_usernames: frozenset[str] = field(repr=False)  # every name of the user, in lower case
    tokens: TokenProvider
    app_secret: SoftwareTokenSecret | None = None  # of the authenticator app to set up


class SessionStore(MemoryStore[UserSession]):
    """Sessions by ID."""

    def __init__(self) -> None:
        super().__init__(seconds=_SESSION_SECONDS)
        self._ended_at: MemoryStore[float] = MemoryStore(seconds=_SIGN_IN_SECONDS)

    def start(self, session: UserSession, *, requested_at: float) -> str:
        """Return the ID of a new session; raise an error if the password was reset after the sign-in was requested."""
        if any((self._ended_at.get(name) or 0.0) >= requested_at for name in session.all_usernames):
            raise SignInExpiredError("the password was reset during the sign-in; start a new one")
        return self.add(session)

    def end_all(self, username: str) -> None:
        """End a user's sessions, whichever of the user's names they were started with."""
        self._ended_at.put(username.casefold(), monotonic())  # also refuses sign-ins in flight
        for session_id, (_, session) in tuple(self._items.items()):
            if username.casefold() in session.all_usernames:
                self.drop(session_id)

    async def close(self) -> None:
        """Stop refreshing tokens."""
        for _, session in self._items.values():
            await session.tokens.aclose()


class Submissions:
    """Recent forms. A second click gets the outcome of the first, whose code it could not use again."""

    def __init__(self) -> None:
        self._tasks: MemoryStore[asyncio.Future[Any]] = MemoryStore(seconds=60.0)
        self._digest_key = secrets.token_bytes(32)  # forms hold passwords, so only their digest is kept

    async def once(self, form: object, work: Callable[[], Awaitable[Value]], seconds: float, least: float = 0) -> Value:
        """Run the work, unless the same form is running or has succeeded within the last seconds."""
        key = hmac.digest(self._digest_key, json.dumps(form).encode(), "sha256").hex()
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(work())
            task.add_done_callback(partial(self._drop_failed, key))
            self._tasks.put(key, task, seconds=seconds)
        async with minimum_duration(least):
            return await asyncio.shield(task)  # a client that disconnects does not cancel it for the other click

    def _drop_failed(self, key: str, task: asyncio.Future[Any]) -> None:
        if task.cancelled() or not isinstance(task.exception(), AmbiguousOutcomeError | None):
            self._tasks.drop(key)


class Site:
    """The objects that all requests share."""

    def __init__(self, client: CognitoClient, policy: PasswordPolicy, mailbox: Mailbox | None) -> None:
        issued_by: Any = {"user_pool_id": client.bound.user_pool_id, "client_ids": {client.bound.client_id}}
        options: Any = {**issued_by, "session": client.session, "leeway": _CLOCK_DIFFERENCE}
        self.access_tokens = TokenVerifier(token_use="access", **options)  # noqa: S106 - not a password
        self.id_tokens = TokenVerifier(token_use="id", **options)  # noqa: S106
        self.password_policy = policy
        self.confirmation = ResetConfirmation(password_policy=policy)
        self.mailbox = mailbox  # None outside of the demo
        self.sign_ins: MemoryStore[PendingSignIn] = MemoryStore(seconds=_SIGN_IN_SECONDS)
        self.sessions = SessionStore()
        self.submissions = Submissions()
        self.client_limit: RateLimit = MemoryRateLimit(5, 900.0)  # per username and client
        self.username_limit: RateLimit = MemoryRateLimit(50, 900.0)


def site_lifespan(mailbox: Mailbox | None) -> Lifespan[FastAPI]:
    """Return the application's lifespan, which opens the Cognito pool and yields the site."""
    cognito = Cognito()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        async with cognito.lifespan(app) as state:
            client = cognito.client_of(state)
            site = Site(client, await _read_password_policy(client), mailbox)
            async with site.access_tokens, site.id_tokens:
                yield {**state, "site": site}
                await site.sessions.close()

    return lifespan


async def _read_password_policy(client: CognitoClient) -> PasswordPolicy:
    """Read the pool's password policy, which needs AWS credentials; without them use the default of new pools."""
    try:
        return await PasswordPolicy.from_pool(client.with_options(timeouts=Timeouts(total=5.0)))
    except CognitoError as error:
        _LOG.warning("password policy not readable, using the default: %s", error.code or type(error).__name__)
        return PasswordPolicy()
