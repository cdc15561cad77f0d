"""Waiting for a turn: first come, first served, cancellable, and one limiter for each quota category."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from cognito_async import (
    CategoryLimiter,
    ConnectError,
    Credentials,
    Quotas,
    RateLimitDetails,
    RateLimitTimeoutError,
    RequestTimeoutError,
    RetryPolicy,
    Timeouts,
)
from cognito_async import operations as ops
from cognito_async.protocol.operation import Operation
from cognito_async.rate_limiter import UNPUBLISHED_RATE, LocalCategoryLimiter, LocalRateLimiter
from tests.support.clocks import now
from tests.support.scripted_transport import ScriptedTransport, hang, refuse, reset, respond, scripted_session, take

pytestmark = pytest.mark.virtual_clock

RESET = ops.ConfirmForgotPasswordRequest.OPERATION
KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret of many characters")
FOREVER = float("inf")
THROTTLED = refuse("TooManyRequestsException")


def nobody(_: float) -> None:
    """Hear of a wait, and do nothing about it."""


def lane_of(rate: float) -> LocalCategoryLimiter:
    """Make a limiter with a told rate."""
    return LocalRateLimiter({"UserAccountRecovery": rate}).limiter(RESET)


async def queue(
    limiter: LocalCategoryLimiter, number: int, time_left: float = FOREVER
) -> tuple[list[asyncio.Task[None]], list[tuple[int, float]]]:
    """Start waiters one after the other; give their tasks, and the list of who went when."""
    went: list[tuple[int, float]] = []

    async def one(n: int) -> None:
        await limiter.acquire(time_left, nobody)
        went.append((n, now()))

    tasks = [asyncio.ensure_future(one(n)) for n in range(number)]
    await asyncio.sleep(0)
    return tasks, went


# --- the order --------------------------------------------------------------------------------------------------------


async def test_first_come_first_served() -> None:
    """200 waiters go in the order in which they came, one at each turn, at the rate."""
    limiter = lane_of(10.0)
    tasks, went = await queue(limiter, 200)
    assert limiter.waiting == 199
    await asyncio.gather(*tasks)
    assert [n for n, _ in went] == list(range(200))
    assert went[-1][1] == pytest.approx(19.9, abs=0.05)
    assert all(later - earlier >= 0.05 for (_, earlier), (_, later) in pairwise(went[1:]))
    assert limiter.waiting == 0


async def test_a_newcomer_does_not_overtake() -> None:
    """Who comes while others wait goes after them, even at the moment when a turn has come."""
    limiter = lane_of(10.0)
    tasks, went = await queue(limiter, 3)
    await asyncio.sleep(0.1)
    late = asyncio.ensure_future(limiter.acquire(FOREVER, nobody))
    await asyncio.gather(*tasks)
    assert not late.done()
    await late
    assert now() == pytest.approx(0.3, abs=0.01)
    assert [n for n, _ in went] == [0, 1, 2]


async def test_each_of_200_tasks_has_an_equal_share() -> None:
    """Over ten minutes at 50 a second each task's count is within 20 % of the mean."""
    limiter, seeded, served = lane_of(50.0), Random(5), [0] * 200

    async def work(n: int) -> None:
        while True:
            await limiter.acquire(FOREVER, nobody)
            served[n] += 1
            await asyncio.sleep(seeded.random() * 0.1)

    tasks = [asyncio.ensure_future(work(n)) for n in range(200)]
    await asyncio.sleep(600)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    mean = sum(served) / 200
    assert 600 * 50 - 5 <= sum(served) <= 600 * 50 + 2
    assert all(0.8 * mean <= count <= 1.2 * mean for count in served)


# --- cancellation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [1, 5, 9], ids=["head", "middle", "tail"])
async def test_a_cancelled_waiter_leaves_the_queue(position: int) -> None:
    """The others move up: no turn is lost and none is given twice."""
    limiter = lane_of(10.0)
    tasks, went = await queue(limiter, 10)
    tasks[position].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[position], asyncio.CancelledError)
    assert [n for n, _ in went] == [n for n in range(10) if n != position]
    assert went[-1][1] == pytest.approx(0.8, abs=0.02)
    assert limiter.waiting == 0


async def test_cancelled_when_its_turn_has_just_come() -> None:
    """The right that it got in the same moment goes to the next."""
    limiter = lane_of(10.0)
    tasks, went = await queue(limiter, 3)
    limiter.release()  # the next one's turn, which it has not seen yet
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert went == [(0, 0.0), (2, 0.0)]


async def test_cancelled_just_before_a_right_is_given_back() -> None:
    """A turn that comes before the cancelled task has run goes past it, to the next, and nothing breaks."""
    limiter = lane_of(1.0)
    tasks, went = await queue(limiter, 3)
    tasks[1].cancel()
    limiter.release()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert [n for n, _ in went] == [0, 2]
    assert went[-1][1] == pytest.approx(0.0, abs=0.01)


async def test_cancelled_in_the_moment_of_its_turn() -> None:
    """A cancellation at the very time at which the turn comes loses no turn for those behind."""
    limiter = lane_of(10.0)
    errors: list[Mapping[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    tasks, went = await queue(limiter, 3)

    def cancel_and_ring() -> None:
        tasks[1].cancel()
        limiter._on_timer()

    assert limiter._timer is not None
    limiter._timer.cancel()  # its ring comes in one round of the loop with the cancellation
    loop.call_later(0.1001, cancel_and_ring)
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not errors
    assert [n for n, _ in went][-1] == 2


@pytest.mark.parametrize("seed", range(20))
async def test_turns_under_any_interleaving(seed: int) -> None:
    """With random cancellations, time limits and rights given back, no turn is lost, doubled or handed out of order."""
    seeded, limiter, went = Random(seed), lane_of(20.0), list[int]()

    async def one(n: int) -> None:
        await limiter.acquire(seeded.choice([0.5, 3.0, FOREVER]), nobody)
        went.append(n)
        if seeded.random() < 0.2:
            limiter.release()

    async with asyncio.timeout(60):
        tasks = []
        for n in range(150):
            tasks.append(asyncio.ensure_future(one(n)))
            if seeded.random() < 0.3:
                seeded.choice(tasks).cancel()
            await asyncio.sleep(seeded.choice([0, 0, 0.01, 0.05]))
        results = await asyncio.gather(*tasks, return_exceptions=True)
    kinds = {type(result) for result in results}
    assert kinds <= {type(None), asyncio.CancelledError, RateLimitTimeoutError}
    assert went == sorted(went)
    assert len(went) == sum(result is None for result in results)
    assert limiter.waiting == 0
    await asyncio.sleep(1)
    assert limiter.waiting == 0


# --- time limits ------------------------------------------------------------------------------------------------------


async def test_a_turn_that_cannot_come_in_time_is_refused_at_once() -> None:
    """Nobody waits for what is known to be too late."""
    limiter = lane_of(1.0)
    tasks, _ = await queue(limiter, 5)
    with pytest.raises(RateLimitTimeoutError, match="UserAccountRecovery") as caught:
        await limiter.acquire(4.0, nobody)
    assert now() == 0.0
    assert isinstance(caught.value, RequestTimeoutError)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.sent is False
    assert limiter.waiting == 4
    await asyncio.gather(*tasks)


async def test_a_call_whose_turn_cannot_come_in_time_sends_nothing() -> None:
    """Through a session: the error tells operation and attempts, and nothing is sent."""
    transport = ScriptedTransport(respond())
    quotas = Quotas(user_account_recovery=0.1)
    async with scripted_session(transport, quotas=quotas, timeouts=Timeouts(total=5)) as session:
        await reset(session.client("abc"))
        with pytest.raises(RateLimitTimeoutError) as caught:
            await reset(session.client("abc"))
        assert now() == 0.0
        assert session._retry_quota.available == 500
    assert (caught.value.operation, caught.value.attempts, caught.value.sent) == ("ConfirmForgotPassword", 0, False)
    assert len(transport.attempts) == 1


async def test_a_rate_that_drops_while_waiting_ends_at_the_limit() -> None:
    """What looked possible at first ends at the call's limit, with the same error, and leaves the queue."""
    limiter = lane_of(10.0)
    tasks, went = await queue(limiter, 11, time_left=1.5)
    for _ in range(4):
        limiter.record_throttle()
        await asyncio.sleep(0.3)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    late = [result for result in results if result is not None]
    assert late
    assert all(isinstance(result, RateLimitTimeoutError) and result.sent is False for result in late)
    assert now() == pytest.approx(1.5, abs=1e-6)
    assert len(went) + len(late) == 11
    assert limiter.waiting == 0


async def test_no_limit_waits_as_long_as_it_takes() -> None:
    """With ``total=None`` a turn an hour away is waited for."""
    transport = ScriptedTransport(respond(), respond())
    quotas = Quotas(user_account_recovery=1 / 3600)
    async with scripted_session(transport, quotas=quotas, timeouts=Timeouts(total=None)) as session:
        await reset(session.client("abc"))
        await reset(session.client("abc"))
    assert transport.pauses == pytest.approx([3600])


# --- categories -------------------------------------------------------------------------------------------------------


async def test_a_throttled_category_slows_no_other() -> None:
    """While password resets are throttled in earnest, sign-ups go as fast as ever."""

    class Service(ScriptedTransport):
        async def send(self, request: Any) -> Any:
            resets = request.headers["X-Amz-Target"].endswith("ConfirmForgotPassword")
            self.script.append(THROTTLED if resets else respond(body=b'{"UserConfirmed": true, "UserSub": "s"}'))
            return await super().send(request)

    async with scripted_session(Service()) as session:
        client = session.client("abc")
        resets = [asyncio.ensure_future(reset(client)) for _ in range(30)]
        await asyncio.sleep(0.01)
        assert set(session.stats.rates) == {"UserAccountRecovery"}
        started = now()
        await asyncio.gather(*[client.sign_up(username=f"u{n}", password="correct horse") for n in range(500)])
        assert now() == started
        assert set(session.stats.rates) == {"UserAccountRecovery"}
        await asyncio.gather(*resets, return_exceptions=True)


async def test_operations_of_one_category_share_a_limiter() -> None:
    """ForgotPassword and ConfirmForgotPassword count against one rate."""
    rate_limiter = LocalRateLimiter({"UserAccountRecovery": 1.0})
    assert rate_limiter.limiter(RESET) is rate_limiter.limiter(ops.ForgotPasswordRequest.OPERATION)
    assert rate_limiter.limiter(RESET) is not rate_limiter.limiter(ops.SignUpRequest.OPERATION)
    assert rate_limiter.limiter(RESET).rate == 1.0
    assert rate_limiter.limiter(ops.SignUpRequest.OPERATION).rate is None
    assert set(rate_limiter.limiters()) == {"UserAccountRecovery", "UserCreation"}


async def test_an_operation_without_a_category_has_a_lane_of_its_own() -> None:
    """Its throttling limits it alone, from a rate that is a guess."""
    rate_limiter = LocalRateLimiter({})
    terms, describe = ops.ListTermsRequest.OPERATION, ops.DescribeTermsRequest.OPERATION
    assert terms.category is describe.category is None
    for _ in range(4):
        rate_limiter.limiter(terms).record_throttle()
    assert rate_limiter.limiter(terms).rate == UNPUBLISHED_RATE
    assert rate_limiter.limiter(describe).rate is None
    assert set(rate_limiter.limiters()) == {"ListTerms", "DescribeTerms"}


async def test_regions_of_one_session_share_the_waiting_but_not_the_answers() -> None:
    """A session that serves pools in two regions keeps one limiter a category."""
    transport = ScriptedTransport(respond(body=b'{"Username": "a"}'), respond(body=b'{"Username": "b"}'))
    async with scripted_session(transport, region=None, credentials=KEYS, quotas=Quotas(user_read=1.0)) as session:
        for pool in ("eu-west-1_A", "us-east-1_B"):
            await session.client(user_pool_id=pool).admin_get_user(username="ada")
    assert transport.pauses == pytest.approx([1.0])


class RecordingLimiter:
    """A custom limiter that records its calls."""

    rate: float | None = 5.0
    waiting = 0

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def acquire(self, time_left: float, on_wait: Callable[[float], None]) -> None:
        """Grant a permit after half a second."""
        self.calls.append(f"acquire {time_left:.1f}")
        on_wait(0.5)
        await asyncio.sleep(0.5)

    def release(self) -> None:
        """Record the call."""
        self.calls.append("release")

    def record_success(self) -> None:
        """Record the call."""
        self.calls.append("record_success")

    def record_throttle(self) -> None:
        """Record the call."""
        self.calls.append("record_throttle")


class RecordingRateLimiter:
    """One limiter for all operations."""

    def __init__(self) -> None:
        self.only = RecordingLimiter()

    def limiter(self, operation: Operation) -> CategoryLimiter:
        """Return the only limiter."""
        return self.only

    def limiters(self) -> Mapping[str, CategoryLimiter]:
        """Return the only limiter."""
        return {"everything": self.only}


async def test_custom_rate_limiter_sees_every_attempt() -> None:
    """It grants each attempt, records each response, appears in the stats, and gets unused permits back."""
    rate_limiter, events = RecordingRateLimiter(), list[Any]()
    transport = ScriptedTransport(THROTTLED, ConnectError("refused", sent=False), refuse("CodeMismatchException"))
    async with scripted_session(transport, rate_limiter=rate_limiter, on_event=events.append) as session:
        with pytest.raises(Exception, match="CodeMismatch"):
            await reset(session.client("abc"))
        assert session.stats.rates == {"everything": 5.0}
        assert session.stats.waiting == {"everything": 0}
        assert session.stats.rate_limited == 3
    assert rate_limiter.only.calls == [
        *("acquire 30.0", "record_throttle"),
        *("acquire 28.5", "release"),
        *("acquire 27.9", "record_success"),
    ]
    assert [event.wait for event in events if isinstance(event, RateLimitDetails)] == [0.5, 0.5, 0.5]


# --- rights are given back --------------------------------------------------------------------------------------------


async def test_a_call_cancelled_while_it_waits_gives_its_turn_back() -> None:
    """The next call goes when the cancelled one would have gone."""
    transport = ScriptedTransport(respond(), respond())
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=1.0)) as session:
        client = session.client("abc")
        await reset(client)
        waiting = asyncio.ensure_future(reset(client))
        following = asyncio.ensure_future(reset(client))
        await asyncio.sleep(0.5)
        assert session.stats.waiting == {"UserAccountRecovery": 2}
        waiting.cancel()
        await following
        assert waiting.cancelled()
    assert transport.pauses == pytest.approx([1.0], abs=2e-3)


async def test_a_request_that_never_left_gives_its_right_back() -> None:
    """A refused connection costs nothing of the rate: the retry needs no further turn."""
    transport = ScriptedTransport(ConnectError("refused", sent=False), respond(), respond())
    policy = RetryPolicy(transient_base=0.05)
    async with scripted_session(transport, retry=policy, quotas=Quotas(user_account_recovery=0.5)) as session:
        await reset(session.client("abc"))
        assert session.stats.rate_limited == 0
        await reset(session.client("abc"))
    assert transport.pauses == pytest.approx([0.05, 2.0], abs=0.06)


async def test_a_call_cancelled_before_it_left_gives_its_right_back() -> None:
    """As one that still waited for a connection."""
    transport = ScriptedTransport(hang(sent=False), respond())
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=0.01)) as session:
        call = asyncio.ensure_future(reset(session.client("abc")))
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await reset(session.client("abc"))
        assert now() == pytest.approx(0.1)


@pytest.mark.parametrize("sent", [True, None])
async def test_a_request_that_may_have_left_keeps_its_right(*, sent: bool | None) -> None:
    """The service may have counted it."""
    transport = ScriptedTransport(hang(sent=sent), respond())
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=0.1)) as session:
        call = asyncio.ensure_future(reset(session.client("abc")))
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await reset(session.client("abc"))
        assert now() == pytest.approx(10.0, abs=0.01)


async def test_all_calls_of_a_cancelled_group_let_go() -> None:
    """64 calls, of which one connects and the others wait, are cancelled together: each ends, none waits on."""
    transport = ScriptedTransport(hang(sent=False), respond())
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=0.5)) as session:
        client = session.client("abc").with_options(timeouts=Timeouts(total=None, attempt=None))
        calls = [asyncio.ensure_future(reset(client)) for _ in range(64)]
        await asyncio.sleep(1)
        for call in calls:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 64
        assert session.stats.waiting == {"UserAccountRecovery": 0}
        async with asyncio.timeout(2.1):
            await reset(client)


async def test_pace_under_a_slow_service_counts_requests_not_answers() -> None:
    """The rate is that of the requests sent, however long the answers take."""
    transport = ScriptedTransport(*[take(5, respond()) for _ in range(21)])
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=10.0)) as session:
        await asyncio.gather(*[reset(session.client("abc")) for _ in range(21)])
    assert transport.attempts[-1].at == pytest.approx(2.0, abs=0.02)
