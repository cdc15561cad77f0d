"""All code blocks of the documentation, run as a reader runs them.

``EXAMPLES`` has a check for each Python block of each page. A new page or block without one fails the tests.
"""

import ast
import asyncio
import inspect
import json
import logging
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import TestCase

import pytest

from cognito_async import AsyncCognitoSession, CognitoError, RetryDetails, RetryKind, RetryPolicy
from cognito_async.testing import FakeCognito, LocalPool
from tests.docs import migrating_blocks, quickstart_blocks, sign_in_blocks, testing_blocks
from tests.docs.reader import ADA, NEW, OLD, TIMEOUT, Check, Reader
from tests.support.docs import PAGES, Block, blocks, python_blocks
from tests.support.processes import ROOT, running
from tests.support.scripted_server import Connection, ScriptedServer, answer, cut

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

FASTAPI = {"COGNITO_CLIENT_ID": "abc", "COGNITO_STAFF_CLIENT_ID": "xyz", "AWS_REGION": "eu-west-1"}


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Start a pool with one user."""
    with running(LocalPool(users={ADA: OLD})) as started:
        yield started


# --- checks -----------------------------------------------------------------------------------------------------------


async def program(block: Block, reader: Reader) -> None:
    """A complete program; a user list is beside it."""
    (reader.folder / "users.csv").write_text(f"username\n{ADA}\n")
    await reader.run("-W", "error", str(reader.save(block)))


async def sends_a_code(block: Block, reader: Reader) -> None:
    """A complete program that sends a code."""
    before = len(await reader.pool.messages_for(ADA))
    await program(block, reader)
    assert len(await reader.pool.messages_for(ADA)) == before + 1


async def resets_all_users(block: Block, reader: Reader) -> None:
    """A complete program that runs a bulk job."""
    await sends_a_code(block, reader)
    assert (reader.folder / "users.journal").exists()


async def writes_reports(block: Block, reader: Reader) -> None:
    """A complete program that reads the journal of the page's first block."""
    await resets_all_users(python_blocks(block.page)[0], reader)
    await program(block, reader)
    assert {path.name for path in reader.folder.iterdir()} >= {"report.html", "rows.csv", "report.json"}


async def serves_a_pool(block: Block, reader: Reader) -> None:
    """A program that prints the options for its pool and runs until Ctrl-C."""
    async with asyncio.timeout(TIMEOUT), reader.started("-W", "error", str(reader.save(block))) as process:
        line = (await process.stdout.readline()).decode()
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert line.startswith("--endpoint-url http://127.0.0.1:")
    assert (process.returncode, errors) == (0, b"")


async def in_a_repl(block: Block, reader: Reader) -> None:
    """A block that is entered in a REPL after the other blocks of its page; the service responds from ``BODIES``."""
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        async with ScriptedServer(otherwise=respond_from_bodies) as server:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                patch.setenv(name, "test")
            patch.setenv("AWS_ENDPOINT_URL", server.url)
            for each in python_blocks(block.page):
                if each.line <= block.line:
                    code = compile(each.text, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                    result = eval(code, names)
                    if inspect.isawaitable(result):
                        await result
            for value in names.values():
                if isinstance(value, AsyncCognitoSession):
                    await value.close()


async def respond_from_bodies(connection: Connection) -> None:
    """Respond to an operation with its body; other operations fail."""
    assert connection.request is not None
    await answer(BODIES[connection.request.headers["x-amz-target"].partition(".")[2]])(connection)


BODIES: Mapping[str, Any] = {
    "AdminGetUser": {"Username": "ada", "UserStatus": "CONFIRMED", "UserAttributes": [{"Name": "email"}]},
    "ForgotPassword": {"CodeDeliveryDetails": {"Destination": "a***"}},
    "ListUsers": {"Users": [{"Username": "ada"}]},
    "DescribeNewThing": {"NewThing": {"NewThingId": "t-1"}},
    "CreateGroup": {"Group": {"GroupName": "staff", "Color": "blue"}, "NewMember": 7},
}


async def is_a_test(block: Block, reader: Reader) -> None:
    """A file for pytest; the page's first block is beside it."""
    reader.save(python_blocks(block.page)[0])
    options = ("-o", "asyncio_default_fixture_loop_scope=function")  # pytest-asyncio warns without it
    assert "1 passed" in await reader.run("-m", "pytest", "-q", *options, str(reader.save(block)))


async def is_an_application(block: Block, reader: Reader) -> None:
    """A FastAPI application that starts and describes its routes."""
    app = reader.names(block)["app"]
    async with app.router.lifespan_context(app):
        assert app.openapi()["openapi"]


async def explains_a_reset(block: Block, reader: Reader) -> None:
    """A function that returns a message for each outcome."""
    reset_password = reader.names(block)["reset_password"]
    async with reader.pool.session() as session:
        client = session.client(reader.pool.client_id)
        await client.forgot_password(username=ADA)
        assert "expired" in await reset_password(client, ADA, "000000", NEW)
        assert "changed" in await reset_password(client, ADA, await reader.pool.code_for(ADA), NEW)
        assert "Fault.APP_CLIENT" in await reset_password(session.client("unknown"), ADA, "000000", NEW)
    async with ScriptedServer(otherwise=cut()) as server, session_of(server) as session:
        assert await reset_password(session.client("abc"), ADA, "123456", NEW) == "Sign in with the new password."


async def verifies_a_reset(block: Block, reader: Reader) -> None:
    """A function that verifies the password after an ambiguous outcome."""
    reset_password = reader.names(block)["reset_password"]
    faults: list[tuple[dict[str, Any], bool]] = [({"lose_response": True}, True), ({"status": 500}, False)]
    for fault, changed in faults:
        async with FakeCognito() as fake, fake.session(retry=RetryPolicy(max_attempts=1)) as session:
            fake.create_user(ADA, password=OLD, email=ADA)
            client = fake.client(session)
            await client.forgot_password(username=ADA)
            fake.fail_next("ConfirmForgotPassword", **fault)
            assert await reset_password(client, ADA, fake.messages[-1].code, NEW) is changed


def session_of(server: ScriptedServer) -> AsyncCognitoSession:
    """Open a session without retries."""
    return AsyncCognitoSession("eu-west-1", endpoint_url=server.url, retry=RetryPolicy(max_attempts=1))


async def logs_faults(block: Block, reader: Reader) -> None:
    """A function that logs faults of the operator and raises all errors."""
    send_code = reader.names(block)["send_code"]
    with TestCase().assertLogs(level=logging.ERROR):
        async with reader.pool.session() as session:
            with pytest.raises(CognitoError):
                await send_code(session.client("unknown"), ADA)


async def counts_events(block: Block, reader: Reader) -> None:
    """A hook that counts retries."""
    names = reader.names(block)
    kind, error = RetryKind.TRANSIENT, CognitoError("no")
    details = RetryDetails(
        operation="SignUp", attempt=1, max_attempts=3, kind=kind, error=error, delay=0.0, elapsed=0.0
    )
    names["count"](details)
    assert names["metrics"] == {"SignUp retried: transient": 1}
    await names["session"].close()


async def reads_many_users(block: Block, reader: Reader) -> None:
    """A function that returns the status, or the code of the error, for each user."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in reader.pool.environment().items():
            patch.setenv(name, value)
        found = await reader.names(block)["statuses"]([ADA, *(f"unknown-{number}" for number in range(200))])
    assert found.pop(ADA) == "CONFIRMED"
    assert set(found.values()) == {"UserNotFoundException"}
    assert len(found) == 200


async def is_available(block: Block, reader: Reader) -> None:
    """A function that requests the user pool."""
    async with reader.pool.session() as session:
        assert await reader.names(block)["is_available"](session.client(user_pool_id=reader.pool.user_pool_id))


async def is_tested_elsewhere(block: Block, reader: Reader) -> None:
    """A file of examples/frameworks, which tests/examples/test_frameworks.py runs."""
    assert block.text in [path.read_text() for path in (ROOT / "examples" / "frameworks").glob("*.py")]


EXAMPLES: Mapping[str, Sequence[Check]] = {
    "CHANGELOG.md": [],
    "CODE_OF_CONDUCT.md": [],
    "CONTRIBUTING.md": [],
    "README.md": [
        quickstart_blocks.signs_in_at_the_terminal,
        quickstart_blocks.verifies_tokens,
        explains_a_reset,
        is_an_application,
    ],
    "SECURITY.md": [],
    "docs/benchmarks.md": [],
    "docs/bulk.md": [resets_all_users, writes_reports],
    "docs/client.md": [is_available],
    "docs/command-line.md": [],
    "docs/configuration.md": [in_a_repl] * len(python_blocks("docs/configuration.md")),
    "docs/fastapi.md": [*[is_an_application] * 3, is_a_test, *[is_an_application] * 3],
    "docs/index.md": [
        quickstart_blocks.runs_without_aws,
        quickstart_blocks.signs_in_at_the_terminal,
        quickstart_blocks.verifies_tokens,
        quickstart_blocks.refreshes_tokens,
        explains_a_reset,
    ],
    "docs/migrating.md": migrating_blocks.CHECKS,
    "docs/operations.md": [in_a_repl] * len(python_blocks("docs/operations.md")),
    "docs/other-frameworks.md": [is_tested_elsewhere] * 5,
    "docs/changelog.md": [],
    "docs/design.md": [],
    "docs/troubleshooting.md": [],
    "docs/retries.md": [logs_faults, reads_many_users, counts_events],
    "docs/run-book.md": [serves_a_pool],
    "docs/ambiguous-outcomes.md": [verifies_a_reset],
    "docs/sign-in.md": sign_in_blocks.CHECKS,
    "docs/testing.md": testing_blocks.CHECKS,
    "examples/fastapi_app/README.md": [],
}
CASES = [
    pytest.param(block, check, id=f"{page}:{block.line}")
    for page, checks in EXAMPLES.items()
    for block, check in zip(python_blocks(page), checks, strict=False)
]


# --- tests ------------------------------------------------------------------------------------------------------------


def test_every_page_and_python_block_has_a_check() -> None:
    """A new page or block is added to ``EXAMPLES``."""
    assert {page: len(python_blocks(page)) for page in PAGES} == {page: len(c) for page, c in EXAMPLES.items()}


def test_every_block_has_a_known_language() -> None:
    """Python, shell and JSON blocks are checked; indented blocks are commands or text."""
    assert {block.language for page in PAGES for block in blocks(page)} <= {"", "json", "python", "sh"}


@pytest.mark.parametrize(("block", "check"), CASES)
async def test_python_block_runs(
    block: Block, check: Check, pool: LocalPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block is a complete program, or a module whose functions are called."""
    for name, value in {**FASTAPI, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    await check(block, Reader(pool, tmp_path))


def test_json_blocks_are_json() -> None:
    """They can be parsed."""
    for page in PAGES:
        for block in blocks(page):
            if block.language == "json":
                json.loads(block.text)
