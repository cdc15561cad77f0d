"""A forgotten password, from a mistyped code to the new sign-in.

With no arguments it is played in a user pool on this machine, and needs no AWS account. With some, it resets the
password of a user in AWS:

    python examples/reset_password.py --region eu-west-1 --client-id 4f2c… --username ada@example.com

If the app client has a secret, put it into the variable COGNITO_CLIENT_SECRET.
"""

import argparse
import os
from contextlib import AsyncExitStack
from getpass import getpass

from story import act, check, quote, refused, run

from cognito_async import (
    AsyncCognitoSession,
    CodeMismatchException,
    CognitoClient,
    InvalidPasswordException,
    NotAuthorizedException,
    ParameterValidationError,
    PasswordHistoryPolicyViolationException,
)
from cognito_async.testing import LocalPool

ADA = "ada@example.com"
OLD_PASSWORD = "Analytical-1843"  # noqa: S105 - of nobody, and only here
NEW_PASSWORD = "Differential-1822"  # noqa: S105
WRONG_CODE = "000000"
TRIES = 3


async def play() -> None:
    """Play the story in a user pool on this machine; exit with a sentence unless all of it holds."""
    print("\nA forgotten password, told by cognito_async in a user pool on this machine.\n")
    async with AsyncExitStack() as until_the_end:
        with act("A user pool opens, and Ada moves in") as note:
            pool = await until_the_end.enter_async_context(LocalPool(users={ADA: OLD_PASSWORD}))
            note(f"{pool.user_pool_id} has one user, {ADA}.")
        session = AsyncCognitoSession(pool.region, endpoint_url=pool.endpoint_url)
        client = (await until_the_end.enter_async_context(session)).client(client_id=pool.client_id)
        await sign_in(client, "She signs in", OLD_PASSWORD)
        await ask_for_a_reset(client)
        await mistype_the_code(client)
        await confirm_with_the_right_one(client, pool)
        await sign_in(client, "She signs in with the new one", NEW_PASSWORD)
        await try_the_old_one(client)
    print("All of it held.\n")


async def sign_in(client: CognitoClient, title: str, password: str) -> None:
    """Sign in, which must succeed."""
    with act(title) as note:
        answer = await client.initiate_auth(
            auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": ADA, "PASSWORD": password}
        )
        tokens = check(answer.authentication_result, "signing in should have brought tokens.")
        check(tokens.access_token, "there should have been an access token among them.")
        note(f"Welcome, Ada: here is an access token for the next {(tokens.expires_in or 0) // 60} minutes.")


async def ask_for_a_reset(client: CognitoClient) -> None:
    """Ask for a reset, which must send a code."""
    with act("Months later, she has forgotten her password") as note:
        answer = await client.forgot_password(username=ADA)
        sent = check(answer.code_delivery_details, "a code should be on its way to her.")
        note(f"A code is on its way to {sent.destination}.")


async def mistype_the_code(client: CognitoClient) -> None:
    """Try a wrong code, which must be refused."""
    with act("In her haste she mistypes it") as note:
        attempt = client.confirm_forgot_password(username=ADA, confirmation_code=WRONG_CODE, password=NEW_PASSWORD)
        note(quote(await refused(attempt, CodeMismatchException)))


async def confirm_with_the_right_one(client: CognitoClient, pool: LocalPool) -> None:
    """Take the code from the mail and set the new password with it."""
    with act("She takes a breath, and copies it from the mail") as note:
        code = await pool.code_for(ADA)
        await client.confirm_forgot_password(username=ADA, confirmation_code=code, password=NEW_PASSWORD)
        note("Her new password is set.")


async def try_the_old_one(client: CognitoClient) -> None:
    """Sign in with the old password, which must be refused."""
    with act("Someone finds the old one on a slip of paper") as note:
        attempt = client.initiate_auth(
            auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": ADA, "PASSWORD": OLD_PASSWORD}
        )
        note(quote(await refused(attempt, NotAuthorizedException)))


async def reset(region: str, client_id: str, username: str) -> None:
    """Reset the password of a user in AWS, with a code and a password from the keyboard."""
    async with AsyncCognitoSession(region) as session:
        client = session.client(client_id=client_id, client_secret=os.environ.get("COGNITO_CLIENT_SECRET") or None)
        answer = await client.forgot_password(username=username)
        sent = answer.code_delivery_details
        print(f"A code is on its way to {sent.destination if sent else username}.")
        for _ in range(TRIES):
            code, password = ask()
            try:
                await client.confirm_forgot_password(username=username, confirmation_code=code, password=password)
            except (
                CodeMismatchException,
                InvalidPasswordException,
                ParameterValidationError,
                PasswordHistoryPolicyViolationException,
            ) as error:
                print(quote(error))
            else:
                print("The new password is set.")
                return
    raise SystemExit(f"Not in {TRIES} tries: the password is what it was.")


def ask() -> tuple[str, str]:
    """Ask for code and password at the keyboard; nothing else runs in this loop, so it may wait."""
    return input("The code: ").strip(), getpass("The new password: ")


def main() -> None:
    """Read the command line and tell the story that it asks for."""
    parser = argparse.ArgumentParser(description="Reset a forgotten password: locally as a story, or in AWS.")
    parser.add_argument("--region", help="the user pool's AWS region, such as eu-west-1")
    parser.add_argument("--client-id", help="the app client's id; its secret comes from COGNITO_CLIENT_SECRET")
    parser.add_argument("--username", help="whose password to reset")
    given = parser.parse_args()
    in_aws = (given.region, given.client_id, given.username)
    if not any(in_aws):
        run(play())
    elif all(in_aws):
        run(reset(*in_aws))
    else:
        parser.error("for a user in AWS, --region, --client-id and --username are all needed")


if __name__ == "__main__":
    main()
