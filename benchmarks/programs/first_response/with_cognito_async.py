"""Confirm one forgotten password with cognito_async."""

import asyncio
import sys
import time
from collections.abc import Callable

from cognito_async import AsyncCognitoSession


async def first_response(url: str, received: Callable[[], None]) -> None:
    """Make one call, and report when the response is there."""
    async with AsyncCognitoSession("eu-west-1", endpoint_url=url) as session:
        client = session.client(client_id="3n4b5urk1ft4fl3mg5e62d9ado")
        await client.confirm_forgot_password(
            username="ada@example.com", confirmation_code="123456", password="Correct-Horse-9-Battery"
        )
        received()


if __name__ == "__main__":
    asyncio.run(first_response(sys.argv[1], lambda: print(time.process_time(), flush=True)))
