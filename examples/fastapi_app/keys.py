"""Keys for cookies that say nothing and take no room: whoever only looks at a page leaves no trace."""

import hmac
import secrets

_BYTES = 32


class Keys:
    """Makes keys, and knows its own again."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(_BYTES)  # lives no longer than this process

    def new(self) -> str:
        """Make a key that nobody can guess.

        Returns:
            The key.
        """
        name = secrets.token_urlsafe(_BYTES)
        return f"{name}.{self._seal(name)}"

    def knows(self, key: str) -> bool:
        """Tell whether a key was made here.

        Args:
            key: What a browser sent.

        Returns:
            True if so.
        """
        name, _, seal = key.partition(".")
        return hmac.compare_digest(seal.encode(), self._seal(name).encode())

    def _seal(self, name: str) -> str:
        return hmac.digest(self._secret, name.encode(), "sha256").hex()
