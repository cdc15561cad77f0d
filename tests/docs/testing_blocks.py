"""Checks for the blocks of docs/testing.md: each is a file for pytest."""

from tests.docs.reader import Check, Reader
from tests.support.docs import Block, python_blocks

OPTIONS = ("-o", "asyncio_default_fixture_loop_scope=function")  # pytest-asyncio warns without it


async def passes(block: Block, reader: Reader) -> None:
    """A file with one test, in an empty project."""
    output = await reader.run("-m", "pytest", "-q", *OPTIONS, str(reader.save(block)))
    assert "1 passed" in output


CHECKS: list[Check] = [passes] * len(python_blocks("docs/testing.md"))
