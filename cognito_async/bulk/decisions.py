"""Decide what to do after a failed request. Pure: the time is an argument."""

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from attrs import frozen

from cognito_async.bulk.rows import DAILY_EMAIL_LIMIT
from cognito_async.errors import (
    AmbiguousOutcomeError,
    CognitoError,
    CredentialsError,
    Fault,
    InvalidResponseError,
    ParameterValidationError,
    SessionClosedError,
    TransportError,
)
from cognito_async.protocol.idempotency import Idempotency, is_ambiguous
from cognito_async.protocol.retry import RetryKind, classify

EMAIL_DAY_STARTS: Final = 9  # the hour (UTC) at which Amazon Cognito resets the daily e-mail limit


class ActionOnError(Enum):
    """What to do after a failed request."""

    REFUSE = "record the row as refused"
    UNKNOWN = "record the row as unknown: ambiguous, and not safe to repeat"
    WAIT = "not applied: retry after a backoff"
    REPEAT = "ambiguous, but safe to repeat: retry after a backoff"
    DEFER = "the user reached a limit: retry much later"
    JOB_ERROR = "every row would fail: keep the row planned and count an error"
    STOP = "no row can be sent: stop the job"
    PAUSE = "the account's limit of messages is reached: pause the job"


# The codes with which the service reports, under Fault.QUOTA, that the account can send no more e-mails or SMS.
MESSAGE_LIMIT_CODES: Final = frozenset(
    {"CodeDeliveryFailureException", "InvalidParameterException", "LimitExceededException"}
)


@frozen
class Decision:
    """What to do after a failed request, and why."""

    action: ActionOnError
    code: str
    reason: str  # the error message, without secrets
    backoff: RetryKind = RetryKind.THROTTLED
    retry_after: float | None = None  # as the service requested, in seconds


def decide(error: CognitoError, idempotency: Idempotency, *, ambiguous: bool) -> Decision:
    """Decide what to do after a failed request; ``ambiguous``: an earlier one for the row may have been applied."""
    last = error.history[-1] if isinstance(error, AmbiguousOutcomeError) and error.history else error
    kind = classify(last)
    action = _action(last, kind, idempotency, ambiguous=ambiguous)
    code = DAILY_EMAIL_LIMIT if action is ActionOnError.PAUSE else last.code or _class_name(last)
    return Decision(action, encodable(code), encodable(last.message), kind or RetryKind.TRANSIENT, last.retry_after)


def _action(  # noqa: PLR0911 - one return per rule, in order
    error: CognitoError, kind: RetryKind | None, idempotency: Idempotency, *, ambiguous: bool
) -> ActionOnError:
    if isinstance(error, ParameterValidationError):
        return ActionOnError.REFUSE
    if isinstance(error, CredentialsError | SessionClosedError):
        return ActionOnError.STOP
    if error.fault in {Fault.APP_CLIENT, Fault.PERMISSIONS}:  # the job's configuration, which every row would meet
        return ActionOnError.JOB_ERROR
    if is_ambiguous(error):  # before throttling: status 429 without an error code may come from a proxy
        return ActionOnError.REPEAT if idempotency.retries_when_ambiguous else ActionOnError.UNKNOWN
    if kind is RetryKind.THROTTLED or error.fault is Fault.QUOTA:
        return ActionOnError.PAUSE if error.code in MESSAGE_LIMIT_CODES else ActionOnError.WAIT
    if kind is RetryKind.TRANSIENT or isinstance(error, TransportError):
        return ActionOnError.WAIT
    if isinstance(error, InvalidResponseError):  # a proxy refuses every request, for example with status 407
        return ActionOnError.JOB_ERROR
    if ambiguous and error.code in idempotency.applied:
        return ActionOnError.UNKNOWN
    return ActionOnError.DEFER if kind is RetryKind.LIMIT_EXCEEDED else ActionOnError.REFUSE


def encodable(text: str) -> str:
    """Replace lone surrogates, which a message of the service may hold and a file cannot."""
    return text.encode(errors="replace").decode()


def _class_name(error: CognitoError) -> str:
    """Return the name of the error's class, or of the base class that this library defines."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] == "cognito_async")


def next_email_day(now: datetime) -> datetime:
    """Return when the daily e-mail limit is reset next, for an aware datetime."""
    start = now.astimezone(UTC).replace(hour=EMAIL_DAY_STARTS, minute=0, second=0, microsecond=0)
    return start if start > now else start + timedelta(days=1)
