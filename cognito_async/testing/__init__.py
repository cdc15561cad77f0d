"""What tests of programs that use Amazon Cognito stand on: a user pool of their own, on this machine.

Each name is imported when it is first used; nothing outside the tests needs any of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cognito_async.testing.emulator import Emulator as Emulator
    from cognito_async.testing.environment import LocalPoolError as LocalPoolError
    from cognito_async.testing.local_pool import LocalPool as LocalPool
    from cognito_async.testing.mailbox import Message as Message

_HOME = {"Emulator": "emulator", "LocalPool": "local_pool", "LocalPoolError": "environment", "Message": "mailbox"}


def __dir__() -> list[str]:
    return sorted(_HOME)


if not TYPE_CHECKING:  # the checkers see the imports above, and so each misspelt name

    def __getattr__(name: str) -> object:
        """Import a public name, and keep it here from then on."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value
