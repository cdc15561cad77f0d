"""One API call: attempts, backoff, time limits and ambiguous outcomes."""

import asyncio
import gc
import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Generic
from uuid import uuid4

from attrs import field, frozen

from cognito_async.deadline import Deadline, SharedTimer
from cognito_async.errors import (
    CognitoError,
    RateLimitTimeoutError,
    RequestTimeoutError,
    SessionClosedError,
    TransportError,
)
from cognito_async.event_loop import running_loop
from cognito_async.protocol.operation import Request, ResponseT, keep_metadata
from cognito_async.protocol.retry import RetryBudget, RetryKind, RetryPolicy, classify
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.validators import number
from cognito_async.protocol.wire import (
    LARGE_BODY,
    HttpRequest,
    HttpResponse,
    decode,
    encode,
    headers_for,
    needs_no_body,
    request_id_of,
)
from cognito_async.version import __version__

if TYPE_CHECKING:
    from datetime import timedelta

    from cognito_async.protocol.events import Event
    from cognito_async.protocol.idempotency import Idempotency
    from cognito_async.rate_limiter import RateLimiter
    from cognito_async.signer import Signer
    from cognito_async.transport import Transport

_LOG = logging.getLogger("cognito_async")
USER_AGENT = f"cognito_async/{__version__} python/{'.'.join(map(str, sys.version_info[:3]))}"


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Timeouts(Record):
    """Time limits in seconds; None for no limit."""

    __module__ = "cognito_async"

    total: float | None = field(default=30.0, validator=number(0, above=True, unlimited=True))
    """For the whole call with all attempts and backoff.

    A call never takes longer, and never waits for a retry that would start after it.
    """

    attempt: float | None = field(default=10.0, validator=number(0, above=True, unlimited=True))
    """For one attempt, from waiting for a pooled connection to the last byte of the response."""

    connect: float | None = field(default=3.0, validator=number(0, above=True, unlimited=True))
    """For opening a connection, including TLS."""


@frozen(kw_only=True, eq=False, repr=False)
class CallContext:
    """Objects shared by the calls of a session to one region."""

    url: str
    region: str | None  # to sign for
    at_aws: bool  # False for a configured endpoint, such as an emulator's
    transport: "Transport"
    signer: "Callable[[], Signer]"  # only called for operations that need AWS credentials
    retry_budget: RetryBudget
    rate_limiter: "RateLimiter"
    random: Callable[[], float]
    on_event: "Callable[[Event], None] | None"
    counts: Counter[str]  # behind ``session.stats``
    timer: SharedTimer
    id_prefix: str = field(factory=lambda: str(uuid4())[:-12])  # the last group of an invocation ID counts the calls
    counter: Iterator[int] = field(factory=count)


@frozen(eq=False, repr=False)
class CallOptions:
    """The options of a call; None for those of the session and the operation."""

    timeouts: Timeouts | None = None
    retry: RetryPolicy | None = None
    # Awaited before each attempt, after the rate limit has admitted it; an error ends the call.
    before: Callable[[], Awaitable[object]] | None = field(default=None, kw_only=True)
    idempotency: "Idempotency | None" = field(default=None, kw_only=True)


class Call(Generic[ResponseT]):
    """Sends a validated request with retries."""

    _attempts = 0
    _status: int | None = None  # of the last response
    _request_id: str | None = None
    _tokens = 0
    _limit_exceeded = 0
    _clock_corrected = False
    _signed_with: "timedelta | None" = None

    def __init__(
        self,
        request: Request[ResponseT],
        context: CallContext,
        policy: RetryPolicy,
        timeouts: Timeouts,
        options: CallOptions,
    ) -> None:
        self._request = request
        self._operation = request.OPERATION
        self._context = context
        self._policy = policy
        self._timeouts = timeouts
        self._options = options
        self._limiter = context.rate_limiter.limiter(request.OPERATION)
        self._body = encode(request, at_aws=context.at_aws)
        self._headers = headers_for(request.OPERATION, USER_AGENT, f"{context.id_prefix}{next(context.counter):012x}")
        self._loop = running_loop()
        self._history: list[CognitoError] = []
        self._started = self._loop.time()
        self._deadline = inf if timeouts.total is None else self._started + timeouts.total

    async def run(self) -> ResponseT:
        """Return the response; raise the error of the last attempt."""
        counts = self._context.counts
        counts["calls"] += 1
        try:
            while True:
                response = delay = None
                try:
                    response = await self._attempt()
                except CognitoError as error:
                    delay = self._after_failure(error)
                if delay is None:  # succeeded, or a delete that an earlier attempt had already applied
                    self._context.retry_budget.give_back(self._tokens or 1)
                    counts["succeeded"] += 1
                    self._log("succeeded")
                    return response  # type: ignore[return-value]  # deletes have no response
                await asyncio.sleep(delay)
        except asyncio.CancelledError:
            self._return_tokens()
            self._log("cancelled")
            raise
        except BaseException as error:
            counts["failed"] += 1
            self._log(getattr(error, "code", None) or type(error).__name__)
            raise

    def _log(self, outcome: str) -> None:
        """Log the end of the call."""
        if _LOG.isEnabledFor(logging.DEBUG):
            duration = self._loop.time() - self._started
            text = "%s: %s, HTTP status %s, attempts %d, duration %.3f s, request ID %s"
            _LOG.debug(text, self._operation.name, outcome, self._status, self._attempts, duration, self._request_id)

    async def _attempt(self) -> ResponseT:
        """Send the request once, within the rate limit and the time that is left."""
        operation, context, headers = self._operation, self._context, self._headers
        permit = self._limiter.rate is not None
        if permit or self._options.before is not None:
            await self._wait_for_admission(rate_limited=permit)
        self._attempts += 1
        context.counts["attempts"] += 1
        if self._attempts > 1:
            context.counts["retries"] += 1
        headers["amz-sdk-request"] = f"attempt={self._attempts}; max={self._policy.max_attempts}"
        limit = self._time_limit()
        request: HttpRequest | None = None
        try:
            with Deadline(limit, context.timer):
                if operation.signed is not False:
                    signer = context.signer()
                    self._signed_with = signer.clock_offset
                    # Not kept in a variable: the headers of a signed request hold the session token.
                    request = HttpRequest(
                        context.url,
                        await signer.headers(operation, headers, context.url, context.region, self._body),
                        self._body,
                        self._timeouts.connect,
                    )
                else:
                    request = HttpRequest(context.url, headers, self._body, self._timeouts.connect)
                http_response = await context.transport.send(request)
                if len(http_response.body) > LARGE_BODY:
                    response = await asyncio.to_thread(_decode_large, http_response, self._request, request)
                else:
                    response = decode(http_response, self._request, request)
        except BaseException as error:
            # A time limit cancels the transport, which notes on the CancelledError how far it got.
            interrupted = error.__cause__ if isinstance(error, TimeoutError) and error.__cause__ else error
            sent: bool | None = getattr(interrupted, "sent", False if request is None else None)
            if permit and sent is False:
                self._limiter.release()
            if isinstance(error, CognitoError) or not isinstance(error, TimeoutError):
                raise
            if not needs_no_body(operation, getattr(interrupted, "status", None)):
                within = "" if limit is None else f" within {limit:.3g} s"
                raise RequestTimeoutError(f"no response{within}", sent=sent) from None
            self._status, self._request_id = getattr(interrupted, "status", None), None
            return None  # type: ignore[return-value]  # the response has no members
        self._limiter.record_success()
        self._status, self._request_id = http_response.status, request_id_of(http_response)
        if response is not None:
            facts: dict[str, object] = {
                "request_id": self._request_id,
                "status": self._status,
                "attempts": self._attempts,
                "duration": self._loop.time() - self._started,
            }
            keep_metadata(response, facts)
        return response

    async def _wait_for_admission(self, *, rate_limited: bool) -> None:
        """Wait for a permit of the rate limiter, and for the option ``before``."""
        permit = False
        try:
            if rate_limited:
                await self._limiter.acquire(self._deadline - self._loop.time(), self._report_wait)
                permit = True
            if self._options.before is not None:
                await self._options.before()
        except BaseException:
            if permit:
                self._limiter.release()
            self._return_tokens()
            raise

    def _time_limit(self) -> float | None:
        """Return the time limit of the next attempt in seconds."""
        attempt = self._timeouts.attempt
        if self._deadline == inf:
            return attempt
        left = self._deadline - self._loop.time()
        return left if attempt is None or left < attempt else attempt

    def _after_failure(self, error: CognitoError) -> float | None:
        """Return the backoff delay, or None if the operation had already succeeded; raise to stop."""
        # Imported here because a call that succeeds does not need them.
        from cognito_async.operations.facts import IDEMPOTENCY  # noqa: PLC0415
        from cognito_async.protocol.idempotency import NextStep, idempotency_by_name, is_ambiguous, next_step  # noqa: PLC0415

        error.operation, error.attempts = self._operation.name, self._attempts
        self._status, self._request_id = error.status, error.request_id
        self._history.append(error)
        if self._corrects_clock(error):
            return 0.0
        kind = classify(error)
        if kind is RetryKind.THROTTLED:
            self._context.counts["throttled"] += 1
            self._limiter.record_throttle()
        elif error.status is not None:
            self._limiter.record_success()
        delay = self._backoff(kind, error)
        name = self._operation.name
        idempotency = self._options.idempotency or IDEMPOTENCY.get(name) or idempotency_by_name(name)
        ambiguous_before = sum(map(is_ambiguous, self._history[:-1]))
        step = next_step(error, idempotency, ambiguous_before=ambiguous_before, may_retry=delay is not None)
        if step is NextStep.RETRY and kind is not None and delay is not None:
            self._tokens = self._context.retry_budget.take(kind)
            try:
                self._report_retry(kind, error, delay)
            except BaseException:
                self._return_tokens()
                raise
            return delay
        if step is NextStep.GONE:
            return None
        if step is NextStep.AMBIGUOUS:
            refused = error.code is not None and not is_ambiguous(error) and kind is not RetryKind.THROTTLED
            raise self._ambiguous(error, idempotency.how_to_verify, refused=refused) from error
        if ambiguous_before and isinstance(error, TransportError | SessionClosedError) and error.sent is False:
            error.sent = None  # this attempt was not sent, but an earlier one may have been
        raise error

    def _backoff(self, kind: RetryKind | None, error: CognitoError) -> float | None:
        """Return the delay before a retry in seconds; None if there must be no retry."""
        if kind is None or isinstance(error, RateLimitTimeoutError):
            return None
        self._limit_exceeded += kind is RetryKind.LIMIT_EXCEEDED
        allowed = self._policy.allows(kind, self._attempts, self._limit_exceeded)
        if not allowed or not self._context.retry_budget.allows(kind):
            return None
        delay = self._policy.delay(kind, self._attempts, self._context.random(), error.retry_after)
        return None if self._loop.time() + delay >= self._deadline else delay

    def _corrects_clock(self, error: CognitoError) -> bool:
        """Return whether to send again with a fresh signature: once per call, outside of the retry policy."""
        if self._signed_with is None or self._clock_corrected:
            return False
        self._clock_corrected = self._context.signer().sign_again(error, self._signed_with)
        return self._clock_corrected

    def _return_tokens(self) -> None:
        """Return the tokens of a retry that will not be sent to the retry budget."""
        self._context.retry_budget.give_back(self._tokens)
        self._tokens = 0

    def _ambiguous(self, error: CognitoError, how_to_verify: str, *, refused: bool) -> CognitoError:
        from cognito_async.errors.tree import ambiguous  # noqa: PLC0415
        from cognito_async.protocol.events import AmbiguousDetails  # noqa: PLC0415

        outcome = ambiguous(error, tuple(self._history), how_to_verify, refused=refused)
        self._context.counts["ambiguous"] += 1
        details = AmbiguousDetails(operation=self._operation.name, error=outcome)
        self._report(details, logging.WARNING, "%s: ambiguous outcome, attempts: %d", self._attempts)
        return outcome

    def _report_retry(self, kind: RetryKind, error: CognitoError, delay: float) -> None:
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
        self._report(
            details,
            logging.INFO,
            "%s: attempt %d of %d failed with %s; retrying in %.3f s",
            self._attempts,
            self._policy.max_attempts,
            error.code or type(error).__name__,
            delay,
        )
        if self._policy.on_retry is not None:
            self._policy.on_retry(details)

    def _report_wait(self, wait: float) -> None:
        from cognito_async.protocol.events import RateLimitDetails  # noqa: PLC0415

        self._context.counts["rate_limited"] += 1
        category, rate = self._operation.category or self._operation.name, self._limiter.rate or inf
        details = RateLimitDetails(operation=self._operation.name, category=category, rate=rate, wait=wait)
        self._report(details, logging.DEBUG, "%s: waiting %.3f s for the rate limit of %.3g per second", wait, rate)

    def _report(self, details: "Event", level: int, text: str, *values: object) -> None:
        """Log an event, with the details as the record's ``cognito_event``, and call the session's hook."""
        _LOG.log(level, text, details.operation, *values, extra={"cognito_event": details})
        if self._context.on_event is not None:
            self._context.on_event(details)


def _decode_large(response: HttpResponse, request: Request[ResponseT], sent: HttpRequest) -> ResponseT:
    """Decode in a thread, without garbage collections: one over all the new objects blocks the event loop."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return decode(response, request, sent)
    finally:
        if collects:
            gc.enable()
