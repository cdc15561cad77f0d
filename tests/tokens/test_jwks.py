"""Key sets: which keys are used, and when they are fetched."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest

from cognito_async import (
    AsyncCognitoSession,
    CognitoError,
    JwksUnavailableError,
    ParameterValidationError,
    PoolLimits,
    RequestTimeoutError,
    SessionClosedError,
    TokenClientError,
    TokenError,
    TokenExpiredError,
    TokenGroupError,
    TokenIssuerError,
    TokenMalformedError,
    TokenScopeError,
    TokenSignatureError,
    TokenUnknownKeyError,
    TransportError,
)
from cognito_async.testing import FakeCognito
from cognito_async.tokens import TokenVerifier, verify_signature
from cognito_async.tokens.jwks import COOLDOWN, REFRESH_AFTER, UNUSABLE_AFTER, parse_jwks
from tests.support.canaries import leaking_frames
from tests.support.clocks import advance
from tests.support.jwt_issuer import (
    CLIENT,
    DROP,
    ISSUER,
    NOW,
    POOL,
    JwksTransport,
    JwtIssuer,
    dump,
    encode,
    jwk,
    private_key,
)
from tests.support.scripted_server import Action, ScriptedServer, answer, compressed, cut, flood, never
from tests.support.scripted_transport import respond, scripted_session

TOKEN_RULES: Any = {"user_pool_id": POOL, "token_use": "access", "client_ids": {CLIENT}, "clock": lambda: NOW}


# --- parsing ----------------------------------------------------------------------------------------------------------


def used(*members: Any) -> set[str]:
    """Return the IDs of the keys that are used."""
    return set(parse_jwks({"keys": list(members)}))


def test_key_set_can_be_a_mapping_text_or_bytes() -> None:
    """With the same result."""
    jwks = JwtIssuer().jwks
    for form in (jwks, json.dumps(jwks), dump(jwks), {"keys": tuple(jwks["keys"]), "more": 1}):
        assert set(parse_jwks(form)) == {"access+key/1=", "id+key/1="}


MODULUS = private_key().public_key().public_numbers().n
UNUSABLE: dict[str, Any] = {
    "no mapping": "key",
    "kty missing": jwk("a", kty=DROP),
    "kty oct": {"kty": "oct", "kid": "a", "k": "AAAA", "alg": "RS256", "use": "sig"},
    "kty EC": {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "a"},
    "kty lower case": jwk("a", kty="rsa"),
    **{f"alg {alg!r}": jwk("a", alg=alg) for alg in ("RS384", "PS256", "HS256", "none", "RSA1_5", "", None, 1)},
    "use enc": jwk("a", use="enc"),
    "use null": jwk("a", use=None),
    "key_ops encrypt": jwk("a", key_ops=["encrypt"]),
    "key_ops text": jwk("a", key_ops="verify"),
    "key_ops empty": jwk("a", key_ops=[]),
    "kid missing": jwk("a", kid=DROP),
    "kid empty": jwk(""),
    "kid number": jwk("a", kid=1),
    "kid list": jwk("a", kid=["a"]),
    "kid long": jwk("a" * 257),
    "n missing": jwk("a", n=DROP),
    "n number": jwk("a", n=MODULUS),
    "n empty": jwk("a", n=""),
    "n with padding": jwk("a", n=jwk("a")["n"] + "=="),
    "n in the standard alphabet": jwk("a", n=encode(b"\xff" * 255 + b"\xfb").replace("_", "/").replace("-", "+")),
    "n not ASCII": jwk("a", n="é" * 342),
    # Both even numbers, as one of them may be divisible by 3.
    **{f"n {change:+}": jwk("a", n=encode((MODULUS + change).to_bytes(256, "big"))) for change in (-1, 1)},
    "e missing": jwk("a", e=DROP),
    "e number": jwk("a", e=65537),
    **{
        f"e {e}": jwk("a", e=encode(e.to_bytes(256, "big").lstrip(b"\0")))
        for e in (0, 1, 2, 3, 65535, 65536, 65538, 2**32, 2**32 + 1, 2**2047 + 1)
    },
    "512 bits": jwk("a", n=encode((2**511 + 9).to_bytes(64, "big"))),
    "1024 bits": jwk("a", bits=1024),
    "2047 bits": jwk("a", n=encode((2**2046 + 9).to_bytes(256, "big"))),
    "8200 bits": jwk("a", n=encode((2**8199 + 9).to_bytes(1025, "big"))),
    "16384 bits": jwk("a", n=encode((2**16383 + 9).to_bytes(2048, "big"))),
}  # fmt: skip


@pytest.mark.parametrize("member", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable_key_is_left_out(member: Any) -> None:
    """The other keys of the set are used; without any, the set is unusable."""
    assert used(member, jwk("b", 1)) == {"b"}
    with pytest.raises(JwksUnavailableError):
        parse_jwks({"keys": [member]})


@pytest.mark.parametrize(
    "member",
    [
        jwk("a", alg=DROP, use=DROP),
        jwk("a", key_ops=["verify"], use=DROP),
        jwk("k" * 256),
        jwk("a", x5c=["MIIB"], unknown=1),
        jwk("a", bits=3072),
        jwk("a", n=encode(b"\0" + MODULUS.to_bytes(256, "big"))),
        jwk("a", n=encode((2**8191 + 9).to_bytes(1024, "big"))),
        jwk("a", e=encode((2**32 - 1).to_bytes(4, "big"))),
    ],
    ids=["no alg and use", "key_ops", "long kid", "more members", "3072 bits", "leading zero", "8192 bits", "large e"],
)
def test_sound_key_is_used(member: Any) -> None:
    """Optional members can be missing."""
    assert used(member) == {member["kid"]}


SETS: dict[str, Any] = {
    "None": None,
    "list": [jwk("a")],
    "empty object": {},
    "keys null": {"keys": None},
    "keys object": {"keys": {"a": jwk("a")}},
    "keys number": {"keys": 1},
    "no keys": {"keys": []},
    "duplicate key ID": {"keys": [jwk("a"), jwk("a", 1)]},
    "duplicate key ID of an unusable key": {"keys": [jwk("a"), jwk("a", 1, use="enc")]},
    "33 keys": {"keys": [jwk(f"{number}") for number in range(33)]},
    "33 values": {"keys": [jwk("a"), *range(32)]},
    "not JSON": b"<html>",
    "empty": b"",
    "not UTF-8": b"\xff",
    "lone surrogate": "\ud800",
    "a JSON list": b"[]",
    "duplicate name": b'{"keys":[],' + dump({"keys": [jwk("a")]})[1:],
    "cut": dump({"keys": [jwk("a")]})[:-1],
    "deep": b'{"keys":' + b"[" * 20_000,
    "over 64 KiB": dump({"keys": [jwk("a")]}).ljust(64 * 1024 + 1),
}


@pytest.mark.parametrize("jwks", SETS.values(), ids=SETS.keys())
def test_unusable_set_is_refused_at_construction(jwks: Any) -> None:
    """It is the configuration that is wrong, not a token."""
    with pytest.raises(JwksUnavailableError) as caught:
        TokenVerifier.offline(**TOKEN_RULES, jwks=jwks)
    assert not isinstance(caught.value, TokenError)


def test_32_keys_are_accepted() -> None:
    """The maximum."""
    assert len(used(*(jwk(f"{number}") for number in range(32)))) == 32


def test_64_kib_are_accepted() -> None:
    """The maximum."""
    assert set(parse_jwks(dump({"keys": [jwk("a")]}).ljust(64 * 1024))) == {"a"}


# --- signatures alone -------------------------------------------------------------------------------------------------


def test_signature_of_any_payload_can_be_verified() -> None:
    """Expired tokens and payloads that are no claims included."""
    issuer = JwtIssuer()
    assert json.loads(verify_signature(issuer.access_token(exp=1), issuer.jwks)) == issuer.access_claims(exp=1)
    assert verify_signature(issuer.sign(b"any bytes \xff"), dump(issuer.jwks)) == b"any bytes \xff"


def test_signature_errors_hold_no_token() -> None:
    """Each has its class."""
    issuer = JwtIssuer()
    token = issuer.access_token()
    head, payload, signature = token.split(".")
    cases: list[tuple[str, Any, type[CognitoError]]] = [
        (f"{head}.{payload}=.{signature}", issuer.jwks, TokenMalformedError),
        (f"{head}.{payload}.{signature[:-8]}AAAAAAAA", issuer.jwks, TokenSignatureError),
        (token, {"keys": [jwk("other")]}, TokenUnknownKeyError),
        (token, {}, JwksUnavailableError),
    ]
    for text, jwks, kind in cases:
        with pytest.raises(kind) as caught:
            verify_signature(text, jwks)
        assert leaking_frames(caught.value, payload) == []


# --- the cache, in virtual time ---------------------------------------------------------------------------------------


class Online:
    """A verifier with its issuer and transport."""

    def __init__(self, verifier: TokenVerifier[Any], issuer: JwtIssuer, transport: JwksTransport) -> None:
        self.verifier = verifier
        self.issuer = issuer
        self.transport = transport

    @property
    def fetches(self) -> int:
        """The number of requests for the key set."""
        return len(self.transport.requests)

    async def accepts(self, token: str | None = None) -> bool:
        """Return whether a token is accepted."""
        try:
            await self.verifier.verify(token or self.issuer.access_token())
        except TokenUnknownKeyError:
            return False
        return True

    async def cached(self) -> None:
        """Verify a token without waiting."""
        self.verifier.verify_cached(self.issuer.access_token())

    async def settle(self) -> None:
        """Let a fetch in the background end."""
        for _ in range(10):
            await asyncio.sleep(0)


@asynccontextmanager
async def online(**options: Any) -> AsyncIterator[Online]:
    """Yield a verifier whose keys come from a transport."""
    issuer = JwtIssuer()
    transport = JwksTransport(issuer)
    async with (
        scripted_session(transport) as session,
        TokenVerifier(**{**TOKEN_RULES, "session": session, **options}) as verifier,
    ):
        yield Online(verifier, issuer, transport)


def unknown(number: int) -> str:
    """Return a token with a key ID that no set has; its signature does not matter."""
    head = encode(dump({"kid": f"unknown-{number}", "alg": "RS256"}))
    return f"{head}.{BODY}.AAAA"


BODY = encode(dump(JwtIssuer().access_claims()))


@pytest.mark.virtual_clock
async def test_keys_are_fetched_by_the_first_token_only() -> None:
    """From the pool's URL, without credentials."""
    async with online() as on:
        assert on.fetches == 0
        assert await on.accepts()
        assert await on.accepts()
        assert on.fetches == 1
        [request] = on.transport.requests
        assert (request.method, request.body) == ("GET", b"")
        assert request.url == f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}/.well-known/jwks.json"
        assert {name.lower() for name in request.headers} == {"accept", "accept-encoding", "user-agent"}


RULES: list[tuple[dict[str, Any], dict[str, Any], type[TokenError] | None]] = [
    ({}, {"exp": NOW}, TokenExpiredError),
    ({"leeway": 1}, {"exp": NOW}, None),
    ({"issuers": ["https://other.example"]}, {}, TokenIssuerError),
    ({"replica_regions": ["eu-central-1"]}, {"iss": ISSUER.replace("eu-west-1.", "eu-central-1.")}, None),
    ({"audience": "https://api.example.com"}, {}, TokenClientError),
    ({"required_scopes": ["admin"]}, {}, TokenScopeError),
    ({"required_groups": ["admin"]}, {}, TokenGroupError),
    ({"max_auth_age": 59}, {"auth_time": NOW - 60}, TokenExpiredError),
    ({"check": lambda token: (_ for _ in ()).throw(TokenError("refused"))}, {}, TokenError),
]


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("rules", "claims", "error"), RULES, ids=[" ".join(rules) or "no rules" for rules, *_ in RULES]
)
async def test_rules_apply_with_fetched_keys(
    rules: dict[str, Any], claims: dict[str, Any], error: type[TokenError] | None
) -> None:
    """As they do offline."""
    async with online(**rules) as on:
        with nullcontext() if error is None else pytest.raises(error):
            await on.verifier.verify(on.issuer.access_token(**claims))


@pytest.mark.virtual_clock
async def test_concurrent_callers_share_a_fetch() -> None:
    """One that is cancelled does not cancel it for the others."""
    async with online() as on:
        tasks = [asyncio.create_task(on.accepts()) for _ in range(100)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        assert await asyncio.gather(*tasks[1:]) == [True] * 99
        assert tasks[0].cancelled()
        assert on.fetches == 1


@pytest.mark.virtual_clock
async def test_verify_cached_never_waits() -> None:
    """It starts a fetch, from which the next one benefits."""
    async with online() as on:
        token = on.issuer.access_token()
        with pytest.raises(JwksUnavailableError):
            on.verifier.verify_cached(token)
        await on.settle()
        await asyncio.sleep(COOLDOWN)
        assert on.verifier.verify_cached(token).username == "ada"
        await on.settle()
        assert on.fetches == 1
        on.issuer.rotate()
        await asyncio.sleep(COOLDOWN)
        with pytest.raises(TokenUnknownKeyError):
            on.verifier.verify_cached(on.issuer.access_token())
        await on.settle()
        assert on.verifier.verify_cached(on.issuer.access_token())


def test_verify_cached_works_without_an_event_loop() -> None:
    """With the keys that there are."""
    issuer = JwtIssuer()
    assert TokenVerifier.offline(**TOKEN_RULES, jwks=issuer.jwks).verify_cached(issuer.access_token())
    verifier: TokenVerifier[Any] = TokenVerifier(**TOKEN_RULES)
    with pytest.raises(JwksUnavailableError) as caught:
        verifier.verify_cached(issuer.access_token())
    assert caught.value.retry_after == 0.0


@pytest.mark.virtual_clock
async def test_keys_are_refreshed_in_the_background_after_an_hour() -> None:
    """Tokens do not wait for it."""
    async with online() as on:
        assert await on.accepts()
        await asyncio.sleep(REFRESH_AFTER - 1)
        assert await on.accepts()
        await on.settle()
        assert on.fetches == 1
        await asyncio.sleep(1)
        token = on.issuer.access_token()
        assert on.verifier.verify_cached(token)
        assert on.fetches == 1  # starts when the event loop runs
        await on.settle()
        assert on.fetches == 2
        assert await on.accepts()
        assert on.fetches == 2


@pytest.mark.virtual_clock
async def test_withdrawn_key_is_dropped_at_the_next_refresh() -> None:
    """Or immediately, by ``refresh_keys``."""
    async with online() as on:
        withdrawn = on.issuer.access_token()
        assert await on.accepts(withdrawn)
        on.issuer.rotate()
        await asyncio.sleep(REFRESH_AFTER)
        await on.accepts(withdrawn)
        await on.settle()
        assert not await on.accepts(withdrawn)
        assert await on.accepts()
        withdrawn = on.issuer.access_token()
        on.issuer.rotate()
        assert await on.accepts(withdrawn)
        await on.verifier.refresh_keys()
        assert not await on.accepts(withdrawn)


@pytest.mark.virtual_clock
async def test_outage_of_an_hour_fails_no_token_of_a_known_key(caplog: pytest.LogCaptureFixture) -> None:
    """A hanging server does not delay any, either. The log shows each failure, without a traceback."""
    async with online() as on:
        assert await on.accepts()
        on.transport.failure = TransportError("the connection was lost", sent=True)
        started = asyncio.get_running_loop().time()
        for second in range(2 * 3600 - 10):
            assert await on.accepts()
            assert asyncio.get_running_loop().time() == started + second
            await asyncio.sleep(1)
        assert 2 <= on.fetches <= 3600 / COOLDOWN + 2
        with pytest.raises(JwksUnavailableError):
            await on.accepts(unknown(1))
        on.transport.failure = None
        await asyncio.sleep(COOLDOWN)
        assert await on.accepts()
        await on.settle()
        assert [record.levelno for record in caplog.records] == [logging.WARNING] * (on.fetches - 2)
        assert all("the connection was lost" in record.getMessage() for record in caplog.records)


@pytest.mark.virtual_clock
async def test_keys_are_unusable_after_a_day_without_a_refresh() -> None:
    """And usable again as soon as there are new ones."""
    async with online() as on:
        assert await on.accepts()
        fetched_at = asyncio.get_running_loop().time()
        on.transport.failure = respond(500)
        await asyncio.sleep(UNUSABLE_AFTER - 1)
        assert await on.accepts()
        await asyncio.sleep(1)
        assert asyncio.get_running_loop().time() == fetched_at + UNUSABLE_AFTER
        with pytest.raises(JwksUnavailableError):
            on.verifier.verify_cached(on.issuer.access_token())
        await asyncio.sleep(COOLDOWN)
        with pytest.raises(JwksUnavailableError) as caught:
            await on.verifier.verify(on.issuer.access_token())
        assert caught.value.retry_after == COOLDOWN
        assert isinstance(caught.value.__cause__, JwksUnavailableError)
        assert caught.value.__cause__.status == 500
        assert str(caught.value.__cause__) in str(caught.value)
        with pytest.raises(JwksUnavailableError):
            on.verifier.verify_cached(on.issuer.access_token())
        on.transport.failure = None
        await asyncio.sleep(COOLDOWN)
        assert await on.accepts()


@pytest.mark.virtual_clock
async def test_failed_first_fetch_is_repeated_after_the_cooldown() -> None:
    """The error says when; it is not an error of the token."""
    async with online() as on:
        on.transport.failure = TransportError("the connection was lost", sent=True)
        for _ in range(100):
            with pytest.raises(JwksUnavailableError) as caught:
                await on.accepts()
            assert leaking_frames(caught.value, on.issuer.access_token()) == []
        assert on.fetches == 1
        assert caught.value.retry_after == COOLDOWN
        on.transport.failure = None
        await asyncio.sleep(COOLDOWN)
        assert await on.accepts()


@pytest.mark.virtual_clock
async def test_rotated_key_is_accepted_within_the_cooldown() -> None:
    """Immediately if the last fetch was long ago."""
    async with online() as on:
        assert await on.accepts()
        await asyncio.sleep(COOLDOWN)
        on.issuer.rotate()
        assert await on.accepts()
        on.issuer.rotate()
        assert not await on.accepts()
        await asyncio.sleep(COOLDOWN)
        assert await on.accepts()
        assert on.fetches == 3


@pytest.mark.virtual_clock
async def test_flood_of_unknown_keys_causes_few_fetches() -> None:
    """Nothing is stored for them, known keys stay usable, and a rotated key is accepted during the flood."""
    async with online() as on:
        known = on.issuer.access_token()
        assert await on.accepts(known)
        keys = on.verifier._keys
        for step in range(200):
            if step == 100:
                on.issuer.rotate()
                withdrawn, rotated_at = on.issuer.access_token(), step
            for number in range(50):
                assert not await on.accepts(unknown(step * 50 + number))
            if step < 100:
                assert await on.accepts(known)
            await asyncio.sleep(0.1)
        assert on.fetches <= 3  # the first one, and two in 20 s
        assert len(keys._keys) == 2
        assert await on.accepts(withdrawn)
        assert rotated_at == 100


@pytest.mark.virtual_clock
async def test_unknown_key_waits_for_the_fetch_that_is_under_way() -> None:
    """So a rotated key is accepted by all callers at that time; known keys do not wait."""
    async with online() as on:
        known = on.issuer.access_token()
        assert await on.accepts(known)
        on.issuer.rotate()
        await asyncio.sleep(REFRESH_AFTER)
        assert on.verifier.verify_cached(known)
        assert all(await asyncio.gather(*(on.accepts() for _ in range(10))))
        assert on.fetches == 2


@pytest.mark.virtual_clock
async def test_failed_fetch_for_an_unknown_key_is_no_failure_of_the_others() -> None:
    """The last good keys remain."""
    async with online() as on:
        assert await on.accepts()
        await asyncio.sleep(COOLDOWN)
        for failure in (respond(500), respond(body=b"<html>"), respond(body=dump({"keys": []})), ValueError("?")):
            on.transport.failure = failure
            for _ in range(2):
                with pytest.raises(JwksUnavailableError):
                    await on.accepts(unknown(1))
                assert await on.accepts()
            await asyncio.sleep(COOLDOWN)
        assert on.fetches == 5


@pytest.mark.virtual_clock
async def test_rotated_key_is_no_fault_of_the_token_in_an_outage() -> None:
    """It may be in the keys that could not be fetched. After the next fetch, the token is accepted or refused."""
    async with online() as on:
        assert await on.accepts()
        on.issuer.rotate()
        assert not await on.accepts()  # the last fetch succeeded
        on.transport.failure = respond(500)
        await asyncio.sleep(COOLDOWN)
        for verify in (on.accepts, on.accepts, on.cached):
            with pytest.raises(JwksUnavailableError) as caught:
                await verify()
            assert isinstance(caught.value.__cause__, JwksUnavailableError)
            assert caught.value.__cause__.status == 500
            assert caught.value.retry_after == COOLDOWN
        on.transport.failure = None
        await asyncio.sleep(COOLDOWN)
        assert await on.accepts()
        assert not await on.accepts(unknown(1))
        assert on.fetches == 3


def test_session_of_another_event_loop_is_no_fault_of_the_token(
    fake_cognito: FakeCognito, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what is wrong with the application. Known keys can be used."""
    monkeypatch.setattr("cognito_async.tokens.jwks.COOLDOWN", 0.0)
    pool: Any = {"user_pool_id": fake_cognito.user_pool_id, "client_ids": {fake_cognito.app_client.client_id}}
    known = fake_cognito.issuer.access_token()
    with asyncio.Runner() as first, asyncio.Runner() as second:
        session = fake_cognito.session()
        verifier = TokenVerifier(token_use="access", **pool, session=session)
        first.run(verifier.verify(known))
        fake_cognito.rotate_signing_keys()
        with pytest.raises(JwksUnavailableError) as caught:
            second.run(verifier.verify(fake_cognito.issuer.access_token()))
        assert isinstance(caught.value.__cause__, SessionClosedError)
        assert second.run(verifier.verify(known)).username == "ada"
        first.run(session.close())


@pytest.mark.virtual_clock
async def test_refresh_keys_raises_and_keeps_the_last_good_set() -> None:
    """Concurrent calls share a fetch, which starts after the call."""
    async with online() as on:
        await on.verifier.refresh_keys()
        on.transport.failure = respond(404)
        with pytest.raises(JwksUnavailableError):
            await on.verifier.refresh_keys()
        assert await on.accepts()
        on.transport.failure = None
        await asyncio.gather(*(on.verifier.refresh_keys() for _ in range(10)))
        assert on.fetches == 3
        first = asyncio.create_task(on.verifier.refresh_keys())
        await asyncio.sleep(0)
        await asyncio.gather(first, *(on.verifier.refresh_keys() for _ in range(10)))
        assert on.fetches == 5


@pytest.mark.virtual_clock
async def test_refresh_keys_shares_no_fetch_that_was_sent_before() -> None:
    """Its response may be older than the change that the caller knows of."""
    async with online() as on:
        on.transport.delay = 1.0
        first = asyncio.create_task(on.accepts())
        await asyncio.sleep(0.5)
        on.issuer.rotate()
        await on.verifier.refresh_keys()
        assert on.fetches == 2
        assert await on.accepts()
        assert await first


@pytest.mark.virtual_clock
async def test_refresh_keys_shares_a_fetch_that_was_not_sent_yet() -> None:
    """Such as that of a token."""
    async with online() as on:
        with pytest.raises(JwksUnavailableError):
            on.verifier.verify_cached(on.issuer.access_token())
        await on.verifier.refresh_keys()
        assert on.fetches == 1


async def test_offline_verifier_keeps_its_keys() -> None:
    """It has no network."""
    issuer = JwtIssuer()
    async with TokenVerifier.offline(**TOKEN_RULES, jwks=issuer.jwks) as verifier:
        await verifier.refresh_keys()
        assert await verifier.verify(issuer.access_token())
        issuer.rotate()
        with pytest.raises(TokenUnknownKeyError):
            await verifier.verify(issuer.access_token())


@pytest.mark.virtual_clock
async def test_closing_cancels_the_fetch_and_not_its_callers() -> None:
    """They get an error."""

    class Hanging(JwksTransport):
        async def send(self, request: Any) -> Any:
            await asyncio.get_running_loop().create_future()

    async with scripted_session(Hanging(JwtIssuer())) as session:
        verifier: TokenVerifier[Any] = TokenVerifier(**TOKEN_RULES, session=session)
        waiting = asyncio.create_task(verifier.verify(JwtIssuer().access_token()))
        await asyncio.sleep(0.1)
        await verifier.close()
        await verifier.close()
        with pytest.raises(JwksUnavailableError) as caught:
            await waiting
        assert isinstance(caught.value.__cause__, SessionClosedError)


@pytest.mark.virtual_clock
async def test_closed_verifier_fetches_no_keys() -> None:
    """Neither in the background nor on request, although the session is open; the known keys remain in use."""
    async with online() as on:
        assert await on.accepts()
        await on.verifier.close()
        await asyncio.sleep(REFRESH_AFTER)
        assert await on.accepts()
        await on.settle()
        with pytest.raises(JwksUnavailableError):
            await on.verifier.refresh_keys()
        assert on.fetches == 1


@pytest.mark.virtual_clock
async def test_refresh_that_is_interrupted_by_closing_is_an_error() -> None:
    """The keys were not fetched."""
    async with online() as on:
        refreshing = asyncio.create_task(on.verifier.refresh_keys())
        await asyncio.sleep(0)
        await on.verifier.close()
        with pytest.raises(JwksUnavailableError):
            await refreshing


@pytest.mark.virtual_clock
async def test_fetch_that_was_cancelled_before_it_started_is_repeated() -> None:
    """As by an application that cancels all tasks."""
    async with online() as on:
        assert await on.accepts()
        await asyncio.sleep(REFRESH_AFTER)
        assert await on.accepts()
        [fetch] = asyncio.all_tasks() - {asyncio.current_task()}
        fetch.cancel()
        await asyncio.sleep(COOLDOWN)
        assert await on.accepts()
        await on.settle()
        assert on.fetches == 2


@pytest.mark.virtual_clock
@pytest.mark.parametrize("started", [True, False])
async def test_rotated_key_is_no_fault_of_the_token_if_the_fetch_was_cancelled(*, started: bool) -> None:
    """As by an event loop that ends. The next fetch is not earlier for that."""
    async with online() as on:
        assert await on.accepts()
        await asyncio.sleep(COOLDOWN)
        on.issuer.rotate()
        on.transport.delay = 1.0
        with pytest.raises(TokenUnknownKeyError):
            on.verifier.verify_cached(on.issuer.access_token())
        [fetch] = asyncio.all_tasks() - {asyncio.current_task()}
        if started:
            await asyncio.sleep(0.5)
        fetch.cancel()
        await asyncio.wait([fetch])
        on.transport.delay = 0.0
        for _ in range(2):
            with pytest.raises(JwksUnavailableError, match=r": the request was cancelled$"):
                await on.accepts()
            with pytest.raises(JwksUnavailableError):
                on.verifier.verify_cached(on.issuer.access_token())
            await asyncio.sleep(COOLDOWN / 2 - 1)
        assert on.fetches == 1 + started
        await asyncio.sleep(2)
        assert await on.accepts()
        assert on.fetches == 2 + started
        assert not await on.accepts(unknown(1))


def test_fetch_that_ended_with_its_event_loop_has_failed() -> None:
    """``asyncio.run`` cancels it."""

    class Hanging(JwksTransport):
        async def send(self, request: Any) -> Any:
            await asyncio.get_running_loop().create_future()

    verifier: TokenVerifier[Any] = TokenVerifier(**TOKEN_RULES, session=scripted_session(Hanging(JwtIssuer())))

    async def start() -> None:
        with pytest.raises(JwksUnavailableError, match="not been fetched yet"):
            verifier.verify_cached(unknown(1))

    asyncio.run(start())
    with pytest.raises(JwksUnavailableError, match="cancelled"):
        verifier.verify_cached(unknown(1))


def test_event_loop_does_not_wait_for_the_fetch_of_another() -> None:
    """It would not be woken up; known keys can be used in all loops."""

    class Hanging(JwksTransport):
        async def send(self, request: Any) -> Any:
            await asyncio.get_running_loop().create_future()

    issuer = JwtIssuer()
    verifier: TokenVerifier[Any] = TokenVerifier(**TOKEN_RULES, session=scripted_session(Hanging(issuer)))
    with asyncio.Runner() as first, asyncio.Runner() as second:

        async def start() -> asyncio.Task[Any]:
            task = asyncio.create_task(verifier.verify(issuer.access_token()))
            await asyncio.sleep(0)
            return task

        waiting = first.run(start())
        with pytest.raises(JwksUnavailableError):
            second.run(asyncio.wait_for(verifier.verify(issuer.access_token()), 5))
        first.run(verifier.close())
        assert isinstance(waiting.exception(), JwksUnavailableError)


@pytest.mark.virtual_clock
async def test_hanging_server_is_given_up_after_3_seconds() -> None:
    """Whatever the transport does."""

    class Hanging(JwksTransport):
        async def send(self, request: Any) -> Any:
            await asyncio.get_running_loop().create_future()

    async with (
        scripted_session(Hanging(JwtIssuer())) as session,
        TokenVerifier(**TOKEN_RULES, session=session) as verifier,
    ):
        started = asyncio.get_running_loop().time()
        with pytest.raises(JwksUnavailableError) as caught:
            await verifier.verify(JwtIssuer().access_token())
        assert asyncio.get_running_loop().time() == pytest.approx(started + 3)
        assert isinstance(caught.value.__cause__, RequestTimeoutError)
        assert caught.value.retry_after == pytest.approx(COOLDOWN - 3)


@pytest.mark.virtual_clock
async def test_session_of_the_caller_is_not_closed() -> None:
    """Only that of the verifier is."""
    async with online() as on:
        await on.verifier.close()
        assert on.transport.closed == 0


# --- HTTP -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def against(server: ScriptedServer, **options: Any) -> AsyncIterator[TokenVerifier[Any]]:
    """Yield a verifier for a server that serves the key set as an emulator does."""
    async with (
        server,
        AsyncCognitoSession("eu-west-1", endpoint_url=server.url) as session,
        TokenVerifier(**{**TOKEN_RULES, "session": session, **options}) as verifier,
    ):
        yield verifier


async def test_keys_of_an_emulator_come_from_the_endpoint() -> None:
    """The issuers stay those of the pool."""
    issuer = JwtIssuer()
    server = ScriptedServer(answer(issuer.jwks))
    async with against(server) as verifier:
        assert await verifier.verify(issuer.access_token())
        [request] = server.requests
        assert request.line == f"GET /{POOL}/.well-known/jwks.json HTTP/1.1"
        assert request.headers["accept-encoding"] == "identity"
        assert not {"content-length", "content-type", "x-amz-target", "authorization"} & set(request.headers)


@pytest.mark.parametrize("source", ["argument", "environment", "profile", "own session"])
async def test_endpoint_can_come_from_each_source(source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """As for calls."""
    issuer = JwtIssuer()
    async with ScriptedServer(answer(issuer.jwks)) as server:
        if source in {"environment", "own session"}:
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        if source == "profile":
            (tmp_path / "config").write_text(f"[profile local]\nendpoint_url = {server.url}\n")
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
            monkeypatch.setenv("AWS_PROFILE", "local")
        session = AsyncCognitoSession(endpoint_url=server.url if source == "argument" else None)
        given = None if source == "own session" else session
        async with session, TokenVerifier(**TOKEN_RULES, session=given) as verifier:
            assert await verifier.verify(issuer.access_token())
        assert len(server.requests) == 1


async def test_url_of_the_key_set_can_be_replaced() -> None:
    """The session's endpoint does not matter then."""
    issuer = JwtIssuer()
    async with ScriptedServer(answer(issuer.jwks)) as server:
        async with TokenVerifier(**TOKEN_RULES, jwks_url=f"{server.url}/keys") as verifier:
            assert await verifier.verify(issuer.access_token())
        assert server.requests[0].line == "GET /keys HTTP/1.1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_of_the_key_set_is_not_followed(status: int) -> None:
    """It could lead to the metadata service."""
    async with ScriptedServer(answer(JwtIssuer().jwks)) as elsewhere:
        async with against(ScriptedServer(answer(b"", status, Location=elsewhere.url))) as verifier:
            with pytest.raises(JwksUnavailableError):
                await verifier.verify(JwtIssuer().access_token())
        assert elsewhere.connections == 0


GOOD = dump(JwtIssuer().jwks)
RESPONSES: dict[str, Action] = {
    "HTML": answer(b"<html></html>"),
    "empty": answer(b""),
    "204": answer(b"", 204),
    "201": answer(GOOD, 201),
    "206": answer(GOOD, 206),
    "403": answer(GOOD, 403),
    "500": answer(GOOD, 500),
    "gzip": compressed(GOOD),
    "Content-Encoding": answer(GOOD, Content_Encoding="br"),
    "over 64 KiB": answer(GOOD + b" " * 64 * 1024),
    "100 MB": flood(100_000_000),
    "100 MB in chunks": flood(100_000_000, chunked=True),
    "cut": cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + GOOD),
    "closed": cut(),
    "not HTTP": cut(b"hello\r\n\r\n"),
}


@pytest.mark.parametrize("action", RESPONSES.values(), ids=RESPONSES.keys())
async def test_unusable_response_is_unavailable(action: Action) -> None:
    """Whatever the server sends; the keys before it are kept."""
    server = ScriptedServer(answer(GOOD), otherwise=action)
    async with against(server) as verifier:
        await verifier.refresh_keys()
        with pytest.raises(JwksUnavailableError):
            await verifier.refresh_keys()
        assert await verifier.verify(JwtIssuer().access_token())
        assert len(server.requests) == 2


async def test_compressed_response_has_its_status() -> None:
    """Like responses with another status than 200."""
    async with against(ScriptedServer(compressed(GOOD))) as verifier:
        with pytest.raises(JwksUnavailableError) as caught:
            await verifier.refresh_keys()
        assert isinstance(caught.value.__cause__, JwksUnavailableError)
        assert caught.value.__cause__.status == 200


@pytest.mark.manual_clock
async def test_hanging_response_is_given_up() -> None:
    """In the head and in the body."""
    for start in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"):
        server = ScriptedServer(otherwise=never(start))
        async with against(server) as verifier:
            task = asyncio.create_task(verifier.refresh_keys())
            await server.until(lambda: server.requests)  # noqa: B023 - awaited in the loop
            advance(3)
            with pytest.raises(JwksUnavailableError):
                await task


async def test_limit_of_the_key_set_does_not_depend_on_that_of_the_pool() -> None:
    """It is the smaller one."""
    async with ScriptedServer(answer(GOOD + b" " * 64 * 1024)) as server:
        session = AsyncCognitoSession(endpoint_url=server.url, pool=PoolLimits(response_bytes=2**30))
        async with session, TokenVerifier(**TOKEN_RULES, session=session) as verifier:
            with pytest.raises(JwksUnavailableError):
                await verifier.refresh_keys()


URLS = [
    "http://example.com/jwks.json",
    "http://169.254.169.254/latest/meta-data",
    "http://localhost.attacker.example/",
    "http://10.0.0.1/",
    "ftp://localhost/",
    "file:///etc/passwd",
    "https://user:password@example.com/",
    "//example.com",
    "",
    " https://example.com/",
    "https://",
    1,
]


@pytest.mark.parametrize("url", URLS, ids=str)
def test_url_of_the_key_set_must_be_https_or_loopback(url: Any) -> None:
    """The error does not hold it, as it may contain a password."""
    with pytest.raises(ParameterValidationError) as caught:
        TokenVerifier(**TOKEN_RULES, jwks_url=url)
    assert caught.value.parameter == "jwks_url"
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.com/k", "http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/"]
)
def test_https_and_loopback_urls_are_accepted(url: str) -> None:
    """No request is sent by the constructor."""
    TokenVerifier(**TOKEN_RULES, jwks_url=url)


@pytest.mark.virtual_clock
async def test_endpoint_that_is_neither_https_nor_loopback_serves_no_keys() -> None:
    """Others on the network could replace them; no request is sent."""
    transport = JwksTransport(JwtIssuer())
    session = scripted_session(transport, endpoint_url="http://cognito.internal:9229")
    async with session, TokenVerifier(**TOKEN_RULES, session=session) as verifier:
        with pytest.raises(JwksUnavailableError) as caught:
            await verifier.verify(JwtIssuer().access_token())
    assert isinstance(caught.value.__cause__, ParameterValidationError)
    assert caught.value.__cause__.parameter == "endpoint_url"
    assert transport.requests == []
