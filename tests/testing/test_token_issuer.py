"""TokenIssuer: PyJWT and joserfc verify its tokens."""

import base64
import re
import subprocess
import sys
import time
from typing import Any, cast

import jwt
import pytest
from joserfc import jwt as jose
from joserfc.jwk import KeySet

from cognito_async import CognitoError, ParameterValidationError
from cognito_async.testing import FakeCognito, TokenIssuer, token_issuer

ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_TestPool1"


def decode(issuer: TokenIssuer, token: str, /, **options: Any) -> dict[str, Any]:
    """Verify a token with PyJWT and joserfc; return its claims."""
    jwks = issuer.jwks
    key = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], **options)
    assert jose.decode(token, KeySet.import_key_set(cast("Any", jwks)), algorithms=["RS256"]).claims == claims
    return claims


def test_access_token_has_the_claims_of_the_service() -> None:
    """An access token names the app client, and has no audience."""
    issuer = TokenIssuer(client_id="client-1")
    claims = decode(issuer, issuer.access_token(username="ada", groups=["staff"], scopes=["a/b", "c"]), issuer=ISSUER)
    assert (claims["token_use"], claims["client_id"], claims["username"]) == ("access", "client-1", "ada")
    assert claims["scope"] == "a/b c"
    assert claims["cognito:groups"] == ["staff"]
    assert "aud" not in claims
    assert claims["exp"] - claims["iat"] == 3600


def test_id_token_has_the_claims_of_the_service() -> None:
    """An ID token has the app client as its audience, and the same subject as the access token."""
    issuer = TokenIssuer(client_id="client-1")
    claims = decode(issuer, issuer.id_token(username="ada", email="ada@example.com"), audience="client-1")
    assert (claims["token_use"], claims["cognito:username"], claims["email"]) == ("id", "ada", "ada@example.com")
    assert claims["sub"] == decode(issuer, issuer.access_token(username="ada"))["sub"]
    assert claims["sub"] != decode(issuer, issuer.access_token(username="eve"))["sub"]
    assert "cognito:groups" not in claims


def test_claims_replace_defaults_and_none_removes_them() -> None:
    """Any claim can be wrong or missing, for tests of a verifier."""
    issuer = TokenIssuer()
    token = issuer.access_token(token_use="id", exp=None, iss="https://example.com")
    claims = decode(issuer, token)
    assert (claims["token_use"], claims["iss"]) == ("id", "https://example.com")
    assert "exp" not in claims
    assert decode(issuer, issuer.sign("access", {"a": 1, "b": None})) == {"a": 1}


@pytest.mark.parametrize("name", ["groups", "scopes"])
def test_single_text_in_place_of_a_list_is_refused(name: str) -> None:
    """Its letters would become groups or scopes."""
    options: Any = {name: "staff"}
    with pytest.raises(ParameterValidationError) as raised:
        TokenIssuer().access_token(**options)
    assert raised.value.parameter == name


def test_expired_token_is_refused() -> None:
    """A negative lifetime lies in the past of the issuer's clock."""
    issuer = TokenIssuer()
    with pytest.raises(jwt.ExpiredSignatureError):
        decode(issuer, issuer.access_token(expires_in=-1))
    ahead = TokenIssuer(clock=lambda: time.time() + 100)
    assert decode(ahead, ahead.access_token(expires_in=-50), options={"verify_iat": False})["exp"] > time.time()


def test_header_has_key_id_in_standard_base64_and_nothing_else() -> None:
    """Access and ID tokens have different keys, as the service's."""
    issuer = TokenIssuer()
    headers = [jwt.get_unverified_header(token) for token in (issuer.access_token(), issuer.id_token())]
    assert headers[0]["kid"] != headers[1]["kid"]
    for header in headers:
        assert header.keys() == {"kid", "alg"}
        assert len(base64.b64decode(header["kid"], validate=True)) == 32
    assert {key["kid"] for key in issuer.jwks["keys"]} == {header["kid"] for header in headers}
    assert {(key["alg"], key["use"], key["kty"], key["e"]) for key in issuer.jwks["keys"]} == {
        ("RS256", "sig", "RSA", "AQAB")
    }


def test_rotated_keys_verify_while_they_are_kept() -> None:
    """A withdrawn key leaves the JWKS."""
    issuer = TokenIssuer()
    token = issuer.access_token()
    issuer.rotate_keys()
    assert jwt.get_unverified_header(issuer.access_token())["kid"] != jwt.get_unverified_header(token)["kid"]
    assert decode(issuer, token)["token_use"] == "access"
    issuer.rotate_keys(keep_old=False)
    assert len(issuer.jwks["keys"]) == 2
    with pytest.raises(KeyError):
        decode(issuer, token)


def test_issuers_follow_partition_and_configuration() -> None:
    """Pools in China have another suffix; the issuer can be replaced."""
    china = TokenIssuer(user_pool_id="cn-north-1_TestPool1")
    assert china.issuer == "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_TestPool1"
    issuer = TokenIssuer(issuer="https://example.com/pool")
    assert decode(issuer, issuer.id_token(), audience="test-client")["iss"] == "https://example.com/pool"
    with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "user_pool_id"):
        TokenIssuer(user_pool_id="TestPool1")


async def test_verifier_accepts_own_tokens_of_its_kind() -> None:
    """The verifier has the issuer's keys, app client and clock."""
    issuer = TokenIssuer(issuer="https://example.com/pool", clock=lambda: time.time() + 7200)
    access = await issuer.verifier().verify(issuer.access_token(groups=["staff"]))
    assert (access.username, access.client_id, access.groups) == ("ada", "test-client", frozenset({"staff"}))
    identity = await issuer.verifier("id").verify(issuer.id_token(email="ada@example.com"))
    assert identity.claims["email"] == "ada@example.com"
    other = issuer.access_token(client_id="other")
    assert (await issuer.verifier(client_ids={"other"}).verify(other)).client_id == "other"
    for token in (issuer.id_token(), other, issuer.access_token(expires_in=-1), TokenIssuer().access_token()):
        with pytest.raises(CognitoError):
            await issuer.verifier().verify(token)


async def test_missing_cryptography_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install it."""
    token_issuer._private_key.cache_clear()
    for name in [name for name in sys.modules if name.startswith("cryptography")] or ["cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=re.escape(".[tokens]")):
        TokenIssuer().access_token()
    with pytest.raises(ImportError, match=re.escape(".[tokens]")):
        _ = TokenIssuer().jwks
    with pytest.raises(ImportError, match=re.escape(".[tokens]")):
        await FakeCognito().__aenter__()


def test_import_of_the_testing_package_loads_neither_cryptography_nor_the_fakes() -> None:
    """Names are imported on first use, and cryptography with the first key."""
    program = (
        "import sys, cognito_async.testing as testing\n"
        "loaded = lambda name: any(module.startswith(name) for module in sys.modules)\n"
        "assert not loaded('aiohttp.web'), 'server'\n"
        "assert not loaded('cognito_async.testing.'), 'fakes'\n"
        "testing.FakeCognito(), testing.TokenIssuer()\n"
        "assert not loaded('cryptography'), 'cryptography'\n"
        "testing.TokenIssuer().access_token()\n"
        "assert loaded('cryptography')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
