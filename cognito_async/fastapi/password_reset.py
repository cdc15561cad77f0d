"""Password resets: a router with both routes, and the confirmation and password policy for pages of your own."""

import asyncio
import logging
import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Annotated, Final, Self

from attrs import field, frozen
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field, SecretStr

from cognito_async.client import CognitoClient
from cognito_async.deadline import SharedTimer
from cognito_async.errors import CognitoError, InvalidPasswordException, PasswordHistoryPolicyViolationException
from cognito_async.fastapi.dependencies import client_metadata, dependencies_of, with_encoded_data
from cognito_async.fastapi.problems import PROBLEMS, PasswordNotAcceptedError, Problems, WeakPasswordError
from cognito_async.fastapi.rate_limits import (
    MemoryRateLimit,
    RateLimit,
    address_limit_of,
    check_client_limit,
    check_username_limit,
    client_ip_of,
    is_rate_limit,
)
from cognito_async.fastapi.request import (
    JSON,
    TEXT,
    VISIBLE,
    Address,
    Body,
    Stripped,
    UserBody,
    body_schema,
    check_origin,
    origins,
    read_body,
)
from cognito_async.fastapi.reset_queue import ResetRequests
from cognito_async.fastapi.responses import (
    BODY_PROBLEMS,
    NO_STORE,
    minimum_duration,
    problem_responses,
    problem_route,
)
from cognito_async.fastapi.settings import DEFAULT_POOL
from cognito_async.operations import PasswordPolicyType, UserContextDataType
from cognito_async.protocol.validators import number

SIGN_OUT_TIMEOUT: Final = 10.0

_LOG = logging.getLogger("cognito_async.fastapi")
_RESET_PROBLEMS: Final = (
    *(*BODY_PROBLEMS, "WeakPasswordError", "CodeMismatchException", "TooManyFailedAttemptsException"),
    *("TooManyRequestsException", "ConnectError", "RequestTimeoutError"),
    *("ConfirmForgotPassword:AmbiguousOutcomeError", "CognitoError"),
)
_DEFAULT_LENGTH: Final = 8
# As the service defines them: ASCII letters, these symbols, and ASCII whitespace.
_SYMBOL: Final = r"""[\^$*.\[\]\{\}\(\)?\-"!@#%&\/\\,><':;\|_~`+= ]"""
_WHITESPACE: Final = r"[ \t\n\v\f\r]"
_REQUIRED: Final = (
    ("require_lowercase", "a lowercase letter (a to z)", "[a-z]"),
    ("require_uppercase", "an uppercase letter (A to Z)", "[A-Z]"),
    ("require_numbers", "a digit", "[0-9]"),
    ("require_symbols", "a symbol (such as ! or -)", _SYMBOL),
)


@frozen
class PasswordRule:
    """A rule of a password policy."""

    text: str
    """The rule as it follows "must have"."""

    pattern: str
    """A regular expression for Python and JavaScript (flag ``u`` or ``v``), found in every valid password."""

    def matches(self, password: str) -> bool:
        """Return whether a password meets the rule."""
        return re.search(self.pattern, password) is not None


@frozen(kw_only=True)
class PasswordPolicy:
    """The requirements for new passwords. Use the policy of your pool; the defaults are those of a new pool.

    It is checked before Cognito is called, and for all usernames. A pool that checks it only for existing users would
    reveal them.
    """

    minimum_length: int = field(default=_DEFAULT_LENGTH, validator=number(6))
    """The minimum length in characters. The service does not accept less than 6."""

    require_lowercase: bool = True
    require_uppercase: bool = True
    require_numbers: bool = True
    require_symbols: bool = True

    @classmethod
    async def from_pool(cls, client: CognitoClient) -> Self:
        """Read the policy of the pool that a client is bound to; the default policy if it has none.

        This needs AWS credentials with the permission ``cognito-idp:DescribeUserPool``.

        Raises:
            CognitoError: The call failed, see ``CognitoClient.describe_user_pool``.
        """
        pool = (await client.describe_user_pool()).user_pool
        policy = pool and pool.policies and pool.policies.password_policy
        return cls.from_type(policy) if policy else cls()

    @classmethod
    def from_type(cls, policy: PasswordPolicyType) -> Self:
        """Convert the policy in a response of the service. Members that are None are not required."""
        return cls(
            minimum_length=policy.minimum_length or _DEFAULT_LENGTH,
            **{name: bool(getattr(policy, name)) for name, _, _ in _REQUIRED},
        )

    @property
    def rules(self) -> tuple[PasswordRule, ...]:
        """The rules of this policy."""
        return (
            PasswordRule(f"at least {self.minimum_length} characters", rf"[\s\S]{{{self.minimum_length}}}"),
            *(PasswordRule(text, pattern) for name, text, pattern in _REQUIRED if getattr(self, name)),
            # Python and JavaScript have no common anchor for the end of the text, hence the lookahead.
            PasswordRule(
                "no whitespace at the beginning or end", rf"^(?!{_WHITESPACE}|[\s\S]*{_WHITESPACE}(?![\s\S]))"
            ),
        )

    def broken_rules(self, password: str) -> tuple[str, ...]:
        """Return the rules that a password breaks, such as ``"must have a digit"``."""
        return tuple(f"must have {rule.text}" for rule in self.rules if not rule.matches(password))


@frozen(kw_only=True, eq=False)
class ResetConfirmation:
    """Sets new passwords with a code without revealing which users exist.

    Create one instance per application: it counts the attempts.
    """

    password_policy: PasswordPolicy | None = field(factory=PasswordPolicy)
    """The password policy of the pool, checked before Cognito is called so that the response reveals nothing.

    A password that the pool refuses in spite of it is reported like a wrong code. None leaves the check to the pool.
    """

    client_limit: RateLimit = field(
        factory=partial(MemoryRateLimit, 5, 900.0, network_hits={56: 10, 48: 15}), validator=is_rate_limit
    )
    """Limits the attempts per username and client, whether or not the user exists.

    Default: in 15 minutes 5 per IPv4 address or IPv6 /64 network, 10 per /56 and 15 per /48 network.
    """

    username_limit: RateLimit = field(factory=partial(MemoryRateLimit, 50, 900.0), validator=is_rate_limit)
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
            True if the user's other sessions were ended; False if they were not, or if this is unknown, such as after a
            lost response; None without ``sign_out_elsewhere``.

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
            raise WeakPasswordError("the password breaks the policy", field_errors={"password": broken_rules})
        # First by client, so that rejected attempts of one client do not count for all.
        client_ip = client_ip or client_ip_of(user_context_data)
        await check_username_limit(self.client_limit, username, client_ip, key_prefix="reset-password client ")
        await check_username_limit(self.username_limit, username, key_prefix="reset-password username ")
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
                raise PasswordNotAcceptedError("the user pool refused the password") from None
        return await _sign_out(client, username) if self.sign_out_elsewhere else None


async def _sign_out(client: CognitoClient, username: str) -> bool:
    """End all sessions of a user; return whether that is certain.

    Failures are logged: they must not hide that the password was changed.
    """
    try:
        async with asyncio.timeout(SIGN_OUT_TIMEOUT):
            await client.admin_user_global_sign_out(username=username)
    except Exception as error:  # noqa: BLE001 - see above
        name = (error.code if isinstance(error, CognitoError) else None) or type(error).__name__
        _LOG.error("the password was changed, but the user's other sessions may not have been ended: %s", name)
        return False
    return True


class ForgotPasswordBody(UserBody):
    """A request to send a password reset code."""


class ResetPasswordBody(ForgotPasswordBody):
    """A new password with the code that was sent."""

    code: Stripped = Field(
        description="The code that was sent.", min_length=1, max_length=2048, pattern=VISIBLE, repr=False
    )
    password: str = Field(
        description="The new password.", min_length=1, max_length=256, pattern=TEXT, repr=False,
        json_schema_extra={"format": "password"},
    )  # fmt: skip


class ResetRequested(BaseModel):
    """The response to every request for a code."""

    detail: str = "If the user exists, a code was sent."


class PasswordChanged(BaseModel):
    """The response to a successful reset."""

    detail: str = "The password was changed."
    signed_out_elsewhere: bool | None = Field(
        default=None,
        description="True if all other sessions were ended; false if they were not, or if this is unknown; null if it "
        "is not configured.",
    )


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

    Raises:
        ParameterValidationError: ``allowed_origins`` is no collection of origins, ``address_limit`` not a rate limit,
            ``pool`` not the name of a pool, or ``problems`` has a name that no error can have.
    """
    confirm = (ResetConfirmation() if confirmation is None else confirmation).confirm
    limit = address_limit_of(address_limit)
    router = APIRouter(route_class=problem_route(problems), tags=["password reset"])
    dependencies = dependencies_of(pool)
    allowed = origins(allowed_origins)
    timer, requested = SharedTimer(), ResetRequested().model_dump_json()

    # The routes call this and create their responses, because FastAPI takes several times as long.
    async def accept(request: Request, client_ip: Address | None, model: type[Body]) -> Body:
        check_origin(request, allowed)
        await check_client_limit(limit, client_ip, "password-reset address ")
        return await read_body(request, model, timer)

    @router.post(
        "/forgot-password",
        status_code=202,
        response_model=ResetRequested,
        responses=problem_responses(*BODY_PROBLEMS, "ResetQueueFullError", problems=problems),
        openapi_extra=body_schema(ForgotPasswordBody),
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
        openapi_extra=body_schema(ResetPasswordBody),
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
