"""Checks for the blocks of docs/testing.md: the files of one application, and files for pytest without other files."""

import ast

from tests.docs.reader import Check, Reader
from tests.support.docs import Block, python_blocks

OPTIONS = ("-o", "asyncio_default_fixture_loop_scope=function")  # pytest-asyncio warns without it
APPLICATION = {"app.py", "conftest.py"}


def tests_of(block: Block) -> int:
    """Return the number of test functions in a block."""
    return sum(getattr(node, "name", "").startswith("test_") for node in ast.parse(block.text).body)


async def passes(block: Block, reader: Reader) -> None:
    """A file of tests in an empty project."""
    output = await reader.run("-m", "pytest", "-q", *OPTIONS, str(reader.save(block)))
    assert f"{tests_of(block)} passed" in output


async def passes_with_the_application(block: Block, reader: Reader) -> None:
    """A file of tests beside the application; the file with the fixture or the application runs the first of them."""
    files = {each.file_name: each for each in python_blocks(block.page)}
    for name in APPLICATION:
        reader.save(files[name])
    await passes(files["test_sign_in_routes.py"] if block.file_name in APPLICATION else block, reader)


async def overrides_options(block: Block, reader: Reader) -> None:
    """A part of a ``conftest.py`` with options of the shared pool."""
    reader.save(block).rename(reader.folder / "conftest.py")
    test = Block(block.page, 0, "python", "def test_secret(cognito_pool):\n    assert cognito_pool.client_secret\n")
    await passes(test, reader)


def check_of(block: Block) -> Check:
    """Return the check of a block."""
    if block.file_name is None:
        return overrides_options
    needs_application = block.file_name in APPLICATION or "TestClient" in block.text
    return passes_with_the_application if needs_application else passes


CHECKS: list[Check] = [check_of(block) for block in python_blocks("docs/testing.md")]
