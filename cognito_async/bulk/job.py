"""A job: a source of rows, an action, a journal; run as often as it takes."""

import random
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final

from cognito_async.bulk.actions import Action
from cognito_async.bulk.arguments import action_of, keep_apart, policy_of, source_of, states_of
from cognito_async.bulk.errors import BulkError, SourceError
from cognito_async.bulk.files import FileSource
from cognito_async.bulk.journal import PLANNED
from cognito_async.bulk.plan import check
from cognito_async.bulk.policy import BulkPolicy
from cognito_async.bulk.progress import Estimate, Progress, Summary
from cognito_async.bulk.rows import Outcome, State
from cognito_async.bulk.runner import Runner
from cognito_async.bulk.source import Extent, Source
from cognito_async.bulk.writer import Writer
from cognito_async.client import CognitoClient
from cognito_async.errors import ParameterValidationError

INPUT: Final = "input"
SALT: Final = "salt"
SOURCE: Final = "source"
STREAM: Final = "read once"
"""The identity of an input that only its rows can tell from another."""
LINES: Final = "lines"
"""The fact about how many rows there are, for those who look on while it is read."""


class Job:
    """Does something to each user of a list, at the edge of the quota, and loses nothing.

        job = Job(client, "reset", "users.csv", journal="users.journal")
        async for outcome in job.run():
            print(outcome.username, outcome.state)

    Its journal outlives it: made again with the same arguments, it goes on where it was, however it ended. The
    session's quotas set the pace: ``AsyncCognitoSession(quotas=Quotas(user_account_recovery=30))``.
    """

    def __init__(
        self,
        client: CognitoClient,
        action: Action | str,
        source: Source | AsyncIterable[Mapping[str, str] | str] | str | Path,
        *,
        journal: str | Path,
        policy: BulkPolicy | None = None,
        strict: bool = False,
        passwords: str | Path | None = None,
        remember: Mapping[str, str] | None = None,
        wall_clock: Callable[[], float] = time.time,
        random: Callable[[], float] = random.random,
    ) -> None:
        """Say what to do to whom; nothing is opened yet.

        Args:
            client: A client that is bound to the app client, or to the user pool where the action needs that.
            action: What to do to each row, or its name.
            source: Where the rows come from: a path for a CSV or JSON Lines file, any async iterable, or a Source.
            journal: The journal's file; it is begun if it is not there, and is continued if it is.
            policy: How patient the job is; None for the defaults of BulkPolicy.
            strict: Whether a row that can't be used ends the job before anything is sent; or before anything more is,
                where the source can be read only once and the action needs more than usernames.
            passwords: The file for generated passwords; None where the action generates none.
            remember: Facts for the journal to keep, for whoever resumes; no secrets. None for none.
            wall_clock: Gives the time in seconds since 1970.
            random: Gives random numbers in [0, 1) for the jitter.

        Raises:
            ParameterValidationError: There is no such action, or something that it needs was not given, or can't be
                right.
            SourceError: The source can't be what it should be.
        """
        self._action = action_of(action)
        self._client = client
        self._source: Source = source_of(source)
        self._path = Path(journal)
        self._policy = policy_of(policy)
        self._strict = strict
        self._passwords = None if passwords is None else Path(passwords)
        self._remember = dict(remember or {})
        self._wall_clock = wall_clock
        self._random = random
        self._stopped = False
        self._running = False
        self._recognised = False
        self._runner: Runner | None = None
        needed = "user_pool_id" if self._action.user_pool else "client_id"
        if getattr(client.bound, needed) is None:
            raise ParameterValidationError(needed, f"must be bound to the client for {self._action.name!r}")
        if self._action.generates and self._passwords is None:
            raise ParameterValidationError("passwords", "must name the file for the generated passwords")
        keep_apart(self._path, passwords=self._passwords, input=self._file())

    def _file(self) -> Path | None:
        return self._source.path if isinstance(self._source, FileSource) else None

    def stop(self) -> None:
        """Let the run end, or the next one: nothing new is begun, what is on its way comes to its end."""
        self._stopped = True
        if self._runner is not None:
            self._runner.halt.stop()

    @property
    def progress(self) -> Progress:
        """How far the run has come.

        Raises:
            BulkError: There has been no run.
        """
        return self._begun().progress()

    @property
    def summary(self) -> Summary:
        """How the last run ended.

        Raises:
            BulkError: No run has ended.
        """
        summary = self._begun().summary
        if summary is None:
            raise BulkError("the run has not ended yet; `progress` tells how far it has come")
        return summary

    def _begun(self) -> Runner:
        if self._runner is None:
            raise BulkError("the job was not run yet")
        return self._runner

    async def run(self, again: Collection[State] = ()) -> AsyncGenerator[Outcome]:
        """Run the job to its end, or until it has to stop; ``summary`` tells which.

        To leave the loop early, call ``stop()`` and read on, or loop within ``contextlib.aclosing(job.run())``, which
        does so. Cancelled, it leaves at once: what was on its way is settled when the job is run again.

        Args:
            again: States whose rows are sent for once more, such as ``[State.REFUSED]`` after you have mended what they
                were refused for. With UNKNOWN, users may get a second message.

        Yields:
            What became of each row, once the journal has it; a DEFERRED row comes again.

        Raises:
            ParameterValidationError: Such rows can't be sent for once more.
            BulkError: The job is being run already.
            SourceError: The source can't be read, or, under ``strict``, holds a bad row.
            JournalInUseError: Another process works on the journal.
            JournalError: The journal can't be written.
            JobMismatchError: The journal belongs to another job, or the input has changed.
        """
        reopened = states_of(again)
        if self._running:
            raise BulkError(
                "this job is being run already; to leave the loop over a run early, loop within"
                " `contextlib.aclosing(job.run())`, or call `stop()` and read on"
            )
        self._running = True
        runner: Runner | None = None
        writer = Writer(self._path, self._wall_clock)
        try:
            await writer.open(self._passwords)
            complete, lines = await self._recognise(writer)
            self._runner = runner = Runner(
                self._client,
                self._action,
                self._source,
                writer,
                policy=self._policy,
                strict=self._strict,
                lines=lines,
                complete=complete,
                recognised=self._recognised,
                wall_clock=self._wall_clock,
                random=self._random,
            )
            if self._stopped:
                runner.halt.stop()
            async with aclosing(runner.run(reopened)) as outcomes:
                async for outcome in outcomes:
                    yield outcome
        finally:
            self._stopped = False
            self._recognised = self._recognised or (runner is not None and runner.recognised)
            try:
                await writer.close()
            finally:
                self._running = False

    async def run_to_end(self, again: Collection[State] = ()) -> Summary:
        """Run the job as ``run`` does, for those who want no more than its end.

        Args:
            again: States whose rows are sent for once more.

        Returns:
            How it ended.
        """
        async with aclosing(self.run(again)) as outcomes:
            async for _ in outcomes:
                pass
        return self.summary

    async def check(self) -> AsyncGenerator[Outcome]:
        """Read and check the whole source, and send nothing; the journal is left alone, for one that leaves no file.

        What can be read only once, such as an async generator or standard input, is used up by it.

        Yields:
            What would become of each row: PLANNED, or REFUSED with the reason.

        Raises:
            SourceError: The source can't be read.
            JournalError: There is no room for what has to be remembered meanwhile.
        """
        writer = Writer(None, self._wall_clock)
        try:
            await writer.open(None)
            async with aclosing(self._source.chunks(self._action.columns)) as chunks:
                async for rows in chunks:
                    checked = [check(row, self._client, self._action) for row in rows]
                    for outcome in await writer.call(writer.journal.plan, checked, self._wall_clock()):
                        yield outcome
        finally:
            await writer.close()

    async def dry_run(self) -> Estimate:
        """Check the whole source, send nothing, and estimate how long the job takes.

        Returns:
            What it found.

        Raises:
            SourceError: The source can't be read.
        """
        rows = faulty = 0
        async with aclosing(self.check()) as outcomes:
            async for outcome in outcomes:
                rows += 1
                faulty += outcome.state is State.REFUSED
        return self.estimate(rows, faulty)

    def estimate(self, rows: int, faulty: int) -> Estimate:
        """Estimate how long the job takes, at the rate that its session was told.

        Args:
            rows: How many rows there are.
            faulty: How many of them are not sent.

        Returns:
            The estimate.
        """
        rate = self._client.session.limiter(self._action.operation).rate
        return Estimate(rows=rows, faulty=faulty, seconds=None if rate is None else (rows - faulty) / rate, rate=rate)

    async def _recognise(self, writer: Writer) -> tuple[bool, int | None]:
        """Make sure that the journal is this job's; tell whether it knows every row, and about how many there are."""
        journal = writer.journal
        await writer.call(journal.begin_anew)
        facts = await writer.call(journal.facts)
        salt = facts.get(SALT) or secrets.token_hex(16)
        complete = PLANNED in facts
        try:
            extent = await self._source.extent(bytes.fromhex(salt))
        except SourceError:
            if self._action.rereads or not complete:
                raise
            extent = Extent(volatile=True)
        self._recognised = self._recognised or extent.volatile or extent.fingerprint is not None
        remembered = {SALT: salt, SOURCE: self._label(), **self._remember}
        if extent.lines is not None:
            remembered[LINES] = str(extent.lines)
        await writer.call(journal.identify, self._identity(extent), remembered)
        return complete, extent.lines

    def _identity(self, extent: Extent) -> dict[str, str]:
        """Tell what must never change from run to run."""
        bound = self._client.bound
        identity = {"action": self._action.label}
        if self._action.user_pool:
            identity["user pool"] = bound.user_pool_id or ""
        else:
            identity["app client"] = bound.client_id or ""
        if extent.fingerprint is not None:
            identity[INPUT] = extent.fingerprint
        elif not self._source.rereadable:  # else it is a file that is not there any more, and not needed
            identity |= {INPUT: STREAM, SOURCE: self._label()}
        return identity

    def _label(self) -> str:
        """Name the source without telling where it lies: the journal's report is passed on."""
        file = self._file()
        return self._source.name if file is None else file.name
