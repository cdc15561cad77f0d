"""The session: opening and closing, concurrency, clients, regions and endpoints, the clock, and transports."""

# ruff: noqa: SIM117 - a session within its server

import asyncio
import gc
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest
from multidict import CIMultiDict

from cognito_async import (
    AsyncCognitoSession,
    CognitoError,
    ConnectError,
    ConnectTimeoutError,
    Credentials,
    CredentialsError,
    InvalidResponseError,
    NotAuthorizedException,
    ParameterValidationError,
    Quotas,
    RequestTimeoutError,
    RetryPolicy,
    ServiceError,
    SessionClosedError,
    Timeouts,
    TransportError,
)
from cognito_async.client import send_with
from cognito_async.operations import AdminGetUserRequest, ConfirmForgotPasswordRequest, GetUserRequest
from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.clocks import now
from tests.support.scripted_server import ScriptedServer, answer, never
from tests.support.scripted_transport import ScriptedTransport, hang, refuse, reset, respond, scripted_session, take

REQUEST = ConfirmForgotPasswordRequest(
    client_id="abc", username="ada", confirmation_code="123456", password="correct horse"
)
KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret of many characters")
POOL = "eu-west-1_AbC"
CLOSED_PORT = "http://127.0.0.1:1"


# --- opening and closing ----------------------------------------------------------------------------------------------


async def test_close_twice_is_allowed() -> None:
    """Also concurrently."""
    async with ScriptedServer() as server:
        session = AsyncCognitoSession("eu-west-1", endpoint_url=server.url)
        await reset(session.client("abc"))
        await asyncio.gather(session.close(), session.close())
        await session.close()
        await server.until(lambda: server.open == 0)


async def test_close_within_the_block_is_allowed() -> None:
    """The end of the block closes it again."""
    transport = ScriptedTransport()
    async with scripted_session(transport) as session:
        await session.close()
    assert transport.closed >= 1


async def test_error_in_the_block_closes_the_session() -> None:
    """The error is raised."""
    transport = ScriptedTransport()
    with pytest.raises(KeyError):
        async with scripted_session(transport):
            raise KeyError
    assert transport.closed == 1


async def test_use_after_close_is_a_session_closed_error() -> None:
    """It is also a RuntimeError; nothing is sent."""
    transport = ScriptedTransport()
    session = scripted_session(transport)
    client = session.client("abc")
    await session.close()
    for use in (
        lambda: reset(client),
        lambda: client.send(REQUEST),
        lambda: session.send(REQUEST),
        session.__aenter__,
    ):
        with pytest.raises(SessionClosedError, match="closed") as caught:
            await use()
        assert isinstance(caught.value, RuntimeError)
        assert isinstance(caught.value, CognitoError)
    assert not transport.attempts


async def test_close_without_use_is_allowed() -> None:
    """Without a warning."""
    async with AsyncCognitoSession("eu-west-1"):
        pass
    session = AsyncCognitoSession("eu-west-1")
    await session.close()
    await session.close()


def test_session_can_be_created_outside_a_loop() -> None:
    """It need not be closed if it was not used."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        session = AsyncCognitoSession("eu-west-1")
        session.client("abc")
        del session
        gc.collect()
    assert not caught


async def test_close_during_a_request_raises_a_cognito_error() -> None:
    """Never an error of aiohttp."""
    async with ScriptedServer(otherwise=never()) as server:
        session = AsyncCognitoSession("eu-west-1", endpoint_url=server.url)
        call = asyncio.ensure_future(reset(session.client("abc")))
        await server.until(lambda: server.requests)
        await session.close()
        with pytest.raises((SessionClosedError, TransportError)):
            await call


async def test_close_during_backoff_raises_session_closed_error() -> None:
    """There is no further attempt."""
    paused = asyncio.Event()
    policy = RetryPolicy(on_retry=lambda _: paused.set(), transient_base=0.001)
    async with ScriptedServer(otherwise=answer(b"", 500)) as server:
        session = AsyncCognitoSession("eu-west-1", endpoint_url=server.url, retry=policy)
        call = asyncio.ensure_future(reset(session.client("abc")))
        await paused.wait()
        await session.close()
        with pytest.raises(SessionClosedError):
            await call
        assert len(server.requests) == 1


def test_use_in_another_loop_is_a_session_closed_error() -> None:
    """The session can be closed in the other loop."""

    async def first() -> AsyncCognitoSession:
        async with ScriptedServer(otherwise=answer(Connection="close")) as server:
            session = AsyncCognitoSession("eu-west-1", endpoint_url=server.url)
            await reset(session.client("abc"))
            await server.until(lambda: server.open == 0)
            return session

    with asyncio.Runner() as runner:
        session = runner.run(first())
    with asyncio.Runner() as runner:
        with pytest.raises(SessionClosedError, match="event loop"):
            runner.run(reset(session.client("abc")))
        runner.run(session.close())


def test_session_belongs_to_the_loop_of_its_first_use() -> None:
    """Not to the one in which it was created."""

    async def make() -> AsyncCognitoSession:
        return AsyncCognitoSession("eu-west-1", endpoint_url=CLOSED_PORT, retry=RetryPolicy(max_attempts=1))

    async def use(session: AsyncCognitoSession) -> None:
        async with session:
            with pytest.raises(ConnectError):
                await reset(session.client("abc"))

    with asyncio.Runner() as runner:
        session = runner.run(make())
    with asyncio.Runner() as runner:
        runner.run(use(session))


# --- concurrency ------------------------------------------------------------------------------------------------------


async def test_200_concurrent_calls_share_the_pool() -> None:
    """Each request is correct."""
    async with ScriptedServer() as server, AsyncCognitoSession("eu-west-1", endpoint_url=server.url) as session:
        client = session.client("abc", "a secret")
        await asyncio.gather(*[reset(client, username=f"user {n}") for n in range(200)])
        assert sorted(request.json["Username"] for request in server.requests) == sorted(
            f"user {n}" for n in range(200)
        )
        assert len({request.headers["amz-sdk-invocation-id"] for request in server.requests}) == 200
        assert len({request.json["SecretHash"] for request in server.requests}) == 200
        assert server.connections <= 100


async def test_200_concurrent_calls_get_their_own_responses() -> None:
    """The responses differ."""

    async def mirror(connection: Any) -> None:
        username = connection.request.json["Username"]
        await answer({"__type": "UserNotFoundException", "message": f"no {username[5:]}"}, 400)(connection)

    async with ScriptedServer(otherwise=mirror) as server:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url) as session:
            client = session.client("abc")
            calls = [reset(client, username=f"user {n}") for n in range(200)]
            results = await asyncio.gather(*calls, return_exceptions=True)
    assert [getattr(result, "message", None) for result in results] == [f"no {n}" for n in range(200)]


@pytest.mark.parametrize("number", [1, 30])
async def test_cancelled_requests_close_their_connections(number: int) -> None:
    """The session still works."""
    async with ScriptedServer(*[never()] * number) as server:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url) as session:
            calls = [asyncio.ensure_future(reset(session.client("abc"))) for _ in range(number)]
            await server.until(lambda: len(server.requests) == number)
            for call in calls:
                call.cancel()
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            await server.until(lambda: server.open == 0)
            connector = session._transport._http.connector  # type: ignore[attr-defined]
            assert not connector._acquired
            assert not connector._conns
            await reset(session.client("abc"))


async def test_closed_session_leaves_no_warning() -> None:
    """After responses, errors and cancellations."""

    async def use() -> None:
        async with ScriptedServer(answer(), answer(b"", 400), never()) as server:
            async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url) as session:
                await reset(session.client("abc"))
                with pytest.raises(InvalidResponseError):
                    await reset(session.client("abc"))
                call = asyncio.ensure_future(reset(session.client("abc")))
                await server.until(lambda: len(server.requests) == 3)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await use()
        gc.collect()
    assert not [str(warning.message) for warning in caught]


# --- clients ----------------------------------------------------------------------------------------------------------


@pytest.mark.virtual_clock
async def test_with_options_changes_only_the_copy() -> None:
    """Other options, session and bound values are shared."""
    transport = ScriptedTransport(*[hang()] * 9)
    async with scripted_session(transport, retry=RetryPolicy(max_attempts=1)) as session:
        client = session.client("abc")
        hasty = client.with_options(timeouts=Timeouts(attempt=1))
        stubborn = hasty.with_options(retry=RetryPolicy(max_attempts=2, transient_base=0))
        patient = stubborn.with_options(timeouts=Timeouts(attempt=2))
        lasted = []
        for chosen in (hasty, stubborn, patient, client):
            started = now()
            with pytest.raises(RequestTimeoutError):
                await reset(chosen)
            lasted.append(now() - started)
    assert lasted == pytest.approx([1, 2, 4, 10])
    assert {attempt.json["ClientId"] for attempt in transport.attempts} == {"abc"}


@pytest.mark.virtual_clock
async def test_session_send_takes_options() -> None:
    """Timeouts and retry policy of one call."""
    transport = ScriptedTransport(respond(500, b""), hang())
    async with scripted_session(transport) as session:
        with pytest.raises(InvalidResponseError):
            await session.send(REQUEST, retry=RetryPolicy(max_attempts=1))
        with pytest.raises(RequestTimeoutError):
            await session.send(REQUEST, timeouts=Timeouts(total=0.5))
        assert now() == pytest.approx(0.5)


async def test_send_equals_the_method() -> None:
    """``session.send``, ``client.send`` and the method send the same, except for the invocation ID."""
    transport = ScriptedTransport(respond(), respond(), respond())
    async with scripted_session(transport) as session:
        client = session.client("abc")
        await session.send(REQUEST)
        await client.send(REQUEST)
        await reset(client)
    first, *others = [
        (attempt.url, attempt.body, {**attempt.headers, "amz-sdk-invocation-id": ""}) for attempt in transport.attempts
    ]
    assert others == [first, first]
    assert len({attempt.headers["amz-sdk-invocation-id"] for attempt in transport.attempts}) == 3


async def test_client_does_not_change_the_request() -> None:
    """Bound values are filled into a copy."""
    transport = ScriptedTransport(respond(), respond())
    request = ConfirmForgotPasswordRequest(username="ada", confirmation_code="123456", password="correct horse")
    before = repr(request)
    async with scripted_session(transport) as session:
        await session.client("first", "a secret").send(request)
        await session.client("second").send(request)
    assert request.client_id is None
    assert request.secret_hash is None
    assert repr(request) == before
    assert [attempt.json["ClientId"] for attempt in transport.attempts] == ["first", "second"]
    assert "SecretHash" not in transport.attempts[1].json


async def test_session_send_fills_no_bound_values() -> None:
    """The request must be complete."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(ParameterValidationError, match="client_id"):
            await session.send(
                ConfirmForgotPasswordRequest(username="ada", confirmation_code="123456", password="correct horse")
            )


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"client_id": 5}, "client_id"),
        ({"client_id": b"abc"}, "client_id"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "x" * 129}, "client_id"),
        ({"client_id": "a b"}, "client_id"),
        ({"client_id": "abc", "client_secret": ["a secret"]}, "client_secret"),
        ({"client_id": "abc", "client_secret": ""}, "client_secret"),
        ({"client_id": "abc", "client_secret": "x" * 65}, "client_secret"),
        ({"user_pool_id": object()}, "user_pool_id"),
        ({"user_pool_id": "x" * 56}, "user_pool_id"),
    ],
)
async def test_invalid_client_parameter_is_refused(arguments: dict[str, Any], parameter: str) -> None:
    """When the client is created."""
    session = scripted_session(ScriptedTransport())
    with pytest.raises(ParameterValidationError) as caught:
        session.client(**arguments)
    assert caught.value.parameter == parameter
    assert caught.value.rule
    assert isinstance(caught.value, ValueError)
    await session.close()


# --- regions and endpoints --------------------------------------------------------------------------------------------

REGION_SOURCES: list[tuple[str | None, str | None, Mapping[str, str], str]] = [
    ("us-east-1", "eu-west-1_AbC", {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-1"}, "us-east-1"),
    (None, "eu-west-1_AbC", {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-1"}, "eu-west-1"),
    (None, None, {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-1"}, "us-west-2"),
    (None, None, {"AWS_DEFAULT_REGION": "us-west-1"}, "us-west-1"),
    (None, None, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-1"}, "us-west-1"),
]


@pytest.mark.parametrize(("region", "pool", "environment", "chosen"), REGION_SOURCES)
async def test_region_sources_in_order(
    region: str | None,
    pool: str | None,
    environment: Mapping[str, str],
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The argument, the user pool ID, AWS_REGION, AWS_DEFAULT_REGION."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    transport = ScriptedTransport(respond())
    async with scripted_session(transport, region=region) as session:
        await reset(session.client("abc", user_pool_id=pool))
    assert transport.attempts[0].url == f"https://cognito-idp.{chosen}.amazonaws.com/"


async def test_region_of_user_pool_id_in_the_call() -> None:
    """It precedes the client's; a session can use several regions."""
    transport = ScriptedTransport(*[respond()] * 3)
    async with scripted_session(transport, region=None, credentials=KEYS) as session:
        client = session.client("abc", user_pool_id="eu-west-1_AbC")
        await client.admin_get_user(username="ada", user_pool_id="us-east-1_AbC")
        await client.admin_get_user(username="ada")
        await session.send(AdminGetUserRequest(username="ada", user_pool_id="eu-central-1_AbC"))
    regions = ["us-east-1", "eu-west-1", "eu-central-1"]
    assert [attempt.url for attempt in transport.attempts] == [
        f"https://cognito-idp.{region}.amazonaws.com/" for region in regions
    ]
    for attempt, region in zip(transport.attempts, regions, strict=True):
        assert f"/{region}/cognito-idp/" in attempt.headers["Authorization"]


async def test_missing_region_is_a_validation_error() -> None:
    """It names the three ways to set one; nothing is sent."""
    transport = ScriptedTransport()
    async with scripted_session(transport, region=None) as session:
        with pytest.raises(ParameterValidationError, match=r"region.*AsyncCognitoSession.*user_pool_id.*AWS_REGION"):
            await reset(session.client("abc"))


@pytest.mark.parametrize("region", ["", "EU-WEST-1", "eu west 1", "eu-west-1.evil.example", "eu-west-1/", 5, b"eu"])
def test_invalid_region_is_refused(region: Any) -> None:
    """It must be a label of a host name."""
    with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "region"):
        AsyncCognitoSession(region)


async def test_invalid_region_in_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is used."""
    monkeypatch.setenv("AWS_REGION", "evil.example/")
    async with scripted_session(ScriptedTransport(), region=None) as session:
        with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "AWS_REGION"):
            await reset(session.client("abc"))


ENDPOINT_SOURCES: list[tuple[str | None, Mapping[str, str], str]] = [
    (
        "http://a.example",
        {"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": "http://b.example", "AWS_ENDPOINT_URL": "http://c.example"},
        "http://a.example/",
    ),
    (
        None,
        {"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": "http://b.example", "AWS_ENDPOINT_URL": "http://c.example"},
        "http://b.example/",
    ),
    (None, {"AWS_ENDPOINT_URL": "http://c.example/"}, "http://c.example/"),
    (
        None,
        {"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": "", "AWS_ENDPOINT_URL": "http://c.example:8080/path/"},
        "http://c.example:8080/path/",
    ),
    (None, {"AWS_ENDPOINT_URL": ""}, "https://cognito-idp.eu-west-1.amazonaws.com/"),
]


@pytest.mark.parametrize(("endpoint", "environment", "url"), ENDPOINT_SOURCES)
async def test_endpoint_sources_in_order(
    endpoint: str | None, environment: Mapping[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The argument, the service's variable, the common variable, the region."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    transport = ScriptedTransport(respond())
    async with scripted_session(transport, endpoint_url=endpoint) as session:
        await reset(session.client("abc"))
    assert transport.attempts[0].url == url


async def test_custom_endpoint_needs_no_region() -> None:
    """Except for signed calls."""
    transport = ScriptedTransport(respond())
    async with scripted_session(
        transport, region=None, endpoint_url="http://127.0.0.1:4566", credentials=KEYS
    ) as session:
        await reset(session.client("abc"))
        with pytest.raises(CredentialsError, match="region"):
            await session.client(user_pool_id="WithoutRegion_1").admin_get_user(username="ada")
    assert len(transport.attempts) == 1


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "127.0.0.1:4566",
        "ftp://a.example",
        "https://",
        "http://a.example:port",
        "http://a.example:99999",
        "http://a.example/?query",
        "http://a.example/#fragment",
        "http://name:word@a.example",
        " http://a.example",
        "http://a.example\n",
        "http://[::1",
        "http://a\\b.example",
        5,
    ],
)
def test_invalid_endpoint_is_refused(endpoint: Any) -> None:
    """When the session is created; a password in it is not quoted."""
    with pytest.raises(ParameterValidationError, match="endpoint_url") as caught:
        AsyncCognitoSession("eu-west-1", endpoint_url=endpoint)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({"use_fips": True}, "cognito-idp-fips.us-east-1.amazonaws.com"),
        ({"use_dualstack": True}, "cognito-idp.us-east-1.amazonaws.com"),
        ({}, "cognito-idp.us-east-1.amazonaws.com"),
    ],
)
async def test_fips_and_dualstack_choose_the_host(options: dict[str, Any], host: str) -> None:
    """For each combination."""
    transport = ScriptedTransport(respond())
    async with scripted_session(transport, region="us-east-1", **options) as session:
        await reset(session.client("abc"))
    assert transport.attempts[0].url == f"https://{host}/"


# --- the clock --------------------------------------------------------------------------------------------------------

SKEW_CODES = ["InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"]


def dated(code: str, ahead: timedelta) -> HttpResponse:
    """Return an error of a service whose clock is ahead of ours."""
    return refuse(code, Date=format_datetime(datetime.now(UTC) + ahead, usegmt=True))


def ahead_of_now(headers: Mapping[str, str]) -> timedelta:
    """Return how far ahead of our clock a request was signed."""
    return datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z") - datetime.now(UTC)


@pytest.mark.parametrize("code", SKEW_CODES)
@pytest.mark.parametrize("minutes", [-90, 10])
@pytest.mark.virtual_clock
async def test_wrong_clock_is_corrected(code: str, minutes: int) -> None:
    """The request is signed again with the service's time, as are later ones."""
    ahead = timedelta(minutes=minutes)
    transport = ScriptedTransport(dated(code, ahead), respond(), respond())
    async with scripted_session(transport, credentials=KEYS) as session:
        client = session.client(user_pool_id=POOL)
        await client.admin_get_user(username="ada")
        await client.admin_get_user(username="ada")
        assert session._retry_budget.available == 500
    first, *others = [ahead_of_now(attempt.headers) for attempt in transport.attempts]
    assert abs(first) < timedelta(minutes=1)
    for other in others:
        assert abs(other - ahead) < timedelta(minutes=1)
    assert [attempt.headers["amz-sdk-request"] for attempt in transport.attempts] == [
        "attempt=1; max=3",
        "attempt=2; max=3",
        "attempt=1; max=3",
    ]
    assert transport.attempts[0].at == transport.attempts[1].at


@pytest.mark.virtual_clock
async def test_wrong_clock_is_corrected_once_per_call() -> None:
    """A second rejection is raised."""
    transport = ScriptedTransport(
        dated("InvalidSignatureException", timedelta(hours=1)), dated("InvalidSignatureException", timedelta(hours=2))
    )
    async with scripted_session(transport, credentials=KEYS) as session:
        with pytest.raises(ServiceError) as caught:
            await session.client(user_pool_id=POOL).admin_get_user(username="ada")
    assert caught.value.code == "InvalidSignatureException"
    assert caught.value.attempts == 2


@pytest.mark.parametrize(
    "refusal",
    [
        partial(dated, "InvalidSignatureException", timedelta(minutes=1)),
        partial(refuse, "InvalidSignatureException"),
        partial(refuse, "InvalidSignatureException", Date="yesterday"),
        partial(refuse, "InvalidSignatureException", Date="Thu, 99 Jan 2026 00:00:00 GMT"),
        partial(dated, "NotAuthorizedException", timedelta(hours=1)),
    ],
)
@pytest.mark.virtual_clock
async def test_rejection_without_clock_skew_is_raised(refusal: Callable[[], HttpResponse]) -> None:
    """Clocks that agree when the test runs, no readable date, or another code."""
    transport = ScriptedTransport(refusal())
    async with scripted_session(transport, credentials=KEYS) as session:
        with pytest.raises(ServiceError):
            await session.client(user_pool_id=POOL).admin_get_user(username="ada")
    assert len(transport.attempts) == 1


@pytest.mark.virtual_clock
async def test_wrong_clock_is_corrected_for_concurrent_calls() -> None:
    """Each of them is signed again."""
    refusals = [take(n / 10, dated("InvalidSignatureException", timedelta(hours=1))) for n in range(1, 4)]
    transport = ScriptedTransport(*refusals, respond(), respond(), respond())
    async with scripted_session(transport, credentials=KEYS) as session:
        client = session.client(user_pool_id=POOL)
        await asyncio.gather(*[client.admin_get_user(username="ada") for _ in range(3)])
    assert len(transport.attempts) == 6


@pytest.mark.virtual_clock
async def test_unsigned_call_is_not_signed_again() -> None:
    """The request would be the same."""
    transport = ScriptedTransport(dated("RequestExpired", timedelta(hours=1)))
    async with scripted_session(transport, credentials=KEYS) as session:
        with pytest.raises(ServiceError):
            await reset(session.client("abc"))
    assert len(transport.attempts) == 1


# --- custom transports ------------------------------------------------------------------------------------------------


class Loopback:
    """The smallest transport: no base class, no state."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Respond according to the target."""
        target = request.headers["X-Amz-Target"].partition(".")[2]
        if target == "ConfirmForgotPassword":
            return HttpResponse(200, CIMultiDict(), b"")
        body = b'{"__type": "NotAuthorizedException", "message": "no"}'
        return HttpResponse(400, CIMultiDict({"X-AMZN-REQUESTID": "r-7"}), body)

    async def close(self) -> None:
        """Do nothing."""


async def test_custom_transport_needs_only_send_and_close() -> None:
    """Responses and errors are handled like those of aiohttp."""
    async with AsyncCognitoSession("eu-west-1", transport=Loopback()) as session:
        client = session.client("abc")
        await reset(client)
        with pytest.raises(NotAuthorizedException) as caught:
            await client.forgot_password(username="ada")
    assert caught.value.request_id == "r-7"
    assert caught.value.operation == "ForgotPassword"
    assert caught.value.attempts == 1


@pytest.mark.parametrize("make", [lambda: KeyError("mine"), asyncio.CancelledError])
@pytest.mark.virtual_clock
async def test_other_errors_of_a_transport_are_raised_unchanged(make: Callable[[], BaseException]) -> None:
    """Its bugs, and cancellations."""
    transport = ScriptedTransport(make())
    async with scripted_session(transport) as session:
        with pytest.raises(type(make())):
            await reset(session.client("abc"))


@pytest.mark.virtual_clock
async def test_transport_error_gets_operation_and_attempts() -> None:
    """And keeps ``sent``."""
    transport = ScriptedTransport(*[ConnectTimeoutError("no connection", sent=False)] * 3)
    async with scripted_session(transport) as session:
        with pytest.raises(ConnectTimeoutError) as caught:
            await reset(session.client("abc"))
    assert caught.value.operation == "ConfirmForgotPassword"
    assert caught.value.attempts == 3
    assert caught.value.sent is False


# --- before hook, prepare, limiter ------------------------------------------------------------------------------------


@pytest.mark.virtual_clock
async def test_before_hook_runs_for_each_attempt() -> None:
    """After the wait for the rate limit and before the request."""
    transport = ScriptedTransport(refuse("TooManyRequestsException"), respond(), respond())
    quotas = Quotas(user_account_recovery=1.0)
    seen: list[tuple[float, int]] = []

    async def before() -> None:
        seen.append((now(), len(transport.attempts)))

    request = ConfirmForgotPasswordRequest(username="ada", confirmation_code="123456", password="correct horse")
    async with scripted_session(transport, quotas=quotas) as session:
        client = session.client("abc")
        await send_with(client, request, before=before)
        await send_with(client, request, before=before)
    assert [attempts for _, attempts in seen] == [0, 1, 2]
    assert [at for at, _ in seen] == [attempt.at for attempt in transport.attempts]
    assert seen[1][0] >= 1.0


@pytest.mark.virtual_clock
async def test_before_hook_that_raises_returns_the_permit() -> None:
    """Nothing is sent."""
    transport = ScriptedTransport(respond())

    async def fail() -> None:
        raise LookupError("disk full")

    request = ConfirmForgotPasswordRequest(username="ada", confirmation_code="123456", password="correct horse")
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=0.1)) as session:
        client = session.client("abc")
        with pytest.raises(LookupError):
            await send_with(client, request, before=fail)
        assert transport.attempts == []
        await client.send(request)
    assert transport.attempts[0].at == 0.0


async def test_prepare_fills_and_validates_a_copy() -> None:
    """Nothing is sent."""
    transport = ScriptedTransport()
    request = ConfirmForgotPasswordRequest(username="ada", confirmation_code="123456", password="correct horse")
    async with scripted_session(transport) as session:
        client = session.client("abc", "secret")
        prepared = client.prepare(request)
        assert isinstance(prepared, ConfirmForgotPasswordRequest)
        assert (prepared.client_id, request.client_id) == ("abc", None)
        assert prepared.secret_hash is not None
        with pytest.raises(ParameterValidationError, match="password"):
            client.prepare(ConfirmForgotPasswordRequest(username="ada", confirmation_code="123456", password="short"))
    assert transport.attempts == []


async def test_session_limiter_has_the_configured_rate() -> None:
    """And the client has its session and bound values."""
    async with scripted_session(ScriptedTransport(), quotas=Quotas(user_account_recovery=12.0)) as session:
        client = session.client("abc", user_pool_id="eu-west-1_AbC")
        assert client.session is session
        assert (client.bound.client_id, client.bound.user_pool_id) == ("abc", "eu-west-1_AbC")
        assert session.limiter(ConfirmForgotPasswordRequest.OPERATION).rate == 12.0


# --- misspelled regions and pools, and other event loops --------------------------------------------------------------


@pytest.mark.parametrize("region", ["eu-west1", "euwest1", "eu-west-", "ireland", "eu-west-1a"])
def test_misspelled_region_is_refused_when_the_session_is_created(region: str) -> None:
    """With an endpoint of an emulator, any name is valid."""
    with pytest.raises(ParameterValidationError) as caught:
        AsyncCognitoSession(region)
    assert caught.value.parameter == "region"
    assert ("endpoint_url" in caught.value.rule) == (region != "eu-west-")  # which is not valid there either
    AsyncCognitoSession(region.strip("-"), endpoint_url="http://127.0.0.1:1")


@pytest.mark.parametrize("region", [None, "eu-west-1"])
@pytest.mark.parametrize(
    "pool",
    ["eu-west1_AbC", "eu-west-1-AbC", "EU-WEST-1_AbC", "us_east_1_AbC", "eu-west-1_", "AbC123", "_AbC123", "local_abc"],
)
async def test_misspelled_user_pool_id_is_refused_before_sending(pool: str, region: str | None) -> None:
    """In the client, in a request, beside a request, and in a call by AWS names; the first call knows no region yet."""
    transport, request = ScriptedTransport(), AdminGetUserRequest(user_pool_id=pool, username="")
    async with scripted_session(transport, region=region, credentials=KEYS) as session:
        with pytest.raises(ParameterValidationError) as caught:
            session.client(user_pool_id=pool)
        assert caught.value.parameter == "user_pool_id"
        for send in (session.send, session.client().send):
            with pytest.raises(ParameterValidationError) as caught:
                await send(request)
            assert [parameter for parameter, _ in caught.value.errors] == ["user_pool_id", "username"]
        with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "user_pool_id"):
            session.client().prepare(request)
        with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "user_pool_id"):
            await session.send(GetUserRequest(access_token="…"), user_pool_id=pool)
        with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "user_pool_id"):
            await session.client().call("DescribeUserPool", {"UserPoolId": pool})
    assert not transport.attempts


async def test_misspelled_user_pool_id_is_refused_after_other_calls() -> None:
    """The session has already chosen the region."""
    transport = ScriptedTransport(respond())
    async with scripted_session(transport, region="eu-west-1", credentials=KEYS) as session:
        await session.send(AdminGetUserRequest(user_pool_id="eu-west-1_AbC", username="ada"))
        with pytest.raises(ParameterValidationError) as caught:
            await session.send(AdminGetUserRequest(user_pool_id="eu-west1_AbC", username="ada"))
    assert caught.value.parameter == "user_pool_id"
    assert len(transport.attempts) == 1


async def test_user_pool_id_of_an_emulator_is_sent_to_its_endpoint() -> None:
    """The form of the service model is required there, too."""
    transport = ScriptedTransport(respond(), respond())
    async with scripted_session(transport, endpoint_url="http://127.0.0.1:1", credentials=KEYS) as session:
        await session.client(user_pool_id="local_abc").admin_get_user(username="ada")
        await session.client().call("DescribeUserPool", {"UserPoolId": "local_abc"})
        with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "user_pool_id"):
            session.client(user_pool_id="AbC123")
    assert len(transport.attempts) == 2


async def test_pool_in_another_region_than_the_session_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not refused: the replicas of a user pool have the same ID."""
    async with scripted_session(ScriptedTransport(), region="us-east-1") as session:
        session.client(user_pool_id="us-east-1_AbC")
        assert not caplog.records
        session.client(user_pool_id="eu-west-1_AbC")
        session.client(user_pool_id="eu-west-1_AbC")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
