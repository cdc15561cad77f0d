"""Bad input is refused before anything is sent, without the value in the error."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cognito_async import AsyncCognitoSession, CognitoClient, ParameterValidationError
from cognito_async.sign_in import SignInResult, SmsMfaChallenge
from cognito_async.sign_in.challenges import result_of
from cognito_async.sign_in.flow import Flow, SignInFlow, Step
from cognito_async.testing import FakeCognito
from tests.sign_in.support import NAME, PASSWORD, SECRET, codes, expect, signed_in
from tests.support.canaries import CANARY, leaking_frames
from tests.support.scripted_transport import ScriptedTransport, respond, scripted_session

POOL = "eu-west-1_FakePool1"
SURROGATE = f"{CANARY}\ud800"


def refused(error: ParameterValidationError, parameter: str) -> None:
    """Assert that an error names a parameter and shows no value."""
    assert error.parameter == parameter
    assert error.rule
    assert CANARY not in str(error)
    assert leaking_frames(error) == []


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"username": ""}, "username"),
        ({"username": f"{CANARY}".ljust(129, "x")}, "username"),
        ({"username": f"{CANARY}\n"}, "username"),
        ({"username": f"{CANARY}\x9b"}, "username"),
        ({"username": SURROGATE}, "username"),
        ({"username": f"{CANARY}\udfff"}, "username"),
        ({"username": None}, "username"),
        ({"password": ""}, "password"),
        ({"password": None}, "password"),
        ({"password": CANARY.ljust(257, "x")}, "password"),
        ({"password": SURROGATE}, "password"),
        ({"password": CANARY.encode()}, "password"),
        ({"auth_flow": "USER_SRP"}, "auth_flow"),
        ({"auth_flow": "ADMIN_USER_PASSWORD_AUTH"}, "auth_flow"),
        ({"preferred_challenge": "EMAIL_OTP"}, "preferred_challenge"),
        ({"session": CANARY.ljust(20, "x")}, "session"),
        ({"auth_flow": "USER_AUTH", "password": None, "preferred_challenge": "PASSWORD"}, "password"),
        ({"auth_flow": "USER_AUTH", "password": None, "session": CANARY}, "session"),
        ({"device": {"key": "k"}}, "device"),
        ({"client_metadata": {"key": [CANARY]}}, "client_metadata['key']"),
    ],
)
@pytest.mark.parametrize("method", ["sign_in", "admin_sign_in"])
async def test_invalid_argument_of_sign_in_is_refused(method: str, change: dict[str, Any], parameter: str) -> None:
    """Nothing is sent."""
    if method == "admin_sign_in":
        change = {**change, "auth_flow": change.get("auth_flow", "USER_SRP_AUTH").replace("ADMIN_", "")}
        if change["auth_flow"] == "USER_PASSWORD_AUTH":
            parameter = "auth_flow"
    async with scripted_session(ScriptedTransport()) as session:
        client = session.client("app", user_pool_id=POOL)
        given = {"username": "ada", "password": PASSWORD, **change}
        with pytest.raises(ParameterValidationError) as caught:
            await getattr(client, method)(**given)
    refused(caught.value, parameter)


@pytest.mark.parametrize(
    ("flow", "named"),
    [({}, "USER_SRP_AUTH"), ({"auth_flow": "USER_AUTH", "preferred_challenge": "PASSWORD"}, "USER_AUTH with PASSWORD")],
)
async def test_missing_password_names_the_flow_that_needs_it(
    client: CognitoClient, flow: dict[str, Any], named: str
) -> None:
    """Other flows need none."""
    with pytest.raises(ParameterValidationError) as caught:
        await client.sign_in(username="ada", **flow)
    refused(caught.value, "password")
    assert caught.value.rule.endswith(named)


async def test_all_invalid_arguments_are_reported(client: CognitoClient) -> None:
    """The first one is in the message."""
    flow: Any = "USER_SPR_AUTH"
    with pytest.raises(ParameterValidationError) as caught:
        await client.sign_in(username="", password="", auth_flow=flow)
    assert [name for name, _ in caught.value.errors] == ["username", "auth_flow", "password"]
    assert all(rule for _, rule in caught.value.errors)
    with pytest.raises(ParameterValidationError) as caught:
        client.session.client("", user_pool_id="nope")
    assert [name for name, _ in caught.value.errors] == ["client_id", "user_pool_id"]


async def test_type_of_a_password_that_is_no_text_is_named(client: CognitoClient) -> None:
    """The value is not."""
    password: Any = CANARY.encode()
    with pytest.raises(ParameterValidationError) as caught:
        await client.sign_in(username="ada", password=password)
    refused(caught.value, "password")
    assert "bytes" in caught.value.rule


@pytest.mark.parametrize("pool_id", [None, "eu", "eu-west-1", "eu-west-1_", "local_FakePool1"])
@pytest.mark.parametrize("verify", [False, True])
async def test_srp_needs_the_id_of_a_pool(pool_id: str | None, *, verify: bool) -> None:
    """The name of the pool is part of the proof."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError) as caught:  # noqa: PT012 - misspelled IDs are refused first
            client = session.client("app", user_pool_id=pool_id)
            await (client.verify_password if verify else client.sign_in)(username="ada", password=CANARY)
    refused(caught.value, "user_pool_id")


@pytest.mark.parametrize(
    "url", ["http://cognito.example.com", "http://10.0.0.1:4566", "http://[fe80::1]:80", "http://notlocalhost"]
)
@pytest.mark.parametrize("auth_flow", ["USER_SRP_AUTH", "USER_PASSWORD_AUTH"])
async def test_sign_in_without_tls_is_refused(url: str, auth_flow: SignInFlow) -> None:
    """SRP does not authenticate the server, so TLS has to."""
    async with scripted_session(ScriptedTransport(), endpoint_url=url) as session:
        client = session.client("app", user_pool_id=POOL)
        with pytest.raises(ParameterValidationError) as caught:
            await client.sign_in(username="ada", password=CANARY, auth_flow=auth_flow)
    refused(caught.value, "endpoint_url")


@pytest.mark.parametrize("url", ["http://localhost:1", "http://aws.localhost", "http://127.0.0.2:1", "http://[::1]:1"])
async def test_sign_in_without_tls_on_this_machine_is_allowed(url: str) -> None:
    """For emulators."""
    tokens = respond(200, b'{"AuthenticationResult": {"AccessToken": "a", "RefreshToken": "r", "ExpiresIn": 60}}')
    async with scripted_session(ScriptedTransport(tokens), endpoint_url=url) as session:
        client = session.client("app")
        signed_in(await client.sign_in(username="ada", password=PASSWORD, auth_flow="USER_PASSWORD_AUTH"))


async def test_longest_username_and_password_and_any_unicode_are_accepted(
    fake: FakeCognito, client: CognitoClient
) -> None:
    """They are not normalized."""
    name, password = "\uff41da é".ljust(128, "x"), "ﬀ e\u0301 ".ljust(256, "x")
    fake.create_user(name).password = password
    signed_in(await client.sign_in(username=name, password=password))


# --- answers ----------------------------------------------------------------------------------------------------------


def challenge(client: CognitoClient, name: str, **parameters: str) -> Any:
    """Return a challenge as the service would send it."""
    available = ("PASSWORD", "EMAIL_OTP") if name == "SELECT_CHALLENGE" else ()
    step = Step(Flow(client=client, username="ada"), name, parameters=parameters, available=available, session="s" * 20)
    return result_of(step)


Answer = Callable[[Any], Coroutine[Any, Any, SignInResult]]
BAD_CODES: list[Any] = [
    "",
    "  ",
    "12a456",
    "\uff11\uff12\uff13\uff14\uff15\uff16",
    "12\u200b3456",
    "123-456",
    "²",
    f"{CANARY}",
    None,
    123456,
]
CASES: list[tuple[str, dict[str, str], Answer, str]] = [
    *(
        (name, {}, lambda each, code=code: each.respond(code), "code")
        for name in ("SMS_MFA", "SMS_OTP", "EMAIL_OTP", "SOFTWARE_TOKEN_MFA")
        for code in BAD_CODES
    ),
    *(("MFA_SETUP", {}, lambda each, code=code: each.verify_software_token(code), "code") for code in BAD_CODES),
    ("MFA_SETUP", {}, lambda each: each.verify_software_token("12345"), "code"),
    ("MFA_SETUP", {}, lambda each: each.set_up_email(""), "address"),
    ("SELECT_MFA_TYPE", {"MFAS_CAN_CHOOSE": '["SMS_MFA"]'}, lambda each: each.select("EMAIL_OTP"), "option"),
    ("SELECT_MFA_TYPE", {"MFAS_CAN_CHOOSE": '["SMS_MFA"]'}, lambda each: each.select([CANARY]), "option"),
    ("SELECT_CHALLENGE", {}, lambda each: each.select("SMS_OTP"), "option"),
    ("SELECT_CHALLENGE", {}, lambda each: each.select("PASSWORD"), "option"),
    ("SELECT_CHALLENGE", {}, lambda each: each.respond_with_password(CANARY), "srp"),
    ("SELECT_CHALLENGE", {}, lambda each: each.respond_with_password("", srp=False), "password"),
    ("SELECT_CHALLENGE", {}, lambda each: each.respond_with_credential([CANARY]), "credential"),
    ("NEW_PASSWORD_REQUIRED", {}, lambda each: each.respond(""), "new_password"),
    ("NEW_PASSWORD_REQUIRED", {}, lambda each: each.respond(SURROGATE), "new_password"),
    ("NEW_PASSWORD_REQUIRED", {}, lambda each: each.respond(CANARY, attributes=["email"]), "attributes"),
    (
        "NEW_PASSWORD_REQUIRED",
        {},
        lambda each: each.respond(CANARY, attributes={"email": 5}),
        "challenge_responses['userAttributes.email']",
    ),
    ("PASSWORD", {}, lambda each: each.respond(SURROGATE), "password"),
    ("PASSWORD_SRP", {}, lambda each: each.respond(CANARY.ljust(257)), "password"),
    ("WEB_AUTHN", {"CREDENTIAL_REQUEST_OPTIONS": "{}"}, lambda each: each.respond(f"[{CANARY!r}]"), "credential"),
    ("WEB_AUTHN", {"CREDENTIAL_REQUEST_OPTIONS": "{}"}, lambda each: each.respond({"id": object()}), "credential"),
    ("CUSTOM_CHALLENGE", {}, lambda each: each.respond(None), "answer"),
    ("FUTURE", {}, lambda each: each.respond([CANARY]), "responses"),
    ("FUTURE", {}, lambda each: each.respond({"CODE": [CANARY]}), "challenge_responses['CODE']"),
]


@pytest.mark.parametrize(("name", "parameters", "answer", "parameter"), CASES)
async def test_invalid_answer_is_refused(name: str, parameters: dict[str, str], answer: Answer, parameter: str) -> None:
    """Nothing is sent, and no attempt is used up."""
    async with scripted_session(ScriptedTransport()) as session:
        asked = challenge(session.client("app", user_pool_id=POOL), name, **parameters)
        with pytest.raises(ParameterValidationError) as caught:
            await answer(asked)
    refused(caught.value, parameter)


async def test_challenge_can_be_answered_after_bad_input(fake: FakeCognito, client: CognitoClient) -> None:
    """The session is not used up."""
    fake.create_user(NAME, password=PASSWORD, phone_number="+4915112345678", mfa=["SMS_MFA"])
    asked = expect(await client.sign_in(username=NAME, password=PASSWORD), SmsMfaChallenge)
    with pytest.raises(ParameterValidationError):
        await asked.respond("12a456")
    signed_in(await asked.respond(codes(fake)[-1]))


async def test_custom_answers_may_have_any_characters(fake: FakeCognito, session: AsyncCognitoSession) -> None:
    """They are sent as they are."""
    fake.create_user(NAME, password=PASSWORD)
    fake.custom_challenges = [({}, " \uff11\uff12 Ä ")]
    client = fake.client(session, fake.create_app_client(client_secret=SECRET))
    asked: Any = await client.sign_in(username=NAME, auth_flow="CUSTOM_AUTH")
    signed_in(await asked.respond(" \uff11\uff12 Ä "))
