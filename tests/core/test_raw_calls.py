"""Calls by AWS names: ``client.call``, for operations that this version does not know."""

import json
from collections import UserDict
from typing import Any

import pytest

from cognito_async import (
    AmbiguousOutcomeError,
    CodeMismatchException,
    CognitoError,
    Credentials,
    Fault,
    InvalidResponseError,
    ParameterValidationError,
    Quotas,
    RetryPolicy,
    ServiceError,
    TransportError,
)
from tests.support.canaries import CANARY, canary, leaking_frames
from tests.support.scripted_transport import ScriptedTransport, refuse, respond, scripted_session

pytestmark = pytest.mark.virtual_clock
KEYS = Credentials(access_key_id="AKID", secret_access_key="a secret of many characters")
LOST = TransportError("lost", sent=True)


async def call(transport: ScriptedTransport, *arguments: Any, **options: Any) -> dict[str, Any]:
    """Call an operation with a client that is bound to a user pool."""
    async with scripted_session(transport, credentials=KEYS, region=None) as session:
        return await session.client("abc", "s", "eu-west-1_AbC").call(*arguments, **options)


async def failure(transport: ScriptedTransport, *arguments: Any, **options: Any) -> CognitoError:
    """Return the error of a call."""
    with pytest.raises(CognitoError) as caught:
        await call(transport, *arguments, **options)
    return caught.value


# --- requests and responses -------------------------------------------------------------------------------------------


async def test_unknown_operation_is_sent_as_given() -> None:
    """The payload is the JSON, nothing is filled in, and the response comes back as it was received."""
    payload = {"UserPoolId": "eu-west-1_AbC", "Shoe": {"Size": 43, "Laces": ["red", None], "Price": 9.5}}
    received = {"Shoe": {"ShoeId": "s-1", "CreationDate": 1.5}}
    transport = ScriptedTransport(respond(body=json.dumps(received).encode()))
    assert await call(transport, "CreateShoe", payload, signed=True) == received
    (attempt,) = transport.attempts
    assert attempt.json == payload
    assert attempt.headers["X-Amz-Target"] == "AWSCognitoIdentityProviderService.CreateShoe"
    assert attempt.headers["Authorization"].startswith("AWS4-HMAC-SHA256")
    assert attempt.url == "https://cognito-idp.eu-west-1.amazonaws.com/"


async def test_unsigned_operation_needs_no_credentials() -> None:
    """Signing is up to the caller if the operation is unknown."""
    transport = ScriptedTransport(respond())
    await call(transport, "TryShoe", signed=False)
    assert "Authorization" not in transport.attempts[0].headers
    assert transport.attempts[0].json == {}


async def test_request_goes_to_the_region_of_the_user_pool_in_the_payload() -> None:
    """Else to that of the bound user pool."""
    transport = ScriptedTransport(respond(), respond())
    await call(transport, "ListShoes", {"UserPoolId": "us-east-1_XyZ"})
    await call(transport, "ListShoes", {"UserPoolId": 7})
    assert "us-east-1" in transport.attempts[0].url
    assert "eu-west-1" in transport.attempts[1].url


@pytest.mark.parametrize("body", [b"", b"{}", b" \n"])
@pytest.mark.parametrize("name", ["DeleteShoe", "DeleteGroup"])
async def test_response_without_members_is_an_empty_dict(name: str, body: bytes) -> None:
    """Of unknown operations and of those that are known to return nothing."""
    assert await call(ScriptedTransport(respond(body=body)), name) == {}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"Shoe":'])
async def test_unreadable_response_is_an_error(body: bytes) -> None:
    """As for other calls."""
    error = await failure(ScriptedTransport(*[respond(body=body)] * 3), "ListShoes")
    assert isinstance(error, InvalidResponseError)


async def test_empty_response_without_request_id_is_an_error() -> None:
    """It does not come from the service, which identifies each response."""
    empty = respond(body=b"")
    del empty.headers["x-amzn-RequestId"]  # type: ignore[attr-defined]
    assert isinstance(await failure(ScriptedTransport(*[empty] * 3), "ListShoes"), InvalidResponseError)


async def test_known_operation_returns_the_json() -> None:
    """Not an instance of its response class."""
    body = {"CodeDeliveryDetails": {"Destination": "a***", "New": 1}}
    transport = ScriptedTransport(respond(body=json.dumps(body).encode()))
    assert await call(transport, "ForgotPassword", {"ClientId": "abc", "Username": "ada"}) == body


@pytest.mark.parametrize("name", ["", "listUsers", "List Users", "ListUsers\r\nX: y", "L" * 129, 7, None])
async def test_invalid_name_is_refused(name: Any) -> None:
    """It becomes a header."""
    transport = ScriptedTransport()
    error = await failure(transport, name, {"Password": canary()})
    assert isinstance(error, ParameterValidationError)
    assert error.parameter == "operation"
    assert leaking_frames(error) == []
    assert transport.attempts == []


INVALID: list[tuple[Any, str]] = [
    ([canary()], "payload"),
    (canary(), "payload"),
    ({"Shoe": {canary()}}, "payload['Shoe']"),
    ({"Shoe": [canary(), object()]}, "payload['Shoe'][1]"),
    ({"Shoe": {"Size": float("nan")}}, "payload['Shoe']['Size']"),
    ({7: canary()}, "payload[entry 0]"),
]


@pytest.mark.parametrize(("payload", "parameter"), INVALID)
async def test_payload_that_is_not_json_is_refused(payload: Any, parameter: str) -> None:
    """The error names the place and no value."""
    transport = ScriptedTransport()
    error = await failure(transport, "CreateShoe", payload)
    assert isinstance(error, ParameterValidationError)
    assert (error.parameter, error.operation) == (parameter, "CreateShoe")
    assert CANARY not in str(error)
    assert leaking_frames(error) == []
    assert transport.attempts == []


async def test_mappings_and_tuples_are_json() -> None:
    """As in documents of the generated classes."""
    transport = ScriptedTransport(respond())
    await call(transport, "ListShoes", UserDict({"Sizes": (42, 43), "Filter": UserDict({"a": 1})}))
    assert transport.attempts[0].json == {"Sizes": [42, 43], "Filter": {"a": 1}}


# --- retries and limits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["GetShoe", "ListShoes", "DescribeShoe", "AdminGetShoe"])
async def test_read_is_retried_when_the_response_is_lost(name: str) -> None:
    """Repeating it changes nothing."""
    transport = ScriptedTransport(LOST, respond(body=b'{"Shoe": 1}'))
    assert await call(transport, name) == {"Shoe": 1}


@pytest.mark.parametrize(
    "name", ["CreateShoe", "DeleteShoe", "UpdateShoe", "TryShoe", "Getaway", "Listen", "GetTokensFromShoe", "GetCode"]
)
async def test_other_operation_is_ambiguous_when_the_response_is_lost(name: str) -> None:
    """Nobody knows what a repetition would do."""
    transport = ScriptedTransport(LOST)
    error = await failure(transport, name)
    assert isinstance(error, AmbiguousOutcomeError)
    assert name in error.how_to_verify
    assert len(transport.attempts) == 1


async def test_throttled_operation_is_retried() -> None:
    """Throttling means that nothing was applied."""
    transport = ScriptedTransport(refuse("TooManyRequestsException"), respond())
    assert await call(transport, "CreateShoe") == {}
    assert len(transport.attempts) == 2


async def test_known_operation_keeps_its_idempotency_and_signing() -> None:
    """``signed`` does not matter, and a code is used up by the first attempt."""
    expired = refuse("ExpiredCodeException")
    transport = ScriptedTransport(LOST, expired)
    payload = {"ClientId": "abc", "Username": "ada", "ConfirmationCode": "123456", "Password": "correct horse"}
    error = await failure(transport, "ConfirmForgotPassword", payload, signed=True)
    assert isinstance(error, AmbiguousOutcomeError)
    assert len(transport.attempts) == 2
    assert "Authorization" not in transport.attempts[0].headers


async def test_delete_that_an_earlier_attempt_applied_is_a_success() -> None:
    """As with the method of the operation."""
    transport = ScriptedTransport(LOST, refuse("ResourceNotFoundException"))
    assert await call(transport, "DeleteGroup", {"UserPoolId": "eu-west-1_AbC", "GroupName": "g"}) == {}


async def test_known_operation_keeps_its_quota_category() -> None:
    """An unknown one has a rate limit of its own."""
    transport = ScriptedTransport(*[respond()] * 4)
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=1.0)) as session:
        client = session.client("abc")
        await client.call("ForgotPassword", {"ClientId": "abc", "Username": "ada"})
        await client.call("ForgotPassword", {"ClientId": "abc", "Username": "ada"})
        assert session.stats.rate_limited == 1
        await client.call("TryShoe", signed=False)
        await client.call("TryShoe", signed=False)
        assert session.stats.rate_limited == 1
        assert session.stats.calls == 4


async def test_client_options_apply() -> None:
    """The retry policy is that of the client."""
    transport = ScriptedTransport(refuse("TooManyRequestsException"))
    async with scripted_session(transport, credentials=KEYS) as session:
        client = session.client().with_options(retry=RetryPolicy(max_attempts=1))
        with pytest.raises(ServiceError):
            await client.call("CreateShoe")
    assert len(transport.attempts) == 1


# --- errors and secrets -----------------------------------------------------------------------------------------------


async def test_errors_have_their_classes_and_faults() -> None:
    """As for other calls."""
    error = await failure(ScriptedTransport(refuse("CodeMismatchException")), "ConfirmShoe")
    assert isinstance(error, CodeMismatchException)
    assert (error.operation, error.fault) == ("ConfirmShoe", Fault.USER)


SECRETS = [
    {"Password": canary()},
    {"ClientSecret": canary()},
    {"Shoe": {"Details": [{"OneTimeToken": canary()}]}},
    {"AuthParameters": {"anything": canary()}},
    {"new_password": [canary()]},
    {"ConfirmationCode": 31415926},
    {"PrivateKey": {"kty": canary()}},
]


@pytest.mark.parametrize("payload", SECRETS)
async def test_secrets_are_masked_by_name_at_any_depth(payload: dict[str, Any]) -> None:
    """In messages, reprs and the frames of the error."""
    quoting = refuse("InvalidParameterException", f"rejected: {json.dumps(payload)}")
    error = await failure(ScriptedTransport(quoting), "CreateShoe", payload)
    assert "rejected" in str(error)
    shown = f"{error}{error!r}{vars(error)}"
    assert CANARY not in shown
    assert "31415926" not in shown
    assert leaking_frames(error) == []


async def test_other_values_are_not_masked() -> None:
    """Messages make no sense without them."""
    payload = {"Username": "adalovelace", "ShoeName": "brogue", "ClientSecretArn": "arn:aws:x", "NextToken": "page-7"}
    quoting = refuse("InvalidParameterException", " ".join(payload.values()))
    error = await failure(ScriptedTransport(quoting), "ListShoes", payload)
    assert error.args[0].endswith("adalovelace brogue arn:aws:x page-7")


@pytest.mark.parametrize("step", [LOST, respond(body=b"<html>"), refuse("Odd"), OSError("x")], ids=type)
async def test_frames_of_a_failed_call_contain_no_secrets(step: Any) -> None:
    """However it fails."""
    with pytest.raises((CognitoError, OSError)) as caught:
        await call(ScriptedTransport(step), "CreateShoe", {"Password": canary(), "Shoe": canary()})
    assert leaking_frames(caught.value) == []
