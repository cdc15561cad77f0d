"""How many rows are on their way at once: as many as the pace takes, and few that wait for it."""

import asyncio
from typing import Final

from cognito_async.pacer import Lane

AHEAD: Final = 0.05
"""Seconds' worth of rows that may wait for their turn: so that the lane never runs dry, and no more, since the journal
has them as sent."""

FEWEST: Final = 2
START: Final = 4


class Valve:
    """Lets rows begin; the more come through, the more it lets in, up to a limit."""

    def __init__(self, lane: Lane, limit: int) -> None:
        """Take the lane that the requests wait in, and how many rows may be on their way at most."""
        self._lane = lane
        self._limit = limit
        self._open = min(START, limit)
        self._writing = 0
        self._left = asyncio.Event()
        self.inside: int = 0

    async def enter(self) -> None:
        """Wait until another row may begin, and count it."""
        while True:
            self._left.clear()
            if self.inside >= self._open:
                await self._left.wait()
            elif self._waiting():
                rate = self._lane.rate or 1.0
                await asyncio.sleep(min(max(AHEAD / 4, 0.5 / rate), 0.5))
            else:
                self.inside += 1
                self._writing += 1
                return

    def _waiting(self) -> bool:
        """Tell whether enough rows wait for their turn, or are about to."""
        rate = self._lane.rate
        return rate is not None and self._writing + self._lane.waiting >= FEWEST + rate * AHEAD

    def written(self) -> None:
        """Note that a row's request is on its way to the lane."""
        self._writing -= 1

    def leave(self, *, done: bool) -> None:
        """Note that a row has come through, and whether all was well with it."""
        self.inside -= 1
        if done:
            self._open = min(self._open + 1, self._limit)
        self._left.set()
