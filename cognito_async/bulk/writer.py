"""Keeps the journal off the loop: one thread, and one commit for all that waits for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from cognito_async.bulk.errors import BulkError, JournalError
from cognito_async.bulk.journal import Journal
from cognito_async.bulk.passwords import PasswordFile
from cognito_async.bulk.rows import Outcome

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Writer:
    """Writes to the journal in the order of the calls; what comes while a commit runs goes into the next one.

    Attributes:
        error: What made the journal unusable; None while it is in order.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        """Take the journal's path (None: it has no file) and the clock in seconds since 1970; nothing is opened yet."""
        self._path = path
        self._clock = clock
        self._journal: Journal | None = None
        self._passwords: PasswordFile | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cognito_async-journal")
        self._sent: list[int] = []
        self._outcomes: list[Outcome] = []
        self._lines: list[tuple[str, str]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self.error: BaseException | None = None

    @property
    def journal(self) -> Journal:
        """The journal, for ``call``."""
        if self._journal is None:
            raise BulkError("the journal is not open")
        return self._journal

    async def open(self, passwords: Path | None) -> None:
        """Open the journal, and the file for passwords.

        Args:
            passwords: The file; None for none.

        Raises:
            JournalError: The journal can't be opened, or another process has it.
            BulkError: The file can't be.
        """
        await self.call(self._open, passwords)

    def _open(self, passwords: Path | None) -> None:
        self._journal = Journal(self._path)
        self._passwords = None if passwords is None else PasswordFile(passwords)

    async def call(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Call what blocks, in the journal's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))

    def sent(self, line: int) -> asyncio.Future[None]:
        """Note that a row is about to be sent; it may be when the future is done."""
        self._sent.append(line)
        return self._written()

    def settled(self, outcome: Outcome, password: str | None = None) -> asyncio.Future[None]:
        """Note what became of a row, and before that the password that was made for it, if any."""
        self._outcomes.append(outcome)
        if password is not None:
            self._lines.append((outcome.username, password))
        return self._written()

    def _written(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        if self._flushing is None:
            self._flushing = loop.create_task(self._flush())
        return waiter

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await self._flush_once()
        finally:
            self._flushing = None

    async def _flush_once(self) -> None:
        """Commit all that waits, and tell those who wait; after an error nothing is written any more."""
        sent, outcomes, lines, waiting = self._sent, self._outcomes, self._lines, self._waiting
        self._sent, self._outcomes, self._lines, self._waiting = [], [], [], []
        if self.error is None:
            try:
                await self.call(self._write, sent, outcomes, lines)
            except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                self.error = error
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None) if self.error is None else waiter.set_exception(self.error)

    def _write(self, sent: list[int], outcomes: list[Outcome], lines: list[tuple[str, str]]) -> None:
        if lines and self._passwords is not None:
            try:
                self._passwords.write(lines)
            except OSError as error:
                raise JournalError(
                    f"the passwords can't be written: {error.strerror}; their users are given new ones after you resume"
                ) from error
        self.journal.write(sent, outcomes, self._clock())

    async def close(self) -> None:
        """Write what is left, and close the journal and the file; what is still being opened, too."""
        try:
            while self._flushing is not None:
                await asyncio.wait([self._flushing])
        finally:
            await self._close_all()

    async def _close_all(self) -> None:
        closing = False
        try:
            await self.call(self._close)
        except asyncio.CancelledError:
            closing = True
            raise
        finally:
            self._thread.shutdown(wait=not closing)  # at once then; else it ends by itself when it has closed

    def _close(self) -> None:
        for file in (self._journal, self._passwords):
            if file is not None:
                file.close()
