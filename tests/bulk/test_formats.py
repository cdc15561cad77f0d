"""CSV and JSON Lines: whatever the bytes are, rows come out or a SourceError, with the number of the line."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_async.bulk import Row, SourceError
from cognito_async.bulk.formats import FORMATS, LONGEST, CsvParser, Format, JsonLinesParser, Splitter, format_of

COLUMNS = ("username", "password")


def parse(form: Format, blocks: Iterable[bytes], columns: Sequence[str] = COLUMNS) -> list[Row]:
    """Read blocks of bytes as a file source does."""
    parser, splitter = FORMATS[form](columns, "users"), Splitter()
    rows = [row for block in (*filter(None, blocks), b"") for row in parser.rows(splitter.lines(block))]
    parser.end()
    return rows


def seen(rows: Iterable[Row]) -> list[tuple[int, object]]:
    """Give each row's line, and its fault or else its values."""
    return [(row.line, row.fault or dict(row.values)) for row in rows]


def ada(line: int) -> tuple[int, object]:
    """Give Ada's row as it is to be read."""
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
    ],
)
def test_csv(text: bytes, rows: list[tuple[int, object]]) -> None:
    """Read what people's programs write."""
    assert seen(parse("csv", [text])) == rows


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"bob", "the line has 1 fields, and the first line 2"),
        (b"bob,secret,more", "the line has 3 fields, and the first line 2"),
        (b'bob,"secret', "a quote in the line is not closed, or stands inside a field"),
        (b'bob,"sec"ret', "a quote in the line is not closed, or stands inside a field"),
        (b"bob,sec\0ret", "the line holds a NUL byte"),
        (b"bob,sec\xffret", "the line is not UTF-8 (byte 8)"),
        (b"bob," + b"x" * 1_000_000, "the line is longer than 65,536 bytes"),
    ],
    ids=["few", "many", "open quote", "stray quote", "nul", "latin-1", "megabyte"],
)
def test_a_broken_line_of_csv_costs_one_row(line: bytes, fault: str) -> None:
    """Say which line is broken and why, and read on."""
    rows = parse("csv", [b"username,password\nada,secret\n" + line + b"\nada,secret\n"])
    assert seen(rows) == [ada(2), (3, fault), ada(4)]


def test_a_line_break_in_a_field_costs_two_rows() -> None:
    """Take a line for a row, so that a stray quote does not swallow all that follows."""
    rows = parse("csv", [b'username,password\nbob,"two\nlines"\nada,secret\n'])
    assert [row.fault is None for row in rows] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "users is empty: its first line must name the columns username, password"),
        (b"\n\r\n\n", "users is empty"),
        (b"username\nada\n", r"\(password missing\)"),
        (b"username,password,Username\n", r"\(username twice\)"),
        (b"ada,123456,secret\n", r"\(username missing, password missing\)"),
        ("username,password\nada,secret\n".encode("utf-16"), "not UTF-8"),
        ("username,password\nada,secret\n".encode("utf-16-be"), "NUL byte"),
        (b'"username,password\nada,secret\n', "quote"),
        (b"username,password" + b" " * LONGEST, "longer than"),
    ],
    ids=["empty", "blank", "missing", "twice", "no header", "utf-16", "utf-16-be", "quote", "long"],
)
def test_csv_without_its_columns(text: bytes, told: str) -> None:
    """Refuse all of a file whose first line does not name the columns; repeat nothing that may be data."""
    with pytest.raises(SourceError, match=told) as caught:
        parse("csv", [text])
    assert caught.value.line == (1 if text.strip() else None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"username": "bob"}', "password is missing"),
        ('{"username": "bob", "password": null}', "password is missing"),
        ('{"username": "bob", "password": 12345678}', "password must be text, in quotes"),
        ('{"username": ["bob"], "password": "x"}', "username must be text, in quotes"),
        ('{"username": {"a": []}, "password": "x"}', "username must be text, in quotes"),
        ('["bob", "secret"]', "the line is JSON, but no object"),
        ("17", "the line is JSON, but no object"),
        ('{"username": "bob", ', "the line is no JSON at character"),
        ("bob,secret", "the line is no JSON at character 1"),
        ("[" * 60_000, "the line is no JSON"),
        ('{"n": ' + "9" * 5000 + "}", "the line is no JSON"),
        ('{"username": "\\ud800", "password": "x"}', "username is no valid Unicode text"),
        ('{"username": "bob", "password": "x\\udfff"}', "password is no valid Unicode text"),
        ('{"username": "b\0b", "password": "x"}', "the line holds a NUL byte"),
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
def test_a_broken_line_of_json_costs_one_row(line: str, fault: str) -> None:
    """Say which line is broken and why, and read on."""
    good = '{"username": "ada", "password": "secret", "note": [1, {}]}'
    first, broken, last = parse("jsonl", [f"{good}\n{line}\n{good}".encode()])
    assert seen([first, last]) == [ada(1), ada(3)]
    assert broken.line == 2
    assert str(broken.fault).startswith(fault)
    assert "bob" not in str(broken.fault)


def test_json_lines_with_byte_order_mark_and_windows_ends() -> None:
    """Read what Windows programs write."""
    line = json.dumps({"username": "ada", "password": "secret"}).encode()
    assert seen(parse("jsonl", [b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line + b"\r\n"])) == [ada(1), ada(3)]


def test_json_lines_without_a_line() -> None:
    """Say that there is nothing."""
    with pytest.raises(SourceError, match="users is empty: each line must be an object with username, password"):
        parse("jsonl", [b"\n\n"])


@pytest.mark.parametrize(
    ("name", "form"), [("a.csv", "csv"), ("A.CSV", "csv"), ("a.jsonl", "jsonl"), ("a.ndjson", "jsonl")]
)
def test_a_name_tells_the_format(name: str, form: str) -> None:
    """Know CSV and JSON Lines by their endings."""
    assert format_of(Path(name)) == form


@pytest.mark.parametrize("name", ["users", "users.txt", "users.json", "users.csv.gz", ""])
def test_a_name_that_tells_no_format(name: str) -> None:
    """Ask rather than guess."""
    with pytest.raises(SourceError, match=r"Name it \.csv or \.jsonl"):
        format_of(name)


# --- anything ---------------------------------------------------------------------------------------------------------

LINES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
    st.sampled_from(
        [b"ada,secret", b'"a""b",c', b'{"username":"ada","password":"secret"}', b'{"username":1}', b"\xef\xbb\xbf"]
    ),
    st.integers(LONGEST - 2, LONGEST + 2).map(lambda size: b"x" * size),
)
TEXTS = st.tuples(
    st.sampled_from([b"", b"username,password\n", b"\xef\xbb\xbfusername,password\r\n"]),
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"", b"\r"])), max_size=8),
).map(lambda parts: parts[0] + b"".join(line + end for line, end in parts[1]))


def outcome(form: Format, blocks: Iterable[bytes]) -> object:
    """Give the rows, or what was raised."""
    try:
        return seen(parse(form, blocks))
    except SourceError as error:
        return str(error), error.line


@given(TEXTS, st.sampled_from(["csv", "jsonl"]), st.lists(st.integers(0, 140_000), max_size=6))
def test_bytes_become_rows_or_a_source_error_however_they_come(text: bytes, form: Format, cuts: list[int]) -> None:
    """Raise nothing else for any bytes, and give the same for any split of them into blocks."""
    whole = outcome(form, [text])
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert outcome(form, [text[start:end] for start, end in pairwise(edges)]) == whole
    assert outcome(form, [text[at : at + 32768] for at in range(0, len(text), 32768)]) == whole
    if len(text) < 500:
        assert outcome(form, [bytes([byte]) for byte in text]) == whole


@given(TEXTS, st.sampled_from([CsvParser, JsonLinesParser]))
def test_rows_come_in_order_and_show_no_values(text: bytes, kind: type[CsvParser] | type[JsonLinesParser]) -> None:
    """Number rows by their lines, upwards; a row has all columns or a fault, and its repr has neither."""
    parser, splitter = kind(COLUMNS, "users"), Splitter()
    try:
        rows = parser.rows([*splitter.lines(text), *splitter.lines(b"")] if text else splitter.lines(b""))
    except SourceError:
        return
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    assert all((set(row.values) == set(COLUMNS)) is (row.fault is None) for row in rows)
    assert not [row for row in rows if "secret" in repr(row)]


def test_a_long_line_is_not_kept() -> None:
    """Keep no more of a line than could be used, however long it gets."""
    splitter = Splitter()
    for _ in range(100):
        assert splitter.lines(b"x" * 32768) == []
        assert len(splitter._rest) <= LONGEST
    assert splitter.lines(b"\nshort\n") == [(1, None), (2, b"short")]
