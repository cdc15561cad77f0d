"""Sign in with SRP, and answer the challenges of the user pool.

Without arguments, the program signs two users in at a fake user pool in its process; no AWS account is needed. With
arguments, it signs a user of AWS in, and asks for passwords and codes:

    python examples/sign_in.py --user-pool-id eu-west-1_AbC --client-id 4f2c… --username ada@example.com

If the app client has a secret, set COGNITO_CLIENT_SECRET.
"""

import argparse
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from getpass import getpass

from story import act, quote, refused, run

from cognito_async import (
    AsyncCognitoSession,
    CodeMismatchException,
    CognitoClient,
    CognitoError,
    EnableSoftwareTokenMFAException,
    ExpiredCodeException,
    InvalidPasswordException,
    NotAuthorizedException,
    ParameterValidationError,
)
from cognito_async.sign_in import (
    EmailOtpChallenge,
    MfaSetupChallenge,
    NewPasswordRequiredChallenge,
    SelectMfaTypeChallenge,
    SignedIn,
    SignInResult,
    SmsMfaChallenge,
    SoftwareTokenMfaChallenge,
)
from cognito_async.testing import FakeCognito

ADA, ALAN = "ada@example.com", "alan@example.com"
PASSWORD = "Analytical-1843"  # noqa: S105 - exists only in the fake pool
NEW_PASSWORD = "Differential-1822"  # noqa: S105
Ask = Callable[[str], str]


async def sign_in(client: CognitoClient, username: str, password: str, *, ask: Ask, ask_secret: Ask) -> SignedIn:
    """Sign a user in; wrong codes and weak passwords are asked for again."""
    result: SignInResult = await client.sign_in(username=username, password=password)
    while not isinstance(result, SignedIn):
        try:
            result = await answer(result, ask, ask_secret)
        except (
            CodeMismatchException,
            EnableSoftwareTokenMFAException,
            ExpiredCodeException,  # the code of the app was already used: wait for the next one
            InvalidPasswordException,
            ParameterValidationError,
        ) as error:
            print(quote(error))
    return result


async def answer(challenge: SignInResult, ask: Ask, ask_secret: Ask) -> SignInResult:
    """Answer a challenge with the user's input."""
    match challenge:
        case SoftwareTokenMfaChallenge():
            return await challenge.respond(ask("Code from your authenticator app: "))
        case SmsMfaChallenge(destination=destination) | EmailOtpChallenge(destination=destination):
            return await challenge.respond(ask(f"Code sent to {destination}: "))
        case SelectMfaTypeChallenge(options=options):
            return await challenge.select(ask(f"Second factor ({', '.join(options)}): "))
        case NewPasswordRequiredChallenge(required_attributes=names):
            password = ask_secret("New password: ")
            return await challenge.respond(password, attributes={name: ask(f"Your {name}: ") for name in names})
        case MfaSetupChallenge():
            secret = await challenge.associate_software_token()
            print(f"Add this key to your authenticator app: {secret.secret}")
            return await challenge.verify_software_token(ask("Its first code: "))
        case _:
            raise SystemExit("Failed: the user pool sent a challenge that this program does not answer.")


async def demo() -> None:
    """Sign two users in at a fake user pool. Exit with an error if a step has another result than expected."""
    print("\nSign in with cognito_async, at a fake user pool.\n")
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeCognito())
        client = fake.client(await stack.enter_async_context(fake.session()))
        fake.create_user("ada", password=PASSWORD, email=ADA, mfa=["SOFTWARE_TOKEN_MFA"])
        fake.create_user("alan", password=PASSWORD, email=ALAN, status="FORCE_CHANGE_PASSWORD")
        with act("Sign in with a wrong password") as note:
            call = client.sign_in(username=ADA, password=NEW_PASSWORD)
            note(quote(await refused(call, NotAuthorizedException)))
        with act("Sign in with the password and a code of the authenticator app") as note:
            done = await sign_in(client, ADA, PASSWORD, ask=lambda _: fake.totp_code("ada"), ask_secret=str)
            note(f"{done.username} is signed in until {done.tokens.expires_at:%H:%M} UTC.")
        with act("Sign in with a temporary password, and set a new one") as note:
            done = await sign_in(client, ALAN, PASSWORD, ask=str, ask_secret=lambda _: NEW_PASSWORD)
            note(f"{done.username} is signed in.")
        with act("Verify the new password") as note:
            if not await client.verify_password(username=ALAN, password=NEW_PASSWORD):
                raise SystemExit("Failed: the new password is not accepted.")
            note("It is the user's password.")
    print("All steps had the expected result.\n")


async def sign_in_to_aws(user_pool_id: str, client_id: str, username: str) -> None:
    """Sign a user of AWS in. Input blocks the event loop, in which nothing else runs."""
    async with AsyncCognitoSession() as session:
        client = session.client(client_id, os.environ.get("COGNITO_CLIENT_SECRET") or None, user_pool_id)
        try:
            done = await sign_in(client, username, getpass("Password: "), ask=input, ask_secret=getpass)
        except CognitoError as error:
            raise SystemExit(f"Not signed in: {quote(error)}") from error
        print(f"{done.username} is signed in until {done.tokens.expires_at:%H:%M} UTC.")


def main() -> None:
    """Parse the command line and run the demo or the sign-in."""
    parser = argparse.ArgumentParser(description="Sign in: a local demo, or a user in AWS.")
    parser.add_argument("--user-pool-id", help="ID of the user pool, such as eu-west-1_AbC")
    parser.add_argument("--client-id", help="ID of the app client; its secret is read from COGNITO_CLIENT_SECRET")
    parser.add_argument("--username", help="user to sign in")
    options = parser.parse_args()
    user_in_aws = (options.user_pool_id, options.client_id, options.username)
    if not any(user_in_aws):
        run(demo())
    elif all(user_in_aws):
        run(sign_in_to_aws(*user_in_aws))
    else:
        parser.error("--user-pool-id, --client-id and --username are required together")


if __name__ == "__main__":
    main()
