"""The base classes of all errors, and the errors that the service does not report itself."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar

# fmt: off
__all__ = [
    "AmbiguousOutcomeError", "ChallengeAlreadyAnsweredError", "CognitoError", "ConnectError", "ConnectTimeoutError",
    "CredentialsError", "Fault", "InvalidResponseError", "PaginationError", "ParameterValidationError",
    "RateLimitTimeoutError", "RequestTimeoutError", "ServiceError", "SessionClosedError", "SignInExpiredError",
    "SignedOutError", "TokenStoreError", "TransportError",
]
# fmt: on


class Fault(Enum):
    """Who has to act on an error of the service."""

    __module__ = "cognito_async"

    USER = "user"
    """The user, or a value sent for the user: a wrong code, a weak password, too many attempts, a disabled user."""

    APP_CLIENT = "app_client"
    """The app client, its secret or the user pool: the application's configuration is wrong."""

    QUOTA = "quota"
    """A quota of the AWS account, such as the daily e-mail limit, the SMS spend or the request rate."""

    PERMISSIONS = "permissions"
    """The AWS credentials, a role that the user pool uses, or the web ACL (AWS WAF) of the user pool."""

    TRIGGER = "trigger"
    """A Lambda trigger of the user pool."""

    SERVICE = "service"
    """The service itself."""


class CognitoError(Exception):
    """Base class of all errors of this library."""

    __module__ = "cognito_async"

    def __init_subclass__(cls) -> None:
        """Show errors under the name that users import."""
        if cls.__module__.startswith("cognito_async.errors"):
            cls.__module__ = "cognito_async"

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        operation: str | None = None,
        attempts: int = 0,
        retry_after: float | None = None,
        server_date: str | None = None,
        fault: Fault | None = None,
    ) -> None:
        super().__init__(message)

        self.message: str = message
        """The problem, in one sentence. Passwords, codes, tokens and other secrets are masked."""

        self.code: str | None = code
        """The service's error code, e.g. ``"CodeMismatchException"``. None if the service sent none."""

        self.status: int | None = status
        """The HTTP status of the response. None without a response."""

        self.request_id: str | None = request_id
        """The service's request ID, for AWS support. None without a response."""

        self.operation: str | None = operation
        """The operation's AWS name, e.g. ``"ConfirmForgotPassword"``. None outside an operation."""

        self.attempts: int = attempts
        """The number of attempts. 0 if nothing was sent."""

        self.retry_after: float | None = retry_after
        """The pause requested by the service, in seconds. None if it requested none."""

        self.server_date: str | None = server_date
        """The response's Date header as sent. None without one."""

        self.fault: Fault | None = fault or self._default_fault()
        """Who has to act, see ``Fault``. None if the error is not an error response of the service."""

    def _default_fault(self) -> Fault | None:
        return None

    def __str__(self) -> str:
        """Return the message, followed by the known details in parentheses."""
        facts = [
            self.code if self.code != self.message else None,
            self.operation,
            f"HTTP {self.status}" if self.status is not None else None,
            f"request id {self.request_id}" if self.request_id else None,
            f"{self.attempts} attempts" if self.attempts > 1 else None,
        ]
        known = ", ".join(fact for fact in facts if fact)
        return f"{self.message} ({known})" if known else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all attributes in copies and pickles."""
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(kind: type[CognitoError], message: str, attributes: Mapping[str, Any]) -> CognitoError:
    error = kind.__new__(kind, message)
    Exception.__init__(error, message)
    error.__dict__.update(attributes)
    return error


class ParameterValidationError(CognitoError, ValueError):
    """A parameter is invalid; nothing was sent."""

    def __init__(
        self, parameter: str, rule: str, *, operation: str | None = None, others: Iterable[tuple[str, str]] = ()
    ) -> None:
        super().__init__(f"{parameter} {rule}", operation=operation)

        self.parameter: str = parameter
        """The path of the parameter, e.g. ``"user_attributes[3].name"``."""

        self.rule: str = rule
        """The violated rule, e.g. ``"must have at least 6 characters"``. It never contains the value."""

        self.errors: tuple[tuple[str, str], ...] = ((parameter, rule), *others)
        """All invalid parameters of a request, as pairs of parameter and rule.

        ``parameter`` and ``rule`` are the first pair.
        """


class SessionClosedError(CognitoError, RuntimeError):
    """The session was closed; open a new one."""

    sent: bool | None = False
    """False if the request was not sent; None if an earlier attempt of the call may have been."""


class CredentialsError(CognitoError):
    """No usable AWS credentials for an operation that needs them; the message lists the places searched."""


class PaginationError(CognitoError):
    """The service returned a page token twice, so the listing would never end."""


class SignedOutError(CognitoError):
    """There are no usable tokens of the user, who must sign in."""

    code: str | None
    """The error code with which the service refused the refresh token, e.g. ``"NotAuthorizedException"``.

    None if there were no tokens, or if they expired without a refresh token.
    """


class TokenStoreError(CognitoError):
    """A token store cannot be read, written or locked. The error of the operating system, if any, is the cause."""


class InvalidResponseError(CognitoError):
    """The response cannot be read: a proxy's HTML page, truncated JSON, a body over the size limit."""


class SignInExpiredError(CognitoError):
    """The session of a sign-in has expired or was used; start a new sign-in.

    ``code``, ``status`` and ``request_id`` are those of the service's error, which is the cause.
    """


class ChallengeAlreadyAnsweredError(CognitoError, RuntimeError):
    """The challenge was answered before, or another answer is in progress; nothing was sent."""


class TransportError(CognitoError):
    """No usable response was received."""

    def __init__(self, message: str = "", *, sent: bool | None = None, operation: str | None = None) -> None:
        super().__init__(message, operation=operation)

        self.sent: bool | None = sent
        """Whether the request was sent: False (the service cannot have received it), True, or None (unknown)."""


class ConnectError(TransportError):
    """No connection: refused, unknown host, TLS failure. Nothing was sent."""


class RequestTimeoutError(TransportError, TimeoutError):
    """The attempt or the call timed out; ``sent`` says whether the request was sent."""


class ConnectTimeoutError(ConnectError, RequestTimeoutError):
    """No connection within the connect timeout. Nothing was sent."""


class RateLimitTimeoutError(RequestTimeoutError):
    """The rate limit of the quota category leaves no slot within the timeout. Nothing was sent."""


class AmbiguousOutcomeError(CognitoError):
    """The operation may or may not have been applied.

    If the last attempt was ambiguous itself, the error is also an instance of that attempt's error class, so that
    ``except TimeoutError`` works. If a retry was rejected after an ambiguous attempt, it is not: an "expired code"
    after a lost response may mean that the code was used. ``fault`` is that of the last attempt, which is the cause.
    """

    how_to_verify: str = ""
    """How to find out whether it was applied, e.g. ``"Sign in with the new password."``."""

    history: tuple[CognitoError, ...] = ()
    """The error of each attempt, in order."""


def ambiguous(
    error: CognitoError, history: tuple[CognitoError, ...], how_to_verify: str, *, refused: bool
) -> AmbiguousOutcomeError:
    """Return the error for an unknown outcome; ``refused``: an attempt after an ambiguous one was rejected."""
    kind = AmbiguousOutcomeError if refused else _also(type(error))
    reason = "was rejected after an attempt without a response" if refused else "got no conclusive response"
    message = (
        f"{error.operation} {reason}: it may or may not have been applied. {how_to_verify} (Last: {error.message})"
    )
    outcome = kind.__new__(kind, message)
    Exception.__init__(outcome, message)
    outcome.__dict__.update(error.__dict__, message=message, how_to_verify=how_to_verify, history=history)
    if getattr(error, "sent", None) is False:
        outcome.__dict__["sent"] = None  # the last attempt was not sent, but an earlier one may have been
    if refused:
        outcome.code = None
    return outcome


def _also(kind: type[CognitoError]) -> type[AmbiguousOutcomeError]:
    """Return the class of ambiguous errors that are also of another class."""
    if kind not in _ALSO:
        methods = {"__reduce__": _reduce_ambiguous}
        _ALSO[kind] = type("AmbiguousOutcomeError", (AmbiguousOutcomeError, kind), methods)
    return _ALSO[kind]


_ALSO: dict[type[CognitoError], type[AmbiguousOutcomeError]] = {}


def _reduce_ambiguous(error: AmbiguousOutcomeError) -> tuple[Any, ...]:
    return _rebuild_ambiguous, (type(error).__mro__[2], error.message, error.__dict__)


def _rebuild_ambiguous(kind: type[CognitoError], message: str, attributes: Mapping[str, Any]) -> CognitoError:
    return _rebuild(_also(kind), message, attributes)


class ServiceError(CognitoError):
    """The service responded with an error.

    Declared errors are subclasses with AWS's names. Other errors are instances of this class; ``code`` holds the code.
    ``fault`` is always set: without the argument it follows from code, message, status and operation.
    """

    EXTRA_MEMBERS: ClassVar[Mapping[str, str]] = {}
    """Attributes beyond the message that this error carries, with their wire names."""

    signature_expired: bool = False
    """Whether the service rejected the time of the request's signature."""

    def _default_fault(self) -> Fault:
        # Imported here because successful calls do not need the table.
        from cognito_async.errors.faults import fault_of  # noqa: PLC0415

        code = self.code or type(self).__name__
        return fault_of(code, self.message, status=self.status, operation=self.operation)
