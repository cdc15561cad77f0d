"""What the site remembers: so much, for so long, in this process.

A site with several workers, or one that is to survive a restart, keeps this where all of them can see it, such as in
Redis: another class with the same few methods.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Value = TypeVar("Value")

_ID_BYTES = 32


class MemoryStore(Generic[Value]):
    """Values by key. Each has its time; when there are too many, the one that was put in first has to go."""

    def __init__(self, *, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the bounds.

        Args:
            most: The most values that are kept.
            seconds: How long each is kept, unless told otherwise.
            clock: Gives the time in seconds.
        """
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._values: OrderedDict[str, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        """Count the values, those whose time is over and that nobody has asked for among them."""
        return len(self._values)

    def add(self, value: Value, *, seconds: float | None = None) -> str:
        """Keep a value under a key that nobody can guess.

        Args:
            value: The value.
            seconds: How long it is kept; None for as long as all.

        Returns:
            The key.
        """
        key = secrets.token_urlsafe(_ID_BYTES)
        self.put(key, value, seconds=seconds)
        return key

    def put(self, key: str, value: Value, *, seconds: float | None = None) -> None:
        """Keep a value under a key.

        Args:
            key: The key.
            value: The value.
            seconds: How long it is kept; None for as long as all.
        """
        self._values.pop(key, None)
        self._values[key] = (self._clock() + (self._seconds if seconds is None else seconds), value)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def get(self, key: str) -> Value | None:
        """Find a value.

        Args:
            key: Its key.

        Returns:
            The value; None if there is none, or its time is over.
        """
        until, value = self._values.get(key, (0.0, None))
        if value is not None and self._clock() >= until:
            del self._values[key]
            return None
        return value

    def drop(self, key: str) -> None:
        """Forget a value, if there is one."""
        self._values.pop(key, None)

    def items(self) -> Iterator[tuple[str, Value]]:
        """Go through a copy of all keys and values."""
        return ((key, value) for key, (_, value) in tuple(self._values.items()))
