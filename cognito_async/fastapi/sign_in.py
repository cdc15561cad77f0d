"""Sign-in routes: a JSON API over the sign-in of a user pool, with tokens in the body or in cookies."""

import hmac
import logging
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from secrets import token_bytes
from typing import Annotated, Any, Final, Literal

from attrs import evolve, field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ValidationError

from cognito_async.client import CognitoClient, send_with
from cognito_async.deadline import SharedTimer
from cognito_async.errors import CognitoError, InvalidResponseError, ParameterValidationError
from cognito_async.fastapi.dependencies import client_metadata, dependencies_of, with_encoded_data
from cognito_async.fastapi.problems import PROBLEMS, CrossOriginError, Problems, SignInStateError, log_problem
from cognito_async.fastapi.rate_limits import (
    MemoryRateLimit,
    RateLimit,
    address_limit_of,
    check_client_limit,
    check_username_limit,
    is_rate_limit,
)
from cognito_async.fastapi.request import (
    JSON,
    MAX_BODY_BYTES,
    Address,
    Body,
    body_schema,
    cookie_values,
    is_same_origin,
    origins,
    read_body,
)
from cognito_async.fastapi.responses import (
    BODY_PROBLEMS,
    NO_STORE,
    minimum_duration,
    problem_responses,
    problem_route,
)
from cognito_async.fastapi.settings import DEFAULT_POOL, CognitoSettings, RequiredSetting, env_prefix, key_of
from cognito_async.fastapi.sign_in_models import (
    Answer,
    ChallengeBody,
    ChallengeResponse,
    PasswordSignInBody,
    RefreshBody,
    SelectAnswer,
    SetUpEmailAnswer,
    SignedInResponse,
    SignedOutResponse,
    SignInBody,
    SignInResponse,
    challenge_details,
    signed_in_response,
)
from cognito_async.operations import GetTokensFromRefreshTokenRequest, UserContextDataType
from cognito_async.protocol.validators import number
from cognito_async.sign_in import (
    Challenge,
    MfaSetupChallenge,
    SelectChallenge,
    SignedIn,
    SignInResult,
    SoftwareTokenSecret,
    Tokens,
)
from cognito_async.sign_in.challenges import resumed, short_state
from cognito_async.sign_in.flow import FLOWS, PASSWORD_FACTORS, PASSWORDLESS_FLOWS
from cognito_async.tokens.provider import REPEATED_REFRESH

PASSKEY: Final = "WEB_AUTHN"

MAX_COOKIE_BYTES: Final = 4096
"""Browsers ignore larger cookies."""

_NONCE_BYTES: Final = 12
_EXPIRY_BYTES: Final = 8

_LOG = logging.getLogger("cognito_async.fastapi")
_OUTAGES: Final = ("TooManyRequestsException", "ConnectError", "RequestTimeoutError", "CognitoError")
_START_PROBLEMS: Final = (
    *(*BODY_PROBLEMS, *_OUTAGES, "InitiateAuth:NotAuthorizedException", "InitiateAuth:AmbiguousOutcomeError"),
    "TooManyFailedAttemptsException",
)
_ANSWER_PROBLEMS: Final = (
    *(*_START_PROBLEMS, "RespondToAuthChallenge:CodeMismatchException"),
    *("RespondToAuthChallenge:InvalidParameterException", "InvalidPasswordException"),
)
_REFRESH_PROBLEMS: Final = (
    *(*BODY_PROBLEMS, *_OUTAGES, "GetTokensFromRefreshToken:NotAuthorizedException"),
    "GetTokensFromRefreshToken:AmbiguousOutcomeError",
)


def _one_of(*choices: str) -> Callable[[Any, Any, object], None]:
    def check(_: object, attribute: Any, value: object) -> None:  # noqa: ANN401 - an attrs Attribute
        if value not in choices:
            raise ParameterValidationError(attribute.name, f"must be one of {', '.join(choices)}")

    return check


@frozen(kw_only=True, eq=False)
class SignInOptions:
    """How users sign in.

    Create one instance per application: it counts the attempts.
    """

    auth_flow: Literal["USER_SRP_AUTH", "USER_PASSWORD_AUTH", "USER_AUTH", "CUSTOM_AUTH"] = field(
        default="USER_SRP_AUTH", validator=_one_of(*FLOWS)
    )
    """The authentication flow, see ``CognitoClient.sign_in``. Requests cannot choose another one."""

    tokens: Literal["body", "cookies"] = field(default="body", validator=_one_of("body", "cookies"))
    """Where the tokens are: in the body of responses and requests, or in cookies that scripts cannot read.

    The cookies of the default pool are ``__Host-access_token`` and ``__Host-refresh_token``.
    """

    client_limit: RateLimit = field(
        factory=partial(MemoryRateLimit, 10, 900.0, network_hits={56: 20, 48: 30}), validator=is_rate_limit
    )
    """Limits the sign-ins per username and client, and separately the answers to challenges.

    Default: in 15 minutes 10 per IPv4 address or IPv6 /64 network, 20 per /56 and 30 per /48 network.
    """

    username_limit: RateLimit = field(factory=partial(MemoryRateLimit, 100, 900.0), validator=is_rate_limit)
    """The same from all clients. Default: 100 in 15 minutes.

    A lower limit makes it easier to lock a user out, a higher one to guess a password or code from many clients.
    """

    message_client_limit: RateLimit = field(
        factory=partial(MemoryRateLimit, 5, 3600.0, network_hits={56: 5, 48: 5}), validator=is_rate_limit
    )
    """Limits the starts and answers that can send a message, per username and client.

    These are starts without a password or with another first factor than a passkey, choices of such a factor, and
    e-mail addresses to set up. Default: 5 per hour and IPv4 address or IPv6 /48 network. Keep it below
    ``message_limit``.
    """

    message_limit: RateLimit = field(factory=partial(MemoryRateLimit, 10, 3600.0), validator=is_rate_limit)
    """The same from all clients, and separately the codes to each e-mail address to set up. Default: 10 per hour.

    A lower limit makes it easier to lock a user without a password out, a higher one to send a user many messages.
    """

    refresh_limit: RateLimit = field(factory=partial(MemoryRateLimit, 60, 60.0), validator=is_rate_limit)
    """Limits the refreshes and sign-outs per client. Default: 60 per minute."""

    minimum_duration: float = field(default=0.5, validator=number(0))
    """The minimum time of a sign-in and of an answer, in seconds, so that times reveal less about the user."""

    challenge_lifetime: float = field(default=180.0, validator=number(0, above=True))
    """How long a challenge can be answered, in seconds; the authentication session validity of the app client."""

    refresh_cookie_lifetime: float = field(default=30 * 86400.0, validator=number(0, above=True))
    """How long browsers keep the refresh token, in seconds; the refresh token validity of the app client."""

    totp_issuer: str | None = None
    """The name of the application in authenticator apps; None for the title of the FastAPI application."""

    async def check_attempt(
        self, username: str, client_ip: Address | None, kind: str = "sign-in", *, can_send_message: bool
    ) -> None:
        """Count an attempt; raise RateLimitedError if there are too many."""
        # First by client, so that rejected attempts of one client do not count for all.
        await check_username_limit(self.client_limit, username, client_ip, key_prefix=f"{kind} client ")
        if can_send_message:
            await check_username_limit(self.message_client_limit, username, client_ip, key_prefix="message client ")
        await check_username_limit(self.username_limit, username, key_prefix=f"{kind} username ")
        if can_send_message:
            await check_username_limit(self.message_limit, username, key_prefix="message username ")


@frozen
class TokenCookies:
    """The cookies of a pool. ``__Host-`` binds them to this host and to HTTPS, so that no other site can set them."""

    access: str
    refresh: str
    refresh_lifetime: float

    @classmethod
    def of(cls, pool: str, options: SignInOptions) -> "TokenCookies | None":
        """Return the cookies of a pool; None for tokens in the body."""
        if options.tokens != "cookies":
            return None
        prefix = "__Host-" if pool == DEFAULT_POOL else f"__Host-{pool}_"
        return cls(f"{prefix}access_token", f"{prefix}refresh_token", options.refresh_cookie_lifetime)

    def read(self, request: Request) -> RefreshBody:
        """Return the refresh token of a request, without one if the cookie is missing, repeated or invalid."""
        values = cookie_values(request.headers, self.refresh)
        token, _, device_key = (values[0] if len(values) == 1 else "").partition("~")
        try:
            return RefreshBody(refresh_token=token, device_key=device_key or None)
        except ValidationError:
            return RefreshBody.model_validate({})

    def write(self, response: Response, tokens: Tokens | None) -> None:
        """Set the cookies, or delete them for None. A token that is missing must not leave that of another user."""
        held = (tokens.refresh_token, tokens.device_key) if tokens and tokens.refresh_token else ()
        _set_cookie(response, self.access, tokens.access_token if tokens else "", tokens.lifetime if tokens else 0)
        # Only the routes of this router need the refresh token, and none of them is opened by a link.
        _set_cookie(response, self.refresh, "~".join(filter(None, held)), self.refresh_lifetime, "strict")


def _set_cookie(
    response: Response, name: str, value: str, seconds: float, same_site: Literal["lax", "strict"] = "lax"
) -> None:
    if len(name) + len(value) > MAX_COOKIE_BYTES:
        _LOG.error("the cookie %s exceeds %d bytes: browsers ignore it", name, MAX_COOKIE_BYTES)
    response.set_cookie(
        name, value, max_age=int(seconds) if value else 0, secure=True, httponly=True, samesite=same_site
    )


@frozen
class Seal:
    """Seals text that browsers keep for the server but can neither read nor change: AES-256-GCM with an expiry time.

    The first key seals, all of them open.

    ``context`` is authenticated but not part of the sealed text: text that was sealed in another context does not open.
    """

    keys: tuple[bytes, ...] = field(repr=False)
    context: bytes
    clock: Callable[[], float]

    def seal(self, text: str, seconds: float) -> str:
        """Return the sealed text, which opens for some seconds."""
        nonce = token_bytes(_NONCE_BYTES)
        expiry = int((self.clock() + seconds) * 1000).to_bytes(_EXPIRY_BYTES)
        sealed = AESGCM(self.keys[0]).encrypt(nonce, expiry + text.encode(), self.context)
        return urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str) -> str | None:
        """Return the text; None if it has expired, was changed, or was sealed with another key or context."""
        try:
            data = urlsafe_b64decode(sealed)
        except ValueError:
            return None
        if urlsafe_b64encode(data).decode() != sealed:  # decoding skips other characters
            return None
        nonce, data = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        for key in self.keys:
            try:
                opened = AESGCM(key).decrypt(nonce, data, self.context)
            except (InvalidTag, ValueError):  # a nonce that is too short
                continue
            expiry = int.from_bytes(opened[:_EXPIRY_BYTES]) / 1000
            return opened[_EXPIRY_BYTES:].decode() if self.clock() < expiry else None
        return None


def derived_key(client_secret: str) -> bytes:
    """Return a key that only the holders of a client secret know, which is long and random."""
    return hmac.digest(client_secret.encode(), b"cognito_async sign-in state", "sha256")


@frozen(kw_only=True)
class _Call:
    """The values that a route gets for a request."""

    client: CognitoClient
    settings: CognitoSettings
    client_ip: Address | None
    context: UserContextDataType | None
    metadata: Mapping[str, str] | None


@frozen(kw_only=True, eq=False)
class _SignIn:
    """The parts that the routes of a router share."""

    pool: str
    options: SignInOptions
    allowed_origins: Collection[str]
    cookies: TokenCookies | None
    timer: SharedTimer = field(factory=SharedTimer)

    async def accept(
        self, request: Request, client_ip: Address | None, model: type[Body], limit: RateLimit, kind: str = "sign-in"
    ) -> Body:
        # A sign-in by another site (login CSRF) would store its user's data under a foreign account. JSON is checked,
        # too: a lenient CORS policy of the application must not allow it.
        if not is_same_origin(request.headers, self.allowed_origins):
            raise CrossOriginError("the request was sent by a page of another origin")
        await check_client_limit(limit, client_ip, f"{kind} address ")
        optional = model is RefreshBody and self.cookies is not None
        return await read_body(request, model, self.timer, (JSON,), optional=optional)

    def seal(self, call: _Call) -> Seal:
        """Return the seal for the challenges of an app client."""
        settings = call.settings
        keys = tuple(key for text in settings.state_keys if (key := key_of(text)))
        if not keys and settings.client_secret is not None:
            keys = (derived_key(settings.client_secret.get_secret_value()),)
        if not keys:
            rule = f"is required for an app client without a secret; set {env_prefix(self.pool)}STATE_KEYS"
            raise ParameterValidationError("state_keys", rule)
        return Seal(keys, f"sign-in {call.client.bound.client_id}".encode(), time.time)

    def respond(
        self, request: Request, seal: Seal, account: str, result: SignInResult, new: SoftwareTokenSecret | None = None
    ) -> Response:
        """Return the next challenge, with the secret of a new authenticator app if there is one, or the tokens."""
        if isinstance(result, SignedIn):
            return self.signed_in(result.tokens, result.username)
        issuer = self.options.totp_issuer or request.app.title
        details = challenge_details(
            result, new.secret if new else None, new.uri(issuer=issuer, account=account) if new else None
        )
        sealed = seal.seal(f"{account}\n{short_state(result)}", self.options.challenge_lifetime)
        if len(sealed) > MAX_BODY_BYTES:
            _LOG.error("the state of %s exceeds %d bytes: its answer is refused", result.name, MAX_BODY_BYTES)
        return _json(ChallengeResponse(challenge=details, sealed=sealed))

    def signed_in(self, tokens: Tokens, username: str | None = None) -> Response:
        response = _json(signed_in_response(tokens, username, in_body=self.cookies is None))
        if self.cookies is not None:
            self.cookies.write(response, tokens)
        return response

    def signed_out(self, revoked: bool | None) -> Response:  # noqa: FBT001 - the member of the response
        response = _json(SignedOutResponse(revoked=revoked))
        if self.cookies is not None:
            self.cookies.write(response, None)
        return response

    async def refresh_token(self, request: Request, call: _Call) -> RefreshBody:
        """Return the refresh token of the body or the cookie, whichever the options name."""
        body = await self.accept(request, call.client_ip, RefreshBody, self.options.refresh_limit, "refresh")
        return body if self.cookies is None else self.cookies.read(request)


def sign_in_router(
    pool: str = DEFAULT_POOL,
    *,
    options: SignInOptions | None = None,
    problems: Problems = PROBLEMS,
    address_limit: RateLimit | None = None,
    allowed_origins: Collection[str] = (),
) -> APIRouter:
    """Return a router with the routes ``/sign-in``, ``/sign-in/challenge``, ``/refresh`` and ``/sign-out`` for JSON.

    It needs ``COGNITO_STATE_KEYS`` if the app client has no secret, see ``CognitoSettings.state_keys``, and
    ``COGNITO_USER_POOL_ID`` for SRP; the application does not start without them.

    Args:
        pool: The name of the pool in this application.
        options: How users sign in; None for the defaults of SignInOptions.
        problems: The table of problems.
        address_limit: Limits the sign-ins and answers per client IP; None for 20 per minute and IPv4 address or IPv6
            /64 network, 80 per /56 and 300 per /48 network.
        allowed_origins: Other origins whose pages may call the routes, such as ``"https://www.example.com"``.

    Returns:
        The router. It handles its own errors and needs the lifespan of the pool.

    Raises:
        ParameterValidationError: ``allowed_origins`` is no collection of origins, ``address_limit`` not a rate limit,
            ``pool`` not the name of a pool, or ``problems`` has a name that no error can have.
    """
    options = SignInOptions() if options is None else options
    limit = address_limit_of(address_limit)
    parts = _SignIn(
        pool=pool, options=options, allowed_origins=origins(allowed_origins), cookies=TokenCookies.of(pool, options)
    )
    dependencies = dependencies_of(pool)
    keys = "for an app client without a secret: create a key with `openssl rand -base64 32`"
    required = [RequiredSetting(pool, ("state_keys", "client_secret"), keys, dependencies.settings)]
    if options.auth_flow == "USER_SRP_AUTH":
        required.append(RequiredSetting(pool, ("user_pool_id",), "for SRP", dependencies.client))
    body_model = SignInBody if options.auth_flow in PASSWORDLESS_FLOWS else PasswordSignInBody
    router = APIRouter(
        route_class=problem_route(problems), tags=["sign-in"], dependencies=[Depends(each) for each in required]
    )

    async def call(
        client: Annotated[CognitoClient, Depends(dependencies.client)],
        settings: Annotated[CognitoSettings, Depends(dependencies.settings)],
        client_ip: Annotated[Address | None, Depends(dependencies.client_ip)],
        context: Annotated[UserContextDataType | None, Depends(dependencies.user_context)],
        metadata: Annotated[Mapping[str, str], Depends(client_metadata)],
    ) -> _Call:
        return _Call(client=client, settings=settings, client_ip=client_ip, context=context, metadata=metadata or None)

    @router.post(
        "/sign-in",
        response_model=SignInResponse,
        responses=problem_responses(*_START_PROBLEMS, problems=problems),
        openapi_extra=body_schema(body_model, (JSON,)),
    )
    async def sign_in(request: Request, call: Annotated[_Call, Depends(call)]) -> Response:
        """Start a sign-in. The response to a wrong password does not depend on whether the user exists."""
        body = await parts.accept(request, call.client_ip, body_model, limit)
        seal = parts.seal(call)
        await options.check_attempt(body.username, call.client_ip, can_send_message=_can_send_message(body))
        async with minimum_duration(options.minimum_duration):
            result = await call.client.sign_in(
                username=body.username,
                password=body.password,
                auth_flow=options.auth_flow,
                preferred_challenge=body.preferred_challenge,
                client_metadata=call.metadata,
                user_context_data=with_encoded_data(call.context, body.encoded_data),
            )
        return parts.respond(request, seal, body.username, result)

    @router.post(
        "/sign-in/challenge",
        response_model=SignInResponse,
        responses=problem_responses(*_ANSWER_PROBLEMS, problems=problems),
        openapi_extra=body_schema(ChallengeBody, (JSON,)),
    )
    async def answer_challenge(request: Request, call: Annotated[_Call, Depends(call)]) -> Response:
        """Answer a challenge. After status 400 or 422 it can be answered again, after 401 start a new sign-in."""
        body = await parts.accept(request, call.client_ip, ChallengeBody, limit)
        seal = parts.seal(call)
        account, challenge = _resume(seal, body, call)
        if not isinstance(challenge, Challenge):
            raise SignInStateError("the state of the sign-in is invalid or has expired")
        await _check_answer(options, body.answer, challenge, call.client_ip)
        async with minimum_duration(options.minimum_duration):
            result = await _send(body.answer, challenge)
        if isinstance(result, SoftwareTokenSecret):  # the challenge is open, with a new session
            return parts.respond(request, seal, account, challenge, result)
        return parts.respond(request, seal, account, result)

    @router.post(
        "/refresh",
        response_model=SignedInResponse,
        responses=problem_responses(*_REFRESH_PROBLEMS, problems=problems),
        openapi_extra=body_schema(RefreshBody, (JSON,), required=parts.cookies is None),
    )
    async def refresh(request: Request, call: Annotated[_Call, Depends(call)]) -> Response:
        """Return new tokens for the refresh token."""
        held = await parts.refresh_token(request, call)
        if held.refresh_token is None:
            raise SignInStateError("there is no refresh token")
        return parts.signed_in(await _refresh(call, held))

    @router.post(
        "/sign-out",
        response_model=SignedOutResponse,
        responses=problem_responses(*BODY_PROBLEMS, problems=problems),
        openapi_extra=body_schema(RefreshBody, (JSON,), required=parts.cookies is None),
    )
    async def sign_out(request: Request, call: Annotated[_Call, Depends(call)]) -> Response:
        """Revoke the refresh token and delete the cookies, if there are any."""
        held = await parts.refresh_token(request, call)
        return parts.signed_out(await _revoke(call.client, held, problems))

    return router


def _can_send_message(body: SignInBody) -> bool:
    """Return whether a start can send one. A password alone does not rule it out: another factor does not use it."""
    if body.preferred_challenge in {None, *PASSWORD_FACTORS}:
        return body.password is None
    return body.preferred_challenge != PASSKEY


async def _check_answer(
    options: SignInOptions, answer: Answer, challenge: Challenge, client_ip: Address | None
) -> None:
    """Count an answer; raise RateLimitedError if there are too many."""
    sends = isinstance(challenge, SelectChallenge) and isinstance(answer, SelectAnswer) and answer.option != PASSKEY
    address = (
        answer.address if isinstance(answer, SetUpEmailAnswer) and isinstance(challenge, MfaSetupChallenge) else None
    )
    await options.check_attempt(
        challenge.username, client_ip, "challenge", can_send_message=sends or address is not None
    )
    if address is not None:  # it may be that of someone else
        await check_username_limit(options.message_limit, address, key_prefix="message address ")


async def _send(answer: Answer, challenge: Challenge) -> SignInResult | SoftwareTokenSecret:
    """Send an answer; errors name its fields by their place in the body."""
    try:
        return await answer.send(challenge)
    except ParameterValidationError as error:
        first, *others = [(_in_body(answer, name), rule) for name, rule in error.errors]
        renamed = ParameterValidationError(*first, operation=error.operation, others=others)
    raise renamed  # without the error in terms of the client


def _in_body(answer: Answer, parameter: str) -> str:
    return f"answer.{parameter}" if re.split(r"[.\[]", parameter)[0] in type(answer).model_fields else parameter


def _json(content: BaseModel) -> Response:
    return Response(content.model_dump_json(by_alias=True, exclude_none=True), 200, NO_STORE, JSON)


def _resume(seal: Seal, body: ChallengeBody, call: _Call) -> tuple[str, SignInResult | None]:
    """Return the name with which the user signed in and the challenge. Does not raise: its frame holds the state."""
    account, _, state = (seal.open(body.sealed) or "").partition("\n")
    return account, resumed(call.client, state, None, with_encoded_data(call.context, body.encoded_data))


async def _refresh(call: _Call, held: RefreshBody) -> Tokens:
    request = GetTokensFromRefreshTokenRequest(
        refresh_token=held.refresh_token or "", device_key=held.device_key, client_metadata=call.metadata
    )
    response = await send_with(call.client, request, idempotency=REPEATED_REFRESH)
    if response.authentication_result is None:
        raise InvalidResponseError("the response has no tokens", operation="GetTokensFromRefreshToken")
    tokens = Tokens.from_result(response.authentication_result, datetime.now(UTC))
    # Without rotation, the response has no refresh token.
    return evolve(
        tokens,
        refresh_token=tokens.refresh_token or held.refresh_token,
        device_key=tokens.device_key or held.device_key,
    )


async def _revoke(client: CognitoClient, held: RefreshBody, problems: Problems) -> bool | None:
    """Return whether the refresh token was certainly revoked; None if there is none.

    A failure must not keep users signed in.
    """
    if held.refresh_token is None:
        return None
    try:
        await client.revoke_token(token=held.refresh_token)
    except CognitoError as error:
        log_problem(error, problems)
        return False
    return True
