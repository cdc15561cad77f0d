"""Operations and the base class of their requests."""

from collections.abc import Coroutine
from typing import Any, ClassVar, Generic, TypeVar

from cognito_async.protocol.shapes import Structure

TARGET_PREFIX = "AWSCognitoIdentityProviderService."

ResponseT = TypeVar("ResponseT", covariant=True)  # noqa: PLC0105 - ResponseT_co would be harder to read


class Operation:
    """An operation of the service.

    Attributes:
        name: The AWS name, e.g. ``"ConfirmForgotPassword"``.
        signed: True if requests must be signed with AWS credentials, False if they never are, None if they are signed
            only when the session has credentials.
        category: The quota category, e.g. ``"UserAccountRecovery"``; None if AWS publishes none.
        answer: The response class; None if the response has no members.
        fills: The bound values that a client fills in: pairs of a rule of ``protocol.binding`` and a member name.
        target: The name on the wire, including the service's prefix.
    """

    __slots__ = ("answer", "category", "fills", "name", "signed", "target")

    def __init__(
        self,
        name: str,
        *,
        signed: bool | None = True,
        category: str | None = None,
        answer: type[Structure] | None = None,
        fills: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.name: str = name
        self.target: str = TARGET_PREFIX + name
        self.signed: bool | None = signed
        self.category: str | None = category
        self.answer: type[Structure] | None = answer
        self.fills: tuple[tuple[str, str], ...] = fills

    def __repr__(self) -> str:
        return f"Operation({self.name!r})"


class Request(Structure, Generic[ResponseT]):
    """Base of the generated request classes; the type parameter is the response class."""

    __slots__ = ()
    OPERATION: ClassVar[Operation]


class OperationCaller:
    """Base of the generated methods: sends requests."""

    async def send(self, request: Request[ResponseT]) -> ResponseT:
        """Send a request and return the response."""
        raise NotImplementedError

    def _call(self, request: Request[ResponseT]) -> Coroutine[Any, Any, ResponseT]:
        """Send a new request that is not shared and may be filled in place."""
        raise NotImplementedError
