"""Checks for the blocks of docs/migrating.md: the old and the new code do the same, at the local pool."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from cognito_async import CognitoClient
from cognito_async.sign_in import SignedIn
from cognito_async.testing import FakeCognito
from cognito_async.tokens import FileTokenStore
from tests.docs.reader import NEW, OLD, Check, Reader, operations, typed
from tests.support.docs import Block

GRACE = "grace@example.com"


async def opens_a_session(block: Block, reader: Reader) -> None:
    """A complete program with one session."""
    assert await reader.run("-W", "error", str(reader.save(block))) == "CONFIRMED\n"


async def result_of(function: Any, client: CognitoClient, *arguments: Any) -> Any:
    """Call a function in a thread, or await a coroutine function, which takes a client."""
    if inspect.iscoroutinefunction(function):
        return await function(client, *arguments)
    return await asyncio.to_thread(function, *arguments)


@asynccontextmanager
async def with_user(reader: Reader) -> AsyncIterator[CognitoClient]:
    """Create a user for this check; yield a client, with the variables of the pool set."""
    async with reader.pool.session() as session:
        client = session.client(reader.pool.client_id, user_pool_id=reader.pool.user_pool_id)
        await reader.pool.create_user(GRACE, OLD)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in reader.pool.environment().items():
                patch.setenv(name, value)
            yield client
        await client.admin_delete_user(username=GRACE)


async def resets(block: Block, reader: Reader) -> None:
    """A function that resets a password."""
    reset_password = reader.names(block)["reset_password"]
    async with with_user(reader) as client:
        await client.forgot_password(username=GRACE)
        code = await reader.pool.code_for(GRACE)
        assert await result_of(reset_password, client, GRACE, "000000", NEW) == "wrong code"
        assert await result_of(reset_password, client, GRACE, code, NEW) == "changed"


async def lists(block: Block, reader: Reader) -> None:
    """A function that lists users."""
    async with with_user(reader) as client:
        user = await client.admin_get_user(username=GRACE)
        assert user.username in await result_of(reader.names(block)["confirmed_users"], client)


async def reads_a_status(block: Block, reader: Reader) -> None:
    """A function that returns the status of a user; aiobotocore is not installed."""
    if "aiobotocore" in block.text:
        compile(block.text, block.page, "exec")
        return
    async with with_user(reader) as client:
        assert await reader.names(block)["user_status"](client, GRACE) == "CONFIRMED"


async def signs_in(block: Block, reader: Reader) -> None:
    """A function that returns an access token."""
    async with with_user(reader) as client:
        token = await result_of(reader.names(block)["sign_in"], client, GRACE, OLD)
        assert (await client.get_user(access_token=token)).username


async def signs_in_step_by_step(block: Block, reader: Reader) -> None:
    """A function that answers a challenge with a code, at a fake user pool."""
    async with FakeCognito() as fake, fake.session() as session:
        app_client = fake.create_app_client(reader.pool.client_id)
        fake.create_user(GRACE, password=OLD, mfa=["SOFTWARE_TOKEN_MFA"])
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (reader.pool.environment() | fake.environment(app_client)).items():
                patch.setenv(name, value)
            arguments = (GRACE, OLD, fake.totp_code(GRACE))
            client = fake.client(session, app_client)
            token = await result_of(reader.names(block)["sign_in"], client, *arguments)
        await client.global_sign_out(access_token=token)


async def signs_in_with_mfa(block: Block, reader: Reader) -> None:
    """The same with pycognito, which fetches the keys from AWS."""
    keys = {"keys": await public_keys(reader)}
    with pytest.MonkeyPatch.context() as patch, typed():
        patch.setattr("pycognito.Cognito.get_keys", lambda _: keys)
        await signs_in(block, reader)


async def refreshes(block: Block, reader: Reader) -> None:
    """A function that returns a fresh access token; with pycognito, from the tokens of a sign-in."""
    async with with_user(reader) as client:
        done = await client.sign_in(username=GRACE, password=OLD)
        assert isinstance(done, SignedIn)
        function, tokens = reader.names(block)["access_token"], done.tokens
        arguments = (GRACE, tokens.access_token, tokens.refresh_token)
        assert await result_of(function, client, *arguments) == tokens.access_token


async def keeps_rotated_tokens(block: Block, reader: Reader) -> None:
    """A provider for each call, with a store; refresh tokens rotate, and each works once."""
    names = reader.names(block)
    names["access_token"].__globals__["STORE"] = FileTokenStore(reader.folder / "tokens.json")
    async with FakeCognito() as fake, fake.session() as session:
        app_client = fake.create_app_client(refresh_token_rotation=True)
        fake.create_user(GRACE, password=OLD)
        client = fake.client(session, app_client)
        done = await client.sign_in(username=GRACE, password=OLD)
        assert isinstance(done, SignedIn)
        found = done.tokens.access_token
        await names["keep"](client, GRACE, evolve(done.tokens, expires_at=datetime.now(UTC)))
        for _ in range(3):
            assert await names["access_token"](client, GRACE) != found
        assert list(operations(fake)).count("GetTokensFromRefreshToken") == 1


async def public_keys(reader: Reader) -> list[Any]:
    """Return the keys of the pool."""
    import aiohttp  # noqa: PLC0415

    url = f"{reader.pool.endpoint_url}/{reader.pool.user_pool_id}/.well-known/jwks.json"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        found: dict[str, list[Any]] = await response.json()
        return found["keys"]


CHECKS: Sequence[Check] = [
    opens_a_session,
    *[resets] * 2,
    *[lists] * 2,
    *[signs_in] * 2,
    *[signs_in_step_by_step] * 2,
    *[reads_a_status] * 2,
    *[signs_in_with_mfa] * 2,
    refreshes,
    keeps_rotated_tokens,
]
