"""Operations and the base class of their requests."""

from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from attrs import field

from cognito_async.protocol.shapes import JsonValue, Structure, structure

TARGET_PREFIX = "AWSCognitoIdentityProviderService."

ResponseT = TypeVar("ResponseT", covariant=True)  # noqa: PLC0105 - ResponseT_co would be harder to read


class Operation:
    """An operation of the service.

    Attributes:
        name: The AWS name, e.g. ``"ConfirmForgotPassword"``.
        signed: True if requests must be signed with AWS credentials, False if they never are, None if they are signed
            only when the session has credentials.
        category: The quota category, e.g. ``"UserAccountRecovery"``; None if AWS publishes none.
        response: The response class; None if the response has no members, dict for calls by AWS names.
        fills: The bound values that a client fills in: pairs of a rule of ``protocol.binding`` and a member name.
        target: The name on the wire, including the service's prefix.
    """

    __slots__ = ("category", "fills", "name", "response", "signed", "target")

    def __init__(
        self,
        name: str,
        *,
        signed: bool | None = True,
        category: str | None = None,
        response: type[Any] | None = None,
        fills: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.name: str = name
        self.target: str = TARGET_PREFIX + name
        self.signed: bool | None = signed
        self.category: str | None = category
        self.response: type[Any] | None = response
        self.fills: tuple[tuple[str, str], ...] = fills

    def __repr__(self) -> str:
        return f"Operation({self.name!r})"


@structure
class Request(Structure, Generic[ResponseT]):
    """Base of the generated request classes; the type parameter is the response class.

    Attributes:
        extra: Members that this version does not know, by their AWS names; None for none. They are added to the JSON
            as they are, and masked in reprs.
    """

    OPERATION: ClassVar[Operation]
    extra: Mapping[str, JsonValue] | None = field(default=None, metadata={"secret": True})  # type: ignore[assignment]


@structure
class RawRequest(Request[dict[str, Any]]):
    """A request whose members are all in ``extra``, by their AWS names."""

    # Of the instance: classes made per operation would never be freed.
    OPERATION: Operation = field()  # type: ignore[misc]


class OperationCaller:
    """Base of the generated methods: sends requests."""

    async def send(self, request: Request[ResponseT]) -> ResponseT:
        """Send a request and return the response."""
        raise NotImplementedError

    def _call(self, request: Request[ResponseT]) -> Coroutine[Any, Any, ResponseT]:
        """Send a new request that is not shared and may be filled in place."""
        raise NotImplementedError
