"""Confirm one forgotten password with aiobotocore."""

import asyncio
import sys
import time
from collections.abc import Callable

from aiobotocore.session import get_session


async def first_response(url: str, received: Callable[[], None]) -> None:
    """Make one call, and report when the response is there."""
    async with get_session().create_client("cognito-idp", region_name="eu-west-1", endpoint_url=url) as client:
        await client.confirm_forgot_password(
            ClientId="3n4b5urk1ft4fl3mg5e62d9ado",
            Username="ada@example.com",
            ConfirmationCode="123456",
            Password="Correct-Horse-9-Battery",
        )
        received()


if __name__ == "__main__":
    asyncio.run(first_response(sys.argv[1], lambda: print(time.process_time(), flush=True)))
