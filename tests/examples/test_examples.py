"""The examples, run as a reader runs them: what they print, what they exit with, and that they can fail."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from re import sub

import pytest

from cognito_async.testing import LocalPool
from tests.support.processes import ROOT, running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

ADA = "ada@example.com"
OLD, NEW = "Analytical-1843", "Differential-1822"


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Give the tests a pool that stands for AWS, whose app client has a secret."""
    with running(LocalPool(client_secret=True, users={ADA: OLD})) as made:
        yield made


def run(
    name: str, *arguments: str, keyboard: str = "", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run an example with this Python, away from any terminal."""
    ended = subprocess.run(
        [sys.executable, "-X", "dev", str(ROOT / "examples" / name), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})},
        input=keyboard,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
    # In development mode, asyncio says which step took long: that is about the machine.
    ended.stderr = sub(r"(?m)^Executing <.+ took [\d.]+ seconds\n", "", ended.stderr)
    return ended


def reset(pool: LocalPool, keyboard: str, *, client_id: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the example as against AWS."""
    return run(
        "reset_password.py",
        *("--region", pool.region, "--client-id", client_id or pool.client_id, "--username", ADA),
        keyboard=keyboard,
        variables={"AWS_ENDPOINT_URL": pool.endpoint_url, "COGNITO_CLIENT_SECRET": pool.client_secret or ""},
    )


def test_the_demo_tells_the_whole_story() -> None:
    """`make demo` shows each step with its outcome, prints nothing else, and exits with 0."""
    told = run("reset_password.py")
    assert (told.returncode, told.stderr) == (0, "")
    lines = [sub(r"\s+[\d,]+ ms$", "", line) for line in told.stdout.splitlines()]
    assert [line.strip() for line in lines if line[:3].strip()] == [
        "A forgotten password, told by cognito_async in a user pool on this machine.",
        "A user pool opens, and Ada moves in",
        "She signs in",
        "Months later, she has forgotten her password",
        "In her haste she mistypes it",
        "She takes a breath, and copies it from the mail",
        "She signs in with the new one",
        "Someone finds the old one on a slip of paper",
        "All of it held.",
    ]
    assert "CodeMismatchException: " in told.stdout
    assert "NotAuthorizedException: Incorrect username or password." in told.stdout
    assert max(map(len, told.stdout.splitlines())) < 80
    for secret in (OLD, NEW, "654321"):
        assert secret not in told.stdout


def test_the_tour_tells_the_whole_story() -> None:
    """The administrator's tour ends with everything gone, and exits with 0."""
    told = run("administrators_tour.py")
    assert (told.returncode, told.stderr) == (0, "")
    for outcome in ("8 of them, all confirmed", "3 to a page", "User is disabled", "ResourceNotFoundException"):
        assert outcome in told.stdout
    assert told.stdout.endswith("All of it held.\n\n")


def test_a_story_that_does_not_hold_fails() -> None:
    """Where the service does not refuse what it should, the exit code is 1 and a sentence says so."""
    program = f"""
import sys
sys.path.insert(0, {str(ROOT / "examples")!r})
import reset_password
reset_password.WRONG_CODE = "654321"
sys.argv = ["reset_password.py"]
reset_password.main()
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr == "Failed: expected CodeMismatchException\n"
    assert "All of it held" not in told.stdout


def test_a_machine_without_the_emulator_is_told_what_to_do() -> None:
    """Where the emulator can't be had, there is a sentence instead of a traceback."""
    told = run("reset_password.py", variables={"COGNITO_ASYNC_MINISTACK": "no-such-emulator"})
    assert told.returncode == 1
    assert "python -m cognito_async.testing prepare" in told.stderr
    assert "Traceback" not in told.stderr


def test_against_aws_it_asks_for_code_and_password(pool: LocalPool) -> None:
    """With a region and a client id it resets a user's password: a refused code is named and asked for again."""
    told = reset(pool, f"000000\n{NEW}\n654321\nshort\n654321\n{NEW}\n")
    assert told.returncode == 0, told.stderr
    assert "A code is on its way to a****@e****." in told.stdout
    assert "CodeMismatchException: " in told.stdout
    assert "ParameterValidationError: password must have at least 6 characters" in told.stdout
    assert told.stdout.endswith("The new password is set.\n")
    for secret in (NEW, "654321", pool.client_secret or "none"):
        assert secret not in told.stdout + told.stderr


def test_against_aws_it_gives_up(pool: LocalPool) -> None:
    """After three wrong codes, a client that does not exist or the end of the input, there is a sentence and a 1."""
    told = reset(pool, f"000000\n{NEW}\n" * 3)
    assert (told.returncode, told.stderr.splitlines()[-1]) == (1, "Not in 3 tries: the password is what it was.")
    told = reset(pool, "", client_id="nobody")
    assert told.returncode == 1
    assert told.stderr.startswith("Failed: ResourceNotFoundException: ")
    told = reset(pool, "")
    assert (told.returncode, told.stderr) == (1, "\nInterrupted.\n")


def test_half_a_command_line_is_refused() -> None:
    """A region without a client id is neither of the two things it does."""
    told = run("reset_password.py", "--region", "eu-west-1")
    assert told.returncode == 2
    assert "are all needed" in told.stderr


def test_the_bulk_demo_is_killed_halfway_and_comes_to_its_end(tmp_path: Path) -> None:
    """`make demo-bulk` loses nothing, repeats nothing unasked, and leaves no secret but in its own list."""
    told = run("bulk_reset.py", "--folder", str(tmp_path / "demo"))
    assert told.returncode == 0, told.stderr[-2000:]
    assert "All checks passed." in told.stdout
    assert "0 received two" in told.stdout
    page = (tmp_path / "demo" / "codes.csv.journal.html").read_text()
    assert "297" in page
    assert "CodeMismatchException" in page
    kept = {path.name for path in (tmp_path / "demo").iterdir()}
    assert kept >= {"users.csv", "users.csv.journal", "codes.csv", "codes.csv.journal", "codes.csv.journal.html"}
    assert not [name for name in kept if name.endswith(("-wal", "-shm", "-lock"))]
    for path in (tmp_path / "demo").iterdir():
        assert path.name == "codes.csv" or b"Differential-" not in path.read_bytes()
