"""Where rows come from: files, standard input, any async iterable, and the user pool itself."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Final, Protocol, cast

from attrs import frozen

from cognito_async.bulk.errors import SourceError
from cognito_async.bulk.rows import USERNAME, Row
from cognito_async.client import CognitoClient
from cognito_async.operations import UserType
from cognito_async.quotas import PATIENT

CHUNK: Final = 500
PAGE: Final = 60
STATUS: Final = "cognito:user_status"


@frozen
class Extent:
    """What is known of a source before it is read.

    Attributes:
        fingerprint: What changes when the source does; None where nothing tells.
        lines: About how many rows it has; None where nothing tells.
        volatile: Whether it may well give other rows each time; then those count that were read first.
    """

    fingerprint: str | None = None
    lines: int | None = None
    volatile: bool = False


class Source(Protocol):
    """Gives the rows of a job; anything with these members is one."""

    @property
    def name(self) -> str:
        """What to call it in messages; the journal keeps it."""
        ...

    @property
    def rereadable(self) -> bool:
        """Whether it can be read more than once, with the same rows in the same order."""
        ...

    async def extent(self, salt: bytes) -> Extent:
        """Tell what is known of it before it is read.

        Args:
            salt: What to mix into a fingerprint, so that it tells nothing about the content.

        Raises:
            SourceError: It can't be read.
        """
        ...

    def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:
        """Give the rows in chunks of some hundred; a row that can't be read has a fault.

        Args:
            columns: The columns that each row must have.

        Raises:
            SourceError: None of it can be read.
        """
        ...


class IterableSource:
    """Rows from the caller's own code: mappings by column, or usernames alone."""

    def __init__(
        self, rows: AsyncIterable[Mapping[str, str] | str], *, name: str = "rows", lines: int | None = None
    ) -> None:
        """Take the rows.

        Args:
            rows: The rows; each is a mapping with the action's columns, or a username.
            name: What to call them in messages and in the journal.
            lines: How many there are; None if unknown.
        """
        self._rows = rows
        self._begun = False
        self.name: str = name
        self.rereadable: bool = False
        self._lines = lines

    async def extent(self, salt: bytes) -> Extent:  # noqa: ARG002 - nothing to take a fingerprint of
        """Tell what is known of it before it is read."""
        return Extent(lines=self._lines)

    async def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:
        """Give the rows in chunks.

        Raises:
            SourceError: They were read before, and can be only once, as those of an async generator.
        """
        rows = aiter(self._rows)
        if self._begun and rows is self._rows:
            raise SourceError(f"{self.name} were read already, and can be read only once: give them anew")
        self._begun = True
        chunk: list[Row] = []
        line = 0
        async for given in rows:
            line += 1
            chunk.append(_given_row(line, given, columns))
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


class PoolSource:
    """The users of the client's user pool, or some of them; signed, with the rights to ListUsers."""

    def __init__(
        self,
        client: CognitoClient,
        *,
        filter: str | None = None,  # noqa: A002 - AWS's name for it
        status: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Say which users.

        Args:
            client: A client that is bound to the user pool.
            filter: A filter as ListUsers takes it, such as ``'email ^= "ada"'``; None for none.
            status: A status that users must have, such as ``"CONFIRMED"``; None for any.
            attributes: Attributes and the values that users must have, such as ``{"email_verified": "true"}``; None
                for any.
        """
        self._client = client.with_options(retry=PATIENT)
        self._filter = filter if filter is not None or status is None else f'{STATUS} = "{status}"'
        self._status = status
        self._attributes = dict(attributes or {})
        wanted = [part for part in (self._filter, status if filter else None, str(self._attributes or "")) if part]
        self.rereadable: bool = False
        self.name: str = " ".join(["the user pool", *wanted])

    async def extent(self, salt: bytes) -> Extent:  # noqa: ARG002 - a pool changes all the time
        """Tell what is known of it before it is read."""
        return Extent(volatile=True)

    async def users(self) -> AsyncIterator[UserType]:
        """Give the users themselves, page by page, in flat memory.

        Yields:
            The users.

        Raises:
            CognitoError: Whatever ListUsers raises.
        """
        async for user in self._client.iter_list_users(limit=PAGE, filter=self._filter):
            if self._wants(user):
                yield user

    async def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:
        """Give the rows in chunks.

        Raises:
            SourceError: The action needs more than usernames.
        """
        if tuple(columns) != (USERNAME,):
            raise SourceError(f"a user pool has no {' and no '.join(columns[1:])}: give a file that has")
        async with aclosing(IterableSource(self._usernames()).chunks(columns)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _usernames(self) -> AsyncIterator[str]:
        async for user in self.users():
            if user.username is not None:
                yield user.username

    def _wants(self, user: UserType) -> bool:
        if self._status is not None and user.user_status != self._status:
            return False
        held = {attribute.name: attribute.value for attribute in user.attributes or ()} if self._attributes else {}
        return all(held.get(name) == value for name, value in self._attributes.items())


class KnownRows:
    """Stands for a source whose rows are all in the journal, so that it is not needed again."""

    def __init__(self, name: str) -> None:
        """Take the source's name.

        Args:
            name: What to call it in messages and in the journal.
        """
        self.name: str = name
        self.rereadable: bool = False

    async def extent(self, salt: bytes) -> Extent:  # noqa: ARG002 - there is nothing to read
        """Tell what is known of it."""
        return Extent(volatile=True)

    def chunks(self, columns: Sequence[str]) -> AsyncGenerator[list[Row]]:  # noqa: ARG002 - there is nothing to read
        """Refuse to give rows.

        Raises:
            SourceError: Always.
        """
        raise SourceError(f"{self.name} is needed again: the journal does not know all of its rows")


def _given_row(line: int, given: object, columns: Sequence[str]) -> Row:
    """Make a row of what the caller's own code gives, whatever that is."""
    if isinstance(given, str):
        return row_of(line, {USERNAME: given}, columns)
    if isinstance(given, Mapping):
        return row_of(line, cast("Mapping[str, object]", given), columns)
    return Row(line, {}, f"is of type {type(given).__name__}, and neither a mapping nor a username")


def row_of(line: int, values: Mapping[str, object], columns: Sequence[str]) -> Row:
    """Make a row of some values, or say what is wrong with them.

    Args:
        line: The row's line.
        values: Its values, by column.
        columns: The columns that it must have.

    Returns:
        The row, with a fault if one of the columns is not there as text.
    """
    for column in columns:
        value = values.get(column)
        if not isinstance(value, str):
            fault = f"{column} is missing" if value is None else f"{column} must be text, in quotes"
            return Row(line, {}, fault)
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return Row(line, {}, f"{column} is no valid Unicode text (it holds half of a surrogate pair)")
    return Row(line, {column: str(values[column]) for column in columns})
