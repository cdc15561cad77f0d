"""Serve a fake user pool until standard input ends; print its URL and an app client's ID on one line."""

import asyncio
import sys
from typing import Any

import cognito_async.testing
from benchmarks.contenders import PASSWORD, POOL

USER = "ada"


async def main() -> None:
    """Create one user and one app client."""
    testing: Any = cognito_async.testing
    async with testing.FakeCognito(user_pool_id=POOL) as fake:
        app = fake.create_app_client()
        fake.create_user(USER, password=PASSWORD)
        print(fake.endpoint_url, app.client_id, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
