"""Secrets stay secret: a canary in every secret field, and a look at everything that anybody could print."""

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
from cognito_async.protocol.hooks import CONVERTER
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

CANARY = "yranac"[::-1]  # never written as such: a traceback shows the lines of this file
PERSONAL = "lanosrep"[::-1]  # personal data: in no repr and no log, but messages of the service may quote it
REQUEST_NAMES = sorted(name for name in dir(operations) if name.endswith("Request"))
NO_WAIT = RetryPolicy(transient_base=0, throttled_base=0)


# --- building values with canaries ------------------------------------------------------------------------------------


class Cage:
    """Makes canaries, each with a number of its own, and looks for them."""

    def __init__(self) -> None:
        self._numbers = count()
        self.birds: list[str] = []

    def bird(self) -> str:
        """Make one."""
        return self._numbered(CANARY)

    def personal(self) -> str:
        """Return a value that is personal but lets nobody in."""
        return self._numbered(PERSONAL)

    def _numbered(self, marker: str) -> str:
        bird = f"{marker}{next(self._numbers)}x{'y' * 24}"
        self.birds.append(bird)
        return bird

    def fill(self, kind: type[Structure], *, secret: bool = False) -> Any:
        """Make an instance with every member set, and a canary in every secret one, at any depth."""
        return kind(**{name: self.value(about.shape, secret or about.secret) for name, about in members(kind)})

    def value(self, shape: Shape, secret: bool) -> Any:  # noqa: FBT001, PLR0911 - one return for each shape
        """Make a value of a shape."""
        match shape:
            case Struct():
                return self.fill(shape.type, secret=secret)
            case ListOf():
                return [self.value(shape.element, secret)]
            case MapOf():
                return {"key": self.value(shape.value, secret)}
            case Text():
                return self.bird() if secret else "plain"
            case Blob():
                return self.bird().encode() if secret else b"plain"
            case Document():
                return {"key": [self.bird()]} if secret else {"key": ["plain"]}
            case Timestamp():
                return EPOCH
        return None


def shown(thing: object, seen: set[int] | None = None) -> Iterator[str]:
    """Give all the texts that an object shows: repr, str, args, attributes, causes, notes, traceback."""
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
    """Give the texts of an object that hold a canary, or one of the given texts."""
    wanted = texts or (CANARY,)
    return [text for text in shown(thing) if any(one in text for one in wanted)]


@pytest.fixture
def cage() -> Cage:
    """Give a cage."""
    return Cage()


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
    """Log everything at DEBUG: the root's logger, this library's, aiohttp's and asyncio's."""
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


def talkative_loop() -> None:
    """Let asyncio log every step that it takes."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0


# --- objects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REQUEST_NAMES)
def test_the_repr_of_a_request_hides_its_secrets(name: str, cage: Cage) -> None:
    """Every secret of every operation's input, at any depth, is on the wire but in no repr."""
    request = cage.fill(getattr(operations, name))
    assert not leaks(request)
    wire = json.dumps(CONVERTER.unstructure(request))
    for bird in cage.birds:
        assert bird in wire or b64encode(bird.encode()).decode() in wire


def test_the_repr_of_an_answer_hides_its_secrets(cage: Cage) -> None:
    """Every secret of every class of answers and nested types likewise."""
    kinds = [getattr(operations, name) for name in dir(operations)]
    structures = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Structure)]
    assert len(structures) > 300
    for kind in structures:
        assert not leaks(cage.fill(kind)), kind


def test_secrets_that_the_model_does_not_mark() -> None:
    """Codes, challenge parameters, provider details, pre-signed URLs and the like are secret too."""
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


async def test_the_reprs_of_session_client_and_credentials(cage: Cage) -> None:
    """What a debugger or a log line may show of them holds no secret."""
    keys = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key=cage.bird(), session_token=cage.bird())
    session = AsyncCognitoSession("eu-west-1", credentials=keys)
    client = session.client(cage.bird(), cage.bird(), "eu-west-1_AbC")
    assert not leaks([keys, session, client, client.with_options(), client._bound, session._signer, vars(client)])
    assert "AKIDEXAMPLE" in repr(keys)
    assert "eu-west-1_AbC" in repr(client)
    await session.close()


# --- calls that fail --------------------------------------------------------------------------------------------------


def reset_arguments(cage: Cage) -> dict[str, Any]:
    """Return all arguments of confirm_forgot_password, with a marker in each."""
    return {
        "username": cage.personal(),
        "confirmation_code": cage.bird(),
        "password": cage.bird(),
        "client_id": cage.personal(),
        "client_metadata": {"a key": cage.personal()},
        "secret_hash": cage.bird(),
        "user_context_data": UserContextDataType(ip_address=cage.personal(), encoded_data=cage.bird()),
        "analytics_metadata": cognito_async.AnalyticsMetadataType(analytics_endpoint_id=cage.personal()),
    }


async def repeat_all(connection: Connection) -> None:
    """Refuse, repeating the whole request in the message."""
    request = connection.request
    assert request is not None
    message = f"1 validation error detected: {request.body.decode()} {dict(request.headers)}"
    await answer({"__type": "InvalidParameterException", "message": message, "reasonCode": message}, 400)(connection)


async def repeat_each(connection: Connection) -> None:
    """Refuse, repeating each value in the words of the service."""
    assert connection.request is not None
    values = [value for value in flat(connection.request.json) if isinstance(value, str)]
    message = "; ".join(f"Value '{value}' at 'member' failed to satisfy constraint" for value in values)
    await answer({"__type": "InvalidParameterException", "message": message}, 400)(connection)


async def repeat_in_html(connection: Connection) -> None:
    """Answer with a page that shows the request."""
    assert connection.request is not None
    page = b"<html>" + connection.request.raw + connection.request.body
    await answer(page, 502, Content_Type="text/html")(connection)


async def repeat_as_garbage(connection: Connection) -> None:
    """Answer with the request's body where a status line should be."""
    assert connection.request is not None
    await connection.write(connection.request.body + b"\r\n\r\n")
    connection.close()


async def repeat_in_a_bad_header(connection: Connection) -> None:
    """Answer with the request's body where a header should be."""
    assert connection.request is not None
    await connection.write(b"HTTP/1.1 200 OK\r\n" + connection.request.body.replace(b":", b"") + b"\r\n\r\n")
    connection.close()


async def repeat_in_a_cut_head(connection: Connection) -> None:
    """Answer with half a head that holds the request's body, and hang up."""
    assert connection.request is not None
    await connection.write(b"HTTP/1.1 200 OK\r\nX-Seen: " + connection.request.body + b"\r\nX-More: ")
    connection.close()


async def repeat_in_a_bad_chunk(connection: Connection) -> None:
    """Answer with the request's body where the size of a chunk should be."""
    assert connection.request is not None
    await connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + connection.request.body + b"\r\n")
    connection.close()


def flat(value: Any) -> Iterable[Any]:
    """Give the leaves of a JSON value."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from flat(part)
    else:
        yield value


FAULTS: dict[str, Action] = {
    "the service repeats all": repeat_all,
    "the service repeats each value": repeat_each,
    "a proxy's page repeats all": repeat_in_html,
    "garbage repeats all": repeat_as_garbage,
    "a bad header repeats all": repeat_in_a_bad_header,
    "a cut head repeats all": repeat_in_a_cut_head,
    "a bad chunk repeats all": repeat_in_a_bad_chunk,
    "the connection is cut": cut(),
    "the connection is reset": reset_connection(),
    "throttled": answer({"__type": "TooManyRequestsException", "message": "slowly"}, 400),
    "no JSON": answer(b"no", 400),
    "success": answer(),
}
QUOTING = (repeat_all, repeat_each)
"""Messages of the service that quote the request; they keep personal data."""


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_call_shows_no_secret_however_it_ends(fault: Action, cage: Cage, log: Log) -> None:
    """Not in the error, its cause or its traceback, nor in what hooks are told, nor in any log at DEBUG."""
    talkative_loop()
    told: list[RetryDetails] = []
    policy = RetryPolicy(transient_base=0, throttled_base=0, on_retry=told.append)
    failure = None
    async with ScriptedServer(otherwise=fault) as server:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, retry=policy) as session:
            client = session.client(cage.bird(), cage.bird())
            try:
                await client.confirm_forgot_password(**reset_arguments(cage))
            except CognitoError as error:
                failure = error
        assert all(bird in str(server.requests[0].body) for bird in cage.birds[2:])
    assert (failure is None) == (fault is FAULTS["success"])
    assert not leaks(failure)
    assert not leaks(told)
    assert not leaks([pickle.loads(pickle.dumps(failure)), copy.copy(failure), copy.deepcopy(failure)])
    assert log.records
    assert CANARY not in log.text.getvalue()
    assert PERSONAL not in log.text.getvalue()
    assert bool(leaks(failure, PERSONAL)) == (fault in QUOTING)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_signed_call_shows_neither_keys_nor_attributes(fault: Action, cage: Cage, log: Log) -> None:
    """The session token travels in a header and attributes deep in the body; neither shows anywhere."""
    talkative_loop()
    failure = None
    keys = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key=cage.bird(), session_token=cage.bird())
    async with ScriptedServer(otherwise=fault) as server:
        async with AsyncCognitoSession(
            "eu-west-1", endpoint_url=server.url, retry=NO_WAIT, credentials=keys
        ) as session:
            client = session.client(user_pool_id="eu-west-1_AbC")
            try:
                await client.admin_create_user(
                    username=cage.personal(),
                    temporary_password=cage.bird(),
                    user_attributes=[AttributeType(name="email", value=cage.personal())],
                    validation_data=[AttributeType(name="email", value=cage.personal())],
                    client_metadata={"a key": cage.personal()},
                )
            except CognitoError as error:
                failure = error
        assert "authorization" in server.requests[0].headers
    assert bool(leaks(failure, PERSONAL)) == (fault in QUOTING)
    assert not leaks(failure)
    assert not leaks(pickle.loads(pickle.dumps(failure)))
    assert CANARY not in log.text.getvalue()


async def test_a_connection_that_fails_shows_no_secret(cage: Cage, log: Log) -> None:
    """Nor does a call that never gets as far as a connection."""
    talkative_loop()
    async with AsyncCognitoSession("eu-west-1", endpoint_url="http://127.0.0.1:1", retry=NO_WAIT) as session:
        with pytest.raises(ConnectError) as caught:
            await session.client("abc").confirm_forgot_password(**reset_arguments(cage))
    assert not leaks(caught.value)
    assert CANARY not in log.text.getvalue()


@pytest.mark.manual_clock
async def test_a_call_that_is_cancelled_or_timed_out_shows_no_secret(cage: Cage, log: Log) -> None:
    """What the loop's debug mode says about slow and cancelled tasks holds no argument."""
    talkative_loop()
    transport = ScriptedTransport(RequestTimeoutError("no answer", sent=True))
    async with scripted_session(transport, retry=RetryPolicy(max_attempts=1)) as session:
        task = asyncio.ensure_future(session.client("abc").confirm_forgot_password(**reset_arguments(cage)))
        with pytest.raises(RequestTimeoutError) as caught:
            await task
    assert not leaks([caught.value, task])
    assert CANARY not in log.text.getvalue()


# --- what the service repeats -----------------------------------------------------------------------------------------

PHRASES: list[Callable[[str], str]] = [
    lambda secret: f"Value '{secret}' at 'confirmationCode' failed to satisfy constraint",
    lambda secret: f"{secret} is wrong",
    lambda secret: f"wrong: {secret}",
    lambda secret: f'got "{secret}", {secret}; ({secret})',
    lambda secret: secret,
]


def words(text: str) -> set[str]:
    """Give the words of a text."""
    for mark in "'\";:,()":
        text = text.replace(mark, " ")
    return set(text.split())


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("secret", ["7", "42", "x", "aZ9", "123456", "p.a+s*s(w[o]r$d", "日本語", "\\d+", "a b", "&&&"])
async def test_a_secret_that_the_service_repeats_is_masked(secret: str, phrase: Callable[[str], str]) -> None:
    """Whatever its length and characters, it appears neither in the message nor anywhere else."""
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
async def test_a_secret_in_a_request_that_the_service_repeats_is_masked(secret: str, *, ensure_ascii: bool) -> None:
    """A service, or a proxy, that quotes the request's JSON writes a secret with escapes."""
    quoted = json.dumps({"Password": secret}, ensure_ascii=ensure_ascii)
    async with scripted_session(ScriptedTransport(refuse("InvalidParameterException", f"bad: {quoted}"))) as session:
        with pytest.raises(InvalidParameterException) as caught:
            await reset(session.client("abc"), password=secret)
    assert str(caught.value).startswith('bad: {"Password": "***"}')


async def test_a_secret_in_a_code_is_masked() -> None:
    """A code that nobody knows may be anything; one that decides about retries is left alone."""
    transport = ScriptedTransport(refuse("OddCorrectHorse"), refuse("Throttling"))
    async with scripted_session(transport, retry=RetryPolicy(max_attempts=1)) as session:
        with pytest.raises(ServiceError) as caught:
            await reset(session.client("abc"), password="CorrectHorse")
        assert caught.value.code == "Odd***"
        with pytest.raises(ServiceError) as caught:
            await reset(session.client("abc"), password="Throttling")
        assert caught.value.code == "Throttling"


async def test_masking_leaves_the_rest_of_a_message() -> None:
    """A short secret does not eat the words that happen to hold its letters."""
    message = "Invalid code provided, please request a code again: 'a'"
    transport = ScriptedTransport(refuse("CodeMismatchException", message))
    async with scripted_session(transport) as session:
        with pytest.raises(CodeMismatchException) as caught:
            await reset(session.client("abc"), confirmation_code="code")
    assert caught.value.message == "Invalid *** provided, please request a *** again: 'a'"


async def test_a_secret_within_a_secret() -> None:
    """The longer one is masked first, so that no rest of it remains."""
    transport = ScriptedTransport(refuse("CodeMismatchException", "no 'hunter2 is mine' and no 'hunter2'"))
    async with scripted_session(transport) as session:
        with pytest.raises(CodeMismatchException) as caught:
            await reset(session.client("abc"), confirmation_code="hunter2", password="hunter2 is mine")
    assert caught.value.message == "no '***' and no '***'"


async def test_the_reason_code_is_masked_too() -> None:
    """Every text of the answer that an error keeps is looked through."""
    body = {"__type": "InvalidParameterException", "message": "no", "reasonCode": "bad value hunter2hunter2"}
    transport = ScriptedTransport(respond(400, json.dumps(body).encode()))
    async with scripted_session(transport) as session:
        with pytest.raises(InvalidParameterException) as caught:
            await reset(session.client("abc"), password="hunter2hunter2")
    assert caught.value.reason_code == "bad value ***"


async def test_the_computed_secret_hash_is_masked() -> None:
    """The hash that the client computed is as secret as one that was given."""

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
    """Masking reaches the values of maps and the members of lists."""
    response = refuse("InvalidParameterException", f"Value {CANARY} is not valid")
    with pytest.raises(InvalidParameterException, match=r"Value \*\*\* is not valid") as caught:
        decode(response, request_)
    assert not leaks(caught.value)


# --- values that are refused here -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("username", lambda bird: bird * 10),
        ("confirmation_code", lambda bird: bird * 100),
        ("password", lambda bird: bird * 10),
        ("client_id", lambda bird: bird * 10),
        ("secret_hash", lambda bird: bird * 10),
        ("password", lambda bird: [bird]),
        ("password", lambda bird: bird.encode()),
        ("password", lambda bird: bird + "\ud800"),
        ("username", lambda bird: {bird: bird}),
        ("client_metadata", lambda bird: {"key": {bird: bird}}),
        ("client_metadata", lambda bird: {"key": [bird]}),
        ("client_metadata", lambda bird: {f"not a name {bird}": 1}),
        ("client_metadata", lambda bird: bird),
        ("user_context_data", lambda bird: {"IpAddress": bird}),
    ],
)
async def test_a_refused_value_is_never_shown(name: str, make: Callable[[str], Any], cage: Cage, log: Log) -> None:
    """A ParameterValidationError names operation, parameter and rule; the value is in no part of it."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError) as caught:
            await reset(session.client("abc"), **{name: make(cage.bird())})
    assert caught.value.parameter.startswith(name)
    assert not leaks(caught.value)
    assert not leaks(pickle.loads(pickle.dumps(caught.value)))
    assert CANARY not in log.text.getvalue()


async def test_a_refused_client_is_never_shown(cage: Cage) -> None:
    """Nor is a client's secret that is too long, or an endpoint's password."""
    session = scripted_session(ScriptedTransport())
    with pytest.raises(ParameterValidationError) as caught:
        session.client("abc", cage.bird() * 10)
    assert not leaks(caught.value)
    with pytest.raises(ParameterValidationError) as caught:
        AsyncCognitoSession("eu-west-1", endpoint_url=f"http://ada:{cage.bird()}@127.0.0.1")
    assert not leaks(caught.value)
    await session.close()


async def test_credentials_that_cannot_be_found_show_nothing(monkeypatch: pytest.MonkeyPatch, cage: Cage) -> None:
    """Half a pair in the environment is named by its variable, not by its value."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", cage.bird())
    monkeypatch.setenv("AWS_SESSION_TOKEN", cage.bird())
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(CredentialsError) as caught:
            await session.client(user_pool_id="eu-west-1_AbC").admin_get_user(username=cage.bird())
    assert not leaks(caught.value)


def test_an_answer_of_another_form_shows_nothing(cage: Cage) -> None:
    """An answer that holds tokens but can't be read keeps them to itself."""
    request = InitiateAuthRequest(client_id="abc", auth_flow="USER_PASSWORD_AUTH")
    for body in (
        {"AuthenticationResult": [cage.bird()]},
        {"ChallengeParameters": cage.bird()},
        {"AuthenticationResult": {"NewDeviceMetadata": cage.bird()}},
    ):
        with pytest.raises(InvalidResponseError) as caught:
            decode(respond(200, json.dumps(body).encode()), request)
        assert not leaks(caught.value)
    with pytest.raises(InvalidResponseError) as caught:
        decode(respond(200, b'{"Session": "' + cage.bird().encode()), request)
    assert not leaks(caught.value)


def test_tokens_in_an_answer_are_not_shown(cage: Cage) -> None:
    """Who prints the answer of a sign-in does not print its tokens."""
    body = {"AuthenticationResult": {name: cage.bird() for name in ("AccessToken", "IdToken", "RefreshToken")}}
    request = InitiateAuthRequest(client_id="abc", auth_flow="USER_PASSWORD_AUTH")
    result = decode(respond(200, json.dumps(body | {"Session": cage.bird()}).encode()), request)
    assert isinstance(result, InitiateAuthResponse)
    assert result.authentication_result is not None
    assert result.authentication_result.access_token == cage.birds[0]
    assert not leaks(result)


# --- errors travel ----------------------------------------------------------------------------------------------------


def every_error() -> list[CognitoError]:
    """Make one error of each class, with every attribute set."""
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
def test_errors_survive_pickle_and_copy(error: CognitoError, travel: Callable[[CognitoError], CognitoError]) -> None:
    """Between processes and threads an error keeps its class, text, arguments and attributes."""
    there = travel(error)
    assert there is not error
    assert type(there) is type(error)
    assert vars(there) == vars(error)
    assert (str(there), repr(there), there.args) == (str(error), repr(error), error.args)
    with pytest.raises(type(error)):
        raise there


def test_a_request_can_be_copied() -> None:
    """Requests and answers can be copied and pickled; what they hold stays hidden."""
    request = ConfirmForgotPasswordRequest(
        client_id="abc", username="ada", confirmation_code=CANARY, password=CANARY, client_metadata={"a": CANARY}
    )
    for there in (copy.copy(request), copy.deepcopy(request), pickle.loads(pickle.dumps(request))):
        assert there == request
        assert there.password == CANARY
        assert not leaks(there)
