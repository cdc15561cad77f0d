"""The Authorization header, and the challenge of refused requests."""

from typing import Any

import pytest

from cognito_async import (
    CognitoError,
    JwksUnavailableError,
    TokenError,
    TokenExpiredError,
    TokenGroupError,
    TokenMissingError,
    TokenScopeError,
)
from cognito_async.tokens import bearer_challenge, bearer_token
from tests.support.canaries import canary, leaking_frames


@pytest.mark.parametrize("header", ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", "  Bearer a.b.c  "])
def test_bearer_token_with_the_scheme_is_returned(header: str) -> None:
    """Schemes are case-insensitive (RFC 9110), and spaces around the token are not part of it."""
    assert bearer_token(header) == "a.b.c"


@pytest.mark.parametrize(
    "header", [None, "", " ", "Bearer", "Bearer ", "a.b.c", "Basic a.b.c", "Bearera.b.c", "Bearer\ta.b.c", b"Bearer a"]
)
def test_bearer_token_without_scheme_or_token_is_missing(header: Any) -> None:
    """A token without a scheme is refused, too."""
    with pytest.raises(TokenMissingError):
        bearer_token(header)


def test_bearer_token_refused_leaves_no_token_in_tracebacks() -> None:
    """The header may be a token without a scheme, or a password."""
    secret = canary()
    with pytest.raises(TokenError) as raised:
        bearer_token(secret)
    assert leaking_frames(raised.value) == []
    assert secret not in str(raised.value)


def lacks(kind: type[TokenScopeError | TokenGroupError], *required: str) -> CognitoError:
    """Return an error with the required names."""
    error = kind("refused")
    error.required = required
    return error


@pytest.mark.parametrize(
    ("error", "challenge"),
    [
        (TokenMissingError(""), "Bearer"),
        (JwksUnavailableError(""), "Bearer"),
        (TokenExpiredError(""), 'Bearer error="invalid_token"'),
        (TokenScopeError(""), 'Bearer error="insufficient_scope"'),
        (lacks(TokenScopeError, "a", "b"), 'Bearer error="insufficient_scope", scope="a b"'),
        (lacks(TokenScopeError, 'a"'), 'Bearer error="insufficient_scope"'),
        (lacks(TokenGroupError, "staff"), 'Bearer error="insufficient_scope"'),
    ],
)
def test_bearer_challenge_names_the_error(error: CognitoError, challenge: str) -> None:
    """As in RFC 6750: no code without a token, and only valid scopes are named."""
    assert bearer_challenge(error) == challenge
