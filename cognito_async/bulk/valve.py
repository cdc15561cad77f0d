"""How many rows are on their way at once: as many as the pace takes, and few that wait for it."""

import asyncio
from typing import Final

from cognito_async.rate_limiter import CategoryLimiter

AHEAD: Final = 0.1
"""Seconds' worth of rows that may wait for their turn, so that the limiter never runs dry."""

FEWEST: Final = 2
START: Final = 4


class Valve:
    """Lets rows begin; the more come through, the more it lets in, up to a limit.

    Attributes:
        inside: How many rows are on their way.
        waiting: How many of them wait for their first turn.
    """

    def __init__(self, limiter: CategoryLimiter, limit: int) -> None:
        """Take the limiter that the requests wait in, and how many rows may be on their way at most."""
        self._limiter = limiter
        self._limit = limit
        self._open = min(START, limit)
        self._freed = asyncio.Event()
        self.inside: int = 0
        self.waiting: int = 0

    async def room(self) -> None:
        """Wait until another row may begin."""
        while self._is_full():
            self._freed.clear()
            await self._freed.wait()

    def _is_full(self) -> bool:
        rate = self._limiter.rate
        return self.inside >= self._open or (rate is not None and self.waiting >= FEWEST + rate * AHEAD)

    def place(self) -> "Place":
        """Let a row begin.

        Returns:
            Its place, which it has to leave.
        """
        return Place(self)

    def moved(self, *, inside: int = 0, waiting: int = 0, wider: bool = False) -> None:
        """Count a row that has moved."""
        self.inside += inside
        self.waiting += waiting
        if wider:
            self._open = min(self._open + 1, self._limit)
        if not self._is_full():
            self._freed.set()


class Place:
    """A row's place among those that are on their way."""

    __slots__ = ("_valve", "_waits")

    def __init__(self, valve: Valve) -> None:
        """Take a place in a valve."""
        self._valve = valve
        self._waits = True
        valve.moved(inside=1, waiting=1)

    def turn(self) -> bool:
        """Note that a request's turn has come.

        Returns:
            Whether it was the row's first.
        """
        first, self._waits = self._waits, False
        if first:
            self._valve.moved(waiting=-1)
        return first

    def leave(self, *, done: bool) -> None:
        """Leave, and say whether all was well."""
        self._valve.moved(inside=-1, waiting=-1 if self._waits else 0, wider=done)
