"""Sealed text: what opens it, and what does not."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from pydantic import SecretStr

from cognito_async.fastapi.settings import key_of
from cognito_async.fastapi.sign_in import Seal, derived_key

KEYS = (b"a" * 32, b"b" * 32)
TEXT = "ada\nsession-of-the-sign-in"


class Clock:
    """A clock that tests set."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def seal(*keys: bytes, context: bytes = b"sign-in abc", clock: Clock | None = None) -> Seal:
    """Return a seal."""
    return Seal(keys or KEYS[:1], context, clock or Clock())


def test_sealed_text_opens_until_it_expires() -> None:
    """It is not readable, and each one is different."""
    clock = Clock()
    sealed = seal(clock=clock).seal(TEXT, 180.0)
    assert sealed != seal(clock=clock).seal(TEXT, 180.0)
    assert b"ada" not in urlsafe_b64decode(sealed)
    clock.now += 179.9
    assert seal(clock=clock).open(sealed) == TEXT
    clock.now += 0.1
    assert seal(clock=clock).open(sealed) is None


def test_keys_can_be_rotated() -> None:
    """The new key seals; both open."""
    old, both, new = seal(KEYS[0]), seal(KEYS[1], KEYS[0]), seal(KEYS[1])
    assert both.open(old.seal(TEXT, 9)) == TEXT
    assert new.open(both.seal(TEXT, 9)) == TEXT
    assert old.open(both.seal(TEXT, 9)) is None
    assert new.open(old.seal(TEXT, 9)) is None


def test_text_of_another_context_does_not_open() -> None:
    """Such as another app client."""
    assert seal().open(seal(context=b"sign-in xyz").seal(TEXT, 9)) is None


@pytest.mark.parametrize("change", ["!{}", "{}!", "{}=", "{}\n", "{}A"])
def test_text_with_other_characters_does_not_open(change: str) -> None:
    """Although base64 decoders skip some of them."""
    for length in range(1, 4):  # with and without padding
        sealed = seal().seal("a" * length, 9)
        assert seal().open(sealed) == "a" * length
        assert seal().open(change.format(sealed)) is None


def test_changed_text_does_not_open() -> None:
    """Each bit is authenticated."""
    data = urlsafe_b64decode(seal().seal(TEXT, 9))
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        assert seal().open(urlsafe_b64encode(changed).decode()) is None
    for length in range(len(data)):
        assert seal().open(urlsafe_b64encode(data[:length]).decode()) is None


@pytest.mark.parametrize("text", ["", "x", "not base64!", "é", "AAAA" * 8000])
def test_other_text_does_not_open(text: str) -> None:
    """Without an error."""
    assert seal().open(text) is None


@pytest.mark.parametrize("text", ["-_-_" * 10 + "-_8=", "+/+/" * 10 + "+/8=", " " + "-/+_" * 10 + "-/8=\n"])
def test_key_is_32_bytes_in_base64(text: str) -> None:
    """Standard or URL-safe, with spaces around it."""
    assert key_of(SecretStr(text)) == bytes.fromhex("fbffbf" * 10 + "fbff")


@pytest.mark.parametrize("text", ["", "AAAA", "A" * 43, "A" * 44, "A" * 42 + "AA==", "!" + "A" * 43 + "=", "é" * 43])
def test_other_text_is_no_key(text: str) -> None:
    """Another length, or other characters, which decoders may skip."""
    assert key_of(SecretStr(text)) is None


def test_derived_key_depends_on_the_client_secret() -> None:
    """And is not part of it."""
    assert derived_key("a" * 40) != derived_key("b" * 40)
    assert len(derived_key("a" * 40)) == 32


def test_repr_hides_the_keys() -> None:
    """Error reporters collect it."""
    assert "aaa" not in repr(seal())
