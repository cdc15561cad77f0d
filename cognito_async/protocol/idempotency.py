"""Idempotency: whether a failed attempt may have been applied, and whether it may be retried."""

import re
from enum import Enum
from math import inf

from attrs import frozen

from cognito_async.errors import CognitoError, InvalidResponseError, TransportError
from cognito_async.protocol.retry import FIRST_ERROR_STATUS, RetryKind, classify

FIRST_SERVER_ERROR = 500
# Of a proxy that did not forward the request: authentication, size, wrong host, too early, header size.
NOT_FORWARDED_STATUSES = frozenset({407, 413, 421, 425, 431})


@frozen(eq=False)
class Idempotency:
    """Whether an operation may be repeated.

    The kinds are ``"idempotent"`` (reads, and writes whose repetition changes nothing), ``"one_time"`` (uses up a code,
    token or session; a repetition is harmless but is refused), ``"sends_message"`` (a repetition sends another message,
    counts against the user or creates another object) and ``"unsafe"`` (a rotating token).
    """

    kind: str
    applied: tuple[str, ...] = ()  # codes of a repetition if the first attempt was applied, or for other reasons
    gone: tuple[str, ...] = ()  # codes of a repeated delete if the first attempt was applied: that is a success
    how_to_verify: str = ""
    max_repeats: float = inf  # of an ambiguous attempt, within the retry policy

    @property
    def retries_when_ambiguous(self) -> bool:
        """Whether an ambiguous attempt is retried."""
        return self.kind in {"idempotent", "one_time"}


# Operations named like reads that return tokens or send codes are not reads, such as GetTokensFromRefreshToken.
_READ = re.compile(r"(?:Admin)?(?:Get|List|Describe)(?![a-z])(?!\w*(?:Token|Code))")


def idempotency_by_name(operation: str) -> Idempotency:
    """Return the idempotency of an operation that the table lacks: only reads may be repeated."""
    if _READ.match(operation):
        return Idempotency("idempotent")
    return Idempotency("sends_message", how_to_verify=f"Check the effect of {operation} before you call it again.")


class NextStep(Enum):
    """What follows a failed attempt."""

    RAISE = "raise the error"
    RETRY = "retry"
    GONE = "succeed: an earlier attempt was applied"
    AMBIGUOUS = "raise AmbiguousOutcomeError"


def is_ambiguous(error: CognitoError) -> bool:
    """Return whether the failed attempt may have been applied.

    Only the service's error code or request ID says that it was not: a proxy may respond in place of the service after
    it forwarded the request.
    """
    status = error.status
    if isinstance(error, TransportError):
        return error.sent is not False
    if isinstance(error, InvalidResponseError):
        if status is None or status < FIRST_ERROR_STATUS or status >= FIRST_SERVER_ERROR:
            return True
        return error.request_id is None and status not in NOT_FORWARDED_STATUSES
    if classify(error) in {RetryKind.THROTTLED, RetryKind.LIMIT_EXCEEDED}:
        return False
    return status is not None and status >= FIRST_SERVER_ERROR


def next_step(error: CognitoError, idempotency: Idempotency, *, ambiguous_before: int, may_retry: bool) -> NextStep:
    """Decide what follows a failed attempt, after ``ambiguous_before`` earlier ones that were ambiguous."""
    ambiguous = is_ambiguous(error)
    if ambiguous and not idempotency.retries_when_ambiguous:
        return NextStep.AMBIGUOUS
    if may_retry and not (ambiguous and ambiguous_before >= idempotency.max_repeats):
        return NextStep.RETRY
    if ambiguous_before and error.code in idempotency.gone:
        return NextStep.GONE
    if idempotency.kind == "idempotent":
        return NextStep.RAISE
    was_not_applied = error.code is not None and classify(error) is None and error.code not in idempotency.applied
    if ambiguous or (ambiguous_before and not was_not_applied):
        return NextStep.AMBIGUOUS
    return NextStep.RAISE
