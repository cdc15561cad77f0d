"""The table of problems: which response an error has, what it hides, and what is logged."""

import logging
from functools import partial
from typing import Any

import pytest
from attrs import evolve
from fastapi import FastAPI

from cognito_async import errors
from cognito_async.errors import (
    AmbiguousOutcomeError,
    CodeMismatchException,
    CognitoError,
    ConnectError,
    ExpiredCodeException,
    Fault,
    InvalidParameterException,
    InvalidPasswordException,
    LimitExceededException,
    NotAuthorizedException,
    ParameterValidationError,
    RateLimitTimeoutError,
    RequestTimeoutError,
    ResourceNotFoundException,
    ServiceError,
    TooManyRequestsException,
    UnexpectedLambdaException,
    UserLambdaValidationException,
    UserNotConfirmedException,
    UserNotFoundException,
)
from cognito_async.errors.faults import fault_of
from cognito_async.errors.tree import ambiguous
from cognito_async.fastapi import (
    PROBLEMS,
    BadInputError,
    Problem,
    RateLimitedError,
    install_problems,
    log_problem,
    problem_of,
    problem_route,
)
from cognito_async.fastapi.problems import MISCONFIGURED, WRONG_CODE, check_problems, error_class
from tests.support.strategies import service_model

MESSAGE = "a message of the service about ada@example.com"


def ambiguous_timeout() -> AmbiguousOutcomeError:
    """Return an error that is also a timeout."""
    last = RequestTimeoutError("no response", sent=True, operation="ConfirmForgotPassword")
    return ambiguous(last, (last,), "Sign in with the new password.", refused=False)


def kind_of(error: CognitoError) -> tuple[str, int]:
    """Return the last part of an error's problem type, and its status."""
    document = problem_of(error).document(error)
    return document["type"].rpartition(":")[2], document["status"]


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (CodeMismatchException(MESSAGE, code="CodeMismatchException"), "wrong-code", 400),
        (ExpiredCodeException(MESSAGE), "wrong-code", 400),
        (InvalidPasswordException(MESSAGE), "weak-password", 422),
        (LimitExceededException(MESSAGE), "too-many-attempts", 429),
        (RateLimitedError(MESSAGE, retry_after=7.2), "rate-limited", 429),
        (TooManyRequestsException(MESSAGE), "busy", 503),
        (ServiceError(MESSAGE, code="ThrottlingException", status=400), "busy", 503),
        (RateLimitTimeoutError(MESSAGE), "busy", 503),
        (ambiguous_timeout(), "outcome-unknown", 502),
        (UserLambdaValidationException(MESSAGE, operation="ConfirmForgotPassword"), "outcome-unknown", 502),
        (UserLambdaValidationException(MESSAGE, operation="SignUp"), "refused", 400),
        (RequestTimeoutError(MESSAGE), "timeout", 504),
        (errors.ConnectTimeoutError(MESSAGE), "unavailable", 503),
        (ConnectError(MESSAGE), "unavailable", 503),
        (errors.InternalErrorException(MESSAGE), "unavailable", 503),
        (errors.InvalidResponseError(MESSAGE, status=502), "unavailable", 503),
        (ParameterValidationError("password", "must have at least 6 characters"), "bad-input", 422),
        (ParameterValidationError("region", "is required"), "misconfigured", 500),
        (ParameterValidationError("client_id", "is required"), "misconfigured", 500),
        (ResourceNotFoundException(MESSAGE), "misconfigured", 500),
        (errors.AccessDeniedException(MESSAGE), "misconfigured", 500),
        (errors.CredentialsError(MESSAGE), "misconfigured", 500),
        (InvalidParameterException(MESSAGE), "misconfigured", 500),
        (InvalidParameterException(MESSAGE, operation="ForgotPassword"), "wrong-code", 400),
        (InvalidParameterException(MESSAGE, operation="ResendConfirmationCode"), "wrong-code", 400),
        (InvalidParameterException(MESSAGE, operation="ConfirmSignUp"), "wrong-code", 400),
        (InvalidParameterException(MESSAGE, operation="SignUp"), "refused", 400),
        (InvalidParameterException(MESSAGE, operation="RespondToAuthChallenge"), "refused", 400),
        (InvalidParameterException(MESSAGE, operation="InitiateAuth"), "sign-in-refused", 401),
        (ServiceError(MESSAGE, code="UnknownException", status=400), "misconfigured", 500),
        (NotAuthorizedException(MESSAGE, operation="InitiateAuth"), "sign-in-refused", 401),
    ],
)
def test_problem_of_error(error: CognitoError, kind: str, status: int) -> None:
    """Each error has its type and status, and no response contains the message of the service."""
    assert kind_of(error) == (kind, status)
    document = str(problem_of(error).document(error))
    assert MESSAGE not in document
    assert "ada" not in document


@pytest.mark.parametrize(
    ("code", "fault", "kind", "level"),
    [
        ("NotAuthorizedException", Fault.APP_CLIENT, "misconfigured", "ERROR"),
        ("NotAuthorizedException", Fault.USER, "wrong-code", None),
        ("InvalidParameterException", Fault.APP_CLIENT, "misconfigured", "ERROR"),
        ("InvalidParameterException", Fault.USER, "wrong-code", "WARNING"),
        ("LimitExceededException", Fault.QUOTA, "unavailable", "ERROR"),
        ("LimitExceededException", Fault.USER, "too-many-attempts", None),
        ("CodeDeliveryFailureException", Fault.QUOTA, "unavailable", "ERROR"),
        ("InvalidSmsRoleAccessPolicyException", Fault.PERMISSIONS, "misconfigured", "ERROR"),
        ("TooManyRequestsException", Fault.QUOTA, "busy", "WARNING"),
        ("InternalErrorException", Fault.SERVICE, "unavailable", "WARNING"),
        ("UnexpectedLambdaException", Fault.PERMISSIONS, "outcome-unknown", "WARNING"),
        ("ForbiddenException", Fault.PERMISSIONS, "refused", "INFO"),
    ],
)
def test_problem_of_service_error_by_fault(
    code: str, fault: Fault, kind: str, level: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator's faults are neither a wrong code nor hidden from the log, whatever the message."""
    caplog.set_level(logging.DEBUG)
    error = getattr(errors, code)("any text", code=code, status=400, operation="ConfirmForgotPassword", fault=fault)
    assert kind_of(error)[0] == kind
    log_problem(error)
    assert [record.levelname for record in caplog.records] == ([] if level is None else [level])


@pytest.mark.parametrize("operation", ["InitiateAuth", "ConfirmSignUp", "SignUp"])
def test_problem_of_app_client_fault_is_misconfigured_for_every_operation(operation: str) -> None:
    """A wrong client secret is not a failed sign-in."""
    code = "NotAuthorizedException"
    error = NotAuthorizedException(MESSAGE, code=code, operation=operation, fault=Fault.APP_CLIENT)
    assert kind_of(error) == ("misconfigured", 500)


def test_problem_of_ambiguous_outcome_ignores_the_fault() -> None:
    """The password may have been changed, whatever the last attempt reported."""
    last = NotAuthorizedException(MESSAGE, operation="ConfirmForgotPassword", fault=Fault.APP_CLIENT)
    assert kind_of(ambiguous(last, (last,), "Sign in.", refused=True)) == ("outcome-unknown", 502)


@pytest.mark.parametrize("fault", [None, Fault.USER])
@pytest.mark.parametrize("operation", ["ForgotPassword", "ConfirmForgotPassword", None])
@pytest.mark.parametrize(
    "kind",
    [
        *(UserNotFoundException, NotAuthorizedException, UserNotConfirmedException, CodeMismatchException),
        *(errors.PasswordResetRequiredException, errors.UnsupportedUserStateException, ExpiredCodeException),
    ],
)
def test_user_existence_errors_map_to_wrong_code(
    kind: type[ServiceError], operation: str | None, fault: Fault | None
) -> None:
    """The documents are equal, so they do not reveal which users exist."""
    about: dict[str, Any] = {
        "code": kind.__name__,
        "status": 400,
        "operation": operation,
        "request_id": "r-1",
        "retry_after": 0.9,
    }
    error = kind(MESSAGE, fault=fault, **about)
    wrong = CodeMismatchException("no", code="CodeMismatchException")
    assert problem_of(error).document(error) == problem_of(wrong).document(wrong) == WRONG_CODE.document(wrong)
    sign_up = kind(MESSAGE, operation="ConfirmSignUp", fault=fault)
    wrong = CodeMismatchException("no", operation="ConfirmSignUp")
    assert problem_of(sign_up).document(sign_up) == problem_of(wrong).document(wrong)
    assert "password" not in str(problem_of(wrong).document(wrong))


def test_sign_in_errors_have_one_problem() -> None:
    """A wrong password and an unknown user look the same."""
    kinds = (
        *(UserNotFoundException, NotAuthorizedException, UserNotConfirmedException),
        *(errors.PasswordResetRequiredException, errors.UnsupportedUserStateException),
    )
    assert len({kind_of(kind(MESSAGE, code=kind.__name__, operation="InitiateAuth")) for kind in kinds}) == 1


def test_every_error_class_has_a_problem() -> None:
    """No error of the library is missing in the table."""
    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, CognitoError) and kind is not ParameterValidationError:
            assert 400 <= problem_of(kind("x")).status < 600


@pytest.mark.parametrize(
    "operation",
    [
        *("InitiateAuth", "RespondToAuthChallenge", "AssociateSoftwareToken", "VerifySoftwareToken"),
        *("GetTokensFromRefreshToken", "RevokeToken", "ForgotPassword", "ConfirmForgotPassword"),
    ],
)
def test_no_error_that_a_user_causes_is_a_server_error(operation: str) -> None:
    """Of all errors that the operations of the routers have in the service model."""
    codes = [shape.name for shape in service_model().operation_model(operation).error_shapes]
    caused = [code for code in codes if fault_of(code, operation=operation) is Fault.USER]
    about: dict[str, Any] = {"operation": operation, "fault": Fault.USER}
    found = {code: problem_of(error_class(code)(MESSAGE, code=code, **about)) for code in caused}
    assert found
    assert {code: problem.status for code, problem in found.items() if problem.status >= 500} == {}
    assert not [code for code, problem in found.items() if (problem.log_level or 0) >= logging.ERROR]


def test_retry_after_comes_from_the_error_or_the_problem() -> None:
    """The value of the error is rounded up; a problem without a value ignores it."""
    limited = RateLimitedError("x", retry_after=7.2)
    assert problem_of(limited).retry_after_of(limited) == problem_of(limited).document(limited)["retry_after"] == 8
    soon = RateLimitedError("x", retry_after=0.0)
    assert problem_of(soon).retry_after_of(soon) == 1
    assert problem_of(soon).document(soon)["detail"]
    throttled = TooManyRequestsException("x")
    assert problem_of(throttled).retry_after_of(throttled) == 5
    wrong = CodeMismatchException("x", retry_after=3.0)
    assert problem_of(wrong).retry_after_of(wrong) is None


def test_document_lists_invalid_fields() -> None:
    """Each has a JSON pointer and a rule; parameters of the configuration are not listed."""
    error = BadInputError("x", field_errors={"username": ["is required"]})
    assert problem_of(error).document(error)["errors"] == [{"pointer": "#/username", "detail": "is required"}]
    nested = ParameterValidationError("auth_parameters['PASSWORD']", "is required")
    assert problem_of(nested).document(nested)["errors"][0]["pointer"] == "#/auth_parameters/PASSWORD"
    escaped = ParameterValidationError("answer.attributes['a~/b'][3]", "is required")
    assert problem_of(escaped).document(escaped)["errors"][0]["pointer"] == "#/answer/attributes/a~0~1b/3"
    empty = ParameterValidationError("attributes['']", "is required")
    assert problem_of(empty).document(empty)["errors"][0]["pointer"] == "#/attributes/"
    configuration = ParameterValidationError("client_id", "is required")
    assert "errors" not in problem_of(configuration).document(configuration)


def test_custom_table_replaces_problems() -> None:
    """A row may be for one operation, show the message of the service, or have additional members."""
    shown = evolve(PROBLEMS["UserLambdaValidationException"], detail=lambda error: error.message)
    gone = Problem(type="about:blank", title="Gone", status=410, extensions={"shop": "closed"})
    table = {**PROBLEMS, "UserLambdaValidationException": shown, "DeleteUser:UserNotFoundException": gone}
    refused = UserLambdaValidationException("closed on Sundays")
    assert problem_of(refused, table).document(refused)["detail"] == "closed on Sundays"
    deleted = UserNotFoundException("x", operation="DeleteUser")
    assert problem_of(deleted, table).document(deleted) == {
        "type": "about:blank", "title": "Gone", "status": 410, "shop": "closed",
    }  # fmt: skip
    assert problem_of(UserNotFoundException("x", operation="GetUser"), table) is not gone
    assert problem_of(CodeMismatchException("x"), {}) is MISCONFIGURED
    table = {**PROBLEMS, "ConfirmForgotPassword:AmbiguousOutcomeError": gone}
    assert problem_of(ambiguous_timeout(), table) is gone
    table = {**PROBLEMS, "SignUp:Fault.QUOTA": gone}
    assert problem_of(LimitExceededException("x", operation="SignUp", fault=Fault.QUOTA), table) is gone


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("CodeMissmatchException", "error 'CodeMissmatchException'; write 'CodeMismatchException'"),
        ("Fault.QUOTAS", "error 'Fault.QUOTAS'; write 'Fault.QUOTA'"),
        ("urn:wrong-code", "error 'wrong-code'; define a subclass of CognitoError for a new one"),
        ("SignUpp:CodeMismatchException", "operation 'SignUpp'; write 'SignUp'"),
        ("Enter:CodeMismatchException", "operation 'Enter'; use the name in AWS's documentation"),
    ],
)
def test_misspelled_name_in_a_table_is_refused(name: str, problem: str) -> None:
    """By everything that takes a table, with the name that was meant; parameters may have any name."""
    parameters = [f"ParameterValidationError:parameter_{number}" for number in range(20)]
    table = {**PROBLEMS, **dict.fromkeys([*parameters, name], MISCONFIGURED)}
    for create in (partial(install_problems, FastAPI()), problem_route):
        with pytest.raises(ParameterValidationError) as caught:
            create(table)
        assert caught.value.parameter == "problems"
        assert caught.value.rule == f"must not have the key {name!r}: there is no {problem}"


def test_names_of_errors_in_a_table_are_accepted() -> None:
    """Codes with and without a class, faults, parameters, errors of the application, and operations."""

    class ShopClosedError(CognitoError):
        """An error of the application."""

    names = ["ThrottlingException", "SignUp:Fault.QUOTA", "ParameterValidationError:email", ShopClosedError.__name__]
    assert problem_route({**PROBLEMS, **dict.fromkeys(names, MISCONFIGURED)})
    check_problems(dict(PROBLEMS))


def test_problems_of_a_type_are_changed_for_all_operations() -> None:
    """A row without the operation does not apply where there is one with it."""
    error = CodeMismatchException("x", operation="RespondToAuthChallenge")
    table = {n: evolve(p, title="Falscher Code") for n, p in PROBLEMS.items() if p.type.endswith("wrong-code")}
    assert problem_of(error, {**PROBLEMS, **table}).title == "Falscher Code"


def test_change_of_a_password_with_a_lost_response_mentions_no_code() -> None:
    """Only a reset has one."""
    last = RequestTimeoutError("no response", sent=True, operation="ChangePassword")
    detail = problem_of(ambiguous(last, (last,), "Sign in.", refused=False)).detail
    assert "old password still applies" in str(detail)


def test_log_omits_a_request_id_that_there_is_not(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was sent."""
    error = ConnectError("no", operation="InitiateAuth")
    error.attempts = 1
    log_problem(error)
    assert "(operation InitiateAuth, attempts: 1)" in caplog.text


def test_log_problem_writes_messages_of_operator_errors_only(caplog: pytest.LogCaptureFixture) -> None:
    """Messages about users may contain usernames and are not logged."""
    caplog.set_level(logging.DEBUG)
    log_problem(UserNotFoundException(MESSAGE))
    log_problem(CodeMismatchException(MESSAGE))
    assert not caplog.records
    code = "TooManyRequestsException"
    log_problem(TooManyRequestsException(MESSAGE, code=code, operation="ForgotPassword", request_id="r-9"))
    log_problem(UserLambdaValidationException(MESSAGE))
    assert MESSAGE not in caplog.text
    assert [record.getMessage() for record in caplog.records] == [
        "TooManyRequestsException (operation ForgotPassword, attempts: 0, request ID r-9)",
        "UserLambdaValidationException",
    ]
    about = "app client not found for ada@example.com +15551234 grace@example.com, key +12345"
    log_problem(ResourceNotFoundException(about, operation="ForgotPassword"))
    log_problem(UnexpectedLambdaException("trigger failed", fault=Fault.TRIGGER))
    log_problem(RuntimeError("a bug"))
    assert "app client not found for *** *** *** key +12345" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "ERROR", "ERROR", "ERROR"]
    assert [bool(record.exc_info) for record in caplog.records] == [False] * 4 + [True]


def test_rejected_request_has_its_message_and_no_field_errors_by_default() -> None:
    """The message is for logs and tracebacks."""
    assert (str(RateLimitedError("too many")), str(RateLimitedError())) == ("too many", "")
    assert (RateLimitedError().field_errors, RateLimitedError().retry_after) == ({}, None)


def test_all_invalid_parameters_are_in_the_document() -> None:
    """Except for the configuration."""
    others = [("password", "must have at least 6 characters"), ("client_id", "is required")]
    document = MISCONFIGURED.document(ParameterValidationError("username", "is required", others=others))
    assert [item["pointer"] for item in document["errors"]] == ["#/username", "#/password"]
