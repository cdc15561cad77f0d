"""Forged and odd tokens, compared with PyJWT and joserfc."""

import hmac
import random
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cognito_async import TokenError, TokenMalformedError
from cognito_async.tokens import ANY_CLIENT, TokenVerifier
from tests.support.jwt_issuer import CLIENT, ISSUER, NOW, POOL, JwtIssuer, dump, encode

ISSUED = JwtIssuer()
VERIFIER = TokenVerifier.offline(
    user_pool_id=POOL, token_use="access", client_ids={CLIENT}, jwks=ISSUED.jwks, clock=lambda: NOW
)
LENIENT = TokenVerifier.offline(
    user_pool_id=POOL, token_use="access", client_ids=ANY_CLIENT, jwks=ISSUED.jwks, clock=lambda: NOW
)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def is_accepted(token: Any, verifier: TokenVerifier[Any] = VERIFIER) -> bool:
    """Return whether a token is accepted; any error but TokenError fails the test."""
    try:
        verifier.verify_cached(token)
    except TokenError:
        return False
    return True


# --- mutations --------------------------------------------------------------------------------------------------------


def mutations(draw: random.Random) -> list[Callable[[str], str]]:  # noqa: C901 - a list
    """Return ways to change a text."""

    def place(text: str) -> int:
        return draw.randrange(len(text))

    def replace(text: str) -> str:
        at = place(text)
        return text[:at] + draw.choice(ALPHABET) + text[at + 1 :]

    def replace_by_any(text: str) -> str:
        at = place(text)
        return text[:at] + chr(draw.choice((draw.randrange(128), draw.randrange(0x110000)))) + text[at + 1 :]

    def insert(text: str) -> str:
        at = place(text)
        return text[:at] + draw.choice(f"{ALPHABET}=+/. \n\0") + text[at:]

    def remove(text: str) -> str:
        at = place(text)
        return text[:at] + text[at + draw.randint(1, 4) :]

    def swap(text: str) -> str:
        first, second = sorted((place(text), place(text)))
        return (
            text[:first]
            + text[second : second + 1]
            + text[first + 1 : second]
            + text[first : first + 1]
            + text[second + 1 :]
        )

    def flip_case(text: str) -> str:
        at = place(text)
        return text[:at] + text[at].swapcase() + text[at + 1 :]

    def flip_bit(text: str) -> str:
        at = place(text)
        return text[:at] + chr(ord(text[at]) ^ 1 << draw.randrange(8)) + text[at + 1 :]

    def change_the_last_bits(text: str) -> str:
        return text[:-1] + draw.choice(ALPHABET)

    def exchange_parts(text: str) -> str:
        pools = [ISSUED_TOKENS[0].split("."), ISSUED_TOKENS[1].split("."), ISSUED_TOKENS[2].split(".")]
        return ".".join(draw.choice(pools)[part] for part in range(3))

    def pad(text: str) -> str:
        parts = text.split(".")
        parts[draw.randrange(len(parts))] += draw.choice(("=", "==", " ", "\n", "A", "AA", "AAA", "AAAA"))
        return ".".join(parts)

    return [
        *(replace, replace_by_any, insert, remove, swap, flip_case, flip_bit),
        *(change_the_last_bits, exchange_parts, pad),
    ]


ISSUED_TOKENS = [ISSUED.access_token(), ISSUED.access_token(sub="eve"), ISSUED.access_token(exp=NOW + 7200)]


def test_no_mutation_of_a_token_is_accepted() -> None:
    """100,000 random changes; only texts that were issued are accepted."""
    draw = random.Random(14)
    ways = mutations(draw)
    issued = set(ISSUED_TOKENS)
    accepted = 0
    for number in range(100_000):
        text = ISSUED_TOKENS[0]
        for _ in range(1 + (number % 4 == 0)):
            text = draw.choice(ways)(text)
        if is_accepted(text):
            assert text in issued
            accepted += 1
    assert 0 < accepted < 20_000  # some changes restore an issued text


# --- oracles ----------------------------------------------------------------------------------------------------------

PYJWT_KEYS = {key.key_id: key for key in jwt.PyJWKSet.from_dict(ISSUED.jwks).keys}
JOSERFC_KEYS = KeySet.import_key_set(ISSUED.jwks)  # type: ignore[arg-type]


def pyjwt_claims(token: str) -> Any:
    """Return the claims that PyJWT accepts, without comparing times; None if it refuses."""
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    try:
        key = PYJWT_KEYS[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(token, key, algorithms=["RS256"], issuer=ISSUER, options=options)
    except (jwt.PyJWTError, KeyError):
        return None


def joserfc_claims(token: str) -> Any:
    """Return the claims that joserfc accepts; None if it refuses."""
    try:
        return joserfc_jwt.decode(token, JOSERFC_KEYS, algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        return None


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=8)
    | st.lists(st.text(max_size=4), max_size=3)
)
NAMES = st.sampled_from([*ISSUED.access_claims(), "nbf", "aud", "custom"])


@given(st.dictionaries(NAMES, VALUES, max_size=2), st.sets(NAMES, max_size=1))
def test_oracles_accept_all_that_is_accepted(changes: dict[str, Any], dropped: set[str]) -> None:
    """With the same claims; they refuse less."""
    claims = {name: value for name, value in {**ISSUED.access_claims(), **changes}.items() if name not in dropped}
    token = ISSUED.sign(dump(claims))
    try:
        accepted = LENIENT.verify_cached(token)
    except TokenError:
        return
    assert accepted.claims == claims
    assert pyjwt_claims(token) == joserfc_claims(token) == claims


CLAIMS = dump(ISSUED.access_claims())[:-1]
DUPLICATE_ALG = dump({"kid": next(iter(ISSUED.keys)), "alg": "none"})[:-1] + b',"alg":"RS256"}'
ODD: dict[str, tuple[str, bool, bool]] = {
    # The token, and whether PyJWT and joserfc accept it.
    "plain": (ISSUED.access_token(), True, True),
    "duplicate exp": (ISSUED.sign(CLAIMS + b',"exp":1900000000}'), True, True),
    "duplicate alg": (ISSUED.sign(CLAIMS + b"}", DUPLICATE_ALG), True, True),
    "exp as text": (ISSUED.access_token(exp=str(NOW + 60)), True, True),
    "exp 2**70": (ISSUED.access_token(exp=2**70), True, True),
    "UTF-16": (ISSUED.sign((CLAIMS + b"}").decode().encode("utf-16")), True, True),
    "BOM": (ISSUED.sign(b"\xef\xbb\xbf" + CLAIMS + b"}"), True, True),
    "padding": (ISSUED_TOKENS[0] + "==", True, False),
}  # fmt: skip


@pytest.mark.parametrize(("token", "by_pyjwt", "by_joserfc"), ODD.values(), ids=ODD.keys())
def test_odd_tokens_are_refused_though_others_accept_them(token: str, *, by_pyjwt: bool, by_joserfc: bool) -> None:
    """Correctly signed, but with more than one reading or text."""
    assert (pyjwt_claims(token) is not None) is by_pyjwt
    assert (joserfc_claims(token) is not None) is by_joserfc
    if token != ISSUED.access_token():
        with pytest.raises(TokenMalformedError):
            VERIFIER.verify_cached(token)


def test_algorithms_cannot_be_confused() -> None:
    """No signature, HMAC with each form of the public key as the secret, and keys in the header."""
    key_id, member = next(iter(ISSUED.keys)), ISSUED.jwks["keys"][0]
    payload = encode(dump(ISSUED.access_claims()))
    public: Any = PYJWT_KEYS[key_id].key
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    for secret in (pem, der, dump(member), member["n"].encode(), b"", b"\0"):
        for algorithm, name in (("HS256", "sha256"), ("HS512", "sha512"), ("RS256", "sha256")):
            signed = f"{encode(dump({'alg': algorithm, 'kid': key_id}))}.{payload}"
            assert not is_accepted(f"{signed}.{encode(hmac.digest(secret, signed.encode(), name))}")
    for algorithm in ("none", "None", "NONE", ""):
        for signature in ("", "AA", ISSUED_TOKENS[0].split(".")[2]):
            assert not is_accepted(f"{encode(dump({'alg': algorithm, 'kid': key_id}))}.{payload}.{signature}")
    for header in (
        {"jwk": member},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"x5c": ["MII"]},
        {"crit": ["exp"]},
    ):
        assert not is_accepted(ISSUED.access_token(header=header))
