"""Where a call goes, what it shares with the others of its session, and how long it may take."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

from attrs import field, frozen

from cognito_async.deadline import SharedTimer
from cognito_async.protocol.retry import RetryQuota
from cognito_async.protocol.settings import number
from cognito_async.protocol.shapes import Record

if TYPE_CHECKING:
    from collections import Counter

    from cognito_async.protocol.events import Event
    from cognito_async.rate_limiter import RateLimiter
    from cognito_async.signer import Signer
    from cognito_async.transport import Transport


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Timeouts(Record):
    """Time limits in seconds; None for no limit.

    Attributes:
        total: For the whole call, with all attempts and pauses. No call outlives it and no pause crosses it.
        attempt: For one attempt, from the wait for a pooled connection to the last byte of the answer.
        connect: For opening a connection, TLS included.
    """

    total: float | None = field(default=30.0, validator=number(0, above=True, unlimited=True))
    attempt: float | None = field(default=10.0, validator=number(0, above=True, unlimited=True))
    connect: float | None = field(default=3.0, validator=number(0, above=True, unlimited=True))


class Route:
    """Where a session's calls to one region go, and what they share.

    Attributes:
        url: The service's URL.
        region: Its region, to sign for; None if unknown.
        transport: What sends.
        signer: Gives what signs; asked by signed operations only.
        quota: The retry tokens.
        rate_limiter: Gives each operation its lane.
        random: Gives random numbers in [0, 1).
        on_event: Told what happens besides the answers; None for nobody.
        counts: What has happened so far.
        timer: Rings when an attempt's time is over.
        id_prefix: The start of the invocation ids, in the form of a UUID without its last group.
        counter: Counts the calls, for the last group.
    """

    __slots__ = (
        *("random", "counter", "counts", "id_prefix", "on_event", "rate_limiter", "quota", "region", "signer"),
        *("transport", "url", "timer"),
    )

    def __init__(
        self,
        url: str,
        region: str | None,
        *,
        transport: "Transport",
        signer: "Callable[[], Signer]",
        quota: RetryQuota,
        rate_limiter: "RateLimiter",
        random: Callable[[], float],
        on_event: "Callable[[Event], None] | None",
        counts: "Counter[str]",
        timer: SharedTimer,
    ) -> None:
        """Take all of it."""
        self.url: str = url
        self.region: str | None = region
        self.transport: Transport = transport
        self.signer: Callable[[], Signer] = signer
        self.quota: RetryQuota = quota
        self.rate_limiter: RateLimiter = rate_limiter
        self.random: Callable[[], float] = random
        self.on_event: Callable[[Event], None] | None = on_event
        self.counts: Counter[str] = counts
        self.timer: SharedTimer = timer
        self.id_prefix: str = str(uuid4())[:-12]
        self.counter: Iterator[int] = count()
