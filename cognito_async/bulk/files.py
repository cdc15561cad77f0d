"""Rows from files, pipes and standard input: CSV and JSON Lines, read in blocks and in flat memory."""

import asyncio
import hashlib
import os
import stat
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final, TypeVar

from cognito_async.bulk.errors import SourceError
from cognito_async.bulk.formats import FORMATS, Format, Splitter, format_of
from cognito_async.bulk.rows import Row
from cognito_async.bulk.source import Extent

STANDARD_INPUT: Final = "-"
BLOCK: Final = 32768  # some hundred rows
ROUNDS: Final = 100_000

Result = TypeVar("Result")


class FileSource:
    """A file of rows in UTF-8: CSV with a line of column names, or JSON Lines with an object in each line."""

    def __init__(self, path: str | Path, format: Format | None = None) -> None:  # noqa: A002 - what it is
        """Name the file; nothing is read yet.

        Args:
            path: The file, or a pipe; ``"-"`` for standard input.
            format: The format; None to tell it by the file's name, and CSV for standard input.

        Raises:
            SourceError: There is no such format, the name does not tell it, or standard input is a terminal.
        """
        standard = str(path) == STANDARD_INPUT
        if standard and os.isatty(0):
            raise SourceError("standard input is a terminal: pipe rows into it, or name a file")
        self.path: Path | None = None if standard else Path(path)
        """The file; None for standard input."""
        self._format: Format = _known_format(format) or ("csv" if standard else format_of(path))
        self._begun = False
        self.name: str = "standard input" if standard else str(path)
        self.rereadable: bool = not standard and not is_pipe(Path(path))

    async def extent(self, salt: bytes) -> Extent:
        """Read a file once, to know it again and to tell how many rows it has; a pipe is left alone."""
        if not self.rereadable:
            return Extent()
        with self._told():
            return await asyncio.to_thread(self._extent, salt)

    def _extent(self, salt: bytes) -> Extent:
        digest, lines, last = hashlib.sha256(), 0, b"\n"
        with open(self.path or 0, "rb") as file:  # noqa: PTH123 - a path or a descriptor
            while block := file.read(BLOCK):
                digest.update(block)
                lines += block.count(b"\n")
                last = block
        lines += not last.endswith(b"\n")
        # Slow on purpose: of a short file of weak passwords, a plain digest would be a way to guess them.
        fingerprint = hashlib.pbkdf2_hmac("sha256", digest.digest(), salt, ROUNDS).hex()
        return Extent(fingerprint, max(lines - (self._format == "csv"), 0))

    def _open(self) -> FileIO:
        return open(self.path or 0, "rb", buffering=0, closefd=self.path is not None)

    async def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:
        """Give the rows in chunks; see Source."""
        if self._begun and self.path is None:
            raise SourceError("standard input was read already, and can be read only once: begin anew")
        self._begun = True
        parser, splitter = FORMATS[self._format](columns, self.name), Splitter()
        with self._told():
            file = await _in_thread(self._open, discard=FileIO.close)
        try:
            block = b"\n"
            while block:
                with self._told():
                    block = await _in_thread(lambda: file.read(BLOCK))
                if rows := parser.rows(splitter.lines(block)):
                    yield rows
        finally:
            file.close()
        parser.end()

    @contextmanager
    def _told(self) -> Generator[None]:
        """Turn what the system says into words about the input."""
        try:
            yield
        except FileNotFoundError:
            raise SourceError(
                f"{self.name} is not there; what is done is in the journal: put it back and resume"
            ) from None
        except OSError as error:
            raise SourceError(f"{self.name} can't be read: {error.strerror}") from error


def _known_format(format: Format | None) -> Format | None:  # noqa: A002 - what it is
    """Refuse what is no format, from callers without a type checker."""
    if format is not None and format not in FORMATS:
        raise SourceError(f"the format must be one of {', '.join(FORMATS)}")
    return format


def is_pipe(path: Path) -> bool:
    """Tell whether something is at a path that can be read only once, such as a named pipe."""
    with suppress(OSError):
        return not stat.S_ISREG(path.stat().st_mode)
    return False


async def _in_thread(function: Callable[[], Result], discard: Callable[[Result], object] = lambda _: None) -> Result:
    """Call what may block for good: a pipe that nobody writes to must not keep the program from ending.

    Args:
        function: What blocks.
        discard: What to do with a result that comes when nobody waits for it any more.

    Returns:
        The function's result.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result) -> None:
        discard(result) if future.done() else future.set_result(result)

    def fail(error: BaseException) -> None:
        if not future.done():
            future.set_exception(error)

    def work() -> None:
        try:
            told: Callable[[], None] = partial(settle, function())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the one who waits must hear of it
            told = partial(fail, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(told)

    thread = threading.Thread(target=work, name="cognito_async-input", daemon=True)
    thread.start()
    try:
        return await future
    finally:
        if not future.cancelled():
            thread.join()  # it has told its result, and ends
