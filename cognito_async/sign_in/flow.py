"""The flow of a sign-in: starting it, sending answers, and the exchanges that need no user."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from math import inf
from typing import Any, Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen

from cognito_async import operations as ops
from cognito_async.client import CognitoClient, location_of, send_with
from cognito_async.errors import (
    ChallengeAlreadyAnsweredError,
    CognitoError,
    InvalidParameterException,
    InvalidResponseError,
    NotAuthorizedException,
    ParameterValidationError,
    ResourceNotFoundException,
    SignInExpiredError,
)
from cognito_async.event_loop import running_loop
from cognito_async.protocol.idempotency import Idempotency
from cognito_async.protocol.operation import Request, ResponseT
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.srp import ResultT, parse_challenge, prove
from cognito_async.protocol.validators import check_rules
from cognito_async.sign_in.devices import Device, confirm_device
from cognito_async.sign_in.srp_exchange import Exchange, pool_group, run, start_exchange
from cognito_async.sign_in.user_input import Secret, one_of, password_rule, username_rule
from cognito_async.tokens.model import Tokens

MAX_CHALLENGES: Final = 10
"""More challenges than any sign-in needs; a fake service could send them without end."""

PROOF_TIMEOUT: Final = 5.0
"""How long a password challenge is answered, in seconds. The service accepts proofs for "a few seconds", and reports
later ones like a wrong password."""

SignInFlow: TypeAlias = Literal["USER_SRP_AUTH", "USER_PASSWORD_AUTH", "USER_AUTH", "CUSTOM_AUTH"]
AdminSignInFlow: TypeAlias = Literal["ADMIN_USER_PASSWORD_AUTH", "USER_SRP_AUTH", "USER_AUTH", "CUSTOM_AUTH"]
FLOWS: Final = get_args(SignInFlow)
ADMIN_FLOWS: Final = get_args(AdminSignInFlow)
PASSWORDLESS_FLOWS: Final = frozenset({"USER_AUTH", "CUSTOM_AUTH"})
PASSWORD_FACTORS: Final = ("PASSWORD", "PASSWORD_SRP")

USER_PROOF: Final = "PASSWORD_VERIFIER"
DEVICE_PROOF: Final = "DEVICE_PASSWORD_VERIFIER"

START: Final = Idempotency(
    "sends_message", how_to_verify="Start a new sign-in; a code that the lost one sent no longer counts."
)
START_SRP: Final = Idempotency("idempotent", max_repeats=2)
"""InitiateAuth of USER_SRP_AUTH only returns a challenge."""

_LOST_PROOF: Final = "Start a new sign-in; the lost one may have signed the user in, or sent a code."
START_DEVICE: Final = Idempotency("sends_message", how_to_verify=_LOST_PROOF)
"""DEVICE_SRP_AUTH uses up its session, and its challenge is not the user's to answer."""
PROOF: Final = Idempotency("one_time", how_to_verify=_LOST_PROOF, max_repeats=2)
"""A challenge without a session accepts the same proof any number of times until it expires."""

PROOF_WITH_SESSION: Final = Idempotency(
    "one_time", applied=("NotAuthorizedException",), how_to_verify=_LOST_PROOF, max_repeats=2
)
ANSWER: Final = Idempotency(
    "sends_message",
    how_to_verify="The challenge may still be answered: respond again. SignInExpiredError then means that the lost "
    "answer was used: start a new sign-in, with the new password if the answer set one.",
)

_WRONG_PASSWORD: Final = re.compile(r"\s*incorrect username or password\W*", re.IGNORECASE)
_EXPIRED: Final = re.compile(r"\s*(?:invalid session|session (?:is |has )?expired)\b", re.IGNORECASE)
_NOT_ENABLED: Final = re.compile(r"not enabled for (?:this|the) client|auth method not supported", re.IGNORECASE)

AuthResponse: TypeAlias = (
    ops.InitiateAuthResponse
    | ops.AdminInitiateAuthResponse
    | ops.RespondToAuthChallengeResponse
    | ops.AdminRespondToAuthChallengeResponse
)
AuthRequest: TypeAlias = Request[AuthResponse]


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class SignedIn(Record):
    """The user is signed in."""

    __module__ = "cognito_async.sign_in"

    username: str = field(metadata={"secret": True})
    """The name that the user pool knows the user by, where it returned one; else the name of the sign-in."""

    tokens: Tokens
    """The tokens."""

    device: Device | None = None
    """The remembered device, to pass to the next sign-in. None if there is none."""

    device_error: CognitoError | None = None
    """Why the new device was not remembered, although ``remember_device`` was set.

    None if it was, or if the user pool does not track devices.
    """


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Flow(Record):
    """A sign-in, apart from its current challenge.

    ``username`` is the name for answers: the service's, else the user's. ``has_user_id`` is whether it is
    USER_ID_FOR_SRP, which a later USERNAME does not replace. ``device_key`` is kept if the sign-in is resumed without
    the device. ``challenges`` counts those so far. ``context`` has the members that each request repeats, such as
    ``client_metadata``.
    """

    client: CognitoClient
    admin: bool = False
    username: str = field(metadata={"secret": True})
    has_user_id: bool = False
    device: Device | None = field(default=None, metadata={"secret": True})  # not checked yet: it may be a dict
    device_key: str | None = None
    remember_device: bool = False
    challenges: int = 0
    context: Mapping[str, Any] = field(factory=dict[str, Any], metadata={"secret": True})
    now: Callable[[], datetime] = utc_now


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Start(Record):
    """How a sign-in starts; ``session`` is that of ConfirmSignUp."""

    auth_flow: str
    password: str | None = field(default=None, metadata={"secret": True})
    preferred_challenge: str | None = None
    session: str | None = field(default=None, metadata={"secret": True})

    @property
    def factor(self) -> str | None:
        """The factor that the first request asks for."""
        if self.auth_flow == "USER_AUTH" and self.preferred_challenge is None and self.password is not None:
            return "PASSWORD_SRP"
        return self.preferred_challenge

    @property
    def uses_srp(self) -> bool:
        """Whether the first request carries SRP_A."""
        if self.auth_flow == "USER_AUTH":
            return self.factor == "PASSWORD_SRP"
        return self.auth_flow == "USER_SRP_AUTH" or (self.auth_flow == "CUSTOM_AUTH" and self.password is not None)


@define(eq=False, repr=False, getstate_setstate=False)
class Step(Record):
    """A challenge that waits for an answer, with its newest session."""

    flow: Flow
    name: str
    parameters: Mapping[str, str] = field(kw_only=True, metadata={"secret": True})
    available: tuple[str, ...] = field(default=(), kw_only=True)
    session: str | None = field(default=None, kw_only=True, metadata={"secret": True})
    _busy: bool = field(default=False, init=False)
    _answered: bool = field(default=False, init=False)

    def request(self, answers: Mapping[str, str]) -> AuthRequest:
        """Return the request with an answer."""
        flow = self.flow
        device = {} if flow.device_key is None else {"DEVICE_KEY": flow.device_key}
        kind: Any = ops.AdminRespondToAuthChallengeRequest if flow.admin else ops.RespondToAuthChallengeRequest
        request: AuthRequest = kind(
            challenge_name=self.name,
            challenge_responses={"USERNAME": flow.username, **device, **answers},
            session=self.session,
            **flow.context,
        )
        return request

    def renew(self, session: object) -> None:
        """Keep the newer session of a response, if it has one."""
        if not isinstance(session, str | None):
            raise InvalidResponseError("the session of the response is malformed")
        self.session = session or self.session

    @contextmanager
    def exclusive(self) -> Generator[None, None, None]:
        """Refuse other answers within the block, and after an answer that was accepted."""
        if self._busy or self._answered:
            raise ChallengeAlreadyAnsweredError(
                f"the {self.name} challenge was answered, or is being answered by another task; use the result of that "
                "answer, or start a new sign-in"
            )
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    async def respond(self, request: AuthRequest, exchange: Exchange | None = None) -> "SignedIn | Step":
        """Send an answer once, and return the next challenge or the end."""
        try:
            with self.exclusive():
                response = await send(self.flow, request, ANSWER)
                self._answered = True
            return await advance(self.flow, response, exchange)
        except ResourceNotFoundException as error:
            if _has_forgotten_device(self.flow, error):  # there is no password to start over with
                self.flow = evolve(self.flow, device=None, device_key=None)
                error.add_note("The user pool has forgotten the device: start a new sign-in without it.")
            raise


def check_start(flow: Flow, how: Start) -> None:
    """Raise ParameterValidationError for the invalid arguments of ``sign_in``."""
    check_rules(_rules_of_start(flow, how))


def _rules_of_start(flow: Flow, how: Start) -> Iterator[tuple[str, str | None]]:
    """Yield the arguments with the rules that they break."""
    yield "username", username_rule(flow.username)
    invalid_flow = one_of(ADMIN_FLOWS if flow.admin else FLOWS)(how.auth_flow)
    yield "auth_flow", invalid_flow
    if how.password is not None:
        yield "password", password_rule(how.password)
    if invalid_flow is None:
        if how.password is None and (how.auth_flow not in PASSWORDLESS_FLOWS or how.factor in PASSWORD_FACTORS):
            factor = f" with {how.factor}" if how.factor in PASSWORD_FACTORS else ""
            yield "password", f"is required for the flow {how.auth_flow}{factor}"
        for name in ("preferred_challenge", "session"):
            if getattr(how, name) is not None and how.auth_flow != "USER_AUTH":
                yield name, "must not be passed without auth_flow='USER_AUTH'"
    yield "device", device_rule(flow.device)


def device_rule(value: object) -> str | None:
    """Check a remembered device."""
    return None if isinstance(value, Device | None) else "must be a Device of an earlier sign-in, or None"


async def start(flow: Flow, how: Start) -> SignedIn | Step:
    """Start a sign-in, see ``_with_second_try``."""
    return await _with_second_try(flow, how, _start)


async def verify_password(flow: Flow, how: Start) -> bool:
    """Return whether the service accepts the password, and discard the sign-in; see ``_with_second_try``."""
    return await _with_second_try(flow, how, _verify_password)


async def _with_second_try(flow: Flow, how: Start, run_flow: Callable[[Flow, Start], Awaitable[ResultT]]) -> ResultT:
    """Start over if the pool has forgotten the device, or if an SRP challenge expired before its proof was sent."""
    check_start(flow, how)
    if flow.device is not None:
        flow = evolve(flow, device_key=flow.device.key)
    try:
        return await run_flow(flow, how)
    except ResourceNotFoundException as error:
        if not _has_forgotten_device(flow, error):
            raise
        flow = evolve(flow, device=None, device_key=None)
    except SignInExpiredError as error:
        was_sent = error.code is not None
        if was_sent or how.auth_flow != "USER_SRP_AUTH":  # the start of another flow may send a message
            raise
    return await run_flow(flow, how)


def _has_forgotten_device(flow: Flow, error: ResourceNotFoundException) -> bool:
    return flow.device_key is not None and "device" in error.message.lower()


async def _start(flow: Flow, how: Start) -> SignedIn | Step:
    exchange = None
    if how.uses_srp:
        exchange = await start_exchange(USER_PROOF, pool_group(flow.client), Secret(how.password or ""))
    return await advance(flow, await _initiate(flow, how, exchange), exchange)


async def _verify_password(flow: Flow, how: Start) -> bool:
    exchange = await start_exchange(USER_PROOF, pool_group(flow.client), Secret(how.password or ""))
    try:
        step = next_step(flow, await _initiate(flow, how, exchange))
        if step.name != USER_PROOF:
            raise InvalidResponseError("the service sent no password challenge")
        response = await _prove(step, exchange)
    except NotAuthorizedException as error:
        if _WRONG_PASSWORD.fullmatch(error.message):
            return False
        raise
    result = response.authentication_result
    if not response.challenge_name:
        await _signed_in(flow, response)
    elif next_step(step.flow, response).name == USER_PROOF:
        raise InvalidResponseError("the service neither accepted nor rejected the proof")
    if result is not None and result.refresh_token is not None:
        with suppress(CognitoError):  # the password was accepted; the tokens expire unused
            await send_with(flow.client, ops.RevokeTokenRequest(token=result.refresh_token))
    return True


async def advance(flow: Flow, response: AuthResponse, exchange: Exchange | None = None) -> SignedIn | Step:
    """Answer challenges that need no user; return the first one that does, or the end.

    ``exchange`` is the one whose public number was sent with the request; None if there is none.
    """
    while response.challenge_name:
        step = next_step(flow, response)
        flow, device = step.flow, step.flow.device
        if step.name == "DEVICE_SRP_AUTH" and device is not None:
            exchange = await start_exchange(DEVICE_PROOF, device.group_key, Secret(device.password))
            response = await send(flow, step.request({"SRP_A": exchange.ephemeral.public_hex}), START_DEVICE)
        elif exchange is not None and step.name == exchange.challenge:
            response = await _prove(step, exchange)
            exchange = None  # each further proof would let a fake service test another guess of the password
        elif step.name in {USER_PROOF, "DEVICE_SRP_AUTH", DEVICE_PROOF}:
            raise InvalidResponseError(f"the service sent the challenge {step.name}, which this sign-in did not start")
        else:
            return step
    return await _signed_in(flow, response)


async def send(
    flow: Flow, request: Request[ResponseT], idempotency: Idempotency, *, deadline: float = inf
) -> ResponseT:
    """Send a request of a sign-in; a session that has expired or was used is a SignInExpiredError.

    No attempt starts after ``deadline``, a time of the event loop.
    """

    async def check_attempt() -> None:
        _check_endpoint(location_of(flow.client).endpoint_url)
        if asyncio.get_running_loop().time() > deadline:
            raise SignInExpiredError("the challenge expired before it could be answered; start a new sign-in")

    try:
        return await send_with(flow.client, request, before=check_attempt, idempotency=idempotency)
    except NotAuthorizedException as error:
        if not _EXPIRED.match(error.message):
            raise
        expired = SignInExpiredError("the session of the sign-in has expired or was used; start a new sign-in")
        expired.__dict__.update({**error.__dict__, "message": expired.message})
        raise expired from error


def next_step(flow: Flow, response: AuthResponse) -> Step:
    """Read the challenge of a response."""
    if flow.challenges >= MAX_CHALLENGES:
        raise InvalidResponseError(f"the service sent more than {MAX_CHALLENGES} challenges")
    step = _read_step(flow, response)
    if step is None:
        raise InvalidResponseError("the challenge is malformed")
    return step


def _read_step(flow: Flow, response: AuthResponse) -> Step | None:
    """Return the challenge of a response; None if it is malformed: the wire layer does not check scalars."""
    name = response.challenge_name
    session: Any = response.session
    given: Mapping[str, Any] = response.challenge_parameters or {}
    parameters = {key: value for key, value in given.items() if value is not None}
    available = tuple(response.available_challenges or ())
    texts = (name, *parameters.values(), *available)
    if not isinstance(session, str | None) or not all(isinstance(text, str) for text in texts):
        return None
    # Aliases are valid in the first request only: answers and their secret hashes use the service's name.
    user_id = parameters.get("USER_ID_FOR_SRP")
    username = user_id or (None if flow.has_user_id else parameters.get("USERNAME")) or flow.username
    has_user_id = flow.has_user_id or bool(user_id)
    flow = evolve(flow, username=username, has_user_id=has_user_id, challenges=flow.challenges + 1)
    return Step(flow, name or "", parameters=parameters, available=available, session=session or None)


async def _initiate(flow: Flow, how: Start, exchange: Exchange | None) -> AuthResponse:
    idempotency = START_SRP if how.auth_flow == "USER_SRP_AUTH" else START
    try:
        return await send(flow, _initiate_request(flow, how, exchange), idempotency)
    except (InvalidParameterException, NotAuthorizedException) as error:
        if _NOT_ENABLED.search(error.message):
            error.add_note(f"Add ALLOW_{how.auth_flow} to the ExplicitAuthFlows of the app client.")
        raise


def _initiate_request(flow: Flow, how: Start, exchange: Exchange | None) -> AuthRequest:
    parameters = {"USERNAME": flow.username}
    if flow.device_key is not None:
        parameters["DEVICE_KEY"] = flow.device_key
    if how.auth_flow == "USER_AUTH" and how.factor is not None:
        parameters["PREFERRED_CHALLENGE"] = how.factor
    if exchange is not None:
        parameters["SRP_A"] = exchange.ephemeral.public_hex
        if how.auth_flow == "CUSTOM_AUTH":
            parameters["CHALLENGE_NAME"] = "SRP_A"
    elif how.password is not None and (how.auth_flow != "USER_AUTH" or how.factor == "PASSWORD"):
        parameters["PASSWORD"] = how.password
    kind: Any = ops.AdminInitiateAuthRequest if flow.admin else ops.InitiateAuthRequest
    request: AuthRequest = kind(
        auth_flow=how.auth_flow, auth_parameters=parameters, session=how.session, **flow.context
    )
    return request


async def _prove(step: Step, exchange: Exchange) -> AuthResponse:
    """Answer a password challenge of the user or the device."""
    deadline = running_loop().time() + PROOF_TIMEOUT
    device = step.flow.device if step.name == DEVICE_PROOF else None
    challenge = parse_challenge({**({} if device is None else {"USERNAME": step.flow.username}), **step.parameters})
    proof = await run(
        prove(
            exchange.ephemeral,
            challenge,
            group=exchange.group,
            user_id=challenge.user_id if device is None else device.key,
            password=exchange.password,
            now=step.flow.now(),
        )
    )
    request = step.request(
        {
            "PASSWORD_CLAIM_SIGNATURE": proof.signature,
            "PASSWORD_CLAIM_SECRET_BLOCK": proof.secret_block,
            "TIMESTAMP": proof.timestamp,
        }
    )
    idempotency = PROOF if step.session is None else PROOF_WITH_SESSION
    return await send(step.flow, request, idempotency, deadline=deadline)


async def _signed_in(flow: Flow, response: AuthResponse) -> SignedIn:
    arrived = flow.now()
    result = response.authentication_result
    if result is None:
        raise InvalidResponseError("the response has neither a challenge nor tokens")
    tokens, device, device_error = Tokens.from_result(result, arrived), flow.device, None
    if result.new_device_metadata is not None:
        device = None
        if flow.remember_device:
            device, device_error = await confirm_device(flow.client, tokens, result.new_device_metadata)
    else:
        tokens = evolve(tokens, device_key=flow.device_key)
    return SignedIn(username=flow.username, tokens=tokens, device=device, device_error=device_error)


def _check_endpoint(url: str | None) -> None:
    """Raise ParameterValidationError for a connection on which anyone could pose as the service."""
    parts = urlsplit(url or "https:")
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return
    with suppress(ValueError):
        if ip_address(host).is_loopback:
            return
    raise ParameterValidationError("endpoint_url", "must use https for a sign-in, unless it is on this machine")
