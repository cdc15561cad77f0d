"""ForgotPassword requests in the background, so that response times do not reveal which users exist."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Self

from attrs import field, frozen

from cognito_async.client import CognitoClient
from cognito_async.fastapi.errors import ResetQueueFullError
from cognito_async.fastapi.problems import log_problem
from cognito_async.operations import UserContextDataType
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.settings import number
from cognito_async.route import Timeouts

_LOG = logging.getLogger("cognito_async.fastapi")
_RETRY_AFTER: Final = 5.0

Job = Callable[[], Awaitable[object]]


@frozen(kw_only=True)
class ResetLimits:
    """Limits of the ForgotPassword requests that are sent in the background."""

    workers: int = field(default=8, validator=number(1))
    """The maximum number of concurrent requests."""

    waiting: int = field(default=500, validator=number(1))
    """The maximum number of queued requests; when the queue is full, ResetQueueFullError is raised."""

    drain: float = field(default=20.0, validator=number(0))
    """How long a shutdown waits for queued and in-flight requests, in seconds."""

    timeouts: Timeouts = field(factory=partial(Timeouts, total=120.0))
    """The timeouts of each request, longer than in a route because no user waits for the response."""

    retry: RetryPolicy = field(factory=partial(RetryPolicy, max_attempts=10))
    """The retry policy of each request."""


class ResetQueue:
    """A bounded queue with workers that run during its ``async with`` block.

    Attributes:
        in_flight: The number of running jobs.
    """

    def __init__(self, limits: ResetLimits) -> None:
        self._limits = limits
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(limits.waiting)
        self._workers: list[asyncio.Task[None]] = []
        self.in_flight = 0

    async def __aenter__(self) -> Self:
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._limits.workers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Accept no more jobs, wait for the accepted ones, then stop the workers."""
        workers, self._workers = self._workers, []
        try:
            async with asyncio.timeout(self._limits.drain):
                await self._jobs.join()
        except TimeoutError:
            lost = self.waiting + self.in_flight
            _LOG.error("shutdown: %d password resets were not sent within %g s", lost, self._limits.drain)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """The number of queued jobs."""
        return self._jobs.qsize()

    def put(self, job: Job) -> None:
        """Queue a job; raise ResetQueueFullError if the queue is full or shut down."""
        if not self._workers or self._jobs.full():
            raise ResetQueueFullError("the queue of password resets is full", retry_after=_RETRY_AFTER)
        self._jobs.put_nowait(job)

    async def _work(self) -> None:
        while True:
            job = await self._jobs.get()
            self.in_flight += 1
            try:
                await job()
            except Exception as error:  # noqa: BLE001 - the worker must survive for other users' jobs
                log_problem(error)
            finally:
                self.in_flight -= 1
                self._jobs.task_done()


@frozen(repr=False, eq=False)
class ResetRequests:
    """Sends password reset codes in the background."""

    _queue: ResetQueue
    _client: CognitoClient

    def submit(
        self,
        username: str,
        *,
        user_context_data: UserContextDataType | None = None,
        client_metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Queue a ForgotPassword request. Failures are logged without the username.

        Args:
            username: The username or alias as entered. The user need not exist.
            user_context_data: The client IP and device data for threat protection; None for none.
            client_metadata: Input for Lambda triggers; None for none.

        Raises:
            ResetQueueFullError: The queue is full, whatever the username.
        """
        self._queue.put(
            partial(
                self._client.forgot_password,
                username=username,
                user_context_data=user_context_data,
                client_metadata=client_metadata,
            )
        )
