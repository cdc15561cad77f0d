"""Reading a request's body, JSON or a form, into a few short texts; whatever comes, it is read or refused."""

import json
import unicodedata
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl

from attrs import frozen
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from cognito_async.fastapi.refusals import (
    BadInputError,
    BodyTooLargeError,
    MalformedBodyError,
    UnsupportedBodyError,
)

MOST_FIELDS = 20
JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
FORMS = frozenset({URLENCODED, MULTIPART})

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs"})
_CONTROL = frozenset({"Cc", "Cs"})


@frozen(kw_only=True)
class TextField:
    """A field of a body.

    Attributes:
        name: Its name.
        longest: The most characters.
        shortest: The fewest characters.
        required: Whether it has to be there.
        free: Whether its value is kept as it is, blanks included; else blanks around it are dropped, and those within
            and invisible characters are refused, as the service does.
        description: What it is, for the documentation.
    """

    name: str
    longest: int
    shortest: int = 1
    required: bool = True
    free: bool = False
    description: str = ""

    def clean(self, value: object) -> tuple[str | None, str | None]:
        """Check a value.

        Args:
            value: The value; None if there is none.

        Returns:
            The clean value, and the rule that it breaks; None for either if there is none.
        """
        if value is None:
            return None, "is required" if self.required else None
        if not isinstance(value, str):
            return None, "must be a text"
        text = value if self.free else value.strip()
        if not text:
            return None, "is required" if self.required else None
        if not self.shortest <= len(text) <= self.longest:
            return None, f"must have {self.shortest} to {self.longest} characters"
        if not (_CONTROL if self.free else _INVISIBLE).isdisjoint(map(unicodedata.category, text)):
            return None, "holds a character that can't be there"
        return text, None

    @property
    def schema(self) -> dict[str, Any]:
        """Describe it for OpenAPI."""
        return {
            "type": "string",
            "minLength": self.shortest,
            "maxLength": self.longest,
            "description": self.description,
            **({"format": "password"} if self.free and self.required else {}),
        }


def content_type(headers: Headers) -> str:
    """Give a body's content type, in lower case and without parameters; empty if there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_fields(request: Request, fields: Sequence[TextField], *, most_bytes: int) -> dict[str, str]:
    """Read the fields of a body that is JSON or a form; those that nobody asked for are left out.

    Args:
        request: The request.
        fields: The fields.
        most_bytes: The largest body.

    Returns:
        The values by name; without those that are absent and need not be there.

    Raises:
        UnsupportedBodyError: It is neither.
        BodyTooLargeError: It is larger.
        MalformedBodyError: It can't be read, or names a field twice.
        BadInputError: A field is missing or can't be right; it names the rules and never a value.
    """
    kind = content_type(request.headers)
    if kind not in {JSON, *FORMS} or request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedBodyError("the body is neither JSON nor a form")
    body = await _read(request, most_bytes)
    if kind == MULTIPART:
        pairs = await _multipart(request.headers, body)
    else:
        pairs = _json(body) if kind == JSON else _urlencoded(body)
    values = _once(pairs)
    cleaned = {field.name: field.clean(values.get(field.name)) for field in fields}
    faults = {name: (rule,) for name, (_, rule) in cleaned.items() if rule is not None}
    if faults:
        raise BadInputError(f"{', '.join(faults)} can't be right", faults=faults)
    return {name: text for name, (text, _) in cleaned.items() if text is not None}


async def _read(request: Request, most_bytes: int) -> bytes:
    told = request.headers.get("content-length", "0")
    if not (told.isascii() and told.isdigit()):
        raise MalformedBodyError("the body's length is no number")
    if len(told.lstrip("0")) > len(str(most_bytes)) or int(told.lstrip("0") or 0) > most_bytes:
        raise BodyTooLargeError("the body is too large")
    body = bytearray()
    try:
        async for chunk in request.stream():
            if len(body) + len(chunk) > most_bytes:
                raise BodyTooLargeError("the body is too large")
            body += chunk
    except ClientDisconnect:
        raise MalformedBodyError("the body ended too early") from None
    return bytes(body)


def _json(body: bytes) -> Iterable[tuple[str, object]]:
    try:
        pairs = _DECODER.decode(body.decode())
    except (ValueError, RecursionError):  # its text and its cause quote the body
        raise MalformedBodyError("the body is not JSON") from None
    if not isinstance(pairs, _Pairs):
        raise MalformedBodyError("the body is not a JSON object")
    return pairs


class _Pairs(list[tuple[str, object]]):
    """A JSON object, with what it names twice."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs)


def _urlencoded(body: bytes) -> Iterable[tuple[str, object]]:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise MalformedBodyError("the body is not a form") from None


async def _multipart(headers: Headers, body: bytes) -> Iterable[tuple[str, object]]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(headers, stream(), max_files=0, max_fields=MOST_FIELDS)
    try:
        return (await parser.parse()).multi_items()
    except (MultiPartException, ValueError, LookupError):
        raise MalformedBodyError("the body is not a form without files") from None


def _once(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in values:
            raise MalformedBodyError("the body names a field twice")
        values[name] = value
    return values
