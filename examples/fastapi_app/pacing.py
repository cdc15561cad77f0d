"""How soon an answer comes, and how often one may try: both the same whether or not there is such a user."""

import asyncio
from collections.abc import Awaitable
from hashlib import sha256
from typing import Final

from fastapi import Depends

from cognito_async import CognitoError
from cognito_async.fastapi import MemoryRateLimit, RateLimit, RateLimitedError, limited, same_origin

from .submissions import Outcome

FLOOR: Final = 0.3
"""The least time that an answer about a user takes, in seconds."""

FORM_GUARDS: Final = (Depends(same_origin()), Depends(limited(MemoryRateLimit(60, 60.0))))
"""For every form: it has to come from this site, and not too often from one address, which may be a whole office's."""


class CodeTries:
    """Counts the codes that are tried for each user name, real or not."""

    def __init__(self, limit: RateLimit | None = None) -> None:
        """Take what counts.

        Args:
            limit: Counts; None for 5 tries within 15 minutes, in the memory of this process.
        """
        self._limit = limit or MemoryRateLimit(5, 900.0)

    async def admit(self, username: str) -> None:
        """Count a try.

        Args:
            username: The name that was typed.

        Raises:
            RateLimitedError: It was one too many.
        """
        wait = await self._limit.wait(sha256(username.casefold().encode()).hexdigest())
        if wait > 0:
            raise RateLimitedError("too many codes were tried for one user", retry_after=wait)


async def settle(call: Awaitable[object]) -> Outcome:
    """Wait for a call, in no less time than any such call takes.

    Args:
        call: The call.

    Returns:
        The error that it ended in; None if it worked.
    """
    outcome, _ = await asyncio.gather(_outcome(call), asyncio.sleep(FLOOR))
    return outcome


async def _outcome(call: Awaitable[object]) -> Outcome:
    try:
        await call
    except CognitoError as error:
        return error
    return None
