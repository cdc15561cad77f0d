"""Ask for an access token from many tasks and print how many failed: `refresh URL FILE CALLERS`.

It starts when it reads a line, after it has printed one.
"""

import asyncio
import sys

from cognito_async import AsyncCognitoSession
from cognito_async.tokens import FileTokenStore, TokenProvider


async def main(url: str, path: str, callers: int) -> None:
    """Run the callers."""
    async with AsyncCognitoSession("eu-west-1", endpoint_url=url) as session:
        provider = TokenProvider(session.client("benchmark"), store=FileTokenStore(path))
        async with provider:
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            results = await asyncio.gather(*(provider.access_token() for _ in range(callers)), return_exceptions=True)
    print(sum(isinstance(result, BaseException) for result in results))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
