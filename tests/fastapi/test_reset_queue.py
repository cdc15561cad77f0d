"""The queue of ForgotPassword requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from cognito_async import UserNotFoundException
from cognito_async.errors import Fault, LimitExceededException, ParameterValidationError
from cognito_async.fastapi import ResetLimits, ResetQueueFullError, ResetRequests
from cognito_async.fastapi.reset_queue import ResetQueue
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
    async with ResetQueue(ResetLimits(workers=2, waiting=3)) as queue:
        for _ in range(2):
            queue.put(waiting_for(event, done), "a")
            await asyncio.sleep(0)
        for _ in range(3):
            queue.put(waiting_for(event, done), "a")
        assert (queue.in_flight, queue.waiting) == (2, 3)
        with pytest.raises(ResetQueueFullError) as caught:
            queue.put(waiting_for(event, done), "a")
        assert caught.value.retry_after == 5
        asyncio.get_running_loop().call_later(10.0, event.set)
    assert len(done) == 5
    with pytest.raises(ResetQueueFullError):
        queue.put(waiting_for(event, done), "a")


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
            ResetRequests(queue, client).submit(NAME, client_metadata={"locale": "de"})
    assert len(transport.attempts) == 7
    assert transport.attempts[-1].json == {"ClientId": "abc", "Username": NAME, "ClientMetadata": {"locale": "de"}}


@pytest.mark.parametrize("invalid", [{"workers": 0}, {"waiting": 0}, {"drain": -1.0}])
def test_invalid_limits_raise_parameter_validation_error(invalid: dict[str, float]) -> None:
    """A queue needs workers and space."""
    with pytest.raises(ParameterValidationError):
        ResetLimits(**invalid)  # type: ignore[arg-type]
