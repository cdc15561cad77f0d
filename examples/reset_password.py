"""Reset a forgotten password.

Without arguments, the whole flow runs against a local user pool; no AWS account is needed. With arguments, the script
resets the password of a user in AWS:

    python examples/reset_password.py --region eu-west-1 --client-id 4f2c… --username ada@example.com

If the app client has a secret, set COGNITO_CLIENT_SECRET.
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
from cognito_async.sign_in import SignedIn, Tokens
from cognito_async.testing import LocalPool
from cognito_async.tokens import TokenVerifier

ADA = "ada@example.com"
OLD_PASSWORD = "Analytical-1843"  # noqa: S105 - exists only in the local pool
NEW_PASSWORD = "Differential-1822"  # noqa: S105
WRONG_CODE = "000000"
MAX_ATTEMPTS = 3


async def demo() -> None:
    """Run all steps against a local user pool. Exit with an error if one has another result than expected."""
    print("\nReset a forgotten password with cognito_async, in a local user pool.\n")
    async with AsyncExitStack() as stack:
        with act("Start a user pool with one user") as note:
            pool = await stack.enter_async_context(LocalPool(users={ADA: OLD_PASSWORD}))
            note(f"{pool.user_pool_id}: {ADA}")
        session = await stack.enter_async_context(AsyncCognitoSession(pool.region, endpoint_url=pool.endpoint_url))
        client = session.client(client_id=pool.client_id, user_pool_id=pool.user_pool_id)
        await sign_in(client, "Sign in with the old password", OLD_PASSWORD)
        await request_code(client)
        await confirm_with_wrong_code(client)
        await confirm_with_right_code(client, pool)
        tokens = await sign_in(client, "Sign in with the new password, which SRP does not send", NEW_PASSWORD)
        await verify(client, tokens)
        await sign_in_with_old_password(client)
    print("All steps had the expected result.\n")


async def sign_in(client: CognitoClient, title: str, password: str) -> Tokens:
    """Sign in with SRP, and show how long the tokens are valid."""
    with act(title) as note:
        result = await client.sign_in(username=ADA, password=password)
        if not isinstance(result, SignedIn):
            raise SystemExit(f"Failed: unexpected challenge {result.name}.")
        check(result.tokens.refresh_token, "the response has no refresh token.")
        note(f"Signed in: the tokens are valid until {result.tokens.expires_at:%H:%M} UTC.")
        return result.tokens


async def verify(client: CognitoClient, tokens: Tokens) -> None:
    """Verify the ID token with the keys of the user pool, and show its claims."""
    with act("Verify the ID token") as note:
        async with TokenVerifier(
            token_use="id",  # noqa: S106 - not a password
            user_pool_id=client.bound.user_pool_id or "",
            client_ids={client.bound.client_id or ""},
            session=client.session,
        ) as verifier:
            token = await verifier.verify(tokens.id_token or "")
        note(f"sub: {token.sub}")
        note(f"email: {token.email}, verified: {'yes' if token.email_verified else 'no'}")
        note(f"expires_at: {token.expires_at:%Y-%m-%d %H:%M:%S} UTC")


async def request_code(client: CognitoClient) -> None:
    """Request a code and show where it was sent."""
    with act("Request a code") as note:
        response = await client.forgot_password(username=ADA)
        delivery = check(response.code_delivery_details, "no code was sent.")
        note(f"Code sent to {delivery.destination}.")


async def confirm_with_wrong_code(client: CognitoClient) -> None:
    """Confirm with a wrong code, which fails."""
    with act("Set a new password with a wrong code") as note:
        call = client.confirm_forgot_password(username=ADA, confirmation_code=WRONG_CODE, password=NEW_PASSWORD)
        note(quote(await refused(call, CodeMismatchException)))


async def confirm_with_right_code(client: CognitoClient, pool: LocalPool) -> None:
    """Read the code from the mail and set the new password."""
    with act("Set a new password with the code from the e-mail") as note:
        code = await pool.code_for(ADA)
        await client.confirm_forgot_password(username=ADA, confirmation_code=code, password=NEW_PASSWORD)
        note("Password changed.")


async def sign_in_with_old_password(client: CognitoClient) -> None:
    """Sign in with the old password, which fails."""
    with act("Sign in with the old password again") as note:
        note(quote(await refused(client.sign_in(username=ADA, password=OLD_PASSWORD), NotAuthorizedException)))


async def reset(region: str, client_id: str, username: str) -> None:
    """Reset the password of a user in AWS, with a code and a password from the terminal."""
    async with AsyncCognitoSession(region) as session:
        client = session.client(client_id=client_id, client_secret=os.environ.get("COGNITO_CLIENT_SECRET") or None)
        response = await client.forgot_password(username=username)
        delivery = response.code_delivery_details
        print(f"Code sent to {delivery.destination if delivery else username}.")
        for _ in range(MAX_ATTEMPTS):
            code, password = prompt()
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
                print("Password changed.")
                return
    raise SystemExit(f"Password not changed: {MAX_ATTEMPTS} attempts failed.")


def prompt() -> tuple[str, str]:
    """Ask for code and password. This blocks the event loop, in which nothing else runs."""
    return input("Code: ").strip(), getpass("New password: ")


def main() -> None:
    """Parse the command line and run the demo or the reset."""
    parser = argparse.ArgumentParser(description="Reset a forgotten password: a local demo, or a user in AWS.")
    parser.add_argument("--region", help="AWS region of the user pool, such as eu-west-1")
    parser.add_argument("--client-id", help="ID of the app client; its secret is read from COGNITO_CLIENT_SECRET")
    parser.add_argument("--username", help="user whose password to reset")
    options = parser.parse_args()
    user_in_aws = (options.region, options.client_id, options.username)
    if not any(user_in_aws):
        run(demo())
    elif all(user_in_aws):
        run(reset(*user_in_aws))
    else:
        parser.error("--region, --client-id and --username are required together")


if __name__ == "__main__":
    main()
