"""What hooks and log records are told."""

from attrs import frozen

from cognito_async.errors import CognitoError
from cognito_async.protocol.retry import RetryKind


@frozen(kw_only=True)
class RetryDetails:
    """What an ``on_retry`` hook is told before the pause.

    Attributes:
        operation: The operation's AWS name.
        attempt: The number of the attempt that failed, from 1.
        max_attempts: How many attempts the policy allows.
        kind: Why it is tried again.
        error: What the attempt ended with; its text holds no secret.
        delay: The pause before the next attempt, in seconds.
        elapsed: How long the call has taken so far, in seconds.
    """

    operation: str
    attempt: int
    max_attempts: int
    kind: RetryKind
    error: CognitoError
    delay: float
    elapsed: float
