"""What a failed request means for its row and for the job. Pure: the time and chance are arguments."""

import re
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from attrs import frozen

from cognito_async.bulk.rows import DAILY_EMAIL
from cognito_async.errors import (
    AmbiguousOutcomeError,
    CognitoError,
    CredentialsError,
    InvalidResponseError,
    ParameterValidationError,
    SessionClosedError,
    TransportError,
)
from cognito_async.protocol.idempotency import Idempotency, is_ambiguous
from cognito_async.protocol.retry import RetryKind, classify


class Course(Enum):
    """What to do next about a row."""

    REFUSE = "it can't be done as it stands"
    DOUBT = "nobody can tell, and asking again would not tell or would do harm"
    WAIT = "nothing was applied: send again after a pause"
    REPEAT = "it may have been applied: send again after a pause, which does no harm"
    DEFER = "the user's allowance is used up: try again much later"
    BLAME = "the job is at fault and not the row: try again when that is mended"
    STOP = "no row can be sent"
    PAUSE = "the day's e-mail is used up: stop until there is more"


JOB_CODES: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "InvalidClientTokenId",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "ResourceNotFoundException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "InvalidEmailRoleAccessPolicyException",
        "InvalidSmsRoleAccessPolicyException",
        "InvalidSmsRoleTrustRelationshipException",
    }
)
"""What is said of credentials, pools and app clients: every row would be refused with it."""

_DAILY_EMAIL: Final = re.compile(r"daily e-?mail limit", re.IGNORECASE)
_CLIENT_AT_FAULT: Final = re.compile(r"secret[ _]?hash|for client", re.IGNORECASE)
EMAIL_DAY_STARTS: Final = 9
"""The hour (UTC) at which Amazon Cognito counts a day's e-mail anew, by its quotas page."""


@frozen
class Ruling:
    """What to do next about a row, and why.

    Attributes:
        course: What to do.
        code: The kind of trouble.
        reason: What happened, in a sentence without secrets.
        kind: Which pauses fit: those after throttling or those after a fault.
        retry_after: The pause that the service asked for, in seconds; None if it requested none.
    """

    course: Course
    code: str
    reason: str
    kind: RetryKind = RetryKind.THROTTLED
    retry_after: float | None = None


def rule(error: CognitoError, idempotency: Idempotency, *, ambiguous: bool) -> Ruling:
    """Judge what a row's single attempt ended with.

    Args:
        error: What the attempt ended with.
        idempotency: How safe the operation is to repeat.
        ambiguous: Whether an earlier attempt for the row may have been applied.

    Returns:
        The ruling.
    """
    last = error.history[-1] if isinstance(error, AmbiguousOutcomeError) and error.history else error
    course, kind = _course(last, idempotency, ambiguous=ambiguous)
    code = DAILY_EMAIL if course is Course.PAUSE else last.code or _class_name(last)
    return Ruling(course, writable(code), writable(last.message), kind, last.retry_after)


def writable(text: str) -> str:
    """Make text fit for a file: what the service said may hold half of a surrogate pair."""
    return text.encode(errors="replace").decode()


def _course(error: CognitoError, idempotency: Idempotency, *, ambiguous: bool) -> tuple[Course, RetryKind]:  # noqa: PLR0911 - one for each rule, in order
    kind = classify(error)
    if isinstance(error, ParameterValidationError):
        return Course.REFUSE, RetryKind.TRANSIENT
    if isinstance(error, CredentialsError | SessionClosedError):
        return Course.STOP, RetryKind.TRANSIENT
    if _blames_the_job(error):
        return Course.BLAME, RetryKind.TRANSIENT
    if kind is RetryKind.LIMIT_EXCEEDED:
        return _limit(error, idempotency, ambiguous=ambiguous), kind
    if kind is RetryKind.THROTTLED:
        return Course.WAIT, kind
    if is_ambiguous(error):
        return Course.REPEAT if idempotency.retries_when_ambiguous else Course.DOUBT, RetryKind.TRANSIENT
    if isinstance(error, TransportError) or kind is RetryKind.TRANSIENT:
        return Course.WAIT, RetryKind.TRANSIENT
    doubtful = ambiguous and error.code in idempotency.applied
    return Course.DOUBT if doubtful else Course.REFUSE, RetryKind.TRANSIENT


def _limit(error: CognitoError, idempotency: Idempotency, *, ambiguous: bool) -> Course:
    if _DAILY_EMAIL.search(error.message):
        return Course.PAUSE
    return Course.DOUBT if ambiguous and error.code in idempotency.applied else Course.DEFER


def _blames_the_job(error: CognitoError) -> bool:
    """Tell whether every row would be refused so: for the credentials, the pool, the app client, or by a proxy."""
    if error.code == "NotAuthorizedException":
        return _CLIENT_AT_FAULT.search(error.message) is not None
    if isinstance(error, InvalidResponseError):
        return classify(error) is None and not is_ambiguous(error)
    return error.code in JOB_CODES


def _class_name(error: CognitoError) -> str:
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("cognito_async.errors"))


def next_email_day(now: datetime) -> datetime:
    """Tell when the day's e-mail is counted anew.

    Args:
        now: The time, with its zone.

    Returns:
        The next 09:00 UTC.
    """
    start = now.astimezone(UTC).replace(hour=EMAIL_DAY_STARTS, minute=0, second=0, microsecond=0)
    return start if start > now else start + timedelta(days=1)
