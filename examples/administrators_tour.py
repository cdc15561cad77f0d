"""An administrator's day in a user pool on this machine: the pool, an app client, users, groups, and all of it gone."""

from contextlib import AsyncExitStack

from story import act, check, quote, refused, run

from cognito_async import (
    CognitoClient,
    NotAuthorizedException,
    ResourceNotFoundException,
    UserNotFoundException,
)
from cognito_async.operations import AttributeType
from cognito_async.testing import LocalPool

PEOPLE = ("ada", "alan", "barbara", "edsger", "grace", "john", "katherine", "margaret")
GROUPS = {"compilers": {"grace", "john"}, "moon": {"katherine", "margaret"}}
PAGE = 3  # users, so that eight of them come in pages
PASSWORD = "Enchantress-1843"  # noqa: S105 - of nobody, and only here


async def tour() -> None:
    """Go on the tour; exit with a sentence unless all of it holds."""
    print("\nAn administrator's tour, led by cognito_async on this machine.\n")
    async with AsyncExitStack() as until_the_end:
        with act("The emulator starts") as note:
            pool = await until_the_end.enter_async_context(LocalPool())
            note("Whoever holds its key is an administrator.")
        session = await until_the_end.enter_async_context(pool.session())
        pool_id = await create_a_pool(session.client())
        client_id = await create_an_app_client(session.client(user_pool_id=pool_id))
        client = session.client(user_pool_id=pool_id, client_id=client_id)
        await create_users(client)
        await form_groups(client)
        await list_everybody(client)
        await disable(client, "john")
        await delete(client, "edsger")
        await delete_the_pool(client)
    print("All of it held.\n")


async def create_a_pool(client: CognitoClient) -> str:
    """Create a user pool and return its id."""
    with act("A user pool is dug") as note:
        pool = check((await client.create_user_pool(pool_name="pioneers")).user_pool, "there should be a pool.")
        note(f"{pool.name}, known as {pool.id}.")
        return check(pool.id, "the pool should have an id.")


async def create_an_app_client(client: CognitoClient) -> str:
    """Create an app client and return its id."""
    with act("An app client is allowed in") as note:
        answer = await client.create_user_pool_client(
            client_name="archive", explicit_auth_flows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        )
        app = check(answer.user_pool_client, "there should be an app client.")
        note(f"{app.client_name}, for people with a password.")
        return check(app.client_id, "the app client should have an id.")


async def create_users(client: CognitoClient) -> None:
    """Create the users, each with an address and a password that lasts."""
    with act("The users arrive") as note:
        for name in PEOPLE:
            address = [AttributeType(name="email", value=f"{name}@example.com")]
            await client.admin_create_user(username=name, user_attributes=address, message_action="SUPPRESS")
            await client.admin_set_user_password(username=name, password=PASSWORD, permanent=True)
        someone = await client.admin_get_user(username=PEOPLE[0])
        check(someone.user_status == "CONFIRMED", "a user with a lasting password should be CONFIRMED.")
        note(f"{len(PEOPLE)} of them, all confirmed.")


async def form_groups(client: CognitoClient) -> None:
    """Create the groups, put their members in, and read them back."""
    with act("They form groups") as note:
        for group, members in GROUPS.items():
            await client.create_group(group_name=group)
            for name in members:
                await client.admin_add_user_to_group(group_name=group, username=name)
            found = {user.username async for user in client.iter_list_users_in_group(group_name=group)}
            check(found == members, f"{group} should have the members that it was given.")
            note(f"{group}: {' and '.join(sorted(members))}")


async def list_everybody(client: CognitoClient) -> None:
    """List the users in pages, without a thought for pages."""
    with act("Roll-call") as note:
        names = [user.username or "?" async for user in client.iter_list_users(limit=PAGE)]
        check(sorted(names) == sorted(PEOPLE), "everybody should be there, and once.")
        note(f"{', '.join(names)}: all there, {PAGE} to a page.")


async def disable(client: CognitoClient, name: str) -> None:
    """Disable a user, who then must not get in."""
    with act(f"{name.capitalize()} is asked to wait outside") as note:
        await client.admin_disable_user(username=name)
        check((await client.admin_get_user(username=name)).enabled is False, f"{name} should be disabled.")
        attempt = client.initiate_auth(
            auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": name, "PASSWORD": PASSWORD}
        )
        note(quote(await refused(attempt, NotAuthorizedException)))


async def delete(client: CognitoClient, name: str) -> None:
    """Delete a user, who then must not be found."""
    with act(f"{name.capitalize()} takes his leave") as note:
        await client.admin_delete_user(username=name)
        note(quote(await refused(client.admin_get_user(username=name), UserNotFoundException)))


async def delete_the_pool(client: CognitoClient) -> None:
    """Delete the pool, of which nothing must be left."""
    with act("The pool is drained") as note:
        await client.delete_user_pool()
        note(quote(await refused(client.describe_user_pool(), ResourceNotFoundException)))


if __name__ == "__main__":
    run(tour())
