"""``verify_password``: the proof alone, without keeping the sign-in."""

from typing import Any

import pytest

from cognito_async import (
    AmbiguousOutcomeError,
    CognitoClient,
    CognitoError,
    InvalidResponseError,
    NotAuthorizedException,
    PasswordResetRequiredException,
)
from cognito_async.testing import FakeCognito
from tests.sign_in.support import NAME, PASSWORD, operations


@pytest.mark.parametrize(
    "user", [{}, {"mfa": ["SMS_MFA"], "phone_number": "+491"}, {"status": "FORCE_CHANGE_PASSWORD"}]
)
@pytest.mark.parametrize("name", [NAME, "ada@example.com"])
async def test_password_is_verified(fake: FakeCognito, client: CognitoClient, user: dict[str, Any], name: str) -> None:
    """Before any further challenge; tokens are revoked."""
    fake.create_user(NAME, password=PASSWORD, email="ada@example.com", **user)
    assert await client.verify_password(username=name, password=PASSWORD) is True
    assert await client.verify_password(username=name, password="Other-1843") is False
    expected = ["InitiateAuth", "RespondToAuthChallenge", *([] if user else ["RevokeToken"])]
    assert operations(fake) == [*expected, "InitiateAuth", "RespondToAuthChallenge"]


async def test_unknown_user_has_no_password(fake: FakeCognito, client: CognitoClient) -> None:
    """Where the pool hides whether a user exists."""
    assert await client.verify_password(username="unknown", password=PASSWORD) is False


async def test_failed_revocation_does_not_change_the_result(fake: FakeCognito, client: CognitoClient) -> None:
    """The tokens expire unused."""
    fake.create_user(NAME, password=PASSWORD)
    fake.fail_next("RevokeToken", code="UnsupportedOperationException", message="Revocation is not enabled.")
    assert await client.verify_password(username=NAME, password=PASSWORD) is True


@pytest.mark.parametrize(
    "message", ["Password attempts exceeded", "User is disabled.", "Incorrect username or password: no", ""]
)
@pytest.mark.parametrize("operation", ["InitiateAuth", "RespondToAuthChallenge"])
async def test_other_refusals_are_raised(
    fake: FakeCognito, client: CognitoClient, operation: str, message: str
) -> None:
    """They say nothing about the password."""
    fake.create_user(NAME, password=PASSWORD)
    fake.fail_next(operation, code="NotAuthorizedException", message=message)
    with pytest.raises(NotAuthorizedException):
        await client.verify_password(username=NAME, password=PASSWORD)


async def test_errors_after_the_password_are_raised(fake: FakeCognito, client: CognitoClient) -> None:
    """Such as a forced reset."""
    fake.create_user(NAME, password=PASSWORD, status="RESET_REQUIRED")
    with pytest.raises(PasswordResetRequiredException):
        await client.verify_password(username=NAME, password=PASSWORD)


@pytest.mark.parametrize("response", [{"ChallengeName": "SMS_MFA"}, {}])
async def test_response_without_password_challenge_is_invalid(
    fake: FakeCognito, client: CognitoClient, response: dict[str, Any]
) -> None:
    """Nothing was verified."""
    fake.fail_next("InitiateAuth", response=response)
    with pytest.raises(InvalidResponseError):
        await client.verify_password(username=NAME, password=PASSWORD)


async def test_lost_responses_are_repeated_and_then_ambiguous(fake: FakeCognito, client: CognitoClient) -> None:
    """Never a False."""
    fake.create_user(NAME, password=PASSWORD)
    fake.fail_next("InitiateAuth", lose_response=True, times=2)
    fake.fail_next("RespondToAuthChallenge", lose_response=True, times=2)
    assert await client.verify_password(username=NAME, password=PASSWORD) is True
    fake.fail_next("RespondToAuthChallenge", lose_response=True, times=3)
    with pytest.raises(AmbiguousOutcomeError) as caught:
        await client.verify_password(username=NAME, password=PASSWORD)
    assert isinstance(caught.value, CognitoError)
