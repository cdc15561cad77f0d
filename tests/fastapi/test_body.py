"""Bodies: whatever comes is read or refused, and nothing of it is repeated."""

import json
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from cognito_async.fastapi import RefusalError
from cognito_async.fastapi.body import JSON, MULTIPART, URLENCODED, TextField, read_fields
from cognito_async.fastapi.reset_router import CODE, CONFIRM_FIELDS, PASSWORD, USERNAME

CANARY = "Analytical-1843"
GOOD = {"username": "ada@example.com", "code": "123456", "password": CANARY}
BOUND = f"{MULTIPART}; boundary=x"


async def read(body: bytes, kind: str = JSON, *, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Read a body that arrives in two pieces."""
    given = {"content-type": kind, **(headers or {})}
    pieces = [
        {"type": "http.request", "body": body[:7], "more_body": True},
        {"type": "http.request", "body": body[7:], "more_body": False},
    ]

    async def receive() -> dict[str, object]:
        return pieces.pop(0)

    encoded = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    request = Request({"type": "http", "method": "POST", "headers": encoded}, receive)
    return await read_fields(request, CONFIRM_FIELDS, most_bytes=4096)


def part(name: str, value: str, more: str = "") -> bytes:
    """Make a part of a multipart body."""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'.encode()


MULTI = b"".join(part(name, value) for name, value in GOOD.items()) + b"--x--\r\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps(GOOD).encode(), JSON),
        (
            json.dumps({**GOOD, "other": [1, {"a": None}], "encoded_data": None}).encode(),
            "Application/JSON; charset=utf-8",
        ),
        (json.dumps({**GOOD, "username": " ada@example.com\n"}).encode(), JSON),
        (b"username=ada%40example.com&code=123456&password=Analytical-1843&encoded_data=", URLENCODED),
        (MULTI, BOUND),
        (MULTI, f"{BOUND}; charset=no-such-thing"),
    ],
)
async def test_json_and_forms_are_read(body: bytes, kind: str) -> None:
    """The three kinds give the same; blanks around a name are dropped, and what nobody asked for is left out."""
    assert await read(body, kind) == GOOD


def form(**values: object) -> bytes:
    """Make a JSON body of the good one."""
    return json.dumps({**GOOD, **values}).encode()


BAD: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", JSON, "MalformedBodyError"),
    "no JSON": (b"{", JSON, "MalformedBodyError"),
    "a list": (json.dumps([[CANARY, CANARY]]).encode(), JSON, "MalformedBodyError"),
    "a text": (json.dumps(CANARY).encode(), JSON, "MalformedBodyError"),
    "invalid UTF-8": (b'{"username": "\xff"}', JSON, "MalformedBodyError"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), JSON, "MalformedBodyError"),
    "a field twice": (b'{"username": "a", "username": "b"}', JSON, "MalformedBodyError"),
    "too deep": (b'{"a":' + b"[" * 3000 + b"]" * 900 + b"}", JSON, "MalformedBodyError"),
    "deep": (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", JSON, "MalformedBodyError|BadInputError"),
    "too large": (form(other="x" * 40_000), JSON, "BodyTooLargeError"),
    "a number": (form(username=1), JSON, "BadInputError"),
    "a null": (form(username=None), JSON, "BadInputError"),
    "an object": (form(password={"a": CANARY}), JSON, "BadInputError"),
    "NaN": (b'{"username": NaN, "code": 1e999}', JSON, "BadInputError"),
    "NUL": (form(username="ada\0"), JSON, "BadInputError"),
    "NUL in a password": (form(password=CANARY + "\0"), JSON, "BadInputError"),
    "a lone surrogate": (b'{"username": "\\ud800", "code": "1", "password": "\\udfff"}', JSON, "BadInputError"),
    "a blank inside": (form(username="ada lovelace"), JSON, "BadInputError"),
    "blanks only": (form(code="   "), JSON, "BadInputError"),
    "too long": (form(username="x" * 129), JSON, "BadInputError"),
    "form: no form": (b"\xff\xfe", URLENCODED, "MalformedBodyError"),
    "form: invalid UTF-8": (b"username=%ff", URLENCODED, "MalformedBodyError"),
    "form: twice": (b"username=a&username=b", URLENCODED, "MalformedBodyError"),
    "form: many": (b"&".join(b"f%d=1" % number for number in range(99)), URLENCODED, "MalformedBodyError"),
    "form: NUL": (b"username=a%00&code=1&password=Analytical-1843", URLENCODED, "BadInputError"),
    "multipart: no boundary": (MULTI, MULTIPART, "MalformedBodyError"),
    "multipart: another boundary": (MULTI, f"{MULTIPART}; boundary=y", "MalformedBodyError"),
    "multipart: cut": (MULTI[:-40], BOUND, "MalformedBodyError|BadInputError"),
    "multipart: a file": (part("username", "a", '; filename="a"') + b"--x--\r\n", BOUND, "MalformedBodyError"),
    "multipart: no name": (b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", BOUND, "MalformedBodyError"),
    "multipart: twice": (part("username", "a") * 2 + b"--x--\r\n", BOUND, "MalformedBodyError"),
    "another type": (form(), "text/plain", "UnsupportedBodyError"),
    "JSON, they say": (form(), "application/vnd.api+json", "UnsupportedBodyError"),
    "no type": (form(), "", "UnsupportedBodyError"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_can_t_be_read_is_refused(name: str) -> None:
    """Each is refused as what it is, and neither the error nor its cause repeats anything."""
    body, kind, expected = BAD[name]
    with pytest.raises(RefusalError) as caught:
        await read(body, kind)
    assert type(caught.value).__name__ in expected.split("|")
    assert CANARY not in f"{caught.value} {caught.value.faults}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"content-length": "many"}, "MalformedBodyError"),
        ({"content-length": "-1"}, "MalformedBodyError"),
        ({"content-length": "²"}, "MalformedBodyError"),
        ({"content-length": "4097"}, "BodyTooLargeError"),
        ({"content-length": "9" * 5000}, "BodyTooLargeError"),
        ({"content-encoding": "gzip"}, "UnsupportedBodyError"),
    ],
)
async def test_headers_are_believed_only_so_far(headers: dict[str, str], kind: str) -> None:
    """A length that is none, or too large, and a compressed body are refused before anything is read."""
    with pytest.raises(RefusalError) as caught:
        await read(json.dumps(GOOD).encode(), headers=headers)
    assert type(caught.value).__name__ == kind
    assert await read(json.dumps(GOOD).encode(), headers={"content-length": "0" * 50}) == GOOD


async def test_a_visitor_who_leaves_is_no_bug() -> None:
    """A connection that ends in the middle of the body is a body that can't be read."""

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    headers = [(b"content-type", JSON.encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    with pytest.raises(RefusalError, match="ended too early"):
        await read_fields(request, CONFIRM_FIELDS, most_bytes=4096)


@given(st.binary(max_size=300), st.sampled_from([JSON, URLENCODED, BOUND, MULTIPART, "x"]))
async def test_any_bytes_are_read_or_refused(body: bytes, kind: str) -> None:
    """There are no bytes that break the reader."""
    with suppress(RefusalError):
        await read(body, kind)


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from([(MULTI, BOUND), (form(), JSON)]))
async def test_a_good_body_with_bytes_replaced_is_read_or_refused(
    noise: bytes, place: int, good: tuple[bytes, str]
) -> None:
    """Nor are there any almost right ones."""
    body, kind = good
    with suppress(RefusalError):
        await read(body[:place] + noise + body[place + len(noise) :], kind)


@given(st.text(max_size=40), st.sampled_from([USERNAME, CODE, PASSWORD]))
def test_what_is_clean_can_be_sent(text: str, field: TextField) -> None:
    """A clean value can be encoded and has no control characters; a password is never changed."""
    value, rule = field.clean(text)
    assert (value is None) is (rule is not None)
    if value is not None:
        assert value.encode()
        assert value.isprintable() or field is PASSWORD or any(ord(char) > 127 for char in value)
        assert field is not PASSWORD or value == text
