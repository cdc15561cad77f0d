"""Tokens of Amazon Cognito user pools: refresh and storage.

    provider = TokenProvider(client, tokens=tokens, store=FileTokenStore("~/.config/shop/tokens.json"))
    headers = {"Authorization": f"Bearer {await provider.access_token()}"}

Each name is imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cognito_async.tokens.model import Tokens
    from cognito_async.tokens.provider import TokenProvider
    from cognito_async.tokens.stores import FileTokenStore, LockingTokenStore, MemoryTokenStore, TokenStore

__all__ = [
    "FileTokenStore",
    "LockingTokenStore",
    "MemoryTokenStore",
    "TokenProvider",
    "TokenStore",
    "Tokens",
]

_MODULES = {
    "FileTokenStore": "stores",
    "LockingTokenStore": "stores",
    "MemoryTokenStore": "stores",
    "TokenProvider": "provider",
    "TokenStore": "stores",
    "Tokens": "model",
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
