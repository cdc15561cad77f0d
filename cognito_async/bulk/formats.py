"""CSV and JSON Lines: bytes to lines, lines to rows.

A line is a row, so that a stray quote costs one row and not all that follow; a field can hold no line break.
"""

import codecs
import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, cast

from cognito_async.bulk.errors import SourceError
from cognito_async.bulk.rows import Row
from cognito_async.bulk.source import row_of

Format: TypeAlias = Literal["csv", "jsonl"]
Line: TypeAlias = tuple[int, bytes | None]
"""A line's number, from 1, and its bytes without its end; None instead where it is too long."""

LONGEST: Final = 65536
SUFFIXES: Final[Mapping[str, Format]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def format_of(path: str | Path) -> Format:
    """Tell a file's format by its name.

    Args:
        path: The file.

    Returns:
        The format.

    Raises:
        SourceError: The name does not tell.
    """
    found = SUFFIXES.get(Path(path).suffix.lower())
    if found is None:
        raise SourceError(f"{path}: is it CSV or JSON Lines? Name it .csv or .jsonl, or give the format")
    return found


class Splitter:
    """Cuts blocks of bytes into lines; keeps no more of a line than may be used."""

    def __init__(self) -> None:
        self._number = 0
        self._rest = b""
        self._too_long = False

    def lines(self, block: bytes) -> list[Line]:
        """Take a block, and give the lines that are complete.

        Args:
            block: The next bytes; none at the end, for the last line.

        Returns:
            The lines; empty ones are left out.
        """
        *ended, self._rest = (self._rest + block).split(b"\n")
        if not block and self._rest:
            ended, self._rest = [self._rest], b""
        found: list[Line] = []
        for line in ended:
            self._number += 1
            if self._too_long or len(line) > LONGEST:
                found.append((self._number, None))
            elif content := line.removesuffix(b"\r"):
                found.append((self._number, content))
            self._too_long = False
        if len(self._rest) > LONGEST:
            self._rest, self._too_long = b"x", True  # one byte, so that a last line without an end is still told of
        return found


class Parser(Protocol):
    """Makes rows of lines."""

    def rows(self, lines: Iterable[Line]) -> list[Row]:
        """Give the rows of some lines.

        Raises:
            SourceError: None of the input can be used.
        """
        ...

    def end(self) -> None:
        """Note that there are no more lines.

        Raises:
            SourceError: There was none at all.
        """
        ...


class CsvParser:
    """Comma-separated values; the first line names the columns, and others than the action's are left alone."""

    def __init__(self, columns: Sequence[str], name: str) -> None:
        """Take the columns that are needed, and what to call the input."""
        self._columns = columns
        self._name = name
        self._header: list[str] | None = None

    def rows(self, lines: Iterable[Line]) -> list[Row]:
        """Give the rows of some lines; see Parser."""
        return [row for line in lines if (row := self._row(line)) is not None]

    def end(self) -> None:
        """Make sure that there was something; see Parser."""
        if self._header is None:
            raise SourceError(f"{self._name} is empty: its first line must name the columns {', '.join(self._columns)}")

    def _row(self, line: Line) -> Row | None:
        number = line[0]
        fields = _fields(line)
        if self._header is None:
            self._header = self._check(fields)
            return None
        if isinstance(fields, str):
            return Row(number, {}, fields)
        if len(fields) != len(self._header):
            return Row(number, {}, f"the line has {len(fields)} fields, and the first line {len(self._header)}")
        return row_of(number, dict(zip(self._header, fields, strict=True)), self._columns)

    def _check(self, fields: list[str] | str) -> list[str]:
        if isinstance(fields, str):
            raise SourceError(f"{self._name}: the line of column names can't be read: {fields}", line=1)
        header = [field.strip().lower().replace(" ", "_") for field in fields]
        lacking = [column for column in self._columns if header.count(column) != 1]
        if lacking:
            few = [f"{column} {'twice' if column in header else 'missing'}" for column in lacking]
            raise SourceError(
                f"{self._name}: its first line must name each of the columns {', '.join(self._columns)} once"
                f" ({', '.join(few)})",
                line=1,
            )
        return header


class JsonLinesParser:
    """An object in each line; members other than the action's columns are left alone."""

    def __init__(self, columns: Sequence[str], name: str) -> None:
        """Take the columns that are needed, and what to call the input."""
        self._columns = columns
        self._name = name
        self._any = False

    def rows(self, lines: Iterable[Line]) -> list[Row]:
        """Give the rows of some lines; see Parser."""
        found = [self._row(line) for line in lines]
        self._any = self._any or bool(found)
        return found

    def end(self) -> None:
        """Make sure that there was something; see Parser."""
        if not self._any:
            raise SourceError(f"{self._name} is empty: each line must be an object with {', '.join(self._columns)}")

    def _row(self, line: Line) -> Row:
        number = line[0]
        text = _text(line)
        if isinstance(text, Fault):
            return Row(number, {}, text)
        try:
            values: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
            return Row(number, {}, f"the line is no JSON{where}")
        if not isinstance(values, dict):
            return Row(number, {}, "the line is JSON, but no object")
        return row_of(number, cast("dict[str, Any]", values), self._columns)


class Fault(str):
    """Why a line can't be read."""

    __slots__ = ()


def _text(line: Line) -> str:
    """Decode a line, or say why it can't be: as a Fault."""
    number, content = line
    if content is None:
        return Fault(f"the line is longer than {LONGEST:,} bytes")
    if number == 1:
        content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return Fault(f"the line is not UTF-8 (byte {error.start + 1})")
    return Fault("the line holds a NUL byte") if "\0" in text else text


def _fields(line: Line) -> list[str] | Fault:
    text = _text(line)
    if isinstance(text, Fault):
        return text
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return Fault("a quote in the line is not closed, or stands inside a field")


FORMATS: Final[Mapping[Format, type[CsvParser] | type[JsonLinesParser]]] = {"csv": CsvParser, "jsonl": JsonLinesParser}
