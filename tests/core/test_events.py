"""Events (a log record and a call of the hook each) and the session's statistics."""

import asyncio
import logging
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from cognito_async import (
    AmbiguousDetails,
    AmbiguousOutcomeError,
    CognitoError,
    ConnectError,
    Credentials,
    InvalidResponseError,
    Quotas,
    RateLimitDetails,
    RateLimitTimeoutError,
    RetryDetails,
    RetryKind,
    RetryPolicy,
    Timeouts,
    TransportError,
)
from tests.support.clocks import now
from tests.support.scripted_transport import ScriptedTransport, Step, hang, refuse, reset, respond, scripted_session

pytestmark = pytest.mark.virtual_clock

THROTTLED, TRANSIENT = refuse("TooManyRequestsException"), respond(500, b"")
LOST = TransportError("lost", sent=True)
KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret of many characters")
ONE_PER_SECOND = Quotas(user_account_recovery=1.0)
LEVELS = {RetryDetails: logging.INFO, RateLimitDetails: logging.DEBUG, AmbiguousDetails: logging.WARNING}
CANARY = "yranac"[::-1]  # not a literal, because tracebacks quote the lines of this file


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return our log records of events."""
    return [record for record in caplog.records if record.name == "cognito_async" and hasattr(record, "cognito_event")]


def call_records(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages of the log records of calls."""
    return [record.getMessage() for record in caplog.records if not hasattr(record, "cognito_event")]


def event_of(record: logging.LogRecord) -> Any:
    """Return the event of a record."""
    return vars(record)["cognito_event"]


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    """Capture all levels."""
    caplog.set_level(logging.DEBUG, "cognito_async")


# --- events -----------------------------------------------------------------------------------------------------------


async def test_successful_call_is_not_an_event(caplog: pytest.LogCaptureFixture) -> None:
    """No event is logged, and the hook is not called."""
    events: list[Any] = []
    async with scripted_session(ScriptedTransport(respond()), on_event=events.append) as session:
        await reset(session.client("abc"))
    assert not events
    assert not records(caplog)


async def test_each_event_is_logged_and_passed_to_the_hook(caplog: pytest.LogCaptureFixture) -> None:
    """The same object, in order, at the level of its kind."""
    events: list[Any] = []
    transport = ScriptedTransport(respond(), LOST, refuse("ExpiredCodeException"))
    async with scripted_session(transport, on_event=events.append, quotas=ONE_PER_SECOND) as session:
        await reset(session.client("abc"))
        with pytest.raises(AmbiguousOutcomeError) as caught:
            await reset(session.client("abc"))
    assert [type(event) for event in events] == [RateLimitDetails, RetryDetails, RateLimitDetails, AmbiguousDetails]
    ours = records(caplog)
    assert all(event_of(record) is event for record, event in zip(ours, events, strict=True))
    assert [record.levelno for record in ours] == [LEVELS[type(event)] for event in events]
    assert all("ConfirmForgotPassword" in record.getMessage() for record in ours)
    wait, retry, _, ambiguous = events
    assert (wait.operation, wait.category, wait.rate) == ("ConfirmForgotPassword", "UserAccountRecovery", 1.0)
    assert wait.wait == pytest.approx(1.0)
    assert (retry.kind, retry.attempt, retry.max_attempts) == (RetryKind.TRANSIENT, 1, 3)
    assert retry.error is LOST
    assert ambiguous.error is caught.value
    assert ambiguous.operation == "ConfirmForgotPassword"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            [TRANSIENT, respond(headers={"x-amzn-RequestId": "r-7"})],
            "ConfirmForgotPassword: succeeded, HTTP status 200, attempts 2, duration 0.050 s, request ID r-7",
        ),
        (
            [refuse("ExpiredCodeException", x_amzn_RequestId="r")],
            "ConfirmForgotPassword: ExpiredCodeException, HTTP status 400, attempts 1, duration 0.000 s, request ID r",
        ),
        (
            [refuse("SomethingNew")],
            "ConfirmForgotPassword: SomethingNew, HTTP status 400, attempts 1, duration 0.000 s, request ID r-1",
        ),
        (
            [ConnectError("refused", sent=False)] * 3,
            "ConfirmForgotPassword: ConnectError, HTTP status None, attempts 3, duration 0.150 s, request ID None",
        ),
        (
            [hang(status=200)],  # the rest of a response without members
            "ConfirmForgotPassword: succeeded, HTTP status 200, attempts 1, duration 10.000 s, request ID None",
        ),
    ],
)
async def test_each_call_is_logged_once_at_debug(
    steps: list[Step], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With its outcome, and without its secrets."""
    async with scripted_session(ScriptedTransport(*steps)) as session:
        with suppress(CognitoError):
            await reset(session.client("abc"), username=CANARY, password=CANARY, confirmation_code=CANARY)
    assert call_records(caplog) == [message]


async def test_cancelled_call_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """As cancelled."""
    async with scripted_session(ScriptedTransport(hang())) as session:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reset(session.client("abc")), 0.5)
    assert call_records(caplog) == [
        "ConfirmForgotPassword: cancelled, HTTP status None, attempts 1, duration 0.500 s, request ID None"
    ]


@pytest.mark.parametrize(
    ("step", "failure"), [(refuse("ThrottlingException"), "ThrottlingException"), (LOST, "TransportError")]
)
async def test_retry_is_logged_with_code_or_class(step: Step, failure: str, caplog: pytest.LogCaptureFixture) -> None:
    """The code says more than the class of an unknown error."""
    async with scripted_session(ScriptedTransport(step, respond())) as session:
        await reset(session.client("abc"))
    [record] = records(caplog)
    assert record.getMessage().startswith(f"ConfirmForgotPassword: attempt 1 of 3 failed with {failure};")


async def test_calls_are_not_logged_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    """The record is not even made."""
    caplog.set_level(logging.INFO, "cognito_async")
    async with scripted_session(ScriptedTransport(respond())) as session:
        await reset(session.client("abc"))
    assert not caplog.records


async def test_rate_of_operation_without_category_is_listed_by_operation() -> None:
    """It has no other name."""
    events: list[Any] = []
    transport = ScriptedTransport(*[refuse("TooManyRequestsException")] * 4, respond(body=b'{"Terms": []}'))
    policy = RetryPolicy(max_attempts=9)
    async with scripted_session(transport, retry=policy, on_event=events.append, credentials=KEYS) as session:
        client = session.client(user_pool_id="eu-west-1_AbC")
        await asyncio.gather(*[client.list_terms() for _ in range(1)])
        assert set(session.stats.rates) == {"ListTerms"}
    assert [event.kind for event in events if isinstance(event, RetryDetails)] == [RetryKind.THROTTLED] * 4


async def test_events_and_records_contain_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """Although the responses quote the request."""
    events: list[Any] = []
    echo = f"not {CANARY}-password nor {CANARY}-code"
    transport = ScriptedTransport(
        refuse("TooManyRequestsException", echo),
        refuse("InternalErrorException", echo, 500),
        refuse("ExpiredCodeException", echo),
    )
    async with scripted_session(
        transport, on_event=events.append, quotas=ONE_PER_SECOND, timeouts=Timeouts(total=60)
    ) as session:
        client = session.client("abc", f"{CANARY}-client-secret")
        with pytest.raises(AmbiguousOutcomeError) as caught:
            await reset(client, password=f"{CANARY}-password", confirmation_code=f"{CANARY}-code")
    assert {type(event) for event in events} >= {RetryDetails, AmbiguousDetails}
    seen = [repr(events), *[repr(event.error) + str(event.error) for event in events if hasattr(event, "error")]]
    seen += [repr(error) + str(error) + repr(vars(error)) for error in caught.value.history]
    for record in records(caplog):
        seen += [record.getMessage(), repr(vars(record)), logging.Formatter().format(record)]
    assert not [text for text in seen if CANARY in text]
    assert all(CANARY not in repr(value) for value in (session.stats, session, client))


# --- hooks that raise -------------------------------------------------------------------------------------------------

HOOKED: list[tuple[str, type, list[Step], int]] = [
    ("backoff", RetryDetails, [TRANSIENT], 1),
    ("backoff after throttling", RetryDetails, [THROTTLED], 1),
    ("rate limit wait", RateLimitDetails, [], 0),
    ("ambiguous outcome", AmbiguousDetails, [LOST], 1),
]


@pytest.mark.parametrize(("_", "kind", "script", "sent"), HOOKED, ids=[row[0] for row in HOOKED])
@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt()])
async def test_hook_that_raises_ends_the_call(
    _: str, kind: type, script: list[Step], sent: int, error: BaseException
) -> None:
    """Its error is raised, nothing more is sent, and no tokens are lost."""

    def hook(event: Any) -> None:
        if isinstance(event, kind) and armed:
            raise error

    armed: list[bool] = []
    transport = ScriptedTransport(respond(), *script, respond())
    quotas = Quotas(user_account_recovery=0.1) if kind is RateLimitDetails else None
    policy = RetryPolicy(max_attempts=1 if kind is AmbiguousDetails else 3)
    async with scripted_session(transport, on_event=hook, quotas=quotas, retry=policy) as session:
        client = session.client("abc")
        await reset(client)
        armed.append(True)
        with pytest.raises(type(error)) as caught:
            await reset(client)
        assert caught.value is error
        assert len(transport.attempts) == 1 + sent
        assert session._retry_budget.available == 500
        assert set(session.stats.waiting.values()) <= {0}
        armed.clear()
        await reset(client)
        assert (session.stats.calls, session.stats.succeeded, session.stats.failed) == (3, 2, 1)


async def test_hook_that_raises_before_a_retry_returns_tokens() -> None:
    """The retry is not sent."""

    def hook(event: Any) -> None:
        if isinstance(event, RateLimitDetails):
            raise KeyError

    transport = ScriptedTransport(TRANSIENT)
    quotas = Quotas(user_account_recovery=0.1)
    async with scripted_session(transport, on_event=hook, quotas=quotas) as session:
        with pytest.raises(KeyError):
            await reset(session.client("abc"))
        assert len(transport.attempts) == 1
        assert session._retry_budget.available == 500


async def test_retry_beyond_the_rate_limit_timeout_returns_tokens() -> None:
    """It is not sent."""
    transport = ScriptedTransport(THROTTLED)
    quotas = Quotas(user_account_recovery=0.5)
    async with scripted_session(transport, quotas=quotas, timeouts=Timeouts(total=1.5)) as session:
        with pytest.raises(RateLimitTimeoutError) as caught:
            await reset(session.client("abc"))
        assert caught.value.attempts == len(transport.attempts) == 1
        assert session._retry_budget.available == 500


async def test_repeated_delete_that_finds_nothing_returns_tokens() -> None:
    """It is a success."""
    transport = ScriptedTransport(TRANSIENT, refuse("UserNotFoundException"))
    async with scripted_session(transport, credentials=KEYS) as session:
        await session.client(user_pool_id="eu-west-1_AbC").admin_delete_user(username="ada")
        assert session.stats.succeeded == 1
        assert session._retry_budget.available == 500


# --- stats ------------------------------------------------------------------------------------------------------------


async def test_stats_of_a_new_session_are_zero() -> None:
    """No category is limited."""
    async with scripted_session(ScriptedTransport()) as session:
        stats = session.stats
    counts = (stats.calls, stats.attempts, stats.succeeded, stats.failed, stats.ambiguous, stats.retries)
    assert counts == (0, 0, 0, 0, 0, 0)
    assert (stats.throttled, stats.rate_limited, stats.rates, stats.waiting) == (0, 0, {}, {})


@pytest.mark.parametrize("seed", range(10))
async def test_stats_add_up(seed: int) -> None:
    """Calls = succeeded + failed + cancelled, and attempts = first attempts + retries."""
    seeded, events = Random(seed), list[Any]()
    transport = ScriptedTransport()
    results: list[object] = []
    throttled = cancelled = unsent = 0
    never_sent, refused = ConnectError("refused", sent=False), refuse("ExpiredCodeException")
    responses: list[Step] = [respond(), respond(), THROTTLED, TRANSIENT, LOST, never_sent, refused]
    policy = RetryPolicy(max_attempts=3)
    async with scripted_session(transport, on_event=events.append, retry=policy, credentials=KEYS) as session:
        client = session.client("abc", user_pool_id="eu-west-1_AbC")
        for _ in range(200):
            session._retry_budget.available = 500
            steps = [seeded.choice(responses) for _ in range(3)]
            if seeded.random() < 0.1:
                steps[0] = hang()
            transport.script = list(steps)
            call = asyncio.ensure_future(
                reset(client) if seeded.random() < 0.7 else client.admin_delete_user(username="u")
            )
            await asyncio.sleep(0.001)
            if transport.script and not isinstance(steps[0], BaseException) and callable(steps[0]):
                call.cancel()
            [result] = await asyncio.gather(call, return_exceptions=True)
            used = steps[: 3 - len(transport.script)]
            throttled += sum(step is THROTTLED for step in used)
            cancelled += isinstance(result, asyncio.CancelledError)
            unsent += not used
            results.append(result)
        stats = session.stats
    failed = [result for result in results if isinstance(result, CognitoError)]
    assert stats.calls == 200
    assert stats.succeeded == results.count(None)
    assert stats.failed == len(failed)
    assert stats.calls == stats.succeeded + stats.failed + cancelled
    assert stats.ambiguous == sum(isinstance(result, AmbiguousOutcomeError) for result in failed)
    assert stats.ambiguous == sum(isinstance(event, AmbiguousDetails) for event in events)
    assert stats.attempts == len(transport.attempts)
    assert stats.attempts == stats.calls - unsent + stats.retries
    assert stats.retries == sum(isinstance(event, RetryDetails) for event in events)
    assert stats.throttled == throttled
    assert stats.rate_limited == sum(isinstance(event, RateLimitDetails) for event in events)


async def test_retry_cancelled_during_backoff_is_not_counted() -> None:
    """It was not sent."""
    async with scripted_session(ScriptedTransport(THROTTLED)) as session:
        call = asyncio.ensure_future(reset(session.client("abc")))
        await asyncio.sleep(0.5)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert (session.stats.calls, session.stats.attempts, session.stats.failed) == (1, 1, 0)
        assert session.stats.retries == 0


async def test_stats_show_current_rates_and_waiters() -> None:
    """Earlier stats do not change."""
    transport = ScriptedTransport(*[respond()] * 5)
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=2.0, user_read=9.0)) as session:
        calls = [asyncio.ensure_future(reset(session.client("abc"))) for _ in range(5)]
        await asyncio.sleep(0.6)
        during = session.stats
        await asyncio.gather(*calls)
        assert during.rates == {"UserAccountRecovery": 2.0}
        assert during.waiting == {"UserAccountRecovery": 3}
        assert (during.calls, during.attempts, during.rate_limited, during.succeeded) == (5, 2, 4, 2)
        assert session.stats.waiting == {"UserAccountRecovery": 0}
        assert session.stats.succeeded == 5
    assert now() == pytest.approx(2.0, abs=0.01)


async def test_sustained_throttling_limits_to_the_published_rate() -> None:
    """From the fourth throttled request on."""
    transport = ScriptedTransport(*[THROTTLED] * 4)
    async with scripted_session(transport, retry=RetryPolicy(max_attempts=1)) as session:
        for _ in range(4):
            assert session.stats.rates == {}
            with pytest.raises(CognitoError):
                await reset(session.client("abc"))
        assert session.stats.rates == {"UserAccountRecovery": 30.0}
        assert session.stats.throttled == 4


async def test_failed_attempt_without_retry_is_not_counted_as_retry() -> None:
    """One attempt, one failed call."""
    async with scripted_session(ScriptedTransport(TRANSIENT), retry=RetryPolicy(max_attempts=1)) as session:
        with pytest.raises((InvalidResponseError, AmbiguousOutcomeError)):
            await reset(session.client("abc"))
        assert (session.stats.attempts, session.stats.retries, session.stats.failed) == (1, 0, 1)
