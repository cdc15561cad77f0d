"""Attacks on the sign-in routes: user enumeration, login CSRF, guessing, forged states, large bodies, leaks."""

import asyncio
import json
import logging
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from attrs import define, evolve, field
from fastapi import FastAPI
from pydantic import SecretStr

from cognito_async import CognitoError, errors
from cognito_async.fastapi import PROBLEMS, Cognito, MemoryRateLimit, SignInOptions, sign_in_router
from cognito_async.fastapi.sign_in import Seal
from cognito_async.protocol.binding import Bound
from cognito_async.testing import FakeCognito
from tests.fastapi.sign_in_site import (
    ORIGIN,
    ada,
    answer,
    challenge,
    cookie_header,
    cookies,
    kind_of,
    options,
    settings_of,
    site,
    start,
    tokens,
    unlimited,
)
from tests.sign_in.support import EMAIL, NAME, PASSWORD, codes, operations
from tests.support.asgi import SETTINGS, asgi_client
from tests.support.canaries import CANARY, leaking_frames
from tests.support.processes import until

KEY = b64encode(b"k" * 32).decode()
WRONG = {"username": EMAIL, "password": "Wrong-1843"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeCognito]:
    """Run a fake user pool."""
    async with FakeCognito() as running:
        yield running


# --- user enumeration -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [True, False])
async def test_users_who_cannot_sign_in_get_one_response(fake: FakeCognito, *, hidden: bool) -> None:
    """Also if the pool reveals which users exist, and if the password is right."""
    fake.create_user("wrong", password="Other-1843")
    fake.create_user("disabled", password=PASSWORD).enabled = False
    fake.create_user("unconfirmed", password=PASSWORD, status="UNCONFIRMED")
    fake.create_user("reset", password=PASSWORD, status="RESET_REQUIRED")
    fake.create_user("locked", password="Other-1843")
    settings = settings_of(fake, prevent_user_existence_errors=hidden)
    async with site(fake, settings=settings) as http:
        for _ in range(6):
            await start(http, username="locked")
        names = ["unknown", "wrong", "disabled", "unconfirmed", "reset", "locked"]
        responses = [await start(http, username=name) for name in names]
    assert {kind_of(response) for response in responses} == {(401, "sign-in-refused")}
    assert len({(response.content, str(sorted(response.headers.items()))) for response in responses}) == 1


async def test_unknown_user_causes_the_requests_of_a_known_one(fake: FakeCognito) -> None:
    """Their number would show in the time."""
    ada(fake)
    async with site(fake) as http:
        await start(http, username="unknown", password="Wrong-1843")
        unknown = operations(fake)
        await http.post("/sign-in", json=WRONG)
    assert operations(fake) == unknown * 2
    assert len(unknown) == 2


async def test_unknown_user_gets_a_challenge_like_a_known_one(fake: FakeCognito) -> None:
    """Without a password, the pool pretends to send a code; the wrong code has the same response."""
    ada(fake, phone_number=None)
    found: list[Any] = []
    async with site(fake, options(auth_flow="USER_AUTH")) as http:
        for name in (EMAIL, "eva@example.com"):
            content = await challenge(http, "EMAIL_OTP", username=name, password=None, preferred_challenge="EMAIL_OTP")
            refused = await answer(http, content, type="code", code="00000000")
            found.append((set(content["challenge"]), content["challenge"]["medium"], refused.content))
    assert found[0] == found[1]


@define
class FakeClient:
    """Replaces the client of the pool for tests with virtual time."""

    error: Exception | None = None
    seconds: float = 0.0
    calls: list[dict[str, Any]] = field(factory=list)
    bound: Bound = field(factory=lambda: Bound(client_id="abc"))

    async def sign_in(self, **arguments: Any) -> None:
        """Fail after some seconds."""
        self.calls.append(arguments)
        await asyncio.sleep(self.seconds)
        raise self.error or errors.NotAuthorizedException("no", code="NotAuthorizedException", operation="InitiateAuth")


@asynccontextmanager
async def default_site(
    client: FakeClient, how: SignInOptions | None = None, **router: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application with the default limits; ``X-Forwarded-For`` selects the client IP behind one proxy."""
    settings = SETTINGS.model_copy(
        update={"state_keys": (SecretStr(KEY),), "trusted_proxies": (ip_network("192.0.2.0/24"),)}
    )
    cognito = Cognito(settings=settings)
    app = FastAPI(lifespan=cognito.lifespan)
    app.include_router(sign_in_router(options=how, **router))

    async def replaced() -> FakeClient:
        return client

    app.dependency_overrides = {cognito.dependencies.client: replaced}
    async with asgi_client(app) as http:
        yield http


@pytest.mark.virtual_clock
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("kind", [errors.NotAuthorizedException, errors.UserNotConfirmedException])
async def test_failed_sign_in_has_minimum_duration(seconds: float, kind: type[CognitoError]) -> None:
    """A user who is refused after one request takes as long as one who is refused after two."""
    clock = asyncio.get_running_loop().time
    error = kind("no", code=kind.__name__, operation="InitiateAuth")
    async with default_site(FakeClient(error, seconds)) as http:
        started = clock()
        assert kind_of(await http.post("/sign-in", json=WRONG)) == (401, "sign-in-refused")
        assert clock() - started == pytest.approx(0.5)


# --- guessing ---------------------------------------------------------------------------------------------------------


async def attempts(http: httpx.AsyncClient, number: int, address: str = "203.0.113.7", **body: str) -> list[int]:
    """Return the statuses of wrong sign-ins."""
    headers = {"X-Forwarded-For": address}
    return [(await http.post("/sign-in", json=WRONG | body, headers=headers)).status_code for _ in range(number)]


@pytest.mark.virtual_clock
async def test_attempts_are_limited_per_username_and_client() -> None:
    """Others can still sign the user in; case, Unicode form and forged headers do not matter."""
    client = FakeClient()
    async with default_site(client) as http:
        assert await attempts(http, 12) == [401] * 10 + [429] * 2
        assert await attempts(http, 1, username=EMAIL.upper()) == [429]
        assert await attempts(http, 1, address="198.51.100.1, 203.0.113.7") == [429]  # the client forged the first
        assert await attempts(http, 1, address="203.0.113.8") == [401]
        assert await attempts(http, 10, username="grace@example.com") == [401] * 6 + [429] * 4  # 20 per minute
    assert len(client.calls) == 17


@pytest.mark.virtual_clock
async def test_attempts_are_limited_per_username_from_all_clients() -> None:
    """100 in 15 minutes."""
    client = FakeClient()
    async with default_site(client) as http:
        for number in range(120):
            await attempts(http, 1, address=f"203.0.{number}.1")
    assert len(client.calls) == 100


@pytest.mark.virtual_clock
async def test_starts_that_can_send_a_message_are_limited_per_username() -> None:
    """10 per hour, from all clients."""
    client = FakeClient()
    async with default_site(client, SignInOptions(auth_flow="USER_AUTH")) as http:
        for number in range(20):
            headers = {"X-Forwarded-For": f"203.0.{number}.1"}
            await http.post("/sign-in", json={"username": EMAIL}, headers=headers)
    assert len(client.calls) == 10


@pytest.mark.virtual_clock
async def test_one_client_cannot_use_up_the_messages_of_a_user() -> None:
    """Nor a network of an organization; others can still sign the user in."""
    for address, network in (("203.0.113.7", "203.0.113.7"), ("2001:db8:7::1", "2001:db8:7:{:x}::1")):
        client = FakeClient()
        async with default_site(client, SignInOptions(auth_flow="USER_AUTH")) as http:
            for number in range(12):
                await http.post(
                    "/sign-in", json={"username": EMAIL}, headers={"X-Forwarded-For": network.format(number)}
                )
            assert len(client.calls) == 5
            refused = await http.post("/sign-in", json={"username": EMAIL}, headers={"X-Forwarded-For": address})
            assert kind_of(refused) == (429, "rate-limited")
            await http.post("/sign-in", json={"username": EMAIL}, headers={"X-Forwarded-For": "198.51.100.1"})
            assert len(client.calls) == 6


async def test_passkeys_are_no_messages(fake: FakeCognito) -> None:
    """Neither a start with one nor its choice, although both start without a password."""
    ada(fake, passkeys=["AAAA"])
    limit = MemoryRateLimit(1, 900.0)
    async with site(fake, options(auth_flow="USER_AUTH", message_client_limit=limit, message_limit=limit)) as http:
        for _ in range(3):
            await challenge(http, "WEB_AUTHN", password=None, preferred_challenge="WEB_AUTHN")
        assert not len(limit)
        fake.first_factors = ("EMAIL_OTP", "WEB_AUTHN")
        content = await challenge(http, "SELECT_CHALLENGE")
        assert (await answer(http, content, type="select", option="WEB_AUTHN")).json()["challenge"][
            "name"
        ] == "WEB_AUTHN"
        assert not len(limit)


async def test_password_does_not_bypass_the_limit_of_messages(fake: FakeCognito) -> None:
    """It is not used if another first factor is preferred."""
    ada(fake)
    async with site(fake, options(auth_flow="USER_AUTH", message_limit=MemoryRateLimit(2, 900.0))) as http:
        for _ in range(2):
            await challenge(http, "EMAIL_OTP", password="any", preferred_challenge="EMAIL_OTP")
        assert kind_of(await start(http, preferred_challenge="EMAIL_OTP")) == (429, "rate-limited")
        for preferred in (None, "PASSWORD", "PASSWORD_SRP"):
            tokens(await start(http, preferred_challenge=preferred))
    assert len(fake.messages) == 2


async def test_codes_are_limited_per_user(fake: FakeCognito) -> None:
    """Across sign-ins; the starts of sign-ins are counted separately."""
    ada(fake, mfa=["SMS_MFA"])
    how = options(client_limit=MemoryRateLimit(3, 900.0))
    async with site(fake, how) as http:
        statuses: list[int] = []
        for _ in range(3):
            content = await challenge(http, "SMS_MFA")
            statuses += [(await answer(http, content, type="code", code="000000")).status_code for _ in range(2)]
        assert statuses == [400, 400, 400, 429, 429, 429]
        refused = await answer(http, content, type="code", code=codes(fake)[-1])
        assert kind_of(refused) == (429, "rate-limited")
        assert int(refused.headers["retry-after"]) > 1


async def test_answers_have_their_own_keys(fake: FakeCognito) -> None:
    """Also in a storage that limits share."""
    ada(fake, mfa=["SMS_MFA"])
    limit = AsyncMock(**{"hit.return_value": 0.0})
    async with site(fake, options(username_limit=limit)) as http:
        tokens(await answer(http, await challenge(http, "SMS_MFA"), type="code", code=codes(fake)[-1]))
    keys = [call.args[0].rpartition(" ")[0] for call in limit.hit.await_args_list]
    assert keys == ["sign-in username", "challenge username"]


async def test_selections_that_send_a_message_are_limited(fake: FakeCognito) -> None:
    """A wrong password must not be a way around the limit of starts without one."""
    ada(fake)
    async with site(fake, options(auth_flow="USER_AUTH", message_limit=MemoryRateLimit(4, 900.0))) as http:
        first, second = [await challenge(http, "SELECT_CHALLENGE", password=None) for _ in range(2)]
        for content in (first, second):
            assert (await answer(http, content, type="select", option="EMAIL_OTP")).status_code == 200
        assert kind_of(await http.post("/sign-in", json={"username": EMAIL})) == (429, "rate-limited")
        fake.first_factors = ("EMAIL_OTP",)
        third = await challenge(http, "SELECT_CHALLENGE")  # with a password that is not used
        refused = await answer(http, third, type="select", option="EMAIL_OTP")
        assert kind_of(refused) == (429, "rate-limited")
    assert len(fake.messages) == 2


@pytest.mark.parametrize("limit", ["message_client_limit", "message_limit"])
async def test_codes_to_addresses_that_a_client_chooses_are_limited(fake: FakeCognito, limit: str) -> None:
    """Per user, whatever the addresses; other answers to the challenge send nothing."""
    ada(fake)
    fake.mfa_setup = ("SOFTWARE_TOKEN_MFA", "EMAIL_OTP")
    async with site(fake, options(**{limit: MemoryRateLimit(2, 900.0)})) as http:
        statuses: list[int] = []
        for number in range(3):
            content = await challenge(http, "MFA_SETUP", username=NAME)
            to = f"someone{number}@example.org"
            statuses.append((await answer(http, content, type="set_up_email", address=to)).status_code)
        assert statuses == [200, 200, 429]
        assert (await answer(http, content, type="associate_software_token")).status_code == 200
    assert [message.destination for message in fake.messages] == ["someone0@example.org", "someone1@example.org"]


async def test_codes_to_one_address_are_limited(fake: FakeCognito) -> None:
    """From the sign-ins of several users. An answer that sends no code does not count."""
    limit = MemoryRateLimit(2, 900.0)
    victim = {"type": "set_up_email", "address": "Someone@example.org"}
    async with site(fake, options(message_limit=limit)) as http:
        ada(fake, mfa=["SMS_MFA"])
        assert (await answer(http, await challenge(http, "SMS_MFA"), **victim)).status_code == 422
        assert not len(limit)
        fake.mfa_setup = ("EMAIL_OTP",)
        statuses: list[int] = []
        for number in range(3):
            fake.create_user(f"user{number}", password=PASSWORD)
            content = await challenge(http, "MFA_SETUP", username=f"user{number}")
            statuses.append((await answer(http, content, **victim)).status_code)
            victim["address"] = victim["address"].swapcase()
        assert statuses == [200, 200, 429]
    assert [each.destination.lower() for each in fake.messages if each.username != NAME] == ["someone@example.org"] * 2


async def test_refreshes_are_limited_per_client(fake: FakeCognito) -> None:
    """They use the same quota of the account as sign-ins."""
    async with site(fake, options(refresh_limit=MemoryRateLimit(2, 60.0))) as http:
        body = {"refresh_token": "x"}
        statuses = [(await http.post("/refresh", json=body)).status_code for _ in range(3)]
        assert statuses == [401, 401, 429]
        assert (await http.post("/sign-out", json=body)).status_code == 429


@pytest.mark.virtual_clock
@pytest.mark.parametrize("path", ["/sign-in/challenge", "/refresh", "/sign-out"])
async def test_clients_are_counted_separately(path: str) -> None:
    """The requests of one client do not lock out others. Invalid bodies count, too."""
    limit = MemoryRateLimit(1, 60.0)
    async with default_site(FakeClient(), options(refresh_limit=limit), address_limit=limit) as http:
        statuses = [
            (await http.post(path, json=[], headers={"X-Forwarded-For": address})).status_code
            for address in ("203.0.113.7", "203.0.113.7", "198.51.100.1")
        ]
    assert statuses == [400, 429, 400]


async def test_codes_of_clients_are_counted_separately(fake: FakeCognito) -> None:
    """An attacker who guesses codes does not lock the user out."""
    ada(fake, mfa=["SMS_MFA"])
    settings = settings_of(fake, trusted_proxies=(ip_network("192.0.2.0/24"),))
    async with site(fake, options(client_limit=MemoryRateLimit(1, 900.0)), settings=settings) as http:
        content = await challenge(http, "SMS_MFA")
        statuses: list[int] = []
        for address in ("203.0.113.7", "203.0.113.7", "198.51.100.1"):
            http.headers["X-Forwarded-For"] = address
            statuses.append((await answer(http, content, type="code", code="000000")).status_code)
    assert statuses == [400, 429, 400]


async def test_password_answer_is_no_message(fake: FakeCognito) -> None:
    """It does not count against the limit of messages, which the start has reached."""
    ada(fake)
    async with site(fake, options(auth_flow="USER_AUTH", message_limit=MemoryRateLimit(1, 900.0))) as http:
        content = await challenge(http, "SELECT_CHALLENGE", password=None)
        tokens(await answer(http, content, type="password", password=PASSWORD))


async def test_address_limit_counts_all_usernames(fake: FakeCognito) -> None:
    """An application can set it."""
    async with site(fake, address_limit=MemoryRateLimit(1, 60.0)) as http:
        statuses = [(await start(http, username=name)).status_code for name in ("ada", "grace")]
    assert statuses == [401, 429]


async def test_default_address_limit_is_per_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 20 requests, another one is allowed every three seconds."""
    limit = partial(MemoryRateLimit, clock=lambda: 0.0)
    monkeypatch.setattr("cognito_async.fastapi.sign_in.MemoryRateLimit", limit)
    async with default_site(FakeClient()) as http:
        assert {(await http.post("/sign-in", json={})).status_code for _ in range(20)} == {422}
        response = await http.post("/sign-in", json={})
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")


# --- cross-site requests ----------------------------------------------------------------------------------------------

ROUTES = ["/sign-in", "/sign-in/challenge", "/refresh", "/sign-out"]
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "https://evil.site.example"},
    {"Origin": "null"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("where", ["body", "cookies"])
async def test_pages_of_other_origins_are_refused(
    fake: FakeCognito, path: str, headers: dict[str, str], where: str
) -> None:
    """A foreign page can neither sign its own user in (login CSRF) nor use the cookies."""
    async with site(fake, options(tokens=where)) as http:
        if "Origin" not in headers:
            del http.headers["Origin"]
        response = await http.post(path, json={**WRONG}, headers={**headers, "Cookie": "__Host-refresh_token=x"})
    assert kind_of(response) == (403, "cross-origin")
    assert not cookies(response)
    assert not fake.requests


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""])
async def test_bodies_that_forms_can_send_are_refused(fake: FakeCognito, path: str, kind: str) -> None:
    """A second line of defence: JSON needs a preflight request."""
    async with site(fake, options(tokens="cookies")) as http:
        headers = {"Content-Type": kind, "Cookie": "__Host-refresh_token=x"}
        response = await http.post(path, content=json.dumps(WRONG), headers=headers)
    assert kind_of(response) == (415, "unsupported-body")
    assert not fake.requests


async def test_allowed_origins_and_other_programs_sign_in(fake: FakeCognito) -> None:
    """Programs send neither header."""
    ada(fake)
    async with site(fake, allowed_origins=["https://www.example.com"]) as http:
        headers = {"Origin": "https://www.example.com", "Sec-Fetch-Site": "cross-site"}
        body = {"username": EMAIL, "password": PASSWORD}
        tokens(await http.post("/sign-in", json=body, headers=headers))
        del http.headers["Origin"]
        tokens(await http.post("/sign-in", json=body))


@pytest.mark.parametrize("path", ROUTES)
async def test_links_do_nothing(fake: FakeCognito, path: str) -> None:
    """GET is not a method of any route."""
    async with site(fake) as http:
        assert (await http.get(path, params=WRONG)).status_code == 405


async def test_cookie_mode_ignores_tokens_in_the_body(fake: FakeCognito) -> None:
    """A script that cannot read cookies must not plant a session, nor turn a stolen token into cookies."""
    ada(fake)
    settings = settings_of(fake)
    async with site(fake, settings=settings) as http:
        stolen = tokens(await start(http))["refresh_token"]
    async with site(fake, options(tokens="cookies"), settings=settings) as http:
        response = await http.post("/refresh", json={"refresh_token": stolen})
        assert kind_of(response) == (401, "sign-in-refused")
        assert not cookies(response)


@pytest.mark.parametrize("planted", ["\xa0{cookie}", "{cookie}; {cookie}", "{cookie}" + ";" * 32768])
async def test_planted_refresh_cookie_is_ignored(fake: FakeCognito, planted: str) -> None:
    """Browsers let another host of the domain set the first one; a repeated cookie is not trusted either.

    Nor is one of a header that is too long.
    """
    ada(fake)
    async with site(fake, options(tokens="cookies")) as http:
        cookie = "__Host-refresh_token=" + cookies(await start(http))["__Host-refresh_token"]["value"]
        header = {b"Cookie": planted.format(cookie=cookie).encode("latin-1")}
        sent = len(fake.requests)
        assert kind_of(await http.post("/refresh", json={}, headers=header)) == (401, "sign-in-refused")
        assert (await http.post("/sign-out", json={}, headers=header)).json() == {"state": "signed_out"}
        assert len(fake.requests) == sent


# --- sealed states ----------------------------------------------------------------------------------------------------


async def test_state_is_sealed(fake: FakeCognito) -> None:
    """Neither the response nor the decoded state has the session or the name of the user."""
    ada(fake, mfa=["SMS_MFA"])
    async with site(fake) as http:
        response = await start(http)
    assert NAME not in response.text
    assert EMAIL not in response.text


@pytest.mark.parametrize("change", ["", "x", "AAAA" * 100])
async def test_forged_state_is_refused(fake: FakeCognito, change: str) -> None:
    """Like one that has expired; nothing is sent."""
    ada(fake, mfa=["SMS_MFA"])
    async with site(fake) as http:
        content = await challenge(http, "SMS_MFA")
        sent = len(fake.requests)
        content["continue"] = change + content["continue"][4:]
        response = await answer(http, content, type="code", code=codes(fake)[-1])
    assert kind_of(response) == (401, "sign-in-refused")
    assert len(fake.requests) == sent


async def test_state_of_another_app_client_or_key_is_refused(fake: FakeCognito) -> None:
    """A rotated key still opens it."""
    ada(fake, mfa=["SMS_MFA"])
    keys = [SecretStr(b64encode(bytes([number]) * 32).decode()) for number in range(2)]
    settings = settings_of(fake).model_copy(update={"state_keys": (keys[0],)})
    other = settings_of(fake).model_copy(update={"state_keys": (keys[0],)})
    async with site(fake, settings=settings) as http:
        content = await challenge(http, "SMS_MFA")
    for refusing in (other, settings.model_copy(update={"state_keys": (keys[1],)})):
        async with site(fake, settings=refusing) as http:
            sent = len(fake.requests)
            response = await answer(http, content, type="code", code=codes(fake)[-1])
            assert kind_of(response) == (401, "sign-in-refused")
            assert len(fake.requests) == sent
    async with site(fake, settings=settings.model_copy(update={"state_keys": (keys[1], keys[0])})) as http:
        tokens(await answer(http, content, type="code", code=codes(fake)[-1]))


async def test_text_that_was_sealed_for_another_purpose_is_refused(fake: FakeCognito) -> None:
    """The keys may seal other text, too, which must not be accepted as a state."""
    ada(fake, mfa=["SMS_MFA"])
    settings = settings_of(fake).model_copy(update={"state_keys": (SecretStr(KEY),)})
    async with site(fake, settings=settings) as http:
        content = await challenge(http, "SMS_MFA")
        keys = (b"k" * 32,)
        text = Seal(keys, f"sign-in {settings.client_id}".encode(), time.time).open(content["continue"])
        assert text is not None
        for context in (b"", f"other {settings.client_id}".encode()):
            forged = {"continue": Seal(keys, context, time.time).seal(text, 60.0)}
            response = await answer(http, forged, type="code", code=codes(fake)[-1])
            assert kind_of(response) == (401, "sign-in-refused")


async def test_expired_state_is_refused(fake: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> None:
    """By this library after the lifetime, and by the service after the validity of its session."""
    ada(fake, mfa=["SMS_MFA"])
    clock = [1_800_000_000.0]
    monkeypatch.setattr("cognito_async.fastapi.sign_in.time.time", lambda: clock[0])
    async with site(fake, options(challenge_lifetime=60.0)) as http:
        content = await challenge(http, "SMS_MFA")
        clock[0] += 60
        sent = len(fake.requests)
        first = await answer(http, content, type="code", code=codes(fake)[-1])
        assert len(fake.requests) == sent
        content = await challenge(http, "SMS_MFA")
        fake.advance(181)
        second = await answer(http, content, type="code", code=codes(fake)[-1])
    assert kind_of(first) == kind_of(second) == (401, "sign-in-refused")
    assert first.content == second.content


async def test_replayed_state_is_refused_by_the_service(fake: FakeCognito) -> None:
    """Its sessions can be used once."""
    ada(fake, mfa=["SOFTWARE_TOKEN_MFA"])
    async with site(fake) as http:
        content = await challenge(http, "SOFTWARE_TOKEN_MFA")
        given = {"type": "code", "code": fake.totp_code(NAME)}
        tokens(await answer(http, content, **given))
        fake.advance(30)
        again = await answer(http, content, type="code", code=fake.totp_code(NAME))
        assert kind_of(again) == (401, "sign-in-refused")


# --- bodies and secrets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROUTES)
async def test_large_body_is_refused(fake: FakeCognito, path: str) -> None:
    """With and without Content-Length."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 1024

    async with site(fake) as http:
        headers = {"Content-Type": "application/json"}
        for content in (b" " * 40_000, chunks()):
            response = await http.post(path, content=content, headers=headers)
            assert kind_of(response) == (413, "body-too-large")


@pytest.mark.virtual_clock
@pytest.mark.parametrize("path", ROUTES)
async def test_slow_body_is_refused(path: str) -> None:
    """After 10 seconds."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(3600)
        yield b"}"

    clock = asyncio.get_running_loop().time
    async with default_site(FakeClient()) as http:
        started = clock()
        response = await http.post(path, content=chunks(), headers={"Content-Type": "application/json"}, timeout=None)
        assert kind_of(response) == (408, "body-timeout")
        assert clock() - started == pytest.approx(10.0)


@pytest.mark.parametrize("content", [b"[" * 20_000, b'{"username":' * 2000, b"\xff", b"[]", b"1", b'"\\ud800"'])
async def test_malformed_body_is_refused(fake: FakeCognito, content: bytes) -> None:
    """Without an error of the server."""
    async with site(fake) as http:
        response = await http.post("/sign-in", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 422}


@pytest.mark.parametrize("where", ["body", "cookies"])
@pytest.mark.parametrize("status", [400, 500])
async def test_frames_and_logs_contain_no_secrets(
    fake: FakeCognito, caplog: pytest.LogCaptureFixture, where: str, status: int
) -> None:
    """The errors of all routes reach the table of problems without passwords, codes, tokens or sealed states."""
    caplog.set_level(logging.DEBUG)
    password = f"{CANARY}-A1"
    ada(fake, password=password, mfa=["SMS_MFA"])
    caught: list[CognitoError] = []

    def detail(error: CognitoError) -> str:
        caught.append(error)
        return "failed"

    problems = {name: evolve(problem, detail=detail) for name, problem in PROBLEMS.items()}
    code = "NotAuthorizedException" if status == 400 else "InternalErrorException"
    fault = {"status": status, "code": code, "message": "no", "times": 9}
    async with site(fake, options(tokens=where), problems=problems) as http:
        content = await challenge(http, "SMS_MFA", password=password)
        signed_in = await answer(http, content, type="code", code=codes(fake)[-1])
        tokens(signed_in)
        sealed = (await challenge(http, "SMS_MFA", password=password))["continue"]
        for operation in ("InitiateAuth", "RespondToAuthChallenge", "GetTokensFromRefreshToken", "RevokeToken"):
            fake.fail_next(operation, **fault)  # type: ignore[arg-type]
        await start(http, password=password)
        failed = [
            await answer(http, {"continue": sealed}, type="code", code="424242"),
            await answer(http, {"continue": sealed}, type="password", password=password),
            await answer(http, {"continue": f"{sealed}{CANARY}"}, type="code", code="424242"),
        ]
        held = {"refresh_token": signed_in.json().get("refresh_token", "")}
        headers = cookie_header(signed_in)
        failed.append(await http.post("/refresh", json=held, headers=headers))
        assert all(response.status_code >= 400 for response in failed)
        await http.post("/sign-out", json=held, headers=headers)
    refresh_token = held["refresh_token"] or cookies(signed_in)["__Host-refresh_token"]["value"]
    session = next(each.payload["Session"] for each in reversed(fake.requests) if "Session" in each.payload)
    for secret in (CANARY, "424242", refresh_token, sealed, session):
        assert secret not in caplog.text
        assert [frame for error in caught for frame in leaking_frames(error, secret)] == []
    assert len(caught) >= 4


async def test_frames_of_a_cancelled_sign_in_contain_no_secrets(fake: FakeCognito) -> None:
    """The server cancels requests when it shuts down."""
    fake.fail_next("InitiateAuth", delay=30.0)
    async with site(fake) as http:
        task = asyncio.create_task(start(http, password=f"{CANARY}-A1"))
        await until(lambda: fake.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    frames = [frame for frame in leaking_frames(caught.value) if frame.startswith(("sign_in", "request", "flow"))]
    assert frames == []


async def test_default_limits_are_separate_per_router() -> None:
    """Two routers must not share counters by accident."""
    first, second = SignInOptions(), SignInOptions()
    assert first.client_limit is not second.client_limit
    assert unlimited() is not first.username_limit
