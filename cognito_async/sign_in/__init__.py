"""Sign-in: the results of ``client.sign_in``, and remembered devices.

    result = await client.sign_in(username="ada@example.com", password=password)
    while not isinstance(result, SignedIn):
        match result:
            case SoftwareTokenMfaChallenge():
                result = await result.respond(input("Code from your authenticator app: "))
            case _:
                raise SystemExit(f"unsupported challenge: {result.name}")

Signing in needs no extra; the extra ``srp`` makes it faster.
"""

from cognito_async.sign_in.challenges import (
    Challenge,
    CustomChallenge,
    EmailOtpChallenge,
    MfaSetupChallenge,
    NewPasswordRequiredChallenge,
    PasswordChallenge,
    SelectChallenge,
    SelectMfaTypeChallenge,
    SignInResult,
    SmsMfaChallenge,
    SmsOtpChallenge,
    SoftwareTokenMfaChallenge,
    SoftwareTokenSecret,
    UnknownChallenge,
    WebAuthnChallenge,
)
from cognito_async.sign_in.devices import Device
from cognito_async.sign_in.flow import SignedIn
from cognito_async.tokens.model import Tokens

# fmt: off
__all__ = [
    "Challenge", "CustomChallenge", "Device", "EmailOtpChallenge", "MfaSetupChallenge",
    "NewPasswordRequiredChallenge", "PasswordChallenge", "SelectChallenge", "SelectMfaTypeChallenge",
    "SignInResult", "SignedIn", "SmsMfaChallenge", "SmsOtpChallenge", "SoftwareTokenMfaChallenge",
    "SoftwareTokenSecret", "Tokens", "UnknownChallenge", "WebAuthnChallenge",
]
# fmt: on
