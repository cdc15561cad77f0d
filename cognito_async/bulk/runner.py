"""Runs a job once: sends its rows, records their outcomes, and decides when to stop."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Final, TypeAlias

from attrs import evolve, frozen

from cognito_async.bulk.actions import PASSWORD
from cognito_async.bulk.concurrency import ConcurrencyLimiter, StopSignal
from cognito_async.bulk.decisions import ActionOnError, Decision, decide, encodable, next_email_day
from cognito_async.bulk.errors import JournalError
from cognito_async.bulk.journal_writer import JournalWriter
from cognito_async.bulk.planner import Planner
from cognito_async.bulk.policy import JobContext
from cognito_async.bulk.progress import Progress, StopReason, Summary, Tally
from cognito_async.bulk.rows import FINAL_STATES, USERNAME, Outcome, State, Values, count_kinds
from cognito_async.client import send_with
from cognito_async.errors import CognitoError, SessionClosedError
from cognito_async.operations.facts import IDEMPOTENCY
from cognito_async.protocol.retry import RetryPolicy

BeforeRequest: TypeAlias = Callable[[], Awaitable[object]]  # awaited before each request leaves

RESULT_QUEUE_SIZE: Final = 256  # outcomes that may wait for the caller before the job does
# The job retries rows itself, because it waits longer than a call and records what it does.
NO_RETRIES: Final = RetryPolicy(max_attempts=1)

COUNTED_ERRORS: Final = frozenset(
    {ActionOnError.REFUSE, ActionOnError.UNKNOWN, ActionOnError.REPEAT, ActionOnError.JOB_ERROR}
)  # towards max_errors

FINAL_STATE: Final = {
    ActionOnError.REFUSE: State.REFUSED,
    ActionOnError.DEFER: State.REFUSED,  # deferred as often as allowed
    ActionOnError.UNKNOWN: State.UNKNOWN,
    ActionOnError.REPEAT: State.UNKNOWN,  # repeated as often as allowed
    ActionOnError.JOB_ERROR: State.PLANNED,
    ActionOnError.STOP: State.PLANNED,
}


class Runner:
    """One run of a job."""

    def __init__(self, context: JobContext, writer: JournalWriter, *, source_verified: bool) -> None:
        self._context = context
        self._writer = writer
        self._session = context.client.session
        self._rate_limiter = self._session.limiter(context.action.operation)
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._throttled_before = self._session.stats.throttled
        self._tally = Tally()
        self._results: asyncio.Queue[Outcome | None] = asyncio.Queue(RESULT_QUEUE_SIZE)
        self.stop: StopSignal = StopSignal()
        self.planner: Planner = Planner(
            context, writer, self.stop, self._tally, self._results.put, verified=source_verified
        )
        self._sender = RowSender(context, self.stop)
        self._concurrency = ConcurrencyLimiter(self._rate_limiter, context.policy.concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._consecutive_errors = 0
        self._waiting_until: float | None = None
        self.summary: Summary | None = None  # the result; None until the run has ended

    @property
    def _throttled(self) -> int:
        return self._session.stats.throttled - self._throttled_before

    def progress(self) -> Progress:
        states = +self._tally.states
        return Progress(
            states=states,
            kinds=+self._tally.kinds,
            total=sum(states.values()) if self.planner.complete else self.planner.lines,
            reading=self.planner.reading,
            in_flight=self._concurrency.in_flight,
            rate=self._tally.rate(self._loop.time()),
            quota=self._rate_limiter.rate,
            throttled=self._throttled,
            waiting_until=self._waiting_until,
            trouble=self._sender.trouble,
        )

    async def run(self, retry_states: Collection[State]) -> AsyncGenerator[Outcome]:
        """Run the job, which the planner has identified; yield each outcome once it is in the journal."""
        background: list[asyncio.Task[None]] = []
        run_id = None
        journal, call = self._writer.journal, self._writer.call
        try:
            interrupted = await self._recover(retry_states)
            run_id = await call(journal.start_run, self._context.wall_clock(), self._rate_limiter.rate)
            worker = self._loop.create_task(self._work())
            background = [worker, self._loop.create_task(self._writer.watch(self.stop))]
            for outcome in interrupted:
                yield outcome
            while (result := await self._results.get()) is not None:
                yield result
            await worker
        except GeneratorExit:
            self.stop.request()
            while background and await self._results.get() is not None:
                pass
            raise
        finally:
            await self._finish(background, run_id)

    async def _recover(self, retry_states: Collection[State]) -> list[Outcome]:
        """Settle what the last run left in flight, plan the rows to retry, and count all rows."""
        journal, call = self._writer.journal, self._writer.call
        idempotency = IDEMPOTENCY[self._context.action.operation.name]
        unknown = await call(
            journal.recover_sent,
            self._context.wall_clock(),
            repeat=idempotency.retries_when_ambiguous,
            reason=f"in flight when the job was killed. {idempotency.how_to_verify}",
        )
        await call(journal.replan, retry_states)
        self._tally.states, errors = await call(journal.counts)
        self._tally.kinds = count_kinds(errors)
        return unknown

    async def _finish(self, background: "list[asyncio.Task[None]]", run_id: int | None) -> None:
        """Cancel what is still running, and record the end of the run."""
        running = [*background, *self._tasks]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if run_id is not None and self._writer.error is None:
            ending = "cancelled" if self.summary is None else self.summary.ending.value
            with suppress(JournalError):  # all rows are written; this is for the report
                end_run = self._writer.journal.end_run
                await self._writer.call(end_run, run_id, self._context.wall_clock(), ending, self._throttled)

    async def _work(self) -> None:
        try:
            end = await self._run_passes()
            _, errors = await self._writer.call(self._writer.journal.counts)
            self.summary = evolve(
                end,
                states=+self._tally.states,
                errors=errors,
                seconds=self._loop.time() - self._started,
                settled=self._tally.settled,
                throttled=self._throttled,
            )
        finally:
            await self._results.put(None)

    # --- the run loop ---

    async def _run_passes(self) -> Summary:
        """Send all rows, then deferred ones when they are due, until nothing is left that can be done now."""
        include_planned = True
        while True:
            await self._send_rows(include_planned=include_planned)
            if self.stop.failure is not None:
                raise self.stop.failure
            if self.stop.requested:
                return Summary(ending=StopReason.STOPPED)
            end = self.stop.take_end() or await self._end_of_pass()
            can_continue = self._context.source.rereadable or not self._context.action.rereads
            now = self._context.wall_clock()
            if end.until is None or end.until - now > self._context.policy.longest_pause or not can_continue:
                return end
            self._waiting_until = end.until
            await self.stop.sleep(max(end.until - now, 0.0))
            self._waiting_until = None
            include_planned = end.ending is StopReason.EMAIL_LIMIT

    async def _send_rows(self, *, include_planned: bool) -> None:
        """Start sending rows, as fast as the rate limit allows, and wait for those in flight."""
        try:
            await self.planner.read_ahead()
            async with aclosing(self.planner.rows(include_planned=include_planned)) as rows:
                async for row, values in rows:
                    await self._concurrency.wait()
                    if self.stop.is_set():
                        return
                    self._concurrency.update(in_flight=1, waiting=1)
                    task = self._loop.create_task(self._send_row(row, values))
                    self._tasks.add(task)
                    task.add_done_callback(self._task_done)
        finally:
            while self._tasks:
                await asyncio.wait(self._tasks)

    async def _send_row(self, row: Outcome, values: Mapping[str, str]) -> None:
        """Send a row; the journal has it as sent before the first request, and its outcome before the caller."""
        waiting, done = True, False

        async def before() -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                self._concurrency.update(waiting=-1)
                await self._writer.mark_sent(row.line)

        try:
            result = await self._sender.send(row, values, before)
            await self._writer.record(result.outcome, result.passwords)
            self._tally.move(row, result.outcome, self._loop.time())
            self._check_errors(row, result)
            done = result.outcome.state is State.DONE
            if result.outcome.state in {*FINAL_STATES, State.DEFERRED}:
                await self._results.put(result.outcome)
        finally:
            self._concurrency.update(in_flight=-1, waiting=-waiting, raise_limit=done)

    def _task_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.stop.fail(error)

    def _check_errors(self, row: Outcome, result: "SendResult") -> None:
        """Stop the run if the result of a row calls for it."""
        outcome, action = result.outcome, result.action
        if outcome.state is State.DONE:
            self._consecutive_errors = 0
        # A row that was in flight when the last run was killed may have been applied then: not an error of this run.
        expected = action is ActionOnError.UNKNOWN and row.ambiguous
        self._consecutive_errors += action in COUNTED_ERRORS and not expected
        maximum = self._context.policy.max_errors
        too_many = action is not None and maximum is not None and self._consecutive_errors >= maximum
        if action is ActionOnError.STOP:
            self.stop.finish(Summary(ending=StopReason.TOO_MANY_ERRORS, detail=f"{outcome.code}: {outcome.reason}"))
        elif too_many:
            errors = f"{maximum} consecutive error{'' if maximum == 1 else 's'}"
            detail = f"{errors}, the last one {outcome.code}: {outcome.reason}"
            self.stop.finish(Summary(ending=StopReason.TOO_MANY_ERRORS, detail=detail))
        elif action is ActionOnError.WAIT:
            self.stop.finish(Summary(ending=StopReason.NO_SERVICE, detail=f"{outcome.code}: {outcome.reason}"))
        elif action is ActionOnError.PAUSE:
            self.stop.finish(Summary(ending=StopReason.EMAIL_LIMIT, until=outcome.due, detail=outcome.reason or ""))

    async def _end_of_pass(self) -> Summary:
        due = await self._writer.call(self._writer.journal.next_due)
        if due is not None:
            return Summary(ending=StopReason.DEFERRED, until=due)
        code = next((code for state, code in +self._tally.kinds if state is State.PLANNED), None)
        if code is None:
            return Summary(ending=StopReason.FINISHED)
        return Summary(ending=StopReason.TOO_MANY_ERRORS, detail=f"the service rejects the job itself: {code}")


@frozen(kw_only=True)
class SendResult:
    """The result of sending a row."""

    outcome: Outcome  # PLANNED again if the row was not settled
    # What ended the attempts: WAIT after the policy's patience; None if the row is done, or if the run stops.
    action: ActionOnError | None = None
    passwords: Values | None = None  # the values with the generated password that the service accepted


class RowSender:
    """Sends requests for a row until it is settled; the only place where a job sends."""

    def __init__(self, context: JobContext, stop: StopSignal) -> None:
        self._context = context
        self._policy = context.policy
        self._client = context.client.with_options(retry=NO_RETRIES)
        self._idempotency = IDEMPOTENCY[context.action.operation.name]
        self._stop = stop
        self.trouble: str | None = None  # why a row is being retried; None after a success

    async def send(self, row: Outcome, values: Mapping[str, str], before: BeforeRequest) -> SendResult:
        """Send requests until a row is settled, the policy's patience is over, or the run stops."""
        time = asyncio.get_running_loop().time
        deadline = time() + self._policy.patience
        clean = Outcome(line=row.line, username=row.username, state=State.PLANNED, deferrals=row.deferrals)
        ambiguous = row.ambiguous
        attempts = repeats = 0
        while True:
            attempts += 1
            complete = self._context.action.complete(values)
            decision = await self._attempt(complete, before, ambiguous=ambiguous)
            if decision is None:
                return self._done(evolve(clean, attempts=attempts), complete)
            ambiguous = ambiguous or decision.action in {ActionOnError.REPEAT, ActionOnError.UNKNOWN}
            outcome = evolve(clean, attempts=attempts, code=decision.code, reason=decision.reason, ambiguous=ambiguous)
            repeats += decision.action is ActionOnError.REPEAT
            repeat = decision.action is ActionOnError.REPEAT and repeats <= self._policy.settle_attempts
            if decision.action is not ActionOnError.WAIT and not repeat:
                result = SendResult(outcome=self._settle(outcome, decision.action), action=decision.action)
                unresolved = self._policy.resolve_unknown and result.outcome.state is State.UNKNOWN
                return await self._resolve(result, complete) if unresolved else result
            self.trouble = decision.reason
            random = self._context.random()
            delay = self._policy.backoff.delay(decision.backoff, attempts, random, decision.retry_after)
            if time() + delay > deadline:
                return SendResult(outcome=outcome, action=ActionOnError.WAIT)
            if await self._stop.sleep(delay):
                return SendResult(outcome=outcome)

    async def _attempt(self, values: Values, before: BeforeRequest, *, ambiguous: bool) -> Decision | None:
        try:
            await send_with(self._client, self._context.action.request(values), before=before)
        except JournalError:
            raise  # a CognitoError, but not about the row
        except CognitoError as error:
            if isinstance(error, SessionClosedError):
                self._stop.fail(error)
            return decide(error, self._idempotency, ambiguous=ambiguous)
        return None

    async def _resolve(self, result: SendResult, values: Values) -> SendResult:
        """Settle an unknown row by verifying its password; the row stays unknown if that fails."""
        outcome = result.outcome
        try:
            accepted = await self._context.client.verify_password(username=values[USERNAME], password=values[PASSWORD])
        except CognitoError as error:
            reason = f"{outcome.reason} (not resolved: {encodable(error.message)})"
            return evolve(result, outcome=evolve(outcome, reason=reason))
        if accepted:
            return self._done(evolve(outcome, code=None, reason=None, ambiguous=False), values)
        if self._context.action.generates:  # an earlier attempt may have set another generated password
            return result
        return SendResult(outcome=evolve(outcome, state=State.REFUSED, ambiguous=False), action=ActionOnError.REFUSE)

    def _done(self, outcome: Outcome, values: Values) -> SendResult:
        self.trouble = None
        passwords = values if self._context.action.generates else None
        return SendResult(outcome=evolve(outcome, state=State.DONE), passwords=passwords)

    def _settle(self, outcome: Outcome, action: ActionOnError) -> Outcome:
        now = self._context.wall_clock()
        if action is ActionOnError.DEFER and outcome.deferrals < self._policy.max_deferrals:
            due = now + self._policy.deferred_for(outcome.deferrals, self._context.random())
            return evolve(outcome, state=State.DEFERRED, due=due, deferrals=outcome.deferrals + 1)
        if action is ActionOnError.PAUSE:
            due = next_email_day(datetime.fromtimestamp(now, UTC)).timestamp()
            return evolve(outcome, state=State.DEFERRED, due=due)
        return evolve(outcome, state=FINAL_STATE[action])
