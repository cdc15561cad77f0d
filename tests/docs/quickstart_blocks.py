"""Checks for the blocks of the quickstart, some of which the README repeats."""

import pytest

from cognito_async.sign_in import SignedIn
from cognito_async.testing import TokenIssuer
from tests.docs.reader import ADA, OLD, Reader, fake_pool, operations
from tests.support.docs import Block


async def runs_without_aws(block: Block, reader: Reader) -> None:
    """A complete program with a fake user pool."""
    output = await reader.run("-W", "error", str(reader.save(block)))
    assert "verified: ada\npassword changed: True\n" in output


async def signs_in_at_the_terminal(block: Block, reader: Reader) -> None:
    """A complete program that reads the password."""
    async with reader.pool.session() as session:
        client = session.client(user_pool_id=reader.pool.user_pool_id)
        await client.admin_set_user_password(username=ADA, password=OLD, permanent=True)
    output = await reader.run("-W", "error", str(reader.save(block)), stdin=f"{OLD}\n")
    assert "is signed in until 20" in output


async def verifies_tokens(block: Block, reader: Reader) -> None:
    """A function that returns the verified token, or None."""
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
