"""Ctrl-C, SIGTERM and SIGHUP. Signals that the process inherited as ignored, such as under nohup, stay ignored."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

from cognito_async.cli.errors import Exit

Result = TypeVar("Result")

SIGNALS: Final = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


@contextmanager
def stopping(stop: Callable[[], object], abort: Callable[[], object]) -> Generator[None]:
    """Call ``stop`` for the first signal within the block and ``abort`` for the second; a third ends the process."""
    loop = asyncio.get_running_loop()
    steps = iter((stop, abort))

    def on_signal() -> None:
        step = next(steps, None)
        if step is None:  # something hangs, such as a terminal that is stopped with Ctrl-S
            os._exit(Exit.INTERRUPTED)
        step()

    with _handling(loop, [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN], on_signal):
        yield


@contextmanager
def as_keyboard_interrupt(*, enabled: bool) -> Generator[None]:
    """Raise KeyboardInterrupt for SIGTERM and SIGHUP within the block, so that it is left in order."""
    mine = SIGNALS if enabled and _in_main_thread() else ()
    caught = [number for number in mine if signal.getsignal(number) is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine; within ``as_keyboard_interrupt`` the signals cancel it."""

    async def cancelled_by_signals() -> Result:
        task = asyncio.ensure_future(main)
        caught = [number for number in SIGNALS if signal.getsignal(number) is signal.default_int_handler]
        with _handling(asyncio.get_running_loop(), caught, task.cancel):
            return await task

    try:
        return asyncio.run(cancelled_by_signals())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@contextmanager
def _handling(loop: asyncio.AbstractEventLoop, numbers: list[int], handler: Callable[[], object]) -> Generator[None]:
    """Handle signals on the loop within the block; elsewhere than in the main thread, signals belong to others."""
    if not _in_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        try:
            loop.add_signal_handler(number, handler)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda _, __: loop.call_soon_threadsafe(handler))
    try:
        yield
    finally:
        for number, handled in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL if handled is None else handled)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
