"""The contract of ``client.confirm_forgot_password``, line by line: with mocks of aiohttp, and over real sockets."""

# ruff: noqa: PT017 - any error may come, and must then be of a kind

import hmac
import inspect
import json
import platform
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

import cognito_async
from cognito_async import (
    AnalyticsMetadataType,
    AsyncCognitoSession,
    CodeMismatchException,
    CognitoClient,
    CognitoError,
    Credentials,
    ExpiredCodeException,
    ForbiddenException,
    InternalErrorException,
    InvalidLambdaResponseException,
    InvalidParameterException,
    InvalidPasswordException,
    InvalidResponseError,
    LimitExceededException,
    NotAuthorizedException,
    OperationNotEnabledException,
    ParameterValidationError,
    PasswordHistoryPolicyViolationException,
    ResourceNotFoundException,
    RetryPolicy,
    ServiceError,
    TooManyFailedAttemptsException,
    TooManyRequestsException,
    UnexpectedLambdaException,
    UserContextDataType,
    UserLambdaValidationException,
    UserNotConfirmedException,
    UserNotFoundException,
    errors,
)
from cognito_async.operations import (
    AdminGetUserRequest,
    ConfirmForgotPasswordRequest,
    DescribeUserPoolRequest,
    ForgotPasswordRequest,
    InitiateAuthRequest,
)
from cognito_async.protocol.operation import Request
from cognito_async.protocol.shapes import members
from cognito_async.protocol.wire import HttpResponse, decode
from tests.support.mocked_http import MockedHttp
from tests.support.scripted_server import Action, ScriptedServer, answer, cut, reset_connection, send
from tests.support.scripted_transport import ScriptedTransport, refuse, reset, respond, scripted_session

ENDPOINT = "https://cognito-idp.eu-west-1.amazonaws.com/"
ONCE = RetryPolicy(max_attempts=1)
ROOT = Path(__file__).parents[2]
EXCEPTIONS: list[type[ServiceError]] = [
    ResourceNotFoundException,
    UnexpectedLambdaException,
    UserLambdaValidationException,
    InvalidParameterException,
    InvalidPasswordException,
    PasswordHistoryPolicyViolationException,
    NotAuthorizedException,
    CodeMismatchException,
    ExpiredCodeException,
    TooManyFailedAttemptsException,
    InvalidLambdaResponseException,
    TooManyRequestsException,
    LimitExceededException,
    UserNotFoundException,
    UserNotConfirmedException,
    OperationNotEnabledException,
    InternalErrorException,
    ForbiddenException,
]
ARGUMENTS: dict[str, Any] = {
    "username": "ada@example.com",
    "confirmation_code": "123456",
    "password": "correct horse",
}


@asynccontextmanager
async def client_of(server: ScriptedServer, **options: Any) -> AsyncIterator[CognitoClient]:
    """Open a session on a server and give a client without a secret."""
    async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, **options) as session:
        yield session.client("abc")


def hash_of(secret: str, username: str, client_id: str) -> str:
    """Compute a secret hash as the contract words it."""
    return b64encode(hmac.new(secret.encode(), (username + client_id).encode(), sha256).digest()).decode()


# --- the signature ----------------------------------------------------------------------------------------------------


def test_all_arguments_are_keyword_only() -> None:
    """The signature is that of the contract: three arguments that must be given, five that need not."""
    parameters = inspect.signature(CognitoClient.confirm_forgot_password).parameters
    given = {name: parameter for name, parameter in parameters.items() if name != "self"}
    assert {parameter.kind for parameter in given.values()} == {inspect.Parameter.KEYWORD_ONLY}
    required = {name for name, parameter in given.items() if parameter.default is inspect.Parameter.empty}
    assert required == {"username", "confirmation_code", "password"}
    assert {name: parameter.default for name, parameter in given.items() if name not in required} == dict.fromkeys(
        ["client_id", "secret_hash", "analytics_metadata", "client_metadata", "user_context_data"]
    )


async def test_positional_arguments_are_refused() -> None:
    """Nobody can mix up a code and a password by their order."""
    session = scripted_session(ScriptedTransport())
    with pytest.raises(TypeError):
        await session.client("abc").confirm_forgot_password("ada", "123456", "correct horse")  # type: ignore[call-arg]
    await session.close()


# --- the wire ---------------------------------------------------------------------------------------------------------


async def test_the_request_on_the_wire() -> None:
    """Method, path, headers and body are exactly those of the contract, and no header more."""
    async with ScriptedServer() as server, client_of(server) as client:
        await client.confirm_forgot_password(**ARGUMENTS)
        [request] = server.requests
    assert request.line == "POST / HTTP/1.1"
    assert request.json == {
        "ClientId": "abc",
        "Username": "ada@example.com",
        "ConfirmationCode": "123456",
        "Password": "correct horse",
    }
    expected = {
        "host": server.url.removeprefix("http://"),
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AWSCognitoIdentityProviderService.ConfirmForgotPassword",
        "content-length": str(len(request.body)),
        "amz-sdk-request": "attempt=1; max=3",
    }
    assert {name: request.headers[name] for name in expected} == expected
    others = request.headers.keys() - expected.keys()
    assert others == {"user-agent", "amz-sdk-invocation-id", "accept", "accept-encoding"}


async def test_the_request_through_aiohttp(mocked: MockedHttp) -> None:
    """The region's own endpoint gets one POST, and redirects are off."""
    mocked.post(ENDPOINT, payload={})
    async with AsyncCognitoSession("eu-west-1") as session:
        await session.client("abc").confirm_forgot_password(**ARGUMENTS)
    [(method, url)] = mocked.requests
    assert (method, str(url)) == ("POST", ENDPOINT)
    [call] = mocked.calls
    assert call["allow_redirects"] is False
    assert call["headers"]["X-Amz-Target"] == "AWSCognitoIdentityProviderService.ConfirmForgotPassword"
    assert call["headers"]["Content-Type"] == "application/x-amz-json-1.1"


async def test_every_member_on_the_wire() -> None:
    """All eight arguments travel under their wire names, nested ones too."""
    transport = ScriptedTransport(respond())
    async with scripted_session(transport) as session:
        await session.client("bound").confirm_forgot_password(
            client_id="given",
            confirmation_code="123456",
            password="correct horse",
            username="ada",
            analytics_metadata=AnalyticsMetadataType(analytics_endpoint_id="endpoint"),
            client_metadata={"a key": "a value", "": ""},
            secret_hash="a hash",
            user_context_data=UserContextDataType(ip_address="192.0.2.1", encoded_data="data"),
        )
    assert transport.attempts[0].json == {
        "ClientId": "given",
        "ConfirmationCode": "123456",
        "Password": "correct horse",
        "Username": "ada",
        "AnalyticsMetadata": {"AnalyticsEndpointId": "endpoint"},
        "ClientMetadata": {"a key": "a value", "": ""},
        "SecretHash": "a hash",
        "UserContextData": {"IpAddress": "192.0.2.1", "EncodedData": "data"},
    }


async def test_members_that_are_none_are_absent() -> None:
    """None is never null, not in nested structures either; empty ones stay."""
    transport = ScriptedTransport(respond())
    async with scripted_session(transport) as session:
        await reset(
            session.client("abc"),
            secret_hash=None,
            analytics_metadata=AnalyticsMetadataType(),
            client_metadata={},
            user_context_data=UserContextDataType(ip_address="192.0.2.1"),
        )
    body = transport.attempts[0].json
    assert b"null" not in transport.attempts[0].body
    assert "SecretHash" not in body
    assert body["AnalyticsMetadata"] == {}
    assert body["ClientMetadata"] == {}
    assert body["UserContextData"] == {"IpAddress": "192.0.2.1"}


@pytest.mark.parametrize("text", ["Zoë", "日本語", "👩‍💻", 'quote " and \\ backslash', "\x00\x1f", "\u2028", "null"])
async def test_any_text_arrives_as_it_was_given(text: str) -> None:
    """What a user may be called, and may choose for a password, is not changed on the way."""
    async with ScriptedServer() as server, client_of(server) as client:
        await reset(client, username=text, password=text * 6)
        [request] = server.requests
    assert request.json["Username"] == text
    assert request.json["Password"] == text * 6


async def test_the_user_agent_names_the_library_and_its_version() -> None:
    """Requests can be told from those of other libraries."""
    transport = ScriptedTransport(respond())
    async with scripted_session(transport) as session:
        await reset(session.client("abc"))
    agent = transport.attempts[0].headers["User-Agent"]
    assert agent == f"cognito_async/{cognito_async.__version__} python/{platform.python_version()}"


async def test_one_invocation_id_for_all_attempts() -> None:
    """All attempts of a call carry one id, a UUID, and count up; another call has another id."""
    fault = answer(b"", 500)
    policy = RetryPolicy(max_attempts=4, transient_base=0)
    async with ScriptedServer(fault, fault, fault) as server, client_of(server, retry=policy) as client:
        await reset(client)
        await reset(client)
    seen = [
        (request.headers["amz-sdk-invocation-id"], request.headers["amz-sdk-request"]) for request in server.requests
    ]
    first, second = seen[0][0], seen[4][0]
    assert seen == [(first, f"attempt={n}; max=4") for n in (1, 2, 3, 4)] + [(second, "attempt=1; max=4")]
    assert first != second
    assert str(UUID(first)) == first


async def test_invocation_ids_of_two_sessions_differ() -> None:
    """Ids are unique beyond one session."""
    transport = ScriptedTransport(*[respond()] * 20)
    for _ in range(20):
        await reset(scripted_session(transport).client("abc"))
    assert len({attempt.headers["amz-sdk-invocation-id"] for attempt in transport.attempts}) == 20


async def test_it_is_never_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the session and in the environment leave no trace in the request."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a token")  # half of a pair: whoever looks at it complains
    keys = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret", session_token="a token")
    async with ScriptedServer() as server:
        for credentials in (None, keys):
            async with client_of(server, credentials=credentials) as client:
                await reset(client)
    assert len(server.requests) == 2
    for request in server.requests:
        assert not request.headers.keys() & {"authorization", "x-amz-date", "x-amz-security-token"}


# --- the secret hash --------------------------------------------------------------------------------------------------


async def hashes(client_arguments: Mapping[str, str], **changes: Any) -> str | None:
    """Give the secret hash that a call puts on the wire; None if it puts none."""
    transport = ScriptedTransport(respond())
    async with scripted_session(transport) as session:
        client = session.client(client_arguments.get("client_id"), client_arguments.get("client_secret"))
        await reset(client, **changes)
    found: str | None = transport.attempts[0].json.get("SecretHash")
    return found


@pytest.mark.parametrize("username", ["ada", "ada@example.com", "Zoë", "日本語"])
async def test_the_secret_hash_is_computed(username: str) -> None:
    """It is Base64(HMAC-SHA256(client secret, username + client id))."""
    found = await hashes({"client_id": "abc", "client_secret": "a secret"}, username=username)
    assert found == hash_of("a secret", username, "abc")


async def test_a_known_secret_hash() -> None:
    """A value from ``printf userapp | openssl dgst -sha256 -hmac key -binary | base64`` holds the formula in place."""
    found = await hashes({"client_id": "app", "client_secret": "key"}, username="user")
    assert found == "ULEpgGcP9/VMWhv0jiD36OFlzU3RKbwAofo1GzfDv64="


async def test_a_given_secret_hash_wins() -> None:
    """The call's own is sent as it is."""
    found = await hashes({"client_id": "abc", "client_secret": "a secret"}, secret_hash="mine")
    assert found == "mine"


async def test_no_secret_no_hash() -> None:
    """An app client without a secret sends none."""
    assert await hashes({"client_id": "abc"}) is None


async def test_the_secret_alone_may_be_bound() -> None:
    """With the client id in the call, the hash is computed over that."""
    found = await hashes({"client_secret": "a secret"}, client_id="abc")
    assert found == hash_of("a secret", "ada", "abc")


async def test_the_bound_client_id_may_be_repeated() -> None:
    """Giving the bound id once more changes nothing."""
    found = await hashes({"client_id": "abc", "client_secret": "a secret"}, client_id="abc")
    assert found == hash_of("a secret", "ada", "abc")


# --- the rules --------------------------------------------------------------------------------------------------------

BOUNDS = {
    "client_id": (1, 128),
    "confirmation_code": (1, 2048),
    "password": (6, 256),
    "username": (1, 128),
    "secret_hash": (1, 128),
}


@pytest.mark.parametrize(("name", "bounds"), BOUNDS.items())
async def test_the_bounds_themselves_are_allowed(name: str, bounds: tuple[int, int]) -> None:
    """The shortest and the longest value pass, counted in characters."""
    transport = ScriptedTransport(respond(), respond(), respond())
    async with scripted_session(transport) as session:
        for value in ("x" * bounds[0], "x" * bounds[1], "日" * bounds[1]):
            await reset(session.client("abc"), **{name: value})
    assert len(transport.attempts) == 3


@pytest.mark.parametrize(("name", "bounds"), BOUNDS.items())
async def test_beyond_the_bounds_nothing_is_sent(name: str, bounds: tuple[int, int]) -> None:
    """One character less or more is refused, naming operation, parameter and rule, and not the value."""
    transport = ScriptedTransport()
    async with scripted_session(transport) as session:
        for value, bound in (("#" * (bounds[0] - 1), bounds[0]), ("#" * (bounds[1] + 1), bounds[1])):
            with pytest.raises(ParameterValidationError) as caught:
                await reset(session.client("abc"), **{name: value})
            assert caught.value.operation == "ConfirmForgotPassword"
            assert caught.value.parameter == name
            assert str(bound) in caught.value.rule
            assert "#" not in str(caught.value)
            assert isinstance(caught.value, ValueError)
    assert not transport.attempts


@pytest.mark.parametrize("name", ["username", "confirmation_code", "password"])
@pytest.mark.parametrize("value", [None, 123456, b"123456", ["123456"]])
async def test_a_required_value_of_the_wrong_kind(name: str, value: Any) -> None:
    """None and other types are refused by name before anything is sent."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError) as caught:
            await reset(session.client("abc"), **{name: value})
    assert caught.value.parameter == name
    assert "123456" not in str(caught.value)


async def test_a_client_id_from_nowhere() -> None:
    """Neither bound nor given: refused by name."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError, match="client_id is required"):
            await reset(session.client())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("analytics_metadata", {"AnalyticsEndpointId": "x"}),
        ("user_context_data", {"IpAddress": "x"}),
        ("user_context_data", AnalyticsMetadataType()),
        ("client_metadata", "x"),
        ("client_metadata", {"x": 1}),
        ("client_metadata", {1: "x"}),
        ("client_metadata", {"x": None}),
    ],
)
async def test_an_optional_value_of_the_wrong_kind(name: str, value: Any) -> None:
    """What is not what the table says is refused, by a path that begins with its name."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError) as caught:
            await reset(session.client("abc"), **{name: value})
    assert caught.value.parameter.startswith(name)


# --- success ----------------------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\n"
SUCCESSES: dict[str, Action] = {
    "an empty object": answer(b"{}"),
    "no body": answer(b""),
    "no body, 204": send(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "white space": answer(b" \r\n"),
    "members that nobody knows": answer(b' {"New": {"a": [1, null]}}'),
    "cut off at once": cut(OK + b"Content-Length: 2\r\n\r\n"),
    "cut off": cut(OK + b"Content-Length: 100\r\n\r\n{"),
    "cut off by a reset": reset_connection(OK + b"Content-Length: 100\r\n\r\n{"),
    "cut off in a chunk": cut(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{"),
    "truncated JSON": answer(b'{"a": '),
}


@pytest.mark.parametrize("action", SUCCESSES.values(), ids=SUCCESSES.keys())
async def test_success_is_none(action: Action) -> None:
    """The status says that the password was changed; the body has nothing to add. One attempt was enough."""
    async with ScriptedServer(action) as server, client_of(server) as client:
        result: object = await client.confirm_forgot_password(**ARGUMENTS)  # type: ignore[func-returns-value]
        assert result is None
        assert len(server.requests) == 1


@pytest.mark.parametrize("body", ["{}", "", "{", '{"New": 1}'])
async def test_success_through_aiohttp(body: str, mocked: MockedHttp) -> None:
    """The same holds for what aiohttp hands over."""
    mocked.post(ENDPOINT, body=body)
    async with AsyncCognitoSession("eu-west-1") as session:
        result: object = await reset(session.client("abc"))  # type: ignore[func-returns-value]
    assert result is None


async def test_a_page_is_no_success() -> None:
    """What a captive portal answers with 200 is no answer of the service."""
    page = answer(b"<!doctype html><p>Log in", Content_Type="text/html")
    async with ScriptedServer(otherwise=page) as server, client_of(server) as client:
        with pytest.raises(InvalidResponseError) as caught:
            await reset(client)
    assert caught.value.status == 200
    assert "text/html" in str(caught.value)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_there_are_18_typed_errors() -> None:
    """Each can be imported from the package and from ``cognito_async.errors``, and is one and the same class."""
    assert len(set(EXCEPTIONS)) == 18
    for kind in EXCEPTIONS:
        assert getattr(cognito_async, kind.__name__) is getattr(errors, kind.__name__) is kind
        assert issubclass(kind, ServiceError)
        assert issubclass(kind, CognitoError)
        assert kind.__name__.endswith("Exception")


def in_type(code: str) -> HttpResponse:
    """Answer with the code in ``__type``."""
    return respond(400, json.dumps({"__type": code, "message": "no"}).encode())


def in_namespace(code: str) -> HttpResponse:
    """Answer with the code in ``__type``, with a namespace."""
    body = {"__type": f"com.amazonaws.cognito.identity.idp.model#{code}", "message": "no"}
    return respond(400, json.dumps(body).encode())


def with_documentation(code: str) -> HttpResponse:
    """Answer with the code in ``__type``, a colon and an address after it."""
    body = {"__type": f"a#{code}:http://internal.amazon.com/", "Message": "no"}
    return respond(400, json.dumps(body).encode())


def in_header(code: str) -> HttpResponse:
    """Answer with the code in the header, which ends in a colon, and with a body that has a message alone."""
    return respond(400, b'{"message": "no"}', {"x-amzn-ErrorType": f"{code}:"})


def in_header_alone(code: str) -> HttpResponse:
    """Answer with the code in the header and without a body."""
    return respond(400, b"", {"X-Amzn-Errortype": f"{code}:http://internal.amazon.com/"})


def in_header_over_html(code: str) -> HttpResponse:
    """Answer with the code in the header and a page."""
    return respond(403, b"<html>no</html>", {"x-amzn-ErrorType": code, "Content-Type": "text/html"})


def in_code(code: str) -> HttpResponse:
    """Answer with the code in ``code``."""
    return respond(400, json.dumps({"code": code, "message": "no"}).encode())


FORMS: list[Callable[[str], HttpResponse]] = [
    in_type,
    in_namespace,
    with_documentation,
    in_header,
    in_header_alone,
    in_header_over_html,
    in_code,
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", EXCEPTIONS)
async def test_typed_errors_in_every_form(kind: type[ServiceError], form: Callable[[str], HttpResponse]) -> None:
    """Wherever the code stands, the error is of its class and carries the facts of the call."""
    response = form(kind.__name__)
    async with scripted_session(ScriptedTransport(response), retry=ONCE) as session:
        with pytest.raises(kind) as caught:
            await reset(session.client("abc"))
    error = caught.value
    assert type(error) is kind
    assert error.code == kind.__name__
    assert error.status == response.status
    assert error.request_id == "r-1"
    assert error.operation == "ConfirmForgotPassword"
    assert error.attempts == 1
    assert error.message == ("no" if b"essage" in response.body else kind.__name__)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
async def test_the_class_follows_the_code_and_not_the_status(status: int) -> None:
    """Cognito answers many an error with 400 that its model gives another status."""
    response = refuse("UserNotFoundException", status=status)
    async with scripted_session(ScriptedTransport(response)) as session:
        with pytest.raises(UserNotFoundException) as caught:
            await reset(session.client("abc"))
    assert caught.value.status == status


@pytest.mark.parametrize("kind", EXCEPTIONS)
async def test_typed_errors_over_sockets(kind: type[ServiceError]) -> None:
    """The errors come through aiohttp and a socket as they do through a scripted transport."""
    refusal = answer({"__type": kind.__name__, "message": "no"}, 400, x_amzn_RequestId="r-9")
    async with ScriptedServer(refusal) as server, client_of(server, retry=ONCE) as client:
        with pytest.raises(kind, match="no") as caught:
            await reset(client)
    assert caught.value.request_id == "r-9"


async def test_typed_errors_through_aiohttp(mocked: MockedHttp) -> None:
    """A header is found whatever its case."""
    mocked.post(ENDPOINT, status=400, body="", headers={"X-AMZN-ERRORTYPE": "ExpiredCodeException:"})
    async with AsyncCognitoSession("eu-west-1") as session:
        with pytest.raises(ExpiredCodeException):
            await reset(session.client("abc"))


@pytest.mark.parametrize(("members", "reason"), [({"reasonCode": "BAD"}, "BAD"), ({}, None), ({"reasonCode": 5}, None)])
async def test_the_reason_code(members: dict[str, Any], reason: str | None) -> None:
    """InvalidParameterException tells its reason where the service gives one."""
    body = json.dumps({"__type": "InvalidParameterException", "message": "no", **members}).encode()
    async with scripted_session(ScriptedTransport(respond(400, body))) as session:
        with pytest.raises(InvalidParameterException) as caught:
            await reset(session.client("abc"))
    assert caught.value.reason_code == reason


async def test_an_unknown_code_is_kept() -> None:
    """A code of next year is a ServiceError that says which."""
    async with scripted_session(ScriptedTransport(refuse("NextYearException", "new"))) as session:
        with pytest.raises(ServiceError) as caught:
            await reset(session.client("abc"))
    assert type(caught.value) is ServiceError
    assert caught.value.code == "NextYearException"
    assert "NextYearException" in str(caught.value)
    assert "new" in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"<html>", b"\xff", b"[]", b'{"__type": 5}', b'{"__type": "#:"}', b"null"]
)
async def test_an_error_without_a_code(body: bytes) -> None:
    """It is an InvalidResponseError with the status."""
    async with scripted_session(ScriptedTransport(respond(400, body))) as session:
        with pytest.raises(InvalidResponseError) as caught:
            await reset(session.client("abc"))
    assert caught.value.status == 400
    assert caught.value.request_id == "r-1"


REQUESTS: list[Request[Any]] = [
    ConfirmForgotPasswordRequest(client_id="abc", username="ada", confirmation_code="123456", password="secret"),
    ForgotPasswordRequest(client_id="abc", username="ada"),
    AdminGetUserRequest(user_pool_id="eu-west-1_a", username="ada"),
    DescribeUserPoolRequest(user_pool_id="eu-west-1_a"),
    InitiateAuthRequest(client_id="abc", auth_flow="USER_PASSWORD_AUTH"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
STATUSES = st.sampled_from([200, 200, 204, 300, 400, 403, 500]) | st.integers(100, 999)
HEADERS = st.dictionaries(
    st.sampled_from(["x-amzn-ErrorType", "x-amzn-RequestId", "x-amz-retry-after", "Content-Type", "Date"]), st.text()
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Request[Any], bytes]:
    """Draw a request and an answer that has its answer's members, with anything in them."""
    request = draw(st.sampled_from(REQUESTS))
    kind = request.OPERATION.response
    names = ["__type", "message", "code"] + ([] if kind is None else [about.wire_name for _, about in members(kind)])
    return request, json.dumps(draw(st.dictionaries(st.sampled_from(names), JSON))).encode()


@given(
    drawn=answers() | st.tuples(st.sampled_from(REQUESTS), st.binary() | JSON.map(lambda v: json.dumps(v).encode())),
    status=STATUSES,
    headers=HEADERS,
    complete=st.booleans(),
)
def test_only_cognito_errors_come_out(
    drawn: tuple[Request[Any], bytes], status: int, headers: dict[str, str], *, complete: bool
) -> None:
    """Whatever bytes come with whatever status: an answer, or a CognitoError that can be shown."""
    request, body = drawn
    try:
        result = decode(HttpResponse(status, CIMultiDict(headers), body, complete=complete), request)
    except CognitoError as error:
        assert error.operation == request.OPERATION.name
        assert str(error)
        assert repr(error)
    else:
        assert status < 300
        kind = request.OPERATION.response
        assert result is None if kind is None else isinstance(result, kind)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"1" * 10_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"UserPool": {"CreationDate": 1e400}}',
        b'{"UserPool": {"CreationDate": ' + b"9" * 400 + b"}}",
        b'{"UserPool": {"CreationDate": NaN}}',
        b'{"message": "\\ud800", "__type": "\\ud800"}',
    ],
)
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.OPERATION.name)
def test_hostile_json(request_: Request[Any], status: int, body: bytes) -> None:
    """Depth, size, encodings and numbers that break parsers end in a CognitoError or an answer."""
    try:
        decode(HttpResponse(status, CIMultiDict(), body), request_)
    except CognitoError as error:
        assert str(error)


# --- what it does not do ----------------------------------------------------------------------------------------------

WATCHED_CALL = """
import asyncio, json, sys
sys.path.insert(0, {root!r})
from tests.support.scripted_server import ScriptedServer

seen = {{"making": [], "first": [], "second": []}}
stage = None

def watch(event, arguments):
    if stage is None:
        return
    if event == "open":
        seen[stage].append(["open", str(arguments[0])])
    elif event == "socket.connect":
        seen[stage].append(["connect", arguments[1]])
    elif event.startswith(("os.listdir", "os.scandir", "socket.get", "subprocess", "os.posix_spawn", "os.fork")):
        seen[stage].append([event, [str(argument) for argument in arguments]])

async def main():
    global stage
    async with ScriptedServer() as server:
        from cognito_async import AsyncCognitoSession
        sys.addaudithook(watch)
        stage = "making"
        session = AsyncCognitoSession("eu-west-1", endpoint_url=server.url)
        client = session.client("abc", "a secret")
        for stage in ("first", "second"):
            await client.confirm_forgot_password(username="ada", confirmation_code="123456", password="correct horse")
        stage = None
        await session.close()
        seen["port"] = server.port
        seen["requests"] = len(server.requests)

asyncio.run(main())
seen["modules"] = [name for name in ("botocore", "boto3", "configparser") if name in sys.modules]
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Watch two calls through the interpreter's audit events, on a machine that is full of AWS configuration."""
    home = tmp_path_factory.mktemp("home")
    (home / ".aws").mkdir()
    for name in ("config", "credentials"):
        (home / ".aws" / name).write_text(
            "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = a secret\n"
        )
    environment = {
        "HOME": str(home),
        "AWS_PROFILE": "default",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    script = WATCHED_CALL.format(root=str(ROOT))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_making_a_session_does_no_io(watched: dict[str, Any]) -> None:
    """The constructors open nothing and connect to nothing, but for modules that they import."""
    assert not [what for what in watched["making"] if not is_import(what)]


def test_a_call_opens_no_file(watched: dict[str, Any]) -> None:
    """Once all modules are there, a call is one write and one read on a connection that is open already."""
    assert watched["requests"] == 2
    assert watched["second"] == []


def test_a_first_call_reads_nothing_but_modules(watched: dict[str, Any]) -> None:
    """No configuration of AWS is looked at, though there is some."""
    assert not [what for what in watched["first"] if what[0] != "connect" and not is_import(what)]
    assert not [what for what in watched["first"] if ".aws" in str(what)]


def test_nobody_but_the_endpoint_is_asked(watched: dict[str, Any]) -> None:
    """There is one connection, and it goes to the endpoint: no metadata service, no container, no name server."""
    connections = [what for stage in ("making", "first", "second") for what in watched[stage] if what[0] == "connect"]
    assert connections == [["connect", ["127.0.0.1", watched["port"]]]]


def test_botocore_is_never_imported(watched: dict[str, Any]) -> None:
    """Nor anything that reads configuration files."""
    assert watched["modules"] == []


def is_import(what: list[Any]) -> bool:
    """Tell whether an audit event belongs to the import of a module."""
    kind, subject = what
    if kind in {"os.listdir", "os.scandir"}:
        subject = subject[0]
    roots = (sys.prefix, sys.base_prefix, str(ROOT))
    return kind in {"open", "os.listdir", "os.scandir"} and (
        str(subject).startswith(roots) and bool(re.search(r"\.(py|pyc|so)$|/[\w.-]+$|\.pyc\.\d+$", str(subject)))
    )
