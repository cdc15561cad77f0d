"""Confirm one forgotten password with boto3 in a thread."""

import asyncio
import sys
import time
from collections.abc import Callable

import boto3


async def first_response(url: str, received: Callable[[], None]) -> None:
    """Make one call, and report when the response is there."""

    def confirm() -> None:
        client = boto3.client("cognito-idp", region_name="eu-west-1", endpoint_url=url)
        client.confirm_forgot_password(
            ClientId="3n4b5urk1ft4fl3mg5e62d9ado",
            Username="ada@example.com",
            ConfirmationCode="123456",
            Password="Correct-Horse-9-Battery",
        )

    await asyncio.to_thread(confirm)
    received()


if __name__ == "__main__":
    asyncio.run(first_response(sys.argv[1], lambda: print(time.process_time(), flush=True)))
