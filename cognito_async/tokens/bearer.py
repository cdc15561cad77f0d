"""Bearer tokens in HTTP requests (RFC 6750): the Authorization header, and the challenge of a response."""

import re
from typing import Final

from cognito_async.errors import CognitoError, TokenError, TokenGroupError, TokenMissingError, TokenScopeError

SCOPE: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749, section 3.3


def bearer_token(header: str | None) -> str:
    """Return the token of an Authorization header, for any web framework.

        token = await verifier.verify(bearer_token(request.headers.get("Authorization")))

    The scheme ``Bearer`` is required, in upper or lower case. The token is not verified.

    Args:
        header: The value of the header; None if the request does not have it.

    Returns:
        The token.

    Raises:
        TokenMissingError: There is no header, no token in it, or the scheme is missing or another one.
    """
    scheme, _, token = (header if isinstance(header, str) else "").strip(" ").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.lstrip(" ")
    del header, scheme, token  # keeps them out of tracebacks that show locals
    raise TokenMissingError("the request has no access token; send the header 'Authorization: Bearer <token>'")


def bearer_challenge(error: CognitoError) -> str:
    """Return the value of ``WWW-Authenticate`` for a response with status 401 or 403.

    Args:
        error: The error that the request is refused with.

    Returns:
        ``Bearer``, with ``error="invalid_token"`` for a token that is not acceptable, and with
        ``error="insufficient_scope"`` for TokenScopeError and TokenGroupError.
    """
    if isinstance(error, TokenScopeError) and error.required and all(map(SCOPE.fullmatch, error.required)):
        return f'Bearer error="insufficient_scope", scope="{" ".join(error.required)}"'
    if isinstance(error, TokenScopeError | TokenGroupError):
        return 'Bearer error="insufficient_scope"'
    is_invalid = isinstance(error, TokenError) and not isinstance(error, TokenMissingError)
    return 'Bearer error="invalid_token"' if is_invalid else "Bearer"
