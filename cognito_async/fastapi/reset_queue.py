"""Password resets that are requested after the visitor has been answered, so that no answer's time tells who exists."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Self

from attrs import field, frozen

from cognito_async.call import Timeouts
from cognito_async.client import CognitoClient
from cognito_async.fastapi.problems import report
from cognito_async.fastapi.refusals import ResetQueueFullError
from cognito_async.operations import UserContextDataType
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.settings import number

_LOG = logging.getLogger("cognito_async.fastapi")
_RETRY_AFTER = 5.0

Job = Callable[[], Awaitable[object]]


@frozen(kw_only=True)
class ResetLimits:
    """How many password resets are requested at once, how many may wait, and for how long.

    Attributes:
        workers: How many are requested at the same time.
        waiting: How many may wait; further visitors are asked to come back.
        drain: How long a shutdown waits for what is waiting and in flight, in seconds.
        timeouts: The time limits of each request. Nobody waits for it, so it may take long.
        retry: The retry policy of each request; more patient than a visitor would be.
    """

    workers: int = field(default=8, validator=number(1))
    waiting: int = field(default=500, validator=number(1))
    drain: float = field(default=20.0, validator=number(0))
    timeouts: Timeouts = field(factory=partial(Timeouts, total=120.0))
    retry: RetryPolicy = field(factory=partial(RetryPolicy, max_attempts=10))


class ResetQueue:
    """A bounded queue and its workers; they live as long as the ``async with`` block of the lifespan."""

    def __init__(self, limits: ResetLimits) -> None:
        """Take the limits; nothing runs yet."""
        self._limits = limits
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(limits.waiting)
        self._workers: list[asyncio.Task[None]] = []
        self._busy = 0

    async def __aenter__(self) -> Self:
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._limits.workers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take no more, wait for what was taken, then end the workers."""
        workers, self._workers = self._workers, []
        try:
            async with asyncio.timeout(self._limits.drain):
                await self._jobs.join()
        except TimeoutError:
            lost = self.waiting + self.busy
            _LOG.error("shutdown: %d password resets were not requested within %g s", lost, self._limits.drain)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        return self._jobs.qsize()

    @property
    def busy(self) -> int:
        """How many jobs are being done."""
        return self._busy

    def put(self, job: Job) -> None:
        """Take a job.

        Args:
            job: What makes the awaitable that does it.

        Raises:
            ResetQueueFullError: As many wait as may, or the application shuts down.
        """
        if not self._workers or self._jobs.full():
            raise ResetQueueFullError("no more password resets can be taken right now", retry_after=_RETRY_AFTER)
        self._jobs.put_nowait(job)

    async def _work(self) -> None:
        while True:
            job = await self._jobs.get()
            self._busy += 1
            try:
                await job()
            except Exception as error:  # noqa: BLE001 - one user's failure must not end what serves the others
                report(error)
            finally:
                self._busy -= 1
                self._jobs.task_done()


@frozen(repr=False, eq=False)
class ResetRequests:
    """Takes the wish for a new password, and has it sent to the service after the visitor was answered."""

    _queue: ResetQueue
    _client: CognitoClient

    def submit(
        self,
        username: str,
        *,
        user_context_data: UserContextDataType | None = None,
        client_metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Have the service send a code to a user, in the background; failures are logged, without the name.

        Args:
            username: The user's name or alias, as typed; there need be no such user.
            user_context_data: The user's address and device; None for none.
            client_metadata: What the pool's Lambda functions get; None for nothing.

        Raises:
            ResetQueueFullError: Too many wait already, whoever asks.
        """
        self._queue.put(
            partial(
                self._client.forgot_password,
                username=username,
                user_context_data=user_context_data,
                client_metadata=client_metadata,
            )
        )
