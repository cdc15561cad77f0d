"""Administer a local user pool: create a pool, an app client, users and groups; list, disable and delete them."""

from contextlib import AsyncExitStack

from story import act, check, quote, refused, run

from cognito_async import (
    AttributeType,
    CognitoClient,
    NotAuthorizedException,
    ResourceNotFoundException,
    UserNotFoundException,
)
from cognito_async.testing import LocalPool

USERNAMES = ("ada", "alan", "barbara", "edsger", "grace", "john", "katherine", "margaret")
GROUPS = {"compilers": {"grace", "john"}, "moon": {"katherine", "margaret"}}
PAGE_SIZE = 3
PASSWORD = "Enchantress-1843"  # noqa: S105 - exists only in the local pool


async def tour() -> None:
    """Run all steps. Exit with an error if one has another result than expected."""
    print("\nAdminister a user pool with cognito_async, in a local emulator.\n")
    async with AsyncExitStack() as stack:
        with act("Start the emulator"):
            pool = await stack.enter_async_context(LocalPool())
        session = await stack.enter_async_context(pool.session())
        pool_id = await create_pool(session.client())
        client_id = await create_app_client(session.client(user_pool_id=pool_id))
        client = session.client(user_pool_id=pool_id, client_id=client_id)
        await create_users(client)
        await create_groups(client)
        await list_users(client)
        await disable_user(client, "john")
        await delete_user(client, "edsger")
        await delete_pool(client)
    print("All steps had the expected result.\n")


async def create_pool(client: CognitoClient) -> str:
    """Create a user pool and return its ID."""
    with act("Create a user pool") as note:
        pool = check((await client.create_user_pool(pool_name="pioneers")).user_pool, "the response has no pool.")
        note(f"{pool.name}: {pool.id}")
        return check(pool.id, "the pool has no ID.")


async def create_app_client(client: CognitoClient) -> str:
    """Create an app client and return its ID."""
    with act("Create an app client") as note:
        response = await client.create_user_pool_client(
            client_name="archive", explicit_auth_flows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        )
        app_client = check(response.user_pool_client, "the response has no app client.")
        note(f"{app_client.client_name}: allows sign-in with a password")
        return check(app_client.client_id, "the app client has no ID.")


async def create_users(client: CognitoClient) -> None:
    """Create users with an e-mail address and a permanent password."""
    with act("Create users") as note:
        for name in USERNAMES:
            attributes = [AttributeType(name="email", value=f"{name}@example.com")]
            await client.admin_create_user(username=name, user_attributes=attributes, message_action="SUPPRESS")
            await client.admin_set_user_password(username=name, password=PASSWORD, permanent=True)
        user = await client.admin_get_user(username=USERNAMES[0])
        check(user.user_status == "CONFIRMED", "the user is not confirmed.")
        note(f"{len(USERNAMES)} users, all confirmed")


async def create_groups(client: CognitoClient) -> None:
    """Create groups, add members and list them."""
    with act("Create groups") as note:
        for group, members in GROUPS.items():
            await client.create_group(group_name=group)
            for name in members:
                await client.admin_add_user_to_group(group_name=group, username=name)
            found = {user.username async for user in client.iter_list_users_in_group(group_name=group)}
            check(found == members, f"the members of {group} are not those that were added.")
            note(f"{group}: {', '.join(sorted(members))}")


async def list_users(client: CognitoClient) -> None:
    """List the users; the client requests page after page."""
    with act("List users") as note:
        names = [user.username or "?" async for user in client.iter_list_users(limit=PAGE_SIZE)]
        check(sorted(names) == sorted(USERNAMES), "a user is missing or listed twice.")
        note(f"{', '.join(names)} ({PAGE_SIZE} per page)")


async def disable_user(client: CognitoClient, name: str) -> None:
    """Disable a user, who then cannot sign in."""
    with act(f"Disable {name} and sign in as {name}") as note:
        await client.admin_disable_user(username=name)
        check((await client.admin_get_user(username=name)).enabled is False, f"{name} is not disabled.")
        call = client.initiate_auth(
            auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": name, "PASSWORD": PASSWORD}
        )
        note(quote(await refused(call, NotAuthorizedException)))


async def delete_user(client: CognitoClient, name: str) -> None:
    """Delete a user, who then is not found."""
    with act(f"Delete {name} and read {name}") as note:
        await client.admin_delete_user(username=name)
        note(quote(await refused(client.admin_get_user(username=name), UserNotFoundException)))


async def delete_pool(client: CognitoClient) -> None:
    """Delete the pool, which then is not found."""
    with act("Delete the pool and read it") as note:
        await client.delete_user_pool()
        note(quote(await refused(client.describe_user_pool(), ResourceNotFoundException)))


if __name__ == "__main__":
    run(tour())
