"""Build and check a release: ``python -m tools.release``. Only ``PUBLISH=1`` uploads it and creates its tag.

Leaves the wheel and the source distribution in ``dist/``. Both are built twice and compared byte by byte, metadata and
README are checked, and each is installed into an empty environment and tested there.
"""

import filecmp
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

from cognito_async.version import __version__

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
TAG = f"v{__version__}"
TEST_TOOLS = ("aioresponses", "botocore", "hypothesis", "pytest", "pytest-asyncio", "pytest-timeout")
WIRE_TESTS = ("tests/operations/test_contract.py", "tests/core/test_transport.py", "tests/protocol/test_wire.py")
SMOKE_TEST = """
import asyncio
from pathlib import Path
import cognito_async
from cognito_async import AsyncCognitoSession, ConnectError, RetryPolicy

async def main():
    retry = RetryPolicy(max_attempts=1)
    async with AsyncCognitoSession("eu-west-1", endpoint_url="http://127.0.0.1:9", proxy=False, retry=retry) as session:
        try:
            await session.client(client_id="abc").forgot_password(username="ada@example.com")
        except ConnectError as error:
            assert error.sent is False

asyncio.run(main())
assert Path(cognito_async.__file__).with_name("py.typed").exists()
print(cognito_async.__version__, Path(cognito_async.__file__).parent)
"""


class ReleaseError(Exception):
    """A check of the release failed."""


def main() -> int:
    """Build and check a release, publish it on request, and return the exit code."""
    publish = os.environ.get("PUBLISH") == "1"
    try:
        check_changelog()
        if publish:
            check_repository()
        build()
        for archive in sorted(DIST.iterdir()):
            check_install(archive)
        if publish:
            run(sys.executable, "-m", "twine", "upload", *map(str, DIST.iterdir()))
            run("git", "tag", "--annotate", TAG, "--message", f"Release {__version__}")
            run("git", "push", "origin", TAG)  # later releases are compared with it
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    names = [f"{DIST.name}/{archive.name}" for archive in sorted(DIST.iterdir())]
    print("published:" if publish else "dry run, not published:", *names, sep="\n  ")
    return 0


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command that must succeed, and return its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.run(command, cwd=cwd or ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if process.returncode:
        raise ReleaseError(f"{' '.join(command)} failed:\n{process.stdout}{process.stderr}")
    return process.stdout


def check_changelog() -> None:
    """Require a dated section for the version."""
    if not re.search(
        rf"(?m)^## \[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text()
    ):
        raise ReleaseError(f"CHANGELOG.md has no section '## [{__version__}] - <date>'; add it")


def check_repository() -> None:
    """Require that everything is committed to ``main``, and that the version has not been released."""
    if run("git", "status", "--porcelain"):
        raise ReleaseError("the work tree has uncommitted changes; commit them first")
    if run("git", "branch", "--show-current").strip() != "main":
        raise ReleaseError("releases are made from the branch main; check it out first")
    if run("git", "ls-remote", "--tags", "origin", TAG) or run("git", "tag", "--list", TAG):
        raise ReleaseError(f"the tag {TAG} exists; change the version in cognito_async/version.py")


def build() -> None:
    """Build wheel and source distribution into ``dist/``, and check them."""
    shutil.rmtree(DIST, ignore_errors=True)
    with TemporaryDirectory() as second:
        for folder in (str(DIST), second):
            run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", folder)
        for archive in DIST.iterdir():
            if not filecmp.cmp(archive, Path(second) / archive.name, shallow=False):
                raise ReleaseError(f"{archive.name} differs between two builds")
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, DIST.iterdir()))


def check_install(archive: Path) -> None:
    """Install an archive into an empty environment, and run the smoke test and the wire tests with it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        python = str(folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, str(archive))
        output = run(python, "-W", "error", "-c", SMOKE_TEST, cwd=folder)
        if __version__ not in output or str(folder) not in output:
            raise ReleaseError(f"{archive.name}: expected version {__version__} in {folder}, got {output}")
        run(*pip, "-c", str(ROOT / "constraints.txt"), *TEST_TOOLS)
        for each in ("tests", "pyproject.toml"):
            copy = shutil.copytree if (ROOT / each).is_dir() else shutil.copy
            copy(ROOT / each, folder / each)
        summary = run(python, "-m", "pytest", "-p", "no:cacheprovider", *WIRE_TESTS, cwd=folder).splitlines()[-1]
        print(f"{archive.name}: installed, smoke test and wire tests passed: {summary.strip()}")


if __name__ == "__main__":
    sys.exit(main())
