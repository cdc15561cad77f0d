"""Events, passed to hooks and attached to log records, and statistics. They contain no secrets."""

from typing import TypeAlias

from attrs import frozen

from cognito_async.errors import AmbiguousOutcomeError, CognitoError
from cognito_async.protocol.retry import RetryKind


@frozen(kw_only=True)
class RetryDetails:
    """A request is about to be retried."""

    __module__ = "cognito_async"

    operation: str  # the AWS name
    attempt: int  # the number of the failed attempt, from 1
    max_attempts: int
    kind: RetryKind  # the reason for the retry
    error: CognitoError  # of the failed attempt
    delay: float  # the backoff, in seconds
    elapsed: float  # the time since the start of the call, in seconds


@frozen(kw_only=True)
class RateLimitDetails:
    """A request waits for the rate limit of its quota category."""

    __module__ = "cognito_async"

    operation: str  # the AWS name
    category: str  # the quota category
    rate: float  # the current rate of the category, in requests per second
    wait: float  # the expected wait, in seconds


@frozen(kw_only=True)
class AmbiguousDetails:
    """A call ends with an ambiguous outcome."""

    __module__ = "cognito_async"

    operation: str  # the AWS name
    error: AmbiguousOutcomeError  # the error that the call raises


Event: TypeAlias = RetryDetails | RateLimitDetails | AmbiguousDetails


@frozen(kw_only=True)
class ResponseMetadata:
    """Facts about the call of a response, see ``response.metadata``."""

    __module__ = "cognito_async"

    request_id: str | None  # the service's request ID, for AWS support; None if the response has none
    status: int  # the HTTP status
    attempts: int  # the number of attempts
    duration: float  # of the call in seconds, with all attempts, backoff and waits for the rate limit


@frozen(kw_only=True)
class Stats:
    """Statistics of a session."""

    __module__ = "cognito_async"

    calls: int  # calls that were started
    attempts: int  # requests that were sent
    succeeded: int  # calls that succeeded
    failed: int  # calls that raised an error, including ambiguous ones
    ambiguous: int  # calls that raised AmbiguousOutcomeError
    retries: int  # attempts after the first of their call
    throttled: int  # attempts that the service throttled
    rate_limited: int  # attempts that waited for the rate limit
    rates: dict[str, float]  # the current rate of each limited quota category, in requests per second
    waiting: dict[str, int]  # the number of waiting requests in each of those categories
