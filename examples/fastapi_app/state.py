"""What the requests share, kept in this process: the password policy, sessions, and forms sent a moment ago.

A site with several workers keeps sessions and forms in a store that the workers share, such as Redis.
"""

import asyncio
import hmac
import json
import logging
import secrets
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from attrs import field, frozen
from fastapi import FastAPI
from starlette.types import Lifespan

from cognito_async import AmbiguousOutcomeError, CognitoClient, CognitoError, Timeouts
from cognito_async.fastapi import Cognito, MemoryRateLimit, PasswordPolicy, RateLimit, ResetConfirmation
from cognito_async.operations import AuthenticationResultType
from cognito_async.testing import Message as Mail

Value = TypeVar("Value")
Work = Callable[[], Awaitable[object]]  # what a form asks for
Outcome = CognitoError | None  # the error that it raised; None on success
Mailbox = Callable[[], Awaitable[list[Mail]]]

_LOG = logging.getLogger("fastapi_app")

_SESSION_SECONDS: Final = 3600.0
_USERNAME_CLAIMS: Final = ("sub", "cognito:username", "preferred_username", "email", "phone_number")


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

    def get(self, key: str) -> Value | None:
        """Return a value; None if it is missing or has expired."""
        expires_at, value = self._items.get(key, (0.0, None))
        return value if self._clock() < expires_at else None

    def drop(self, key: str) -> None:
        """Remove a value, if it is there."""
        self._items.pop(key, None)


@frozen
class UserSession:
    """A signed-in user. The tokens stay on the server; the browser's cookie holds the session's ID."""

    username: str = field(repr=False)  # as typed
    all_usernames: frozenset[str] = field(repr=False)  # every name of the user, in lower case
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


class SessionStore(MemoryStore[UserSession]):
    """Sessions by ID. A session lasts as long as its access token."""

    def __init__(self) -> None:
        super().__init__(seconds=_SESSION_SECONDS)
        self._ended_at: MemoryStore[float] = MemoryStore(seconds=_SESSION_SECONDS)

    def start(self, username: str, tokens: AuthenticationResultType, *, requested_at: float) -> str | None:
        """Return the ID of a new session; None if the password was reset after the tokens were requested."""
        usernames = usernames_in(tokens.id_token) | {username.casefold()}
        if any((self._ended_at.get(name) or 0.0) >= requested_at for name in usernames):
            return None
        session_id = secrets.token_urlsafe(32)
        session = UserSession(username, usernames, tokens.access_token or "", tokens.refresh_token)
        self.put(session_id, session, seconds=tokens.expires_in)
        return session_id

    def end_all(self, username: str) -> None:
        """End a user's sessions, whichever of the user's names they were started with."""
        self._ended_at.put(username.casefold(), monotonic())  # also refuses sign-ins in flight
        for session_id, (_, session) in tuple(self._items.items()):
            if username.casefold() in session.all_usernames:
                self.drop(session_id)


def usernames_in(id_token: str | None) -> frozenset[str]:
    """Return a user's names from an ID token, in lower case. The token comes from Cognito and is not verified here."""
    try:
        payload = (id_token or "").split(".")[1]
        claims: Any = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return frozenset(str(claims[claim]).casefold() for claim in _USERNAME_CLAIMS if claim in claims)
    except (ValueError, IndexError, TypeError, RecursionError):
        return frozenset()


class Submissions:
    """Recent forms. A second click gets the outcome of the first, whose code it could not use again."""

    def __init__(self) -> None:
        self._tasks: MemoryStore[asyncio.Task[Outcome]] = MemoryStore(seconds=60.0)
        self._digest_key = secrets.token_bytes(32)  # forms hold passwords, so only their digest is kept

    async def once(self, form: Sequence[str], work: Work, *, seconds: float) -> Outcome:
        """Run the work, unless the same form is running or has succeeded within the last seconds."""
        key = hmac.digest(self._digest_key, json.dumps(form).encode(), "sha256").hex()
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(self._run(key, work))
            self._tasks.put(key, task, seconds=seconds)
        return await asyncio.shield(task)  # a client that disconnects does not cancel it for the other click

    async def _run(self, key: str, work: Work) -> Outcome:
        keep = False
        try:
            await work()
            keep = True
        except CognitoError as error:
            keep = isinstance(error, AmbiguousOutcomeError)
            return error
        finally:
            if not keep:
                self._tasks.drop(key)
        return None


@frozen(kw_only=True)
class Site:
    """The objects that all requests share."""

    password_policy: PasswordPolicy
    confirmation: ResetConfirmation
    mailbox: Mailbox | None  # None outside of the demo
    sessions: SessionStore = field(factory=SessionStore)
    submissions: Submissions = field(factory=Submissions)
    confirm_limit: RateLimit = field(factory=partial(MemoryRateLimit, 5, 900.0))  # per user name


def site_lifespan(mailbox: Mailbox | None, *, minimum_seconds: float) -> Lifespan[FastAPI]:
    """Return the application's lifespan, which opens the Cognito pool and yields the site."""
    cognito = Cognito()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        async with cognito.lifespan(app) as state:
            policy = await _read_password_policy(cognito.client_of(state))
            confirmation = ResetConfirmation(password_policy=policy, minimum_duration=minimum_seconds)
            yield {**state, "site": Site(password_policy=policy, confirmation=confirmation, mailbox=mailbox)}

    return lifespan


async def _read_password_policy(client: CognitoClient) -> PasswordPolicy:
    """Read the pool's password policy, which needs AWS credentials; without them use the default of new pools."""
    try:
        return await PasswordPolicy.from_pool(client.with_options(timeouts=Timeouts(total=5.0)))
    except CognitoError as error:
        _LOG.warning("password policy not readable, using the default: %s", error.code or type(error).__name__)
        return PasswordPolicy()
