"""Confirm one forgotten password with plain aiohttp: the baseline."""

import asyncio
import json
import sys
import time
from collections.abc import Callable

import aiohttp


async def first_response(url: str, received: Callable[[], None]) -> None:
    """Make one call, and report when the response is there."""
    body = {
        "ClientId": "3n4b5urk1ft4fl3mg5e62d9ado",
        "Username": "ada@example.com",
        "ConfirmationCode": "123456",
        "Password": "Correct-Horse-9-Battery",
    }
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.ConfirmForgotPassword",
    }
    async with aiohttp.ClientSession() as http, http.post(url, data=json.dumps(body), headers=headers) as response:
        json.loads(await response.read())
        received()


if __name__ == "__main__":
    asyncio.run(first_response(sys.argv[1], lambda: print(time.process_time(), flush=True)))
