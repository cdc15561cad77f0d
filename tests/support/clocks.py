"""Event loops with virtual time."""

import asyncio
import selectors
from typing import Any

START = 1024.0  # not zero, so that nothing passes by mistaking "never" for "at the start"


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the clock to the next timer instead of waiting for it."""

    now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits for something that will never happen")
            self.now += max(timeout, 0.0)
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer when nothing is ready: pauses and time limits cost nothing.

    For what happens inside one process: to it, an answer that is still on its way through a socket is nothing at all.
    """

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Give the virtual time in seconds."""
        return self._clock.now

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]
        """Refuse: the clock would run away while a thread works."""
        raise RuntimeError("a virtual clock does not wait for threads")


class ManualClockLoop(asyncio.SelectorEventLoop):
    """A loop for real sockets whose time stands still but for what a test moves it on."""

    _ahead = 0.0

    def time(self) -> float:
        """Give the time in seconds."""
        return START + self._ahead

    def advance(self, seconds: float) -> None:
        """Let seconds go by at once."""
        self._ahead += seconds


def advance(seconds: float) -> None:
    """Let seconds go by on the manual clock."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ManualClockLoop), "mark the test with manual_clock"
    loop.advance(seconds)


def now() -> float:
    """Give the running loop's time, counted from the start of the virtual clock."""
    return asyncio.get_running_loop().time() - START
