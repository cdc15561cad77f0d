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
    from cognito_async.protocol.idempotency import Idempotency
    from cognito_async.session import AsyncCognitoSession


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
        validate(filled)
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

        The payload is sent as it is: bound values are not filled in, and only its form is checked. Retries, time limits
        and rate limits are those of other calls. Operations that this version knows keep their signing, quota category
        and idempotency. Of others, only reads (Get…, List…, Describe…) are retried when the outcome is ambiguous.

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
