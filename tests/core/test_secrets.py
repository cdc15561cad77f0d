"""Secrets: no canary in a secret field appears in a repr, error or log."""

import asyncio
import copy
import io
import json
import logging
import pickle
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any

import pytest

import cognito_async
from cognito_async import (
    AsyncCognitoSession,
    CodeMismatchException,
    CognitoError,
    ConnectError,
    Credentials,
    CredentialsError,
    InvalidParameterException,
    InvalidResponseError,
    ParameterValidationError,
    RequestTimeoutError,
    RetryDetails,
    RetryPolicy,
    ServiceError,
    TransportError,
    UserContextDataType,
    errors,
    operations,
)
from cognito_async.operations import (
    AdminCreateUserRequest,
    AttributeType,
    ConfirmForgotPasswordRequest,
    InitiateAuthRequest,
    InitiateAuthResponse,
    RespondToAuthChallengeRequest,
)
from cognito_async.protocol.conversion import CONVERTER
from cognito_async.protocol.operation import Request
from cognito_async.protocol.shapes import (
    Blob,
    Document,
    ListOf,
    MapOf,
    Shape,
    Struct,
    Structure,
    Text,
    Timestamp,
    members,
)
from cognito_async.protocol.wire import decode
from tests.support.scripted_server import Action, Connection, ScriptedServer, answer, cut, reset_connection
from tests.support.scripted_transport import ScriptedTransport, refuse, reset, respond, scripted_session
from tests.support.strategies import EPOCH

CANARY = "yranac"[::-1]  # not a literal, because tracebacks quote the lines of this file
PERSONAL = "lanosrep"[::-1]  # personal data: never in a repr or log, but in messages of the service
REQUEST_NAMES = sorted(name for name in dir(operations) if name.endswith("Request"))
NO_WAIT = RetryPolicy(transient_base=0, throttled_base=0)


# --- canaries ---------------------------------------------------------------------------------------------------------


class Canaries:
    """Creates unique canaries and keeps them."""

    def __init__(self) -> None:
        self._numbers = count()
        self.created: list[str] = []

    def secret(self) -> str:
        """Return a new canary."""
        return self._numbered(CANARY)

    def personal(self) -> str:
        """Return a new marker of personal data, which gives no access."""
        return self._numbered(PERSONAL)

    def _numbered(self, marker: str) -> str:
        secret = f"{marker}{next(self._numbers)}x{'y' * 24}"
        self.created.append(secret)
        return secret

    def fill(self, kind: type[Structure], *, secret: bool = False) -> Any:
        """Return an instance with every member set, and a canary in every secret one, at any depth."""
        return kind(**{name: self.value(about.shape, secret or about.secret) for name, about in members(kind)})

    def value(self, shape: Shape, secret: bool) -> Any:  # noqa: FBT001, PLR0911 - one return for each shape
        """Return a value of a shape."""
        match shape:
            case Struct():
                return self.fill(shape.type, secret=secret)
            case ListOf():
                return [self.value(shape.element, secret)]
            case MapOf():
                return {"key": self.value(shape.value, secret)}
            case Text():
                return self.secret() if secret else "plain"
            case Blob():
                return self.secret().encode() if secret else b"plain"
            case Document():
                return {"key": [self.secret()]} if secret else {"key": ["plain"]}
            case Timestamp():
                return EPOCH
        return None


def credentials_of(canaries: Canaries) -> Credentials:
    """Return credentials whose secrets are canaries."""
    secret, token = canaries.secret(), canaries.secret()
    return Credentials(access_key_id="AKIDEXAMPLE", secret_access_key=secret, session_token=token)


def shown(thing: object, seen: set[int] | None = None) -> Iterator[str]:
    """Yield all texts that an object shows: repr, str, args, attributes, causes, notes, traceback."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield repr(thing)
    yield str(thing)
    if isinstance(thing, BaseException):
        yield "".join(traceback.format_exception(thing))
        for part in (thing.args, vars(thing), thing.__cause__, thing.__context__):
            yield from shown(part, seen)
    elif isinstance(thing, Mapping):
        for part in (*thing.keys(), *thing.values()):
            yield from shown(part, seen)
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from shown(part, seen)


def leaks(thing: object, *texts: str) -> list[str]:
    """Return the texts of an object that contain a canary, or one of the given texts."""
    wanted = texts or (CANARY,)
    return [text for text in shown(thing) if any(one in text for one in wanted)]


@pytest.fixture
def canaries() -> Canaries:
    """Return a new set of canaries."""
    return Canaries()


class Log(logging.Handler):
    """Keeps everything that is logged, formatted and raw."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)
        self.text.write(self.format(record) + "\n" + repr(vars(record)) + "\n")


@pytest.fixture
def log() -> Iterator[Log]:
    """Log everything at DEBUG: root, this library, aiohttp and asyncio."""
    handler = Log()
    loggers = [logging.getLogger(name) for name in (None, "cognito_async", "aiohttp", "aiohttp.client", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    yield handler
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def debug_loop() -> None:
    """Let asyncio log every step."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0


# --- objects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REQUEST_NAMES)
def test_repr_of_request_hides_secrets(name: str, canaries: Canaries) -> None:
    """For every operation, at any depth; the secrets are on the wire."""
    request = canaries.fill(getattr(operations, name))
    assert not leaks(request)
    wire = json.dumps(CONVERTER.unstructure(request))
    for secret in canaries.created:
        assert secret in wire or b64encode(secret.encode()).decode() in wire


def test_repr_of_response_hides_secrets(canaries: Canaries) -> None:
    """For every class of responses and nested types."""
    kinds = [getattr(operations, name) for name in dir(operations)]
    structures = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Structure)]
    assert len(structures) > 300
    for kind in structures:
        assert not leaks(canaries.fill(kind)), kind


def test_unmarked_secrets_are_secret() -> None:
    """Codes, challenge parameters, provider details, pre-signed URLs and the like."""
    unmarked = {
        ("ConfirmForgotPasswordRequest", "confirmation_code"),
        ("ConfirmSignUpRequest", "confirmation_code"),
        ("VerifyUserAttributeRequest", "code"),
        ("VerifySoftwareTokenRequest", "user_code"),
        ("RespondToAuthChallengeRequest", "challenge_responses"),
        ("InitiateAuthRequest", "auth_parameters"),
        ("InitiateAuthResponse", "challenge_parameters"),
        ("CreateIdentityProviderRequest", "provider_details"),
        ("CreateUserImportJobResponse", "user_import_job"),
        ("CompleteWebAuthnRegistrationRequest", "credential"),
        ("DeviceSecretVerifierConfigType", "password_verifier"),
    }
    for kind, name in unmarked:
        about = dict(members(getattr(operations, kind)))[name]
        inner = dict(members(about.shape.type)) if isinstance(about.shape, Struct) else {}
        assert about.secret or inner["pre_signed_url"].secret, (kind, name)


async def test_reprs_of_session_client_and_credentials_hide_secrets(canaries: Canaries) -> None:
    """As shown by debuggers and logs."""
    keys = credentials_of(canaries)
    session = AsyncCognitoSession("eu-west-1", credentials=keys)
    client = session.client(canaries.secret(), canaries.secret(), "eu-west-1_AbC")
    assert not leaks([keys, session, client, client.with_options(), client._bound, session._signer, vars(client)])
    assert "AKIDEXAMPLE" in repr(keys)
    assert "eu-west-1_AbC" in repr(client)
    await session.close()


# --- calls that fail --------------------------------------------------------------------------------------------------


def reset_arguments(canaries: Canaries) -> dict[str, Any]:
    """Return all arguments of confirm_forgot_password, with a marker in each."""
    return {
        "username": canaries.personal(),
        "confirmation_code": canaries.secret(),
        "password": canaries.secret(),
        "client_id": canaries.personal(),
        "client_metadata": {"a key": canaries.personal()},
        "secret_hash": canaries.secret(),
        "user_context_data": UserContextDataType(ip_address=canaries.personal(), encoded_data=canaries.secret()),
        "analytics_metadata": cognito_async.AnalyticsMetadataType(analytics_endpoint_id=canaries.personal()),
    }


async def quote_all(connection: Connection, padding: str = "") -> None:
    """Reject the request, and quote it in the message."""
    request = connection.request
    assert request is not None
    message = f"1 validation error detected: {request.body.decode()} {dict(request.headers)}"
    body = {"__type": "InvalidParameterException", "message": message, "reasonCode": message, "padding": padding}
    await answer(body, 400)(connection)


async def quote_in_large_response(connection: Connection) -> None:
    """Do so in a response that is decoded in a thread."""
    await quote_all(connection, padding=" " * 200_000)


async def quote_each(connection: Connection) -> None:
    """Reject the request, and quote each value as the service does."""
    assert connection.request is not None
    values = [value for value in flat(connection.request.json) if isinstance(value, str)]
    message = "; ".join(f"Value '{value}' at 'member' failed to satisfy constraint" for value in values)
    await answer({"__type": "InvalidParameterException", "message": message}, 400)(connection)


async def quote_in_html(connection: Connection) -> None:
    """Respond with a page that shows the request."""
    assert connection.request is not None
    page = b"<html>" + connection.request.raw + connection.request.body
    await answer(page, 502, Content_Type="text/html")(connection)


async def quote_as_status_line(connection: Connection) -> None:
    """Respond with the request's body instead of a status line."""
    assert connection.request is not None
    await connection.write(connection.request.body + b"\r\n\r\n")
    connection.close()


async def quote_in_invalid_header(connection: Connection) -> None:
    """Respond with the request's body instead of a header."""
    assert connection.request is not None
    await connection.write(b"HTTP/1.1 200 OK\r\n" + connection.request.body.replace(b":", b"") + b"\r\n\r\n")
    connection.close()


async def quote_in_incomplete_head(connection: Connection) -> None:
    """Respond with an incomplete head that quotes the request's body."""
    assert connection.request is not None
    await connection.write(b"HTTP/1.1 200 OK\r\nX-Seen: " + connection.request.body + b"\r\nX-More: ")
    connection.close()


async def quote_as_chunk_size(connection: Connection) -> None:
    """Respond with the request's body instead of the size of a chunk."""
    assert connection.request is not None
    await connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + connection.request.body + b"\r\n")
    connection.close()


def flat(value: Any) -> Iterable[Any]:
    """Yield the leaves of a JSON value."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from flat(part)
    else:
        yield value


FAULTS: dict[str, Action] = {
    "message quotes the request": quote_all,
    "message quotes each value": quote_each,
    "large response quotes the request": quote_in_large_response,
    "proxy's page quotes the request": quote_in_html,
    "status line quotes the request": quote_as_status_line,
    "header quotes the request": quote_in_invalid_header,
    "incomplete head quotes the request": quote_in_incomplete_head,
    "chunk size quotes the request": quote_as_chunk_size,
    "connection closed": cut(),
    "connection reset": reset_connection(),
    "throttled": answer({"__type": "TooManyRequestsException", "message": "slowly"}, 400),
    "not JSON": answer(b"no", 400),
    "success": answer(),
}
QUOTING = (quote_all, quote_each, quote_in_large_response)
"""Messages of the service that quote the request; they keep personal data."""


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_call_shows_no_secret(fault: Action, canaries: Canaries, log: Log) -> None:
    """In errors, their causes and tracebacks, events, and logs at DEBUG."""
    debug_loop()
    events: list[RetryDetails] = []
    policy = RetryPolicy(transient_base=0, throttled_base=0, on_retry=events.append)
    failure = None
    async with ScriptedServer(otherwise=fault) as server:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, retry=policy) as session:
            client = session.client(canaries.secret(), canaries.secret())
            try:
                await client.confirm_forgot_password(**reset_arguments(canaries))
            except CognitoError as error:
                failure = error
        assert all(secret in str(server.requests[0].body) for secret in canaries.created[2:])
    assert (failure is None) == (fault is FAULTS["success"])
    assert not leaks(failure)
    assert not leaks(events)
    assert not leaks([pickle.loads(pickle.dumps(failure)), copy.copy(failure), copy.deepcopy(failure)])
    assert log.records
    assert CANARY not in log.text.getvalue()
    assert PERSONAL not in log.text.getvalue()
    assert bool(leaks(failure, PERSONAL)) == (fault in QUOTING)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_signed_call_shows_no_credentials(fault: Action, canaries: Canaries, log: Log) -> None:
    """The session token is in a header; personal data only in quoted messages."""
    debug_loop()
    failure = None
    keys = credentials_of(canaries)
    async with ScriptedServer(otherwise=fault) as server:
        async with AsyncCognitoSession(
            "eu-west-1", endpoint_url=server.url, retry=NO_WAIT, credentials=keys
        ) as session:
            client = session.client(user_pool_id="eu-west-1_AbC")
            try:
                await client.admin_create_user(
                    username=canaries.personal(),
                    temporary_password=canaries.secret(),
                    user_attributes=[AttributeType(name="email", value=canaries.personal())],
                    validation_data=[AttributeType(name="email", value=canaries.personal())],
                    client_metadata={"a key": canaries.personal()},
                )
            except CognitoError as error:
                failure = error
        assert "authorization" in server.requests[0].headers
    assert bool(leaks(failure, PERSONAL)) == (fault in QUOTING)
    assert not leaks(failure)
    assert not leaks(pickle.loads(pickle.dumps(failure)))
    assert CANARY not in log.text.getvalue()


async def test_connection_error_shows_no_secret(canaries: Canaries, log: Log) -> None:
    """The request was not sent."""
    debug_loop()
    async with AsyncCognitoSession("eu-west-1", endpoint_url="http://127.0.0.1:1", retry=NO_WAIT) as session:
        with pytest.raises(ConnectError) as caught:
            await session.client("abc").confirm_forgot_password(**reset_arguments(canaries))
    assert not leaks(caught.value)
    assert CANARY not in log.text.getvalue()


@pytest.mark.manual_clock
async def test_timed_out_call_shows_no_secret(canaries: Canaries, log: Log) -> None:
    """Also in the loop's debug mode."""
    debug_loop()
    transport = ScriptedTransport(RequestTimeoutError("no answer", sent=True))
    async with scripted_session(transport, retry=RetryPolicy(max_attempts=1)) as session:
        task = asyncio.ensure_future(session.client("abc").confirm_forgot_password(**reset_arguments(canaries)))
        with pytest.raises(RequestTimeoutError) as caught:
            await task
    assert not leaks([caught.value, task])
    assert CANARY not in log.text.getvalue()


# --- masking ----------------------------------------------------------------------------------------------------------

PHRASES: list[Callable[[str], str]] = [
    lambda secret: f"Value '{secret}' at 'confirmationCode' failed to satisfy constraint",
    lambda secret: f"{secret} is wrong",
    lambda secret: f"wrong: {secret}",
    lambda secret: f'got "{secret}", {secret}; ({secret})',
    lambda secret: secret,
]


def words(text: str) -> set[str]:
    """Return the words of a text."""
    for mark in "'\";:,()":
        text = text.replace(mark, " ")
    return set(text.split())


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("secret", ["7", "42", "x", "aZ9", "123456", "p.a+s*s(w[o]r$d", "日本語", "\\d+", "a b", "&&&"])
async def test_secret_quoted_by_the_service_is_masked(secret: str, phrase: Callable[[str], str]) -> None:
    """Of any length and characters."""
    transport = ScriptedTransport(refuse("CodeMismatchException", phrase(secret)))
    async with scripted_session(transport) as session:
        with pytest.raises(CodeMismatchException) as caught:
            await reset(session.client("abc"), confirmation_code=secret)
    assert "***" in caught.value.message
    if len(secret) > 3:
        assert not leaks(caught.value, secret)
    else:
        assert secret not in words(caught.value.message)


@pytest.mark.parametrize("secret", ['with "quotes"', "with\ttab", "back\\slash", "pässwörd", "snow☃man"])
@pytest.mark.parametrize("ensure_ascii", [True, False])
async def test_secret_quoted_as_json_is_masked(secret: str, *, ensure_ascii: bool) -> None:
    """With JSON escapes."""
    quoted = json.dumps({"Password": secret}, ensure_ascii=ensure_ascii)
    async with scripted_session(ScriptedTransport(refuse("InvalidParameterException", f"bad: {quoted}"))) as session:
        with pytest.raises(InvalidParameterException) as caught:
            await reset(session.client("abc"), password=secret)
    assert str(caught.value).startswith('bad: {"Password": "***"}')


async def test_secret_in_an_unknown_code_is_masked() -> None:
    """Known codes are kept."""
    transport = ScriptedTransport(refuse("OddCorrectHorse"), refuse("Throttling"))
    async with scripted_session(transport, retry=RetryPolicy(max_attempts=1)) as session:
        with pytest.raises(ServiceError) as caught:
            await reset(session.client("abc"), password="CorrectHorse")
        assert caught.value.code == "Odd***"
        with pytest.raises(ServiceError) as caught:
            await reset(session.client("abc"), password="Throttling")
        assert caught.value.code == "Throttling"


async def test_masking_keeps_the_rest_of_the_message() -> None:
    """A short secret is masked as a whole word only."""
    message = "Invalid code provided, please request a code again: 'a'"
    transport = ScriptedTransport(refuse("CodeMismatchException", message))
    async with scripted_session(transport) as session:
        with pytest.raises(CodeMismatchException) as caught:
            await reset(session.client("abc"), confirmation_code="code")
    assert caught.value.message == "Invalid *** provided, please request a *** again: 'a'"


async def test_secret_within_a_secret_is_masked() -> None:
    """The longer one is masked first."""
    transport = ScriptedTransport(refuse("CodeMismatchException", "no 'hunter2 is mine' and no 'hunter2'"))
    async with scripted_session(transport) as session:
        with pytest.raises(CodeMismatchException) as caught:
            await reset(session.client("abc"), confirmation_code="hunter2", password="hunter2 is mine")
    assert caught.value.message == "no '***' and no '***'"


async def test_reason_code_is_masked() -> None:
    """Like every text of the response."""
    body = {"__type": "InvalidParameterException", "message": "no", "reasonCode": "bad value hunter2hunter2"}
    transport = ScriptedTransport(respond(400, json.dumps(body).encode()))
    async with scripted_session(transport) as session:
        with pytest.raises(InvalidParameterException) as caught:
            await reset(session.client("abc"), password="hunter2hunter2")
    assert caught.value.reason_code == "bad value ***"


async def test_computed_secret_hash_is_masked() -> None:
    """Like one that was passed."""

    class Repeating(ScriptedTransport):
        async def send(self, request: Any) -> Any:
            repeated = json.loads(request.body)["SecretHash"]
            self.hash = repeated
            self.script.append(refuse("NotAuthorizedException", f"SecretHash {repeated} does not match"))
            return await super().send(request)

    transport = Repeating()
    async with scripted_session(transport) as session:
        with pytest.raises(ServiceError) as caught:
            await reset(session.client("abc", "a secret"))
    assert caught.value.message == "SecretHash *** does not match"
    assert not leaks(caught.value, transport.hash)


@pytest.mark.parametrize(
    "request_",
    [
        InitiateAuthRequest(
            client_id="abc",
            auth_flow="USER_PASSWORD_AUTH",
            auth_parameters={"USERNAME": "ada lovelace", "PASSWORD": CANARY},
        ),
        RespondToAuthChallengeRequest(
            client_id="abc", challenge_name="SMS_MFA", challenge_responses={"SMS_MFA_CODE": CANARY}, session="x" * 20
        ),
        AdminCreateUserRequest(user_pool_id="eu-west-1_AbC", username="ada", temporary_password=CANARY),
    ],
    ids=lambda request: request.OPERATION.name,
)
def test_secrets_in_maps_and_lists_are_masked(request_: Request[Any]) -> None:
    """At any depth of the request."""
    response = refuse("InvalidParameterException", f"Value {CANARY} is not valid")
    with pytest.raises(InvalidParameterException, match=r"Value \*\*\* is not valid") as caught:
        decode(response, request_)
    assert not leaks(caught.value)


# --- invalid values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("username", lambda secret: secret * 10),
        ("confirmation_code", lambda secret: secret * 100),
        ("password", lambda secret: secret * 10),
        ("client_id", lambda secret: secret * 10),
        ("secret_hash", lambda secret: secret * 10),
        ("password", lambda secret: [secret]),
        ("password", lambda secret: secret.encode()),
        ("password", lambda secret: secret + "\ud800"),
        ("username", lambda secret: {secret: secret}),
        ("client_metadata", lambda secret: {"key": {secret: secret}}),
        ("client_metadata", lambda secret: {"key": [secret]}),
        ("client_metadata", lambda secret: {f"not a name {secret}": 1}),
        ("client_metadata", lambda secret: secret),
        ("user_context_data", lambda secret: {"IpAddress": secret}),
    ],
)
async def test_validation_error_does_not_show_the_value(
    name: str, make: Callable[[str], Any], canaries: Canaries, log: Log
) -> None:
    """Only operation, parameter and rule."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError) as caught:
            await reset(session.client("abc"), **{name: make(canaries.secret())})
    assert caught.value.parameter.startswith(name)
    assert not leaks(caught.value)
    assert not leaks(pickle.loads(pickle.dumps(caught.value)))
    assert CANARY not in log.text.getvalue()


async def test_error_of_invalid_client_does_not_show_the_value(canaries: Canaries) -> None:
    """Nor does the error of an endpoint with a password."""
    session = scripted_session(ScriptedTransport())
    with pytest.raises(ParameterValidationError) as caught:
        session.client("abc", canaries.secret() * 10)
    assert not leaks(caught.value)
    with pytest.raises(ParameterValidationError) as caught:
        AsyncCognitoSession("eu-west-1", endpoint_url=f"http://ada:{canaries.secret()}@127.0.0.1")
    assert not leaks(caught.value)
    await session.close()


async def test_error_of_incomplete_credentials_does_not_show_the_value(
    monkeypatch: pytest.MonkeyPatch, canaries: Canaries
) -> None:
    """It names the variable."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", canaries.secret())
    monkeypatch.setenv("AWS_SESSION_TOKEN", canaries.secret())
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(CredentialsError) as caught:
            await session.client(user_pool_id="eu-west-1_AbC").admin_get_user(username=canaries.secret())
    assert not leaks(caught.value)


def test_error_of_unreadable_response_does_not_quote_it(canaries: Canaries) -> None:
    """It may contain tokens."""
    request = InitiateAuthRequest(client_id="abc", auth_flow="USER_PASSWORD_AUTH")
    for body in (
        {"AuthenticationResult": [canaries.secret()]},
        {"ChallengeParameters": canaries.secret()},
        {"AuthenticationResult": {"NewDeviceMetadata": canaries.secret()}},
    ):
        with pytest.raises(InvalidResponseError) as caught:
            decode(respond(200, json.dumps(body).encode()), request)
        assert not leaks(caught.value)
    with pytest.raises(InvalidResponseError) as caught:
        decode(respond(200, b'{"Session": "' + canaries.secret().encode()), request)
    assert not leaks(caught.value)


def test_repr_of_sign_in_response_hides_tokens(canaries: Canaries) -> None:
    """And the session."""
    body = {"AuthenticationResult": {name: canaries.secret() for name in ("AccessToken", "IdToken", "RefreshToken")}}
    request = InitiateAuthRequest(client_id="abc", auth_flow="USER_PASSWORD_AUTH")
    result = decode(respond(200, json.dumps(body | {"Session": canaries.secret()}).encode()), request)
    assert isinstance(result, InitiateAuthResponse)
    assert result.authentication_result is not None
    assert result.authentication_result.access_token == canaries.created[0]
    assert not leaks(result)


# --- copies -----------------------------------------------------------------------------------------------------------


def every_error() -> list[CognitoError]:
    """Return an error of each class, with all attributes."""
    made: list[CognitoError] = []
    for name in dir(errors):
        kind = getattr(errors, name)
        if not issubclass(kind, CognitoError):
            continue
        if issubclass(kind, ParameterValidationError):
            made.append(kind("user_attributes[3].name", "is required", operation="SignUp"))
        elif issubclass(kind, TransportError):
            made.append(kind("lost", sent=None, operation="SignUp"))
        else:
            made.append(kind("no", code="A", status=400, request_id="r-1", operation="SignUp", attempts=2))
    reasoned = InvalidParameterException("no", code="InvalidParameterException", retry_after=5, server_date="today")
    reasoned.reason_code = "BAD"
    reasoned.add_note("a note")
    return [*made, reasoned]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "travel", [copy.copy, copy.deepcopy, *[lambda e, n=n: pickle.loads(pickle.dumps(e, n)) for n in range(6)]]
)
def test_errors_can_be_pickled_and_copied(error: CognitoError, travel: Callable[[CognitoError], CognitoError]) -> None:
    """Class, message, arguments and attributes are kept."""
    there = travel(error)
    assert there is not error
    assert type(there) is type(error)
    assert vars(there) == vars(error)
    assert (str(there), repr(there), there.args) == (str(error), repr(error), error.args)
    with pytest.raises(type(error)):
        raise there


def test_requests_can_be_pickled_and_copied() -> None:
    """The copies hide secrets, too."""
    request = ConfirmForgotPasswordRequest(
        client_id="abc", username="ada", confirmation_code=CANARY, password=CANARY, client_metadata={"a": CANARY}
    )
    for there in (copy.copy(request), copy.deepcopy(request), pickle.loads(pickle.dumps(request))):
        assert there == request
        assert there.password == CANARY
        assert not leaks(there)
