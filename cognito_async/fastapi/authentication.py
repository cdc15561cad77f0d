"""The user of a request: dependencies that verify its access token and check scopes and groups (RFC 6750)."""

import re
from collections.abc import Callable, Collection, Coroutine
from typing import Annotated, Any, Final, TypeAlias, cast

from attrs import field, frozen
from fastapi import Depends, params
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from cognito_async.errors import (
    CognitoError,
    ParameterValidationError,
    TokenError,
    TokenGroupError,
    TokenMalformedError,
    TokenMissingError,
    TokenScopeError,
)
from cognito_async.fastapi.open_pool import find_pool
from cognito_async.fastapi.problems import CrossOriginError, NotAuthenticatedError
from cognito_async.fastapi.request import SAFE_METHODS, cookie_values, is_same_origin, origins
from cognito_async.fastapi.settings import DEFAULT_POOL, check_pool_name
from cognito_async.tokens import AccessToken
from cognito_async.tokens.bearer import SCOPE, bearer_token

UserDependency: TypeAlias = Callable[..., Coroutine[Any, Any, AccessToken | None]]

_COOKIE_NAME: Final = re.compile(r"[!#$%&'*+.^`|~\w-]+", re.ASCII)
BEARER_SCHEME: Final = "CognitoBearer"
COOKIE_SCHEME: Final = "CognitoCookie"


def _cookie_name(_: object, __: object, name: str | None) -> None:
    if name is not None and not _COOKIE_NAME.fullmatch(name):
        raise ParameterValidationError("cookie", "must be the name of a cookie, such as '__Host-access_token'")


def _pool_name(_: object, __: object, name: object) -> None:
    check_pool_name(name)


@frozen
class TokenAuth(SecurityBase):
    """A dependency that verifies the access token of a request and returns it.

    Instances with the same arguments are equal, so ``app.dependency_overrides[TokenAuth("staff")]`` works.

        Page = Annotated[AccessToken, Depends(TokenAuth(cookie="__Host-access_token"))]

    Calling it raises these errors, which ``install_problems`` turns into responses:

    - NotAuthenticatedError: there is no token, and it is not optional (401).
    - TokenError: the token is not acceptable, or there are several (401); or it lacks a scope or group that the
      verifier requires (403).
    - CrossOriginError: a request with a cookie comes from a page of another origin (403).
    - JwksUnavailableError: the keys of the user pool are unavailable (503).
    """

    pool: str = field(default=DEFAULT_POOL, validator=_pool_name)
    """The name of the pool, as in ``Cognito("staff")``."""

    cookie: str | None = field(default=None, kw_only=True, validator=_cookie_name)
    """The cookie that holds the token; None for the header ``Authorization: Bearer …``. Only one of them is read.

    Browsers send cookies with requests from other sites, too. With a cookie, requests from pages of other origins are
    refused, except GET, HEAD and OPTIONS, which must not change anything.
    """

    optional: bool = field(default=False, kw_only=True)
    """Whether to return None for requests without the header or cookie. Invalid tokens are errors in any case."""

    allowed_origins: Collection[str] = field(default=(), kw_only=True, converter=origins)
    """Other origins whose pages may send the cookie, such as ``"https://www.example.com"``."""

    @property
    def model(self) -> SecurityModel:  # type: ignore[override]  # an attribute in FastAPI
        """The security scheme in the OpenAPI document."""
        if self.cookie is not None:
            return APIKey.model_validate({"in": APIKeyIn.cookie, "name": self.cookie})
        return HTTPBearer(bearerFormat="JWT", description="An access token of the Amazon Cognito user pool.")

    @property
    def scheme_name(self) -> str:  # type: ignore[override]
        """The name of the security scheme in the OpenAPI document."""
        kind = BEARER_SCHEME if self.cookie is None else COOKIE_SCHEME
        return kind if self.pool == DEFAULT_POOL else f"{kind}-{self.pool}"

    async def __call__(self, connection: HTTPConnection) -> AccessToken | None:
        """Verify the access token of a request."""
        verifier = find_pool(connection.scope.get("state", {}), self.pool).verifier
        if isinstance(verifier, ParameterValidationError):
            raise ParameterValidationError(verifier.parameter, verifier.rule)
        found = _bearer_token(connection) if self.cookie is None else self._cookie_token(connection, self.cookie)
        if isinstance(found, str):
            verification = verifier.verify(found)
            del found  # keeps it out of tracebacks that show locals
            return await verification
        if found is not None:
            raise found
        if self.optional:
            return None
        raise NotAuthenticatedError("the request has no access token")

    def _cookie_token(self, connection: HTTPConnection, name: str) -> str | CognitoError | None:
        """Return the token, None if there is none, or the error to raise."""
        values = cookie_values(connection.headers, name)
        if not values:
            return None
        # JSON is checked, too, unlike forms without a cookie: no preflight request vouches for it behind a CORS policy
        # that is too generous. A WebSocket has no method.
        if connection.scope.get("method") not in SAFE_METHODS and not is_same_origin(
            connection.headers, self.allowed_origins
        ):
            return CrossOriginError("the request with a cookie was sent by a page of another origin")
        if len(values) == 1:
            return values[0]
        return TokenMalformedError(f"the request has several cookies named {name}, or more than 32 KiB of cookies")


def _bearer_token(connection: HTTPConnection) -> str | CognitoError | None:
    """Return the token of the Authorization header, None if there is no header, or the error to raise."""
    values = connection.headers.getlist("authorization")
    if not values:
        return None
    if len(values) > 1:
        return TokenMalformedError("the request has several Authorization headers")
    try:
        return bearer_token(values[0])
    except TokenMissingError:
        return NotAuthenticatedError("the Authorization header has no bearer token")


current_user: Final = TokenAuth()
"""The dependency of ``CurrentUser``, for ``app.dependency_overrides[current_user]``."""

optional_user: Final = TokenAuth(optional=True)
"""The dependency of ``OptionalUser``, for ``app.dependency_overrides[optional_user]``."""

CurrentUser = Annotated[AccessToken, Depends(current_user)]
"""The verified access token of a request to the default pool."""

OptionalUser = Annotated[AccessToken | None, Depends(optional_user)]
"""The verified access token; None for requests without the Authorization header."""


def require_scopes(*scopes: str, pool: str | None = None, user: UserDependency | None = None) -> params.Depends:
    """Return a dependency that refuses access tokens without all of these scopes: TokenScopeError, 403.

        @app.get("/orders", dependencies=[require_scopes("shop.example.com/orders.read")])

    Args:
        *scopes: The required scopes.
        pool: The name of the pool whose tokens are accepted; None for that of ``user``, or the default pool.
        user: The dependency that returns the access token, such as ``TokenAuth(cookie="…")``. None for that of
            the pool, which reads the Authorization header.

    Returns:
        The dependency, whose value is the access token, for ``dependencies=[…]`` or ``Annotated[AccessToken, …]``.

    Raises:
        ParameterValidationError: There is no scope, one is invalid, or ``user`` is not of the pool.
    """
    required = _names("scopes", scopes)
    if not all(map(SCOPE.fullmatch, scopes)):
        raise ParameterValidationError("scopes", "must not contain spaces, quotes or characters that are not ASCII")

    def check(token: AccessToken) -> TokenError | None:
        return None if required <= token.scopes else _requiring(TokenScopeError("the token lacks a scope"), required)

    return _require(check, pool, user)


def require_groups(*groups: str, pool: str | None = None, user: UserDependency | None = None) -> params.Depends:
    """Return a dependency that refuses users who are not in all of these groups: TokenGroupError, 403.

        @app.delete("/orders/{order}", dependencies=[require_groups("staff")])

    Args:
        *groups: The required groups.
        pool: The name of the pool whose tokens are accepted; None for that of ``user``, or the default pool.
        user: The dependency that returns the access token, such as ``TokenAuth(cookie="…")``. None for that of
            the pool, which reads the Authorization header.

    Returns:
        The dependency, whose value is the access token, for ``dependencies=[…]`` or ``Annotated[AccessToken, …]``.

    Raises:
        ParameterValidationError: There is no group, one is empty, or ``user`` is not of the pool.
    """
    required = _names("groups", groups)

    def check(token: AccessToken) -> TokenError | None:
        return None if required <= token.groups else _requiring(TokenGroupError("the user is not in a group"), required)

    return _require(check, pool, user)


def require_any_group(*groups: str, pool: str | None = None, user: UserDependency | None = None) -> params.Depends:
    """Return a dependency that refuses users who are in none of these groups: TokenGroupError, 403.

        @app.get("/reports", dependencies=[require_any_group("staff", "auditors")])

    Args:
        *groups: The groups, one of which is required.
        pool: The name of the pool whose tokens are accepted; None for that of ``user``, or the default pool.
        user: The dependency that returns the access token, such as ``TokenAuth(cookie="…")``. None for that of
            the pool, which reads the Authorization header.

    Returns:
        The dependency, whose value is the access token, for ``dependencies=[…]`` or ``Annotated[AccessToken, …]``.

    Raises:
        ParameterValidationError: There is no group, one is empty, or ``user`` is not of the pool.
    """
    accepted = _names("groups", groups)

    def check(token: AccessToken) -> TokenError | None:
        refused = accepted.isdisjoint(token.groups)
        return _requiring(TokenGroupError("the user is in none of the groups"), accepted) if refused else None

    return _require(check, pool, user)


def _names(parameter: str, names: tuple[str, ...]) -> frozenset[str]:
    if not names or not all(isinstance(name, str) and name for name in cast("tuple[object, ...]", names)):
        raise ParameterValidationError(parameter, "must be one or more non-empty strings")
    return frozenset(names)


def _requiring(error: TokenScopeError | TokenGroupError, required: frozenset[str]) -> TokenError:
    error.required = tuple(sorted(required))
    return error


def _require(
    check: Callable[[AccessToken], TokenError | None], pool: str | None, user: UserDependency | None
) -> params.Depends:
    if user is not None and pool is not None and not (isinstance(user, TokenAuth) and user.pool == pool):
        raise ParameterValidationError("pool", "must be that of user: pass it to TokenAuth(pool, ...) instead")
    source = TokenAuth(DEFAULT_POOL if pool is None else pool) if user is None else user

    async def permitted_user(token: Annotated[AccessToken | None, Depends(source)]) -> AccessToken:
        if token is None:
            raise NotAuthenticatedError("the request has no access token")
        error = check(token)
        if error is not None:
            raise error
        return token

    dependency: params.Depends = Depends(permitted_user)
    return dependency
