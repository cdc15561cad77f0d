"""Sign-in at the fake user pool: authentication flows and challenges."""

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import define, evolve

from cognito_async.testing.fake_cognito.passkeys import request_options, verify_assertion
from cognito_async.testing.fake_cognito.pool import (
    INCORRECT,
    FakeAppClient,
    FakeDevice,
    FakePool,
    FakeUser,
    Operations,
    Payload,
    Refusal,
    check_enabled,
    check_policy,
    masked,
    new_totp_secret,
    required,
)
from cognito_async.testing.fake_cognito.srp import Exchange, N, canonical_timestamp
from cognito_async.testing.fake_cognito.tokens import Tokens

Responses = Mapping[str, str]

_ATTEMPTS: Final = 3  # answers to a custom challenge
_PROOF: Final = ("USERNAME", "TIMESTAMP", "PASSWORD_CLAIM_SIGNATURE", "PASSWORD_CLAIM_SECRET_BLOCK")
_ANSWER: Final = ("USERNAME", "ANSWER")
_REPEATABLE: Final = ("PASSWORD_VERIFIER", "DEVICE_PASSWORD_VERIFIER")  # any number of proofs until they expire
_ADDRESSES: Final = {"SMS_MFA": "phone_number", "SMS_OTP": "phone_number", "EMAIL_OTP": "email"}


@define(eq=False, kw_only=True)
class SignIn:
    """One sign-in, from InitiateAuth to the tokens; ``user`` is None for an unknown name."""

    client: FakeAppClient
    flow: str
    user: FakeUser | None
    alias: str  # the name in InitiateAuth
    name: str  # USER_ID_FOR_SRP
    device_key: str | None = None
    second_factor: bool = False  # whether the user has passed it, or need not
    custom_round: int = 0
    wrong_answers: int = 0

    @property
    def known_user(self) -> FakeUser:
        """The user; sign-ins of unknown names end here."""
        if self.user is None:
            raise denied()
        return self.user


@define(eq=False, kw_only=True)
class Challenge:
    """A challenge that waits for its response."""

    name: str
    sign_in: SignIn
    names: tuple[str, ...]  # accepted as USERNAME: the alias only where the challenge shows no name
    session: str
    expires: float
    answered: bool = False
    exchange: Exchange | None = None
    options: str = ""  # the options of a passkey, as sent
    choices: tuple[str, ...] = ()
    totp_verified: bool = False


def denied() -> Refusal:
    """Return the error of a wrong username, password or proof."""
    return Refusal("NotAuthorizedException", INCORRECT)


def invalid_session(reason: str = "") -> Refusal:
    """Return the error of a session that cannot be used."""
    return Refusal("NotAuthorizedException", f"Invalid session for the user{reason}.")


class SignInService:
    """The operations of sign-in."""

    def __init__(self, pool: FakePool, tokens: Tokens) -> None:
        self._pool = pool
        self._tokens = tokens
        self._challenges: dict[str, Challenge] = {}  # by session, or by secret block where there is no session
        self._confirmed: dict[str, tuple[FakeUser, FakeAppClient, float]] = {}  # by session of ConfirmSignUp
        self.overrides: list[tuple[str | None, Mapping[str, str | None]]] = []
        # Each flow with the operations that start it and its first step.
        self._flows: dict[str, tuple[tuple[str, ...], Callable[[SignIn, Responses], Payload]]] = {
            "USER_SRP_AUTH": (("InitiateAuth", "AdminInitiateAuth"), self._srp),
            "USER_PASSWORD_AUTH": (("InitiateAuth",), self._check_password),
            "ADMIN_USER_PASSWORD_AUTH": (("AdminInitiateAuth",), self._check_password),
            "USER_AUTH": (("InitiateAuth", "AdminInitiateAuth"), self._choice_based),
            "CUSTOM_AUTH": (("InitiateAuth", "AdminInitiateAuth"), self._custom),
        }
        # Each challenge with its check and the keys of its responses, in the order in which they are looked for.
        self._kinds: dict[str, tuple[Callable[[Challenge, Responses], Payload], tuple[str, ...]]] = {
            "PASSWORD_VERIFIER": (self._password_proof, _PROOF),
            "DEVICE_SRP_AUTH": (self._device_srp, ("USERNAME", "DEVICE_KEY", "SRP_A")),
            "DEVICE_PASSWORD_VERIFIER": (self._device_proof, (*_PROOF, "DEVICE_KEY")),
            "SMS_MFA": (self._check_code, ("USERNAME", "SMS_MFA_CODE")),
            "SMS_OTP": (self._check_code, ("USERNAME", "SMS_OTP_CODE")),
            "EMAIL_OTP": (self._check_code, ("USERNAME", "EMAIL_OTP_CODE")),
            "SOFTWARE_TOKEN_MFA": (self._check_totp, ("USERNAME", "SOFTWARE_TOKEN_MFA_CODE")),
            "SELECT_MFA_TYPE": (lambda step, given: self._mfa(step.sign_in, _choice(step, given)), _ANSWER),
            "MFA_SETUP": (self._mfa_setup, ("USERNAME",)),
            "NEW_PASSWORD_REQUIRED": (self._new_password, ("USERNAME", "NEW_PASSWORD")),
            "SELECT_CHALLENGE": (
                lambda step, given: self._first_factor(step.sign_in, _choice(step, given), given),
                _ANSWER,
            ),
            "PASSWORD": (lambda step, given: self._check_password(step.sign_in, given), ("USERNAME", "PASSWORD")),
            "PASSWORD_SRP": (lambda step, given: self._srp(step.sign_in, given), ("USERNAME", "SRP_A")),
            "WEB_AUTHN": (self._check_passkey, ("USERNAME", "CREDENTIAL")),
            "CUSTOM_CHALLENGE": (self._check_custom, _ANSWER),
        }

    @property
    def operations(self) -> Operations:
        """The operations by their names."""
        return {
            "InitiateAuth": lambda request: self._initiate("InitiateAuth", request),
            "AdminInitiateAuth": lambda request: self._initiate("AdminInitiateAuth", request),
            "RespondToAuthChallenge": self._respond,
            "AdminRespondToAuthChallenge": self._respond,
            "AssociateSoftwareToken": self._associate_software_token,
            "VerifySoftwareToken": self._verify_software_token,
        }

    def confirmed_session(self, user: FakeUser, client: FakeAppClient) -> str:
        """Return a session with which a user who has just confirmed a sign-up can sign in."""
        session = secrets.token_urlsafe(900)
        self._confirmed[session] = (user, client, self._pool.now + client.auth_session_validity)
        return session

    # InitiateAuth

    def _initiate(self, operation: str, request: Payload) -> Payload:
        client_id, name = required(request, "ClientId", "AuthFlow")
        client = self._pool.client_of(client_id)
        parameters: Responses = request.get("AuthParameters") or {}
        if name in {"REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"}:
            return self._tokens.refresh_token_auth(client, parameters)
        operations, start = self._flows.get(name, ((), self._srp))
        if operation not in operations:
            raise Refusal("InvalidParameterException", "Initiate Auth method not supported.")
        if f"ALLOW_{name}" not in client.auth_flows:
            raise Refusal("InvalidParameterException", f"{name} flow not enabled for this client")
        (username,) = required(parameters, "USERNAME")
        self._pool.check_secret_hash(client, username, parameters.get("SECRET_HASH"))
        user = self._pool.find(username)
        if user is None and not client.prevent_user_existence_errors:
            raise Refusal("UserNotFoundException", "User does not exist.")
        if user is not None and start != self._check_password:
            _refuse_inactive(user)
        sign_in = SignIn(
            client=client,
            flow=name,
            user=user,
            alias=username,
            name=username if user is None else user.username,
            device_key=parameters.get("DEVICE_KEY"),
        )
        if session := request.get("Session"):
            return self._after_sign_up(sign_in, session)
        return start(sign_in, parameters)

    def _after_sign_up(self, sign_in: SignIn, session: str) -> Payload:
        user, client, expires = self._confirmed.get(session, (None, None, 0.0))
        if user is not sign_in.known_user or client is not sign_in.client:
            raise invalid_session()
        del self._confirmed[session]
        if expires < self._pool.now:
            raise invalid_session(", session is expired")
        return self._proceed(sign_in, second_factor=True)

    def _choice_based(self, sign_in: SignIn, parameters: Responses) -> Payload:
        available = self._factors(sign_in)
        preferred = parameters.get("PREFERRED_CHALLENGE")
        if preferred in available:
            return self._first_factor(sign_in, preferred, parameters)
        return self._challenge(sign_in, "SELECT_CHALLENGE", {}, choices=available)

    def _custom(self, sign_in: SignIn, parameters: Responses) -> Payload:
        if not self._pool.custom_challenges:
            message = "Custom auth lambda trigger is not configured for the user pool."
            raise Refusal("InvalidParameterException", message)
        srp_first = parameters.get("CHALLENGE_NAME") == "SRP_A"
        return self._srp(sign_in, parameters) if srp_first else self._custom_challenge(sign_in)

    # RespondToAuthChallenge

    def _respond(self, request: Payload) -> Payload:
        client_id, name = required(request, "ClientId", "ChallengeName")
        client = self._pool.client_of(client_id)
        if name not in self._kinds:
            raise Refusal("InvalidParameterException", f"Unsupported challenge: {name}")
        check, keys = self._kinds[name]
        responses: Responses = request.get("ChallengeResponses") or {}
        if not responses:
            raise Refusal("InvalidParameterException", "Missing required parameter challenge responses.")
        required(responses, *keys)
        session = request.get("Session")
        if name == "PASSWORD_VERIFIER" and session is None:
            challenge = self._challenges.get(responses["PASSWORD_CLAIM_SECRET_BLOCK"])
            if challenge is None or challenge.expires < self._pool.now:
                raise denied()
        else:
            challenge = self._waiting(session)
        sign_in = challenge.sign_in
        deleted = sign_in.user is not None and sign_in.user not in self._pool.users.values()
        if challenge.name != name or sign_in.client is not client or deleted:
            raise invalid_session()
        if responses["USERNAME"] not in challenge.names:
            raise denied() if name in _REPEATABLE else invalid_session()
        self._pool.check_secret_hash(client, responses["USERNAME"], responses.get("SECRET_HASH"), initial=False)
        sign_in.device_key = responses.get("DEVICE_KEY", sign_in.device_key)
        response = check(challenge, responses)
        challenge.answered = name not in _REPEATABLE
        return response

    def _waiting(self, session: str | None) -> Challenge:
        challenge = self._challenges.get(session or "")
        if challenge is None:
            raise invalid_session()
        if challenge.answered:
            raise invalid_session(", session can only be used once")
        if challenge.expires < self._pool.now:
            raise invalid_session(", session is expired")
        return challenge

    def _password_proof(self, challenge: Challenge, responses: Responses) -> Payload:
        sign_in = evolve(challenge.sign_in)  # a repeated proof starts without the second factor
        self._pool.check_password(sign_in.known_user, correct=_proves(challenge.exchange, responses))
        _refuse_inactive(sign_in.known_user)
        return self._custom_challenge(sign_in) if sign_in.flow == "CUSTOM_AUTH" else self._proceed(sign_in)

    def _device_srp(self, challenge: Challenge, responses: Responses) -> Payload:
        sign_in, device = challenge.sign_in, self._device(challenge.sign_in)
        assert device.verifier is not None
        public = _client_public(responses)
        exchange = Exchange.start(device.group_key + device.key, device.salt, device.verifier, public)
        parameters = _srp_parameters(exchange) | {"DEVICE_KEY": device.key, "USERNAME": sign_in.name}
        return self._challenge(sign_in, "DEVICE_PASSWORD_VERIFIER", parameters, exchange=exchange)

    def _device_proof(self, challenge: Challenge, responses: Responses) -> Payload:
        sign_in = evolve(challenge.sign_in)
        device = self._device(sign_in)
        if not _proves(challenge.exchange, responses):
            raise denied()
        device.changed = self._pool.now
        return self._proceed(sign_in, second_factor=True)

    def _check_code(self, challenge: Challenge, responses: Responses) -> Payload:
        sign_in, name = challenge.sign_in, challenge.name
        codes = {} if sign_in.user is None else sign_in.user.codes
        if name not in codes or responses[f"{name}_CODE"] != codes[name][0]:
            first_factor = sign_in.flow == "USER_AUTH"
            message = "Invalid code or auth state for the user." if first_factor else "Invalid code received for user"
            raise Refusal("CodeMismatchException", message)
        del codes[name]
        if challenge.choices:  # the set-up of e-mail MFA
            sign_in.known_user.mfa += [name]
            sign_in.known_user.attributes["email_verified"] = "true"
        return self._proceed(sign_in, second_factor=True)

    def _check_totp(self, challenge: Challenge, responses: Responses) -> Payload:
        mismatch = Refusal("CodeMismatchException", "Invalid code received for user")
        self._pool.take_totp(challenge.sign_in.known_user, responses["SOFTWARE_TOKEN_MFA_CODE"], mismatch)
        return self._proceed(challenge.sign_in, second_factor=True)

    def _mfa_setup(self, challenge: Challenge, responses: Responses) -> Payload:
        """Finish the set-up of an authenticator app, or start that of e-mail MFA."""
        sign_in = challenge.sign_in
        if "EMAIL" in responses and "EMAIL_OTP" in challenge.choices:
            sign_in.known_user.attributes |= {"email": responses["EMAIL"], "email_verified": "false"}
            return self._code(sign_in, "EMAIL_OTP", choices=challenge.choices)
        if not challenge.totp_verified:
            raise Refusal("SoftwareTokenMFANotFoundException", "User has not verified software token mfa")
        sign_in.known_user.mfa += ["SOFTWARE_TOKEN_MFA"]
        return self._proceed(sign_in, second_factor=True)

    def _new_password(self, challenge: Challenge, responses: Responses) -> Payload:
        user = challenge.sign_in.known_user
        prefix = "userAttributes."
        given = {name.removeprefix(prefix): value for name, value in responses.items() if name.startswith(prefix)}
        for name in user.required_attributes:
            if not given.get(name) and name not in user.attributes:
                raise Refusal("InvalidParameterException", f"Invalid attributes given, {name} is missing")
        check_policy(responses["NEW_PASSWORD"])
        user.password, user.status = responses["NEW_PASSWORD"], "CONFIRMED"
        user.attributes |= given
        return self._proceed(challenge.sign_in)

    def _check_passkey(self, challenge: Challenge, responses: Responses) -> Payload:
        verify_assertion(responses["CREDENTIAL"], challenge.options, challenge.sign_in.known_user.passkeys)
        return self._proceed(challenge.sign_in, second_factor=True)

    def _check_custom(self, challenge: Challenge, responses: Responses) -> Payload:
        """Compare an answer; a wrong one leads to the same challenge in a new session, three times at most."""
        sign_in = challenge.sign_in
        _, expected = self._pool.custom_challenges[sign_in.custom_round]
        if responses["ANSWER"] == expected and sign_in.user is not None:
            sign_in.custom_round += 1
            return self._custom_challenge(sign_in)
        sign_in.wrong_answers += 1
        if sign_in.wrong_answers == _ATTEMPTS:
            challenge.answered = True
            raise denied()
        return self._custom_challenge(sign_in)

    # MFA set-up, in a sign-in or of a signed-in user

    def _associate_software_token(self, request: Payload) -> Payload:
        secret = new_totp_secret()
        if "AccessToken" in request:
            self._tokens.signed_in_user(request).totp_secret = secret
            return {"SecretCode": secret}
        challenge = self._setting_up(request)
        challenge.sign_in.known_user.totp_secret = secret
        return {"SecretCode": secret, "Session": self._renew(challenge).session}

    def _verify_software_token(self, request: Payload) -> Payload:
        (code,) = required(request, "UserCode")
        challenge = None if "AccessToken" in request else self._setting_up(request)
        user = self._tokens.signed_in_user(request) if challenge is None else challenge.sign_in.known_user
        if user.totp_secret is None:
            raise Refusal("InvalidParameterException", "No software token is associated with the user.")
        self._pool.take_totp(user, code, Refusal("EnableSoftwareTokenMFAException", "Code mismatch"))
        if challenge is None:
            return {"Status": "SUCCESS"}
        renewed = self._renew(challenge)
        renewed.totp_verified = True
        return {"Status": "SUCCESS", "Session": renewed.session}

    def _setting_up(self, request: Payload) -> Challenge:
        challenge = self._waiting(request.get("Session"))
        if challenge.name != "MFA_SETUP" or "SOFTWARE_TOKEN_MFA" not in challenge.choices:
            raise invalid_session()
        return challenge

    def _renew(self, challenge: Challenge) -> Challenge:
        """Replace a session by a new one of the same challenge."""
        challenge.answered = True
        renewed = evolve(
            challenge, session=secrets.token_urlsafe(900), answered=False, expires=self._expiry(challenge.sign_in)
        )
        self._challenges[renewed.session] = renewed
        return renewed

    # The steps between challenges

    def _proceed(self, sign_in: SignIn, *, second_factor: bool = False) -> Payload:
        """Return the next challenge of a user whose first factor is verified, or the tokens."""
        user = sign_in.known_user
        sign_in.second_factor |= second_factor
        check_enabled(user)
        if user.status == "RESET_REQUIRED":
            raise Refusal("PasswordResetRequiredException", "Password reset required for the user")
        device = None if sign_in.device_key is None else self._device(sign_in)
        if user.status == "FORCE_CHANGE_PASSWORD":
            names = [f"userAttributes.{name}" for name in user.required_attributes]
            attributes = {name: value for name, value in user.attributes.items() if name != "sub"}
            parameters = {"requiredAttributes": json.dumps(names), "userAttributes": json.dumps(attributes)}
            return self._challenge(sign_in, "NEW_PASSWORD_REQUIRED", parameters | {"USER_ID_FOR_SRP": sign_in.name})
        challenge = None if sign_in.second_factor else self._second_factor(sign_in, device)
        return challenge or self._signed_in(sign_in, device)

    def _second_factor(self, sign_in: SignIn, device: FakeDevice | None) -> Payload | None:
        user = sign_in.known_user
        if device is not None and device.remembered:
            return self._challenge(sign_in, "DEVICE_SRP_AUTH", {})
        preferred = user.preferred_mfa or (user.mfa[0] if len(user.mfa) == 1 else None)
        if preferred is not None:
            return self._mfa(sign_in, preferred)
        if user.mfa:
            return self._selection(sign_in, "SELECT_MFA_TYPE", "MFAS_CAN_CHOOSE", user.mfa)
        if self._pool.mfa_setup:
            return self._selection(sign_in, "MFA_SETUP", "MFAS_CAN_SETUP", self._pool.mfa_setup)
        return None

    def _selection(self, sign_in: SignIn, name: str, key: str, types: Sequence[str]) -> Payload:
        parameters = {key: json.dumps(types), "USER_ID_FOR_SRP": sign_in.name}
        return self._challenge(sign_in, name, parameters, choices=tuple(types))

    def _signed_in(self, sign_in: SignIn, device: FakeDevice | None) -> Payload:
        user = sign_in.known_user
        new_device = device is None and self._pool.remembers_devices is not None
        if new_device:
            region = self._pool.user_pool_id.partition("_")[0]
            device = FakeDevice(key=f"{region}_{secrets.token_hex(16)}", group_key=f"-{secrets.token_hex(4)}")
            user.devices[device.key] = device
        result = self._tokens.sign_in(user, sign_in.client, None if device is None else device.key)
        if new_device and device is not None:
            result["NewDeviceMetadata"] = {"DeviceKey": device.key, "DeviceGroupKey": device.group_key}
        return {"ChallengeParameters": {}, "AuthenticationResult": result}

    def _device(self, sign_in: SignIn) -> FakeDevice:
        device = sign_in.known_user.confirmed_device(sign_in.device_key)
        if device is None:
            raise Refusal("ResourceNotFoundException", "Device does not exist.")
        return device

    def _factors(self, sign_in: SignIn) -> tuple[str, ...]:
        """Return the factors with which a user may sign in; an unknown one has a password and an address."""
        user = sign_in.user
        names = {"PASSWORD", "PASSWORD_SRP"}
        if user is None:
            names.add("EMAIL_OTP")
        elif user.status != "FORCE_CHANGE_PASSWORD":
            owned = {"EMAIL_OTP": "email" in user.attributes, "SMS_OTP": "phone_number" in user.attributes,
                     "WEB_AUTHN": bool(user.passkeys)}  # fmt: skip
            names.update(name for name, present in owned.items() if present)
            if user.password is None:
                names -= {"PASSWORD", "PASSWORD_SRP"}
        return tuple(name for name in self._pool.first_factors if name in names)

    def _first_factor(self, sign_in: SignIn, name: str, responses: Responses) -> Payload:
        """Start a factor of USER_AUTH, or check it if the request already has its key."""
        if name in _ADDRESSES:
            return self._code(sign_in, name, digits=8)
        if name == "PASSWORD" and "PASSWORD" in responses:
            return self._check_password(sign_in, responses)
        if name == "PASSWORD_SRP" and "SRP_A" in responses:
            return self._srp(sign_in, responses)
        if name == "WEB_AUTHN":
            options = request_options(sign_in.known_user.passkeys, "localhost")
            parameters = {"CREDENTIAL_REQUEST_OPTIONS": options, "USERNAME": sign_in.name}
            return self._challenge(sign_in, name, parameters, options=options)
        return self._challenge(sign_in, name, {})

    def _mfa(self, sign_in: SignIn, name: str) -> Payload:
        if name != "SOFTWARE_TOKEN_MFA":
            return self._code(sign_in, name)
        parameters = {"FRIENDLY_DEVICE_NAME": "Authenticator", "USER_ID_FOR_SRP": sign_in.name}
        return self._challenge(sign_in, name, parameters)

    def _code(self, sign_in: SignIn, name: str, *, digits: int = 6, choices: tuple[str, ...] = ()) -> Payload:
        if sign_in.user is None:
            destination, medium = masked(sign_in.name), "EMAIL"
        else:
            destination, medium = self._pool.send_code(sign_in.user, name, _ADDRESSES[name], digits=digits)
        parameters = {"CODE_DELIVERY_DESTINATION": destination, "CODE_DELIVERY_DELIVERY_MEDIUM": medium,
                      "USER_ID_FOR_SRP": sign_in.name}  # fmt: skip
        return self._challenge(sign_in, name, parameters, choices=choices)

    def _check_password(self, sign_in: SignIn, responses: Responses) -> Payload:
        (password,) = required(responses, "PASSWORD")
        user = sign_in.known_user
        self._pool.check_password(user, correct=password == user.password)
        _refuse_inactive(user)
        return self._proceed(sign_in)

    def _srp(self, sign_in: SignIn, responses: Responses) -> Payload:
        """Return PASSWORD_VERIFIER, for unknown names, too; their proof is never accepted."""
        public = _client_public(responses)
        user, name = sign_in.user, sign_in.name
        salt = self._pool.salt_of(name) if user is None else user.salt
        verifier = secrets.randbits(3000) if user is None else self._pool.verifier_of(user)
        exchange = Exchange.start(self._pool.pool_name + name, salt, verifier, public)
        parameters = _srp_parameters(exchange) | {"USERNAME": name, "USER_ID_FOR_SRP": name}
        return self._challenge(sign_in, "PASSWORD_VERIFIER", parameters, exchange=exchange)

    def _custom_challenge(self, sign_in: SignIn) -> Payload:
        if sign_in.custom_round == len(self._pool.custom_challenges):
            return self._proceed(sign_in, second_factor=True)
        parameters, _ = self._pool.custom_challenges[sign_in.custom_round]
        return self._challenge(sign_in, "CUSTOM_CHALLENGE", {**parameters, "USERNAME": sign_in.name})

    def _challenge(
        self,
        sign_in: SignIn,
        name: str,
        parameters: Mapping[str, str],
        *,
        exchange: Exchange | None = None,
        options: str = "",
        choices: tuple[str, ...] = (),
    ) -> Payload:
        challenge = Challenge(
            name=name,
            sign_in=sign_in,
            names=(sign_in.name,) if parameters else (sign_in.name, sign_in.alias),
            session=secrets.token_urlsafe(900),
            expires=self._expiry(sign_in),
            exchange=exchange,
            options=options,
            choices=choices,
        )
        response: Payload = {"ChallengeName": name, "ChallengeParameters": self._overridden(name, parameters)}
        if sign_in.flow == "USER_SRP_AUTH" and name == "PASSWORD_VERIFIER" and exchange is not None:
            self._challenges[exchange.secret_block] = challenge  # this challenge has no session
        else:
            self._challenges[challenge.session] = challenge
            response["Session"] = challenge.session
        if sign_in.flow == "USER_AUTH":
            response["AvailableChallenges"] = list(choices) if name == "SELECT_CHALLENGE" else [name]
        return response

    def _expiry(self, sign_in: SignIn) -> float:
        return self._pool.now + sign_in.client.auth_session_validity

    def _overridden(self, name: str, parameters: Mapping[str, str]) -> dict[str, str]:
        for number, (wanted, changes) in enumerate(self.overrides):
            if wanted in (None, name):
                del self.overrides[number]
                return {key: value for key, value in {**parameters, **changes}.items() if value is not None}
        return dict(parameters)


def _refuse_inactive(user: FakeUser) -> None:
    check_enabled(user)
    if user.status == "UNCONFIRMED":
        raise Refusal("UserNotConfirmedException", "User is not confirmed.")


def _choice(challenge: Challenge, responses: Responses) -> str:
    if responses["ANSWER"] not in challenge.choices:
        raise Refusal("InvalidParameterException", "The selected challenge is not available for the user.")
    return responses["ANSWER"]


def _client_public(responses: Responses) -> int:
    (text,) = required(responses, "SRP_A")
    if not re.fullmatch("[0-9a-fA-F]{1,1024}", text):
        raise Refusal(
            "InvalidParameterException",
            "1 validation error detected: Value at 'sRPA' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[0-9a-fA-F]+$",
        )
    if (public := int(text, 16)) % N == 0:
        raise Refusal("InvalidParameterException", "Invalid SRP_A")
    return public


def _srp_parameters(exchange: Exchange) -> dict[str, str]:
    return {"SALT": exchange.salt, "SRP_B": f"{exchange.public:x}", "SECRET_BLOCK": exchange.secret_block}


def _proves(exchange: Exchange | None, responses: Responses) -> bool:
    _, timestamp, signature, block = (responses[key] for key in _PROOF)
    signed = canonical_timestamp(timestamp)
    if signed is None:
        raise Refusal("InvalidParameterException", "TIMESTAMP format should be EEE MMM d HH:mm:ss z yyyy in english.")
    return exchange is not None and exchange.accepts(signature, block, signed)
