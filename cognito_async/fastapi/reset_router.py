"""Routes that reset a forgotten password: one asks for a code, one takes it together with the new password."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, status
from pydantic import BaseModel, Field

from cognito_async.client import CognitoClient
from cognito_async.fastapi.answers import problem_route
from cognito_async.fastapi.body import JSON, MULTIPART, URLENCODED, TextField, read_fields
from cognito_async.fastapi.dependencies import (
    LONGEST_ENCODED_DATA,
    client_metadata,
    dependencies_of,
    with_encoded_data,
)
from cognito_async.fastapi.documents import problem_responses
from cognito_async.fastapi.guards import admit, refuse_foreign
from cognito_async.fastapi.password_policy import PasswordPolicy
from cognito_async.fastapi.problem import Problems
from cognito_async.fastapi.problem_table import PROBLEMS
from cognito_async.fastapi.rate_limit import MemoryRateLimit, RateLimit
from cognito_async.fastapi.reset_confirmation import ResetConfirmation
from cognito_async.fastapi.reset_queue import ResetRequests
from cognito_async.fastapi.settings import DEFAULT_POOL
from cognito_async.fastapi.visitor import Address, household
from cognito_async.operations import UserContextDataType

USERNAME = TextField(name="username", longest=128, description="The user's name, e-mail address or telephone number.")
CODE = TextField(name="code", longest=2048, description="The code that was sent.")
PASSWORD = TextField(name="password", longest=256, free=True, description="The new password.")
ENCODED_DATA = TextField(
    name="encoded_data",
    longest=LONGEST_ENCODED_DATA,
    required=False,
    free=True,
    description="What AWS's script for threat protection found out about the device.",
)
REQUEST_FIELDS = (USERNAME, ENCODED_DATA)
CONFIRM_FIELDS = (USERNAME, CODE, PASSWORD, ENCODED_DATA)
MOST_BYTES = 32 * 1024

_READING = ("MalformedBodyError", "UnsupportedBodyError", "BodyTooLargeError", "BadInputError", "CrossOriginError")
_REQUEST_PROBLEMS = (*_READING, "RateLimitedError", "ResetQueueFullError")
_CONFIRM_PROBLEMS = (
    *(*_READING, "RateLimitedError", "WeakPasswordError", "CodeMismatchException", "TooManyFailedAttemptsException"),
    *("TooManyRequestsException", "ConnectError", "RequestTimeoutError", "ConfirmForgotPassword:AmbiguousOutcomeError"),
    "CognitoError",
)


class ResetRequested(BaseModel):
    """The answer to everybody who asks for a code."""

    detail: str = "If there is such a user, a code is on its way."


class PasswordChanged(BaseModel):
    """The answer to who has set a new password."""

    detail: str = "The password was changed."
    signed_out_elsewhere: bool | None = Field(
        default=None, description="Whether all other sessions were ended; null where the site does not end them."
    )


def password_reset_router(
    pool: str = DEFAULT_POOL,
    *,
    problems: Problems = PROBLEMS,
    password_policy: PasswordPolicy | None = PasswordPolicy(),  # noqa: B008 - frozen
    address_limit: RateLimit | None = None,
    username_limit: RateLimit | None = None,
    allowed_origins: Collection[str] = (),
    sign_out_elsewhere: bool = False,
    floor: float = 0.5,
) -> APIRouter:
    """Make the routes ``POST /forgot-password`` and ``POST /reset-password``; JSON and forms are taken.

    Args:
        pool: The pool's name in this program.
        problems: The answers to errors.
        password_policy: The pool's password policy, checked before the pool is asked, so that the answer says nothing
            about the user; then the pool's own refusal of a password looks like a wrong code. None to leave it to the
            pool.
        address_limit: Counts the requests from each address; None for 20 within a minute.
        username_limit: Counts the attempts to set a password for each user name, real or not; None for 5 within 15
            minutes.
        allowed_origins: Further origins whose pages may send forms here, such as ``"https://www.example.com"``.
        sign_out_elsewhere: Whether to end all sessions of the user after the reset. It needs AWS credentials and the
            pool's id; where it fails, that is logged, and the answer says so.
        floor: The least time that an answer about a code takes, in seconds, so that time tells less about the user.

    Returns:
        The router. It needs the pool's lifespan, and nothing else: it answers its errors itself.
    """
    confirmation = ResetConfirmation(
        password_policy=password_policy,
        # Not "or": a limit that has counted nothing yet may well be false.
        username_limit=MemoryRateLimit(5, 900.0) if username_limit is None else username_limit,
        sign_out_elsewhere=sign_out_elsewhere,
        floor=floor,
    )
    addresses = MemoryRateLimit(20, 60.0) if address_limit is None else address_limit
    router = APIRouter(route_class=problem_route(problems), tags=["password reset"])
    needs = dependencies_of(pool)

    # A plain function where two dependencies would do as well: FastAPI takes as long over each as over a small route.
    async def admitted(request: Request, visitor: Address | None, wanted: Sequence[TextField]) -> dict[str, str]:
        refuse_foreign(request, allowed_origins)
        await admit(addresses, household(visitor))
        return await read_fields(request, wanted, most_bytes=MOST_BYTES)

    @router.post(
        "/forgot-password",
        status_code=status.HTTP_202_ACCEPTED,
        responses=problem_responses(*_REQUEST_PROBLEMS, problems=problems),
        openapi_extra=_body_of(REQUEST_FIELDS),
    )
    async def forgot_password(
        request: Request,
        response: Response,
        resets: Annotated[ResetRequests, Depends(needs.reset_requests)],
        visitor: Annotated[Address | None, Depends(needs.visitor)],
        context: Annotated[UserContextDataType | None, Depends(needs.user_context)],
        metadata: Annotated[Mapping[str, str], Depends(client_metadata)],
    ) -> ResetRequested:
        """Ask for a code. The answer is the same whether or not there is such a user."""
        fields = await admitted(request, visitor, REQUEST_FIELDS)
        resets.submit(
            fields["username"],
            user_context_data=with_encoded_data(context, fields.get("encoded_data")),
            client_metadata=metadata or None,
        )
        response.headers["Cache-Control"] = "no-store"
        return ResetRequested()

    @router.post(
        "/reset-password",
        responses=problem_responses(*_CONFIRM_PROBLEMS, problems=problems),
        openapi_extra=_body_of(CONFIRM_FIELDS),
    )
    async def reset_password(
        request: Request,
        response: Response,
        client: Annotated[CognitoClient, Depends(needs.client)],
        visitor: Annotated[Address | None, Depends(needs.visitor)],
        context: Annotated[UserContextDataType | None, Depends(needs.user_context)],
        metadata: Annotated[Mapping[str, str], Depends(client_metadata)],
    ) -> PasswordChanged:
        """Set a new password with the code that was sent."""
        fields = await admitted(request, visitor, CONFIRM_FIELDS)
        signed_out = await confirmation.confirm(
            client,
            username=fields["username"],
            code=fields["code"],
            password=fields["password"],
            user_context_data=with_encoded_data(context, fields.get("encoded_data")),
            client_metadata=metadata or None,
        )
        response.headers["Cache-Control"] = "no-store"
        return PasswordChanged(signed_out_elsewhere=signed_out)

    return router


def _body_of(fields: Sequence[TextField]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {field.name: field.schema for field in fields},
        "required": [field.name for field in fields if field.required],
    }
    return {
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": schema} for kind in (JSON, URLENCODED, MULTIPART)},
        }
    }
