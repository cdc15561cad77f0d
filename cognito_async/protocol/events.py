"""Events, passed to hooks and attached to log records, and statistics. They contain no secrets."""

from typing import TypeAlias

from attrs import frozen

from cognito_async.errors import AmbiguousOutcomeError, CognitoError
from cognito_async.protocol.retry import RetryKind


@frozen(kw_only=True)
class RetryDetails:
    """A request is about to be retried.

    Attributes:
        operation: The operation's AWS name.
        attempt: The number of the failed attempt, from 1.
        max_attempts: The maximum number of attempts.
        kind: The reason for the retry.
        error: The error of the attempt.
        delay: The backoff, in seconds.
        elapsed: The time since the start of the call, in seconds.
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
    """A request waits for the rate limit of its quota category.

    Attributes:
        operation: The operation's AWS name.
        category: The quota category.
        rate: The current rate of the category, in requests per second.
        wait: The expected wait, in seconds.
    """

    __module__ = "cognito_async"

    operation: str
    category: str
    rate: float
    wait: float


@frozen(kw_only=True)
class AmbiguousDetails:
    """A call ends with an ambiguous outcome.

    Attributes:
        operation: The operation's AWS name.
        error: The error that the call raises.
    """

    __module__ = "cognito_async"

    operation: str
    error: AmbiguousOutcomeError


Event: TypeAlias = RetryDetails | RateLimitDetails | AmbiguousDetails


@frozen(kw_only=True)
class Stats:
    """Statistics of a session.

    Attributes:
        calls: Calls that were started.
        attempts: Requests that were sent.
        succeeded: Calls that succeeded.
        failed: Calls that raised an error, including ambiguous ones.
        ambiguous: Calls that raised AmbiguousOutcomeError.
        retries: Attempts after the first of their call.
        throttled: Attempts that the service throttled.
        rate_limited: Attempts that waited for the rate limit.
        rates: The current rate of each limited quota category, in requests per second.
        waiting: The number of waiting requests in each of those categories.
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
