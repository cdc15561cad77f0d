"""Request bodies: limits of size and time, and errors without submitted values."""

from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from typing import Annotated, Any, ClassVar, Final, TypeVar, cast
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

from cognito_async.deadline import Deadline, SharedTimer
from cognito_async.fastapi import errors
from cognito_async.fastapi.dependencies import MAX_ENCODED_DATA
from cognito_async.fastapi.request_origin import JSON, media_type

URLENCODED: Final = "application/x-www-form-urlencoded"
FORMS: Final = frozenset({URLENCODED, "multipart/form-data"})
JSON_OR_FORM: Final = FORMS | {JSON}
MAX_BODY_BYTES: Final = 32 * 1024
BODY_TIMEOUT: Final = 10.0
MAX_FORM_FIELDS: Final = 20

# U+FFFD stands for bytes that are not valid in the encoding of a form.
VISIBLE = "^[^\\p{Cc}\\p{Cf}\\p{Co}\\p{Z}\ufffd]*$"
TEXT = "^[^\\p{Cc}\ufffd]*$"
Stripped = Annotated[str, StringConstraints(strip_whitespace=True)]

Body = TypeVar("Body", bound=BaseModel)


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
    if kind not in media_types or request.headers.get("content-encoding", "identity") != "identity":
        raise errors.UnsupportedBodyError("the body has an unsupported media type or a content encoding")
    body = await _parse_body(request, kind, await _read_bytes(request, timer), model, optional=optional)
    if isinstance(body, Exception):
        raise body
    return body


async def _read_bytes(request: Request, timer: SharedTimer | None) -> bytes:
    body = BytesIO()  # its repr does not show the content to error reporters
    error: errors.RequestRejectedError | None = None
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
            error = errors.BodyTooLargeError("the body exceeds the limit")
    except ClientDisconnect:
        error = errors.MalformedBodyError("the client disconnected before the end of the body")
    except TimeoutError:
        error = errors.BodyTimeoutError("the body did not arrive in time")
    except ValueError:
        error = errors.MalformedBodyError("Content-Length is not a number")
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
            return errors.MalformedBodyError("the form repeats a field")
        return model.model_validate(dict(fields))
    except ValidationError as error:
        items = error.errors(include_url=False, include_input=False)
    except (HTTPException, MultiPartException, ValueError, LookupError):
        return errors.MalformedBodyError("the body is not a form without files or has too many fields")
    if not items[0]["loc"]:
        return errors.MalformedBodyError("the body is not a JSON object")
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
