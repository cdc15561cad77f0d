"""Jobs: actions, resuming, stopping, sources and arguments."""

import asyncio
import csv
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from cognito_async import ParameterValidationError, Quotas, SessionClosedError
from cognito_async.bulk import (
    ACTIONS,
    BulkError,
    BulkPolicy,
    FileSource,
    IterableSource,
    JobMismatchError,
    JournaledSource,
    Outcome,
    SourceError,
    State,
    StopReason,
    set_password,
)
from cognito_async.bulk.journal import Journal
from tests.support.bulk_server import (
    APP,
    CODE_MISMATCH,
    POOL,
    THROTTLED,
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
from tests.support.scripted_transport import respond

# --- actions ---

PAYLOADS: dict[str, tuple[str, dict[str, Any]]] = {
    "confirm": (
        "ConfirmForgotPassword",
        {"ClientId": APP, "Username": "ada", "ConfirmationCode": "123456", "Password": "Passw0rd!"},
    ),
    "forgot": ("ForgotPassword", {"ClientId": APP, "Username": "ada"}),
    "reset": ("AdminResetUserPassword", {"UserPoolId": POOL, "Username": "ada"}),
    "set-password": (
        "AdminSetUserPassword",
        {"UserPoolId": POOL, "Username": "ada", "Password": "Passw0rd!", "Permanent": True},
    ),
    "sign-out": ("AdminUserGlobalSignOut", {"UserPoolId": POOL, "Username": "ada"}),
}


@pytest.mark.parametrize("action", sorted(ACTIONS))
async def test_action_sends_its_operation(action: str, tmp_path: Path) -> None:
    """Each action sends one request with the expected payload."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, ["ada"])
        summary = await harness.run(action)
    assert [(request.operation, dict(request.body)) for request in harness.service.requests] == [PAYLOADS[action]]
    assert (summary.ending, summary.all_done, summary.states) == (StopReason.FINISHED, True, {State.DONE: 1})
    assert harness.states() == {"ada": "done"}


async def test_set_password_temporary_sends_permanent_false(tmp_path: Path) -> None:
    """Temporary passwords are sent as such."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, ["ada"])
        await harness.run(set_password(permanent=False))
    assert harness.service.requests[0].body["Permanent"] is False


async def test_action_with_metadata_sends_client_metadata(tmp_path: Path) -> None:
    """Metadata for Lambda triggers is sent with each request."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, ["ada"], secrets=False)
        await harness.run(ACTIONS["reset"].with_metadata({"campaign": "move"}))
    assert harness.service.requests[0].body["ClientMetadata"] == {"campaign": "move"}


async def test_generated_passwords_accepted_ones_are_written(tmp_path: Path) -> None:
    """Only accepted passwords are written, to a file that only its owner can read."""
    passwords = tmp_path / "passwords.csv"
    async with JobHarness(tmp_path, by_user(bob=USER_NOT_FOUND)) as harness:
        write_csv(harness.source, ["ada", "bob", "eve"], secrets=False)
        await harness.run(set_password(permanent=True, generate=True), passwords=passwords)
    sent = {request.user: request.body["Password"] for request in harness.service.requests}
    assert passwords.stat().st_mode & 0o777 == 0o600
    assert sorted(csv.reader(passwords.read_text().splitlines())) == sorted(
        [["username", "password"], ["ada", sent["ada"]], ["eve", sent["eve"]]]
    )
    assert len(set(sent.values())) == 3
    elsewhere = harness.written(without=passwords)
    assert not [user for user, password in sent.items() if password.encode() in elsewhere]


@pytest.mark.parametrize(
    ("action", "bound", "named"),
    [
        ("confirm", {"client_id": None}, "client_id"),
        ("reset", {"user_pool_id": None}, "user_pool_id"),
        ("dance", {}, "action"),
        (set_password(permanent=True, generate=True), {}, "passwords"),
    ],
    ids=lambda value: str(value)[:12],
)
async def test_job_missing_argument_raises_parameter_validation_error(
    action: Any, bound: Any, named: str, tmp_path: Path
) -> None:
    """A job that cannot run is rejected when it is created."""
    async with JobHarness(tmp_path) as harness:
        with pytest.raises(ParameterValidationError, match=named):
            harness.job(action, client=harness.client(**bound))


# --- the journal ---


async def test_journal_is_written_before_request_and_before_outcome(tmp_path: Path) -> None:
    """The file holds a row as sent before its request, and settled before its outcome."""
    seen: list[str] = []

    def respond_to(request: ReceivedRequest) -> Reply:
        seen.append(harness.states()[request.user])
        return CODE_MISMATCH if request.user == "user7" else respond()

    async with JobHarness(tmp_path, respond_to) as harness:
        write_csv(harness.source, 30)
        async with aclosing(harness.job("confirm").run()) as outcomes:
            async for outcome in outcomes:
                assert harness.states()[outcome.username] == outcome.state
    assert seen == ["sent"] * 30
    assert harness.counts() == {"done": 29, "refused": 1}


async def test_second_run_sends_nothing(tmp_path: Path) -> None:
    """A second run sends nothing and returns the same counts."""
    async with JobHarness(tmp_path, by_user(user3=USER_NOT_FOUND)) as harness:
        write_csv(harness.source, 20)
        first = await harness.run("confirm")
        second = await harness.run("confirm")
        assert await run_outcomes(harness.job("confirm")) == []
    assert len(harness.service.requests) == 20
    assert first.states == second.states == {State.DONE: 19, State.REFUSED: 1}
    assert (first.settled, second.settled) == (20, 0)


async def test_outcome_has_error_and_attempts(tmp_path: Path) -> None:
    """An outcome has line, user, state, code, reason and the number of attempts."""
    async with JobHarness(tmp_path, in_order(THROTTLED, USER_NOT_FOUND)) as harness:
        write_csv(harness.source, ["ada"], secrets=False)
        (outcome,) = await run_outcomes(harness.job("forgot"))
    assert outcome == Outcome(
        line=2, username="ada", state=State.REFUSED, code="UserNotFoundException", attempts=2,
        reason="Username/client id combination not found.",
    )  # fmt: skip
    assert journal_columns(harness.journal, "state, code, reason, attempts") == [
        ("refused", "UserNotFoundException", outcome.reason, 2)
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda harness: harness.job("confirm", write_csv(harness.source, 4)),
        lambda harness: harness.job("confirm", client=harness.client(client_id="another")),
        lambda harness: harness.job("forgot"),
        lambda harness: harness.job(set_password(permanent=True)),
    ],
    ids=["input", "app client", "action", "another action"],
)
async def test_journal_of_other_job_raises_job_mismatch(change: Callable[[JobHarness], Any], tmp_path: Path) -> None:
    """Another input, app client or action is rejected; nothing is sent or changed."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 3)
        await harness.run("confirm")
        before = journal_columns(harness.journal, "*")
        with pytest.raises(JobMismatchError, match="journal"):
            await change(harness).run_to_end()
        assert len(harness.service.requests) == 3
        assert journal_columns(harness.journal, "*") == before


async def test_journal_of_other_pool_raises_job_mismatch(tmp_path: Path) -> None:
    """Another user pool, or another kind of password, is rejected."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 3)
        await harness.run("set-password")
        with pytest.raises(JobMismatchError, match="user pool eu-west-1_Pool"):
            await harness.run("set-password", client=harness.client(user_pool_id="eu-west-1_Other"))
        with pytest.raises(JobMismatchError, match="set-password permanent, not set-password temporary"):
            await harness.run(set_password(permanent=False))


async def test_resume_without_input_needs_complete_journal(tmp_path: Path) -> None:
    """A missing input is an error only if the journal does not hold what the action needs."""
    for action in ("reset", "confirm"):
        folder = tmp_path / action
        folder.mkdir()
        async with JobHarness(folder) as harness:
            write_csv(harness.source, 40)
            async with aclosing(harness.job(action, strict=True).run()) as outcomes:
                await anext(outcomes)
            harness.source.unlink()
            if action == "reset":
                assert (await harness.run(action, strict=True)).states == {State.DONE: 40}
                assert sorted(harness.service.users) == sorted(f"user{number}" for number in range(40))
            else:
                with pytest.raises(SourceError, match="restore the file"):
                    await harness.run(action)


# --- spellings of one user ---

SPELLINGS = ["Ada@example.com", "ada@EXAMPLE.com", "  ada@example.com\t", "z\u00fcrich", "zu\u0308rich", "Z\u00dcRICH"]
INVISIBLE = ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e", "\u2066", "\u180e", "\u3164", "\x1b"]


@pytest.mark.parametrize("form", ["file", "iterable"])
async def test_one_user_in_several_spellings_gets_one_message(form: str, tmp_path: Path) -> None:
    """Case, composed characters and surrounding whitespace make no other user."""

    async def rows() -> AsyncIterator[str]:
        for name in SPELLINGS:
            yield name

    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, SPELLINGS, secrets=False)
        source = IterableSource(rows()) if form == "iterable" else None
        summary = await harness.run("forgot", source)
    assert harness.service.users == ["Ada@example.com", "z\u00fcrich"]
    assert summary.kinds == {(State.REFUSED, "DuplicateRow"): 4}


async def test_generated_passwords_of_spellings_are_one(tmp_path: Path) -> None:
    """The password in the file is the one that counts."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, SPELLINGS[:3], secrets=False)
        await harness.run(set_password(permanent=True, generate=True), passwords=tmp_path / "p.csv")
    [request] = harness.service.requests
    rows = list(csv.reader((tmp_path / "p.csv").read_text().splitlines()))
    assert rows == [["username", "password"], ["Ada@example.com", request.body["Password"]]]


async def test_case_sensitive_job_sends_names_that_differ_in_case(tmp_path: Path) -> None:
    """Older user pools distinguish case; composed characters stay the same, also in a resumed job."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, SPELLINGS, secrets=False)
        summary = await harness.run("forgot", case_sensitive=True)
        again = await harness.run("forgot", case_sensitive=True)
    assert harness.service.users == [name.strip() for name in SPELLINGS if name != "zu\u0308rich"]
    assert summary.states == again.states == {State.DONE: 5, State.REFUSED: 1}


@pytest.mark.parametrize("character", INVISIBLE, ids=lambda character: f"U+{ord(character):04X}")
async def test_name_with_invisible_character_is_invalid(character: str, tmp_path: Path) -> None:
    """The reason names the character; the same name without it is sent."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, [f"ad{character}a", "ada"], secrets=False)
        outcomes = await run_outcomes(harness.job("forgot"))
    assert harness.service.users == ["ada"]
    assert {(outcome.line, outcome.code) for outcome in outcomes} == {(2, "InvalidRow"), (3, None)}
    assert f"U+{ord(character):04X}" in str(outcomes[0].reason)


@pytest.mark.parametrize("character", [" ", "\t", "\xa0", "\u2003", "\u3000"], ids=lambda it: f"U+{ord(it):04X}")
async def test_name_with_whitespace_inside_is_invalid(character: str, tmp_path: Path) -> None:
    """The service accepts no separators in a username."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, [f"user{character}4@example.com", "ada"], secrets=False)
        checked = [outcome.code async for outcome in harness.job("forgot").check()]
        await harness.run("forgot")
    assert (checked, harness.service.users) == (["InvalidRow", None], ["ada"])


async def test_whitespace_around_values_is_not_sent(tmp_path: Path) -> None:
    """The service accepts no such username, code or password; rows of whitespace are no rows."""
    async with JobHarness(tmp_path) as harness:
        harness.source.write_text("username,confirmation_code,password\n ada , 123456\t,  a Passw0rd! \n , ,\n   \n")
        summary = await harness.run("confirm")
    assert summary.states == {State.DONE: 1}
    body = harness.service.requests[0].body
    assert (body["Username"], body["ConfirmationCode"], body["Password"]) == ("ada", "123456", "a Passw0rd!")


# --- ending early ---


@pytest.mark.parametrize("how", ["stop", "break"])
async def test_early_end_completes_rows_in_flight(how: str, tmp_path: Path) -> None:
    """stop() and leaving the loop complete the rows in flight; the next run sends the rest."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 100, secrets=False)
        job = harness.job("forgot")
        async with aclosing(job.run()) as outcomes:
            async for _ in outcomes:
                if how == "break":
                    break
                job.stop()
        assert job.summary.ending is StopReason.STOPPED
        assert set(harness.counts()) == {"done", "planned"}
        assert harness.counts()["done"] == len(harness.service.requests) < 100
        assert (await harness.run("forgot")).all_done
    assert sorted(harness.service.users) == sorted(f"user{number}" for number in range(100))


async def test_stop_ends_backoff(tmp_path: Path) -> None:
    """A row in backoff is planned again when the job stops."""

    def throttle(_: ReceivedRequest) -> Reply:
        job.stop()
        return THROTTLED

    async with JobHarness(tmp_path, throttle) as harness, asyncio.timeout(60):
        write_csv(harness.source, 1)
        job = harness.job("confirm", policy=BulkPolicy(patience=900.0))
        summary = await job.run_to_end()
    assert (summary.ending, harness.states()) == (StopReason.STOPPED, {"user0": "planned"})


async def test_stop_ends_job_on_silent_source(tmp_path: Path) -> None:
    """A job stops while its source is silent."""

    async def silent_rows() -> AsyncIterator[str]:
        yield "ada"
        started.set()
        await asyncio.get_running_loop().create_future()

    started = asyncio.Event()
    async with JobHarness(tmp_path) as harness, asyncio.timeout(60):
        job = harness.job("forgot", IterableSource(silent_rows()))
        run = asyncio.create_task(job.run_to_end())
        await started.wait()
        job.stop()
        assert (await run).ending is StopReason.STOPPED
    assert not harness.service.requests


async def test_cancelled_job_frees_journal_and_leaves_rows_unknown(tmp_path: Path) -> None:
    """A cancelled job frees its journal; rows in flight that send messages are unknown."""

    async def never(_: ReceivedRequest) -> Reply:
        arrived.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    arrived = asyncio.Event()
    async with JobHarness(tmp_path, never) as harness, asyncio.timeout(60):
        write_csv(harness.source, 10, secrets=False)
        run = asyncio.create_task(harness.job("forgot").run_to_end())
        await arrived.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        sent = {user for user, state in harness.states().items() if state == "sent"}
        assert sent >= set(harness.service.users)
        harness.service.respond = lambda request: respond()
        outcomes = await run_outcomes(harness.job("forgot"))
    unknown = [outcome for outcome in outcomes if outcome.state is State.UNKNOWN]
    assert {outcome.username for outcome in unknown} == sent
    assert {outcome.code for outcome in unknown} == {"Interrupted"}
    assert harness.counts() == {"unknown": len(sent), "done": 10 - len(sent)}


async def test_closed_session_is_raised_and_refuses_no_row(tmp_path: Path) -> None:
    """SessionClosedError is raised; no row is refused or left as sent."""

    async def close(request: ReceivedRequest) -> Reply:
        if request.number == 5:
            await harness.session.close()
        return respond()

    async with JobHarness(tmp_path, close) as harness:
        write_csv(harness.source, 50, secrets=False)
        with pytest.raises(SessionClosedError):
            await harness.run("forgot")
    assert set(harness.counts()) == {"done", "planned"}
    assert harness.counts()["done"] == len(harness.service.requests)


async def test_source_error_completes_rows_in_flight(tmp_path: Path) -> None:
    """Rows in flight are settled before an error of the source is raised."""

    async def rows() -> AsyncIterator[dict[str, str]]:
        for number in range(600):
            yield {"username": f"user{number}", "confirmation_code": "123456", "password": "Passw0rd!"}
        raise LookupError("source failure")

    async def slow(_: ReceivedRequest) -> Reply:
        await asyncio.sleep(0.01)
        return respond()

    async with JobHarness(tmp_path, slow) as harness:
        with pytest.raises(LookupError, match="source"):
            await harness.run("confirm", IterableSource(rows()))
    assert harness.counts() == {"done": 500}


# --- retries on request ---


async def test_retry_states_refused_sends_refused_rows(tmp_path: Path) -> None:
    """Refused rows are sent again on request, except duplicates and invalid rows."""
    async with JobHarness(tmp_path, by_user(bob=USER_NOT_FOUND)) as harness:
        write_csv(harness.source, ["ada", "bob", "ada", "x" * 129], secrets=False)
        assert (await harness.run("forgot")).states == {State.DONE: 1, State.REFUSED: 3}
        harness.service.respond = lambda request: respond()
        summary = await harness.run("forgot", retry_states=[State.REFUSED])
    assert summary.states == {State.DONE: 2, State.REFUSED: 2}
    assert harness.service.users == ["ada", "bob", "bob"]


async def test_retry_states_unknown_sends_unknown_rows(tmp_path: Path) -> None:
    """Unknown rows are sent again on request only."""
    async with JobHarness(tmp_path, by_user(bob=lost_connection())) as harness:
        write_csv(harness.source, ["ada", "bob"], secrets=False)
        await harness.run("forgot")
        assert (await harness.run("forgot")).states == {State.DONE: 1, State.UNKNOWN: 1}
        harness.service.respond = lambda request: respond()
        assert (await harness.run("forgot", retry_states=[State.UNKNOWN])).states == {State.DONE: 2}
    assert harness.service.users == ["ada", "bob", "bob"]


# --- estimates and progress ---


async def test_dry_run_estimates_and_sends_nothing(tmp_path: Path) -> None:
    """A dry run validates all rows, estimates the duration and creates no journal."""
    async with JobHarness(tmp_path, quotas=Quotas(user_account_recovery=30)) as harness:
        write_csv(harness.source, [*(f"user{number}" for number in range(60)), "x" * 200])
        estimate = await harness.job("confirm").dry_run()
    assert (estimate.rows, estimate.invalid, estimate.rate, estimate.seconds) == (61, 1, 30.0, 2.0)
    assert not harness.service.requests
    assert not harness.journal.exists()


async def test_progress_counts_rows_of_all_runs(tmp_path: Path) -> None:
    """Progress counts the rows of all runs, and the throttled requests of this one."""
    async with JobHarness(tmp_path, in_order(THROTTLED)) as harness:
        write_csv(harness.source, 40)
        job = harness.job("confirm")
        with pytest.raises(BulkError, match="has not been run"):
            _ = job.progress
        async with aclosing(job.run()) as outcomes:
            async for _ in outcomes:
                assert job.progress.total == 40
                assert 0 < job.progress.settled <= 40
        assert job.progress.throttled == 1
        assert (await harness.run("confirm")).states == {State.DONE: 40}


async def test_source_that_failed_midway_is_counted_once(tmp_path: Path) -> None:
    """Rows are counted once if the source failed midway and is read again."""

    async def rows(number: int, *, fails: bool) -> AsyncIterator[str]:
        for each in range(number):
            yield f"user{each}"
        if fails:
            raise LookupError("source failure")

    async with JobHarness(tmp_path) as harness:
        with pytest.raises(LookupError):
            await harness.run("forgot", IterableSource(rows(700, fails=True)))
        assert not harness.service.requests
        summary = await harness.run("forgot", IterableSource(rows(800, fails=False)))
    assert summary.states == {State.DONE: 800}


# --- sources and arguments ---


async def users(*names: object) -> AsyncIterator[Any]:
    """Yield rows."""
    for name in names:
        yield name


def files_in(folder: Path) -> set[str]:
    """Return the names of the files in a folder."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("eve", "bob"), "line 1 of rows is about another user"),
        (("ada",), "ends at line 1"),
        (("ada", "bob", "eve"), "new line 3"),
        ((), "ends at line 0"),
    ],
)
@pytest.mark.parametrize("action", ["forgot", "confirm"])
async def test_stream_with_other_rows_raises_job_mismatch(
    names: tuple[str, ...], problem: str, action: str, tmp_path: Path
) -> None:
    """Other rows than those in the journal are rejected."""

    def rows(*given: str) -> AsyncIterator[Any]:
        return users(*({"username": name, "confirmation_code": "1", "password": "Passw0rd!"} for name in given))

    async with JobHarness(tmp_path) as harness:
        await harness.run(action, IterableSource(rows("ada", "bob")))
        with pytest.raises(JobMismatchError, match=problem):
            await harness.run(action, IterableSource(rows(*names)))
        same = await harness.run(action, IterableSource(rows("ada", "bob")))
    assert (same.ending, same.settled, harness.service.users) == (StopReason.FINISHED, 0, ["ada", "bob"])


async def test_stream_with_journal_of_file_raises_job_mismatch(tmp_path: Path) -> None:
    """A stream is not the file of the journal, and facts are not overwritten."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, ["ada"], secrets=False)
        await harness.run("forgot")
        with pytest.raises(JobMismatchError, match="input changed"):
            await harness.run("forgot", IterableSource(users("ada")), remember={"note": "another"})
        with Journal(harness.journal) as journal:
            assert "note" not in journal.facts()
        assert (await harness.run("forgot")).settled == 0


@pytest.mark.parametrize("form", ["file", "stream"])
async def test_changed_input_error_advises_against_repeating_the_action(form: str, tmp_path: Path) -> None:
    """Once users are done, the advice is not a new journal for the input, which would send them a message again."""

    async def try_other_input(*names: str) -> JobMismatchError:
        write_csv(harness.source, names, secrets=False)
        source = FileSource(harness.source) if form == "file" else IterableSource(users(*names))
        with pytest.raises(JobMismatchError) as caught:
            await harness.run("forgot", source)
        return caught.value

    async with JobHarness(tmp_path, by_user(bob=USER_NOT_FOUND, eve=lost_connection())) as harness:
        write_csv(harness.source, ["bob"], secrets=False)
        await harness.run("forgot", None if form == "file" else IterableSource(users("bob")))
        error = await try_other_input("ben")
        assert (error.repeats, "or use a new journal" in str(error)) == (0, True)
        harness.journal.unlink()
        names = ("ada", "bob", "eve")
        write_csv(harness.source, names, secrets=False)
        await harness.run("forgot", None if form == "file" else IterableSource(users(*names)))
        error = await try_other_input("ada", "ben", "eve")
        assert error.repeats == 2  # ada is done, and eve may be
        for part in ("restore the input and resume", "corrected rows alone into a new file", "action for 2 users"):
            assert part in str(error)
        assert "or use a new journal" not in str(error)


async def test_journaled_source_resumes_complete_journal(tmp_path: Path) -> None:
    """JournaledSource stands for a source that is gone; a new journal rejects it."""
    async with JobHarness(tmp_path) as harness:
        await harness.run("forgot", IterableSource(users("ada"), name="a stream"))
        assert (await harness.run("forgot", JournaledSource("a stream"))).all_done
        with pytest.raises(SourceError, match="restore"):
            await harness.run("forgot", JournaledSource("a stream"), journal=tmp_path / "another")


@pytest.mark.parametrize("ended", ["at its end", "early", "cancelled"])
async def test_job_run_again_does_not_read_source_again(ended: str, tmp_path: Path) -> None:
    """The same job does not read its source again, however its last run ended."""
    async with JobHarness(tmp_path) as harness:
        job = harness.job("reset", IterableSource(users("ada", "bob", "eve")))
        async with aclosing(job.run()) as outcomes:
            await anext(outcomes)
            if ended == "at its end":
                assert len([outcome async for outcome in outcomes]) == 2
        if ended == "cancelled":
            second = asyncio.ensure_future(job.run_to_end())
            await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
        states = dict((await job.run_to_end()).states)
    assert states.pop(State.UNKNOWN, 0) + states.pop(State.DONE) == 3
    assert not states


async def test_source_error_leaves_no_task(tmp_path: Path) -> None:
    """No task is left if the source raises an error immediately."""
    async with JobHarness(tmp_path) as harness:
        with pytest.raises(SourceError):
            await harness.run("forgot", JournaledSource("a stream"))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_dry_run_consumes_generator(tmp_path: Path) -> None:
    """A generator cannot be read after a dry run; an iterable can."""

    class Users:
        def __aiter__(self) -> AsyncIterator[str]:
            return users("ada")

    async with JobHarness(tmp_path) as harness:
        job = harness.job("forgot", IterableSource(users("ada")))
        assert (await job.dry_run()).rows == 1
        with pytest.raises(SourceError, match="already been read"):
            await job.run_to_end()
        job = harness.job("forgot", IterableSource(Users()))
        assert (await job.dry_run()).rows == 1
        assert (await job.run_to_end()).states == {State.DONE: 1}


async def test_dry_run_reports_duplicates(tmp_path: Path) -> None:
    """A dry run reports the duplicates that a run would refuse, and leaves no file."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, ["ada", "bob", "ada", "eve", "bob"], secrets=False)
        job = harness.job("forgot")
        checked = [outcome async for outcome in job.check()]
        assert [outcome.code for outcome in checked] == [None, None, "DuplicateRow", None, "DuplicateRow"]
        estimate = await job.dry_run()
    assert (estimate.rows, estimate.invalid) == (5, 2)
    assert files_in(tmp_path) == {harness.source.name}


async def test_dry_run_leaves_no_visible_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary data of a dry run is in no visible file, even while it runs."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    async with JobHarness(tmp_path) as harness:
        job = harness.job("forgot", IterableSource(users(*(f"user{number}" for number in range(1200)))))
        async with aclosing(job.check()) as outcomes:
            assert (await anext(outcomes)).username == "user0"
            assert not files_in(tmp_path)


async def test_async_iterable_with_invalid_items_refuses_them(tmp_path: Path) -> None:
    """Items that are neither usernames nor mappings are refused."""
    async with JobHarness(tmp_path) as harness:
        given: Any = users("ada", 5, None, ("bob",), b"eve", {"username": "eve"})
        outcomes = await run_outcomes(harness.job("forgot", given))
    assert harness.service.users == ["ada", "eve"]
    refused = {outcome.line: outcome.reason for outcome in outcomes if outcome.state is State.REFUSED}
    assert refused[2] == "must be a mapping or a username, not int"
    assert list(refused) == [2, 3, 4, 5]


async def test_job_already_running_raises_bulk_error(tmp_path: Path) -> None:
    """A second concurrent run of a job is rejected."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 3, secrets=False)
        job = harness.job("forgot")
        async with aclosing(job.run()) as outcomes:
            await anext(outcomes)
            with pytest.raises(BulkError, match="aclosing"):
                await job.run_to_end()
        assert (await job.run_to_end()).states == {State.DONE: 3}


@pytest.mark.parametrize("states", ["nonsense", ["nonsense"], [State.DONE], [State.PLANNED], [7]])
async def test_retry_states_invalid_raises_parameter_validation_error(states: Any, tmp_path: Path) -> None:
    """Unknown states, and states whose rows must not be sent again, are rejected."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 1, secrets=False)
        with pytest.raises(ParameterValidationError, match="retry_states"):
            await harness.run("forgot", retry_states=states)


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"source": 5}, "source"),
        ({"source": b"users.csv"}, "source"),
        ({"policy": "patient"}, "policy"),
        ({"passwords": "users.journal"}, "passwords"),
        ({"passwords": "users.journal-wal"}, "passwords"),
        ({"passwords": "users.csv"}, "passwords"),
        ({"passwords": "./a/../users.csv"}, "passwords"),
        ({"journal": "users.csv"}, "journal"),
    ],
)
async def test_job_invalid_argument_raises_parameter_validation_error(
    options: dict[str, Any], parameter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invalid arguments, and two uses of one file, are rejected before a file is opened."""
    monkeypatch.chdir(tmp_path)
    async with JobHarness(Path()) as harness:
        with pytest.raises(ParameterValidationError) as caught:
            harness.job("forgot", **options)
        assert caught.value.parameter == parameter
        with pytest.raises(ParameterValidationError, match="passwords"):
            harness.job("forgot", FileSource(harness.source), passwords=harness.source)
        with pytest.raises(SourceError, match="must be one of csv, jsonl"):
            FileSource(harness.source, "xml")  # type: ignore[arg-type]
    assert not files_in(tmp_path)
