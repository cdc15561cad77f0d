"""A proof that would arrive too late looks like a wrong password to the service, so it is not sent."""

import json
from typing import Any

import pytest

from cognito_async import CognitoClient, RetryPolicy, SignInExpiredError
from cognito_async.protocol.wire import HttpResponse
from cognito_async.sign_in import SignedIn
from tests.support.scripted_transport import ScriptedTransport, Step, refuse, respond, scripted_session, take

SRP = {"SALT": "1234", "SRP_B": "5678", "SECRET_BLOCK": "AAAA", "USER_ID_FOR_SRP": "ada"}


def body(**content: Any) -> HttpResponse:
    """Return a successful response."""
    return respond(200, json.dumps(content).encode())


CHALLENGE = body(ChallengeName="PASSWORD_VERIFIER", ChallengeParameters=SRP)
WITH_SESSION = body(ChallengeName="PASSWORD_VERIFIER", ChallengeParameters=SRP, Session="s" * 20)
TOKENS = body(AuthenticationResult={"AccessToken": "a", "ExpiresIn": 60})
LATE = take(5.5, refuse("TooManyRequestsException"))
SOON = take(2.0, refuse("TooManyRequestsException"))


async def sign_in(*script: Step, verify: bool = False, **options: Any) -> tuple[Any, list[str]]:
    """Run a sign-in; return its result or error, and the operations."""
    transport = ScriptedTransport(*script)
    async with scripted_session(transport, retry=RetryPolicy(throttled_base=0.1)) as session:
        client: CognitoClient = session.client("app", user_pool_id="eu-west-1_Pool")
        call = client.verify_password if verify else client.sign_in
        try:
            result: Any = await call(username="ada", password="Analytical-1843", **options)
        except SignInExpiredError as error:
            result = error
    return result, [attempt.headers["X-Amz-Target"].partition(".")[2] for attempt in transport.attempts]


START, PROOF = "InitiateAuth", "RespondToAuthChallenge"


@pytest.mark.virtual_clock
@pytest.mark.parametrize("verify", [False, True])
async def test_late_proof_starts_the_exchange_again(*, verify: bool) -> None:
    """Once, with a new challenge."""
    result, operations = await sign_in(CHALLENGE, LATE, CHALLENGE, TOKENS, verify=verify)
    assert result is True if verify else isinstance(result, SignedIn)
    assert operations == [START, PROOF, START, PROOF]


@pytest.mark.virtual_clock
@pytest.mark.parametrize("verify", [False, True])
async def test_second_late_proof_is_expired(*, verify: bool) -> None:
    """Never a wrong password."""
    result, operations = await sign_in(CHALLENGE, LATE, CHALLENGE, LATE, verify=verify)
    assert isinstance(result, SignInExpiredError)
    assert operations == [START, PROOF, START, PROOF]


@pytest.mark.virtual_clock
async def test_proof_in_time_is_repeated() -> None:
    """After a throttled attempt."""
    result, operations = await sign_in(CHALLENGE, SOON, SOON, TOKENS)
    assert isinstance(result, SignedIn)
    assert operations == [START, PROOF, PROOF, PROOF]


@pytest.mark.virtual_clock
async def test_other_flows_do_not_start_again() -> None:
    """Their start may send a message."""
    result, operations = await sign_in(WITH_SESSION, LATE, auth_flow="USER_AUTH")
    assert isinstance(result, SignInExpiredError)
    assert operations == [START, PROOF]


@pytest.mark.virtual_clock
async def test_proof_that_the_service_calls_expired_does_not_start_again() -> None:
    """It was sent, and each proof tests a guess of the password."""
    result, operations = await sign_in(CHALLENGE, refuse("NotAuthorizedException", "Invalid session for the user."))
    assert isinstance(result, SignInExpiredError)
    assert operations == [START, PROOF]
