"""The client: all operations as methods, with bound values filled in."""

from collections.abc import Awaitable, Callable, Coroutine
from copy import copy
from typing import TYPE_CHECKING, Any

from cognito_async.call import Timeouts
from cognito_async.operations.methods import OperationMethods
from cognito_async.protocol.binding import Bound, missing
from cognito_async.protocol.operation import Request, ResponseT
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.validation import validate

if TYPE_CHECKING:
    from cognito_async.session import AsyncCognitoSession


class CognitoClient(OperationMethods):
    """All operations of Amazon Cognito user pools, each as an awaitable method with keyword arguments.

    Made by ``AsyncCognitoSession.client``. The values that it is bound to fill ``client_id``, ``user_pool_id`` and the
    secret hash wherever an operation takes them; a value given to the call wins.
    """

    def __init__(
        self,
        session: "AsyncCognitoSession",
        bound: Bound,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Take the session that sends, and what to fill in."""
        self._session = session
        self._bound = bound
        self._timeouts = timeouts
        self._retry = retry

    def __repr__(self) -> str:
        return f"CognitoClient({self._bound!r})"

    @property
    def session(self) -> "AsyncCognitoSession":
        """The session that it sends through."""
        return self._session

    @property
    def bound(self) -> Bound:
        """The values that it is bound to."""
        return self._bound

    def with_options(self, *, timeouts: Timeouts | None = None, retry: RetryPolicy | None = None) -> "CognitoClient":
        """Make a copy with other options, on the same connections.

        Args:
            timeouts: The time limits of its calls; None to keep this client's.
            retry: The retry policy of its calls; None to keep this client's.

        Returns:
            The copy.
        """
        return CognitoClient(
            self._session, self._bound, timeouts=timeouts or self._timeouts, retry=retry or self._retry
        )

    def prepare(self, request: Request[ResponseT]) -> Request[ResponseT]:
        """Fill in the bound values and check a request, as before sending it, but send nothing.

        Args:
            request: An instance of one of the classes in ``cognito_async.operations``.

        Returns:
            A copy, as it would be sent.

        Raises:
            ParameterValidationError: The request breaks a rule.
        """
        copied = self._fill(copy(request))
        validate(copied)
        return copied

    async def send(
        self, request: Request[ResponseT], *, before: Callable[[], Awaitable[object]] | None = None
    ) -> ResponseT:
        """Fill in the bound values and send a request, as each operation's method does with the one that it makes.

        Args:
            request: An instance of one of the classes in ``cognito_async.operations``.
            before: Awaited right before each attempt leaves, see ``AsyncCognitoSession.send``; None for nothing.

        Returns:
            The operation's answer; None where it has no members.

        Raises:
            ParameterValidationError: The request breaks a rule; nothing was sent.
            CognitoError: Any other failure, see ``cognito_async.errors``.
        """
        return await self._call(copy(request), before)

    def _call(
        self, request: Request[ResponseT], before: Callable[[], Awaitable[object]] | None = None
    ) -> Coroutine[Any, Any, ResponseT]:
        return self._session.send(
            self._fill(request),
            timeouts=self._timeouts,
            retry=self._retry,
            user_pool_id=self._bound.user_pool_id,
            before=before,
        )

    def _fill(self, request: Request[ResponseT]) -> Request[ResponseT]:
        """Fill in the bound values: in place, although it is frozen, since the request is new and ours alone."""
        for name, value in missing(request, self._bound).items():
            object.__setattr__(request, name, value)
        return request
