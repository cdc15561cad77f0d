"""The AWS JSON 1.1 protocol of Amazon Cognito: requests to HTTP, and HTTP to responses.

The only module that reads and writes JSON, except for tokens (``jwt``).
Pure: usable with any HTTP library, see ``encode`` and ``decode``.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (this module works on values of any type)

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from json import scanner
from json.encoder import encode_basestring_ascii
from typing import Any, Literal

from attrs import define, field, frozen

from cognito_async.errors import CognitoError, InvalidResponseError, ServiceError, TransportError
from cognito_async.protocol.endpoints import is_aws_pool_id
from cognito_async.protocol.operation import Operation, Request, ResponseT
from cognito_async.protocol.shapes import Boolean, Integer, Shape, Text, known_values, members
from cognito_async.protocol.validation import FILTER, MAX_INTEGER, POOL_ID, PRINTABLE_MEMBERS, guarded, validate

CONTENT_TYPE = "application/x-amz-json-1.1"
MAX_MESSAGE_LENGTH = 2_000
MAX_MASKED_LENGTH = 64 * 1024  # masking megabytes would block the event loop; what it shortens stays far from the cut
RESET_CONTENT = 205
PARTIAL_CONTENT = 206

LARGE_BODY = 128 * 1024  # bytes; larger bodies take long to decode, so callers with an event loop use a thread
# Of a large body; more lists and objects, or members of objects, would block all threads while they are freed.
MAX_CONTAINERS = 250_000
MAX_PAIRS = 400_000
AN_ERROR = "the body is an error although the status is a success"
NO_OBJECT = "the body is not a JSON object"

_CODE = re.compile(r"[\w.-]+", re.ASCII)
_JSON = json.JSONEncoder(check_circular=False)  # validation has limited the depth
_NOT_JSON = object()


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; in steps, as ``dict`` would hold the interpreter lock for all members of a huge one."""
    return dict(pairs) if len(pairs) < 1000 else {name: value for name, value in pairs}  # noqa: C416, PLR2004


def _interruptible(parse_int: Callable[[str], Any]) -> json.JSONDecoder:
    """Return a decoder that lets other threads run: the scanner in C holds the interpreter lock to the end."""
    decoder = json.JSONDecoder(object_pairs_hook=_object_of, parse_int=parse_int)
    decoder.scan_once = scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    return decoder


_INTERRUPTIBLE_JSON = _interruptible(int)
_LONG_INTEGER_JSON = _interruptible(float)


class Body(bytes):
    """The body of a request. Its repr hides the content, which holds passwords and tokens."""

    def __repr__(self) -> str:
        return f"<request body of {len(self)} bytes>"


@frozen(eq=False, repr=False)
class HttpRequest:
    """The HTTP request of one attempt."""

    url: str
    headers: Mapping[str, str] = field(repr=False)  # all except those that the HTTP library adds
    body: Body  # empty for a GET request
    connect_timeout: float | None = None  # in seconds; None for no limit
    method: Literal["GET", "POST"] = field(default="POST", kw_only=True)  # "GET" for a key set (JWKS)
    max_response_bytes: int | None = field(default=None, kw_only=True)  # None for the transport's limit


@define(eq=False, repr=False)
class HttpResponse:
    """An HTTP response as it was received."""

    status: int
    headers: Mapping[str, str]  # names are matched without regard to case
    body: bytes = field(repr=False)
    complete: bool = field(default=True, kw_only=True)  # False if the connection was lost in the middle of the body


def to_json(value: object, *, ensure_ascii: bool = True) -> str | None:
    """Return a value as compact JSON; None if it is not JSON."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=ensure_ascii)
    except (TypeError, ValueError, RecursionError):
        return None


def from_json(text: str) -> Any:
    """Return the value of a JSON text; None if it is not JSON."""
    value = _parsed(text.encode(errors="surrogatepass"))
    return None if value is _NOT_JSON else value


def headers_for(operation: Operation, user_agent: str, invocation_id: str) -> dict[str, str]:
    """Return the headers that all attempts of a call have in common."""
    return {
        "Accept-Encoding": "identity",  # a compressed body could expand to any size
        "Content-Type": CONTENT_TYPE,
        "X-Amz-Target": operation.target,
        "User-Agent": user_agent,
        "amz-sdk-invocation-id": invocation_id,
    }


def is_success(status: int, *, complete: bool = True) -> bool:
    """Return whether a status means success; an incomplete partial response and "reset content" never do."""
    return 200 <= status <= 299 and status != RESET_CONTENT and (complete or status != PARTIAL_CONTENT)  # noqa: PLR2004


def needs_no_body(operation: Operation, status: int | None) -> bool:
    """Return whether a status alone is a success of an operation."""
    return operation.response is None and status is not None and is_success(status, complete=False)


def encode(request: Request[Any], *, at_aws: bool = False) -> Body:
    """Validate a request, see ``validate``, and return its JSON body. Members that are None are omitted."""
    kind: type = type(request)
    text = _encoder_of(kind)(request)
    if text is None:
        validate(request, at_aws=at_aws)
        text = guarded(_encode_any, request)
    return Body(text.encode("ascii"))


def _encode_any(request: Request[Any]) -> str:
    from cognito_async.protocol.conversion import CONVERTER, encode_document  # noqa: PLC0415 - most requests are simple

    content = CONVERTER.unstructure(request)
    if request.extra is not None:
        content.update(encode_document(request.extra))
    return _JSON.encode(content)


# The condition and the JSON of values that are simple to encode, as Python expressions.
_SIMPLE: dict[type[Shape], tuple[str, str]] = {
    Text: ("type(value) is str and {low} <= len(value) <= {high} and value.isascii()", "quoted(value)"),
    Integer: ("type(value) is int and {low} <= value <= {high}", "str(value)"),
    Boolean: ("type(value) is bool", "('true' if value else 'false')"),
}
_NEVER = ("False", "''")

Encoder = Callable[[Any], str | None]


@cache
def _encoder_of(kind: type[Request[Any]]) -> Encoder:
    """Compile the validation and encoding of a request class into one function.

    It handles the common case, valid members of ASCII text, numbers and booleans, and returns None for other requests.
    """
    known = known_values(kind)
    lines = ["def encode_simple(request):", "    if request.extra is not None: return None", "    parts = []"]
    for name, about in members(kind):
        low = -MAX_INTEGER if about.shape.low is None else about.shape.low
        high = MAX_INTEGER - 1 if about.shape.high is None else about.shape.high
        valid, encoded = _NEVER if (kind.__name__, name) == FILTER else _SIMPLE.get(type(about.shape), _NEVER)
        if about.wire_name == POOL_ID:
            valid = "type(value) is str and is_aws_pool_id(value)"  # not that of an emulator
        elif about.wire_name in PRINTABLE_MEMBERS and type(about.shape) is Text:
            valid += " and value.isprintable()"
        if name in known:
            valid += f" and value in {sorted(known[name])}"  # other values may be misspelled
        lines += [
            f"    value = request.{name}",
            f"    if value is not None{' or True' if about.required else ''}:",
            f"        if not ({valid.format(low=low, high=high)}): return None",
            f"        parts.append('\"{about.wire_name}\": ' + {encoded})",
        ]
    lines.append("    return '{' + ', '.join(parts) + '}'")
    names: dict[str, Any] = {"quoted": encode_basestring_ascii, "is_aws_pool_id": is_aws_pool_id}
    exec("\n".join(lines), names)  # noqa: S102 - made of the names and bounds of the service model
    encoder: Encoder = names["encode_simple"]
    return encoder


def decode(response: HttpResponse, request: Request[ResponseT], sent: HttpRequest | None = None) -> ResponseT:
    """Return the response of an operation; None if it has no members, a dict for RawRequest. Raise its error.

    Members and error codes that this version does not know are kept, never an error. Error messages mask the secrets of
    ``request`` and the session token in ``sent``.
    """
    outcome = _outcome(response, request, sent)
    if isinstance(outcome, CognitoError):
        # Raised here because this frame holds no secrets: error reporters collect the locals of all frames.
        outcome.operation = request.OPERATION.name
        raise outcome
    return outcome


def _outcome(response: HttpResponse, request: Request[ResponseT], sent: HttpRequest | None) -> ResponseT | CognitoError:
    if not is_success(response.status, complete=response.complete and not _is_part(response)):
        return _service_error(response, request, sent)
    kind = request.OPERATION.response
    if kind is None:
        return _check_without_members(response)  # type: ignore[return-value]  # ResponseT is None here
    if not response.complete:
        return TransportError("the connection was lost in the middle of the response", sent=True)
    outcome: ResponseT | CognitoError = _decoded(response, kind)
    return outcome


def _is_part(response: HttpResponse) -> bool:
    """Return whether a response is less than the whole, by its Content-Range."""
    content_range = response.headers.get("Content-Range")
    if content_range is None:
        return False
    last, _, total = content_range.rpartition("-")[2].partition("/")
    return not (total.isdigit() and last.isdigit() and int(last) + 1 == int(total))


def _decoded(response: HttpResponse, kind: type[Any]) -> Any:
    """Return a response as an instance of its class or as a dict, or an error."""
    if kind is dict and not response.body.strip() and "x-amzn-RequestId" in response.headers:
        return {}
    members = _parsed_object(response)
    if kind is dict or isinstance(members, InvalidResponseError):
        return members
    from cognito_async.protocol.conversion import CONVERTER, UnexpectedShape  # noqa: PLC0415 - many programs never need cattrs

    try:
        return CONVERTER.structure(members, kind)
    except UnexpectedShape as problem:
        return _unreadable(f"a member is not {problem}", response)


def _check_without_members(response: HttpResponse) -> InvalidResponseError | None:
    """Return an error for a body that a proxy may have sent. An incomplete object is as good as a complete one."""
    body = response.body.strip()
    if "x-amzn-ErrorType" in response.headers:
        return _unreadable(AN_ERROR, response)
    if body in {b"", b"{}"}:
        return None
    if not body.startswith(b"{") or "json" not in response.headers.get("Content-Type", CONTENT_TYPE).lower():
        return _unreadable(NO_OBJECT, response)
    if problem := _problem_of(response):
        return _unreadable(problem, response)
    parsed = _parsed(body)
    is_cut_error = parsed is _NOT_JSON and body.startswith(b'{"__type"')
    return _unreadable(AN_ERROR, response) if is_cut_error or _is_error(parsed) else None


def _parsed_object(response: HttpResponse) -> dict[str, Any] | InvalidResponseError:
    problem = _problem_of(response)
    if problem:
        return _unreadable(problem, response)
    parsed = _parsed(response.body)
    if not isinstance(parsed, dict):
        return _unreadable(NO_OBJECT, response)
    if _is_error(parsed) and is_success(response.status):
        return _unreadable(AN_ERROR, response)
    return parsed


def _problem_of(response: HttpResponse) -> str | None:
    """Return why a response must not be parsed; None if it may be."""
    body = response.body
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return "the body is compressed, which was not requested"
    if "x-amzn-ErrorType" in response.headers and is_success(response.status):
        return AN_ERROR
    if len(body) <= LARGE_BODY or (
        body.count(b"[") + body.count(b"{") <= MAX_CONTAINERS and body.count(b'":') <= MAX_PAIRS
    ):
        return None
    return "the body has too many members"


def _is_error(parsed: Any) -> bool:
    return isinstance(parsed, dict) and isinstance(parsed.get("__type"), str)


def _parsed(body: bytes) -> Any:
    """Parse JSON. Not by way of an error, which would hold the body, and the body may hold tokens."""
    try:
        if len(body) <= LARGE_BODY:
            return json.loads(body)
        return _INTERRUPTIBLE_JSON.decode(body.decode())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return _NOT_JSON
    except ValueError:  # an integer with more digits than Python converts
        pass
    try:
        return _LONG_INTEGER_JSON.decode(body.decode())
    except (ValueError, RecursionError):
        return _NOT_JSON


def _unreadable(problem: str, response: HttpResponse) -> InvalidResponseError:
    content_type = response.headers.get("Content-Type", "unknown type")[:64]
    return InvalidResponseError(f"{problem}: {len(response.body)} bytes of {content_type}", **_response_facts(response))


def _response_facts(response: HttpResponse) -> dict[str, Any]:
    headers = response.headers
    return {
        "status": response.status,
        "request_id": request_id_of(response),
        "retry_after": _milliseconds(headers.get("x-amz-retry-after")),
        "server_date": headers.get("Date"),
    }


def request_id_of(response: HttpResponse) -> str | None:
    """Return the service's request ID."""
    found = response.headers.get("x-amzn-RequestId") or response.headers.get("x-amz-request-id")
    return found if found and found.isprintable() else None  # it is logged


def _milliseconds(text: str | None) -> float | None:
    """Return a number of milliseconds in seconds."""
    short_enough = 10
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > short_enough:
        return None
    return int(text) / 1000


def _service_error(response: HttpResponse, request: Request[Any], sent: HttpRequest | None) -> CognitoError:
    # Imported here because successful calls do not need them.
    from cognito_async.errors.faults import CODES, fault_of, is_signature_expired  # noqa: PLC0415
    from cognito_async.errors.modelled import BY_CODE  # noqa: PLC0415
    from cognito_async.protocol.redaction import redact  # noqa: PLC0415

    parsed = _parsed_object(response) if response.body else {}
    body, fallback = ({}, parsed) if isinstance(parsed, InvalidResponseError) else (parsed, None)
    code = _error_code(body, response.headers)
    if code is None:
        return fallback or _unreadable("an error without a code", response)
    session_token = "" if sent is None else sent.headers.get("X-Amz-Security-Token", "")

    def masked(text: str) -> str:
        return redact(text[:MAX_MASKED_LENGTH], request, (session_token,))[:MAX_MESSAGE_LENGTH]

    text = body.get("message", body.get("Message"))
    text = text if isinstance(text, str) else ""
    # Classified before masking: the fault must not depend on the values that the request happens to hold.
    fault = fault_of(code, text, status=response.status, operation=request.OPERATION.name)
    kind = BY_CODE.get(code, ServiceError)
    shown_code = code if code in CODES else masked(code)
    error = kind(masked(text) or shown_code, code=shown_code, fault=fault, **_response_facts(response))
    if is_signature_expired(code, text):
        error.signature_expired = True
    for name, wire_name in kind.EXTRA_MEMBERS.items():
        value = body.get(wire_name)
        setattr(error, name, masked(value) if isinstance(value, str) else None)
    return error


def _error_code(body: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    """Return the code of ``__type``, of the header (which ends in a colon) or of ``code``, without its namespace."""
    from cognito_async.errors.faults import CODES  # noqa: PLC0415 - successful calls do not need it

    # The JSON of a proxy may have such members, too.
    is_from_service = bool(headers.get("x-amzn-RequestId"))
    for candidate in (
        body.get("__type"),
        headers.get("x-amzn-ErrorType"),
        body.get("code") if is_from_service else None,
    ):
        if isinstance(candidate, str):
            code = candidate.partition(":")[0].rpartition("#")[2].strip()[:128]
            if _CODE.fullmatch(code) and (  # it is logged
                is_from_service or code in CODES or code.endswith(("Exception", "Error", "Fault"))
            ):
                return code
    return None
