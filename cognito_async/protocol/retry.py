"""When to send a request again, how long to wait before, and how much of that a session may do.

Pure: the randomness is an argument and nothing here sleeps. The numbers and the order of the rules are those of AWS's
own SDKs in their standard mode.
"""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from attrs import field, frozen

from cognito_async.errors import CognitoError, InvalidResponseError, ServiceError, TransportError
from cognito_async.protocol.settings import number
from cognito_async.protocol.shapes import Record

if TYPE_CHECKING:
    from cognito_async.protocol.events import RetryDetails

THROTTLING_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
LIMIT_EXCEEDED_CODE = "LimitExceededException"
SERVER_FAULT_CODES = frozenset({"InternalErrorException", "InternalServerException"})
TRANSIENT_CODES = frozenset({"RequestTimeout", "RequestTimeoutException"})
RETRIED_CODES = THROTTLING_CODES | SERVER_FAULT_CODES | TRANSIENT_CODES
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
TOO_MANY_REQUESTS = 429
FIRST_ERROR_STATUS = 300
RETRY_AFTER_SLACK = 5.0


class RetryKind(Enum):
    """Why a request may be sent again."""

    __module__ = "cognito_async"

    THROTTLED = "throttled"
    LIMIT_EXCEEDED = "limit_exceeded"
    TRANSIENT = "transient"


# What a retry costs of the session's retry quota, in tokens.
PRICES = {RetryKind.THROTTLED: 5, RetryKind.LIMIT_EXCEEDED: 5, RetryKind.TRANSIENT: 14}


def classify(error: CognitoError) -> RetryKind | None:
    """Tell whether, and why, sending again may help.

    The code decides; the status only where there is no code or where the service says that it failed.

    Args:
        error: What the attempt ended with.

    Returns:
        The kind of retry, or None where repeating can't change the answer.
    """
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
    its_own_fault = type(error) is ServiceError or error.code in SERVER_FAULT_CODES  # an unknown code, or one of these
    return RetryKind.TRANSIENT if its_own_fault and error.status in TRANSIENT_STATUSES else None


def _by_status(error: CognitoError) -> RetryKind | None:
    if not isinstance(error, InvalidResponseError):
        return None
    if error.status == TOO_MANY_REQUESTS:
        return RetryKind.THROTTLED
    unreadable = error.status is None or error.status < FIRST_ERROR_STATUS
    return RetryKind.TRANSIENT if unreadable or error.status in TRANSIENT_STATUSES else None


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class RetryPolicy(Record):
    """How often and with which pauses a call is tried again.

    The pause before the n-th retry is ``random * min(base * 2**(n-1), max_delay)``: full jitter, so that callers who
    were throttled together do not come back together.

    ``LimitExceededException`` has its own, smaller cap. It is an allowance per user and hour, not a rate: the first
    retry helps where two calls for one user met, further ones only spend what the user has left. Set
    ``limit_exceeded_retries=0`` to see it at once.

    Attributes:
        max_attempts: Attempts in all, 1 for no retries.
        limit_exceeded_retries: Retries after LimitExceededException, within ``max_attempts``.
        throttled_base: The base in seconds after throttling.
        transient_base: The base in seconds after a lost connection, a timeout or a server's failure.
        max_delay: The longest pause in seconds before jitter.
        on_retry: Called with a RetryDetails before each pause; an error that it raises ends the call. None for no hook.
    """

    __module__ = "cognito_async"

    max_attempts: int = field(default=3, validator=number(1))
    limit_exceeded_retries: int = field(default=1, validator=number(0))
    throttled_base: float = field(default=1.0, validator=number(0))
    transient_base: float = field(default=0.05, validator=number(0))
    max_delay: float = field(default=20.0, validator=number(0))
    on_retry: "Callable[[RetryDetails], None] | None" = None

    def allows(self, kind: RetryKind, attempt: int, limit_exceeded: int) -> bool:
        """Tell whether another attempt is within the caps.

        Args:
            kind: Why it would be tried again.
            attempt: The number of the attempt that failed, from 1.
            limit_exceeded: How many of the attempts so far ended in LimitExceededException.

        Returns:
            True if so.
        """
        if kind is RetryKind.LIMIT_EXCEEDED and limit_exceeded > self.limit_exceeded_retries:
            return False
        return attempt < self.max_attempts

    def delay(self, kind: RetryKind, attempt: int, random: float, retry_after: float | None = None) -> float:
        """Compute the pause after a failed attempt.

        Args:
            kind: Why it is tried again.
            attempt: The number of the attempt that failed, from 1.
            random: A random number in [0, 1].
            retry_after: The pause requested by the service, in seconds; None if it requested none.

        Returns:
            The pause in seconds.
        """
        base = self.transient_base if kind is RetryKind.TRANSIENT else self.throttled_base
        delay = random * min(base * 2.0 ** min(attempt - 1, 1000), self.max_delay)
        if retry_after is None:
            return delay
        return min(max(retry_after, delay), delay + RETRY_AFTER_SLACK)


class RetryQuota:
    """The retry tokens that the calls of a session share, so that an outage is not answered with a flood.

    A retry takes tokens. A call that succeeds after a retry gives the last retry's tokens back; one that needed none
    gives one token. When too few are left, errors are raised without a retry.
    """

    def __init__(self, capacity: int = 500) -> None:
        """Start with a full quota of ``capacity`` tokens."""
        self.capacity: int = capacity
        self.available: int = capacity

    def affords(self, kind: RetryKind) -> bool:
        """Tell whether there are tokens for one retry."""
        return PRICES[kind] <= self.available

    def take(self, kind: RetryKind) -> int:
        """Take the tokens for one retry.

        Returns:
            How many were taken; 0 if too few are left, and then the retry must not happen.
        """
        if not self.affords(kind):
            return 0
        self.available -= PRICES[kind]
        return PRICES[kind]

    def give_back(self, tokens: int) -> None:
        """Give tokens back, up to the capacity."""
        self.available = min(self.available + tokens, self.capacity)
