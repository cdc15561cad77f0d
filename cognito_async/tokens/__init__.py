"""Tokens of Amazon Cognito user pools: verification, refresh and storage.

    async with TokenVerifier(user_pool_id="eu-west-1_AbCdEfGhI", token_use="access", client_ids={"…"}) as verifier:
        token = await verifier.verify(text)

    provider = TokenProvider(client, tokens=tokens, store=FileTokenStore("~/.config/shop/tokens.json"))
    headers = {"Authorization": f"Bearer {await provider.access_token()}"}

Each name is imported on first use; those that verify signatures require the extra ``tokens``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cognito_async.tokens.bearer import bearer_challenge, bearer_token
    from cognito_async.tokens.claims import ANY_CLIENT, AccessToken, IdToken
    from cognito_async.tokens.jwks import verify_signature
    from cognito_async.tokens.model import Tokens
    from cognito_async.tokens.provider import TokenProvider
    from cognito_async.tokens.stores import FileTokenStore, LockingTokenStore, MemoryTokenStore, TokenStore
    from cognito_async.tokens.verifier import TokenVerifier

__all__ = [
    "ANY_CLIENT",
    "AccessToken",
    "FileTokenStore",
    "IdToken",
    "LockingTokenStore",
    "MemoryTokenStore",
    "TokenProvider",
    "TokenStore",
    "TokenVerifier",
    "Tokens",
    "bearer_challenge",
    "bearer_token",
    "verify_signature",
]

_MODULES = {
    "ANY_CLIENT": "claims",
    "AccessToken": "claims",
    "FileTokenStore": "stores",
    "IdToken": "claims",
    "LockingTokenStore": "stores",
    "MemoryTokenStore": "stores",
    "TokenProvider": "provider",
    "TokenStore": "stores",
    "TokenVerifier": "verifier",
    "Tokens": "model",
    "bearer_challenge": "bearer",
    "bearer_token": "bearer",
    "verify_signature": "jwks",
}


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:  # type checkers use the imports above, so typos are errors

    def __getattr__(name: str) -> object:
        """Import a public name on first use."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value
