"""The contract of ``client.confirm_forgot_password``: with mocks of aiohttp, and over real sockets."""

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
    """Yield a client without a secret for a server."""
    async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, **options) as session:
        yield session.client("abc")


def hash_of(secret: str, username: str, client_id: str) -> str:
    """Return the secret hash by its definition."""
    return b64encode(hmac.new(secret.encode(), (username + client_id).encode(), sha256).digest()).decode()


# --- signature --------------------------------------------------------------------------------------------------------


def test_arguments_are_keyword_only() -> None:
    """Three are required, five optional."""
    parameters = inspect.signature(CognitoClient.confirm_forgot_password).parameters
    given = {name: parameter for name, parameter in parameters.items() if name != "self"}
    assert {parameter.kind for parameter in given.values()} == {inspect.Parameter.KEYWORD_ONLY}
    required = {name for name, parameter in given.items() if parameter.default is inspect.Parameter.empty}
    assert required == {"username", "confirmation_code", "password"}
    assert {name: parameter.default for name, parameter in given.items() if name not in required} == dict.fromkeys(
        ["client_id", "secret_hash", "analytics_metadata", "client_metadata", "user_context_data"]
    )


async def test_positional_arguments_are_refused() -> None:
    """A code and a password cannot be confused by their order."""
    session = scripted_session(ScriptedTransport())
    with pytest.raises(TypeError):
        await session.client("abc").confirm_forgot_password("ada", "123456", "correct horse")  # type: ignore[call-arg]
    await session.close()


# --- wire -------------------------------------------------------------------------------------------------------------


async def test_request_on_the_wire() -> None:
    """Method, path, headers and body, and no other header."""
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
    assert others == {"user-agent", "amz-sdk-invocation-id", "accept-encoding"}


async def test_request_through_aiohttp(mocked: MockedHttp) -> None:
    """One POST to the region's endpoint, without redirects."""
    mocked.post(ENDPOINT, payload={})
    async with AsyncCognitoSession("eu-west-1") as session:
        await session.client("abc").confirm_forgot_password(**ARGUMENTS)
    [(method, url)] = mocked.requests
    assert (method, str(url)) == ("POST", ENDPOINT)
    [call] = mocked.calls
    assert call["allow_redirects"] is False
    assert call["headers"]["X-Amz-Target"] == "AWSCognitoIdentityProviderService.ConfirmForgotPassword"
    assert call["headers"]["Content-Type"] == "application/x-amz-json-1.1"


async def test_members_on_the_wire() -> None:
    """All eight arguments have their wire names, nested ones too."""
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


async def test_members_that_are_none_are_omitted() -> None:
    """Also in nested structures; empty values are sent."""
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
async def test_text_is_sent_unchanged(text: str) -> None:
    """User names and passwords of any characters."""
    async with ScriptedServer() as server, client_of(server) as client:
        await reset(client, username=text, password=text * 6)
        [request] = server.requests
    assert request.json["Username"] == text
    assert request.json["Password"] == text * 6


async def test_user_agent_has_name_and_version() -> None:
    """Requests can be distinguished from those of other libraries."""
    transport = ScriptedTransport(respond())
    async with scripted_session(transport) as session:
        await reset(session.client("abc"))
    agent = transport.attempts[0].headers["User-Agent"]
    assert agent == f"cognito_async/{cognito_async.__version__} python/{platform.python_version()}"


async def test_attempts_of_a_call_share_an_invocation_id() -> None:
    """A UUID; another call has another ID."""
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
    """IDs are unique beyond a session."""
    transport = ScriptedTransport(*[respond()] * 20)
    for _ in range(20):
        await reset(scripted_session(transport).client("abc"))
    assert len({attempt.headers["amz-sdk-invocation-id"] for attempt in transport.attempts}) == 20


async def test_request_is_not_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever credentials the session and the environment have."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a token")  # incomplete credentials, which are an error when they are read
    keys = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret", session_token="a token")
    async with ScriptedServer() as server:
        for credentials in (None, keys):
            async with client_of(server, credentials=credentials) as client:
                await reset(client)
    assert len(server.requests) == 2
    for request in server.requests:
        assert not request.headers.keys() & {"authorization", "x-amz-date", "x-amz-security-token"}


# --- secret hash ------------------------------------------------------------------------------------------------------


async def hashes(client_arguments: Mapping[str, str], **changes: Any) -> str | None:
    """Return the secret hash that a call sends; None if it sends none."""
    transport = ScriptedTransport(respond())
    async with scripted_session(transport) as session:
        client = session.client(client_arguments.get("client_id"), client_arguments.get("client_secret"))
        await reset(client, **changes)
    found: str | None = transport.attempts[0].json.get("SecretHash")
    return found


@pytest.mark.parametrize("username", ["ada", "ada@example.com", "Zoë", "日本語"])
async def test_secret_hash_is_computed(username: str) -> None:
    """Base64(HMAC-SHA256(client secret, username + client ID))."""
    found = await hashes({"client_id": "abc", "client_secret": "a secret"}, username=username)
    assert found == hash_of("a secret", username, "abc")


async def test_secret_hash_equals_value_of_openssl() -> None:
    """``printf userapp | openssl dgst -sha256 -hmac key -binary | base64``."""
    found = await hashes({"client_id": "app", "client_secret": "key"}, username="user")
    assert found == "ULEpgGcP9/VMWhv0jiD36OFlzU3RKbwAofo1GzfDv64="


async def test_secret_hash_of_the_call_takes_precedence() -> None:
    """It is sent unchanged."""
    found = await hashes({"client_id": "abc", "client_secret": "a secret"}, secret_hash="mine")
    assert found == "mine"


async def test_client_without_secret_sends_no_hash() -> None:
    """The member is omitted."""
    assert await hashes({"client_id": "abc"}) is None


async def test_secret_can_be_bound_without_client_id() -> None:
    """The hash is computed with the client ID of the call."""
    found = await hashes({"client_secret": "a secret"}, client_id="abc")
    assert found == hash_of("a secret", "ada", "abc")


async def test_bound_client_id_can_be_passed() -> None:
    """Nothing changes."""
    found = await hashes({"client_id": "abc", "client_secret": "a secret"}, client_id="abc")
    assert found == hash_of("a secret", "ada", "abc")


# --- validation -------------------------------------------------------------------------------------------------------

BOUNDS = {
    "client_id": (1, 128),
    "confirmation_code": (1, 2048),
    "password": (6, 256),
    "username": (1, 128),
    "secret_hash": (1, 128),
}


@pytest.mark.parametrize(("name", "bounds"), BOUNDS.items())
async def test_values_at_the_bounds_are_sent(name: str, bounds: tuple[int, int]) -> None:
    """Lengths are counted in characters."""
    transport = ScriptedTransport(respond(), respond(), respond())
    async with scripted_session(transport) as session:
        for value in ("x" * bounds[0], "x" * bounds[1], "日" * bounds[1]):
            await reset(session.client("abc"), **{name: value})
    assert len(transport.attempts) == 3


@pytest.mark.parametrize(("name", "bounds"), BOUNDS.items())
async def test_values_beyond_the_bounds_are_refused(name: str, bounds: tuple[int, int]) -> None:
    """The error has operation, parameter and rule, not the value; nothing is sent."""
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
async def test_required_value_of_wrong_type_is_refused(name: str, value: Any) -> None:
    """Nothing is sent."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError) as caught:
            await reset(session.client("abc"), **{name: value})
    assert caught.value.parameter == name
    assert "123456" not in str(caught.value)


async def test_missing_client_id_is_refused() -> None:
    """Neither bound nor passed."""
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
async def test_optional_value_of_wrong_type_is_refused(name: str, value: Any) -> None:
    """The path starts with the parameter's name."""
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
    "unknown members": answer(b' {"New": {"a": [1, null]}}'),
    "cut off before the body": cut(OK + b"Content-Length: 2\r\n\r\n"),
    "cut off": cut(OK + b"Content-Length: 100\r\n\r\n{"),
    "cut off by a reset": reset_connection(OK + b"Content-Length: 100\r\n\r\n{"),
    "cut off in a chunk": cut(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{"),
    "truncated JSON": answer(b'{"a": '),
}


@pytest.mark.parametrize("action", SUCCESSES.values(), ids=SUCCESSES.keys())
async def test_success_returns_none(action: Action) -> None:
    """After one attempt; the status is enough."""
    async with ScriptedServer(action) as server, client_of(server) as client:
        result: object = await client.confirm_forgot_password(**ARGUMENTS)  # type: ignore[func-returns-value]
        assert result is None
        assert len(server.requests) == 1


@pytest.mark.parametrize("body", ["{}", "", "{", '{"New": 1}'])
async def test_success_through_aiohttp_returns_none(body: str, mocked: MockedHttp) -> None:
    """With each body."""
    mocked.post(ENDPOINT, body=body)
    async with AsyncCognitoSession("eu-west-1") as session:
        result: object = await reset(session.client("abc"))  # type: ignore[func-returns-value]
    assert result is None


async def test_page_with_status_200_is_ambiguous() -> None:
    """A captive portal may respond instead of the service."""
    page = answer(b"<!doctype html><p>Log in", Content_Type="text/html")
    async with ScriptedServer(otherwise=page) as server, client_of(server) as client:
        with pytest.raises(InvalidResponseError) as caught:
            await reset(client)
    assert caught.value.status == 200
    assert "text/html" in str(caught.value)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_18_typed_errors_are_public() -> None:
    """The same class in the package and in ``cognito_async.errors``."""
    assert len(set(EXCEPTIONS)) == 18
    for kind in EXCEPTIONS:
        assert getattr(cognito_async, kind.__name__) is getattr(errors, kind.__name__) is kind
        assert issubclass(kind, ServiceError)
        assert issubclass(kind, CognitoError)
        assert kind.__name__.endswith("Exception")


def in_type(code: str) -> HttpResponse:
    """Respond with the code in ``__type``."""
    return respond(400, json.dumps({"__type": code, "message": "no"}).encode())


def in_namespace(code: str) -> HttpResponse:
    """Respond with the code in ``__type``, with a namespace."""
    body = {"__type": f"com.amazonaws.cognito.identity.idp.model#{code}", "message": "no"}
    return respond(400, json.dumps(body).encode())


def with_documentation(code: str) -> HttpResponse:
    """Respond with the code in ``__type``, followed by a colon and a URL."""
    body = {"__type": f"a#{code}:http://internal.amazon.com/", "Message": "no"}
    return respond(400, json.dumps(body).encode())


def in_header(code: str) -> HttpResponse:
    """Respond with the code in the header, which ends in a colon, and a message in the body."""
    return respond(400, b'{"message": "no"}', {"x-amzn-ErrorType": f"{code}:"})


def in_header_alone(code: str) -> HttpResponse:
    """Respond with the code in the header and no body."""
    return respond(400, b"", {"X-Amzn-Errortype": f"{code}:http://internal.amazon.com/"})


def in_header_over_html(code: str) -> HttpResponse:
    """Respond with the code in the header and a page."""
    return respond(403, b"<html>no</html>", {"x-amzn-ErrorType": code, "Content-Type": "text/html"})


def in_code(code: str) -> HttpResponse:
    """Respond with the code in ``code``."""
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
async def test_typed_errors_in_all_forms(kind: type[ServiceError], form: Callable[[str], HttpResponse]) -> None:
    """The error has its class and the details of the call."""
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
async def test_error_class_depends_on_code_not_status(status: int) -> None:
    """Cognito responds with 400 where the model has other statuses."""
    response = refuse("UserNotFoundException", status=status)
    async with scripted_session(ScriptedTransport(response)) as session:
        with pytest.raises(UserNotFoundException) as caught:
            await reset(session.client("abc"))
    assert caught.value.status == status


@pytest.mark.parametrize("kind", EXCEPTIONS)
async def test_typed_errors_over_sockets(kind: type[ServiceError]) -> None:
    """As through a scripted transport."""
    refusal = answer({"__type": kind.__name__, "message": "no"}, 400, x_amzn_RequestId="r-9")
    async with ScriptedServer(refusal) as server, client_of(server, retry=ONCE) as client:
        with pytest.raises(kind, match="no") as caught:
            await reset(client)
    assert caught.value.request_id == "r-9"


async def test_typed_errors_through_aiohttp(mocked: MockedHttp) -> None:
    """Header names are matched without regard to case."""
    mocked.post(ENDPOINT, status=400, body="", headers={"X-AMZN-ERRORTYPE": "ExpiredCodeException:"})
    async with AsyncCognitoSession("eu-west-1") as session:
        with pytest.raises(ExpiredCodeException):
            await reset(session.client("abc"))


@pytest.mark.parametrize(("members", "reason"), [({"reasonCode": "BAD"}, "BAD"), ({}, None), ({"reasonCode": 5}, None)])
async def test_reason_code_of_invalid_parameter_exception(members: dict[str, Any], reason: str | None) -> None:
    """If the service sends one."""
    body = json.dumps({"__type": "InvalidParameterException", "message": "no", **members}).encode()
    async with scripted_session(ScriptedTransport(respond(400, body))) as session:
        with pytest.raises(InvalidParameterException) as caught:
            await reset(session.client("abc"))
    assert caught.value.reason_code == reason


async def test_unknown_code_is_a_service_error() -> None:
    """It has the code."""
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
async def test_error_without_code_is_an_invalid_response_error(body: bytes) -> None:
    """It has the status."""
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
    """Draw a request, and a response with any values in the members of its operation."""
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
def test_any_response_gives_none_or_a_cognito_error(
    drawn: tuple[Request[Any], bytes], status: int, headers: dict[str, str], *, complete: bool
) -> None:
    """Any bytes with any status; the error can be shown."""
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
def test_hostile_json_gives_none_or_a_cognito_error(request_: Request[Any], status: int, body: bytes) -> None:
    """Depth, size, encodings and numbers that break parsers."""
    try:
        decode(HttpResponse(status, CIMultiDict(), body), request_)
    except CognitoError as error:
        assert str(error)


# --- side effects -----------------------------------------------------------------------------------------------------

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
    """Record the audit events of two calls, on a machine with much AWS configuration."""
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


def test_session_constructor_does_no_io(watched: dict[str, Any]) -> None:
    """Apart from imports."""
    assert not [what for what in watched["making"] if not is_import(what)]


def test_call_opens_no_file(watched: dict[str, Any]) -> None:
    """Once all modules are imported."""
    assert watched["requests"] == 2
    assert watched["second"] == []


def test_first_call_reads_only_modules(watched: dict[str, Any]) -> None:
    """No configuration of AWS."""
    assert not [what for what in watched["first"] if what[0] != "connect" and not is_import(what)]
    assert not [what for what in watched["first"] if ".aws" in str(what)]


def test_call_connects_only_to_the_endpoint(watched: dict[str, Any]) -> None:
    """No metadata service, no container, no name server."""
    connections = [what for stage in ("making", "first", "second") for what in watched[stage] if what[0] == "connect"]
    assert connections == [["connect", ["127.0.0.1", watched["port"]]]]


def test_call_does_not_import_botocore(watched: dict[str, Any]) -> None:
    """Nor anything that reads configuration files."""
    assert watched["modules"] == []


def is_import(what: list[Any]) -> bool:
    """Return whether an audit event belongs to the import of a module."""
    kind, subject = what
    if kind in {"os.listdir", "os.scandir"}:
        subject = subject[0]
    roots = (sys.prefix, sys.base_prefix, str(ROOT))
    return kind in {"open", "os.listdir", "os.scandir"} and (
        str(subject).startswith(roots) and bool(re.search(r"\.(py|pyc|so)$|/[\w.-]+$|\.pyc\.\d+$", str(subject)))
    )
