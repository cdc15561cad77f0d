"""Sees a job through: shows it, ends it when told to, and says how it ended."""

import asyncio
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from pathlib import Path
from typing import ParamSpec

from cognito_async.bulk import BulkError, Job, State
from cognito_async.cli.closing import Closing
from cognito_async.cli.displays import Display
from cognito_async.cli.exits import CommandError, Exit
from cognito_async.cli.interrupts import Interrupts
from cognito_async.cli.opening import Opening
from cognito_async.cli.streams import warn

Arguments = ParamSpec("Arguments")

GENTLY = "stopping: what is on its way comes to its end, then all is saved; Ctrl-C again leaves at once"
AT_ONCE = "left at once; what was on its way is settled when you resume"


class Supervision:
    """One run of a job, with somebody who watches it."""

    def __init__(self, job: Job, display: Display, opening: Opening, journal: Path) -> None:
        """Take the job, what shows it, what to say first, and the journal."""
        self._job = job
        self._display = display
        self._opening = opening
        self._journal = journal
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cognito_async-display")
        self._deaf = False

    async def run(self, again: Collection[State]) -> Exit:
        """Run the job to the end of this run.

        Args:
            again: States whose rows are sent for once more.

        Returns:
            The exit code.

        Raises:
            CommandError: It was left at once.
            CognitoError: Whatever ``Job.run`` raises.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        interrupts = Interrupts(self._gently, lambda: _cancel(task))
        closing: Closing | None = None
        try:
            with interrupts.installed():
                await self._show(self._display.open, self._opening)
                await self._watch(again)
            closing = Closing(summary=self._job.summary, action=self._opening.action, journal=self._journal)
        except asyncio.CancelledError:
            if interrupts.seen < 2:  # noqa: PLR2004 - somebody else ends this task
                raise
            raise CommandError(AT_ONCE, Exit.LEFT) from None
        else:
            return closing.exit
        finally:
            await self._show(self._display.close, closing)
            self._thread.shutdown()

    async def _watch(self, again: Collection[State]) -> None:
        ticking = asyncio.create_task(self._tick())
        try:
            async with aclosing(self._job.run(again)) as outcomes:
                async for outcome in outcomes:
                    if outcome.state is not State.DONE:
                        await self._show(self._display.outcome, outcome)
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])
        await self._show(self._display.progress, self._job.progress, time.time())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._display.interval)
            with suppress(BulkError):  # it has not begun: the input's fingerprint is being taken
                await self._show(self._display.progress, self._job.progress, time.time())

    def _gently(self) -> None:
        self._job.stop()
        self._thread.submit(self._display.note, GENTLY)

    async def _show(self, show: Callable[Arguments, None], *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        """Show something off the loop: a terminal or a reader that holds still must not hold up the requests."""
        if self._deaf:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, lambda: show(*args, **kwargs))
        except OSError:
            self._deaf = True
            self._job.stop()
            warn("standard output takes no more: the job stops in order, and can be resumed")


def _cancel(task: "asyncio.Task[object]") -> None:
    task.cancel()
