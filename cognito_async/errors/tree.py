"""The errors that are ours; those that the service declares are generated beside this file."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

__all__ = [
    "AmbiguousOutcomeError",
    "CognitoError",
    "ConnectError",
    "ConnectTimeoutError",
    "CredentialsError",
    "Fault",
    "InvalidResponseError",
    "PaginationError",
    "ParameterValidationError",
    "RateLimitTimeoutError",
    "RequestTimeoutError",
    "ServiceError",
    "SessionClosedError",
    "TransportError",
]


class Fault(Enum):
    """Who has to act on an error of the service."""

    USER = "user"
    """The user or the values sent for the user: a wrong code, a weak password, an unknown or disabled user."""

    APP_CLIENT = "app_client"
    """The app client, its secret or the user pool: the application's configuration is wrong."""

    QUOTA = "quota"
    """A quota of the account, such as the daily e-mail limit or the request rate."""

    PERMISSIONS = "permissions"
    """The AWS credentials or the permissions of a role that the user pool uses."""

    TRIGGER = "trigger"
    """A Lambda trigger of the user pool."""

    SERVICE = "service"
    """The service itself."""


class CognitoError(Exception):
    """Base of every error that this library raises.

    Attributes:
        message: What happened, in one sentence; holds no secret.
        code: The service's error code, e.g. ``"CodeMismatchException"``; None where the service gave none.
        status: The HTTP status of the answer; None where there was no answer.
        request_id: The service's id of the request, for AWS support; None where there was no answer.
        operation: The operation's AWS name, e.g. ``"ConfirmForgotPassword"``; None outside an operation.
        attempts: How many times the request was sent; 0 where nothing was sent.
        retry_after: The pause requested by the service, in seconds; None if it requested none.
        server_date: The answer's Date header as sent; None where there was none.
        fault: Who has to act; None if the error is not a response of the service.
    """

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
        self.code: str | None = code
        self.status: int | None = status
        self.request_id: str | None = request_id
        self.operation: str | None = operation
        self.attempts: int = attempts
        self.retry_after: float | None = retry_after
        self.server_date: str | None = server_date
        self.fault: Fault | None = fault

    def __str__(self) -> str:
        """Give the message, then what is known of the call, in brackets."""
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
        """Survive pickling, which would otherwise lose the keyword-only arguments."""
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(kind: type[CognitoError], message: str, attributes: Mapping[str, Any]) -> CognitoError:
    error = kind.__new__(kind, message)
    Exception.__init__(error, message)
    error.__dict__.update(attributes)
    return error


class ParameterValidationError(CognitoError, ValueError):
    """A value was refused before anything was sent.

    Attributes:
        parameter: The path of the parameter, e.g. ``"user_attributes[3].name"``.
        rule: The rule that it breaks, e.g. ``"must have at least 6 characters"``. The value is never shown.
    """

    def __init__(self, parameter: str, rule: str, *, operation: str | None = None) -> None:
        super().__init__(f"{parameter} {rule}", operation=operation)
        self.parameter: str = parameter
        self.rule: str = rule


class SessionClosedError(CognitoError, RuntimeError):
    """The session was closed; open a new one.

    Attributes:
        sent: False if the request was not sent; None if an earlier attempt of the call may have been.
    """

    sent: bool | None = False


class CredentialsError(CognitoError):
    """No usable AWS credentials for an operation that must be signed; the message names each place looked at."""


class PaginationError(CognitoError):
    """The service's page tokens repeat, which would never end."""


class InvalidResponseError(CognitoError):
    """An answer that can't be read: a proxy's HTML, truncated JSON, a body over the size limit."""


class TransportError(CognitoError):
    """No usable answer came back.

    Attributes:
        sent: Whether the request had left: False (the service can't have seen it), True, or None (unknown).
    """

    def __init__(self, message: str = "", *, sent: bool | None = None, operation: str | None = None) -> None:
        super().__init__(message, operation=operation)
        self.sent: bool | None = sent


class ConnectError(TransportError):
    """No connection: refused, unknown host, TLS failure. Nothing was sent."""


class RequestTimeoutError(TransportError, TimeoutError):
    """A time limit ended the attempt or the call; ``sent`` tells whether the request had left."""


class ConnectTimeoutError(ConnectError, RequestTimeoutError):
    """No connection within the connect limit. Nothing was sent."""


class RateLimitTimeoutError(RequestTimeoutError):
    """The call's turn within its quota category would have come after its time limit. Nothing was sent."""


class AmbiguousOutcomeError(CognitoError):
    """The service may or may not have done it: no answer tells, and asking again would not tell either.

    Where the last attempt itself was the ambiguous one, the error is an instance of that attempt's error class too, so
    that ``except TimeoutError`` goes on working. Where a repetition was refused, it never is: an "expired code" after a
    lost answer may be the trace of a success. The cause is the last attempt's error.

    Attributes:
        how_to_verify: How to find out, e.g. ``"Sign in with the new password."``.
        history: What each attempt of the call ended with, in order.
    """

    how_to_verify: str = ""
    history: tuple[CognitoError, ...] = ()


def ambiguous(
    error: CognitoError, history: tuple[CognitoError, ...], how_to_verify: str, *, refused: bool
) -> AmbiguousOutcomeError:
    """Make the error for a call whose outcome is unknown.

    Args:
        error: What the last attempt ended with.
        history: What each attempt ended with.
        how_to_verify: How to find out.
        refused: Whether the last attempt was refused, after an earlier one that was ambiguous.

    Returns:
        The error, to be raised from the last one.
    """
    kind = AmbiguousOutcomeError if refused else _also(type(error))
    said = "was refused after an attempt whose answer was lost" if refused else "got no clear answer"
    message = f"{error.operation} {said}: it may or may not have been applied. {how_to_verify} (Last: {error.message})"
    outcome = kind.__new__(kind, message)
    Exception.__init__(outcome, message)
    outcome.__dict__.update(error.__dict__, message=message, how_to_verify=how_to_verify, history=history)
    if refused:
        outcome.code = None
    return outcome


def _also(kind: type[CognitoError]) -> type[AmbiguousOutcomeError]:
    """Make the class of ambiguous errors that are also of another class, once for each."""
    made = _ALSO.get(kind)
    if made is None:
        made = type("AmbiguousOutcomeError", (AmbiguousOutcomeError, kind), {"__reduce__": _reduce_ambiguous})
        _ALSO[kind] = made
    return made


_ALSO: dict[type[CognitoError], type[AmbiguousOutcomeError]] = {}


def _reduce_ambiguous(error: AmbiguousOutcomeError) -> tuple[Any, ...]:
    return _rebuild_ambiguous, (type(error).__mro__[2], error.message, error.__dict__)


def _rebuild_ambiguous(kind: type[CognitoError], message: str, attributes: Mapping[str, Any]) -> CognitoError:
    return _rebuild(_also(kind), message, attributes)


class ServiceError(CognitoError):
    """The service answered with an error.

    The declared ones are subclasses named as AWS names them; a code that this version doesn't know comes as this class,
    with the code kept in ``code``.
    """

    EXTRA_MEMBERS: ClassVar[Mapping[str, str]] = {}
    """Attributes beyond the message that this error carries, with their wire names."""
