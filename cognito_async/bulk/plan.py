"""Takes rows into the journal, and gives those that are to be sent."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial

from cognito_async.bulk.actions import PASSWORD, Action, Values
from cognito_async.bulk.errors import JobMismatchError, SourceError
from cognito_async.bulk.halt import Halt
from cognito_async.bulk.journal import PLANNED, Entry
from cognito_async.bulk.passwords import new_password
from cognito_async.bulk.progress import Tally
from cognito_async.bulk.rows import INVALID, USERNAME, Outcome, Row, State
from cognito_async.bulk.source import CHUNK, Source
from cognito_async.bulk.writer import Writer
from cognito_async.client import CognitoClient
from cognito_async.errors import ParameterValidationError


def check(row: Row, client: CognitoClient, action: Action) -> Outcome:
    """Check a row as far as that is possible without sending it.

    Args:
        row: The row.
        client: The client that would send it.
        action: What would be done.

    Returns:
        An outcome that is planned, or refused with the reason.
    """
    username = row.values.get(USERNAME, "")
    fault = row.fault
    if fault is None:
        values = {**row.values, PASSWORD: new_password()} if action.generates else row.values
        try:
            client.prepare(action.request(values))
        except ParameterValidationError as error:
            fault = error.message
    if fault is None:
        return Outcome(line=row.line, username=username, state=State.PLANNED)
    return Outcome(line=row.line, username=username, state=State.REFUSED, code=INVALID, reason=fault)


class Plan:
    """The rows of one job, as its source and its journal know them together."""

    def __init__(
        self,
        source: Source,
        writer: Writer,
        tally: Tally,
        *,
        client: CognitoClient,
        action: Action,
        strict: bool,
        complete: bool,
        recognised: bool,
        halt: Halt,
        wall_clock: Callable[[], float],
        tell: Callable[[Outcome], Awaitable[None]],
    ) -> None:
        """Take where the rows come from, where they are noted, how they are checked, and who is told of bad ones."""
        self._source = source
        self._journal = writer.journal
        self._writer = writer
        self._tally = tally
        self._client = client
        self._action = action
        self._strict = strict
        self._halt = halt
        self._wall_clock = wall_clock
        self._tell = tell
        self.complete: bool = complete
        """Whether the journal knows every row."""
        self.recognised: bool = recognised
        """Whether the source is known to be the one that the journal knows."""

    async def read(self) -> None:
        """Take the whole source in, unless that is done; nothing is sent meanwhile, so that a pool holds still.

        A source that was taken in before is read all the same where only its rows can tell whether it is still that.
        """
        if self.complete and self.recognised:
            return
        async with aclosing(self._chunks()) as chunks:
            async for rows in chunks:
                await self._known(rows, planned=False)

    async def noted(self, *, planned: bool) -> AsyncGenerator[tuple[Entry, Values]]:
        """Give the rows to send as the journal knows them, where that is enough.

        Args:
            planned: Whether to give planned rows, and not only deferred ones.

        Yields:
            The rows that are to be sent, with the username as their only value.
        """
        after = 0
        pending = partial(self._journal.pending, limit=CHUNK, planned=planned)
        while entries := await self._writer.call(pending, after, self._wall_clock()):
            for entry in entries:
                yield entry, {USERNAME: entry.username}
            after = entries[-1].line

    async def reread(self, *, planned: bool) -> AsyncGenerator[tuple[Entry, Values]]:
        """Give the rows to send as the source has them, where the journal may not know what they hold.

        Args:
            planned: Whether to give planned rows, and not only deferred ones.

        Yields:
            The rows that are to be sent, with their values.

        Raises:
            JobMismatchError: The source has other rows than before.
        """
        async with aclosing(self._chunks()) as chunks:
            async for rows in chunks:
                for due in await self._known(rows, planned=planned):
                    yield due

    async def _chunks(self) -> AsyncGenerator[list[Row]]:
        """Give what the source gives, until the job is told to stop: a pipe may give nothing for good."""
        last = 0
        async with aclosing(self._source.chunks(self._action.columns)) as chunks:
            stopped = asyncio.ensure_future(self._halt.wait())
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
        await self._ended(last)

    async def _ended(self, last: int) -> None:
        """Note that the source has come to its end."""
        known = await self._writer.call(self._journal.last_line)
        if last < known:
            raise self._changed(f"{self._source.name} ends at line {last}, but there were {known} lines before")
        await self._writer.call(self._journal.remember, {PLANNED: "yes"})
        self.complete = self.recognised = True

    async def _known(self, rows: Sequence[Row], *, planned: bool) -> list[tuple[Entry, Values]]:
        """Look rows up in the journal, take in those that are new, and give those that are to be sent."""
        known = await self._writer.call(self._journal.known, rows[0].line, rows[-1].line)
        for row in rows:
            before = known.get(row.line)
            if before is None and self.complete:
                raise self._changed(f"there is a line {row.line} in {self._source.name} that was not there before")
            if before is not None and row.values.get(USERNAME, "") != before.username:
                raise self._changed(f"line {row.line} of {self._source.name} is about another user than before")
        new = [row for row in rows if row.line not in known]
        known.update({entry.line: entry for entry in await self._take_in(new)})
        now = self._wall_clock()
        return [(known[row.line], row.values) for row in rows if known[row.line].is_due(now, planned=planned)]

    def _changed(self, how: str) -> JobMismatchError:
        return JobMismatchError(
            f"{self._journal.path}: {how}; go on with the input that the job was begun with, or name a new journal"
        )

    async def _take_in(self, rows: Sequence[Row]) -> list[Entry]:
        """Check rows and note them in the journal."""
        checked = [check(row, self._client, self._action) for row in rows]
        taken = await self._writer.call(self._journal.plan, checked, self._wall_clock()) if rows else []
        for outcome in taken:
            self._tally.planned(outcome)
        bad = [outcome for outcome in taken if outcome.state is State.REFUSED]
        if bad and self._strict:
            raise SourceError(f"line {bad[0].line} of {self._source.name}: {bad[0].reason}", line=bad[0].line)
        for outcome in bad:
            await self._tell(outcome)
        return [Entry(outcome.line, outcome.username, outcome.state, outcome.code) for outcome in taken]
