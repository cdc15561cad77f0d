"""Tokens from the responses of the service."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cognito_async import InvalidResponseError, ParameterValidationError
from cognito_async.operations import AuthenticationResultType, NewDeviceMetadataType
from cognito_async.tokens import Tokens
from tests.support.canaries import CANARY, leaking_frames

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = 86400.0


def from_result(previous: Tokens | None = None, **members: Any) -> Tokens:
    """Return the tokens of a response with an access token and other members."""
    return Tokens.from_result(
        AuthenticationResultType(**{"access_token": "access", "expires_in": 600, **members}), NOW, previous=previous
    )


def test_response_of_a_sign_in_has_all_tokens() -> None:
    """Their lifetime counts from the arrival of the response."""
    device = NewDeviceMetadataType(device_key="device", device_group_key="group")
    tokens = from_result(id_token="id", refresh_token="refresh", token_type="Bearer", new_device_metadata=device)
    assert tokens == Tokens(
        access_token="access",
        id_token="id",
        refresh_token="refresh",
        expires_at=NOW + timedelta(seconds=600),
        lifetime=600.0,
        device_key="device",
    )
    assert type(tokens.lifetime) is float


def test_missing_members_have_defaults() -> None:
    """The lifetime is the shortest that a user pool allows."""
    tokens = from_result(expires_in=None)
    assert tokens == Tokens(access_token="access", expires_at=NOW + timedelta(minutes=5), lifetime=300.0)
    assert (tokens.id_token, tokens.refresh_token, tokens.device_key) == (None, None, None)


def test_refresh_token_and_device_outlast_a_refresh_that_returns_none() -> None:
    """Those of the response have precedence."""
    previous = from_result(
        refresh_token="refresh", new_device_metadata=NewDeviceMetadataType(device_key="device"), id_token="id"
    )
    kept = from_result(previous)
    assert (kept.refresh_token, kept.device_key, kept.id_token) == ("refresh", "device", None)
    rotated = from_result(
        previous, refresh_token="rotated", new_device_metadata=NewDeviceMetadataType(device_key="another")
    )
    assert (rotated.refresh_token, rotated.device_key) == ("rotated", "another")


@pytest.mark.parametrize("device_key", [None, "", 1, ["device"]])
def test_malformed_device_does_not_lose_the_tokens(device_key: Any) -> None:
    """The previous device is kept, if there is one."""
    device = NewDeviceMetadataType(device_key=device_key)
    previous = from_result(new_device_metadata=NewDeviceMetadataType(device_key="device"))
    assert from_result(new_device_metadata=device).device_key is None
    assert from_result(previous, new_device_metadata=device).device_key == "device"


@pytest.mark.parametrize(
    "members",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 1},
        {"id_token": 1},
        {"refresh_token": ["a"]},
        {"token_type": 1},
        {"token_type": "mac"},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": True},
        {"expires_in": "600"},
        {"expires_in": 366 * DAY + 1},
        {"expires_in": float("nan")},
    ],
    ids=str,
)
def test_invalid_response_is_a_typed_error(members: dict[str, Any]) -> None:
    """Without a token in it."""
    with pytest.raises(InvalidResponseError) as raised:
        from_result(**{"refresh_token": CANARY, **members})
    assert CANARY not in f"{raised.value!r}"


@pytest.mark.parametrize("members", [{"token_type": None}, {"token_type": "bearer"}, {"token_type": "BEARER"}])
def test_token_type_is_bearer(members: dict[str, Any]) -> None:
    """In any case, as in HTTP."""
    assert from_result(**members).token_type == "Bearer"


@pytest.mark.parametrize("lifetime", [0.5, 1, 366 * DAY])
def test_lifetimes_of_emulators_are_accepted(lifetime: float) -> None:
    """From a moment to a leap year."""
    assert from_result(expires_in=lifetime).expires_at == NOW + timedelta(seconds=lifetime)


def test_dict_with_a_lifetime_that_is_too_long_is_refused() -> None:
    """As it would be in a response."""
    data = {**from_result(refresh_token=CANARY).to_dict(), "lifetime": 366 * DAY + 1}
    with pytest.raises(ParameterValidationError) as raised:
        Tokens.from_dict(data)
    assert leaking_frames(raised.value) == []
