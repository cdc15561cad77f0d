"""CSV and JSON Lines: any bytes become rows or a SourceError, with the line number."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_async.bulk import Row, SourceError
from cognito_async.bulk.csv_jsonl import (
    MAX_LINE,
    PARSERS,
    CsvParser,
    Format,
    JsonLinesParser,
    LineSplitter,
    format_of,
)

COLUMNS = ("username", "password")


def parse(form: Format, blocks: Iterable[bytes], columns: Sequence[str] = COLUMNS) -> list[Row]:
    """Parse blocks of bytes as FileSource does."""
    parser, splitter = PARSERS[form](columns, "users"), LineSplitter()
    rows = [row for block in (*filter(None, blocks), b"") for row in parser.rows(splitter.lines(block))]
    parser.end()
    if parser.error is not None:
        raise parser.error
    return rows


def contents(rows: Iterable[Row]) -> list[tuple[int, object]]:
    """Return the line of each row, and its error or its values."""
    return [(row.line, row.error or dict(row.values)) for row in rows]


def ada(line: int) -> tuple[int, object]:
    """Return the expected valid row."""
    return line, {"username": "ada", "password": "secret"}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"username,password\nada,secret\n", [ada(2)]),
        (b"username,password\r\nada,secret\r\n", [ada(2)]),
        (b"username,password\nada,secret", [ada(2)]),
        (b"\xef\xbb\xbfusername,password\nada,secret\n", [ada(2)]),
        (b"Password, UserName ,note\nsecret,ada,of London\n", [ada(2)]),
        (b"username,password\n\n\nada,secret\n\n", [ada(4)]),
        (b'"username","password"\n"ada","secret"\n', [ada(2)]),
        (b'username,password\nada,"a,b ""c"""\n', [(2, {"username": "ada", "password": 'a,b "c"'})]),
        ("username,password\nädä,中\n".encode(), [(2, {"username": "ädä", "password": "中"})]),
        (b"username,password\n", []),
        (b"username,password", []),
        (b"username;password\r\nada;secret\r\n", [ada(2)]),
        (b"username\tpassword\nada\tsecret\n", [ada(2)]),
        (b"sep=,\r\nusername,password\r\nada,secret\r\n", [ada(3)]),
        (b"\xef\xbb\xbfSEP=|\nusername|password\nada|secret\n", [ada(3)]),
        (b'"sep=;"\nusername;password\nada;secret\n', [ada(3)]),
        (b"username,password\rada,secret\r", [ada(2)]),
        (b"name;username;password;a,b\nx;ada;secret;1,2\n", [ada(2)]),
        (b"cognito:mfa_enabled,cognito:username,Pass word\nfalse,ada,secret\n", [ada(2)]),
        (b"username,password\n  ada , secret\t\n", [ada(2)]),
        (b"username,password\n   \n,\n \t,  \nada,secret\n\t\n", [ada(5)]),
    ],
    ids=[
        "plain",
        "windows",
        "no end",
        "bom",
        "columns",
        "blank",
        "quotes",
        "quoted",
        "unicode",
        "header",
        "bare header",
        "semicolon",
        "tab",
        "sep",
        "sep pipe",
        "quoted sep",
        "CR",
        "mixed",
        "AWS header",
        "whitespace",
        "empty rows",
    ],
)
def test_csv_is_read(text: bytes, rows: list[tuple[int, object]]) -> None:
    """CSV as people have it is read."""
    assert contents(parse("csv", [text])) == rows


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"bob", "the line has 1 field; the header has 2"),
        (b"bob,secret,more", "the line has 3 fields; the header has 2"),
        (
            b'bob,"secret',
            "the line has an unclosed quote, or a quote inside a field; a field cannot contain a line break",
        ),
        (b'bob,"sec"ret', "the line has an unclosed quote, or a quote inside a field"),
        (b"bob,sec\0ret", "the line contains a NUL byte"),
        (b"bob,sec\xffret", "the line is not UTF-8 (byte 8)"),
        (b"bob," + b"x" * 1_000_000, "the line is longer than 65,536 bytes"),
    ],
    ids=["few", "many", "open quote", "stray quote", "nul", "latin-1", "megabyte"],
)
def test_csv_invalid_line_invalidates_one_row(line: bytes, error: str) -> None:
    """An invalid line is reported with its number; the next line is read."""
    rows = parse("csv", [b"username,password\nada,secret\n" + line + b"\nada,secret\n"])
    assert contents(rows) == [ada(2), (3, error), ada(4)]


def test_csv_line_break_in_field_invalidates_both_lines() -> None:
    """A field cannot hold a line break."""
    rows = parse("csv", [b'username,password\nbob,"two\nlines"\nada,secret\n'])
    assert [row.error is None for row in rows] == [False, False, True]
    assert all("cannot contain a line break" in str(row.error) for row in rows[:2])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "users is empty"),
        (b"\n\r\n\n", "users is empty"),
        (b"username\nada\n", r"no column password in its header \(found: username; one field\)"),
        (b"username,password,Username\n", "names the column username more than once"),
        (
            b"ada,123456,secret\n",
            r"no header with the columns username, password \(first line: 3 fields, separator: comma",
        ),
        (
            b"ada;secret\n",
            r"no header with the columns username, password \(first line: 2 fields, separator: semicolon",
        ),
        (b"secret\n", r"\(first line: one field; separate fields by .*\); add a header"),
        (b"E-Mail;Name;password\n", r"no column username in its header \(found: E-Mail, Name, password; 3 fields, sep"),
        (b"Email\tsecret\n", r"found: Email and 1 more; 2 fields, separator: tab\); rename"),
        ("username,password\nada,secret\n".encode("utf-16"), "not UTF-8"),
        ("username,password\nada,secret\n".encode("utf-16-be"), "UTF-16, not UTF-8"),
        (b"username,password\0\n", "NUL byte"),
        (b"sep=;\n", "users is empty"),
        (b"sep=|\nEmail|password\nada,secret\n", r"no column username .*separator: '\|'\)"),
        (b"sep=;\nusername,password\nada,secret\n", "one field"),
        (b"PK\x03\x04secret", "spreadsheet"),
        (b"\x1f\x8bsecret", "compressed"),
        (b'{"username": "ada", "password": "secret"}\n', "jsonl"),
        (b'[{"username": "ada", "password": "secret"}]\n', "JSON array"),
        (b'"username,password\nada,secret\n', "quote"),
        (b"username,password" + b" " * MAX_LINE, "longer than"),
    ],
    ids=[
        "empty",
        "blank",
        "missing",
        "twice",
        "no header",
        "no header with letters only",
        "one value",
        "other names",
        "tab",
        "utf-16",
        "utf-16-be",
        "nul",
        "only sep",
        "sep",
        "other sep",
        "xlsx",
        "gzip",
        "json lines",
        "json array",
        "quote",
        "long",
    ],
)
def test_csv_invalid_header_raises_source_error(text: bytes, problem: str) -> None:
    """A header without the columns raises SourceError, without quoting the file."""
    with pytest.raises(SourceError, match=problem) as caught:
        parse("csv", [text])
    assert caught.value.line == (None if "empty" in problem else 1)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"username": "bob"}', "password is missing"),
        ('{"username": "bob", "password": null}', "password is missing"),
        ('{"username": "bob", "password": 12345678}', "password must be a string"),
        ('{"username": ["bob"], "password": "x"}', "username must be a string"),
        ('{"username": {"a": []}, "password": "x"}', "username must be a string"),
        ('["bob", "secret"]', "not a JSON object"),
        ("17", "not a JSON object"),
        ('{"username": "bob", ', "invalid JSON at character"),
        ("bob,secret", "invalid JSON at character 1"),
        ("[" * 60_000, "invalid JSON"),
        ('{"n": ' + "9" * 5000 + "}", "invalid JSON"),
        ('{"username": "\\ud800", "password": "x"}', "username is not valid Unicode"),
        ('{"username": "bob", "password": "x\\udfff"}', "password is not valid Unicode"),
        ('{"username": "b\0b", "password": "x"}', "the line contains a NUL byte"),
    ],
    ids=[
        "absent",
        "null",
        "number",
        "list",
        "nested",
        "array",
        "scalar",
        "cut",
        "csv",
        "deep",
        "huge",
        "half",
        "pair",
        "nul",
    ],
)
def test_json_lines_invalid_line_invalidates_one_row(line: str, error: str) -> None:
    """An invalid line is reported with its number; the next line is read."""
    good = '{"username": "ada", "password": "secret", "note": [1, {}]}'
    first, broken, last = parse("jsonl", [f"{good}\n{line}\n{good}".encode()])
    assert contents([first, last]) == [ada(1), ada(3)]
    assert broken.line == 2
    assert str(broken.error).startswith(error)
    assert "bob" not in str(broken.error)


def test_json_lines_byte_order_mark_and_crlf_are_read() -> None:
    """Files of Windows programs are read."""
    line = json.dumps({"username": "ada", "password": "secret"}).encode()
    assert contents(parse("jsonl", [b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line + b"\r\n"])) == [ada(1), ada(3)]


@pytest.mark.parametrize(
    "line",
    [
        b'{"Username": "ada", "Password": "secret"}',
        b'{"UserName": " ada\\t", "password": "secret\\n"}',
        b'{"cognito:username": "ada", "password": "secret", "Enabled": true}',
    ],
)
def test_json_lines_names_in_other_spellings_are_read(line: bytes) -> None:
    """The names of AWS's own output are columns, and surrounding whitespace is not part of a value."""
    assert contents(parse("jsonl", [line + b"\n  \n" + line])) == [ada(1), ada(3)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"\n\n", "users is empty"),
        (b"username,password\nada,secret\n", "not JSON Lines"),
        (b'[\n{"username": "ada"}]', "JSON array"),
        (b'{\n  "Users": [', "one JSON document"),
        (b'{"Users": [{"Username": "ada"}]}', "one JSON document"),
        (b"PK\x03\x04", "spreadsheet"),
    ],
)
def test_json_lines_other_format_raises_source_error(text: bytes, problem: str) -> None:
    """An input of another format is rejected as a whole, with the format's name."""
    with pytest.raises(SourceError, match=problem):
        parse("jsonl", [text])


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.csv", "csv"), ("A.CSV", "csv"), ("a.tsv", "csv"), ("a.jsonl", "jsonl"), ("a.ndjson", "jsonl")],
)
def test_format_of_known_suffix(name: str, form: str) -> None:
    """The suffix selects the format."""
    assert format_of(Path(name)) == form


@pytest.mark.parametrize("name", ["users", "users.txt", "users.json", "users.csv.gz", ""])
def test_format_of_unknown_suffix_raises_source_error(name: str) -> None:
    """An unknown suffix is rejected."""
    with pytest.raises(SourceError, match="format"):
        format_of(name)


# --- anything ---

LINES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
    st.sampled_from(
        [b"ada,secret", b'"a""b",c', b'{"username":"ada","password":"secret"}', b'{"username":1}', b"\xef\xbb\xbf"]
    ),
    st.integers(MAX_LINE - 2, MAX_LINE + 2).map(lambda size: b"x" * size),
)
TEXTS = st.tuples(
    st.sampled_from([b"", b"username,password\n", b"\xef\xbb\xbfusername,password\r\n"]),
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"", b"\r"])), max_size=8),
).map(lambda parts: parts[0] + b"".join(line + end for line, end in parts[1]))


def outcome(form: Format, blocks: Iterable[bytes]) -> object:
    """Return the rows, or the error and its line."""
    try:
        return contents(parse(form, blocks))
    except SourceError as error:
        return str(error), error.line


@given(TEXTS, st.sampled_from(["csv", "jsonl"]), st.lists(st.integers(0, 140_000), max_size=6))
def test_parsers_any_bytes_and_blocks_give_same_rows(text: bytes, form: Format, cuts: list[int]) -> None:
    """Any bytes give rows or a SourceError, the same for any division into blocks."""
    whole = outcome(form, [text])
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert outcome(form, [text[start:end] for start, end in pairwise(edges)]) == whole
    assert outcome(form, [text[at : at + 32768] for at in range(0, len(text), 32768)]) == whole
    if len(text) < 500:
        assert outcome(form, [bytes([byte]) for byte in text]) == whole


@given(TEXTS, st.sampled_from([CsvParser, JsonLinesParser]))
def test_parsers_rows_are_ordered_and_repr_has_no_values(
    text: bytes, kind: type[CsvParser] | type[JsonLinesParser]
) -> None:
    """Rows have increasing lines, and all columns or an error; their repr has no values."""
    parser, splitter = kind(COLUMNS, "users"), LineSplitter()
    rows = parser.rows([*splitter.lines(text), *splitter.lines(b"")] if text else splitter.lines(b""))
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    assert all((set(row.values) == set(COLUMNS)) is (row.error is None) for row in rows)
    assert not [row for row in rows if "secret" in repr(row)]


def test_line_splitter_long_line_uses_bounded_memory() -> None:
    """A line that is too long is not kept in memory."""
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.lines(b"x" * 32768) == []
        assert len(splitter._rest) <= MAX_LINE + 1
    assert splitter.lines(b"\nshort\n") == [(1, None), (2, b"short")]
