"""How patient a job is."""

from attrs import field, frozen

from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.settings import number


@frozen(kw_only=True)
class BulkPolicy:
    """How patient a job is, and when it gives up.

    Attributes:
        concurrency: The most rows on their way at once; the pace keeps it lower as a rule.
        max_errors: The run of refused, unknown and failed rows without one that is done after which the job stops: it
            may be the wrong pool, or the credentials may be gone. None to go on whatever comes.
        patience: How long a row waits for a service that throttles or can't be reached, in seconds; then the job stops.
        settle_attempts: How often a row's ambiguous attempt is repeated where that is harmless, before it is unknown.
        deferral: How long a row waits at first after LimitExceededException, in seconds; it doubles, and has jitter.
        longest_deferral: The longest it waits, in seconds.
        max_deferrals: How often it is put off before it counts as refused.
        longest_pause: How long the job itself waits when only deferred rows are left, in seconds; beyond that it ends
            and says when to resume.
        backoff: The pauses between the attempts for one row; its ``max_attempts`` has no meaning here.
    """

    concurrency: int = field(default=100, validator=number(1))
    max_errors: int | None = field(default=25, validator=number(1, unlimited=True))
    patience: float = field(default=900.0, validator=number(0))
    settle_attempts: int = field(default=8, validator=number(0))
    deferral: float = field(default=900.0, validator=number(0))
    longest_deferral: float = field(default=3600.0, validator=number(0))
    max_deferrals: int = field(default=6, validator=number(0))
    longest_pause: float = field(default=7200.0, validator=number(0))
    backoff: RetryPolicy = field(factory=lambda: RetryPolicy(transient_base=0.2))

    def deferred_for(self, deferrals: int, random: float) -> float:
        """Tell how long a row is put off.

        Args:
            deferrals: How often it was before.
            random: A random number in [0, 1).

        Returns:
            Seconds: between one half and the whole of the doubled deferral.
        """
        longest = min(self.deferral * 2.0 ** min(deferrals, 64), self.longest_deferral)
        return longest * (0.5 + 0.5 * random)
