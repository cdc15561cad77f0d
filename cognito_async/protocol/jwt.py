"""JSON Web Tokens in the one form that Amazon Cognito issues: compact, RS256, header ``alg`` and ``kid``.

Stricter than the RFCs: no algorithm but RS256, canonical base64url, strict JSON, and bounds before any decoding. So a
token has exactly one text, and nothing in it selects a key or an algorithm by other means than a dictionary lookup.
The functions return errors instead of raising them, because their frames hold the token.
"""

import json
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from math import inf, isfinite
from typing import Any, TypeGuard

from cognito_async.errors import TokenMalformedError

ALGORITHM = "RS256"
MAX_TOKEN = 16 * 1024
MAX_HEADER = 2048
MAX_KEY_ID = 256
MAX_DEPTH = 32
MAX_INTEGER_DIGITS = 20
MAX_FLOAT_DIGITS = 32
MAX_TIME = 253_402_300_799
"""The last second of the year 9999: later times are not representable as a datetime."""

CHEAP_ELEMENTS = 100
"""Payloads with more elements are parsed after the signature check only, so that forged ones cost no time."""

# Cognito sends none of them: a key or a URL in the token, the compression of the payload, extensions to be understood.
REFUSED_HEADERS = frozenset({"b64", "crit", "jku", "jwk", "x5c", "x5u", "zip"})

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Jwt:
    """A token whose form was checked, but not its signature. Its repr hides the content."""

    __slots__ = ("claims", "key_id", "payload", "signature", "signed")

    def __init__(self, key_id: str, signed: bytes, signature: bytes, payload: bytes) -> None:
        self.key_id: str = key_id
        """The ID of the key (``kid``)."""

        self.signed: bytes = signed
        """The part that is signed."""

        self.signature: bytes = signature
        """The signature."""

        self.payload: bytes = payload
        """The decoded payload."""

        self.claims: dict[str, Any] | None = None
        """The parsed payload; None if it was not parsed yet."""


def parse_token(token: object) -> Jwt | TokenMalformedError:
    """Parse a token, all of it but a payload with many elements; ``parse_claims`` parses that one.

    Args:
        token: The text of the token; other types are refused.

    Returns:
        The token, or the error to raise.
    """
    parsed = parse_signed(token)
    if isinstance(parsed, TokenMalformedError):
        return parsed
    if not _is_cheap(parsed.payload):
        return parsed
    claims = parse_claims(parsed.payload)
    if isinstance(claims, TokenMalformedError):
        return claims
    parsed.claims = claims
    return parsed


def parse_signed(token: object) -> Jwt | TokenMalformedError:  # noqa: PLR0911 - one for each rule
    """Split and decode a token with any payload, and check its header; like ``parse_token`` otherwise."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN or not token.isascii():
        return TokenMalformedError(f"the token must be ASCII text of at most {MAX_TOKEN:,} characters")
    parts = token.encode("ascii").split(b".")
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - header, payload, signature
        return TokenMalformedError("the token must have three parts: header, payload and signature")
    decoded = [decode_base64url(part) for part in parts]
    header, payload, signature = decoded
    if header is None or payload is None or signature is None:
        return TokenMalformedError("a part of the token is not canonical base64url without padding")
    names = parse_object(header) if len(header) <= MAX_HEADER and _is_cheap(header) else None
    if names is None:
        return TokenMalformedError("the header of the token is not a JSON object with unique names")
    key_id, kind = names.get("kid"), names.get("typ", "JWT")
    if names.get("alg") != ALGORITHM:
        return TokenMalformedError(f"the token must be signed with {ALGORITHM}; the user pool uses no other algorithm")
    if not REFUSED_HEADERS.isdisjoint(names):
        return TokenMalformedError(f"the header of the token must not contain {', '.join(sorted(REFUSED_HEADERS))}")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID:
        return TokenMalformedError(f"the header of the token must have a key ID (kid) of 1 to {MAX_KEY_ID} characters")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        return TokenMalformedError("the type (typ) of the token is not JWT")
    return Jwt(key_id, b"%b.%b" % (parts[0], parts[1]), signature, payload)


def parse_claims(payload: bytes) -> dict[str, Any] | TokenMalformedError:
    """Parse a payload into its claims, with an expiry time; other claims are not checked.

    Returns:
        The claims, or the error to raise.
    """
    claims = parse_object(payload)
    if claims is None:
        return TokenMalformedError("the payload of the token is not a JSON object with unique names and bounded values")
    if "exp" not in claims or not is_time(claims["exp"]):
        return TokenMalformedError("exp must be a whole number of seconds; the token has no valid expiry time")
    return claims


def _is_cheap(encoded: bytes) -> bool:
    return encoded.count(b",") + encoded.count(b"{") + encoded.count(b"[") <= CHEAP_ELEMENTS


def is_time(value: object) -> TypeGuard[int]:
    """Return whether a claim is a time in whole seconds since 1970, until the year 9999."""
    return type(value) is int and 0 <= value <= MAX_TIME


def decode_base64url(encoded: bytes) -> bytes | None:
    """Return the decoded bytes; None unless the text is the only one that stands for them, without padding."""
    try:
        decoded = a2b_base64(encoded.translate(_TO_STANDARD) + b"==")  # ignores padding that is not needed
    except Base64Error:
        return None
    # Encoding it again excludes padding, other characters, and bits beyond the last byte.
    again = b2a_base64(decoded, newline=False).translate(_TO_URL_SAFE).rstrip(b"=")
    return decoded if again == encoded else None


def parse_object(encoded: bytes) -> dict[str, Any] | None:
    """Parse a JSON object.

    Returns:
        The object. None for other values, duplicate names, NaN and infinity, integers over 20 digits, floats over 32
        characters, more than 32 levels, other encodings than UTF-8, and escapes of lone surrogates.
    """
    try:
        text = encoded.decode("utf-8")
        parsed = _STRICT_JSON.decode(text)
        if "\\u" in text:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")  # fails for a lone surrogate
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    is_deep = text.count("{") + text.count("[") > MAX_DEPTH and _is_deeper(parsed, MAX_DEPTH)
    return None if is_deep else parsed  # pyright: ignore[reportUnknownVariableType]


def _is_deeper(value: Any, levels: int) -> bool:  # noqa: ANN401 - any JSON value
    level = [value]
    for _ in range(levels):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
    return bool(level)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate name")
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError("integer too large")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits) if len(digits) <= MAX_FLOAT_DIGITS else inf
    if not isfinite(number):
        raise ValueError("number too large")
    return number


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_STRICT_JSON = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_refuse
)
