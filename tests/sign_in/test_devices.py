"""Remembered devices: confirmation, sign-in without MFA, and forgotten devices."""

from base64 import b64decode
from typing import Any

import pytest

from cognito_async import (
    AmbiguousOutcomeError,
    CognitoClient,
    InvalidResponseError,
    NotAuthorizedException,
    ResourceNotFoundException,
)
from cognito_async.sign_in import Device, SignedIn, SmsMfaChallenge
from cognito_async.sign_in.flow import SignInFlow
from cognito_async.testing import FakeCognito
from tests.sign_in.support import NAME, PASSWORD, codes, expect, operations, signed_in


@pytest.fixture
def remembering(fake: FakeCognito) -> FakeCognito:
    """Return a pool that remembers devices, with a user who has MFA."""
    fake.remembers_devices = "ALWAYS"
    fake.create_user(NAME, password=PASSWORD, email="ada@example.com", phone_number="+491", mfa=["SMS_MFA"])
    return fake


async def remember(fake: FakeCognito, client: CognitoClient) -> SignedIn:
    """Sign in with MFA, and remember the device."""
    result = await client.sign_in(username=NAME, password=PASSWORD, remember_device=True)
    return signed_in(await expect(result, SmsMfaChallenge).respond(codes(fake)[-1]))


@pytest.mark.parametrize("opt_in", [False, True])
async def test_remembered_device_replaces_mfa(remembering: FakeCognito, client: CognitoClient, *, opt_in: bool) -> None:
    """In a pool where users opt in, the device's status is updated."""
    remembering.remembers_devices = "USER_OPT_IN" if opt_in else "ALWAYS"
    first = await remember(remembering, client)
    assert first.device is not None
    assert first.device_error is None
    assert first.device.key == first.tokens.device_key
    assert ("UpdateDeviceStatus" in operations(remembering)) is opt_in
    sent = len(remembering.requests)
    again = signed_in(await client.sign_in(username="ada@example.com", password=PASSWORD, device=first.device))
    assert again.device == first.device
    assert again.tokens.device_key == first.device.key
    assert again.username == NAME
    names = [request.payload.get("ChallengeName") for request in remembering.requests[sent:]]
    assert names == [None, "PASSWORD_VERIFIER", "DEVICE_SRP_AUTH", "DEVICE_PASSWORD_VERIFIER"]
    assert remembering.requests[sent].payload["AuthParameters"]["DEVICE_KEY"] == first.device.key
    for request in remembering.requests[sent + 1 :]:
        assert request.payload["ChallengeResponses"]["DEVICE_KEY"] == first.device.key
    assert first.device.password not in str(remembering.requests)
    assert len(b64decode(first.device.password)) == 40


@pytest.mark.parametrize("auth_flow", ["USER_PASSWORD_AUTH", "USER_AUTH", "ADMIN_USER_PASSWORD_AUTH"])
async def test_remembered_device_works_with_other_flows(
    remembering: FakeCognito, client: CognitoClient, auth_flow: Any
) -> None:
    """The exchange of the device is independent of the user's."""
    device = (await remember(remembering, client)).device
    call = client.admin_sign_in if auth_flow.startswith("ADMIN") else client.sign_in
    done = signed_in(await call(username=NAME, password=PASSWORD, auth_flow=auth_flow, device=device))
    assert done.device == device


async def test_device_is_not_remembered_unless_asked_for(remembering: FakeCognito, client: CognitoClient) -> None:
    """The tokens still have the key that a refresh needs."""
    result = await client.sign_in(username=NAME, password=PASSWORD)
    done = signed_in(await expect(result, SmsMfaChallenge).respond(codes(remembering)[-1]))
    assert (done.device, done.device_error) == (None, None)
    assert done.tokens.device_key in remembering.users[NAME].devices
    assert "ConfirmDevice" not in operations(remembering)


@pytest.mark.parametrize("auth_flow", ["USER_SRP_AUTH", "USER_PASSWORD_AUTH"])
async def test_forgotten_device_is_dropped_and_the_sign_in_starts_over(
    remembering: FakeCognito, client: CognitoClient, auth_flow: SignInFlow
) -> None:
    """Once, and the new device is remembered if asked for."""
    device = (await remember(remembering, client)).device
    remembering.users[NAME].devices.clear()
    sent = len(remembering.requests)
    result = await client.sign_in(
        username=NAME, password=PASSWORD, auth_flow=auth_flow, device=device, remember_device=True
    )
    done = signed_in(await expect(result, SmsMfaChallenge).respond(codes(remembering)[-1]))
    assert operations(remembering)[sent:].count("InitiateAuth") == 2
    assert "DEVICE_KEY" not in str(remembering.requests[-2].payload)
    assert done.device is not None
    assert done.device != device


async def test_forgotten_device_is_not_part_of_the_result(remembering: FakeCognito, client: CognitoClient) -> None:
    """The caller would keep it."""
    device = (await remember(remembering, client)).device
    remembering.remembers_devices = None
    remembering.fail_next("InitiateAuth", code="ResourceNotFoundException", message="Device does not exist.")
    result = await client.sign_in(username=NAME, password=PASSWORD, device=device)
    done = signed_in(await expect(result, SmsMfaChallenge).respond(codes(remembering)[-1]))
    assert (done.device, done.tokens.device_key) == (None, None)


async def test_missing_pool_is_not_a_missing_device(remembering: FakeCognito, client: CognitoClient) -> None:
    """Only the device's error starts over, and only with a device."""
    device = (await remember(remembering, client)).device
    sent = len(remembering.requests)
    for message, given in (("User pool client app does not exist.", device), ("Device does not exist.", None)):
        remembering.fail_next("InitiateAuth", code="ResourceNotFoundException", message=message)
        with pytest.raises(ResourceNotFoundException):
            await client.sign_in(username=NAME, password=PASSWORD, device=given)
    assert len(remembering.requests) == sent + 2


async def test_wrong_device_password_is_reported(remembering: FakeCognito, client: CognitoClient) -> None:
    """The service's error passes through."""
    device = (await remember(remembering, client)).device
    assert device is not None
    stolen = Device(key=device.key, group_key=device.group_key, password="guess")
    with pytest.raises(NotAuthorizedException):
        await client.sign_in(username=NAME, password=PASSWORD, device=stolen)


@pytest.mark.parametrize("operation", ["ConfirmDevice", "UpdateDeviceStatus"])
@pytest.mark.parametrize("lose", [False, True])
async def test_failed_confirmation_keeps_the_sign_in(
    remembering: FakeCognito, client: CognitoClient, operation: str, *, lose: bool
) -> None:
    """The reason is kept."""
    remembering.remembers_devices = "USER_OPT_IN"
    if lose:
        remembering.fail_next(operation, lose_response=True, times=20)
    else:
        remembering.fail_next(operation, code="InvalidParameterException", message="no")
    done = await remember(remembering, client)
    assert done.device is None
    assert done.device_error is not None
    assert done.device_error.operation == operation
    assert done.tokens.access_token


@pytest.mark.parametrize("metadata", [{}, {"DeviceKey": "key"}, {"DeviceGroupKey": "group"}])
async def test_new_device_without_a_key_keeps_the_sign_in(
    fake: FakeCognito, client: CognitoClient, metadata: dict[str, str]
) -> None:
    """As any other failure."""
    result = {"AccessToken": "a", "ExpiresIn": 60, "RefreshToken": "r", "NewDeviceMetadata": metadata}
    fake.fail_next("InitiateAuth", response={"AuthenticationResult": result})
    done = signed_in(await client.sign_in(username=NAME, password=PASSWORD, remember_device=True))
    assert done.device is None
    assert isinstance(done.device_error, InvalidResponseError)
    assert "ConfirmDevice" not in operations(fake)


async def test_lost_start_of_the_device_exchange_is_ambiguous(remembering: FakeCognito, client: CognitoClient) -> None:
    """DEVICE_SRP_AUTH uses up its session, so it is sent once."""
    device = (await remember(remembering, client)).device
    sent = len(remembering.requests)
    remembering.fail_next("RespondToAuthChallenge", delay=0.001)
    remembering.fail_next("RespondToAuthChallenge", lose_response=True)
    with pytest.raises(AmbiguousOutcomeError) as caught:
        await client.sign_in(username=NAME, password=PASSWORD, device=device)
    assert "Start a new sign-in" in caught.value.how_to_verify
    assert len(remembering.requests) == sent + 3


async def test_challenge_of_the_device_needs_no_username(remembering: FakeCognito, client: CognitoClient) -> None:
    """The proof is for the device's key; the answer keeps the name of the user's challenge."""
    device = (await remember(remembering, client)).device
    parameters = {"SALT": "1234", "SRP_B": "5678", "SECRET_BLOCK": "AAAA"}
    tokens = {"AccessToken": "a", "RefreshToken": "r", "ExpiresIn": 60}
    challenge = {"ChallengeName": "DEVICE_PASSWORD_VERIFIER", "ChallengeParameters": parameters}
    for response in (challenge, {"AuthenticationResult": tokens}):
        remembering.fail_next("RespondToAuthChallenge", response=response)
    done = signed_in(
        await client.sign_in(username=NAME, password=PASSWORD, auth_flow="USER_PASSWORD_AUTH", device=device)
    )
    assert done.device == device
    assert remembering.requests[-1].payload["ChallengeResponses"]["USERNAME"] == NAME


@pytest.mark.parametrize("lost", [1, 2])
async def test_lost_proof_of_the_device_is_repeated(remembering: FakeCognito, client: CognitoClient, lost: int) -> None:
    """With the identical content."""
    device = (await remember(remembering, client)).device
    sent = len(remembering.requests)
    for _ in range(2):
        remembering.fail_next("RespondToAuthChallenge", delay=0.001)
    remembering.fail_next("RespondToAuthChallenge", lose_response=True, times=lost)
    signed_in(await client.sign_in(username=NAME, password=PASSWORD, device=device))
    proofs = [request.payload for request in remembering.requests[sent + 3 :]]
    assert proofs == [proofs[0]] * (lost + 1)


async def test_device_of_a_resumed_sign_in(remembering: FakeCognito, client: CognitoClient) -> None:
    """The state keeps the device's key, which the tokens need, but not its password."""
    device = (await remember(remembering, client)).device
    assert device is not None
    remembering.users[NAME].devices[device.key].remembered = False
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD, device=device), SmsMfaChallenge)
    resumed = expect(client.resume_sign_in(challenge.state()), SmsMfaChallenge)
    done = signed_in(await resumed.respond(codes(remembering)[-1]))
    assert done.tokens.device_key == device.key
    assert done.device is None
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD, device=device), SmsMfaChallenge)
    resumed = expect(client.resume_sign_in(challenge.state(), device=device), SmsMfaChallenge)
    assert signed_in(await resumed.respond(codes(remembering)[-1])).device == device
    assert remembering.requests[-1].payload["ChallengeResponses"]["DEVICE_KEY"] == device.key


async def test_device_that_is_forgotten_before_the_answer_is_dropped(
    remembering: FakeCognito, client: CognitoClient
) -> None:
    """The error names the way out; another answer is sent without the device."""
    device = (await remember(remembering, client)).device
    assert device is not None
    remembering.users[NAME].devices[device.key].remembered = False
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD, device=device), SmsMfaChallenge)
    remembering.fail_next("RespondToAuthChallenge", code="ResourceNotFoundException", message="Device does not exist.")
    with pytest.raises(ResourceNotFoundException) as caught:
        await challenge.respond(codes(remembering)[-1])
    assert "start a new sign-in" in caught.value.__notes__[0]
    assert signed_in(await challenge.respond(codes(remembering)[-1])).device is None
    assert "DEVICE_KEY" not in str(remembering.requests[-1].payload)
