"""Retries: classification of errors, policy, backoff and retry budget.

Pure: randomness is an argument, and nothing sleeps. Numbers and rules follow the standard mode of AWS's SDKs.
"""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from attrs import field, frozen

from cognito_async.errors import CognitoError, InvalidResponseError, ServiceError, TransportError
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.validators import number

if TYPE_CHECKING:
    from cognito_async.protocol.events import RetryDetails

THROTTLING_CODES = frozenset(
    {
        *("BandwidthLimitExceeded", "EC2ThrottledException", "PriorRequestNotComplete", "RequestLimitExceeded"),
        *("ProvisionedThroughputExceededException", "RequestThrottled", "RequestThrottledException", "SlowDown"),
        *("ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException"),
        "TransactionInProgressException",
    }
)
LIMIT_EXCEEDED_CODE = "LimitExceededException"
SERVER_FAULT_CODES = frozenset({"InternalErrorException", "InternalServerException"})
TRANSIENT_CODES = frozenset({"RequestTimeout", "RequestTimeoutException"})
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
TOO_MANY_REQUESTS = 429
FIRST_ERROR_STATUS = 300
RETRY_AFTER_SLACK = 5.0


class RetryKind(Enum):
    """The reason for a retry."""

    __module__ = "cognito_async"

    THROTTLED = "throttled"
    LIMIT_EXCEEDED = "limit_exceeded"
    TRANSIENT = "transient"


# The tokens of a retry.
COSTS = {RetryKind.THROTTLED: 5, RetryKind.LIMIT_EXCEEDED: 5, RetryKind.TRANSIENT: 14}


def classify(error: CognitoError) -> RetryKind | None:
    """Return the reason for which a retry may help; None if there is none."""
    if isinstance(error, TransportError):
        return RetryKind.TRANSIENT
    if error.code == LIMIT_EXCEEDED_CODE:
        return RetryKind.LIMIT_EXCEEDED
    if error.code in THROTTLING_CODES:
        return RetryKind.THROTTLED
    if error.code in TRANSIENT_CODES:
        return RetryKind.TRANSIENT
    if error.code is None:
        return _by_status(error)
    service_failed = type(error) is ServiceError or error.code in SERVER_FAULT_CODES
    return RetryKind.TRANSIENT if service_failed and error.status in TRANSIENT_STATUSES else None


def _by_status(error: CognitoError) -> RetryKind | None:
    if not isinstance(error, InvalidResponseError):
        return None
    if error.status == TOO_MANY_REQUESTS:
        return RetryKind.THROTTLED
    unreadable = error.status is None or error.status < FIRST_ERROR_STATUS
    return RetryKind.TRANSIENT if unreadable or error.status in TRANSIENT_STATUSES else None


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class RetryPolicy(Record):
    """How often and with which backoff a call is retried.

    The backoff before the n-th retry is ``random * min(base * 2**(n-1), max_delay)``: full jitter, so that callers
    that were throttled together do not retry together.

    ``LimitExceededException`` is an allowance per user and hour, not a rate, so it has a separate limit: one retry
    helps if two calls for a user collided, more would use up the allowance. Set ``limit_exceeded_retries=0`` to raise
    it immediately.
    """

    __module__ = "cognito_async"

    max_attempts: int = field(default=3, validator=number(1))
    """Number of attempts; 1 for no retries."""

    limit_exceeded_retries: int = field(default=1, validator=number(0))
    """Retries after LimitExceededException, within ``max_attempts``."""

    throttled_base: float = field(default=1.0, validator=number(0))
    """The base after throttling, in seconds."""

    transient_base: float = field(default=0.05, validator=number(0))
    """The base after a lost connection, a timeout or a server error, in seconds."""

    max_delay: float = field(default=20.0, validator=number(0))
    """The maximum backoff before jitter, in seconds."""

    on_retry: "Callable[[RetryDetails], None] | None" = None
    """Called with RetryDetails before each backoff; an error that it raises ends the call. None for no hook."""

    def allows(self, kind: RetryKind, attempt: int, limit_exceeded: int) -> bool:
        """Return whether another attempt is within the limits, after ``limit_exceeded`` LimitExceededExceptions."""
        if kind is RetryKind.LIMIT_EXCEEDED and limit_exceeded > self.limit_exceeded_retries:
            return False
        return attempt < self.max_attempts

    def delay(self, kind: RetryKind, attempt: int, random: float, retry_after: float | None = None) -> float:
        """Return the backoff in seconds; ``random`` is in [0, 1], ``retry_after`` is the requested pause."""
        base = self.transient_base if kind is RetryKind.TRANSIENT else self.throttled_base
        delay = random * min(base * 2.0 ** min(attempt - 1, 1000), self.max_delay)
        if retry_after is None:
            return delay
        return min(max(retry_after, delay), delay + RETRY_AFTER_SLACK)


class RetryBudget:
    """The retry budget of a session, which prevents retry storms during an outage.

    A retry takes tokens. A successful call returns those of its last retry, or one token if it needed no retry.
    """

    def __init__(self, capacity: int = 500) -> None:
        """Start with a full budget of ``capacity`` tokens."""
        self.capacity: int = capacity
        self.available: int = capacity

    def allows(self, kind: RetryKind) -> bool:
        """Return whether there are enough tokens for a retry."""
        return COSTS[kind] <= self.available

    def take(self, kind: RetryKind) -> int:
        """Take and return the tokens of a retry; 0 if there are too few, and the retry must not happen."""
        if not self.allows(kind):
            return 0
        self.available -= COSTS[kind]
        return COSTS[kind]

    def give_back(self, tokens: int) -> None:
        """Return tokens, up to the capacity."""
        self.available = min(self.available + tokens, self.capacity)
