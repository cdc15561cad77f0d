"""Malformed and malicious responses: the sign-in ends, and no answer is sent to them."""

import json
from typing import Any

import pytest

from cognito_async import CognitoClient, InvalidResponseError, NotAuthorizedException
from cognito_async.protocol.srp import N
from cognito_async.sign_in import (
    CustomChallenge,
    MfaSetupChallenge,
    PasswordChallenge,
    SelectChallenge,
    SignedIn,
    Tokens,
)
from cognito_async.testing import FakeCognito
from tests.sign_in.support import NAME, PASSWORD, expect, operations, signed_in
from tests.support.canaries import leaking_frames

SESSION = "s" * 20


def challenge(name: str, **parameters: Any) -> dict[str, Any]:
    """Return a response with a challenge."""
    return {"ChallengeName": name, "Session": SESSION, "ChallengeParameters": parameters}


@pytest.mark.parametrize(
    "change",
    [
        {"SRP_B": f"{N:x}"},
        {"SRP_B": f"{2 * N:x}"},
        {"SRP_B": "0"},
        {"SRP_B": "1".ljust(771, "0")},
        {"SRP_B": "0x1234"},
        {"SRP_B": "-1234"},
        {"SRP_B": " 1234"},
        {"SRP_B": ""},
        {"SRP_B": None},
        {"SALT": "a" * 100_000},
        {"SALT": "salt"},
        {"SALT": None},
        {"SECRET_BLOCK": "A" * 100_000},
        {"SECRET_BLOCK": "not base64!"},
        {"SECRET_BLOCK": ""},
        {"USER_ID_FOR_SRP": "x" * 257},
        {"USER_ID_FOR_SRP": "ada\n"},
        {"USER_ID_FOR_SRP": None, "USERNAME": None},
    ],
)
@pytest.mark.parametrize("verify", [False, True])
async def test_malformed_password_challenge_is_not_answered(
    fake: FakeCognito, client: CognitoClient, change: dict[str, str | None], *, verify: bool
) -> None:
    """Numbers are bounded before any power."""
    fake.create_user(NAME, password=PASSWORD)
    fake.override_challenge(change)
    with pytest.raises(InvalidResponseError) as caught:
        await (client.verify_password if verify else client.sign_in)(username=NAME, password=PASSWORD)
    assert operations(fake) == ["InitiateAuth"]
    assert leaking_frames(caught.value, PASSWORD) == []


async def test_challenge_for_another_name_is_answered_for_that_name_only(
    fake: FakeCognito, client: CognitoClient
) -> None:
    """The proof is worth nothing for the name of the sign-in."""
    fake.create_user(NAME, password=PASSWORD)
    fake.override_challenge({"USER_ID_FOR_SRP": "mallory"})
    with pytest.raises(NotAuthorizedException):
        await client.sign_in(username=NAME, password=PASSWORD)
    assert fake.requests[-1].payload["ChallengeResponses"]["USERNAME"] == "mallory"


@pytest.mark.parametrize("name", ["PASSWORD", "ADMIN_NO_SRP_AUTH", "SELECT_CHALLENGE"])
async def test_srp_never_falls_back_to_sending_the_password(
    fake: FakeCognito, client: CognitoClient, name: str
) -> None:
    """A downgrade is a challenge for the caller, who would have to answer it."""
    fake.fail_next("InitiateAuth", response={**challenge(name), "AvailableChallenges": ["PASSWORD"]})
    result = await client.sign_in(username=NAME, password=PASSWORD)
    assert isinstance(result, PasswordChallenge | SelectChallenge)
    assert operations(fake) == ["InitiateAuth"]
    assert PASSWORD not in json.dumps([request.payload for request in fake.requests])


async def test_second_password_challenge_is_not_answered(fake: FakeCognito, client: CognitoClient) -> None:
    """Each proof tests a guess of the password."""
    fake.create_user(NAME, password=PASSWORD)
    real = {"SALT": "1234", "SRP_B": "5678", "SECRET_BLOCK": "AAAA", "USER_ID_FOR_SRP": NAME}
    fake.fail_next("RespondToAuthChallenge", response=challenge("PASSWORD_VERIFIER", **real))
    with pytest.raises(InvalidResponseError):
        await client.sign_in(username=NAME, password=PASSWORD)
    assert operations(fake) == ["InitiateAuth", "RespondToAuthChallenge"]


@pytest.mark.parametrize("name", ["PASSWORD_VERIFIER", "DEVICE_SRP_AUTH", "DEVICE_PASSWORD_VERIFIER"])
async def test_proof_that_the_sign_in_did_not_start_is_not_given(
    fake: FakeCognito, client: CognitoClient, name: str
) -> None:
    """Without a password, or without a device."""
    fake.fail_next("InitiateAuth", response=challenge(name))
    with pytest.raises(InvalidResponseError):
        await client.sign_in(username=NAME, auth_flow="USER_AUTH")
    fake.fail_next("InitiateAuth", response=challenge("DEVICE_PASSWORD_VERIFIER"))
    with pytest.raises(InvalidResponseError):
        await client.sign_in(username=NAME, password=PASSWORD)
    assert len(fake.requests) == 2


@pytest.mark.parametrize("resumed", [False, True])
async def test_eleventh_challenge_ends_the_sign_in(fake: FakeCognito, client: CognitoClient, *, resumed: bool) -> None:
    """Counted across state()."""
    fake.fail_next("InitiateAuth", response=challenge("CUSTOM_CHALLENGE"))
    fake.fail_next("RespondToAuthChallenge", response=challenge("CUSTOM_CHALLENGE"), times=20)
    result: Any = await client.sign_in(username=NAME, auth_flow="CUSTOM_AUTH")
    for _ in range(9):
        if resumed:
            result = client.resume_sign_in(result.state())
        result = expect(await result.respond("blue"), CustomChallenge)
    with pytest.raises(InvalidResponseError):
        await result.respond("blue")
    assert len(fake.requests) == 11


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("SELECT_MFA_TYPE", {}),
        ("SELECT_MFA_TYPE", {"MFAS_CAN_CHOOSE": "SMS_MFA"}),
        ("SELECT_MFA_TYPE", {"MFAS_CAN_CHOOSE": '{"SMS_MFA": 1}'}),
        ("SELECT_MFA_TYPE", {"MFAS_CAN_CHOOSE": "[1]"}),
        ("SELECT_MFA_TYPE", {"MFAS_CAN_CHOOSE": "[" * 100_000}),
        ("MFA_SETUP", {"MFAS_CAN_SETUP": "no"}),
        ("NEW_PASSWORD_REQUIRED", {"requiredAttributes": "email"}),
        ("NEW_PASSWORD_REQUIRED", {"userAttributes": "[]"}),
        ("NEW_PASSWORD_REQUIRED", {"userAttributes": "\ud800"}),
        ("WEB_AUTHN", {}),
        ("WEB_AUTHN", {"CREDENTIAL_REQUEST_OPTIONS": "null"}),
        ("CUSTOM_CHALLENGE", {"question": ["blue"]}),
        ("CUSTOM_CHALLENGE", {"USERNAME": 5}),
    ],
)
async def test_malformed_parameters_are_an_invalid_response(
    fake: FakeCognito, client: CognitoClient, name: str, parameters: dict[str, Any]
) -> None:
    """No challenge is invented."""
    fake.fail_next("InitiateAuth", response=challenge(name, **parameters))
    with pytest.raises(InvalidResponseError):
        await client.sign_in(username=NAME, password=PASSWORD)


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"Session": SESSION},
        {"ChallengeName": ["SMS_MFA"]},
        {"ChallengeName": "SMS_MFA", "Session": 5},
        {"ChallengeName": "SMS_MFA", "Session": []},
        {"ChallengeName": "SELECT_CHALLENGE", "AvailableChallenges": [1]},
        {"AuthenticationResult": {}},
        {"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": -1}},
        {"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": "soon"}},
        {"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": 60, "RefreshToken": 5}},
        {"AuthenticationResult": {"AccessToken": ["a"], "ExpiresIn": 60}},
        {"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": 60, "TokenType": 5}},
        {"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": 60, "TokenType": "mac"}},
    ],
)
async def test_incomplete_response_is_an_invalid_response(
    fake: FakeCognito, client: CognitoClient, response: dict[str, Any]
) -> None:
    """Neither a challenge nor tokens."""
    fake.fail_next("InitiateAuth", response=response)
    with pytest.raises(InvalidResponseError):
        await client.sign_in(username=NAME, password=PASSWORD)


async def test_null_parameters_are_absent(fake: FakeCognito, client: CognitoClient) -> None:
    """As everywhere in responses."""
    fake.fail_next("InitiateAuth", response={**challenge("CUSTOM_CHALLENGE", question=None), "Session": None})
    result = expect(await client.sign_in(username=NAME, auth_flow="CUSTOM_AUTH"), CustomChallenge)
    assert dict(result.parameters) == {}
    fake.fail_next("RespondToAuthChallenge", response={"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": 60}})
    assert isinstance(await result.respond("blue"), SignedIn)
    assert "Session" not in fake.requests[-1].payload


async def test_tokens_of_a_password_sign_in_are_complete(fake: FakeCognito, client: CognitoClient) -> None:
    """The malicious cases above end in an error for their content only."""
    fake.create_user(NAME, password=PASSWORD)
    fake.override_challenge({"SRP_B": None}, name="DEVICE_PASSWORD_VERIFIER")
    signed_in(await client.sign_in(username=NAME, password=PASSWORD))


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"Session": SESSION},
        {"AuthenticationResult": {}},
        {"ChallengeName": 5},
        challenge("PASSWORD_VERIFIER", SALT="1234", SRP_B="5678", SECRET_BLOCK="AAAA", USER_ID_FOR_SRP=NAME),
    ],
)
async def test_response_without_an_outcome_verifies_no_password(
    fake: FakeCognito, client: CognitoClient, response: dict[str, Any]
) -> None:
    """Only tokens or a further challenge show that the proof was accepted."""
    fake.create_user(NAME, password=PASSWORD)
    fake.fail_next("RespondToAuthChallenge", response=response)
    with pytest.raises(InvalidResponseError):
        await client.verify_password(username=NAME, password="not it")


@pytest.mark.parametrize("resumed", [False, True])
async def test_later_name_does_not_replace_the_user_id(
    fake: FakeCognito, client: CognitoClient, *, resumed: bool
) -> None:
    """USERNAME may be an alias; the answers and their secret hashes need USER_ID_FOR_SRP."""
    fake.fail_next("InitiateAuth", response=challenge("CUSTOM_CHALLENGE", USERNAME="alias"))
    fake.fail_next("RespondToAuthChallenge", response=challenge("CUSTOM_CHALLENGE", USER_ID_FOR_SRP=NAME))
    fake.fail_next("RespondToAuthChallenge", response=challenge("CUSTOM_CHALLENGE", USERNAME="alias"), times=2)
    result: Any = await client.sign_in(username="ada@example.com", auth_flow="CUSTOM_AUTH")
    assert result.username == "alias"
    for _ in range(2):
        if resumed:
            result = client.resume_sign_in(result.state())
        result = expect(await result.respond("blue"), CustomChallenge)
        assert result.username == NAME


async def test_device_key_that_is_no_text_is_ignored(fake: FakeCognito, client: CognitoClient) -> None:
    """Stored tokens could not be loaded again."""
    new = {"AccessToken": "a", "ExpiresIn": 60, "RefreshToken": "r", "NewDeviceMetadata": {"DeviceKey": 5}}
    fake.fail_next("InitiateAuth", response={"AuthenticationResult": new})
    done = signed_in(await client.sign_in(username=NAME, password=PASSWORD))
    assert Tokens.from_dict(done.tokens.to_dict()) == done.tokens


@pytest.mark.parametrize(
    ("operation", "response"),
    [
        ("AssociateSoftwareToken", {}),
        ("AssociateSoftwareToken", {"SecretCode": 5}),
        ("AssociateSoftwareToken", {"SecretCode": "ABC", "Session": 5}),
        ("VerifySoftwareToken", {}),
        ("VerifySoftwareToken", {"Status": ["SUCCESS"]}),
        ("VerifySoftwareToken", {"Status": "SUCCESS", "Session": 5}),
    ],
)
async def test_malformed_response_to_a_set_up_is_an_invalid_response(
    fake: FakeCognito, client: CognitoClient, operation: str, response: dict[str, Any]
) -> None:
    """Neither a wrong code nor an invalid argument."""
    fake.create_user(NAME, password=PASSWORD)
    fake.mfa_setup = ("SOFTWARE_TOKEN_MFA",)
    set_up = expect(await client.sign_in(username=NAME, password=PASSWORD), MfaSetupChallenge)
    sent = len(fake.requests)
    fake.fail_next(operation, response=response)
    associate = operation == "AssociateSoftwareToken"
    with pytest.raises(InvalidResponseError) as caught:
        await (set_up.associate_software_token() if associate else set_up.verify_software_token("123456"))
    assert len(fake.requests) == sent + 1
    assert caught.value.operation == operation or "Session" in response
