"""Reprs of results, challenges and devices mask secrets, also in pretty-printers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cognito_async import CognitoClient
from cognito_async.sign_in import Device, SignedIn, SoftwareTokenSecret, Tokens
from cognito_async.sign_in.challenges import _TABLE, result_of
from cognito_async.sign_in.flow import Flow, Start, Step
from cognito_async.sign_in.srp_exchange import start_exchange
from cognito_async.sign_in.user_input import Secret
from tests.core.test_reprs import PRINTERS
from tests.support.canaries import CANARY, canary

PARAMETERS = {
    "USERNAME": canary(),
    "MFAS_CAN_CHOOSE": '["SMS_MFA"]',
    "MFAS_CAN_SETUP": '["EMAIL_OTP"]',
    "requiredAttributes": '["userAttributes.email"]',
    "userAttributes": f'{{"email": "{CANARY}"}}',
    "CREDENTIAL_REQUEST_OPTIONS": '{"rpId": "localhost"}',
    "CODE_DELIVERY_DESTINATION": "a***@e***",
    "SECRET": canary(),
}


def challenges(client: CognitoClient) -> list[Any]:
    """Return a challenge of each class, with a canary in each secret."""
    device = Device(key="device", group_key="group", password=canary())
    flow = Flow(client=client, username=canary(), device=device, context={"client_metadata": {"key": canary()}})
    return [
        result_of(Step(flow, name, parameters=PARAMETERS, available=("EMAIL_OTP",), session=canary()))
        for name in (*_TABLE, "FUTURE")
    ]


async def test_challenges_are_equal_to_themselves_only(client: CognitoClient) -> None:
    """Each is one step of a sign-in, whatever its values."""
    (first, *_), (second, *_) = challenges(client), challenges(client)
    assert first == first  # noqa: PLR0124 - the comparison of a challenge with itself
    assert first != second
    assert hash(first) != hash(second)


@pytest.mark.parametrize("how", PRINTERS)
async def test_results_are_masked(client: CognitoClient, how: str) -> None:
    """All classes of the public API, and those that frames hold."""
    tokens = Tokens(
        access_token=canary(), id_token=canary(), refresh_token=canary(), expires_at=datetime(2026, 6, 5, tzinfo=UTC)
    )
    device = Device(key="device", group_key="group", password=canary())
    exchange = await start_exchange("PASSWORD_VERIFIER", "pool", Secret(canary()))
    flow = Flow(client=client, username=canary(), device=device)
    values: list[Any] = [
        *challenges(client),
        SignedIn(username=canary(), tokens=tokens, device=device),
        device,
        SoftwareTokenSecret(canary()),
        Secret(canary()),
        Start(auth_flow="USER_SRP_AUTH", password=canary(), session=canary()),
        exchange,
        flow,
        Step(flow, "SMS_MFA", parameters=PARAMETERS, session=canary()),
    ]
    for value in values:
        assert CANARY not in PRINTERS[how](value), value
        assert str(exchange.ephemeral.private) not in PRINTERS[how](value)


def test_repr_of_a_challenge_shows_what_the_user_may_see(client: CognitoClient) -> None:
    """Its name, and the parameters that are made to be shown."""
    shown = {each.name: repr(each) for each in challenges(client)}
    assert shown["EMAIL_OTP"] == "EmailOtpChallenge(name='EMAIL_OTP', destination='a***@e***')"
    assert shown["SELECT_MFA_TYPE"] == "SelectMfaTypeChallenge(name='SELECT_MFA_TYPE', options=('SMS_MFA',))"
    assert "required_attributes=('email',), user_attributes=***" in shown["NEW_PASSWORD_REQUIRED"]
    assert shown["FUTURE"] == "UnknownChallenge(name='FUTURE')"


def test_challenges_are_compared_by_identity(client: CognitoClient) -> None:
    """Two challenges with equal parameters are different ones."""
    first, second = challenges(client), challenges(client)
    assert first[0] == first[0]
    assert first[0] != second[0]
    assert len({*first, *second}) == 2 * len(first)
