"""The transport over real sockets: the error for each fault of HTTP, and whether the request was sent.

The server controls every byte and runs in the test's loop; nothing waits for a real clock.
"""

# ruff: noqa: SIM117 - a client within its server

import asyncio
import gc
import gzip
import socket
import ssl
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from cognito_async import (
    AmbiguousOutcomeError,
    AsyncCognitoSession,
    CognitoClient,
    CognitoError,
    ConnectError,
    ConnectTimeoutError,
    Credentials,
    InvalidResponseError,
    PoolLimits,
    RequestTimeoutError,
    RetryPolicy,
    ServiceError,
    SessionClosedError,
    Timeouts,
    TransportError,
    call,
)
from cognito_async.protocol import wire
from cognito_async.protocol.wire import Body, HttpRequest
from cognito_async.transport import AiohttpTransport, _connect_error
from tests.support.clocks import advance
from tests.support.processes import until
from tests.support.scripted_server import (
    Action,
    Connection,
    ScriptedServer,
    answer,
    compressed,
    cut,
    drip,
    flood,
    never,
    reset_connection,
    send,
)
from tests.support.scripted_transport import reset

MEBIBYTE = 1024 * 1024
ONCE = RetryPolicy(max_attempts=1)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\n"


@asynccontextmanager
async def client_of(server: ScriptedServer, **options: Any) -> AsyncIterator[CognitoClient]:
    """Yield a client for a server, without retries."""
    async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, **{"retry": ONCE, **options}) as session:
        yield session.client("abc")


def http_of(body: bytes) -> bytes:
    """Return the bytes of a response."""
    return HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


async def failure(action: Action, **options: Any) -> CognitoError:
    """Return the error of a call with one request on one connection.

    The call is a read, because the errors of others may be ambiguous.
    """
    async with ScriptedServer(action) as server, client_of(server, **options) as client:
        with pytest.raises(CognitoError) as caught:
            await client.get_user(access_token="a token")
        assert len(server.requests) == server.connections == 1
    return caught.value


# --- lost connections -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [cut, reset_connection])
@pytest.mark.parametrize(
    "sent_before",
    [b"", b"HTT", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-", HEAD],
    ids=["before the response", "in the version", "in the status line", "in a header", "before the end of the head"],
)
async def test_connection_lost_in_the_head_is_a_transport_error(
    end: Callable[[bytes], Action], sent_before: bytes
) -> None:
    """``sent`` is True."""
    error = await failure(end(sent_before))
    assert type(error) is TransportError
    assert error.sent is True
    assert "while waiting for the response" in str(error)
    assert "None" not in str(error)
    assert error.status is None
    assert error.attempts == 1
    assert error.operation == "GetUser"


@pytest.mark.parametrize("end", [cut, reset_connection])
@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 10\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\na\r\n{", b"Content-Length: 10\r\n\r\n"],
)
async def test_connection_lost_in_the_body_is_a_transport_error(end: Callable[[bytes], Action], framing: bytes) -> None:
    """If the response has members."""
    error = await failure(end(HEAD + framing))
    assert type(error) is TransportError
    assert error.sent is True


@pytest.mark.parametrize("action", [cut(), reset_connection(), cut(b"HTTP/1.1 20")])
async def test_lost_connection_is_retried(action: Action) -> None:
    """On a new connection."""
    policy = RetryPolicy(transient_base=0)
    async with ScriptedServer(action) as server, client_of(server, retry=policy) as client:
        await reset(client)
        assert server.connections == len(server.requests) == 2


# --- unreadable responses ---------------------------------------------------------------------------------------------

NOT_HTTP = {
    "garbage": b"\x00\x01\x02 garbage\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n",
    "HTTP/0.9": b"{}\r\n\r\n",
    "status that is no number": b"HTTP/1.1 OK 200\r\n\r\n",
    "header without a colon": b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "Content-Length in words": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
    "Content-Length below zero": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "two Content-Lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "chunk of a size that is no number": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 200_000,
    "larger than its Content-Length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}{}",
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_response_that_is_not_http_is_an_invalid_response_error(data: bytes) -> None:
    """For each form of invalid HTTP."""
    error = await failure(send(data))
    assert type(error) is InvalidResponseError
    assert error.attempts == 1


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_response_that_is_not_http_is_ambiguous(data: bytes) -> None:
    """The request was sent."""
    async with ScriptedServer(send(data)) as server, client_of(server) as client:
        with pytest.raises(AmbiguousOutcomeError) as caught:
            await reset(client)
    assert isinstance(caught.value, InvalidResponseError)


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (answer(b"<html><h1>Bad Gateway</h1></html>", 502, Content_Type="text/html"), 502),
        (answer(b"<html>Log in to the hotel's network</html>", Content_Type="text/html"), 200),
        (answer(b"\xff\xfe{}"), 200),
        (answer(b'{"CodeDeliveryDetails": {"Destination": "a***"'), 200),
        (answer(b"[]"), 200),
        (answer(b'{"a":' * 100_000), 200),
        (answer(b'{"UserAttributes": "by pigeon"}'), 200),
        (answer(b"", 500), 500),
        (answer(b"", 418), 418),
        (answer(b"not gzip at all", 400, Content_Encoding="gzip"), 400),
    ],
    ids=[
        "HTML 502",
        "HTML 200",
        "invalid UTF-8",
        "truncated JSON",
        "a list",
        "deep nesting",
        "another shape",
        "500 without a body",
        "418 without a body",
        "broken gzip",
    ],
)
async def test_unreadable_response_is_an_invalid_response_error(action: Action, status: int) -> None:
    """It has the status, and quotes nothing of the body."""
    error = await failure(action)
    assert type(error) is InvalidResponseError
    assert error.status == status
    for part in ("Gateway", "hotel", "pigeon", "a***"):
        assert part not in str(error)


async def test_502_of_a_proxy_is_retried() -> None:
    """On the same connection."""
    page = answer(b"<html></html>", 502, Content_Type="text/html")
    policy = RetryPolicy(transient_base=0)
    async with ScriptedServer(page, page) as server, client_of(server, retry=policy) as client:
        await reset(client)
        assert [request.headers["amz-sdk-request"] for request in server.requests] == [
            f"attempt={n}; max=3" for n in (1, 2, 3)
        ]
        assert server.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(status: int) -> None:
    """Secrets are sent to the endpoint only."""
    async with ScriptedServer() as elsewhere:
        error = await failure(answer(b"", status, Location=elsewhere.url))
        assert elsewhere.connections == 0
    assert type(error) is InvalidResponseError
    assert error.status == status


async def test_cookie_is_not_sent_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cookies are ignored."""

    async def resolve(_: str, port: int, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with ScriptedServer(answer(Set_Cookie="a=b; Path=/")) as server:
        server.url = f"http://cognito.example:{server.port}"  # there are no cookies for IP addresses
        async with client_of(server) as client:
            await reset(client)
            await reset(client)
        assert "cookie" not in server.requests[1].headers


# --- readable responses -----------------------------------------------------------------------------------------------


async def test_compressed_response_is_refused() -> None:
    """The request asks for identity; a compressed body is not expanded."""
    async with ScriptedServer(compressed(b"{}")) as server, client_of(server) as client:
        with pytest.raises(InvalidResponseError):
            await client.get_user(access_token="a token")
        assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;name=value\r\n}\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        HEAD.replace(b"1.1 200 OK", b"1.1 200", 1) + b"Content-Length: 0\r\n\r\n",
    ],
    ids=["chunked", "100 Continue", "204", "no reason"],
)
async def test_valid_forms_of_http_are_accepted(data: bytes) -> None:
    """The connection is reused."""
    async with ScriptedServer(send(data)) as server, client_of(server) as client:
        await reset(client)
        await reset(client)
        assert server.connections == 1


async def test_response_without_length_ends_with_the_connection() -> None:
    """As in HTTP/1.0."""
    action = cut(b'HTTP/1.0 400 Bad\r\n\r\n{"__type": "UserNotFoundException"}')
    error = await failure(action)
    assert error.code == "UserNotFoundException"


@pytest.mark.manual_clock
async def test_response_in_single_bytes_is_read() -> None:
    """Within the timeout."""
    data = HEAD + b"Content-Length: 30\r\n\r\n" + b'{"CodeDeliveryDetails": null }'
    async with ScriptedServer(drip(data)) as server, client_of(server) as client:
        call = asyncio.ensure_future(client.forgot_password(username="ada"))
        await server.until(lambda: server.requests)
        for _ in data:
            server.gate.release()
        assert (await call).code_delivery_details is None


# --- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("status", [200, 400])
async def test_body_over_the_limit_is_refused(status: int, *, chunked: bool) -> None:
    """The connection is closed, and memory stays within a small multiple of the limit."""
    action = flood(10 * MEBIBYTE, status=status, chunked=chunked)
    pool = PoolLimits(response_bytes=MEBIBYTE)
    async with ScriptedServer(answer(), action) as server, client_of(server, pool=pool) as client:
        await reset(client)  # the first call imports modules
        tracemalloc.start()
        try:
            with pytest.raises(InvalidResponseError, match="larger than 1,048,576 bytes") as caught:
                await reset(client)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert caught.value.status == status
        assert peak < 4 * MEBIBYTE
        await server.until(lambda: server.open == 0)
        await reset(client)


async def test_default_limit_of_the_body_is_8_mib() -> None:
    """A larger one is refused."""
    error = await failure(flood(10 * MEBIBYTE))
    assert type(error) is InvalidResponseError
    assert "8,388,608" in str(error)


@pytest.mark.parametrize("size", [MEBIBYTE, MEBIBYTE + 1])
async def test_body_of_exactly_the_limit_is_read(size: int) -> None:
    """One byte more is refused."""
    async with ScriptedServer(flood(size)) as server:
        async with client_of(server, pool=PoolLimits(response_bytes=MEBIBYTE)) as client:
            if size > MEBIBYTE:
                with pytest.raises(InvalidResponseError):
                    await reset(client)
            else:
                await reset(client)


async def test_byte_after_exactly_the_limit_is_noticed() -> None:
    """Although it arrives later than the rest."""
    received = asyncio.Event()

    async def act(connection: Connection) -> None:
        await connection.write(HEAD + b"Content-Length: 1025\r\n\r\n" + b"{}".ljust(1024))
        await received.wait()
        await connection.write(b" ")

    async with ScriptedServer(act) as server, client_of(server, pool=PoolLimits(response_bytes=1024)) as client:
        call = asyncio.ensure_future(client.get_user(access_token="a token"))
        await server.until(lambda: server.requests)
        for _ in range(100):
            await asyncio.sleep(0)
        received.set()
        with pytest.raises(InvalidResponseError, match="larger"):
            await call


@pytest.mark.parametrize("size", [2000, 200_000], ids=["arrives with the head", "is streamed"])
@pytest.mark.parametrize("of_request", [True, False])
async def test_limit_of_a_request_takes_precedence(size: int, *, of_request: bool) -> None:
    """The error names the option to change only if there is one."""
    http, limit = AiohttpTransport(PoolLimits(response_bytes=500_000 if of_request else 1024)), 1024
    async with ScriptedServer(otherwise=answer(b"{}".ljust(size))) as server:
        request = HttpRequest(server.url, {}, Body(b"{}"), max_response_bytes=limit if of_request else None)
        with pytest.raises(
            InvalidResponseError, match=r"1,024 bytes \(HTTP" if of_request else "1,024 bytes; .*PoolLimits"
        ):
            await http.send(request)
        if of_request:
            response = await http.send(HttpRequest(server.url, {}, Body(b"{}"), max_response_bytes=size))
            assert len(response.body) == size
        await http.close()


async def test_compression_bomb_is_not_expanded() -> None:
    """40 MB that are sent as 40 kB take no more memory than that."""
    bomb = answer(gzip.compress(b" " * 40 * MEBIBYTE), Content_Encoding="gzip")
    async with ScriptedServer(answer(), bomb) as server, client_of(server) as client:
        await reset(client)
        tracemalloc.start()
        try:
            with pytest.raises(AmbiguousOutcomeError):
                await reset(client)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < MEBIBYTE


async def test_large_response_is_decoded_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop is not blocked while megabytes of JSON are parsed, nor by a garbage collection."""
    threads: list[str] = []
    collects: list[bool] = []

    def decode(*arguments: Any) -> Any:
        threads.append(threading.current_thread().name)
        collects.append(gc.isenabled())
        return wire.decode(*arguments)

    monkeypatch.setattr(call, "decode", decode)
    page = {"Users": [{"Username": f"u{number}", "Enabled": True} for number in range(50_000)]}
    small = {"Users": page["Users"][:10]}
    async with ScriptedServer(answer(small), answer(page)) as server:
        keys = Credentials(access_key_id="AK", secret_access_key="SK")
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, credentials=keys) as session:
            client = session.client(user_pool_id="eu-west-1_AbC")
            for size in (10, 50_000):
                users = (await client.list_users()).users or []
                assert [users[0].username, users[-1].username, len(users)] == ["u0", f"u{size - 1}", size]
    assert threads[0] == threading.main_thread().name
    assert threads[1] != threads[0]
    assert [*collects, gc.isenabled()] == [True, False, True]


async def test_large_response_of_containers_is_refused() -> None:
    """Millions of empty lists would block all threads while they are freed."""
    error = await failure(send(http_of(b'{"UserAttributes": [' + b"[]," * 1_000_000 + b"[]]}")))
    assert type(error) is InvalidResponseError


# --- failed connections -----------------------------------------------------------------------------------------------


def connection_failure(error: CognitoError) -> None:
    """Check the error of a request that was not sent."""
    assert type(error) is ConnectError
    assert error.sent is False
    assert error.status is None


async def test_refused_connection_is_a_connect_error() -> None:
    """Nothing is sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        async with AsyncCognitoSession("eu-west-1", endpoint_url=f"http://{address}", retry=ONCE) as session:
            with pytest.raises(ConnectError, match=rf"connection to {address}\b") as caught:
                await reset(session.client("abc"))
    connection_failure(caught.value)


async def test_unknown_host_is_a_connect_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the host; nothing is sent."""

    async def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    async with AsyncCognitoSession("eu-west-1", endpoint_url="http://cognito.invalid", retry=ONCE) as session:
        with pytest.raises(ConnectError, match=r"cognito\.invalid") as caught:
            await reset(session.client("abc"))
    connection_failure(caught.value)


async def test_https_to_a_plain_http_port_is_a_connect_error() -> None:
    """Nothing is sent."""
    async with ScriptedServer(on_connect=cut(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        url = server.url.replace("http:", "https:")
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, retry=ONCE) as session:
            with pytest.raises(ConnectError) as caught:
                await reset(session.client("abc"))
        assert not server.requests
    connection_failure(caught.value)
    assert isinstance(caught.value.__cause__, ssl.SSLError | aiohttp.ClientConnectorSSLError)


async def test_connection_lost_in_the_tls_handshake_is_a_connect_error() -> None:
    """Nothing is sent."""
    async with ScriptedServer(on_connect=cut()) as server:
        url = server.url.replace("http:", "https:")
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, retry=ONCE) as session:
            with pytest.raises(TransportError) as caught:
                await reset(session.client("abc"))
        assert not server.requests
    connection_failure(caught.value)


async def test_refused_connection_is_retried() -> None:
    """Up to the policy's limit."""
    async with AsyncCognitoSession(
        "eu-west-1", endpoint_url="http://127.0.0.1:1", retry=RetryPolicy(transient_base=0)
    ) as session:
        with pytest.raises(ConnectError) as caught:
            await reset(session.client("abc"))
    assert caught.value.attempts == 3


@pytest.mark.manual_clock
async def test_connect_timeout_is_a_connect_timeout_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an instance of both of its bases; nothing is sent."""
    connecting = asyncio.Event()

    async def hang(*_: Any) -> None:
        connecting.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", hang)
    async with AsyncCognitoSession("eu-west-1", endpoint_url="http://127.0.0.1:1", retry=ONCE) as session:
        call = asyncio.ensure_future(reset(session.client("abc")))
        await connecting.wait()
        advance(2.9)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not call.done()
        advance(0.2)
        with pytest.raises(ConnectTimeoutError) as caught:
            await call
    assert caught.value.sent is False
    assert isinstance(caught.value, ConnectError)
    assert isinstance(caught.value, RequestTimeoutError)
    assert isinstance(caught.value, TimeoutError)


@pytest.mark.manual_clock
async def test_attempt_timeout_includes_the_wait_for_a_connection() -> None:
    """Nothing is sent."""
    async with ScriptedServer(never()) as server:
        pool, limits = PoolLimits(connections=1), Timeouts(attempt=None)
        async with client_of(server, pool=pool, timeouts=limits) as client:
            first = asyncio.ensure_future(reset(client))
            await server.until(lambda: server.requests)
            second = asyncio.ensure_future(reset(client.with_options(timeouts=Timeouts(attempt=5))))
            await asyncio.sleep(0)
            advance(5.1)
            with pytest.raises(RequestTimeoutError) as caught:
                await second
            assert caught.value.sent is False
            assert server.connections == 1
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first


# --- timeouts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["never", "half a head"])
@pytest.mark.manual_clock
async def test_attempt_timeout_closes_the_connection(data: bytes) -> None:
    """``sent`` is True."""
    async with ScriptedServer(never(data)) as server, client_of(server) as client:
        call = asyncio.ensure_future(client.get_user(access_token="a token"))
        await server.until(lambda: server.requests)
        advance(10.1)
        with pytest.raises(RequestTimeoutError) as caught:
            await call
        assert type(caught.value) is RequestTimeoutError
        assert caught.value.sent is True
        await server.until(lambda: server.open == 0)


@pytest.mark.manual_clock
async def test_timeout_in_a_body_without_members_is_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """The head is enough; the connection is closed."""
    stuck = never(HEAD + b"Content-Length: 2\r\n\r\n{")
    read_head, start = asyncio.Event(), aiohttp.ClientResponse.start

    async def start_and_notify(*arguments: Any) -> aiohttp.ClientResponse:
        response = await start(*arguments)
        read_head.set()
        return response

    monkeypatch.setattr(aiohttp.ClientResponse, "start", start_and_notify)
    async with ScriptedServer(stuck) as server, client_of(server) as client:
        call = asyncio.ensure_future(reset(client))
        await read_head.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not call.done()
        advance(10.1)
        await call
        await server.until(lambda: server.open == 0)


@pytest.mark.manual_clock
async def test_slow_body_does_not_extend_the_attempt_timeout() -> None:
    """The timeout is for the attempt, not for each byte."""
    data = HEAD + b"Content-Length: 30\r\n\r\n" + b'{"CodeDeliveryDetails": null }'
    async with ScriptedServer(drip(data)) as server, client_of(server) as client:
        call = asyncio.ensure_future(client.get_user(access_token="a token"))
        await server.until(lambda: server.requests)
        for _ in range(11):
            server.gate.release()
            advance(1)
        with pytest.raises(RequestTimeoutError) as caught:
            await call
        assert caught.value.sent is True
        for _ in data:
            server.gate.release()
        await server.until(lambda: server.open == 0)


@pytest.mark.manual_clock
async def test_timeout_of_a_partly_sent_request_has_sent_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does not read it."""
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    stuck = asyncio.Event()

    async def narrow(client: socket.socket, address: Any) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await connect(client, address)

    async def deaf(connection: Connection) -> None:
        connection.reader._transport.pause_reading()  # type: ignore[attr-defined]
        stuck.set()
        await loop.create_future()

    monkeypatch.setattr(loop, "sock_connect", narrow)
    async with ScriptedServer(on_connect=deaf) as server, client_of(server) as client:
        server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        metadata = {f"key {n}": "x" * 100_000 for n in range(9)}
        call = asyncio.ensure_future(reset(client, client_metadata=metadata))
        await stuck.wait()
        advance(10.1)
        with pytest.raises(RequestTimeoutError) as caught:
            await call
    assert caught.value.sent is None


async def test_timeout_of_aiohttp_is_a_request_timeout_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector may set a time limit; here, it ends while the client waits for the response."""
    server = ScriptedServer(never())

    async def fail(*_: Any, **__: Any) -> Any:
        await server.until(lambda: server.requests)
        raise aiohttp.SocketTimeoutError

    monkeypatch.setattr(aiohttp.ClientResponse, "start", fail)
    async with server, client_of(server) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.get_user(access_token="a token")
    assert type(caught.value) is RequestTimeoutError
    assert caught.value.sent is True


async def test_request_has_each_header_once() -> None:
    """The host and the content type among them."""
    async with ScriptedServer() as server, client_of(server) as client:
        await reset(client)
        sent = server.requests[0]
        assert sent.headers["host"] == server.url.removeprefix("http://").rstrip("/")
        assert sent.headers["content-type"] == "application/x-amz-json-1.1"
        assert len(sent.raw.strip().splitlines()) == 1 + len(sent.headers)


async def test_large_request_is_sent() -> None:
    """Several megabytes, without a warning."""
    async with ScriptedServer() as server, client_of(server) as client:
        metadata = {f"key {n}": "x" * 131_072 for n in range(20)}
        await reset(client, client_metadata=metadata)
        assert server.requests[0].json["ClientMetadata"] == metadata


# --- reused connections -----------------------------------------------------------------------------------------------


async def test_calls_in_sequence_share_a_connection() -> None:
    """Also after errors."""
    refusal = answer({"__type": "CodeMismatchException"}, 400)
    async with ScriptedServer(answer(), refusal, answer(b"")) as server, client_of(server) as client:
        for n in range(10):
            if n == 1:
                with pytest.raises(ServiceError):
                    await reset(client)
            else:
                await reset(client)
        assert server.connections == 1
        assert [request.connection for request in server.requests] == [1] * 10


async def test_idle_connection_closed_by_the_server_is_replaced() -> None:
    """In the first attempt."""
    async with ScriptedServer() as server, client_of(server) as client:
        await reset(client)
        server.close_connections()
        await server.until(lambda: server.open == 0)
        await reset(client)
        assert server.connections == 2
        assert server.requests[1].headers["amz-sdk-request"] == "attempt=1; max=1"


@pytest.mark.parametrize("end", [cut, reset_connection])
async def test_connection_closed_while_it_is_reused_is_retried(end: Callable[[bytes], Action]) -> None:
    """On a new connection."""
    async with ScriptedServer(answer(), end(b"")) as server:
        async with client_of(server, retry=RetryPolicy(transient_base=0)) as client:
            await reset(client)
            await reset(client)
            assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.parametrize("attempts", [1, 2])
async def test_connection_closed_before_sending_has_sent_false(attempts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry is safe for any operation."""
    connect = aiohttp.TCPConnector.connect
    deaths: list[Any] = []

    async def dying(*arguments: Any, **options: Any) -> Any:
        connection: Any = await connect(*arguments, **options)
        if not deaths:
            deaths.append(connection)
            connection.transport.abort()
        return connection

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", dying)
    policy = RetryPolicy(max_attempts=attempts, transient_base=0)
    async with ScriptedServer() as server, client_of(server, retry=policy) as client:
        if attempts == 1:
            with pytest.raises(TransportError) as caught:
                await client.forgot_password(username="ada")
            assert caught.value.sent is False
            assert "before the request was sent" in str(caught.value)
            assert not server.requests
        else:
            await client.forgot_password(username="ada")
            assert [request.headers["amz-sdk-request"] for request in server.requests] == ["attempt=2; max=2"]


async def test_get_request_that_is_lost_is_not_repeated() -> None:
    """It may have been sent; callers decide whether to repeat it. The first response leaves a connection to reuse."""
    http = AiohttpTransport(PoolLimits())
    async with ScriptedServer(answer(), cut()) as server:
        request = HttpRequest(server.url, {}, Body(), method="GET")
        assert (await http.send(request)).status == 200
        with pytest.raises(TransportError) as caught:
            await http.send(request)
        assert caught.value.sent is None
        assert [received.line for received in server.requests] == ["GET / HTTP/1.1"] * 2
        assert server.connections == 1
        await http.close()


async def test_surplus_data_is_not_a_response_to_the_next_call() -> None:
    """It uses another connection."""
    extra = asyncio.Event()

    async def surplus(connection: Connection) -> None:
        await answer()(connection)
        await extra.wait()
        await connection.write(b'HTTP/1.1 400 No\r\nContent-Length: 33\r\n\r\n{"__type": "CodeMismatchException"}')
        connection.close()

    async with ScriptedServer(surplus) as server, client_of(server) as client:
        await reset(client)
        extra.set()
        await server.until(lambda: server.open == 0)
        await reset(client)
        assert server.connections == 2


@pytest.mark.parametrize(("keepalive", "connections"), [(5.0, [1, 1, 2]), (100.0, [1, 1, 1])])
async def test_idle_connection_is_closed_after_keepalive(
    keepalive: float, connections: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reused before."""
    clock = [1000.0]
    monkeypatch.setattr(aiohttp.connector, "monotonic", lambda: clock[0])
    async with ScriptedServer() as server, client_of(server, pool=PoolLimits(keepalive=keepalive)) as client:
        for pause in (0.0, 4.9, 5.1):
            clock[0] += pause
            await reset(client)
        assert [request.connection for request in server.requests] == connections


@pytest.mark.parametrize(("seconds", "lookups"), [(0, [1, 2, 3, 4]), (1, [1, 1, 1, 2]), (10, [1, 1, 1, 1])])
async def test_addresses_are_cached_as_configured(
    seconds: int, lookups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a number of seconds; 0 looks up the host for each connection."""
    clock, counts = [1000.0], list[int]()
    found: list[str] = []
    monkeypatch.setattr(aiohttp.connector, "monotonic", lambda: clock[0])

    async def look_up(host: str, port: int, **_: Any) -> Any:
        found.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    pool = PoolLimits(keepalive=0, dns_cache=seconds)
    async with ScriptedServer() as server:
        url = f"http://service.test:{server.port}"
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, retry=ONCE, pool=pool) as session:
            for pause in (0.0, 0.0, 0.9, 5.0):
                clock[0] += pause
                await reset(session.client("abc"))
                counts.append(len(found))
    assert counts == lookups


async def test_keepalive_of_zero_reuses_no_connection() -> None:
    """Every call opens one."""
    async with ScriptedServer() as server, client_of(server, pool=PoolLimits(keepalive=0)) as client:
        await reset(client)
        await reset(client)
        assert server.connections == 2


async def test_pool_has_no_more_connections_than_allowed() -> None:
    """Other calls wait."""
    async with ScriptedServer() as server, client_of(server, pool=PoolLimits(connections=3)) as client:
        await asyncio.gather(*[reset(client) for _ in range(50)])
        assert server.connections == 3
        assert len(server.requests) == 50


@pytest.mark.parametrize(
    ("kind", "fault", "fix"),
    [
        (
            aiohttp.ClientConnectorDNSError,
            socket.gaierror(-2, "Name or service not known"),
            "; check the network and the region",
        ),
        (aiohttp.ClientProxyConnectionError, socket.gaierror(-2, "unknown"), "; check the network and the proxy"),
        (aiohttp.ClientConnectorError, ConnectionRefusedError(111, "refused"), "refused"),
    ],
)
def test_unknown_host_names_what_to_check(kind: type[aiohttp.ClientConnectorError], fault: OSError, fix: str) -> None:
    """A region may be misspelled; then no such host exists."""
    key: Any = SimpleNamespace(host="cognito-idp.eu-wset-1.amazonaws.com", port=443, ssl=True, is_ssl=True)
    error = _connect_error(kind(key, fault), HttpRequest("https://cognito-idp.eu-wset-1.amazonaws.com", {}, Body()))
    assert str(error).endswith(fix)


# --- closing ----------------------------------------------------------------------------------------------------------


async def test_close_fails_calls_that_wait_for_a_connection() -> None:
    """They were not sent, and they are not cancelled: SessionClosedError."""
    async with ScriptedServer(never()) as server:
        async with client_of(server, pool=PoolLimits(connections=1)) as client:
            calls = [asyncio.ensure_future(reset(client)) for _ in range(5)]
            await server.until(lambda: server.requests)
            await client.session.close()
            results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results[1:]] == [SessionClosedError] * 4
    assert all(isinstance(result, SessionClosedError) and result.sent is False for result in results[1:])
    assert isinstance(results[0], AmbiguousOutcomeError)


async def test_close_does_not_replace_a_cancellation() -> None:
    """A call that its caller cancels raises CancelledError."""
    async with ScriptedServer(never()) as server:
        async with client_of(server, pool=PoolLimits(connections=1)) as client:
            calls = [asyncio.ensure_future(reset(client)) for _ in range(3)]
            await server.until(lambda: server.requests)
            calls[1].cancel()
            await client.session.close()
            results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert isinstance(results[2], SessionClosedError)


UNLIMITED = Timeouts(total=None, attempt=None, connect=None)


async def test_close_ends_a_call_that_reads_a_response() -> None:
    """The rest of the body does not arrive."""
    async with ScriptedServer(never(HEAD + b"Content-Length: 100\r\n\r\n{")) as server:
        async with client_of(server, timeouts=UNLIMITED) as client:
            call = asyncio.ensure_future(client.forgot_password(username="ada"))
            transport: Any = client.session._transport
            await server.until(lambda: server.requests)
            await until(lambda: any(connection._payload for connection in transport._http.connector.opened))
            await client.session.close()
            async with asyncio.timeout(10):
                (result,) = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(result, AmbiguousOutcomeError)


async def test_close_ends_a_call_that_waits_for_a_proxy() -> None:
    """Nothing was sent to the service."""
    async with ScriptedServer(never()) as proxy:
        session = AsyncCognitoSession(
            "eu-west-1", endpoint_url="https://service.invalid", proxy=proxy.url, timeouts=UNLIMITED, retry=ONCE
        )
        call = asyncio.ensure_future(reset(session.client("abc")))
        await proxy.until(lambda: proxy.requests)
        await session.close()
        async with asyncio.timeout(10):
            (result,) = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(result, TransportError)
    assert result.sent is False


async def test_session_that_is_closed_before_its_first_request_sends_none() -> None:
    """The call waited for the rate limiter."""
    transport = AiohttpTransport(PoolLimits())
    await transport.close()
    request = HttpRequest("http://127.0.0.1:9", {}, Body(b"{}"))
    with pytest.raises(SessionClosedError):
        await transport.send(request)


async def test_close_while_certificates_are_read() -> None:
    """The first call waits for them."""
    certificates = Path(__file__).parents[1] / "data" / "localhost.pem"
    session = AsyncCognitoSession("eu-west-1", endpoint_url="https://127.0.0.1:9", ssl=certificates, retry=ONCE)
    call = asyncio.ensure_future(reset(session.client("abc")))
    await asyncio.sleep(0)
    assert session._transport._loading.locked()  # type: ignore[attr-defined]
    await session.close()
    with pytest.raises(SessionClosedError):
        await call


async def test_close_after_an_ambiguous_attempt_is_ambiguous() -> None:
    """The retry waits for a connection when the session is closed."""
    async with ScriptedServer(cut(), never()) as server:
        policy = RetryPolicy(transient_base=0)
        async with client_of(server, pool=PoolLimits(connections=1), retry=policy) as client:
            first = asyncio.ensure_future(reset(client))
            second = asyncio.ensure_future(reset(client))
            await server.until(lambda: len(server.requests) == 2)
            await client.session.close()
            results = await asyncio.gather(first, second, return_exceptions=True)
    assert all(isinstance(result, AmbiguousOutcomeError) for result in results)
