"""A request: its client IP behind trusted proxies, the origin of its page (CSRF protection), cookies, and the body."""

import re
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any, ClassVar, Final, TypeAlias, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, HTTPConnection

from cognito_async.deadline import Deadline, SharedTimer
from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi.problems import (
    BodyTimeoutError,
    BodyTooLargeError,
    CrossOriginError,
    MalformedBodyError,
    RequestRejectedError,
    UnsupportedBodyError,
)
from cognito_async.fastapi.settings import UNIX_SOCKET, Proxy

Address: TypeAlias = IPv4Address | IPv6Address

JSON: Final = "application/json"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
FORMS: Final = frozenset({URLENCODED, MULTIPART})
JSON_OR_FORM: Final = FORMS | {JSON}
UTF_8: Final = b"utf-8"
MAX_BODY_BYTES: Final = 32 * 1024
BODY_TIMEOUT: Final = 10.0
MAX_FORM_FIELDS: Final = 20
MAX_ENCODED_DATA: Final = 8192
MAX_CONTENT_TYPE_LENGTH: Final = 256
MAX_COOKIE_LENGTH: Final = 32 * 1024
MAX_HOPS: Final = 32
MAX_ADDRESS_LENGTH: Final = 100

# U+FFFD stands for bytes that are not valid in the encoding of a form.
VISIBLE = "^[^\\p{Cc}\\p{Cf}\\p{Co}\\p{Z}\ufffd]*$"
TEXT = "^[^\\p{Cc}\ufffd]*$"
Stripped = Annotated[str, StringConstraints(strip_whitespace=True)]

Body = TypeVar("Body", bound=BaseModel)

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS: Final = {("http", "80"), ("https", "443")}  # browsers leave them out
_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}")


def parse_address(text: str) -> Address | None:
    """Parse an address as proxies write it, optionally with a port, brackets or quotes; None if invalid."""
    if len(text) > MAX_ADDRESS_LENGTH:
        return None
    text = text.strip().strip('"')
    match = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((match[1] or match[2]) if match else text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))  # without the zone, which only its own host understands


_parse_peer = lru_cache(parse_address)  # peers are short, unlike headers, and often the same proxy


def client_ip(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Proxy]) -> Address | None:
    """Return the rightmost address that is not a trusted proxy; the last trusted one if the next entry is invalid."""
    address = None if peer is None else _parse_peer(peer)
    hops = _last_hops(forwarded)
    while hops and _is_trusted(address, trusted):
        previous = parse_address(hops.pop())
        if previous is None:
            break
        address = previous
    return address


def is_ignored(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Proxy]) -> bool:
    """Return whether a header of an untrusted peer is ignored, unless the server has applied it, as uvicorn does."""
    address = None if peer is None else _parse_peer(peer)
    hops = reversed(_last_hops(forwarded))
    return not _is_trusted(address, trusted) and (address is None or address not in map(parse_address, hops))


def _last_hops(forwarded: Sequence[str]) -> list[str]:
    """Return the last entries: clients can send any number before those of proxies, and no chain of proxies is longer.

    Servers may not limit the size of headers.
    """
    return ",".join(forwarded[-MAX_HOPS:]).rsplit(",", MAX_HOPS)[-MAX_HOPS:]


def _is_trusted(address: Address | None, trusted: Sequence[Proxy]) -> bool:
    if address is None:
        return UNIX_SOCKET in trusted
    return any(address in proxy for proxy in trusted if proxy != UNIX_SOCKET)


def origins(allowed: Collection[str]) -> frozenset[str]:
    """Check ``allowed_origins``; a single string is rejected, and so is "null", which any page can send."""
    if not isinstance(cast("object", allowed), Collection) or not all(map(_is_origin, allowed)):
        rule = (
            'must be a list of origins as browsers send them, such as "https://www.example.com": '
            "in lower case, without wildcards, a path and the default port"
        )
        raise ParameterValidationError("allowed_origins", rule)
    return frozenset(allowed)


def _is_origin(value: object) -> bool:
    match = _ORIGIN.fullmatch(value) if isinstance(value, str) else None
    return match is not None and match.groups() not in _DEFAULT_PORTS


def same_origin(*allowed: str) -> Callable[[HTTPConnection], Coroutine[Any, Any, None]]:
    """Return a dependency that raises CrossOriginError for requests from pages of other origins, except JSON.

    GET, HEAD and OPTIONS requests pass, so the dependency can protect a whole router or application. WebSockets are
    checked like forms. JSON is not checked, because browsers send a CORS preflight request first. Pages with forms
    should send ``Referrer-Policy: same-origin``; ``no-referrer`` hides their own origin too. ``allowed`` are other
    origins, such as ``"https://www.example.com"``.
    """
    checked = origins(allowed)

    async def check(connection: HTTPConnection) -> None:
        check_origin(connection, checked)

    return check


def check_origin(connection: HTTPConnection, allowed: Collection[str]) -> None:
    method = connection.scope.get("method")  # a WebSocket has no method
    if method in SAFE_METHODS or (method is not None and media_type(connection.headers) == JSON):
        return
    if not is_same_origin(connection.headers, allowed):
        raise CrossOriginError("the form was submitted from another origin")


def is_same_origin(headers: Mapping[str, str], allowed: Collection[str] = ()) -> bool:
    """Return whether a request comes from this origin, an allowed origin, or not from a browser."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin in allowed:
        return True
    if site is not None:  # browsers since 2023 send it over HTTPS
        return site in {"same-origin", "none"}
    if origin is None:  # not a browser, so the request cannot be forged by another site
        return True
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(host) and host == headers.get("host")


def cookie_values(headers: Headers, name: str) -> list[str]:
    """Return the values of all cookies with a name, as sent; two empty ones if the header is too long to be parsed."""
    lines = headers.getlist("cookie")
    if sum(map(len, lines)) > MAX_COOKIE_LENGTH:  # callers refuse repeated cookies
        return ["", ""]
    pairs = [pair.partition("=") for line in lines for pair in line.split(";")]
    # Only spaces and tabs are removed: any site of the domain can set a cookie named U+00A0 and "__Host-access_token".
    return [value.strip(" \t") for key, _, value in pairs if key.strip(" \t") == name]


def media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


class UserBody(BaseModel):
    """The fields of all bodies that name a user."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    username: Stripped = Field(
        description="The username, e-mail address or phone number.", min_length=1, max_length=128, pattern=VISIBLE,
        repr=False,
    )  # fmt: skip
    encoded_data: str | None = Field(
        None, description="Device data from AWS's threat protection script.", max_length=MAX_ENCODED_DATA,
        pattern=TEXT, repr=False,
    )  # fmt: skip


async def read_body(
    request: Request,
    model: type[Body],
    timer: SharedTimer | None = None,
    media_types: Collection[str] = JSON_OR_FORM,
    *,
    optional: bool = False,
) -> Body:
    """Parse a body as a model; the errors contain no values. ``optional`` accepts requests without a body.

    These may have the media type, because some clients always send it, but not that of a form.
    """
    # Whether there is a body is not known from the headers.
    if optional and "content-type" not in request.headers and not await _read_bytes(request, timer):
        return model.model_validate({})
    kind = media_type(request.headers)
    if (
        kind not in media_types
        or request.headers.get("content-encoding", "identity") != "identity"
        or not _is_supported(kind, request.headers["content-type"])
    ):
        raise UnsupportedBodyError("the body has an unsupported media type, charset or content encoding")
    body = await _parse_body(request, kind, await _read_bytes(request, timer), model, optional=optional)
    if isinstance(body, Exception):
        raise body
    return body


def _is_supported(kind: str, content_type: str) -> bool:
    """Return whether a Content-Type is short and its charset, which only multipart bodies may choose, is UTF-8.

    Starlette decodes forms with any codec of Python, some of which are slow.
    """
    if len(content_type) > MAX_CONTENT_TYPE_LENGTH:
        return False
    return kind != MULTIPART or parse_options_header(content_type)[1].get(b"charset", UTF_8).lower() == UTF_8


async def _read_bytes(request: Request, timer: SharedTimer | None) -> bytes:
    body = BytesIO()  # its repr does not show the content to error reporters
    error: RequestRejectedError | None = None
    try:
        size = int(request.headers.get("content-length", "0"))
        if size <= MAX_BODY_BYTES:
            with Deadline(BODY_TIMEOUT, timer):
                async for chunk in request.stream():
                    body.write(chunk)
                    del chunk
                    if body.tell() > MAX_BODY_BYTES:
                        break
        if max(size, body.tell()) > MAX_BODY_BYTES:
            error = BodyTooLargeError("the body exceeds the limit")
    except ClientDisconnect:
        error = MalformedBodyError("the client disconnected before the end of the body")
    except TimeoutError:
        error = BodyTimeoutError("the body did not arrive in time")
    except ValueError:
        error = MalformedBodyError("Content-Length is not a number")
    if error is not None:
        raise error
    return body.getvalue()


async def _parse_body(
    request: Request, kind: str, body: bytes, model: type[Body], *, optional: bool
) -> Body | Exception:
    """Return the model or the error, which must not be raised from a frame that has the body."""
    try:
        if kind == JSON:
            return model.model_validate_json(b"{}" if optional and not body else body)
        fields = await _parse_form(request, kind, body)
        if len(fields) > len(dict(fields)):
            return MalformedBodyError("the form repeats a field")
        return model.model_validate(dict(fields))
    except ValidationError as error:
        items = error.errors(include_url=False, include_input=False)
    except (HTTPException, MultiPartException, ValueError, LookupError):
        return MalformedBodyError("the body is not a form without files or has too many fields")
    if not items[0]["loc"]:
        return MalformedBodyError("the body is not a JSON object")
    return RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in items])


async def _parse_form(request: Request, kind: str, body: bytes) -> Sequence[tuple[str, Any]]:
    if kind == URLENCODED:  # Starlette takes several times as long
        return parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    return (await Request(request.scope, receive).form(max_files=0, max_fields=MAX_FORM_FIELDS)).multi_items()


def body_schema(
    model: type[BaseModel], media_types: Collection[str] = JSON_OR_FORM, *, required: bool = True
) -> dict[str, Any]:
    """Return the value for the ``openapi_extra`` of a route that calls ``read_body``."""
    schema = model.model_json_schema()
    resolved = _resolve(schema, schema.pop("$defs", {}))
    content = {kind: {"schema": resolved} for kind in sorted(media_types)}
    return {"requestBody": {"required": required, "content": content}}


def _resolve(schema: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Replace references by their definitions: in OpenAPI, they would refer to the whole document."""
    if isinstance(schema, list):
        return [_resolve(item, definitions) for item in schema]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(schema, dict):
        return schema
    members = cast("dict[str, Any]", schema)
    if "$ref" in members:
        return _resolve(definitions[members["$ref"].rpartition("/")[2]], definitions)
    return {
        name: {"propertyName": value["propertyName"]} if name == "discriminator" else _resolve(value, definitions)
        for name, value in members.items()
    }
