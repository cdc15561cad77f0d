"""What Ctrl-C, SIGTERM and SIGHUP do: of a job, the first lets it end in order, the second leaves at once."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from cognito_async.cli.exits import Exit

NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupts:
    """Counts the signals of one run."""

    def __init__(self, gently: Callable[[], None], at_once: Callable[[], None]) -> None:
        """Take what ends the run in order, and what ends it at once."""
        self._steps = (gently, at_once)
        self.seen: int = 0

    def caught(self) -> None:
        """Do what is due for one more signal."""
        self.seen += 1
        if self.seen > len(self._steps):  # whatever hangs, such as a terminal that is held with Ctrl-S
            os._exit(Exit.LEFT)
        self._steps[self.seen - 1]()

    @contextmanager
    def installed(self) -> Generator[None]:
        """Catch the signals within the block; those that this process was told to ignore (nohup) stay ignored."""
        if threading.current_thread() is not threading.main_thread():  # a program that embeds this one has its own
            yield
            return
        loop = asyncio.get_running_loop()
        caught = [
            number
            for name in NAMES
            if (number := getattr(signal, name, None)) is not None and signal.getsignal(number) is not signal.SIG_IGN
        ]
        restore = [_catch(loop, number, self.caught) for number in caught]
        try:
            yield
        finally:
            for undo in restore:
                undo()


def _catch(loop: asyncio.AbstractEventLoop, number: int, caught: Callable[[], None]) -> Callable[[], object]:
    """Catch a signal on the loop, where the loop can do that, and say how to undo it."""
    try:
        loop.add_signal_handler(number, caught)
    except NotImplementedError:  # Windows
        before = signal.signal(number, lambda _, __: loop.call_soon_threadsafe(caught))
        return lambda: signal.signal(number, before)
    return lambda: loop.remove_signal_handler(number)


@contextmanager
def as_ctrl_c() -> Generator[None]:
    """Have SIGTERM and SIGHUP do within the block what Ctrl-C does, so that it is left in order."""
    if threading.current_thread() is not threading.main_thread():  # a program that embeds this one has its own
        yield
        return
    found = [number for name in NAMES[1:] if (number := getattr(signal, name, None)) is not None]
    caught = [number for number in found if signal.getsignal(number) is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, _as_ctrl_c)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _as_ctrl_c(_: int, frame: FrameType | None) -> None:
    """Do what SIGINT's handler does, which on a running loop is asyncio's."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # a shell's background jobs ignore SIGINT
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)
