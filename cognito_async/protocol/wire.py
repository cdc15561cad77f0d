"""Requests to HTTP and HTTP to results: the JSON 1.1 protocol of AWS, as Cognito speaks it.

The only file that knows JSON. Pure: usable with any HTTP library, see ``encode`` and ``decode``.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (values of any type are what this file works on)

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cognito_async.errors import CognitoError, InvalidResponseError, ServiceError, TransportError
from cognito_async.protocol.hooks import CONVERTER, Misshapen
from cognito_async.protocol.operation import Operation, Request, ResponseT
from cognito_async.protocol.retry import FIRST_ERROR_STATUS

CONTENT_TYPE = "application/x-amz-json-1.1"
MAX_MESSAGE_LENGTH = 2_000

_JSON = json.JSONEncoder(check_circular=False)  # validation has bounded the depth
_NOT_JSON = object()


class HttpRequest:
    """One attempt on its way out.

    Attributes:
        url: Where to POST it.
        connect_timeout: The limit in seconds for opening a connection; None for none.
        headers: All headers but those that the HTTP library adds (Host, Content-Length).
        body: The JSON.
        sent: Kept by the transport, if it can tell: False until the first byte is handed to the socket, True once all
            are; None where nobody knows.
        status: Kept by the transport: the answer's status once it is known, else None.
    """

    __slots__ = ("body", "connect_timeout", "headers", "sent", "status", "url")

    def __init__(self, url: str, headers: dict[str, str], body: bytes, connect_timeout: float | None = None) -> None:
        self.url: str = url
        self.connect_timeout: float | None = connect_timeout
        self.headers: dict[str, str] = headers
        self.body: bytes = body
        self.sent: bool | None = False
        self.status: int | None = None


class HttpResponse:
    """An answer as it came.

    Attributes:
        status: The HTTP status.
        headers: The headers; looked up without regard to case.
        body: The body, possibly cut off.
        complete: False if the body was cut off.
    """

    __slots__ = ("body", "complete", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, *, complete: bool = True) -> None:
        self.status: int = status
        self.headers: Mapping[str, str] = headers
        self.body: bytes = body
        self.complete: bool = complete


def headers_for(operation: Operation, user_agent: str, invocation_id: str) -> dict[str, str]:
    """Give the headers that all attempts of a call carry."""
    return {
        "Content-Type": CONTENT_TYPE,
        "X-Amz-Target": operation.target,
        "User-Agent": user_agent,
        "amz-sdk-invocation-id": invocation_id,
    }


def confidential(headers: Mapping[str, str]) -> list[str]:
    """Give the secrets that a signed request's headers hold."""
    return [headers[name] for name in ("X-Amz-Security-Token",) if name in headers]


def needs_no_body(operation: Operation, status: int) -> bool:
    """Tell whether an answer's status alone is a success."""
    return operation.answer is None and status < FIRST_ERROR_STATUS


def encode(request: Request[Any]) -> bytes:
    """Turn a validated request into the JSON body; members that are None are left out.

    Args:
        request: The request, validated (see ``protocol.validation``).

    Returns:
        The body.
    """
    return _JSON.encode(CONVERTER.unstructure(request)).encode("ascii")


def decode(response: HttpResponse, request: Request[ResponseT], others: Iterable[str] = ()) -> ResponseT:
    """Turn an answer into the operation's result.

    Members and error codes that this version doesn't know are ignored or kept, never refused. An operation whose answer
    has no members needs no body: an empty or cut-off one is a success.

    Args:
        response: What came back.
        request: What was asked.
        others: Secrets that were sent beside the request; no error text repeats them or the request's own.

    Returns:
        An instance of the operation's answer class, or None where the answer has no members.

    Raises:
        ServiceError: The service's own error, as its own class where the code is known.
        InvalidResponseError: The answer can't be read.
    """
    operation = request.OPERATION
    answer: ResponseT | None = None
    misshapen = ""
    try:
        if response.status >= FIRST_ERROR_STATUS:
            raise _service_error(response, request, others)
        if operation.answer is None:
            _expect_object_start(response)
        elif not response.complete:
            raise TransportError("the connection was lost in the middle of the answer", sent=True)
        else:
            answer = CONVERTER.structure(_parse_object(response), operation.answer)  # type: ignore[assignment]
    except CognitoError as error:
        error.operation = operation.name
        raise
    except Misshapen as fault:
        misshapen = str(fault)
    if misshapen:  # raised here because inside the handler its context would hold what the answer says
        unreadable = _unreadable(f"a member of the answer is not {misshapen}", response)
        unreadable.operation = operation.name
        raise unreadable
    return answer  # type: ignore[return-value]  # None only where ResponseT is None


def _expect_object_start(response: HttpResponse) -> None:
    """Refuse what a proxy may answer with 200; a cut-off object is as good as a whole one where nothing is read."""
    start = response.body[:64].lstrip()
    if start and not start.startswith(b"{"):
        raise _unreadable("the answer is not JSON", response)


def _parse_object(response: HttpResponse) -> dict[str, Any]:
    parsed = _parsed(response.body) if response.body else {}
    if parsed is _NOT_JSON:
        raise _unreadable("the answer is not JSON", response)
    if not isinstance(parsed, dict):
        raise _unreadable("the answer is not a JSON object", response)
    return parsed


def _parsed(body: bytes) -> Any:
    """Parse JSON; not by way of an error, which would carry the body, and the body may hold tokens."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _unreadable(why: str, response: HttpResponse) -> InvalidResponseError:
    return InvalidResponseError(
        f"{why}: {len(response.body)} bytes of {_content_type(response)}", **_answer_facts(response)
    )


def _content_type(response: HttpResponse) -> str:
    return response.headers.get("Content-Type", "unknown type")[:64]


def _answer_facts(response: HttpResponse) -> dict[str, Any]:
    headers = response.headers
    return {
        "status": response.status,
        "request_id": headers.get("x-amzn-RequestId", headers.get("x-amz-request-id")),
        "retry_after": _milliseconds(headers.get("x-amz-retry-after")),
        "server_date": headers.get("Date"),
    }


def _milliseconds(text: str | None) -> float | None:
    """Return a number of milliseconds in seconds."""
    short_enough = 10
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > short_enough:
        return None
    return int(text) / 1000


def _service_error(response: HttpResponse, request: Request[Any], others: Iterable[str]) -> CognitoError:
    # Imported here because successful calls do not need them.
    from cognito_async.errors.faults import CODES, fault_of, is_signature_expired  # noqa: PLC0415
    from cognito_async.errors.modelled import BY_CODE  # noqa: PLC0415
    from cognito_async.protocol.redaction import redact  # noqa: PLC0415

    try:
        body = _parse_object(response)
    except InvalidResponseError as unreadable:
        body = {}
        fallback: CognitoError = unreadable
    else:
        fallback = _unreadable("an error without a code", response)
    code = _error_code(body, response.headers)
    if code is None:
        return fallback

    def masked(text: str) -> str:
        return redact(text, request, others)[:MAX_MESSAGE_LENGTH]

    text = body.get("message", body.get("Message"))
    text = text if isinstance(text, str) else ""
    # Classified before masking: the fault must not depend on the values that the request happens to hold.
    fault = fault_of(code, text, status=response.status, operation=request.OPERATION.name)
    kind = BY_CODE.get(code, ServiceError)
    shown_code = code if code in CODES else masked(code)
    error = kind(masked(text) or shown_code, code=shown_code, fault=fault, **_answer_facts(response))
    if is_signature_expired(code, text):
        error.signature_expired = True
    for name, wire_name in kind.EXTRA_MEMBERS.items():
        value = body.get(wire_name)
        setattr(error, name, masked(value) if isinstance(value, str) else None)
    return error


def _error_code(body: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    """Return the error code of ``__type``, the header or ``code``, without namespace and trailing colon."""
    for candidate in (body.get("__type"), headers.get("x-amzn-ErrorType"), body.get("code")):
        if isinstance(candidate, str):
            code = candidate.partition(":")[0].rpartition("#")[2].strip()
            if code:
                return code[:128]
    return None
