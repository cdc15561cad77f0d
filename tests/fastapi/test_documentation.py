"""The Python files shown in docs/fastapi.md, run as a reader runs them."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.support.processes import ROOT

FILES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "fastapi.md").read_text(), re.DOTALL)
NAMES = [text.partition("\n")[0].removeprefix("# ") for text in FILES]
ENVIRONMENT = {
    "COGNITO_CLIENT_ID": "abc",
    "COGNITO_STAFF_CLIENT_ID": "xyz",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def test_every_block_names_its_file() -> None:
    """All blocks are complete files: applications and one test."""
    assert NAMES[0] == "main.py"
    assert sorted(set(NAMES)) == ["main.py", "test_main.py"]


@pytest.mark.parametrize("text", [text for text, name in zip(FILES, NAMES, strict=True) if name == "main.py"])
async def test_application_starts_and_has_an_openapi_document(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each application starts with the documented settings."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "main.py").write_text(text)
    app: FastAPI = runpy.run_path(str(tmp_path / "main.py"), run_name="main")["app"]
    async with app.router.lifespan_context(app):
        assert app.openapi()["openapi"]


def test_test_file_passes_with_the_first_application(tmp_path: Path) -> None:
    """Pytest runs it beside main.py."""
    (tmp_path / "main.py").write_text(FILES[0])
    (tmp_path / "test_main.py").write_text(FILES[NAMES.index("test_main.py")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_main.py"],
        cwd=tmp_path,
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
