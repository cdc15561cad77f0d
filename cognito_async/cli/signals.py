"""Ctrl-C, SIGTERM and SIGHUP. Signals that the process inherited as ignored, such as under nohup, stay ignored."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from cognito_async.cli.errors import CommandError, Exit

Result = TypeVar("Result")


@contextmanager
def stopping(stop: Callable[[], object]) -> Generator[None]:
    """Call ``stop`` for the first signal within the block, and abort it for the second; a third ends the process."""
    task = asyncio.current_task()
    count = 0

    def on_signal() -> None:
        nonlocal count
        count += 1
        if count == 1:
            stop()
        elif count == 2 and task is not None:  # noqa: PLR2004
            task.cancel()
        else:  # something hangs, such as a terminal that is stopped with Ctrl-S
            os._exit(Exit.INTERRUPTED)

    try:
        with _handling(_signals(lambda handler: handler is not signal.SIG_IGN), on_signal):
            yield
    except asyncio.CancelledError:
        if count <= 1:
            raise
        raise CommandError("aborted; in-flight rows will be resolved when you resume", Exit.INTERRUPTED) from None


@contextmanager
def as_keyboard_interrupt(*, enabled: bool) -> Generator[None]:
    """Raise KeyboardInterrupt for SIGTERM and SIGHUP within the block, so that it is left in order."""
    caught = _signals(lambda handler: enabled and handler is signal.SIG_DFL)
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
        with _handling(_signals(lambda handler: handler is signal.default_int_handler), task.cancel):
            return await task

    try:
        return asyncio.run(cancelled_by_signals())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@contextmanager
def _handling(numbers: list[int], handler: Callable[[], object]) -> Generator[None]:
    loop = asyncio.get_running_loop()
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


def _signals(is_meant: Callable[[object], bool]) -> list[int]:
    """Return the signals by their current handler; none outside the main thread, where signals belong to others."""
    if threading.current_thread() is not threading.main_thread():
        return []
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in numbers if is_meant(signal.getsignal(number))]
