"""Deadline behaves like ``asyncio.timeout``; each test runs with both, and with deadlines that share a timer."""

# ruff: noqa: PT012 - a time limit is a block within a block

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from cognito_async.deadline import Deadline, SharedTimer
from tests.support.clocks import START, now

pytestmark = pytest.mark.virtual_clock

Limit = Callable[[float | None], AbstractAsyncContextManager[object]]


@asynccontextmanager
async def ours(seconds: float | None) -> AsyncIterator[None]:
    """Return a Deadline as an async context manager."""
    with Deadline(seconds):
        yield


@pytest.fixture(params=["Deadline", "SharedTimer", "asyncio.timeout"])
def limit(request: pytest.FixtureRequest) -> Limit:
    """Return each of the implementations."""
    timer = SharedTimer()

    @asynccontextmanager
    async def shared(seconds: float | None) -> AsyncIterator[None]:
        with Deadline(seconds, timer):
            yield

    limits: dict[str, Limit] = {"Deadline": ours, "SharedTimer": shared, "asyncio.timeout": asyncio.timeout}
    return limits[request.param]


def cancelling() -> int:
    """Return how often the current task was cancelled."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def test_wait_ends_at_the_deadline(limit: Limit) -> None:
    """With TimeoutError, and the task does not count as cancelled."""
    with pytest.raises(TimeoutError):
        async with limit(2.5):
            await asyncio.sleep(60)
    assert now() == pytest.approx(2.5, abs=1e-6)
    assert cancelling() == 0


async def test_timeout_error_has_the_cancellation_as_cause(limit: Limit) -> None:
    """The CancelledError that ended the wait."""
    with pytest.raises(TimeoutError) as caught:
        async with limit(1):
            await asyncio.sleep(60)
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


async def test_block_within_the_deadline_is_not_interrupted(limit: Limit) -> None:
    """Nothing happens after the block."""
    async with limit(1):
        await asyncio.sleep(0.5)
    await asyncio.sleep(60)
    assert cancelling() == 0


async def test_none_means_no_limit(limit: Limit) -> None:
    """A block may take any time."""
    async with limit(None):
        await asyncio.sleep(1_000_000)
    assert now() == pytest.approx(1_000_000)


async def test_zero_ends_the_first_wait(limit: Limit) -> None:
    """Immediately."""
    with pytest.raises(TimeoutError):
        async with limit(0):
            await asyncio.sleep(60)
    assert now() == pytest.approx(0, abs=1e-6)
    assert cancelling() == 0


async def test_zero_does_not_end_a_block_without_a_wait(limit: Limit) -> None:
    """The block completes."""
    async with limit(0):
        pass
    await asyncio.sleep(1)


async def test_error_in_the_block_is_raised_unchanged(limit: Limit) -> None:
    """Not as TimeoutError."""
    with pytest.raises(KeyError):
        async with limit(1):
            raise KeyError
    assert cancelling() == 0


async def test_error_during_cleanup_is_raised(limit: Limit) -> None:
    """It replaces the TimeoutError."""

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise KeyError

    with pytest.raises(KeyError):
        async with limit(1):
            await stubborn()
    assert cancelling() == 0


async def test_block_that_suppresses_the_cancellation_continues(limit: Limit) -> None:
    """The task does not count as cancelled."""
    async with limit(1):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(1)
    assert now() == pytest.approx(2)
    assert cancelling() == 0


@pytest.mark.parametrize(("outer", "inner", "ended"), [(1.0, 2.0, "outer"), (2.0, 1.0, "inner")])
async def test_shorter_of_two_nested_deadlines_ends_its_block(
    limit: Limit, outer: float, inner: float, ended: str
) -> None:
    """The TimeoutError is raised by the block whose deadline passed."""
    seen = []
    try:
        async with limit(outer):
            try:
                async with limit(inner):
                    await asyncio.sleep(60)
            except TimeoutError:
                seen.append("inner")
    except TimeoutError:
        seen.append("outer")
    assert seen == [ended]
    assert now() == pytest.approx(1)
    assert cancelling() == 0


async def test_nested_deadlines_at_the_same_time_end_the_outer_block(limit: Limit) -> None:
    """Its TimeoutError is raised."""
    with pytest.raises(TimeoutError):
        async with limit(1):
            async with limit(1):
                await asyncio.sleep(60)
            pytest.fail("the outer limit was over too")
    assert cancelling() == 0


@pytest.mark.parametrize("first", ["limit", "cancel"])
async def test_cancellation_at_the_deadline_takes_precedence(limit: Limit, first: str) -> None:
    """The task is cancelled."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        if first == "cancel":
            loop.call_at(START + 1, task.cancel)
        async with limit(1):
            if first == "limit":
                loop.call_at(START + 1, task.cancel)
            await asyncio.sleep(60)

    task = asyncio.ensure_future(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_cancellation_from_outside_is_raised(limit: Limit) -> None:
    """It is not a timeout."""

    async def work() -> None:
        async with limit(30):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(work())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1
    assert now() == pytest.approx(1)


async def test_suppressed_earlier_cancellation_does_not_count(limit: Limit) -> None:
    """The task did not call uncancel(), and gets its TimeoutError."""

    async def work() -> int:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        with pytest.raises(TimeoutError):
            async with limit(1):
                await asyncio.sleep(60)
        return cancelling()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == 1


async def test_deadline_inside_shorter_asyncio_timeout(limit: Limit) -> None:
    """The outer timeout expires."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1) as around:
            async with limit(2):
                await asyncio.sleep(60)
    assert around.expired()
    assert cancelling() == 0


async def test_deadline_around_longer_asyncio_timeout(limit: Limit) -> None:
    """The inner timeout does not count as expired."""
    with pytest.raises(TimeoutError):
        async with limit(1):
            async with asyncio.timeout(2) as within:
                await asyncio.sleep(60)
    assert not within.expired()
    assert cancelling() == 0


async def test_deadline_around_a_task_group(limit: Limit) -> None:
    """The tasks are cancelled, and the TimeoutError is not in a group."""
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(now())

    with pytest.raises(TimeoutError):
        async with limit(1), asyncio.TaskGroup() as group:
            group.create_task(work())
            group.create_task(work())
    assert ended == [pytest.approx(1)] * 2
    assert cancelling() == 0


async def test_deadline_within_a_task_group(limit: Limit) -> None:
    """The TimeoutError ends the group, like any error."""
    others = []

    async def slow() -> None:
        async with limit(1):
            await asyncio.sleep(60)

    async def other() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            others.append(now())
            raise

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(slow())
            group.create_task(other())
    assert [type(error) for error in caught.value.exceptions] == [TimeoutError]
    assert others == [pytest.approx(1)]


async def test_errors_of_a_task_group_within_a_deadline_are_raised(limit: Limit) -> None:
    """They are not replaced by the TimeoutError."""

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise KeyError

    with pytest.raises(ExceptionGroup) as caught:
        async with limit(1), asyncio.TaskGroup() as group:
            group.create_task(stubborn())
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert cancelling() == 0


def test_deadline_outside_a_task_is_an_error() -> None:
    """There is nothing to cancel."""
    with pytest.raises(RuntimeError), Deadline(1):
        pytest.fail("there is no task")


def test_no_limit_outside_a_task_is_allowed() -> None:
    """None needs no task."""
    with Deadline(None):
        pass


# --- timers -----------------------------------------------------------------------------------------------------------


def timers() -> list[float]:
    """Return when the timers of the loop are due, in seconds after its start."""
    loop: Any = asyncio.get_running_loop()
    return sorted(round(handle.when() - START, 3) for handle in loop._scheduled if not handle.cancelled())


async def test_timer_of_a_finished_deadline_is_cancelled() -> None:
    """A program with long time limits does not collect timers."""
    with Deadline(60):
        assert timers() == [60]
    assert timers() == []


async def test_deadlines_in_order_share_one_timer() -> None:
    """It is set for the first one, and moves on when it is due."""
    timer = SharedTimer()
    with Deadline(5, timer), Deadline(5, timer), Deadline(8, timer):
        assert timers() == [5]
    with Deadline(20, timer):
        await asyncio.sleep(6)
        assert timers() == [20]


async def test_deadline_before_the_last_one_has_its_own_timer() -> None:
    """The shared timer is kept."""
    timer = SharedTimer()
    with Deadline(10, timer), Deadline(3, timer):
        assert timers() == [3, 10]
    assert timers() == [10]


async def test_shared_timer_moves_to_an_earlier_deadline_after_all_others_are_over() -> None:
    """The timer for a finished deadline is replaced."""
    timer = SharedTimer()
    with Deadline(10, timer):
        pass
    with pytest.raises(TimeoutError), Deadline(3, timer):
        assert timers() == [3]
        await asyncio.sleep(60)
    assert now() == pytest.approx(3)
    assert timers() == []


async def test_closed_timer_is_cancelled_unless_a_block_depends_on_it() -> None:
    """It can be used again."""
    timer = SharedTimer()
    timer.close()
    with Deadline(10, timer):
        timer.close()
        assert timers() == [10]
    timer.close()
    assert timers() == []
    with Deadline(2, timer):
        assert timers() == [2]


async def test_deadlines_of_several_tasks_expire_each_at_its_time() -> None:
    """In the order of their ends."""
    timer, ended, faults = SharedTimer(), [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))

    async def work(name: str, seconds: float) -> None:
        with pytest.raises(TimeoutError), Deadline(seconds, timer):
            await asyncio.sleep(60)
        ended.append((name, round(now(), 3)))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("a", 2), ("b", 4), ("c", 3), ("d", 4), ("e", 6)):
            group.create_task(work(name, seconds))
    assert sorted(ended) == [("a", 2), ("b", 4), ("c", 3), ("d", 4), ("e", 6)]
    assert timers() == []
    assert faults == []


def test_deadlines_in_another_event_loop_use_their_own_timers() -> None:
    """Those of the first event loop still end their blocks."""
    timer = SharedTimer()

    async def use(seconds: float) -> None:
        with Deadline(seconds, timer):
            await asyncio.sleep(60)

    with asyncio.Runner() as first:
        task = first.get_loop().create_task(use(0.01))
        first.run(asyncio.sleep(0))
        with pytest.raises(TimeoutError):
            asyncio.run(use(0))
        with pytest.raises(TimeoutError):
            first.get_loop().run_until_complete(task)


def test_shared_timer_works_in_the_next_event_loop() -> None:
    """A deadline of a loop that ended within its block does not count."""
    timer = SharedTimer()

    async def leave() -> None:
        Deadline(10, timer).__enter__()

    async def use() -> None:
        with Deadline(20, timer):
            assert len(timers()) == 1
        timer.close()
        assert timers() == []

    asyncio.run(leave())
    asyncio.run(use())
