"""One call from its request to its result: the only loop over attempts, and the only sleep."""

import asyncio
import logging
import platform
from collections.abc import Callable
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Generic
from uuid import uuid4

from attrs import field, frozen

from cognito_async.deadline import Deadline
from cognito_async.errors import CognitoError, ParameterValidationError, RequestTimeoutError
from cognito_async.protocol.operation import Answer, Request
from cognito_async.protocol.retry import RetryKind, RetryPolicy, RetryQuota, classify
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.wire import HttpRequest, decode, encode, headers_for, needs_no_body
from cognito_async.version import __version__

if TYPE_CHECKING:
    from datetime import timedelta

    from cognito_async.signer import Signer
    from cognito_async.transport import Transport

_LOG = logging.getLogger("cognito_async")
USER_AGENT = f"cognito_async/{__version__} python/{platform.python_version()}"


def _positive(_: object, attribute: object, value: float | None) -> None:
    if value is not None and not value > 0:
        name = getattr(attribute, "name", "timeout")
        raise ParameterValidationError(name, "must be greater than 0, or None for no limit")


@frozen(kw_only=True, eq=False, repr=False)
class Timeouts(Record):
    """Time limits in seconds; None for no limit.

    Attributes:
        total: For the whole call, with all attempts and pauses. No call outlives it and no pause crosses it.
        attempt: For one attempt, from the wait for a pooled connection to the last byte of the answer.
        connect: For opening a connection, TLS included.
    """

    total: float | None = field(default=30.0, validator=_positive)
    attempt: float | None = field(default=10.0, validator=_positive)
    connect: float | None = field(default=3.0, validator=_positive)


class Route:
    """Where a session's calls to one region go, and what they share.

    Attributes:
        url: The service's URL.
        region: Its region, to sign for; None if unknown.
        transport: What sends.
        signer: Gives what signs; asked by signed operations only.
        quota: The retry tokens.
        chance: Gives random numbers in [0, 1).
        id_prefix: The start of the invocation ids, in the form of a UUID without its last group.
        counter: Counts the calls, for the last group.
    """

    __slots__ = ("chance", "counter", "id_prefix", "quota", "region", "signer", "transport", "url")

    def __init__(
        self,
        url: str,
        region: str | None,
        *,
        transport: "Transport",
        signer: "Callable[[], Signer]",
        quota: RetryQuota,
        chance: Callable[[], float],
    ) -> None:
        """Take all of it."""
        self.url = url
        self.region = region
        self.transport = transport
        self.signer = signer
        self.quota = quota
        self.chance = chance
        self.id_prefix = str(uuid4())[:-12]
        self.counter = count()


class Call(Generic[Answer]):
    """Sends a validated request until it has an answer, or no right to another attempt."""

    __slots__ = (
        *("_attempts", "_body", "_clock_corrected", "_deadline", "_headers", "_limit_exceeded", "_loop"),
        *("_operation", "_policy", "_request", "_route", "_signed_with", "_started", "_timeouts"),
    )

    def __init__(self, request: Request[Answer], route: Route, policy: RetryPolicy, timeouts: Timeouts) -> None:
        """Take what to send, where, how often and how long."""
        self._request = request
        self._operation = request.OPERATION
        self._route = route
        self._policy = policy
        self._timeouts = timeouts
        self._body = encode(request)
        self._headers = {
            **headers_for(request.OPERATION),
            "User-Agent": USER_AGENT,
            "amz-sdk-invocation-id": f"{route.id_prefix}{next(route.counter):012x}",
        }
        self._loop = asyncio.get_running_loop()
        self._attempts = 0
        self._limit_exceeded = 0
        self._clock_corrected = False
        self._signed_with: timedelta | None = None
        self._started = self._loop.time()
        self._deadline = inf if timeouts.total is None else self._started + timeouts.total

    async def run(self) -> Answer:
        """Run the call.

        Returns:
            The operation's answer.

        Raises:
            CognitoError: What the last attempt ended with.
        """
        tokens = 0
        try:
            while True:
                try:
                    answer = await self._attempt()
                except CognitoError as error:
                    error.operation, error.attempts = self._operation.name, self._attempts
                    retry = self._plan(error)
                    if retry is None:
                        raise
                    tokens, delay = retry
                else:
                    self._route.quota.give_back(tokens or 1)
                    return answer
                await asyncio.sleep(delay)
        except asyncio.CancelledError:
            self._route.quota.give_back(tokens)
            raise

    async def _attempt(self) -> Answer:
        """Send once, within the time that is left."""
        self._attempts += 1
        operation, route, headers = self._operation, self._route, self._headers
        headers["amz-sdk-request"] = f"attempt={self._attempts}; max={max(self._policy.max_attempts, self._attempts)}"
        request = HttpRequest(route.url, headers, self._body, self._timeouts.connect)
        limit = self._limit()
        try:
            with Deadline(limit):
                if operation.signed is not False:
                    signer = route.signer()
                    self._signed_with = signer.clock_offset
                    request.headers = await signer.headers(operation, headers, route.url, route.region, self._body)
                response = await route.transport.send(request)
        except RequestTimeoutError:
            raise
        except TimeoutError:
            if request.status is None or not needs_no_body(operation, request.status):
                within = "" if limit is None else f" within {limit:.3g} s"
                raise RequestTimeoutError(f"no answer{within}", sent=request.sent) from None
            return None  # type: ignore[return-value]  # Answer is None where no body is needed
        return decode(response, self._request)

    def _limit(self) -> float | None:
        """Give the time for the next attempt, in seconds."""
        left = self._deadline - (self._loop.time() if self._attempts > 1 else self._started)
        limit = min(max(left, 0.0), inf if self._timeouts.attempt is None else self._timeouts.attempt)
        return None if limit == inf else limit

    def _plan(self, error: CognitoError) -> tuple[int, float] | None:
        """Decide about another attempt: the tokens it costs and the pause before it, or None."""
        if self._corrects_clock(error):
            return 0, 0.0
        kind = classify(error)
        if kind is None:
            return None
        self._limit_exceeded += kind is RetryKind.LIMIT_EXCEEDED
        if not self._policy.allows(kind, self._attempts, self._limit_exceeded):
            return None
        delay = self._policy.delay(kind, self._attempts, self._route.chance(), error.retry_after_ms)
        if self._loop.time() + delay >= self._deadline:
            return None
        tokens = self._route.quota.take(kind)
        if not tokens:
            return None
        try:
            self._announce(kind, error, delay)
        except BaseException:
            self._route.quota.give_back(tokens)
            raise
        return tokens, delay

    def _corrects_clock(self, error: CognitoError) -> bool:
        """Put the clock right, once a call, if that is why a signature was refused."""
        if self._signed_with is None or self._clock_corrected:
            return False
        self._clock_corrected = self._route.signer().corrects_clock(error, self._signed_with)
        return self._clock_corrected

    def _announce(self, kind: RetryKind, error: CognitoError, delay: float) -> None:
        """Tell the log and the hook about a retry."""
        from cognito_async.protocol.events import RetryDetails  # noqa: PLC0415 - not for calls that succeed at once

        details = RetryDetails(
            operation=self._operation.name,
            attempt=self._attempts,
            max_attempts=self._policy.max_attempts,
            kind=kind,
            error=error,
            delay=delay,
            elapsed=self._loop.time() - self._started,
        )
        _LOG.info(
            "%s: attempt %d of %d ended in %s; trying again in %.3f s",
            details.operation,
            details.attempt,
            details.max_attempts,
            error.code or type(error).__name__,
            delay,
            extra={"cognito_retry": details},
        )
        if self._policy.on_retry is not None:
            self._policy.on_retry(details)
