"""The valve: few rows wait for the pace, and the pace never waits for rows."""

import asyncio
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest

from cognito_async import Quotas
from cognito_async.bulk import BulkPolicy
from cognito_async.bulk.valve import AHEAD, FEWEST, START, Place, Valve
from cognito_async.rate_limiter import LocalCategoryLimiter
from tests.support.bulk_server import Bench, write_csv


class Rows:
    """Rows that pass a valve and a limiter as those of a job do, and take their time at each step.

    Attributes:
        through: How many have come through.
        most_waiting: The most that waited in the limiter at once.
        most_inside: The most that were on their way at once.
    """

    def __init__(self, valve: Valve, limiter: LocalCategoryLimiter, *, commit: float, latency: float) -> None:
        self.through = 0
        self.most_waiting = 0
        self.most_inside = 0
        self._valve = valve
        self._limiter = limiter
        self._commit = commit
        self._latency = latency
        self._tasks: set[asyncio.Task[None]] = set()

    async def flow(self, seconds: float, *, done: Callable[[int], bool] = lambda number: True) -> None:
        """Let rows through for some seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await self._valve.room()
            task = loop.create_task(self._row(self._valve.place(), done))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.gather(*self._tasks)

    async def _row(self, place: Place, done: Callable[[int], bool]) -> None:
        self.most_inside = max(self.most_inside, self._valve.inside)
        asyncio.get_running_loop().call_soon(self._look)
        await self._limiter.acquire(inf, lambda wait: None)
        assert place.turn()
        assert not place.turn()
        await asyncio.sleep(self._commit + self._latency)
        self.through += 1
        place.leave(done=done(self.through))

    def _look(self) -> None:
        self.most_waiting = max(self.most_waiting, self._limiter.waiting)
        assert self._valve.waiting >= self._limiter.waiting


@pytest.mark.virtual_clock
@pytest.mark.parametrize("commit", [0.001, 0.03])
@pytest.mark.parametrize("rate", [0.5, 1.0, 5.0, 30.0, 120.0, 500.0])
async def test_few_rows_wait_and_the_lane_never_starves(rate: float, commit: float) -> None:
    """Keep to a told rate to within some hundredths, with no more waiting than the limiter takes in a moment."""
    limiter = LocalCategoryLimiter("Test", rate)
    rows = Rows(Valve(limiter, 256), limiter, commit=commit, latency=0.1)
    seconds = max(20.0, 40 / rate)
    await rows.flow(seconds)
    assert rows.through >= rate * seconds * 0.95
    assert rows.most_waiting <= FEWEST + rate * AHEAD + 1


@pytest.mark.virtual_clock
async def test_without_a_rate_the_limit_counts() -> None:
    """Open up to the limit, and no further."""
    limiter = LocalCategoryLimiter("Test", None)
    rows = Rows(Valve(limiter, 16), limiter, commit=0.001, latency=0.05)
    await rows.flow(5.0)
    assert rows.most_inside == 16
    assert rows.through > 0.9 * 16 / 0.051 * 5


@pytest.mark.virtual_clock
async def test_it_stays_nearly_shut_while_nothing_comes_of_it() -> None:
    """Let in no more than at the start while no row is done."""
    limiter = LocalCategoryLimiter("Test", None)
    rows = Rows(Valve(limiter, 256), limiter, commit=0.001, latency=0.05)
    await rows.flow(2.0, done=lambda number: False)
    assert rows.most_inside == START


@pytest.mark.virtual_clock
async def test_a_row_that_leaves_before_its_turn_makes_room() -> None:
    """Count nobody as waiting who has gone, and give the room to the next."""
    limiter = LocalCategoryLimiter("Test", 1.0)
    valve = Valve(limiter, 256)
    places = [valve.place() for _ in range(3)]
    room = asyncio.create_task(valve.room())
    await asyncio.sleep(0)
    assert not room.done()
    for place in places:
        place.leave(done=False)
    await room
    assert (valve.inside, valve.waiting) == (0, 0)


@pytest.mark.virtual_clock
async def test_a_limit_of_one() -> None:
    """Send one row after the other where that is wanted."""
    limiter = LocalCategoryLimiter("Test", 30.0)
    rows = Rows(Valve(limiter, 1), limiter, commit=0.001, latency=0.01)
    await rows.flow(2.0)
    assert rows.most_inside == 1
    assert rows.most_waiting <= 1


async def test_a_job_keeps_to_the_told_rate_with_few_rows_on_their_way(tmp_path: Path) -> None:
    """Have few rows on their way at any time: they would be unknown if the job was killed now."""
    most = 0
    async with Bench(tmp_path, quotas=Quotas(user_account_recovery=200)) as bench:
        write_csv(bench.source, 200, secrets=False)
        loop, job = asyncio.get_running_loop(), bench.job("forgot", policy=BulkPolicy())
        started = loop.time()
        async for _ in job.run():
            most = max(most, job.progress.in_flight)
    assert loop.time() - started >= 0.9
    assert 0 < most <= 2 * (FEWEST + 200 * AHEAD)
