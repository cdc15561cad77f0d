"""The session: owns the pooled connections, and all that its calls share."""

import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

# The main job's classes: made here, and not while a loop runs.
import cognito_async.operations.account_recovery  # noqa: F401  # pyright: ignore[reportUnusedImport]
from cognito_async.call import Call, CallContext, Timeouts
from cognito_async.client import CognitoClient
from cognito_async.deadline import SharedTimer
from cognito_async.errors import ParameterValidationError, SessionClosedError
from cognito_async.protocol.binding import Bound
from cognito_async.protocol.endpoints import check_endpoint_url, check_region, region_of_pool, service_url
from cognito_async.protocol.operation import Operation, Request, ResponseT
from cognito_async.protocol.retry import RetryPolicy, RetryQuota
from cognito_async.protocol.shapes import Text
from cognito_async.protocol.validation import validate, validate_value
from cognito_async.rate_limiter import LocalRateLimiter
from cognito_async.transport import AiohttpTransport, PoolLimits, Transport

if TYPE_CHECKING:
    from cognito_async.protocol.events import Event, Stats
    from cognito_async.protocol.signing import Credentials
    from cognito_async.quotas import Quotas
    from cognito_async.rate_limiter import CategoryLimiter, RateLimiter
    from cognito_async.signer import Signer


class AsyncCognitoSession:
    """Owns the connections to Amazon Cognito user pools in one region; serves any number of tasks.

    Open it with ``async with``, or end it with ``await session.close()``. Making one does no I/O.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        endpoint_url: str | None = None,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        pool: PoolLimits | None = None,
        quotas: "Quotas | None" = None,
        credentials: "Credentials | None" = None,
        use_fips: bool = False,
        use_dualstack: bool = False,
        transport: Transport | None = None,
        rate_limiter: "RateLimiter | None" = None,
        on_event: "Callable[[Event], None] | None" = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        """Configure a session.

        Args:
            region: The AWS region, e.g. ``"eu-west-1"``. None to take it from a user pool's id (``eu-west-1_AbC``),
                else from ``AWS_REGION`` or ``AWS_DEFAULT_REGION``.
            endpoint_url: The service's URL, for emulators and private endpoints. None for
                ``AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER`` or ``AWS_ENDPOINT_URL``, else the region's own.
            retry: When to try again; None for the defaults of RetryPolicy.
            timeouts: The time limits; None for the defaults of Timeouts.
            pool: The bounds of the connection pool; None for the defaults of PoolLimits.
            quotas: The request rates to keep to; None to start free and find them out from the service's throttling.
            credentials: AWS credentials for signed operations. None for the environment's, else those that botocore
                finds (extra ``aws``). Unsigned operations, such as ConfirmForgotPassword, never look for any.
            use_fips: Use the endpoint with FIPS 140 cryptography.
            use_dualstack: Use the endpoint that answers on IPv4 and IPv6.
            transport: What sends the requests; None for aiohttp.
            rate_limiter: What lets requests wait for their turn; None for one that serves this session alone.
            on_event: Called with RetryDetails, RateLimitDetails or AmbiguousDetails. An error that it raises ends the
                call. None for no hook.
            random: Gives random numbers in [0, 1) for the jitter.

        Raises:
            ParameterValidationError: The region or endpoint can't be used.
        """
        environ = os.environ
        self._region = None if region is None else check_region(region)
        self._region_fallback = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None
        if endpoint_url is None and not (use_fips or use_dualstack):
            from_environ = environ.get("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER") or environ.get("AWS_ENDPOINT_URL")
            endpoint_url = from_environ or None
        self._endpoint_url = (
            None
            if endpoint_url is None
            else check_endpoint_url(endpoint_url, use_fips=use_fips, use_dualstack=use_dualstack)
        )
        self._variant = {"use_fips": use_fips, "use_dualstack": use_dualstack}
        self._retry = retry or RetryPolicy()
        self._timeouts = timeouts or Timeouts()
        self._transport = transport or AiohttpTransport(pool or PoolLimits())
        self._given_credentials = credentials
        self._signer: Signer | None = None
        self._retry_quota = RetryQuota()
        self._rate_limiter = rate_limiter or LocalRateLimiter({} if quotas is None else quotas.by_category())
        self._on_event = on_event
        self._counts: Counter[str] = Counter()
        self._timer = SharedTimer()
        self._random = random
        self._contexts: dict[str | None, CallContext] = {}
        self._closed = False

    def client(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        user_pool_id: str | None = None,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
    ) -> CognitoClient:
        """Make a client; it is free to make, and shares this session's connections.

        Args:
            client_id: The app client's id, filled in wherever an operation takes one. None to give it with each call.
            client_secret: The app client's secret, from which each secret hash is computed. None if it has none.
            user_pool_id: The user pool's id, likewise filled in.
            timeouts: The time limits of its calls; None for the session's.
            retry: The retry policy of its calls; None for the session's.

        Returns:
            The client.

        Raises:
            ParameterValidationError: One of the three can't be what it should be.
        """
        given = {
            "client_id": (client_id, 128),
            "client_secret": (client_secret, 64),
            "user_pool_id": (user_pool_id, 55),
        }
        for name, (value, longest) in given.items():
            if value is not None:
                validate_value(name, value, Text(1, longest))
        bound = Bound(client_id=client_id, client_secret=client_secret, user_pool_id=user_pool_id)
        return CognitoClient(self, bound, timeouts=timeouts, retry=retry)

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; safe twice. A call after it raises SessionClosedError."""
        self._closed = True
        if self._signer is not None:
            await self._signer.close()
        await self._transport.close()
        self._timer.close()

    async def send(
        self,
        request: Request[ResponseT],
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        user_pool_id: str | None = None,
        before: "Callable[[], Awaitable[object]] | None" = None,
    ) -> ResponseT:
        """Send a request and return its answer, with retries.

        Args:
            request: An instance of one of the classes in ``cognito_async.operations``.
            timeouts: The time limits of this call; None for the session's.
            retry: The retry policy of this call; None for the session's.
            user_pool_id: A user pool whose id tells the region where neither session nor request does; None for none.
            before: Awaited right before each attempt leaves, when its turn within its quota has come: to note durably
                that it will. An error that it raises ends the call. None for nothing.

        Returns:
            The operation's answer; None where it has no members.

        Raises:
            ParameterValidationError: The request breaks a rule; nothing was sent.
            CognitoError: Any other failure, see ``cognito_async.errors``.
        """
        self._check_open()
        validate(request)
        context = self._context(region_of_pool(getattr(request, "user_pool_id", None) or user_pool_id))
        return await Call(request, context, retry or self._retry, timeouts or self._timeouts, before).run()

    def limiter(self, operation: Operation) -> "CategoryLimiter":
        """Give the limiter that an operation's requests wait in: its present rate, and how many wait.

        Args:
            operation: The operation, the ``OPERATION`` of its request's class.

        Returns:
            The limiter of its quota category.
        """
        return self._rate_limiter.limiter(operation)

    @property
    def stats(self) -> "Stats":
        """What the session has done so far, and the present rate of each quota category that is limited."""
        from cognito_async.protocol.events import Stats  # noqa: PLC0415 - for those who ask

        names = ("calls", "attempts", "succeeded", "failed", "ambiguous", "retries", "throttled", "rate_limited")
        limiters = {
            name: limiter for name, limiter in self._rate_limiter.limiters().items() if limiter.rate is not None
        }
        return Stats(
            **{name: self._counts[name] for name in names},
            rates={name: limiter.rate for name, limiter in limiters.items() if limiter.rate is not None},
            waiting={name: limiter.waiting for name, limiter in limiters.items()},
        )

    def _check_open(self) -> None:
        if self._closed:
            raise SessionClosedError("the session is closed; open a new one with AsyncCognitoSession(...)")

    def _context(self, pool_region: str | None) -> CallContext:
        """Return what calls to a region share."""
        region = self._region or pool_region or self._region_fallback
        context = self._contexts.get(region)
        if context is None:
            context = self._contexts[region] = CallContext(
                url=f"{self._endpoint_url or self._service_url(region)}/",
                region=region,
                transport=self._transport,
                signer=self._signing,
                retry_quota=self._retry_quota,
                rate_limiter=self._rate_limiter,
                random=self._random,
                on_event=self._on_event,
                counts=self._counts,
                timer=self._timer,
            )
        return context

    def _signing(self) -> "Signer":
        """Make what signs, when the first signed call comes: unsigned ones have no part of it, not even its import."""
        if self._signer is None:
            from cognito_async.credentials import CredentialsResolver  # noqa: PLC0415
            from cognito_async.signer import Signer  # noqa: PLC0415

            self._signer = Signer(CredentialsResolver(self._given_credentials))
        return self._signer

    def _service_url(self, region: str | None) -> str:
        if region is None:
            raise ParameterValidationError(
                "region", "is required: give AsyncCognitoSession('eu-west-1'), bind a user_pool_id, or set AWS_REGION"
            )
        return service_url(region, **self._variant)
