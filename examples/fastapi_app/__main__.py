"""The demo: the site with a local user pool, and an inbox for the codes. Start it with `python -m fastapi_app`."""

import argparse
import asyncio
import os
import socket
import sys
from contextlib import suppress
from typing import Final

import uvicorn

from cognito_async import SoftwareTokenMfaConfigType
from cognito_async.testing import LocalPool, LocalPoolError

from .app import create_app
from .pages import BRAND

USERS: Final = {
    "ada@example.com": "Analytical-1843",
    "grace@example.com": "Compiler-1952",
    "alan@example.com": "Bombe-And-1936",
}
BANNER: Final = """
  {url}

  Sign in as:
{users}

  Things to try:
    - reset a password: the code arrives in the inbox, {url}/inbox
    - enter a wrong code (000000) or a weak password
    - click "Set the new password" twice, go back, turn off JavaScript, use only the keyboard
    - set up an authenticator app on the account page, sign out, and sign in again
    - create an account with any address and confirm it

  Press Ctrl-C to stop.
"""


async def serve(port: int) -> None:
    """Serve the site until Ctrl-C."""
    print(f"Starting {BRAND}. The first start downloads the AWS emulator.", flush=True)
    async with LocalPool(users=USERS) as pool:
        os.environ.update({"COGNITO_CLIENT_SECRET": "", **pool.environment()})
        async with pool.session() as session:
            app_codes = SoftwareTokenMfaConfigType(enabled=True)
            await session.client(user_pool_id=pool.user_pool_id).set_user_pool_mfa_config(
                mfa_configuration="OPTIONAL", software_token_mfa_configuration=app_codes
            )
        app = create_app(pool.messages)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, server_header=False)
        with listen(port) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            users = "\n".join(f"    {email:<20}{password}" for email, password in USERS.items())
            print(BANNER.format(url=url, users=users), flush=True)
            await uvicorn.Server(config).serve(sockets=[listener])


def listen(port: int) -> socket.socket:
    """Listen on the port, or on any free one if it is in use."""
    with suppress(OSError):
        return socket.create_server(("127.0.0.1", port))
    return socket.create_server(("127.0.0.1", 0))


def main() -> None:
    """Parse the command line and run the demo."""
    parser = argparse.ArgumentParser(prog="fastapi_app", description="The example site with a local user pool.")
    parser.add_argument("--port", type=int, default=8000, help="any free one if it is in use (default: %(default)s)")
    try:
        asyncio.run(serve(parser.parse_args().port))
    except KeyboardInterrupt:
        print("\nStopped.")
    except (LocalPoolError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
