"""The Python examples in docstrings, which the API reference shows."""

import ast
import inspect
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

import cognito_async
from cognito_async import CognitoClient
from cognito_async.sign_in import SignedIn
from cognito_async.testing import FakeCognito, TokenIssuer
from tests.docs.reader import ADA, NEW, OLD, fake_pool

PACKAGE = Path(cognito_async.__file__).parent
POOL: Any = {"user_pool_id": "eu-west-1_TestPool1", "client_id": "test-client"}


def examples() -> Iterator[tuple[str, str]]:
    """Yield the name of each object with an example, and the example: an indented paragraph that is Python."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ast.parse(path.read_text())
        for node in ast.walk(module):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found = re.findall(r"(?m)(?<=\n\n)((?: {4}.*\n*)+)", ast.get_docstring(node) or "")
                for text in map(dedent, found):
                    if is_python(text):
                        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
                        yield f"{name}:{getattr(node, 'name', '')}", text


def is_python(text: str) -> bool:
    """Return whether a text is Python, apart from the function of a decorator."""
    try:
        compile(with_function(text), "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return False
    return True


def with_function(text: str) -> str:
    """Add a function to an example that ends with a decorator."""
    return text + ("\nasync def route(): ..." if text.startswith("@") else "")


EXAMPLES = dict(examples())


async def run(text: str, /, **names: Any) -> dict[str, Any]:
    """Run an example with these names and those of the public packages; return what it defines."""
    for package in ("bulk", "fastapi", "sign_in", "testing", "tokens"):
        module = import_module(f"cognito_async.{package}")
        names = {name: getattr(module, name) for name in module.__all__} | names
    names = {name: getattr(cognito_async, name) for name in cognito_async.__all__} | names
    code = compile(with_function(text), "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if inspect.isawaitable(result):
        await result
    return names


@asynccontextmanager
async def pool_of_ada() -> AsyncIterator[tuple[FakeCognito, CognitoClient]]:
    """Run a fake user pool with one user, and a client for it."""
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD, email=ADA)
        yield fake, client


async def resets_a_password(text: str, _: Path) -> None:
    """Of a fake user pool, with the code that it has sent."""
    async with pool_of_ada() as (fake, client):
        await client.forgot_password(username=ADA)
        app_client = fake.create_app_client(client_secret="secret-of-the-app-client")
        values = {
            'client_id="…"': f'client_id="{app_client.client_id}"',
            'client_secret="…"': f'client_secret="{app_client.client_secret}"',
            "123456": fake.messages[-1].code,
            'password="…"': f'password="{NEW}"',
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", fake.endpoint_url)
            await run(replaced(text, values))
        assert isinstance(await client.sign_in(username=ADA, password=NEW), SignedIn)


async def runs_a_job(text: str, folder: Path) -> None:
    """For the users of a file."""
    (folder / "users.csv").write_text("username\nada\n")
    async with pool_of_ada() as (_fake, client):
        names = await run(text, client=client)
    assert names["outcome"].state == "done"


async def signs_a_user_in(text: str, _: Path) -> None:
    """Without a second factor."""
    async with pool_of_ada() as (_fake, client):
        names = await run(text, client=client, password=OLD)
    assert isinstance(names["result"], SignedIn)


async def uses_a_fake_user_pool(text: str, _: Path) -> None:
    """With a second factor."""
    assert isinstance((await run(text))["result"], SignedIn)


async def receives_a_code(text: str, _: Path) -> None:
    """From the local user pool."""
    assert (await run(text))["code"].isdecimal()


async def is_an_application(text: str, _: Path) -> None:
    """With the routes of both routers."""
    app = (await run(text, FastAPI=FastAPI))["app"]
    assert {"/sign-in", "/reset-password"} <= app.openapi()["paths"].keys()


async def is_an_annotation(text: str, _: Path) -> None:
    """Of a parameter of a route."""
    names = await run(text, Annotated=Annotated, Depends=Depends)
    app = FastAPI()
    app.get("/page")(eval("lambda user: user", names))
    assert names["Page"].__metadata__


async def protects_a_route(text: str, _: Path) -> None:
    """So that it needs an access token."""
    app = FastAPI()
    await run(text, app=app)
    (path,) = app.openapi()["paths"].values()
    assert [operation["security"] for operation in path.values()] == [[{"CognitoBearer": []}]]


async def issues_a_token(text: str, _: Path) -> None:
    """For a user in a group."""
    names = await run(text)
    assert names["issuer"].verifier().verify_cached(names["token"]).groups == {"staff"}


async def verifies_and_refreshes(text: str, folder: Path) -> None:
    """The tokens of a fake user pool."""
    async with pool_of_ada() as (fake, client):
        done = await client.sign_in(username=ADA, password=OLD)
        assert isinstance(done, SignedIn)
        values = {"eu-west-1_AbCdEfGhI": fake.user_pool_id, "…": client.bound.client_id or ""}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", fake.endpoint_url)
            patch.setenv("HOME", str(folder))
            names = await run(replaced(text, values), client=client, tokens=done.tokens, text=done.tokens.access_token)
    assert names["token"].username == "ada"
    assert names["headers"] == {"Authorization": f"Bearer {done.tokens.access_token}"}


async def reads_a_header(text: str, _: Path) -> None:
    """Of the request of any framework."""
    issuer = TokenIssuer(**POOL)
    request = SimpleNamespace(headers={"Authorization": f"Bearer {issuer.access_token(username='ada')}"})
    names = await run(text, verifier=issuer.verifier(), request=request)
    assert names["token"].username == "ada"


def replaced(text: str, values: dict[str, str]) -> str:
    """Return an example with values of the test, each of which it must contain."""
    for old, new in values.items():
        assert old in text
        text = text.replace(old, new)
    return text


CHECKS = {
    "__init__:": resets_a_password,
    "bulk.job:Job": runs_a_job,
    "fastapi.__init__:": is_an_application,
    "fastapi.authentication:TokenAuth": is_an_annotation,
    "fastapi.authentication:require_any_group": protects_a_route,
    "fastapi.authentication:require_groups": protects_a_route,
    "fastapi.authentication:require_scopes": protects_a_route,
    "sign_in.__init__:": signs_a_user_in,
    "testing.fake_cognito.server:FakeCognito": uses_a_fake_user_pool,
    "testing.local_pool:LocalPool": receives_a_code,
    "testing.token_issuer:TokenIssuer": issues_a_token,
    "tokens.__init__:": verifies_and_refreshes,
    "tokens.bearer:bearer_token": reads_a_header,
}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the values of a test; a new example needs a row in ``CHECKS``."""
    monkeypatch.chdir(tmp_path)
    await CHECKS[name](EXAMPLES[name], tmp_path)


def test_all_examples_are_found() -> None:
    """Those of the most visible objects, too."""
    assert CHECKS.keys() == EXAMPLES.keys()
