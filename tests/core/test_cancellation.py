"""Cancellation at any await: connections, permits and tokens are released, and the session still works."""

# ruff: noqa: SIM117 - a session within its server
# ruff: noqa: PT012 - a block under a time limit is more than one statement
# ruff: noqa: ASYNC110 - what is waited for is not known to any event

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import aiohttp
import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognito_async import (
    AsyncCognitoSession,
    CognitoError,
    Quotas,
    RateLimitTimeoutError,
    RequestTimeoutError,
    RetryPolicy,
    Timeouts,
)
from cognito_async.operations import ConfirmForgotPasswordRequest
from tests.support.clocks import VirtualClockLoop, now
from tests.support.scripted_server import ScriptedServer, answer, head, never
from tests.support.scripted_transport import ScriptedTransport, hang, refuse, reset, respond, scripted_session, take

REQUEST = ConfirmForgotPasswordRequest(
    client_id="abc", username="ada", confirmation_code="123456", password="correct horse"
)
Call = Coroutine[Any, Any, object]
Ready = Callable[[], Awaitable[None]]
THROTTLED = refuse("TooManyRequestsException")
PATIENT = Timeouts(total=600, attempt=None, connect=None)


# --- ways to cancel ---------------------------------------------------------------------------------------------------


async def by_cancel(call: Call, ready: Ready) -> None:
    """Cancel the task."""
    task = asyncio.ensure_future(call)
    await ready()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_timeout(call: Call, ready: Ready) -> None:
    """Let ``asyncio.timeout`` expire."""
    loop = asyncio.get_running_loop()

    async def expire() -> None:
        await ready()
        limit.reschedule(loop.time())

    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(None) as limit:
            helper = asyncio.ensure_future(expire())
            await call
    await helper
    assert not isinstance(caught.value, CognitoError)


async def by_task_group(call: Call, ready: Ready) -> None:
    """Let a sibling in a TaskGroup fail."""

    async def fail() -> None:
        await ready()
        raise KeyError

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(call)
            group.create_task(fail())
    assert [type(error) for error in caught.value.exceptions] == [KeyError]


async def by_move_on(call: Call, ready: Ready) -> None:
    """Let anyio's timeout expire."""

    async def expire() -> None:
        await ready()
        scope.deadline = anyio.current_time()

    with anyio.move_on_after(600) as scope:
        helper = asyncio.ensure_future(expire())
        await call
    await helper
    assert scope.cancelled_caught


async def by_anyio_group(call: Call, ready: Ready) -> None:
    """Cancel anyio's task group."""

    async def run() -> None:
        await call

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await ready()
        group.cancel_scope.cancel()


WAYS = [by_cancel, by_timeout, by_task_group, by_move_on, by_anyio_group]
Way = Callable[[Call, Ready], Awaitable[None]]


@pytest.fixture(params=WAYS, ids=[way.__name__ for way in WAYS])
def way(request: pytest.FixtureRequest) -> Way:
    """Return each way to cancel."""
    chosen: Way = request.param
    return chosen


def until(condition: Callable[[], object]) -> Ready:
    """Return a coroutine function that waits for a condition."""

    async def ready() -> None:
        while not condition():
            await asyncio.sleep(0.002)

    return ready


def nothing_is_held(session: AsyncCognitoSession) -> bool:
    """Return whether a session holds no connection, tokens or permit for a call."""
    http = getattr(session._transport, "_http", None)
    taken = http is not None and http.connector._acquired
    return not taken and session._retry_budget.available == 500 and set(session.stats.waiting.values()) <= {0}


# --- on the virtual clock ---------------------------------------------------------------------------------------------


@pytest.mark.virtual_clock
async def test_cancel_during_rate_limit_wait_leaves_the_queue(way: Way) -> None:
    """The permit is available for the next call."""
    transport = ScriptedTransport(respond(), respond())
    quotas = Quotas(user_account_recovery=0.1)
    async with scripted_session(transport, timeouts=PATIENT, quotas=quotas) as session:
        client = session.client("abc")
        await reset(client)
        tasks = asyncio.all_tasks()
        await way(reset(client), until(lambda: session.stats.waiting.get("UserAccountRecovery") == 1))
        assert asyncio.all_tasks() == tasks
        assert nothing_is_held(session)
        await reset(client)
        assert now() == pytest.approx(10, abs=0.01)
        assert (session.stats.calls, session.stats.succeeded, session.stats.failed) == (3, 2, 0)


@pytest.mark.virtual_clock
async def test_cancel_during_rate_limit_wait_of_a_retry_returns_tokens(way: Way) -> None:
    """The next call uses the permit."""
    transport = ScriptedTransport(THROTTLED, respond())
    quotas = Quotas(user_account_recovery=0.1)
    async with scripted_session(transport, timeouts=PATIENT, quotas=quotas) as session:
        client = session.client("abc")
        await way(reset(client), until(lambda: session.stats.waiting.get("UserAccountRecovery") == 1))
        assert nothing_is_held(session)
        await reset(client)
    assert len(transport.attempts) == 2


@pytest.mark.virtual_clock
async def test_cancel_during_backoff_returns_tokens(way: Way) -> None:
    """Nothing more is sent."""
    transport = ScriptedTransport(THROTTLED, respond())
    async with scripted_session(transport, timeouts=PATIENT) as session:
        client = session.client("abc")
        tasks = asyncio.all_tasks()
        await way(reset(client), until(lambda: session._retry_budget.available < 500))
        assert asyncio.all_tasks() == tasks
        assert nothing_is_held(session)
        assert len(transport.attempts) == 1
        await reset(client)


@pytest.mark.virtual_clock
async def test_cancel_of_many_rate_limited_calls(way: Way) -> None:
    """64 calls, of which some wait and some are sent: all end."""
    transport = ScriptedTransport(*[hang(sent=n % 2 == 0) for n in range(64)])
    async with scripted_session(transport, timeouts=PATIENT, quotas=Quotas(user_account_recovery=5.0)) as session:
        client = session.client("abc")
        tasks = asyncio.all_tasks()

        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(64):
                    group.create_task(reset(client))

        await way(all_of_them(), until(lambda: len(transport.attempts) >= 10))
        assert asyncio.all_tasks() == tasks
        assert nothing_is_held(session)
        transport.script = [respond()]
        await reset(client)


# --- on real sockets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [never(), never(b"HTTP/1.1 200"), never(head(200, {"Content-Length": "100"}) + b"{")],
    ids=["no response", "incomplete head", "incomplete body"],
)
async def test_cancel_while_waiting_for_response_closes_the_connection(response: Any, way: Way) -> None:
    """No task is left, and the next call succeeds."""
    async with ScriptedServer(response) as server:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, timeouts=PATIENT) as session:
            tasks = asyncio.all_tasks()
            await way(reset(session.client("abc")), until(lambda: server.requests))
            await server.until(lambda: server.open == 0)
            assert asyncio.all_tasks() == tasks
            assert nothing_is_held(session)
            await reset(session.client("abc"))
            assert server.connections == 2


async def test_cancel_during_backoff_keeps_the_connection(way: Way) -> None:
    """It is idle in the pool, and the next call uses it."""
    policy = RetryPolicy(transient_base=500, max_delay=500)
    async with ScriptedServer(answer(b"", 500)) as server:
        async with AsyncCognitoSession(
            "eu-west-1", endpoint_url=server.url, timeouts=PATIENT, retry=policy, random=lambda: 1.0
        ) as session:
            await way(reset(session.client("abc")), until(lambda: session._retry_budget.available < 500))
            assert nothing_is_held(session)
            await reset(session.client("abc"))
            assert server.connections == 1


async def test_cancel_during_tls_handshake_closes_the_connection(way: Way) -> None:
    """No task is left."""
    async with ScriptedServer(on_connect=never()) as server:
        url = server.url.replace("http:", "https:")
        quotas = Quotas(user_account_recovery=0.01)
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, timeouts=PATIENT, quotas=quotas) as session:
            tasks = asyncio.all_tasks()

            def connected(number: int) -> bool:
                return server.connections == number

            for n in (1, 2):  # the second call needs the permit of the first
                await way(reset(session.client("abc")), until(partial(connected, n)))
                await server.until(lambda: server.open == 0)
                assert asyncio.all_tasks() == tasks
                assert nothing_is_held(session)


async def test_cancel_during_dns_lookup_returns_the_permit(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session works once the resolver responds."""
    asked, answers = asyncio.Event(), asyncio.Event()

    async def resolve(_: Any, host: str, port: int = 0, family: Any = None) -> list[dict[str, Any]]:
        asked.set()
        await answers.wait()
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    async with ScriptedServer() as server:
        url = f"http://cognito.example:{server.port}"
        quotas = Quotas(user_account_recovery=0.01)
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, timeouts=PATIENT, quotas=quotas) as session:
            await way(reset(session.client("abc")), until(asked.is_set))
            assert nothing_is_held(session)
            answers.set()
            async with asyncio.timeout(60):
                await reset(session.client("abc"))


async def test_cancel_of_calls_at_random_times() -> None:
    """Nothing is held in the end, and every task is done."""

    async def slow(connection: Any) -> None:
        await asyncio.sleep(0.005)
        await answer()(connection)

    async with ScriptedServer(otherwise=slow) as server:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, timeouts=PATIENT) as session:
            client = session.client("abc")
            for wave in range(20):
                calls = [asyncio.ensure_future(reset(client)) for _ in range(20)]
                await asyncio.sleep(wave / 2_000)
                for call in calls[::2]:
                    call.cancel()
                results = await asyncio.gather(*calls, return_exceptions=True)
                assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
            assert nothing_is_held(session)
            assert server.connections <= 300
        await server.until(lambda: server.open == 0)


# --- timeouts ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    rate=st.floats(0.1, 5),
    total=st.floats(0.1, 20),
    attempt=st.none() | st.floats(0.1, 5),
    number=st.integers(1, 12),
    chance=st.floats(0, 0.99),
)
def test_total_timeout_includes_rate_limit_waits(
    rate: float, total: float, attempt: float | None, number: int, chance: float
) -> None:
    """Calls that share a rate end within their timeout and 50 ms."""

    class Service(ScriptedTransport):
        async def send(self, request: Any) -> Any:
            kinds = [hang(), take(0.3, THROTTLED), take(0.7, respond(500, b"")), take(1.1, respond())]
            self.script.append(kinds[len(self.attempts) % 4])
            return await super().send(request)

    async def timed(client: Any) -> float:
        started = now()
        with contextlib.suppress(CognitoError):
            await reset(client)
        return now() - started

    async def main() -> list[float]:
        limits = Timeouts(total=total, attempt=attempt)
        quotas = Quotas(user_account_recovery=rate)
        async with scripted_session(Service(), timeouts=limits, quotas=quotas, random=lambda: chance) as session:
            lasted = await asyncio.gather(*[timed(session.client("abc")) for _ in range(number)])
            assert set(session.stats.waiting.values()) <= {0}
        return lasted

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        assert max(runner.run(main())) <= total + 0.05


@pytest.mark.virtual_clock
async def test_rate_limit_wait_counts_towards_total_timeout() -> None:
    """After 4 s of waiting a call of 6 s has 2 s left."""
    transport = ScriptedTransport(respond(), hang())
    limits = Timeouts(total=6, attempt=None)
    async with scripted_session(transport, timeouts=limits, quotas=Quotas(user_account_recovery=0.25)) as session:
        await reset(session.client("abc"))
        with pytest.raises(RequestTimeoutError) as caught:
            await reset(session.client("abc"))
        assert not isinstance(caught.value, RateLimitTimeoutError)
        assert caught.value.sent is True
        assert now() == pytest.approx(6, abs=0.05)
    assert transport.pauses == pytest.approx([4], abs=0.01)


@pytest.mark.virtual_clock
async def test_timeouts_of_call_client_and_session_in_order() -> None:
    """The call's timeout takes precedence over the client's, and that over the session's."""
    transport = ScriptedTransport(*[hang()] * 5)
    policy = RetryPolicy(max_attempts=1)
    async with scripted_session(transport, retry=policy, timeouts=Timeouts(total=4)) as session:
        client = session.client("abc")
        hasty = client.with_options(timeouts=Timeouts(total=2))
        calls: list[tuple[Callable[[], Call], float]] = [
            (lambda: reset(client), 4),
            (lambda: reset(hasty), 2),
            (lambda: session.send(REQUEST), 4),
            (lambda: session.send(REQUEST, timeouts=Timeouts(total=1)), 1),
            (lambda: reset(client), 4),
        ]
        for call, limit in calls:
            started = now()
            with pytest.raises(RequestTimeoutError):
                await call()
            assert now() - started == pytest.approx(limit, abs=0.05)


@pytest.mark.virtual_clock
async def test_timeout_of_the_caller_during_rate_limit_wait() -> None:
    """``asyncio.timeout`` and ``anyio.fail_after`` raise their own TimeoutError."""
    transport = ScriptedTransport(respond())
    async with scripted_session(transport, timeouts=PATIENT, quotas=Quotas(user_account_recovery=0.1)) as session:
        client = session.client("abc")
        await reset(client)
        for limit in (asyncio.timeout, anyio.fail_after):
            started = now()
            with pytest.raises(TimeoutError) as caught:
                scope: Any = limit(0.5)
                if limit is asyncio.timeout:
                    async with scope:
                        await reset(client)
                else:
                    with scope:
                        await reset(client)
            assert not isinstance(caught.value, CognitoError)
            assert now() - started == pytest.approx(0.5)
        assert nothing_is_held(session)
