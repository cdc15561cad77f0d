"""CSV and JSON Lines: bytes to lines, lines to rows.

A row is one line; a field cannot hold a line break. A stray quote then invalidates one row, not all that follow.
"""

import codecs
import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, cast

from cognito_async.bulk.errors import SourceError
from cognito_async.bulk.rows import Row

Format: TypeAlias = Literal["csv", "jsonl"]
Line: TypeAlias = tuple[int, bytes | None]
"""A line number, from 1, and the bytes without the line end; None instead of the bytes of a line that is too long."""

MAX_LINE: Final = 65536
SUFFIXES: Final[Mapping[str, Format]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def format_of(path: str | Path) -> Format:
    """Return the format of a file by its suffix.

    Raises:
        SourceError: The suffix is unknown.
    """
    found = SUFFIXES.get(Path(path).suffix.lower())
    if found is None:
        raise SourceError(f"{path}: cannot infer the format; use a .csv or .jsonl suffix, or pass the format")
    return found


def row_of(line: int, values: Mapping[str, object], columns: Sequence[str]) -> Row:
    """Make a row of the values of some columns; it is invalid if one is missing or not valid text."""
    for column in columns:
        value = values.get(column)
        if not isinstance(value, str):
            return Row(line, {}, f"{column} is missing" if value is None else f"{column} must be a string")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return Row(line, {}, f"{column} is not valid Unicode (it contains a lone surrogate)")
    return Row(line, {column: str(values[column]) for column in columns})


class LineSplitter:
    """Splits blocks of bytes into lines, and keeps at most MAX_LINE bytes of an unfinished line."""

    def __init__(self) -> None:
        self._number = 0
        self._rest = b""
        self._too_long = False

    def lines(self, block: bytes) -> list[Line]:
        """Return the lines that a block completes, without empty ones; an empty block ends the input."""
        *ended, self._rest = (self._rest + block).split(b"\n")
        if not block and self._rest:
            ended, self._rest = [self._rest], b""
        found: list[Line] = []
        for line in ended:
            self._number += 1
            if self._too_long or len(line) > MAX_LINE:
                found.append((self._number, None))
            elif content := line.removesuffix(b"\r"):
                found.append((self._number, content))
            self._too_long = False
        if len(self._rest) > MAX_LINE:
            self._rest, self._too_long = b"x", True  # one byte, so that the end of the input reports the line
        return found


class Parser(Protocol):
    """Makes rows of lines."""

    def rows(self, lines: Iterable[Line]) -> list[Row]:
        """Return the rows of some lines.

        Raises:
            SourceError: The whole input is invalid.
        """
        ...

    def end(self) -> None:
        """Check the end of the input.

        Raises:
            SourceError: The input is empty.
        """
        ...


class CsvParser:
    """Comma-separated values. The first line names the columns; other columns than the action's are ignored."""

    def __init__(self, columns: Sequence[str], name: str) -> None:
        """Take the required columns, and the name of the input for messages."""
        self._columns = columns
        self._name = name
        self._header: list[str] | None = None

    def rows(self, lines: Iterable[Line]) -> list[Row]:
        """Return the rows of some lines; see Parser."""
        return [row for line in lines if (row := self._row(line)) is not None]

    def end(self) -> None:
        """Check that there was a header; see Parser."""
        if self._header is None:
            columns = ", ".join(self._columns)
            raise SourceError(f"{self._name} is empty; its first line must name the columns {columns}")

    def _row(self, line: Line) -> Row | None:
        number = line[0]
        try:
            fields = _fields(line)
        except InvalidLineError as error:
            if self._header is None:
                raise SourceError(f"{self._name}: invalid header: {error}", line=1) from None
            return Row(number, {}, str(error))
        if self._header is None:
            self._header = self._parse_header(fields)
            return None
        if len(fields) != len(self._header):
            return Row(number, {}, f"the line has {len(fields)} fields; the header has {len(self._header)}")
        return row_of(number, dict(zip(self._header, fields, strict=True)), self._columns)

    def _parse_header(self, fields: list[str]) -> list[str]:
        header = [field.strip().lower().replace(" ", "_") for field in fields]
        wrong = [column for column in self._columns if header.count(column) != 1]
        if wrong:
            problems = ", ".join(f"{column} {'repeated' if column in header else 'missing'}" for column in wrong)
            columns = ", ".join(self._columns)
            raise SourceError(
                f"{self._name}: the first line must name each of the columns {columns} once ({problems})", line=1
            )
        return header


class JsonLinesParser:
    """A JSON object per line; other members than the action's columns are ignored."""

    def __init__(self, columns: Sequence[str], name: str) -> None:
        """Take the required columns, and the name of the input for messages."""
        self._columns = columns
        self._name = name
        self._empty = True

    def rows(self, lines: Iterable[Line]) -> list[Row]:
        """Return the rows of some lines; see Parser."""
        found = [self._row(line) for line in lines]
        self._empty = self._empty and not found
        return found

    def end(self) -> None:
        """Check that there was a row; see Parser."""
        if self._empty:
            raise SourceError(f"{self._name} is empty; each line must be an object with {', '.join(self._columns)}")

    def _row(self, line: Line) -> Row:
        try:
            values: Any = json.loads(_text(line))
        except InvalidLineError as error:
            return Row(line[0], {}, str(error))
        except (ValueError, RecursionError) as error:
            where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
            return Row(line[0], {}, f"invalid JSON{where}")
        if not isinstance(values, dict):
            return Row(line[0], {}, "not a JSON object")
        return row_of(line[0], cast("dict[str, Any]", values), self._columns)


class InvalidLineError(Exception):
    """A line cannot be parsed; the message holds none of its content."""


def _text(line: Line) -> str:
    number, content = line
    if content is None:
        raise InvalidLineError(f"the line is longer than {MAX_LINE:,} bytes")
    if number == 1:
        content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidLineError(f"the line is not UTF-8 (byte {error.start + 1})") from None
    if "\0" in text:
        raise InvalidLineError("the line contains a NUL byte")
    return text


def _fields(line: Line) -> list[str]:
    try:
        return next(csv.reader([_text(line)], strict=True))
    except csv.Error:
        raise InvalidLineError("the line has an unclosed quote, or a quote inside a field") from None


PARSERS: Final[Mapping[Format, type[CsvParser] | type[JsonLinesParser]]] = {"csv": CsvParser, "jsonl": JsonLinesParser}
"""The parsers by format."""
