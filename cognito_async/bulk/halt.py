"""What ends a run: the caller, the job's own judgement, or a failure; known at once to all that wait."""

import asyncio

from cognito_async.bulk.progress import Summary


class Halt:
    """Tells whether a run is to end, and why.

    Attributes:
        stopped: Whether the caller has told it to stop.
        end: How it ends by the job's own judgement; None if that has found nothing.
        failure: What has failed; None if nothing has.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.stopped: bool = False
        self.end: Summary | None = None
        self.failure: BaseException | None = None

    def __bool__(self) -> bool:
        """Tell whether nothing new may be begun."""
        return self._event.is_set()

    def stop(self) -> None:
        """End because the caller says so."""
        self.stopped = True
        self._event.set()

    def finish(self, end: Summary) -> None:
        """End because of what rows came to; the first reason counts."""
        self.end = self.end or end
        self._event.set()

    def fail(self, error: BaseException) -> None:
        """End because of a failure; the first one counts."""
        self.failure = self.failure or error
        self._event.set()

    def resume(self) -> Summary | None:
        """Let the run go on after a pause.

        Returns:
            What had ended it; None if nothing had.
        """
        end, self.end = self.end, None
        if not self.stopped and self.failure is None:
            self._event.clear()
        return end

    async def wait(self) -> None:
        """Wait until the run is to end."""
        await self._event.wait()

    async def within(self, seconds: float) -> bool:
        """Pause, but no longer than the run goes on.

        Args:
            seconds: How long.

        Returns:
            Whether the run is to end.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True
