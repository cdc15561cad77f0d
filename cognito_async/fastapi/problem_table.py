"""Which error becomes which answer: the table.

A row says all that a visitor gets to see. What differs between two rows is what an answer tells: whether a user exists
is nowhere in it, since the errors of users who do not exist have the row of a wrong code.
"""

import logging

from attrs import evolve

from cognito_async.fastapi.problem import OURS, Problem, Problems
from cognito_async.protocol.retry import THROTTLING_CODES

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
SIGN_IN_UNKNOWN = evolve(
    OUTCOME_UNKNOWN, title="We could not tell whether the sign-in worked", detail="Try to sign in again."
)
SIGN_UP_UNKNOWN = evolve(OUTCOME_UNKNOWN, detail="Try to sign in. If that does not work, go through it again.")
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
    **dict.fromkeys((*sorted(THROTTLING_CODES), "RateLimitTimeoutError", "ResetQueueFullError"), BUSY),
    "AmbiguousOutcomeError": OUTCOME_UNKNOWN,
    **{f"{operation}:AmbiguousOutcomeError": SIGN_IN_UNKNOWN for operation in _SIGN_IN},
    **{f"{operation}:AmbiguousOutcomeError": SIGN_UP_UNKNOWN for operation in ("SignUp", "ConfirmSignUp")},
    **{f"{operation}:AmbiguousOutcomeError": RESET_UNKNOWN for operation in ("ChangePassword", "AdminSetUserPassword")},
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
    **{f"ParameterValidationError:{parameter}": MISCONFIGURED for parameter in OURS},
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
