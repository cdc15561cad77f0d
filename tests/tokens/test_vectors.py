"""Test vectors of Wycheproof: signatures, base64url and key sets."""

import json
from pathlib import Path
from typing import Any

import pytest

from cognito_async import JwksUnavailableError, TokenError
from cognito_async.protocol.jwt import decode_base64url
from cognito_async.tokens import verify_signature

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "wycheproof_jws.json").read_text(encoding="utf-8"))

OTHER_ALGORITHMS = {
    *range(264, 272),  # RS384, RS512
    *range(272, 276),
    *range(287, 289),
    *range(320, 324),
    *range(325, 329),  # PS256, PS384, PS512
    *(346, 350),
}
"""Valid vectors that are refused because Amazon Cognito uses RS256 only."""

EMPTY_PAYLOAD = {259}
"""A valid signature of nothing, which is not a token."""

QUESTION_MARKS = {372, 373}
"""Valid for lenient decoders: a character outside the alphabet is ignored."""

UNDETECTABLE = {367, 370}
"""Invalid padding by its comment, but the text is that of vector 357, which is valid."""


def is_accepted(jws: str, keys: list[dict[str, Any]]) -> bool:
    """Return whether a signature is accepted."""
    try:
        verify_signature(jws, {"keys": keys})
    except (TokenError, JwksUnavailableError):
        return False
    return True


@pytest.mark.parametrize("group", VECTORS["signatures"], ids=lambda group: f"from {group['tests'][0][0]}")
def test_signatures_are_accepted_exactly_if_valid(group: Any) -> None:
    """Except for other algorithms and an empty payload."""
    for number, comment, jws, result in group["tests"]:
        expected = result == "valid" and number not in OTHER_ALGORITHMS | EMPTY_PAYLOAD
        assert is_accepted(jws, [group["key"]]) is expected, (number, comment)


def test_refused_valid_vectors_are_those_listed() -> None:
    """And no others."""
    tests = [(group["key"], *test) for group in VECTORS["signatures"] for test in group["tests"]]
    refused = {number for key, number, _, jws, result in tests if result == "valid" and not is_accepted(jws, [key])}
    assert refused == OTHER_ALGORITHMS | EMPTY_PAYLOAD
    assert len(tests) > 300


@pytest.mark.parametrize("test", VECTORS["base64"], ids=lambda test: f"{test[0]} {test[1]}")
def test_base64url_is_decoded_exactly_if_canonical(test: Any) -> None:
    """The vectors are for HS256: only the encoding of the parts is compared."""
    number, _, jws, result = test
    decodes = all(decode_base64url(part.encode()) is not None for part in jws.split("."))
    assert decodes is ((result == "valid" and number not in QUESTION_MARKS) or number in UNDETECTABLE)
    assert not is_accepted(jws, [{"kty": "oct", "kid": "hs256-key", "use": "sig", "alg": "HS256", "k": "AAAA"}])


@pytest.mark.parametrize("group", VECTORS["key_sets"], ids=lambda group: f"from {group['tests'][0][0]}")
def test_keys_are_accepted_exactly_if_sound(group: Any) -> None:
    """RSA keys for RS256: neither 1024 bits, exponent 1, the ROCA modulus nor another use."""
    is_rsa = all(key["kty"] == "RSA" for key in group["keys"])
    for number, comment, jws, result in group["tests"]:
        assert is_accepted(jws, group["keys"]) is (is_rsa and result == "valid"), (number, comment)
