"""Errors of this package: requests that are rejected before Cognito is called, and configuration errors."""

from collections.abc import Mapping, Sequence

from cognito_async.errors import CognitoError


class SettingsError(ValueError):
    """A setting is missing or invalid. The message names the setting, never its value."""


class PoolNotOpenError(RuntimeError):
    """A dependency was used before the lifespan of its user pool started."""


class RequestRejectedError(CognitoError):
    """Base of errors for requests that are rejected before Cognito is called.

    Attributes:
        field_errors: The broken rules by field name, never a value. Empty if no field is invalid.
    """

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: float | None = None,
        field_errors: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.field_errors: Mapping[str, Sequence[str]] = field_errors or {}


class MalformedBodyError(RequestRejectedError):
    """The request body cannot be parsed, or a form repeats a field."""


class UnsupportedBodyError(RequestRejectedError):
    """The request body is neither JSON nor a form."""


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
