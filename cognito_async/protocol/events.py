"""What hooks and log records are told: plain facts, without a secret."""

from typing import TypeAlias

from attrs import frozen

from cognito_async.errors import AmbiguousOutcomeError, CognitoError
from cognito_async.protocol.retry import RetryKind


@frozen(kw_only=True)
class RetryDetails:
    """A request is about to be sent again.

    Attributes:
        operation: The operation's AWS name.
        attempt: The number of the attempt that failed, from 1.
        max_attempts: How many attempts the policy allows.
        kind: Why it is tried again.
        error: What the attempt ended with; its text holds no secret.
        delay: The pause before the next attempt, in seconds.
        elapsed: How long the call has taken so far, in seconds.
    """

    __module__ = "cognito_async"

    operation: str
    attempt: int
    max_attempts: int
    kind: RetryKind
    error: CognitoError
    delay: float
    elapsed: float


@frozen(kw_only=True)
class RateLimitDetails:
    """A request waits for its turn within its quota category.

    Attributes:
        operation: The operation's AWS name.
        category: The quota category.
        rate: The category's present rate, in requests a second.
        wait: How long it will wait at that rate, in seconds.
    """

    __module__ = "cognito_async"

    operation: str
    category: str
    rate: float
    wait: float


@frozen(kw_only=True)
class AmbiguousDetails:
    """A call ends without anybody knowing whether it was applied.

    Attributes:
        operation: The operation's AWS name.
        error: The error that the caller gets.
    """

    __module__ = "cognito_async"

    operation: str
    error: AmbiguousOutcomeError


Event: TypeAlias = RetryDetails | RateLimitDetails | AmbiguousDetails
"""What ``on_event`` of a session is called with."""


@frozen(kw_only=True)
class Stats:
    """What a session has done so far.

    Attributes:
        calls: Calls that were begun.
        attempts: Requests that were sent for them.
        succeeded: Calls that succeeded.
        failed: Calls that ended in an error, ambiguous ones included.
        ambiguous: Calls that ended in AmbiguousOutcomeError.
        retries: Attempts after the first of their call.
        throttled: Attempts that the service throttled.
        rate_limited: Attempts that waited for their turn.
        rates: The present rate of each quota category that is limited, in requests a second.
        waiting: How many requests wait in each of those categories.
    """

    __module__ = "cognito_async"

    calls: int
    attempts: int
    succeeded: int
    failed: int
    ambiguous: int
    retries: int
    throttled: int
    rate_limited: int
    rates: dict[str, float]
    waiting: dict[str, int]
