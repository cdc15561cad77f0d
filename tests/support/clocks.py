"""Event loops with virtual time."""

import asyncio
import selectors
from typing import Any

START = 1024.0  # not zero, so that a default of 0.0 is not mistaken for the start


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the clock to the next timer instead of waiting for it."""

    now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock: no task is ready and there is no timer")
            self.now += max(timeout, 0.0)
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer when nothing is ready, so that waits take no time.

    Not for sockets: their data would arrive after all timers have fired.
    """

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the time in seconds."""
        return self._clock.now

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]
        """Raise an error: time would jump while a thread works."""
        raise RuntimeError("a virtual clock does not wait for threads")


class ManualClockLoop(asyncio.SelectorEventLoop):
    """A loop for real sockets whose time moves only when a test calls ``advance``."""

    _ahead = 0.0

    def time(self) -> float:
        """Return the time in seconds."""
        return START + self._ahead

    def advance(self, seconds: float) -> None:
        """Advance the manual clock by some seconds."""
        self._ahead += seconds


def advance(seconds: float) -> None:
    """Advance the manual clock by some seconds."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ManualClockLoop), "mark the test with manual_clock"
    loop.advance(seconds)


def now() -> float:
    """Return the running loop's time since the start of the virtual clock."""
    return asyncio.get_running_loop().time() - START
