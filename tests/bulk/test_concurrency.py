"""The concurrency limiter: few rows wait for the rate limiter, which never runs dry."""

import asyncio
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest

from cognito_async import Quotas
from cognito_async.bulk import BulkPolicy
from cognito_async.bulk.concurrency import INITIAL_LIMIT, MIN_QUEUED, QUEUED_SECONDS, ConcurrencyLimiter
from cognito_async.rate_limiter import LocalCategoryLimiter
from tests.support.bulk_server import JobHarness, write_csv


class RowSimulation:
    """Rows that pass a concurrency limiter and a rate limiter as those of a job do, with latency at each step."""

    def __init__(
        self, limiter: ConcurrencyLimiter, rate_limiter: LocalCategoryLimiter, *, commit: float, latency: float
    ) -> None:
        self.completed = 0
        """The number of completed rows."""

        self.most_waiting = 0
        """The maximum number of rows that waited for the rate limiter."""

        self.most_in_flight = 0
        """The maximum number of rows in flight."""

        self._limiter = limiter
        self._rate_limiter = rate_limiter
        self._commit = commit
        self._latency = latency
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float, *, done: Callable[[int], bool] = lambda number: True) -> None:
        """Start rows for some seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await self._limiter.wait()
            self._limiter.update(in_flight=1, waiting=1)
            task = loop.create_task(self._row(done))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.gather(*self._tasks)

    async def _row(self, done: Callable[[int], bool]) -> None:
        self.most_in_flight = max(self.most_in_flight, self._limiter.in_flight)
        asyncio.get_running_loop().call_soon(self._measure)
        await self._rate_limiter.acquire(inf, lambda wait: None)
        self._limiter.update(waiting=-1)
        await asyncio.sleep(self._commit + self._latency)
        self.completed += 1
        self._limiter.update(in_flight=-1, raise_limit=done(self.completed))

    def _measure(self) -> None:
        self.most_waiting = max(self.most_waiting, self._rate_limiter.waiting)
        assert self._limiter.waiting >= self._rate_limiter.waiting


@pytest.mark.virtual_clock
@pytest.mark.parametrize("commit", [0.001, 0.03])
@pytest.mark.parametrize("rate", [0.5, 1.0, 5.0, 30.0, 120.0, 500.0])
async def test_limiter_reaches_rate_with_few_waiting_rows(rate: float, commit: float) -> None:
    """The configured rate is reached with few waiting rows."""
    rate_limiter = LocalCategoryLimiter("Test", rate)
    rows = RowSimulation(ConcurrencyLimiter(rate_limiter, 256), rate_limiter, commit=commit, latency=0.1)
    seconds = max(20.0, 40 / rate)
    await rows.run(seconds)
    assert rows.completed >= rate * seconds * 0.95
    assert rows.most_waiting <= MIN_QUEUED + rate * QUEUED_SECONDS + 1


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("rate", "maximum", "succeed", "most_in_flight"),
    [(None, 16, True, 16), (None, 256, False, INITIAL_LIMIT), (30.0, 1, True, 1)],
    ids=["no rate limit", "no success", "one row"],
)
async def test_limiter_rises_with_success_to_its_maximum(
    rate: float | None,
    maximum: int,
    succeed: bool,  # noqa: FBT001
    most_in_flight: int,
) -> None:
    """The limit rises with each done row up to the maximum, and stays as it is without success."""
    rate_limiter = LocalCategoryLimiter("Test", rate)
    rows = RowSimulation(ConcurrencyLimiter(rate_limiter, maximum), rate_limiter, commit=0.001, latency=0.05)
    await rows.run(5.0, done=lambda number: succeed)
    assert rows.most_in_flight == most_in_flight
    if rate is None:
        assert rows.completed > 0.9 * most_in_flight / 0.051 * 5


@pytest.mark.virtual_clock
async def test_row_that_ends_before_first_request_frees_capacity() -> None:
    """Rows that end before their turn are not counted as waiting."""
    limiter = ConcurrencyLimiter(LocalCategoryLimiter("Test", 1.0), 256)
    limiter.update(in_flight=3, waiting=3)
    waiting = asyncio.create_task(limiter.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    limiter.update(in_flight=-3, waiting=-3)
    await waiting
    assert (limiter.in_flight, limiter.waiting) == (0, 0)


async def test_job_keeps_to_rate_with_few_rows_in_flight(tmp_path: Path) -> None:
    """Few rows are in flight, which would be unknown if the job was killed."""
    most = 0
    async with JobHarness(tmp_path, quotas=Quotas(user_account_recovery=200)) as harness:
        write_csv(harness.source, 200, secrets=False)
        loop, job = asyncio.get_running_loop(), harness.job("forgot", policy=BulkPolicy())
        started = loop.time()
        async for _ in job.run():
            most = max(most, job.progress.in_flight)
    assert loop.time() - started >= 0.9
    assert 0 < most <= 3 * (MIN_QUEUED + 200 * QUEUED_SECONDS)  # the maximum is 100
