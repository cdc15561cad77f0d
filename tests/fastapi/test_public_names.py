"""The public names of cognito_async.fastapi."""

import ast
import asyncio
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import cognito_async.fastapi as package
from tests.support.processes import ROOT


def test_all_is_a_sorted_literal_of_existing_names() -> None:
    """Each name exists and the list has no duplicates."""
    body = ast.parse(Path(package.__file__).read_text()).body
    (value,) = [
        node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    names: list[str] = ast.literal_eval(value)
    assert names == package.__all__
    assert len(set(names)) == len(names)
    assert all(hasattr(package, name) for name in names)


@pytest.mark.parametrize("name", package.__all__)
def test_public_class_is_attributed_to_the_package(name: str) -> None:
    """Tracebacks show ``cognito_async.fastapi.RateLimitedError``, and errors can be pickled."""
    value = getattr(package, name)
    if inspect.isclass(value):
        assert value.__module__ == "cognito_async.fastapi"
        assert pickle.loads(pickle.dumps(value)) is value


@pytest.mark.parametrize("name", package.__all__)
def test_public_name_has_a_docstring(name: str) -> None:
    """Classes, their public methods, and functions."""
    value = getattr(package, name)
    if inspect.isclass(value):
        methods = [method for key, method in vars(value).items() if key[0] != "_" and inspect.isfunction(method)]
        assert all(inspect.getdoc(documented) for documented in (value, *methods))
    elif inspect.isfunction(value):
        assert inspect.getdoc(value)


@pytest.mark.parametrize("module", ["cryptography", "fastapi", "pydantic_settings", "python_multipart"])
async def test_import_without_the_extra_names_the_extra(module: str) -> None:
    """The message does not suggest a package from an index."""
    code = f"import sys; sys.modules[{module!r}] = None; import cognito_async.fastapi"
    command = [sys.executable, "-c", code]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ImportError")
    assert "'fastapi'" in message
    assert repr(module) in message
    assert "pip install" not in message
