"""Accounts at the fake user pool: sign-up, passwords, attributes, devices, passkeys and administration."""

import base64
import secrets
from collections.abc import Mapping
from typing import Any, Final

from cognito_async.testing.fake_cognito.pool import (
    FakeDevice,
    FakePool,
    FakeUser,
    Operations,
    Payload,
    Refusal,
    SentCode,
    check_enabled,
    check_policy,
    masked,
    required,
    wrong_code,
)
from cognito_async.testing.fake_cognito.sign_in import SignInService
from cognito_async.testing.fake_cognito.tokens import Tokens

_MFA_SETTINGS: Final = {
    "SMSMfaSettings": "SMS_MFA", "SoftwareTokenMfaSettings": "SOFTWARE_TOKEN_MFA", "EmailMfaSettings": "EMAIL_OTP",
}  # fmt: skip


class Accounts:
    """The operations on users and their devices."""

    def __init__(self, pool: FakePool, tokens: Tokens, sign_in: SignInService) -> None:
        self._pool = pool
        self._tokens = tokens
        self._sign_in = sign_in

    @property
    def operations(self) -> Operations:
        """The operations by their names."""
        return {
            "SignUp": self._sign_up,
            "ConfirmSignUp": self._confirm_sign_up,
            "ForgotPassword": self._forgot_password,
            "ConfirmForgotPassword": self._confirm_forgot_password,
            "ChangePassword": self._change_password,
            "GetUser": self._get_user,
            "SetUserMFAPreference": self._set_user_mfa_preference,
            "ConfirmDevice": self._confirm_device,
            "UpdateDeviceStatus": self._update_device_status,
            "ForgetDevice": self._forget_device,
            "GetDevice": self._get_device,
            "ListDevices": self._list_devices,
            "StartWebAuthnRegistration": self._start_web_authn_registration,
            "CompleteWebAuthnRegistration": self._complete_web_authn_registration,
            "AdminCreateUser": self._admin_create_user,
            "AdminDeleteUser": self._admin_delete_user,
            "AdminDisableUser": lambda request: self._admin_enable(request, enabled=False),
            "AdminEnableUser": lambda request: self._admin_enable(request, enabled=True),
            "AdminGetUser": self._admin_get_user,
            "AdminResetUserPassword": self._admin_reset_user_password,
            "AdminSetUserPassword": self._admin_set_user_password,
            "AdminUserGlobalSignOut": self._admin_user_global_sign_out,
            "ListUsers": self._list_users,
        }

    def _sign_up(self, request: Payload) -> Payload:
        client_id, username = required(request, "ClientId", "Username")
        self._pool.check_secret_hash(self._pool.client_of(client_id), username, request.get("SecretHash"))
        user = self._new_user(request, password=request.get("Password"), status="UNCONFIRMED")
        response: Payload = {"UserConfirmed": False, "UserSub": user.sub}
        for attribute in ("email", "phone_number"):
            if attribute in user.attributes:
                details = self._deliver(user, "SIGN_UP", attribute)
                return response | {"CodeDeliveryDetails": details, "Session": secrets.token_urlsafe(900)}
        return response

    def _confirm_sign_up(self, request: Payload) -> Payload:
        client_id, username, code = required(request, "ClientId", "Username", "ConfirmationCode")
        client = self._pool.client_of(client_id)
        self._pool.check_secret_hash(client, username, request.get("SecretHash"))
        user = self._pool.users.get(username) or self._pool.user(username)
        if user.status != "UNCONFIRMED":
            message = f"User cannot be confirmed. Current status is {user.status}"
            raise Refusal("NotAuthorizedException", message)
        self._pool.take_code(user, "SIGN_UP", code)
        user.status = "CONFIRMED"
        user.attributes[f"{'email' if 'email' in user.attributes else 'phone_number'}_verified"] = "true"
        return {"Session": self._sign_in.confirmed_session(user, client)}

    def _forgot_password(self, request: Payload) -> Payload:
        client_id, username = required(request, "ClientId", "Username")
        client = self._pool.client_of(client_id)
        self._pool.check_secret_hash(client, username, request.get("SecretHash"))
        if client.prevent_user_existence_errors and not self._is_active(username):
            return {"CodeDeliveryDetails": _delivery(masked(username), "EMAIL", "email")}
        return {"CodeDeliveryDetails": self._send_reset_code(self._pool.user(username))}

    def _confirm_forgot_password(self, request: Payload) -> Payload:
        names = ("ClientId", "Username", "ConfirmationCode", "Password")
        client_id, username, code, password = required(request, *names)
        client = self._pool.client_of(client_id)
        self._pool.check_secret_hash(client, username, request.get("SecretHash"))
        check_policy(password)
        if client.prevent_user_existence_errors and not self._is_active(username):
            raise wrong_code()
        user = self._pool.user(username)
        _check_resettable(user)
        self._pool.take_code(user, "PASSWORD", code)
        user.password, user.status = password, "CONFIRMED"
        return {}

    def _change_password(self, request: Payload) -> Payload:
        user = self._tokens.signed_in_user(request)
        (password,) = required(request, "ProposedPassword")
        check_policy(password)
        self._pool.check_password(user, correct=request.get("PreviousPassword") == user.password)
        user.password = password
        return {}

    def _get_user(self, request: Payload) -> Payload:
        user = self._tokens.signed_in_user(request)
        return {"Username": user.username, "UserAttributes": _attributes(user), **_mfa(user)}

    def _set_user_mfa_preference(self, request: Payload) -> Payload:
        user = self._tokens.signed_in_user(request)
        for setting, name in _MFA_SETTINGS.items():
            if setting not in request:
                continue
            if name == "SOFTWARE_TOKEN_MFA" and request[setting].get("Enabled") and user.last_totp_step < 0:
                raise Refusal("InvalidParameterException", "User has not verified software token mfa")
            user.mfa = [kept for kept in user.mfa if kept != name]
            if request[setting].get("Enabled"):
                user.mfa += [name]
            if request[setting].get("PreferredMfa"):
                user.preferred_mfa = name
            elif user.preferred_mfa == name:
                user.preferred_mfa = None
        return {}

    # Devices

    def _confirm_device(self, request: Payload) -> Payload:
        _, device = self._device(request, confirmed=False)
        (config,) = required(request, "DeviceSecretVerifierConfig")
        verifier, salt = (_number(text) for text in required(config, "PasswordVerifier", "Salt"))
        device.verifier, device.salt = verifier, f"{salt:x}"
        device.name = request.get("DeviceName", "")
        device.remembered = self._pool.remembers_devices == "ALWAYS"
        device.changed = self._pool.now
        return {"UserConfirmationNecessary": not device.remembered}

    def _update_device_status(self, request: Payload) -> Payload:
        _, device = self._device(request)
        device.remembered = request.get("DeviceRememberedStatus") == "remembered"
        return {}

    def _forget_device(self, request: Payload) -> Payload:
        user, device = self._device(request)
        del user.devices[device.key]
        return {}

    def _get_device(self, request: Payload) -> Payload:
        return {"Device": _device(self._device(request)[1])}

    def _list_devices(self, request: Payload) -> Payload:
        user = self._tokens.signed_in_user(request)
        return {"Devices": [_device(device) for device in user.devices.values() if device.verifier is not None]}

    def _device(self, request: Payload, *, confirmed: bool = True) -> tuple[FakeUser, FakeDevice]:
        user = self._tokens.signed_in_user(request)
        (key,) = required(request, "DeviceKey")
        device = user.confirmed_device(key) if confirmed else user.devices.get(key)
        if device is None:
            raise Refusal("ResourceNotFoundException", "Device does not exist.")
        return user, device

    # Passkeys

    def _start_web_authn_registration(self, request: Payload) -> Payload:
        user = self._tokens.signed_in_user(request)
        options = {
            "challenge": secrets.token_urlsafe(32),
            "rp": {"id": "localhost", "name": "localhost"},
            "user": {"id": user.sub, "name": user.username, "displayName": user.username},
            "pubKeyCredParams": [{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}],
            "excludeCredentials": [{"type": "public-key", "id": name} for name in user.passkeys],
        }
        return {"CredentialCreationOptions": options}

    def _complete_web_authn_registration(self, request: Payload) -> Payload:
        user = self._tokens.signed_in_user(request)
        (credential,) = required(request, "Credential")
        (credential_id, _) = required(credential, "id", "response")
        user.passkeys.append(credential_id)
        return {}

    # Administration

    def _admin_create_user(self, request: Payload) -> Payload:
        password = request.get("TemporaryPassword") or f"Aa1!{secrets.token_urlsafe(9)}"
        if request.get("MessageAction") == "RESEND":
            user = self._pool.user(*required(request, "Username"))
            if user.status != "FORCE_CHANGE_PASSWORD":
                message = f"Resend not possible. {user.username} status is not FORCE_CHANGE_PASSWORD"
                raise Refusal("UnsupportedUserStateException", message)
            check_policy(password)
            user.password = password
        else:
            user = self._new_user(request, password=password, status="FORCE_CHANGE_PASSWORD")
        if request.get("MessageAction") != "SUPPRESS":
            for medium in request.get("DesiredDeliveryMediums") or ("SMS",):
                address = user.attributes.get("email" if medium == "EMAIL" else "phone_number")
                if address is not None:
                    self._pool.messages.append(SentCode(user.username, address, medium, password))
        return {"User": {"Attributes": _attributes(user), **_summary(user)}}

    def _admin_delete_user(self, request: Payload) -> Payload:
        user = self._pool.user(*required(request, "Username"))
        self._tokens.sign_out(user)
        del self._pool.users[user.username]
        return {}

    def _admin_enable(self, request: Payload, *, enabled: bool) -> Payload:
        user = self._pool.user(*required(request, "Username"))
        user.enabled = enabled
        if not enabled:
            self._tokens.sign_out(user)
        return {}

    def _admin_reset_user_password(self, request: Payload) -> Payload:
        user = self._pool.user(*required(request, "Username"))
        _check_resettable(user, "UNCONFIRMED")
        self._send_reset_code(user)
        user.status = "RESET_REQUIRED"
        return {}

    def _admin_user_global_sign_out(self, request: Payload) -> Payload:
        self._tokens.sign_out(self._pool.user(*required(request, "Username")))
        return {}

    def _admin_get_user(self, request: Payload) -> Payload:
        user = self._pool.user(*required(request, "Username"))
        return {"UserAttributes": _attributes(user), **_summary(user), **_mfa(user)}

    def _admin_set_user_password(self, request: Payload) -> Payload:
        username, password = required(request, "Username", "Password")
        user = self._pool.user(username)
        check_policy(password)
        user.password = password
        user.status = "CONFIRMED" if request.get("Permanent") else "FORCE_CHANGE_PASSWORD"
        return {}

    def _list_users(self, request: Payload) -> Payload:
        del request
        users = self._pool.users.values()
        return {"Users": [{"Attributes": _attributes(user), **_summary(user)} for user in users]}

    def _new_user(self, request: Payload, *, password: str | None, status: str) -> FakeUser:
        (username,) = required(request, "Username")
        if self._pool.find(username) is not None:
            raise Refusal("UsernameExistsException", "User already exists.")
        if password is not None:
            check_policy(password)
        attributes = {pair["Name"]: pair["Value"] for pair in request.get("UserAttributes") or ()}
        return self._pool.create_user(username, password=password, attributes=attributes, status=status)

    def _is_active(self, username: str) -> bool:
        user = self._pool.find(username)
        return user is not None and user.enabled

    def _send_reset_code(self, user: FakeUser) -> Payload:
        _check_resettable(user)
        for attribute in ("email", "phone_number"):
            if user.attributes.get(f"{attribute}_verified") == "true":
                return self._deliver(user, "PASSWORD", attribute)
        message = "Cannot reset password for the user as there is no registered/verified email or phone_number"
        raise Refusal("InvalidParameterException", message)

    def _deliver(self, user: FakeUser, purpose: str, attribute: str) -> Payload:
        return _delivery(*self._pool.send_code(user, purpose, attribute), attribute)


def _check_resettable(user: FakeUser, *other_states: str) -> None:
    check_enabled(user)
    if user.status in {"FORCE_CHANGE_PASSWORD", *other_states}:
        raise Refusal("NotAuthorizedException", "User password cannot be reset in the current state.")


def _summary(user: FakeUser) -> Payload:
    dates = {"UserCreateDate": user.created, "UserLastModifiedDate": user.changed}
    return {"Username": user.username, "Enabled": user.enabled, "UserStatus": user.status, **dates}


def _delivery(destination: str, medium: str, attribute: str) -> Payload:
    return {"Destination": destination, "DeliveryMedium": medium, "AttributeName": attribute}


def _attributes(user: FakeUser) -> list[Mapping[str, Any]]:
    return [{"Name": name, "Value": value} for name, value in user.attributes.items()]


def _mfa(user: FakeUser) -> Payload:
    settings: Payload = {"UserMFASettingList": user.mfa} if user.mfa else {}
    return settings if user.preferred_mfa is None else settings | {"PreferredMfaSetting": user.preferred_mfa}


def _device(device: FakeDevice) -> Payload:
    status = "remembered" if device.remembered else "not_remembered"
    attributes = [{"Name": "device_name", "Value": device.name}, {"Name": "device_status", "Value": status}]
    dates = dict.fromkeys(("DeviceCreateDate", "DeviceLastModifiedDate", "DeviceLastAuthenticatedDate"), device.changed)
    return {"DeviceKey": device.key, "DeviceAttributes": attributes, **dates}


def _number(text: str) -> int:
    """Read a number of ConfirmDevice: base64 of two's complement, which must not be negative."""
    try:
        number = int.from_bytes(base64.b64decode(text, validate=True), signed=True)
    except ValueError:
        number = 0
    if number <= 0:
        raise Refusal("InvalidParameterException", "Invalid device secret verifier.")
    return number
