"""Who has to act on an error: `error.fault`, by code, message, status and operation."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from multidict import CIMultiDict

from cognito_async import (
    AmbiguousOutcomeError,
    CognitoError,
    InvalidParameterException,
    LimitExceededException,
    NotAuthorizedException,
    RetryPolicy,
    ServiceError,
    UserNotFoundException,
)
from cognito_async.errors import Fault, modelled
from cognito_async.errors.faults import CODES, fault_of, is_signature_expired
from cognito_async.operations import (
    ConfirmForgotPasswordRequest,
    CreateUserPoolRequest,
    ForgotPasswordRequest,
    InitiateAuthRequest,
)
from cognito_async.protocol.operation import Request
from cognito_async.protocol.retry import SERVER_FAULT_CODES, THROTTLING_CODES, TRANSIENT_CODES
from cognito_async.protocol.wire import HttpResponse, decode
from cognito_async.signer import CLOCK_SKEW_CODES
from tests.core.reported_messages import REPORTED_MESSAGES
from tests.support.scripted_transport import ScriptedTransport, refuse, reset, scripted_session

FORGOT = ForgotPasswordRequest(client_id="abc", username="ada")
BY_WORDING = [(fault, code, message) for fault, codes, message, _ in REPORTED_MESSAGES for code in codes]


def decoded(code: str, message: str, request: Request[Any] = FORGOT, status: int = 400) -> CognitoError:
    """Return the error of a response."""
    body = json.dumps({"__type": code, "message": message}).encode()
    with pytest.raises(CognitoError) as caught:
        decode(HttpResponse(status, CIMultiDict(), body), request)
    return caught.value


@pytest.mark.parametrize(("fault", "code", "message"), BY_WORDING)
def test_known_wording_decides_against_the_code(fault: Fault, code: str, message: str) -> None:
    """Each message of the table has its fault, in any case and with or without a period and spaces."""
    for text in (message, message.rstrip("."), f" {message}\n", message.lower(), message.upper()):
        assert decoded(code, text).fault is fault
    assert CODES[code] is not fault


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("NotAuthorizedException", "Client is configured with secret but SECRET_HASH was not received"),
        ("NotAuthorizedException", "Client a-b is configured with secret but secret hash was not received."),
        ("NotAuthorizedException", "App client abc is configured with a secret but no secret hash was received"),
        ("NotAuthorizedException", "Unable to verify secret hash"),
        ("NotAuthorizedException", "Unable to verify the client secret"),
        ("NotAuthorizedException", "Unable to reset password, contact administrator"),
        ("InvalidParameterException", "USER_SRP_AUTH is not enabled for this client"),
        ("InvalidParameterException", "ALLOW_USER_AUTH flow not enabled for this client."),
    ],
)
def test_variants_of_app_client_wordings(code: str, message: str) -> None:
    """Small differences in wording do not matter."""
    assert decoded(code, message).fault is Fault.APP_CLIENT


@pytest.mark.parametrize(
    "message",
    [
        "Exceeded daily email limit for the operation.",
        "You have exceeded the daily e-mail limit",
        "Exceeded daily limit for the operation of the account",
        "Exceeded monthly SMS spend limit",
        "SMS spend limit reached",
        "Your account monthly spend limit exceeded",
    ],
)
def test_message_quotas_are_the_account_s(message: str) -> None:
    """LimitExceededException is a quota if it is about messages."""
    assert decoded("LimitExceededException", message).fault is Fault.QUOTA


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("LimitExceededException", "Attempt limit exceeded, please try after some time."),
        ("LimitExceededException", "Attempt limit exceeded for sms-limit@email.example, daily email limit"),
        ("NotAuthorizedException", "Incorrect username or password."),
        ("NotAuthorizedException", "Password attempts exceeded"),
        ("NotAuthorizedException", "User is disabled."),
        ("NotAuthorizedException", "User password cannot be reset in the current state."),
        ("NotAuthorizedException", "User account has expired, it must be reset by an administrator."),
        ("NotAuthorizedException", "Temporary password has expired and must be reset by an administrator."),
        ("NotAuthorizedException", "Invalid Refresh Token"),
        ("NotAuthorizedException", ""),
        ("InvalidParameterException", "Cannot reset password for the user as there is no registered/verified email"),
        (
            "InvalidParameterException",
            "1 validation error detected: Value 'x' at 'password' failed to satisfy constraint",
        ),
        ("UserNotFoundException", "Username/client id combination not found."),
    ],
)
def test_other_wordings_are_the_user_s(code: str, message: str) -> None:
    """Without a known wording, these codes are about the user."""
    assert decoded(code, message).fault is Fault.USER


INJECTED = (
    "Unable to verify secret hash for client abc",
    "Client abc is configured with secret but SECRET_HASH was not received",
    "Contact administrator to reset password",
    "User: arn:aws:iam::1:user/a is not authorized to perform: all",
    "PreSignUp failed with error x",
    "x' at 'clientId' failed to satisfy constraint: Member must be short",
    "Exceeded daily email limit",
)


@pytest.mark.parametrize("value", INJECTED)
def test_fault_does_not_depend_on_quoted_values(value: str) -> None:
    """A value of the request that imitates a message of the service is quoted, and not classified."""
    quoted = (
        f"1 validation error detected: Value '{value}' at 'username' failed to satisfy constraint: Member must satisfy"
        r" regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+"
    )
    assert decoded("InvalidParameterException", quoted).fault is Fault.USER
    assert decoded("NotAuthorizedException", f"User '{value}' is disabled.").fault is Fault.USER
    assert decoded("UserLambdaValidationException", value).fault is Fault.TRIGGER
    assert decoded("UserNotFoundException", value).fault is Fault.USER


@pytest.mark.parametrize(("fault", "code", "message"), BY_WORDING)
def test_fault_does_not_depend_on_secrets_of_the_request(fault: Fault, code: str, message: str) -> None:
    """Words of the message that are also secrets of the request are masked after it was classified."""
    words = message.replace("'", " ").replace(":", " ").split()
    request = InitiateAuthRequest(
        client_id="abc",
        auth_flow="CUSTOM_AUTH",
        auth_parameters={f"KEY{number}": word for number, word in enumerate(words)},
        client_metadata=dict(enumerate(words)),  # type: ignore[arg-type]
    )
    error = decoded(code, message, request)
    assert error.fault is fault
    assert "***" in error.message


def test_fault_sees_the_whole_message() -> None:
    """A long client ID before the decisive words, and a cut of the message, change nothing."""
    message = f"Client {'x' * 128} is configured for secret but secret was not received {'y' * 5_000}"
    assert decoded("NotAuthorizedException", message).fault is Fault.APP_CLIENT


def test_resource_limits_are_quotas() -> None:
    """LimitExceededException of an operation that creates something is a quota of the account."""
    error = decoded("LimitExceededException", "Limit exceeded", CreateUserPoolRequest(pool_name="p"))
    assert error.fault is Fault.QUOTA
    assert decoded("LimitExceededException", "Limit exceeded").fault is Fault.USER
    assert fault_of("LimitExceededException", operation="AddUserPoolClientSecret") is Fault.QUOTA


# --- codes ---


def test_every_declared_error_has_a_fault() -> None:
    """A new error of the service model needs a row in the table."""
    assert set(modelled.BY_CODE) <= set(CODES)


def test_codes_of_the_retry_rules_have_matching_faults() -> None:
    """Throttling is the account's request quota; failures that are retried are the service's."""
    assert {CODES[code] for code in THROTTLING_CODES} == {Fault.QUOTA}
    assert {CODES[code] for code in SERVER_FAULT_CODES | TRANSIENT_CODES} == {Fault.SERVICE}
    assert {CODES[code] for code in CLOCK_SKEW_CODES} == {Fault.PERMISSIONS}


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("CodeMismatchException", Fault.USER),
        ("ResourceNotFoundException", Fault.APP_CLIENT),
        ("TooManyRequestsException", Fault.QUOTA),
        ("AccessDeniedException", Fault.PERMISSIONS),
        ("ExpiredTokenException", Fault.PERMISSIONS),
        ("InvalidEmailRoleAccessPolicyException", Fault.PERMISSIONS),
        ("InvalidSmsRoleTrustRelationshipException", Fault.PERMISSIONS),
        ("UserLambdaValidationException", Fault.TRIGGER),
        ("UnexpectedLambdaException", Fault.TRIGGER),
        ("InvalidLambdaResponseException", Fault.TRIGGER),
        ("InternalErrorException", Fault.SERVICE),
        ("com.amazonaws.cognito#InternalErrorException", Fault.SERVICE),
    ],
)
def test_code_decides(code: str, fault: Fault) -> None:
    """Most codes have one fault, independent of the status."""
    assert decoded(code, "no", status=400).fault is fault
    assert decoded(code, "no", status=500).fault is fault


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.USER),
        (401, Fault.PERMISSIONS),
        (403, Fault.PERMISSIONS),
        (404, Fault.USER),
        (429, Fault.QUOTA),
        (500, Fault.SERVICE),
        (503, Fault.SERVICE),
    ],
)
def test_status_decides_for_unknown_codes(status: int, fault: Fault) -> None:
    """A code that is not in the table is classified by the HTTP status."""
    assert decoded("NextYearsException", "no", status=status).fault is fault
    assert ServiceError("no", code="NextYearsException", status=status).fault is fault


# --- errors that are constructed by hand, copied, or part of others ---------------------------------------------------


def test_errors_made_by_hand_have_the_fault_of_decoded_ones() -> None:
    """Tests of applications construct errors; these get the same fault."""
    secret_missing = "Client abc is configured with secret but SECRET_HASH was not received"
    assert NotAuthorizedException(secret_missing).fault is Fault.APP_CLIENT
    assert NotAuthorizedException("Incorrect username or password.").fault is Fault.USER
    assert ServiceError(secret_missing, code="NotAuthorizedException").fault is Fault.APP_CLIENT
    assert UserNotFoundException().fault is Fault.USER
    assert ServiceError().fault is Fault.USER
    assert LimitExceededException("no", operation="CreateGroup").fault is Fault.QUOTA
    assert InvalidParameterException("no", fault=Fault.TRIGGER).fault is Fault.TRIGGER


def test_errors_without_a_response_have_no_fault() -> None:
    """The fault is only known if the service responded with an error."""
    assert CognitoError("no").fault is None


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, *[lambda e, n=n: pickle.loads(pickle.dumps(e, n)) for n in range(6)]]
)
def test_copies_keep_the_fault(duplicate: Callable[[CognitoError], CognitoError]) -> None:
    """Also a fault that does not follow from code and message."""
    error = duplicate(UserNotFoundException("no", fault=Fault.SERVICE))
    assert error.fault is Fault.SERVICE
    assert type(error) is UserNotFoundException


@pytest.mark.virtual_clock
async def test_ambiguous_outcome_keeps_the_fault_of_the_last_attempt() -> None:
    """Ambiguous itself, or rejected after an ambiguous attempt."""
    failure, rejection = refuse("InternalErrorException", status=500), refuse("ExpiredCodeException")
    for script, fault in (([failure] * 3, Fault.SERVICE), ([failure, rejection], Fault.USER)):
        async with scripted_session(ScriptedTransport(*script), retry=RetryPolicy(transient_base=0)) as session:
            with pytest.raises(AmbiguousOutcomeError) as caught:
                await reset(session.client("abc"))
        assert caught.value.fault is fault
        assert pickle.loads(pickle.dumps(caught.value)).fault is fault


@pytest.mark.parametrize(
    ("code", "message", "expired"),
    [
        ("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z", True),
        ("InvalidSignatureException", "Signature not yet current: 20260101T000000Z is still later than", True),
        ("SignatureDoesNotMatch", "signature expired", True),
        ("RequestExpired", "", True),
        ("InvalidSignatureException", "The request signature we calculated does not match", False),
        ("InvalidSignatureException", "The user 'Signature expired' is wrong", False),
        ("NotAuthorizedException", "Signature expired", False),
    ],
)
def test_expired_signatures_are_recognized(code: str, message: str, *, expired: bool) -> None:
    """By code and message, also if the message holds a secret of the request."""
    request = ConfirmForgotPasswordRequest(
        client_id="abc", username="ada", confirmation_code="Signature", password="expired"
    )
    assert is_signature_expired(code, message) is expired
    error = decoded(code, message, request)
    assert isinstance(error, ServiceError)
    assert error.signature_expired is expired
    assert pickle.loads(pickle.dumps(error)).signature_expired is expired
