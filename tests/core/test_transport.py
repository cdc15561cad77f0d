"""The transport over real sockets: for each way in which HTTP goes wrong, which error, and had the request left?

The server is scripted down to the bytes and shares the test's loop; nothing waits for a clock.
"""

# ruff: noqa: SIM117 - a client within its server

import asyncio
import gzip
import socket
import ssl
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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
from tests.support.clocks import advance
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
    """Open a session on a server, without retries, and give a client."""
    async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, **{"retry": ONCE, **options}) as session:
        yield session.client("abc")


def http_of(body: bytes) -> bytes:
    """Return the bytes of a response."""
    return HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


async def failure(action: Action, **options: Any) -> CognitoError:
    """Give the error that a call ends with, and check that one request on one connection was all.

    The call is one that reads, so that no doubt about what it did covers the error.
    """
    async with ScriptedServer(action) as server, client_of(server, **options) as client:
        with pytest.raises(CognitoError) as caught:
            await client.get_user(access_token="a token")
        assert len(server.requests) == server.connections == 1
    return caught.value


# --- connections that are lost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [cut, reset_connection])
@pytest.mark.parametrize(
    "sent_before",
    [b"", b"HTT", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-", HEAD],
    ids=["before answering", "in the version", "in the status line", "in a header", "before the end of the head"],
)
async def test_a_connection_cut_before_the_end_of_the_head(end: Callable[[bytes], Action], sent_before: bytes) -> None:
    """No answer came, and the request had left: a TransportError with ``sent`` True, and neither of its subclasses."""
    error = await failure(end(sent_before))
    assert type(error) is TransportError
    assert error.sent is True
    assert error.status is None
    assert error.attempts == 1
    assert error.operation == "GetUser"


@pytest.mark.parametrize("end", [cut, reset_connection])
@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 10\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\na\r\n{", b"Content-Length: 10\r\n\r\n"],
)
async def test_a_connection_cut_in_the_body(end: Callable[[bytes], Action], framing: bytes) -> None:
    """Where the answer has members to read, half of it is no answer."""
    error = await failure(end(HEAD + framing))
    assert type(error) is TransportError
    assert error.sent is True


@pytest.mark.parametrize("action", [cut(), reset_connection(), cut(b"HTTP/1.1 20")])
async def test_a_lost_connection_is_tried_again(action: Action) -> None:
    """The next attempt opens a connection of its own."""
    policy = RetryPolicy(transient_base=0)
    async with ScriptedServer(action) as server, client_of(server, retry=policy) as client:
        await reset(client)
        assert server.connections == len(server.requests) == 2


# --- answers that can't be read ---------------------------------------------------------------------------------------

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
async def test_what_is_not_http(data: bytes) -> None:
    """Something answered, but not in HTTP: an InvalidResponseError."""
    error = await failure(send(data))
    assert type(error) is InvalidResponseError
    assert error.attempts == 1


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_what_is_not_http_leaves_the_outcome_open(data: bytes) -> None:
    """The request had left, and nobody can tell what became of it: no plain failure of a reset."""
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
async def test_an_answer_that_cannot_be_read(action: Action, status: int) -> None:
    """It is an InvalidResponseError with the status, and holds nothing of the body."""
    error = await failure(action)
    assert type(error) is InvalidResponseError
    assert error.status == status
    for part in ("Gateway", "hotel", "pigeon", "a***"):
        assert part not in str(error)


async def test_a_proxys_502_is_tried_again() -> None:
    """A gateway's HTML is the gateway's trouble, and passes."""
    page = answer(b"<html></html>", 502, Content_Type="text/html")
    policy = RetryPolicy(transient_base=0)
    async with ScriptedServer(page, page) as server, client_of(server, retry=policy) as client:
        await reset(client)
        assert [request.headers["amz-sdk-request"] for request in server.requests] == [
            f"attempt={n}; max=3" for n in (1, 2, 3)
        ]
        assert server.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """The password goes to the endpoint and nowhere else, whatever the endpoint says."""
    async with ScriptedServer() as elsewhere:
        error = await failure(answer(b"", status, Location=elsewhere.url))
        assert elsewhere.connections == 0
    assert type(error) is InvalidResponseError
    assert error.status == status


async def test_a_cookie_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that the server sets comes back to it."""

    async def resolve(_: str, port: int, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with ScriptedServer(answer(Set_Cookie="a=b; Path=/")) as server:
        server.url = f"http://cognito.example:{server.port}"  # cookies are for names, not for numbers
        async with client_of(server) as client:
            await reset(client)
            await reset(client)
        assert "cookie" not in server.requests[1].headers


# --- answers that can -------------------------------------------------------------------------------------------------


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
async def test_forms_of_http(data: bytes) -> None:
    """What HTTP allows is understood, and the connection serves the next call."""
    async with ScriptedServer(send(data)) as server, client_of(server) as client:
        await reset(client)
        await reset(client)
        assert server.connections == 1


async def test_an_answer_that_ends_with_its_connection() -> None:
    """HTTP/1.0 without a length is read to its end."""
    action = cut(b'HTTP/1.0 400 Bad\r\n\r\n{"__type": "UserNotFoundException"}')
    error = await failure(action)
    assert error.code == "UserNotFoundException"


@pytest.mark.manual_clock
async def test_an_answer_in_single_bytes() -> None:
    """A slow answer is an answer as long as it is within the limits."""
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
async def test_a_body_of_10_megabytes(status: int, *, chunked: bool) -> None:
    """It is refused at the limit, its connection is closed, and memory stays within a small multiple of the limit."""
    action = flood(10 * MEBIBYTE, status=status, chunked=chunked)
    pool = PoolLimits(response_bytes=MEBIBYTE)
    async with ScriptedServer(answer(), action) as server, client_of(server, pool=pool) as client:
        await reset(client)  # what a first call imports is not the answer's memory
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


async def test_the_default_limit() -> None:
    """Without a word about it 8 MiB is the limit."""
    error = await failure(flood(10 * MEBIBYTE))
    assert type(error) is InvalidResponseError
    assert "8,388,608" in str(error)


@pytest.mark.parametrize("size", [MEBIBYTE, MEBIBYTE + 1])
async def test_the_limit_is_exact(size: int) -> None:
    """An answer of just the limit's size is read, one byte more is not."""
    async with ScriptedServer(flood(size)) as server:
        async with client_of(server, pool=PoolLimits(response_bytes=MEBIBYTE)) as client:
            if size > MEBIBYTE:
                with pytest.raises(InvalidResponseError):
                    await reset(client)
            else:
                await reset(client)


async def test_compression_bomb_is_not_expanded() -> None:
    """40 MB that travel as 40 kB take no more memory than they travel with."""
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
    """The event loop goes on while megabytes of JSON are parsed."""
    threads: list[str] = []

    def decode(*arguments: Any) -> Any:
        threads.append(threading.current_thread().name)
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


async def test_large_response_of_containers_is_refused() -> None:
    """Millions of empty lists would block all threads while they are freed."""
    error = await failure(send(http_of(b'{"UserAttributes": [' + b"[]," * 1_000_000 + b"[]]}")))
    assert type(error) is InvalidResponseError


# --- connections that never were --------------------------------------------------------------------------------------


def connection_failure(error: CognitoError) -> None:
    """Check an error that says that nothing had left."""
    assert type(error) is ConnectError
    assert error.sent is False
    assert error.status is None


async def test_a_refused_port() -> None:
    """Nobody listens: ConnectError, nothing sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, retry=ONCE) as session:
            with pytest.raises(ConnectError) as caught:
                await reset(session.client("abc"))
    connection_failure(caught.value)


async def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not resolve: ConnectError that names the host, nothing sent."""

    async def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    async with AsyncCognitoSession("eu-west-1", endpoint_url="http://cognito.invalid", retry=ONCE) as session:
        with pytest.raises(ConnectError, match=r"cognito\.invalid") as caught:
            await reset(session.client("abc"))
    connection_failure(caught.value)


async def test_https_to_a_plain_http_port() -> None:
    """A failed TLS handshake: ConnectError, and nothing of the request on the wire."""
    async with ScriptedServer(on_connect=cut(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        url = server.url.replace("http:", "https:")
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, retry=ONCE) as session:
            with pytest.raises(ConnectError) as caught:
                await reset(session.client("abc"))
        assert not server.requests
    connection_failure(caught.value)
    assert isinstance(caught.value.__cause__, ssl.SSLError | aiohttp.ClientConnectorSSLError)


async def test_a_connection_cut_in_the_tls_handshake() -> None:
    """The server hangs up during the handshake: ConnectError, nothing sent."""
    async with ScriptedServer(on_connect=cut()) as server:
        url = server.url.replace("http:", "https:")
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, retry=ONCE) as session:
            with pytest.raises(TransportError) as caught:
                await reset(session.client("abc"))
        assert not server.requests
    connection_failure(caught.value)


async def test_a_refused_port_is_tried_again() -> None:
    """Failing to connect is worth another try, up to the policy's limit."""
    async with AsyncCognitoSession(
        "eu-west-1", endpoint_url="http://127.0.0.1:1", retry=RetryPolicy(transient_base=0)
    ) as session:
        with pytest.raises(ConnectError) as caught:
            await reset(session.client("abc"))
    assert caught.value.attempts == 3


@pytest.mark.manual_clock
async def test_the_connect_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that does not come about within its limit: ConnectTimeoutError, both of its bases, nothing sent."""
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
async def test_waiting_for_a_pooled_connection_counts() -> None:
    """With every connection taken, a call waits no longer than its attempt's limit, and nothing of it has left."""
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


# --- servers that take their time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["never", "half a head"])
@pytest.mark.manual_clock
async def test_a_server_that_never_answers(data: bytes) -> None:
    """The attempt ends at its limit with ``sent`` True, and the connection is closed."""
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
async def test_a_body_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the answer's head says all, the call is a success once time is up; and its connection is closed."""
    stuck = never(HEAD + b"Content-Length: 2\r\n\r\n{")
    read_head, start = asyncio.Event(), aiohttp.ClientResponse.start

    async def told(*arguments: Any) -> aiohttp.ClientResponse:
        response = await start(*arguments)
        read_head.set()
        return response

    monkeypatch.setattr(aiohttp.ClientResponse, "start", told)
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
async def test_a_dripping_body_does_not_stretch_the_limit() -> None:
    """The limit is for the attempt, not for each byte of it."""
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
async def test_a_server_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is stuck on its way out is neither sent nor unsent: ``sent`` is None."""
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


async def test_a_large_request() -> None:
    """A request of some megabytes, which the service's bounds allow, is sent without a warning."""
    async with ScriptedServer() as server, client_of(server) as client:
        metadata = {f"key {n}": "x" * 131_072 for n in range(20)}
        await reset(client, client_metadata=metadata)
        assert server.requests[0].json["ClientMetadata"] == metadata


# --- connections that are used again ----------------------------------------------------------------------------------


async def test_ten_calls_one_connection() -> None:
    """Calls one after the other share a connection, errors among them."""
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


async def test_an_idle_connection_closed_by_the_server() -> None:
    """The next call opens another and succeeds at the first try."""
    async with ScriptedServer() as server, client_of(server) as client:
        await reset(client)
        server.close_connections()
        await server.until(lambda: server.open == 0)
        await reset(client)
        assert server.connections == 2
        assert server.requests[1].headers["amz-sdk-request"] == "attempt=1; max=1"


@pytest.mark.parametrize("end", [cut, reset_connection])
async def test_a_connection_closed_just_as_it_is_used_again(end: Callable[[bytes], Action]) -> None:
    """If the close and the request cross on the wire, the call is tried again on another connection."""
    async with ScriptedServer(answer(), end(b"")) as server:
        async with client_of(server, retry=RetryPolicy(transient_base=0)) as client:
            await reset(client)
            await reset(client)
            assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_connection_found_dead_before_a_byte_was_written(
    attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing had left, and the error says so; the next attempt is safe for any operation."""
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
            assert not server.requests
        else:
            await client.forgot_password(username="ada")
            assert [request.headers["amz-sdk-request"] for request in server.requests] == ["attempt=2; max=2"]


async def test_more_than_was_announced_does_not_reach_the_next_call() -> None:
    """Bytes after the end of an answer are nobody's answer: the next call gets a connection without them."""
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


async def test_an_idle_connection_is_kept_only_as_long_as_allowed() -> None:
    """With no time to keep it, every call opens a connection of its own."""
    async with ScriptedServer() as server, client_of(server, pool=PoolLimits(keepalive=0)) as client:
        await reset(client)
        await reset(client)
        assert server.connections == 2


async def test_the_pool_is_bounded() -> None:
    """No more connections than allowed, however many calls; the others wait their turn."""
    async with ScriptedServer() as server, client_of(server, pool=PoolLimits(connections=3)) as client:
        await asyncio.gather(*[reset(client) for _ in range(50)])
        assert server.connections == 3
        assert len(server.requests) == 50


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


async def test_close_leaves_cancellation_alone() -> None:
    """A call that its caller cancels while the session closes ends in CancelledError."""
    async with ScriptedServer(never()) as server:
        async with client_of(server, pool=PoolLimits(connections=1)) as client:
            calls = [asyncio.ensure_future(reset(client)) for _ in range(3)]
            await server.until(lambda: server.requests)
            calls[1].cancel()
            await client.session.close()
            results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert isinstance(results[2], SessionClosedError)


async def test_close_after_an_ambiguous_attempt_keeps_the_doubt() -> None:
    """The first attempt was lost; the second waits for a connection when the session closes."""
    async with ScriptedServer(cut(), never()) as server:
        policy = RetryPolicy(transient_base=0)
        async with client_of(server, pool=PoolLimits(connections=1), retry=policy) as client:
            first = asyncio.ensure_future(reset(client))
            second = asyncio.ensure_future(reset(client))
            await server.until(lambda: len(server.requests) == 2)
            await client.session.close()
            results = await asyncio.gather(first, second, return_exceptions=True)
    assert all(isinstance(result, AmbiguousOutcomeError) for result in results)
