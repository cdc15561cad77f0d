"""A bulk job: a source of rows, an action, and a journal."""

# pyright: reportUnnecessaryIsInstance=false
# (arguments are validated for callers without a type checker)

import os
import random
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final, cast

from cognito_async.bulk.actions import ACTIONS, Action
from cognito_async.bulk.errors import BulkError
from cognito_async.bulk.journal import journal_files
from cognito_async.bulk.journal_writer import JournalWriter
from cognito_async.bulk.planner import check_row
from cognito_async.bulk.policy import BulkPolicy, JobContext
from cognito_async.bulk.progress import Estimate, Progress, Summary
from cognito_async.bulk.rows import Outcome, State
from cognito_async.bulk.runner import Runner
from cognito_async.bulk.sources import FileSource, IterableSource, Source
from cognito_async.client import CognitoClient
from cognito_async.errors import ParameterValidationError

RETRYABLE_STATES: Final = (State.DEFERRED, State.REFUSED, State.UNKNOWN)  # can be sent again on request


class Job:
    """Runs an action for every user of a source, at the rate limit, and resumes where it stopped.

        job = Job(client, "reset", "users.csv", journal="users.journal")
        async for outcome in job.run():
            print(outcome.username, outcome.state)

    Progress is saved in the journal: a job created again with the same arguments resumes, however it ended before. The
    rate is set by the session's quotas: ``AsyncCognitoSession(quotas=Quotas(user_account_recovery=30))``.
    """

    def __init__(
        self,
        client: CognitoClient,
        action: Action | str,
        source: Source | AsyncIterable[Mapping[str, str] | str] | Iterable[Mapping[str, str] | str] | str | Path,
        *,
        journal: str | Path,
        policy: BulkPolicy | None = None,
        strict: bool = False,
        case_sensitive: bool = False,
        passwords: str | Path | None = None,
        remember: Mapping[str, str] | None = None,
        wall_clock: Callable[[], float] = time.time,
        random: Callable[[], float] = random.random,
    ) -> None:
        """Create the job; no file is opened yet.

        Args:
            client: A client that is bound to the app client or the user pool, whichever the action needs.
            action: The action, or its name.
            source: A path of a CSV or JSON Lines file, an iterable or async iterable of mappings or usernames, or a
                Source.
            journal: The path of the journal; it is created if it is missing, and resumed otherwise.
            policy: Limits for retries, waits and errors; None for the defaults.
            strict: Whether an invalid row ends the job before anything is sent. If the source can be read only once and
                the action needs more than usernames, rows before the invalid one have been sent.
            case_sensitive: Whether usernames that differ in case only are different users, as in user pools that
                distinguish case; otherwise the later row is a duplicate.
            passwords: The file for generated passwords; None if the action generates none.
            remember: Facts to store in the journal, without secrets; None for none.
            wall_clock: Returns the time in seconds since 1970.
            random: Returns random numbers in [0, 1), for jitter.

        Raises:
            ParameterValidationError: An argument is invalid or missing.
            SourceError: The format of the source is unknown.
        """
        chosen = _action(action)
        self._context = JobContext(
            client=client,
            action=chosen,
            source=_source(source),
            policy=BulkPolicy() if policy is None else policy,
            strict=strict,
            case_sensitive=case_sensitive,
            wall_clock=wall_clock,
            random=random,
        )
        self._journal = Path(journal)
        self._passwords = None if passwords is None else Path(passwords)
        self._remember = dict(remember or {})
        self._stop_requested = False
        self._running = False
        self._source_verified = False
        self._runner: Runner | None = None
        if policy is not None and not isinstance(policy, BulkPolicy):
            raise ParameterValidationError("policy", "must be a BulkPolicy")
        needed, purpose = ["user_pool_id" if chosen.user_pool else "client_id"], f"the action {chosen.name!r}"
        if self._context.policy.resolve_unknown:
            if not chosen.sets_permanent_password:
                rule = f"must be False for the action {chosen.label!r}, which sets no permanent password"
                raise ParameterValidationError("resolve_unknown", rule)
            needed, purpose = ["client_id", "user_pool_id"], "resolve_unknown"
        for name in needed:
            if getattr(client.bound, name) is None:
                raise ParameterValidationError(name, f"must be bound to the client for {purpose}")
        if chosen.generates and passwords is None:
            raise ParameterValidationError("passwords", "is required: the file for the generated passwords")
        input_path = self._context.source.path if isinstance(self._context.source, FileSource) else None
        _check_paths(self._journal, passwords=self._passwords, input_path=input_path)

    def stop(self) -> None:
        """Stop the run, or the next one, after the rows in flight."""
        self._stop_requested = True
        if self._runner is not None:
            self._runner.stop.request()

    @property
    def progress(self) -> Progress:
        """The progress of the current or last run.

        Raises:
            BulkError: The job has not been run, or its journal and source are still being checked.
        """
        if self._runner is None:
            raise BulkError("the job has not been run; iterate over run() first")
        return self._runner.progress()

    @property
    def summary(self) -> Summary:
        """The result of the last run.

        Raises:
            BulkError: No run has ended.
        """
        if self._runner is None or self._runner.summary is None:
            raise BulkError("no run of the job has ended; use progress for its current state")
        return self._runner.summary

    async def run(self, retry_states: Collection[State] = ()) -> AsyncGenerator[Outcome]:
        """Run the job until every row is settled or it has to stop; ``summary`` holds the result.

        To leave the loop early, call ``stop()`` and continue to iterate, or iterate within
        ``contextlib.aclosing(job.run())``. If the task is cancelled, the run ends immediately, and the rows in flight
        are settled by the next run.

        Args:
            retry_states: States whose rows are sent again, such as ``[State.REFUSED]`` after their cause is fixed. With
                State.UNKNOWN, users may receive a second message.

        Yields:
            The outcome of each row, once it is in the journal. A DEFERRED row is yielded again later.

        Raises:
            ParameterValidationError: Rows in one of the states cannot be sent again.
            BulkError: The job is already running.
            SourceError: The source cannot be read, changed during the run or, under ``strict``, has an invalid row.
            JournalInUseError: Another process uses the journal.
            JournalLostError: The journal was deleted or replaced.
            JournalError: The journal cannot be written.
            JobMismatchError: The journal belongs to another job, or the input has changed.
        """
        states = _retry_states(retry_states)
        if self._running:
            raise BulkError(
                "the job is already running; to leave its loop early, iterate within contextlib.aclosing(job.run()), or"
                " call stop() and continue to iterate"
            )
        self._running = True
        writer = JournalWriter(self._journal, self._context.wall_clock)
        runner: Runner | None = None
        try:
            await writer.call(writer.open, self._passwords)
            runner = Runner(self._context, writer, source_verified=self._source_verified)
            await runner.planner.identify(self._remember)
            self._runner = runner
            if self._stop_requested:
                runner.stop.request()
            async with aclosing(runner.run(states)) as outcomes:
                async for outcome in outcomes:
                    yield outcome
        finally:
            self._stop_requested = False
            self._source_verified = self._source_verified or (runner is not None and runner.planner.verified)
            try:
                await writer.close()
            finally:
                self._running = False

    async def run_to_end(self, retry_states: Collection[State] = ()) -> Summary:
        """Run the job as ``run`` does, without yielding outcomes.

        Args:
            retry_states: States whose rows are sent again.

        Returns:
            The result.
        """
        async with aclosing(self.run(retry_states)) as outcomes:
            async for _ in outcomes:
                pass
        return self.summary

    async def check(self) -> AsyncGenerator[Outcome]:
        """Validate the whole source without sending anything or touching the journal.

        A source that can be read only once, such as a generator or standard input, is consumed.

        Yields:
            For each row a PLANNED outcome, or a REFUSED one with the reason.

        Raises:
            SourceError: The source cannot be read.
            JournalError: There is no space for temporary data.
        """
        context = self._context
        writer = JournalWriter(None, context.wall_clock)
        try:
            await writer.call(writer.open, None)
            await context.source.info(b"")  # finds out whether a file is UTF-8
            async with aclosing(context.source.chunks(context.action.columns)) as chunks:
                async for rows in chunks:
                    checked = [check_row(row, context) for row in rows]
                    add, now = writer.journal.add_rows, context.wall_clock()
                    for outcome in await writer.call(add, checked, now, case_sensitive=context.case_sensitive):
                        yield outcome
        finally:
            await writer.close()

    async def dry_run(self) -> Estimate:
        """Validate the whole source as ``check`` does, and estimate the duration of the job.

        Raises:
            SourceError: The source cannot be read.
        """
        rows = invalid = 0
        async with aclosing(self.check()) as outcomes:
            async for outcome in outcomes:
                rows += 1
                invalid += outcome.state is State.REFUSED
        return self.estimate(rows, invalid)

    def estimate(self, rows: int, invalid: int) -> Estimate:
        """Estimate the duration of the job at the session's configured rate.

        Args:
            rows: The number of rows.
            invalid: The number of rows that are not sent.
        """
        rate = self._context.client.session.limiter(self._context.action.operation).rate
        seconds = None if rate is None else (rows - invalid) / rate
        return Estimate(rows=rows, invalid=invalid, seconds=seconds, rate=rate)


# --- validation of arguments ---


def _action(action: Action | str) -> Action:
    found = action if isinstance(action, Action) else ACTIONS.get(action)
    if found is None:
        raise ParameterValidationError("action", f"must be one of {', '.join(ACTIONS)}")
    return found


def _source(source: object) -> Source:
    if isinstance(source, str | Path):
        return FileSource(source)
    if hasattr(source, "chunks") and hasattr(source, "info"):
        return cast("Source", source)
    if isinstance(source, AsyncIterable | Iterable) and not isinstance(source, bytes | Mapping):
        return IterableSource(cast("Iterable[Mapping[str, str] | str]", source))
    raise ParameterValidationError("source", "must be a path, an iterable of mappings or usernames, or a Source")


def _retry_states(states: Collection[State]) -> frozenset[State]:
    given = {states} if isinstance(states, str) else set(states)
    if not given <= set(RETRYABLE_STATES):
        allowed = ", ".join(f"State.{state.name}" for state in RETRYABLE_STATES)
        raise ParameterValidationError("retry_states", f"must be of {allowed}")
    return frozenset(State(state) for state in given)


def _check_paths(journal: Path, *, passwords: Path | None, input_path: Path | None) -> None:
    """Check that the journal, the password file and the input are different files."""
    files = journal_files(journal)
    if input_path is not None and any(_is_same(input_path, path) for path in files):
        raise ParameterValidationError("journal", "must not be the input file")
    if passwords is not None and any(_is_same(passwords, path) for path in files):
        raise ParameterValidationError("passwords", "must not be the journal or one of its files")
    if passwords is not None and input_path is not None and _is_same(passwords, input_path):
        raise ParameterValidationError("passwords", "must not be the input file")


def _is_same(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)  # one of them is missing
