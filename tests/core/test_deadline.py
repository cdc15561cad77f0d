"""Deadline is held against what it replaces: whatever ``asyncio.timeout`` does, it does too."""

# ruff: noqa: PT012 - a time limit is a block within a block

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from cognito_async.deadline import Deadline
from tests.support.clocks import START, now

pytestmark = pytest.mark.virtual_clock

Limit = Callable[[float | None], AbstractAsyncContextManager[object]]


@asynccontextmanager
async def ours(seconds: float | None) -> AsyncIterator[None]:
    """Give Deadline the form of ``asyncio.timeout``."""
    with Deadline(seconds):
        yield


@pytest.fixture(params=[ours, asyncio.timeout], ids=["Deadline", "asyncio.timeout"])
def limit(request: pytest.FixtureRequest) -> Limit:
    """Give each of the two."""
    chosen: Limit = request.param
    return chosen


def cancelling() -> int:
    """Give how often the current task has been asked to stop."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def test_waiting_ends_exactly_when_the_seconds_are_over(limit: Limit) -> None:
    """It raises TimeoutError at the limit, and the task counts as never cancelled."""
    with pytest.raises(TimeoutError):
        async with limit(2.5):
            await asyncio.sleep(60)
    assert now() == pytest.approx(2.5, abs=1e-6)
    assert cancelling() == 0


async def test_the_cause_is_the_cancellation(limit: Limit) -> None:
    """The CancelledError that ended the waiting is kept as the cause."""
    with pytest.raises(TimeoutError) as caught:
        async with limit(1):
            await asyncio.sleep(60)
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


async def test_work_within_the_limit_is_left_alone(limit: Limit) -> None:
    """Nothing happens at the limit once the block is over."""
    async with limit(1):
        await asyncio.sleep(0.5)
    await asyncio.sleep(60)
    assert cancelling() == 0


async def test_none_is_no_limit(limit: Limit) -> None:
    """None lets a block take any time."""
    async with limit(None):
        await asyncio.sleep(1_000_000)
    assert now() == pytest.approx(1_000_000)


async def test_zero_ends_the_first_waiting(limit: Limit) -> None:
    """With no seconds left a block that waits is ended at once."""
    with pytest.raises(TimeoutError):
        async with limit(0):
            await asyncio.sleep(60)
    assert now() == pytest.approx(0, abs=1e-6)
    assert cancelling() == 0


async def test_zero_lets_pass_what_does_not_wait(limit: Limit) -> None:
    """A block that never waits is never ended."""
    async with limit(0):
        pass
    await asyncio.sleep(1)


async def test_an_error_of_the_block_is_the_blocks_own(limit: Limit) -> None:
    """Another error passes as it is."""
    with pytest.raises(KeyError):
        async with limit(1):
            raise KeyError
    assert cancelling() == 0


async def test_an_error_while_being_ended_wins(limit: Limit) -> None:
    """An error raised while the block cleans up after the limit is not hidden."""

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise KeyError

    with pytest.raises(KeyError):
        async with limit(1):
            await stubborn()
    assert cancelling() == 0


async def test_a_block_that_swallows_its_end_goes_on(limit: Limit) -> None:
    """A block may survive the limit; the task then counts as never cancelled."""
    async with limit(1):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(1)
    assert now() == pytest.approx(2)
    assert cancelling() == 0


@pytest.mark.parametrize(("outer", "inner", "ended"), [(1.0, 2.0, "outer"), (2.0, 1.0, "inner")])
async def test_of_two_nested_limits_the_shorter_ends_its_own_block(
    limit: Limit, outer: float, inner: float, ended: str
) -> None:
    """The inner block's TimeoutError comes out of the inner block only if it was its own limit."""
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


async def test_two_nested_limits_at_the_same_time_end_the_outer_block(limit: Limit) -> None:
    """When both expire in one turn of the loop the outer block's error is the one to see."""
    with pytest.raises(TimeoutError):
        async with limit(1):
            async with limit(1):
                await asyncio.sleep(60)
            pytest.fail("the outer limit was over too")
    assert cancelling() == 0


@pytest.mark.parametrize("first", ["limit", "cancel"])
async def test_a_cancellation_at_the_same_time_has_the_last_word(limit: Limit, first: str) -> None:
    """Who cancels the task in the very turn of the loop in which the limit expires gets a cancelled task."""

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


async def test_a_cancellation_from_outside_goes_through(limit: Limit) -> None:
    """Cancelling the task is no time-out."""

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


async def test_an_earlier_cancellation_that_was_swallowed_does_not_count(limit: Limit) -> None:
    """A task that survived a cancellation without uncancel() still gets its TimeoutError."""

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


async def test_inside_asyncio_timeout(limit: Limit) -> None:
    """A shorter ``asyncio.timeout`` around it ends as its own."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1) as around:
            async with limit(2):
                await asyncio.sleep(60)
    assert around.expired()
    assert cancelling() == 0


async def test_around_asyncio_timeout(limit: Limit) -> None:
    """A longer ``asyncio.timeout`` within it is ended by it, and does not count as expired."""
    with pytest.raises(TimeoutError):
        async with limit(1):
            async with asyncio.timeout(2) as within:
                await asyncio.sleep(60)
    assert not within.expired()
    assert cancelling() == 0


async def test_around_a_task_group(limit: Limit) -> None:
    """The group's tasks are cancelled and the limit's TimeoutError comes out bare, in no group."""
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


async def test_within_a_task_group(limit: Limit) -> None:
    """In a group's task the TimeoutError ends the group, as any error does."""
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


async def test_the_last_error_of_a_task_group_within_wins(limit: Limit) -> None:
    """A group's own errors are not turned into a TimeoutError, though the limit had expired."""

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


def test_a_limit_needs_a_task() -> None:
    """Outside a task there is nothing to end, and it says so."""
    with pytest.raises(RuntimeError), Deadline(1):
        pytest.fail("there is no task")


def test_no_limit_needs_no_task() -> None:
    """None asks nothing of the loop."""
    with Deadline(None):
        pass
