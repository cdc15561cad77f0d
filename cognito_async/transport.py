"""HTTP over aiohttp. The only module that imports it."""

import asyncio
import logging
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Literal, Protocol
from weakref import WeakSet

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.payload import BytesPayload
from aiohttp.typedefs import LooseHeaders
from attrs import field, frozen
from multidict import CIMultiDict
from yarl import URL

from cognito_async.errors import (
    ConnectError,
    ConnectTimeoutError,
    InvalidResponseError,
    ParameterValidationError,
    RequestTimeoutError,
    SessionClosedError,
    TransportError,
)
from cognito_async.protocol.proxy import Proxy, ProxyVariables
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.validators import number
from cognito_async.protocol.wire import Body, HttpRequest, HttpResponse

_LOG = logging.getLogger("cognito_async")

IDLE_TIMEOUT = b"HTTP/1.1 408"  # some servers send it before they close an idle connection
REUSE_SUSPENSION = 60.0  # seconds after surplus data
PROXY_AUTHENTICATION_REQUIRED = 407
CA_VARIABLES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")
Connector = aiohttp.BaseConnector


class Transport(Protocol):
    """Sends the requests of a session: any object with these two methods."""

    __module__: str = "cognito_async"

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request once, by its ``method``, without retries or redirects.

        A transport that is cancelled may set ``sent`` (bool or None) and ``status`` (int or None) on the
        CancelledError: whether the request had left, and the status of a response whose body was still being read.
        Without them the session assumes that the request may have left.

        Raises:
            TransportError: There is no usable response; ``sent`` is whether the request had left.
            InvalidResponseError: The response is not HTTP, or too large.
            SessionClosedError: The transport was closed before the request was sent.
        """
        ...

    async def close(self) -> None:
        """Close all connections. Closing twice is allowed."""
        ...


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class PoolLimits(Record):
    """Limits of the connection pool. With a connector of your own, only ``response_bytes`` applies."""

    __module__ = "cognito_async"

    connections: int = field(default=100, validator=number(1))
    """Maximum number of connections; further calls wait for one."""

    keepalive: float = field(default=15.0, validator=number(0))
    """How long an idle connection is kept, in seconds; 0 to close each connection after its response."""

    dns_cache: int = field(default=10, validator=number(0))
    """How long the addresses of a host are cached, in seconds."""

    response_bytes: int = field(default=8 * 1024 * 1024, validator=number(1024))
    """Maximum size of a response body in bytes; a larger one raises InvalidResponseError."""


class _Payload(BytesPayload):
    """The body of one attempt. ``sent`` is False until it is written to the socket, None meanwhile, then True.

    Before the body is written, nothing of the request has left.
    """

    sent: bool | None = False
    # In place of Payload.__init__, which takes a while; the request has its own content type.
    _headers = CIMultiDict({hdrs.CONTENT_TYPE: "application/octet-stream"})
    _encoding = _filename = None

    def __init__(self, value: Body) -> None:
        # BytesPayload would warn about a body over a megabyte, which an image can be.
        self._value = value
        self._size = len(value)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002 - the whole body
        self.sent = None
        try:
            await writer.write(self._value)
        except aiohttp.ClientConnectionResetError:
            self.sent = False  # the connection was already closed; nothing was written
            raise
        self.sent = True


class _Request(aiohttp.ClientRequest):
    """A request with only the given headers, ``Host`` and ``Content-Length``.

    Apart from the headers that it does not add, aiohttp's own methods have the same effect at a higher cost.
    """

    def update_headers(self, headers: LooseHeaders | None) -> None:
        self.headers = CIMultiDict({hdrs.HOST: self.url.host_port_subcomponent or ""})
        self.headers.extend(headers or {})

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add nothing."""

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:  # noqa: ANN401 - as in aiohttp
        if isinstance(body, _Payload):
            self._body = body
            self.headers[hdrs.CONTENT_LENGTH] = str(body.size)
        else:
            super().update_body_from_data(body, _stacklevel)


class _Connection(ResponseHandler):
    """A connection that discards surplus data: a response that was sent twice, late or without a request.

    aiohttp would keep it in the buffer and return it for a later request.
    """

    idle = False

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: "_Connector") -> None:
        super().__init__(loop)
        self._pool = pool
        self._request_id: str | None = None
        pool.opened.add(self)

    def close(self) -> None:
        body = self._payload
        super().close()
        if body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientConnectionError("closed"))  # else its reader would wait for ever

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._poll = _poll(transport)

    def data_received(self, data: bytes) -> None:
        if not self.idle or not data:  # aiohttp passes no data to continue parsing
            super().data_received(data)
            return
        if not data.startswith(IDLE_TIMEOUT):
            self._pool.suspend_reuse()
        self.abort()

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        request_id = data[0].headers.get("x-amzn-RequestId")
        if request_id and request_id == self._request_id and self._pool.request_ids_differ:
            self._pool.suspend_reuse()  # the last response again; the awaited one may follow
            self.force_close()
            return
        self._request_id = request_id
        self._pool.note_request_id(request_id)
        super().feed_data(data, size)

    def take(self) -> bool:
        """Take the connection from the pool; return False if it must not be used again."""
        self.idle = False
        return not self._poll()  # data, or an end of file, that the event loop has not read yet


def _poll(transport: asyncio.BaseTransport) -> Callable[[], object]:
    """Return a function that returns whether the socket is readable."""
    connected: Any = transport.get_extra_info("socket")
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([connected], (), (), 0)[0]
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLIN)
    return partial(poll.poll, 0)


class _Connector(aiohttp.TCPConnector):
    """A connection pool that reuses a connection only if nothing arrived on it after the last response.

    A late response can be recognized only if it repeats the request ID of the last one. So after surplus data on one
    connection, no connection is reused for a while.
    """

    request_ids_differ = False  # test servers may send the same one always
    _last_request_id: str | None = None

    def __init__(self, limits: PoolLimits) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # one of its many parameters
            limit=limits.connections,
            keepalive_timeout=limits.keepalive or None,
            force_close=limits.keepalive == 0,
            ttl_dns_cache=limits.dns_cache,
            use_dns_cache=limits.dns_cache > 0,
        )
        self._factory = partial(_Connection, loop=self._loop, pool=self)  # type: ignore[assignment]
        self._no_reuse_until: float | None = None
        self.opened: WeakSet[_Connection] = WeakSet()

    async def close(self, *, abort_ssl: bool = False) -> None:
        for connection in [*self.opened]:  # also those that wait for a proxy's response to CONNECT
            connection.close()
        await super().close(abort_ssl=abort_ssl)

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's
    ) -> aiohttp.connector.Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if not isinstance(protocol, _Connection) or not protocol.idle:
                return connection
            if protocol.take() and not self._reuse_is_suspended():
                return connection
            connection.close()  # nothing was sent on it; the next one is used instead

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:  # noqa: ANN401
        if isinstance(protocol, _Connection):
            protocol.idle = True
        super()._release(key, protocol, should_close=should_close or self._reuse_is_suspended())

    def note_request_id(self, request_id: str | None) -> None:
        if not self.request_ids_differ and request_id:
            self.request_ids_differ = self._last_request_id not in {None, request_id}
            self._last_request_id = request_id

    def suspend_reuse(self) -> None:
        if not self._reuse_is_suspended():
            _LOG.warning("surplus data on a connection; no connection is reused for %d s", REUSE_SUSPENSION)
        self._no_reuse_until = self._loop.time() + REUSE_SUSPENSION

    def _reuse_is_suspended(self) -> bool:
        return self._no_reuse_until is not None and self._loop.time() < self._no_reuse_until


class _CheckedConnector:
    """A user's connector. Connections on which data arrived after the last response are closed, not reused."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._used: WeakSet[ResponseHandler] = WeakSet()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the connector
        return getattr(self._connector, name)

    async def connect(self, *args: Any, **kwargs: Any) -> aiohttp.connector.Connection:  # noqa: ANN401 - as in aiohttp
        while True:
            connection = await self._connector.connect(*args, **kwargs)
            protocol = connection.protocol
            if protocol is None or protocol not in self._used:
                if protocol is not None:
                    self._used.add(protocol)
                return connection
            if protocol.transport and not protocol.should_close and not _poll(protocol.transport)():
                return connection
            connection.close()  # nothing was sent on it; the next one is used instead


@frozen(kw_only=True, eq=False, repr=False)
class _Route:
    """How requests to a URL are sent."""

    url: URL
    proxy: URL | None
    tls: ssl.SSLContext | Literal[True]  # True for the settings of the connector
    headers: dict[str, str] = field(repr=False)  # for a proxy that receives the requests themselves
    connect_headers: dict[str, str] = field(repr=False)  # for a proxy that opens a tunnel; others ignore them


@lru_cache(maxsize=32)
def _timeout(connect: float | None) -> aiohttp.ClientTimeout:
    # The session enforces the limits of attempts and calls; aiohttp would round them up to whole seconds.
    return aiohttp.ClientTimeout(sock_connect=connect)


class _NoCookies(aiohttp.DummyCookieJar):
    """A cookie jar that is always empty, without creating an object per request."""

    def filter_cookies(self, request_url: URL) -> "SimpleCookie":  # noqa: ARG002 - the interface's
        return _NO_COOKIES


_NO_COOKIES = SimpleCookie()


class AiohttpTransport:
    """A connection pool, opened by the first request in the event loop that sends it."""

    def __init__(
        self,
        limits: PoolLimits,
        *,
        proxy: Proxy | Literal[False] | None = None,
        tls: ssl.SSLContext | str | os.PathLike[str] | None = None,
        connector: Connector | None = None,
    ) -> None:
        """Set the options, see AsyncCognitoSession; no connection is opened and no file is read yet."""
        _check_options(tls, connector)
        self._limits = limits
        self._proxy = proxy or None
        self._proxy_variables = None if connector or proxy is not None else ProxyVariables(os.environ)
        self._context = tls if isinstance(tls, ssl.SSLContext) else None
        self._certificates: tuple[str, str] | None = None  # the path of the CA certificates, and its origin
        if isinstance(tls, str | os.PathLike):
            self._certificates = (os.fsdecode(tls), "ssl")
        elif tls is None and connector is None:
            self._certificates = next(((os.environ[name], name) for name in CA_VARIABLES if os.environ.get(name)), None)
        self._connector = connector
        self._http: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._routes: dict[str, _Route] = {}
        self._loading = asyncio.Lock()
        self._closed = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request once; see Transport."""
        http = self._http or self._open()
        if self._loop is not asyncio.get_running_loop():
            raise SessionClosedError("the session is bound to another event loop; create one session for each loop")
        route = self._routes.get(request.url) or await self._find_route(request.url)
        if http.closed:
            raise SessionClosedError("the session was closed during the call")
        payload = _Payload(request.body) if request.body else None
        status: int | None = None
        cancellations = _cancellations()
        try:
            response = await http.request(
                request.method,
                route.url,
                data=payload,
                headers={**request.headers, **route.headers} if route.headers else request.headers,
                timeout=_timeout(request.connect_timeout),
                allow_redirects=False,
                proxy=route.proxy,
                proxy_headers=route.connect_headers,
                ssl=route.tls,
            )
            status = response.status
            if status == PROXY_AUTHENTICATION_REQUIRED and route.proxy is not None and route.url.scheme == "http":
                response.close()
                raise _proxy_error(status)
            result = await self._read(response, request.max_response_bytes)
            if isinstance(result, HttpResponse):
                return result
            failure: Exception = result
        except aiohttp.ClientHttpProxyError as error:
            failure = _proxy_error(error.status)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            failure = _connect_error(error, request)
            failure.__cause__ = error.with_traceback(None)  # aiohttp's frames hold the request
        except (aiohttp.ClientError, OSError) as error:
            failure = _lost_error(error, sent=_sent(payload), proxied=route.proxy is not None)
        except asyncio.CancelledError as error:
            if not _is_cancelled_by_close(http, cancellations):
                error.sent, error.status = _sent(payload), status  # type: ignore[attr-defined]  # see Transport.send
                raise error.with_traceback(None) from None
            failure = SessionClosedError("the session was closed during the call")
        # Raised here, so that the error has no context: aiohttp's errors quote the response.
        raise failure

    async def close(self) -> None:
        """Close all connections, unless the connector is the user's. Closing twice is allowed."""
        self._closed = True
        if self._http is not None:
            await self._http.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise SessionClosedError("the session was closed during the call")
        loop = asyncio.get_running_loop()
        if self._connector is not None and self._connector._loop is not loop:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            raise ParameterValidationError("connector", "must be created in the event loop that sends the requests")
        self._loop = loop
        connector: Any = _Connector(self._limits) if self._connector is None else _CheckedConnector(self._connector)
        self._http = aiohttp.ClientSession(
            connector=connector,
            connector_owner=self._connector is None,
            cookie_jar=_NoCookies(),
            auto_decompress=False,
            request_class=_Request,
        )
        self._http._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # repeats GET requests
        return self._http

    async def _find_route(self, url: str) -> _Route:
        """Choose the proxy and the TLS settings for a URL, once."""
        parsed = URL(url)
        proxy = self._proxy_variables.find(parsed) if self._proxy_variables else self._proxy
        uses_tls = "https" in {parsed.scheme, proxy and proxy.url.scheme}
        if uses_tls and self._certificates is not None:
            async with self._loading:  # once for all calls that wait
                if self._context is None:
                    self._context = await asyncio.to_thread(_trust_certificates, *self._certificates)
        credentials = {"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else {}
        route = self._routes[url] = _Route(
            url=parsed,
            proxy=proxy.url if proxy else None,
            tls=self._context or True,
            headers=credentials if parsed.scheme == "http" else {},
            connect_headers=credentials,
        )
        return route

    async def _read(
        self, response: aiohttp.ClientResponse, max_bytes: int | None
    ) -> HttpResponse | InvalidResponseError:
        """Read the body up to the limit; after a lost connection, return the part that was received."""
        content = response.content
        if content.is_eof() and content.exception() is None:  # a small body has arrived with the headers
            return self._response(response, content.read_nowait(), max_bytes)
        received = bytearray()
        complete = True
        limit = max_bytes or self._limits.response_bytes
        try:
            async for chunk in content.iter_any():
                received += chunk
                if len(received) > limit:
                    break
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, ConnectionError):
            complete = False
        except BaseException:
            response.close()
            raise
        return self._response(response, bytes(received), max_bytes, complete=complete)

    def _response(
        self, response: aiohttp.ClientResponse, body: bytes, max_bytes: int | None, *, complete: bool = True
    ) -> HttpResponse | InvalidResponseError:
        """Return the response, or the error to raise from a frame that does not hold the body."""
        limit = max_bytes or self._limits.response_bytes
        if len(body) > limit:
            response.close()
            fix = "" if max_bytes else "; raise PoolLimits(response_bytes=...)"
            return InvalidResponseError(f"the response is larger than {limit:,} bytes{fix}", status=response.status)
        response.release()
        return HttpResponse(response.status, response.headers, body, complete=complete)


def _check_options(tls: object, connector: object) -> None:
    if not (tls is None or isinstance(tls, ssl.SSLContext | str | os.PathLike)):
        raise ParameterValidationError("ssl", "must be an ssl.SSLContext or the path of a file with CA certificates")
    if not (connector is None or isinstance(connector, Connector)):
        raise ParameterValidationError("connector", "must be an aiohttp connector, such as aiohttp.TCPConnector()")


def _sent(payload: _Payload | None) -> bool | None:
    # aiohttp does not report when a request without a body is written.
    return None if payload is None else payload.sent


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _is_cancelled_by_close(http: aiohttp.ClientSession, cancellations: int) -> bool:
    """Return whether aiohttp cancelled the request: closing cancels all that wait for a connection."""
    return http.closed and _cancellations() <= cancellations


def _connect_error(error: aiohttp.ClientError, request: HttpRequest) -> ConnectError:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        fix = "for a private CA, pass ssl= or set AWS_CA_BUNDLE"
        return ConnectError(f"no connection to {error.host}: {error.certificate_error}; {fix}", sent=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        target = "the proxy " if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
        unknown = isinstance(error.os_error, socket.gaierror)
        fix = f"; check the network and the {'proxy' if target else 'region'}" if unknown else ""
        return ConnectError(f"no connection to {target}{error.host}:{error.port}: {error.os_error}{fix}", sent=False)
    return ConnectTimeoutError(f"no connection within {request.connect_timeout} s", sent=False)


def _proxy_error(status: int) -> ConnectError:
    # Without a cause, which would hold the credentials.
    fix = "; check the credentials in the proxy's URL" if status == PROXY_AUTHENTICATION_REQUIRED else ""
    return ConnectError(f"the proxy refused to connect: HTTP {status}{fix}", sent=False)


def _lost_error(error: Exception, *, sent: bool | None, proxied: bool) -> TransportError | InvalidResponseError:
    if isinstance(error, TimeoutError):
        return RequestTimeoutError("no response in time", sent=sent)
    if proxied and sent is False:
        return ConnectError(f"no connection through the proxy: {type(error).__name__}", sent=False)
    if isinstance(error, aiohttp.ClientResponseError):
        return InvalidResponseError("the response is not HTTP")
    when = "before the request was sent" if sent is False else "while waiting for the response"
    return TransportError(f"the connection was lost {when}: {type(error).__name__}", sent=sent)


def _trust_certificates(path: str, origin: str) -> ssl.SSLContext:
    """Create TLS settings that trust the CA certificates of a file or folder; in a thread, as it reads them."""
    is_folder = Path(path).is_dir()
    try:
        context = ssl.create_default_context(cafile=None if is_folder else path, capath=path if is_folder else None)
    except (OSError, ValueError):
        context = None
    if context is None:
        raise ParameterValidationError(origin, "must be the path of a file or folder with CA certificates (PEM)")
    if origin == CA_VARIABLES[1]:
        context.load_default_certs()  # as OpenSSL, which also trusts those of SSL_CERT_DIR
    context.set_alpn_protocols(("http/1.1",))
    return context
