"""One call from its request to its result: the only loop over attempts, and the only sleep."""

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, Generic

from cognito_async.deadline import Deadline
from cognito_async.errors import CognitoError, RateLimitTimeoutError, RequestTimeoutError, TransportError
from cognito_async.protocol.operation import Request, ResponseT
from cognito_async.protocol.retry import RetryKind, RetryPolicy, classify
from cognito_async.protocol.wire import HttpRequest, confidential, decode, encode, headers_for, needs_no_body
from cognito_async.route import Route, Timeouts
from cognito_async.version import __version__

if TYPE_CHECKING:
    from datetime import timedelta

    from cognito_async.protocol.events import Event

_LOG = logging.getLogger("cognito_async")
USER_AGENT = f"cognito_async/{__version__} python/{platform.python_version()}"


class Call(Generic[ResponseT]):
    """Sends a validated request until it has an answer, or no right to another attempt."""

    __slots__ = (
        *(
            "_attempts",
            "_before",
            "_body",
            "_clock_corrected",
            "_deadline",
            "_headers",
            "_history",
            "_limiter",
            "_limit_exceeded",
        ),
        *("_loop", "_operation", "_policy", "_request", "_route", "_signed_with", "_started", "_timeouts", "_tokens"),
    )

    def __init__(
        self,
        request: Request[ResponseT],
        route: Route,
        policy: RetryPolicy,
        timeouts: Timeouts,
        before: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Take what to send, where, how often and how long, and what to await before an attempt leaves."""
        self._request = request
        self._operation = request.OPERATION
        self._route = route
        self._policy = policy
        self._timeouts = timeouts
        self._before = before
        self._limiter = route.rate_limiter.limiter(request.OPERATION)
        self._body = encode(request)
        self._headers = headers_for(request.OPERATION, USER_AGENT, f"{route.id_prefix}{next(route.counter):012x}")
        self._loop = asyncio.get_running_loop()
        self._attempts = 0
        self._tokens = 0
        self._limit_exceeded = 0
        self._history: list[CognitoError] = []
        self._clock_corrected = False
        self._signed_with: timedelta | None = None
        self._started = self._loop.time()
        self._deadline = inf if timeouts.total is None else self._started + timeouts.total

    async def run(self) -> ResponseT:
        """Run the call.

        Returns:
            The operation's answer.

        Raises:
            CognitoError: What the last attempt ended with.
        """
        counts = self._route.counts
        counts["calls"] += 1
        try:
            while True:
                try:
                    answer = await self._attempt()
                except CognitoError as error:
                    delay = self._after(error)
                    if delay is None:  # a delete that the lost first attempt had done already
                        return None  # type: ignore[return-value]  # deletes have no answer
                else:
                    self._route.quota.give_back(self._tokens or 1)
                    counts["succeeded"] += 1
                    return answer
                await asyncio.sleep(delay)
        except asyncio.CancelledError:
            self._give_tokens_back()
            raise
        except BaseException:
            counts["failed"] += 1
            raise

    async def _attempt(self) -> ResponseT:
        """Send once, when its turn has come, within the time that is left."""
        operation, route, headers, limiter = self._operation, self._route, self._headers, self._limiter
        rate_limited = limiter.rate is not None
        if rate_limited:
            try:
                await limiter.acquire(self._deadline - self._loop.time(), self._tell_wait)
            except BaseException:
                self._give_tokens_back()
                raise
        if self._before is not None:
            await self._prepare(self._before, rate_limited=rate_limited)
        self._attempts += 1
        route.counts["attempts"] += 1
        if self._attempts > 1:
            route.counts["retries"] += 1
        headers["amz-sdk-request"] = f"attempt={self._attempts}; max={self._policy.max_attempts}"
        request = HttpRequest(route.url, headers, self._body, self._timeouts.connect)
        limit = self._limit()
        try:
            with Deadline(limit, route.timer):
                if operation.signed is not False:
                    signer = route.signer()
                    self._signed_with = signer.clock_offset
                    request.headers = await signer.headers(operation, headers, route.url, route.region, self._body)
                request.sent = None
                response = await route.transport.send(request)
        except BaseException as error:
            if rate_limited and request.sent is False:
                limiter.release()
            if isinstance(error, RequestTimeoutError) or not isinstance(error, TimeoutError):
                raise
            if request.status is None or not needs_no_body(operation, request.status):
                within = "" if limit is None else f" within {limit:.3g} s"
                raise RequestTimeoutError(f"no answer{within}", sent=request.sent) from None
            return None  # type: ignore[return-value]  # ResponseT is None where no body is needed
        answer = decode(response, self._request, confidential(request.headers) if operation.signed is not False else ())
        limiter.record_success()
        return answer

    async def _prepare(self, before: Callable[[], Awaitable[object]], *, rate_limited: bool) -> None:
        """Await what has to be done before an attempt; where it fails, its turn was not used."""
        try:
            await before()
        except BaseException:
            if rate_limited:
                self._limiter.release()
            self._give_tokens_back()
            raise

    def _limit(self) -> float | None:
        """Give the time for the next attempt, in seconds."""
        attempt = self._timeouts.attempt
        if self._deadline == inf:
            return attempt
        left = self._deadline - self._loop.time()
        return left if attempt is None or left < attempt else attempt

    def _after(self, error: CognitoError) -> float | None:
        """Decide what follows a failed attempt: give the pause before the next, or None for success after all.

        Raises:
            CognitoError: The call ends here.
        """
        # Imported here because a call that succeeds, such as a program's first, has no need of them.
        from cognito_async.operations.facts import IDEMPOTENCY  # noqa: PLC0415
        from cognito_async.protocol.idempotency import Verdict, is_ambiguous, judge  # noqa: PLC0415

        error.operation, error.attempts = self._operation.name, self._attempts
        self._history.append(error)
        if self._corrects_clock(error):
            return 0.0
        kind = classify(error)
        self._note(kind, error)
        delay = self._delay(kind, error)
        idempotency = IDEMPOTENCY[self._operation.name]
        ambiguous_before = any(map(is_ambiguous, self._history[:-1]))
        verdict = judge(error, idempotency, ambiguous_before=ambiguous_before, may_retry=delay is not None)
        if verdict is Verdict.RETRY and kind is not None and delay is not None:
            self._tokens = self._route.quota.take(kind)
            self._tell_retry(kind, error, delay)
            return delay
        if verdict is Verdict.GONE:
            self._route.quota.give_back(self._tokens or 1)
            self._route.counts["succeeded"] += 1
            return None
        if verdict is Verdict.AMBIGUOUS:
            refused = error.code is not None and not is_ambiguous(error) and kind is not RetryKind.THROTTLED
            raise self._ambiguous(error, idempotency.how_to_verify, refused=refused) from error
        if ambiguous_before and isinstance(error, TransportError) and error.sent is False:
            error.sent = None  # this attempt had not left, but an earlier one had
        raise error

    def _note(self, kind: RetryKind | None, error: CognitoError) -> None:
        """Let the limiter know what the service said to the request's rate."""
        if kind is RetryKind.THROTTLED:
            self._route.counts["throttled"] += 1
            self._limiter.record_throttle()
        elif error.status is not None:
            self._limiter.record_success()

    def _delay(self, kind: RetryKind | None, error: CognitoError) -> float | None:
        """Give the pause before another attempt in seconds, or None where there may be none."""
        if kind is None or isinstance(error, RateLimitTimeoutError):
            return None
        self._limit_exceeded += kind is RetryKind.LIMIT_EXCEEDED
        if not self._policy.allows(kind, self._attempts, self._limit_exceeded) or not self._route.quota.affords(kind):
            return None
        delay = self._policy.delay(kind, self._attempts, self._route.random(), error.retry_after)
        return None if self._loop.time() + delay >= self._deadline else delay

    def _corrects_clock(self, error: CognitoError) -> bool:
        """Return whether to send again with a fresh signature: once per call, outside of the retry policy."""
        if self._signed_with is None or self._clock_corrected:
            return False
        self._clock_corrected = self._route.signer().sign_again(error, self._signed_with)
        return self._clock_corrected

    def _ambiguous(self, error: CognitoError, how_to_verify: str, *, refused: bool) -> CognitoError:
        from cognito_async.errors.tree import ambiguous  # noqa: PLC0415
        from cognito_async.protocol.events import AmbiguousDetails  # noqa: PLC0415

        outcome = ambiguous(error, tuple(self._history), how_to_verify, refused=refused)
        self._route.counts["ambiguous"] += 1
        details = AmbiguousDetails(operation=self._operation.name, error=outcome)
        self._tell(details, logging.WARNING, "%s: outcome unknown after %d attempts", self._attempts)
        return outcome

    def _tell_retry(self, kind: RetryKind, error: CognitoError, delay: float) -> None:
        from cognito_async.protocol.events import RetryDetails  # noqa: PLC0415

        details = RetryDetails(
            operation=self._operation.name,
            attempt=self._attempts,
            max_attempts=self._policy.max_attempts,
            kind=kind,
            error=error,
            delay=delay,
            elapsed=self._loop.time() - self._started,
        )
        try:
            name = error.code or type(error).__name__
            self._tell(
                details,
                logging.INFO,
                "%s: attempt %d of %d ended in %s; again in %.3f s",
                self._attempts,
                self._policy.max_attempts,
                name,
                delay,
            )
            if self._policy.on_retry is not None:
                self._policy.on_retry(details)
        except BaseException:
            self._give_tokens_back()
            raise

    def _give_tokens_back(self) -> None:
        """Give back what was taken for a retry that will not be sent."""
        self._route.quota.give_back(self._tokens)
        self._tokens = 0

    def _tell_wait(self, wait: float) -> None:
        from cognito_async.protocol.events import RateLimitDetails  # noqa: PLC0415

        self._route.counts["rate_limited"] += 1
        category, rate = self._operation.category or self._operation.name, self._limiter.rate or inf
        details = RateLimitDetails(operation=self._operation.name, category=category, rate=rate, wait=wait)
        self._tell(details, logging.DEBUG, "%s: waits %.3f s for its turn at %.3g a second", wait, rate)

    def _tell(self, details: "Event", level: int, text: str, *values: object) -> None:
        """Log what happened, with the details as the record's ``cognito_event``, and call the session's hook."""
        _LOG.log(level, text, details.operation, *values, extra={"cognito_event": details})
        if self._route.on_event is not None:
            self._route.on_event(details)
