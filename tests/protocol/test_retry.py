"""Retries: conditions, number, backoff and retry budget.

The scenarios in ``data/retry_vectors.json`` were recorded from botocore's standard mode.
"""

# ruff: noqa: PT017 - some scenarios end in an error and some don't

import asyncio
import json
import logging
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_async import (
    AsyncCognitoSession,
    CodeMismatchException,
    CognitoError,
    ConnectError,
    Credentials,
    InvalidResponseError,
    LimitExceededException,
    Quotas,
    RequestTimeoutError,
    RetryDetails,
    RetryKind,
    RetryPolicy,
    ServiceError,
    Timeouts,
    TooManyRequestsException,
    TransportError,
)
from cognito_async.operations import ConfirmForgotPasswordRequest
from cognito_async.protocol.retry import RetryBudget, classify
from cognito_async.protocol.wire import HttpResponse, decode
from tests.support.clocks import START, VirtualClockLoop, now
from tests.support.scripted_transport import (
    ScriptedTransport,
    Step,
    hang,
    refuse,
    reset,
    respond,
    scripted_session,
    take,
)

SCENARIOS = json.loads((Path(__file__).parents[1] / "data" / "retry_vectors.json").read_text())["vectors"]
REQUEST = ConfirmForgotPasswordRequest(
    client_id="abc", username="ada", confirmation_code="123456", password="correct horse"
)
UNLIMITED = Timeouts(total=None, attempt=None)
TRANSIENT, THROTTLED = respond(500, b""), refuse("TooManyRequestsException")
NEVER_RETRIED = [
    "CodeMismatchException",
    "ExpiredCodeException",
    "ForbiddenException",
    "InvalidLambdaResponseException",
    "InvalidParameterException",
    "InvalidPasswordException",
    "NotAuthorizedException",
    "OperationNotEnabledException",
    "PasswordHistoryPolicyViolationException",
    "ResourceNotFoundException",
    "TooManyFailedAttemptsException",
    "UnexpectedLambdaException",
    "UserLambdaValidationException",
    "UserNotConfirmedException",
    "UserNotFoundException",
]


def step(response: dict[str, Any]) -> Step:
    """Return a response of a scenario as a step of a scripted transport."""
    match response:
        case {"raise": "read_timeout"}:
            return RequestTimeoutError("no answer", sent=True)
        case {"raise": "connect"}:
            return ConnectError("no connection", sent=False)
        case {"status": 200}:
            return respond()
        case {"status": status, "code": code}:
            return refuse(code, status=status)
        case {"status": status}:
            return respond(status, b"", response.get("headers"))
    raise AssertionError(response)


def outcome(response: Step) -> CognitoError | None:
    """Return the error of an attempt; None for success."""
    if isinstance(response, HttpResponse):
        try:
            return decode(response, REQUEST)
        except CognitoError as error:
            return error
    assert isinstance(response, CognitoError)
    return response


def name_of(error: CognitoError | None) -> str:
    """Return the name of a result in the scenarios."""
    match error:
        case None:
            return "success"
        case ConnectError():
            return "EndpointConnectionError"
        case InvalidResponseError():
            return str(error.status)
    assert error.code is not None
    return error.code


@pytest.fixture(params=SCENARIOS, ids=[scenario["name"] for scenario in SCENARIOS])
def scenario(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return each scenario."""
    chosen: dict[str, Any] = request.param
    return chosen


def test_number_of_scenarios() -> None:
    """There are 27."""
    assert len(SCENARIOS) == 27


def test_policy_follows_scenario(scenario: dict[str, Any]) -> None:
    """Attempts, backoff, result and budget."""
    policy = RetryPolicy(max_attempts=scenario["max_attempts"], limit_exceeded_retries=99)
    quota = RetryBudget()
    quota.available = scenario["initial_tokens"]
    for call in scenario["calls"]:
        pauses, tokens, limit_exceeded = [], 0, 0
        for attempt, response in enumerate(call["responses"], 1):
            error = outcome(step(response))
            if error is None:
                quota.give_back(tokens or 1)
                break
            kind = classify(error)
            limit_exceeded += kind is RetryKind.LIMIT_EXCEEDED
            if kind is None or not policy.allows(kind, attempt, limit_exceeded):
                break
            tokens = quota.take(kind)
            if not tokens:
                break
            pauses.append(policy.delay(kind, attempt, scenario["random"], error.retry_after))
        assert attempt == call["attempts"] == len(call["responses"])
        assert pauses == pytest.approx(call["sleeps"])
        assert name_of(error) == call["result"]
        assert quota.available == call["quota_after"]


@pytest.mark.virtual_clock
async def test_session_follows_scenario(scenario: dict[str, Any]) -> None:
    """Attempts, backoff, headers and budget."""
    policy = RetryPolicy(max_attempts=scenario["max_attempts"], limit_exceeded_retries=99)
    transport = ScriptedTransport()
    async with scripted_session(transport, retry=policy, timeouts=UNLIMITED) as session:
        session._retry_budget.available = scenario["initial_tokens"]
        for call in scenario["calls"]:
            transport.script = [step(response) for response in call["responses"]]
            transport.attempts.clear()
            result = None
            try:
                await reset(session.client("abc"))
            except CognitoError as error:
                result = error
                assert error.attempts == call["attempts"]
            assert name_of(result) == call["result"]
            assert len(transport.attempts) == call["attempts"]
            assert transport.pauses == pytest.approx(call["sleeps"])
            assert [attempt.headers["amz-sdk-request"] for attempt in transport.attempts] == call["amz_sdk_request"]
            assert session._retry_budget.available == call["quota_after"]


# --- conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 429, 500, 503])
@pytest.mark.parametrize("code", NEVER_RETRIED)
@pytest.mark.virtual_clock
async def test_client_errors_are_not_retried(code: str, status: int) -> None:
    """The code decides, whatever the status, and the budget is unchanged."""
    transport = ScriptedTransport(refuse(code, status=status))
    async with scripted_session(transport) as session:
        with pytest.raises(ServiceError) as caught:
            await reset(session.client("abc"))
        assert session._retry_budget.available == 500
    assert caught.value.code == code
    assert caught.value.attempts == len(transport.attempts) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuse("SomethingNew", status=400), None),
        (refuse("SomethingNew", status=500), RetryKind.TRANSIENT),
        (refuse("InternalErrorException", status=500), RetryKind.TRANSIENT),
        (refuse("InternalServerException", status=503), RetryKind.TRANSIENT),
        (refuse("InternalErrorException", status=400), None),
        (refuse("RequestTimeout", status=400), RetryKind.TRANSIENT),
        (refuse("ThrottlingException", status=400), RetryKind.THROTTLED),
        (refuse("TooManyRequestsException", status=500), RetryKind.THROTTLED),
        (refuse("LimitExceededException", status=500), RetryKind.LIMIT_EXCEEDED),
        (respond(502, b"<html>"), RetryKind.TRANSIENT),
        (respond(429, b""), RetryKind.THROTTLED),
        (respond(501, b""), None),
        (respond(404, b"<html>"), None),
        (respond(300, b""), None),
        (respond(307, b""), None),
        (respond(200, b"<html>"), RetryKind.TRANSIENT),
        (TransportError("lost", sent=None), RetryKind.TRANSIENT),
        (TransportError("lost", sent=True), RetryKind.TRANSIENT),
    ],
)
def test_classify_by_code_and_status(answer: Step, kind: RetryKind | None) -> None:
    """The status decides if there is no code."""
    error = outcome(answer)
    assert error is not None
    assert classify(error) is kind


@pytest.mark.parametrize("error_class", [TooManyRequestsException, LimitExceededException])
@pytest.mark.virtual_clock
async def test_throttling_is_retried_with_long_backoff(error_class: type[ServiceError]) -> None:
    """So is LimitExceededException."""
    transport = ScriptedTransport(refuse(error_class.__name__), respond())
    async with scripted_session(transport) as session:
        await reset(session.client("abc"))
    assert transport.pauses == pytest.approx([1.0])


@pytest.mark.parametrize(("retries", "attempts"), [(None, 2), (0, 1), (1, 2), (2, 3), (3, 3)])
@pytest.mark.virtual_clock
async def test_limit_exceeded_is_retried_once_by_default(retries: int | None, attempts: int) -> None:
    """The limit is within ``max_attempts``."""
    policy = RetryPolicy() if retries is None else RetryPolicy(limit_exceeded_retries=retries)
    transport = ScriptedTransport(*[refuse("LimitExceededException")] * attempts)
    async with scripted_session(transport, retry=policy) as session:
        with pytest.raises(LimitExceededException) as caught:
            await reset(session.client("abc"))
        assert session._retry_budget.available == 500 - 5 * (attempts - 1)
    assert len(transport.attempts) == caught.value.attempts == attempts


@pytest.mark.virtual_clock
async def test_limit_exceeded_retries_exclude_other_failures() -> None:
    """Nor do they count towards other failures."""
    limit_exceeded = refuse("LimitExceededException")
    transport = ScriptedTransport(THROTTLED, limit_exceeded, THROTTLED, limit_exceeded)
    async with scripted_session(transport, retry=RetryPolicy(max_attempts=9)) as session:
        with pytest.raises(LimitExceededException):
            await reset(session.client("abc"))
    assert transport.pauses == pytest.approx([1.0, 2.0, 4.0])


@pytest.mark.virtual_clock
async def test_default_policy_makes_three_attempts() -> None:
    """The first attempt included."""
    transport = ScriptedTransport(TRANSIENT, TRANSIENT, TRANSIENT)
    async with AsyncCognitoSession("eu-west-1", transport=transport) as session:
        with pytest.raises(InvalidResponseError) as caught:
            await reset(session.client("abc"))
    assert caught.value.attempts == len(transport.attempts) == 3


@pytest.mark.virtual_clock
async def test_error_of_the_last_attempt_is_raised() -> None:
    """After different failures."""
    transport = ScriptedTransport(THROTTLED, refuse("CodeMismatchException", "wrong code"))
    async with scripted_session(transport) as session:
        with pytest.raises(CodeMismatchException, match="wrong code") as caught:
            await reset(session.client("abc"))
    assert caught.value.attempts == 2
    assert caught.value.operation == "ConfirmForgotPassword"


# --- backoff ----------------------------------------------------------------------------------------------------------

KINDS = st.sampled_from(RetryKind)
SECONDS = st.floats(0, 100)


POLICIES = st.builds(RetryPolicy, throttled_base=SECONDS, transient_base=SECONDS, max_delay=SECONDS)


@given(policy=POLICIES, kind=KINDS, attempt=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_backoff_is_a_share_of_the_bound(policy: RetryPolicy, kind: RetryKind, attempt: int, chance: float) -> None:
    """``random`` x min(base * 2^(n-1), maximum)."""
    base = policy.transient_base if kind is RetryKind.TRANSIENT else policy.throttled_base
    ceiling = min(base * 2.0 ** min(attempt - 1, 900), policy.max_delay)
    pause = policy.delay(kind, attempt, chance)
    assert 0 <= pause <= policy.max_delay
    assert pause == pytest.approx(chance * ceiling)


@given(kind=KINDS, attempt=st.integers(1, 20), chance=st.floats(0, 1), wish=st.floats(0, 10**7))
def test_retry_after_extends_backoff_by_up_to_5_s(kind: RetryKind, attempt: int, chance: float, wish: float) -> None:
    """``x-amz-retry-after`` never shortens it."""
    policy = RetryPolicy()
    plain = policy.delay(kind, attempt, chance)
    pause = policy.delay(kind, attempt, chance, wish)
    assert plain <= pause <= plain + 5
    if plain <= wish <= plain + 5:
        assert pause == wish


@pytest.mark.virtual_clock
async def test_jitter_is_uniform() -> None:
    """Calls that failed together do not retry together."""
    seeded = Random(20)
    transport = ScriptedTransport()
    pauses = []
    async with scripted_session(transport, retry=RetryPolicy(transient_base=1), random=seeded.random) as session:
        for _ in range(2_000):
            transport.script = [TRANSIENT, respond()]
            transport.attempts.clear()
            await reset(session.client("abc"))
            pauses += transport.pauses
    assert all(0 <= pause < 1 for pause in pauses)
    shares = Counter(int(pause * 10) for pause in pauses)
    assert len(shares) == 10
    chi_squared = sum((share - 200) ** 2 / 200 for share in shares.values())
    assert chi_squared < 27.9, "9 degrees of freedom: more than that has a chance of 1 in 1,000"


@pytest.mark.virtual_clock
async def test_jitter_is_random_by_default() -> None:
    """Two backoffs differ."""
    transport = ScriptedTransport(TRANSIENT, TRANSIENT, TRANSIENT, TRANSIENT, respond())
    policy = RetryPolicy(max_attempts=9, transient_base=1)
    async with AsyncCognitoSession("eu-west-1", transport=transport, retry=policy) as session:
        await reset(session.client("abc"))
    shares = [pause / 2**n for n, pause in enumerate(transport.pauses)]
    assert len({round(share, 9) for share in shares}) == 4
    assert all(0 <= share <= 1 for share in shares)


# --- time limits ------------------------------------------------------------------------------------------------------


@pytest.mark.virtual_clock
async def test_default_timeouts() -> None:
    """30 s for the call, 10 s for an attempt, 3 s to connect."""
    transport = ScriptedTransport(hang(), hang(), hang())
    async with scripted_session(transport) as session:
        with pytest.raises(RequestTimeoutError) as caught:
            await reset(session.client("abc"))
        assert now() == pytest.approx(30, abs=1e-6)
    assert [attempt.at for attempt in transport.attempts] == pytest.approx([0, 10.05, 20.15])
    assert {attempt.connect_timeout for attempt in transport.attempts} == {3.0}
    assert caught.value.attempts == 3
    assert caught.value.sent is True
    assert "9.85 s" in str(caught.value)


@pytest.mark.parametrize("sent", [True, False, None])
@pytest.mark.virtual_clock
async def test_total_timeout_ends_a_hanging_attempt(*, sent: bool | None) -> None:
    """The error says whether the request was sent."""
    transport = ScriptedTransport(hang(sent=sent))
    async with scripted_session(transport, timeouts=Timeouts(total=7.25, attempt=None)) as session:
        with pytest.raises(RequestTimeoutError) as caught:
            await reset(session.client("abc"))
        assert now() == pytest.approx(7.25, abs=1e-6)
    assert caught.value.sent is sent
    assert caught.value.attempts == 1
    assert isinstance(caught.value, TimeoutError)


@pytest.mark.virtual_clock
async def test_backoff_beyond_total_timeout_raises_immediately() -> None:
    """The error is not delayed until the timeout."""
    transport = ScriptedTransport(take(29.5, THROTTLED))
    async with scripted_session(transport, timeouts=Timeouts(total=30, attempt=None)) as session:
        with pytest.raises(TooManyRequestsException):
            await reset(session.client("abc"))
        assert now() == pytest.approx(29.5)
        assert session._retry_budget.available == 500


@pytest.mark.virtual_clock
async def test_attempt_timeout_applies_to_each_attempt() -> None:
    """A timed-out attempt is retried."""
    transport = ScriptedTransport(hang(), take(3.9, TRANSIENT), take(3.9, respond()))
    async with scripted_session(transport, timeouts=Timeouts(attempt=4)) as session:
        await reset(session.client("abc"))
    assert [attempt.at for attempt in transport.attempts] == pytest.approx([0, 4.05, 8.05])


@pytest.mark.parametrize(("status", "succeeds"), [(200, True), (204, True), (400, False), (500, False), (None, False)])
@pytest.mark.virtual_clock
async def test_timeout_in_body_of_response_without_members_is_success(status: int | None, *, succeeds: bool) -> None:
    """The head says that the password was changed."""
    transport = ScriptedTransport(hang(status=status))
    async with scripted_session(transport, retry=RetryPolicy(max_attempts=1)) as session:
        if succeeds:
            await reset(session.client("abc"))
        else:
            with pytest.raises(RequestTimeoutError):
                await reset(session.client("abc"))
        assert now() == pytest.approx(10)


@pytest.mark.virtual_clock
async def test_connect_timeout_is_passed_to_the_transport() -> None:
    """None means no limit."""
    transport = ScriptedTransport(respond(), respond(), respond())
    keys = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret of many characters")
    async with scripted_session(transport, credentials=keys) as session:
        client = session.client("abc", user_pool_id="eu-west-1_AbC").with_options(timeouts=Timeouts(connect=0.5))
        await reset(client)
        await client.admin_delete_user(username="ada")  # is signed
        await reset(client.with_options(timeouts=Timeouts(connect=None)))
    assert [attempt.connect_timeout for attempt in transport.attempts] == [0.5, 0.5, None]


@pytest.mark.virtual_clock
async def test_timeout_error_of_transport_becomes_request_timeout_error() -> None:
    """Also without a time limit."""
    transport = ScriptedTransport(TimeoutError())
    policy = RetryPolicy(max_attempts=1)
    async with scripted_session(transport, retry=policy, timeouts=UNLIMITED) as session:
        with pytest.raises(RequestTimeoutError, match=r"Last: no response\)"):
            await reset(session.client("abc"))


STEPS = st.one_of(
    st.sampled_from(
        [TRANSIENT, THROTTLED, refuse("LimitExceededException"), respond(500, b"", {"x-amz-retry-after": "4000"})]
    ),
    st.just(hang()),
    st.builds(take, st.floats(0, 20), st.sampled_from([TRANSIENT, THROTTLED])),
)
LIMITS = st.floats(0.01, 60)


@given(
    script=st.lists(STEPS, min_size=8, max_size=8),
    total=LIMITS,
    attempt=st.none() | LIMITS,
    chance=st.floats(0, 1, exclude_max=True),
)
def test_total_timeout_holds_for_any_service(
    script: list[Step], total: float, attempt: float | None, chance: float
) -> None:
    """No attempt starts after it."""
    transport = ScriptedTransport(*script)

    async def call() -> float:
        policy = RetryPolicy(max_attempts=8, limit_exceeded_retries=8)
        limits = Timeouts(total=total, attempt=attempt)
        async with scripted_session(transport, retry=policy, timeouts=limits, random=lambda: chance) as session:
            with pytest.raises(CognitoError):
                await reset(session.client("abc"))
        return now()

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        ended = runner.run(call())
    assert ended <= total + 1e-6
    assert transport.attempts[-1].at < total


@pytest.mark.parametrize("name", ["total", "attempt", "connect"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_timeout_of_zero_is_refused(name: str, value: float) -> None:
    """None means no limit."""
    with pytest.raises(ValueError, match=name):
        Timeouts(**{name: value})


# --- on_retry ---------------------------------------------------------------------------------------------------------


@pytest.mark.virtual_clock
async def test_on_retry_gets_details_before_each_backoff() -> None:
    """The error, the kind and the delay."""
    seen: list[tuple[float, RetryDetails]] = []
    policy = RetryPolicy(on_retry=lambda details: seen.append((now(), details)))
    transport = ScriptedTransport(take(2, THROTTLED), take(1, TRANSIENT), respond())
    async with scripted_session(transport, retry=policy) as session:
        await reset(session.client("abc"))
    (first_at, first), (second_at, second) = seen
    assert first_at == pytest.approx(2)
    assert second_at == pytest.approx(4)
    assert isinstance(first.error, TooManyRequestsException)
    assert first.operation == "ConfirmForgotPassword"
    assert (first.attempt, first.max_attempts, first.kind) == (1, 3, RetryKind.THROTTLED)
    assert (first.delay, first.elapsed) == pytest.approx((1.0, 2.0))
    assert isinstance(second.error, InvalidResponseError)
    assert (second.attempt, second.max_attempts, second.kind) == (2, 3, RetryKind.TRANSIENT)
    assert second.delay == pytest.approx(0.1)
    assert second.elapsed == pytest.approx(4)
    assert second.error.attempts == 2


@pytest.mark.virtual_clock
async def test_on_retry_is_not_called_after_the_last_attempt() -> None:
    """No backoff follows."""
    seen: list[RetryDetails] = []
    transport = ScriptedTransport(TRANSIENT, TRANSIENT)
    async with scripted_session(transport, retry=RetryPolicy(max_attempts=2, on_retry=seen.append)) as session:
        with pytest.raises(InvalidResponseError):
            await reset(session.client("abc"))
    assert len(seen) == 1


@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt()])
@pytest.mark.virtual_clock
async def test_on_retry_that_raises_ends_the_call(error: BaseException) -> None:
    """Its error is raised, nothing is sent, and the tokens are returned."""

    def hook(_: RetryDetails) -> None:
        raise error

    transport = ScriptedTransport(TRANSIENT)
    async with scripted_session(transport, retry=RetryPolicy(on_retry=hook)) as session:
        with pytest.raises(type(error)) as caught:
            await reset(session.client("abc"))
        assert caught.value is error
        assert session._retry_budget.available == 500
    assert len(transport.attempts) == 1


@pytest.mark.virtual_clock
async def test_retry_is_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    """With operation, attempt, code and delay; the record carries the details."""
    caplog.set_level(logging.INFO, "cognito_async")
    transport = ScriptedTransport(THROTTLED, respond())
    async with scripted_session(transport) as session:
        await reset(session.client("abc"))
    [record] = [record for record in caplog.records if record.name.startswith("cognito_async")]
    assert record.levelno == logging.INFO
    for part in ("ConfirmForgotPassword", "attempt 1 of 3", "TooManyRequestsException", "1.000 s"):
        assert part in record.getMessage()
    assert any(isinstance(value, RetryDetails) for value in vars(record).values())


# --- retry budget -----------------------------------------------------------------------------------------------------


@given(st.lists(KINDS | st.integers(0, 20), max_size=300), st.integers(0, 500))
def test_retry_budget_stays_within_bounds(moves: list[RetryKind | int], available: int) -> None:
    """Between zero and its capacity."""
    quota = RetryBudget()
    quota.available = available
    for move in moves:
        before = quota.available
        if isinstance(move, int):
            quota.give_back(move)
        else:
            assert quota.take(move) in {0, before - quota.available}
        assert 0 <= quota.available <= 500


@pytest.mark.virtual_clock
async def test_concurrent_calls_share_the_retry_budget() -> None:
    """The budget limits the retries during an outage."""
    transport = ScriptedTransport(*[take(n % 7 / 10, TRANSIENT) for n in range(200 + 500 // 14)])
    lowest = []

    def watch(_: RetryDetails) -> None:
        lowest.append(session._retry_budget.available)

    seeded = Random(3)
    async with scripted_session(transport, retry=RetryPolicy(on_retry=watch), random=seeded.random) as session:
        results = await asyncio.gather(*[reset(session.client("abc")) for _ in range(200)], return_exceptions=True)
        assert session._retry_budget.available == 500 % 14
    assert all(isinstance(result, InvalidResponseError) for result in results)
    assert min(lowest) == 500 % 14
    assert len(transport.attempts) == 200 + 500 // 14


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.virtual_clock
async def test_retry_budget_is_full_after_all_calls_succeeded(seed: int) -> None:
    """In any order of failures and retries."""
    seeded = Random(seed)

    class Flaky(ScriptedTransport):
        async def send(self, request: Any) -> HttpResponse:
            assert session._retry_budget.available >= 0
            failed = request.headers["amz-sdk-request"].startswith("attempt=1;") and seeded.random() < 0.3
            self.script.append(take(seeded.random(), TRANSIENT if failed else respond()))
            return await super().send(request)

    async with scripted_session(Flaky(), random=seeded.random) as session:
        await asyncio.gather(*[reset(session.client("abc")) for _ in range(60)])
        assert session._retry_budget.available == 500


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [(0.5, None), (1.5, None), (1.5, 0.1)],
    ids=["backoff", "second attempt", "wait for the rate limit"],
)
@pytest.mark.virtual_clock
async def test_cancelled_retry_returns_its_tokens(seconds: float, rate: float | None) -> None:
    """The retry is not sent."""
    transport = ScriptedTransport(THROTTLED, hang())
    async with scripted_session(transport, quotas=Quotas(user_account_recovery=rate)) as session:
        session._retry_budget.available = 100
        call = asyncio.ensure_future(reset(session.client("abc")))
        await asyncio.sleep(seconds)
        assert session._retry_budget.available == 95
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert session._retry_budget.available == 100


@pytest.mark.virtual_clock
async def test_call_cancelled_in_first_attempt_takes_no_tokens() -> None:
    """The budget is unchanged."""
    async with scripted_session(ScriptedTransport(hang())) as session:
        session._retry_budget.available = 100
        call = asyncio.ensure_future(reset(session.client("abc")))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert session._retry_budget.available == 100


@pytest.mark.virtual_clock
async def test_asyncio_timeout_around_a_call_raises_its_own_error() -> None:
    """Also during backoff."""
    transport = ScriptedTransport(THROTTLED, respond())
    async with scripted_session(transport) as session:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.5):
                await reset(session.client("abc"))
        assert not isinstance(caught.value, CognitoError)
        assert asyncio.get_running_loop().time() == pytest.approx(START + 0.5)
