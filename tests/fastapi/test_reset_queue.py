"""The queue of resets: bounded, patient, and drained at the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from cognito_async import UserNotFoundException
from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi import ResetLimits, ResetQueueFullError, ResetRequests
from cognito_async.fastapi.reset_queue import ResetQueue
from tests.support.scripted_transport import ScriptedTransport, refuse, respond, scripted_session

NAME = "ada@example.com"


def waiting_for(gate: asyncio.Event, done: list[int]) -> Callable[[], Awaitable[None]]:
    """Make a job that ends when the gate opens."""

    async def job() -> None:
        await gate.wait()
        done.append(1)

    return job


@pytest.mark.virtual_clock
async def test_the_queue_is_bounded_and_drained() -> None:
    """Two work and three wait; the sixth is refused with a time to come back; the end waits for all five."""
    gate, done = asyncio.Event(), list[int]()
    async with ResetQueue(ResetLimits(workers=2, waiting=3)) as queue:
        for _ in range(2):
            queue.put(waiting_for(gate, done))
            await asyncio.sleep(0)
        for _ in range(3):
            queue.put(waiting_for(gate, done))
        assert (queue.busy, queue.waiting) == (2, 3)
        with pytest.raises(ResetQueueFullError) as caught:
            queue.put(waiting_for(gate, done))
        assert caught.value.retry_after == 5
        asyncio.get_running_loop().call_later(10.0, gate.set)
    assert len(done) == 5
    with pytest.raises(ResetQueueFullError):
        queue.put(waiting_for(gate, done))


@pytest.mark.virtual_clock
async def test_the_end_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """What is not done within the limit is lost, and the log says how many."""
    clock = asyncio.get_running_loop().time
    async with ResetQueue(ResetLimits(workers=1, drain=20.0)) as queue:
        for _ in range(3):
            queue.put(waiting_for(asyncio.Event(), []))
        started = clock()
    assert clock() - started == pytest.approx(20.0)
    assert "shutdown: 3 password resets were not requested within 20 s" in caplog.text
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.virtual_clock
async def test_a_shutdown_that_is_cancelled_leaves_no_worker() -> None:
    """Who ends the end ends the workers too."""

    async def serve() -> None:
        async with ResetQueue(ResetLimits(workers=3)) as queue:
            queue.put(waiting_for(asyncio.Event(), []))

    serving = asyncio.create_task(serve())
    await asyncio.sleep(1.0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.virtual_clock
async def test_a_failure_ends_nothing_and_names_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Errors and bugs are for the log; the next job is done all the same."""
    caplog.set_level(logging.DEBUG)
    done: list[int] = []
    opened = asyncio.Event()
    opened.set()

    async def unknown() -> None:
        raise UserNotFoundException(f"User {NAME} does not exist.")

    async def bug() -> None:
        raise ZeroDivisionError

    async with ResetQueue(ResetLimits(workers=1)) as queue:
        for job in (unknown, bug, waiting_for(opened, done)):
            queue.put(job)
    assert done == [1]
    assert NAME not in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.virtual_clock
async def test_throttling_is_waited_for() -> None:
    """A reset that is throttled many times is requested in the end, with the patience of the limits."""
    limits = ResetLimits()
    transport = ScriptedTransport(*[refuse("TooManyRequestsException")] * 6, respond(body=b"{}"))
    async with scripted_session(transport) as session:
        client = session.client("abc").with_options(timeouts=limits.timeouts, retry=limits.retry)
        async with ResetQueue(ResetLimits(drain=120.0)) as queue:
            ResetRequests(queue, client).submit(NAME, client_metadata={"locale": "de"})
    assert len(transport.attempts) == 7
    assert transport.attempts[-1].json == {"ClientId": "abc", "Username": NAME, "ClientMetadata": {"locale": "de"}}


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"waiting": 0}, {"drain": -1.0}])
def test_limits_make_sense(wrong: dict[str, float]) -> None:
    """A queue without workers or room is refused."""
    with pytest.raises(ParameterValidationError):
        ResetLimits(**wrong)  # type: ignore[arg-type]
