"""The budget of one quota category: pure, so that ten minutes take none."""

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
    FEW,
    LOWEST_RATE,
    MANY,
    MEMORY,
    SAMPLE,
    WINDOW,
    AdaptiveTokenBucket,
)

TEN_MINUTES = 600.0


def demand(bucket: AdaptiveTokenBucket, gaps: Callable[[], float], seconds: float, at_once: int = 1) -> list[float]:
    """Ask for ``at_once`` rights after each gap; give the times at which one was given."""
    now, given_at = 0.0, []
    while now < seconds:
        given_at += [now for _ in range(at_once) if bucket.try_acquire(now)]
        now += gaps()
    return given_at


def limited(start: float = 30.0, now: float = 0.0) -> AdaptiveTokenBucket:
    """Make a bucket that throttling has just ended the freedom of."""
    bucket = AdaptiveTokenBucket(start)
    while bucket.rate is None:
        bucket.record_throttle(now)
    return bucket


# --- a told rate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.5, 1, 15, 30, 99.9, 150, 1000])
def test_a_told_rate_hands_out_what_it_allows(rate: float) -> None:
    """Over ten minutes of waiting demand it is the rate's worth, neither more than the burst above nor less."""
    bucket = AdaptiveTokenBucket(rate, rate)
    now, handed_out = 0.0, 0
    while now <= TEN_MINUTES:
        if bucket.try_acquire(now):
            handed_out += 1
        else:
            now += max(bucket.wait_time(now), 1e-3)
    assert rate * TEN_MINUTES - 3 <= handed_out <= rate * TEN_MINUTES + 1 + rate * BURST + 1e-6


@settings(max_examples=40)
@given(
    rate=st.floats(0.1, 200),
    gaps=st.lists(st.floats(0, 20) | st.floats(0, 0.01), min_size=1, max_size=20).filter(lambda gaps: sum(gaps) > 0.05),
    at_once=st.integers(1, 50),
    unused=st.integers(0, 3),
)
def test_a_told_rate_is_never_exceeded(rate: float, gaps: list[float], at_once: int, unused: int) -> None:
    """Whatever the demand, and with rights given back, no span of time sees more used than rate x span + burst."""
    bucket = AdaptiveTokenBucket(rate, rate)
    now, turn, used = 0.0, 0, []
    while now < TEN_MINUTES and turn < 2_000:
        for n in range(at_once):
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
def test_idle_time_is_not_saved_up(rate: float, idle: float) -> None:
    """After any pause only the burst may go at once."""
    bucket = AdaptiveTokenBucket(rate, rate)
    assert bucket.try_acquire(0.0)
    assert sum(bucket.try_acquire(idle) for _ in range(2_000)) <= 1 + rate * BURST + 1e-6


def test_the_wait_is_exact() -> None:
    """For whoever has others before it, it is their turns and its own; afterwards there is a right, and not before."""
    bucket = AdaptiveTokenBucket(10.0, 10.0)
    assert bucket.try_acquire(0.0)
    assert bucket.wait_time(0.0) == pytest.approx(0.1)
    assert bucket.wait_time(0.0, ahead=4) == pytest.approx(0.5)
    assert not bucket.try_acquire(0.099)
    assert bucket.try_acquire(0.1001)


def test_a_right_given_back_is_there_for_the_next() -> None:
    """At once, and once."""
    bucket = AdaptiveTokenBucket(1.0, 1.0)
    assert bucket.try_acquire(0.0)
    assert not bucket.try_acquire(0.0)
    bucket.release()
    assert bucket.wait_time(0.0) == 0.0
    assert bucket.try_acquire(0.0)
    assert not bucket.try_acquire(0.0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Time that comes twice is counted once."""
    bucket = AdaptiveTokenBucket(1.0, 1.0)
    assert bucket.try_acquire(10.0)
    assert not bucket.try_acquire(5.0)
    assert not bucket.try_acquire(10.5)
    assert bucket.try_acquire(11.0)


# --- free until throttling in earnest ---------------------------------------------------------------------------------


def test_a_pace_without_a_rate_is_free() -> None:
    """Nothing is limited and nothing waits, at any speed."""
    bucket = AdaptiveTokenBucket(30.0)
    assert all(bucket.try_acquire(0.0) for _ in range(10_000))
    assert bucket.wait_time(0.0, ahead=100) == 0.0
    assert bucket.rate is None


def test_a_few_refusals_leave_it_free() -> None:
    """FEW refusals in a row are left to the retries; the next one is in earnest."""
    bucket = AdaptiveTokenBucket(30.0)
    for _ in range(FEW):
        bucket.record_throttle(0.0)
        assert bucket.rate is None
    bucket.record_throttle(0.0)
    assert bucket.rate == 30.0


def test_a_small_part_of_refusals_leaves_it_free() -> None:
    """One request in ten throttled over an hour, as by chance, is no limit."""
    bucket = AdaptiveTokenBucket(30.0)
    for n in range(10_000):
        (bucket.record_throttle if n % 10 == 0 else bucket.record_success)(n / 3)
    assert bucket.rate is None


def test_a_large_part_of_refusals_limits() -> None:
    """More than MANY of the last outcomes is a limit; as much as MANY is not yet."""
    bucket = AdaptiveTokenBucket(30.0)
    for _ in range(SAMPLE):
        bucket.record_success(0.0)
    for _ in range(int(MANY * SAMPLE)):
        bucket.record_throttle(0.0)
    assert bucket.rate is None
    bucket.record_throttle(0.0)
    assert bucket.rate == 30.0


@given(st.lists(st.booleans(), max_size=200))
def test_freedom_ends_by_the_rule_alone(outcomes: list[bool]) -> None:
    """At any outcomes: refusals above FEW and above MANY of the last SAMPLE, and only when one is refused."""
    bucket, seen = AdaptiveTokenBucket(30.0), deque[bool](maxlen=SAMPLE)
    for answered in outcomes:
        seen.append(answered)
        (bucket.record_success if answered else bucket.record_throttle)(0.0)
        refused = seen.count(False)
        expected = not answered and refused > FEW and refused > MANY * len(seen)
        assert (bucket.rate is not None) is expected
        if expected:
            return


def test_it_starts_at_the_published_rate_with_an_empty_bucket() -> None:
    """Then it hands out that rate, and nothing for what was refused."""
    bucket = limited(50.0, now=7.0)
    assert bucket.rate == 50.0
    assert not bucket.try_acquire(7.0)
    assert bucket.wait_time(7.0) == pytest.approx(1 / 50)


# --- growth and cuts --------------------------------------------------------------------------------------------------


def test_it_grows_fast_while_nothing_is_too_much() -> None:
    """Where the account's rate is far above the published one it is found within seconds."""
    bucket = limited(30.0)
    now = 0.0
    while now < 3.0:
        if bucket.try_acquire(now):
            bucket.record_success(now)
        now += 1e-3
    assert bucket.rate is not None
    assert bucket.rate > 300.0


def test_it_grows_slowly_past_what_was_refused() -> None:
    """After a cut it returns to what the service bore lately, then takes seconds for a few per cent."""
    bucket = limited(100.0)
    now = 0.0
    while now < 10.0:
        if bucket.try_acquire(now):
            (bucket.record_success if bucket.rate is not None and bucket.rate <= 200 else bucket.record_throttle)(now)
        now += 1e-3
    assert bucket.rate is not None
    assert 150 < bucket.rate < 215


def test_the_answers_to_one_flood_are_one_cut() -> None:
    """Refusals that arrive together speak of one mistake."""
    bucket = AdaptiveTokenBucket(100.0, 100.0)
    for n in range(50):
        bucket.record_success(n / 200)
    for _ in range(64):
        bucket.record_throttle(0.3)
    assert bucket.rate is not None
    assert bucket.rate >= 50.0


def test_one_cut_takes_at_most_half() -> None:
    """Also where there were no answers to measure by."""
    bucket = AdaptiveTokenBucket(100.0, 100.0)
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


@given(moves=MOVES, told=st.floats(0.01, 500))
def test_a_told_rate_bounds_the_rate(moves: list[tuple[str, float]], told: float) -> None:
    """Whatever happens, the rate is above zero and never above the one that was told, however small that is."""
    bucket, now = AdaptiveTokenBucket(told, told), 0.0
    for move, gap in moves:
        now += gap
        bucket.release() if move == "release" else getattr(bucket, move)(now)
        assert bucket.rate is not None
        assert min(LOWEST_RATE, told) <= bucket.rate <= told


@given(moves=MOVES)
def test_a_found_rate_never_falls_below_the_lowest(moves: list[tuple[str, float]]) -> None:
    """However often the service throttles, something goes on, and the wait stays a number."""
    bucket, now = limited(1.0), 0.0
    for move, gap in moves:
        now += gap
        bucket.release() if move == "release" else getattr(bucket, move)(now)
        assert bucket.rate is not None
        assert bucket.rate >= LOWEST_RATE
        assert 0.0 <= bucket.wait_time(now) < float("inf")


@pytest.mark.parametrize("quiet", [60, 600, 3_600])
def test_quiet_times_do_not_make_it_forget(quiet: int) -> None:
    """A request a second proves nothing of a thousand a second: the next flood is brought under control at once."""
    bucket = limited(30.0)
    for second in range(1, quiet + 1):
        assert bucket.try_acquire(float(second))
        bucket.record_success(float(second))
    assert bucket.rate is not None
    assert bucket.rate < 10_000, "grew on a demand of one a second"


def test_a_rate_is_always_a_number() -> None:
    """Two days of light use leave a finite rate and a finite wait, and a cut still cuts."""
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


def test_memory_is_bounded() -> None:
    """A day of answers keeps no more than a window's worth of them."""
    bucket = AdaptiveTokenBucket(20.0, 20.0)
    for n in range(20 * 3_600):
        bucket.try_acquire(n / 20)
        bucket.record_success(n / 20)
    sizes = [len(getattr(bucket, name)) for name in ("_accepted", "_outcomes", "_per_second")]
    assert sizes[0] <= 20 * WINDOW + 2
    assert sizes[1] <= SAMPLE
    assert sizes[2] <= MEMORY


# --- against a server that allows so many a second --------------------------------------------------------------------


@frozen(kw_only=True)
class Result:
    """What a simulation came to.

    Attributes:
        time: The time it took, as a multiple of calls / rate.
        throttled: The part of the requests that were throttled.
        lost: The calls that failed.
        rates: The bucket's rate at each answer, with its time.
    """

    time: float
    throttled: float
    lost: int
    rates: list[tuple[float, float | None]]


class Simulation:
    """Tasks that call a server with a token bucket through one bucket, first come, first served."""

    def __init__(
        self,
        seed: int,
        *,
        told: float | None = None,
        calls: int = 1_500,
        tasks: int = 64,
        limit: Callable[[float], float] = lambda _: 100.0,
        burst: float = 10.0,
        latency: float = 0.004,
        attempts: int = 3,
    ) -> None:
        self.chance = Random(seed)
        self.bucket = AdaptiveTokenBucket(30.0, told)
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
        """Let all calls end."""
        for _ in range(self.tasks):
            self.at(0.0, self.begin)
        while self.events:
            now, _, act, arguments = heapq.heappop(self.events)
            act(now, *arguments)
        ideal = self.calls / self.limit(0.0)
        return Result(
            time=self.ended / ideal, throttled=self.throttled / self.requests, lost=self.lost, rates=self.rates
        )

    def at(self, time: float, act: Callable[..., None], *arguments: Any) -> None:
        """Plan something."""
        heapq.heappush(self.events, (time, next(self.order), act, arguments))

    def begin(self, now: float) -> None:
        """Begin a task's next call, if any is left."""
        if self.left:
            self.left -= 1
            self.enter(now, 1)

    def enter(self, now: float, attempt: int) -> None:
        """Ask for a turn."""
        self.queue.append(attempt)
        if len(self.queue) == 1 or not self.timer:
            self.serve(now)

    def serve(self, now: float) -> None:
        """Let those go whose turn it is."""
        while self.queue and self.bucket.try_acquire(now):
            self.requests += 1
            self.at(now + self.latency * self.chance.uniform(0.3, 0.7), self.arrive, self.queue.popleft())
        if self.queue and not self.timer:
            self.timer = True
            self.at(now + max(self.bucket.wait_time(now), 1e-3), self.ring)

    def ring(self, now: float) -> None:
        """Serve when the time has come."""
        self.timer = False
        self.serve(now)

    def arrive(self, now: float, attempt: int) -> None:
        """Let the server decide."""
        self.tokens = min(self.tokens + (now - self.filled_at) * self.limit(now), self.burst)
        self.filled_at = now
        allowed = self.tokens >= 1.0
        self.tokens -= allowed
        self.at(now + self.latency * self.chance.uniform(0.3, 0.7), self.reply, attempt, allowed)

    def reply(self, now: float, attempt: int, allowed: bool) -> None:  # noqa: FBT001 - an event's argument
        """Take the answer."""
        if allowed:
            self.bucket.record_success(now)
            self.ended = now
            self.rates.append((now, self.bucket.rate))
            self.begin(now)
            return
        self.throttled += 1
        self.bucket.record_throttle(now)
        if attempt < self.max_attempts:
            self.at(now + self.chance.random() * min(2.0 ** (attempt - 1), 20.0), self.enter, attempt + 1)
        else:
            self.lost += 1
            self.begin(now)


@pytest.mark.parametrize("seed", range(8))
def test_an_unknown_limit_is_found(seed: int) -> None:
    """1,500 calls by 64 tasks at 100 a second: none lost, within 1.10 x the ideal time, at most 5 % throttled."""
    result = Simulation(seed).run()
    assert result.lost == 0
    assert result.time <= 1.10
    assert result.throttled <= 0.05


@pytest.mark.parametrize("seed", range(8))
def test_a_known_limit_is_kept(seed: int) -> None:
    """With the rate told: none lost, within 1.03 x the ideal time, at most 1 % throttled."""
    result = Simulation(seed, told=100.0).run()
    assert result.lost == 0
    assert result.time <= 1.03
    assert result.throttled <= 0.01


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limit", [30.0, 100.0, 500.0])
def test_it_settles_just_under_the_limit(limit: float, seed: int) -> None:
    """Once it has settled, its mean rate is within 85 and 103 % of what the server allows."""
    result = Simulation(seed, calls=int(limit * 40), limit=lambda _: limit).run()
    settled = [rate for at, rate in result.rates if at > 10 and rate is not None]
    assert 0.85 * limit <= sum(settled) / len(settled) <= 1.03 * limit
    assert result.lost == 0


@pytest.mark.parametrize("options", [{"latency": 0.1}, {"tasks": 200}, {"burst": 1.0}, {"burst": 100.0}])
def test_other_servers_lose_nothing_either(options: dict[str, Any]) -> None:
    """Slow answers, more tasks, no burst or a large one: all calls succeed, if not at the full rate."""
    result = Simulation(1, **options).run()
    assert result.lost == 0
    assert result.time <= 1.5


@pytest.mark.parametrize("told", [None, 100.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_halved_limit_is_found_again(told: float | None, seed: int) -> None:
    """When another program takes half of the quota, the rate follows within seconds and keeps to the rest."""
    result = Simulation(seed, told=told, calls=3_000, limit=lambda now: 100.0 if now < 10 else 50.0).run()
    before = [rate for at, rate in result.rates if 6 < at < 10 and rate is not None]
    after = [rate for at, rate in result.rates if at > 16 and rate is not None]
    assert sum(before) / len(before) >= 85
    assert 40 <= sum(after) / len(after) <= 52
    assert result.lost <= 3


@pytest.mark.parametrize("seed", range(4))
def test_a_limit_that_comes_back_is_used_again(seed: int) -> None:
    """A told rate that the service did not bear for a while is reached again, and not exceeded."""
    simulation = Simulation(seed, told=100.0, calls=6_000, limit=lambda now: 50.0 if now < 5 else 200.0)
    result = simulation.run()
    assert result.rates[-1][1] == 100.0
    assert max(rate for _, rate in result.rates if rate is not None) <= 100.0
