"""The errors of token verification. None of them holds the token or a claim of it."""

from cognito_async.errors.tree import CognitoError

__all__ = [
    "JwksUnavailableError",
    "TokenClientError",
    "TokenError",
    "TokenExpiredError",
    "TokenGroupError",
    "TokenIssuerError",
    "TokenMalformedError",
    "TokenMissingError",
    "TokenNotYetValidError",
    "TokenScopeError",
    "TokenSignatureError",
    "TokenUnknownKeyError",
    "TokenUseError",
]


class TokenError(CognitoError):
    """The token is not acceptable: respond with 401, or 403 for TokenScopeError and TokenGroupError."""


class TokenMissingError(TokenError):
    """The request has no access token: respond with 401, so that the user signs in."""


class TokenMalformedError(TokenError):
    """The token is not a JWT in the form that Amazon Cognito issues, or a claim is missing or has the wrong type."""


class TokenSignatureError(TokenError):
    """The signature does not match: the token was changed, or forged."""


class TokenUnknownKeyError(TokenError):
    """The user pool has no key with the token's key ID: the token is of another pool, or its key was withdrawn."""


class TokenExpiredError(TokenError):
    """The token has expired, or the user signed in longer than ``max_auth_age`` ago."""


class TokenNotYetValidError(TokenError):
    """The token was issued, or becomes valid, in the future; the clock may be wrong."""


class TokenIssuerError(TokenError):
    """The token was issued by another user pool."""


class TokenUseError(TokenError):
    """The token is an ID token in place of an access token, or the reverse."""


class TokenClientError(TokenError):
    """The token was issued to another app client, or for another audience."""


class TokenScopeError(TokenError):
    """The access token lacks a required scope."""

    required: tuple[str, ...] = ()
    """The required scopes."""


class TokenGroupError(TokenError):
    """The user is not in a required group."""

    required: tuple[str, ...] = ()
    """The required groups."""


class JwksUnavailableError(CognitoError):
    """There is no usable key set (JWKS), or the token has a new key, which could not be fetched: 503, not 401.

    ``retry_after`` is the time until the next fetch, in seconds. The cause is the error of the last fetch, if any.
    """
