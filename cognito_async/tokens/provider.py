"""Fresh tokens of a user: refresh in the background, rotation, sign-out."""

import asyncio
import json
import logging
import random
from base64 import urlsafe_b64decode
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from datetime import UTC, datetime
from math import inf
from types import TracebackType
from typing import Any, Self

from cognito_async.client import CognitoClient, send_with
from cognito_async.errors import (
    Fault,
    InvalidResponseError,
    ParameterValidationError,
    ServiceError,
    SessionClosedError,
    SignedOutError,
    TokenStoreError,
)
from cognito_async.event_loop import running_loop
from cognito_async.operations import GetTokensFromRefreshTokenRequest
from cognito_async.protocol.idempotency import FIRST_SERVER_ERROR, Idempotency
from cognito_async.tokens.model import Tokens, is_valid
from cognito_async.tokens.stores import LockingTokenStore, MemoryTokenStore, TokenStore

_LOG = logging.getLogger("cognito_async")

REFRESH_FRACTION = 0.25
"""The part of the lifetime that is left when the tokens are refreshed in the background."""

FIRST_BACKOFF, MAX_BACKOFF = 1.0, 30.0
"""Seconds between a failed refresh and the next one, at first and at most, before jitter."""

CLOSE_TIMEOUT = 5.0
"""Seconds that ``aclose`` waits for a running refresh: cancelling it could lose a rotated refresh token."""

DEAD_TOKEN_CODES = frozenset(
    {
        "NotAuthorizedException",
        "PasswordResetRequiredException",
        "RefreshTokenReuseException",
        "TokenRevokedException",
        "UserNotConfirmedException",
        "UserNotFoundException",
    }
)
"""The codes with which the service says that a refresh token will never work again."""

_RELOAD_DELAYS = (0.2, 0.4, 0.8)  # without a lock, the process that won the race may not have saved its tokens yet
_MAX_REPLACEMENTS = 5
_CLOCK_TOLERANCE = 1.0

# A lost response may have carried a rotated refresh token. Until the grace period of the rotation ends, the service
# accepts the previous one again.
REPEATED_REFRESH = Idempotency(
    "one_time",
    how_to_verify="Try again: the refresh token is still valid, unless it was rotated without a retry grace period.",
    max_repeats=2,
)


class TokenProvider:
    """Returns the tokens of a user and keeps them fresh.

    When a quarter of their lifetime is left, the next caller starts a refresh in the background, which serves all
    callers. Until the tokens expire, callers get the current ones without waiting, even while refreshes fail. Failed
    refreshes are repeated with backoff. Refresh token rotation is supported: new tokens are saved before they are
    returned.

    Tokens are only forgotten if the service reports that the refresh token is invalid, never after timeouts, lost
    connections, throttling or errors of the service or the app client.

    Use ``async with``, or close it with ``await provider.aclose()``. A provider belongs to one event loop.

    See https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html
    """

    __module__ = "cognito_async.tokens"

    def __init__(
        self,
        client: CognitoClient,
        *,
        tokens: Tokens | None = None,
        store: TokenStore | None = None,
        key: str = "default",
        on_signed_out: Callable[[SignedOutError], object] | None = None,
    ) -> None:
        """Configure a provider, which does no I/O.

        Args:
            client: A client that is bound to the app client that issued the tokens. It stays open.
            tokens: The tokens of a sign-in, saved to the store with the first call, unless the store holds tokens of
                the same user that expire later. None to use the tokens in the store.
            store: Keeps the tokens; None for the memory of this provider. With a ``LockingTokenStore``, such as
                FileTokenStore, several processes can share the tokens.
            key: The key of the tokens in the store, such as the username if the store holds tokens of several users.
            on_signed_out: Called with the error when tokens are forgotten because the service refused them. An error
                that it raises is raised to the callers. None for no hook.

        Raises:
            ParameterValidationError: ``tokens`` are invalid.
        """
        self._client = client
        self._key = key
        if tokens is not None and not is_valid(tokens):
            del tokens  # keeps a token out of tracebacks that show locals
            raise ParameterValidationError("tokens", "must be Tokens, with an aware datetime in expires_at")
        self._store: TokenStore = MemoryTokenStore() if store is None else store
        self._on_signed_out = on_signed_out
        self._unsaved = tokens
        self._unsaved_until: float | None = None
        if tokens is not None:
            with suppress(RuntimeError):  # there is no event loop yet
                self._unsaved_until = asyncio.get_running_loop().time() + _remaining(tokens)
        self._tokens: Tokens | None = None
        self._owner: Mapping[str, Any] = {}
        self._refresh_at = self._expires_at = -inf
        self._task: asyncio.Task[Tokens | None] | None = None
        self._failures = 0
        self._retry_at = -inf
        self._closed = False

    def __repr__(self) -> str:
        return f"TokenProvider({self._client!r}, key={self._key!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def access_token(self) -> str:
        """Return an access token that has not expired.

        Returns:
            The token, for the header ``Authorization: Bearer …``.

        Raises:
            SignedOutError: There are no usable tokens; the user must sign in.
            TokenStoreError: The store cannot be read or written.
            SessionClosedError: The provider or the session is closed.
            CognitoError: The tokens have expired and the refresh failed; try again later. AmbiguousOutcomeError if the
                outcome is unknown; the tokens are kept.
        """
        return (await self.tokens()).access_token

    async def id_token(self) -> str | None:
        """Return an ID token that has not expired; None if the sign-in returned none. Raises like ``access_token``."""
        return (await self.tokens()).id_token

    async def tokens(self) -> Tokens:
        """Return tokens that have not expired. Raises like ``access_token``."""
        clock = running_loop().time
        current = self._tokens
        if current is None:
            current = await _tokens_of(self._join(clock()))
            if clock() >= self._refresh_at and not self._closed:
                self._join(clock())
            return current
        now = clock()
        if now < self._refresh_at and not self._closed:
            return current
        task = self._join(now)
        return current if now < self._expires_at else await _tokens_of(task)

    async def refresh(self) -> Tokens:
        """Refresh the tokens although they have not expired, such as after an API has rejected the access token.

        That also happens after a sleep of the machine, which the clock that measures their lifetime may not count.
        Simultaneous calls share one refresh. Raises like ``access_token``.

        See https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_GetTokensFromRefreshToken.html

        Returns:
            The new tokens.
        """
        if self._tokens is None:
            await self.tokens()
        return await _tokens_of(self._join(running_loop().time()))

    async def sign_out(self) -> None:
        """Revoke the refresh token, then forget the tokens; do nothing if there are none.

        The service refuses the revoked refresh token and access tokens from then on, but APIs that verify access
        tokens themselves accept them until they expire. The tokens are also forgotten if the revocation fails.

        See https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RevokeToken.html

        Raises:
            TokenStoreError: The store cannot be locked or written, so that it still holds the tokens.
            SessionClosedError: The provider or the session is closed.
            CognitoError: The revocation failed: the refresh token may still be valid.
        """
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])  # it may rotate the refresh token
        self._retry_at = -inf
        await _result(self._join(self._retry_at, self._revoke))

    async def aclose(self) -> None:
        """Close the provider. A running refresh has five seconds to end before it is cancelled; the tokens are kept.

        Later calls raise SessionClosedError; closing again does nothing.
        """
        self._closed = True
        task = self._task
        if task is not None and not task.done():
            try:
                await asyncio.wait([task], timeout=CLOSE_TIMEOUT)
            finally:
                task.cancel()
            await asyncio.wait([task])

    def _join(
        self, now: float, start: Callable[[], Coroutine[Any, Any, Tokens | None]] | None = None
    ) -> asyncio.Task[Tokens | None]:
        """Return the running refresh or sign-out, the failed one during the backoff after it, else start one."""
        if self._closed:
            raise SessionClosedError("the token provider is closed; create a new TokenProvider")
        task = self._task
        if task is None or (task.done() and now >= self._retry_at):
            task = self._task = running_loop().create_task((start or self._run_refresh)())
            task.add_done_callback(_retrieve)
        return task

    async def _run_refresh(self) -> Tokens:
        """Update the tokens; note when to try again if that fails."""
        loop = asyncio.get_running_loop()
        try:
            async with self._locked():
                tokens = await self._update()
        except SignedOutError:
            self._retry_at = -inf  # another process may sign in
            raise
        except Exception as error:
            backoff = min(FIRST_BACKOFF * 2.0 ** min(self._failures, 10), MAX_BACKOFF)
            delay = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            delay = max(delay, min(getattr(error, "retry_after", None) or 0.0, MAX_BACKOFF))
            self._failures += 1
            self._retry_at = loop.time() + delay
            reason = getattr(error, "code", None) or type(error).__name__
            _LOG.warning("refreshing the tokens failed with %s; trying again in %.1f s at the earliest", reason, delay)
            raise
        self._failures, self._retry_at = 0, -inf
        return tokens

    def _locked(self) -> AbstractAsyncContextManager[None]:
        return self._store.lock(self._key) if isinstance(self._store, LockingTokenStore) else nullcontext()

    async def _update(self) -> Tokens:
        """Save tokens that are not saved yet, else use newer ones of the store, else refresh."""
        if self._unsaved is not None:
            return await self._save(self._unsaved)
        stored = await self._store.load(self._key)
        if stored is not None and stored != self._tokens:
            return await self._use(stored)
        if self._tokens is None:
            raise SignedOutError("there are no tokens; sign in")
        return await self._refresh(self._tokens)

    async def _use(self, tokens: Tokens, expires_at: float | None = None) -> Tokens:
        """Use tokens of the store; refresh them if they have expired."""
        now = asyncio.get_running_loop().time()
        self._adopt(tokens, now + _remaining(tokens) if expires_at is None else expires_at)
        return tokens if now < self._expires_at else await self._refresh(tokens)

    def _adopt(self, tokens: Tokens, expires_at: float) -> None:
        """Serve tokens from now on; ``expires_at`` is a time of the event loop."""
        claims = _claims(tokens)
        if not _is_same_user(claims, self._owner):
            raise SignedOutError("the store holds the tokens of another user now; create a new TokenProvider")
        self._owner, self._tokens, self._expires_at = claims, tokens, expires_at
        can_refresh = tokens.refresh_token is not None
        self._refresh_at = expires_at - tokens.lifetime * REFRESH_FRACTION if can_refresh else expires_at

    async def _refresh(self, tokens: Tokens) -> Tokens:
        if tokens.refresh_token is None:
            raise SignedOutError("the tokens have expired and there is no refresh token; sign in again")
        request = GetTokensFromRefreshTokenRequest(refresh_token=tokens.refresh_token, device_key=tokens.device_key)
        try:
            response = await send_with(self._client, request, idempotency=REPEATED_REFRESH)
        except ServiceError as error:
            if not _is_dead(error):
                raise
            return await self._after_refusal(tokens, error)
        arrived = asyncio.get_running_loop().time()
        if response.authentication_result is None:
            raise InvalidResponseError("the response has no tokens", operation="GetTokensFromRefreshToken")
        new = Tokens.from_result(response.authentication_result, _now(), previous=tokens)
        rotated = new.refresh_token != tokens.refresh_token
        if not _is_same_user(_claims(new), _claims(tokens), same_origin=not rotated):
            raise InvalidResponseError("the refreshed tokens belong to another user or another sign-in")
        self._unsaved, self._unsaved_until = new, arrived + new.lifetime
        return await self._save(new, since=tokens)

    async def _save(self, new: Tokens, since: Tokens | None = None) -> Tokens:
        """Store tokens and use them, or use those with which another process was first.

        Args:
            new: The tokens to store.
            since: Tokens of the same user that expire later than these are another process's; None for ``new``.
        """
        for _ in range(_MAX_REPLACEMENTS):
            stored = await self._store.load(self._key)
            winner = stored if stored is not None and _is_newer(stored, since or new) else None
            if winner is None and not await self._store.replace(self._key, stored, new):
                continue
            expires_at, self._unsaved, self._unsaved_until = self._unsaved_until, None, None
            if winner is None and since is not None and expires_at is not None:
                self._adopt(new, expires_at)
                return new
            return await (self._use(new, expires_at) if winner is None else self._use(winner))
        raise TokenStoreError("the tokens in the store were replaced repeatedly; check the TokenStore")

    async def _revoke(self) -> None:
        """Revoke and forget the tokens."""
        held, self._tokens, self._unsaved = self._unsaved or self._tokens, None, None
        self._owner, self._failures = {}, 0
        async with self._locked():
            stored = await self._store.load(self._key)
            use_stored = stored is not None and (held is None or _is_newer(stored, held))
            tokens = stored if use_stored else held
            try:
                if tokens is not None and tokens.refresh_token is not None:
                    await self._client.revoke_token(token=tokens.refresh_token)
            finally:
                if stored is not None and (held is None or _is_same_user(_claims(stored), _claims(held))):
                    await self._store.remove(self._key)

    async def _after_refusal(self, tokens: Tokens, refusal: ServiceError) -> Tokens:
        """Use the tokens of a process that refreshed before this one; forget the tokens if there are none."""
        for pause in (0.0, *(() if isinstance(self._store, LockingTokenStore) else _RELOAD_DELAYS)):
            await asyncio.sleep(pause)
            winner = await self._store.load(self._key)
            if winner is not None and winner != tokens:
                return await self._use(winner)
        self._tokens = None
        await self._store.remove(self._key)
        reused = refusal.code == "RefreshTokenReuseException"
        problem = "was used twice and may have been stolen" if reused else "was refused by the service"
        error = SignedOutError(
            f"the refresh token {problem}; sign in again",
            **{name: getattr(refusal, name) for name in ("code", "status", "request_id", "operation", "fault")},
        )
        if self._on_signed_out is not None:
            self._on_signed_out(error)
        raise error from refusal


def _retrieve(task: "asyncio.Task[Tokens | None]") -> None:
    """Retrieve the error of a refresh, which may have no waiting caller."""
    if not task.cancelled():
        task.exception()


async def _tokens_of(task: "asyncio.Task[Tokens | None]") -> Tokens:
    """Return the tokens of a refresh."""
    tokens = await _result(task)
    if tokens is None:
        raise SignedOutError("the user has signed out; sign in again")
    return tokens


async def _result(task: "asyncio.Task[Tokens | None]") -> Tokens | None:
    """Return the result of a refresh or sign-out, which continues if this caller is cancelled."""
    if not task.done():
        await asyncio.wait([task])
    if task.cancelled():
        raise SessionClosedError("the token provider was closed during the call; create a new TokenProvider")
    return task.result()


def _is_dead(error: ServiceError) -> bool:
    """Return whether the service reports that the refresh token will never work again."""
    answered = error.status is None or error.status < FIRST_SERVER_ERROR
    return error.code in DEAD_TOKEN_CODES and error.fault is Fault.USER and answered


def _now() -> datetime:
    return datetime.now(UTC)


def _remaining(tokens: Tokens) -> float:
    """Return the seconds until stored tokens expire; 0 if they are implausible, because a clock was wrong."""
    remaining = (tokens.expires_at - _now()).total_seconds()
    return remaining if remaining <= tokens.lifetime + _CLOCK_TOLERANCE else 0.0


def _is_newer(stored: Tokens, than: Tokens) -> bool:
    """Return whether stored tokens are of the same user and were issued later, as far as that is plausible."""
    later = stored.expires_at > than.expires_at and _remaining(stored) != 0.0
    return later and _is_same_user(_claims(stored), _claims(than))


def _is_same_user(claims: Mapping[str, Any], expected: Mapping[str, Any], *, same_origin: bool = False) -> bool:
    names = ("sub", "origin_jti") if same_origin else ("sub",)
    return all(claims.get(name) == expected[name] for name in names if name in expected)


def _claims(tokens: Tokens) -> Mapping[str, Any]:
    """Return the claims of an access token that identify its user; empty if it is not a JWT.

    They are only compared with those of earlier tokens. They are not verified and must not be trusted.
    """
    try:
        payload = tokens.access_token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=="))  # ignores padding that is not needed
        return {name: claims[name] for name in ("sub", "origin_jti") if name in claims}
    except (IndexError, ValueError, TypeError, RecursionError):
        return {}
