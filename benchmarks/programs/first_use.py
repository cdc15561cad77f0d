"""Print what the first use of an operation costs the library itself: `first_use FAMILY REQUEST`.

aiohttp, attrs, cattrs and the parts of the standard library that they load are imported before the clock starts, and
so is the package with a session and a client; what is left is our own work for one operation: import of its family,
request, validation, encoding, decoding.
"""

import asyncio
import json
import sys
import time

import aiohttp  # noqa: F401
import attrs  # noqa: F401
import cattrs.gen  # noqa: F401

from benchmarks.contenders import CLIENT, REGION
from benchmarks.subject import use

CLIENTS = 200


async def main(family: str, request_name: str) -> None:
    """Print milliseconds: session, client, first use, second use."""
    began = time.perf_counter()
    from cognito_async import AsyncCognitoSession  # noqa: PLC0415 - part of what is timed

    async with AsyncCognitoSession(REGION) as session:
        session.client(client_id=CLIENT)
        opened = time.perf_counter()
        for _ in range(CLIENTS):
            session.client(client_id=CLIENT)
        created = time.perf_counter()
        use(family, request_name)
        used = time.perf_counter()
        use(family, request_name)
        again = time.perf_counter()
    times = {
        "open": opened - began,
        "client": (created - opened) / CLIENTS,
        "first": used - created,
        "second": again - used,
    }
    print(json.dumps({name: seconds * 1e3 for name, seconds in times.items()}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
