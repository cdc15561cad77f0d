"""``BulkPolicy.resolve_unknown``: unknown rows are settled by verifying their passwords."""

import asyncio
import csv
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from cognito_async import CognitoClient, ParameterValidationError, RetryPolicy
from cognito_async.bulk import Action, BulkPolicy, Job, Outcome, State, set_password, sources
from cognito_async.testing import FakeCognito, LocalPool
from tests.support.bulk_server import FAST_POLICY, POOL, JobHarness, journal_columns, run_outcomes

OLD, NEW, WRONG_CODE = "Analytical-1843", "Differential-1822", "000000"
NO_RETRY = RetryPolicy(max_attempts=1)
RESOLVE = evolve(FAST_POLICY, resolve_unknown=True)
RESOLVE_FIRST = evolve(RESOLVE, settle_attempts=0)
"""Without repetitions, which would settle ``set-password``."""
GENERATE = set_password(permanent=True, generate=True)


@frozen
class Setup:
    """A fake user pool with the user ada, and a folder for a job."""

    fake: FakeCognito
    client: CognitoClient
    folder: Path

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.folder / "users.journal"

    async def code(self) -> str:
        """Send ada a code."""
        await self.client.forgot_password(username="ada")
        return self.fake.messages[-1].code

    async def run(self, action: Action | str, code: str = WRONG_CODE, retry: Any = (), **options: Any) -> Outcome:
        """Run a job for ada, and return the only outcome."""
        source = self.folder / "users.csv"
        source.write_text(f"username,confirmation_code,password\nada,{code},{NEW}\n")
        job = Job(self.client, action, source, journal=self.journal, **{"policy": RESOLVE, **options})
        [outcome] = await run_outcomes(job, retry)
        assert job.summary.states == {outcome.state: 1}
        assert journal_columns(self.journal, "state") == [(outcome.state,)]
        assert NEW.encode() not in self.journal.read_bytes()
        return outcome

    def sent(self, operation: str) -> int:
        """Return the number of requests of an operation."""
        return [request.operation for request in self.fake.requests].count(operation)


@pytest.fixture
async def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setup]:
    """Start the pool."""
    monkeypatch.setattr(sources, "FINGERPRINT_ROUNDS", 1)
    async with FakeCognito() as fake, fake.session(retry=NO_RETRY) as session:
        fake.create_user("ada", password=OLD, email="ada@example.com")
        app = fake.create_app_client(client_secret="app-client-secret")
        yield Setup(fake, fake.client(session, app), tmp_path)


async def test_applied_confirm_is_done(setup: Setup) -> None:
    """The repetition is refused because the code was used."""
    setup.fake.fail_next("ConfirmForgotPassword", lose_response=True)
    outcome = await setup.run("confirm", await setup.code())
    assert outcome == Outcome(line=2, username="ada", state=State.DONE, attempts=2)
    assert setup.sent("RespondToAuthChallenge") == 1


async def test_confirm_that_was_not_applied_is_refused(setup: Setup) -> None:
    """The row has the error of its last request, and may be sent again."""
    setup.fake.fail_next("ConfirmForgotPassword", status=500)
    outcome = await setup.run("confirm")
    assert (outcome.state, outcome.code, outcome.ambiguous) == (State.REFUSED, "ExpiredCodeException", False)
    assert setup.sent("RespondToAuthChallenge") == 1


async def test_applied_set_password_is_done(setup: Setup) -> None:
    """Its only request lost its response."""
    setup.fake.fail_next("AdminSetUserPassword", lose_response=True)
    outcome = await setup.run("set-password", policy=RESOLVE_FIRST)
    assert outcome == Outcome(line=2, username="ada", state=State.DONE, attempts=1)


async def test_set_password_that_was_not_applied_is_refused(setup: Setup) -> None:
    """``--again refused`` sets the password."""
    setup.fake.fail_next("AdminSetUserPassword", status=500)
    outcome = await setup.run("set-password", policy=RESOLVE_FIRST)
    assert (outcome.state, outcome.code) == (State.REFUSED, "InternalErrorException")
    assert (await setup.run("set-password", retry=[State.REFUSED])).state is State.DONE


@pytest.mark.parametrize("policy", [FAST_POLICY, RESOLVE], ids=["off", "settled without it"])
async def test_password_is_verified_only_if_needed(setup: Setup, policy: BulkPolicy) -> None:
    """By default a row stays unknown; a row whose repetition is accepted is done."""
    action = "set-password" if policy.resolve_unknown else "confirm"
    setup.fake.fail_next("ConfirmForgotPassword", lose_response=True)
    setup.fake.fail_next("AdminSetUserPassword", lose_response=True)
    outcome = await setup.run(action, await setup.code(), policy=policy)
    assert outcome.state is (State.DONE if policy.resolve_unknown else State.UNKNOWN)
    assert setup.sent("InitiateAuth") == 0


async def test_row_stays_unknown_if_its_password_cannot_be_verified(setup: Setup) -> None:
    """A later run with ``retry_states`` resolves it."""
    setup.fake.fail_next("ConfirmForgotPassword", lose_response=True)
    setup.fake.fail_next("InitiateAuth", code="NotAuthorizedException", message="Password attempts exceeded")
    code = await setup.code()
    outcome = await setup.run("confirm", code)
    assert (outcome.state, outcome.code, outcome.ambiguous) == (State.UNKNOWN, "ExpiredCodeException", True)
    assert "Password attempts exceeded" in (outcome.reason or "")
    assert (await setup.run("confirm", code, retry=[State.UNKNOWN])).state is State.DONE


@pytest.mark.parametrize("applied", [True, False])
async def test_generated_password_is_done_only_if_it_is_accepted(setup: Setup, *, applied: bool) -> None:
    """If not, an earlier one may have been set."""
    fault: dict[str, Any] = {"lose_response": True} if applied else {"status": 500}
    setup.fake.fail_next("AdminSetUserPassword", **fault)
    passwords = setup.folder / "passwords.csv"
    outcome = await setup.run(GENERATE, policy=RESOLVE_FIRST, passwords=passwords)
    with passwords.open(newline="") as file:
        written = {row["username"]: row["password"] for row in csv.DictReader(file)}
    assert outcome.state is (State.DONE if applied else State.UNKNOWN)
    assert written == ({"ada": setup.fake.users["ada"].password} if applied else {})


async def test_run_that_ends_after_a_verification_verifies_again(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is in flight until its outcome is in the journal."""
    verify, verified = CognitoClient.verify_password, asyncio.Event()

    async def verify_and_wait(client: CognitoClient, **values: str) -> bool:
        assert await verify(client, **values)
        verified.set()
        return await asyncio.Future()

    setup.fake.fail_next("ConfirmForgotPassword", lose_response=True)
    code = await setup.code()
    with monkeypatch.context() as patch:
        patch.setattr(CognitoClient, "verify_password", verify_and_wait)
        run = asyncio.create_task(setup.run("confirm", code))
        async with asyncio.timeout(30):
            await verified.wait()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    assert journal_columns(setup.journal, "state") == [("sent",)]
    outcome = await setup.run("confirm", code)
    assert (outcome.state, outcome.ambiguous) == (State.DONE, False)
    assert setup.sent("RespondToAuthChallenge") == 2


@pytest.mark.parametrize(
    ("action", "bound", "name"),
    [
        ("set-password", {"client_id": None}, "client_id"),
        ("confirm", {"user_pool_id": None}, "user_pool_id"),
        ("reset", {}, "resolve_unknown"),
        (set_password(permanent=False), {}, "resolve_unknown"),
    ],
)
async def test_job_that_cannot_verify_passwords_is_rejected(
    action: Action | str, bound: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """Before anything is sent."""
    async with JobHarness(tmp_path) as harness:
        with pytest.raises(ParameterValidationError) as caught:
            harness.job(action, client=harness.client(**{"user_pool_id": POOL, **bound}), policy=RESOLVE)
    assert caught.value.parameter == name


@pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")
async def test_local_pool_resolves_rows_of_a_killed_job(tmp_path: Path) -> None:
    """A real exchange with MiniStack: ada has the new password, bob has not."""
    ada, bob, journal = "ada@example.com", "bob@example.com", tmp_path / "users.journal"
    rows = [{"username": user, "confirmation_code": WRONG_CODE, "password": NEW} for user in (ada, bob)]
    source = tmp_path / "users.csv"
    source.write_text("\n".join(["username,confirmation_code,password", *(",".join(row.values()) for row in rows)]))
    async with LocalPool(users={ada: NEW, bob: OLD}) as pool, pool.session() as session:
        client = session.client(pool.client_id, user_pool_id=pool.user_pool_id)
        await Job(client, "confirm", source, journal=journal).run_to_end()
        with closing(sqlite3.connect(journal)) as database, database:  # as if it was killed after the requests
            database.execute("UPDATE rows SET state = 'sent'")
        outcomes = await run_outcomes(Job(client, "confirm", source, journal=journal, policy=RESOLVE))
    assert {outcome.username: outcome.state for outcome in outcomes} == {ada: State.DONE, bob: State.REFUSED}
