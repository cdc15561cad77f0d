"""The demo: the site with a user pool on this machine, and an inbox for the codes. Ctrl-C ends all of it.

cd examples && python -m fastapi_app
"""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import closing
from typing import Final

import uvicorn

from cognito_async.testing import LocalPool, LocalPoolError

from .application import make_app
from .desk import BRAND, INBOX

USERS: Final = {
    "ada@example.com": "Analytical-1843",
    "grace@example.com": "Compiler-1952",
    "alan@example.com": "Bombe-And-1936",
}
HOST: Final = "127.0.0.1"
PORT: Final = 8000
PORTS: Final = 100  # that are tried, one after the other


async def demo(port: int) -> None:
    """Serve the site until Ctrl-C.

    Args:
        port: The first port to try.
    """
    print(f"{BRAND} opens its doors (the first time, the emulator of AWS is fetched) …", flush=True)
    async with LocalPool(users=USERS) as pool:
        # The site finds the local pool where it would find a real one: see README.md.
        os.environ.update(variables(pool))
        config = uvicorn.Config(
            make_app(pool.messages),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        with closing(listen(port)) as listener:
            print(invitation(f"http://{HOST}:{listener.getsockname()[1]}"), flush=True)
            await uvicorn.Server(config).serve(sockets=[listener])


def variables(pool: LocalPool) -> Mapping[str, str]:
    """Say where a pool is, as environment variables."""
    return {
        "COGNITO_ENDPOINT_URL": pool.endpoint_url,
        "COGNITO_REGION": pool.region,
        "COGNITO_USER_POOL_ID": pool.user_pool_id,
        "COGNITO_CLIENT_ID": pool.client_id,
        "COGNITO_CLIENT_SECRET": pool.client_secret or "",
        "COGNITO_TRUSTED_PROXIES": "",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "",
    }


def listen(first: int) -> socket.socket:
    """Listen on a port, or on the next one that is free.

    Args:
        first: The port to begin with.

    Returns:
        The listening socket.

    Raises:
        OSError: None is free.
    """
    for port in range(first, first + PORTS):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()  # whoever comes before the site is ready waits
        except OSError:
            listener.close()
            continue
        return listener
    raise OSError(f"none of the ports from {first} to {first + PORTS - 1} is free")


def invitation(url: str) -> str:
    """Say where the site is and what can be done there."""
    (email, password), *others = USERS.items()
    return f"""
  {url}

  Sign in as {email} with the password {password}
  or as {" or ".join(f"{name} ({secret})" for name, secret in others)}.

  What to try:
    - forget the password: the code is in the inbox, {url}{INBOX}
    - type a wrong code, 000000, or a weak password: the hints tick while you type
    - click "Set the new password" twice, go back, turn JavaScript off, use the keyboard only
    - create an account with any address, and confirm it

  Ctrl-C ends everything.
"""


def main() -> None:
    """Read the command line and run the demo."""
    parser = argparse.ArgumentParser(prog="fastapi_app", description="The example site with a local user pool.")
    parser.add_argument(
        "--port", type=int, default=PORT, help="the first port to try, 0 for any (default: %(default)s)"
    )
    try:
        asyncio.run(demo(parser.parse_args().port))
    except KeyboardInterrupt:
        print("\nGoodbye.")
    except (LocalPoolError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
