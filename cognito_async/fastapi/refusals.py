"""Errors of this package's own making: what it refuses before the service is asked."""

from collections.abc import Mapping, Sequence

from cognito_async.errors import CognitoError

__all__ = [
    "BadInputError",
    "BodyTooLargeError",
    "CrossOriginError",
    "MalformedBodyError",
    "PasswordNotAcceptedError",
    "PoolNotOpenError",
    "RateLimitedError",
    "RefusalError",
    "ResetQueueFullError",
    "SettingsError",
    "UnsupportedBodyError",
    "WeakPasswordError",
]


class SettingsError(ValueError):
    """A setting is missing or can't be right; the text names it, and never its value."""


class PoolNotOpenError(RuntimeError):
    """A dependency was used where no lifespan has opened its pool; the text says what to do."""


class RefusalError(CognitoError):
    """Base of what is refused before the service is asked.

    Attributes:
        faults: What is wrong with which field: rules by the field's name, never a value. Empty if no field is at fault.
    """

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, faults: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Take what is wrong.

        Args:
            message: What happened, in one sentence; holds no secret.
            retry_after: When it makes sense to come back, in seconds; None if waiting does not help.
            faults: The rules that are broken, by the field's name; None for none.
        """
        super().__init__(message, retry_after=retry_after)
        self.faults: Mapping[str, Sequence[str]] = faults or {}


class MalformedBodyError(RefusalError):
    """The request's body is not what its content type says."""


class UnsupportedBodyError(RefusalError):
    """The request's body is neither JSON nor a form."""


class BodyTooLargeError(RefusalError):
    """The request's body is larger than any honest one."""


class BadInputError(RefusalError):
    """Fields are missing, or can't be right."""


class WeakPasswordError(RefusalError):
    """The new password breaks the policy that is checked before the service is asked."""


class PasswordNotAcceptedError(RefusalError):
    """The pool refused a password that keeps to the policy; told apart from a wrong code, it would tell who exists."""


class CrossOriginError(RefusalError):
    """A page of another site sent the form."""


class RateLimitedError(RefusalError):
    """There were too many requests from one address, or for one user name."""


class ResetQueueFullError(RefusalError):
    """So many password resets wait to be requested that no more are taken."""
