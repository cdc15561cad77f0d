"""Operations and the base class of their requests."""

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from attrs import field, frozen

from cognito_async.protocol.shapes import JsonValue, Structure, structure

if TYPE_CHECKING:
    from cognito_async.protocol.binding import Bound
    from cognito_async.protocol.events import ResponseMetadata

ResponseT = TypeVar("ResponseT", covariant=True)  # noqa: PLC0105 - ResponseT_co would be harder to read


@frozen(eq=False, repr=False)
class Operation:
    """An operation of the service."""

    name: str  # the AWS name, e.g. "ConfirmForgotPassword"
    signed: bool | None = True  # None if requests are signed only when the session has credentials
    category: str | None = None  # the quota category, e.g. "UserAccountRecovery"; None if AWS publishes none
    response: type[Any] | None = None  # None if the response has no members, dict for calls by AWS names
    fills: tuple[tuple[str, str], ...] = ()  # bound values: pairs of a rule of ``protocol.binding`` and a member

    @property
    def target(self) -> str:
        """The name on the wire, with the service's prefix."""
        return f"AWSCognitoIdentityProviderService.{self.name}"

    def __repr__(self) -> str:
        return f"Operation({self.name!r})"


class Response(Structure):
    """Base of the generated response classes."""

    __slots__ = ("_metadata",)

    @property
    def metadata(self) -> "ResponseMetadata | None":
        """Request ID, HTTP status, attempts and duration; None for a response that was not received by a call.

        It is not part of comparisons and reprs. Copies and pickles do not keep it.
        """
        from cognito_async.protocol.events import ResponseMetadata  # noqa: PLC0415 - rarely needed

        facts: dict[str, Any] | None = getattr(self, "_metadata", None)
        return None if facts is None else ResponseMetadata(**facts)


def keep_metadata(response: object, facts: dict[str, Any]) -> None:
    """Keep the fields of ResponseMetadata with a response, which may also be None or a dict."""
    if isinstance(response, Response):
        object.__setattr__(response, "_metadata", facts)


@structure
class Request(Structure, Generic[ResponseT]):
    """Base of the generated request classes; the type parameter is the response class."""

    OPERATION: ClassVar[Operation]

    extra: Mapping[str, JsonValue] | None = field(default=None, metadata={"secret": True})  # type: ignore[assignment]
    """Members that this version does not know, by their AWS names; None for none.

    They are added to the JSON as they are, and masked in reprs.
    """


@structure
class RawRequest(Request[dict[str, Any]]):
    """A request whose members are all in ``extra``, by their AWS names."""

    # Of the instance: classes made per operation would never be freed.
    OPERATION: Operation = field()  # type: ignore[misc]


class OperationCaller:
    """Base of the generated methods: sends requests."""

    _bound: "Bound"

    async def send(self, request: Request[ResponseT]) -> ResponseT:
        """Send a request and return the response."""
        raise NotImplementedError

    def _call(self, request: Request[ResponseT]) -> Coroutine[Any, Any, ResponseT]:
        """Send a request with the bound IDs, and fill in what the client secret is needed for."""
        raise NotImplementedError
