"""ForgotPassword requests in the background, so that response times do not reveal which users exist."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import Final, Self

from attrs import field, frozen

from cognito_async.call import Timeouts
from cognito_async.client import CognitoClient
from cognito_async.fastapi.problems import RateLimitedError, ResetQueueFullError, log_problem
from cognito_async.fastapi.rate_limits import (
    IPV6_PREFIXES,
    MemoryRateLimit,
    RateLimit,
    check_username_limit,
    client_ip_of,
    is_rate_limit,
    rate_limit_key,
)
from cognito_async.fastapi.request import Address
from cognito_async.operations import UserContextDataType
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.validators import number

_LOG = logging.getLogger("cognito_async.fastapi")
_RETRY_AFTER: Final = 5.0

Job = Callable[[], Awaitable[object]]


@frozen(kw_only=True)
class ResetLimits:
    """Limits of the ForgotPassword requests that are sent in the background.

    Clients are served in turn. An IPv4 address or an IPv6 /48 network counts as one client.
    """

    workers: int = field(default=8, validator=number(1))
    """The maximum number of concurrent requests. One client has at most half of them, so that others start soon."""

    waiting: int = field(default=500, validator=number(1))
    """The maximum number of queued requests; when the queue is full, ResetQueueFullError is raised.

    Clients without a queued request are accepted until there are twice as many.
    """

    username_limit: RateLimit = field(factory=partial(MemoryRateLimit, 5, 3600.0), validator=is_rate_limit)
    """Limits the codes per username, whether or not the user exists. Default: 5 per hour; no more are sent."""

    drain: float = field(default=20.0, validator=number(0))
    """How long a shutdown waits for queued and in-flight requests, in seconds."""

    timeouts: Timeouts = field(factory=partial(Timeouts, total=120.0))
    """The timeouts of each request, longer than in a route because no user waits for the response."""

    retry: RetryPolicy = field(factory=partial(RetryPolicy, max_attempts=10))
    """The retry policy of each request."""


class ResetQueue:
    """A bounded queue that is fair to clients; its jobs run during the ``async with`` block."""

    def __init__(self, limits: ResetLimits) -> None:
        self.limits = limits
        self._is_open = False
        self._queued: dict[str, deque[Job]] = {}  # by client, in the order of their turns
        self._running: dict[asyncio.Task[None], str] = {}  # with the clients
        self._context = copy_context()  # jobs do not run in the context of a request

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Accept no more jobs, wait for the accepted ones, then cancel the rest."""
        self._is_open = False
        try:
            async with asyncio.timeout(self.limits.drain):
                while self._running:
                    await asyncio.wait(self._running)
        except TimeoutError:
            lost = self.waiting + len(self._running)
            _LOG.error("shutdown: %d password resets were not sent within %g s", lost, self.limits.drain)
        finally:
            self._queued.clear()
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queued.values()))

    def put(self, job: Job, client: str) -> None:
        """Queue a job of a client; raise ResetQueueFullError if the queue is full or shut down."""
        space = self.limits.waiting * (1 if client in self._queued else 2)
        if not self._is_open or self.waiting >= space:
            raise ResetQueueFullError("the queue of password resets is full", retry_after=_RETRY_AFTER)
        self._queued.setdefault(client, deque()).append(job)
        self._start_jobs()

    def _start_jobs(self) -> None:
        """Start the next jobs; a client must have fewer running jobs than there are free workers."""
        while (client := next(filter(self._may_start, self._queued), None)) is not None:
            jobs = self._queued.pop(client)
            task = asyncio.create_task(_run(jobs.popleft()), context=self._context)
            if jobs:
                self._queued[client] = jobs  # at the end of the turn
            self._running[task] = client
            task.add_done_callback(self._finish)

    def _may_start(self, client: str) -> bool:
        running = list(self._running.values())
        return running.count(client) < self.limits.workers - len(running)

    def _finish(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._start_jobs()


async def _run(job: Job) -> None:
    try:
        await job()
    except Exception as error:  # noqa: BLE001 - logged, since no caller waits for the result
        log_problem(error)


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
        client_ip: Address | None = None,
    ) -> None:
        """Queue a ForgotPassword request. Failures are logged without the username.

        Nothing is sent if ``ResetLimits.username_limit`` is exceeded; the caller cannot see the difference.

        Args:
            username: The username or alias as entered. The user need not exist.
            user_context_data: The client IP and device data for threat protection; None for none.
            client_metadata: Input for Lambda triggers; None for none.
            client_ip: The client IP, to serve clients in turn; None for the one of ``user_context_data``.

        Raises:
            ResetQueueFullError: The queue is full, whatever the username.
        """

        async def send() -> None:
            try:
                limit = self._queue.limits.username_limit
                await check_username_limit(limit, username, key_prefix="forgot-password username ")
            except RateLimitedError:
                _LOG.info("a password reset code was not sent: too many for this username")
                return
            await self._client.forgot_password(
                username=username, user_context_data=user_context_data, client_metadata=client_metadata
            )

        self._queue.put(send, rate_limit_key(client_ip or client_ip_of(user_context_data), IPV6_PREFIXES[-1]))
