"""A time limit on a piece of waiting."""

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """Ends the block with TimeoutError once its seconds are over; None for no limit.

    It does what ``asyncio.timeout`` does, in a plain ``with`` and without rescheduling: every call needs one, and that
    of the standard library costs 8 µs where the whole of this library may cost 10 µs more than aiohttp alone.
    """

    __slots__ = ("_cancelling", "_expired", "_handle", "_seconds", "_task")

    def __init__(self, seconds: float | None) -> None:
        """Take the limit; it runs from the start of the block."""
        self._seconds = seconds
        self._handle: asyncio.TimerHandle | None = None
        self._expired = False

    def __enter__(self) -> Self:
        if self._seconds is not None:
            task = asyncio.current_task()
            if task is None:
                raise RuntimeError("a time limit needs a task")
            self._task = task
            self._cancelling = task.cancelling()
            self._handle = asyncio.get_running_loop().call_later(self._seconds, self._expire)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
            # Whoever else cancelled the task meanwhile has the last word: then the cancellation goes on.
            if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
