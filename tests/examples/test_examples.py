"""The example scripts, run as a reader runs them."""

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
    """Start a pool whose app client has a secret."""
    with running(LocalPool(client_secret=True, users={ADA: OLD})) as started:
        yield started


def run(
    name: str, *arguments: str, stdin: str = "", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run an example without a terminal."""
    ended = subprocess.run(
        [sys.executable, "-X", "dev", str(ROOT / "examples" / name), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
    # In development mode, asyncio reports slow steps, which depend on the machine.
    ended.stderr = sub(r"(?m)^Executing <.+ took [\d.]+ seconds\n", "", ended.stderr)
    return ended


def reset(pool: LocalPool, stdin: str, *, client_id: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the reset of a user in AWS, which the pool stands for."""
    return run(
        "reset_password.py",
        *("--region", pool.region, "--client-id", client_id or pool.client_id, "--username", ADA),
        stdin=stdin,
        variables={"AWS_ENDPOINT_URL": pool.endpoint_url, "COGNITO_CLIENT_SECRET": pool.client_secret or ""},
    )


def test_demo_runs_all_steps_and_prints_no_secret() -> None:
    """`make demo` ends with exit code 0 and shows the errors of the two steps that fail."""
    done = run("reset_password.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" ms\n") == 8
    for result in ("sub: ", f"email: {ADA}", "expires_at: "):
        assert result in done.stdout
    for error in ("CodeMismatchException: ", "NotAuthorizedException: "):
        assert error in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 80
    for secret in (OLD, NEW, "654321"):
        assert secret not in done.stdout


def test_tour_runs_all_steps() -> None:
    """The administrator's tour ends with exit code 0."""
    done = run("administrators_tour.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" ms\n") == 9
    for error in ("NotAuthorizedException", "UserNotFoundException", "ResourceNotFoundException"):
        assert error in done.stdout


def test_demo_fails_if_a_step_has_an_unexpected_result() -> None:
    """A wrong code that is accepted ends the demo with exit code 1."""
    program = f"""
import sys
sys.path.insert(0, {str(ROOT / "examples")!r})
import reset_password
reset_password.WRONG_CODE = "654321"
sys.argv = ["reset_password.py"]
reset_password.main()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "CodeMismatchException" in done.stderr
    assert "Traceback" not in done.stderr


def test_demo_without_the_emulator_shows_how_to_get_it() -> None:
    """A missing emulator is reported with the command that prepares it."""
    done = run("reset_password.py", variables={"COGNITO_ASYNC_MINISTACK": "no-such-emulator"})
    assert done.returncode == 1
    assert "python -m cognito_async.testing prepare" in done.stderr
    assert "Traceback" not in done.stderr


def test_reset_in_aws_asks_again_after_an_error(pool: LocalPool) -> None:
    """A wrong code and a weak password are reported, without their values; then the reset succeeds."""
    done = reset(pool, f"000000\n{NEW}\n654321\nshort\n654321\n{NEW}\n")
    assert done.returncode == 0, done.stderr
    assert "a****@e****" in done.stdout
    for error in ("CodeMismatchException: ", "ParameterValidationError: "):
        assert error in done.stdout
    for secret in (NEW, "654321", pool.client_secret or "none"):
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(("stdin", "client_id"), [(f"000000\n{NEW}\n" * 3, None), ("", "unknown"), ("", None)])
def test_reset_in_aws_fails_without_a_traceback(pool: LocalPool, stdin: str, client_id: str | None) -> None:
    """Three wrong codes, an unknown app client and the end of the input end with exit code 1."""
    done = reset(pool, stdin, client_id=client_id)
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_reset_in_aws_requires_all_options() -> None:
    """A region alone is a usage error."""
    assert run("reset_password.py", "--region", "eu-west-1").returncode == 2


def test_bulk_demo_is_killed_resumed_and_completes(tmp_path: Path) -> None:
    """`make demo-bulk` loses no row, and stores passwords only in its own input."""
    done = run("bulk_reset.py", "--folder", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr[-2000:]
    page = (tmp_path / "demo" / "codes.csv.journal.html").read_text()
    assert "297" in page
    assert "CodeMismatchException" in page
    kept = {path.name for path in (tmp_path / "demo").iterdir()}
    assert kept >= {"users.csv", "users.csv.journal", "codes.csv", "codes.csv.journal", "codes.csv.journal.html"}
    assert not [name for name in kept if name.endswith(("-wal", "-shm", "-lock"))]
    for path in (tmp_path / "demo").iterdir():
        assert path.name == "codes.csv" or b"Differential-" not in path.read_bytes()
