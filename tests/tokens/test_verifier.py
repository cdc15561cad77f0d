"""Verified tokens, and the rules for their claims."""

import json
import pickle
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from rich.pretty import pretty_repr

from cognito_async import (
    AsyncCognitoSession,
    ParameterValidationError,
    TokenClientError,
    TokenError,
    TokenExpiredError,
    TokenGroupError,
    TokenIssuerError,
    TokenMalformedError,
    TokenNotYetValidError,
    TokenScopeError,
    TokenSignatureError,
    TokenUnknownKeyError,
    TokenUseError,
)
from cognito_async.tokens import ANY_CLIENT, AccessToken, IdToken, TokenVerifier
from tests.support.canaries import leaking_frames
from tests.support.jwt_issuer import CLIENT, DROP, ISSUER, NOW, POOL, JwtIssuer, dump, encode, private_key

ISSUED = JwtIssuer()


def verifier(token_use: Any = "access", **options: Any) -> TokenVerifier[Any]:
    """Create a verifier of the issuer's tokens, at a fixed time."""
    required = {"user_pool_id": POOL, "client_ids": {CLIENT}, "jwks": ISSUED.jwks, "clock": lambda: NOW}
    return TokenVerifier.offline(**{**required, **options, "token_use": token_use})


async def refusal(token: Any, token_use: str = "access", **options: Any) -> type[TokenError]:
    """Return the class of the error that both methods raise, and check that it holds no secret."""
    checked = verifier(token_use, **options)
    with pytest.raises(TokenError) as caught:
        await checked.verify(token)
    with pytest.raises(type(caught.value)) as cached:
        checked.verify_cached(token)
    for error in (caught.value, cached.value):
        assert type(error) is type(caught.value)
        assert error.__cause__ is error.__context__ is None
        if isinstance(token, str) and len(token) > 50:
            for part in {token, *token.split(".")} - {""}:
                assert leaking_frames(error, part) == []
                assert part not in repr(vars(error))
        assert leaking_frames(error, "1f7d3c1e-0000") == []
        assert "1f7d3c1e-0000" not in repr(vars(error)) + str(error)
    return type(caught.value)


# --- results ----------------------------------------------------------------------------------------------------------


async def test_access_token_has_typed_claims() -> None:
    """And all claims as received."""
    text = ISSUED.access_token(device_key="eu-west-1_device")
    token: AccessToken = await verifier().verify(text)
    assert type(token) is AccessToken
    assert token.sub == "1f7d3c1e-0000-4000-8000-2f6f1f0a9b11"
    assert (token.username, token.client_id, token.device_key) == ("ada", CLIENT, "eu-west-1_device")
    assert token.scopes == {"aws.cognito.signin.user.admin", "shop/read"}
    assert token.groups == {"staff", "beta"}
    assert token.expires_at == datetime.fromtimestamp(NOW, UTC) + timedelta(hours=1)
    assert token.issued_at == token.auth_time == datetime.fromtimestamp(NOW - 60, UTC)
    assert token.claims == ISSUED.access_claims(device_key="eu-west-1_device")
    assert verifier().verify_cached(text) == token


async def test_id_token_has_typed_claims() -> None:
    """The app client is the audience."""
    token: IdToken = await verifier("id").verify(
        ISSUED.id_token(phone_number="+15550100", phone_number_verified="true")
    )
    assert type(token) is IdToken
    assert (token.username, token.client_id, token.nonce) == ("ada", CLIENT, "n-1")
    assert (token.email, token.email_verified) == ("ada@example.com", True)
    assert (token.phone_number, token.phone_number_verified) == ("+15550100", True)
    assert token.groups == {"staff"}
    assert token.claims["at_hash"] == "bPJ6rNOEtu4oA2Fh1A3Ggw"


async def test_machine_token_has_no_username() -> None:
    """A token by client credentials: the subject is the app client."""
    token = await verifier().verify(ISSUED.access_token(username=DROP, _groups=DROP, origin_jti=DROP, sub=CLIENT))
    assert (token.sub, token.username, token.groups) == (CLIENT, None, frozenset())


async def test_minimal_tokens_are_accepted() -> None:
    """Claims that are not needed for a decision can be missing."""
    token = await verifier().verify(ISSUED.access_token(scope=DROP, iat=DROP, auth_time=DROP, username=DROP))
    assert (token.scopes, token.issued_at, token.auth_time) == (frozenset(), None, None)
    token = await verifier("id").verify(ISSUED.id_token(email=DROP, email_verified=DROP, nonce=DROP))
    assert (token.email, token.email_verified, token.nonce) == (None, False, None)


@pytest.mark.parametrize(
    ("value", "verified"), [(True, True), ("true", True), (False, False), ("false", False), (None, False)]
)
async def test_email_verified_is_true_for_true_only(value: object, verified: bool) -> None:  # noqa: FBT001 - a parameter
    """Federated users can have text."""
    assert (await verifier("id").verify(ISSUED.id_token(email_verified=value))).email_verified is verified


async def test_tokens_are_frozen_values() -> None:
    """They compare, hash and hide personal data in their repr."""
    token = await verifier("id").verify(ISSUED.id_token())
    with pytest.raises(FrozenInstanceError):
        token.sub = "eve"
    with pytest.raises(TypeError):
        token.claims["sub"] = "eve"
    again = await verifier("id").verify(ISSUED.id_token())
    assert token == again
    assert hash(token) == hash(again)
    assert token != await verifier("id").verify(ISSUED.id_token(sub="eve"))
    for shown in (token, await verifier().verify(ISSUED.access_token(username="ada@example.com"))):
        for text in (repr(shown), pretty_repr(shown)):
            assert "ada@example.com" not in text
            assert shown.sub not in text
            assert shown.client_id in text


async def test_token_with_many_elements_is_accepted() -> None:
    """Such as a token with a list of permissions."""
    permissions = [f"p{number}" for number in range(500)]
    token = await verifier().verify(ISSUED.access_token(permissions=permissions))
    assert token.claims["permissions"] == permissions
    with_duplicate = dump(ISSUED.access_claims(permissions=permissions))[:-1] + b',"sub":"eve"}'
    assert await refusal(ISSUED.sign(with_duplicate)) is TokenMalformedError


async def test_unicode_in_claims_is_accepted() -> None:
    """As text and as escapes."""
    claims = ISSUED.access_claims(username="Zoë 😀", _groups=["größe"])
    escaped = await verifier().verify(ISSUED.sign(dump(claims)))
    plain = await verifier().verify(ISSUED.sign(json.dumps(claims, ensure_ascii=False).encode()))
    assert escaped.username == plain.username == "Zoë 😀"
    assert escaped.groups == {"größe"}


def test_verification_takes_little_time() -> None:
    """Below any limit for stalls of the event loop; the best of several runs, with a margin for slow machines."""
    checked, text = verifier(), ISSUED.access_token()
    times = []
    for _ in range(200):
        started = time.perf_counter()
        checked.verify_cached(text)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.0002


# --- refusals ---------------------------------------------------------------------------------------------------------

NO_TEXT = (None, 1, True, ["text"], {"a": 1})
NO_TIME = (None, "1", True, 1.5, -1, 2**63, 2**70, 1e300, [1])
NO_GROUPS = (None, "staff", 1, {"staff": 1}, ["staff", 1], [["staff"]])
ACCESS_TYPES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("iss", "token_use", "client_id", "scope", "sub", "username", "device_key", "aud"), NO_TEXT),
    **dict.fromkeys(("iat", "nbf", "auth_time", "exp"), NO_TIME),
    "_groups": NO_GROUPS,
}
ID_TYPES = dict.fromkeys(("aud", "_username", "email", "phone_number", "nonce"), NO_TEXT)
WRONG_TYPES = [
    (use, {name: value})
    for use, types in (("access", ACCESS_TYPES), ("id", ID_TYPES))
    for name, values in types.items()
    for value in values
]


@pytest.mark.parametrize(("token_use", "changes"), WRONG_TYPES, ids=str)
async def test_claim_of_a_wrong_type_is_malformed(token_use: str, changes: dict[str, Any]) -> None:
    """Never read as another type, and never searched for a part."""
    token = ISSUED.access_token(**changes) if token_use == "access" else ISSUED.id_token(**changes)
    assert await refusal(token, token_use) is TokenMalformedError


MISSING = [
    ("exp", TokenMalformedError),
    ("sub", TokenMalformedError),
    ("iss", TokenIssuerError),
    ("token_use", TokenUseError),
    ("client_id", TokenClientError),
]


@pytest.mark.parametrize(("name", "error"), MISSING)
async def test_missing_claim_is_refused(name: str, error: type[TokenError]) -> None:
    """Those that every access token has."""
    assert await refusal(ISSUED.access_token(**{name: DROP})) is error


async def test_missing_client_is_refused_even_if_any_is_accepted() -> None:
    """And so is a missing audience of an ID token."""
    assert await refusal(ISSUED.access_token(client_id=DROP), client_ids=ANY_CLIENT) is TokenMalformedError
    assert await refusal(ISSUED.id_token(aud=DROP), "id", client_ids=ANY_CLIENT) is TokenMalformedError


ISSUERS = [
    "",
    f"{ISSUER}/",
    ISSUER.upper(),
    ISSUER[:-1],
    f"{ISSUER}x",
    ISSUER.replace("https", "http"),
    ISSUER.replace(POOL, "eu-west-1_Another11"),
    ISSUER.replace("eu-west-1", "eu-west-2"),
    ISSUER.replace("eu-west-1.", "us-east-1."),
    ISSUER.replace("amazonaws.com", "amazonaws.com.attacker.example"),
    "https://attacker.example/" + ISSUER,
    "https://cognito-idp-fips.eu-west-1.amazonaws.com/" + POOL,
]


@pytest.mark.parametrize("issuer", ISSUERS)
async def test_issuer_is_compared_exactly(issuer: str) -> None:
    """No pattern, no prefix, no other pool or region."""
    assert await refusal(ISSUED.access_token(iss=issuer)) is TokenIssuerError


@pytest.mark.parametrize(
    ("pool", "suffix"),
    [
        ("eu-west-1_AbCdEfGhI", "eu-west-1.amazonaws.com"),
        ("us-gov-west-1_AbCdEfGhI", "us-gov-west-1.amazonaws.com"),
        ("cn-north-1_AbCdEfGhI", "cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1_AbCdEfGhI", "eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1_AbCdEfGhI", "us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1_AbCdEfGhI", "us-isob-east-1.sc2s.sgov.gov"),
    ],
)
async def test_both_issuers_of_a_pool_are_accepted_in_every_partition(pool: str, suffix: str) -> None:
    """``cognito-idp`` and ``issuer-cognito-idp``."""
    for prefix in ("", "issuer-"):
        token = ISSUED.access_token(iss=f"https://{prefix}cognito-idp.{suffix}/{pool}")
        assert (await verifier(user_pool_id=pool).verify(token)).username == "ada"


async def test_issuers_of_replicas_are_accepted_on_request() -> None:
    """The region in the pool ID remains that of the primary."""
    token = ISSUED.access_token(iss=ISSUER.replace("eu-west-1.", "eu-central-1."))
    assert await refusal(token) is TokenIssuerError
    assert await verifier(replica_regions=["eu-central-1"]).verify(token)
    assert await verifier(replica_regions=["eu-central-1"]).verify(ISSUED.access_token())


async def test_issuers_can_be_replaced() -> None:
    """For emulators."""
    local = f"http://localhost:9229/{POOL}"
    assert await verifier(issuers=[local]).verify(ISSUED.access_token(iss=local))
    assert await refusal(ISSUED.access_token(), issuers=[local]) is TokenIssuerError


async def test_tokens_of_the_other_use_are_refused() -> None:
    """ID tokens as access tokens, and the reverse; also with claims that both have."""
    assert await refusal(ISSUED.id_token()) is TokenUseError
    assert await refusal(ISSUED.id_token(client_id=CLIENT)) is TokenUseError
    assert await refusal(ISSUED.access_token(), "id") is TokenUseError
    assert await refusal(ISSUED.access_token(aud=CLIENT), "id") is TokenUseError
    assert await refusal(ISSUED.access_token(token_use="Access")) is TokenUseError
    assert await refusal(ISSUED.access_token(token_use="refresh")) is TokenUseError


async def test_tokens_of_other_app_clients_are_refused() -> None:
    """Exact matches, with one or several app clients."""
    for client_id in ("", CLIENT[:-1], f"{CLIENT}x", CLIENT.upper(), f"{CLIENT} other"):
        assert await refusal(ISSUED.access_token(client_id=client_id)) is TokenClientError
        assert await refusal(ISSUED.id_token(aud=client_id), "id") is TokenClientError
    assert (await verifier(client_ids=["other", CLIENT]).verify(ISSUED.access_token())).client_id == CLIENT
    assert (await verifier(client_ids=ANY_CLIENT).verify(ISSUED.access_token(client_id="x"))).client_id == "x"
    assert (await verifier("id", client_ids=ANY_CLIENT).verify(ISSUED.id_token(aud="x"))).client_id == "x"


async def test_audience_of_access_tokens_is_checked_on_request() -> None:
    """One of those given, exactly."""
    token = ISSUED.access_token(aud="https://api.example.com")
    assert await verifier().verify(token)
    assert await verifier(audience="https://api.example.com").verify(token)
    assert await verifier(audience=["https://other.example", "https://api.example.com"]).verify(token)
    assert await refusal(token, audience="https://api.example") is TokenClientError
    assert await refusal(ISSUED.access_token(), audience="https://api.example.com") is TokenClientError


TIMES: list[tuple[dict[str, Any], float, type[TokenError] | None]] = [
    ({"exp": NOW + 1}, 0, None),
    ({"exp": NOW}, 0, TokenExpiredError),
    ({"exp": NOW - 1}, 0, TokenExpiredError),
    ({"exp": 0}, 300, TokenExpiredError),
    ({"exp": NOW - 9}, 10, None),
    ({"exp": NOW - 10}, 10, TokenExpiredError),
    ({"nbf": NOW}, 0, None),
    ({"nbf": NOW + 1}, 0, TokenNotYetValidError),
    ({"nbf": NOW + 10}, 10, None),
    ({"nbf": NOW + 11}, 10, TokenNotYetValidError),
    ({"iat": NOW}, 0, None),
    ({"iat": NOW + 1}, 0, TokenNotYetValidError),
    ({"iat": NOW + 10}, 10, None),
    ({"iat": NOW + 11}, 10, TokenNotYetValidError),
]


@pytest.mark.parametrize(("changes", "leeway", "error"), TIMES, ids=str)
async def test_times_are_checked(changes: dict[str, Any], leeway: float, error: type[TokenError] | None) -> None:
    """A token is expired in its last second; the leeway applies to all three."""
    token = ISSUED.access_token(**changes)
    if error is None:
        assert await verifier(leeway=leeway).verify(token)
    else:
        assert await refusal(token, leeway=leeway) is error


async def test_time_is_read_for_each_token() -> None:
    """With fractions of a second."""
    now = NOW + 3599.999
    checked = verifier(clock=lambda: now)
    token = ISSUED.access_token()
    assert await checked.verify(token)
    now = NOW + 3600
    with pytest.raises(TokenExpiredError):
        await checked.verify(token)


async def test_age_of_the_sign_in_is_limited_on_request() -> None:
    """Without leeway; a token without the time is not acceptable then."""
    token = ISSUED.access_token(auth_time=NOW - 60)
    assert await verifier(max_auth_age=60).verify(token)
    assert await refusal(token, max_auth_age=59.9, leeway=300) is TokenExpiredError
    assert await refusal(ISSUED.access_token(auth_time=DROP), max_auth_age=60) is TokenMalformedError


async def test_required_scopes_are_whole_words() -> None:
    """All of them; parts of a scope are no match."""
    required = ["shop/read", "shop/write"]
    assert await verifier(required_scopes=required).verify(ISSUED.access_token(scope="shop/write x shop/read"))
    for scope in ("shop/read", "", "shop/read,shop/write", "shop/read\tshop/write", "ashop/read shop/writer", DROP):
        assert await refusal(ISSUED.access_token(scope=scope), required_scopes=required) is TokenScopeError


async def test_required_groups_are_exact() -> None:
    """All of them."""
    assert await verifier(required_groups={"staff"}).verify(ISSUED.access_token())
    for groups in ([], ["Staff"], ["staff "], ["staff,beta"], ["sta", "ff"], DROP):
        assert await refusal(ISSUED.access_token(_groups=groups), required_groups={"staff"}) is TokenGroupError
    assert await refusal(ISSUED.id_token(), "id", required_groups=["staff", "beta"]) is TokenGroupError


async def test_errors_name_what_is_required() -> None:
    """For the challenge of an HTTP response."""
    with pytest.raises(TokenScopeError) as scope:
        await verifier(required_scopes=["b", "a"]).verify(ISSUED.access_token())
    with pytest.raises(TokenGroupError) as group:
        await verifier(required_groups=["admin"]).verify(ISSUED.access_token())
    assert (scope.value.required, group.value.required) == (("a", "b"), ("admin",))
    assert pickle.loads(pickle.dumps(scope.value)).required == ("a", "b")


async def test_check_runs_after_all_other_checks() -> None:
    """Its error reaches the caller as it is."""
    seen: list[AccessToken] = []

    def check(token: AccessToken) -> None:
        seen.append(token)
        if "beta" in token.groups:
            raise PermissionError("no beta users")

    assert await refusal(ISSUED.access_token(exp=NOW), check=check) is TokenExpiredError
    assert await refusal(ISSUED.access_token(), check=check, required_groups=["x"]) is TokenGroupError
    assert seen == []
    text = ISSUED.access_token()
    with pytest.raises(PermissionError) as caught:
        await verifier(check=check).verify(text)
    assert leaking_frames(caught.value, text) == []
    assert (await verifier(check=check).verify(ISSUED.access_token(_groups=[]))).groups == frozenset()
    assert len(seen) == 2


# --- signatures -------------------------------------------------------------------------------------------------------


async def test_changed_token_is_refused() -> None:
    """Before its claims are looked at, so that their error reveals nothing."""
    head, _, signature = ISSUED.access_token().split(".")
    for changes in (
        {"sub": "eve"},
        {"exp": 1},
        {"iss": "x"},
        {"token_use": "id"},
        {"_groups": ["admin"]},
        {"client_id": "x"},
    ):
        forged = f"{head}.{encode(dump(ISSUED.access_claims(**changes)))}.{signature}"
        assert await refusal(forged) is TokenSignatureError
    many = f"{head}.{encode(dump(ISSUED.access_claims(x=list(range(500)))))}.{signature}"
    assert await refusal(many) is TokenSignatureError


async def test_signatures_by_other_keys_are_refused() -> None:
    """Another key of the set, an unknown key under a known ID, and signatures of other lengths."""
    payload = dump(ISSUED.access_claims())
    access_kid, id_kid = ISSUED.keys
    assert await refusal(ISSUED.sign(payload, dump({"alg": "RS256", "kid": id_kid}), key=0)) is TokenSignatureError
    assert await refusal(ISSUED.sign(payload, dump({"alg": "RS256", "kid": access_kid}), key=5)) is TokenSignatureError
    head, body, signature = ISSUED.access_token().split(".")
    modulus = private_key(0).public_key().public_numbers().n
    for content in (b"\0", b"\0" * 256, b"\xff" * 256, b"\0" * 257, b"x" * 512, (modulus + 1).to_bytes(256, "big")):
        assert await refusal(f"{head}.{body}.{encode(content)}") is TokenSignatureError
    assert await refusal(f"{head}.{body}.{signature[:-2]}") in {TokenSignatureError, TokenMalformedError}


async def test_unknown_key_is_refused() -> None:
    """The key ID is a dictionary key and nothing else."""
    payload = dump(ISSUED.access_claims())
    for key_id in ("other", "../../../etc/passwd", "' OR 1=1 --", "https://attacker.example/jwks.json", "\0"):
        assert await refusal(ISSUED.sign(payload, dump({"alg": "RS256", "kid": key_id}))) is TokenUnknownKeyError


@pytest.mark.parametrize(
    "make", [lambda text: None, lambda text: text.encode(), lambda text: f"Bearer {text}", lambda text: ""]
)
async def test_other_input_than_a_token_is_malformed(make: Callable[[str], Any]) -> None:
    """Including None."""
    assert await refusal(make(ISSUED.access_token())) is TokenMalformedError


# --- parameters -------------------------------------------------------------------------------------------------------

INVALID_VALUES: dict[str, tuple[Any, ...]] = {
    "user_pool_id": (None, "", "eu-west-1", "AbC", "eu-west-1_", "eu-west-1_A/../x", "eu-west-1_A b", "_x", 1),
    "token_use": (None, "", "both", "ACCESS", []),
    "client_ids": (None, (), set(), CLIENT, [""], [None], b"x", 1, True),
    "issuers": ((), "https://x.example", [1]),
    "required_scopes": (None, "shop/read", [1], [""]),
    "required_groups": (None, "staff", [1]),
    "leeway": (-1, 300.1, float("nan"), float("inf"), True, "1", None),
    "max_auth_age": (-1, float("nan"), True, "1"),
    "audience": ((), "", [1], 1),
    "replica_regions": ("eu-west-1", None, ["eu west 1"]),
    "check": ("x",),
}
INVALID = [(name, value) for name, values in INVALID_VALUES.items() for value in values]


@pytest.mark.parametrize(("name", "value"), INVALID, ids=str)
def test_invalid_parameter_is_refused_at_construction(name: str, value: Any) -> None:
    """The error names it."""
    with pytest.raises(ParameterValidationError) as caught:
        verifier(**{"token_use": "access", name: value})
    assert caught.value.parameter == name


@pytest.mark.parametrize("pool", ["eu-west1_AbC", "local_abc", "AbC123", "_AbC123"])
async def test_misspelled_user_pool_id_is_refused_by_online_verifiers(pool: str) -> None:
    """At AWS, the ID names the URL of the keys; the IDs of emulators have no region."""
    rules: Any = {"user_pool_id": pool, "token_use": "access", "client_ids": ANY_CLIENT}
    with pytest.raises(ParameterValidationError) as caught:
        TokenVerifier(**rules)
    assert caught.value.parameter == "user_pool_id"
    async with AsyncCognitoSession("eu-west-1") as session:
        with pytest.raises(ParameterValidationError):
            TokenVerifier(**rules, session=session)
    async with AsyncCognitoSession("eu-west-1", endpoint_url="http://127.0.0.1:1") as session:
        if pool.startswith(("local", "eu")):
            await TokenVerifier(**rules, session=session).close()
    if pool.startswith(("local", "eu")):
        await TokenVerifier(**rules, jwks_url="http://127.0.0.1:1/keys").close()


@pytest.mark.parametrize(("name", "value"), [("audience", "x"), ("required_scopes", ["x"])])
def test_id_tokens_have_neither_scopes_nor_an_audience_to_choose(name: str, value: Any) -> None:
    """Their audience is the app client."""
    with pytest.raises(ParameterValidationError) as caught:
        verifier("id", **{name: value})
    assert caught.value.parameter == name


def test_check_must_not_be_a_coroutine_function() -> None:
    """It would never be awaited, and so accept every token."""

    async def check(_: AccessToken) -> None: ...

    with pytest.raises(ParameterValidationError) as caught:
        verifier(check=check)
    assert caught.value.parameter == "check"


async def test_check_that_returns_an_awaitable_refuses_the_token() -> None:
    """The constructor cannot recognize such a function."""

    class Check:
        async def __call__(self, _: AccessToken) -> None: ...

    with pytest.raises(ParameterValidationError) as caught:
        await verifier(check=Check()).verify(ISSUED.access_token())
    assert caught.value.parameter == "check"


def test_safe_choices_must_be_made() -> None:
    """There are no defaults for the app clients and the use."""
    make: Any = TokenVerifier
    for name in ("user_pool_id", "token_use", "client_ids"):
        given = {"user_pool_id": POOL, "token_use": "access", "client_ids": ANY_CLIENT}
        del given[name]
        with pytest.raises(TypeError):
            make(**given)
        with pytest.raises(TypeError):
            make.offline(**given, jwks=ISSUED.jwks)
