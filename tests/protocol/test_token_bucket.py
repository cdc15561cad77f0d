"""The adaptive token bucket, in simulated time."""

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_async.protocol.token_bucket import (
    BURST,
    FAST_GROWTH,
    FEW,
    LOWEST_RATE,
    MANY,
    MEMORY,
    REACTION,
    SAMPLE,
    WINDOW,
    AdaptiveTokenBucket,
)

TEN_MINUTES = 600.0


def demand(bucket: AdaptiveTokenBucket, gaps: Callable[[], float], seconds: float, number: int = 1) -> list[float]:
    """Try to take ``number`` permits after each gap; return the times of the permits."""
    now, granted_at = 0.0, []
    while now < seconds:
        granted_at += [now for _ in range(number) if bucket.try_acquire(now)]
        now += gaps()
    return granted_at


def limited(start: float = 30.0, now: float = 0.0) -> AdaptiveTokenBucket:
    """Return a bucket that has just become limited."""
    bucket = AdaptiveTokenBucket(start)
    while bucket.rate is None:
        bucket.record_throttle(now)
    return bucket


def cut_below(bucket: AdaptiveTokenBucket, rate: float, now: float) -> float:
    """Throttle a limited bucket until it is slower; return the time of the last cut."""
    while True:
        bucket.record_throttle(now)
        assert bucket.rate is not None
        if bucket.rate < rate:
            return now
        now += REACTION


def use_up(bucket: AdaptiveTokenBucket, now: float, seconds: float) -> None:
    """Take all permits for a time."""
    for n in range(int(seconds * 1000) + 1):
        while bucket.try_acquire(now + n / 1000):
            pass


# --- configured rate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.5, 1, 15, 30, 99.9, 150, 1000])
def test_configured_rate_is_used_fully(rate: float) -> None:
    """Over ten minutes of demand, up to the burst."""
    bucket = AdaptiveTokenBucket(rate, rate)
    now, granted = 0.0, 0
    while now <= TEN_MINUTES:
        if bucket.try_acquire(now):
            granted += 1
        else:
            now += max(bucket.wait_time(now), 1e-3)
    assert rate * TEN_MINUTES - 3 <= granted <= rate * TEN_MINUTES + 1 + rate * BURST + 1e-6


@settings(max_examples=40)
@given(
    rate=st.floats(0.1, 200),
    gaps=st.lists(st.floats(0, 20) | st.floats(0, 0.01), min_size=1, max_size=20).filter(lambda gaps: sum(gaps) > 0.05),
    number=st.integers(1, 50),
    unused=st.integers(0, 3),
)
def test_configured_rate_is_never_exceeded(rate: float, gaps: list[float], number: int, unused: int) -> None:
    """No time span sees more permits than rate x span + burst, also with released permits."""
    bucket = AdaptiveTokenBucket(rate, rate)
    now, turn, used = 0.0, 0, []
    while now < TEN_MINUTES and turn < 2_000:
        for n in range(number):
            if bucket.try_acquire(now):
                if n < unused:
                    bucket.release()
                else:
                    used.append(now)
        now += gaps[turn % len(gaps)]
        turn += 1
    assert len(used) <= rate * now + 1 + rate * BURST + 1e-6
    for length in (1.0, 10.0, 60.0):
        first = 0
        for last, until in enumerate(used):
            while used[first] < until - length:
                first += 1
            assert last - first + 1 <= rate * length + 1 + rate * BURST + 1e-6


@given(rate=st.floats(1, 1000), idle=st.floats(0, 10**6))
def test_idle_time_allows_only_the_burst(rate: float, idle: float) -> None:
    """After any pause."""
    bucket = AdaptiveTokenBucket(rate, rate)
    assert bucket.try_acquire(0.0)
    assert sum(bucket.try_acquire(idle) for _ in range(2_000)) <= 1 + rate * BURST + 1e-6


def test_wait_time_is_exact() -> None:
    """Behind other waiters, too."""
    bucket = AdaptiveTokenBucket(10.0, 10.0)
    assert bucket.try_acquire(0.0)
    assert bucket.wait_time(0.0) == pytest.approx(0.1)
    assert bucket.wait_time(0.0, ahead=4) == pytest.approx(0.5)
    assert bucket.wait_time(0.04) == pytest.approx(0.06)
    assert not bucket.try_acquire(0.099)
    assert bucket.try_acquire(0.1001)


def test_released_permit_is_available_immediately() -> None:
    """And only once."""
    bucket = AdaptiveTokenBucket(1.0, 1.0)
    assert bucket.try_acquire(0.0)
    assert not bucket.try_acquire(0.0)
    bucket.release()
    assert bucket.wait_time(0.0) == 0.0
    assert bucket.try_acquire(0.0)
    assert not bucket.try_acquire(0.0)


def test_released_permits_are_counted() -> None:
    """As many as were released."""
    bucket = AdaptiveTokenBucket(100.0, 100.0)
    assert bucket.wait_time(0.0) == 0.0
    assert [bucket.try_acquire(1.0) for _ in range(4)] == [True, True, True, False]
    for number in (1, 2):
        for _ in range(number):
            bucket.release()
        assert [bucket.try_acquire(1.0) for _ in range(3)] == [n < number for n in range(3)]


def test_clock_that_goes_back_grants_nothing() -> None:
    """The same time is counted once."""
    bucket = AdaptiveTokenBucket(1.0, 1.0)
    assert bucket.try_acquire(10.0)
    assert not bucket.try_acquire(5.0)
    assert not bucket.try_acquire(10.5)
    assert bucket.try_acquire(11.0)


# --- unlimited until throttled ----------------------------------------------------------------------------------------


def test_bucket_without_rate_is_unlimited() -> None:
    """Nothing waits."""
    bucket = AdaptiveTokenBucket(30.0)
    assert all(bucket.try_acquire(0.0) for _ in range(10_000))
    assert bucket.wait_time(0.0, ahead=100) == 0.0
    assert bucket.rate is None


def test_few_throttled_requests_leave_bucket_unlimited() -> None:
    """Up to FEW; the next one limits it."""
    bucket = AdaptiveTokenBucket(30.0)
    for _ in range(FEW):
        bucket.record_throttle(0.0)
        assert bucket.rate is None
    bucket.record_throttle(0.0)
    assert bucket.rate == 30.0


def test_small_share_of_throttled_requests_leaves_bucket_unlimited() -> None:
    """One in ten over an hour."""
    bucket = AdaptiveTokenBucket(30.0)
    for n in range(10_000):
        (bucket.record_throttle if n % 10 == 0 else bucket.record_success)(n / 3)
    assert bucket.rate is None


def test_large_share_of_throttled_requests_limits_bucket() -> None:
    """More than MANY, not as much as MANY."""
    bucket = AdaptiveTokenBucket(30.0)
    for _ in range(SAMPLE):
        bucket.record_success(0.0)
    for _ in range(int(MANY * SAMPLE)):
        bucket.record_throttle(0.0)
    assert bucket.rate is None
    bucket.record_throttle(0.0)
    assert bucket.rate == 30.0


@given(st.lists(st.booleans(), max_size=200))
def test_bucket_becomes_limited_only_by_the_rule(outcomes: list[bool]) -> None:
    """For any outcomes: more than FEW and MANY of the last SAMPLE."""
    bucket, seen = AdaptiveTokenBucket(30.0), deque[bool](maxlen=SAMPLE)
    for accepted in outcomes:
        seen.append(accepted)
        (bucket.record_success if accepted else bucket.record_throttle)(0.0)
        throttled = seen.count(False)
        expected = not accepted and throttled > FEW and throttled > MANY * len(seen)
        assert (bucket.rate is not None) is expected
        if expected:
            return


def test_limited_bucket_starts_empty_at_published_rate() -> None:
    """Then it grants that rate."""
    bucket = limited(50.0, now=7.0)
    assert bucket.rate == 50.0
    assert not bucket.try_acquire(7.0)
    assert bucket.wait_time(7.0) == pytest.approx(1 / 50)


# --- growth and cuts --------------------------------------------------------------------------------------------------


def test_rate_grows_fast_until_throttled() -> None:
    """A rate far above the published one is found within seconds."""
    bucket = limited(30.0)
    now = 0.0
    while now < 3.0:
        if bucket.try_acquire(now):
            bucket.record_success(now)
        now += 1e-3
    assert bucket.rate is not None
    assert bucket.rate > 300.0


def test_rate_grows_slowly_beyond_throttled_rate() -> None:
    """After a cut it returns to the recently accepted rate first."""
    bucket = limited(100.0)
    now = 0.0
    while now < 10.0:
        if bucket.try_acquire(now):
            (bucket.record_success if bucket.rate is not None and bucket.rate <= 200 else bucket.record_throttle)(now)
        now += 1e-3
    assert bucket.rate is not None
    assert 150 < bucket.rate < 215


def test_throttled_responses_together_cut_once() -> None:
    """They were sent before the cut."""
    bucket = AdaptiveTokenBucket(100.0, 100.0)
    for n in range(50):
        bucket.record_success(n / 200)
    for _ in range(64):
        bucket.record_throttle(0.3)
    assert bucket.rate is not None
    assert bucket.rate >= 50.0


def test_cut_takes_the_permits() -> None:
    """The next one comes at the new rate."""
    bucket = AdaptiveTokenBucket(10.0, 10.0)
    assert bucket.try_acquire(0.0)
    bucket.record_throttle(1.0)
    assert bucket.rate == 5.0
    assert not bucket.try_acquire(1.0)
    assert bucket.wait_time(1.0) == pytest.approx(0.2)


def test_rate_changes_again_after_the_reaction() -> None:
    """Before, throttled requests were sent before the cut, and nothing is known about the new rate."""
    bucket = AdaptiveTokenBucket(2.0, 2.0)
    bucket.record_throttle(10.0)
    bucket.record_throttle(10.0 + REACTION / 2)
    bucket.try_acquire(10.0 + REACTION / 2)
    assert bucket.rate == 1.0
    bucket.try_acquire(10.0 + REACTION)
    assert 1.0 < bucket.rate < 1.01
    bucket.record_throttle(10.0 + REACTION)
    assert 0.5 < bucket.rate < 0.51


def test_growth_is_limited_after_a_pause() -> None:
    """To that of one second."""
    bucket = limited(0.5)
    bucket.try_acquire(1.9)
    assert bucket.rate == pytest.approx(0.5 * (1 + FAST_GROWTH))


@pytest.mark.parametrize(("pause", "growth"), [(0.25, 0.02), (16.0, 0.34), (60.0, FAST_GROWTH)])
def test_slow_growth_doubles_while_nothing_is_throttled(pause: float, growth: float) -> None:
    """Every four seconds, up to the fast growth."""
    bucket = AdaptiveTokenBucket(1000.0, 1000.0)
    now = cut_below(bucket, 100.0, 0.0)
    assert bucket.rate is not None
    start, now = bucket.rate, now + pause
    bucket.wait_time(now)
    use_up(bucket, now, 1.0)
    assert bucket.rate / start - 1 == pytest.approx(growth, rel=0.15)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [((4, 2, 1), 1.8), ((4, 2), 1.8), ((2, 4), 1.8), ((1, 5, 4), 3.6), ((4,), 0.7), ((), 0.7)],
)
def test_rate_returns_quickly_to_most_of_the_second_best_second(accepted: tuple[int, ...], expected: float) -> None:
    """The best one may be due to a burst; a single one proves nothing. Then the rate grows slowly."""
    bucket = AdaptiveTokenBucket(100.0, 100.0)
    for second, number in enumerate(accepted):
        for _ in range(number):
            bucket.record_success(second + 0.5)
    use_up(bucket, cut_below(bucket, 0.8, 3.0), 1.5)
    assert bucket.rate is not None
    assert expected <= bucket.rate < expected * 1.2


def test_second_in_progress_proves_nothing() -> None:
    """It is not over."""
    bucket = AdaptiveTokenBucket(2.0, 2.0)
    for second in (0.5, 3.0):
        for _ in range(4):
            bucket.record_success(second)
    bucket.record_throttle(3.3)
    bucket.record_throttle(3.3 + REACTION)
    use_up(bucket, 3.3 + REACTION, 0.4)
    assert bucket.rate == pytest.approx(0.5, rel=0.01)


def test_cut_is_at_most_half() -> None:
    """Also if the accepted requests were long before."""
    bucket = AdaptiveTokenBucket(100.0, 100.0)
    for _ in range(100):
        bucket.record_success(9.0)
    bucket.record_throttle(10.0)
    assert bucket.rate == 50.0
    bucket.record_throttle(20.0)
    assert bucket.rate is not None
    assert bucket.rate >= 25.0


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["try_acquire", "record_success", "record_throttle", "release", "wait_time"]), st.floats(0, 5)
    ),
    max_size=200,
)


@given(moves=MOVES, configured=st.floats(0.01, 500))
def test_rate_stays_between_zero_and_configured_rate(moves: list[tuple[str, float]], configured: float) -> None:
    """However small the configured rate is."""
    bucket, now = AdaptiveTokenBucket(configured, configured), 0.0
    for move, gap in moves:
        now += gap
        bucket.release() if move == "release" else getattr(bucket, move)(now)
        assert bucket.rate is not None
        assert min(LOWEST_RATE, configured) <= bucket.rate <= configured


@given(moves=MOVES)
def test_estimated_rate_never_falls_below_minimum(moves: list[tuple[str, float]]) -> None:
    """The wait stays finite."""
    bucket, now = limited(1.0), 0.0
    for move, gap in moves:
        now += gap
        bucket.release() if move == "release" else getattr(bucket, move)(now)
        assert bucket.rate is not None
        assert bucket.rate >= LOWEST_RATE
        assert 0.0 <= bucket.wait_time(now) < float("inf")


@pytest.mark.parametrize("quiet", [60, 600, 3_600])
def test_light_use_does_not_raise_the_rate(quiet: int) -> None:
    """The next burst is limited immediately."""
    bucket = limited(30.0)
    for second in range(1, quiet + 1):
        assert bucket.try_acquire(float(second))
        bucket.record_success(float(second))
    assert bucket.rate is not None
    assert bucket.rate < 10_000, "the rate grew although it was not used"


def test_rate_stays_finite() -> None:
    """After two days of light use; a cut still has an effect."""
    bucket = limited(30.0)
    for second in range(1, 2 * 86_400):
        bucket.try_acquire(float(second))
        bucket.record_success(float(second))
    before = bucket.rate
    assert before is not None
    assert before < float("inf")
    bucket.record_throttle(2 * 86_400.0)
    assert bucket.rate is not None
    assert bucket.rate < before


def test_bucket_keeps_only_recent_requests() -> None:
    """A day of responses uses no more memory than a window."""
    bucket = AdaptiveTokenBucket(20.0, 20.0)
    for n in range(20 * 3_600):
        bucket.try_acquire(n / 20)
        bucket.record_success(n / 20)
    sizes = [len(getattr(bucket, name)) for name in ("_accepted", "_outcomes", "_per_second")]
    assert sizes[0] <= 20 * WINDOW + 2
    assert sizes[1] <= SAMPLE
    assert sizes[2] <= MEMORY


# --- against a server with a rate limit -------------------------------------------------------------------------------


@frozen(kw_only=True)
class Result:
    """The result of a simulation."""

    time: float
    """The time it took, as a multiple of calls / rate."""

    throttled: float
    """The part of the requests that were throttled."""

    lost: int
    """The calls that failed."""

    rates: list[tuple[float, float | None]]
    """The bucket's rate at each response, with its time."""


class Simulation:
    """Tasks that call a server through one bucket, in FIFO order."""

    def __init__(
        self,
        seed: int,
        *,
        configured: float | None = None,
        calls: int = 1_500,
        tasks: int = 64,
        limit: Callable[[float], float] = lambda _: 100.0,
        burst: float = 10.0,
        latency: float = 0.004,
        attempts: int = 3,
    ) -> None:
        self.random = Random(seed)
        self.bucket = AdaptiveTokenBucket(30.0, configured)
        self.limit, self.burst, self.latency, self.max_attempts = limit, burst, latency, attempts
        self.calls, self.left, self.tasks = calls, calls, tasks
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.order = count()
        self.queue: deque[int] = deque()
        self.timer = False
        self.tokens, self.filled_at = burst, 0.0
        self.requests = self.throttled = self.lost = 0
        self.ended = 0.0
        self.rates: list[tuple[float, float | None]] = []

    def run(self) -> Result:
        """Run until all calls have ended."""
        for _ in range(self.tasks):
            self.at(0.0, self.start_call)
        while self.events:
            now, _, act, arguments = heapq.heappop(self.events)
            act(now, *arguments)
        ideal = self.calls / self.limit(0.0)
        return Result(
            time=self.ended / ideal, throttled=self.throttled / self.requests, lost=self.lost, rates=self.rates
        )

    def at(self, time: float, act: Callable[..., None], *arguments: Any) -> None:
        """Schedule a function."""
        heapq.heappush(self.events, (time, next(self.order), act, arguments))

    def start_call(self, now: float) -> None:
        """Start a task's next call, if any is left."""
        if self.left:
            self.left -= 1
            self.enter(now, 1)

    def enter(self, now: float, attempt: int) -> None:
        """Wait for a permit."""
        self.queue.append(attempt)
        if len(self.queue) == 1 or not self.timer:
            self.serve(now)

    def serve(self, now: float) -> None:
        """Send the requests that have a permit."""
        while self.queue and self.bucket.try_acquire(now):
            self.requests += 1
            self.at(now + self.latency * self.random.uniform(0.3, 0.7), self.arrive, self.queue.popleft())
        if self.queue and not self.timer:
            self.timer = True
            self.at(now + max(self.bucket.wait_time(now), 1e-3), self.on_timer)

    def on_timer(self, now: float) -> None:
        """Serve when a permit is due."""
        self.timer = False
        self.serve(now)

    def arrive(self, now: float, attempt: int) -> None:
        """Let the server decide."""
        self.tokens = min(self.tokens + (now - self.filled_at) * self.limit(now), self.burst)
        self.filled_at = now
        allowed = self.tokens >= 1.0
        self.tokens -= allowed
        self.at(now + self.latency * self.random.uniform(0.3, 0.7), self.reply, attempt, allowed)

    def reply(self, now: float, attempt: int, allowed: bool) -> None:  # noqa: FBT001 - an event's argument
        """Process the response."""
        if allowed:
            self.bucket.record_success(now)
            self.ended = now
            self.rates.append((now, self.bucket.rate))
            self.start_call(now)
            return
        self.throttled += 1
        self.bucket.record_throttle(now)
        if attempt < self.max_attempts:
            self.at(now + self.random.random() * min(2.0 ** (attempt - 1), 20.0), self.enter, attempt + 1)
        else:
            self.lost += 1
            self.start_call(now)


@pytest.mark.parametrize("seed", range(8))
def test_unknown_limit_is_found(seed: int) -> None:
    """1,500 calls of 64 tasks at 100 per second: none lost, ≤ 1.10 x the ideal time, ≤ 5 % throttled."""
    result = Simulation(seed).run()
    assert result.lost == 0
    assert result.time <= 1.10
    assert result.throttled <= 0.05


@pytest.mark.parametrize("seed", range(8))
def test_configured_limit_is_kept(seed: int) -> None:
    """None lost, ≤ 1.03 x the ideal time, ≤ 1 % throttled."""
    result = Simulation(seed, configured=100.0).run()
    assert result.lost == 0
    assert result.time <= 1.03
    assert result.throttled <= 0.01


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limit", [30.0, 100.0, 500.0])
def test_rate_settles_below_the_limit(limit: float, seed: int) -> None:
    """Its mean is between 85 and 103 % of the server's rate."""
    result = Simulation(seed, calls=int(limit * 40), limit=lambda _: limit).run()
    settled = [rate for at, rate in result.rates if at > 10 and rate is not None]
    assert 0.85 * limit <= sum(settled) / len(settled) <= 1.03 * limit
    assert result.lost == 0


@pytest.mark.parametrize("options", [{"latency": 0.1}, {"tasks": 200}, {"burst": 1.0}, {"burst": 100.0}])
def test_other_servers_lose_no_calls(options: dict[str, Any]) -> None:
    """Slow responses, more tasks, no burst or a large one."""
    result = Simulation(1, **options).run()
    assert result.lost == 0
    assert result.time <= 1.5


@pytest.mark.parametrize("configured", [None, 100.0])
@pytest.mark.parametrize("seed", range(4))
def test_halved_limit_is_found(configured: float | None, seed: int) -> None:
    """When another program uses half of the quota."""
    result = Simulation(seed, configured=configured, calls=3_000, limit=lambda now: 100.0 if now < 10 else 50.0).run()
    before = [rate for at, rate in result.rates if 6 < at < 10 and rate is not None]
    after = [rate for at, rate in result.rates if at > 16 and rate is not None]
    assert sum(before) / len(before) >= 85
    assert 40 <= sum(after) / len(after) <= 52
    assert result.lost <= 3


@pytest.mark.parametrize("seed", range(4))
def test_restored_limit_is_used(seed: int) -> None:
    """The configured rate is reached again after throttling, and not exceeded."""
    simulation = Simulation(seed, configured=100.0, calls=6_000, limit=lambda now: 50.0 if now < 5 else 200.0)
    result = simulation.run()
    assert result.rates[-1][1] == 100.0
    assert max(rate for _, rate in result.rates if rate is not None) <= 100.0
