"""The command line against the local user pool."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from re import findall, sub
from signal import SIGINT

import pytest

from cognito_async.testing import LocalPool
from tests.support.processes import ROOT, running
from tests.support.terminal import AWS, Completed, finish, run, spawned

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

ADA, BOB, EVE = (f"{name}@example.com" for name in ("ada", "bob", "eve"))
OLD, NEW = "Analytical-1843", "Differential-1822"
RIGHT, WRONG = "654321", "000000"


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """A user pool with three users and an app client with a secret."""
    with running(LocalPool(client_secret=True, users=dict.fromkeys((ADA, BOB, EVE), OLD))) as made:
        yield made


def settings(pool: LocalPool, **more: str) -> dict[str, str]:
    """Return the environment variables that select the pool."""
    return {
        "AWS_ENDPOINT_URL": pool.endpoint_url,
        "AWS_REGION": pool.region,
        "COGNITO_USER_POOL_ID": pool.user_pool_id,
        "COGNITO_CLIENT_ID": pool.client_id,
        "COGNITO_CLIENT_SECRET": pool.client_secret or "",
        **more,
    }


async def can_sign_in(pool: LocalPool, email: str, password: str) -> bool:
    """Return whether a user can sign in with a password."""
    async with pool.session() as session:
        client = session.client(pool.client_id, pool.client_secret)
        flow = {"USERNAME": email, "PASSWORD": password}
        try:
            await client.initiate_auth(auth_flow="USER_PASSWORD_AUTH", auth_parameters=flow)
        except Exception:  # noqa: BLE001 - any error means no
            return False
    return True


async def test_forgot_and_confirm_password(pool: LocalPool, tmp_path: Path) -> None:
    sent = await run("forgot-password", "--username", ADA, variables=settings(pool))
    assert (sent.code, sent.out) == (0, "")
    assert "by EMAIL" in sent.err
    assert "prevent user existence errors" in sent.err
    secrets = {"COGNITO_CONFIRMATION_CODE": WRONG, "COGNITO_PASSWORD": NEW}
    wrong = await run("confirm-forgot-password", "--username", ADA, variables=settings(pool, **secrets))
    assert (wrong.code, wrong.err.count("\n")) == (3, 1)
    assert "CodeMismatchException" in wrong.err
    code, password = tmp_path / "code", tmp_path / "password"
    for file, content in ((code, RIGHT), (password, NEW)):
        file.touch(mode=0o600)
        file.write_text(f"{content}\n")
    files = ("--code-file", str(code), "--password-file", str(password))
    right = await run("confirm-forgot-password", "--username", ADA, *files, "--json", variables=settings(pool))
    assert (right.code, right.err) == (0, "")
    assert right.objects == [{"event": "password set", "username": ADA}]
    assert await can_sign_in(pool, ADA, NEW)
    for ended in (sent, wrong, right):
        for secret in (NEW, RIGHT, WRONG, pool.client_secret or ""):
            assert secret not in ended.out + ended.err


async def test_export_is_an_input_of_bulk_jobs(pool: LocalPool, tmp_path: Path) -> None:
    exported = await run("users", "export", "--output", "users.csv", variables=settings(pool, **AWS), cwd=tmp_path)
    assert exported.code == 0
    forgot = await run("bulk", "forgot", "users.csv", variables=settings(pool), cwd=tmp_path)
    assert (forgot.code, "3 done" in forgot.err) == (0, True)
    with (tmp_path / "users.csv").open(newline="") as file:
        users = {row["email"]: row for row in csv.DictReader(file)}
    assert set(users) == {ADA, BOB, EVE}
    codes = {ADA: RIGHT, BOB: WRONG, EVE: RIGHT}
    with (tmp_path / "codes.csv").open("w", newline="") as file:
        rows = [{**row, "confirmation_code": codes[email], "password": f"{NEW}-b"} for email, row in users.items()]
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    confirmed = await run("bulk", "confirm", "codes.csv", variables=settings(pool), cwd=tmp_path)
    assert confirmed.code == 3
    assert "2 done, 1 refused" in confirmed.err
    assert "chmod 600" in confirmed.err
    assert f"{users[BOB]['username']} refused: CodeMismatchException" in confirmed.err
    assert await can_sign_in(pool, EVE, f"{NEW}-b")
    assert not await can_sign_in(pool, BOB, f"{NEW}-b")


async def test_users_of_the_pool_are_an_input(pool: LocalPool, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    chosen = ("--pool", "--attribute", f"email={EVE}", "--journal", journal)
    variables = settings(pool, **AWS)
    completed = await run("bulk", "sign-out", *chosen, "--json", variables=variables)
    assert completed.code == 0
    assert completed.objects[-1]["states"]["done"] == 1
    resumed = await run("bulk", "resume", journal, "--endpoint-url", pool.endpoint_url, variables=AWS)
    assert resumed.code == 0


async def test_local_pool_rejects_real_credentials(pool: LocalPool, tmp_path: Path) -> None:
    own = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}
    (tmp_path / "u.csv").write_text(f"username\n{ADA}\n")
    export = await run("users", "export", variables=settings(pool, **own))
    assert (export.code, "UnrecognizedClientException" in export.err) == (3, True)
    completed = await run("bulk", "sign-out", "u.csv", variables=settings(pool, **own), cwd=tmp_path)
    assert completed.code == 75
    status = await run("bulk", "status", "u.csv.journal", "--endpoint-url", pool.endpoint_url, cwd=tmp_path)
    assert "1 not sent yet: UnrecognizedClientException - " in status.out
    resumed = await run(
        "bulk", "resume", "u.csv.journal", "--endpoint-url", pool.endpoint_url, variables=AWS, cwd=tmp_path
    )
    assert resumed.code == 0


async def test_commands_of_the_run_book(tmp_path: Path) -> None:
    """Run its Python program, and the commands that follow it until the next heading, as they are printed."""
    program, _, rest = (ROOT / "docs" / "run-book.md").read_text().partition("```python\n")[2].partition("```\n")
    commands = rest.partition("\n## ")[0]
    async with spawned(sys.executable, "-c", program) as process:
        assert process.stdout is not None
        target = (await process.stdout.readline()).decode().strip()
        [exported] = findall(r"    export (.*)", commands)
        variables = dict(pair.split("=") for pair in exported.split())
        for command in findall(r"    cognito-async (.*)", commands):
            arguments = sub(r"--endpoint-url \S+ --user-pool-id \S+", target, command).split()
            completed = await run(*arguments, variables=variables, cwd=tmp_path)
            assert completed.code == 0, completed.err
        process.send_signal(SIGINT)
        assert await finish(process) == Completed(0, "", "")
    assert sorted("".join(path.suffixes) for path in tmp_path.iterdir()) == [
        ".csv", ".csv.journal", ".csv.journal.html",
    ]  # fmt: skip
