"""CSV and JSON Lines: bytes to lines, lines to rows.

A row is one line; a field cannot hold a line break. A stray quote then invalidates one row, not all that follow.
"""

import codecs
import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

from cognito_async.bulk.errors import SourceError
from cognito_async.bulk.rows import Row

Format: TypeAlias = Literal["csv", "jsonl"]
# A line number, from 1, and the bytes without the line end; None instead of the bytes of a line that is too long.
Line: TypeAlias = tuple[int, bytes | None]

MAX_LINE: Final = 65536
SUFFIXES: Final[Mapping[str, Format]] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
DELIMITERS: Final = ",;\t"
QUOTES: Final = "the line has an unclosed quote, or a quote inside a field"
# Columns that an error can quote. Other names are not quoted: a first line without a header holds values.
KNOWN_COLUMNS: Final = frozenset({
    "benutzer", "benutzername", "code", "confirmationcode", "email", "emailaddress", "emailverified", "enabled",
    "familyname", "firstname", "givenname", "id", "lastname", "login", "mail", "name", "nickname", "password",
    "phone", "phonenumber", "phonenumberverified", "preferredusername", "status", "sub", "surname", "user", "userid",
    "username", "userstatus",
})  # fmt: skip
SEPARATORS: Final = {"\t": "tab", ",": "comma", ";": "semicolon"}
# A first line by which a file for Excel names its delimiter.
SEP_LINE: Final = re.compile(r'\s*"?sep=([^"\w ])"?\s*', re.IGNORECASE)

# How the first line of an input of another format starts, by the format that was expected.
_WRONG_FORMATS: Final[tuple[tuple[str, re.Pattern[bytes], str], ...]] = (
    ("csv jsonl", re.compile(rb"PK\x03\x04"), "is a spreadsheet or a ZIP file; export it as CSV in UTF-8"),
    ("csv jsonl", re.compile(rb"\xd0\xcf\x11\xe0"), "is a spreadsheet; export it as CSV in UTF-8"),
    ("csv jsonl", re.compile(rb"\x1f\x8b"), "is compressed; decompress it"),
    ("csv jsonl", re.compile(rb"\xff\xfe|\xfe\xff|.?\0", re.DOTALL), "is UTF-16, not UTF-8; save it as UTF-8"),
    ("csv jsonl", re.compile(rb"\s*\["), "is a JSON array; write one object per line, for example with jq -c '.[]'"),
    ("csv", re.compile(rb"\s*\{"), "is JSON, not CSV; use the format jsonl, with one object per line"),
    (
        "jsonl",
        re.compile(rb'\s*\{\s*(?:$|"Users"\s*:)'),
        "is one JSON document; write one object per line, for example with jq -c '.Users[]'",
    ),
    ("jsonl", re.compile(rb"\s*[^{\s]"), "is not JSON Lines; use the format csv if it is CSV"),
)


def format_of(path: str | Path) -> Format:
    """Return the format of a file by its suffix; raise SourceError if the suffix is unknown."""
    found = SUFFIXES.get(Path(path).suffix.lower())
    if found is None:
        raise SourceError(
            f"{path}: cannot infer the format; use a .csv, .tsv or .jsonl suffix, or pass the format (csv or jsonl)"
        )
    return found


def printable(text: str) -> str:
    r"""Escape line breaks and control characters, as ``\n`` and ``\u001b``, so that text cannot control a terminal."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def column_name(text: str) -> str:
    """Return the same name for all spellings of a column: ``cognito:username``, ``UserName``, ``user name``."""
    return re.sub(r"[\s_-]", "", text).casefold().removeprefix("cognito:")


def row_of(line: int, values: Mapping[str, object], columns: Sequence[str]) -> Row:
    """Make a row of the values of some columns; it is invalid if one is missing or not valid text."""
    found: dict[str, str] = {}
    for column in columns:
        value = values.get(column)
        if value is None:
            value = next((values[name] for name in values if column_name(str(name)) == column_name(column)), None)
        if not isinstance(value, str):
            return Row(line, {}, f"{column} is missing" if value is None else f"{column} must be a string")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return Row(line, {}, f"{column} is not valid Unicode (it contains a lone surrogate)")
        found[column] = value
    return Row(line, found)


class LineSplitter:
    """Splits blocks of bytes into lines, which end with LF, CRLF or CR. It keeps at most MAX_LINE bytes of a line."""

    def __init__(self) -> None:
        self._number = 0
        self._rest = b""
        self._too_long = False

    def lines(self, block: bytes) -> list[Line]:
        """Return the lines that a block completes, without blank ones; an empty block ends the input."""
        ended = (self._rest + block).splitlines(keepends=True)
        self._rest = b""
        if block and not ended[-1].endswith(b"\n"):  # after CR, the next block may start with LF
            self._rest = ended.pop()
        found: list[Line] = []
        for line in ended:
            self._number += 1
            content = line.rstrip(b"\r\n")
            if self._too_long or len(content) > MAX_LINE:
                found.append((self._number, None))
            elif content.strip():
                found.append((self._number, content))
            self._too_long = False
        if len(self._rest) > MAX_LINE + 1:
            # At least one byte remains, so that the end of the input reports the line.
            self._rest, self._too_long = b"x\r" if self._rest.endswith(b"\r") else b"x", True
        return found


class Parser:
    """Converts lines to rows. ``error`` reports an invalid input: the frames of an exception would keep secrets."""

    form: Format
    requirement: str

    def __init__(self, columns: Sequence[str], name: str) -> None:
        self.error: SourceError | None = None  # why the whole input is invalid; None if it is valid so far
        self._columns = columns
        self._name = name
        self._is_empty = True

    def rows(self, lines: Iterable[Line]) -> list[Row]:
        found: list[Row] = []
        for line in lines:
            if self._is_empty and self.error is None:
                self._check_format(line)
            row = None if self.error else self._row(*_text(line), line[0])
            if row is not None:
                found.append(row)
        return found

    def end(self) -> None:
        if self._is_empty and self.error is None:
            self._fail(f"is empty; {self.requirement} {', '.join(self._columns)}")

    def _row(self, text: str, problem: str, number: int) -> Row | None:
        raise NotImplementedError

    def _check_format(self, line: Line) -> None:
        start = (line[1] or b"").removeprefix(codecs.BOM_UTF8)
        for forms, pattern, problem in _WRONG_FORMATS:
            if self.form in forms and pattern.match(start):
                self._fail(problem, line=1)
                break

    def _fail(self, problem: str, *, line: int | None = None) -> None:
        self.error = SourceError(f"{self._name} {problem}", line=line)


class CsvParser(Parser):
    """Values separated by commas, semicolons or tabs. The first line names the columns, of which others are ignored."""

    form: Format = "csv"
    requirement: str = "its first line must name the columns"

    def __init__(self, columns: Sequence[str], name: str) -> None:
        super().__init__(columns, name)
        self._delimiters = DELIMITERS
        self._header: list[str] = []

    def _row(self, text: str, problem: str, number: int) -> Row | None:
        fields = None if self._is_empty else _fields(text, self._delimiters)
        if self._is_empty:
            self._read_header(text, problem)
        elif problem or fields is None:
            return Row(number, {}, problem or QUOTES + _line_break_hint(text))
        elif any(field.strip() for field in fields):  # spreadsheets write empty fields for empty rows
            if len(fields) != len(self._header):
                found = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
                expected = f"the header has {len(self._header)}{_line_break_hint(text)}"
                return Row(number, {}, f"the line has {found}; {expected}")
            return row_of(number, dict(zip(self._header, fields, strict=True)), self._columns)
        return None

    def _read_header(self, text: str, problem: str) -> None:
        if (found := SEP_LINE.fullmatch(text)) is not None and self._delimiters == DELIMITERS:
            self._delimiters = found[1]
            return None
        own = {column_name(column): column for column in self._columns}
        headers = {
            delimiter: [own.get(column_name(field), field) for field in fields]
            for delimiter in self._delimiters
            if (fields := _fields(text, delimiter)) is not None
        }
        self._is_empty = False
        if problem or not headers:
            return self._fail(f"has an invalid header: {problem or QUOTES + _line_break_hint(text)}", line=1)
        # The delimiter with the most of the columns; of several, the one with the most fields.
        self._delimiters = max(headers, key=lambda mark: (len({*headers[mark]} & {*self._columns}), len(headers[mark])))
        self._header = headers[self._delimiters]
        if missing := [column for column in self._columns if column not in self._header]:
            return self._fail(self._header_problem(missing), line=1)
        if repeated := [column for column in self._columns if self._header.count(column) > 1]:
            return self._fail(f"names the column {repeated[0]} more than once; rename the others", line=1)
        return None

    def _header_problem(self, missing: Sequence[str]) -> str:
        """Describe a header without some columns; values are not quoted, because they can be secrets."""
        names = f"the column{'' if len(missing) == 1 else 's'} {', '.join(missing)}"
        known = [name.strip() for name in self._header if column_name(name) in KNOWN_COLUMNS]
        separator = SEPARATORS.get(self._delimiters, f"'{self._delimiters}'")
        size = f"{len(self._header)} fields, separator: {separator}" if len(self._header) > 1 else "one field"
        if not known:
            marks = "" if len(self._header) > 1 else "; separate fields by commas, semicolons or tabs"
            return f"has no header with {names} (first line: {size}{marks}); add a header, or rename its columns"
        others = len(self._header) - len(known)
        found = f"{', '.join(known)}{f' and {others} more' if others else ''}"
        return f"has no {names.removeprefix('the ')} in its header (found: {found}; {size}); rename the columns"


class JsonLinesParser(Parser):
    """A JSON object per line; other members than the action's columns are ignored."""

    form: Format = "jsonl"
    requirement: str = "each line must be an object with"

    def _row(self, text: str, problem: str, number: int) -> Row:
        self._is_empty = False
        if problem:
            return Row(number, {}, problem)
        try:
            values: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
            return Row(number, {}, f"invalid JSON{where}")
        if not isinstance(values, dict):
            return Row(number, {}, "not a JSON object")
        return row_of(number, cast("dict[str, Any]", values), self._columns)


def _text(line: Line) -> tuple[str, str]:
    """Return the text of a line, and why it is invalid, without its content; the latter is empty if it is valid."""
    number, content = line
    if content is None:
        return "", f"the line is longer than {MAX_LINE:,} bytes"
    if number == 1:
        content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return "", f"the line is not UTF-8 (byte {error.start + 1})"
    return text, "the line contains a NUL byte" if "\0" in text else ""


def _line_break_hint(text: str) -> str:
    """Return the likely cause of an invalid line with a quote that has no counterpart; empty for other lines."""
    return "; a field cannot contain a line break" if text.count('"') % 2 else ""


def _fields(text: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([text], strict=True, delimiter=delimiter))
    except csv.Error:  # invalid quotes
        return None


PARSERS: Final[Mapping[Format, type[Parser]]] = {"csv": CsvParser, "jsonl": JsonLinesParser}
