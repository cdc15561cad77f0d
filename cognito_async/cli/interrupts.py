"""What Ctrl-C, SIGTERM and SIGHUP do: of a job, the first lets it end in order, the second leaves at once."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeVar

from cognito_async.cli.exits import Exit

Result = TypeVar("Result")

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


def _catch(loop: asyncio.AbstractEventLoop, number: int, caught: Callable[[], object]) -> Callable[[], object]:
    """Catch a signal on the loop, where the loop can do that, and say how to undo it."""
    try:
        loop.add_signal_handler(number, caught)
    except NotImplementedError:  # Windows
        before = signal.signal(number, lambda _, __: loop.call_soon_threadsafe(caught))
        return lambda: signal.signal(number, before)
    return lambda: loop.remove_signal_handler(number)


@contextmanager
def as_ctrl_c() -> Generator[None]:
    """Have SIGTERM and SIGHUP do within the block what Ctrl-C does, so that it is left in order; see also ``run``."""
    if threading.current_thread() is not threading.main_thread():  # a program that embeds this one has its own
        yield
        return
    found = [number for name in NAMES[1:] if (number := getattr(signal, name, None)) is not None]
    caught = [number for number in found if signal.getsignal(number) is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on a loop of its own; what ``as_ctrl_c`` catches cancels it there.

    Args:
        main: The coroutine.

    Returns:
        Its result.

    Raises:
        KeyboardInterrupt: A signal has ended it.
    """
    caught = [
        number for name in NAMES if (number := getattr(signal, name, None)) and signal.getsignal(number) is _interrupt
    ]

    async def cancelled_by_signals() -> Result:
        task = asyncio.ensure_future(main)
        restore = [_catch(asyncio.get_running_loop(), number, task.cancel) for number in caught]
        try:
            return await task
        finally:
            for undo in restore:
                undo()
            for number in caught:
                signal.signal(number, _interrupt)

    try:
        return asyncio.run(cancelled_by_signals())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
