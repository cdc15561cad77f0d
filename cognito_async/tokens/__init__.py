"""Tokens of users: refresh and storage. Public names are imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cognito_async.tokens.model import Tokens as Tokens
    from cognito_async.tokens.provider import TokenProvider as TokenProvider
    from cognito_async.tokens.stores import FileTokenStore as FileTokenStore
    from cognito_async.tokens.stores import LockingTokenStore as LockingTokenStore
    from cognito_async.tokens.stores import MemoryTokenStore as MemoryTokenStore
    from cognito_async.tokens.stores import TokenStore as TokenStore

__all__ = ["FileTokenStore", "LockingTokenStore", "MemoryTokenStore", "TokenProvider", "TokenStore", "Tokens"]

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

    def __getattr__(name: str) -> Any:
        """Import a public name on first use."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value
