"""Password resets: a router with both routes, and the confirmation for pages of your own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO
from typing import Annotated, Any, ClassVar, Final, TypeVar
from urllib.parse import parse_qsl

from attrs import field, frozen
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

from cognito_async.client import CognitoClient
from cognito_async.deadline import Deadline, SharedTimer
from cognito_async.errors import CognitoError, InvalidPasswordException, PasswordHistoryPolicyViolationException
from cognito_async.fastapi import errors
from cognito_async.fastapi.dependencies import MAX_ENCODED_DATA, client_metadata, dependencies_of, with_encoded_data
from cognito_async.fastapi.password_policy import PasswordPolicy
from cognito_async.fastapi.problems import PROBLEMS, Problems
from cognito_async.fastapi.rate_limits import (
    MemoryRateLimit,
    RateLimit,
    check_client_limit,
    check_username_limit,
    client_ip_of,
)
from cognito_async.fastapi.request_origin import JSON, Address, check_origin, media_type
from cognito_async.fastapi.reset_queue import ResetRequests
from cognito_async.fastapi.responses import problem_responses, problem_route
from cognito_async.fastapi.settings import DEFAULT_POOL
from cognito_async.operations import UserContextDataType
from cognito_async.protocol.settings import number

URLENCODED: Final = "application/x-www-form-urlencoded"
FORMS: Final = frozenset({URLENCODED, "multipart/form-data"})
MAX_BODY_BYTES: Final = 32 * 1024
BODY_TIMEOUT: Final = 10.0
MAX_FORM_FIELDS: Final = 20
SIGN_OUT_TIMEOUT: Final = 10.0
NO_STORE: Final = {"Cache-Control": "no-store"}

_LOG = logging.getLogger("cognito_async.fastapi")
_PROBLEMS: Final = (
    *("MalformedBodyError", "UnsupportedBodyError", "BodyTooLargeError", "BodyTimeoutError", "BadInputError"),
    *("CrossOriginError", "RateLimitedError"),
)
_RESET_PROBLEMS: Final = (
    *(*_PROBLEMS, "WeakPasswordError", "CodeMismatchException", "TooManyFailedAttemptsException"),
    *("TooManyRequestsException", "ConnectError", "RequestTimeoutError"),
    *("ConfirmForgotPassword:AmbiguousOutcomeError", "CognitoError"),
)


@frozen(kw_only=True, eq=False)
class ResetConfirmation:
    """Sets new passwords with a code without revealing which users exist.

    Create one instance per application: it counts the attempts.
    """

    password_policy: PasswordPolicy | None = field(factory=PasswordPolicy)
    """The password policy of the pool, checked before Cognito is called so that the response reveals nothing.

    A password that the pool refuses in spite of it is reported like a wrong code. None leaves the check to the pool.
    """

    client_limit: RateLimit = field(factory=partial(MemoryRateLimit, 5, 900.0, network_hits={56: 10, 48: 15}))
    """Limits the attempts per username and client, whether or not the user exists.

    Default: in 15 minutes 5 per IPv4 address or IPv6 /64 network, 10 per /56 and 15 per /48 network.
    """

    username_limit: RateLimit = field(factory=partial(MemoryRateLimit, 50, 900.0))
    """Limits the attempts per username from all clients. Default: 50 in 15 minutes.

    A lower limit makes it easier to lock a user out, a higher one to guess a code from many clients.
    """

    sign_out_elsewhere: bool = False
    """Whether to end all sessions of the user after the reset. This needs AWS credentials and the user pool ID."""

    minimum_duration: float = field(default=0.5, validator=number(0))
    """The minimum time to check a code, in seconds, so that response times reveal less about the user."""

    async def confirm(
        self,
        client: CognitoClient,
        *,
        username: str,
        code: str,
        password: str,
        user_context_data: UserContextDataType | None = None,
        client_metadata: Mapping[str, str] | None = None,
        client_ip: Address | None = None,
    ) -> bool | None:
        """Set a new password with ConfirmForgotPassword.

        Args:
            client: A client bound to the app client, and to the user pool for ``sign_out_elsewhere``.
            username: The username or alias as entered. The user need not exist.
            code: The code that was sent to the user.
            password: The new password.
            user_context_data: The client IP and device data for threat protection; None for none.
            client_metadata: Input for Lambda triggers; None for none.
            client_ip: The client IP for ``client_limit``; None for the one of ``user_context_data``.

        Returns:
            Whether the user's other sessions were ended; None without ``sign_out_elsewhere``.

        Raises:
            WeakPasswordError: The password breaks the policy. Cognito was not called.
            RateLimitedError: Too many attempts for this username, by this client or in total. Cognito was not called.
            PasswordNotAcceptedError: The pool refused a password that meets the policy.
            CognitoError: ConfirmForgotPassword failed.
        """
        policy = self.password_policy
        broken_rules = policy.broken_rules(password) if policy is not None else ()
        secret_code, secret_password = SecretStr(code), SecretStr(password)
        del code, password  # error reporters collect the local variables of frames
        if broken_rules:
            raise errors.WeakPasswordError("the password breaks the policy", field_errors={"password": broken_rules})
        # First by client, so that rejected attempts of one client do not count for all.
        await check_username_limit(self.client_limit, username, client_ip or client_ip_of(user_context_data))
        await check_username_limit(self.username_limit, username)
        async with minimum_duration(self.minimum_duration):
            try:
                await client.confirm_forgot_password(
                    username=username,
                    confirmation_code=secret_code.get_secret_value(),
                    password=secret_password.get_secret_value(),
                    user_context_data=user_context_data,
                    client_metadata=client_metadata,
                )
            except (InvalidPasswordException, PasswordHistoryPolicyViolationException):
                if policy is None:
                    raise
                _LOG.info("the user pool refused a password that meets the policy; check that the policies are equal")
                raise errors.PasswordNotAcceptedError("the user pool refused the password") from None
        return await _sign_out(client, username) if self.sign_out_elsewhere else None


@asynccontextmanager
async def minimum_duration(seconds: float) -> AsyncGenerator[None]:
    """Extend the block to a minimum duration in seconds, also if it raises an error."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    try:
        yield
    except Exception:
        await asyncio.sleep(end - clock())
        raise
    if end > clock():  # otherwise sleep yields to the event loop
        await asyncio.sleep(end - clock())


async def _sign_out(client: CognitoClient, username: str) -> bool:
    """End all sessions of a user; log failures, which must not hide that the password was changed."""
    try:
        async with asyncio.timeout(SIGN_OUT_TIMEOUT):
            await client.admin_user_global_sign_out(username=username)
    except Exception as error:  # noqa: BLE001 - see above
        name = (error.code if isinstance(error, CognitoError) else None) or type(error).__name__
        _LOG.error("the password was changed, but the user's other sessions were not ended: %s", name)
        return False
    return True


# U+FFFD stands for bytes that are not valid in the encoding of a form.
_VISIBLE = "^[^\\p{Cc}\\p{Cf}\\p{Co}\\p{Z}\ufffd]*$"
_TEXT = "^[^\\p{Cc}\ufffd]*$"
_Stripped = Annotated[str, StringConstraints(strip_whitespace=True)]


class ForgotPasswordBody(BaseModel):
    """A request to send a password reset code."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    username: _Stripped = Field(
        description="The username, e-mail address or phone number.", min_length=1, max_length=128, pattern=_VISIBLE
    )
    encoded_data: str | None = Field(
        None, description="Device data from AWS's threat protection script.", max_length=MAX_ENCODED_DATA,
        pattern=_TEXT, repr=False,
    )  # fmt: skip


class ResetPasswordBody(ForgotPasswordBody):
    """A new password with the code that was sent."""

    code: _Stripped = Field(
        description="The code that was sent.", min_length=1, max_length=2048, pattern=_VISIBLE, repr=False
    )
    password: str = Field(
        description="The new password.", min_length=1, max_length=256, pattern=_TEXT, repr=False,
        json_schema_extra={"format": "password"},
    )  # fmt: skip


class ResetRequested(BaseModel):
    """The response to every request for a code."""

    detail: str = "If the user exists, a code was sent."


class PasswordChanged(BaseModel):
    """The response to a successful reset."""

    detail: str = "The password was changed."
    signed_out_elsewhere: bool | None = Field(
        default=None, description="Whether all other sessions were ended; null if this is not configured."
    )


Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request, model: type[Body], timer: SharedTimer | None = None) -> Body:
    """Parse a body, JSON or form, as a model; the errors contain no values."""
    kind = media_type(request.headers)
    if (kind != JSON and kind not in FORMS) or request.headers.get("content-encoding", "identity") != "identity":
        raise errors.UnsupportedBodyError("the body is neither JSON nor a form")
    body = await _parse_body(request, kind, await _read_bytes(request, timer), model)
    if isinstance(body, Exception):
        raise body
    return body


async def _read_bytes(request: Request, timer: SharedTimer | None) -> bytes:
    body = BytesIO()  # its repr does not show the content to error reporters
    error: errors.RequestRejectedError | None = None
    size = 0
    try:
        size = int(request.headers.get("content-length", "0"))
        if size <= MAX_BODY_BYTES:
            with Deadline(BODY_TIMEOUT, timer):
                async for chunk in request.stream():
                    body.write(chunk)
                    del chunk
                    if body.tell() > MAX_BODY_BYTES:
                        break
    except ClientDisconnect:
        error = errors.MalformedBodyError("the client disconnected before the end of the body")
    except TimeoutError:
        error = errors.BodyTimeoutError("the body did not arrive in time")
    except ValueError:
        error = errors.MalformedBodyError("Content-Length is not a number")
    if max(size, body.tell()) > MAX_BODY_BYTES:
        error = errors.BodyTooLargeError("the body exceeds the limit")
    if error is not None:
        raise error
    return body.getvalue()


async def _parse_body(request: Request, kind: str, body: bytes, model: type[Body]) -> Body | Exception:
    """Return the model or the error, which must not be raised from a frame that has the body."""
    try:
        if kind == JSON:
            return model.model_validate_json(body)
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
        return {"type": "http.request", "body": body, "more_body": False}

    return (await Request(request.scope, receive).form(max_files=0, max_fields=MAX_FORM_FIELDS)).multi_items()


def _request_body(model: type[BaseModel]) -> dict[str, Any]:
    content = {kind: {"schema": model.model_json_schema()} for kind in (JSON, *sorted(FORMS))}
    return {"requestBody": {"required": True, "content": content}}


def password_reset_router(
    pool: str = DEFAULT_POOL,
    *,
    confirmation: ResetConfirmation | None = None,
    problems: Problems = PROBLEMS,
    address_limit: RateLimit | None = None,
    allowed_origins: Collection[str] = (),
) -> APIRouter:
    """Return a router with ``POST /forgot-password`` and ``POST /reset-password`` for JSON and forms.

    Args:
        pool: The name of the pool in this application.
        confirmation: How new passwords are set; None for the defaults of ResetConfirmation.
        problems: The table of problems.
        address_limit: Limits the requests per client IP to both routes; None for 20 per minute and IPv4 address or IPv6
            /64 network, 80 per /56 and 300 per /48 network.
        allowed_origins: Other origins whose pages may submit forms, such as ``"https://www.example.com"``.

    Returns:
        The router. It handles its own errors and needs the lifespan of the pool.
    """
    confirm = (ResetConfirmation() if confirmation is None else confirmation).confirm
    limit = MemoryRateLimit(20, 60.0) if address_limit is None else address_limit  # an empty limit is falsy
    router = APIRouter(route_class=problem_route(problems), tags=["password reset"])
    dependencies = dependencies_of(pool)
    timer, requested = SharedTimer(), ResetRequested().model_dump_json()

    # The routes call this and create their responses, because FastAPI takes several times as long.
    async def accept(request: Request, client_ip: Address | None, model: type[Body]) -> Body:
        check_origin(request, allowed_origins)
        await check_client_limit(limit, client_ip)
        return await read_body(request, model, timer)

    @router.post(
        "/forgot-password",
        status_code=202,
        response_model=ResetRequested,
        responses=problem_responses(*_PROBLEMS, "ResetQueueFullError", problems=problems),
        openapi_extra=_request_body(ForgotPasswordBody),
    )
    async def forgot_password(
        request: Request,
        resets: Annotated[ResetRequests, Depends(dependencies.reset_requests)],
        client_ip: Annotated[Address | None, Depends(dependencies.client_ip)],
        context: Annotated[UserContextDataType | None, Depends(dependencies.user_context)],
        metadata: Annotated[Mapping[str, str], Depends(client_metadata)],
    ) -> Response:
        """Send a password reset code. The response does not depend on whether the user exists."""
        body = await accept(request, client_ip, ForgotPasswordBody)
        resets.submit(
            body.username,
            user_context_data=with_encoded_data(context, body.encoded_data),
            client_metadata=metadata or None,
            client_ip=client_ip,
        )
        return Response(requested, 202, NO_STORE, JSON)

    @router.post(
        "/reset-password",
        response_model=PasswordChanged,
        responses=problem_responses(*_RESET_PROBLEMS, problems=problems),
        openapi_extra=_request_body(ResetPasswordBody),
    )
    async def reset_password(
        request: Request,
        client: Annotated[CognitoClient, Depends(dependencies.client)],
        client_ip: Annotated[Address | None, Depends(dependencies.client_ip)],
        context: Annotated[UserContextDataType | None, Depends(dependencies.user_context)],
        metadata: Annotated[Mapping[str, str], Depends(client_metadata)],
    ) -> Response:
        """Set a new password with the code that was sent."""
        body = await accept(request, client_ip, ResetPasswordBody)
        signed_out = await confirm(
            client,
            username=body.username,
            code=body.code,
            password=body.password,
            user_context_data=with_encoded_data(context, body.encoded_data),
            client_metadata=metadata or None,
            client_ip=client_ip,
        )
        changed = PasswordChanged(signed_out_elsewhere=signed_out)
        return Response(changed.model_dump_json(), 200, NO_STORE, JSON)

    return router
