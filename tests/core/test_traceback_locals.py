"""Tracebacks with local variables, as Sentry, rich and structlog collect them, contain no secrets."""

import asyncio
import io
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import TokenRetrievalError, UnauthorizedSSOTokenError
from rich.console import Console
from rich.traceback import Traceback

from cognito_async import (
    AmbiguousOutcomeError,
    AsyncCognitoSession,
    CognitoError,
    Credentials,
    CredentialsError,
    PaginationError,
    ParameterValidationError,
    RetryPolicy,
    SessionClosedError,
    Timeouts,
    TransportError,
    credentials,
)
from cognito_async.client import send_with
from cognito_async.protocol.shapes import Blob, Document, MapOf, Shape, Struct, Text, members
from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.canaries import CANARY, canary, filled, leaking_frames
from tests.support.scripted_server import Action, Connection, ScriptedServer, answer, cut, never, reset_connection
from tests.support.scripted_transport import ScriptedTransport, reset, respond, scripted_session
from tests.support.strategies import request_types

KEYS = Credentials(access_key_id="AKID", secret_access_key=canary(), session_token=canary())


def arguments(name: str) -> dict[str, Any]:
    """Return all arguments of an operation's method, with a canary in each secret."""
    request = filled(request_types()[name])
    return {member: getattr(request, member) for member, _ in members(type(request))}


def invalid(shape: Shape) -> Any:
    """Return a value of the wrong type that contains a canary."""
    if isinstance(shape, Document):
        return {"key": [canary(), object()]}
    return [canary()] if isinstance(shape, Text | Blob | MapOf | Struct) else {canary(): canary()}


# --- validation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", request_types())
async def test_frames_of_a_validation_error_contain_no_secrets(name: str) -> None:
    """Neither the method of an operation nor the frames below it hold an argument that is secret."""
    kind = request_types()[name]
    wrong = {member: invalid(about.shape) for member, about in members(kind) if about.secret}
    for broken, value in (wrong or {members(kind)[0][0]: object()}).items():
        values = {**arguments(name), broken: value}
        async with scripted_session(ScriptedTransport(), credentials=KEYS) as session:
            client = session.client(canary(), canary())
            with pytest.raises(ParameterValidationError) as caught:
                await getattr(client, xform_name(name))(**values)
            assert caught.value.parameter.startswith(broken)
            assert leaking_frames(caught.value) == []
            with pytest.raises(ParameterValidationError) as caught:
                client.prepare(kind(**values))
            assert leaking_frames(caught.value) == []


async def test_frames_hide_dicts_in_place_of_structures() -> None:
    """The dicts that boto3 takes are invalid, and contain the secrets that a structure would mask."""
    async with scripted_session(ScriptedTransport(), credentials=KEYS) as session:
        client = session.client(user_pool_id="eu-west-1_AbC")
        attributes: Any = [{"Name": "email", "Value": canary()}]
        with pytest.raises(ParameterValidationError) as caught:
            await client.admin_create_user(username="ada", user_attributes=attributes)
    assert leaking_frames(caught.value) == []


@pytest.mark.parametrize("collect", ["traceback", "rich"])
async def test_error_reporters_show_no_secrets(collect: str) -> None:
    """What Python's own and rich's tracebacks print with locals is checked as a whole."""

    async def confirm() -> BaseException:
        async with scripted_session(ScriptedTransport()) as session:
            try:
                await session.client("abc", canary()).confirm_forgot_password(
                    username="", confirmation_code=canary(), password=canary(), client_metadata={"key": canary()}
                )
            except ParameterValidationError as error:
                return error
        raise AssertionError("the call succeeded")

    error = await confirm()
    if collect == "traceback":
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    else:
        out = io.StringIO()
        shown = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
        Console(file=out, width=200).print(shown)
        text = out.getvalue()
    assert "request = ConfirmForgotPasswordRequest(" in text
    assert CANARY not in text


# --- clients, credentials and sessions --------------------------------------------------------------------------------

UNSENDABLE = [f"{CANARY}\n", f"{CANARY}\r", f"{CANARY}\x85", f"{CANARY}\u2028", f"\u2029{CANARY}", f"{CANARY}\udc80"]
UNSENDABLE += [f"{CANARY}\0", f" {CANARY}", f"{CANARY} "]
WRONG: list[Any] = [*UNSENDABLE, b"c4n4ry", ["c4n4ry"], 5, ""]


def looks_clean(error: BaseException) -> bool:
    """Return whether neither the error, its causes nor their frames contain a canary."""
    lines = traceback.format_exception(error)
    quotes = [line for line in lines if CANARY in line and "tests/" not in line]
    return not leaking_frames(error) and not quotes and CANARY not in repr(vars(error)) and error.__context__ is None


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("name", ["client_id", "client_secret", "user_pool_id"])
async def test_client_of_invalid_form_is_refused_without_showing_the_value(name: str, value: Any) -> None:
    """IDs and secrets are checked when the client is created."""
    given = {"client_id": canary(), "client_secret": canary(), "user_pool_id": "eu-west-1_AbC", name: value}
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError) as caught:
            session.client(**given)
    assert caught.value.parameter == name
    assert looks_clean(caught.value)


@pytest.mark.parametrize("pool_id", ["arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_A", "eu-west-1_A B", "eu.A_b"])
async def test_user_pool_id_with_other_characters_is_refused(pool_id: str) -> None:
    """An ARN or a name is not an ID."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError) as caught:
            session.client(user_pool_id=pool_id)
    assert caught.value.parameter == "user_pool_id"


@pytest.mark.parametrize("pool_id", ["eu-west-1_AbC123", "us-gov-west-1_A", "local_6E2rLZ1q", "us-east-1_" + "0f" * 16])
async def test_user_pool_ids_of_emulators_are_accepted(pool_id: str) -> None:
    """cognito-local, moto and LocalStack have IDs of other forms than AWS."""
    async with scripted_session(ScriptedTransport(), endpoint_url="http://127.0.0.1:1") as session:
        assert session.client(user_pool_id=pool_id).bound.user_pool_id == pool_id


@pytest.mark.parametrize("value", [value for value in WRONG if value])
@pytest.mark.parametrize("name", ["access_key_id", "secret_access_key", "session_token"])
def test_credentials_of_invalid_form_are_refused_without_showing_the_value(name: str, value: Any) -> None:
    """The error names the parameter, and the frame of the constructor holds the masked instance only."""
    given = {"access_key_id": "AKID", "secret_access_key": canary(), "session_token": canary(), name: value}
    with pytest.raises(ParameterValidationError) as caught:
        Credentials(**given)
    assert caught.value.parameter == name
    assert looks_clean(caught.value)


@pytest.mark.parametrize("name", ["access_key_id", "secret_access_key"])
def test_empty_credentials_are_refused(name: str) -> None:
    """An empty key comes from a variable that is not set."""
    with pytest.raises(ParameterValidationError, match="empty"):
        Credentials(**{"access_key_id": "AKID", "secret_access_key": "secret", name: ""})


async def list_users_error(session: AsyncCognitoSession) -> CognitoError:
    """Return the error of a signed call."""
    async with session:
        with pytest.raises(CognitoError) as caught:
            await session.client(user_pool_id="eu-west-1_AbC").list_users()
    return caught.value


@pytest.mark.parametrize("value", [value for value in UNSENDABLE if "\0" not in value])
@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
async def test_environment_with_invalid_credentials_names_the_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte that is not UTF-8 arrives as a lone surrogate, and a file often ends in a line break."""
    given = {"AWS_ACCESS_KEY_ID": canary(), "AWS_SECRET_ACCESS_KEY": canary(), "AWS_SESSION_TOKEN": canary()}
    for name, each in {**given, variable: value}.items():
        monkeypatch.setenv(name, each)
    transport = ScriptedTransport()
    error = await list_users_error(scripted_session(transport))
    assert isinstance(error, CredentialsError)
    assert variable in str(error)
    assert leaking_frames(error) == []
    assert CANARY not in str(error)
    assert transport.attempts == []


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
async def test_frames_of_incomplete_credentials_hide_the_environment(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repr of ``os.environ`` shows all variables, so it must not be a local variable."""
    for name in {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} - {missing}:
        monkeypatch.setenv(name, canary())
    error = await list_users_error(scripted_session(ScriptedTransport()))
    assert f"{missing} is missing" in str(error)
    assert leaking_frames(error) == []


def test_frames_of_an_invalid_session_hide_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session reads its region and its endpoint from the environment, which also holds the credentials."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", canary())
    with pytest.raises(ParameterValidationError) as caught:
        AsyncCognitoSession("not a region")
    assert leaking_frames(caught.value) == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not a URL")
    with pytest.raises(ParameterValidationError) as caught:
        AsyncCognitoSession("eu-west-1")
    assert leaking_frames(caught.value) == []


class Frozen:
    """The credentials that botocore returns; its own class shows them in its repr, too."""

    access_key = "AKID"
    secret_key = canary()
    token = f"{canary()}\n"

    def __repr__(self) -> str:
        return f"Frozen({self.secret_key})"


class Found:
    """botocore's credentials object: returns credentials, or raises an error from a frame that holds them."""

    def __init__(self, failure: Callable[[str], Exception] | None = None) -> None:
        self.failure = failure

    def get_frozen_credentials(self) -> Frozen:
        """Return the credentials."""
        if self.failure is not None:
            raise self.failure(canary())
        return Frozen()


async def test_botocore_credentials_of_invalid_form_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the part of the credentials, not its value."""
    monkeypatch.setattr(credentials, "find_with_botocore", Found)
    error = await list_users_error(scripted_session(ScriptedTransport()))
    assert isinstance(error, CredentialsError)
    assert "session_token" in str(error)
    assert leaking_frames(error) == []


@pytest.mark.parametrize(
    "failure",
    [
        lambda secret: json.JSONDecodeError("bad", secret, 0),
        lambda secret: UnicodeDecodeError("utf-8", secret.encode(), 0, 1, "bad"),
        KeyError,
        lambda _: OSError("no network"),
    ],
)
async def test_botocore_errors_are_chained_without_secrets(
    failure: Callable[[str], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of other libraries may quote what they read, so only their class is shown."""
    monkeypatch.setattr(credentials, "find_with_botocore", lambda: Found(failure))
    error = await list_users_error(scripted_session(ScriptedTransport()))
    assert isinstance(error, CredentialsError)
    assert type(failure("")).__name__ in str(error)
    assert isinstance(error.__cause__, OSError | None)
    assert leaking_frames(error) == []
    for each in (error, error.__cause__, error.__context__):
        assert CANARY not in f"{each!r} {each and vars(each)}"


AWS_CONFIG = """
[profile process]
credential_process = /bin/sh -c 'echo sign in first >&2; exit 3'
[profile chatty]
credential_process = /bin/sh -c 'echo expired: wJalrXUtnFEMIK7MDENGbPxRfiCYc4n4ryEXAMPLE >&2; exit 3'
[profile sso]
sso_session = cognito-async-tests
sso_account_id = 123456789012
sso_role_name = dev
[profile sso-legacy]
sso_start_url = https://corp.example/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = dev
[sso-session cognito-async-tests]
sso_region = eu-west-1
sso_start_url = https://corp.example/start
[profile role]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = missing
[profile partial]
aws_access_key_id = AKIDEXAMPLE
"""


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("stagign", "The config profile (stagign) could not be found"),
        ("process", "sign in first"),
        ("chatty", "expired: ***"),
        ("sso", "Token for cognito-async-tests does not exist"),
        ("sso-legacy", "Token for https://corp.example/start does not exist"),
        ("role", 'The source_profile "missing" referenced in the profile "role" does not exist'),
        ("partial", "missing: aws_secret_access_key"),
    ],
)
async def test_botocore_messages_are_shown(
    profile: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The messages of botocore's own errors say how to fix the problem; keys and tokens in them are masked."""
    for name, value in {"HOME": str(tmp_path), "AWS_PROFILE": profile, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(AWS_CONFIG)
    error = await list_users_error(scripted_session(ScriptedTransport()))
    assert isinstance(error, CredentialsError)
    assert message in str(error)
    assert leaking_frames(error) == []
    assert error.__cause__ is None or error.__cause__.__traceback__ is None
    assert CANARY not in f"{error!r} {error.__cause__!r} {error.__context__!r}"


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (UnauthorizedSSOTokenError(), "has expired or is otherwise invalid"),
        (TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"), "Token has expired"),
    ],
)
async def test_expired_sso_sessions_are_named(
    failure: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SSO session expires between two calls."""
    monkeypatch.setattr(credentials, "find_with_botocore", lambda: Found(lambda _: failure))
    error = await list_users_error(scripted_session(ScriptedTransport()))
    assert isinstance(error, CredentialsError)
    assert message in str(error)
    assert leaking_frames(error) == []


# --- around a call ----------------------------------------------------------------------------------------------------


async def test_frames_of_a_closed_session_contain_no_secrets() -> None:
    """Nothing is sent, and the frames of the method hold the masked request."""
    session = scripted_session(ScriptedTransport(), credentials=KEYS)
    client = session.client(canary(), canary())
    await session.close()
    with pytest.raises(SessionClosedError) as caught:
        await client.confirm_forgot_password(**arguments("ConfirmForgotPassword"))
    assert leaking_frames(caught.value) == []


async def test_frames_of_a_failing_hook_contain_no_secrets() -> None:
    """An error of the application's own hook leaves the library through the same frames."""

    async def fail() -> None:
        raise OSError("disk full")

    async with scripted_session(ScriptedTransport(), credentials=KEYS) as session:
        with pytest.raises(OSError, match="disk full") as caught:
            await send_with(session.client(canary(), canary()), filled(request_types()["InitiateAuth"]), before=fail)
    assert leaking_frames(caught.value) == []


async def test_frames_of_a_pagination_error_contain_no_secrets() -> None:
    """The filter of a listing is secret, and so are its users."""
    page = respond(200, json.dumps({"Users": [{"Username": canary()}], "PaginationToken": "t"}).encode())
    async with scripted_session(ScriptedTransport(*[page] * 5), credentials=KEYS) as session:
        client = session.client(user_pool_id="eu-west-1_AbC")
        with pytest.raises(PaginationError) as caught:
            async for _ in client.iter_list_users(filter=f'email = "{canary()}"'):
                pass
    assert leaking_frames(caught.value) == []


async def test_frames_of_a_running_call_contain_no_secrets() -> None:
    """The stack, which debuggers and samplers print, shows the masked request."""
    stack: list[str] = []

    async def look(_: HttpRequest) -> HttpResponse:
        frames = [frame for frame, _ in traceback.walk_stack(None) if "cognito_async" in frame.f_code.co_filename]
        stack.extend(repr(frame.f_locals) for frame in frames)
        return respond()

    async with scripted_session(ScriptedTransport(look)) as session:
        await reset(session.client("abc", canary()), confirmation_code=canary(), password=canary())
    assert "ConfirmForgotPasswordRequest(" in stack[-1]
    assert not [frame for frame in stack if CANARY in frame]


# --- calls that fail --------------------------------------------------------------------------------------------------


async def quote_as_error(connection: Connection) -> None:
    """Return an error whose message quotes the request."""
    assert connection.request is not None
    message = f"1 validation error: {connection.request.body.decode()} {connection.request.raw.decode()}"
    await answer({"__type": "InvalidParameterException", "message": message, "reasonCode": message}, 400)(connection)


async def quote_as_page(connection: Connection) -> None:
    """Return a proxy's page that quotes the request, with the status of a success."""
    assert connection.request is not None
    page = b"<html>" + connection.request.body + connection.request.raw
    await answer(page, Content_Type="text/html")(connection)


async def quote_as_garbage(connection: Connection) -> None:
    """Return the request's body in place of a status line."""
    assert connection.request is not None
    await connection.write(b"HTTP/1.1 2x0 " + connection.request.body + b"\r\n\r\n")
    connection.close()


async def quote_as_truncated_body(connection: Connection) -> None:
    """Return the start of the request's body, and close the connection."""
    assert connection.request is not None
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    await connection.write(head + connection.request.body[:-1])
    connection.close()


RESPONSES: dict[str, Action] = {
    "connection closed": cut(),
    "connection reset": reset_connection(),
    "no response": never(),
    "half a head": never(b"HTTP/1.1 200 OK\r\nContent-"),
    "half a body": never(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    "refused": answer({"__type": "CodeMismatchException", "message": "wrong"}, 400),
    "unknown code": answer({"__type": canary(), "message": canary()}, 400),
    "throttled": answer({"__type": "TooManyRequestsException", "message": "slow down"}, 400),
    "server error": answer(b"{}", 500),
    "error that quotes the request": quote_as_error,
    "page that quotes the request": quote_as_page,
    "garbage that quotes the request": quote_as_garbage,
    "truncated body that quotes the request": quote_as_truncated_body,
    "unexpected members": answer({"AuthenticationResult": [canary()], "Username": {"a": canary()}}),
    "not an object": answer(json.dumps([canary()]).encode()),
    "not JSON": answer(b'{"Session": "' + canary().encode()),
}
CALLS = ("ConfirmForgotPassword", "InitiateAuth", "AdminSetUserPassword", "GetUser", "ListUsers")


def open_session(url: str, **options: Any) -> AsyncCognitoSession:
    """Return a session that retries without delay and times out soon."""
    options = {"retry": RetryPolicy(max_attempts=2, transient_base=0, throttled_base=0), **options}
    timeouts = Timeouts(attempt=0.05, total=5)
    return AsyncCognitoSession("eu-west-1", endpoint_url=url, timeouts=timeouts, credentials=KEYS, **options)


async def failure_of(session: AsyncCognitoSession, name: str) -> BaseException | None:
    """Return the error of a call with a canary in each secret argument; None if it succeeded."""
    values = arguments(name)
    if "user_pool_id" in values:
        values["user_pool_id"] = "eu-west-1_AbC"
    try:
        await getattr(session.client(canary(), canary()), xform_name(name))(**values)
    except Exception as error:  # noqa: BLE001 - each error is looked at
        return error
    return None


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES.keys())
@pytest.mark.parametrize("name", CALLS)
async def test_frames_of_a_failed_call_contain_no_secrets(name: str, response: Action) -> None:
    """Whatever comes back, no frame of an attempt holds the request's body or headers, or the response's."""
    async with ScriptedServer(otherwise=response) as server, open_session(server.url) as session:
        error = await failure_of(session, name)
    assert error is None or leaking_frames(error) == []


@pytest.mark.parametrize("name", request_types())
async def test_frames_of_a_refused_connection_contain_no_secrets(name: str) -> None:
    """Nothing was sent, but the frames of the HTTP library held the request."""
    async with open_session("http://127.0.0.1:1", retry=RetryPolicy(max_attempts=1)) as session:
        error = await failure_of(session, name)
    assert isinstance(error, TransportError)
    assert error.sent is False
    assert leaking_frames(error) == []


async def test_frames_of_an_ambiguous_outcome_contain_no_secrets() -> None:
    """The history holds the error of each attempt."""
    expired = answer({"__type": "ExpiredCodeException", "message": canary()}, 400)
    async with ScriptedServer(cut(), otherwise=expired) as server, open_session(server.url) as session:
        error = await failure_of(session, "ConfirmForgotPassword")
    assert isinstance(error, AmbiguousOutcomeError)
    for each in (error, *error.history):
        assert leaking_frames(each) == []


@pytest.mark.parametrize("name", CALLS)
async def test_frames_of_a_cancelled_call_contain_no_secrets(name: str) -> None:
    """A task that is cancelled while it waits for the response, or that times out, has the frames of all layers."""
    async with ScriptedServer(otherwise=never()) as server, open_session(server.url) as session:
        task = asyncio.ensure_future(failure_of(session, name))
        await server.until(lambda: server.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        assert leaking_frames(cancelled.value) == []
        with pytest.raises(TimeoutError) as timed_out:
            async with asyncio.timeout(0.01):
                await failure_of(session, name)
        assert leaking_frames(timed_out.value) == []


@pytest.mark.parametrize("hook", ["on_event", "on_retry", "rate_limiter"])
async def test_frames_of_failing_extensions_contain_no_secrets(hook: str) -> None:
    """The application's own error has the failed attempt's as its context."""

    class Failing:
        def __call__(self, _: object) -> None:
            raise OSError("disk full")

        def limiter(self, _: object) -> None:
            raise OSError("disk full")

    options: dict[str, Any] = {hook: Failing()}
    if hook == "on_retry":
        options = {"retry": RetryPolicy(transient_base=0, on_retry=Failing())}
    async with ScriptedServer(otherwise=answer(b"{}", 500)) as server, open_session(server.url, **options) as session:
        error = await failure_of(session, "GetUser")
    assert isinstance(error, OSError)
    assert leaking_frames(error) == []


async def test_value_whose_methods_raise_is_a_validation_error() -> None:
    """Validation calls a method of a str subclass, whose error may quote the value."""

    class Hostile(str):
        __slots__ = ()

        def __len__(self) -> int:
            raise RuntimeError(canary())

    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError) as caught:
            await session.client().forgot_password(username="ada", client_id=Hostile("abc"))
    assert leaking_frames(caught.value) == []
    assert caught.value.__context__ is None
