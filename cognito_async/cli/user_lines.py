"""A user pool's users as lines: CSV or JSON Lines, with columns of one's choice."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypeAlias

from cognito_async.operations import UserType

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


class Cells:
    """The values of users by column, and which of the chosen columns nobody has a value in."""

    def __init__(self, columns: Columns | None) -> None:
        """Take the columns that were chosen; None for none."""
        self.empty: dict[str, None] = dict.fromkeys(columns or ())

    def of(self, user: UserType, columns: Columns | None) -> dict[str, Cell]:
        """Give a user's values; in every column that there is where columns are None."""
        held = {attribute.name: attribute.value for attribute in user.attributes or ()}
        wanted = columns or (*FIXED, *(name for name in held if name not in FIXED))
        cells = {name: FIXED[name](user) if name in FIXED else held.get(name) for name in wanted}
        for name in [name for name in self.empty if cells[name] not in {None, ""}]:
            del self.empty[name]
        return cells


class Csv:
    """A line for each user, and one with the names of the columns."""

    def __init__(self, columns: Columns | None) -> None:
        """Take the columns; None for the usual ones."""
        self._columns = columns or DEFAULT
        self.cells: Cells = Cells(columns)

    def head(self) -> str:
        """Give the line with the names of the columns."""
        return _joined(self._columns)

    def line(self, user: UserType) -> str:
        """Give a user's line; a line break within a value becomes a blank, as a line is a row."""
        return _joined([_text(cell) for cell in self.cells.of(user, self._columns).values()])


class JsonLines:
    """An object for each user."""

    def __init__(self, columns: Columns | None) -> None:
        """Take the columns; None for all that there is."""
        self._columns = columns
        self.cells: Cells = Cells(columns)

    def head(self) -> str:
        """Give nothing: the names are in each line."""
        return ""

    def line(self, user: UserType) -> str:
        """Give a user's line."""
        return json.dumps(self.cells.of(user, self._columns), ensure_ascii=False) + "\n"


FORMATS: Final[Mapping[str, type[Csv] | type[JsonLines]]] = MappingProxyType({"csv": Csv, "jsonl": JsonLines})


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
