"""Bodies of the password reset routes: JSON and forms are parsed or rejected, and errors contain no values."""

import json
from collections.abc import Mapping
from contextlib import suppress
from unittest.mock import Mock

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from cognito_async.fastapi import BodyTooLargeError, MalformedBodyError, RequestRejectedError, UnsupportedBodyError
from cognito_async.fastapi.password_reset import ResetPasswordBody
from cognito_async.fastapi.request import JSON, MAX_BODY_BYTES, read_body

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
CANARY = "Analytical-1843"
GOOD = {"username": "ada@example.com", "code": "123456", "password": CANARY}
BOUNDARY = f"{MULTIPART}; boundary=x"


async def read(
    body: bytes, kind: str = JSON, *, headers: Mapping[str, str] | None = None, first: int = 7
) -> dict[str, str]:
    """Read a body that arrives in two chunks, the first one with some bytes."""
    chunks = [
        {"type": "http.request", "body": body[:first], "more_body": True},
        {"type": "http.request", "body": body[first:], "more_body": False},
    ]

    async def receive() -> dict[str, object]:
        return chunks.pop(0)

    encoded = [
        (name.encode(), value.encode("latin-1")) for name, value in {"content-type": kind, **(headers or {})}.items()
    ]
    request = Request({"type": "http", "method": "POST", "headers": encoded}, receive)
    return (await read_body(request, ResetPasswordBody)).model_dump(exclude_none=True)


def part(name: str, value: str, more: str = "") -> bytes:
    """Return a part of a multipart body."""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'.encode()


MULTI = b"".join(part(name, value) for name, value in GOOD.items()) + b"--x--\r\n"


def json_body(**values: object) -> bytes:
    """Return the valid body with changes, as JSON."""
    return json.dumps({**GOOD, **values}).encode()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json_body(), JSON),
        (json_body(other=[1, {"a": None}], encoded_data=None), "Application/JSON; charset=utf-8"),
        (json_body(username=" ada@example.com\n"), JSON),
        (b"username=ada%40example.com&code=123456&password=Analytical-1843", URLENCODED),
        (b"username=ada@example.com&code=123456&password=Analytical%2D1843&other=a%20b+c&", URLENCODED),
        (MULTI, BOUNDARY),
        (MULTI, f"{BOUNDARY}; charset=utf-8"),
        (MULTI, f'{MULTIPART}; Charset="UTF-8"; boundary=x'),
        (MULTI, f"{BOUNDARY}; a={'a' * (256 - len(BOUNDARY) - 4)}"),
        (json_body(), f"{JSON}; charset=latin-1"),
    ],
)
async def test_read_body_accepts_json_and_forms(body: bytes, kind: str) -> None:
    """Whitespace around a username is removed; unknown fields are ignored."""
    assert await read(body, kind) == GOOD


async def test_read_body_decodes_urlencoded_forms() -> None:
    """A plus is a space, an equals sign belongs to the value, and bytes that are not ASCII are UTF-8."""
    form = await read("username=zoë&code=1&password=a+b%2Bc=d;e%C3%A9".encode(), URLENCODED)
    assert (form["username"], form["password"]) == ("zoë", "a b+c=d;eé")


async def test_read_body_keeps_passwords_and_empty_optional_fields() -> None:
    """A password keeps its whitespace; a form sends an empty field instead of none."""
    assert (await read(json_body(password=" pass word\u00e9 ")))["password"] == " pass word\u00e9 "
    empty = await read(b"username=a&code=1&password=Analytical-1843&encoded_data=", URLENCODED)
    assert empty["encoded_data"] == ""


INVALID: dict[str, tuple[bytes, str, type[Exception] | tuple[type[Exception], ...]]] = {
    "empty": (b"", JSON, MalformedBodyError),
    "truncated": (b"{", JSON, MalformedBodyError),
    "list": (json.dumps([[CANARY, CANARY]]).encode(), JSON, MalformedBodyError),
    "string": (json.dumps(CANARY).encode(), JSON, MalformedBodyError),
    "invalid UTF-8": (b'{"username": "\xff"}', JSON, MalformedBodyError),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), JSON, MalformedBodyError),
    "nested": (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", JSON, MalformedBodyError),
    "too large": (json_body(other="x" * 40_000), JSON, BodyTooLargeError),
    "number": (json_body(username=1), JSON, RequestValidationError),
    "null": (json_body(username=None), JSON, RequestValidationError),
    "object": (json_body(password={"a": CANARY}), JSON, RequestValidationError),
    "NaN": (b'{"username": NaN, "code": 1e999}', JSON, RequestValidationError),
    "NUL": (json_body(username="ada\0"), JSON, RequestValidationError),
    "NUL in password": (json_body(password=CANARY + "\0"), JSON, RequestValidationError),
    "lone surrogate": (b'{"username": "\\ud800", "code": "1", "password": "\\udfff"}', JSON, MalformedBodyError),
    "space": (json_body(username="ada lovelace"), JSON, RequestValidationError),
    "zero-width space": (json_body(username="ada\u200blovelace"), JSON, RequestValidationError),
    "spaces only": (json_body(code="   "), JSON, RequestValidationError),
    "too long": (json_body(username="x" * 129), JSON, RequestValidationError),
    "form: no form": (b"\xff\xfe", URLENCODED, RequestValidationError),
    "form: invalid UTF-8": (b"username=a%ff&code=1&password=a", URLENCODED, RequestValidationError),
    "form: duplicate": (b"username=a&username=b", URLENCODED, MalformedBodyError),
    "form: many fields": (b"&".join(b"f%d=1" % number for number in range(99)), URLENCODED, MalformedBodyError),
    "form: NUL": (b"username=a%00&code=1&password=Analytical-1843", URLENCODED, RequestValidationError),
    "multipart: no boundary": (MULTI, MULTIPART, MalformedBodyError),
    "multipart: other boundary": (MULTI, f"{MULTIPART}; boundary=y", MalformedBodyError),
    "multipart: truncated": (MULTI[:-40], BOUNDARY, (MalformedBodyError, RequestValidationError)),
    "multipart: file": (part("username", "a", '; filename="a"') + b"--x--\r\n", BOUNDARY, MalformedBodyError),
    "multipart: no name": (
        *(b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", BOUNDARY),
        MalformedBodyError,
    ),
    "multipart: many fields": (
        *(b"".join(part(f"f{number}", "") for number in range(99)) + b"--x--\r\n", BOUNDARY),
        MalformedBodyError,
    ),
    "multipart: duplicate": (part("username", "a") * 2 + b"--x--\r\n", BOUNDARY, MalformedBodyError),
    **{
        f"multipart: {charset}": (MULTI, f"{BOUNDARY}; charset={charset}", UnsupportedBodyError)
        for charset in (
            "punycode",
            "idna",
            "utf-7",
            "utf8",
            "latin-1",
            "no-such-charset",
            "",
            '"utf-8',
            "utf-8; charset=zlib",
        )
    },
    "multipart: long Content-Type": (
        *(MULTI, f"{BOUNDARY}; a={'a' * (257 - len(BOUNDARY) - 4)}"),
        UnsupportedBodyError,
    ),
    "form: long Content-Type": (
        *(b"username=a&code=1&password=a", URLENCODED + ";" * 250),
        UnsupportedBodyError,
    ),
    "text": (json_body(), "text/plain", UnsupportedBodyError),
    "other JSON": (json_body(), "application/vnd.api+json", UnsupportedBodyError),
    "no content type": (json_body(), "", UnsupportedBodyError),
    "no body": (b"", "", UnsupportedBodyError),
}


@pytest.mark.parametrize("name", INVALID)
async def test_read_body_with_invalid_body_raises_an_error_without_values(name: str) -> None:
    """Neither the error nor its context contains a value. Errors of fields are those of FastAPI without the input."""
    body, kind, expected = INVALID[name]
    with pytest.raises(expected) as caught:
        await read(body, kind)
    errors = caught.value.errors() if isinstance(caught.value, RequestValidationError) else ()
    assert CANARY not in f"{caught.value!s} {errors}"
    for each in errors:
        assert each.keys() <= {"type", "loc", "msg", "ctx"}
        assert each["loc"][0] == "body"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_long_content_type_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser may take long; servers may not limit the size of headers."""
    parse = Mock(wraps=parse_options_header)
    monkeypatch.setattr("cognito_async.fastapi.request.parse_options_header", parse)
    for more, count in (("", 1), ("; a=b" * 50, 0)):
        parse.reset_mock()
        with suppress(UnsupportedBodyError):
            await read(MULTI, BOUNDARY + more)
        assert parse.call_count == count


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content-length": "many"}, MalformedBodyError),
        ({"content-length": "²"}, MalformedBodyError),
        ({"content-length": "9" * 5000}, MalformedBodyError),
        ({"content-length": str(MAX_BODY_BYTES + 1)}, BodyTooLargeError),
        ({"content-encoding": "gzip"}, UnsupportedBodyError),
    ],
)
async def test_read_body_with_unacceptable_headers_raises_an_error(
    headers: dict[str, str], expected: type[RequestRejectedError]
) -> None:
    """A declared length over the limit and compression are rejected before the body is read."""
    for body, kind in ((json_body(), JSON), (b"username=a&code=1&password=a", URLENCODED)):
        with pytest.raises(expected):
            await read(body, kind, headers=headers)


async def test_read_body_accepts_the_maximum_size() -> None:
    """One byte more is too large, also if the rest would be a valid body."""
    body = json_body()
    padded = body + b" " * (MAX_BODY_BYTES - len(body))
    assert await read(padded) == GOOD
    assert await read(padded, headers={"content-length": str(MAX_BODY_BYTES)}) == GOOD
    for first in (7, MAX_BODY_BYTES):
        with pytest.raises(BodyTooLargeError):
            await read(padded + b" ", first=first)


async def test_read_body_after_disconnect_raises_malformed_body_error() -> None:
    """A client that disconnects early is not a bug; what has arrived is not the whole body."""
    events: list[dict[str, object]] = [
        {"type": "http.request", "body": json_body(), "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return events.pop(0)

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", JSON.encode())]}, receive)
    with pytest.raises(MalformedBodyError):
        await read_body(request, ResetPasswordBody)


@given(st.binary(max_size=300), st.sampled_from([JSON, URLENCODED, BOUNDARY, MULTIPART, "x"]))
async def test_read_body_with_any_bytes_parses_or_rejects(body: bytes, kind: str) -> None:
    """No bytes raise another exception."""
    with suppress(RequestRejectedError, RequestValidationError):
        await read(body, kind)


@given(
    st.binary(max_size=60),
    st.integers(0, 400),
    st.sampled_from([(MULTI, BOUNDARY), (MULTI, f"{BOUNDARY}; charset=utf-8"), (json_body(), JSON)]),
)
async def test_read_body_with_damaged_body_parses_or_rejects(noise: bytes, place: int, good: tuple[bytes, str]) -> None:
    """Nor do bytes in the middle of a valid body."""
    body, kind = good
    with suppress(RequestRejectedError, RequestValidationError):
        await read(body[:place] + noise + body[place + len(noise) :], kind)


@given(st.text(max_size=40), st.sampled_from(sorted(GOOD)))
def test_valid_text_can_be_sent(text: str, field: str) -> None:
    """A valid value can be encoded and has no control characters; a password is not changed."""
    try:
        value: str = getattr(ResetPasswordBody.model_validate({**GOOD, field: text}), field)
    except ValidationError:
        return
    assert value.encode()
    assert value.isprintable() or field == "password" or any(ord(char) > 127 for char in value)
    assert field != "password" or value == text
