"""The queue of ForgotPassword requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from ipaddress import ip_address
from typing import cast

import pytest

from cognito_async import CognitoClient, UserNotFoundException
from cognito_async.errors import Fault, LimitExceededException, ParameterValidationError
from cognito_async.fastapi import MemoryRateLimit, ResetLimits, ResetQueueFullError, ResetRequests
from cognito_async.fastapi.reset_queue import ResetQueue
from cognito_async.operations import UserContextDataType
from tests.support.scripted_transport import ScriptedTransport, refuse, respond, scripted_session

NAME = "ada@example.com"


def waiting_for(event: asyncio.Event, done: list[int]) -> Callable[[], Awaitable[None]]:
    """Return a job that ends when the event is set."""

    async def job() -> None:
        await event.wait()
        done.append(1)

    return job


@pytest.mark.virtual_clock
async def test_full_queue_rejects_jobs_and_shutdown_waits_for_accepted_ones() -> None:
    """Two jobs run and three wait; the sixth is rejected; the shutdown waits for all five."""
    event, done = asyncio.Event(), list[int]()
    queue = ResetQueue(ResetLimits(workers=2, waiting=3))
    with pytest.raises(ResetQueueFullError):
        queue.put(waiting_for(event, done), "a")  # before the start
    async with queue:
        for client in "abaaa":
            queue.put(waiting_for(event, done), client)
        assert queue.waiting == 3
        with pytest.raises(ResetQueueFullError) as caught:
            queue.put(waiting_for(event, done), "a")
        assert caught.value.retry_after == 5
        asyncio.get_running_loop().call_later(10.0, event.set)
    assert len(done) == 5
    with pytest.raises(ResetQueueFullError):
        queue.put(waiting_for(event, done), "a")


@pytest.mark.virtual_clock
async def test_full_queue_accepts_clients_without_queued_jobs() -> None:
    """A client that fills the queue does not exclude others; memory is bounded all the same."""
    event, done = asyncio.Event(), list[int]()
    async with ResetQueue(ResetLimits(workers=2, waiting=3)) as queue:
        for client in "aaaa" + "bcde":  # one of each a and b runs
            queue.put(waiting_for(event, done), client)
        for client in "acf":
            with pytest.raises(ResetQueueFullError):
                queue.put(waiting_for(event, done), client)
        event.set()
    assert len(done) == 8


@pytest.mark.virtual_clock
@pytest.mark.parametrize("workers", [2, 3, 8])
async def test_queue_with_slow_client_serves_others_in_turn(workers: int) -> None:
    """With 20 slow jobs of one client, the first job of another runs immediately."""
    started: list[tuple[str, float]] = []
    clock = asyncio.get_running_loop().time

    def slow(client: str, seconds: float) -> Callable[[], Awaitable[None]]:
        async def job() -> None:
            started.append((client, clock()))
            await asyncio.sleep(seconds)

        return job

    async with ResetQueue(ResetLimits(workers=workers, drain=1000.0)) as queue:
        start = clock()
        for _ in range(20):
            queue.put(slow("slow", 7.0), "slow")
        await asyncio.sleep(1.0)
        for _ in range(2):
            queue.put(slow("new", 0.1), "new")
    delays = [at - start - 1.0 for client, at in started if client == "new"]
    assert delays[0] == 0.0
    assert delays[1] < 7.0 * 2
    assert len(started) == 22


@pytest.mark.virtual_clock
async def test_queue_with_many_clients_alternates_between_them() -> None:
    """Each client has one job per turn, in the order in which the clients came."""
    order: list[str] = []

    def job(client: str) -> Callable[[], Awaitable[None]]:
        async def record() -> None:
            order.append(client)

        return record

    async with ResetQueue(ResetLimits(workers=1)) as queue:
        for client in "aaaabbc":
            queue.put(job(client), client)
    assert "".join(order) == "aabcaba"  # the first one does not wait


@pytest.mark.virtual_clock
async def test_jobs_do_not_run_in_the_context_of_a_request() -> None:
    """Context variables of its middleware, such as a trace or a database session, have ended by then."""
    request = ContextVar("request", default="none")
    seen: list[str] = []

    async def job() -> None:
        seen.append(request.get())

    async with ResetQueue(ResetLimits()) as queue:
        request.set("of a user")
        queue.put(job, "a")
    assert seen == ["none"]


@pytest.mark.virtual_clock
async def test_ipv6_clients_of_one_network_share_their_turn() -> None:
    """Requests from many addresses of a /48 network do not delay those of another."""
    names: list[str] = []
    event = asyncio.Event()

    class Slow:
        """Waits for an event."""

        async def forgot_password(self, *, username: str, **_: object) -> None:
            """Record the username and wait."""
            names.append(username)
            await event.wait()

    async with ResetQueue(ResetLimits()) as queue:
        resets = ResetRequests(queue, cast("CognitoClient", Slow()))
        for number in range(20):
            context = UserContextDataType(ip_address=f"2001:db8:0:{number << 8:x}::1")
            resets.submit(f"user{number}", user_context_data=context)
        resets.submit(NAME, user_context_data=UserContextDataType(ip_address="2001:db8:1::1"))
        resets.submit("grace", user_context_data=None, client_ip=ip_address("2001:db8:2::1"))
        await asyncio.sleep(0.1)
        assert {NAME, "grace"} <= set(names)
        event.set()


@pytest.mark.virtual_clock
async def test_codes_per_username_are_limited_silently(caplog: pytest.LogCaptureFixture) -> None:
    """Five are sent, and one more when the limit allows it; other usernames are not affected."""
    caplog.set_level(logging.INFO)
    clock = asyncio.get_running_loop().time
    names: list[str] = []

    class Fake:
        """Records the usernames."""

        async def forgot_password(self, *, username: str, **_: object) -> None:
            """Record the username."""
            names.append(username)

    async with ResetQueue(ResetLimits(username_limit=MemoryRateLimit(5, 3600.0, clock=clock))) as queue:
        resets = ResetRequests(queue, cast("CognitoClient", Fake()))
        for spelling in (NAME, NAME.upper()):
            for number in range(20):
                resets.submit(spelling, client_ip=ip_address(f"192.0.2.{number}"))
        resets.submit("grace")
        await asyncio.sleep(600.0)
        assert len(names) == 6
        resets.submit(NAME)
        await asyncio.sleep(200.0)
        resets.submit(NAME)
    assert len(names) == 7
    assert [record.levelname for record in caplog.records] == ["INFO"] * 36  # for the operator
    assert NAME not in caplog.text.casefold()


@pytest.mark.virtual_clock
async def test_shutdown_after_drain_time_logs_lost_jobs(caplog: pytest.LogCaptureFixture) -> None:
    """The record has the number of lost jobs."""
    clock = asyncio.get_running_loop().time
    async with ResetQueue(ResetLimits(workers=1, drain=20.0)) as queue:
        for _ in range(3):
            queue.put(waiting_for(asyncio.Event(), []), "a")
        started = clock()
    assert clock() - started == pytest.approx(20.0)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].args == (3, 20.0)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.virtual_clock
async def test_cancelled_shutdown_stops_the_workers() -> None:
    """No task is left behind."""

    async def serve() -> None:
        async with ResetQueue(ResetLimits(workers=3)) as queue:
            queue.put(waiting_for(asyncio.Event(), []), "a")

    serving = asyncio.create_task(serve())
    await asyncio.sleep(1.0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.virtual_clock
async def test_failing_job_is_logged_without_username(caplog: pytest.LogCaptureFixture) -> None:
    """Errors about users are not logged, the operator's are, and the worker continues."""
    caplog.set_level(logging.DEBUG)
    done: list[int] = []
    event = asyncio.Event()
    event.set()

    async def unknown_user() -> None:
        raise UserNotFoundException(f"User {NAME} does not exist.", fault=Fault.USER)

    async def daily_limit() -> None:
        raise LimitExceededException("Exceeded daily email limit", fault=Fault.QUOTA, operation="ForgotPassword")

    async def bug() -> None:
        raise ZeroDivisionError

    async with ResetQueue(ResetLimits(workers=1)) as queue:
        for job in (unknown_user, daily_limit, bug, waiting_for(event, done)):
            queue.put(job, "a")
    assert done == [1]
    assert NAME not in caplog.text
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "LimitExceededException" in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.virtual_clock
async def test_throttled_request_is_retried_with_the_limits_policy() -> None:
    """Six throttled attempts do not lose the request."""
    limits = ResetLimits()
    transport = ScriptedTransport(*[refuse("TooManyRequestsException")] * 6, respond(body=b"{}"))
    async with scripted_session(transport) as session:
        client = session.client("abc").with_options(timeouts=limits.timeouts, retry=limits.retry)
        async with ResetQueue(ResetLimits(drain=120.0)) as queue:
            context = UserContextDataType(ip_address="192.0.2.1")
            ResetRequests(queue, client).submit(NAME, user_context_data=context, client_metadata={"locale": "de"})
    assert len(transport.attempts) == 7
    about = {"ClientMetadata": {"locale": "de"}, "UserContextData": {"IpAddress": "192.0.2.1"}}
    assert transport.attempts[-1].json == {"ClientId": "abc", "Username": NAME, **about}


@pytest.mark.parametrize("invalid", [{"workers": 0}, {"waiting": 0}, {"drain": -1.0}])
def test_invalid_limits_raise_parameter_validation_error(invalid: dict[str, float]) -> None:
    """A queue needs workers and space."""
    with pytest.raises(ParameterValidationError):
        ResetLimits(**invalid)  # type: ignore[arg-type]
