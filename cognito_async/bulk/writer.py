"""Keeps the journal off the loop: one thread, and one commit for all that waits for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from cognito_async.bulk.errors import JournalError
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

    def __init__(self, journal: Journal, clock: Callable[[], float], passwords: PasswordFile | None) -> None:
        """Take the journal, the clock in seconds since 1970, and the file for passwords; None for no such file."""
        self._journal = journal
        self._clock = clock
        self._passwords = passwords
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cognito_async-journal")
        self._sent: list[int] = []
        self._outcomes: list[Outcome] = []
        self._lines: list[tuple[str, str]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self.error: JournalError | None = None

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
        if self.error is not None:
            waiter.set_exception(self.error)
            return waiter
        self._waiting.append(waiter)
        if self._flushing is None:
            self._flushing = loop.create_task(self._flush())
        return waiter

    async def _flush(self) -> None:
        while self._waiting:
            sent, outcomes, lines, waiting = self._sent, self._outcomes, self._lines, self._waiting
            self._sent, self._outcomes, self._lines, self._waiting = [], [], [], []
            try:
                await self.call(self._write, sent, outcomes, lines)
            except JournalError as error:
                self.error = error
                waiting += self._waiting
                self._waiting = []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None) if self.error is None else waiter.set_exception(self.error)
        self._flushing = None

    def _write(self, sent: list[int], outcomes: list[Outcome], lines: list[tuple[str, str]]) -> None:
        if lines and self._passwords is not None:
            try:
                self._passwords.write(lines)
            except OSError as error:
                raise JournalError(
                    f"the passwords can't be written: {error.strerror}; their users are given new ones after you resume"
                ) from error
        self._journal.write(sent, outcomes, self._clock())

    async def close(self) -> None:
        """Write what is left, and close the journal and the file."""
        while self._flushing is not None:
            await asyncio.wait([self._flushing])
        try:
            await self.call(self._journal.close)
        finally:
            if self._passwords is not None:
                self._passwords.close()
            self._thread.shutdown()
