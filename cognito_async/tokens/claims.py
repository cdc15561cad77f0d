"""The claims of access and ID tokens: their types, and the rules that they must meet."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from enum import Enum
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

from attrs import field, frozen

from cognito_async.errors import (
    ParameterValidationError,
    TokenClientError,
    TokenError,
    TokenExpiredError,
    TokenGroupError,
    TokenIssuerError,
    TokenMalformedError,
    TokenNotYetValidError,
    TokenScopeError,
    TokenUseError,
)
from cognito_async.protocol.endpoints import issuers as issuers_of_pool
from cognito_async.protocol.jwt import MAX_TIME, Jwt, is_time, parse_claims
from cognito_async.protocol.shapes import JsonValue

MAX_LEEWAY = 300.0


class AnyClient(Enum):
    """The type of ``ANY_CLIENT``."""

    ANY_CLIENT = "ANY_CLIENT"


ANY_CLIENT: Final = AnyClient.ANY_CLIENT
"""Accepts the tokens of every app client of the user pool."""


@frozen(kw_only=True)
class _VerifiedToken:
    __module__ = "cognito_async.tokens"

    sub: str = field(repr=False)
    """The user's ID, which never changes; the app client ID for a machine token."""
    username: str | None = field(repr=False)
    """The username; None for a machine token (client credentials)."""
    client_id: str
    """The app client that the token was issued to."""
    groups: frozenset[str]
    """The user's groups."""
    expires_at: datetime
    """The time from which the token is invalid, in UTC."""
    issued_at: datetime | None
    """The time when the token was issued, in UTC; None if the token does not contain it."""
    auth_time: datetime | None
    """The time of the sign-in, in UTC; None if the token does not contain it."""
    claims: Mapping[str, JsonValue] = field(repr=False, eq=False)
    """All claims as received."""


@frozen(kw_only=True)
class AccessToken(_VerifiedToken):
    """A verified access token.

    See https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
    """

    __module__ = "cognito_async.tokens"

    scopes: frozenset[str]
    """The granted scopes."""
    device_key: str | None
    """The key of the remembered device; None if there is none."""


@frozen(kw_only=True)
class IdToken(_VerifiedToken):
    """A verified ID token.

    See https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
    """

    __module__ = "cognito_async.tokens"

    email: str | None = field(repr=False)
    """The e-mail address; None if the token does not contain it."""
    email_verified: bool
    """Whether the e-mail address is verified."""
    phone_number: str | None = field(repr=False)
    """The phone number; None if the token does not contain it."""
    phone_number_verified: bool
    """Whether the phone number is verified."""
    nonce: str | None = field(repr=False)
    """The nonce of the authorization request; None if the token does not contain one."""


Check: TypeAlias = Callable[[Any], object]
"""Refuses a verified token by raising an error."""


def _names(parameter: str, value: object, *, low: int = 0) -> frozenset[str]:
    """Check a collection of names; a single string is rejected, although it is a collection of strings."""
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        values = tuple(cast("Collection[object]", value))
        names = [name for name in values if isinstance(name, str) and name]
        if len(names) == len(values) >= low:
            return frozenset(names)
    raise ParameterValidationError(parameter, f"must be a set, list or tuple of {low} or more non-empty strings")


def _seconds(parameter: str, value: object, limit: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= limit:
        return value
    raise ParameterValidationError(parameter, f"must be a number of seconds from 0 to {limit:g}")


class ClaimRules:
    """The rules of a verifier; the parameters are those of ``TokenVerifier``."""

    def __init__(
        self,
        *,
        user_pool_id: str,
        token_use: Literal["access", "id"],
        client_ids: Collection[str] | AnyClient,
        issuers: Collection[str] | None = None,
        replica_regions: Collection[str] = (),
        leeway: float = 0.0,
        audience: str | Collection[str] | None = None,
        required_scopes: Collection[str] = (),
        required_groups: Collection[str] = (),
        max_auth_age: float | None = None,
        check: Check | None = None,
    ) -> None:
        if token_use not in ("access", "id"):
            raise ParameterValidationError("token_use", "must be 'access' or 'id'")
        if token_use == "id" and (audience is not None or required_scopes):  # noqa: S105 - not a password
            name = "required_scopes" if audience is None else "audience"
            raise ParameterValidationError(name, "applies to access tokens only; leave it out with token_use='id'")
        if check is not None and not callable(cast("object", check)):
            raise ParameterValidationError("check", "must be a function that takes the token")
        if iscoroutinefunction(check):
            raise _awaitable_check()
        of_pool = issuers_of_pool(user_pool_id, _names("replica_regions", replica_regions))
        self.issuers: frozenset[str] = of_pool if issuers is None else _names("issuers", issuers, low=1)
        self.is_access: bool = token_use == "access"  # noqa: S105 - not a password
        self.token_use = token_use
        self.client_ids: frozenset[str] | None = (
            None if isinstance(client_ids, AnyClient) else _names("client_ids", client_ids, low=1)
        )
        self.leeway: float = _seconds("leeway", leeway, MAX_LEEWAY)
        audiences = [audience] if isinstance(audience, str) else audience
        self.audience: frozenset[str] | None = None if audiences is None else _names("audience", audiences, low=1)
        self.required_scopes: frozenset[str] = _names("required_scopes", required_scopes)
        self.required_groups: frozenset[str] = _names("required_groups", required_groups)
        self.max_auth_age: float | None = (
            None if max_auth_age is None else _seconds("max_auth_age", max_auth_age, MAX_TIME)
        )
        self.check = check

    def read(self, parsed: Jwt, now: float) -> AccessToken | IdToken | TokenError:
        """Check the claims of a token whose signature is valid.

        Args:
            parsed: The token.
            now: The time in seconds since 1970.

        Returns:
            The token; or the error to raise, from a frame that does not hold the claims.
        """
        claims = parsed.claims or parse_claims(parsed.payload)
        if isinstance(claims, TokenMalformedError):
            return claims
        try:
            return self._read(claims, now)
        except TokenError as error:
            return error.with_traceback(None)

    def run_check(self, token: AccessToken | IdToken) -> None:
        """Call the user's check, which refuses the token by raising an error."""
        result = None if self.check is None else self.check(token)
        if isawaitable(result):
            if iscoroutine(result):
                result.close()
            raise _awaitable_check()

    def _read(self, claims: dict[str, Any], now: float) -> AccessToken | IdToken:
        is_access = self.is_access
        if _text(claims, "iss") not in self.issuers:
            raise TokenIssuerError("the token was issued by another user pool; check user_pool_id and issuers")
        if _text(claims, "token_use") != self.token_use:
            raise TokenUseError(f"the token_use of the token is not {self.token_use}")
        client_id, audience = _text(claims, "client_id"), _text(claims, "aud")
        if not is_access:
            client_id = audience
        if self.client_ids is not None and client_id not in self.client_ids:
            raise TokenClientError("the token was issued to another app client; check client_ids")
        if self.audience is not None and audience not in self.audience:
            raise TokenClientError("the token was issued for another audience; check audience")
        self._check_times(claims, now)
        groups = _groups(claims)
        scopes = frozenset((_text(claims, "scope") or "").split(" ")) - {""}
        if not scopes.issuperset(self.required_scopes):
            raise _requiring(TokenScopeError("the token lacks a required scope"), self.required_scopes)
        if not groups.issuperset(self.required_groups):
            raise _requiring(TokenGroupError("the user is not in a required group"), self.required_groups)
        common: dict[str, Any] = {
            "sub": _required_text(claims, "sub"),
            "username": _text(claims, "username" if is_access else "cognito:username"),
            "client_id": _required_text(claims, "client_id" if is_access else "aud"),
            "groups": groups,
            "expires_at": _datetime(claims["exp"]),
            "issued_at": _datetime(claims.get("iat")),
            "auth_time": _datetime(claims.get("auth_time")),
            "claims": MappingProxyType(claims),
        }
        if is_access:
            return AccessToken(**common, scopes=scopes, device_key=_text(claims, "device_key"))
        return IdToken(
            **common,
            email=_text(claims, "email"),
            email_verified=_flag(claims, "email_verified"),
            phone_number=_text(claims, "phone_number"),
            phone_number_verified=_flag(claims, "phone_number_verified"),
            nonce=_text(claims, "nonce"),
        )

    def _check_times(self, claims: dict[str, Any], now: float) -> None:
        """Check exp, nbf, iat and auth_time; a token is expired in its last second."""
        if now >= claims["exp"] + self.leeway:
            raise TokenExpiredError("the token has expired; refresh it, or sign in again")
        for name in ("nbf", "iat"):
            if name in claims and _time(claims, name) > now + self.leeway:
                raise TokenNotYetValidError(f"the token is not yet valid ({name}); check the clock, or set leeway")
        if self.max_auth_age is not None or "auth_time" in claims:
            age = now - _time(claims, "auth_time")
            if self.max_auth_age is not None and age > self.max_auth_age:
                raise TokenExpiredError(f"the user signed in more than {self.max_auth_age:g} s ago; sign in again")


def _awaitable_check() -> ParameterValidationError:
    return ParameterValidationError("check", "must be a function, not a coroutine function: it is not awaited")


def _requiring(error: TokenScopeError | TokenGroupError, required: frozenset[str]) -> TokenError:
    error.required = tuple(sorted(required))
    return error


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if isinstance(value, str) or (value is None and name not in claims):
        return value
    raise TokenMalformedError(f"the claim {name} must be a string")


def _required_text(claims: dict[str, Any], name: str) -> str:
    value = _text(claims, name)
    if not value:
        raise TokenMalformedError(f"the claim {name} is missing")
    return value


def _time(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if is_time(value):
        return value
    raise TokenMalformedError(f"the claim {name} must be a whole number of seconds")


def _groups(claims: dict[str, Any]) -> frozenset[str]:
    found = claims.get("cognito:groups", [])
    if isinstance(found, list):
        values = cast("list[object]", found)
        groups = [group for group in values if isinstance(group, str)]
        if len(groups) == len(values):
            return frozenset(groups)
    raise TokenMalformedError("the claim cognito:groups must be a list of strings")


def _flag(claims: dict[str, Any], name: str) -> bool:
    return claims.get(name) in (True, "true")  # federated users can have text


def _datetime(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
