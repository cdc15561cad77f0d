"""The public names: complete, and imported on first use."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import cognito_async
from cognito_async import errors, operations
from cognito_async.errors.modelled import BY_CODE
from tests.support.processes import without_coverage
from tests.support.strategies import service_model

ROOT = Path(cognito_async.__file__).parent
HEAVY = ["aiohttp", "attr", "attrs", "cattrs", "yarl", "multidict", "botocore", "asyncio", "json", "logging", "ssl"]
LOADED = f"found = [name for name in {HEAVY!r} if name in sys.modules]; import json; print(json.dumps(found))"


def run(code: str) -> Any:
    """Run code in a new interpreter and return what it prints as JSON."""
    command = [sys.executable, "-c", code]
    environment = without_coverage(os.environ)
    done = subprocess.run(
        command, cwd=ROOT.parent, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def names_for_checkers() -> set[str]:
    """Return the names that type checkers see, from the package's source."""
    tree = ast.parse((ROOT / "__init__.py").read_text())
    names: set[str] = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            continue
        for statement in node.body:
            if isinstance(statement, ast.ImportFrom):
                assert statement.module is not None
                for alias in statement.names:
                    if alias.name == "*" and statement.module != "cognito_async.operations":
                        names.update(dir(importlib.import_module(statement.module)))
                    elif alias.name != "*":
                        assert alias.name in cognito_async.__all__, "only names in __all__ are public to a checker"
                        names.add(alias.name)
    return names


# --- the package ------------------------------------------------------------------------------------------------------


def test_import_of_the_package_loads_no_dependency() -> None:
    """Not even asyncio."""
    code = f"import sys, cognito_async; {LOADED}"
    assert run(code) == []


def test_import_of_errors_loads_no_dependency() -> None:
    """Only the errors."""
    code = f"import sys, cognito_async as c; c.CodeMismatchException; c.errors.CognitoError; {LOADED}"
    assert run(code) == []


def test_session_loads_only_used_modules() -> None:
    """Neither botocore nor unused groups of operations."""
    code = (
        "import sys, json; from cognito_async import AsyncCognitoSession; "
        "AsyncCognitoSession('eu-west-1').client('abc'); "
        "print(json.dumps([n for n in sys.modules if n == 'botocore' or n.startswith('cognito_async.operations.')]))"
    )
    loaded = run(code)
    assert "botocore" not in loaded
    assert "cognito_async.operations.branding" not in loaded
    assert "cognito_async.operations.federation" not in loaded


@pytest.mark.parametrize("name", sorted(names_for_checkers()))
def test_names_for_type_checkers_exist_at_run_time(name: str) -> None:
    """Each is the same object each time."""
    value = getattr(cognito_async, name)
    assert value is not None
    assert getattr(cognito_async, name) is value
    assert name in dir(cognito_async)


def test_names_at_run_time_are_known_to_type_checkers() -> None:
    """All that ``dir()`` returns."""
    assert set(dir(cognito_async)) - {"__version__"} == names_for_checkers() | set(dir(operations))


def test_operations_types_are_names_of_the_package() -> None:
    """Imported on first use; type checkers see the same names."""
    for name in dir(operations):
        assert getattr(cognito_async, name) is getattr(operations, name)
    code = "import json, cognito_async as c; c.UserType; print(json.dumps([n for n in vars(c) if n.endswith('Type')]))"
    assert run(code) == ["UserType"]


def test_names_of_the_documentation_are_public() -> None:
    """Those of the README."""
    expected = {
        *("AsyncCognitoSession", "CognitoClient", "Credentials", "PoolLimits", "RetryDetails", "RetryKind"),
        *("RetryPolicy", "Timeouts", "Transport", "UserContextDataType", "AnalyticsMetadataType", "Paginator"),
        *("CognitoError", "ServiceError", "TransportError", "CodeMismatchException", "errors", "operations"),
    }
    assert expected <= names_for_checkers()


def test_errors_are_names_of_the_package() -> None:
    """Each error of ``cognito_async.errors``."""
    assert len(dir(errors)) == len(set(dir(errors))) >= len(BY_CODE) + 11
    for name in dir(errors):
        assert getattr(cognito_async, name) is getattr(errors, name)
        assert name == "Fault" or issubclass(getattr(errors, name), errors.CognitoError)


def test_errors_include_all_modelled_ones() -> None:
    """Besides ServiceError, there is one for each error that the service declares."""
    modelled = [name for name in dir(errors) if issubclass(getattr(errors, name), errors.ServiceError)]
    assert set(modelled) == {*BY_CODE, "ServiceError"}


@pytest.mark.parametrize("name", ["Nothing", "NothingError", "NothingException", "asyncCognitoSession", "_private", ""])
def test_unknown_name_is_an_attribute_error(name: str) -> None:
    """With Python's message; ``hasattr`` returns False."""
    with pytest.raises(AttributeError, match=f"'cognito_async' has no attribute '{name}'"):
        getattr(cognito_async, name)
    assert not hasattr(cognito_async, name)


def test_import_of_unknown_name_is_an_import_error() -> None:
    """``from cognito_async import``."""
    with pytest.raises(ImportError):
        exec("from cognito_async import NothingError", {})


def test_star_import_has_all_public_names() -> None:
    """And no others."""
    code = (
        "from cognito_async import *\n"
        "names = sorted(n for n in globals() if not n.startswith('__'))\n"
        "import json; print(json.dumps(names))"
    )
    assert set(run(code)) == names_for_checkers()


def test_star_import_of_errors_has_only_errors() -> None:
    """``from cognito_async.errors import *``."""
    namespace: dict[str, Any] = {}
    exec("from cognito_async.errors import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(dir(errors))


@pytest.mark.parametrize("name", sorted({*names_for_checkers(), *operations.__all__} - {"errors", "operations"}))
def test_name_has_the_package_as_its_module(name: str) -> None:
    """Tracebacks and reprs show the name that users import."""
    value = getattr(cognito_async, name)
    if isinstance(value, type):
        assert value.__module__ == "cognito_async"


def test_name_of_each_module_can_be_imported_first() -> None:
    """In a new interpreter."""
    homes = {cognito_async._MODULES.get(name, "errors"): name for name in names_for_checkers()}
    code = (
        "import json, sys\n"
        "def forget():\n"
        "    for name in [n for n in sys.modules if n.split('.')[0] == 'cognito_async']: del sys.modules[name]\n"
        "done = []\n"
        f"for name in {sorted(homes.values())!r}:\n"
        "    forget()\n"
        "    exec(f'from cognito_async import {name}')\n"
        "    done.append(name)\n"
        "print(json.dumps(done))"
    )
    assert run(code) == sorted(homes.values())


def test_version_is_public() -> None:
    """Three numbers."""
    assert cognito_async.__version__.count(".") == 2
    assert "__version__" in dir(cognito_async)


# --- operations -------------------------------------------------------------------------------------------------------


def test_operations_have_all_requests_by_aws_names() -> None:
    """``dir()`` lists only existing names."""
    names = dir(operations)
    requests = {name.removesuffix("Request") for name in names if name.endswith("Request")}
    assert requests == set(service_model().operation_names)
    for name in names:
        value = getattr(operations, name)
        if isinstance(value, type):
            assert value.__name__ == name


def test_unknown_operation_is_an_attribute_error() -> None:
    """As for the package."""
    with pytest.raises(AttributeError, match="NothingRequest"):
        _ = operations.NothingRequest  # type: ignore[attr-defined]


# --- docstrings -------------------------------------------------------------------------------------------------------


def modules() -> Iterator[ModuleType]:
    """Import every module of the package except programs."""
    yield cognito_async
    for found in pkgutil.walk_packages([str(ROOT)], "cognito_async."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


INTERNAL = ("cognito_async.bulk.", "cognito_async.cli.", "cognito_async.fastapi.")


def public_things() -> Iterator[tuple[str, object]]:
    """Yield all public modules, classes, functions and methods with their full names."""
    seen: set[object] = set()
    for module in modules():
        yield module.__name__, module
        for name, value in vars(module).items():
            if name.startswith("_") or not str(getattr(value, "__module__", "")).startswith("cognito_async"):
                continue
            if not isinstance(value, FunctionType | type) or value in seen:
                continue
            seen.add(value)
            if value.__module__.startswith(INTERNAL) and value.__module__ != "cognito_async.bulk.report":
                continue  # exported classes belong to their package
            if isinstance(value, FunctionType):
                yield f"{module.__name__}.{name}", value
            elif inspect.isclass(value):
                yield f"{module.__name__}.{name}", value
                for inner, member in vars(value).items():
                    function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                    if isinstance(function, FunctionType) and not inner.startswith("_"):
                        yield f"{module.__name__}.{name}.{inner}", function


def test_public_names_have_docstrings() -> None:
    """Editors show them."""
    found = dict(public_things())
    assert len(found) > 700
    assert [name for name, thing in found.items() if not (getattr(thing, "__doc__", None) or "").strip()] == []
