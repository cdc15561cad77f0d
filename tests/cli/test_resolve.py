"""``--resolve``: bulk jobs that verify the passwords of unknown rows."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cognito_async.cli.errors import Exit
from cognito_async.testing import FakeCognito
from cognito_async.testing.fake_cognito.server import ReceivedRequest
from tests.support.terminal import AWS, CLIENT_SECRET, InThread, Service, run, started, write_users

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

OLD, NEW, CODE = "Analytical-1843", "Differential-1822", "000000"
SECRET = {**AWS, "COGNITO_CLIENT_SECRET": CLIENT_SECRET}


@pytest.fixture
async def fake() -> AsyncIterator[FakeCognito]:
    """A user pool with the user ada and an app client with a secret."""
    async with FakeCognito() as running:
        running.create_user("ada", password=OLD)
        running.create_app_client("app", client_secret=CLIENT_SECRET)
        yield running


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service that answers every request with success."""
    async with Service() as opened:
        yield opened


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> InThread:
    """The command line in a thread of this process."""
    return InThread(capsys, monkeypatch)


class Requests(list[ReceivedRequest]):
    """The requests of a pool, with an event for the first verification of a password."""

    def __init__(self) -> None:
        super().__init__()
        self.verifying = asyncio.Event()

    def append(self, request: ReceivedRequest) -> None:
        """Add a request."""
        super().append(request)
        if request.operation == "InitiateAuth":
            self.verifying.set()


def write_input(folder: Path) -> str:
    """Write a row for ada, whose code is wrong, as a used code is."""
    path = folder / "users.csv"
    path.touch(mode=0o600)
    path.write_text(f"username,confirmation_code,password\nada,{CODE},{NEW}\n")
    return str(path)


def target(fake: FakeCognito) -> tuple[str, ...]:
    """Return the options that select the pool and the app client."""
    return ("--endpoint-url", fake.endpoint_url, "--user-pool-id", fake.user_pool_id, "--client-id", "app")


@pytest.mark.parametrize(("password", "code"), [(NEW, Exit.DONE), (OLD, Exit.PARTIAL)], ids=["done", "refused"])
async def test_killed_job_verifies_passwords_when_it_is_resumed(
    fake: FakeCognito, tmp_path: Path, password: str, code: Exit
) -> None:
    """It is killed during the verification, and keeps the option in its journal."""
    users = write_input(tmp_path)
    fake.requests = requests = Requests()
    fake.users["ada"].password = password
    fake.fail_next("ConfirmForgotPassword", status=500)
    fake.fail_next("InitiateAuth", delay=60)
    async with started("bulk", "confirm", users, *target(fake), "--resolve", variables=SECRET) as process:
        async with asyncio.timeout(60):
            await requests.verifying.wait()
        process.kill()
    resumed = await run(
        "bulk", "resume", f"{users}.journal", "--endpoint-url", fake.endpoint_url, "--json", variables=SECRET
    )
    summary = resumed.objects[-1]
    assert (resumed.code, summary["states"]["unknown"]) == (code, 0)
    assert summary["states"]["refused" if code else "done"] == 1


async def test_unknown_rows_of_a_finished_job_are_resolved(fake: FakeCognito, cli: InThread, tmp_path: Path) -> None:
    """``bulk resume`` takes the app client that ``set-password`` did not need, and its secret."""
    users = write_input(tmp_path)
    fake.fail_next("AdminSetUserPassword", lose_response=True, times=9)
    first = await cli("bulk", "set-password", users, *target(fake)[:4], "--json", variables=AWS)
    assert first.objects[-1]["states"]["unknown"] == 1
    fake.fail_next("AdminSetUserPassword", code="PasswordHistoryPolicyViolationException")
    resume = ("bulk", "resume", f"{users}.journal", *target(fake)[:2], "--again", "unknown", "--resolve", "--json")
    without_client = await cli(*resume, variables=AWS)
    assert (without_client.code, "--client-id" in without_client.err) == (Exit.USAGE, True)
    resumed = await cli(*resume, "--client-id", "app", variables=SECRET)
    assert (resumed.code, resumed.objects[-1]["states"]["done"]) == (Exit.DONE, 1)
    assert "RespondToAuthChallenge" in [request.operation for request in fake.requests]


async def test_resume_rejects_resolve_for_actions_without_passwords(
    service: Service, cli: InThread, tmp_path: Path
) -> None:
    """Nothing is sent."""
    users = write_users(tmp_path, 1)
    assert (await cli("bulk", "forgot", str(users), *service.options())).code == Exit.DONE
    resumed = await cli("bulk", "resume", f"{users}.journal", *service.endpoint, "--resolve")
    assert (resumed.code, resumed.err.count("\n"), len(service.calls)) == (Exit.USAGE, 1, 1)
