"""Test utilities: user pools and tokens. Each name is imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cognito_async.testing.emulator import Emulator as Emulator
    from cognito_async.testing.environment import LocalPoolError as LocalPoolError
    from cognito_async.testing.fake_cognito import FakeCognito as FakeCognito
    from cognito_async.testing.local_pool import LocalPool as LocalPool
    from cognito_async.testing.mailbox import Message as Message
    from cognito_async.testing.token_issuer import TokenIssuer as TokenIssuer

__all__ = ["Emulator", "FakeCognito", "LocalPool", "LocalPoolError", "Message", "TokenIssuer"]

_HOME = {
    "Emulator": "emulator",
    "FakeCognito": "fake_cognito",
    "LocalPool": "local_pool",
    "LocalPoolError": "environment",
    "Message": "mailbox",
    "TokenIssuer": "token_issuer",
}


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:  # type checkers use the imports above, so typos are errors

    def __getattr__(name: str) -> object:
        """Import a public name on first use."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value
