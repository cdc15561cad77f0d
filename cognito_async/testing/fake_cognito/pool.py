"""The state of the fake user pool: users, app clients, messages and its clock."""

import base64
import hashlib
import hmac
import secrets
import string
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar

from attrs import define, field, frozen

from cognito_async.errors import ParameterValidationError
from cognito_async.testing.fake_cognito.srp import password_verifier
from cognito_async.testing.token_issuer import TokenIssuer, issuer_url, listed

__all__ = [
    "FakeAppClient",
    "FakeDevice",
    "FakePool",
    "FakeUser",
    "Operations",
    "Payload",
    "Refusal",
    "SentCode",
    "required",
]

Value = TypeVar("Value")
Payload = dict[str, Any]
Operations = Mapping[str, Callable[[Payload], Payload]]

ALL_FLOWS: Final = frozenset({
    "ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_USER_AUTH",
    "ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH",
})  # fmt: skip
INCORRECT: Final = "Incorrect username or password."

_STATUSES: Final = ("CONFIRMED", "UNCONFIRMED", "FORCE_CHANGE_PASSWORD", "RESET_REQUIRED")
_MFA_TYPES: Final = ("SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP")
_ATTEMPTS: Final = 5  # wrong passwords before the first lock
_LONGEST_LOCK: Final = 900.0
_CODE_LIFETIME: Final = 3600.0
_TOTP_STEP: Final = 30
_CHARACTERS: Final = {
    "uppercase": string.ascii_uppercase,
    "lowercase": string.ascii_lowercase,
    "numeric": string.digits,
    "symbol": "^$*.[]{}()?-\"!@#%&/\\,><':;|_~`+= ",
}


class Refusal(Exception):  # noqa: N818 - a response, not a failure of the fake
    """An error response: a code of the service and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class SentCode(NamedTuple):
    """A message with a code or a temporary password, which would be an e-mail or an SMS."""

    username: str
    """The user."""

    destination: str
    """The e-mail address or phone number."""

    medium: str
    """``EMAIL`` or ``SMS``."""

    code: str
    """The code, or the temporary password of an invitation by AdminCreateUser."""


@frozen(kw_only=True)
class FakeAppClient:
    """An app client, see ``FakeCognito.create_app_client``."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    auth_flows: frozenset[str] = ALL_FLOWS
    access_token_validity: int = 3600
    refresh_token_validity: int = 30 * 86400
    refresh_token_rotation: bool = False
    retry_grace_period: float = 0.0
    prevent_user_existence_errors: bool = True
    auth_session_validity: float = 180.0


@define(kw_only=True, eq=False)
class FakeDevice:
    """A device of a user; ``verifier`` is None until ConfirmDevice."""

    key: str
    group_key: str
    verifier: int | None = field(default=None, repr=False)
    salt: str = field(default="", repr=False)
    name: str = ""
    remembered: bool = False
    changed: float = 0.0


def _changed(user: "FakeUser", _: object, value: Value) -> Value:
    """Note the time of a change of a user."""
    user.changed = user.clock()
    return value


@define(kw_only=True, eq=False)
class FakeUser:
    """A user, see ``FakeCognito.create_user``. Tests may change its attributes at any time.

    ``attributes`` includes ``sub``, ``totp_secret`` is base32, ``salt`` is the SRP salt in hex. ``created`` and
    ``changed`` (the last change) are times of ``clock``, which is that of the pool, in seconds since the epoch.
    """

    username: str
    password: str | None = field(default=None, repr=False, on_setattr=_changed)
    attributes: dict[str, str] = field(factory=dict[str, str], on_setattr=_changed)
    status: str = field(default="CONFIRMED", on_setattr=_changed)
    enabled: bool = field(default=True, on_setattr=_changed)
    mfa: list[str] = field(factory=list[str], on_setattr=_changed)
    preferred_mfa: str | None = field(default=None, on_setattr=_changed)
    required_attributes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    passkeys: list[str] = field(factory=list[str])
    totp_secret: str | None = field(default=None, repr=False)
    devices: dict[str, FakeDevice] = field(factory=dict[str, FakeDevice], repr=False)
    salt: str = field(default="", repr=False)
    clock: Callable[[], float] = field(default=time.time, repr=False)
    created: float = field(init=False, repr=False)
    changed: float = field(init=False, repr=False)
    codes: dict[str, tuple[str, float]] = field(factory=dict[str, tuple[str, float]], init=False, repr=False)
    last_totp_step: int = field(default=-1, init=False, repr=False)
    failures: int = field(default=0, init=False, repr=False)
    locked_until: float = field(default=0.0, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Note the time of the creation."""
        self.created = self.changed = self.clock()

    @property
    def sub(self) -> str:
        """The user's unique ID."""
        return self.attributes["sub"]

    def confirmed_device(self, key: str | None) -> FakeDevice | None:
        """Return the device with this key if it was confirmed."""
        device = self.devices.get(key or "")
        return device if device is not None and device.verifier is not None else None


class FakePool:
    """Users, app clients and settings of a user pool; see ``FakeCognito``, which serves it over HTTP."""

    def __init__(self, *, user_pool_id: str, updated_issuer: bool) -> None:
        self.user_pool_id = user_pool_id
        """The user pool ID."""
        self.issuer: TokenIssuer = TokenIssuer(
            user_pool_id=user_pool_id,
            client_id=secrets.token_hex(13),
            issuer=issuer_url(user_pool_id, updated=updated_issuer),
        )
        """Issues the tokens, by default for ``app_client``. Their times are those of this machine, also after
        ``advance``."""
        self.messages: list[SentCode] = []
        """All codes and invitations that were sent, the newest last."""
        self.remembers_devices: Literal["ALWAYS", "USER_OPT_IN"] | None = None
        """Whether devices are remembered; None for a pool without devices."""
        self.custom_challenges: list[tuple[Mapping[str, str], str]] = []
        """The challenges of CUSTOM_AUTH: parameters and the expected answer of each."""
        self.mfa_setup: tuple[str, ...] = ()
        """The MFA types that users without MFA must set up when they sign in; empty for optional MFA."""
        self.first_factors: tuple[str, ...] = ("PASSWORD", "PASSWORD_SRP", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN")
        """The factors that USER_AUTH offers, of those that a user has."""
        self.users: dict[str, FakeUser] = {}
        self.app_clients: dict[str, FakeAppClient] = {}
        self._ahead = 0.0

    @property
    def now(self) -> float:
        """The time of the service, in seconds since the epoch."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock of the service forward: it refuses sessions, codes and tokens that have expired.

        The claims of tokens, such as ``iat`` and ``exp``, keep the time of this machine. Verifiers therefore accept the
        tokens of a later sign-in, and a verifier or TokenProvider does not notice that earlier ones have expired: test
        that with tokens of ``TokenIssuer``, and with ``provider.refresh()``.

        Args:
            seconds: How far.
        """
        self._ahead += seconds

    @property
    def app_client(self) -> FakeAppClient:
        """The app client of ``client()``, ``environment()`` and ``issuer``: a public one, created on first use.

        To choose its settings, create it first: ``create_app_client(fake.issuer.client_id, …)``.
        """
        client_id = self.issuer.client_id
        return self.app_clients.get(client_id) or self.create_app_client(client_id)

    def create_app_client(
        self,
        client_id: str | None = None,
        *,
        client_secret: str | bool | None = None,
        auth_flows: Iterable[str] = ALL_FLOWS,
        access_token_validity: int = 3600,
        refresh_token_validity: int = 30 * 86400,
        refresh_token_rotation: bool = False,
        retry_grace_period: float = 0.0,
        prevent_user_existence_errors: bool = True,
        auth_session_validity: float = 180.0,
    ) -> FakeAppClient:
        """Create an app client.

        Args:
            client_id: The app client ID; None for a random one.
            client_secret: The app client secret; True for a random one, None or False for a public app client.
            auth_flows: The explicit authentication flows, such as ``ALLOW_USER_SRP_AUTH``.
            access_token_validity: The lifetime of access and ID tokens, in seconds.
            refresh_token_validity: The lifetime of refresh tokens, in seconds.
            refresh_token_rotation: Whether each refresh returns a new refresh token and excludes REFRESH_TOKEN_AUTH.
            retry_grace_period: How long a rotated refresh token still works, in seconds.
            prevent_user_existence_errors: Whether sign-ins of unknown users look like those with a wrong password.
            auth_session_validity: The lifetime of a challenge, in seconds.

        Returns:
            The app client.

        Raises:
            ParameterValidationError: ``client_id`` exists, ``auth_flows`` has an unknown flow, or
                ``access_token_validity`` is not positive.
        """
        if client_id in self.app_clients:
            raise ParameterValidationError("client_id", "exists; choose another one")
        if access_token_validity < 1:
            raise ParameterValidationError(
                "access_token_validity", "must be at least 1; `issuer.access_token(expires_in=-1)` is an expired token"
            )
        client = FakeAppClient(
            client_id=client_id or secrets.token_hex(13),
            client_secret=secrets.token_hex(26) if client_secret is True else client_secret or None,
            auth_flows=frozenset(_among("auth_flows", auth_flows, ALL_FLOWS)),
            access_token_validity=access_token_validity,
            refresh_token_validity=refresh_token_validity,
            refresh_token_rotation=refresh_token_rotation,
            retry_grace_period=retry_grace_period,
            prevent_user_existence_errors=prevent_user_existence_errors,
            auth_session_validity=auth_session_validity,
        )
        self.app_clients[client.client_id] = client
        return client

    def create_user(
        self,
        username: str,
        *,
        password: str | None = None,
        email: str | None = None,
        phone_number: str | None = None,
        attributes: Mapping[str, str] | None = None,
        status: str = "CONFIRMED",
        mfa: Sequence[str] = (),
        preferred_mfa: str | None = None,
        required_attributes: Sequence[str] = (),
        groups: Sequence[str] = (),
        passkeys: Sequence[str] = (),
    ) -> FakeUser:
        """Create a user with verified addresses, which are aliases of the username; no message is sent.

        Args:
            username: The username.
            password: The password, which must conform to the policy; None for a passwordless user. To test the sign-in
                with another one, assign it to ``password`` of the result.
            email: The e-mail address; None for none.
            phone_number: The phone number; None for none.
            attributes: Other user attributes.
            status: ``CONFIRMED``, ``UNCONFIRMED`` (before the code of a sign-up), ``FORCE_CHANGE_PASSWORD`` (with a
                temporary password) or ``RESET_REQUIRED``. To disable the user, set ``enabled`` of the result to False.
            mfa: The MFA types: ``SMS_MFA``, ``SOFTWARE_TOKEN_MFA``, ``EMAIL_OTP``. The TOTP secret is random.
            preferred_mfa: The MFA type that is used without asking; None to let the user select among several.
            required_attributes: Names of attributes that NEW_PASSWORD_REQUIRED asks for.
            groups: The names of the user's groups, for the claim ``cognito:groups``.
            passkeys: The credential IDs, in base64url, of the passkeys.

        Returns:
            The user, whose attributes tests may change.

        Raises:
            ParameterValidationError: The username exists, the password is too weak, a name is unknown, or a list is a
                single string.
        """
        if username in self.users:
            raise ParameterValidationError("username", "exists; change the attributes of the user in `users` instead")
        if password is not None and (broken := broken_rules(password)):
            raise ParameterValidationError("password", f"must {' and '.join(broken)}")
        _among("status", [status], _STATUSES)
        mfa = _among("mfa", mfa, _MFA_TYPES)
        if preferred_mfa is not None and preferred_mfa not in mfa:
            raise ParameterValidationError("preferred_mfa", "must be one of the types in `mfa`")
        addresses: dict[str, str] = {}
        for name, address in (("email", email), ("phone_number", phone_number)):
            if address is not None:
                addresses |= {name: address, f"{name}_verified": "true"}
        user = FakeUser(
            username=username,
            password=password,
            attributes={"sub": str(uuid.uuid4()), **addresses, **(attributes or {})},
            status=status,
            mfa=mfa,
            preferred_mfa=preferred_mfa,
            required_attributes=tuple(listed("required_attributes", required_attributes)),
            groups=tuple(listed("groups", groups)),
            passkeys=listed("passkeys", passkeys),
            totp_secret=new_totp_secret() if "SOFTWARE_TOKEN_MFA" in mfa else None,
            salt=self.salt_of(username),
            clock=lambda: self.now,
        )
        self.users[username] = user
        return user

    def totp_code(self, username: str) -> str:
        """Return the code that the user's authenticator app shows now.

        A code is accepted once, so call ``advance(30)`` before the next sign-in.

        Args:
            username: The username.

        Raises:
            LookupError: There is no such user, or the user has no TOTP secret.
        """
        secret = self.users[username].totp_secret
        if secret is None:
            raise LookupError("the user has no TOTP secret: create it with mfa=['SOFTWARE_TOKEN_MFA']")
        return totp(secret, int(self.now) // _TOTP_STEP)

    def rotate_signing_keys(self, *, keep_old: bool = True) -> None:
        """Sign later tokens with new keys.

        A verifier that fetched its keys less than 10 seconds ago refuses these tokens until ``refresh_keys``.

        Args:
            keep_old: Whether the JWKS still lists the old keys.
        """
        self.issuer.rotate_keys(keep_old=keep_old)

    # The rest serves the operations.

    def client_of(self, client_id: object) -> FakeAppClient:
        """Return an app client by its ID; internal."""
        client = self.app_clients.get(str(client_id))
        if client is None:
            raise Refusal("ResourceNotFoundException", f"User pool client {client_id} does not exist.")
        return client

    def find(self, name: str) -> FakeUser | None:
        """Return a user by username, verified e-mail address or verified phone number; internal."""
        if name in self.users:
            return self.users[name]
        for user in self.users.values():
            for alias in ("email", "phone_number"):
                if user.attributes.get(alias) == name and user.attributes.get(f"{alias}_verified") == "true":
                    return user
        return None

    def user(self, name: str) -> FakeUser:
        """Return an existing user; internal."""
        user = self.find(name)
        if user is None:
            raise Refusal("UserNotFoundException", "User does not exist.")
        return user

    def check_secret_hash(self, client: FakeAppClient, name: str, given: str | None, *, initial: bool = True) -> None:
        """Compare a secret hash; a surplus one is an error only in the first request of a sign-in; internal."""
        if client.client_secret is None:
            if given is not None and initial:
                raise Refusal(
                    "InvalidParameterException",
                    f"Client {client.client_id} is not configured for secret but secret hash was received",
                )
            return
        if given is None:
            raise Refusal(
                "NotAuthorizedException",
                f"Client {client.client_id} is configured with secret but SECRET_HASH was not received",
            )
        message = (name + client.client_id).encode()
        expected = base64.b64encode(hmac.digest(client.client_secret.encode(), message, "sha256")).decode()
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise Refusal("NotAuthorizedException", f"Unable to verify secret hash for client {client.client_id}")

    def salt_of(self, name: str) -> str:
        """Return the SRP salt of a name, which is stable, also for users that do not exist; internal."""
        return hashlib.sha256(f"{self.user_pool_id}/{name}".encode()).hexdigest()[:32]

    def verifier_of(self, user: FakeUser) -> int:
        """Return the SRP verifier of a user's password; a random one without a password; internal."""
        password = secrets.token_hex() if user.password is None else user.password
        return password_verifier(self.pool_name + user.username, password, int(user.salt, 16))

    @property
    def pool_name(self) -> str:
        """The part of the user pool ID after the region; internal."""
        return self.user_pool_id.partition("_")[2]

    def check_password(self, user: FakeUser, *, correct: bool) -> None:
        """Count wrong passwords; after five, the user is locked, each time for twice as long; internal."""
        if self.now < user.locked_until:
            raise Refusal("NotAuthorizedException", "Password attempts exceeded")
        if correct:
            user.failures = 0
            return
        user.failures += 1
        if user.failures >= _ATTEMPTS:
            user.locked_until = self.now + min(2.0 ** (user.failures - _ATTEMPTS), _LONGEST_LOCK)
        raise Refusal("NotAuthorizedException", INCORRECT)

    def send_code(self, user: FakeUser, purpose: str, attribute: str, *, digits: int = 6) -> tuple[str, str]:
        """Send a code in place of the last one; return the masked destination and the medium; internal."""
        code = f"{secrets.randbelow(10**digits):0{digits}d}"
        user.codes[purpose] = (code, self.now + _CODE_LIFETIME)
        destination = user.attributes.get(attribute)
        if destination is None:
            raise Refusal("InvalidParameterException", f"User has no {attribute}.")
        medium = "EMAIL" if attribute == "email" else "SMS"
        self.messages.append(SentCode(user.username, destination, medium, code))
        return masked(destination), medium

    def take_code(self, user: FakeUser, purpose: str, code: str) -> None:
        """Use up a verification code; internal."""
        expected, expires = user.codes.get(purpose, (code, 0.0))  # none was sent, or it was used: as an expired one
        if code != expected:
            raise wrong_code()
        if self.now > expires:
            raise Refusal("ExpiredCodeException", "Invalid code provided, please request a code again.")
        del user.codes[purpose]

    def take_totp(self, user: FakeUser, code: str, mismatch: Refusal) -> None:
        """Check a TOTP code (RFC 6238) with one step of clock skew; each step is accepted once; internal."""
        now = int(self.now) // _TOTP_STEP
        matching = [step for step in (now, now - 1, now + 1) if totp(user.totp_secret or "", step) == code]
        if not matching:
            raise mismatch
        if matching[0] <= user.last_totp_step:
            raise Refusal("ExpiredCodeException", "Your software token has already been used once.")
        user.last_totp_step = matching[0]


def _among(parameter: str, names: Iterable[str], choices: Collection[str]) -> list[str]:
    """Return the names as a list; all must be among the choices."""
    given = listed(parameter, names)
    if not set(given) <= set(choices):
        raise ParameterValidationError(parameter, f"accepts only {', '.join(sorted(choices))}")
    return given


def required(values: Mapping[str, Any], *names: str) -> list[Any]:
    """Return values by name; refuse the request if one is missing."""
    for name in names:
        if not values.get(name):
            raise Refusal("InvalidParameterException", f"Missing required parameter {name}")
    return [values[name] for name in names]


def wrong_code() -> Refusal:
    """Return the error of a wrong verification code."""
    return Refusal("CodeMismatchException", "Invalid verification code provided, please try again.")


def check_enabled(user: FakeUser) -> None:
    """Refuse the request of a disabled user."""
    if not user.enabled:
        raise Refusal("NotAuthorizedException", "User is disabled.")


def broken_rules(password: str) -> list[str]:
    """Return the rules of the policy that a password breaks."""
    rules = (
        ("have length greater than or equal to 8", len(password) >= 8),  # noqa: PLR2004
        *((f"have {name} characters", bool({*password} & {*characters})) for name, characters in _CHARACTERS.items()),
        ("not begin or end with whitespace", password == password.strip(string.whitespace)),
    )
    return [rule for rule, kept in rules if not kept]


def check_policy(password: str) -> None:
    """Refuse passwords that break a rule of the policy."""
    if broken := [f"Password must {rule}" for rule in broken_rules(password)]:
        raise Refusal("InvalidPasswordException", f"Password did not conform with policy: {'; '.join(broken)}")


def masked(destination: str) -> str:
    """Return a destination as challenges show it."""
    name, at, domain = destination.partition("@")
    return f"{name[:1]}***@{domain[:1]}***" if at else f"{destination[:1]}*******{destination[-4:]}"


def new_totp_secret() -> str:
    """Return a random TOTP secret, in base32."""
    return base64.b32encode(secrets.token_bytes(32)).decode().rstrip("=")


def totp(secret: str, step: int) -> str:
    """Return the 6-digit code of a time step (RFC 4226, RFC 6238)."""
    digest = hmac.digest(base64.b32decode(secret + "=" * (-len(secret) % 8)), step.to_bytes(8), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF) % 10**6:06d}"
