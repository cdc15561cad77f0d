"""Decisions after failed requests, on their own and in jobs."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cognito_async import ConnectError, CredentialsError, InvalidResponseError, ServiceError, SessionClosedError
from cognito_async.bulk import ACTIONS, Action, BulkPolicy, State, StopReason, decisions
from cognito_async.bulk.decisions import ActionOnError, decide, next_email_day
from cognito_async.bulk.troubleshooting import troubleshoot
from cognito_async.errors import CognitoError, Fault, ParameterValidationError, RequestTimeoutError, modelled
from cognito_async.operations.facts import IDEMPOTENCY
from tests.support.bulk_server import (
    CODE_MISMATCH,
    EMAIL_LIMIT,
    EMAIL_LIMIT_MESSAGE,
    EXPIRED_CODE,
    FAST_BACKOFF,
    INTERNAL_ERROR,
    NO_APP_CLIENT,
    THROTTLED,
    USER_LIMIT,
    USER_NOT_FOUND,
    JobHarness,
    ReceivedRequest,
    Reply,
    by_user,
    in_order,
    journal_columns,
    lost_connection,
    run_outcomes,
    write_csv,
)
from tests.support.scripted_transport import refuse, respond


def service_error(code: str, message: str = "no", *, fault: Fault | None = None, status: int = 400) -> CognitoError:
    """Return an error of the service as the client raises it."""
    kind: type[CognitoError] = getattr(modelled, code, ServiceError)
    return kind(message, code=code, status=status, fault=fault)


REFUSE, UNKNOWN, WAIT, REPEAT, DEFER, JOB_ERROR, STOP, PAUSE = ActionOnError
DECISIONS: list[tuple[CognitoError, ActionOnError, ActionOnError]] = [  # for confirm, and for forgot
    (service_error("UserNotFoundException", fault=Fault.USER), REFUSE, REFUSE),
    (service_error("CodeMismatchException", fault=Fault.USER), REFUSE, REFUSE),
    (service_error("ExpiredCodeException", fault=Fault.USER), REFUSE, REFUSE),
    (service_error("InvalidParameterException", fault=Fault.USER), REFUSE, REFUSE),
    (service_error("NotAuthorizedException", fault=Fault.USER), REFUSE, REFUSE),
    (service_error("NotAuthorizedException"), REFUSE, REFUSE),
    (service_error("UserLambdaValidationException", fault=Fault.TRIGGER), REFUSE, REFUSE),
    (service_error("A new one"), REFUSE, REFUSE),
    (ParameterValidationError("username", "is required"), REFUSE, REFUSE),
    (service_error("NotAuthorizedException", fault=Fault.APP_CLIENT), JOB_ERROR, JOB_ERROR),
    (service_error("ResourceNotFoundException", fault=Fault.APP_CLIENT), JOB_ERROR, JOB_ERROR),
    (service_error("ExpiredTokenException", fault=Fault.PERMISSIONS), JOB_ERROR, JOB_ERROR),
    (service_error("InvalidSmsRoleAccessPolicyException", fault=Fault.PERMISSIONS), JOB_ERROR, JOB_ERROR),
    (InvalidResponseError("proxy authentication required", status=407), JOB_ERROR, JOB_ERROR),
    (CredentialsError("none"), STOP, STOP),
    (SessionClosedError("closed"), STOP, STOP),
    (service_error("TooManyRequestsException", fault=Fault.QUOTA), WAIT, WAIT),
    (service_error("ThrottlingException", fault=Fault.QUOTA), WAIT, WAIT),
    (InvalidResponseError("busy", status=429), REPEAT, UNKNOWN),
    (ConnectError("refused", sent=False), WAIT, WAIT),
    (RequestTimeoutError("timed out", sent=False), WAIT, WAIT),
    (RequestTimeoutError("timed out", sent=True), REPEAT, UNKNOWN),
    (RequestTimeoutError("timed out", sent=None), REPEAT, UNKNOWN),
    (lost_connection(), REPEAT, UNKNOWN),
    (service_error("InternalErrorException", fault=Fault.SERVICE, status=500), REPEAT, UNKNOWN),
    (InvalidResponseError("a page", status=502), REPEAT, UNKNOWN),
    (InvalidResponseError("a page", status=200), REPEAT, UNKNOWN),
    (service_error("LimitExceededException", fault=Fault.USER), DEFER, DEFER),
    (service_error("LimitExceededException"), DEFER, DEFER),
    (service_error("LimitExceededException", fault=Fault.QUOTA), PAUSE, PAUSE),
    (service_error("CodeDeliveryFailureException", fault=Fault.QUOTA), PAUSE, PAUSE),
    (service_error("InvalidParameterException", fault=Fault.QUOTA), PAUSE, PAUSE),
    (service_error("CodeDeliveryFailureException", fault=Fault.SERVICE), REFUSE, REFUSE),
    (service_error("CodeDeliveryFailureException", fault=Fault.PERMISSIONS), JOB_ERROR, JOB_ERROR),
    (service_error("A new limit", fault=Fault.QUOTA, status=429), WAIT, WAIT),
]


@pytest.mark.parametrize(("error", "confirm", "forgot"), DECISIONS, ids=lambda value: str(value)[:40])
def test_decide_by_error_and_idempotency(error: CognitoError, confirm: ActionOnError, forgot: ActionOnError) -> None:
    """The action depends on the error, its fault and the operation's idempotency."""
    assert decide(error, IDEMPOTENCY["ConfirmForgotPassword"], ambiguous=False).action is confirm
    assert decide(error, IDEMPOTENCY["ForgotPassword"], ambiguous=False).action is forgot


def test_decide_relies_on_is_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is_ambiguous calls ambiguous is not taken for a refusal."""
    monkeypatch.setattr(decisions, "is_ambiguous", lambda error: True)
    error = InvalidResponseError("forbidden", status=403)
    assert decide(error, IDEMPOTENCY["ConfirmForgotPassword"], ambiguous=False).action is REPEAT
    assert decide(error, IDEMPOTENCY["ForgotPassword"], ambiguous=False).action is UNKNOWN


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("ExpiredCodeException", UNKNOWN),
        ("CodeMismatchException", UNKNOWN),
        ("LimitExceededException", UNKNOWN),
        ("UserNotFoundException", REFUSE),
        ("TooManyRequestsException", WAIT),
    ],
)
def test_decide_after_ambiguous_request(code: str, action: ActionOnError) -> None:
    """Errors that an applied request would cause are ambiguous after an ambiguous request."""
    assert decide(service_error(code), IDEMPOTENCY["ConfirmForgotPassword"], ambiguous=True).action is action


def test_decision_ignores_the_message() -> None:
    """Messages do not decide, because they are masked and may be localized."""
    for message in ("daily email limit", "Unable to verify secret hash for client 1"):
        for code, action in (("LimitExceededException", DEFER), ("NotAuthorizedException", REFUSE)):
            error = service_error(code, message, fault=Fault.USER)
            assert decide(error, IDEMPOTENCY["ForgotPassword"], ambiguous=False).action is action


def test_decision_code_of_custom_error_is_library_class() -> None:
    """An error without a code gets the name of the class that this library defines."""

    class CustomError(ConnectError):
        """An error of a custom transport."""

    decision = decide(CustomError("refused", sent=False), IDEMPOTENCY["ForgotPassword"], ambiguous=False)
    assert decision.code == "ConnectError"


def test_decision_with_lone_surrogates_is_encodable() -> None:
    """Lone surrogates in messages are replaced."""
    error = ServiceError("bad \ud800", code="Odd\udfff", status=400)
    decision = decide(error, IDEMPOTENCY["ForgotPassword"], ambiguous=False)
    assert (decision.code + decision.reason).encode() == b"Odd?bad ?"


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-03-01T08:59:59", "2026-03-01T09"),
        ("2026-03-01T09:00:00", "2026-03-02T09"),
        ("2026-12-31T23", "2027-01-01T09"),
    ],
)
def test_next_email_day_is_nine_utc(now: str, then: str) -> None:
    """The daily e-mail limit is reset at 09:00 UTC, for any time zone."""
    moment = datetime.fromisoformat(f"{now}+00:00")
    assert next_email_day(moment).isoformat()[:13] == then
    assert next_email_day(moment.astimezone()) == next_email_day(moment)


# --- jobs: requests that were not applied ---


async def test_throttled_rows_are_retried_until_done(tmp_path: Path) -> None:
    """Throttled rows are retried until they are done."""
    async with JobHarness(tmp_path, lambda request: respond() if request.number % 6 else THROTTLED) as harness:
        write_csv(harness.source, 40)
        summary = await harness.run("confirm")
    assert summary.all_done
    assert summary.throttled == len(harness.service.requests) - 40 >= 6


async def test_unreachable_service_ends_run_and_keeps_rows_planned(tmp_path: Path) -> None:
    """The run ends with NO_SERVICE after its patience, and can be resumed."""
    async with JobHarness(tmp_path, lambda request: ConnectError("refused", sent=False)) as harness:
        write_csv(harness.source, 30, secrets=False)
        summary = await harness.run("forgot", policy=BulkPolicy(patience=0.05, backoff=FAST_BACKOFF))
        assert (summary.ending, summary.until, harness.counts()) == (StopReason.NO_SERVICE, None, {"planned": 30})
        harness.service.respond = lambda request: respond()
        assert (await harness.run("forgot")).all_done


async def test_user_limit_defers_row_with_growing_delays(tmp_path: Path) -> None:
    """Deferrals grow with jitter, and end with a refusal; other rows continue."""
    clock, randoms = FixedClock(), count()
    async with JobHarness(tmp_path, by_user(user1=USER_LIMIT)) as harness:
        write_csv(harness.source, 3)
        policy = BulkPolicy(deferral=100.0, longest_deferral=500.0, max_deferrals=4, longest_pause=0.0)
        jitter: dict[str, Any] = {"wall_clock": clock, "random": lambda: next(randoms) / 8 % 1.0}
        waits = []
        for _ in range(4):
            summary = await harness.run("confirm", policy=policy, **jitter)
            assert summary.ending is StopReason.DEFERRED
            assert summary.until is not None
            waits.append(summary.until - clock.now)
            clock.now = summary.until
        (outcome,) = await run_outcomes(harness.job("confirm", policy=policy, **jitter))
    longest = [100.0, 200.0, 400.0, 500.0]
    assert all(most / 2 <= wait <= most for most, wait in zip(longest, waits, strict=True))
    assert len({wait / most for most, wait in zip(longest, waits, strict=True)}) == 4, "no jitter"
    assert (outcome.state, outcome.code, outcome.deferrals) == (State.REFUSED, "LimitExceededException", 4)
    assert harness.service.users.count("user1") == 5
    assert harness.counts() == {"done": 2, "refused": 1}


async def test_short_deferral_is_waited_for(tmp_path: Path) -> None:
    """A run waits for a deferred row that is due soon."""
    async with JobHarness(tmp_path, in_order(USER_LIMIT, USER_LIMIT)) as harness:
        write_csv(harness.source, 1)
        outcomes = await run_outcomes(harness.job("confirm"))
    assert [outcome.state for outcome in outcomes] == [State.DEFERRED, State.DEFERRED, State.DONE]


class FixedClock:
    """A wall clock that stands still."""

    now = datetime(2026, 3, 1, 22, 0, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        """Return the time."""
        return self.now


async def test_daily_email_limit_pauses_job_until_nine_utc(tmp_path: Path) -> None:
    """The job pauses until 09:00 UTC, and then continues with every row."""
    clock = FixedClock()
    async with JobHarness(tmp_path, lambda request: USER_LIMIT if request.user == "user0" else EMAIL_LIMIT) as harness:
        write_csv(harness.source, 50, secrets=False)
        patient = BulkPolicy(deferral=60.0, backoff=FAST_BACKOFF)
        summary = await harness.run("reset", policy=patient, wall_clock=clock)
        nine = datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()
        assert (summary.ending, summary.until) == (StopReason.EMAIL_LIMIT, nine)
        assert summary.detail == EMAIL_LIMIT_MESSAGE
        assert len(harness.service.requests) < 10
        assert set(harness.counts()) == {"planned", "deferred"}
        harness.service.respond = lambda request: respond()
        clock.now = nine
        assert (await harness.run("reset", wall_clock=clock)).all_done
    assert sum(journal_columns(harness.journal, "deferrals")[0]) == 1, (
        "the account's limit is not a deferral of the user"
    )


SES: str = "Cognito received the following error from Amazon SES when attempting to send email: "
MESSAGE_LIMITS = [
    ("LimitExceededException", EMAIL_LIMIT_MESSAGE),
    ("LimitExceededException", "Exceeded daily email limit for the operation."),
    ("CodeDeliveryFailureException", f"{SES}Daily message quota exceeded"),
    ("InvalidParameterException", f"{SES}Maximum sending rate exceeded"),
    ("CodeDeliveryFailureException", "Your account has exceeded the SMS spend limit"),
]
APP_CLIENT_MESSAGES = [
    "Unable to verify secret hash for client app-client",
    "Client app-client is configured with secret but SECRET_HASH was not received",
    "Client app-client is configured for secret but secret was not received",
    "Client app-client is not configured for secret but secret hash was received",
]
WORDS = {"1": "email", "2": "daily", "3": "secret", "4": "limit", "5": "Exceeded", "6": "client", "7": "app-client"}
"""Values that a row or metadata can share with a message, where masking hides them."""


def row_with_words(action: str) -> Action:
    """Return an action that sends the words of the messages along."""
    found = ACTIONS[action]
    return found if action in {"set-password", "sign-out"} else found.with_metadata(WORDS)


@pytest.mark.parametrize("action", ["confirm", "forgot", "reset"])
@pytest.mark.parametrize(("code", "message"), MESSAGE_LIMITS)
async def test_message_limit_pauses_job_and_refuses_no_row(
    code: str, message: str, action: str, tmp_path: Path
) -> None:
    """The limit is recognized whatever its code is, and whatever the action sends along."""
    clock = FixedClock()
    async with JobHarness(tmp_path, lambda _: refuse(code, message)) as harness:
        harness.source.write_text(
            "username,confirmation_code,password\n"
            + "".join(f"u{word},{word},{word}-quota\n" for word in WORDS.values())
        )
        summary = await harness.run(row_with_words(action), wall_clock=clock)
        assert summary.ending is StopReason.EMAIL_LIMIT
        assert set(harness.counts()) <= {"planned", "deferred"}
        harness.service.respond = lambda request: respond()
        clock.now = summary.until or 0.0
        assert (await harness.run(row_with_words(action), wall_clock=clock)).all_done


@pytest.mark.parametrize("action", sorted(ACTIONS))
@pytest.mark.parametrize("message", APP_CLIENT_MESSAGES)
async def test_app_client_fault_refuses_no_row_of_any_action(message: str, action: str, tmp_path: Path) -> None:
    """A wrong client secret is the job's fault in all known wordings, also if rows contain their words."""
    async with JobHarness(tmp_path, lambda _: refuse("NotAuthorizedException", message)) as harness:
        names = [f"{word}{number}" for number in range(8) for word in WORDS.values()]
        harness.source.write_text(
            "username,confirmation_code,password\n" + "".join(f"{name},secret,SECRET_HASH\n" for name in names)
        )
        summary = await harness.run(row_with_words(action))
        assert (summary.ending, harness.counts()) == (StopReason.TOO_MANY_ERRORS, {"planned": 56})


# --- jobs: faults of the configuration ---


@pytest.mark.parametrize(
    "reply",
    [
        NO_APP_CLIENT,
        refuse("ExpiredTokenException", "The security token included in the request is expired"),
        refuse("NotAuthorizedException", "Unable to verify secret hash for client app-client"),
    ],
    ids=["app client", "credentials", "secret"],
)
async def test_job_fault_stops_job_and_refuses_no_row(reply: Reply, tmp_path: Path) -> None:
    """Faults of the configuration stop the job; all rows are sent once it is fixed."""
    async with JobHarness(tmp_path, lambda request: reply) as harness:
        write_csv(harness.source, 200, secrets=False)
        summary = await harness.run("reset")
        assert summary.ending is StopReason.TOO_MANY_ERRORS
        assert 25 <= len(harness.service.requests) < 40
        assert harness.counts() == {"planned": 200}
        harness.service.respond = lambda request: respond()
        assert (await harness.run("reset")).all_done


async def test_max_errors_counts_consecutive_errors(tmp_path: Path) -> None:
    """The job stops after consecutive errors only."""
    async with JobHarness(tmp_path, lambda request: respond() if request.number % 5 == 0 else CODE_MISMATCH) as harness:
        write_csv(harness.source, 100)
        assert (await harness.run("confirm")).states == {State.DONE: 20, State.REFUSED: 80}
    (tmp_path / "second").mkdir()
    async with JobHarness(tmp_path / "second", lambda request: CODE_MISMATCH) as harness:
        write_csv(harness.source, 100)
        summary = await harness.run("confirm")
        assert summary.ending is StopReason.TOO_MANY_ERRORS
        assert summary.detail.startswith("25 consecutive errors, the last one CodeMismatchException: ")
        assert harness.counts()["refused"] < 40
        tolerant = BulkPolicy(max_errors=None)
        assert (await harness.run("confirm", policy=tolerant)).states == {State.REFUSED: 100}


async def test_job_fault_in_every_row_is_not_finished(tmp_path: Path) -> None:
    """A job whose rows all failed by its configuration is not finished."""
    async with JobHarness(tmp_path, lambda request: NO_APP_CLIENT) as harness:
        write_csv(harness.source, 3)
        summary = await harness.run("confirm")
    assert (summary.ending, summary.finished) == (StopReason.TOO_MANY_ERRORS, False)
    assert "ResourceNotFoundException" in summary.detail


async def test_missing_credentials_stop_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials nothing is sent, and every row stays planned."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    async with JobHarness(tmp_path, credentials=None) as harness:
        write_csv(harness.source, 30)
        summary = await harness.run("reset")
    assert summary.ending is StopReason.TOO_MANY_ERRORS
    assert "CredentialsError" in summary.detail
    assert (harness.service.requests, harness.counts()) == ([], {"planned": 30})


async def test_stop_does_not_wait_for_rows_in_backoff(tmp_path: Path) -> None:
    """A stopping run does not wait for throttled rows."""
    async with JobHarness(tmp_path, lambda request: THROTTLED if request.user == "user0" else CODE_MISMATCH) as harness:
        write_csv(harness.source, 100)
        async with asyncio.timeout(60):
            summary = await harness.run("confirm", policy=BulkPolicy(patience=900.0))
    assert summary.ending is StopReason.TOO_MANY_ERRORS
    assert harness.states()["user0"] == "planned"


# --- jobs: ambiguous outcomes ---


@pytest.mark.parametrize(
    ("second", "state"),
    [(respond(), "done"), (EXPIRED_CODE, "unknown"), (CODE_MISMATCH, "unknown"), (USER_NOT_FOUND, "refused")],
    ids=["done", "expired", "mismatch", "not found"],
)
@pytest.mark.parametrize("first", [lost_connection(), INTERNAL_ERROR], ids=["lost", "failed"])
async def test_ambiguous_confirmation_is_repeated(first: Reply, second: Reply, state: str, tmp_path: Path) -> None:
    """An ambiguous confirmation is repeated; a used code is then unknown."""
    async with JobHarness(tmp_path, in_order(first, second)) as harness:
        write_csv(harness.source, 1)
        await harness.run("confirm")
    assert (len(harness.service.requests), harness.states()) == (2, {"user0": state})


async def test_ambiguous_confirmation_is_unknown_after_settle_attempts(tmp_path: Path) -> None:
    """Repetitions end after settle_attempts."""
    async with JobHarness(tmp_path, lambda request: lost_connection()) as harness:
        write_csv(harness.source, 1)
        await harness.run("confirm", policy=BulkPolicy(settle_attempts=3, backoff=FAST_BACKOFF))
    assert (len(harness.service.requests), harness.states()) == (4, {"user0": "unknown"})


@pytest.mark.parametrize("action", ["forgot", "reset"])
async def test_ambiguous_message_is_unknown_and_not_repeated(action: str, tmp_path: Path) -> None:
    """A request that may have sent a message is not repeated."""
    async with JobHarness(tmp_path, in_order(lost_connection(), INTERNAL_ERROR)) as harness:
        write_csv(harness.source, 10, secrets=False)
        summary = await harness.run(action)
        assert summary.states == {State.UNKNOWN: 2, State.DONE: 8}
        assert (await harness.run(action)).settled == 0
    assert len(set(harness.service.users)) == len(harness.service.requests) == 10


async def test_unsent_message_is_retried(tmp_path: Path) -> None:
    """A request that did not leave is sent again."""
    async with JobHarness(tmp_path, in_order(lost_connection(sent=False))) as harness:
        write_csv(harness.source, 5, secrets=False)
        assert (await harness.run("forgot")).all_done


async def test_interrupted_confirmation_is_settled_by_next_run(tmp_path: Path) -> None:
    """The next run repeats it: done if accepted, unknown if the code is used."""
    async with JobHarness(tmp_path) as harness, asyncio.timeout(60):
        write_csv(harness.source, 2)
        arrived = asyncio.Event()

        async def never(request: ReceivedRequest) -> Reply:
            if request.number == 2:
                arrived.set()
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        harness.service.respond = never
        run = asyncio.create_task(harness.run("confirm"))
        await arrived.wait()
        run.cancel()
        await asyncio.wait([run])
        assert harness.counts() == {"sent": 2}
        harness.service.respond = by_user(user1=EXPIRED_CODE)
        await harness.run("confirm")
    assert harness.states() == {"user0": "done", "user1": "unknown"}
    assert journal_columns(harness.journal, "ambiguous") == [(0,), (1,)]


# --- codes ---


async def test_daily_email_limit_has_its_own_code(tmp_path: Path) -> None:
    """The account's limit is distinguished from the user's."""
    async with JobHarness(tmp_path, by_user(bob=EMAIL_LIMIT)) as harness:
        write_csv(harness.source, ["ada", "bob"], secrets=False)
        summary = await harness.run("forgot", wall_clock=FixedClock())
    assert summary.ending is StopReason.EMAIL_LIMIT
    assert summary.kinds == {(State.DEFERRED, "DailyEmailLimit"): 1}
    fix = troubleshoot("DailyEmailLimit", "forgot", State.DEFERRED)
    assert "SES" in fix.todo
    assert "hourly" not in fix.title
