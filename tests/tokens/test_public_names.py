"""The public names of ``cognito_async.tokens``, and its imports."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cognito_async import testing, tokens

ROOT = Path(tokens.__file__).parent.parent.parent


def run(code: str) -> Any:
    """Run code in a new interpreter and return what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", tokens.__all__)
def test_public_name_exists(name: str) -> None:
    """Each is the same object each time."""
    value = getattr(tokens, name)
    assert getattr(tokens, name) is value
    assert name in dir(tokens)


@pytest.mark.parametrize("package", [tokens, testing])
def test_classes_are_shown_under_the_module_that_users_import(package: ModuleType) -> None:
    """In reprs and tracebacks."""
    kinds = [kind for name in package.__all__ if isinstance(kind := getattr(package, name), type)]
    assert {kind.__module__ for kind in kinds} == {package.__name__}


def test_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError):
        _ = tokens.Nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def test_import_without_use_loads_neither_cryptography_nor_http() -> None:
    """Nor do the classes of tokens, and an offline verifier needs no HTTP."""
    code = (
        "import sys, json\n"
        "import cognito_async.tokens as t; from cognito_async import TokenError\n"
        "loaded = lambda *names: [n for n in names if n in sys.modules]\n"
        "first = loaded('cryptography', 'aiohttp', 'attrs')\n"
        "t.AccessToken, t.IdToken, t.ANY_CLIENT\n"
        "second = loaded('cryptography', 'aiohttp')\n"
        "t.TokenVerifier, t.verify_signature\n"
        "print(json.dumps([first, second, loaded('cryptography', 'aiohttp')]))"
    )
    assert run(code) == [[], [], ["cryptography"]]


@pytest.mark.parametrize("name", ["TokenVerifier", "verify_signature"])
def test_missing_extra_is_named(name: str) -> None:
    """Without cryptography, the error says which extra to install; the other names work."""
    code = (
        "import sys, json\n"
        "sys.modules['cryptography'] = None\n"
        "from cognito_async.tokens import AccessToken\n"
        "try:\n"
        f"    from cognito_async.tokens import {name}\n"
        "except ImportError as error:\n"
        "    print(json.dumps([type(error).__name__, error.name, str(error)]))"
    )
    kind, module, message = run(code)
    assert (kind, module) == ("ImportError", "cryptography")
    assert "extra 'tokens'" in message
    assert "pip" not in message
