"""Lost responses: what is repeated, and what is reported as ambiguous, by the number of requests."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from cognito_async import (
    AmbiguousOutcomeError,
    ChallengeAlreadyAnsweredError,
    CognitoClient,
    NotAuthorizedException,
    SignInExpiredError,
    TransportError,
)
from cognito_async.sign_in import (
    CustomChallenge,
    MfaSetupChallenge,
    NewPasswordRequiredChallenge,
    SelectChallenge,
    SelectMfaTypeChallenge,
    SignedIn,
    SmsMfaChallenge,
    SoftwareTokenMfaChallenge,
)
from cognito_async.sign_in.challenges import result_of
from cognito_async.sign_in.flow import Flow, SignInFlow, Step
from cognito_async.testing import FakeCognito
from tests.sign_in.support import NAME, NEW_PASSWORD, PASSWORD, codes, expect, operations, signed_in, wrong
from tests.support.scripted_transport import ScriptedTransport, hang, respond, scripted_session

INITIATE, RESPOND = "InitiateAuth", "RespondToAuthChallenge"


def ada(fake: FakeCognito, **options: Any) -> None:
    """Create the user."""
    fake.create_user(NAME, **{"password": PASSWORD, "email": "ada@example.com", "phone_number": "+491", **options})


@pytest.mark.parametrize("lost", [1, 2])
async def test_lost_start_of_srp_is_repeated(fake: FakeCognito, client: CognitoClient, lost: int) -> None:
    """With the identical content."""
    ada(fake)
    fake.fail_next(INITIATE, lose_response=True, times=lost)
    signed_in(await client.sign_in(username=NAME, password=PASSWORD))
    assert operations(fake) == [INITIATE] * (lost + 1) + [RESPOND]
    assert all(request.payload == fake.requests[0].payload for request in fake.requests[:-1])


async def test_third_lost_start_of_srp_is_a_transport_error(fake: FakeCognito, client: CognitoClient) -> None:
    """Nothing has happened that the caller would have to check."""
    ada(fake)
    fake.fail_next(INITIATE, lose_response=True, times=9)
    with pytest.raises(TransportError) as caught:
        await client.sign_in(username=NAME, password=PASSWORD)
    assert not isinstance(caught.value, AmbiguousOutcomeError)
    assert operations(fake) == [INITIATE] * 3


@pytest.mark.parametrize("auth_flow", ["USER_SRP_AUTH", "USER_AUTH", "CUSTOM_AUTH"])
@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_lost_proof_is_repeated_twice(
    fake: FakeCognito, client: CognitoClient, auth_flow: SignInFlow, lost: int
) -> None:
    """The service accepts the same proof again, with and without a session."""
    ada(fake)
    fake.custom_challenges = [({}, "blue")]
    fake.fail_next(RESPOND, lose_response=True, times=lost)
    if lost == 3:
        with pytest.raises(AmbiguousOutcomeError) as caught:
            await client.sign_in(username=NAME, password=PASSWORD, auth_flow=auth_flow)
        assert isinstance(caught.value, TransportError)
    else:
        result = await client.sign_in(username=NAME, password=PASSWORD, auth_flow=auth_flow)
        assert isinstance(result, CustomChallenge if auth_flow == "CUSTOM_AUTH" else SignedIn)
    proofs = fake.requests[1:]
    assert [proof.operation for proof in proofs] == [RESPOND] * min(lost + 1, 3)
    assert all(proof.payload == proofs[0].payload for proof in proofs)


async def test_wrong_password_after_a_lost_response_is_a_wrong_password(
    fake: FakeCognito, client: CognitoClient
) -> None:
    """Not an ambiguous outcome."""
    ada(fake)
    fake.fail_next(RESPOND, lose_response=True)
    with pytest.raises(NotAuthorizedException):
        await client.sign_in(username=NAME, password=NEW_PASSWORD)
    fake.fail_next(RESPOND, lose_response=True)
    assert not await client.verify_password(username=NAME, password=NEW_PASSWORD)
    assert len(fake.requests) == 6


async def test_session_used_by_a_lost_proof_is_ambiguous(fake: FakeCognito, client: CognitoClient) -> None:
    """The first proof may have been accepted."""
    ada(fake)
    fake.fail_next(RESPOND, lose_response=True)
    fake.fail_next(RESPOND, code="NotAuthorizedException", message="Invalid session for the user.")
    with pytest.raises(AmbiguousOutcomeError):
        await client.sign_in(username=NAME, password=PASSWORD, auth_flow="USER_AUTH")


@pytest.mark.parametrize(
    "options",
    [
        {"auth_flow": "USER_PASSWORD_AUTH", "password": PASSWORD},
        {"auth_flow": "USER_AUTH"},
        {"auth_flow": "USER_AUTH", "preferred_challenge": "EMAIL_OTP"},
        {"auth_flow": "USER_AUTH", "password": PASSWORD},
        {"auth_flow": "CUSTOM_AUTH"},
        {"auth_flow": "CUSTOM_AUTH", "password": PASSWORD},
    ],
)
async def test_start_that_may_send_a_message_is_not_repeated(
    fake: FakeCognito, client: CognitoClient, options: dict[str, Any]
) -> None:
    """One request."""
    ada(fake)
    fake.custom_challenges = [({}, "blue")]
    fake.fail_next(INITIATE, lose_response=True)
    with pytest.raises(AmbiguousOutcomeError) as caught:
        await client.sign_in(username=NAME, **options)
    assert operations(fake) == [INITIATE]
    assert "new sign-in" in caught.value.how_to_verify


Answer = Callable[[Any, FakeCognito], Any]
CHALLENGES: list[tuple[dict[str, Any], dict[str, Any], type[Any], Answer]] = [
    ({"mfa": ["SMS_MFA"]}, {}, SmsMfaChallenge, lambda each, fake: each.respond(codes(fake)[-1])),
    (
        {"mfa": ["SOFTWARE_TOKEN_MFA"]},
        {},
        SoftwareTokenMfaChallenge,
        lambda each, fake: each.respond(fake.totp_code(NAME)),
    ),
    ({"mfa": ["SMS_MFA", "EMAIL_OTP"]}, {}, SelectMfaTypeChallenge, lambda each, _: each.select("SMS_MFA")),
    ({"status": "FORCE_CHANGE_PASSWORD"}, {}, NewPasswordRequiredChallenge, lambda each, _: each.respond(NEW_PASSWORD)),
    ({}, {"auth_flow": "USER_AUTH", "password": None}, SelectChallenge, lambda each, _: each.select("EMAIL_OTP")),
    (
        {},
        {"auth_flow": "USER_AUTH", "password": None},
        SelectChallenge,
        lambda each, _: each.respond_with_password(PASSWORD),
    ),
    ({}, {"auth_flow": "CUSTOM_AUTH", "password": None}, CustomChallenge, lambda each, _: each.respond("blue")),
]


@pytest.mark.parametrize(("user", "options", "kind", "answer"), CHALLENGES)
async def test_lost_answer_is_ambiguous_and_may_be_given_again(  # noqa: PLR0917
    fake: FakeCognito,
    client: CognitoClient,
    user: dict[str, Any],
    options: dict[str, Any],
    kind: type[Any],
    answer: Answer,
) -> None:
    """One request per answer; the session that was used up needs a new sign-in."""
    ada(fake, **user)
    fake.custom_challenges = [({}, "blue"), ({}, "7")]
    challenge = expect(await client.sign_in(**{"username": NAME, "password": PASSWORD, **options}), kind)
    sent = len(fake.requests)
    fake.fail_next(RESPOND, lose_response=True)
    with pytest.raises(AmbiguousOutcomeError) as caught:
        await answer(challenge, fake)
    assert "may still be answered" in caught.value.how_to_verify
    assert len(fake.requests) == sent + 1
    with pytest.raises(SignInExpiredError):
        await answer(challenge, fake)
    assert len(fake.requests) == sent + 2


async def test_answer_that_did_not_arrive_is_given_again(fake: FakeCognito, client: CognitoClient) -> None:
    """An unknown outcome leaves the challenge open."""
    ada(fake, mfa=["SMS_MFA"])
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD), SmsMfaChallenge)
    fake.fail_next(RESPOND, status=500)
    with pytest.raises(AmbiguousOutcomeError):
        await challenge.respond(codes(fake)[-1])
    signed_in(await challenge.respond(codes(fake)[-1]))


async def test_throttled_answer_is_repeated(fake: FakeCognito, client: CognitoClient) -> None:
    """The service has not processed it."""
    ada(fake, mfa=["SMS_MFA"])
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD), SmsMfaChallenge)
    fake.fail_next(RESPOND, code="TooManyRequestsException", times=2)
    signed_in(await challenge.respond(codes(fake)[-1]))
    assert operations(fake).count(RESPOND) == 4


@pytest.mark.parametrize("lost", ["AssociateSoftwareToken", "VerifySoftwareToken", RESPOND])
async def test_lost_step_of_a_set_up_is_ambiguous(fake: FakeCognito, client: CognitoClient, lost: str) -> None:
    """One request; if only the last step was lost, respond() completes the challenge."""
    ada(fake)
    fake.mfa_setup = ("SOFTWARE_TOKEN_MFA",)
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD), MfaSetupChallenge)
    if lost != "AssociateSoftwareToken":
        await challenge.associate_software_token()
    if lost == RESPOND:
        fake.fail_next(RESPOND, status=503)
    else:
        fake.fail_next(lost, lose_response=True)
    before = operations(fake).count(lost)
    step: Any = challenge.associate_software_token()
    if lost != "AssociateSoftwareToken":
        step.close()
        step = challenge.verify_software_token(fake.totp_code(NAME))
    with pytest.raises(AmbiguousOutcomeError):
        await step
    assert operations(fake).count(lost) == before + 1
    if lost == RESPOND:
        signed_in(await challenge.respond())
    else:
        with pytest.raises(SignInExpiredError):
            await challenge.associate_software_token()


# --- answered challenges ----------------------------------------------------------------------------------------------


async def test_second_answer_is_refused_without_a_request(fake: FakeCognito, client: CognitoClient) -> None:
    """After success; the result of the first answer counts."""
    ada(fake, mfa=["SMS_MFA"])
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD), SmsMfaChallenge)
    signed_in(await challenge.respond(codes(fake)[-1]))
    sent = len(fake.requests)
    with pytest.raises(ChallengeAlreadyAnsweredError):
        await challenge.respond("123456")
    assert len(fake.requests) == sent


async def test_concurrent_answer_is_refused_without_a_request(fake: FakeCognito, client: CognitoClient) -> None:
    """The first answer continues; after a wrong code, the challenge can be answered again."""
    ada(fake, mfa=["SMS_MFA"])
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD), SmsMfaChallenge)
    sent, code = len(fake.requests), codes(fake)[-1]
    results = await asyncio.gather(
        challenge.respond(wrong(code)), challenge.respond(code), challenge.respond(code), return_exceptions=True
    )
    assert [type(result).__name__ for result in results] == [
        "CodeMismatchException",
        *["ChallengeAlreadyAnsweredError"] * 2,
    ]
    assert len(fake.requests) == sent + 1
    signed_in(await challenge.respond(code))


async def test_cancelled_answer_leaves_the_challenge_open() -> None:
    """As any other answer without a response."""
    tokens = b'{"AuthenticationResult": {"AccessToken": "a", "RefreshToken": "r", "ExpiresIn": 60}}'
    transport = ScriptedTransport(hang(), respond(200, tokens))
    async with scripted_session(transport) as session:
        flow = Flow(client=session.client("app"), username=NAME)
        challenge = expect(result_of(Step(flow, "SMS_MFA", parameters={})), SmsMfaChallenge)
        task = asyncio.create_task(challenge.respond("123456"))
        await asyncio.sleep(0)
        assert len(transport.attempts) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        signed_in(await challenge.respond("123456"))
