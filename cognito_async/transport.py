"""HTTP over aiohttp: the only file that imports it."""

import asyncio
from collections.abc import Coroutine
from functools import lru_cache
from http.cookies import SimpleCookie
from typing import Any, Protocol

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload, payload_type
from attrs import field, frozen
from yarl import URL

from cognito_async.errors import (
    ConnectError,
    ConnectTimeoutError,
    InvalidResponseError,
    RequestTimeoutError,
    SessionClosedError,
    TransportError,
)
from cognito_async.protocol.settings import number
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.wire import HttpRequest, HttpResponse


class Transport(Protocol):
    """What a session needs to send requests: anything with these two methods."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request once, without retries or redirects, and keep its ``sent`` and ``status`` up to date.

        Raises:
            TransportError: No usable answer came back.
            InvalidResponseError: What came back is not HTTP, or too large.
        """
        ...

    async def close(self) -> None:
        """Close all connections; safe twice."""
        ...


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class PoolLimits(Record):
    """Bounds of the connection pool.

    Attributes:
        connections: The most connections at once; further calls wait for one.
        keepalive: How long an idle connection is kept, in seconds.
        dns_cache: How long a host's addresses are kept, in seconds.
        response_bytes: The largest answer that is read, in bytes; a larger one is an InvalidResponseError.
    """

    connections: int = field(default=100, validator=number(1))
    keepalive: float = field(default=15.0, validator=number(0))
    dns_cache: int = field(default=10, validator=number(0))
    response_bytes: int = field(default=8 * 1024 * 1024, validator=number(1024))


class _Body(bytes):
    """A request's body that knows the request, so that what happens to it on the way out can be noted there."""

    request: HttpRequest


@payload_type(_Body)
class _BodyPayload(BytesPayload):
    """Notes when the body is handed to the socket: until then nothing of the request has left."""

    def __init__(self, value: _Body, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Payload's own
        """Take the body as it is: BytesPayload would warn of one over a megabyte, which an image can be."""
        super(BytesPayload, self).__init__(value, *args, **kwargs)
        self._size = len(value)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await self._noting(super().write_with_length(writer, content_length))

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self._noting(super().write(writer))

    async def _noting(self, writing: Coroutine[Any, Any, None]) -> None:
        request: HttpRequest = self._value.request  # type: ignore[attr-defined]  # only made from a _Body
        request.sent = None
        try:
            await writing
        except aiohttp.ClientConnectionResetError:
            request.sent = False  # the connection was found closed before anything was written
            raise
        request.sent = True


@lru_cache(maxsize=32)
def _timeout(connect: float | None) -> aiohttp.ClientTimeout:
    # The session holds the limits of attempt and call; aiohttp would round those up to whole seconds.
    return aiohttp.ClientTimeout(total=None, sock_connect=connect)


@lru_cache(maxsize=64)
def _url(url: str) -> URL:
    return URL(url)


class _NoCookies(aiohttp.DummyCookieJar):
    """Keeps and gives no cookies, the same none for every request."""

    def filter_cookies(self, request_url: URL) -> "SimpleCookie":  # noqa: ARG002 - the interface's
        return _NONE


_NONE = SimpleCookie()


class AiohttpTransport:
    """A pool of connections; opened by the first request, in the event loop that sends it."""

    def __init__(self, pool: PoolLimits) -> None:
        """Take the bounds; nothing is opened yet."""
        self._pool = pool
        self._http: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request once; see Transport."""
        request.sent = False
        http = self._http or self._open()
        if self._loop is not asyncio.get_running_loop():
            raise SessionClosedError("this session was first used in another event loop; open one for each loop")
        if http.closed:
            raise SessionClosedError("the session was closed while the call was under way")
        body = _Body(request.body)
        body.request = request
        try:
            response = await http.post(
                _url(request.url),
                data=body,
                headers=request.headers,
                timeout=_timeout(request.connect_timeout),
                allow_redirects=False,
            )
            request.status = response.status
            content = response.content
            if content.is_eof() and content.exception() is None:  # small answers have come with their head
                return self._within_limit(response, content.read_nowait())
            return await self._read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _unconnected(error, request) from error
        except (aiohttp.ClientError, OSError) as error:
            failure = _lost(error, request)
        # Raised here, without its cause: aiohttp's errors quote what came back, which may repeat what was sent.
        raise failure

    async def close(self) -> None:
        """Close all connections; safe twice."""
        if self._http is not None:
            await self._http.close()

    def _open(self) -> aiohttp.ClientSession:
        self._loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(
            limit=self._pool.connections,
            keepalive_timeout=self._pool.keepalive,
            ttl_dns_cache=self._pool.dns_cache,
            use_dns_cache=self._pool.dns_cache > 0,
        )
        self._http = aiohttp.ClientSession(connector=connector, cookie_jar=_NoCookies())
        return self._http

    async def _read(self, response: aiohttp.ClientResponse) -> HttpResponse:
        """Read the body, up to the limit; a lost connection leaves what came before it."""
        received = bytearray()
        complete = True
        try:
            async for chunk in response.content.iter_any():
                received += chunk
                if len(received) > self._pool.response_bytes:
                    break
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, ConnectionError):
            complete = False
        except BaseException:
            response.close()
            raise
        return self._within_limit(response, bytes(received), complete=complete)

    def _within_limit(self, response: aiohttp.ClientResponse, body: bytes, *, complete: bool = True) -> HttpResponse:
        if len(body) > self._pool.response_bytes:
            response.close()
            limit = f"{self._pool.response_bytes:,} bytes"
            raise InvalidResponseError(f"the answer is larger than {limit}", status=response.status)
        response.release()
        return HttpResponse(response.status, response.headers, body, complete=complete)


def _unconnected(error: Exception, request: HttpRequest) -> ConnectError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectTimeoutError(f"no connection within {request.connect_timeout} s", sent=False)
    return ConnectError(f"no connection: {error}", sent=False)


def _lost(error: Exception, request: HttpRequest) -> TransportError | InvalidResponseError:
    if isinstance(error, aiohttp.ClientResponseError):
        return InvalidResponseError("what came back is not HTTP", status=request.status)
    if isinstance(error, TimeoutError):
        return RequestTimeoutError("no answer in time", sent=request.sent)
    when = "before the request had left" if request.sent is False else "while it waited for the answer"
    return TransportError(f"the connection was lost {when}: {type(error).__name__}", sent=request.sent)
