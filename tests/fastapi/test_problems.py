"""Problems: which error becomes which answer, what an answer hides, and what the log says."""

import logging

import pytest
from attrs import evolve

from cognito_async import errors
from cognito_async.errors import (
    AmbiguousOutcomeError,
    CodeMismatchException,
    CognitoError,
    ConnectError,
    ExpiredCodeException,
    InvalidPasswordException,
    LimitExceededException,
    NotAuthorizedException,
    ParameterValidationError,
    RateLimitTimeoutError,
    RequestTimeoutError,
    ResourceNotFoundException,
    ServiceError,
    TooManyRequestsException,
    UserLambdaValidationException,
    UserNotConfirmedException,
    UserNotFoundException,
)
from cognito_async.errors.tree import ambiguous
from cognito_async.fastapi import PROBLEMS, BadInputError, Problem, RateLimitedError, problem_of
from cognito_async.fastapi.problem_table import MISCONFIGURED, WRONG_CODE
from cognito_async.fastapi.problems import report

SAID = "what the service says about ada@example.com"


def ambiguous_timeout() -> AmbiguousOutcomeError:
    """Make an error that is two at once."""
    last = RequestTimeoutError("no answer", sent=True, operation="ConfirmForgotPassword")
    return ambiguous(last, (last,), "Sign in with the new password.", refused=False)


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (CodeMismatchException(SAID, code="CodeMismatchException"), "wrong-code", 400),
        (ExpiredCodeException(SAID), "wrong-code", 400),
        (InvalidPasswordException(SAID), "weak-password", 422),
        (LimitExceededException(SAID), "too-many-attempts", 429),
        (RateLimitedError(SAID, retry_after=7.2), "rate-limited", 429),
        (TooManyRequestsException(SAID), "busy", 503),
        (ServiceError(SAID, code="ThrottlingException", status=400), "busy", 503),
        (RateLimitTimeoutError(SAID), "busy", 503),
        (ambiguous_timeout(), "outcome-unknown", 502),
        (UserLambdaValidationException(SAID, operation="ConfirmForgotPassword"), "outcome-unknown", 502),
        (UserLambdaValidationException(SAID, operation="SignUp"), "refused", 400),
        (RequestTimeoutError(SAID), "timeout", 504),
        (errors.ConnectTimeoutError(SAID), "unavailable", 503),
        (ConnectError(SAID), "unavailable", 503),
        (errors.InternalErrorException(SAID), "unavailable", 503),
        (errors.InvalidResponseError(SAID, status=502), "unavailable", 503),
        (ParameterValidationError("password", "must have at least 6 characters"), "bad-input", 422),
        (ParameterValidationError("region", "is required"), "misconfigured", 500),
        (ParameterValidationError("client_id", "is required"), "misconfigured", 500),
        (ResourceNotFoundException(SAID), "misconfigured", 500),
        (errors.AccessDeniedException(SAID), "misconfigured", 500),
        (errors.CredentialsError(SAID), "misconfigured", 500),
        (errors.InvalidParameterException(SAID), "misconfigured", 500),
        (ServiceError(SAID, code="NobodyKnowsThisException", status=400), "misconfigured", 500),
        (NotAuthorizedException(SAID, operation="InitiateAuth"), "sign-in-refused", 401),
    ],
)
def test_each_error_has_its_answer(error: CognitoError, kind: str, status: int) -> None:
    """The table says type and status, and no answer repeats the service's words."""
    document = problem_of(error).document(error)
    assert (document["type"].rpartition(":")[2], document["status"]) == (kind, status)
    assert SAID not in str(document)
    assert "ada" not in str(document)


@pytest.mark.parametrize("operation", ["ForgotPassword", "ConfirmForgotPassword", None])
@pytest.mark.parametrize(
    "kind", [UserNotFoundException, NotAuthorizedException, UserNotConfirmedException, CodeMismatchException]
)
def test_who_does_not_exist_has_a_wrong_code(kind: type[ServiceError], operation: str | None) -> None:
    """The answer of a user who is not there, or may not, is that of a wrong code, to the last byte."""
    error = kind(SAID, code=kind.__name__, status=400, operation=operation, request_id="r-1", retry_after=0.9)
    wrong = CodeMismatchException("no", code="CodeMismatchException")
    assert problem_of(error).document(error) == problem_of(wrong).document(wrong) == WRONG_CODE.document(wrong)
    signing_up, mistyped = kind(SAID, operation="ConfirmSignUp"), CodeMismatchException("no", operation="ConfirmSignUp")
    assert problem_of(signing_up).document(signing_up) == problem_of(mistyped).document(mistyped)
    assert "password" not in str(problem_of(mistyped).document(mistyped))


def test_a_sign_in_does_not_tell_either() -> None:
    """A wrong password and an unknown user have one answer."""
    kinds = (UserNotFoundException, NotAuthorizedException, UserNotConfirmedException)
    found = {problem_of(kind(SAID, code=kind.__name__, operation="InitiateAuth")).type for kind in kinds}
    assert len(found) == 1


def test_every_declared_error_has_an_answer() -> None:
    """No error of the library falls through the table."""
    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, CognitoError) and kind is not ParameterValidationError:
            assert 400 <= problem_of(kind("x")).status < 600


def test_the_pause_is_the_error_s_own() -> None:
    """Retry-After is what the error knows, rounded up, else the row's; other rows have none."""
    limited = RateLimitedError("x", retry_after=7.2)
    assert problem_of(limited).wait(limited) == problem_of(limited).document(limited)["retry_after"] == 8
    throttled = TooManyRequestsException("x")
    assert problem_of(throttled).wait(throttled) == 5
    wrong = CodeMismatchException("x", retry_after=3.0)
    assert problem_of(wrong).wait(wrong) is None


def test_fields_at_fault_are_named() -> None:
    """The answer points at the field and says the rule."""
    error = BadInputError("x", faults={"username": ["is required"]})
    assert problem_of(error).document(error)["errors"] == [{"pointer": "#/username", "detail": "is required"}]
    theirs = ParameterValidationError("password", "must have at least 6 characters")
    assert problem_of(theirs).document(theirs)["errors"][0]["pointer"] == "#/password"
    ours = ParameterValidationError("client_id", "is required")
    assert "errors" not in problem_of(ours).document(ours)


def test_rows_can_be_replaced() -> None:
    """A table of your own may have rows for an operation, and may show what the service says."""
    shown = evolve(PROBLEMS["UserLambdaValidationException"], detail=lambda error: error.message)
    gone = Problem(type="about:blank", title="Gone", status=410, extensions={"shop": "closed"})
    mine = {**PROBLEMS, "UserLambdaValidationException": shown, "DeleteUser:UserNotFoundException": gone}
    refused = UserLambdaValidationException("not on Sundays")
    assert problem_of(refused, mine).document(refused)["detail"] == "not on Sundays"
    deleted = UserNotFoundException("x", operation="DeleteUser")
    assert problem_of(deleted, mine).document(deleted) == {
        "type": "about:blank", "title": "Gone", "status": 410, "shop": "closed",
    }  # fmt: skip
    assert problem_of(UserNotFoundException("x", operation="GetUser"), mine) is not gone
    assert problem_of(CodeMismatchException("x"), {}) is MISCONFIGURED
    assert problem_of(ambiguous_timeout(), {**PROBLEMS, "ConfirmForgotPassword:AmbiguousOutcomeError": gone}) is gone


def test_the_log_is_for_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    """A mistake of the site is logged with the service's words; what concerns a user is without them, or not at all."""
    caplog.set_level(logging.DEBUG)
    report(UserNotFoundException(SAID))
    report(CodeMismatchException(SAID))
    assert not caplog.records
    report(
        TooManyRequestsException(SAID, code="TooManyRequestsException", operation="ForgotPassword", request_id="r-9")
    )
    report(UserLambdaValidationException(SAID))
    assert SAID not in caplog.text
    assert "TooManyRequestsException (ForgotPassword, 0 attempts, request id r-9)" in caplog.text
    report(ResourceNotFoundException("app client not found", operation="ForgotPassword"))
    assert "app client not found" in caplog.text
    report(RuntimeError("a bug"))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "ERROR", "ERROR"]
