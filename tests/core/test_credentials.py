"""AWS credentials: their sources and order, the shared lookup in a thread, and the operations that need them."""

import asyncio
import gc
import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen

from cognito_async import CognitoError, Credentials, CredentialsError, ServiceError, credentials, operations
from cognito_async.credentials import FRESH_SECONDS, USABLE_SECONDS, CredentialsResolver
from cognito_async.protocol.operation import Request
from tests.support.scripted_transport import Attempt, ScriptedTransport, refuse, reset, respond, scripted_session
from tests.support.strategies import service_model

GIVEN = Credentials(access_key_id="AKIDGIVEN", secret_access_key="a secret")
PAIR = {"AWS_ACCESS_KEY_ID": "AKIDENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "a secret"}
POOL = "eu-west-1_AbC"
PATIENCE = 10.0  # seconds after which a blocked thread gives up


@frozen
class Frozen:
    """The credentials that botocore's credentials object returns."""

    access_key: str
    secret_key: str = "a secret"
    token: str | None = None


@define
class Source:
    """Replaces botocore: returns numbered credentials, and records the calling threads."""

    finds: int = 0
    """The number of calls of ``find``."""

    asks: int = 0
    """The number of calls of ``get_frozen_credentials``."""

    threads: set[int] = field(factory=set)
    """The threads that called."""

    failures: list[Exception | None] = field(factory=list)
    """Errors to raise, one per call."""

    gate: threading.Event = field(factory=threading.Event)
    """Lets the calls return."""

    entered: threading.Event = field(factory=threading.Event)
    """Set by each call."""

    def find(self) -> "Source":
        """Return the credentials object."""
        self.finds += 1
        self.threads.add(threading.get_ident())
        return self

    def get_frozen_credentials(self) -> Frozen:
        """Return credentials once the gate is open."""
        self.asks += 1
        self.threads.add(threading.get_ident())
        number = self.asks
        self.entered.set()
        assert self.gate.wait(PATIENCE), "the gate stayed closed"
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return Frozen(f"AKID{number}", token=f"token {number}")


@define
class Clock:
    """A clock that the tests move."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def source() -> Iterator[Source]:
    """Return a source whose gate is open."""
    source = Source()
    source.gate.set()
    yield source
    source.gate.set()


def resolver(
    source: Source, clock: Clock | None = None, environ: Mapping[str, str] | None = None
) -> CredentialsResolver:
    """Return a resolver without explicit credentials."""
    return CredentialsResolver(None, environ=environ or {}, find=source.find, clock=clock or Clock())


def refresh_of(ours: CredentialsResolver) -> asyncio.Task[Credentials]:
    """Return the lookup in progress."""
    assert ours._refresh is not None
    return ours._refresh


async def entered(source: Source) -> None:
    """Wait until a thread calls the source."""
    await asyncio.to_thread(source.entered.wait, PATIENCE)
    source.entered.clear()


def key_id(attempt: Attempt) -> str | None:
    """Return the key that a request was signed with; None if it was not signed."""
    authorization = attempt.headers.get("Authorization")
    return None if authorization is None else authorization.partition("Credential=")[2].partition("/")[0]


# --- sources ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "environ", "found"),
    [
        (GIVEN, PAIR, "AKIDGIVEN"),
        (GIVEN, {"AWS_ACCESS_KEY_ID": "half a pair"}, "AKIDGIVEN"),
        (GIVEN, {}, "AKIDGIVEN"),
        (None, PAIR, "AKIDENVIRONMENT"),
        (None, {}, "AKID1"),
        (None, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "AKID1"),
        (None, {"AWS_SESSION_TOKEN": "without a pair"}, "AKID1"),
    ],
)
async def test_resolver_uses_sources_in_order(
    given: Credentials | None, environ: Mapping[str, str], found: str, source: Source
) -> None:
    """Explicit credentials, then the environment, then botocore, which is called only if needed."""
    resolved = await CredentialsResolver(given, environ=environ, find=source.find).resolve()
    assert resolved.access_key_id == found
    assert source.finds == (found == "AKID1")


async def test_session_uses_sources_in_order(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    """Requests are signed with the credentials of the first source that has some."""
    monkeypatch.setattr(credentials, "find_with_botocore", source.find)
    transport = ScriptedTransport(*[respond()] * 3)
    for given, environ in ((None, {}), (None, PAIR), (GIVEN, PAIR)):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        async with scripted_session(transport, credentials=given) as session:
            await session.client(user_pool_id=POOL).admin_get_user(username="ada")
    assert [key_id(attempt) for attempt in transport.attempts] == ["AKID1", "AKIDENVIRONMENT", "AKIDGIVEN"]
    assert [attempt.headers.get("X-Amz-Security-Token") for attempt in transport.attempts] == ["token 1", None, None]


def test_session_token_in_environment_empty_value_is_ignored() -> None:
    """The token belongs to the credentials; a variable that is set to nothing counts as not set."""
    with_token = CredentialsResolver(None, environ={**PAIR, "AWS_SESSION_TOKEN": "a token"}).without_lookup()
    assert with_token == Credentials(
        access_key_id="AKIDENVIRONMENT", secret_access_key="a secret", session_token="a token"
    )
    without = CredentialsResolver(None, environ={**PAIR, "AWS_SESSION_TOKEN": ""}).without_lookup()
    assert without is not None
    assert without.session_token is None


@pytest.mark.parametrize("missing", PAIR)
async def test_environment_with_one_of_two_keys_is_an_error(missing: str, source: Source) -> None:
    """The missing variable is named, and botocore is not called."""
    environ = {name: value for name, value in PAIR.items() if name != missing}
    with pytest.raises(CredentialsError, match=f"{missing} is missing"):
        await resolver(source, environ=environ).resolve()
    assert source.finds == 0


async def test_environment_is_read_for_each_call(source: Source) -> None:
    """A program may set and change the variables after it opened a session."""
    environ: dict[str, str] = {}
    ours = CredentialsResolver(None, environ=environ, find=source.find)
    assert (await ours.resolve()).access_key_id == "AKID1"
    environ.update(PAIR)
    assert (await ours.resolve()).access_key_id == "AKIDENVIRONMENT"


async def test_missing_botocore_is_a_credentials_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names each place that was searched, and the command that installs the extra."""
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    transport = ScriptedTransport()
    async with scripted_session(transport) as session:
        with pytest.raises(CredentialsError) as caught:
            await session.client(user_pool_id=POOL).admin_get_user(username="ada")
    for place in ("credentials=", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "pip install '.[aws]'"):
        assert place in str(caught.value)
    assert caught.value.operation == "AdminGetUser"
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Remove every source of credentials for botocore, and return the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("BOTO_CONFIG", str(tmp_path / "boto"))
    return tmp_path


@pytest.mark.usefixtures("bare_machine")
async def test_no_credentials_anywhere_names_the_places_searched() -> None:
    """The places that botocore searches are among them."""
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(CredentialsError) as caught:
            await session.client(user_pool_id=POOL).admin_get_user(username="ada")
    for place in ("credentials=", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "SSO", "container", "instance metadata"):
        assert place in str(caught.value)


async def test_profile_is_read_by_botocore(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is signed with the keys and the token of the profile."""
    lines = "aws_access_key_id = AKIDPROFILE\naws_secret_access_key = a secret\naws_session_token = a token\n"
    (bare_machine / "AWS_SHARED_CREDENTIALS_FILE").write_text(f"[work]\n{lines}")
    monkeypatch.setenv("AWS_PROFILE", "work")
    transport = ScriptedTransport(respond())
    async with scripted_session(transport) as session:
        await session.client(user_pool_id=POOL).admin_get_user(username="ada")
    assert key_id(transport.attempts[0]) == "AKIDPROFILE"
    assert transport.attempts[0].headers["X-Amz-Security-Token"] == "a token"


@pytest.mark.usefixtures("bare_machine")
async def test_unknown_profile_is_a_credentials_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class of botocore's error is named."""
    monkeypatch.setenv("AWS_PROFILE", "missing")
    async with scripted_session(ScriptedTransport()) as session:
        with pytest.raises(CredentialsError, match="ProfileNotFound"):
            await session.client(user_pool_id=POOL).admin_get_user(username="ada")


# --- lookup -----------------------------------------------------------------------------------------------------------


async def test_concurrent_calls_share_one_lookup(source: Source) -> None:
    """The lookup runs in another thread and does not block the event loop."""
    source.gate.clear()
    ours = resolver(source)
    calls = [asyncio.ensure_future(ours.resolve()) for _ in range(100)]
    await entered(source)  # the loop runs although the lookup is blocked
    assert not any(call.done() for call in calls)
    source.gate.set()
    found = await asyncio.gather(*calls)
    assert {one.access_key_id for one in found} == {"AKID1"}
    assert (source.finds, source.asks) == (1, 1)
    assert threading.get_ident() not in source.threads


async def test_concurrent_signed_calls_share_one_lookup(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    """The resolver belongs to the session."""
    monkeypatch.setattr(credentials, "find_with_botocore", source.find)
    transport = ScriptedTransport(*[respond()] * 100)
    async with scripted_session(transport) as session:
        client = session.client(user_pool_id=POOL)
        await asyncio.gather(*[client.admin_get_user(username="ada") for _ in range(100)])
    assert (source.finds, source.asks) == (1, 1)
    assert {key_id(attempt) for attempt in transport.attempts} == {"AKID1"}


async def test_fresh_credentials_are_reused(source: Source) -> None:
    """The lookup runs once."""
    clock = Clock()
    ours = resolver(source, clock)
    for _ in range(3):
        assert (await ours.resolve()).access_key_id == "AKID1"
        clock.now += FRESH_SECONDS / 4
    assert source.asks == 1


async def test_refresh_runs_in_the_background(source: Source) -> None:
    """Credentials that are not fresh but still valid are returned without waiting for new ones."""
    clock = Clock()
    ours = resolver(source, clock)
    await ours.resolve()
    source.entered.clear()
    source.gate.clear()
    clock.now += FRESH_SECONDS
    found = [await ours.resolve() for _ in range(10)]
    assert {one.access_key_id for one in found} == {"AKID1"}
    await entered(source)
    assert (await ours.resolve()).access_key_id == "AKID1"
    source.gate.set()
    await refresh_of(ours)
    assert (await ours.resolve()).access_key_id == "AKID2"
    assert (source.finds, source.asks) == (1, 2)


@pytest.mark.parametrize("seconds", [USABLE_SECONDS, -1.0])
async def test_old_credentials_are_not_used(seconds: float, source: Source) -> None:
    """They may have expired; and their age is unknown once the clock was set back."""
    clock = Clock()
    ours = resolver(source, clock)
    await ours.resolve()
    clock.now += seconds
    found = await asyncio.gather(*[ours.resolve() for _ in range(10)])
    assert {one.access_key_id for one in found} == {"AKID2"}
    assert source.asks == 2


async def test_failed_lookup_is_retried_by_the_next_call(source: Source) -> None:
    """All waiting callers get the error."""
    source.failures = [OSError("no network"), None]
    ours = resolver(source)
    results = await asyncio.gather(*[ours.resolve() for _ in range(10)], return_exceptions=True)
    assert [type(result) for result in results] == [CredentialsError] * 10
    assert isinstance(results[0], CredentialsError)
    assert isinstance(results[0].__cause__, OSError)
    assert (await ours.resolve()).access_key_id == "AKID2"


async def test_failed_search_is_repeated_by_the_next_call() -> None:
    """Credentials may become available while a program runs."""
    source, tries = Source(), Counter[str]()
    source.gate.set()

    def find() -> Any:
        tries["find"] += 1
        if tries["find"] == 1:
            raise CredentialsError("none yet")
        return source

    ours = CredentialsResolver(None, environ={}, find=find)
    with pytest.raises(CredentialsError, match="none yet"):
        await ours.resolve()
    assert (await ours.resolve()).access_key_id == "AKID1"


async def test_failed_background_refresh_is_retried_silently(source: Source, caplog: pytest.LogCaptureFixture) -> None:
    """While the old credentials are valid there is no error, and asyncio logs no unretrieved exception."""
    caplog.set_level(logging.DEBUG)
    clock = Clock()
    ours = resolver(source, clock)
    await ours.resolve()
    source.failures = [OSError("no network"), OSError("no network"), None]
    for _ in range(2):
        clock.now += FRESH_SECONDS
        assert (await ours.resolve()).access_key_id == "AKID1"
        await asyncio.wait([refresh_of(ours)])
    assert (await ours.resolve()).access_key_id == "AKID1"
    await asyncio.wait([refresh_of(ours)])
    assert (await ours.resolve()).access_key_id == "AKID4"
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_cancelled_caller_does_not_cancel_the_lookup(source: Source) -> None:
    """The other callers get the credentials, even if the first caller was cancelled."""
    source.gate.clear()
    ours = resolver(source)
    calls = [asyncio.ensure_future(ours.resolve()) for _ in range(3)]
    await entered(source)
    calls[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await calls[0]
    source.gate.set()
    assert [(await call).access_key_id for call in calls[1:]] == ["AKID1"] * 2
    assert source.asks == 1


async def test_lookup_without_callers_serves_the_next_call(source: Source) -> None:
    """The lookup continues when its last caller is cancelled."""
    source.gate.clear()
    ours = resolver(source)
    call = asyncio.ensure_future(ours.resolve())
    await entered(source)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    source.gate.set()
    assert (await ours.resolve()).access_key_id == "AKID1"
    assert source.asks == 1


async def test_close_during_lookup_raises_a_cognito_error(source: Source) -> None:
    """Waiting callers were not cancelled, so they do not get a CancelledError."""
    source.gate.clear()
    ours = resolver(source)
    call = asyncio.ensure_future(ours.resolve())
    await entered(source)
    await ours.close()
    source.gate.set()
    [result] = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(result, CognitoError)


async def test_session_close_during_lookup_sends_nothing(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    """The signed call raises a CognitoError."""
    monkeypatch.setattr(credentials, "find_with_botocore", source.find)
    source.gate.clear()
    transport = ScriptedTransport()
    session = scripted_session(transport)
    call = asyncio.ensure_future(session.client(user_pool_id=POOL).admin_get_user(username="ada"))
    await entered(source)
    await session.close()
    source.gate.set()
    [result] = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(result, CognitoError)
    assert not transport.attempts


async def test_close_is_idempotent(source: Source) -> None:
    """With and without a lookup."""
    ours = resolver(source)
    await ours.close()
    await ours.resolve()
    await ours.close()
    await ours.close()


# --- operations -------------------------------------------------------------------------------------------------------


def every_request() -> list[type[Request[Any]]]:
    """Return the request classes of all operations."""
    kinds = [getattr(operations, name) for name in dir(operations) if name.endswith("Request")]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Request)]


def test_number_of_signed_operations() -> None:
    """The model decides who signs; two operations are signed only if there are credentials."""
    counted = Counter(kind.OPERATION.signed for kind in every_request())
    models = map(service_model().operation_model, service_model().operation_names)
    unsigned = sum(model.auth_type == "none" for model in models)
    assert counted == {False: unsigned, True: len(every_request()) - unsigned - 2, None: 2}
    either = {kind.OPERATION.name for kind in every_request() if kind.OPERATION.signed is None}
    assert either == {"GetClientToken", "GetDerivedToken"}


@pytest.mark.parametrize("given", [None, GIVEN])
async def test_unsigned_operations_need_no_credentials(
    given: Credentials | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Incomplete credentials in the environment are no problem either."""

    def touched(*_: Any) -> Any:
        raise AssertionError("credentials were looked up")

    for name in ("without_lookup", "resolve", "_look_up"):
        monkeypatch.setattr(CredentialsResolver, name, touched)
    monkeypatch.setattr(credentials, "find_with_botocore", touched)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half a pair")
    transport = ScriptedTransport(*[respond()] * 6)
    async with scripted_session(transport, credentials=given) as session:
        client = session.client("abc", "a secret of at least 24 characters", POOL)
        await reset(client)
        await client.forgot_password(username="ada")
        await client.change_password(previous_password="old one", proposed_password="new one", access_token="a token")
        await client.sign_up(username="ada", password="correct horse")
        await client.initiate_auth(auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": "ada"})
        await client.revoke_token(token="a token")
    assert [key_id(attempt) for attempt in transport.attempts] == [None] * 6


@pytest.mark.parametrize(
    ("given", "environ", "signed_by"),
    [(None, {}, None), (GIVEN, {}, "AKIDGIVEN"), (None, PAIR, "AKIDENVIRONMENT"), (GIVEN, PAIR, "AKIDGIVEN")],
)
async def test_optionally_signed_operations_use_credentials_at_hand(
    given: Credentials | None,
    environ: Mapping[str, str],
    signed_by: str | None,
    monkeypatch: pytest.MonkeyPatch,
    source: Source,
) -> None:
    """GetClientToken and GetDerivedToken never start a lookup."""
    monkeypatch.setattr(credentials, "find_with_botocore", source.find)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    transport = ScriptedTransport(respond(), respond())
    async with scripted_session(transport, credentials=given) as session:
        client = session.client("abc", "a secret of at least 24 characters")
        await client.get_client_token()
        await client.get_derived_token(subject_token="a token", subject_token_type="ID_TOKEN")
    assert [key_id(attempt) for attempt in transport.attempts] == [signed_by] * 2
    assert source.finds == 0


async def test_refused_credentials_are_not_retried() -> None:
    """The service's error is raised after one attempt."""
    transport = ScriptedTransport(refuse("UnrecognizedClientException", "The security token is invalid."))
    async with scripted_session(transport, credentials=GIVEN) as session:
        with pytest.raises(ServiceError) as caught:
            await session.client(user_pool_id=POOL).admin_get_user(username="ada")
    assert caught.value.code == "UnrecognizedClientException"
    assert len(transport.attempts) == 1


@pytest.mark.parametrize("make", [lambda: Credentials(access_key_id="a", secret_access_key="b"), lambda: GIVEN])
async def test_each_attempt_has_its_own_signature(make: Callable[[], Credentials]) -> None:
    """The signature covers the header that counts the attempts."""
    transport = ScriptedTransport(respond(500, b""), respond())
    async with scripted_session(transport, credentials=make(), random=lambda: 0.0) as session:
        await session.client(user_pool_id=POOL).admin_get_user(username="ada")
    first, second = (attempt.headers["Authorization"] for attempt in transport.attempts)
    assert first != second
    assert "amz-sdk-request" in first
