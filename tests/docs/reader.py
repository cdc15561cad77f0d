"""A reader of the documentation, who saves a code block in an empty folder and runs it."""

import asyncio
import os
import runpy
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from cognito_async import CognitoClient
from cognito_async.testing import FakeCognito, LocalPool
from tests.support.docs import Block
from tests.support.processes import ROOT

ADA, OLD, NEW = "ada@example.com", "An old passw0rd!", "A new passw0rd!"
TIMEOUT = 60.0


@frozen
class Reader:
    """Somebody with a user pool and an empty folder, in which a block is saved and run."""

    pool: LocalPool
    folder: Path

    def save(self, block: Block) -> Path:
        """Save a block with the IDs of the pool."""
        path = self.folder / (block.file_name or f"block_{block.line}.py")
        text = block.text.replace("3n4b5urk1ft4fl3mg5e62d9ado", self.pool.client_id)
        path.write_text(text.replace("eu-west-1_AbC123", self.pool.user_pool_id))
        return path

    def names(self, block: Block) -> dict[str, Any]:
        """Return what a block defines."""
        return runpy.run_path(str(self.save(block)), run_name=self.save(block).stem)

    @asynccontextmanager
    async def started(self, *arguments: str) -> Any:
        """Start Python in the folder with the settings of the pool."""
        aws = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
        environment = {**os.environ, **aws, "AWS_ENDPOINT_URL": self.pool.endpoint_url, "PYTHONPATH": str(ROOT)}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments), cwd=self.folder, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    async def run(self, *arguments: str, stdin: str = "") -> str:
        """Run Python in the folder and return the output; it must succeed."""
        async with asyncio.timeout(TIMEOUT), self.started(*arguments) as process:
            output, errors = await process.communicate(stdin.encode())
        assert (process.returncode, errors.decode()) == (0, ""), output.decode()
        return str(output.decode())


Check = Callable[[Block, Reader], Awaitable[None]]


@asynccontextmanager
async def fake_pool() -> AsyncIterator[tuple[FakeCognito, CognitoClient]]:
    """Run a fake user pool with a client for it."""
    async with FakeCognito() as fake, fake.session() as session:
        yield fake, fake.client(session)


@contextmanager
def typed(*lines: str | Callable[[], str]) -> Any:
    """Answer ``input()`` with these lines, or with what functions return; all of them must be read."""
    waiting = list(lines)

    def read(_: str = "") -> str:
        line = waiting.pop(0)
        return line if isinstance(line, str) else line()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.input", read)
        yield
    assert not waiting


def wrong(code: str) -> str:
    """Return another code of the same length."""
    return code[:-1] + ("0" if code[-1] != "0" else "1")


def last_code(fake: FakeCognito) -> Callable[[], str]:
    """Return a function that returns the newest code that was sent."""
    return lambda: fake.messages[-1].code


def operations(fake: FakeCognito) -> Iterable[str]:
    """Return the operations of all requests."""
    return [request.operation for request in fake.requests]
