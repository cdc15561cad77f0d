"""Confirm one forgotten password with cognito_async."""

import asyncio
import sys
import time
from collections.abc import Callable

from cognito_async import AsyncCognitoSession


async def first_answer(url: str, answered: Callable[[], None]) -> None:
    """Make one call and tell when its answer is there."""
    async with AsyncCognitoSession("eu-west-1", endpoint_url=url) as session:
        client = session.client(client_id="3n4b5urk1ft4fl3mg5e62d9ado")
        await client.confirm_forgot_password(
            username="ada@example.com", confirmation_code="123456", password="Correct-Horse-9-Battery"
        )
        answered()


if __name__ == "__main__":
    asyncio.run(first_answer(sys.argv[1], lambda: print(time.process_time(), flush=True)))
