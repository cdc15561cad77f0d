"""Settings of a job."""

from collections.abc import Callable

from attrs import field, frozen

from cognito_async.bulk.actions import Action
from cognito_async.bulk.sources import Source
from cognito_async.client import CognitoClient
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.validators import number


@frozen(kw_only=True)
class BulkPolicy:
    """Limits of a job: retries, waits and errors."""

    concurrency: int = field(default=100, validator=number(1))
    """The maximum number of rows in flight; the rate limit usually keeps it lower."""
    max_errors: int | None = field(default=25, validator=number(1, unlimited=True))
    """The job stops after this many refused, unknown or failed rows without a done row in between, because the user
    pool or the credentials may be wrong. None for no limit."""
    patience: float = field(default=900.0, validator=number(0))
    """How long a row is retried while the service throttles or is unreachable, in seconds; then the job stops."""
    settle_attempts: int = field(default=8, validator=number(0))
    """How often a row's ambiguous request is repeated, where repeating is safe, before the row is unknown."""
    deferral: float = field(default=900.0, validator=number(0))
    """The first delay after LimitExceededException, in seconds; it doubles, with jitter."""
    longest_deferral: float = field(default=3600.0, validator=number(0))
    """The maximum delay after LimitExceededException, in seconds."""
    max_deferrals: int = field(default=6, validator=number(0))
    """How often a row is deferred before it is refused."""
    longest_pause: float = field(default=7200.0, validator=number(0))
    """How long a run waits for deferred rows, in seconds; if they are due later, the run ends and reports when to
    resume."""
    resolve_unknown: bool = False
    """Whether rows with an unknown outcome are settled with ``client.verify_password``: done if the password is the
    user's, else refused. For ``confirm`` and permanent ``set-password``, with a client that is bound to an app client
    and the user pool. Each verification counts as a sign-in attempt, and may send an MFA message."""
    backoff: RetryPolicy = field(factory=lambda: RetryPolicy(transient_base=0.2))
    """The backoff between the attempts of a row; its ``max_attempts`` is ignored."""

    def deferred_for(self, deferrals: int, random: float) -> float:
        """Return how long a row is deferred, in seconds: half to all of the delay, by a random number in [0, 1)."""
        longest = min(self.deferral * 2.0 ** min(deferrals, 64), self.longest_deferral)
        return longest * (0.5 + 0.5 * random)


@frozen(kw_only=True)
class JobContext:
    """The validated arguments of a ``Job``, shared by the parts of a run; see ``Job`` for their meaning."""

    client: CognitoClient
    action: Action
    source: Source
    policy: BulkPolicy
    strict: bool
    case_sensitive: bool
    wall_clock: Callable[[], float]
    random: Callable[[], float]
