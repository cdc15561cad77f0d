"""Runs a job once: from its open journal to its end."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, suppress
from typing import Final

from attrs import evolve

from cognito_async.bulk.actions import Action, Values
from cognito_async.bulk.attempts import Attempts, Settled
from cognito_async.bulk.errors import JournalError
from cognito_async.bulk.halt import Halt
from cognito_async.bulk.journal import Entry
from cognito_async.bulk.judgement import Course
from cognito_async.bulk.plan import Plan
from cognito_async.bulk.policy import BulkPolicy
from cognito_async.bulk.progress import Ending, Progress, Summary, Tally
from cognito_async.bulk.rows import FINAL, Outcome, State
from cognito_async.bulk.source import Source
from cognito_async.bulk.valve import Place, Valve
from cognito_async.bulk.writer import Writer
from cognito_async.client import CognitoClient
from cognito_async.operations.facts import IDEMPOTENCY

UNREAD: Final = 256
"""How many outcomes may wait for the caller before the job waits for the caller."""

ERRORS: Final = frozenset({Course.REFUSE, Course.DOUBT, Course.REPEAT, Course.BLAME})
"""What counts into a run of errors."""

KILLED: Final = "it was on its way when the job was killed"


class Runner:
    """One run of a job."""

    def __init__(
        self,
        client: CognitoClient,
        action: Action,
        source: Source,
        writer: Writer,
        *,
        policy: BulkPolicy,
        strict: bool,
        lines: int | None,
        complete: bool,
        recognised: bool,
        wall_clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """Take what ``Job`` was given, the open journal, about how many rows there are, and what it knows of them."""
        self._session = client.session
        self._limiter = client.session.limiter(action.operation)
        self._action = action
        self._writer = writer
        self._journal = writer.journal
        self._policy = policy
        self._lines = lines
        self._strict = strict
        self.halt: Halt = Halt()
        self._wall_clock = wall_clock
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._throttled_before = self._session.stats.throttled
        self._tally = Tally()
        self._valve = Valve(self._limiter, policy.concurrency)
        self._attempts = Attempts(client, action, policy, halt=self.halt, wall_clock=wall_clock, random=random)
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue(UNREAD)
        self._plan = Plan(
            source, writer, self._tally,
            client=client, action=action, strict=strict, complete=complete, recognised=recognised,
            halt=self.halt, wall_clock=wall_clock,
            tell=self._outcomes.put,
        )  # fmt: skip
        self._rereadable = source.rereadable
        self._rows: set[asyncio.Task[None]] = set()
        self._errors_in_a_row = 0
        self._reading = False
        self._waiting_until: float | None = None
        self.summary: Summary | None = None

    @property
    def recognised(self) -> bool:
        """Whether the source is known to be the one that the journal knows."""
        return self._plan.recognised

    def progress(self) -> Progress:
        """Tell how far the run has come."""
        states = +self._tally.states
        trouble = self._attempts.trouble
        return Progress(
            states=states,
            kinds=+self._tally.kinds,
            total=sum(states.values()) if self._plan.complete else self._lines,
            reading=self._reading,
            in_flight=self._valve.inside,
            rate=self._tally.rate(self._loop.time()),
            quota=self._limiter.rate,
            throttled=self._session.stats.throttled - self._throttled_before,
            waiting_until=self._waiting_until,
            trouble=None if trouble is None else trouble.reason,
        )

    async def run(self, again: Collection[State]) -> AsyncGenerator[Outcome]:
        """Run.

        Args:
            again: States whose rows are planned once more.

        Yields:
            What became of the rows.
        """
        driver: asyncio.Task[None] | None = None
        run = None
        try:
            interrupted = await self._take_over(again)
            run = await self._writer.call(self._journal.begin_run, self._wall_clock(), self._limiter.rate)
            driver = self._loop.create_task(self._drive())
            for unknown in interrupted:
                yield unknown
            while (outcome := await self._outcomes.get()) is not None:
                yield outcome
            await driver
        except GeneratorExit:
            self.halt.stop()
            while driver is not None and await self._outcomes.get() is not None:
                pass
            raise
        finally:
            await self._leave(driver, run)

    async def _take_over(self, again: Collection[State]) -> list[Outcome]:
        """Settle what the last run left open, and count what there is."""
        idempotency = IDEMPOTENCY[self._action.operation.name]
        call = self._writer.call
        interrupted = await call(
            self._journal.take_over,
            self._wall_clock(),
            repeats=idempotency.retries_when_ambiguous,
            reason=f"{KILLED}. {idempotency.how_to_verify}",
        )
        await call(self._journal.reopen, again)
        self._tally.load(*await call(self._journal.counts))
        return interrupted

    async def _leave(self, driver: "asyncio.Task[None] | None", run: int | None) -> None:
        """End what still runs, and note how it ended."""
        left = [task for task in (driver, *self._rows) if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if run is not None and self._writer.error is None:
            throttled = self._session.stats.throttled - self._throttled_before
            ending = "cancelled" if self.summary is None else self.summary.ending.value
            with suppress(JournalError):  # every row is written; this is a note for the report
                await self._writer.call(self._journal.end_run, run, self._wall_clock(), ending, throttled)

    async def _drive(self) -> None:
        """Pass over the rows until nothing is left that could be done now."""
        try:
            end = await self._passes()
            self.summary = evolve(
                end,
                states=+self._tally.states,
                kinds=+self._tally.kinds,
                seconds=self._loop.time() - self._started,
                settled=self._tally.settled,
                throttled=self._session.stats.throttled - self._throttled_before,
            )
        finally:
            await self._outcomes.put(None)

    async def _passes(self) -> Summary:
        planned = True
        while True:
            await self._pass(planned=planned)
            if self.halt.failure is not None:
                raise self.halt.failure
            if self.halt.stopped:
                return Summary(ending=Ending.STOPPED)
            end = self.halt.resume() or await self._deferred()
            planned = end.ending is Ending.EMAIL_LIMIT
            far = end.until is None or end.until - self._wall_clock() > self._policy.longest_pause
            if end.until is None or far or not self._can_pass_again():
                return end
            await self._wait_until(end.until)

    async def _deferred(self) -> Summary:
        """Give the end of a run that has tried every row: with what is deferred, if anything is."""
        due = await self._writer.call(self._journal.next_due)
        if due is not None:
            return Summary(ending=Ending.DEFERRED, until=due)
        held = next((code for state, code in +self._tally.kinds if state is State.PLANNED), None)
        if held is None:
            return Summary(ending=Ending.FINISHED)
        return Summary(ending=Ending.TOO_MANY_ERRORS, detail=f"the service refuses the job itself: {held}")

    def _can_pass_again(self) -> bool:
        return self._rereadable or not self._action.rereads

    async def _wait_until(self, due: float) -> None:
        self._waiting_until = due
        await self.halt.within(max(due - self._wall_clock(), 0.0))
        self._waiting_until = None

    async def _pass(self, *, planned: bool) -> None:
        """Begin every row whose time has come, as fast as the pace takes them, and see them through."""
        if not self._action.rereads or (self._strict and self._rereadable):
            self._reading = True
            await self._plan.read()
            self._reading = False
        rows = self._plan.reread(planned=planned) if self._action.rereads else self._plan.noted(planned=planned)
        try:
            async with aclosing(rows):
                await self._begin(rows)
        finally:
            while self._rows:
                await asyncio.wait(self._rows)

    async def _begin(self, rows: AsyncGenerator[tuple[Entry, Values]]) -> None:
        """Begin row after row, until there are no more or the run is to end."""
        async for entry, values in rows:
            await self._valve.room()
            if self.halt:
                return
            task = self._loop.create_task(self._row(entry, values, self._valve.place()))
            self._rows.add(task)
            task.add_done_callback(self._gone)

    def _gone(self, task: "asyncio.Task[None]") -> None:
        self._rows.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.halt.fail(error)

    async def _row(self, entry: Entry, values: Values, place: Place) -> None:
        """Send for a row, with the journal told before and after."""
        done = False

        async def before() -> None:
            if place.turn():  # its first: later ones are no news to the journal
                await self._writer.sent(entry.line)

        try:
            settled = await self._attempts.settle(entry, values, before)
            await self._writer.settled(settled.outcome, settled.password)
            self._tally.moved(entry, settled.outcome, self._loop.time())
            self._judge_the_job(entry, settled)
            done = settled.outcome.state is State.DONE
            if settled.outcome.state in {*FINAL, State.DEFERRED}:
                await self._outcomes.put(settled.outcome)
        finally:
            place.leave(done=done)

    def _judge_the_job(self, entry: Entry, settled: Settled) -> None:
        """End the run, if what a row came to is reason enough."""
        course, outcome = settled.course, settled.outcome
        if course is None:
            self._errors_in_a_row = 0 if outcome.state is State.DONE else self._errors_in_a_row
            return
        # A row that was on its way when the last run was killed may well have been done then: that is no error.
        self._errors_in_a_row += course in ERRORS and not (course is Course.DOUBT and entry.ambiguous)
        most = self._policy.max_errors
        if course is Course.STOP or (most is not None and self._errors_in_a_row >= most):
            self.halt.finish(Summary(ending=Ending.TOO_MANY_ERRORS, detail=f"{outcome.code}: {outcome.reason}"))
        elif course is Course.WAIT:
            self.halt.finish(Summary(ending=Ending.NO_SERVICE, detail=f"{outcome.code}: {outcome.reason}"))
        elif course is Course.PAUSE:
            self.halt.finish(Summary(ending=Ending.EMAIL_LIMIT, until=outcome.due, detail=outcome.reason or ""))
