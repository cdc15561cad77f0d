"""Time limits for blocks of code."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

EARLY = 1e-6  # seconds by which the loop's timer may fire early


class Deadline:
    """End the block with TimeoutError after the given seconds; None for no limit.

    Like ``asyncio.timeout``, but in a plain ``with``, and at a quarter of its cost with a SharedTimer.
    """

    __slots__ = ("_cancelling", "_expired", "_handle", "_seconds", "_shared_timer", "_task", "when")

    def __init__(self, seconds: float | None, shared_timer: "SharedTimer | None" = None) -> None:
        """Set the limit, counted from the start of the block, and the timer to share; None for a separate one."""
        self._seconds = seconds
        self._shared_timer = shared_timer
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._expired = False

    @property
    def over(self) -> bool:
        """Whether the block has been left."""
        return self._task is None

    def __enter__(self) -> Self:
        if self._seconds is not None:
            loop = asyncio.get_running_loop()
            task = asyncio.current_task(loop)
            if task is None:
                raise RuntimeError("a time limit needs a task; await this call from a coroutine")
            self._task = task
            self._cancelling = task.cancelling()
            self.when: float = loop.time() + self._seconds
            if self._shared_timer is None or not self._shared_timer.add(self, loop):
                self._handle = loop.call_at(self.when, self.expire)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._handle is not None:
            self._handle.cancel()
        # If the task was also cancelled by someone else, that cancellation takes precedence.
        if self._expired and task and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """End the block."""
        if self._task is not None:
            self._expired = True
            self._task.cancel()


class SharedTimer:
    """One timer for many deadlines, which usually end in the order in which they started."""

    def __init__(self) -> None:
        self._due: deque[Deadline] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> bool:
        """Add a deadline; return False if it needs a separate timer: an earlier one ends after it, for example."""
        due = self._due
        if loop is not self._loop:
            if self._loop is not None and not self._loop.is_closed() and not all(deadline.over for deadline in due):
                return False  # blocks in another event loop depend on the timer
            self._loop, self._timer = loop, None
            due.clear()
        while due and due[0].over:
            due.popleft()
        if due and due[-1].when > deadline.when:
            return False
        due.append(deadline)
        if self._timer is not None and len(due) == 1 and self._timer.when() > deadline.when:
            self._timer.cancel()  # it was set for a deadline that is over
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.when, self._on_timer, loop)
        return True

    def close(self) -> None:
        """Cancel the timer unless a block still depends on it."""
        if self._timer is not None and all(deadline.over for deadline in self._due):
            self._timer.cancel()
            self._timer = None

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        due, now = self._due, loop.time() + EARLY
        while due and (due[0].over or due[0].when <= now):
            due.popleft().expire()
        self._timer = loop.call_at(due[0].when, self._on_timer, loop) if due else None
