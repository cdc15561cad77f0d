"""Confirm one forgotten password with capo."""

import asyncio
import sys
import time
from collections.abc import Callable

from capo_cognito_identity_provider import AsyncCognitoIdentityProviderClient


async def first_response(url: str, received: Callable[[], None]) -> None:
    """Make one call, and report when the response is there."""
    async with AsyncCognitoIdentityProviderClient(region="eu-west-1", endpoint=url, anonymous=True) as client:
        await client.confirm_forgot_password(
            "3n4b5urk1ft4fl3mg5e62d9ado", "ada@example.com", "123456", "Correct-Horse-9-Battery"
        )
        received()


if __name__ == "__main__":
    asyncio.run(first_response(sys.argv[1], lambda: print(time.process_time(), flush=True)))
