"""Print the milliseconds that aiobotocore takes to create its first and its second client."""

import asyncio
import json
import time

from aiobotocore.session import get_session

from benchmarks.contenders import REGION


async def main() -> None:
    """Create two clients from one session."""
    session = get_session()
    times = []
    for _ in range(2):
        began = time.perf_counter()
        async with session.create_client("cognito-idp", region_name=REGION):
            times.append((time.perf_counter() - began) * 1e3)
    print(json.dumps(times))


if __name__ == "__main__":
    asyncio.run(main())
