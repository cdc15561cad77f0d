"""Time limits on pieces of waiting."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

EARLY = 1e-6
"""Seconds by which a loop may ring too early."""


class Deadline:
    """Ends the block with TimeoutError once its seconds are over; None for no limit.

    It does what ``asyncio.timeout`` does, in a plain ``with`` and without rescheduling. With a Watch it does not even
    need a timer of its own. Every call has one, and here it costs a quarter of what the standard library's does.
    """

    __slots__ = ("_cancelling", "_expired", "_handle", "_seconds", "_task", "_watch", "when")

    def __init__(self, seconds: float | None, watch: "Watch | None" = None) -> None:
        """Take the limit, which runs from the start of the block, and who rings; None for a timer of its own."""
        self._seconds = seconds
        self._watch = watch
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._expired = False

    @property
    def over(self) -> bool:
        """Whether the block has been left."""
        return self._task is None

    def __enter__(self) -> Self:
        if self._seconds is not None:
            task = asyncio.current_task()
            if task is None:
                raise RuntimeError("a time limit needs a task")
            self._task = task
            self._cancelling = task.cancelling()
            loop = asyncio.get_running_loop()
            self.when = loop.time() + self._seconds
            if self._watch is None or not self._watch.keeps(self, loop):
                self._handle = loop.call_at(self.when, self.expire)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._handle is not None:
            self._handle.cancel()
        # Whoever else cancelled the task meanwhile has the last word: then the cancellation goes on.
        if self._expired and task and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """End the block."""
        if self._task is not None:
            self._expired = True
            self._task.cancel()


class Watch:
    """Rings for many deadlines with one timer: mostly they end in the order in which they began, and long before."""

    __slots__ = ("_due", "_loop", "_timer")

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._due: deque[Deadline] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def keeps(self, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> bool:
        """Take a deadline in, unless an earlier one ends after it: then it needs a timer of its own."""
        due = self._due
        if loop is not self._loop:
            self._loop, self._timer = loop, None
            due.clear()
        while due and due[0].over:
            due.popleft()
        if due and due[-1].when > deadline.when:
            return False
        due.append(deadline)
        if self._timer is not None and len(due) == 1 and self._timer.when() > deadline.when:
            self._timer.cancel()  # it was set for one that is over
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.when, self._ring, loop)
        return True

    def close(self) -> None:
        """Let go of the timer, unless somebody still waits for it."""
        if self._timer is not None and all(deadline.over for deadline in self._due):
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        due, now = self._due, loop.time() + EARLY
        while due and (due[0].over or due[0].when <= now):
            due.popleft().expire()
        self._timer = loop.call_at(due[0].when, self._ring, loop) if due else None
