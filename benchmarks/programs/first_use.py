"""Print the time of a first use, in milliseconds: `first_use MODULE REQUEST` or `first_use aiobotocore`.

aiohttp, attrs and cattrs are imported before, and a session and a client are open: only the work for the operation is
measured. For aiobotocore it is the creation of its first and second client.
"""
# ruff: noqa: PLC0415 - imports are measured

import asyncio
import json
import sys
import time

from benchmarks.contenders import AIOBOTOCORE, CLIENT, REGION

CLIENTS = 200


async def operation(module: str, request_name: str) -> None:
    """Measure opening a session, creating a client, and the first and the second use."""
    import aiohttp  # noqa: F401
    import attrs  # noqa: F401
    import cattrs.gen  # noqa: F401

    from benchmarks.internals import use

    began = time.perf_counter()
    from cognito_async import AsyncCognitoSession

    async with AsyncCognitoSession(REGION) as session:
        session.client(client_id=CLIENT)
        opened = time.perf_counter()
        for _ in range(CLIENTS):
            session.client(client_id=CLIENT)
        created = time.perf_counter()
        use(module, request_name)
        used = time.perf_counter()
        use(module, request_name)
        again = time.perf_counter()
    times = {
        "open": opened - began,
        "client": (created - opened) / CLIENTS,
        "first": used - created,
        "second": again - used,
    }
    print(json.dumps({name: seconds * 1e3 for name, seconds in times.items()}))


async def aiobotocore_clients() -> None:
    """Measure the creation of two clients from one session."""
    from aiobotocore.session import get_session

    session = get_session()
    times = []
    for _ in range(2):
        began = time.perf_counter()
        async with session.create_client("cognito-idp", region_name=REGION):
            times.append((time.perf_counter() - began) * 1e3)
    print(json.dumps(times))


if __name__ == "__main__":
    asyncio.run(aiobotocore_clients() if sys.argv[1] == AIOBOTOCORE else operation(sys.argv[1], sys.argv[2]))
