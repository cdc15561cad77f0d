"""Checks for the blocks of the quickstart, some of which the README repeats."""

import sys
from contextlib import suppress

import pytest

from cognito_async import TokenError
from cognito_async.sign_in import SignedIn
from cognito_async.testing import TokenIssuer
from tests.docs.reader import ADA, OLD, Reader, fake_pool, operations, typed
from tests.support.docs import Block
from tests.support.terminal import terminal


async def runs_without_aws(block: Block, reader: Reader) -> None:
    """A complete program with a fake user pool."""
    output = await reader.run("-W", "error", str(reader.save(block)))
    assert "verified: ada\npassword changed: True\n" in output


async def signs_in_without_aws(block: Block, reader: Reader) -> None:
    """A complete program with a fake user pool and a second factor."""
    assert "ada is signed in until 20" in await reader.run("-W", "error", str(reader.save(block)))


async def signs_in_at_the_terminal(block: Block, reader: Reader) -> None:
    """A complete program that reads the password without showing it."""
    await set_password(reader)
    variables = {"AWS_ENDPOINT_URL": reader.pool.endpoint_url}
    program = (sys.executable, "-W", "error")
    async with terminal(str(reader.save(block)), program=program, variables=variables, cwd=reader.folder) as shown:
        await shown.wait_for("Password: ")
        shown.type(f"{OLD}\n")
        await shown.wait_for("is signed in until 20")
        assert await shown.exit_code() == 0
    assert OLD not in shown.shown


async def signs_in(block: Block, reader: Reader) -> None:
    """A function that reads the username and the password."""
    await set_password(reader)
    function = reader.names(block)["sign_in"]
    async with reader.pool.session() as session:
        with typed(ADA), pytest.MonkeyPatch.context() as patch:
            patch.setitem(function.__globals__, "getpass", lambda: OLD)
            assert isinstance(await function(session), SignedIn)


async def set_password(reader: Reader) -> None:
    """Set the password of ADA again, which other blocks change."""
    async with reader.pool.session() as session:
        client = session.client(user_pool_id=reader.pool.user_pool_id)
        await client.admin_set_user_password(username=ADA, password=OLD, permanent=True)


async def verifies_tokens(block: Block, reader: Reader) -> None:
    """A function that returns the verified token; for another token, it returns None or raises TokenError."""
    async with reader.pool.session() as session:
        user = f"{block.page.replace('/', '-')}@example.com"  # two pages have this block
        await reader.pool.create_user(user, OLD)
        client = session.client(reader.pool.client_id, user_pool_id=reader.pool.user_pool_id)
        done = await client.sign_in(username=user, password=OLD)
    assert isinstance(done, SignedIn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", reader.pool.endpoint_url)
        names = reader.names(block)
        token = await names["user_of"](f"Bearer {done.tokens.access_token}")
        assert token.username
        with suppress(TokenError):
            assert await names["user_of"](f"Bearer {TokenIssuer().access_token()}") is None
        await names["verifier"].close()


async def refreshes_tokens(block: Block, reader: Reader) -> None:
    """A function that uses a provider and signs out."""
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD)
        done = await client.sign_in(username="ada", password=OLD)
        assert isinstance(done, SignedIn)
        assert await reader.names(block)["work"](client, done.tokens) == [done.tokens.access_token] * 3
        assert list(operations(fake))[-1] == "RevokeToken"
