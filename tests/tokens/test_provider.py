"""TokenProvider: refresh, rotation, backoff, sign-out."""

import asyncio
import gc
import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console

from cognito_async import (
    AmbiguousOutcomeError,
    AsyncCognitoSession,
    CognitoClient,
    CognitoError,
    InvalidResponseError,
    NotAuthorizedException,
    ParameterValidationError,
    ServiceError,
    SessionClosedError,
    SignedOutError,
    TokenStoreError,
    TransportError,
)
from cognito_async.errors import modelled
from cognito_async.protocol.wire import HttpResponse
from cognito_async.tokens import MemoryTokenStore, TokenProvider, Tokens, provider
from cognito_async.tokens.provider import MAX_BACKOFF
from tests.support.canaries import CANARY, leaking_frames
from tests.support.clocks import START
from tests.support.refresh_service import LIFETIME, RefreshService, jwt
from tests.support.scripted_transport import Step, hang, refuse, respond, scripted_session

pytestmark = pytest.mark.virtual_clock

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = "5ecret-of-the-app-client"
DUE = LIFETIME * 0.75
DEAD = {
    "NotAuthorizedException",
    "PasswordResetRequiredException",
    "RefreshTokenReuseException",
    "TokenRevokedException",
    "UserNotConfirmedException",
    "UserNotFoundException",
}
LOST = TransportError("connection lost", sent=True)


class WallClock:
    """The wall clock: the event loop's time, and as wrong as a test makes it."""

    offset = 0.0

    def __call__(self) -> datetime:
        """Return the time."""
        return NOW + timedelta(seconds=asyncio.get_running_loop().time() - START + self.offset)


class Store:
    """A store without a lock that records its writes, and fails on request."""

    def __init__(self) -> None:
        self.entries: dict[str, Tokens] = {}
        self.writes: list[Tokens] = []
        self.failure: Exception | None = None
        self.on_load: Callable[[], object] = lambda: None

    async def load(self, key: str) -> Tokens | None:
        """Return the tokens."""
        self.on_load()
        return self.entries.get(key)

    async def replace(self, key: str, old: Tokens | None, new: Tokens) -> bool:
        """Compare and set."""
        if self.failure is not None:
            raise self.failure
        if self.entries.get(key) != old:
            return False
        self.entries[key] = new
        self.writes.append(new)
        return True

    async def remove(self, key: str) -> None:
        """Remove the tokens."""
        self.entries.pop(key, None)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    """Replace the wall clock."""
    clock = WallClock()
    monkeypatch.setattr(provider, "_now", clock)
    return clock


@pytest.fixture
def service(wall: WallClock) -> RefreshService:
    """Return a service without rotation."""
    return RefreshService()


@pytest.fixture
async def client(service: RefreshService) -> AsyncIterator[CognitoClient]:
    """Return a client of the service."""
    async with session_with(service) as session:
        yield session.client("app", SECRET)


def session_with(service: RefreshService) -> AsyncCognitoSession:
    """Return a session whose transport is the service."""
    return scripted_session(service)


def provider_of(client: CognitoClient, service: RefreshService, **options: Any) -> TokenProvider:
    """Return a provider with the tokens of a new sign-in."""
    return TokenProvider(client, tokens=service.sign_in(provider._now()), **options)


async def settle() -> None:
    """Let tasks run that are ready."""
    for _ in range(20):
        await asyncio.sleep(0)


# --- refresh ----------------------------------------------------------------------------------------------------------


async def test_fresh_tokens_are_returned_without_a_request(client: CognitoClient, service: RefreshService) -> None:
    """Until a quarter of the lifetime is left."""
    tokens = service.sign_in(NOW)
    provider = TokenProvider(client, tokens=tokens)
    assert await provider.access_token() == tokens.access_token
    await asyncio.sleep(DUE - 1)
    assert await provider.id_token() == tokens.id_token
    assert await provider.tokens() == tokens
    assert service.requests == []


async def test_refresh_runs_in_the_background_when_a_quarter_is_left(
    client: CognitoClient, service: RefreshService
) -> None:
    """The caller that starts it gets the current token; the raw client secret and the device key are sent."""
    service.latency = 5
    tokens = service.sign_in(NOW, device_key="eu-west-1_d")
    provider = TokenProvider(client, tokens=tokens)
    await provider.tokens()
    await asyncio.sleep(DUE)
    started = asyncio.get_running_loop().time()
    assert await provider.access_token() == tokens.access_token
    assert asyncio.get_running_loop().time() == started
    await asyncio.sleep(6)
    new = await provider.tokens()
    assert new.access_token != tokens.access_token
    assert (new.refresh_token, new.device_key) == (tokens.refresh_token, tokens.device_key)
    assert new.expires_at == NOW + timedelta(seconds=DUE + 5 + LIFETIME)
    request = {
        "RefreshToken": tokens.refresh_token,
        "ClientId": "app",
        "ClientSecret": SECRET,
        "DeviceKey": "eu-west-1_d",
    }
    assert service.requests == [("GetTokensFromRefreshToken", request)]


async def test_thousand_callers_at_expiry_share_one_refresh(client: CognitoClient, service: RefreshService) -> None:
    """None of them fails, and all get the new token."""
    service.latency = 1
    provider = provider_of(client, service)
    old = await provider.access_token()
    await asyncio.sleep(LIFETIME)
    tokens = await asyncio.gather(*(provider.access_token() for _ in range(1000)))
    assert len(set(tokens)) == 1
    assert tokens[0] != old
    assert service.refreshes == 1


async def test_lifetime_counts_from_the_arrival_of_the_response(client: CognitoClient, service: RefreshService) -> None:
    """A refresh that takes long does not shorten it."""
    provider = provider_of(client, service)
    await provider.tokens()
    await asyncio.sleep(LIFETIME)
    service.latency = 9
    await provider.tokens()
    await asyncio.sleep(DUE - 1)
    await provider.tokens()
    await settle()
    assert service.refreshes == 1


@pytest.mark.parametrize("offset", [-40 * 365 * 86400.0, -600.0, 600.0, 40 * 365 * 86400.0])
async def test_wall_clock_that_jumps_does_no_harm(
    client: CognitoClient, service: RefreshService, wall: WallClock, offset: float
) -> None:
    """In one process it has no effect, neither before nor after the first call and a refresh."""
    provider = provider_of(client, service)
    wall.offset = offset
    first = await provider.access_token()
    await asyncio.sleep(DUE - 1)
    assert await provider.access_token() == first
    await asyncio.sleep(LIFETIME)
    second = await provider.access_token()
    wall.offset = 0
    await asyncio.sleep(DUE - 1)
    assert await provider.access_token() == second
    await settle()
    assert service.refreshes == 1


@pytest.mark.parametrize("offset", [-40 * 365 * 86400.0, -2.0, LIFETIME, 40 * 365 * 86400.0])
async def test_stored_tokens_with_an_implausible_expiry_are_refreshed(
    client: CognitoClient, service: RefreshService, wall: WallClock, offset: float
) -> None:
    """Their expiry is in the past, or further ahead than their lifetime."""
    store = MemoryTokenStore()
    stored = service.sign_in(NOW)
    await store.replace("default", None, stored)
    wall.offset = offset
    provider = TokenProvider(client, store=store)
    assert await provider.tokens() != stored
    await asyncio.sleep(DUE - 1)
    await provider.tokens()
    await settle()
    assert service.refreshes == 1


async def test_stored_tokens_of_a_clock_that_is_a_second_ahead_are_used(
    client: CognitoClient, service: RefreshService, wall: WallClock
) -> None:
    """Their expiry is further ahead than their lifetime by as much."""
    store = MemoryTokenStore()
    await store.replace("default", None, service.sign_in(NOW))
    wall.offset = -1.0
    await TokenProvider(client, store=store).tokens()
    assert service.requests == []


async def test_refresh_on_request_is_shared(client: CognitoClient, service: RefreshService) -> None:
    """Also by the first call of a provider."""
    service.latency = 1
    provider = provider_of(client, service)
    new = await asyncio.gather(*(provider.refresh() for _ in range(50)))
    assert len(set(new)) == 1
    assert service.refreshes == 1
    assert await provider.tokens() == new[0]


async def test_tokens_that_expire_while_they_are_saved_are_returned(
    client: CognitoClient, service: RefreshService
) -> None:
    """Another refresh might take as long."""

    class SlowStore(Store):
        async def replace(self, key: str, old: Tokens | None, new: Tokens) -> bool:
            await asyncio.sleep(2)
            return await super().replace(key, old, new)

    provider = provider_of(client, service, store=SlowStore())
    await provider.tokens()
    result = {"AccessToken": jwt(sub="ada", origin_jti="ada-1"), "ExpiresIn": 1}
    service.script = [respond(body=json.dumps({"AuthenticationResult": result}).encode())]
    assert (await provider.refresh()).access_token == result["AccessToken"]
    assert len(service.requests) == 1


async def test_users_of_a_store_do_not_wait_for_each_other(client: CognitoClient, service: RefreshService) -> None:
    """Each key has its lock."""
    store = MemoryTokenStore()
    await store.replace("grace", None, service.sign_in(NOW))
    service.script = [hang()]
    async with provider_of(client, service, store=store, key="ada") as ada:
        await ada.tokens()
        refresh = asyncio.create_task(ada.refresh())
        await settle()
        started = asyncio.get_running_loop().time()
        assert await TokenProvider(client, store=store, key="grace").tokens() == await store.load("grace")
        assert asyncio.get_running_loop().time() == started
    with pytest.raises(SessionClosedError):
        await refresh


# --- cancellation -----------------------------------------------------------------------------------------------------


async def test_cancelled_caller_does_not_cancel_the_refresh(client: CognitoClient, service: RefreshService) -> None:
    """Not even if it started the refresh."""
    service.latency = 2
    provider = provider_of(client, service)
    await provider.tokens()
    await asyncio.sleep(LIFETIME)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await provider.tokens()
    await provider.tokens()
    assert service.refreshes == 1


async def test_close_lets_a_refresh_end_but_not_for_long(client: CognitoClient, service: RefreshService) -> None:
    """Waiting callers get the tokens, or SessionClosedError."""
    service.latency = 2
    provider = provider_of(client, service)
    waiting = asyncio.create_task(provider.refresh())
    await settle()
    await provider.aclose()
    assert (await waiting).access_token
    assert service.refreshes == 1

    service.script = [hang()]
    async with provider_of(client, service) as provider:
        waiting = asyncio.create_task(provider.refresh())
        await settle()
        started = asyncio.get_running_loop().time()
        refreshing = asyncio.all_tasks() - {waiting}
    assert asyncio.get_running_loop().time() - started == 5
    assert asyncio.all_tasks() < refreshing | {waiting}  # the refresh has ended
    with pytest.raises(SessionClosedError):
        await waiting
    with pytest.raises(SessionClosedError):
        await provider.access_token()
    await provider.aclose()


async def test_unused_provider_can_be_closed(client: CognitoClient) -> None:
    """And then raises the same error as others."""
    async with TokenProvider(client) as provider:
        pass
    with pytest.raises(SessionClosedError):
        await provider.tokens()


async def test_refresh_that_an_application_cancelled_is_repeated(
    client: CognitoClient, service: RefreshService
) -> None:
    """As by one that cancels all tasks."""
    provider = provider_of(client, service)
    others = asyncio.all_tasks()
    waiting = asyncio.create_task(provider.tokens())
    await asyncio.sleep(0)
    [refresh] = asyncio.all_tasks() - others - {waiting}
    refresh.cancel()
    with pytest.raises(SessionClosedError):
        await waiting
    assert (await provider.tokens()).access_token


def test_provider_can_be_created_without_an_event_loop() -> None:
    """As at the start of a program."""
    service = RefreshService()
    tokens = service.sign_in()
    session = session_with(service)
    provider = TokenProvider(session.client("app"), tokens=tokens)

    async def run() -> Tokens:
        async with session:
            return await provider.tokens()

    assert asyncio.run(run()) == tokens
    assert service.requests == []


async def test_failed_refresh_without_waiting_callers_is_not_reported_by_asyncio(
    client: CognitoClient, service: RefreshService, caplog: pytest.LogCaptureFixture
) -> None:
    """The library logs the reason, without tokens."""
    service.script = [refuse("TooManyRequestsException", CANARY)] * 3
    provider = provider_of(client, service)
    await provider.tokens()
    await asyncio.sleep(DUE)
    await provider.tokens()
    await asyncio.sleep(60)
    del provider
    gc.collect()
    assert {record.name for record in caplog.records} == {"cognito_async"}
    assert "TooManyRequestsException" in caplog.text
    assert CANARY not in caplog.text


# --- failures ---------------------------------------------------------------------------------------------------------


async def test_current_tokens_are_returned_until_they_expire_while_refreshes_fail(
    client: CognitoClient, service: RefreshService
) -> None:
    """Then the error is raised; after the outage the first call succeeds."""
    provider = provider_of(client, service)
    first = await provider.access_token()
    service.script = [TransportError("no network", sent=False)] * 10_000
    await asyncio.sleep(DUE)
    for _ in range(int(LIFETIME - DUE)):
        assert await provider.access_token() == first
        await asyncio.sleep(1)
    with pytest.raises(TransportError):
        await provider.access_token()
    service.script = []
    await asyncio.sleep(MAX_BACKOFF)
    assert await provider.access_token() != first


@pytest.mark.parametrize("stored", [True, False])
async def test_first_call_returns_due_tokens_although_the_refresh_fails(
    client: CognitoClient, service: RefreshService, *, stored: bool
) -> None:
    """As all other calls: it does not wait for the refresh, which it starts."""
    tokens, store = service.sign_in(NOW), MemoryTokenStore()
    if stored:
        await store.replace("default", None, tokens)
    await asyncio.sleep(DUE)
    service.script = [hang()] * 3
    started = asyncio.get_running_loop().time()
    provider = TokenProvider(client, tokens=None if stored else tokens, store=store)
    assert await provider.tokens() == tokens
    assert asyncio.get_running_loop().time() == started
    await settle()
    assert len(service.requests) == 1
    await asyncio.sleep(2 * MAX_BACKOFF)
    assert await provider.tokens() == tokens
    await settle()
    assert await provider.tokens() != tokens


async def test_backoff_grows_with_jitter_and_callers_share_the_error(
    client: CognitoClient, service: RefreshService
) -> None:
    """During the backoff the error is raised without a request, and its traceback does not grow."""
    provider = provider_of(client, service)
    await provider.tokens()
    await asyncio.sleep(LIFETIME)
    service.script = [refuse("InternalErrorException", status=400)] * 1000
    times: list[float] = []
    for _ in range(20_000):
        sent = len(service.requests)
        results = await asyncio.gather(*(provider.access_token() for _ in range(5)), return_exceptions=True)
        assert all(isinstance(result, CognitoError) for result in results)
        assert len(service.requests) - sent <= 3  # the attempts of one call
        if len(service.requests) > sent:
            times.append(asyncio.get_running_loop().time())
        if len(times) == 9:
            break
        await asyncio.sleep(0.05)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for number, pause in enumerate(pauses):
        longest = min(2.0**number, 30.0)
        assert longest / 2 <= pause <= longest + 4.0  # the call itself waits between its attempts
    with pytest.raises(CognitoError) as raised:
        await provider.access_token()
    depth = len(raised.traceback)
    for _ in range(100):
        with pytest.raises(CognitoError) as raised:
            await provider.access_token()
    assert len(raised.traceback) <= depth


@pytest.mark.parametrize("signed_out", [False, True])
async def test_first_backoff_is_a_second_or_half_of_it(
    client: CognitoClient, service: RefreshService, monkeypatch: pytest.MonkeyPatch, *, signed_out: bool
) -> None:
    """Also after a success, and after a sign-out that followed failures."""
    monkeypatch.setattr("random.uniform", lambda low, _: low)
    store = MemoryTokenStore()
    provider = TokenProvider(client, store=store)
    tokens = service.sign_in(NOW - timedelta(hours=2))
    if signed_out:
        await store.replace("default", None, tokens)
        service.script = [refuse("ForbiddenException")]
        with pytest.raises(ServiceError):
            await provider.tokens()
        await provider.sign_out()
        service.revoked = False
    await store.replace("default", None, tokens)
    for _ in range(2):
        service.script = [refuse("ForbiddenException")]
        with pytest.raises(ServiceError):
            await provider.tokens()
        await asyncio.sleep(0.49)
        with pytest.raises(ServiceError):
            await provider.tokens()
        await asyncio.sleep(0.02)
        assert await provider.tokens() != tokens
        await asyncio.sleep(LIFETIME)


async def test_log_names_the_class_of_an_error_without_a_code(
    client: CognitoClient, service: RefreshService, caplog: pytest.LogCaptureFixture
) -> None:
    """Others are named by their code."""
    provider = provider_of(client, service)
    await provider.tokens()
    service.script = [LOST] * 3
    with pytest.raises(AmbiguousOutcomeError):
        await provider.refresh()
    assert "AmbiguousOutcomeError" in caplog.text
    await asyncio.sleep(MAX_BACKOFF)
    service.script = [refuse("NewException")]
    with pytest.raises(ServiceError):
        await provider.refresh()
    assert "NewException" in caplog.text


async def test_response_without_tokens_names_the_operation(client: CognitoClient, service: RefreshService) -> None:
    """In a typed error."""
    provider = provider_of(client, service)
    await provider.tokens()
    service.script = [respond(body=b"{}")]
    with pytest.raises(InvalidResponseError) as raised:
        await provider.refresh()
    assert raised.value.operation == "GetTokensFromRefreshToken"


async def test_retry_after_of_the_service_prolongs_the_backoff(client: CognitoClient, service: RefreshService) -> None:
    """Up to the longest backoff."""
    provider = provider_of(client, service)
    await provider.tokens()
    await asyncio.sleep(LIFETIME)
    service.script = [refuse("ForbiddenException", x_amz_retry_after="20000")]
    with pytest.raises(ServiceError):
        await provider.tokens()
    await asyncio.sleep(19)
    with pytest.raises(ServiceError):
        await provider.tokens()
    await asyncio.sleep(1.1)
    await provider.tokens()


@pytest.mark.parametrize(
    "failure",
    [
        refuse("InternalErrorException", status=500),
        refuse("NotAuthorizedException", status=500),
        refuse("NotAuthorizedException", status=503),
        refuse("TooManyRequestsException"),
        refuse("LimitExceededException"),
        refuse("ResourceNotFoundException", "User pool client app does not exist."),
        refuse("NotAuthorizedException", "Unable to verify secret hash for client app"),
        refuse("NotAuthorizedException", "Client app is configured for secret but secret was not received"),
        refuse("NotAuthorizedException", "Client app is not configured for secret but secret hash was received"),
        respond(503, b"<html>"),
        respond(200, b"<html>"),
        respond(200, b"{}"),
        respond(200, b'{"AuthenticationResult": {}}'),
        respond(200, b'{"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": -1}}'),
        respond(200, b'{"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": true}}'),
        respond(200, b'{"AuthenticationResult": {"AccessToken": "a", "ExpiresIn": 60, "TokenType": "mac"}}'),
        TransportError("cannot resolve the host", sent=False),
        LOST,
        hang(),
    ],
)
async def test_tokens_are_kept_after_failures_that_say_nothing_about_them(
    client: CognitoClient, service: RefreshService, failure: Step
) -> None:
    """Including errors of the app client."""
    store = MemoryTokenStore()
    signed_out: list[SignedOutError] = []
    provider = provider_of(client, service, store=store, on_signed_out=signed_out.append)
    tokens = await provider.tokens()
    await asyncio.sleep(LIFETIME)
    service.script = [failure] * 3
    with pytest.raises(CognitoError) as raised:
        await provider.tokens()
    assert not isinstance(raised.value, SignedOutError)
    assert not signed_out
    assert await store.load("default") == tokens
    service.script = []
    await asyncio.sleep(2)
    assert await provider.tokens() != tokens


@pytest.mark.parametrize("code", sorted({*modelled.__all__, "TokenRevokedException", "ExpiredToken", "NewException"}))
async def test_tokens_are_forgotten_only_for_a_closed_list_of_codes(
    client: CognitoClient, service: RefreshService, code: str
) -> None:
    """The hook is called once, the error carries the code, and the next call does not ask the service."""
    store = MemoryTokenStore()
    signed_out: list[SignedOutError] = []
    provider = provider_of(client, service, store=store, on_signed_out=signed_out.append)
    tokens = await provider.tokens()
    await asyncio.sleep(LIFETIME)
    service.script = [refuse(code, "refused")] * 3
    with pytest.raises(CognitoError) as raised:
        await provider.tokens()
    if code not in DEAD:
        assert not isinstance(raised.value, SignedOutError)
        assert await store.load("default") == tokens
        return
    assert isinstance(raised.value, SignedOutError)
    assert raised.value.code == code
    assert ("twice" in str(raised.value)) is (code == "RefreshTokenReuseException")  # as by a thief
    assert isinstance(raised.value.__cause__, ServiceError)
    assert signed_out == [raised.value]
    assert await store.load("default") is None
    requests = len(service.requests)
    with pytest.raises(SignedOutError):
        await provider.tokens()
    assert len(service.requests) == requests
    assert len(signed_out) == 1


# --- rotation ---------------------------------------------------------------------------------------------------------


async def test_rotated_tokens_are_saved_before_they_are_returned(
    client: CognitoClient, service: RefreshService
) -> None:
    """If the store fails, callers get the current tokens, then its error; the new ones are saved later."""
    service.rotation = True
    store = Store()
    provider = provider_of(client, service, store=store)
    old = await provider.tokens()
    store.failure = TokenStoreError("disk full")
    await asyncio.sleep(DUE)
    assert await provider.tokens() == old
    await settle()
    assert service.refreshes == 1
    assert await provider.tokens() == old
    await asyncio.sleep(LIFETIME - DUE)
    for _ in range(3):
        with pytest.raises(TokenStoreError):
            await provider.tokens()
        await asyncio.sleep(30)
    store.failure = None
    new = await provider.tokens()
    assert new == store.entries["default"] == store.writes[-1] != old
    assert (service.refreshes, service.refusals) == (1, 0)  # the old refresh token was not used again


async def test_lost_response_with_rotation_is_repeated_within_the_grace_period(
    client: CognitoClient, service: RefreshService
) -> None:
    """With the same token, immediately."""
    service.rotation, service.grace = True, 10.0

    async def lose(request: Any) -> Any:
        service.respond("GetTokensFromRefreshToken", json.loads(request.body))
        raise TransportError("connection lost", sent=True)

    provider = provider_of(client, service)
    old = await provider.tokens()
    service.script = [lose, lose]
    started = asyncio.get_running_loop().time()
    new = await provider.refresh()
    assert asyncio.get_running_loop().time() - started < 1
    assert new.refresh_token != old.refresh_token
    assert {members["RefreshToken"] for _, members in service.requests} == {old.refresh_token}
    assert await provider.refresh() != new


async def test_responses_that_are_always_lost_are_an_ambiguous_outcome(
    client: CognitoClient, service: RefreshService
) -> None:
    """After two repetitions; the tokens are kept."""
    provider = provider_of(client, service)
    tokens = await provider.tokens()
    service.script = [LOST] * 9
    with pytest.raises(AmbiguousOutcomeError):
        await provider.refresh()
    assert len(service.requests) == 3
    assert await provider.tokens() == tokens


async def test_loser_of_a_race_uses_the_tokens_of_the_winner(client: CognitoClient, service: RefreshService) -> None:
    """Before it refreshes, after its refresh token was refused, and if the winner saves them a moment later."""
    service.rotation = True
    store = Store()
    providers = [TokenProvider(client, store=store) for _ in range(2)]
    store.entries["default"] = old = service.sign_in(NOW)
    assert [await each.tokens() for each in providers] == [old, old]

    won = await providers[0].refresh()
    assert await providers[1].refresh() == won
    assert service.refreshes == 1

    winner = service.sign_in(NOW + timedelta(seconds=9))
    service.script = [refuse("RefreshTokenReuseException")]
    loads: list[None] = []

    def save_later() -> None:
        loads.append(None)
        if len(loads) == 3:
            store.entries["default"] = winner

    store.on_load = save_later
    await asyncio.sleep(10)
    assert await providers[1].refresh() == winner
    assert store.entries["default"] == winner


@pytest.mark.parametrize(("store", "seconds"), [(MemoryTokenStore(), 0.0), (Store(), 1.4)], ids=["lock", "no lock"])
async def test_loser_waits_for_the_winner_if_the_store_has_no_lock(
    client: CognitoClient, service: RefreshService, store: Any, seconds: float
) -> None:
    """With a lock, the winner has saved its tokens before the loser's refresh."""
    provider = provider_of(client, service, store=store)
    await provider.tokens()
    started = asyncio.get_running_loop().time()
    service.script = [refuse("NotAuthorizedException")]
    with pytest.raises(SignedOutError):
        await provider.refresh()
    assert asyncio.get_running_loop().time() - started == pytest.approx(seconds)


async def test_winner_that_saved_during_the_refresh_is_used(client: CognitoClient, service: RefreshService) -> None:
    """The compare-and-set fails, and the tokens of the store are used."""
    store = Store()
    provider = provider_of(client, service, store=store)
    await provider.tokens()
    winner = service.sign_in(NOW + timedelta(seconds=5))

    async def race(request: Any) -> Any:
        store.entries["default"] = winner
        return service.respond("GetTokensFromRefreshToken", json.loads(request.body))

    await asyncio.sleep(10)
    service.script = [race]
    assert await provider.refresh() == winner
    assert store.writes[1:] == []


async def test_winner_that_saved_just_before_the_compare_and_set_is_used(
    client: CognitoClient, service: RefreshService
) -> None:
    """The store is read again."""
    store = Store()
    provider = provider_of(client, service, store=store)
    await provider.tokens()
    winner = service.sign_in(NOW + timedelta(seconds=5))
    replace = store.replace

    async def lose(key: str, old: Tokens | None, new: Tokens) -> bool:
        store.entries[key] = winner
        return await replace(key, old, new)

    await asyncio.sleep(10)
    store.replace = lose  # type: ignore[method-assign]
    assert await provider.refresh() == winner
    assert store.entries["default"] == winner


async def test_two_providers_of_one_store_refresh_once(client: CognitoClient, service: RefreshService) -> None:
    """The store's lock makes the second one wait for the tokens of the first."""
    service.rotation, service.latency = True, 3
    store = MemoryTokenStore()
    tokens = service.sign_in(NOW - timedelta(seconds=LIFETIME))
    providers = [TokenProvider(client, tokens=tokens, store=store) for _ in range(20)]
    got = await asyncio.gather(*(provider.tokens() for provider in providers for _ in range(10)))
    assert len(set(got)) == 1
    assert (service.refreshes, service.refusals) == (1, 0)


async def test_store_that_lost_its_entry_is_filled_again(client: CognitoClient, service: RefreshService) -> None:
    """Only the service decides that tokens are dead."""
    store = MemoryTokenStore()
    provider = provider_of(client, service, store=store)
    await provider.tokens()
    await store.remove("default")
    assert await provider.refresh() == await store.load("default")


# --- whose tokens -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims", [{"sub": "mallory", "origin_jti": "ada-1"}, {"sub": "ada", "origin_jti": "other"}, {}]
)
async def test_refreshed_tokens_of_another_sign_in_are_refused(
    client: CognitoClient, service: RefreshService, claims: dict[str, str]
) -> None:
    """The current tokens are kept."""
    provider = provider_of(client, service)
    tokens = await provider.tokens()
    result = {"AccessToken": jwt(**claims), "ExpiresIn": 3600}
    service.script = [respond(body=json.dumps({"AuthenticationResult": result}).encode())]
    with pytest.raises(InvalidResponseError):
        await provider.refresh()
    assert await provider.tokens() == tokens


async def test_rotated_tokens_may_belong_to_another_sign_in(client: CognitoClient, service: RefreshService) -> None:
    """Rotation changes the origin; the user stays the same."""
    provider = provider_of(client, service)
    await provider.tokens()
    result = {"AccessToken": jwt(sub="ada", origin_jti="other"), "RefreshToken": "rotated", "ExpiresIn": 3600}
    service.script = [respond(body=json.dumps({"AuthenticationResult": result}).encode())]
    assert (await provider.refresh()).access_token == result["AccessToken"]


async def test_new_sign_in_of_the_same_user_in_the_store_is_used(
    client: CognitoClient, service: RefreshService
) -> None:
    """By another process."""
    store = MemoryTokenStore()
    provider = provider_of(client, service, store=store)
    tokens = await provider.tokens()
    again = service.sign_in(NOW, access_token=jwt(sub="ada", origin_jti="other"))
    await store.replace("default", tokens, again)
    assert await provider.refresh() == again
    assert service.requests == []


async def test_provider_does_not_switch_to_another_user_of_the_store(
    client: CognitoClient, service: RefreshService
) -> None:
    """Another user who signs in with the same key needs another provider."""
    store = MemoryTokenStore()
    provider = provider_of(client, service, store=store)
    tokens = await provider.tokens()
    other = RefreshService(sub="grace").sign_in(NOW)
    await store.replace("default", tokens, other)
    with pytest.raises(SignedOutError):
        await provider.refresh()
    assert await store.load("default") == other
    assert await TokenProvider(client, store=store).tokens() == other


async def test_tokens_of_a_new_sign_in_replace_those_of_another_user(
    client: CognitoClient, service: RefreshService
) -> None:
    """Tokens of the same user are only replaced by later ones, so that a rotated refresh token is not lost."""
    store = MemoryTokenStore()
    await store.replace("default", None, RefreshService(sub="grace").sign_in(NOW + timedelta(seconds=60)))
    first = await provider_of(client, service, store=store).tokens()
    assert await store.load("default") == first
    earlier = service.sign_in(NOW - timedelta(seconds=60))
    assert await TokenProvider(client, tokens=earlier, store=store).tokens() == first
    await store.replace("default", first, service.sign_in(NOW + timedelta(days=1)))  # by a wrong clock
    assert await TokenProvider(client, tokens=first, store=store).tokens() == first


# --- no tokens, sign-out ----------------------------------------------------------------------------------------------


async def test_no_tokens_anywhere_is_a_signed_out_error(client: CognitoClient, service: RefreshService) -> None:
    """Until another process signs in."""
    store = MemoryTokenStore()
    provider = TokenProvider(client, store=store)
    with pytest.raises(SignedOutError):
        await provider.access_token()
    await store.replace("default", None, service.sign_in(NOW))
    assert await provider.access_token()
    assert service.requests == []


async def test_tokens_without_a_refresh_token_are_used_until_they_expire(
    client: CognitoClient, service: RefreshService
) -> None:
    """No refresh is tried."""
    store = Store()
    loads: list[None] = []
    store.on_load = lambda: loads.append(None)
    provider = TokenProvider(client, tokens=service.sign_in(NOW, refresh_token=None), store=store)
    await provider.tokens()
    before = len(loads)
    await asyncio.sleep(LIFETIME - 1)
    await provider.tokens()
    await settle()
    assert len(loads) == before
    await asyncio.sleep(1)
    with pytest.raises(SignedOutError):
        await provider.tokens()
    await provider.sign_out()
    assert service.requests == []


async def test_sign_out_revokes_the_current_refresh_token_and_forgets(
    client: CognitoClient, service: RefreshService
) -> None:
    """It waits for a running refresh, whose rotated token it revokes. Later callers are signed out."""
    service.rotation, service.latency = True, 2
    store = MemoryTokenStore()
    provider = provider_of(client, service, store=store)
    refresh = asyncio.create_task(provider.refresh())
    await asyncio.sleep(1)
    sign_out = asyncio.create_task(provider.sign_out())
    await asyncio.sleep(2)
    with pytest.raises(SignedOutError):
        await provider.tokens()
    await sign_out
    operation, members = service.requests[-1]
    assert (operation, members["Token"]) == ("RevokeToken", (await refresh).refresh_token)
    assert await store.load("default") is None
    await provider.sign_out()
    assert [operation for operation, _ in service.requests].count("RevokeToken") == 1


@pytest.mark.parametrize(
    ("held", "stored", "revoked", "left"),
    [
        ("now", None, "now", None),
        (None, "now", "now", None),
        (None, None, None, None),
        ("now", "later", "later", None),
        ("now", "earlier", "now", None),
        ("now", "another user", "now", "another user"),
    ],
)
async def test_sign_out_revokes_the_newest_tokens_of_the_user(
    client: CognitoClient,
    service: RefreshService,
    *,
    held: str | None,
    stored: str | None,
    revoked: str | None,
    left: str | None,
) -> None:
    """Those of the store or of the provider; another user stays signed in."""
    known = {
        None: None,
        "now": service.sign_in(NOW),
        "later": service.sign_in(NOW + timedelta(seconds=60)),
        "earlier": service.sign_in(NOW - timedelta(seconds=60)),
        "another user": RefreshService(sub="grace").sign_in(NOW + timedelta(seconds=60)),
    }
    store = Store()
    provider = TokenProvider(client, tokens=known[held], store=store)
    if held is not None:
        await provider.tokens()
    await asyncio.sleep(60)
    found = known[stored]
    store.entries = {} if found is None else {"default": found}
    await provider.sign_out()
    token = known[revoked]
    assert [members["Token"] for _, members in service.requests] == ([] if token is None else [token.refresh_token])
    assert store.entries.get("default") == known[left]


async def test_sign_out_forgets_even_if_the_revocation_fails(client: CognitoClient, service: RefreshService) -> None:
    """The failure is raised."""
    store = MemoryTokenStore()
    provider = provider_of(client, service, store=store)
    await provider.tokens()
    service.script = [refuse("UnsupportedOperationException", "Token revocation is not enabled")]
    with pytest.raises(ServiceError):
        await provider.sign_out()
    assert await store.load("default") is None
    with pytest.raises(SignedOutError):
        await provider.tokens()


async def test_cancelled_sign_out_is_completed(client: CognitoClient, service: RefreshService) -> None:
    """Revoking without forgetting, or the reverse, would be worse."""
    store = MemoryTokenStore()
    provider = provider_of(client, service, store=store)
    await provider.tokens()
    service.latency = 2
    task = asyncio.create_task(provider.sign_out())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(2)
    assert service.revoked
    assert await store.load("default") is None


# --- secrets ----------------------------------------------------------------------------------------------------------


def quote_token(code: str) -> Step:
    """Return a refusal whose message quotes the token of the request."""

    async def respond_with_it(request: Any) -> Any:
        members = json.loads(request.body)
        return refuse(code, f"{members.get('RefreshToken') or members['Token']} is invalid")

    return respond_with_it


@pytest.mark.parametrize(
    "failure",
    [
        quote_token("NotAuthorizedException"),
        quote_token("InternalErrorException"),
        respond(body=json.dumps({"AuthenticationResult": {"AccessToken": jwt(sub="mallory")}}).encode()),
        respond(body=json.dumps({"AuthenticationResult": {"AccessToken": CANARY, "TokenType": "mac"}}).encode()),
        LOST,
    ],
)
async def test_errors_logs_and_frames_contain_no_token(
    client: CognitoClient, service: RefreshService, caplog: pytest.LogCaptureFixture, failure: Step
) -> None:
    """Of a refresh and of a sign-out, which has no members in its response."""
    caplog.set_level(logging.DEBUG)
    for act in (TokenProvider.refresh, TokenProvider.sign_out)[: 1 if isinstance(failure, HttpResponse) else 2]:
        provider = provider_of(client, service)
        await provider.tokens()
        service.script = [failure] * 3
        with pytest.raises(CognitoError) as raised:
            await act(provider)
        error = raised.value
        assert leaking_frames(error) == []
        assert CANARY not in f"{error}{error!r}{vars(error)}"
        console = Console(record=True, quiet=True)
        console.print(provider, vars(provider), error)
        assert CANARY not in f"{provider!r}{vars(provider)}{console.export_text()}"
    assert CANARY not in caplog.text


async def test_invalid_arguments_are_refused_without_a_token_in_the_error(client: CognitoClient) -> None:
    """Such as an access token in place of Tokens."""
    naive = Tokens(access_token=CANARY, expires_at=datetime(2030, 1, 1))  # noqa: DTZ001 - the point of the test
    for tokens in (CANARY, naive):
        with pytest.raises(ParameterValidationError) as raised:
            TokenProvider(client, tokens=tokens)  # type: ignore[arg-type]
        assert raised.value.parameter == "tokens"
        assert leaking_frames(raised.value) == []


def test_dead_token_codes_are_faults_of_the_user() -> None:
    """Otherwise the provider would never forget."""
    assert provider.DEAD_TOKEN_CODES == DEAD
    assert isinstance(NotAuthorizedException("Refresh Token has expired"), ServiceError)
    assert all(ServiceError(code=code).fault.value == "user" for code in DEAD)  # type: ignore[union-attr]
