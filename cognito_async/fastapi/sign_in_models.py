"""The bodies and responses of the sign-in routes, and how each answer is sent to its challenge."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints

from cognito_async.fastapi.problems import BadInputError
from cognito_async.fastapi.request import MAX_BODY_BYTES, MAX_ENCODED_DATA, TEXT, VISIBLE, Stripped, UserBody
from cognito_async.sign_in import (
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
    Tokens,
    WebAuthnChallenge,
)
from cognito_async.sign_in.flow import PASSWORD_FACTORS
from cognito_async.sign_in.user_input import without_spaces

_Code = Annotated[str, BeforeValidator(without_spaces), StringConstraints(pattern="^[0-9]{1,64}$")]
_Password = Annotated[
    str,
    Field(min_length=1, max_length=256, pattern=TEXT, json_schema_extra={"format": "password"}),
]
_Token = Annotated[str, Field(min_length=1, max_length=MAX_BODY_BYTES, pattern="^[!-~]*$")]
_Name = Annotated[str, Field(max_length=64, pattern="^[A-Z_]*$")]

_SHOWN: Final = (
    *("destination", "medium", "device_name", "options", "required_attributes", "user_attributes"),
    "request_options",
)
_TYPES: Final = {
    **dict.fromkeys(("SMS_MFA", "SMS_OTP", "EMAIL_OTP", "SOFTWARE_TOKEN_MFA"), ("code",)),
    "SELECT_MFA_TYPE": ("select",),
    "NEW_PASSWORD_REQUIRED": ("new_password",),
    "MFA_SETUP": ("associate_software_token", "verify_software_token", "set_up_email"),
    "SELECT_CHALLENGE": ("select", "password"),
    **dict.fromkeys(("PASSWORD", "PASSWORD_SRP"), ("password",)),
    "WEB_AUTHN": ("passkey",),
    "CUSTOM_CHALLENGE": ("custom",),
}
"""The types of the answers to each challenge."""

_INTERNAL: Final = frozenset({"USERNAME", "USER_ID_FOR_SRP"})


class SignInBody(UserBody):
    """The start of a sign-in with one of the flows USER_AUTH and CUSTOM_AUTH."""

    password: _Password | None = Field(
        None, description="The password; not needed for other first factors.", repr=False
    )
    preferred_challenge: _Name | None = Field(
        None, description='The first factor of the flow USER_AUTH, such as "EMAIL_OTP".'
    )


class PasswordSignInBody(SignInBody):
    """The start of a sign-in with another flow."""

    password: _Password = Field(repr=False)  # pyright: ignore[reportIncompatibleVariableOverride] - never assigned


class _Answer(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        """Send the answer; raise BadInputError if it does not fit the challenge."""
        types = " or ".join(_TYPES.get(challenge.name, ()))
        raise _unfit(f"must be of type {types} for {challenge.name}" if types else f"does not fit {challenge.name}")


class CodeAnswer(_Answer):
    """The code of SMS_MFA, SMS_OTP, EMAIL_OTP or SOFTWARE_TOKEN_MFA."""

    type: Literal["code"]
    code: _Code = Field(repr=False)

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        if isinstance(challenge, SmsMfaChallenge | SmsOtpChallenge | EmailOtpChallenge | SoftwareTokenMfaChallenge):
            return await challenge.respond(self.code)
        return await super().send(challenge)


class NewPasswordAnswer(_Answer):
    """The new password of NEW_PASSWORD_REQUIRED, and the attributes that the challenge requires."""

    type: Literal["new_password"]
    new_password: _Password = Field(repr=False)
    attributes: dict[
        Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=2048, pattern=TEXT)]
    ] = Field(default_factory=dict[str, str], max_length=50, repr=False)  # fmt: skip

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        if not isinstance(challenge, NewPasswordRequiredChallenge):
            return await super().send(challenge)
        if not self.attributes.keys() <= {*challenge.required_attributes}:  # the app client may be able to set more
            raise _unfit("must set no attributes but those of required_attributes")
        return await challenge.respond(self.new_password, attributes=self.attributes)


class SelectAnswer(_Answer):
    """One of the options of SELECT_MFA_TYPE or SELECT_CHALLENGE, except for the password."""

    type: Literal["select"]
    option: Annotated[str, Field(max_length=64)]

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        if not isinstance(challenge, SelectMfaTypeChallenge | SelectChallenge):
            return await super().send(challenge)
        if self.option not in challenge.options or self.option in PASSWORD_FACTORS:
            raise _unfit('must select one of the options; to select the password, send an answer of type "password"')
        return await challenge.select(self.option)


class PasswordAnswer(_Answer):
    """The password of PASSWORD or PASSWORD_SRP, or of SELECT_CHALLENGE with one of these options."""

    type: Literal["password"]
    password: _Password = Field(repr=False)

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        if isinstance(challenge, PasswordChallenge):
            return await challenge.respond(self.password)
        if isinstance(challenge, SelectChallenge) and not {*PASSWORD_FACTORS}.isdisjoint(challenge.options):
            return await challenge.respond_with_password(self.password, srp="PASSWORD_SRP" in challenge.options)
        return await super().send(challenge)


class PasskeyAnswer(_Answer):
    """The credential of WEB_AUTHN, as PublicKeyCredential.toJSON() returns it in the browser."""

    type: Literal["passkey"]
    credential: dict[str, JsonValue] = Field(repr=False)

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        if isinstance(challenge, WebAuthnChallenge):
            return await challenge.respond(self.credential)
        return await super().send(challenge)


class AssociateSoftwareTokenAnswer(_Answer):
    """For MFA_SETUP: requests the secret of a new authenticator app. The challenge is returned again, with it."""

    type: Literal["associate_software_token"]

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        if isinstance(challenge, MfaSetupChallenge) and "SOFTWARE_TOKEN_MFA" in challenge.options:
            return await challenge.associate_software_token()
        return await super().send(challenge)


class VerifySoftwareTokenAnswer(_Answer):
    """For MFA_SETUP: the first code of the new authenticator app."""

    type: Literal["verify_software_token"]
    code: _Code = Field(repr=False)
    device_name: str | None = Field(None, description="A name for the app.", min_length=1, max_length=128, pattern=TEXT)

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        if isinstance(challenge, MfaSetupChallenge):
            return await challenge.verify_software_token(self.code, self.device_name)
        return await super().send(challenge)


class SetUpEmailAnswer(_Answer):
    """For MFA_SETUP: the e-mail address of the second factor, to which a code is sent."""

    type: Literal["set_up_email"]
    address: Stripped = Field(min_length=3, max_length=254, pattern=VISIBLE, repr=False)

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        if isinstance(challenge, MfaSetupChallenge) and "EMAIL_OTP" in challenge.options:
            return await challenge.set_up_email(self.address)
        return await super().send(challenge)


class CustomAnswer(_Answer):
    """The answer to CUSTOM_CHALLENGE, which the Lambda triggers of the user pool check."""

    type: Literal["custom"]
    answer: str = Field(min_length=1, max_length=4096, repr=False)

    async def send(self, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
        if isinstance(challenge, CustomChallenge):
            return await challenge.respond(self.answer)
        return await super().send(challenge)


Answer: TypeAlias = Annotated[
    CodeAnswer
    | NewPasswordAnswer
    | SelectAnswer
    | PasswordAnswer
    | PasskeyAnswer
    | AssociateSoftwareTokenAnswer
    | VerifySoftwareTokenAnswer
    | SetUpEmailAnswer
    | CustomAnswer,
    Field(discriminator="type"),
]


class ChallengeBody(BaseModel):
    """The answer to a challenge."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    sealed: _Token = Field(alias="continue", description='The newest "continue" of the sign-in.', repr=False)
    answer: Answer
    encoded_data: str | None = Field(
        None, description="Device data from AWS's threat protection script.", max_length=MAX_ENCODED_DATA,
        pattern=TEXT, repr=False,
    )  # fmt: skip


class RefreshBody(BaseModel):
    """The tokens of the response to the sign-in. With cookies, no body is needed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    refresh_token: _Token | None = Field(None, repr=False)
    device_key: str | None = Field(None, min_length=1, max_length=55, pattern="^[!-~]*$")


class SignedInResponse(BaseModel):
    """The user is signed in. With cookies, the tokens are not part of the body."""

    state: Literal["signed_in"] = "signed_in"
    username: str | None = Field(None, description="The name in the user pool; absent after a refresh.", repr=False)
    expires_in: int = Field(description="The lifetime of the access token, in seconds.")
    token_type: Literal["Bearer"] | None = None
    access_token: str | None = Field(None, repr=False)
    id_token: str | None = Field(None, repr=False)
    refresh_token: str | None = Field(None, description="Replaces the previous one.", repr=False)
    device_key: str | None = Field(None, description="To send with the refresh token.")


class ChallengeDetails(BaseModel):
    """A challenge: its AWS name and the parameters that it has."""

    name: str = Field(examples=["SOFTWARE_TOKEN_MFA"])
    destination: str | None = Field(None, description="Where the code was sent, masked.")
    medium: str | None = Field(None, description="How the code was sent.", examples=["SMS", "EMAIL"])
    device_name: str | None = Field(None, description="The name of the authenticator app.")
    options: list[str] | None = Field(None, description="The options that can be selected or set up.")
    required_attributes: list[str] | None = Field(None, description="The attributes to send with the new password.")
    user_attributes: dict[str, str] | None = Field(None, description="The user's attributes.", repr=False)
    request_options: dict[str, JsonValue] | None = Field(
        None, description="The options for navigator.credentials.get in the browser."
    )
    parameters: dict[str, str] | None = Field(None, description="The public parameters of CUSTOM_CHALLENGE.")
    secret: str | None = Field(None, description="The secret of the new authenticator app.", repr=False)
    otpauth_uri: str | None = Field(None, description="The same as a URI, to show as a QR code.", repr=False)


class ChallengeResponse(BaseModel):
    """The sign-in continues with a challenge."""

    state: Literal["challenge"] = "challenge"
    challenge: ChallengeDetails
    sealed: str = Field(
        serialization_alias="continue", description="The sealed state of the sign-in, for the answer.", repr=False
    )


class SignedOutResponse(BaseModel):
    """The user is signed out."""

    state: Literal["signed_out"] = "signed_out"
    revoked: bool | None = Field(
        None,
        description="True if the refresh token was revoked; false if it was not, or if this is unknown. Absent if "
        "there was none.",
    )


SignInResponse: TypeAlias = Annotated[SignedInResponse | ChallengeResponse, Field(discriminator="state")]


def signed_in_response(tokens: Tokens, username: str | None, *, in_body: bool) -> SignedInResponse:
    """Return the response with the tokens, or without those that travel in cookies."""
    kept: Mapping[str, Any] = {"username": username, "expires_in": int(tokens.lifetime)}
    names = ("token_type", "access_token", "id_token", "refresh_token", "device_key") if in_body else ()
    return SignedInResponse(**kept, **{name: getattr(tokens, name) for name in names})


def challenge_details(challenge: Any, secret: str | None, uri: str | None) -> ChallengeDetails:  # noqa: ANN401 - any but SignedIn
    """Return what the browser may know about a challenge."""
    shown = {name: getattr(challenge, name) for name in _SHOWN if hasattr(challenge, name)}
    if isinstance(challenge, CustomChallenge):
        shown["parameters"] = {key: value for key, value in challenge.parameters.items() if key not in _INTERNAL}
    return ChallengeDetails(name=challenge.name, secret=secret, otpauth_uri=uri, **shown)


def _unfit(rule: str) -> BadInputError:
    return BadInputError("the answer does not fit the challenge", field_errors={"answer": (rule,)})
