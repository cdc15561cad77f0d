"""``users export``: a user pool's users as CSV or JSON Lines, in flat memory, to be looked at or fed to a bulk job."""

import asyncio
import csv
import io
import json
from argparse import Namespace
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final, TypeAlias

from cognito_async.bulk import PoolSource
from cognito_async.bulk.formats import SUFFIXES
from cognito_async.bulk.report.exports import replaced
from cognito_async.cli import streams
from cognito_async.cli.address import Address, address_of
from cognito_async.cli.exits import CommandError, Exit
from cognito_async.cli.order import PoolChoice
from cognito_async.cli.wording import plural
from cognito_async.errors import CognitoError
from cognito_async.operations import UserType

BATCH: Final = 60
"""Users between two writes: a page of the listing."""

Cell: TypeAlias = str | bool | None
Columns: TypeAlias = tuple[str, ...]

DEFAULT: Final[Columns] = (
    "username", "status", "enabled", "email", "email_verified", "phone_number", "created", "modified",
)  # fmt: skip
FIXED: Final[Mapping[str, Callable[[UserType], Cell]]] = MappingProxyType(
    {
        "username": lambda user: user.username,
        "status": lambda user: None if user.user_status is None else str(user.user_status),
        "enabled": lambda user: user.enabled,
        "created": lambda user: _moment(user.user_create_date),
        "modified": lambda user: _moment(user.user_last_modified_date),
    }
)
"""The columns that every user has; all others are attributes."""


def run(options: Namespace) -> Exit:
    """Write a pool's users.

    Args:
        options: The command's options.

    Returns:
        The exit code.

    Raises:
        BrokenPipeError: Nobody reads standard output any more.
    """
    address = address_of(options)
    address.pool()
    choice = PoolChoice(filter=options.filter, status=options.status, attributes=dict(options.attribute or ()))
    output = None if options.output is None else Path(options.output)
    suffix = "" if output is None else output.suffix.lower()
    form = _FORMATS[options.format or SUFFIXES.get(suffix, "csv")](options.columns)
    with _target(output) as file:
        number = asyncio.run(_write(file, address, choice, form))
    streams.warn(f"{plural(number, 'user')} written{'' if output is None else f' to {output}'}")
    return Exit.DONE


async def _write(file: IO[str], address: Address, choice: PoolChoice, form: "Csv | JsonLines") -> int:
    """Write the users as they come; a reader that is slow holds up the next page and nothing else."""
    number = 0
    lines = [form.head()]
    async with address.session() as session:
        source: PoolSource = choice.source(session.client(user_pool_id=address.user_pool_id))
        async for user in source.users():
            lines.append(form.line(user))
            number += 1
            if len(lines) >= BATCH:
                await asyncio.to_thread(_put, file, lines)
                lines = []
        await asyncio.to_thread(_put, file, lines)
    return number


def _put(file: IO[str], lines: list[str]) -> None:
    file.write("".join(lines))
    file.flush()


class Csv:
    """A line for each user, and one with the names of the columns."""

    def __init__(self, columns: Columns | None) -> None:
        """Take the columns; None for the usual ones."""
        self._columns = columns or DEFAULT

    def head(self) -> str:
        """Give the line with the names of the columns."""
        return _joined(self._columns)

    def line(self, user: UserType) -> str:
        """Give a user's line; a line break within a value becomes a blank, as a line is a row."""
        held = _attributes(user)
        return _joined([_text(_cell(user, held, column)) for column in self._columns])


class JsonLines:
    """An object for each user."""

    def __init__(self, columns: Columns | None) -> None:
        """Take the columns; None for all that there is."""
        self._columns = columns

    def head(self) -> str:
        """Give nothing: the names are in each line."""
        return ""

    def line(self, user: UserType) -> str:
        """Give a user's line."""
        held = _attributes(user)
        columns = self._columns or (*FIXED, *(name for name in held if name not in FIXED))
        return json.dumps({column: _cell(user, held, column) for column in columns}, ensure_ascii=False) + "\n"


_FORMATS: Final[Mapping[str, type[Csv] | type[JsonLines]]] = MappingProxyType({"csv": Csv, "jsonl": JsonLines})


def _attributes(user: UserType) -> dict[str, str | None]:
    return {attribute.name: attribute.value for attribute in user.attributes or ()}


def _cell(user: UserType, held: Mapping[str, str | None], column: str) -> Cell:
    return FIXED[column](user) if column in FIXED else held.get(column)


def _text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return "" if cell is None else " ".join(cell.splitlines())


def _joined(fields: "Columns | list[str]") -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(fields)
    return line.getvalue()


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


@contextmanager
def _target(output: Path | None) -> Generator[IO[str]]:
    """Give what to write to: standard output, or a file that takes its place once it is whole, for the owner alone."""
    if output is None:
        yield streams.data()
        return
    try:
        with replaced(output) as file:
            yield file
    except CognitoError:  # some are OSErrors too, and about something else
        raise
    except OSError as error:
        raise CommandError(f"{output} can't be written: {error.strerror}", Exit.TROUBLE) from None
