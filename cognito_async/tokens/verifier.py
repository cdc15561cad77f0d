"""The verifier of access and ID tokens."""

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Required, Self, TypedDict, TypeVar, Unpack, cast, overload

from cognito_async.errors import TokenError, TokenMalformedError, TokenSignatureError
from cognito_async.protocol.endpoints import check_jwks_url
from cognito_async.protocol.jwt import Jwt, parse_token
from cognito_async.tokens.claims import AccessToken, AnyClient, Check, ClaimRules, IdToken
from cognito_async.tokens.jwks import KeyCache, PublicKey, fetch_keys, is_signed, parse_jwks

if TYPE_CHECKING:
    from cognito_async.session import AsyncCognitoSession

TokenT = TypeVar("TokenT", AccessToken, IdToken)


class _Rules(TypedDict, total=False):
    """The parameters that all verifiers have, besides ``token_use``."""

    user_pool_id: Required[str]
    client_ids: Required[Collection[str] | AnyClient]
    issuers: Collection[str] | None
    replica_regions: Collection[str]
    leeway: float
    audience: str | Collection[str] | None
    required_scopes: Collection[str]
    required_groups: Collection[str]
    max_auth_age: float | None
    check: Check | None
    clock: Callable[[], float]


class _Online(_Rules, total=False):
    session: "AsyncCognitoSession | None"
    jwks_url: str | None


class _Offline(_Rules):
    jwks: Mapping[str, Any] | str | bytes


class TokenVerifier(Generic[TokenT]):
    """Verifies the access tokens, or the ID tokens, of a user pool; serves any number of tasks.

    Open it with ``async with``, or close it with ``await verifier.close()``. Creating one does no I/O: the keys are
    fetched by the first ``verify``, and again in the background, in the event loop of the session. Verifying with known
    keys does no I/O, and works in all threads.

    See https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
    """

    __module__ = "cognito_async.tokens"

    @overload
    def __init__(
        self: "TokenVerifier[AccessToken]", *, token_use: Literal["access"], **options: Unpack[_Online]
    ) -> None: ...
    @overload
    def __init__(self: "TokenVerifier[IdToken]", *, token_use: Literal["id"], **options: Unpack[_Online]) -> None: ...
    def __init__(
        self,
        *,
        user_pool_id: str,
        token_use: Literal["access", "id"],
        client_ids: Collection[str] | AnyClient,
        session: "AsyncCognitoSession | None" = None,
        issuers: Collection[str] | None = None,
        replica_regions: Collection[str] = (),
        leeway: float = 0.0,
        audience: str | Collection[str] | None = None,
        required_scopes: Collection[str] = (),
        required_groups: Collection[str] = (),
        max_auth_age: float | None = None,
        check: Check | None = None,
        jwks_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Configure a verifier.

        Args:
            user_pool_id: The user pool, e.g. ``"eu-west-1_AbCdEfGhI"``.
            token_use: ``"access"`` for APIs; ``"id"`` for the application that signed the user in.
            client_ids: The app clients whose tokens are accepted; ``ANY_CLIENT`` for all of the user pool.
            session: The session that fetches the keys. None for a session of the verifier, which it closes.
            issuers: The accepted issuers, compared exactly. None for those of the user pool: both forms,
                ``https://cognito-idp.…`` and ``https://issuer-cognito-idp.…``.
            replica_regions: Further regions of a user pool with replicas; their issuers are accepted, too.
            leeway: Tolerated difference of the clocks in seconds, at most 300, for ``exp``, ``nbf`` and ``iat``.
            audience: One of these must be the ``aud`` of an access token (resource binding). None to ignore ``aud``.
            required_scopes: The scopes that an access token must have, all of them.
            required_groups: The groups that the user must be in, all of them.
            max_auth_age: Maximum time since the sign-in in seconds; None for no limit.
            check: Called with the token after all other checks; refuses it by raising an error. None for no check.
            jwks_url: The URL of the key set, https or a loopback address. None for that of the user pool; if the
                session has an endpoint URL, ``{endpoint_url}/{user_pool_id}/.well-known/jwks.json``, which must be
                https or a loopback address, too.
            clock: Returns the time in seconds since 1970.

        Raises:
            ParameterValidationError: A parameter is invalid.
        """
        self._clock = clock
        self._rules = ClaimRules(
            user_pool_id=user_pool_id,
            token_use=token_use,
            client_ids=client_ids,
            issuers=issuers,
            replica_regions=replica_regions,
            leeway=leeway,
            audience=audience,
            required_scopes=required_scopes,
            required_groups=required_groups,
            max_auth_age=max_auth_age,
            check=check,
        )
        if jwks_url is not None:
            check_jwks_url(jwks_url, "jwks_url")
        self._own_session = None
        if session is None:
            from cognito_async.session import AsyncCognitoSession  # noqa: PLC0415 - offline verifiers need no HTTP

            session = self._own_session = AsyncCognitoSession()
        if jwks_url is None:
            session.check_pool_id(user_pool_id)
        self._keys = KeyCache(partial(fetch_keys, session, user_pool_id, jwks_url))

    @overload
    @classmethod
    def offline(cls, *, token_use: Literal["access"], **options: Unpack[_Offline]) -> "TokenVerifier[AccessToken]": ...
    @overload
    @classmethod
    def offline(cls, *, token_use: Literal["id"], **options: Unpack[_Offline]) -> "TokenVerifier[IdToken]": ...
    @classmethod
    def offline(
        cls, *, jwks: Mapping[str, Any] | str | bytes, clock: Callable[[], float] = time.time, **rules: Any
    ) -> "TokenVerifier[Any]":
        """Create a verifier that uses no network, with keys that never change.

        Args:
            jwks: The key set, as a mapping or as JSON.
            clock: Returns the time in seconds since 1970.
            **rules: The other parameters are those of the constructor, without ``session`` and ``jwks_url``.

        Returns:
            The verifier.

        Raises:
            ParameterValidationError: A parameter is invalid.
            JwksUnavailableError: The key set is unusable.
        """
        verifier: TokenVerifier[Any] = cls.__new__(cls)
        verifier._clock = clock
        verifier._rules = ClaimRules(**rules)
        verifier._own_session = None
        verifier._keys = KeyCache(None, parse_jwks(jwks))
        return verifier

    async def verify(self, token: str) -> TokenT:
        """Verify a token.

        Waits only if the keys were never fetched, are over 24 h old, or do not include the token's key.

        Args:
            token: The token, without the prefix ``Bearer``.

        Returns:
            The token's claims: AccessToken or IdToken.

        Raises:
            TokenError: The token is not acceptable; the subclass names the reason.
            JwksUnavailableError: There are no usable keys, or the token's key is not known and the keys could not be
                fetched. Respond with 503, not 401.
        """
        parsed = parse_token(token)
        del token  # keeps it out of tracebacks that show locals
        if isinstance(parsed, TokenMalformedError):
            raise parsed
        key = self._keys.find(parsed.key_id) or await self._keys.wait_for(parsed.key_id)
        return self._accept(parsed, key)

    def verify_cached(self, token: str) -> TokenT:
        """Verify a token without waiting, with the keys that are known; otherwise like ``verify``.

        In an event loop, it starts to fetch the keys in the background if necessary.

        Args:
            token: The token, without the prefix ``Bearer``.

        Returns:
            The token's claims: AccessToken or IdToken.

        Raises:
            TokenError: The token is not acceptable, or its key is not known yet (TokenUnknownKeyError).
            JwksUnavailableError: There are no usable keys yet, or the token's key is not known and the last fetch
                failed.
        """
        parsed = parse_token(token)
        del token  # keeps it out of tracebacks that show locals
        if isinstance(parsed, TokenMalformedError):
            raise parsed
        return self._accept(parsed, self._keys.find(parsed.key_id) or self._keys.get(parsed.key_id))

    async def refresh_keys(self) -> None:
        """Fetch the keys now, for example after a key was withdrawn. An offline verifier keeps its keys.

        Raises:
            JwksUnavailableError: They could not be fetched; the last ones remain in use.
        """
        await self._keys.refresh()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop fetching keys, and close the session if it is the verifier's. Closing twice is allowed."""
        await self._keys.close()
        if self._own_session is not None:
            await self._own_session.close()

    def _accept(self, parsed: Jwt, key: PublicKey) -> TokenT:
        """Check the signature, then the claims."""
        if not is_signed(parsed, key):
            raise TokenSignatureError("the signature of the token does not match")
        token = self._rules.read(parsed, self._clock())
        if isinstance(token, TokenError):
            raise token
        self._rules.run_check(token)
        return cast("TokenT", token)
