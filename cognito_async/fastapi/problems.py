"""Which error becomes which answer: one table of problem details (RFC 9457), and how an error finds its row.

Pure but for the log. A row says all that a visitor gets to see. What differs between two rows is what an answer tells:
whether a user exists is nowhere in it, since the errors of users who do not exist have the row of a wrong code.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from typing import Any, TypeAlias

from attrs import evolve, field, frozen

from cognito_async.errors import AmbiguousOutcomeError, CognitoError, ParameterValidationError
from cognito_async.fastapi.refusals import RefusalError
from cognito_async.protocol.retry import THROTTLING_CODES

_LOG = logging.getLogger("cognito_async.fastapi")


@frozen(kw_only=True)
class Problem:
    """What a visitor is told about an error.

    Attributes:
        type: A URI that names the kind of problem; programs tell problems apart by it.
        title: The kind of problem, in a few words.
        status: The HTTP status.
        detail: What the visitor can do; a function to make it from the error; None for nothing. ``lambda error:
            error.message`` shows what the service says, which may tell more than you want.
        retry_after: When to come back, in seconds, unless the error knows better; None if waiting does not help.
        extensions: Further members of the answer.
        log_level: The level at which it is logged; None for not at all.
    """

    type: str
    title: str
    status: int
    detail: str | Callable[[CognitoError], str] | None = None
    retry_after: int | None = None
    extensions: Mapping[str, Any] = field(factory=dict[str, Any])
    log_level: int | None = None

    def document(self, error: CognitoError) -> dict[str, Any]:
        """Make the answer's JSON document.

        Args:
            error: What happened; its message goes in only if ``detail`` is a function that takes it.

        Returns:
            The document.
        """
        detail = self.detail(error) if callable(self.detail) else self.detail
        wait = self.wait(error)
        faults = _faults(error)
        told = {"type": self.type, "title": self.title, "status": self.status, "detail": detail, "retry_after": wait}
        return {name: value for name, value in told.items() if value is not None} | dict(self.extensions) | faults

    def wait(self, error: CognitoError) -> int | None:
        """Tell after how many seconds to come back; None if waiting does not help."""
        if self.retry_after is None:
            return None
        return self.retry_after if error.retry_after_ms is None else max(1, ceil(error.retry_after_ms / 1000))


Problems: TypeAlias = Mapping[str, Problem]
"""Rows by the error's name. See ``names_of`` for what is looked up, and in which order."""

_TYPE = "urn:cognito-async:"
WRONG_CODE = Problem(
    type=f"{_TYPE}wrong-code",
    title="The code was not accepted",
    status=400,
    detail="The code is wrong or has expired, or the password can't be used. Check both, or ask for a new code.",
)
WRONG_SIGN_UP_CODE = evolve(WRONG_CODE, detail="The code is wrong or has expired. Check it, or ask for a new one.")
SIGN_IN_REFUSED = Problem(
    type=f"{_TYPE}sign-in-refused",
    title="The sign-in was not accepted",
    status=401,
    detail="The user name or the password is wrong, or the session has ended.",
)
WEAK_PASSWORD = Problem(
    type=f"{_TYPE}weak-password",
    title="The password can't be used",
    status=422,
    detail="Choose another password: a longer one, with letters, digits and symbols, that you have not used before.",
)
TOO_MANY_ATTEMPTS = Problem(
    type=f"{_TYPE}too-many-attempts",
    title="Too many attempts",
    status=429,
    detail="Wait a while before you try again.",
    retry_after=900,
)
RATE_LIMITED = Problem(
    type=f"{_TYPE}rate-limited",
    title="Too many requests",
    status=429,
    detail="Wait a moment before you try again.",
    retry_after=60,
)
BUSY = Problem(
    type=f"{_TYPE}busy",
    title="Very many people are here right now",
    status=503,
    detail="Nothing was changed. Try again in a moment.",
    retry_after=5,
    log_level=logging.WARNING,
)
UNAVAILABLE = Problem(
    type=f"{_TYPE}unavailable",
    title="The sign-in service can't be reached",
    status=503,
    detail="Try again in a moment.",
    retry_after=30,
    log_level=logging.WARNING,
)
TIMEOUT = Problem(
    type=f"{_TYPE}timeout",
    title="The sign-in service did not answer in time",
    status=504,
    detail="Try again in a moment.",
    log_level=logging.WARNING,
)
OUTCOME_UNKNOWN = Problem(
    type=f"{_TYPE}outcome-unknown",
    title="It may or may not have worked",
    status=502,
    detail="We could not tell whether it was done. See how things are before you try it again.",
    log_level=logging.WARNING,
)
RESET_UNKNOWN = evolve(
    OUTCOME_UNKNOWN,
    title="Your password may have been changed",
    detail="Try to sign in with the new one. If that does not work, ask for a new code.",
)
BAD_INPUT = Problem(
    type=f"{_TYPE}bad-input",
    title="Some fields can't be right",
    status=422,
    detail="Correct the fields that are named, and send it again.",
)
MALFORMED = Problem(
    type=f"{_TYPE}malformed-body",
    title="The request can't be read",
    status=400,
    detail="Its body is not what its content type says, names a field twice, or ends too early.",
)
UNSUPPORTED = Problem(
    type=f"{_TYPE}unsupported-body",
    title="The request has a type that is not taken here",
    status=415,
    detail="Send application/json, application/x-www-form-urlencoded or multipart/form-data, uncompressed.",
)
TOO_LARGE = Problem(type=f"{_TYPE}body-too-large", title="The request is too large", status=413)
CROSS_ORIGIN = Problem(
    type=f"{_TYPE}cross-origin",
    title="The form was sent from another site",
    status=403,
    detail="Open the page on this site and send the form from there.",
)
REFUSED = Problem(type=f"{_TYPE}refused", title="The request was refused", status=400, log_level=logging.INFO)
MISCONFIGURED = Problem(
    type=f"{_TYPE}misconfigured", title="Something is wrong on our side", status=500, log_level=logging.ERROR
)

_SIGN_IN = (
    *("InitiateAuth", "AdminInitiateAuth", "RespondToAuthChallenge", "AdminRespondToAuthChallenge", "GetUser"),
    "GetTokensFromRefreshToken",
)
_STATES = (
    *("UserNotFoundException", "NotAuthorizedException", "UserNotConfirmedException", "PasswordResetRequiredException"),
    "UnsupportedUserStateException",
)
_LAMBDA = ("UnexpectedLambdaException", "InvalidLambdaResponseException", "UserLambdaValidationException")
_OURS = ("client_id", "client_secret", "user_pool_id", "region", "endpoint_url", "secret_hash")

PROBLEMS: Problems = {
    # What looks like a wrong code, byte by byte, so that no answer tells who exists.
    **dict.fromkeys(
        ("CodeMismatchException", "ExpiredCodeException", "PasswordNotAcceptedError", *_STATES), WRONG_CODE
    ),
    **{
        f"ConfirmSignUp:{name}": WRONG_SIGN_UP_CODE
        for name in ("CodeMismatchException", "ExpiredCodeException", *_STATES)
    },
    # The service's own word on what was typed, where nothing else can be at fault. It may tell who exists ("is already
    # confirmed", "has no verified address"), so it looks like a wrong code, too.
    **{
        f"{operation}:InvalidParameterException": evolve(WRONG_CODE, log_level=logging.WARNING)
        for operation in ("ConfirmForgotPassword", "ForgotPassword", "ResendConfirmationCode")
    },
    "ConfirmSignUp:InvalidParameterException": evolve(WRONG_SIGN_UP_CODE, log_level=logging.WARNING),
    "SignUp:InvalidParameterException": evolve(REFUSED, log_level=logging.WARNING),
    **{f"{operation}:{state}": SIGN_IN_REFUSED for operation in _SIGN_IN for state in _STATES},
    **dict.fromkeys(
        ("InvalidPasswordException", "PasswordHistoryPolicyViolationException", "WeakPasswordError"), WEAK_PASSWORD
    ),
    **dict.fromkeys(("LimitExceededException", "TooManyFailedAttemptsException"), TOO_MANY_ATTEMPTS),
    "RateLimitedError": RATE_LIMITED,
    **dict.fromkeys((*sorted(THROTTLING_CODES), "PaceTimeoutError", "ResetQueueFullError"), BUSY),
    "AmbiguousOutcomeError": OUTCOME_UNKNOWN,
    # The pool's functions run after the password was changed: their failure does not undo it.
    **{f"ConfirmForgotPassword:{code}": RESET_UNKNOWN for code in ("AmbiguousOutcomeError", *_LAMBDA)},
    "RequestTimeoutError": TIMEOUT,
    **dict.fromkeys(
        (
            *("TransportError", "ConnectError", "ConnectTimeoutError", "InvalidResponseError"),
            *("InternalErrorException", "InternalServerException", "InternalFailure", "CodeDeliveryFailureException"),
            *("ServiceUnavailable", "ServiceUnavailableException"),
        ),
        UNAVAILABLE,
    ),
    **dict.fromkeys(("ParameterValidationError", "BadInputError"), BAD_INPUT),
    **{f"ParameterValidationError:{parameter}": MISCONFIGURED for parameter in _OURS},
    "MalformedBodyError": MALFORMED,
    "UnsupportedBodyError": UNSUPPORTED,
    "BodyTooLargeError": TOO_LARGE,
    "CrossOriginError": CROSS_ORIGIN,
    **dict.fromkeys(
        ("UserLambdaValidationException", "ForbiddenException", "UsernameExistsException", "AliasExistsException"),
        REFUSED,
    ),
    # All the others: credentials, rights, pools and app clients that are not there, errors nobody has seen yet.
    "CognitoError": MISCONFIGURED,
}
"""The answers to all errors. Change some: ``{**PROBLEMS, "LimitExceededException": Problem(...)}``."""


def names_of(error: CognitoError) -> Iterator[str]:
    """Name an error, the most telling name first.

    Args:
        error: The error.

    Yields:
        ``"AmbiguousOutcomeError"`` if it is one, whatever else it may be; its operation or parameter with its code,
        such as ``"InitiateAuth:NotAuthorizedException"``; its code; the names of its classes.
    """
    if isinstance(error, AmbiguousOutcomeError):
        yield from (f"{error.operation}:{AmbiguousOutcomeError.__name__}", AmbiguousOutcomeError.__name__)
    kinds = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, CognitoError)]
    names = ([] if error.code is None else [error.code]) + kinds
    if isinstance(error, ParameterValidationError):
        yield f"{kinds[0]}:{error.parameter}"
    yield from (f"{error.operation}:{name}" for name in names)
    yield from names


def problem_of(error: CognitoError, problems: Problems = PROBLEMS) -> Problem:
    """Find what a visitor is told about an error.

    Args:
        error: What happened.
        problems: The table.

    Returns:
        The row; an empty table still has one that tells nothing.
    """
    return next((problems[name] for name in names_of(error) if name in problems), MISCONFIGURED)


def report(error: Exception, problems: Problems = PROBLEMS) -> None:
    """Log an error for the operator, as loudly as its row says, without a secret or a user's name.

    Args:
        error: What happened. One that is no CognitoError is a bug, and is logged with its traceback.
        problems: The table.
    """
    if not isinstance(error, CognitoError):
        _LOG.error("a call to Cognito ended in a bug", exc_info=error)
        return
    problem = problem_of(error, problems)
    if problem.log_level is not None:
        name = error.code or type(error).__name__
        # Only the operator's own mistakes need the service's words; those about a user may hold the user's name.
        said = f": {error.message}" if problem.log_level >= logging.ERROR else ""
        facts = f"{error.operation or 'before any call'}, {error.attempts} attempts, request id {error.request_id}"
        _LOG.log(problem.log_level, "%s (%s)%s", name, facts, said)


def _faults(error: CognitoError) -> dict[str, Any]:
    """Name the fields at fault as RFC 9457 does: a pointer and what is wrong, never the value."""
    faults: Mapping[str, Any] = {}
    if isinstance(error, RefusalError):
        faults = error.faults
    elif isinstance(error, ParameterValidationError) and error.parameter not in _OURS:
        faults = {error.parameter: (error.rule,)}
    errors = [{"pointer": f"#/{name}", "detail": rule} for name, rules in faults.items() for rule in rules]
    return {"errors": errors} if errors else {}
