"""What is known of an operation before it is called."""

from collections.abc import Coroutine
from typing import Any, ClassVar, Generic, TypeVar

from cognito_async.protocol.shapes import Structure

TARGET_PREFIX = "AWSCognitoIdentityProviderService."

ResponseT = TypeVar("ResponseT", covariant=True)  # noqa: PLC0105 - it is read far more often than it is declared


class Operation:
    """One operation of the service.

    Attributes:
        name: The AWS name, e.g. ``"ConfirmForgotPassword"``.
        signed: True if it must be signed with AWS credentials, False if it never is, None if it is signed only when the
            session was given credentials.
        category: The quota category its requests count against, e.g. ``"UserAccountRecovery"``; None where AWS
            publishes none.
        answer: The class of the answer; None where the answer has no members.
        fills: What a client fills in from its bound values: rules of ``protocol.binding``, each with the member's name.
        target: The name on the wire, with the service's prefix.
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
    """Base of the generated request classes; the parameter is what the call returns."""

    __slots__ = ()
    OPERATION: ClassVar[Operation]


class OperationCaller:
    """What the generated methods stand on: something that can send a request."""

    async def send(self, request: Request[ResponseT]) -> ResponseT:
        """Send a request and return its answer."""
        raise NotImplementedError

    def _call(self, request: Request[ResponseT]) -> Coroutine[Any, Any, ResponseT]:
        """Send a request that the caller has just made and nobody else holds."""
        raise NotImplementedError
