"""The tables of docs/configuration.md list every session option and environment variable."""

import ast
import inspect
import re
from pathlib import Path

from cognito_async import AsyncCognitoSession
from cognito_async.fastapi import CognitoSettings
from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "configuration.md").read_text()
DOCUMENTED = set(re.findall(r"`([A-Za-z]+(?:_[A-Za-z]+)*)`", TEXT))
VARIABLE = re.compile(
    r"(?:AWS|COGNITO|SSL|XDG)_[A-Z_]+|HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy|REQUEST_METHOD|LOCALAPPDATA|TERM"
)


def variables(folder: Path) -> set[str]:
    """Return the names of environment variables in the source of a folder, except for generated code."""
    files = [path for path in folder.rglob("*.py") if "operations" not in path.parts]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if VARIABLE.fullmatch(text)}


def test_table_lists_every_variable_that_is_read() -> None:
    """Those of sessions, FastAPI, the command line and the local pool."""
    read = variables(ROOT / "cognito_async") | {f"COGNITO_{name.upper()}" for name in CognitoSettings.model_fields}
    assert {"AWS_REGION", "HTTPS_PROXY", "no_proxy", "COGNITO_PASSWORD", "TERM"} <= read
    assert read - DOCUMENTED == set()


def test_table_lists_every_session_option() -> None:
    """``random`` is for tests."""
    assert inspect.signature(AsyncCognitoSession).parameters.keys() - DOCUMENTED == {"random"}
