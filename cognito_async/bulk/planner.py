"""Reads rows from the source into the journal, and selects those to send."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing

from attrs import define

from cognito_async.bulk.concurrency import StopSignal
from cognito_async.bulk.errors import JobMismatchError, SourceError
from cognito_async.bulk.journal import STREAM, Fact
from cognito_async.bulk.journal_writer import JournalWriter
from cognito_async.bulk.policy import JobContext
from cognito_async.bulk.progress import Tally
from cognito_async.bulk.rows import INVALID_ROW, USERNAME, Outcome, Row, State, username_error
from cognito_async.bulk.sources import CHUNK, FileSource, SourceInfo
from cognito_async.errors import ParameterValidationError


def check_row(row: Row, context: JobContext) -> Outcome:
    """Return a planned outcome, or a refused one if the row is invalid. Nothing is sent."""
    username = row.values.get(USERNAME, "")
    missing = next((column for column in context.action.columns if not row.values.get(column)), None)
    error = row.error or (f"{missing} is missing" if missing else username_error(username))
    if error is None:
        try:
            context.client.prepare(context.action.request(context.action.complete(row.values)))
        except ParameterValidationError as invalid:
            error = invalid.message
    if error is None:
        return Outcome(line=row.line, username=username, state=State.PLANNED)
    return Outcome(line=row.line, username=username, state=State.REFUSED, code=INVALID_ROW, reason=error)


@define(eq=False)
class Planner:
    """The rows of a job, as its source and its journal know them."""

    context: JobContext
    writer: JournalWriter
    stop: StopSignal
    tally: Tally
    on_invalid: Callable[[Outcome], Awaitable[None]]
    verified: bool  # whether the source is known to be the one that the journal was made with
    complete: bool = False  # whether the journal holds all rows of the source
    lines: int | None = None  # the approximate number of rows, if known
    reading: bool = False  # whether the whole source is being read, before the first request

    async def identify(self, remember: Mapping[str, str]) -> None:
        """Store the facts of the job; raise JobMismatchError if the journal belongs to another one."""
        call = self.writer.call
        await call(self.writer.journal.discard_unstarted)
        facts = await call(self.writer.journal.facts)
        salt = facts.get(Fact.SALT) or secrets.token_hex(16)
        self.complete = Fact.COMPLETE in facts
        try:
            info = await self.context.source.info(bytes.fromhex(salt))
        except SourceError:
            if self.context.action.rereads or not self.complete:
                raise
            info = SourceInfo(volatile=True)  # the file is gone, and no longer needed
        self.verified = self.verified or info.volatile or info.fingerprint is not None
        self.lines = info.lines
        stored: dict[str, str] = {Fact.SALT: salt, Fact.SOURCE: self._source_label(), **remember}
        if info.lines is not None:
            stored[Fact.LINES] = str(info.lines)
        await call(self.writer.journal.identify, self._identity(info), stored)

    def _identity(self, info: SourceInfo) -> dict[str, str]:
        action, bound = self.context.action, self.context.client.bound
        target = Fact.USER_POOL if action.user_pool else Fact.APP_CLIENT
        target_id = bound.user_pool_id if action.user_pool else bound.client_id
        identity: dict[str, str] = {Fact.ACTION: action.label, target: target_id or ""}
        if info.fingerprint is not None:
            identity[Fact.INPUT] = info.fingerprint
        elif not self.context.source.rereadable:
            identity |= {Fact.INPUT: STREAM, Fact.SOURCE: self._source_label()}
        return identity

    def _source_label(self) -> str:
        """Return the source's name without the folder, because reports on a journal are passed on."""
        path = self.context.source.path if isinstance(self.context.source, FileSource) else None
        return self.context.source.name if path is None else path.name

    async def read_ahead(self) -> None:
        """Read the whole source into the journal, unless each run has to read it again."""
        # So a pool is not listed while its users change, and strict jobs send nothing if a row is invalid.
        needed = not self.context.action.rereads or (self.context.strict and self.context.source.rereadable)
        if needed and not (self.complete and self.verified):
            self.reading = True
            async with aclosing(self._chunks()) as chunks:
                async for rows in chunks:
                    await self._plan(rows)
            self.reading = False

    def rows(self, *, include_planned: bool) -> AsyncGenerator[tuple[Outcome, Mapping[str, str]]]:
        """Yield the rows to send, with their values: deferred ones that are due and, if included, planned ones."""
        select = self._from_source if self.context.action.rereads else self._from_journal
        return select(include_planned=include_planned)

    async def _from_journal(self, *, include_planned: bool) -> AsyncGenerator[tuple[Outcome, Mapping[str, str]]]:
        after = 0
        while rows := await self.writer.call(
            self.writer.journal.sendable, after, self.context.wall_clock(), CHUNK, include_planned=include_planned
        ):
            for row in rows:
                yield row, {USERNAME: row.username}
            after = rows[-1].line

    async def _from_source(self, *, include_planned: bool) -> AsyncGenerator[tuple[Outcome, Mapping[str, str]]]:
        async with aclosing(self._chunks()) as chunks:
            async for rows in chunks:
                planned = await self._plan(rows)
                now = self.context.wall_clock()
                for row in rows:
                    recorded = planned[row.line]
                    is_due = recorded.state is State.DEFERRED and recorded.due is not None and recorded.due <= now
                    if is_due or (include_planned and recorded.state is State.PLANNED):
                        yield recorded, row.values

    async def _chunks(self) -> AsyncGenerator[list[Row]]:
        """Yield the source's chunks until the stop signal is set (a pipe may block forever); record its end."""
        last = 0
        async with aclosing(self.context.source.chunks(self.context.action.columns)) as chunks:
            stopped = asyncio.ensure_future(self.stop.wait())
            try:
                while True:
                    following = asyncio.ensure_future(anext(chunks, None))
                    try:
                        await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        following.cancel()
                        await asyncio.wait({following})
                    if following.cancelled():
                        return
                    if (rows := following.result()) is None:
                        break
                    last = rows[-1].line
                    yield rows
            finally:
                stopped.cancel()
        known = await self.writer.call(self.writer.journal.last_line)
        if last < known:
            raise await self._mismatch(f"{self.context.source.name} ends at line {last}; it had {known} lines before")
        await self.writer.call(self.writer.journal.remember, {Fact.COMPLETE: "yes"})
        self.complete = self.verified = True

    async def _plan(self, rows: Sequence[Row]) -> dict[int, Outcome]:
        """Add new rows to the journal; return all rows by line, as recorded."""
        known = await self.writer.call(self.writer.journal.rows_between, rows[0].line, rows[-1].line)
        for row in rows:
            before = known.get(row.line)
            if before is None and self.complete:
                raise await self._mismatch(f"{self.context.source.name} has a new line {row.line}")
            if before is not None and row.values.get(USERNAME, "") != before.username:
                raise await self._mismatch(
                    f"line {row.line} of {self.context.source.name} is about another user than before"
                )
        new = [check_row(row, self.context) for row in rows if row.line not in known]
        return known | {row.line: row for row in await self._add(new)} if new else known

    async def _mismatch(self, problem: str) -> JobMismatchError:
        return await self.writer.call(self.writer.journal.input_mismatch, problem)

    async def _add(self, rows: Sequence[Outcome]) -> list[Outcome]:
        now, case_sensitive = self.context.wall_clock(), self.context.case_sensitive
        added = await self.writer.call(self.writer.journal.add_rows, rows, now, case_sensitive=case_sensitive)
        for outcome in added:
            self.tally.add(outcome)
        for outcome in added:
            if outcome.state is State.REFUSED and self.context.strict:
                raise SourceError(
                    f"line {outcome.line} of {self.context.source.name}: {outcome.reason}", line=outcome.line
                )
            if outcome.state is State.REFUSED:
                await self.on_invalid(outcome)
        return added
