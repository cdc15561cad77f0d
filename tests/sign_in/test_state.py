"""The state of a challenge, in another session."""

import base64
import json
from typing import Any

import pytest

from cognito_async import CognitoClient, ParameterValidationError, UserContextDataType
from cognito_async.sign_in import CustomChallenge, NewPasswordRequiredChallenge, SelectChallenge, SmsMfaChallenge
from cognito_async.testing import FakeCognito
from tests.sign_in.support import NAME, PASSWORD, SECRET, codes, expect, signed_in
from tests.support.canaries import CANARY, leaking_frames


async def sms_challenge(fake: FakeCognito, client: CognitoClient) -> SmsMfaChallenge:
    """Start a sign-in with MFA by SMS."""
    fake.create_user(NAME, password=PASSWORD, email="ada@example.com", phone_number="+491", mfa=["SMS_MFA"])
    result = await client.sign_in(username="ada@example.com", password=PASSWORD, client_metadata={"tenant": "acme"})
    return expect(result, SmsMfaChallenge)


async def test_state_is_answered_in_another_session(fake: FakeCognito, client: CognitoClient) -> None:
    """With everything that the challenge had, and the context of the later request."""
    challenge = await sms_challenge(fake, client)
    state = challenge.state()
    assert PASSWORD not in state
    assert PASSWORD not in base64.urlsafe_b64decode(state.partition(".")[2]).decode()
    async with fake.session() as other:
        later = other.client("app", SECRET, fake.user_pool_id)
        context = UserContextDataType(ip_address="192.0.2.1")
        resumed = expect(later.resume_sign_in(state, user_context_data=context), SmsMfaChallenge)
        assert repr(resumed) == repr(challenge)
        assert resumed != challenge
        assert (resumed.username, resumed.parameters) == (NAME, challenge.parameters)
        assert resumed.state() == state
        assert signed_in(await resumed.respond(codes(fake)[-1])).username == NAME
    payload = fake.requests[-1].payload
    assert payload["ClientMetadata"] == {"tenant": "acme"}
    assert payload["UserContextData"] == {"IpAddress": "192.0.2.1"}


async def test_state_keeps_the_options(fake: FakeCognito, client: CognitoClient) -> None:
    """Those of a choice-based sign-in are not among the parameters."""
    fake.create_user(NAME, password=PASSWORD, email="ada@example.com")
    choice = expect(await client.sign_in(username=NAME, auth_flow="USER_AUTH"), SelectChallenge)
    assert choice.options
    assert expect(client.resume_sign_in(choice.state()), SelectChallenge).options == choice.options


async def test_state_keeps_the_attributes(fake: FakeCognito, client: CognitoClient) -> None:
    """An application can show them when it continues the sign-in."""
    fake.create_user(NAME, password=PASSWORD, status="FORCE_CHANGE_PASSWORD", attributes={"name": "\u65e5\u672c"})
    step = expect(await client.sign_in(username=NAME, password=PASSWORD), NewPasswordRequiredChallenge)
    assert step.user_attributes["name"] == "\u65e5\u672c"
    resumed = expect(client.resume_sign_in(step.state()), NewPasswordRequiredChallenge)
    assert resumed.user_attributes == step.user_attributes


@pytest.mark.parametrize("text", ["\u65e5" * 9000, "\ud800"])
async def test_state_keeps_text_in_any_script(fake: FakeCognito, client: CognitoClient, text: str) -> None:
    """It is encoded as UTF-8, which is half as long as escapes. JSON can contain half of a surrogate pair."""
    fake.create_user(NAME, password=PASSWORD)
    fake.custom_challenges = [({"question": text}, "blue")]
    step = expect(await client.sign_in(username=NAME, auth_flow="CUSTOM_AUTH"), CustomChallenge)
    assert step.parameters["question"] == text
    state = step.state()
    assert len(state) < len(text) * 5 + 4000
    assert expect(client.resume_sign_in(state), CustomChallenge).parameters == step.parameters


def changed(state: str, **changes: Any) -> str:
    """Return a state with other content."""
    version, _, encoded = state.partition(".")
    content = json.loads(base64.urlsafe_b64decode(encoded)) | changes
    return f"{version}.{base64.urlsafe_b64encode(json.dumps(content).encode()).decode()}"


@pytest.mark.parametrize(
    "change",
    [
        {"challenges": 0},
        {"challenges": 11},
        {"has_user_id": 1},
        {"challenges": True},
        {"challenges": "1"},
        {"name": None},
        {"name": "SELECT_MFA_TYPE"},
        {"parameters": {"USERNAME": 5}},
        {"parameters": []},
        {"available": [1]},
        {"session": 5},
        {"username": None},
        {"client_metadata": {"tenant": 5}},
        {"client_id": "other"},
        {"more": 1},
    ],
)
async def test_state_with_other_content_is_refused(
    fake: FakeCognito, client: CognitoClient, change: dict[str, Any]
) -> None:
    """Also that of another app client."""
    state = changed((await sms_challenge(fake, client)).state(), **change)
    with pytest.raises(ParameterValidationError) as caught:
        client.resume_sign_in(state)
    assert caught.value.parameter == "state"


@pytest.mark.parametrize("change", [{"challenges": 1}, {"challenges": 10}, {"session": None}, {"client_metadata": {}}])
async def test_state_with_other_valid_content_is_accepted(
    fake: FakeCognito, client: CognitoClient, change: dict[str, Any]
) -> None:
    """Up to the last challenge."""
    state = changed((await sms_challenge(fake, client)).state(), **change)
    assert expect(client.resume_sign_in(state), SmsMfaChallenge).username == NAME


BAD: list[Any] = [
    "",
    ".",
    "1.",
    "1",
    "2.e30=",
    "1.e30=",
    "1.W10=",
    "1.!!!",
    "1.é",
    "1." + "A" * 300_000,
    None,
    b"1.e30=",
]


@pytest.mark.parametrize("state", [*BAD, f"1.{CANARY}", f"1.{base64.urlsafe_b64encode(b'[' * 50_000).decode()}"])
def test_unreadable_state_is_refused(client: CognitoClient, state: Any) -> None:
    """Without showing it."""
    with pytest.raises(ParameterValidationError) as caught:
        client.resume_sign_in(state)
    assert caught.value.parameter == "state"
    assert leaking_frames(caught.value) == []
    assert CANARY not in str(caught.value)


async def test_state_is_versioned_text_for_urls(fake: FakeCognito, client: CognitoClient) -> None:
    """A newer version is refused."""
    state = (await sms_challenge(fake, client)).state()
    assert state.startswith("1.")
    assert state.isascii()
    with pytest.raises(ParameterValidationError):
        client.resume_sign_in(f"2.{state.partition('.')[2]}")


@pytest.mark.parametrize("device", ["device", {"key": "k", "password": CANARY}])
async def test_resuming_with_an_invalid_device_is_refused(
    fake: FakeCognito, client: CognitoClient, device: Any
) -> None:
    """As in sign_in; neither the session of the state nor the device's password stays in the frames."""
    challenge = await sms_challenge(fake, client)
    with pytest.raises(ParameterValidationError) as caught:
        client.resume_sign_in(challenge.state(), device=device)
    assert caught.value.parameter == "device"
    assert leaking_frames(caught.value) == []
    assert leaking_frames(caught.value, challenge.state()) == []
