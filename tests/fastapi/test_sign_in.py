"""The sign-in routes: every challenge, tokens in the body and in cookies, refresh and sign-out."""

import json
from collections.abc import AsyncIterator
from math import nan
from typing import Any

import pytest
from attrs import evolve
from fastapi import FastAPI

from cognito_async import ParameterValidationError
from cognito_async.fastapi import PROBLEMS, CognitoSettings, SettingsError, SignInOptions, sign_in_router
from cognito_async.fastapi.settings import read_settings
from cognito_async.fastapi.sign_in import Seal
from cognito_async.fastapi.sign_in_models import NewPasswordAnswer
from cognito_async.testing import FakeCognito
from tests.fastapi.sign_in_site import (
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
)
from tests.sign_in.support import EMAIL, NAME, NEW_PASSWORD, PASSWORD, codes, operations, wrong

COOKIES = {"tokens": "cookies"}
ACCESS, REFRESH = "__Host-access_token", "__Host-refresh_token"


@pytest.fixture
async def fake() -> AsyncIterator[FakeCognito]:
    """Run a fake user pool."""
    async with FakeCognito() as running:
        yield running


# --- sign-in and challenges -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NAME, EMAIL, f"  {EMAIL} "])
async def test_sign_in_returns_tokens(fake: FakeCognito, name: str) -> None:
    """The password is not sent to the pool, but the client IP and the language are."""
    ada(fake)
    async with site(fake) as http:
        response = await http.post(
            "/sign-in",
            json={"username": name, "password": PASSWORD, "encoded_data": "eyJ9"},
            headers={"Accept-Language": "de-CH"},
        )
    content = tokens(response)
    assert set(content) == {
        "state", "username", "expires_in", "token_type", "access_token", "id_token", "refresh_token"
    }  # fmt: skip
    assert (content["username"], content["expires_in"], content["token_type"]) == (NAME, 3600, "Bearer")
    assert response.headers["cache-control"] == "no-store"
    assert not cookies(response)
    assert operations(fake) == ["InitiateAuth", "RespondToAuthChallenge"]
    for request in fake.requests:
        assert request.payload["UserContextData"] == {"IpAddress": "192.0.2.1", "EncodedData": "eyJ9"}
        assert request.payload["ClientMetadata"] == {"locale": "de-CH"}
        assert PASSWORD not in str(request)


@pytest.mark.parametrize(
    ("mfa", "shown"),
    [
        ("SMS_MFA", {"destination": "+*******5678", "medium": "SMS"}),
        ("EMAIL_OTP", {"destination": "a***@e***", "medium": "EMAIL"}),
        ("SOFTWARE_TOKEN_MFA", {"device_name": "Authenticator"}),
    ],
)
async def test_code_is_answered_after_a_wrong_one(fake: FakeCognito, mfa: str, shown: dict[str, str]) -> None:
    """With the same ``continue``; the answer, too, has the context of its request."""
    ada(fake, mfa=[mfa])
    async with site(fake) as http:
        content = await challenge(http, mfa)
        assert content["challenge"] == {"name": mfa, **shown}
        code = fake.totp_code(NAME) if mfa == "SOFTWARE_TOKEN_MFA" else codes(fake)[-1]
        assert kind_of(await answer(http, content, type="code", code=wrong(code))) == (400, "wrong-code")
        assert tokens(await answer(http, content, type="code", code=f" {code[:3]} {code[3:]} "))["username"] == NAME
        assert fake.requests[-1].payload["UserContextData"] == {"IpAddress": "192.0.2.1"}
        body = {"continue": content["continue"], "answer": {"type": "code", "code": code}, "encoded_data": "eyJ9"}
        assert kind_of(await http.post("/sign-in/challenge", json=body)) == (401, "sign-in-refused")  # used
        assert fake.requests[-1].payload["UserContextData"]["EncodedData"] == "eyJ9"


async def test_second_factor_is_selected(fake: FakeCognito) -> None:
    """Other options, too, can be selected after one that is not offered."""
    ada(fake, mfa=["SMS_MFA", "SOFTWARE_TOKEN_MFA"])
    async with site(fake) as http:
        content = await challenge(http, "SELECT_MFA_TYPE")
        assert content["challenge"]["options"] == ["SMS_MFA", "SOFTWARE_TOKEN_MFA"]
        refused = await answer(http, content, type="select", option="EMAIL_OTP")
        assert kind_of(refused) == (422, "bad-input")
        assert refused.json()["errors"][0]["pointer"] == "#/answer"
        selected = (await answer(http, content, type="select", option="SMS_MFA")).json()
        assert selected["challenge"]["name"] == "SMS_MFA"
        tokens(await answer(http, selected, type="code", code=codes(fake)[-1]))


@pytest.mark.parametrize("issuer", [None, "Shop"])
async def test_authenticator_app_is_set_up(fake: FakeCognito, issuer: str | None) -> None:
    """The URI has the issuer, else the title of the application, and the name that the user typed."""
    ada(fake)
    fake.mfa_setup = ("SOFTWARE_TOKEN_MFA", "EMAIL_OTP")
    async with site(fake, options(totp_issuer=issuer)) as http:
        first = await challenge(http, "MFA_SETUP")
        assert first["challenge"]["options"] == ["SOFTWARE_TOKEN_MFA", "EMAIL_OTP"]
        second = (await answer(http, first, type="associate_software_token")).json()
        secret = second["challenge"]["secret"]
        assert secret == fake.users[NAME].totp_secret
        name = issuer or "Acme"
        assert second["challenge"]["otpauth_uri"] == f"otpauth://totp/{name}:{EMAIL}?secret={secret}&issuer={name}"
        verify = {"type": "verify_software_token", "device_name": "Ada's phone"}
        code = fake.totp_code(NAME)
        assert kind_of(await answer(http, second, **verify, code=wrong(code))) == (400, "wrong-code")
        assert kind_of(await answer(http, first, **verify, code=code)) == (401, "sign-in-refused")  # an old session
        tokens(await answer(http, second, **verify, code=code))
    assert fake.requests[-2].payload["FriendlyDeviceName"] == "Ada's phone"


async def test_authenticator_app_is_set_up_after_a_new_password(fake: FakeCognito) -> None:
    """The URI still has the name that the user typed in the first step."""
    ada(fake, status="FORCE_CHANGE_PASSWORD")
    fake.mfa_setup = ("SOFTWARE_TOKEN_MFA",)
    async with site(fake) as http:
        content = await challenge(http, "NEW_PASSWORD_REQUIRED")
        content = (await answer(http, content, type="new_password", new_password=NEW_PASSWORD)).json()
        assert content["challenge"]["name"] == "MFA_SETUP"
        content = (await answer(http, content, type="associate_software_token")).json()
    assert content["challenge"]["otpauth_uri"].startswith(f"otpauth://totp/Acme:{EMAIL}?")


async def test_email_is_set_up_as_second_factor(fake: FakeCognito) -> None:
    """The code goes to the new address."""
    ada(fake)
    fake.mfa_setup = ("EMAIL_OTP",)
    async with site(fake) as http:
        content = await challenge(http, "MFA_SETUP")
        assert kind_of(await answer(http, content, type="associate_software_token")) == (422, "bad-input")
        content = (await answer(http, content, type="set_up_email", address="new@example.com")).json()
        assert content["challenge"]["name"] == "EMAIL_OTP"
        assert fake.messages[-1].destination == "new@example.com"
        tokens(await answer(http, content, type="code", code=codes(fake)[-1]))


@pytest.mark.parametrize("values", [["x" * 2048] * 9, ["\u65e5" * 2048] * 9], ids=["ASCII", "CJK"])
async def test_temporary_password_of_a_user_with_large_attributes_is_replaced(
    fake: FakeCognito, caplog: pytest.LogCaptureFixture, values: list[str]
) -> None:
    """They are shown, but not sealed, so that the answer does not exceed the limit of bodies."""
    attributes = {f"custom:a{number}": value for number, value in enumerate(values)}
    ada(fake, status="FORCE_CHANGE_PASSWORD", attributes=attributes)
    async with site(fake) as http:
        content = await challenge(http, "NEW_PASSWORD_REQUIRED")
        assert content["challenge"]["user_attributes"].items() >= attributes.items()
        assert len(content["continue"]) < 4000
        weak = await answer(http, content, type="new_password", new_password="password")
        assert kind_of(weak) == (422, "weak-password")
        tokens(await answer(http, content, type="new_password", new_password=NEW_PASSWORD))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(("size", "fits"), [(10_000, True), (30_000, False)])
async def test_state_that_is_too_large_to_be_sent_back_is_logged(
    fake: FakeCognito, caplog: pytest.LogCaptureFixture, size: int, *, fits: bool
) -> None:
    """Lambda triggers choose the parameters of their challenges."""
    ada(fake)
    fake.custom_challenges = [({"question": "q" * size}, "blue")]
    async with site(fake, options(auth_flow="CUSTOM_AUTH")) as http:
        content = await challenge(http, "CUSTOM_CHALLENGE", password=None)
        response = await answer(http, content, type="custom", answer="blue")
    assert response.status_code == (200 if fits else 413)
    records = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert records == ([] if fits else ["the state of CUSTOM_CHALLENGE exceeds 32768 bytes: its answer is refused"])


@pytest.mark.parametrize("more", [0, 1])
async def test_state_of_the_maximum_size_is_not_logged(
    fake: FakeCognito, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    """One byte more is."""
    monkeypatch.setattr(Seal, "seal", lambda *_: "A" * (32768 + more))
    ada(fake, mfa=["SMS_MFA"])
    async with site(fake) as http:
        await challenge(http, "SMS_MFA")
    assert len(caplog.records) == more


async def test_temporary_password_is_replaced(fake: FakeCognito) -> None:
    """Only required attributes can be set: the app client may have permission for more."""
    ada(fake, status="FORCE_CHANGE_PASSWORD", required_attributes=["given_name"])
    async with site(fake) as http:
        content = await challenge(http, "NEW_PASSWORD_REQUIRED")
        assert content["challenge"]["required_attributes"] == ["given_name"]
        assert content["challenge"]["user_attributes"]["email"] == EMAIL
        new: dict[str, Any] = {"type": "new_password", "new_password": NEW_PASSWORD}
        more = {"given_name": "Ada", "custom:role": "admin"}
        assert kind_of(await answer(http, content, **new, attributes=more)) == (422, "bad-input")
        assert kind_of(await answer(http, content, **new)) == (400, "refused")
        given = {"given_name": "Ada"}
        weak = {**new, "new_password": "password"}
        assert kind_of(await answer(http, content, **weak, attributes=given)) == (422, "weak-password")
        tokens(await answer(http, content, **new, attributes=given))
    assert fake.users[NAME].attributes["given_name"] == "Ada"
    assert "custom:role" not in fake.users[NAME].attributes


@pytest.mark.parametrize("preferred", [None, "EMAIL_OTP"])
async def test_one_time_password_signs_in(fake: FakeCognito, preferred: str | None) -> None:
    """Preferred or selected, without a password."""
    ada(fake)
    async with site(fake, options(auth_flow="USER_AUTH")) as http:
        expected = preferred or "SELECT_CHALLENGE"
        content = await challenge(http, expected, password=None, preferred_challenge=preferred)
        if preferred is None:
            assert set(content["challenge"]["options"]) == {"PASSWORD", "PASSWORD_SRP", "EMAIL_OTP", "SMS_OTP"}
            content = (await answer(http, content, type="select", option="EMAIL_OTP")).json()
        tokens(await answer(http, content, type="code", code=codes(fake)[-1]))


async def test_password_is_selected(fake: FakeCognito) -> None:
    """Only with SRP, never in clear text."""
    ada(fake)
    async with site(fake, options(auth_flow="USER_AUTH")) as http:
        content = await challenge(http, "SELECT_CHALLENGE", password=None)
        for option in ("PASSWORD", "PASSWORD_SRP"):
            refused = await answer(http, content, type="select", option=option)
            assert kind_of(refused) == (422, "bad-input")
            assert refused.json()["errors"][0]["pointer"] == "#/answer"
            assert '"password"' in refused.json()["errors"][0]["detail"]  # the type of the answer to send
        tokens(await answer(http, content, type="password", password=PASSWORD))
    assert PASSWORD not in str(fake.requests)


async def test_password_is_sent_if_the_pool_has_no_srp(fake: FakeCognito) -> None:
    """Only then, as SRP does not show it to AWS."""
    ada(fake)
    async with site(fake, options(auth_flow="USER_AUTH")) as http:
        for factors in (("PASSWORD", "PASSWORD_SRP", "EMAIL_OTP"), ("PASSWORD", "EMAIL_OTP")):
            fake.first_factors = factors
            content = await challenge(http, "SELECT_CHALLENGE", password=None)
            fake.requests.clear()
            tokens(await answer(http, content, type="password", password=PASSWORD))
            assert (PASSWORD in str(fake.requests)) is ("PASSWORD_SRP" not in factors)
        fake.first_factors = ("EMAIL_OTP", "SMS_OTP")
        content = await challenge(http, "SELECT_CHALLENGE", password=None)
        refused = await answer(http, content, type="password", password=PASSWORD)
        assert kind_of(refused) == (422, "bad-input")
        assert refused.json()["errors"][0]["pointer"] == "#/answer"


async def test_invalid_field_of_an_answer_is_named_by_its_place(fake: FakeCognito) -> None:
    """In the body, which differs from the parameters of the client. Settings are not fields."""
    ada(fake, passkeys=["cGFzc2tleQ"])
    settings = settings_of(fake)
    async with site(fake, options(auth_flow="USER_AUTH"), settings=settings) as http:
        content = await challenge(http, "WEB_AUTHN", password=None, preferred_challenge="WEB_AUTHN")
        body = json.dumps({"continue": content["continue"], "answer": {"type": "passkey", "credential": {"a": nan}}})
        refused = await http.post("/sign-in/challenge", content=body, headers={"Content-Type": "application/json"})
    assert kind_of(refused) == (422, "bad-input")
    assert [each["pointer"] for each in refused.json()["errors"]] == ["#/answer/credential"]
    without_pool = settings.model_copy(update={"user_pool_id": None, "region": fake.user_pool_id.partition("_")[0]})
    async with site(fake, options(auth_flow="USER_AUTH"), settings=without_pool) as http:
        content = await challenge(http, "SELECT_CHALLENGE", password=None)
        refused = await answer(http, content, type="password", password=PASSWORD)
    assert kind_of(refused) == (500, "misconfigured")
    assert "errors" not in refused.json()


async def test_all_invalid_fields_of_an_answer_are_named(fake: FakeCognito, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those of the answer, whatever the client calls the others."""

    async def send(*_: object) -> None:
        others = [("new_password", "b"), ("user_context_data.encoded_data", "c")]
        raise ParameterValidationError("attributes['given/name']", "a", operation="Respond", others=others)

    monkeypatch.setattr(NewPasswordAnswer, "send", send)
    shown = evolve(PROBLEMS["ParameterValidationError"], detail=lambda error: error.operation or "")
    ada(fake, status="FORCE_CHANGE_PASSWORD")
    async with site(fake, problems={**PROBLEMS, "ParameterValidationError": shown}) as http:
        content = await challenge(http, "NEW_PASSWORD_REQUIRED")
        refused = await answer(http, content, type="new_password", new_password=NEW_PASSWORD)
    assert kind_of(refused) == (422, "bad-input")
    assert refused.json()["detail"] == "Respond"
    assert refused.json()["errors"] == [
        {"pointer": "#/answer/attributes/given~1name", "detail": "a"},
        {"pointer": "#/answer/new_password", "detail": "b"},
        {"pointer": "#/user_context_data/encoded_data", "detail": "c"},
    ]


async def test_requested_password_is_answered(fake: FakeCognito) -> None:
    """The pool may ask for it in a challenge."""
    ada(fake)
    async with site(fake, options(auth_flow="USER_AUTH")) as http:
        content = await challenge(http, "SELECT_CHALLENGE", password=None)
        session = "s" * 20
        fake.fail_next("RespondToAuthChallenge", response={"ChallengeName": "PASSWORD", "Session": session})
        content = (await answer(http, content, type="select", option="EMAIL_OTP")).json()
        assert content["challenge"] == {"name": "PASSWORD"}
        fake.fail_next("RespondToAuthChallenge", response={"AuthenticationResult": {"AccessToken": "a"}})
        tokens(await answer(http, content, type="password", password=PASSWORD))
    assert fake.requests[-1].payload["Session"] == session


async def test_passkey_signs_in(fake: FakeCognito) -> None:
    """The browser gets the options and returns the credential."""
    ada(fake, passkeys=["cGFzc2tleQ"])
    async with site(fake, options(auth_flow="USER_AUTH")) as http:
        content = await challenge(http, "WEB_AUTHN", password=None, preferred_challenge="WEB_AUTHN")
        requested = content["challenge"]["request_options"]
        assert requested["rpId"] == "localhost"
        tokens(await answer(http, content, type="passkey", credential=fake.passkey_credential(requested)))


@pytest.mark.parametrize("password", [None, PASSWORD])
async def test_custom_challenges_are_answered(fake: FakeCognito, password: str | None) -> None:
    """The public parameters are shown, without the names that the library needs."""
    ada(fake)
    fake.custom_challenges = [({"question": "colour"}, "blue"), ({"question": "number"}, "7")]
    async with site(fake, options(auth_flow="CUSTOM_AUTH")) as http:
        content = await challenge(http, "CUSTOM_CHALLENGE", password=password)
        assert content["challenge"] == {"name": "CUSTOM_CHALLENGE", "parameters": {"question": "colour"}}
        content = (await answer(http, content, type="custom", answer="blue")).json()
        assert content["challenge"]["parameters"] == {"question": "number"}
        tokens(await answer(http, content, type="custom", answer="7"))


async def test_unknown_challenge_is_shown_and_cannot_be_answered(fake: FakeCognito) -> None:
    """A browser must not choose the names of a raw answer, such as USERNAME."""
    response = {"ChallengeName": "RETINA_SCAN", "Session": "s" * 20, "ChallengeParameters": {"EYE": "left"}}
    fake.fail_next("InitiateAuth", response=response)
    async with site(fake) as http:
        content = await challenge(http, "RETINA_SCAN")
        assert content["challenge"] == {"name": "RETINA_SCAN"}
        assert kind_of(await answer(http, content, type="custom", answer="iris")) == (422, "bad-input")


ANSWERS: list[dict[str, Any]] = [
    {"type": "code", "code": "123456"},
    {"type": "new_password", "new_password": NEW_PASSWORD},
    {"type": "select", "option": "SMS_MFA"},
    {"type": "password", "password": PASSWORD},
    {"type": "passkey", "credential": {}},
    {"type": "associate_software_token"},
    {"type": "verify_software_token", "code": "123456"},
    {"type": "set_up_email", "address": EMAIL},
    {"type": "custom", "answer": "blue"},
]


@pytest.mark.parametrize("given", ANSWERS, ids=lambda given: given["type"])
async def test_answer_of_another_challenge_is_refused(fake: FakeCognito, given: dict[str, Any]) -> None:
    """Nothing is sent, and the challenge stays open."""
    ada(fake, mfa=["SMS_MFA"], status="FORCE_CHANGE_PASSWORD" if given["type"] == "code" else "CONFIRMED")
    async with site(fake) as http:
        content = (await start(http)).json()
        sent = len(fake.requests)
        refused = await answer(http, content, **given)
        assert kind_of(refused) == (422, "bad-input")
        (error,) = refused.json()["errors"]
        assert error["pointer"] == "#/answer"
        assert content["challenge"]["name"] in error["detail"]
        assert len(fake.requests) == sent


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": EMAIL, "password": ""},
        {"username": EMAIL, "password": "x" * 257},
        {"username": "a\u0000b", "password": PASSWORD},
        {"username": EMAIL},  # the flow needs a password
        {"username": EMAIL, "password": PASSWORD, "preferred_challenge": "EMAIL_OTP"},  # of another flow
        {"continue": "x", "answer": {"type": "code", "code": "12a456"}},
        {"continue": "x", "answer": {"type": "retina"}},
        {"continue": "x", "answer": {}},
        {"continue": "", "answer": {"type": "code", "code": "123456"}},
        {"continue": "x", "answer": {"type": "new_password", "new_password": "x", "attributes": {"a": 1}}},
    ],
)
async def test_invalid_body_is_refused_without_its_values(fake: FakeCognito, body: dict[str, Any]) -> None:
    """Nothing is sent."""
    async with site(fake) as http:
        response = await http.post("/sign-in/challenge" if "answer" in body else "/sign-in", json=body)
    assert kind_of(response) == (422, "bad-input")
    assert not {PASSWORD, "12a456", "retina"} & set(response.text.split('"'))
    assert not fake.requests


# --- refresh and sign-out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rotation", [True, False])
async def test_refresh_in_body_returns_new_tokens(fake: FakeCognito, *, rotation: bool) -> None:
    """The refresh token is always part of the response: with rotation a new one."""
    ada(fake)
    settings = settings_of(fake, refresh_token_rotation=rotation)
    async with site(fake, settings=settings) as http:
        first = tokens(await start(http))
        body = {"refresh_token": first["refresh_token"]}
        second = tokens(await http.post("/refresh", json=body, headers={"Accept-Language": "de-CH"}))
        assert fake.requests[-1].payload["ClientMetadata"] == {"locale": "de-CH"}
        assert second["access_token"] != first["access_token"]
        assert (second["refresh_token"] != first["refresh_token"]) is rotation
        assert "username" not in second
        third = await http.post("/refresh", json={"refresh_token": first["refresh_token"]})
        assert third.status_code == (401 if rotation else 200)  # used twice


async def test_refresh_sends_and_keeps_the_device_key(fake: FakeCognito) -> None:
    """A pool that remembers devices refuses refresh tokens without it. The service returns it only once."""
    ada(fake)
    fake.remembers_devices = "ALWAYS"
    for how in (options(), options(**COOKIES)):
        async with site(fake, how) as http:
            response = await start(http)
            content = tokens(response)
            held = {name: content[name] for name in ("refresh_token", "device_key") if name in content}
            renewed = await http.post("/refresh", json=held, headers=cookie_header(response))
            key = fake.requests[-1].payload["DeviceKey"]
            assert key
            if how.tokens == "body":
                assert tokens(renewed)["device_key"] == key
            else:
                assert cookies(renewed)[REFRESH]["value"].endswith(f"~{key}")


@pytest.mark.parametrize("body", [{}, {"refresh_token": "not-a-token"}])
async def test_refresh_without_valid_token_is_refused(fake: FakeCognito, body: dict[str, str]) -> None:
    """A missing and an invalid token are the same problem; the cookies stay, as another tab may have renewed them."""
    for how in (options(), options(**COOKIES)):
        async with site(fake, how) as http:
            response = await http.post("/refresh", json=body, headers={"Cookie": f"{REFRESH}=x"} if body else {})
            assert kind_of(response) == (401, "sign-in-refused")
            assert not cookies(response)


async def test_concurrent_setup_of_an_authenticator_app_can_be_repeated(fake: FakeCognito) -> None:
    """A double click causes it, not the configuration."""
    ada(fake)
    fake.mfa_setup = ("SOFTWARE_TOKEN_MFA",)
    async with site(fake) as http:
        content = await challenge(http, "MFA_SETUP")
        fake.fail_next("AssociateSoftwareToken", code="ConcurrentModificationException")
        assert kind_of(await answer(http, content, type="associate_software_token")) == (503, "busy")


async def test_invalid_token_is_not_reported_to_the_operator(
    fake: FakeCognito, caplog: pytest.LogCaptureFixture
) -> None:
    """The service checks the form of refresh tokens and device keys, and that a token to revoke is a refresh token."""
    ada(fake)
    async with site(fake) as http:
        content = tokens(await start(http))
        fake.fail_next("GetTokensFromRefreshToken", code="InvalidParameterException")
        body = {"refresh_token": content["refresh_token"], "device_key": "?"}
        assert kind_of(await http.post("/refresh", json=body)) == (401, "sign-in-refused")
        # The last one: the token of another app client.
        for code in ("UnsupportedTokenTypeException", "InvalidParameterException", "UnauthorizedException"):
            fake.fail_next("RevokeToken", code=code)
            response = await http.post("/sign-out", json={"refresh_token": content["access_token"]})
            assert response.json() == {"state": "signed_out", "revoked": False}
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_refresh_without_tokens_in_the_response_is_an_outage(
    fake: FakeCognito, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the operation."""
    fake.fail_next("GetTokensFromRefreshToken", response={"AuthenticationResult": None})
    async with site(fake) as http:
        assert kind_of(await http.post("/refresh", json={"refresh_token": "x"})) == (503, "unavailable")
    assert "(operation GetTokensFromRefreshToken," in caplog.text


async def test_lost_refresh_is_repeated_within_the_grace_period(fake: FakeCognito) -> None:
    """The rotated token would be lost otherwise."""
    ada(fake)
    settings = settings_of(fake, refresh_token_rotation=True, retry_grace_period=10.0)
    async with site(fake, settings=settings) as http:
        first = tokens(await start(http))
        fake.fail_next("GetTokensFromRefreshToken", lose_response=True)
        tokens(await http.post("/refresh", json={"refresh_token": first["refresh_token"]}))
    assert operations(fake)[-2:] == ["GetTokensFromRefreshToken"] * 2


async def test_sign_out_revokes_the_refresh_token(fake: FakeCognito) -> None:
    """A second sign-out succeeds, too, as does one without a token."""
    ada(fake)
    async with site(fake) as http:
        body = {"refresh_token": tokens(await start(http))["refresh_token"]}
        for _ in range(2):
            response = await http.post("/sign-out", json=body)
            assert (response.status_code, response.json()) == (200, {"state": "signed_out", "revoked": True})
        assert kind_of(await http.post("/refresh", json=body)) == (401, "sign-in-refused")
        assert (await http.post("/sign-out", json={})).json() == {"state": "signed_out"}


# --- cookies ----------------------------------------------------------------------------------------------------------


async def test_tokens_are_in_cookies_only(fake: FakeCognito) -> None:
    """Scripts, other hosts and plain HTTP do not get them; other sites do not send the refresh token."""
    ada(fake)
    async with site(fake, options(**COOKIES)) as http:
        response = await start(http)
    assert tokens(response) == {"state": "signed_in", "username": NAME, "expires_in": 3600}
    found = cookies(response)
    assert {name: {key: value for key, value in about.items() if key != "value"} for name, about in found.items()} == {
        ACCESS: {"path": "/", "max-age": "3600", "httponly": "True", "secure": "True", "samesite": "lax"},
        REFRESH: {"path": "/", "max-age": str(30 * 86400), "httponly": "True", "secure": "True", "samesite": "strict"},
    }
    assert fake.users[NAME].sub not in response.text


async def test_refresh_and_sign_out_use_the_cookie(fake: FakeCognito) -> None:
    """With rotation, the cookie is replaced; the sign-out deletes both."""
    ada(fake)
    async with site(fake, options(**COOKIES), settings=settings_of(fake, refresh_token_rotation=True)) as http:
        first = await start(http)
        second = await http.post("/refresh", json={}, headers=cookie_header(first))
        assert set(tokens(second)) == {"state", "expires_in"}
        assert all(cookies(first)[name]["value"] != cookies(second)[name]["value"] for name in (ACCESS, REFRESH))
        third = await http.post("/sign-out", json={}, headers=cookie_header(second))
        assert third.json() == {"state": "signed_out", "revoked": True}
        deleted = {"value": "", "path": "/", "max-age": "0", "httponly": "True", "secure": "True"}
        assert cookies(third) == {
            ACCESS: {**deleted, "samesite": "lax"},
            REFRESH: {**deleted, "samesite": "strict"},
        }
        assert kind_of(await http.post("/refresh", json={}, headers=cookie_header(second))) == (401, "sign-in-refused")
        fourth = await http.post("/sign-out", json={})
        assert (fourth.status_code, fourth.json(), len(cookies(fourth))) == (200, {"state": "signed_out"}, 2)


async def test_sign_out_deletes_cookies_during_an_outage(fake: FakeCognito, caplog: pytest.LogCaptureFixture) -> None:
    """The response and the log report that the token may still be valid."""
    ada(fake)
    async with site(fake, options(**COOKIES)) as http:
        first = await start(http)
        fake.fail_next("RevokeToken", status=500, times=9)
        response = await http.post("/sign-out", json={}, headers=cookie_header(first))
    assert (response.status_code, response.json()["revoked"], len(cookies(response))) == (200, False, 2)
    assert "RevokeToken" in caplog.text


async def test_lost_response_of_a_sign_out_is_reported_as_unknown(
    fake: FakeCognito, caplog: pytest.LogCaptureFixture
) -> None:
    """The token was revoked; the description of the response includes this case."""
    ada(fake)
    async with site(fake) as http:
        held = {"refresh_token": tokens(await start(http))["refresh_token"]}
        fake.fail_next("RevokeToken", lose_response=True, times=9)
        assert (await http.post("/sign-out", json=held)).json() == {"state": "signed_out", "revoked": False}
        assert kind_of(await http.post("/refresh", json=held)) == (401, "sign-in-refused")
        schemas = (await http.get("/openapi.json")).json()["components"]["schemas"]
    assert "unknown" in schemas["SignedOutResponse"]["properties"]["revoked"]["description"]
    (record,) = caplog.records
    assert (record.levelname, "operation RevokeToken" in record.getMessage()) == ("WARNING", True)


async def test_sign_in_without_refresh_token_deletes_that_of_another_user(fake: FakeCognito) -> None:
    """A refresh would change the user otherwise."""
    fake.fail_next("InitiateAuth", response={"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": 60}})
    async with site(fake, options(**COOKIES)) as http:
        found = cookies(await start(http))
    assert (found[ACCESS]["value"], found[REFRESH]["value"], found[REFRESH]["max-age"]) == ("a", "", "0")


@pytest.mark.parametrize("size", [4096, 4097])
async def test_cookie_that_browsers_ignore_is_logged(
    fake: FakeCognito, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    """Without the token."""
    large = "t" * (size - len(ACCESS))
    fake.fail_next("InitiateAuth", response={"AuthenticationResult": {"AccessToken": large, "ExpiresIn": 60}})
    async with site(fake, options(**COOKIES)) as http:
        await start(http)
    assert (ACCESS in caplog.text) is (size > 4096)
    assert "ttt" not in caplog.text


@pytest.mark.parametrize("value", ["", "~device", "é", "a b"])
async def test_invalid_refresh_cookie_is_ignored(fake: FakeCognito, value: str) -> None:
    """Like a missing one."""
    async with site(fake, options(**COOKIES)) as http:
        headers = {b"Cookie": f"{REFRESH}={value}".encode()}
        assert kind_of(await http.post("/refresh", json={}, headers=headers)) == (401, "sign-in-refused")
        assert (await http.post("/sign-out", json={}, headers=headers)).json() == {"state": "signed_out"}
    assert not fake.requests


async def test_cookies_of_a_named_pool_have_its_name(fake: FakeCognito) -> None:
    """After the prefix."""
    ada(fake)
    async with site(fake, options(**COOKIES), pool="our_staff") as http:
        response = await start(http)
        assert set(cookies(response)) == {"__Host-our_staff_access_token", "__Host-our_staff_refresh_token"}
        tokens(await http.post("/refresh", json={}, headers=cookie_header(response)))


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"type": "select", "option": "totp"}, "type code for SOFTWARE_TOKEN_MFA"),
        ({"type": "cod"}, "'code', 'new_password', 'select'"),
        ({}, "must have a type"),
    ],
)
async def test_answer_of_a_wrong_type_names_the_accepted_ones(
    fake: FakeCognito, sent: dict[str, str], named: str
) -> None:
    """Those of the challenge, or all of them."""
    ada(fake, mfa=["SOFTWARE_TOKEN_MFA"])
    async with site(fake) as http:
        challenge = (await start(http)).json()
        response = await http.post("/sign-in/challenge", json={"continue": challenge["continue"], "answer": sent})
    assert kind_of(response) == (422, "bad-input")
    (error,) = response.json()["errors"]
    assert error["pointer"] == "#/answer"
    assert named in error["detail"]


async def test_challenge_that_this_version_does_not_know_has_no_answer(fake: FakeCognito) -> None:
    """The browser gets its name."""
    ada(fake)
    async with site(fake) as http:
        fake.fail_next("InitiateAuth", response={"ChallengeName": "RETINA_SCAN", "Session": "s" * 20})
        challenge = (await start(http)).json()
        assert challenge["challenge"] == {"name": "RETINA_SCAN"}
        answer = {"continue": challenge["continue"], "answer": {"type": "code", "code": "123456"}}
        response = await http.post("/sign-in/challenge", json=answer)
    assert kind_of(response) == (422, "bad-input")
    assert response.json()["errors"] == [{"pointer": "#/answer", "detail": "does not fit RETINA_SCAN"}]


# --- settings and OpenAPI ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"auth_flow": "ADMIN_NO_SRP_AUTH"}, {"tokens": "query"}, {"minimum_duration": -1}, {"challenge_lifetime": 0}],
)
def test_invalid_option_is_refused(change: dict[str, Any]) -> None:
    """At construction."""
    with pytest.raises(ParameterValidationError) as caught:
        SignInOptions(**change)
    assert caught.value.parameter == next(iter(change))


def test_state_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several, in either base64; another length is an error that does not show the key."""
    keys = ["Zm9v" * 10 + "Zm8=", "-_" * 21 + "8"]
    monkeypatch.setenv("COGNITO_CLIENT_ID", "abc")
    monkeypatch.setenv("COGNITO_REGION", "eu-west-1")
    monkeypatch.setenv("COGNITO_STATE_KEYS", f"{keys[0]}, {keys[1]}=")
    settings = CognitoSettings.from_environment()
    assert len(settings.state_keys) == 2
    assert keys[0] not in repr(settings)
    monkeypatch.setenv("COGNITO_STATE_KEYS", f"{keys[0]},Zm9v")
    with pytest.raises(SettingsError, match="COGNITO_STATE_KEYS") as caught:
        read_settings("default", None)
    assert "Zm9v" not in str(caught.value)


def test_openapi_describes_answers_and_responses() -> None:
    """Each answer has its type; all references can be resolved."""
    app = FastAPI()
    app.include_router(sign_in_router())
    document = app.openapi()
    body = document["paths"]["/sign-in/challenge"]["post"]["requestBody"]["content"]
    assert list(body) == ["application/json"]
    union = body["application/json"]["schema"]["properties"]["answer"]
    assert union["discriminator"] == {"propertyName": "type"}
    assert [each["properties"]["type"]["const"] for each in union["oneOf"]] == [each["type"] for each in ANSWERS]
    schemas = document["components"]["schemas"]
    assert "continue" in schemas["ChallengeResponse"]["properties"]
    assert "continue" in schemas["ChallengeResponse"]["required"]
    assert "$defs" not in str(document)
    assert {tuple(item["post"]["tags"]) for item in document["paths"].values()} == {("sign-in",)}
    for path, statuses in {
        "/sign-in": {"200", "400", "401", "403", "408", "413", "415", "422", "429", "500", "502", "503", "504"},
        "/sign-out": {"200", "400", "403", "408", "413", "415", "422", "429"},
    }.items():
        assert set(document["paths"][path]["post"]["responses"]) == statuses


def test_openapi_describes_the_problems_of_the_application() -> None:
    """The table can be changed, for all routes."""
    app = FastAPI()
    problems = {**PROBLEMS, "BodyTooLargeError": evolve(PROBLEMS["BodyTooLargeError"], status=418)}
    app.include_router(sign_in_router(problems=problems))
    for item in app.openapi()["paths"].values():
        assert "418" in item["post"]["responses"]
        assert "413" not in item["post"]["responses"]
