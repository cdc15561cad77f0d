"""What failed requests mean for a row and for the job: the ruling by itself, and what jobs make of it."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cognito_async import (
    CodeMismatchException,
    CognitoError,
    ConnectError,
    CredentialsError,
    ExpiredCodeException,
    InternalErrorException,
    InvalidParameterException,
    InvalidResponseError,
    LimitExceededException,
    NotAuthorizedException,
    ParameterValidationError,
    RequestTimeoutError,
    ResourceNotFoundException,
    ServiceError,
    TooManyRequestsException,
    UserNotFoundException,
)
from cognito_async.bulk import BulkPolicy, Ending, State
from cognito_async.bulk.judgement import Course, next_email_day, rule
from cognito_async.operations.facts import IDEMPOTENCY
from tests.support.bulk_server import (
    EMAIL,
    EXPIRED,
    FAILED,
    LIMITED,
    MISTAKEN,
    NO_EMAIL,
    NO_POOL,
    NOBODY,
    QUICK,
    THROTTLED,
    Asked,
    Bench,
    Reply,
    by_user,
    look,
    lost,
    outcomes_of,
    script,
    write_csv,
)
from tests.support.scripted_transport import refuse, respond


def said(kind: type[CognitoError], message: str = "no", status: int = 400) -> CognitoError:
    """Make what the service said."""
    return kind(message, code=kind.__name__, status=status)


def unknown(code: str, status: int = 400) -> CognitoError:
    """Make an error with a code that has no class."""
    return ServiceError("no", code=code, status=status)


REFUSE, DOUBT, WAIT, REPEAT, DEFER, BLAME, STOP, PAUSE = Course
RULINGS: list[tuple[CognitoError, Course, Course]] = [  # for confirm, and for forgot
    (said(UserNotFoundException), REFUSE, REFUSE),
    (said(CodeMismatchException), REFUSE, REFUSE),
    (said(ExpiredCodeException), REFUSE, REFUSE),
    (said(InvalidParameterException), REFUSE, REFUSE),
    (ParameterValidationError("username", "is required"), REFUSE, REFUSE),
    (said(NotAuthorizedException, "User is disabled"), REFUSE, REFUSE),
    (said(NotAuthorizedException, "Unable to verify secret hash for client 1"), BLAME, BLAME),
    (said(NotAuthorizedException, "Client 1 is configured with secret but SECRET_HASH was not received"), BLAME, BLAME),
    (said(ResourceNotFoundException), BLAME, BLAME),
    (unknown("ExpiredTokenException"), BLAME, BLAME),
    (unknown("AccessDeniedException"), BLAME, BLAME),
    (unknown("UnrecognizedClientException"), BLAME, BLAME),
    (unknown("InvalidSignatureException", 403), BLAME, BLAME),
    (InvalidResponseError("a proxy's page", status=407), BLAME, BLAME),
    (CredentialsError("none"), STOP, STOP),
    (said(TooManyRequestsException), WAIT, WAIT),
    (unknown("ThrottlingException"), WAIT, WAIT),
    (InvalidResponseError("busy", status=429), WAIT, WAIT),
    (ConnectError("refused", sent=False), WAIT, WAIT),
    (RequestTimeoutError("late", sent=False), WAIT, WAIT),
    (RequestTimeoutError("late", sent=True), REPEAT, DOUBT),
    (RequestTimeoutError("late", sent=None), REPEAT, DOUBT),
    (lost(), REPEAT, DOUBT),
    (said(InternalErrorException, status=500), REPEAT, DOUBT),
    (InvalidResponseError("a page", status=502), REPEAT, DOUBT),
    (InvalidResponseError("a page", status=200), REPEAT, DOUBT),
    (said(LimitExceededException, "Attempt limit exceeded"), DEFER, DEFER),
    (said(LimitExceededException, EMAIL), PAUSE, PAUSE),
]


@pytest.mark.parametrize(("error", "confirm", "forgot"), RULINGS, ids=lambda value: str(value)[:40])
def test_rulings(error: CognitoError, confirm: Course, forgot: Course) -> None:
    """Rule by what was said and by how safe the operation is to repeat."""
    assert rule(error, IDEMPOTENCY["ConfirmForgotPassword"], ambiguous=False).course is confirm
    assert rule(error, IDEMPOTENCY["ForgotPassword"], ambiguous=False).course is forgot


@pytest.mark.parametrize(
    ("kind", "course"),
    [
        (ExpiredCodeException, DOUBT),
        (CodeMismatchException, DOUBT),
        (LimitExceededException, DOUBT),
        (UserNotFoundException, REFUSE),
        (TooManyRequestsException, WAIT),
    ],
)
def test_rulings_after_an_unclear_attempt(kind: type[CognitoError], course: Course) -> None:
    """Doubt a refusal that the first attempt may have brought about itself."""
    assert rule(said(kind), IDEMPOTENCY["ConfirmForgotPassword"], ambiguous=True).course is course


def test_a_ruling_can_be_written() -> None:
    """Make half a surrogate pair in the service's words fit for a file."""
    ruling = rule(
        ServiceError("bad \ud800", code="Odd\udfff", status=400), IDEMPOTENCY["ForgotPassword"], ambiguous=False
    )
    assert (ruling.code + ruling.reason).encode() == b"Odd?bad ?"


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-03-01T08:59:59", "2026-03-01T09"),
        ("2026-03-01T09:00:00", "2026-03-02T09"),
        ("2026-12-31T23", "2027-01-01T09"),
    ],
)
def test_the_day_of_e_mail_starts_at_nine(now: str, then: str) -> None:
    """Find the next 09:00 UTC, whatever zone the time comes in."""
    moment = datetime.fromisoformat(f"{now}+00:00")
    assert next_email_day(moment).isoformat()[:13] == then
    assert next_email_day(moment.astimezone()) == next_email_day(moment)


# --- jobs: nothing was applied ----------------------------------------------------------------------------------------


async def test_throttled_rows_wait_and_are_never_lost(tmp_path: Path) -> None:
    """Send each row until it is through, however often it was throttled."""
    async with Bench(tmp_path, lambda asked: respond() if asked.number % 6 else THROTTLED) as bench:
        write_csv(bench.source, 40)
        summary = await bench.run("confirm")
    assert summary.all_done
    assert summary.throttled == len(bench.service.requests) - 40 >= 6


async def test_a_service_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    """End with NO_SERVICE when patience is over; the rows stay planned and go on at once."""
    async with Bench(tmp_path, lambda asked: ConnectError("refused", sent=False)) as bench:
        write_csv(bench.source, 30, secrets=False)
        summary = await bench.run("forgot", policy=BulkPolicy(patience=0.05, backoff=QUICK))
        assert (summary.ending, summary.until, bench.counts()) == (Ending.NO_SERVICE, None, {"planned": 30})
        bench.service.answer = lambda asked: respond()
        assert (await bench.run("forgot")).all_done


async def test_a_limit_defers_a_row_longer_each_time(tmp_path: Path) -> None:
    """Put a row off with growing, jittered pauses, and refuse it after so many; the others go on meanwhile."""
    clock, chances = Clock(), count()
    async with Bench(tmp_path, by_user(user1=LIMITED)) as bench:
        write_csv(bench.source, 3)
        policy = BulkPolicy(deferral=100.0, longest_deferral=500.0, max_deferrals=4, longest_pause=0.0)
        jitter: dict[str, Any] = {"wall_clock": clock, "random": lambda: next(chances) / 8 % 1.0}
        waits = []
        for _ in range(4):
            summary = await bench.run("confirm", policy=policy, **jitter)
            assert summary.ending is Ending.DEFERRED
            assert summary.until is not None
            waits.append(summary.until - clock.now)
            clock.now = summary.until
        (outcome,) = await outcomes_of(bench.job("confirm", policy=policy, **jitter))
    longest = [100.0, 200.0, 400.0, 500.0]
    assert all(most / 2 <= wait <= most for most, wait in zip(longest, waits, strict=True))
    assert len({wait / most for most, wait in zip(longest, waits, strict=True)}) == 4, "no jitter"
    assert (outcome.state, outcome.code, outcome.deferrals) == (State.REFUSED, "LimitExceededException", 4)
    assert bench.service.users.count("user1") == 5
    assert bench.counts() == {"done": 2, "refused": 1}


async def test_a_short_deferral_is_waited_for(tmp_path: Path) -> None:
    """Go on by itself where a deferred row is due soon, and tell of the row twice."""
    async with Bench(tmp_path, script(LIMITED, LIMITED)) as bench:
        write_csv(bench.source, 1)
        told = await outcomes_of(bench.job("confirm"))
    assert [outcome.state for outcome in told] == [State.DEFERRED, State.DEFERRED, State.DONE]


class Clock:
    """A wall clock that stands still."""

    now = datetime(2026, 3, 1, 22, 0, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        """Give the time."""
        return self.now


async def test_the_daily_e_mail_limit_pauses_the_job(tmp_path: Path) -> None:
    """Stop at once, say 09:00 UTC whatever else is deferred, and go on then with every row."""
    clock = Clock()
    answers: dict[str, Reply] = {"user0": LIMITED}
    async with Bench(tmp_path, lambda asked: answers.get(asked.user, NO_EMAIL)) as bench:
        write_csv(bench.source, 50, secrets=False)
        patient = BulkPolicy(deferral=60.0, backoff=QUICK)
        summary = await bench.run("reset", policy=patient, wall_clock=clock)
        nine = datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()
        assert (summary.ending, summary.until) == (Ending.EMAIL_LIMIT, nine)
        assert summary.detail == EMAIL
        assert len(bench.service.requests) < 10
        assert set(bench.counts()) == {"planned", "deferred"}
        bench.service.answer = lambda asked: respond()
        clock.now = nine
        assert (await bench.run("reset", wall_clock=clock)).all_done
    assert sum(look(bench.journal, "deferrals")[0]) == 1, "the account's limit is no user's"


# --- jobs: the job is at fault ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [NO_POOL, refuse("ExpiredTokenException"), refuse("NotAuthorizedException", "Unable to verify secret hash")],
    ids=["pool", "credentials", "secret"],
)
async def test_a_job_that_is_at_fault_stops_early(reply: Reply, tmp_path: Path) -> None:
    """Stop after a run of errors, refuse no row for it, and go on with all of them when it is mended."""
    async with Bench(tmp_path, lambda asked: reply) as bench:
        write_csv(bench.source, 200, secrets=False)
        summary = await bench.run("reset")
        assert summary.ending is Ending.TOO_MANY_ERRORS
        assert 25 <= len(bench.service.requests) < 40
        assert bench.counts() == {"planned": 200}
        bench.service.answer = lambda asked: respond()
        assert (await bench.run("reset")).all_done


async def test_errors_in_a_row_are_counted_from_the_last_success(tmp_path: Path) -> None:
    """Go on where every fifth row is done; stop where none is."""
    async with Bench(tmp_path, lambda asked: respond() if asked.number % 5 == 0 else MISTAKEN) as bench:
        write_csv(bench.source, 100)
        assert (await bench.run("confirm")).states == {State.DONE: 20, State.REFUSED: 80}
    (tmp_path / "second").mkdir()
    async with Bench(tmp_path / "second", lambda asked: MISTAKEN) as bench:
        write_csv(bench.source, 100)
        assert (await bench.run("confirm")).ending is Ending.TOO_MANY_ERRORS
        assert bench.counts()["refused"] < 40
        tolerant = BulkPolicy(max_errors=None)
        assert (await bench.run("confirm", policy=tolerant)).states == {State.REFUSED: 100}


async def test_a_blamed_job_is_never_finished(tmp_path: Path) -> None:
    """End with an error where every row was tried, none was refused, and none is done."""
    async with Bench(tmp_path, lambda asked: NO_POOL) as bench:
        write_csv(bench.source, 3)
        summary = await bench.run("confirm")
    assert (summary.ending, summary.finished) == (Ending.TOO_MANY_ERRORS, False)
    assert "ResourceNotFoundException" in summary.detail


async def test_no_credentials_stop_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """End with the first row, nothing sent, and every row still planned."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    async with Bench(tmp_path, credentials=None) as bench:
        write_csv(bench.source, 30)
        summary = await bench.run("reset")
    assert summary.ending is Ending.TOO_MANY_ERRORS
    assert "CredentialsError" in summary.detail
    assert (bench.service.requests, bench.counts()) == ([], {"planned": 30})


async def test_waiting_rows_do_not_hold_up_the_end(tmp_path: Path) -> None:
    """End at once for too many errors although a throttled row has patience left."""
    async with Bench(tmp_path, lambda asked: THROTTLED if asked.user == "user0" else MISTAKEN) as bench:
        write_csv(bench.source, 100)
        async with asyncio.timeout(60):
            summary = await bench.run("confirm", policy=BulkPolicy(patience=900.0))
    assert summary.ending is Ending.TOO_MANY_ERRORS
    assert bench.states()["user0"] == "planned"


# --- jobs: nobody can tell --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "state"),
    [(respond(), "done"), (EXPIRED, "unknown"), (MISTAKEN, "unknown"), (NOBODY, "refused")],
    ids=["done", "expired", "mismatch", "nobody"],
)
@pytest.mark.parametrize("first", [lost(), FAILED], ids=["lost", "failed"])
async def test_an_unclear_confirmation_is_repeated(first: Reply, second: Reply, state: str, tmp_path: Path) -> None:
    """Ask once more, and take an answer that the first attempt may have brought about for what it is worth."""
    async with Bench(tmp_path, script(first, second)) as bench:
        write_csv(bench.source, 1)
        await bench.run("confirm")
    assert (len(bench.service.requests), bench.states()) == (2, {"user0": state})


async def test_an_unclear_confirmation_is_not_repeated_for_good(tmp_path: Path) -> None:
    """Give up after settle_attempts repetitions, and say that nobody can tell."""
    async with Bench(tmp_path, lambda asked: lost()) as bench:
        write_csv(bench.source, 1)
        await bench.run("confirm", policy=BulkPolicy(settle_attempts=3, backoff=QUICK))
    assert (len(bench.service.requests), bench.states()) == (4, {"user0": "unknown"})


@pytest.mark.parametrize("action", ["forgot", "reset"])
async def test_an_unclear_message_is_never_repeated(action: str, tmp_path: Path) -> None:
    """Leave it at unknown: the user may have the message."""
    async with Bench(tmp_path, script(lost(), FAILED)) as bench:
        write_csv(bench.source, 10, secrets=False)
        summary = await bench.run(action)
        assert summary.states == {State.UNKNOWN: 2, State.DONE: 8}
        assert (await bench.run(action)).settled == 0
    assert len(set(bench.service.users)) == len(bench.service.requests) == 10


async def test_what_never_left_is_sent_again(tmp_path: Path) -> None:
    """Send a message again whose first request can't have arrived."""
    async with Bench(tmp_path, script(lost(sent=False))) as bench:
        write_csv(bench.source, 5, secrets=False)
        assert (await bench.run("forgot")).all_done


async def test_a_confirmation_that_was_cut_off_is_settled_by_the_next_run(tmp_path: Path) -> None:
    """Repeat what was on its way: done if the service takes it, unknown if the code is used up."""
    async with Bench(tmp_path) as bench, asyncio.timeout(60):
        write_csv(bench.source, 2)
        arrived = asyncio.Event()

        async def never(asked: Asked) -> Reply:
            if asked.number == 2:
                arrived.set()
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        bench.service.answer = never
        run = asyncio.create_task(bench.run("confirm"))
        await arrived.wait()
        run.cancel()
        await asyncio.wait([run])
        assert bench.counts() == {"sent": 2}
        bench.service.answer = by_user(user1=EXPIRED)
        await bench.run("confirm")
    assert bench.states() == {"user0": "done", "user1": "unknown"}
    assert look(bench.journal, "ambiguous") == [(0,), (1,)]
