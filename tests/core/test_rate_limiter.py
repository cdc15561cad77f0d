"""The rate limiter: FIFO order, cancellation, timeouts, and one limiter per quota category."""

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
from cognito_async.credentials import CredentialsResolver
from cognito_async.protocol.operation import Operation
from cognito_async.rate_limiter import UNPUBLISHED_RATE, LocalCategoryLimiter, LocalRateLimiter
from tests.support.clocks import now
from tests.support.scripted_transport import ScriptedTransport, hang, refuse, reset, respond, scripted_session, take

pytestmark = pytest.mark.virtual_clock

RESET = ops.ConfirmForgotPasswordRequest.OPERATION
KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret of many characters")
FOREVER = float("inf")
THROTTLED = refuse("TooManyRequestsException")


def ignore(_: float) -> None:
    """Ignore a wait."""


def limiter_of(rate: float) -> LocalCategoryLimiter:
    """Return a limiter with a configured rate."""
    return LocalRateLimiter({"UserAccountRecovery": rate}).limiter(RESET)


async def queue(
    limiter: LocalCategoryLimiter, number: int, time_left: float = FOREVER
) -> tuple[list[asyncio.Task[None]], list[tuple[int, float]]]:
    """Start waiters in order; return their tasks, and a list that gets the number and time of each permit."""
    granted: list[tuple[int, float]] = []

    async def one(n: int) -> None:
        await limiter.acquire(time_left, ignore)
        granted.append((n, now()))

    tasks = [asyncio.ensure_future(one(n)) for n in range(number)]
    await asyncio.sleep(0)
    return tasks, granted


# --- order ------------------------------------------------------------------------------------------------------------


async def test_waiters_get_permits_in_fifo_order() -> None:
    """200 waiters, at the rate."""
    limiter = limiter_of(10.0)
    tasks, granted = await queue(limiter, 200)
    assert limiter.waiting == 199
    await asyncio.gather(*tasks)
    assert [n for n, _ in granted] == list(range(200))
    assert granted[-1][1] == pytest.approx(19.9, abs=0.05)
    assert all(later - earlier >= 0.05 for (_, earlier), (_, later) in pairwise(granted[1:]))
    assert limiter.waiting == 0


async def test_new_waiter_is_last() -> None:
    """Also at the moment when a permit is due."""
    limiter = limiter_of(10.0)
    tasks, granted = await queue(limiter, 3)
    await asyncio.sleep(0.1)
    late = asyncio.ensure_future(limiter.acquire(FOREVER, ignore))
    await asyncio.gather(*tasks)
    assert not late.done()
    await late
    assert now() == pytest.approx(0.3, abs=0.01)
    assert [n for n, _ in granted] == [0, 1, 2]


async def test_tasks_share_the_rate_equally() -> None:
    """Over ten minutes at 50 per second, the count of each of 200 tasks is within 20 % of the mean."""
    limiter, seeded, served = limiter_of(50.0), Random(5), [0] * 200

    async def work(n: int) -> None:
        while True:
            await limiter.acquire(FOREVER, ignore)
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
async def test_cancelled_waiter_leaves_the_queue(position: int) -> None:
    """No permit is lost or granted twice."""
    limiter = limiter_of(10.0)
    tasks, granted = await queue(limiter, 10)
    tasks[position].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[position], asyncio.CancelledError)
    assert [n for n, _ in granted] == [n for n in range(10) if n != position]
    assert granted[-1][1] == pytest.approx(0.8, abs=0.02)
    assert limiter.waiting == 0


async def test_permit_of_a_waiter_cancelled_at_the_same_time_goes_to_the_next() -> None:
    """It has not seen the permit yet."""
    limiter = limiter_of(10.0)
    tasks, granted = await queue(limiter, 3)
    limiter.release()  # for the next waiter, which has not run yet
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert granted == [(0, 0.0), (2, 0.0)]


async def test_permit_released_after_a_cancellation_goes_to_the_next() -> None:
    """Before the cancelled task has run."""
    limiter = limiter_of(1.0)
    tasks, granted = await queue(limiter, 3)
    tasks[1].cancel()
    limiter.release()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert [n for n, _ in granted] == [0, 2]
    assert granted[-1][1] == pytest.approx(0.0, abs=0.01)


async def test_cancellation_when_the_timer_fires_loses_no_permit() -> None:
    """The next waiter gets it."""
    limiter = limiter_of(10.0)
    errors: list[Mapping[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    tasks, granted = await queue(limiter, 3)

    def cancel_and_fire() -> None:
        tasks[1].cancel()
        limiter._on_timer()

    assert limiter._timer is not None
    limiter._timer.cancel()  # it fires in the same iteration of the loop as the cancellation
    loop.call_later(0.1001, cancel_and_fire)
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not errors
    assert [n for n, _ in granted][-1] == 2


@pytest.mark.parametrize("seed", range(20))
async def test_permits_with_random_cancellations_and_timeouts(seed: int) -> None:
    """No permit is lost, granted twice or out of order."""
    seeded, limiter, granted = Random(seed), limiter_of(20.0), list[int]()

    async def one(n: int) -> None:
        await limiter.acquire(seeded.choice([0.5, 3.0, FOREVER]), ignore)
        granted.append(n)
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
    assert granted == sorted(granted)
    assert len(granted) == sum(result is None for result in results)
    assert limiter.waiting == 0
    await asyncio.sleep(1)
    assert limiter.waiting == 0


# --- timeouts ---------------------------------------------------------------------------------------------------------


async def test_permit_after_the_timeout_is_refused_immediately() -> None:
    """There is no wait."""
    limiter = limiter_of(1.0)
    tasks, _ = await queue(limiter, 5)
    with pytest.raises(RateLimitTimeoutError, match="UserAccountRecovery") as caught:
        await limiter.acquire(5.0, ignore)  # the permit would come at the timeout
    assert now() == 0.0
    assert isinstance(caught.value, RequestTimeoutError)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.sent is False
    assert limiter.waiting == 4
    await asyncio.gather(*tasks)


async def test_call_with_permit_after_the_timeout_sends_nothing() -> None:
    """The error has the operation and the number of attempts."""
    transport = ScriptedTransport(respond())
    quotas = Quotas(user_account_recovery=0.1)
    async with scripted_session(transport, quotas=quotas, timeouts=Timeouts(total=5)) as session:
        await reset(session.client("abc"))
        with pytest.raises(RateLimitTimeoutError) as caught:
            await reset(session.client("abc"))
        assert now() == 0.0
        assert session._retry_budget.available == 500
    assert (caught.value.operation, caught.value.attempts, caught.value.sent) == ("ConfirmForgotPassword", 0, False)
    assert len(transport.attempts) == 1


async def test_waiters_time_out_if_the_rate_drops() -> None:
    """With the same error; they leave the queue."""
    limiter = limiter_of(10.0)
    tasks, granted = await queue(limiter, 11, time_left=1.5)
    for _ in range(4):
        limiter.record_throttle()
        await asyncio.sleep(0.3)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    late = [result for result in results if result is not None]
    assert late
    assert all(isinstance(result, RateLimitTimeoutError) and result.sent is False for result in late)
    assert now() == pytest.approx(1.5, abs=1e-6)
    assert len(granted) + len(late) == 11
    assert limiter.waiting == 0


async def test_wait_without_timeout_is_unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """``total=None`` waits an hour. There is no timer at infinity, which some event loops refuse."""
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def call_at_finite(when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        assert when < FOREVER
        return call_at(when, *arguments, **options)

    monkeypatch.setattr(loop, "call_at", call_at_finite)
    transport = ScriptedTransport(respond(), respond())
    quotas = Quotas(user_account_recovery=1 / 3600)
    async with scripted_session(transport, quotas=quotas, timeouts=Timeouts(total=None)) as session:
        await reset(session.client("abc"))
        await reset(session.client("abc"))
    assert transport.pauses == pytest.approx([3600])


# --- categories -------------------------------------------------------------------------------------------------------


async def test_throttled_category_does_not_limit_others() -> None:
    """Sign-ups are not delayed by throttled resets."""

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
    """ForgotPassword and ConfirmForgotPassword have one rate."""
    rate_limiter = LocalRateLimiter({"UserAccountRecovery": 1.0})
    assert rate_limiter.limiter(RESET) is rate_limiter.limiter(ops.ForgotPasswordRequest.OPERATION)
    assert rate_limiter.limiter(RESET) is not rate_limiter.limiter(ops.SignUpRequest.OPERATION)
    assert rate_limiter.limiter(RESET).rate == 1.0
    assert rate_limiter.limiter(ops.SignUpRequest.OPERATION).rate is None
    assert set(rate_limiter.limiters()) == {"UserAccountRecovery", "UserCreation"}


async def test_operation_without_category_has_a_separate_limiter() -> None:
    """Its rate after throttling is a guess."""
    rate_limiter = LocalRateLimiter({})
    terms, describe = ops.ListTermsRequest.OPERATION, ops.DescribeTermsRequest.OPERATION
    assert terms.category is describe.category is None
    for _ in range(4):
        rate_limiter.limiter(terms).record_throttle()
    assert rate_limiter.limiter(terms).rate == UNPUBLISHED_RATE
    assert rate_limiter.limiter(describe).rate is None
    assert set(rate_limiter.limiters()) == {"ListTerms", "DescribeTerms"}


async def test_rare_throttling_does_not_limit() -> None:
    """Four throttled requests among 20 accepted ones, but four among ten."""
    for accepted, rate in ((20, None), (10, UNPUBLISHED_RATE)):
        limiter = LocalRateLimiter({}).limiter(ops.ListTermsRequest.OPERATION)
        limiter.record_throttle()
        for _ in range(accepted):
            limiter.record_success()
        for _ in range(3):
            limiter.record_throttle()
        assert limiter.rate == rate


async def test_regions_of_a_session_share_limiters() -> None:
    """A session for user pools in two regions has one limiter per category."""
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
    refused = ConnectError("refused", sent=False)
    refused.__cause__ = ConnectionRefusedError()
    transport = ScriptedTransport(THROTTLED, refused, refuse("CodeMismatchException"), respond())
    async with scripted_session(transport, rate_limiter=rate_limiter, on_event=events.append) as session:
        with pytest.raises(Exception, match="CodeMismatch"):
            await reset(session.client("abc"))
        await reset(session.client("abc"))
        assert session.stats.rates == {"everything": 5.0}
        assert session.stats.waiting == {"everything": 0}
        assert session.stats.rate_limited == 4
    assert rate_limiter.only.calls == [
        *("acquire 30.0", "record_throttle"),
        *("acquire 28.5", "release"),
        *("acquire 27.9", "record_success"),
        *("acquire 30.0", "record_success"),
    ]
    assert [event.wait for event in events if isinstance(event, RateLimitDetails)] == [0.5] * 4


# --- returned permits -------------------------------------------------------------------------------------------------


async def test_call_cancelled_during_the_wait_returns_its_permit() -> None:
    """The next call gets it."""
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


async def test_request_that_was_not_sent_returns_its_permit() -> None:
    """The retry does not wait."""
    transport = ScriptedTransport(ConnectError("refused", sent=False), respond(), respond())
    policy = RetryPolicy(transient_base=0.05)
    async with scripted_session(transport, retry=policy, quotas=Quotas(user_account_recovery=0.5)) as session:
        await reset(session.client("abc"))
        assert session.stats.rate_limited == 0
        await reset(session.client("abc"))
    assert transport.pauses == pytest.approx([0.05, 2.0], abs=0.06)


async def test_call_cancelled_before_sending_returns_its_permit() -> None:
    """While it waits for a connection."""
    transport = ScriptedTransport(hang(sent=False), respond())
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=0.01)) as session:
        call = asyncio.ensure_future(reset(session.client("abc")))
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await reset(session.client("abc"))
        assert now() == pytest.approx(0.1)


async def test_timeout_of_a_credentials_lookup_returns_its_permit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request was not sent."""
    future: asyncio.Future[Credentials] = asyncio.get_running_loop().create_future()

    async def never(_: CredentialsResolver) -> Credentials:
        return await future

    transport = ScriptedTransport(respond(body=b'{"Username": "ada"}'))
    policy, timeouts = RetryPolicy(max_attempts=1), Timeouts(attempt=3.0)
    async with scripted_session(
        transport, retry=policy, timeouts=timeouts, credentials=KEYS, quotas=Quotas(user_read=0.1)
    ) as session:
        client = session.client(user_pool_id="eu-west-1_AbC")
        with monkeypatch.context() as patch:
            patch.setattr(CredentialsResolver, "resolve", never)
            with pytest.raises(RequestTimeoutError) as caught:
                await client.admin_get_user(username="ada")
        assert caught.value.sent is False
        await client.admin_get_user(username="ada")
        assert now() == pytest.approx(3.0)


@pytest.mark.parametrize("sent", [True, None])
async def test_request_that_may_have_been_sent_keeps_its_permit(*, sent: bool | None) -> None:
    """The service may have counted it."""
    transport = ScriptedTransport(hang(sent=sent), respond())
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=0.1)) as session:
        call = asyncio.ensure_future(reset(session.client("abc")))
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await reset(session.client("abc"))
        assert now() == pytest.approx(10.0, abs=0.01)


async def test_cancelled_group_returns_all_permits() -> None:
    """64 calls, of which one connects and the others wait."""
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


async def test_rate_counts_requests_not_responses() -> None:
    """However long the responses take."""
    transport = ScriptedTransport(*[take(5, respond()) for _ in range(21)])
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=10.0)) as session:
        await asyncio.gather(*[reset(session.client("abc")) for _ in range(21)])
    assert transport.attempts[-1].at == pytest.approx(2.0, abs=0.02)
