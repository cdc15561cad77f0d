"""The challenges that a user or an application answers, and the closed union of the results of a sign-in."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, cast
from urllib.parse import quote

from attrs import field, frozen

from cognito_async.client import CognitoClient
from cognito_async.errors import CodeMismatchException, InvalidResponseError, ParameterValidationError
from cognito_async.operations import AssociateSoftwareTokenRequest, VerifySoftwareTokenRequest
from cognito_async.protocol.shapes import JsonValue, Record
from cognito_async.protocol.wire import from_json
from cognito_async.sign_in.devices import Device
from cognito_async.sign_in.flow import ANSWER, PASSWORD_FACTORS, USER_PROOF, SignedIn, Step, send
from cognito_async.sign_in.srp_exchange import pool_group, start_exchange
from cognito_async.sign_in.state import dump, load
from cognito_async.sign_in.user_input import (
    Rule,
    Secret,
    app_code_rule,
    check,
    code_rule,
    credential_rule,
    credential_text,
    mapping_rule,
    one_of,
    password_rule,
    text_rule,
    without_spaces,
)


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Challenge(Record):
    """Base of the challenges. Its methods return the next challenge, or SignedIn.

    A challenge is answered once. After a wrong or used code (CodeMismatchException, ExpiredCodeException), an
    InvalidPasswordException or an AmbiguousOutcomeError it can be answered again. All methods raise
    ParameterValidationError for an invalid argument, before anything is sent; ChallengeAlreadyAnsweredError after the
    first answer, or while one is in progress; SignInExpiredError if a new sign-in must be started; and other subclasses
    of CognitoError.

    See https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-authentication-flow-methods.html
    """

    __module__ = "cognito_async.sign_in"

    _step: Step

    def __init_subclass__(cls) -> None:
        """Show challenges under the name that users import."""
        cls.__module__ = "cognito_async.sign_in"

    @property
    def name(self) -> str:
        """The challenge's AWS name, e.g. ``"SMS_MFA"``."""
        return self._step.name

    @property
    def username(self) -> str:
        """The name that the user pool knows the user by, where it returned one; else the name of the sign-in."""
        return self._step.flow.username

    @property
    def parameters(self) -> Mapping[str, str]:
        """The challenge's parameters as the service sent them."""
        return self._step.parameters

    def state(self) -> str:
        """Return the challenge as text, for ``client.resume_sign_in`` in a later request or another process.

        It holds the session of the sign-in, but no password. Keep it on the server, or encrypt it if it goes to a
        browser. The device, the user's context and the analytics metadata are not part of it.
        """
        return dump(self._step)

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        yield "name", self.name
        yield from ((name, value) for name, value in super().__rich_repr__() if name != "_step")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return object.__hash__(self)

    async def _submit(
        self, parameter: str, value: Secret[Any], rule: Rule, more: Secret[dict[str, str]] | None = None
    ) -> "SignInResult":
        """Check an argument and send it as the answer, with further answers."""
        check(parameter, value, rule)
        answers = Secret({**(more.value if more else {}), _TABLE[self.name].answer: value.value})
        return await self._send(answers)

    async def _submit_srp(self, password: Secret[str], answers: dict[str, str]) -> "SignInResult":
        """Answer with SRP_A, so that the service asks for the proof of the password."""
        check("password", password, password_rule)
        exchange = await start_exchange(USER_PROOF, pool_group(self._step.flow.client), password)
        request = self._step.request({**answers, "SRP_A": exchange.ephemeral.public_hex})
        return result_of(await self._step.respond(request, exchange))

    async def _send(self, answers: Secret[dict[str, str]]) -> "SignInResult":
        return result_of(await self._step.respond(self._step.request(answers.value)))


class _CodeChallenge(Challenge):
    async def respond(self, code: str) -> "SignInResult":
        """Answer with the code.

        Args:
            code: The code: digits; spaces are removed.

        Raises:
            CodeMismatchException: The code is wrong; the challenge can be answered again.
        """
        secret = Secret(without_spaces(code))
        del code
        return await self._submit("code", secret, code_rule)


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class _SentCodeChallenge(_CodeChallenge):
    """A code was sent to the user."""

    destination: str | None = None
    """Where the code was sent, masked by the service, e.g. ``"+*******1234"``. None if it did not say."""

    medium: str | None = None
    """``"SMS"`` or ``"EMAIL"``. None if the service did not say."""


class SmsMfaChallenge(_SentCodeChallenge):
    """A code was sent by SMS as the second factor, to ``destination``."""


class SmsOtpChallenge(_SentCodeChallenge):
    """A one-time password was sent by SMS, to ``destination``."""


class EmailOtpChallenge(_SentCodeChallenge):
    """A one-time password was sent by e-mail, to ``destination``."""


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class SoftwareTokenMfaChallenge(_CodeChallenge):
    """The user's authenticator app shows the code."""

    device_name: str | None = None
    """The name of the device with the authenticator app. None if it has none."""


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class _ChoiceChallenge(Challenge):
    """The user chooses a factor."""

    options: tuple[str, ...]
    """The AWS names of the factors, e.g. ``("SMS_MFA", "SOFTWARE_TOKEN_MFA")``."""

    async def select(self, option: str) -> "SignInResult":
        """Choose a factor; ``respond`` is the same.

        Args:
            option: One of ``options``, except for the password.
        """
        secret = Secret(option)
        del option
        if secret.value in PASSWORD_FACTORS:
            raise ParameterValidationError("option", "needs the password: call respond_with_password(password)")
        return await self._submit("option", secret, one_of(self.options))

    respond = select


class SelectMfaTypeChallenge(_ChoiceChallenge):
    """The user chooses the second factor, one of ``options``."""


class SelectChallenge(_ChoiceChallenge):
    """The user chooses the first factor of a choice-based sign-in (``USER_AUTH``), one of ``options``."""

    async def respond_with_password(self, password: str, *, srp: bool = True) -> "SignInResult":
        """Choose the password, and sign in with it.

        Args:
            password: The password.
            srp: True to prove it with SRP, which needs the option ``PASSWORD_SRP``. False to send it, which needs the
                option ``PASSWORD``. There is no fallback from one to the other. The server chooses the options: do not
                derive this argument from them if the password must not be sent.

        Raises:
            NotAuthorizedException: The password is wrong; start a new sign-in.
        """
        secret = Secret(password)
        del password
        check("password", secret, password_rule)
        option = "PASSWORD_SRP" if srp else "PASSWORD"
        if option not in self.options:
            raise ParameterValidationError("srp", f"must not be {srp}: {option} is not one of the options")
        if srp:
            return await self._submit_srp(secret, {"ANSWER": option})
        return await self._send(Secret({"ANSWER": option, "PASSWORD": secret.value}))

    async def respond_with_credential(self, credential: Mapping[str, JsonValue] | str) -> "SignInResult":
        """Choose the passkey and sign in with it, if ``parameters`` contain ``CREDENTIAL_REQUEST_OPTIONS``.

        Args:
            credential: The browser's credential, see ``WebAuthnChallenge.respond``.
        """
        secret = Secret(credential_text(credential))
        del credential
        check("credential", secret, credential_rule)
        return await self._send(Secret({"ANSWER": "WEB_AUTHN", "CREDENTIAL": secret.value or ""}))


@frozen(eq=False, repr=False, getstate_setstate=False)
class SoftwareTokenSecret(Record):
    """The secret for the user's authenticator app."""

    __module__ = "cognito_async.sign_in"

    secret: str = field(metadata={"secret": True})
    """The secret in base32, for typing it in."""

    def uri(self, *, issuer: str, account: str) -> str:
        """Return the ``otpauth`` URI, to show it as a QR code.

        Args:
            issuer: The name of the application.
            account: The name of the account, such as the user's e-mail address.
        """
        issuer, account = quote(issuer, safe=""), quote(account, safe="@")
        return f"otpauth://totp/{issuer}:{account}?secret={quote(self.secret, safe='')}&issuer={issuer}"


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class MfaSetupChallenge(Challenge):
    """The user must set up a second factor: an authenticator app, or e-mail.

    For an authenticator app, call ``associate_software_token``, show the secret, and pass the app's first code to
    ``verify_software_token``.
    """

    options: tuple[str, ...]
    """The factors that can be set up, e.g. ``("SOFTWARE_TOKEN_MFA", "EMAIL_OTP")``."""

    async def associate_software_token(self) -> SoftwareTokenSecret:
        """Return a new secret for the user's authenticator app. Only the newest one counts."""
        step = self._step
        with step.exclusive():
            response = await send(step.flow, AssociateSoftwareTokenRequest(session=step.session), ANSWER)
            step.renew(response.session)
        if not response.secret_code or not isinstance(response.secret_code, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidResponseError("the response has no secret", operation="AssociateSoftwareToken")
        return SoftwareTokenSecret(response.secret_code)

    async def verify_software_token(self, code: str, device_name: str | None = None) -> "SignInResult":
        """Verify the authenticator app with its first code, and complete the challenge.

        Args:
            code: The code: 6 digits; spaces are removed.
            device_name: A name for the device with the app. None for none.

        Raises:
            EnableSoftwareTokenMFAException: The code is wrong; call again with the next one.
            CodeMismatchException: The same.
        """
        secret, step = Secret(without_spaces(code)), self._step
        del code
        check("code", secret, app_code_rule)
        request = VerifySoftwareTokenRequest(
            user_code=secret.value, session=step.session, friendly_device_name=device_name
        )
        with step.exclusive():
            response = await send(step.flow, request, ANSWER)
            step.renew(response.session)
        if response.status not in ("SUCCESS", "ERROR"):
            raise InvalidResponseError("the response has no valid status", operation="VerifySoftwareToken")
        if response.status == "ERROR":
            raise CodeMismatchException(
                "the code is wrong", code="CodeMismatchException", operation="VerifySoftwareToken"
            )
        return await self.respond()

    async def set_up_email(self, address: str) -> "SignInResult":
        """Set up e-mail as the second factor: the service sends a code to the address.

        Args:
            address: The e-mail address.
        """
        secret = Secret(address)
        del address
        return await self._submit("address", secret, text_rule)

    async def respond(self) -> "SignInResult":
        """Complete the challenge after a factor was set up; ``verify_software_token`` includes this."""
        return await self._send(Secret({}))


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class NewPasswordRequiredChallenge(Challenge):
    """The user signed in with a temporary password, and must set a new one."""

    required_attributes: tuple[str, ...]
    """The attributes that the user must set, e.g. ``("email",)``."""

    user_attributes: Mapping[str, str] = field(metadata={"secret": True})
    """The user's attributes."""

    async def respond(self, new_password: str, *, attributes: Mapping[str, str] | None = None) -> "SignInResult":
        """Set the new password.

        Args:
            new_password: The new password.
            attributes: The user's attributes to set, with ``required_attributes``. None for none.

        Raises:
            InvalidPasswordException: The password does not meet the policy; the challenge can be answered again.
        """
        secret, given = Secret(new_password), Secret({} if attributes is None else attributes)
        del new_password, attributes
        check("attributes", given, mapping_rule)
        named = Secret({f"userAttributes.{name}": value for name, value in given.value.items()})
        return await self._submit("new_password", secret, password_rule, named)


class PasswordChallenge(Challenge):
    """The service asks for the user's password."""

    async def respond(self, password: str) -> "SignInResult":
        """Answer with the password.

        Args:
            password: The password. It is sent to the service unless ``name`` is ``"PASSWORD_SRP"``.

        Raises:
            NotAuthorizedException: The password is wrong.
        """
        secret = Secret(password)
        del password
        if self.name == "PASSWORD_SRP":
            return await self._submit_srp(secret, {})
        return await self._submit("password", secret, password_rule)


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class WebAuthnChallenge(Challenge):
    """The user signs in with a passkey."""

    request_options: Mapping[str, JsonValue]
    """The options for ``navigator.credentials.get`` in the browser, as JSON."""

    async def respond(self, credential: Mapping[str, JsonValue] | str) -> "SignInResult":
        """Answer with the passkey's credential.

        Args:
            credential: The result of ``toJSON()`` of the browser's ``PublicKeyCredential``: an object or its text.
        """
        secret = Secret(credential_text(credential))
        del credential
        return await self._submit("credential", secret, credential_rule)


class CustomChallenge(Challenge):
    """A challenge of the user pool's Lambda triggers; ``parameters`` are the triggers' public ones."""

    async def respond(self, answer: str) -> "SignInResult":
        """Answer the challenge. The triggers may follow a wrong answer with another challenge.

        Args:
            answer: The answer, sent as it is.

        Raises:
            NotAuthorizedException: The triggers ended the sign-in.
        """
        secret = Secret(answer)
        del answer
        return await self._submit("answer", secret, text_rule)


class UnknownChallenge(Challenge):
    """A challenge that this version does not know."""

    async def respond(self, responses: Mapping[str, str]) -> "SignInResult":
        """Answer the challenge.

        Args:
            responses: The ``ChallengeResponses`` by AWS names. ``USERNAME``, ``SECRET_HASH`` and the session are added.
        """
        secret = Secret(responses)
        del responses
        check("responses", secret, mapping_rule)
        return await self._send(Secret(dict(secret.value)))


SignInResult: TypeAlias = (
    SignedIn
    | SmsMfaChallenge
    | SoftwareTokenMfaChallenge
    | EmailOtpChallenge
    | SmsOtpChallenge
    | SelectMfaTypeChallenge
    | MfaSetupChallenge
    | NewPasswordRequiredChallenge
    | SelectChallenge
    | PasswordChallenge
    | WebAuthnChallenge
    | CustomChallenge
    | UnknownChallenge
)
"""The result of a sign-in so far: SignedIn or the next challenge. Type checkers prove that a ``match`` is complete."""


def result_of(outcome: SignedIn | Step) -> SignInResult:
    """Return a step as the challenge of its name.

    Raises:
        InvalidResponseError: A parameter is not the JSON that the challenge needs.
    """
    if isinstance(outcome, SignedIn):
        return outcome
    row = _TABLE.get(outcome.name, _UNKNOWN)
    result: SignInResult = row.kind(step=outcome, **row.read(outcome))
    return result


def resumed(client: CognitoClient, state: object, device: Device | None, user_context: object) -> SignInResult | None:
    """Return the challenge of a state; None if it is unreadable. Does not raise, as its frame holds the state."""
    step = load(client, state, device, user_context)
    try:
        return None if step is None else result_of(step)
    except InvalidResponseError:
        return None


def short_state(challenge: Challenge) -> str:
    """Return the state without the user's attributes, which can be large and which no answer needs."""
    step = challenge._step  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - of this module
    return dump(step, omitted=("userAttributes",))


def _nothing(_: Step) -> dict[str, Any]:
    return {}


def _delivery(step: Step) -> dict[str, Any]:
    given = step.parameters
    medium = given.get("CODE_DELIVERY_DELIVERY_MEDIUM") or given.get("CODE_DELIVERY_MEDIUM")
    return {"destination": given.get("CODE_DELIVERY_DESTINATION"), "medium": medium}


def _device_name(step: Step) -> dict[str, Any]:
    return {"device_name": step.parameters.get("FRIENDLY_DEVICE_NAME")}


def _mfa_types(step: Step) -> dict[str, Any]:
    return {"options": _names(step, "MFAS_CAN_CHOOSE")}


def _mfa_setups(step: Step) -> dict[str, Any]:
    return {"options": _names(step, "MFAS_CAN_SETUP", default="[]")}


def _attributes(step: Step) -> dict[str, Any]:
    names = _names(step, "requiredAttributes", default="[]")
    return {
        "required_attributes": tuple(name.removeprefix("userAttributes.") for name in names),
        "user_attributes": _object(step, "userAttributes", default="{}"),
    }


def _factors(step: Step) -> dict[str, Any]:
    return {"options": step.available}


def _request_options(step: Step) -> dict[str, Any]:
    return {"request_options": _object(step, "CREDENTIAL_REQUEST_OPTIONS")}


def _names(step: Step, parameter: str, *, default: str = "") -> tuple[str, ...]:
    """Return a parameter that is a JSON array of strings."""
    value = from_json(step.parameters.get(parameter, default))
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidResponseError(
            f"the parameter {parameter} of the challenge {step.name} is not a JSON array of strings"
        )
    return tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _object(step: Step, parameter: str, *, default: str = "") -> dict[str, Any]:
    """Return a parameter that is a JSON object."""
    value = from_json(step.parameters.get(parameter, default))
    if not isinstance(value, dict):
        raise InvalidResponseError(f"the parameter {parameter} of the challenge {step.name} is not a JSON object")
    return cast("dict[str, Any]", value)


class _Row(NamedTuple):
    """A challenge: its class, the key of its answer, and its parsed parameters."""

    kind: Callable[..., SignInResult]
    answer: str = ""
    read: Callable[[Step], dict[str, Any]] = _nothing


_TABLE: Final[Mapping[str, _Row]] = {
    "SMS_MFA": _Row(SmsMfaChallenge, "SMS_MFA_CODE", _delivery),
    "SMS_OTP": _Row(SmsOtpChallenge, "SMS_OTP_CODE", _delivery),
    "EMAIL_OTP": _Row(EmailOtpChallenge, "EMAIL_OTP_CODE", _delivery),
    "SOFTWARE_TOKEN_MFA": _Row(SoftwareTokenMfaChallenge, "SOFTWARE_TOKEN_MFA_CODE", _device_name),
    "SELECT_MFA_TYPE": _Row(SelectMfaTypeChallenge, "ANSWER", _mfa_types),
    "MFA_SETUP": _Row(MfaSetupChallenge, "EMAIL", _mfa_setups),
    "NEW_PASSWORD_REQUIRED": _Row(NewPasswordRequiredChallenge, "NEW_PASSWORD", _attributes),
    "SELECT_CHALLENGE": _Row(SelectChallenge, "ANSWER", _factors),
    "PASSWORD": _Row(PasswordChallenge, "PASSWORD"),
    "PASSWORD_SRP": _Row(PasswordChallenge, "SRP_A"),
    "ADMIN_NO_SRP_AUTH": _Row(PasswordChallenge, "PASSWORD"),
    "WEB_AUTHN": _Row(WebAuthnChallenge, "CREDENTIAL", _request_options),
    "CUSTOM_CHALLENGE": _Row(CustomChallenge, "ANSWER"),
}
_UNKNOWN: Final = _Row(UnknownChallenge)
