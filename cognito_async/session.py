"""The session: owns the connection pool, the credentials and everything else that calls share."""

import os
import random
import re
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

# The classes of the most common operations, created here and not while the event loop runs.
import cognito_async.operations.account_recovery  # noqa: F401  # pyright: ignore[reportUnusedImport]
from cognito_async.call import USER_AGENT, Call, CallContext, CallOptions, Timeouts
from cognito_async.client import CognitoClient
from cognito_async.deadline import Deadline, SharedTimer
from cognito_async.errors import ParameterValidationError, RequestTimeoutError, SessionClosedError, TransportError
from cognito_async.event_loop import running_loop
from cognito_async.location import Location
from cognito_async.protocol.binding import Bound
from cognito_async.protocol.endpoints import check_pool_id, region_of_pool
from cognito_async.protocol.operation import Operation, Request, ResponseT
from cognito_async.protocol.proxy import parse_proxy
from cognito_async.protocol.retry import RetryBudget, RetryPolicy
from cognito_async.protocol.validation import validate
from cognito_async.protocol.wire import Body, HttpRequest, HttpResponse
from cognito_async.rate_limiter import LocalRateLimiter
from cognito_async.transport import AiohttpTransport, Connector, PoolLimits, Transport

if TYPE_CHECKING:
    from cognito_async.protocol.events import Event, Stats
    from cognito_async.protocol.signing import Credentials
    from cognito_async.quotas import Quotas
    from cognito_async.rate_limiter import CategoryLimiter, RateLimiter
    from cognito_async.signer import Signer

MAX_ATTEMPTS_VARIABLE = "AWS_MAX_ATTEMPTS"


class AsyncCognitoSession:
    """Owns the connections to Amazon Cognito user pools, in any number of regions; serves any number of tasks.

    Open it with ``async with``, or close it with ``await session.close()``. Creating one does no I/O.
    """

    __module__ = "cognito_async"
    _closed = False

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
        use_fips: bool | None = None,
        use_dualstack: bool | None = None,
        proxy: str | Literal[False] | None = None,
        ssl: ssl.SSLContext | str | os.PathLike[str] | None = None,
        connector: Connector | None = None,
        transport: Transport | None = None,
        rate_limiter: "RateLimiter | None" = None,
        on_event: "Callable[[Event], None] | None" = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        """Configure a session. The environment variables that it reads are listed in docs/configuration.md.

        Args:
            region: The AWS region, e.g. ``"eu-west-1"``. None to use the region in the user pool ID
                (``eu-west-1_AbC``), else ``AWS_REGION`` or ``AWS_DEFAULT_REGION``, else, with the extra ``aws``, the
                profile's.
            endpoint_url: The URL of an emulator or a private endpoint. None for
                ``AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER`` or ``AWS_ENDPOINT_URL``, else the region's endpoint.
            retry: The retry policy; None for the defaults of RetryPolicy, with ``AWS_MAX_ATTEMPTS``.
            timeouts: The time limits; None for the defaults of Timeouts.
            pool: The limits of the connection pool; None for the defaults of PoolLimits.
            quotas: The configured request rates; None to start without limits and adapt to the service's throttling.
            credentials: AWS credentials for signed operations. None to read the environment, else to ask botocore
                (extra ``aws``). Unsigned operations, such as ConfirmForgotPassword, never look for credentials.
            use_fips: Use the endpoint with FIPS 140 cryptography; None for ``AWS_USE_FIPS_ENDPOINT``.
            use_dualstack: Use the endpoint that supports IPv4 and IPv6; None for ``AWS_USE_DUALSTACK_ENDPOINT``.
            proxy: The URL of an HTTP proxy, with or without credentials, for all requests. None for ``HTTPS_PROXY``,
                ``HTTP_PROXY`` and ``NO_PROXY``; False for no proxy.
            ssl: TLS settings, or the path of a file or folder with the CA certificates to trust. None for
                ``AWS_CA_BUNDLE`` or ``SSL_CERT_FILE``, else the certificates of the system.
            connector: An aiohttp connector, which the session uses and never closes. With it, only the options
                ``proxy`` and ``ssl`` set a proxy and CA certificates, not the environment. None for the session's own.
            transport: Sends the requests in place of aiohttp; excludes ``proxy``, ``ssl`` and ``connector``. None for
                aiohttp.
            rate_limiter: Limits the request rates; None for a rate limiter of this session alone.
            on_event: Called with RetryDetails, RateLimitDetails or AmbiguousDetails. An error that it raises ends the
                call. None for no hook.
            random: Returns random numbers in [0, 1), for jitter.

        Raises:
            ParameterValidationError: An option or an environment variable is invalid, or two exclude each other.
        """
        parsed_proxy, broken_rule = (proxy, "") if proxy is None or proxy is False else parse_proxy(proxy)
        del proxy  # keeps the credentials out of tracebacks that show locals
        if broken_rule:
            raise ParameterValidationError("proxy", broken_rule)
        if transport is not None and (parsed_proxy or ssl is not None or connector is not None):
            raise ParameterValidationError("transport", "must not be combined with proxy, ssl or connector")
        self._location = Location(region, endpoint_url, use_fips=use_fips, use_dualstack=use_dualstack)
        self._retry = retry or _default_retry()
        self._timeouts = timeouts or Timeouts()
        self._transport = transport or AiohttpTransport(
            pool or PoolLimits(), proxy=parsed_proxy, tls=ssl, connector=connector
        )
        self._given_credentials = credentials
        self._signer: Signer | None = None
        self._retry_budget = RetryBudget()
        self._rate_limiter = rate_limiter or LocalRateLimiter({} if quotas is None else quotas.by_category())
        self._counts: Counter[str] = Counter()
        self._timer = SharedTimer()
        self._new_context = partial(
            CallContext,
            transport=self._transport,
            signer=self._signing,
            retry_budget=self._retry_budget,
            rate_limiter=self._rate_limiter,
            random=random,
            on_event=on_event,
            counts=self._counts,
            timer=self._timer,
        )
        self._contexts: dict[str | None, CallContext] = {}

    def __repr__(self) -> str:
        return f"AsyncCognitoSession({self.describe(None)})"

    def describe(self, user_pool_id: str | None) -> str:
        """Return region, endpoint and state for reprs; internal."""
        location: Location | None = getattr(self, "_location", None)  # missing if the constructor raised
        region, url = (None, None) if location is None else location.known(region_of_pool(user_pool_id))
        return f"region={region!r}, endpoint_url={url!r}, {'closed' if self._closed else 'open'}"

    def client(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        user_pool_id: str | None = None,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
    ) -> CognitoClient:
        """Create a client, which costs nothing and shares this session's connections.

        Args:
            client_id: The app client ID, filled into requests that take one. None to pass it with each call.
            client_secret: The app client secret, for computing ``SECRET_HASH``. None if the app client has none.
            user_pool_id: The user pool ID, filled into requests that take one. None to pass it with each call.
            timeouts: The time limits of the client's calls; None for the session's.
            retry: The retry policy of the client's calls; None for the session's.

        Returns:
            The client.

        Raises:
            ParameterValidationError: An ID or the secret is invalid.
        """
        bound = Bound(client_id=client_id, client_secret=client_secret, user_pool_id=user_pool_id)
        del client_id, client_secret, user_pool_id  # tracebacks with locals show the masked values instead
        bound.check(at_aws=self._location.is_at_aws)
        if bound.user_pool_id is not None:
            self._location.check_pool_region(bound.user_pool_id)
        return CognitoClient(self, bound, CallOptions(timeouts, retry))

    async def __aenter__(self) -> Self:
        running_loop()
        self._check_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Later calls raise SessionClosedError; closing again does nothing."""
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
    ) -> ResponseT:
        """Send a request, with retries, and return the response.

        Args:
            request: An instance of one of the request classes in ``cognito_async.operations``.
            timeouts: The time limits of this call; None for the session's.
            retry: The retry policy of this call; None for the session's.
            user_pool_id: A user pool whose ID names the region if neither session nor request does; None for none.

        Returns:
            The operation's response; None if it has no members.

        Raises:
            ParameterValidationError: The request is invalid; nothing was sent.
            CognitoError: Any other failure, see ``cognito_async.errors``.
        """
        if user_pool_id is not None:
            self.check_pool_id(user_pool_id)
        return await self.start_call(request, CallOptions(timeouts, retry), user_pool_id)

    def check_pool_id(self, user_pool_id: str) -> None:
        """Raise ParameterValidationError for an ID that no user pool has; internal."""
        check_pool_id(user_pool_id, at_aws=self._location.is_at_aws)

    def start_call(
        self, request: Request[ResponseT], options: CallOptions, user_pool_id: str | None
    ) -> Coroutine[Any, Any, ResponseT]:
        """Validate a request and return the coroutine that sends it, see ``CognitoClient.send``; internal."""
        self._check_open()
        location = self._location
        region = location.given_region
        if region is None:
            region = region_of_pool(getattr(request, "user_pool_id", None) or user_pool_id)
        context = self._contexts.get(region)
        if context is None:
            validate(request, at_aws=location.is_at_aws)  # else a misspelled user pool ID is reported as its region
            if user_pool_id is not None:
                self.check_pool_id(user_pool_id)
            signing_region = location.region(region)
            if location.needs_profile(signing_region):
                running_loop()
                return self._read_profile_and_send(request, options, user_pool_id)
            context = self._new_context(
                url=f"{location.url(signing_region)}/", region=signing_region, at_aws=location.is_at_aws
            )
            self._contexts[region] = context
        return Call(request, context, options.retry or self._retry, options.timeouts or self._timeouts, options).run()

    async def get(self, url: str, *, timeout: float, max_bytes: int) -> HttpResponse:  # noqa: ASYNC109 - see Deadline
        """Send a GET request once, without credentials, for key sets (JWKS); internal.

        Args:
            url: The URL. Redirects are not followed.
            timeout: Time limit in seconds.
            max_bytes: Maximum size of the response body in bytes.

        Raises:
            TransportError: There is no usable response in time.
            InvalidResponseError: The response is not HTTP, or too large.
            SessionClosedError: The session is closed.
        """
        self._check_open()
        running_loop()
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
        request = HttpRequest(url, headers, Body(), timeout, method="GET", max_response_bytes=max_bytes)
        try:
            with Deadline(timeout):
                return await self._transport.send(request)
        except TransportError:
            raise
        except TimeoutError:
            raise RequestTimeoutError(f"no response within {timeout:g} s") from None

    async def configured_endpoint(self, region: str) -> str | None:
        """Return the endpoint of argument, environment or profile, None for that of the region; internal."""
        if self._location.needs_profile(region):
            await self._location.read_profile()
        return self._location.endpoint_url

    def limiter(self, operation: Operation) -> "CategoryLimiter":
        """Return the rate limiter of an operation, with its current rate and the number of waiting calls.

        Args:
            operation: The ``OPERATION`` of a request class.

        Returns:
            The limiter of its quota category.
        """
        return self._rate_limiter.limiter(operation)

    @property
    def stats(self) -> "Stats":
        """The session's counters, and the current rate of each quota category that is limited."""
        from cognito_async.protocol.events import Stats  # noqa: PLC0415 - rarely needed

        names = ("calls", "attempts", "succeeded", "failed", "ambiguous", "retries", "throttled", "rate_limited")
        limiters = self._rate_limiter.limiters().items()
        return Stats(
            **{name: self._counts[name] for name in names},
            rates={name: limiter.rate for name, limiter in limiters if limiter.rate is not None},
            waiting={name: limiter.waiting for name, limiter in limiters if limiter.rate is not None},
        )

    def _check_open(self) -> None:
        if self._closed:
            raise SessionClosedError("the session is closed; open a new one with AsyncCognitoSession(...)")

    async def _read_profile_and_send(
        self, request: Request[ResponseT], options: CallOptions, user_pool_id: str | None
    ) -> ResponseT:
        await self._location.read_profile()
        return await self.start_call(request, options, user_pool_id)

    def _signing(self) -> "Signer":
        """Return the signer, created and imported by the first signed call."""
        if self._signer is None:
            from cognito_async.credentials import CredentialsResolver  # noqa: PLC0415
            from cognito_async.signer import Signer  # noqa: PLC0415

            self._signer = Signer(CredentialsResolver(self._given_credentials))
        return self._signer


def _default_retry() -> RetryPolicy:
    """Return the default retry policy, with the attempts of the environment."""
    attempts = os.environ.get(MAX_ATTEMPTS_VARIABLE)
    if not attempts:
        return RetryPolicy()
    if not re.fullmatch(r"0*[1-9]\d{0,8}", attempts, re.ASCII):
        raise ParameterValidationError(MAX_ATTEMPTS_VARIABLE, "must be a whole number of at least 1")
    return RetryPolicy(max_attempts=int(attempts))
