"""The command, frozen with PyInstaller and run without the package's environment."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cognito_async.testing import LocalPool
from tests.support.processes import running

ADA = "ada@example.com"


@pytest.mark.skipif(shutil.which("objdump") is None, reason="PyInstaller needs objdump (binutils)")
@pytest.mark.timeout(300)
def test_frozen_command_runs_a_job_and_writes_its_report(tmp_path: Path) -> None:
    """Operations are imported by name, and the report's template is a data file."""
    (tmp_path / "program.py").write_text("from cognito_async.cli import main\n\nmain()\n")
    (tmp_path / "users.csv").write_text(f"username\n{ADA}\n")
    unused = (
        f"--exclude-module={name}" for name in ("botocore", "cryptography", "fastapi", "gmpy2", "pydantic", "pytest")
    )
    options = (*unused, "--onedir", "--noconfirm", "--log-level", "ERROR", "--specpath", str(tmp_path))
    freeze = (sys.executable, "-m", "PyInstaller", *options, "program.py")
    subprocess.run(freeze, cwd=tmp_path, check=True, timeout=240, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    program = tmp_path / "dist" / "program" / "program"
    with running(LocalPool(users={ADA: "An old passw0rd!"})) as pool:
        environment = {
            "AWS_ENDPOINT_URL": pool.endpoint_url,
            "AWS_REGION": "us-east-1",
            "COGNITO_CLIENT_ID": pool.client_id,
        }
        for arguments in (
            ("bulk", "forgot", "users.csv", "--journal", "users.journal"),
            ("bulk", "report", "users.journal", "--html", "report.html"),
        ):
            done = subprocess.run(
                (program, *arguments), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    assert "<html" in (tmp_path / "report.html").read_text()
