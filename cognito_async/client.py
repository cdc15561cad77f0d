"""The client: a method for each operation, with the bound values filled in."""

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve

from cognito_async import operations
from cognito_async.call import CallOptions, Timeouts
from cognito_async.errors import ParameterValidationError
from cognito_async.operations.methods import OperationMethods
from cognito_async.protocol.binding import Bound, missing
from cognito_async.protocol.operation import Operation, RawRequest, Request, ResponseT
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.shapes import JsonValue
from cognito_async.protocol.validation import guarded, validate

if TYPE_CHECKING:
    from cognito_async.location import Location
    from cognito_async.operations import AnalyticsMetadataType, ContextDataType, UserContextDataType
    from cognito_async.protocol.idempotency import Idempotency
    from cognito_async.session import AsyncCognitoSession
    from cognito_async.sign_in import Device, SignInResult
    from cognito_async.sign_in.flow import AdminSignInFlow, SignInFlow


class CognitoClient(OperationMethods):
    """All operations of Amazon Cognito user pools, each an async method with keyword arguments.

    Created by ``AsyncCognitoSession.client``. Its bound values fill ``client_id``, ``user_pool_id`` and the secret hash
    of every request that takes them; a value passed to the call takes precedence.
    """

    __module__ = "cognito_async"

    def __init__(self, session: "AsyncCognitoSession", bound: Bound, options: CallOptions) -> None:
        self._session = session
        self._bound = bound
        self._options = options

    def __repr__(self) -> str:
        bound = self._bound
        return f"CognitoClient({bound!r}, {self._session.describe(bound.user_pool_id)})"

    @property
    def session(self) -> "AsyncCognitoSession":
        """The session that sends the client's requests."""
        return self._session

    @property
    def bound(self) -> Bound:
        """The bound values."""
        return self._bound

    def with_options(self, *, timeouts: Timeouts | None = None, retry: RetryPolicy | None = None) -> "CognitoClient":
        """Return a copy with other options, which shares the connections.

        Args:
            timeouts: The time limits of the copy's calls; None to keep this client's.
            retry: The retry policy of the copy's calls; None to keep this client's.

        Returns:
            The copy.
        """
        options = CallOptions(timeouts or self._options.timeouts, retry or self._options.retry)
        return CognitoClient(self._session, self._bound, options)

    def prepare(self, request: Request[ResponseT]) -> Request[ResponseT]:
        """Fill in the bound values and validate a request without sending it.

        Args:
            request: An instance of one of the request classes in ``cognito_async.operations``.

        Returns:
            A copy of the request as it would be sent.

        Raises:
            ParameterValidationError: The request is invalid.
        """
        filled = self._fill(request)
        validate(filled, at_aws=location_of(self).is_at_aws)
        return filled

    async def send(self, request: Request[ResponseT]) -> ResponseT:
        """Fill in the bound values and send a request, as the method of its operation does.

        Args:
            request: An instance of one of the request classes in ``cognito_async.operations``.

        Returns:
            The operation's response; None if it has no members.

        Raises:
            ParameterValidationError: The request is invalid; nothing was sent.
            CognitoError: Any other failure, see ``cognito_async.errors``.
        """
        return await self._call(self._fill(request))

    async def call(
        self, operation: str, payload: Mapping[str, JsonValue] | None = None, *, signed: bool = True
    ) -> dict[str, Any]:
        """Call an operation by its AWS name, such as one that is newer than this version.

        The payload is sent as it is: bound values are not filled in, and only its form and a ``UserPoolId`` are
        checked. Retries, time limits and rate limits are those of other calls. Operations that this version knows keep
        their signing, quota category and idempotency. Of others, only reads (Get…, List…, Describe…) are retried when
        the outcome is ambiguous.

        Args:
            operation: The AWS name, e.g. ``"DescribeUserPool"``.
            payload: The members by their AWS names: JSON values. Error messages mask secrets by name, at any depth.
                None for no members.
            signed: Whether an operation that this version does not know is signed with AWS credentials.

        Returns:
            The members of the response by their AWS names, as in the JSON; empty if there are none.

        Raises:
            ParameterValidationError: The name or the payload is invalid; nothing was sent.
            AmbiguousOutcomeError: The outcome is unknown.
            CognitoError: Any other failure, see ``cognito_async.errors``.
        """
        request = RawRequest(OPERATION=_operation(operation, signed=signed), extra={} if payload is None else payload)
        del payload  # tracebacks with locals show the masked request instead
        if not _is_operation_name(operation):
            raise ParameterValidationError("operation", "must be the AWS name of an operation, such as 'ListUsers'")
        response = await self._session.send(
            request,
            timeouts=self._options.timeouts,
            retry=self._options.retry,
            user_pool_id=guarded(_user_pool_id, request) or self._bound.user_pool_id,
        )
        return response or {}  # None if the operation is known to return nothing

    async def sign_in(
        self,
        *,
        username: str,
        password: str | None = None,
        auth_flow: "SignInFlow" = "USER_SRP_AUTH",
        preferred_challenge: str | None = None,
        device: "Device | None" = None,
        remember_device: bool = False,
        session: str | None = None,
        client_metadata: Mapping[str, str] | None = None,
        user_context_data: "UserContextDataType | None" = None,
        analytics_metadata: "AnalyticsMetadataType | None" = None,
    ) -> "SignInResult":
        """Start to sign a user in. Challenges that need no user, such as SRP, are answered.

        https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-authentication-flow-methods.html

        Args:
            username: The username or an alias (1 to 128 characters).
            password: The password (1 to 256 characters); None for a sign-in without one.
            auth_flow: ``"USER_SRP_AUTH"`` proves the password without sending it; the client needs a user pool ID.
                ``"USER_PASSWORD_AUTH"`` sends it. ``"USER_AUTH"`` lets the user choose a factor. ``"CUSTOM_AUTH"``
                runs the Lambda triggers; with a password, after SRP.
            preferred_challenge: The first factor of ``USER_AUTH``, e.g. ``"EMAIL_OTP"``. None for ``"PASSWORD_SRP"``
                with a password, and for a SelectChallenge without one.
            device: The remembered device of an earlier sign-in, which replaces MFA. None if there is none.
            remember_device: Whether to remember a new device, see ``SignedIn.device``.
            session: The session of ConfirmSignUp, to sign in with ``USER_AUTH`` without another factor. None for none.
            client_metadata: Passed to the Lambda triggers with each request. None for none.
            user_context_data: The user's context for threat protection. None for none.
            analytics_metadata: The Amazon Pinpoint endpoint. None for none.

        Returns:
            SignedIn, or the first challenge for the user, see ``cognito_async.sign_in``.

        Raises:
            ParameterValidationError: An argument is invalid; nothing was sent.
            NotAuthorizedException: The username or the password is wrong, or the user is disabled.
            PasswordResetRequiredException: The user must reset the password.
            UserNotConfirmedException: The user must confirm the sign-up.
            AmbiguousOutcomeError: The outcome is unknown; start a new sign-in.
            CognitoError: Any other failure, see ``cognito_async.errors``.
        """
        from cognito_async.sign_in.challenges import result_of  # noqa: PLC0415 - keeps the import of the client fast
        from cognito_async.sign_in.flow import Flow, Start, start  # noqa: PLC0415

        context = {
            "client_metadata": client_metadata,
            "user_context_data": user_context_data,
            "analytics_metadata": analytics_metadata,
        }
        flow = Flow(client=self, username=username, device=device, remember_device=remember_device, context=context)
        how = Start(auth_flow=auth_flow, password=password, preferred_challenge=preferred_challenge, session=session)
        del username, password, device, session, client_metadata, user_context_data, context
        return result_of(await start(flow, how))

    async def admin_sign_in(
        self,
        *,
        username: str,
        password: str | None = None,
        auth_flow: "AdminSignInFlow" = "ADMIN_USER_PASSWORD_AUTH",
        preferred_challenge: str | None = None,
        device: "Device | None" = None,
        remember_device: bool = False,
        session: str | None = None,
        client_metadata: Mapping[str, str] | None = None,
        context_data: "ContextDataType | None" = None,
        analytics_metadata: "AnalyticsMetadataType | None" = None,
    ) -> "SignInResult":
        """Start to sign a user in with the Admin operations, which need AWS credentials; see ``sign_in``.

        Args:
            username: The username or an alias (1 to 128 characters).
            password: The password (1 to 256 characters); None for a sign-in without one.
            auth_flow: ``"ADMIN_USER_PASSWORD_AUTH"`` sends the password; ``"USER_SRP_AUTH"``, ``"USER_AUTH"`` and
                ``"CUSTOM_AUTH"`` as for ``sign_in``.
            preferred_challenge: The first factor of ``USER_AUTH``. None as for ``sign_in``.
            device: The remembered device of an earlier sign-in. None if there is none.
            remember_device: Whether to remember a new device.
            session: The session of ConfirmSignUp. None for none.
            client_metadata: Passed to the Lambda triggers with each request. None for none.
            context_data: The user's context for threat protection. None for none.
            analytics_metadata: The Amazon Pinpoint endpoint. None for none.

        Returns:
            SignedIn, or the first challenge for the user.

        Raises:
            CognitoError: See ``sign_in``.
        """
        from cognito_async.sign_in.challenges import result_of  # noqa: PLC0415
        from cognito_async.sign_in.flow import Flow, Start, start  # noqa: PLC0415

        context = {
            "client_metadata": client_metadata,
            "context_data": context_data,
            "analytics_metadata": analytics_metadata,
        }
        flow = Flow(
            client=self,
            admin=True,
            username=username,
            device=device,
            remember_device=remember_device,
            context=context,
        )
        how = Start(auth_flow=auth_flow, password=password, preferred_challenge=preferred_challenge, session=session)
        del username, password, device, session, client_metadata, context_data, context
        return result_of(await start(flow, how))

    def resume_sign_in(
        self,
        state: str,
        *,
        device: "Device | None" = None,
        user_context_data: "UserContextDataType | ContextDataType | None" = None,
    ) -> "SignInResult":
        """Return the challenge of a state, to answer it in another request or process.

        Args:
            state: The result of the challenge's ``state()``.
            device: The remembered device that was passed to the sign-in. None if there was none.
            user_context_data: The user's context in this request, for threat protection; a ContextDataType after
                ``admin_sign_in``. None for none.

        Returns:
            The challenge.

        Raises:
            ParameterValidationError: The state is unreadable or of another app client, or the device is invalid.
        """
        from cognito_async.sign_in.challenges import resumed  # noqa: PLC0415
        from cognito_async.sign_in.flow import device_rule  # noqa: PLC0415
        from cognito_async.sign_in.user_input import Secret, check  # noqa: PLC0415

        step, given = resumed(self, state, device, user_context_data), Secret(device)
        del state, device
        check("device", given, device_rule)
        if step is None:
            raise ParameterValidationError("state", "is unreadable; start a new sign-in")
        return step

    async def verify_password(self, *, username: str, password: str) -> bool:
        """Return whether a password is the user's, without keeping the sign-in that this needs.

        It counts as a sign-in attempt, and the service may send an MFA code. Tokens that it returns are revoked. After
        an AmbiguousOutcomeError of a password change, it shows whether the change was applied.

        Args:
            username: The username or an alias.
            password: The password, which SRP proves without sending it.

        Returns:
            True if the service accepts the password; False for "Incorrect username or password.".

        Raises:
            ParameterValidationError: An argument is invalid; nothing was sent.
            CognitoError: Any other failure, such as too many attempts or a disabled user.
        """
        from cognito_async.sign_in.flow import Flow, Start, verify_password  # noqa: PLC0415

        flow, how = Flow(client=self, username=username), Start(auth_flow="USER_SRP_AUTH", password=password)
        del username, password
        return await verify_password(flow, how)

    def _call(self, request: Request[ResponseT], options: CallOptions | None = None) -> Coroutine[Any, Any, ResponseT]:
        if self._bound.client_secret is not None:
            request = self._fill(request)
        return self._session.start_call(request, options or self._options, self._bound.user_pool_id)

    def _fill(self, request: Request[ResponseT]) -> Request[ResponseT]:
        """Return the request with the bound values."""
        changes = guarded(partial(missing, bound=self._bound), request)
        return request.with_members(changes) if changes else request


def send_with(
    client: CognitoClient,
    request: Request[ResponseT],
    *,
    before: Callable[[], Awaitable[object]] | None = None,
    idempotency: "Idempotency | None" = None,
) -> Coroutine[Any, Any, ResponseT]:
    """Send a request with internal options, see ``CallOptions``."""
    options = evolve(client._options, before=before, idempotency=idempotency)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return client._call(client._fill(request), options)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def location_of(client: CognitoClient) -> "Location":
    """Return where a client's requests go; internal."""
    return client.session._location  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _is_operation_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Z][A-Za-z0-9]{0,127}", value) is not None


def _operation(name: str, *, signed: bool) -> Operation:
    """Describe an operation for calls by AWS names, with what this version knows about it."""
    known: Operation | None = getattr(getattr(operations, f"{name}Request", None), "OPERATION", None)
    if known is None:
        return Operation(f"{name}", signed=signed, response=dict)
    response = None if known.response is None else dict
    return Operation(known.name, signed=known.signed, category=known.category, response=response)


def _user_pool_id(request: Request[Any]) -> str | None:
    """Return the user pool ID, whose region the request is sent to."""
    value = request.extra.get("UserPoolId") if isinstance(request.extra, Mapping) else None
    return value if isinstance(value, str) else None
