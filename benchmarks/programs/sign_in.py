"""Sign in with SRP: `sign_in CONTENDER URL CLIENT_ID SIGN_INS`. Print the numbers of `Result` as a JSON list.

pycognito blocks, so it runs in threads. The CPU time of a sign-in includes its two requests.
"""
# ruff: noqa: PLC0415 - a process imports the one library that it measures

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

from benchmarks.contenders import PASSWORD, POOL, REGION
from benchmarks.programs.sign_in_pool import USER

WITH_GMPY2 = "cognito_async with gmpy2"
WITHOUT_GMPY2 = "cognito_async without gmpy2"
PYCOGNITO = "pycognito in threads"
CROWD = 100
"""Concurrent sign-ins."""

HEARTBEAT = 0.001
WARM_UP = 3

SignIn = Callable[[], Coroutine[None, None, None]]


class Result(NamedTuple):
    """The measured numbers, in seconds."""

    cpu: float
    """CPU per sign-in, one after the other."""
    stall: float
    """The longest turn of the event loop in a sign-in: the median of several sign-ins."""
    late: float
    """p99 of the delay of a heartbeat, while many sign in at the same time."""
    latest: float
    """The longest such delay."""


@asynccontextmanager
async def with_cognito_async(url: str, client_id: str) -> AsyncIterator[SignIn]:
    """Sign in with one session."""
    from cognito_async import AsyncCognitoSession

    async with AsyncCognitoSession(REGION, endpoint_url=url) as session:
        client: Any = session.client(client_id, user_pool_id=POOL)

        async def sign_in() -> None:
            result = await client.sign_in(username=USER, password=PASSWORD)
            assert result.tokens.access_token

        yield sign_in


@asynccontextmanager
async def with_pycognito(url: str, client_id: str) -> AsyncIterator[SignIn]:
    """Sign in with one boto3 client, in as many threads as there are concurrent sign-ins."""
    import boto3
    from botocore.config import Config
    from pycognito.aws_srp import AWSSRP

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(CROWD))
    service = boto3.client(
        "cognito-idp", region_name=REGION, endpoint_url=url, config=Config(max_pool_connections=CROWD)
    )

    def blocking() -> None:
        result = AWSSRP(USER, PASSWORD, POOL, client_id, client=service).authenticate_user()
        assert result["AuthenticationResult"]["AccessToken"]

    async def sign_in() -> None:
        await asyncio.to_thread(blocking)

    yield sign_in


async def cpu(sign_in: SignIn, sign_ins: int) -> float:
    """Return the CPU seconds of a sign-in."""
    began = time.process_time()
    for _ in range(sign_ins):
        await sign_in()
    return (time.process_time() - began) / sign_ins


async def stall(sign_in: SignIn, sign_ins: int) -> float:
    """Return the median of the longest turns of the event loop, by the CPU time of this process.

    Wall time would count the turns of other processes on a busy machine. A thread that holds the interpreter's lock
    uses this process's CPU.
    """
    longest: list[float] = []
    for _ in range(sign_ins):
        signing_in = asyncio.ensure_future(sign_in())
        turns: list[float] = []
        before = time.process_time()
        while not signing_in.done():
            await asyncio.sleep(0)
            now = time.process_time()
            turns.append(now - before)
            before = now
        await signing_in
        longest.append(max(turns))
    return statistics.median(longest)


async def delays(sign_in: SignIn) -> list[float]:
    """Return the delays of a heartbeat during concurrent sign-ins, in ascending order."""
    late: list[float] = []

    async def heartbeat() -> None:
        while True:
            due = time.perf_counter() + HEARTBEAT
            await asyncio.sleep(HEARTBEAT)
            late.append(time.perf_counter() - due)

    beating = asyncio.create_task(heartbeat())
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CROWD):
            tasks.create_task(sign_in())
    beating.cancel()
    return sorted(late)


async def main(contender: str, url: str, client_id: str, sign_ins: int) -> None:
    """Measure one contender."""
    if contender == WITHOUT_GMPY2:
        sys.modules["gmpy2"] = cast("Any", None)  # importing it fails
    opened = with_pycognito if contender == PYCOGNITO else with_cognito_async
    async with opened(url, client_id) as sign_in:
        for _ in range(WARM_UP):
            await sign_in()
        used, longest = await cpu(sign_in, sign_ins), await stall(sign_in, sign_ins)
        late = await delays(sign_in)
    print(json.dumps(Result(used, longest, late[int(len(late) * 0.99)], late[-1])))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
