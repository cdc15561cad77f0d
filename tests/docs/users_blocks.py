"""Checks for the blocks of docs/users.md: administration at the local pool, self-service at a fake one."""

from collections.abc import Sequence

import pytest

from cognito_async import CognitoClient, NotAuthorizedException, RetryPolicy
from cognito_async.sign_in import EmailOtpChallenge, SignedIn, SoftwareTokenMfaChallenge
from tests.docs.reader import ADA, NEW, OLD, Check, Reader, fake_pool, wrong
from tests.support.docs import Block

MARY = "mary@example.com"


async def opens_a_session(block: Block, reader: Reader) -> None:
    """A session and a client."""
    names = reader.names(block)
    assert isinstance(names["client"], CognitoClient)
    await names["session"].close()


async def invites(block: Block, reader: Reader) -> None:
    """A function that creates a user once."""
    invite = reader.names(block)["invite"]
    async with reader.pool.session() as session:
        client = session.client(user_pool_id=reader.pool.user_pool_id)
        assert await invite(client, MARY, "Mary")
        assert not await invite(client, MARY, "Mary")
        assert (await client.admin_get_user(username=MARY)).user_status == "FORCE_CHANGE_PASSWORD"
        assert len(await reader.pool.messages_for(MARY)) == 1
        await client.admin_delete_user(username=MARY)


async def creates_a_user(block: Block, reader: Reader) -> None:
    """A function that creates a user who can sign in."""
    async with reader.pool.session() as session:
        client = session.client(reader.pool.client_id, user_pool_id=reader.pool.user_pool_id)
        await reader.names(block)["create_user"](client, MARY, OLD)
        assert isinstance(await client.sign_in(username=MARY, password=OLD), SignedIn)
        await client.admin_delete_user(username=MARY)


async def manages_groups(block: Block, reader: Reader) -> None:
    """Functions that create a group, add members, and list the groups of a user."""
    names = reader.names(block)
    async with reader.pool.session() as session:
        client = session.client(user_pool_id=reader.pool.user_pool_id)
        members = await names["set_up_staff"](client, [ADA])
        assert members == await names["set_up_staff"](client, [ADA])
        assert len(members) == 1
        assert await names["groups_of"](client, ADA) == ["staff"]
        await client.delete_group(group_name="staff")


async def renames(block: Block, reader: Reader) -> None:
    """A function that changes an attribute and returns all."""
    async with reader.pool.session() as session:
        client = session.client(user_pool_id=reader.pool.user_pool_id)
        assert (await reader.names(block)["rename"](client, ADA, "Ada"))["name"] == "Ada"


async def locks(block: Block, reader: Reader) -> None:
    """Functions that disable, enable and delete a user."""
    names = reader.names(block)
    async with reader.pool.session() as session:
        client = session.client(reader.pool.client_id, user_pool_id=reader.pool.user_pool_id)
        await reader.pool.create_user(MARY, OLD)
        await names["lock"](client, MARY)
        with pytest.raises(NotAuthorizedException):
            await client.sign_in(username=MARY, password=OLD)
        await names["unlock"](client, MARY)
        assert isinstance(await client.sign_in(username=MARY, password=OLD), SignedIn)
        await names["remove"](client, MARY)
        assert [user async for user in client.iter_list_users(filter=f'email = "{MARY}"')] == []


async def finds_users(block: Block, reader: Reader) -> None:
    """Functions that search for users."""
    names = reader.names(block)
    async with reader.pool.session() as session:
        client = session.client(user_pool_id=reader.pool.user_pool_id)
        found = await names["find_by_email"](client, ADA)
        assert found.username
        assert await names["find_by_email"](client, 'no" user\\') is None
        assert isinstance(await names["uninvited"](client), list)  # the emulator does not apply this filter


async def lists_a_page(block: Block, reader: Reader) -> None:
    """A function that returns a page and the token of the next one."""
    page_of_users = reader.names(block)["page_of_users"]
    async with reader.pool.session() as session:
        client = session.client(user_pool_id=reader.pool.user_pool_id)
        for number in range(20):
            await reader.pool.create_user(f"user{number}@page.example", OLD)
        first, token = await page_of_users(client, None)
        second, last = await page_of_users(client, token)
        assert (len(first), bool(second), last) == (20, True, None)
        for number in range(20):
            await client.admin_delete_user(username=f"user{number}@page.example")


async def signed_in(client: CognitoClient) -> str:
    """Sign the user in and return the access token."""
    done = await client.sign_in(username="ada", password=OLD)
    assert isinstance(done, SignedIn)
    return done.tokens.access_token


async def changes_a_password(block: Block, reader: Reader) -> None:
    """A function that returns a message for each outcome."""
    change_password = reader.names(block)["change_password"]
    async with fake_pool() as (fake, client):
        user = fake.create_user("ada", password=OLD)
        token = await signed_in(client)
        assert "policy" in await change_password(client, token, OLD, "weak")
        assert "wrong" in await change_password(client, token, NEW, NEW)
        once = client.with_options(retry=RetryPolicy(max_attempts=1))
        fake.fail_next("ChangePassword", code="LimitExceededException")
        assert "later" in await change_password(once, token, OLD, NEW)
        fake.fail_next("ChangePassword", status=500)
        assert "new password" in await change_password(once, token, OLD, NEW)
        assert "was changed" in await change_password(once, token, OLD, NEW)
        assert user.password == NEW


async def changes_a_profile(block: Block, reader: Reader) -> None:
    """Functions that change attributes; neither pool sends codes for a new address, so these responses are scripted."""
    names = reader.names(block)
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD, email=ADA)
        token = await signed_in(client)
        delivery = {"CodeDeliveryDetailsList": [{"Destination": "n***@e***", "DeliveryMedium": "EMAIL"}]}
        fake.fail_next("UpdateUserAttributes", response=delivery)
        fake.fail_next("VerifyUserAttribute", response={})
        assert await names["update_profile"](client, token, email="new@example.com", name="Ada") == ["n***@e***"]
        await names["verify_email"](client, token, "123456")
        assert fake.requests[-1].payload["Code"] == "123456"
        assert (await names["profile"](client, token))["email"] == ADA


async def sets_up_mfa(block: Block, reader: Reader) -> None:
    """Functions that set up an authenticator app, and codes by e-mail."""
    names = reader.names(block)
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD, email=ADA)
        token = await signed_in(client)
        assert (await names["start_set_up"](client, token, ADA)).startswith("otpauth://totp/Example%20shop:ada@")
        assert not await names["finish_set_up"](client, token, wrong(fake.totp_code("ada")))
        assert await names["finish_set_up"](client, token, fake.totp_code("ada"))
        assert isinstance(await client.sign_in(username="ada", password=OLD), SoftwareTokenMfaChallenge)
        await names["use_email"](client, token)
        assert isinstance(await client.sign_in(username="ada", password=OLD), EmailOtpChallenge)


async def signs_out(block: Block, reader: Reader) -> None:
    """A function that can be called twice."""
    sign_out_everywhere = reader.names(block)["sign_out_everywhere"]
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD)
        token = await signed_in(client)
        await sign_out_everywhere(client, token)
        await sign_out_everywhere(client, token)
        with pytest.raises(NotAuthorizedException):
            await client.get_user(access_token=token)


async def deletes_an_account(block: Block, reader: Reader) -> None:
    """A function that deletes the user who knows the password."""
    delete_account = reader.names(block)["delete_account"]
    async with reader.pool.session() as session:
        client = session.client(reader.pool.client_id, user_pool_id=reader.pool.user_pool_id)
        await reader.pool.create_user(MARY, OLD)
        with pytest.raises(NotAuthorizedException):
            await delete_account(client, MARY, NEW)
        assert await delete_account(client, MARY, OLD)
        assert [user async for user in client.iter_list_users(filter=f'email = "{MARY}"')] == []


CHECKS: Sequence[Check] = [
    opens_a_session,
    invites,
    creates_a_user,
    manages_groups,
    renames,
    locks,
    finds_users,
    lists_a_page,
    changes_a_password,
    changes_a_profile,
    sets_up_mfa,
    signs_out,
    deletes_an_account,
]
