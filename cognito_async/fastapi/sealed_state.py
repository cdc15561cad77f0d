"""Text that browsers keep for the server but can neither read nor change: AES-256-GCM with an expiry time."""

import hmac
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from secrets import token_bytes
from typing import Final

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_EXPIRY_BYTES: Final = 8


@frozen
class Seal:
    """Seals text with the first key and opens it with any of them.

    ``context`` is authenticated but not part of the sealed text: text that was sealed in another context does not open.
    """

    keys: tuple[bytes, ...] = field(repr=False)
    context: bytes
    clock: Callable[[], float]

    def seal(self, text: str, seconds: float) -> str:
        """Return the sealed text, which opens for some seconds."""
        nonce = token_bytes(_NONCE_BYTES)
        expiry = int((self.clock() + seconds) * 1000).to_bytes(_EXPIRY_BYTES)
        sealed = AESGCM(self.keys[0]).encrypt(nonce, expiry + text.encode(), self.context)
        return urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str) -> str | None:
        """Return the text; None if it has expired, was changed, or was sealed with another key or context."""
        try:
            data = urlsafe_b64decode(sealed)
        except ValueError:
            return None
        if urlsafe_b64encode(data).decode() != sealed:  # decoding skips other characters
            return None
        nonce, data = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        for key in self.keys:
            try:
                opened = AESGCM(key).decrypt(nonce, data, self.context)
            except (InvalidTag, ValueError):  # a nonce that is too short
                continue
            expiry = int.from_bytes(opened[:_EXPIRY_BYTES]) / 1000
            return opened[_EXPIRY_BYTES:].decode() if self.clock() < expiry else None
        return None


def key_of(text: SecretStr) -> bytes | None:
    """Return a key of the settings; None if it is not 32 bytes in base64, standard or URL-safe."""
    try:
        key = b64decode(text.get_secret_value().strip().translate(_URL_SAFE), validate=True)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def derived_key(client_secret: str) -> bytes:
    """Return a key that only the holders of a client secret know, which is long and random."""
    return hmac.digest(client_secret.encode(), b"cognito_async sign-in state", "sha256")


_URL_SAFE: Final = str.maketrans("-_", "+/")
