"""Writes the journal and the password file in one thread, with group commits."""

import asyncio
import csv
import errno
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from cognito_async.bulk.actions import PASSWORD
from cognito_async.bulk.concurrency import StopSignal
from cognito_async.bulk.errors import BulkError, JournalError
from cognito_async.bulk.journal import Journal
from cognito_async.bulk.rows import USERNAME, Outcome, Values
from cognito_async.event_loop import running_loop
from cognito_async.files import open_private

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

WATCH_INTERVAL: Final = 0.5  # seconds between two checks that the journal is still in its place


class JournalWriter:
    """Writes in the order of the calls; everything that arrives during a commit goes into the next one."""

    def __init__(self, path: Path | None, wall_clock: Callable[[], float]) -> None:
        self._path = path
        self._wall_clock = wall_clock
        self._files: list[Journal | PasswordFile] = []
        self._password_file: PasswordFile | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cognito_async-journal")
        self._sent: list[int] = []
        self._outcomes: list[Outcome] = []
        self._passwords: list[Values] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self.journal: Journal  # set by open; its methods are to be run by call
        self.error: BaseException | None = None  # the error that ended writing

    def open(self, passwords: Path | None) -> None:
        """Open the journal and the password file, if any, in the journal's thread."""
        self.journal = Journal(self._path)
        self._files.append(self.journal)
        if passwords is not None:
            self._password_file = PasswordFile(passwords)
            self._files.append(self._password_file)

    async def call(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        return await running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))

    def mark_sent(self, line: int) -> asyncio.Future[None]:
        """Record that a row is about to be sent; await the result before sending it."""
        self._sent.append(line)
        return self._committed()

    def record(self, outcome: Outcome, passwords: Values | None = None) -> asyncio.Future[None]:
        """Record an outcome, after the generated password, if any."""
        self._outcomes.append(outcome)
        if passwords is not None:
            self._passwords.append(passwords)
        return self._committed()

    async def watch(self, stop: StopSignal) -> None:
        """Stop the run if the journal is deleted or replaced; every write checks that, too."""
        while self.error is None:
            await asyncio.sleep(WATCH_INTERVAL)
            try:
                await self.call(self.journal.check_in_place)
            except JournalError as error:
                self.error = error
                stop.fail(error)

    def _committed(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        if self._flushing is None:
            self._flushing = loop.create_task(self._flush())
        return waiter

    async def _flush(self) -> None:
        """Commit everything that waits, until nothing does; after an error, write nothing more."""
        while self._waiting:
            sent, outcomes, passwords, waiting = self._sent, self._outcomes, self._passwords, self._waiting
            self._sent, self._outcomes, self._passwords, self._waiting = [], [], [], []
            if self.error is None:
                try:
                    await self.call(self._write, sent, outcomes, passwords)
                except BaseException as error:  # noqa: BLE001 - every waiter must receive it
                    self.error = error
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None) if self.error is None else waiter.set_exception(self.error)
        self._flushing = None

    def _write(self, sent: list[int], outcomes: list[Outcome], passwords: list[Values]) -> None:
        self.journal.check_in_place()
        if passwords and self._password_file is not None:
            try:
                self._password_file.write(passwords)
            except OSError as error:
                raise JournalError(
                    f"cannot write the passwords: {error.strerror}; their users get new passwords when you resume"
                ) from error
        self.journal.write(sent, outcomes, self._wall_clock())

    async def close(self) -> None:
        """Write what is left, then close the files, even if they are still being opened."""
        closed = False
        try:
            while self._flushing is not None:
                await asyncio.wait([self._flushing])
        finally:
            try:
                await self.call(self._close)
                closed = True
            finally:
                self._thread.shutdown(wait=closed)  # after a cancellation, the thread closes the files and ends

    def _close(self) -> None:
        for file in self._files:
            file.close()


class PasswordFile:
    """A CSV file of usernames and accepted passwords. After a crash, a user may appear twice; the last line wins."""

    COLUMNS: Final[tuple[str, ...]] = (USERNAME, PASSWORD)

    def __init__(self, path: Path) -> None:
        try:
            with ExitStack() as on_error:
                descriptor = open_private(path, os.O_WRONLY | os.O_APPEND)
                self._file = on_error.enter_context(os.fdopen(descriptor, "ab", buffering=0))
                if os.fstat(descriptor).st_size == 0:
                    self.write([Values({column: column for column in self.COLUMNS})])
                on_error.pop_all()
        except OSError as error:
            raise BulkError(f"cannot write the passwords to {path}: {error.strerror}") from error

    def write(self, rows: Sequence[Values]) -> None:
        """Append usernames with their passwords, all or none, and sync them to the disk."""
        text = io.StringIO()
        csv.DictWriter(text, self.COLUMNS, lineterminator="\n").writerows(rows)
        content = memoryview(text.getvalue().encode())  # its repr, which error reporters show, has no content
        descriptor = self._file.fileno()
        size = os.fstat(descriptor).st_size
        written = 0
        try:
            written = self._file.write(content) or 0
            os.fsync(descriptor)
        finally:
            if written != len(content):
                os.ftruncate(descriptor, size)
        if written != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        self._file.close()
