"""Bulk jobs as their users see them: actions, states, resuming, stopping, and what the journal says at each moment."""

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
    Ending,
    IterableSource,
    JobMismatchError,
    Outcome,
    SourceError,
    State,
    set_password,
)
from tests.support.bulk_server import (
    APP,
    MISTAKEN,
    NOBODY,
    POOL,
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
from tests.support.scripted_transport import respond

# --- actions ----------------------------------------------------------------------------------------------------------

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
async def test_an_action_sends_its_operation(action: str, tmp_path: Path) -> None:
    """Send the right operation with the right payload, and nothing else."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, ["ada"])
        summary = await bench.run(action)
    assert [(asked.operation, dict(asked.body)) for asked in bench.service.requests] == [PAYLOADS[action]]
    assert (summary.ending, summary.all_done, summary.states) == (Ending.FINISHED, True, {State.DONE: 1})
    assert bench.states() == {"ada": "done"}


async def test_a_temporary_password_is_not_permanent(tmp_path: Path) -> None:
    """Say so to the service."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, ["ada"])
        await bench.run(set_password(permanent=False))
    assert bench.service.requests[0].body["Permanent"] is False


async def test_metadata_goes_with_each_request(tmp_path: Path) -> None:
    """Send what the pool's triggers are to get."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, ["ada"], secrets=False)
        await bench.run(ACTIONS["reset"].with_metadata({"campaign": "move"}))
    assert bench.service.requests[0].body["ClientMetadata"] == {"campaign": "move"}


async def test_only_generated_passwords_that_were_taken_are_written(tmp_path: Path) -> None:
    """Write a password that the service took, to a file for its owner alone; a refused user is not in it."""
    passwords = tmp_path / "passwords.csv"
    async with Bench(tmp_path, by_user(bob=NOBODY)) as bench:
        write_csv(bench.source, ["ada", "bob", "eve"], secrets=False)
        await bench.run(set_password(permanent=True, generate=True), passwords=passwords)
    sent = {asked.user: asked.body["Password"] for asked in bench.service.requests}
    assert passwords.stat().st_mode & 0o777 == 0o600
    assert sorted(csv.reader(passwords.read_text().splitlines())) == sorted(
        [["username", "password"], ["ada", sent["ada"]], ["eve", sent["eve"]]]
    )
    assert len(set(sent.values())) == 3
    elsewhere = bench.written(beside=passwords)
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
async def test_what_is_missing_is_told_at_once(action: Any, bound: Any, named: str, tmp_path: Path) -> None:
    """Refuse to make a job that can't run."""
    async with Bench(tmp_path) as bench:
        with pytest.raises(ParameterValidationError, match=named):
            bench.job(action, client=bench.client(**bound))


# --- the journal is ahead of what happens -----------------------------------------------------------------------------


async def test_a_row_is_noted_before_it_is_sent_and_before_it_is_told(tmp_path: Path) -> None:
    """Find a row as sent when its request arrives, and settled when its outcome is told: in the file, not in memory."""
    seen: list[str] = []

    def answer(asked: Asked) -> Reply:
        seen.append(bench.states()[asked.user])
        return MISTAKEN if asked.user == "user7" else respond()

    async with Bench(tmp_path, answer) as bench:
        write_csv(bench.source, 30)
        async with aclosing(bench.job("confirm").run()) as outcomes:
            async for outcome in outcomes:
                assert bench.states()[outcome.username] == outcome.state
    assert seen == ["sent"] * 30
    assert bench.counts() == {"done": 29, "refused": 1}


async def test_what_is_done_is_not_repeated(tmp_path: Path) -> None:
    """Send nothing on a second run, and give the same counts."""
    async with Bench(tmp_path, by_user(user3=NOBODY)) as bench:
        write_csv(bench.source, 20)
        first = await bench.run("confirm")
        second = await bench.run("confirm")
        assert await outcomes_of(bench.job("confirm")) == []
    assert len(bench.service.requests) == 20
    assert first.states == second.states == {State.DONE: 19, State.REFUSED: 1}
    assert (first.settled, second.settled) == (20, 0)


async def test_an_outcome_tells_what_happened(tmp_path: Path) -> None:
    """Give line, user, state, code, reason and the number of attempts."""
    async with Bench(tmp_path, script(THROTTLED, NOBODY)) as bench:
        write_csv(bench.source, ["ada"], secrets=False)
        (outcome,) = await outcomes_of(bench.job("forgot"))
    assert outcome == Outcome(
        line=2, username="ada", state=State.REFUSED, code="UserNotFoundException", attempts=2,
        reason="Username/client id combination not found.",
    )  # fmt: skip
    assert look(bench.journal, "state, code, reason, attempts") == [
        ("refused", "UserNotFoundException", outcome.reason, 2)
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda bench: bench.job("confirm", write_csv(bench.source, 4)),
        lambda bench: bench.job("confirm", client=bench.client(client_id="another")),
        lambda bench: bench.job("forgot"),
        lambda bench: bench.job(set_password(permanent=True)),
    ],
    ids=["input", "app client", "action", "another action"],
)
async def test_a_journal_serves_one_job(change: Callable[[Bench], Any], tmp_path: Path) -> None:
    """Refuse a journal with another input, app client or action, send nothing, and leave the journal as it is."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 3)
        await bench.run("confirm")
        before = look(bench.journal, "*")
        with pytest.raises(JobMismatchError, match="begun with"):
            await change(bench).run_to_end()
        assert len(bench.service.requests) == 3
        assert look(bench.journal, "*") == before


async def test_a_journal_serves_one_pool(tmp_path: Path) -> None:
    """Refuse another user pool, and another kind of password."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 3)
        await bench.run("set-password")
        with pytest.raises(JobMismatchError, match="user pool is for eu-west-1_Pool"):
            await bench.run("set-password", client=bench.client(user_pool_id="eu-west-1_Other"))
        with pytest.raises(JobMismatchError, match="set-password permanent, not for set-password temporary"):
            await bench.run(set_password(permanent=False))


async def test_an_input_that_is_gone(tmp_path: Path) -> None:
    """Go on without it where the journal knows enough, and say what to do where it does not."""
    for action in ("reset", "confirm"):
        folder = tmp_path / action
        folder.mkdir()
        async with Bench(folder) as bench:
            write_csv(bench.source, 40)
            async with aclosing(bench.job(action, strict=True).run()) as outcomes:
                await anext(outcomes)
            bench.source.unlink()
            if action == "reset":
                assert (await bench.run(action, strict=True)).states == {State.DONE: 40}
                assert sorted(bench.service.users) == sorted(f"user{number}" for number in range(40))
            else:
                with pytest.raises(SourceError, match="put it back and resume"):
                    await bench.run(action)


# --- ending early -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "break"])
async def test_ending_early_finishes_what_is_on_its_way(how: str, tmp_path: Path) -> None:
    """Begin nothing new, leave nothing half done, and go on where it was."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 100, secrets=False)
        job = bench.job("forgot")
        async with aclosing(job.run()) as outcomes:
            async for _ in outcomes:
                if how == "break":
                    break
                job.stop()
        assert job.summary.ending is Ending.STOPPED
        assert set(bench.counts()) == {"done", "planned"}
        assert bench.counts()["done"] == len(bench.service.requests) < 100
        assert (await bench.run("forgot")).all_done
    assert sorted(bench.service.users) == sorted(f"user{number}" for number in range(100))


async def test_a_stop_ends_a_wait(tmp_path: Path) -> None:
    """Give up a row that waits for the service; it is planned again."""

    def throttle(_: Asked) -> Reply:
        job.stop()
        return THROTTLED

    async with Bench(tmp_path, throttle) as bench, asyncio.timeout(60):
        write_csv(bench.source, 1)
        job = bench.job("confirm", policy=BulkPolicy(patience=900.0))
        summary = await job.run_to_end()
    assert (summary.ending, bench.states()) == (Ending.STOPPED, {"user0": "planned"})


async def test_a_stop_ends_a_source_that_gives_nothing(tmp_path: Path) -> None:
    """Stop while the input is silent; what it gave before is read again."""

    async def silence() -> AsyncIterator[str]:
        yield "ada"
        started.set()
        await asyncio.get_running_loop().create_future()

    started = asyncio.Event()
    async with Bench(tmp_path) as bench, asyncio.timeout(60):
        job = bench.job("forgot", IterableSource(silence()))
        run = asyncio.create_task(job.run_to_end())
        await started.wait()
        job.stop()
        assert (await run).ending is Ending.STOPPED
    assert not bench.service.requests


async def test_cancellation_leaves_at_once(tmp_path: Path) -> None:
    """Cancel a job: it frees the journal, and what was on its way is unknown where a message may be out."""

    async def never(_: Asked) -> Reply:
        arrived.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    arrived = asyncio.Event()
    async with Bench(tmp_path, never) as bench, asyncio.timeout(60):
        write_csv(bench.source, 10, secrets=False)
        run = asyncio.create_task(bench.job("forgot").run_to_end())
        await arrived.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        sent = {user for user, state in bench.states().items() if state == "sent"}
        assert sent >= set(bench.service.users)
        bench.service.answer = lambda asked: respond()
        told = await outcomes_of(bench.job("forgot"))
    assert {outcome.username for outcome in told if outcome.state is State.UNKNOWN} == sent
    assert all("when the job was killed" in str(o.reason) for o in told if o.state is State.UNKNOWN)
    assert bench.counts() == {"unknown": len(sent), "done": 10 - len(sent)}


async def test_a_closed_session_is_no_rows_fault(tmp_path: Path) -> None:
    """Raise SessionClosedError; no row is refused for it, and none counts as sent."""

    async def close(asked: Asked) -> Reply:
        if asked.number == 5:
            await bench.session.close()
        return respond()

    async with Bench(tmp_path, close) as bench:
        write_csv(bench.source, 50, secrets=False)
        with pytest.raises(SessionClosedError):
            await bench.run("forgot")
    assert set(bench.counts()) == {"done", "planned"}
    assert bench.counts()["done"] == len(bench.service.requests)


async def test_an_error_of_the_source_lets_rows_come_to_their_end(tmp_path: Path) -> None:
    """Settle what is on its way before the caller's own error is raised."""

    async def rows() -> AsyncIterator[dict[str, str]]:
        for number in range(600):
            yield {"username": f"user{number}", "confirmation_code": "123456", "password": "Passw0rd!"}
        raise LookupError("the table is gone")

    async def slow(_: Asked) -> Reply:
        await asyncio.sleep(0.01)
        return respond()

    async with Bench(tmp_path, slow) as bench:
        with pytest.raises(LookupError, match="table"):
            await bench.run("confirm", IterableSource(rows()))
    assert bench.counts() == {"done": 500}


# --- once more --------------------------------------------------------------------------------------------------------


async def test_refused_rows_once_more(tmp_path: Path) -> None:
    """Send refused rows again when asked; never a duplicate or a broken row, nor what is done."""
    async with Bench(tmp_path, by_user(bob=NOBODY)) as bench:
        write_csv(bench.source, ["ada", "bob", "ada", "x" * 129], secrets=False)
        assert (await bench.run("forgot")).states == {State.DONE: 1, State.REFUSED: 3}
        bench.service.answer = lambda asked: respond()
        summary = await bench.run("forgot", again=[State.REFUSED])
    assert summary.states == {State.DONE: 2, State.REFUSED: 2}
    assert bench.service.users == ["ada", "bob", "bob"]


async def test_unknown_rows_once_more(tmp_path: Path) -> None:
    """Send unknown rows again when asked, and not before."""
    async with Bench(tmp_path, by_user(bob=lost())) as bench:
        write_csv(bench.source, ["ada", "bob"], secrets=False)
        await bench.run("forgot")
        assert (await bench.run("forgot")).states == {State.DONE: 1, State.UNKNOWN: 1}
        bench.service.answer = lambda asked: respond()
        assert (await bench.run("forgot", again=[State.UNKNOWN])).states == {State.DONE: 2}
    assert bench.service.users == ["ada", "bob", "bob"]


# --- estimates and progress -------------------------------------------------------------------------------------------


async def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    """Check all rows, estimate the time at the told rate, send nothing, and begin no journal."""
    async with Bench(tmp_path, quotas=Quotas(user_account_recovery=30)) as bench:
        write_csv(bench.source, [*(f"user{number}" for number in range(60)), "x" * 200])
        estimate = await bench.job("confirm").dry_run()
    assert (estimate.rows, estimate.faulty, estimate.rate, estimate.seconds) == (61, 1, 30.0, 2.0)
    assert not bench.service.requests
    assert not bench.journal.exists()


async def test_progress_counts_all_runs(tmp_path: Path) -> None:
    """Count rows over all runs, and throttled requests of this one."""
    async with Bench(tmp_path, script(THROTTLED)) as bench:
        write_csv(bench.source, 40)
        job = bench.job("confirm")
        with pytest.raises(BulkError, match="not run yet"):
            _ = job.progress
        async with aclosing(job.run()) as outcomes:
            async for _ in outcomes:
                assert job.progress.total == 40
                assert 0 < job.progress.settled <= 40
        assert job.progress.throttled == 1
        assert (await bench.run("confirm")).states == {State.DONE: 40}


async def test_a_plan_that_was_not_read_to_its_end_is_not_counted_twice(tmp_path: Path) -> None:
    """Count each row once when the source failed in the middle and is read again."""

    async def rows(number: int, *, fails: bool) -> AsyncIterator[str]:
        for each in range(number):
            yield f"user{each}"
        if fails:
            raise LookupError("gone")

    async with Bench(tmp_path) as bench:
        with pytest.raises(LookupError):
            await bench.run("forgot", IterableSource(rows(700, fails=True)))
        assert not bench.service.requests
        summary = await bench.run("forgot", IterableSource(rows(800, fails=False)))
    assert summary.states == {State.DONE: 800}
