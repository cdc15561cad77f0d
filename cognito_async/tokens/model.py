"""The tokens of a signed-in user."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self, cast

from attrs import field, frozen

from cognito_async.errors import InvalidResponseError, ParameterValidationError
from cognito_async.operations import AuthenticationResultType
from cognito_async.protocol.shapes import Record

SHORTEST_LIFETIME = 300
"""The shortest lifetime of access tokens that a user pool allows, in seconds; assumed if the response names none."""

_LONGEST_LIFETIME = 366 * 24 * 3600  # the service allows one day; emulators allow more


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Tokens(Record):
    """The tokens of a signed-in user. The repr masks them.

    See https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-with-identity-providers.html
    """

    __module__ = "cognito_async.tokens"

    access_token: str = field(metadata={"secret": True})
    """The access token, for APIs."""

    id_token: str | None = field(default=None, metadata={"secret": True})
    """The ID token, with the user's attributes. None if the sign-in returned none."""

    refresh_token: str | None = field(default=None, metadata={"secret": True})
    """The refresh token. None if the sign-in returned none: the tokens cannot be refreshed."""

    token_type: str = "Bearer"  # noqa: S105 - not a token
    """The type of the access token: always ``"Bearer"``."""

    expires_at: datetime
    """The time at which the access and ID tokens expire, as an aware datetime on this machine's clock."""

    lifetime: float = 3600.0
    """The lifetime of the access and ID tokens when they were issued, in seconds."""

    device_key: str | None = None
    """The key of the user's device, which a refresh needs if the user pool remembers devices. None if there is none."""

    @classmethod
    def from_result(
        cls, result: AuthenticationResultType, arrived: datetime, *, previous: "Tokens | None" = None
    ) -> Self:
        """Create tokens from the response of a sign-in or a refresh.

        Args:
            result: The ``authentication_result`` of the response.
            arrived: The time at which the response arrived, an aware datetime.
            previous: The tokens that were refreshed: their refresh token and device key are kept if the response has
                none. None after a sign-in.

        Returns:
            The tokens.

        Raises:
            InvalidResponseError: The response has no access token, or its type or lifetime is invalid.
        """
        lifetime: Any = SHORTEST_LIFETIME if result.expires_in is None else result.expires_in
        # The wire layer does not check scalars.
        names = ("access_token", "id_token", "refresh_token", "token_type")
        are_texts = all(isinstance(getattr(result, name), str | None) for name in names)
        if not result.access_token or not are_texts:
            raise InvalidResponseError("the response has no valid tokens")
        if (result.token_type or "Bearer").lower() != "bearer":
            raise InvalidResponseError("the tokens of the response are not bearer tokens")
        if not _is_lifetime(lifetime):
            raise InvalidResponseError("the lifetime of the tokens in the response is invalid")
        # A malformed device must not lose the sign-in.
        device_key: Any = result.new_device_metadata and result.new_device_metadata.device_key
        if not isinstance(device_key, str) or not device_key:
            device_key = previous.device_key if previous else None
        return cls(
            access_token=result.access_token,
            id_token=result.id_token,
            refresh_token=result.refresh_token or (previous.refresh_token if previous else None),
            expires_at=arrived + timedelta(seconds=lifetime),
            lifetime=float(lifetime),
            device_key=device_key,
        )

    def to_dict(self) -> dict[str, str | float | None]:
        """Return the tokens as a dict that JSON can represent, for token stores. It holds them in clear text."""
        return {**{name: getattr(self, name) for name in _PLAIN_MEMBERS}, "expires_at": self.expires_at.isoformat()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Create tokens from the result of ``to_dict``; unknown members are ignored.

        Raises:
            ParameterValidationError: A member is missing or invalid.
        """
        values = dict[str, Any]((name, data.get(name)) for name in (*_PLAIN_MEMBERS, "expires_at"))
        if _are_valid(values):
            values["expires_at"] = datetime.fromisoformat(values["expires_at"])
            return cls(**values)
        del data, values  # keeps the tokens out of tracebacks that show locals
        raise ParameterValidationError("data", "must be the result of Tokens.to_dict()")


def is_valid(tokens: object) -> bool:
    """Return whether a value is Tokens with members of valid types, which the constructor does not check."""
    if not isinstance(tokens, Tokens) or not isinstance(cast("object", tokens.expires_at), datetime):
        return False
    return _are_valid(tokens.to_dict())


_TEXTS = ("access_token", "id_token", "refresh_token", "token_type", "device_key")
_PLAIN_MEMBERS = (*_TEXTS, "lifetime")


def _are_valid(values: Mapping[str, Any]) -> bool:
    try:
        expires_at = datetime.fromisoformat(values["expires_at"])
    except (TypeError, ValueError):
        return False
    texts = [values[name] for name in _TEXTS]
    return (
        all(text is None or isinstance(text, str) for text in texts)
        and bool(values["access_token"] and values["token_type"])
        and _is_lifetime(values["lifetime"])
        and expires_at.tzinfo is not None
    )


def _is_lifetime(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _LONGEST_LIFETIME
