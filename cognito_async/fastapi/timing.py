"""A minimum duration for responses, so that their times reveal less."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def minimum_duration(seconds: float) -> AsyncGenerator[None]:
    """Extend the block to a minimum duration in seconds, also if it raises an error."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    try:
        yield
    except Exception:
        await asyncio.sleep(end - clock())
        raise
    if end > clock():  # otherwise sleep yields to the event loop
        await asyncio.sleep(end - clock())
