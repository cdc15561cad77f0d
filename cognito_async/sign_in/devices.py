"""Remembered devices: confirming a new one, so that later sign-ins from it need no MFA."""

from base64 import b64encode
from secrets import token_bytes

from attrs import field, frozen

from cognito_async.client import CognitoClient, send_with
from cognito_async.errors import CognitoError, InvalidResponseError
from cognito_async.operations import (
    ConfirmDeviceRequest,
    DeviceSecretVerifierConfigType,
    NewDeviceMetadataType,
    UpdateDeviceStatusRequest,
)
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.srp import device_verifier
from cognito_async.sign_in.srp_exchange import run
from cognito_async.tokens.model import Tokens

PASSWORD_BYTES = 40


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Device(Record):
    """A remembered device. Store it as safely as a password: it replaces the user's MFA.

    See https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-device-tracking.html
    """

    __module__ = "cognito_async.sign_in"

    key: str
    """The device key."""

    group_key: str
    """The device group key."""

    password: str = field(metadata={"secret": True})
    """The device's password, which only the device and this library know."""


async def confirm_device(
    client: CognitoClient, tokens: Tokens, metadata: NewDeviceMetadataType
) -> tuple[Device | None, CognitoError | None]:
    """Confirm and remember a new device; a failure is returned, because it must not lose the sign-in."""
    if not metadata.device_key or not metadata.device_group_key:
        return None, InvalidResponseError("the new device has no key or no group key")
    device = Device(
        key=metadata.device_key,
        group_key=metadata.device_group_key,
        password=b64encode(token_bytes(PASSWORD_BYTES)).decode(),
    )
    verifier = await run(
        device_verifier(token_bytes, device_group_key=device.group_key, device_key=device.key, password=device.password)
    )
    config = DeviceSecretVerifierConfigType(salt=verifier.salt, password_verifier=verifier.verifier)
    confirm = ConfirmDeviceRequest(
        access_token=tokens.access_token, device_key=device.key, device_secret_verifier_config=config
    )
    remember = UpdateDeviceStatusRequest(
        access_token=tokens.access_token, device_key=device.key, device_remembered_status="remembered"
    )
    try:
        confirmed = await send_with(client, confirm)
        if confirmed.user_confirmation_necessary:
            await send_with(client, remember)
    except CognitoError as error:
        return None, error
    return device, None
