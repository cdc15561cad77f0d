"""The connection pool with restarts, many calls, servers that disappear, and failing DNS lookups."""

# ruff: noqa: SIM117 - a session within its server

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest

from cognito_async import (
    AmbiguousOutcomeError,
    AsyncCognitoSession,
    ConnectError,
    PoolLimits,
    RequestTimeoutError,
    RetryPolicy,
    Timeouts,
)
from tests.support.clocks import advance
from tests.support.scripted_server import Connection, ScriptedServer, answer, never
from tests.support.scripted_transport import reset

QUICK = RetryPolicy(transient_base=0.001)


class ServerOn(ScriptedServer):
    """A server on a given port."""

    async def listen(self, port: int) -> None:
        """Start listening."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.listener = self._server.sockets[0]
        self.port = port
        self.url = f"http://127.0.0.1:{port}"


@contextmanager
def reserved() -> Iterator[int]:
    """Reserve a port on which no server listens yet."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]


async def test_server_restart_fails_no_call() -> None:
    """Old connections are replaced, whether or not their end was seen."""
    first, second = ServerOn(), ServerOn()
    with reserved() as port:
        await first.listen(port)
        session = AsyncCognitoSession("eu-west-1", endpoint_url=first.url, retry=QUICK)
        await asyncio.gather(*[reset(session.client("abc")) for _ in range(10)])
        await first.__aexit__(None, None, None)
        await second.listen(port)
    try:
        async with session:
            await asyncio.gather(*[reset(session.client("abc")) for _ in range(10)])
            assert session.stats.failed == 0
            assert session._retry_budget.available == 500
        assert len(second.requests) == 10
    finally:
        await second.__aexit__(None, None, None)


@pytest.mark.manual_clock
async def test_refused_connections_are_retried() -> None:
    """Nothing was sent."""
    server = ServerOn()

    async def listen() -> None:
        await server.listen(port)
        advance(5)  # the backoff

    def come_up(details: Any) -> None:
        assert isinstance(details.error, ConnectError)
        assert details.error.sent is False
        starting.append(asyncio.ensure_future(listen()))

    starting: list[asyncio.Future[None]] = []
    policy = RetryPolicy(transient_base=5, on_retry=come_up)
    with reserved() as port:
        url = f"http://127.0.0.1:{port}"
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, retry=policy, random=lambda: 1.0) as session:
            await reset(session.client("abc"))
            assert session.stats.retries == 1
            assert session._retry_budget.available == 500
        await asyncio.gather(*starting)
    await server.__aexit__(None, None, None)


async def test_thousand_calls_share_ten_connections() -> None:
    """All succeed."""
    async with ScriptedServer() as server:
        async with AsyncCognitoSession(
            "eu-west-1",
            endpoint_url=server.url,
            pool=PoolLimits(connections=10),
            timeouts=Timeouts(total=None, attempt=None),
        ) as session:
            client = session.client("abc")
            await asyncio.gather(*[reset(client, username=f"user {n}") for n in range(1_000)])
            assert session.stats.succeeded == session.stats.attempts == 1_000
        assert server.connections == 10
        assert {request.json["Username"] for request in server.requests} == {f"user {n}" for n in range(1_000)}


@pytest.mark.parametrize(("keepalive", "connections"), [(0, 3), (15.0, 1)])
async def test_keepalive_of_zero_closes_each_connection(keepalive: float, connections: int) -> None:
    """After its response."""
    async with ScriptedServer() as server:
        limits = PoolLimits(keepalive=keepalive)
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, pool=limits) as session:
            for _ in range(3):
                await reset(session.client("abc"))
            assert session.stats.attempts == 3
        assert server.connections == connections
        assert [request.connection for request in server.requests] == ([1, 2, 3] if keepalive == 0 else [1, 1, 1])


@pytest.mark.manual_clock
async def test_calls_without_a_connection_time_out() -> None:
    """With ``sent`` False; afterwards the pool works."""
    limits = Timeouts(total=10, attempt=None)

    async def hold_the_crowd_up(connection: Connection) -> None:
        assert connection.request is not None
        crowd = connection.request.json["Username"].startswith("user")
        await (never() if crowd else answer())(connection)

    async with ScriptedServer(otherwise=hold_the_crowd_up) as server:
        async with AsyncCognitoSession(
            "eu-west-1", endpoint_url=server.url, pool=PoolLimits(connections=2), timeouts=limits
        ) as session:
            client = session.client("abc")
            calls = [asyncio.ensure_future(reset(client, username=f"user {n}")) for n in range(50)]
            await server.until(lambda: len(server.requests) == 2)
            advance(10.1)
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(result, RequestTimeoutError) for result in results)
            sent = [result for result in results if getattr(result, "sent", None) is not False]
            assert len(sent) == len(server.requests)
            assert len(sent) == 2
            assert all(isinstance(result, AmbiguousOutcomeError) for result in sent)
            await client.with_options(timeouts=Timeouts()).confirm_forgot_password(
                username="ada", confirmation_code="123456", password="correct horse"
            )


@pytest.mark.manual_clock
async def test_half_open_connection_ends_at_the_attempt_timeout() -> None:
    """It is closed, and the retry uses a new one."""

    async def vanish_from(connection: Connection) -> None:
        await (never() if connection.number == 1 else answer())(connection)

    async with ScriptedServer(answer(), otherwise=vanish_from) as server:
        async with AsyncCognitoSession(
            "eu-west-1", endpoint_url=server.url, retry=RetryPolicy(transient_base=0), timeouts=Timeouts(attempt=10)
        ) as session:
            client = session.client("abc")
            await reset(client)
            second = asyncio.ensure_future(reset(client))
            await server.until(lambda: len(server.requests) == 2)
            advance(10.1)
            await second
            assert [request.connection for request in server.requests] == [1, 1, 2]
            await reset(client)
            assert server.connections == 2
            assert session._retry_budget.available == 500


async def test_idle_connections_closed_by_the_server_fail_no_call() -> None:
    """Whether or not their end was seen."""
    async with ScriptedServer() as server:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, retry=QUICK) as session:
            client = session.client("abc")
            for _ in range(5):
                await asyncio.gather(*[reset(client) for _ in range(10)])
                server.close_connections()
                await asyncio.gather(*[reset(client) for _ in range(10)])
            assert session.stats.failed == 0
        assert len(server.requests) == session.stats.succeeded == 100


async def test_failed_dns_lookup_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not cached."""
    asked: list[str] = []

    async def resolve(_: Any, host: str, port: int = 0, family: Any = None) -> list[dict[str, Any]]:
        asked.append(host)
        if len(asked) == 1:
            raise OSError(-3, "Temporary failure in name resolution")
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    errors: list[Any] = []
    policy = RetryPolicy(transient_base=0.001, on_retry=lambda details: errors.append(details.error))
    async with ScriptedServer() as server:
        url = f"http://cognito.example:{server.port}"
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, retry=policy) as session:
            await reset(session.client("abc"))
            assert session._retry_budget.available == 500
        assert len(server.requests) == 1
    assert asked == ["cognito.example"] * 2
    assert [type(error) for error in errors] == [ConnectError]
    assert errors[0].sent is False


async def test_response_that_is_not_http_is_ambiguous() -> None:
    """The request was sent."""

    async def gibberish(connection: Connection) -> None:
        await connection.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        connection.close()

    async with ScriptedServer(otherwise=gibberish) as server:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, retry=QUICK) as session:
            with pytest.raises(AmbiguousOutcomeError):
                await reset(session.client("abc"))
            with pytest.raises(AmbiguousOutcomeError):
                await session.client("abc").forgot_password(username="ada")
