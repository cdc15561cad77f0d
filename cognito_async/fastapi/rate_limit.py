"""How often one address, or one user name, may try: counted in this process, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol


class RateLimit(Protocol):
    """Counts tries. Implement it over Redis, say, where all processes of a site have to count together."""

    async def wait(self, key: str) -> float:
        """Count a try.

        Args:
            key: Who tries, such as an address.

        Returns:
            0.0 if it is allowed, else the seconds until the next one will be.
        """
        ...


class MemoryRateLimit:
    """Allows so many tries within so many seconds for each key, all at once or spread.

    A key costs one number. At most ``keys`` are remembered; then the one not heard of for longest is forgotten.
    """

    def __init__(
        self, tries: int, seconds: float, *, keys: int = 50_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Allow tries.

        Args:
            tries: How many at once, from 1.
            seconds: The time in which they come back, one after the other; above 0.
            keys: How many keys are remembered, from 1.
            clock: Gives the time in seconds.

        Raises:
            ValueError: One of the numbers is too small.
        """
        if tries < 1 or seconds <= 0 or keys < 1:
            raise ValueError("tries and keys must be at least 1, and seconds above 0")
        self._step = seconds / tries
        self._slack = seconds - self._step
        self._keys = keys
        self._clock = clock
        # For each key the time at which all its tries are back: the generic cell rate algorithm.
        self._full: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Count the keys that are remembered."""
        return len(self._full)

    async def wait(self, key: str) -> float:
        """Count a try; one that is refused costs nothing.

        Args:
            key: Who tries.

        Returns:
            0.0 if it is allowed, else the seconds until the next one will be.
        """
        now = self._clock()
        full = max(self._full.get(key, now), now)
        if full - now > self._slack:
            self._full.move_to_end(key)
            return full - now - self._slack
        self._full[key] = full + self._step
        self._full.move_to_end(key)
        if len(self._full) > self._keys:
            self._full.popitem(last=False)
        return 0.0
