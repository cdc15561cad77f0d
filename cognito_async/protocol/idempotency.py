"""What a failed attempt leaves behind, and whether to send again: by how safe an operation is to repeat.

An attempt is ambiguous if the request may have left and no answer says what became of it: the connection was lost, time
ran out, or the server failed. Throttling and refusals are answers: then nothing was applied.
"""

from enum import Enum

from cognito_async.errors import CognitoError, InvalidResponseError, TransportError
from cognito_async.protocol.retry import FIRST_ERROR_STATUS, RetryKind, classify

FIRST_SERVER_FAULT = 500


class Idempotency:
    """How safe an operation is to repeat.

    Attributes:
        kind: ``"idempotent"`` (reads, and writes whose repetition changes nothing), ``"one_time"`` (a one-time
            code, token or session is used up; repeating does no harm but is refused), ``"sends_message"`` (repeating
            sends another message, counts against the user or makes another object) or ``"unsafe"`` (a rotating
            token).
        applied: Codes with which a repetition is refused if the first attempt was applied, among other reasons.
        gone: Codes with which a repeated delete is refused if the first attempt was applied: that is a success.
        how_to_verify: How to find out what an ambiguous attempt did.
    """

    __slots__ = ("applied", "gone", "how_to_verify", "kind")

    def __init__(
        self, kind: str, *, applied: tuple[str, ...] = (), gone: tuple[str, ...] = (), how_to_verify: str = ""
    ) -> None:
        self.kind: str = kind
        self.applied: tuple[str, ...] = applied
        self.gone: tuple[str, ...] = gone
        self.how_to_verify: str = how_to_verify

    @property
    def retries_when_ambiguous(self) -> bool:
        """Whether an ambiguous attempt is repeated."""
        return self.kind in {"idempotent", "one_time"}


class Verdict(Enum):
    """What to do after a failed attempt."""

    RAISE = "raise the error"
    RETRY = "send again, if the policy allows"
    GONE = "succeed: the first attempt had done it"
    AMBIGUOUS = "say that the outcome is unknown"


def is_ambiguous(error: CognitoError) -> bool:
    """Tell whether the attempt may have been applied although it failed.

    Args:
        error: What the attempt ended with.

    Returns:
        True if nobody can tell.
    """
    if isinstance(error, TransportError):
        return error.sent is not False
    if classify(error) in {RetryKind.THROTTLED, RetryKind.LIMIT_EXCEEDED}:
        return False
    if isinstance(error, InvalidResponseError):  # without a status: something came back, but no HTTP
        return error.status is None or error.status >= FIRST_SERVER_FAULT or error.status < FIRST_ERROR_STATUS
    return error.status is not None and error.status >= FIRST_SERVER_FAULT


def judge(error: CognitoError, idempotency: Idempotency, *, ambiguous_before: bool, may_retry: bool) -> Verdict:
    """Decide what to do after a failed attempt.

    Args:
        error: What the attempt ended with.
        idempotency: How safe the operation is to repeat.
        ambiguous_before: Whether an earlier attempt of the call was ambiguous.
        may_retry: Whether policy, quota and time allow another attempt.

    Returns:
        The verdict.
    """
    ambiguous = is_ambiguous(error)
    if ambiguous and not idempotency.retries_when_ambiguous:
        return Verdict.AMBIGUOUS
    if may_retry:
        return Verdict.RETRY
    if ambiguous_before and error.code in idempotency.gone:
        return Verdict.GONE
    if idempotency.kind == "idempotent":
        return Verdict.RAISE
    if ambiguous or (ambiguous_before and not _rules_out(error, idempotency)):
        return Verdict.AMBIGUOUS
    return Verdict.RAISE


def _rules_out(error: CognitoError, idempotency: Idempotency) -> bool:
    """Whether an answer shows that no earlier attempt was applied: a refusal that an applied one would not cause."""
    answered = error.code is not None and classify(error) is None
    return answered and error.code not in idempotency.applied
