"""Sources of rows: files, pipes and standard input, iterables, and the user pool itself."""

# pyright: reportUnnecessaryIsInstance=false
# (arguments are validated for callers without a type checker)

import asyncio
import codecs
import hashlib
import os
import stat
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from concurrent.futures import Future
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeVar, cast, get_args

from attrs import frozen

from cognito_async.bulk.csv_jsonl import PARSERS, Format, LineSplitter, format_of, row_of
from cognito_async.bulk.errors import SourceError
from cognito_async.bulk.rows import USERNAME, Row
from cognito_async.client import CognitoClient
from cognito_async.errors import ParameterValidationError
from cognito_async.operations import UserStatusType, UserType
from cognito_async.quotas import PATIENT

Result = TypeVar("Result")

CHUNK: Final = 500  # rows per chunk of an iterable
BLOCK: Final = 32768  # bytes per read of a file: some hundred rows
PAGE: Final = 60  # users per page of ListUsers
USER_STATUSES: Final[tuple[str, ...]] = get_args(UserStatusType)
FINGERPRINT_ROUNDS: Final = 100_000


@frozen
class SourceInfo:
    """What is known about a source before its rows are read."""

    fingerprint: str | None = None
    """Changes when the content does; None if it cannot be computed."""
    lines: int | None = None
    """The approximate number of rows; None if unknown."""
    volatile: bool = False
    """Whether the source may return other rows each time; then the rows that were read first count."""


class Source(Protocol):
    """A source of rows. Any object with these members can be passed to a job."""

    @property
    def name(self) -> str:
        """The name in messages and in the journal."""
        ...

    @property
    def rereadable(self) -> bool:
        """Whether it can be read more than once, with the same rows in the same order."""
        ...

    async def info(self, salt: bytes) -> SourceInfo:
        """Return what is known before the rows are read.

        Args:
            salt: The salt of the fingerprint.

        Raises:
            SourceError: The source cannot be read.
        """
        ...

    def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:
        """Yield the rows in chunks of a few hundred; an invalid row has an error.

        Args:
            columns: The columns that each row must have.

        Raises:
            SourceError: The source cannot be read.
        """
        ...


class FileSource:
    """A UTF-8 file: CSV with a header line, or JSON Lines with an object per line.

    CSV fields are separated by commas, semicolons or tabs.
    """

    def __init__(self, path: str | Path, format: Format | None = None) -> None:  # noqa: A002 - the public name
        """Create the source; nothing is read yet.

        Args:
            path: The file or named pipe; ``"-"`` for standard input.
            format: The format; None to infer it from the suffix, and CSV for standard input.

        Raises:
            SourceError: The format is unknown, or standard input is a terminal.
        """
        standard = str(path) == "-"
        if standard and os.isatty(0):
            raise SourceError("standard input is a terminal; pipe rows into it, or pass a file")
        if format is not None and format not in PARSERS:
            raise SourceError(f"format must be one of {', '.join(PARSERS)}")
        self.path: Path | None = None if standard else Path(path)
        """The file; None for standard input."""
        self._format: Format = format or ("csv" if standard else format_of(path))
        self._started = False
        self._digests: list[bytes] = []  # of the blocks of the file as it was fingerprinted, and of its end
        self._invalid_line: int | None = None  # the first line that is not UTF-8
        self.name: str = "standard input" if standard else str(path)
        self.rereadable: bool = not standard and not is_pipe(Path(path))

    async def info(self, salt: bytes) -> SourceInfo:
        """Fingerprint a regular file, count its lines, and look for bytes that are not UTF-8; a pipe is not read."""
        if not self.rereadable:
            return SourceInfo()
        with self._source_errors():
            return await asyncio.to_thread(self._read_info, salt)

    def _read_info(self, salt: bytes) -> SourceInfo:
        digest, digests, lines, end = hashlib.sha256(), list[bytes](), 0, b""
        decoder, invalid_line = codecs.getincrementaldecoder("utf-8")(), None
        buffer = memoryview(bytearray(BLOCK))  # its repr shows no content
        with open(self.path or 0, "rb") as file:  # noqa: PTH123 - a path or a descriptor
            size = 1
            while size:
                size = file.readinto(buffer)
                digest.update(buffer[:size])
                digests.append(_digest(buffer[:size]))
                if invalid_line is None and (at := _invalid_utf8(decoder, bytes(buffer[:size]))) is not None:
                    invalid_line = lines + _line_ends(bytes(buffer[:at]), end) + 1
                lines += _line_ends(bytes(buffer[:size]), end)
                end = bytes(buffer[size - 1 : size]) or end
        lines += end not in b"\r\n"
        self._digests, self._invalid_line = digests, invalid_line
        # Deliberately slow: a plain digest of a short file would allow guessing its passwords.
        fingerprint = hashlib.pbkdf2_hmac("sha256", digest.digest(), salt, FINGERPRINT_ROUNDS).hex()
        return SourceInfo(fingerprint, max(lines - (self._format == "csv"), 0))

    async def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:
        """Yield the rows in chunks; see Source.

        A file that changed since ``info``, or is not UTF-8 as ``info`` found out, raises SourceError.
        """
        if self._started and self.path is None:
            raise SourceError("standard input has already been read; start the program again to read it again")
        self._started = True
        parser, splitter = PARSERS[self._format](columns, self.name), LineSplitter()
        with self._source_errors():
            file = await _in_thread(self._open, on_cancel=_close)
        try:
            number, more = 0, True
            while more:
                with self._source_errors():
                    block = await _in_thread(lambda: file.read(BLOCK))
                changed, more = self._digests and _digest(block) != self._digests[number], bool(block)
                rows = [] if changed else parser.rows(splitter.lines(block))
                del block  # it can hold passwords, which an error would keep in this frame
                if changed:
                    raise SourceError(
                        f"{self.name} changed while the job was running; restore it and resume, and put corrected rows"
                        " alone into a new file with a new journal. No changed row was sent"
                    )
                if not more:
                    parser.end()
                if parser.error is None and self._invalid_line is not None:
                    problem = "is not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8)"
                    raise SourceError(f"line {self._invalid_line} of {self.name} {problem}", line=self._invalid_line)
                if parser.error is not None:
                    raise parser.error
                if rows:
                    yield rows
                number += 1
        finally:
            file.close()

    def _open(self) -> BinaryIO:
        # A pipe is unbuffered, so that its rows are available as soon as they are written.
        buffering = -1 if self.rereadable else 0
        return open(self.path or 0, "rb", buffering=buffering, closefd=self.path is not None)

    @contextmanager
    def _source_errors(self) -> Generator[None]:
        try:
            yield
        except FileNotFoundError:
            problem = "not found; check the path. If the job was started before, restore the file and resume"
            raise SourceError(f"{self.name} {problem}") from None
        except OSError as error:
            raise SourceError(f"cannot read {self.name}: {error.strerror}") from error


def _digest(block: bytes | memoryview) -> bytes:
    return hashlib.blake2b(block, digest_size=16).digest()


def _line_ends(block: bytes, before: bytes) -> int:
    """Return the number of line ends (LF, CRLF or CR) in a block; the last byte before it may be the CR of a CRLF."""
    return block.count(b"\n") + block.count(b"\r") - (before + block).count(b"\r\n")


def _invalid_utf8(decoder: codecs.IncrementalDecoder, block: bytes) -> int | None:
    """Return where a block is not UTF-8, 0 if that began before it, None if it is valid; an empty block is the end."""
    before = len(decoder.getstate()[0])
    try:
        decoder.decode(block, final=not block)
    except UnicodeDecodeError as error:
        return max(error.start - before, 0)
    return None


def is_pipe(path: Path) -> bool:
    """Return whether a path leads to something that can be read only once, such as a named pipe."""
    with suppress(OSError):
        return not stat.S_ISREG(path.stat().st_mode)
    return False


async def _in_thread(
    function: Callable[[], Result], on_cancel: Callable[[Future[Result]], object] = lambda _: None
) -> Result:
    """Call a function in a daemon thread, because it may block forever; ``on_cancel`` gets a late result."""
    future: Future[Result] = Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - the caller must receive it
            future.set_exception(error)

    threading.Thread(target=work, name="cognito_async-input", daemon=True).start()
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        future.add_done_callback(on_cancel)
        raise


def _close(opened: Future[BinaryIO]) -> None:
    if opened.exception() is None:
        opened.result().close()


class IterableSource:
    """Rows from an iterable, such as a list or an async generator, of mappings or usernames."""

    def __init__(
        self,
        rows: AsyncIterable[Mapping[str, str] | str] | Iterable[Mapping[str, str] | str],
        *,
        name: str = "rows",
        lines: int | None = None,
    ) -> None:
        """Create the source.

        Args:
            rows: The rows: mappings with the action's columns, or usernames. An iterable that is not async blocks the
                event loop while it makes a row.
            name: The name in messages and in the journal.
            lines: The number of rows; None if unknown.

        Raises:
            ParameterValidationError: The rows are not an iterable, or are a single username or mapping.
        """
        if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, AsyncIterable | Iterable):
            raise ParameterValidationError("rows", "must be an iterable or async iterable of mappings or usernames")
        self._rows = rows
        self._started = False
        self.name: str = name
        self.rereadable: bool = False
        self._lines = lines

    async def info(self, salt: bytes) -> SourceInfo:  # noqa: ARG002 - there is no fingerprint
        """Return the number of rows, if known."""
        return SourceInfo(lines=self._lines)

    async def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:
        """Yield the rows in chunks.

        Raises:
            SourceError: The rows come from a generator that has already been read.
        """
        rows = aiter(self._rows) if isinstance(self._rows, AsyncIterable) else iter(self._rows)
        if self._started and rows is self._rows:
            raise SourceError(f"{self.name}: the iterator has already been read; pass a new one")
        self._started = True
        chunk: list[Row] = []
        line = 0
        async for item in rows if isinstance(rows, AsyncIterator) else _each(rows):
            line += 1
            chunk.append(_item_row(line, item, columns))
            del item  # it can hold a password, which an error would keep in this frame
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


async def _each(rows: Iterable[Mapping[str, str] | str]) -> AsyncIterator[Mapping[str, str] | str]:
    for row in rows:
        yield row
        del row  # it can hold a password, which an error would keep in this frame


def _item_row(line: int, item: object, columns: Sequence[str]) -> Row:
    if isinstance(item, str):
        return row_of(line, {USERNAME: item}, columns)
    if isinstance(item, Mapping):
        return row_of(line, cast("Mapping[str, object]", item), columns)
    return Row(line, {}, f"must be a mapping or a username, not {type(item).__name__}")


class PoolSource:
    """The users of a user pool, or some of them. Needs AWS credentials with permission for ListUsers."""

    def __init__(
        self,
        client: CognitoClient,
        *,
        filter: str | None = None,  # noqa: A002 - AWS's name for it
        status: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Create the source.

        Args:
            client: A client that is bound to the user pool.
            filter: A ListUsers filter, such as ``'email ^= "ada"'``; None for none.
            status: The status of the users, such as ``"CONFIRMED"``, in any case; None for any.
            attributes: The attribute values of the users, such as ``{"email_verified": "true"}``; None for any.

        Raises:
            ParameterValidationError: Amazon Cognito has no such status.
        """
        if status is not None and (status := status.upper()) not in USER_STATUSES:
            raise ParameterValidationError("status", f"must be one of {', '.join(USER_STATUSES)}")
        self._client = client.with_options(retry=PATIENT)
        self._filter = filter if filter is not None or status is None else f'cognito:user_status = "{status}"'
        self._status = status
        self._attributes = dict(attributes or {})
        conditions = [part for part in (self._filter, status if filter else None, str(self._attributes or "")) if part]
        self.rereadable: bool = False
        self.name: str = " ".join(["the user pool", *conditions])

    async def info(self, salt: bytes) -> SourceInfo:  # noqa: ARG002 - there is no fingerprint
        """Return that the rows may change."""
        return SourceInfo(volatile=True)

    async def users(self) -> AsyncIterator[UserType]:
        """Yield the users, in flat memory.

        Raises:
            CognitoError: ListUsers failed.
        """
        async for user in self._client.iter_list_users(limit=PAGE, filter=self._filter):
            values = {attribute.name: attribute.value for attribute in user.attributes or ()}
            if self._status in {None, user.user_status} and self._attributes.items() <= values.items():
                yield user

    async def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:
        """Yield the rows in chunks.

        Raises:
            SourceError: The action needs more than usernames.
        """
        if tuple(columns) != (USERNAME,):
            raise SourceError(f"columns not available from a user pool: {', '.join(columns[1:])}; use a file")
        usernames = (user.username async for user in self.users() if user.username is not None)
        async with aclosing(IterableSource(usernames).chunks(columns)) as chunks:
            async for chunk in chunks:
                yield chunk


class JournaledSource:
    """Stands for a source that is gone, when the journal holds all of its rows."""

    def __init__(self, name: str) -> None:
        """Create the source with its name in messages and in the journal."""
        self.name: str = name
        self.rereadable: bool = False

    async def info(self, salt: bytes) -> SourceInfo:  # noqa: ARG002 - there is no fingerprint
        """Return that the rows in the journal count."""
        return SourceInfo(volatile=True)

    def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:  # noqa: ARG002 - there are no rows
        """Raise SourceError."""
        raise SourceError(f"the journal does not hold all rows; restore {self.name} and resume")
