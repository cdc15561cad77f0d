"""Errors of this package, the problem details (RFC 9457) of all errors, and logging.

The table of problems prevents user enumeration: errors that reveal whether a user exists map to the same problem as a
wrong code.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from logging import ERROR, INFO, WARNING, getLogger
from math import ceil
from typing import Any, Final, NoReturn, TypeAlias

from attrs import evolve, field, frozen

from cognito_async import errors, operations
from cognito_async.errors import AmbiguousOutcomeError, CognitoError, Fault, ParameterValidationError, ServiceError
from cognito_async.errors.faults import CODES
from cognito_async.protocol.retry import THROTTLING_CODES

_LOG = getLogger("cognito_async.fastapi")
_POINTER_STEP = re.compile(r"""\[(['"])(.*?)\1\]|\[(\d+)\]|\.(\w+)""")
_RECIPIENT = re.compile(r"[^\s:]+@\S+|\+\d{6,}")
_CONFIGURATION_PARAMETERS: Final = frozenset(
    {"client_id", "client_secret", "user_pool_id", "region", "endpoint_url", "secret_hash", "state_keys"}
)


class SettingsError(ValueError):
    """A setting is missing or invalid. The message names the setting, never its value."""


class PoolNotOpenError(RuntimeError):
    """A dependency was used before the lifespan of its user pool started."""


class RequestRejectedError(CognitoError):
    """Base of errors for requests that are rejected before Cognito is called."""

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: float | None = None,
        field_errors: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.field_errors: Mapping[str, Sequence[str]] = field_errors or {}
        """The broken rules by field name, never a value. Empty if no field is invalid."""


class MalformedBodyError(RequestRejectedError):
    """The request body cannot be parsed, or a form repeats a field."""


class UnsupportedBodyError(RequestRejectedError):
    """The request body is neither JSON nor a form in UTF-8, or it is compressed."""


class BodyTooLargeError(RequestRejectedError):
    """The request body exceeds the limit."""


class BodyTimeoutError(RequestRejectedError):
    """The request body did not arrive in time."""


class BadInputError(RequestRejectedError):
    """Fields are missing or invalid."""


class WeakPasswordError(RequestRejectedError):
    """The new password breaks the password policy that is checked before Cognito is called."""


class PasswordNotAcceptedError(RequestRejectedError):
    """The user pool refused a password that meets the policy. Reported like a wrong code, since it reveals a user."""


class CrossOriginError(RequestRejectedError):
    """The form was submitted, or the cookie sent, from a page of another origin."""


class NotAuthenticatedError(RequestRejectedError):
    """The request has no access token."""


class SignInStateError(RequestRejectedError):
    """The state of a sign-in or the refresh token is missing, invalid or expired; the user must sign in."""


class RateLimitedError(RequestRejectedError):
    """Too many requests from one client IP or network, or for one username."""


class ResetQueueFullError(RequestRejectedError):
    """The queue of password resets is full."""


@frozen(kw_only=True)
class Problem:
    """The response to an error, as problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str | Callable[[CognitoError], str] | None = None
    """What the user can do, or a function that returns it for an error; None for no detail.

    ``lambda error: error.message`` shows the message of the service, which may reveal more than you want.
    """

    retry_after: int | None = None
    """When to retry, in seconds, unless the error has its own value; None if retrying does not help."""

    extensions: Mapping[str, Any] = field(factory=dict[str, Any])
    """Additional members of the document."""

    log_level: int | None = None
    """The level of the log record; None for no record. From ERROR on, it includes messages for the operator."""

    def document(self, error: CognitoError) -> dict[str, Any]:
        """Return the JSON document for an error, without its message unless ``detail`` returns it."""
        members = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail(error) if callable(self.detail) else self.detail,
            "retry_after": self.retry_after_of(error),
        }
        document = {name: value for name, value in members.items() if value is not None} | dict(self.extensions)
        field_errors = _field_errors(error)
        return {**document, "errors": field_errors} if field_errors else document

    def retry_after_of(self, error: CognitoError) -> int | None:
        """Return when to retry after an error, in seconds rounded up; None if retrying does not help."""
        if self.retry_after is None or error.retry_after is None:
            return self.retry_after
        return max(1, ceil(error.retry_after))


Problems: TypeAlias = Mapping[str, Problem]
"""Problems by name of the error, optionally with the operation, such as ``"SignUp:AmbiguousOutcomeError"``.

The names are, the most specific first: ``"AmbiguousOutcomeError"``, the validated parameter, the fault such as
``"Fault.APP_CLIENT"`` (unless the code has one meaning), the code and the error classes.
"""


def _field_errors(error: CognitoError) -> list[dict[str, str]]:
    faults: list[tuple[str, str]] = []
    if isinstance(error, RequestRejectedError):
        faults = [(name, rule) for name, rules in error.field_errors.items() for rule in rules]
    elif isinstance(error, ParameterValidationError):
        faults = [(_pointer(name), rule) for name, rule in error.errors if name not in _CONFIGURATION_PARAMETERS]
    return [{"pointer": f"#/{name}", "detail": rule} for name, rule in faults]


def _pointer(parameter: str) -> str:
    """Return the JSON pointer of a parameter, such as ``auth_parameters['PASSWORD']``."""
    escaped = parameter.replace("~", "~0").replace("/", "~1")
    return _POINTER_STEP.sub(lambda step: f"/{step[2] or step[3] or step[4] or ''}", escaped)


def _problem(kind: str, status: int, title: str, detail: str | None = None, **options: Any) -> Problem:  # noqa: ANN401
    return Problem(type=f"urn:cognito-async:{kind}", title=title, status=status, detail=detail, **options)


_NOT_ACCEPTED = "The code is wrong or expired, or the password is not acceptable. Check both or request a new code."
_CREDENTIALS = "The username or password is wrong, or the session has expired."
_TOO_WEAK = "Choose a different password, such as a longer one with upper-case letters, digits and symbols."
_MEDIA_TYPES = "Send application/json, or a form in UTF-8 where the route accepts forms, without compression."
_BODY = "The body does not match its content type, repeats a field or is incomplete."

WRONG_CODE = _problem("wrong-code", 400, "Code not accepted", _NOT_ACCEPTED)
_WRONG_SIGN_UP_CODE = evolve(WRONG_CODE, detail="The code is wrong or expired. Check it or request a new one.")
_WRONG_SIGN_IN_CODE = evolve(WRONG_CODE, detail="The code is wrong or expired. Check it or sign in again.")
_SIGN_IN_REFUSED = _problem("sign-in-refused", 401, "Sign-in failed", _CREDENTIALS)
_WEAK_PASSWORD = _problem("weak-password", 422, "Password not accepted", _TOO_WEAK)
_ATTEMPTS = _problem("too-many-attempts", 429, "Too many attempts", "Wait before you try again.", retry_after=900)
_RATE_LIMITED = _problem("rate-limited", 429, "Too many requests", "Try again in a moment.", retry_after=60)
_BUSY = _problem("busy", 503, "Service busy", "Nothing was changed. Try again.", retry_after=5, log_level=WARNING)
_OUTAGE = _problem("unavailable", 503, "Service unavailable", "Try again later.", retry_after=30, log_level=WARNING)
_UNKNOWN = _problem(
    "outcome-unknown", 502, "Outcome unknown", "The outcome is unknown. Check before retrying.", log_level=WARNING
)
_RESET_UNKNOWN = evolve(
    _UNKNOWN,
    title="Your password may have been changed",
    detail="Try to sign in with the new password. If that fails, request a new code.",
)
_CHANGE_UNKNOWN = evolve(
    _RESET_UNKNOWN, detail="Try to sign in with the new password. If that fails, the old password still applies."
)
_SIGN_IN_UNKNOWN = evolve(_UNKNOWN, title="Sign-in outcome unknown", detail="Try to sign in again.")
_SIGN_UP_UNKNOWN = evolve(_UNKNOWN, detail="Try to sign in. If that fails, sign up again.")
_BAD_INPUT = _problem("bad-input", 422, "Validation failed", "Correct the invalid fields and try again.")
_REFUSED = _problem("refused", 400, "Request refused", log_level=INFO)
MISCONFIGURED = _problem("misconfigured", 500, "Server configuration error", log_level=ERROR)

_SIGN_IN = (
    *("InitiateAuth", "AdminInitiateAuth", "RespondToAuthChallenge", "AdminRespondToAuthChallenge", "GetUser"),
    *("GetTokensFromRefreshToken", "AssociateSoftwareToken", "VerifySoftwareToken"),
)
_ANSWERS = ("RespondToAuthChallenge", "AdminRespondToAuthChallenge", "VerifySoftwareToken")
_USER_STATES = (
    *("UserNotFoundException", "NotAuthorizedException", "UserNotConfirmedException", "PasswordResetRequiredException"),
    "UnsupportedUserStateException",
)
_WRONG_CODES = ("CodeMismatchException", "ExpiredCodeException", *_USER_STATES)
_TRIGGERS = ("UnexpectedLambdaException", "InvalidLambdaResponseException", "UserLambdaValidationException")
_OUTAGES = (
    *("TransportError", "ConnectError", "ConnectTimeoutError", "InvalidResponseError", "InternalErrorException"),
    *("InternalServerException", "InternalFailure", "CodeDeliveryFailureException", "ServiceUnavailable"),
    *("ServiceUnavailableException", "JwksUnavailableError"),
)
_INVALID = ("InvalidParameterException",)
_AMBIGUOUS = ("AmbiguousOutcomeError",)
_REFUSALS = ("UserLambdaValidationException", "ForbiddenException", "UsernameExistsException", "AliasExistsException")


def _for_operations(operations: Sequence[str], names: Sequence[str], problem: Problem) -> Problems:
    return {f"{operation}:{name}": problem for operation in operations for name in names}


PROBLEMS: Problems = {
    str(Fault.APP_CLIENT): MISCONFIGURED,
    str(Fault.PERMISSIONS): MISCONFIGURED,
    str(Fault.QUOTA): evolve(_OUTAGE, retry_after=3600, log_level=ERROR),
    # Identical responses for these, so that none reveals whether a user exists.
    **dict.fromkeys(("PasswordNotAcceptedError", *_WRONG_CODES), WRONG_CODE),
    **_for_operations(["ConfirmSignUp"], _WRONG_CODES, _WRONG_SIGN_UP_CODE),
    **_for_operations(_SIGN_IN, _USER_STATES, _SIGN_IN_REFUSED),
    **dict.fromkeys(("SignInExpiredError", "SignedOutError", "SignInStateError"), _SIGN_IN_REFUSED),
    **_for_operations(
        ["GetTokensFromRefreshToken"], ["RefreshTokenReuseException", "TokenRevokedException"], _SIGN_IN_REFUSED
    ),
    **_for_operations(
        _ANSWERS,
        ["CodeMismatchException", "ExpiredCodeException", "EnableSoftwareTokenMFAException"],
        _WRONG_SIGN_IN_CODE,
    ),
    # Only user input causes these. Some reveal that a user exists ("already confirmed", "no verified address").
    **_for_operations(
        ["ConfirmForgotPassword", "ForgotPassword", "ResendConfirmationCode"],
        _INVALID,
        evolve(WRONG_CODE, log_level=WARNING),
    ),
    **_for_operations(["ConfirmSignUp"], _INVALID, evolve(_WRONG_SIGN_UP_CODE, log_level=WARNING)),
    **_for_operations(["SignUp", "AssociateSoftwareToken", *_ANSWERS], _INVALID, evolve(_REFUSED, log_level=WARNING)),
    **_for_operations(_ANSWERS, ["MFAMethodNotFoundException"], _REFUSED),  # the user has no such second factor
    **_for_operations(
        ["InitiateAuth", "AdminInitiateAuth", "GetTokensFromRefreshToken"],
        _INVALID,
        evolve(_SIGN_IN_REFUSED, log_level=WARNING),
    ),
    # Not a refresh token, or one of another app client.
    **_for_operations(["RevokeToken"], ["UnsupportedTokenTypeException", "UnauthorizedException", *_INVALID], _REFUSED),
    "ConcurrentModificationException": _BUSY,  # two requests of one user, such as a double click
    **dict.fromkeys(
        ("InvalidPasswordException", "PasswordHistoryPolicyViolationException", "WeakPasswordError"), _WEAK_PASSWORD
    ),
    **dict.fromkeys(("LimitExceededException", "TooManyFailedAttemptsException"), _ATTEMPTS),
    "NotAuthenticatedError": _problem("not-authenticated", 401, "Not signed in", "Sign in and send the access token."),
    "TokenError": _problem("invalid-token", 401, "Access token not accepted", "Refresh the token or sign in again."),
    **dict.fromkeys(
        ("TokenScopeError", "TokenGroupError"),
        _problem("insufficient-scope", 403, "Permission denied", "The access token lacks a scope or group."),
    ),
    "RateLimitedError": _RATE_LIMITED,
    **dict.fromkeys((*sorted(THROTTLING_CODES), "RateLimitTimeoutError", "ResetQueueFullError"), _BUSY),
    "AmbiguousOutcomeError": _UNKNOWN,
    **_for_operations(_SIGN_IN, _AMBIGUOUS, _SIGN_IN_UNKNOWN),
    **_for_operations(["SignUp", "ConfirmSignUp"], _AMBIGUOUS, _SIGN_UP_UNKNOWN),
    **_for_operations(["ChangePassword", "AdminSetUserPassword"], _AMBIGUOUS, _CHANGE_UNKNOWN),
    # Lambda triggers run after the password was changed; their failure does not undo it.
    **_for_operations(["ConfirmForgotPassword"], [*_AMBIGUOUS, *_TRIGGERS], _RESET_UNKNOWN),
    "RequestTimeoutError": _problem("timeout", 504, "Service timeout", "Try again in a moment.", log_level=WARNING),
    **dict.fromkeys(_OUTAGES, _OUTAGE),
    **dict.fromkeys(("ParameterValidationError", "BadInputError"), _BAD_INPUT),
    **{f"ParameterValidationError:{parameter}": MISCONFIGURED for parameter in _CONFIGURATION_PARAMETERS},
    "MalformedBodyError": _problem("malformed-body", 400, "Malformed request body", _BODY),
    "UnsupportedBodyError": _problem("unsupported-body", 415, "Unsupported media type", _MEDIA_TYPES),
    "BodyTooLargeError": _problem("body-too-large", 413, "Request body too large"),
    "BodyTimeoutError": _problem("body-timeout", 408, "Request body timeout", "Try again."),
    "CrossOriginError": _problem(
        "cross-origin", 403, "Cross-origin request refused", "Send the request from a page of this site."
    ),
    **dict.fromkeys(_REFUSALS, _REFUSED),
    "CognitoError": MISCONFIGURED,  # all other errors: credentials, missing pools, unknown error codes
}
"""The default table. To change rows: ``{**PROBLEMS, "LimitExceededException": Problem(...)}``."""

# Codes that have one meaning. ForbiddenException: AWS WAF blocked the client.
_CODES_BEFORE_FAULT = THROTTLING_CODES.union(_TRIGGERS, ["ForbiddenException"])


def check_problems(problems: Problems) -> None:
    """Raise ParameterValidationError for a name in a table that no error can have."""
    names = {str(fault) for fault in Fault} | {kind.__name__ for kind in _subclasses(CognitoError)} | CODES.keys()
    for name in problems.keys() - PROBLEMS.keys():
        prefix, _, last = name.rpartition(":")
        if prefix == ParameterValidationError.__name__:  # the last part is a parameter
            continue
        if last not in names:
            _reject(name, last, "error", names)
        if prefix and f"{prefix}Request" not in operations.__all__:
            known = [each.removesuffix("Request") for each in operations.__all__ if each.endswith("Request")]
            _reject(name, prefix, "operation", known)


def error_class(name: str) -> type[CognitoError]:
    """Return the error class with a name; ServiceError for an error code that has no class."""
    own = {kind.__name__: kind for kind in _subclasses(RequestRejectedError)}
    modelled: type[CognitoError] = getattr(errors, name, ServiceError)
    return own.get(name, modelled)


def _subclasses(kind: type[CognitoError]) -> Iterator[type[CognitoError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _subclasses(each)


def _reject(name: str, part: str, what: str, known: Iterable[str]) -> NoReturn:
    similar = get_close_matches(part, known, 1)
    fix = f"write {similar[0]!r}" if similar else "define a subclass of CognitoError for a new one"
    if what == "operation" and not similar:
        fix = "use the name in AWS's documentation"
    raise ParameterValidationError("problems", f"must not have the key {name!r}: there is no {what} {part!r}; {fix}")


def names_of(error: CognitoError) -> Iterator[str]:
    """Yield the names of an error in a table, the most specific first, each with and without the operation."""
    if isinstance(error, AmbiguousOutcomeError):
        yield from _with_operation(error, [AmbiguousOutcomeError.__name__])
    if isinstance(error, ParameterValidationError):
        yield f"{type(error).__name__}:{error.parameter}"
    if error.fault is not None and (error.code or type(error).__name__) not in _CODES_BEFORE_FAULT:
        yield from _with_operation(error, [str(error.fault)])
    classes = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, CognitoError)]
    yield from _with_operation(error, classes if error.code is None else [error.code, *classes])


def _with_operation(error: CognitoError, names: list[str]) -> Iterator[str]:
    yield from (f"{error.operation}:{name}" for name in names)
    yield from names


def problem_of(error: CognitoError, problems: Problems = PROBLEMS) -> Problem:
    """Return the problem of an error; a "misconfigured" one if the table has none."""
    return next((problems[name] for name in names_of(error) if name in problems), MISCONFIGURED)


def log_problem(error: Exception, problems: Problems = PROBLEMS) -> None:
    """Log an error at the level of its problem, without secrets or usernames; other exceptions with a traceback."""
    if not isinstance(error, CognitoError):
        _LOG.error("unexpected exception in a call to Cognito", exc_info=error)
        return
    problem = problem_of(error, problems)
    if problem.log_level is not None:
        # Other messages may contain any user data, those of the operator's errors a recipient.
        about_operator = problem.log_level >= ERROR and error.fault not in {Fault.USER, Fault.TRIGGER}
        message = f": {_RECIPIENT.sub('***', error.message)}" if about_operator else ""
        name = error.code or type(error).__name__
        request = f", request ID {error.request_id}" if error.request_id else ""
        facts = f" (operation {error.operation}, attempts: {error.attempts}{request})"
        _LOG.log(problem.log_level, "%s%s%s", name, facts if error.operation else "", message)
