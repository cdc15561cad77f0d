"""Surplus data on pooled connections: it must never become the response to a later request."""

import asyncio
import json
import os
import select
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from cognito_async import AsyncCognitoSession, CognitoClient, PoolLimits, RetryPolicy, transport
from cognito_async.bulk import Job
from tests.support.clocks import advance
from tests.support.scripted_server import Action, Connection, ScriptedServer, answer

CERTIFICATE = Path(__file__).parents[1] / "data" / "localhost.pem"
ONCE = RetryPolicy(max_attempts=1)
SURPLUS = {"Username": "somebody else", "UserAttributes": []}
REQUEST_TIMEOUT = b"HTTP/1.1 408 Request Time-out\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def http(body: object) -> bytes:
    """Return the bytes of a response."""
    content = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


async def echo_user(connection: Connection) -> None:
    """Respond to GetUser with the access token as the username."""
    assert connection.request is not None
    await connection.write(http({"Username": connection.request.json["AccessToken"], "UserAttributes": []}))


class Surplus:
    """Respond to GetUser, and write more data when the test sets the gate."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.written = asyncio.Event()

    async def __call__(self, connection: Connection) -> None:
        """Serve a request."""
        await echo_user(connection)
        await connection.server.gate.acquire()
        connection.writer.write(self.data)
        self.written.set()

    async def write(self, server: ScriptedServer) -> None:
        """Have the data written; the client has had no turn to read it."""
        server.gate.release()
        await self.written.wait()


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext | None]:
    """Run the test with and without TLS."""
    if request.param == "http":
        yield None
        return
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(CERTIFICATE)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=CERTIFICATE))
    yield server


@asynccontextmanager
async def client_of(server: ScriptedServer, **options: object) -> AsyncIterator[CognitoClient]:
    """Open a session without retries."""
    async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, retry=ONCE, **options) as session:  # type: ignore[arg-type]
        yield session.client("abc")


async def username(client: CognitoClient, token: str) -> str:
    """Return the username that the service reports for a token."""
    user = await client.get_user(access_token=token)
    assert user.username is not None
    return user.username


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 50])
@pytest.mark.parametrize(
    "data",
    [http(SURPLUS), http(SURPLUS)[:20], b"\r\n", b"x", REQUEST_TIMEOUT, http(SURPLUS) * 3],
    ids=["response", "part of a response", "empty line", "garbage", "408", "three responses"],
)
async def test_surplus_data_closes_idle_connection(data: bytes, turns: int, tls: ssl.SSLContext | None) -> None:
    """Data after a response is never used, whether the event loop had a turn to read it or not."""
    surplus = Surplus(data)
    async with ScriptedServer(surplus, otherwise=echo_user, tls=tls) as server, client_of(server) as client:
        assert await username(client, "ada") == "ada"
        await surplus.write(server)
        for _ in range(turns):
            await asyncio.sleep(0)
        assert [await username(client, name) for name in ("bob", "cyd", "dan")] == ["bob", "cyd", "dan"]
        assert 1 not in [request.connection for request in server.requests[1:]]


async def test_surplus_response_in_the_same_write_closes_connection(tls: ssl.SSLContext | None) -> None:
    """Both responses arrive together."""

    async def both(connection: Connection) -> None:
        await connection.write(http({"Username": "ada", "UserAttributes": []}) + http(SURPLUS))

    async with ScriptedServer(both, otherwise=echo_user, tls=tls) as server, client_of(server) as client:
        assert [await username(client, name) for name in ("ada", "bob", "cyd")] == ["ada", "bob", "cyd"]
        assert [request.connection for request in server.requests] == [1, 2, 2]


@pytest.mark.manual_clock
@pytest.mark.parametrize(("data", "connections"), [(http(SURPLUS), [2, 3, 4, 4]), (REQUEST_TIMEOUT, [2, 2, 2, 2])])
async def test_surplus_response_suspends_reuse(data: bytes, connections: list[int]) -> None:
    """For a minute each connection is used once: a late response could arrive during the next request."""
    surplus = Surplus(data)
    async with ScriptedServer(surplus, otherwise=echo_user) as server, client_of(server) as client:
        assert await username(client, "ada") == "ada"
        await surplus.write(server)
        await server.until(lambda: server.open == 0)
        assert [await username(client, name) for name in ("bob", "cyd")] == ["bob", "cyd"]
        advance(61)
        assert [await username(client, name) for name in ("dan", "eve")] == ["dan", "eve"]
        assert [request.connection for request in server.requests[1:]] == connections


@pytest.mark.parametrize("polls", [True, False], ids=["poll", "select"])
async def test_closed_connection_is_not_used_without_a_turn(
    tls: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch, *, polls: bool
) -> None:
    """An end of file that the event loop has not read yet. Windows has no ``poll``."""
    if not polls:
        monkeypatch.delattr(select, "poll")
    async with ScriptedServer(otherwise=echo_user, tls=tls) as server, client_of(server) as client:
        assert await username(client, "ada") == "ada"
        raw = next(iter(server._live.values())).writer.get_extra_info("socket")
        raw.shutdown(socket.SHUT_WR)
        assert [await username(client, name) for name in ("bob", "cyd")] == ["bob", "cyd"]
        assert [request.connection for request in server.requests] == [1, 2, 2]


async def test_thousands_of_connections_are_reused(tls: ssl.SSLContext | None) -> None:
    """``select`` is limited to 1024 file descriptors, ``poll`` is not."""
    async with ScriptedServer(otherwise=echo_user, tls=tls) as server, client_of(server) as client:
        files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        try:
            assert [await username(client, name) for name in ("ada", "bob")] == ["ada", "bob"]
        finally:
            for file in files:
                os.close(file)
        assert server.connections == 1


@pytest.mark.parametrize("polls", [True, False], ids=["poll", "select"])
async def test_clean_connection_is_reused(
    tls: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch, *, polls: bool
) -> None:
    """A hundred calls share one connection, and do not wait for data on it."""
    if not polls:
        monkeypatch.delattr(select, "poll")
    async with ScriptedServer(otherwise=echo_user, tls=tls) as server, client_of(server) as client:
        for number in range(100):
            assert await username(client, f"u{number}") == f"u{number}"
        assert server.connections == 1


async def test_early_hints_are_not_surplus(tls: ssl.SSLContext | None) -> None:
    """Informational responses precede the response and do not cost a connection."""

    async def act(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await echo_user(connection)

    async with ScriptedServer(otherwise=act, tls=tls) as server, client_of(server) as client:
        assert [await username(client, name) for name in ("ada", "bob")] == ["ada", "bob"]
        assert server.connections == 1


async def test_duplicated_responses_on_many_connections(tls: ssl.SSLContext | None) -> None:
    """Every response is sent twice, on up to ten connections."""

    async def twice(connection: Connection) -> None:
        await echo_user(connection)
        await echo_user(connection)

    pool = PoolLimits(connections=10)
    async with ScriptedServer(otherwise=twice, tls=tls) as server, client_of(server, pool=pool) as client:
        names = [f"u{number}" for number in range(200)]
        assert await asyncio.gather(*(username(client, name) for name in names)) == names
        assert len(server.requests) == 200


async def test_duplicated_responses_in_bulk_job(tmp_path: Path) -> None:
    """Odd users are refused, even ones succeed, and every response is duplicated: each row keeps its own result."""

    async def twice(connection: Connection) -> None:
        assert connection.request is not None
        odd = int(connection.request.json["Username"].removeprefix("u")) % 2
        respond = answer({"__type": "CodeMismatchException", "message": "no"}, 400) if odd else answer()
        await respond(connection)
        await respond(connection)

    async with ScriptedServer(otherwise=twice) as server, client_of(server) as client:
        path = tmp_path / "users.csv"
        lines = [
            "username,confirmation_code,password",
            *(f"u{number},123456,Passw0rd!" for number in range(200)),
        ]
        path.write_text("\n".join(lines))
        job = Job(client, "confirm", path, journal=tmp_path / "users.journal")
        states = {outcome.username: outcome.state.value async for outcome in job.run()}
        assert len(states) == len(server.requests) == 200
        assert {int(name[1:]) % 2 for name, state in states.items() if state == "done"} == {0}
        assert sum(state == "done" for state in states.values()) == 100


async def test_endless_data_on_idle_connection_is_not_kept() -> None:
    """The connection is closed by the first bytes."""
    flooded = asyncio.Event()

    async def flood(connection: Connection) -> None:
        await echo_user(connection)
        await connection.server.gate.acquire()
        try:
            while True:
                await connection.write(b" " * 65536)
        except ConnectionError:
            flooded.set()

    async with ScriptedServer(flood, otherwise=echo_user) as server, client_of(server) as client:
        assert await username(client, "ada") == "ada"
        server.gate.release()
        await flooded.wait()
        assert await username(client, "bob") == "bob"


def identified(name: str, request_id: str) -> bytes:
    """Return the bytes of a response to GetUser with a request ID."""
    head = f"x-amzn-RequestId: {request_id}\r\nContent-Length".encode()
    return http({"Username": name, "UserAttributes": []}).replace(b"Content-Length", head)


def respond(*names: str) -> Action:
    """Send a response for each name, all of them to one request."""

    async def act(connection: Connection) -> None:
        for name in names:
            await connection.write(identified(name, f"id-of-{name}"))

    return act


async def test_duplicated_response_during_the_next_request_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """Its request ID is that of the last response, and the server has sent different ones before."""
    script = [respond("ada"), respond("bob"), respond("bob", "cyd")]
    async with ScriptedServer(*script, otherwise=echo_user) as server, client_of(server) as client:
        names = ["ada", "bob", "cyd", "dan"]
        assert [await username(client, name) for name in names] == names
        assert [request.connection for request in server.requests] == [1, 1, 1, 2]
    assert [record.levelname for record in caplog.records if record.name == "cognito_async"] == ["WARNING"]


async def test_connection_with_a_duplicated_response_is_not_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the awaited response arrives after the suspension of reuse."""
    monkeypatch.setattr(transport, "REUSE_SUSPENSION", 0.0)
    script = [respond("ada"), respond("bob"), respond("bob", "cyd")]
    async with ScriptedServer(*script, otherwise=echo_user) as server, client_of(server) as client:
        names = ["ada", "bob", "cyd", "dan", "eve"]
        assert [await username(client, name) for name in names] == names
        assert [request.connection for request in server.requests] == [1, 1, 1, 2, 2]


@pytest.mark.parametrize("connections", [1, 2])
async def test_constant_request_ids_are_not_duplicates(connections: int) -> None:
    """Test servers send the same request ID with every response, or with those on one of their connections."""

    async def act(connection: Connection) -> None:
        assert connection.request is not None
        name = connection.request.json["AccessToken"]
        await connection.write(identified(name, "constant") if connection.number == 1 else http({"Username": name}))

    async with ScriptedServer(otherwise=act) as server, client_of(server) as client:
        names = [f"u{number}" for number in range(20)]
        first, rest = names[:connections], names[connections:]
        assert await asyncio.gather(*[username(client, name) for name in first]) == first
        assert [await username(client, name) for name in rest] == rest
        assert server.connections == connections
