"""Proxies, CA certificates and connectors over real sockets."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cognito_async import (
    AsyncCognitoSession,
    CognitoError,
    ConnectError,
    ParameterValidationError,
    RetryPolicy,
    SessionClosedError,
    transport,
)
from tests.core.test_stale_connections import SURPLUS, Surplus, echo_user, http, username
from tests.support.canaries import CANARY, leaking_frames
from tests.support.proxy import Proxy
from tests.support.scripted_server import Connection, ScriptedServer, answer, never
from tests.support.scripted_transport import ScriptedTransport, reset

CERTIFICATE = Path(__file__).parents[1] / "data" / "localhost.pem"
ONCE = RetryPolicy(max_attempts=1)
ENCODED = b64encode(f"ada:{CANARY}".encode()).decode()
HTTPS = "https://localhost:9443"
HTTP = "http://service.invalid"


@pytest.fixture
def tls() -> ssl.SSLContext:
    """Return the TLS settings of a server whose certificate only tests trust."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


async def call(endpoint_url: str, times: int = 1, **options: Any) -> None:
    """Confirm a forgotten password, without retries."""
    async with AsyncCognitoSession("eu-west-1", endpoint_url=endpoint_url, retry=ONCE, **options) as session:
        for _ in range(times):
            await reset(session.client("abc"))


async def failure(endpoint_url: str, **options: Any) -> CognitoError:
    """Return the error of a call, which contains no canary."""
    with pytest.raises(CognitoError) as caught:
        await call(endpoint_url, **options)
    shown = repr(caught.value), str(caught.value), repr(caught.value.__cause__), repr(caught.value.__context__)
    assert CANARY not in "".join(shown)
    assert leaking_frames(caught.value) == leaking_frames(caught.value, ENCODED) == []
    return caught.value


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", None])
async def test_https_requests_use_a_tunnel_and_reuse_it(
    tls: ssl.SSLContext, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy is asked to connect once, by name, and sees no request."""
    async with ScriptedServer(tls=tls) as server, Proxy(server.port) as proxy:
        if name is not None:
            monkeypatch.setenv(name, proxy.url)
        await call(HTTPS, 3, ssl=str(CERTIFICATE), proxy=None if name else proxy.url)
        assert proxy.lines == ["CONNECT localhost:9443 HTTP/1.1"]
        assert [request.line for request in server.requests] == ["POST / HTTP/1.1"] * 3
        assert not any("proxy-authorization" in request.headers for request in server.requests)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", None])
async def test_http_requests_are_forwarded_with_credentials_in_each(
    name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests on a reused connection to the proxy carry the credentials, too."""
    async with ScriptedServer() as server, Proxy(server.port) as proxy:
        url = proxy.url.replace("//", "//ada:p%40ss@")
        if name is not None:
            monkeypatch.setenv(name, url)
        await call(HTTP, 3, proxy=None if name else url)
        assert proxy.lines == ["POST http://service.invalid/ HTTP/1.1"]
        assert [request.headers["proxy-authorization"] for request in server.requests] == ["Basic YWRhOnBAc3M="] * 3


async def test_tunnel_request_carries_the_credentials_and_the_service_does_not_see_them(tls: ssl.SSLContext) -> None:
    """Only the CONNECT request has the header."""
    async with ScriptedServer(tls=tls) as server, Proxy(server.port) as proxy:
        await call(HTTPS, 2, ssl=CERTIFICATE, proxy=proxy.url.replace("//", "//ada:p%40ss@"))
        assert proxy.authorizations == ["Basic YWRhOnBAc3M="]
        assert not any("proxy-authorization" in request.headers for request in server.requests)


async def test_proxy_with_tls_of_its_own(tls: ssl.SSLContext) -> None:
    """The CA certificates apply to the proxy as well as to the service."""
    async with ScriptedServer(tls=tls) as server, Proxy(server.port, tls=tls) as proxy:
        await call(HTTPS, ssl=CERTIFICATE, proxy=proxy.url)
        assert proxy.lines == ["CONNECT localhost:9443 HTTP/1.1"]
    async with ScriptedServer() as server, Proxy(server.port, tls=tls) as proxy:
        await call(HTTP, ssl=CERTIFICATE, proxy=proxy.url)
        assert proxy.lines == ["POST http://service.invalid/ HTTP/1.1"]


@pytest.mark.parametrize(
    ("environ", "options"),
    [
        ({"NO_PROXY": "127.0.0.1"}, {}),
        ({"no_proxy": "*"}, {}),
        ({"HTTP_PROXY": ""}, {}),
        ({}, {"proxy": False}),
    ],
)
async def test_excluded_hosts_are_connected_directly(
    environ: Mapping[str, str], options: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY, an empty variable and ``proxy=False`` each disable the proxy of the environment."""
    async with ScriptedServer() as server, Proxy(server.port) as proxy:
        for name, value in {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url, **environ}.items():
            monkeypatch.setenv(name, value)
        await call(server.url, **options)
        assert (len(server.requests), proxy.lines) == (1, [])


async def test_proxy_argument_takes_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY does not apply to the argument."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*")
    async with ScriptedServer() as server, Proxy(server.port) as proxy:
        await call(HTTP, proxy=proxy.url)
        assert len(proxy.lines) == 1


RESPONSES = [
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 10\r\n\r\n<html>",
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 504 Gateway Timeout\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"HTTP/1.1 20",
    b"",
]


@pytest.mark.parametrize("response", RESPONSES)
async def test_refused_tunnel_is_a_connect_error(response: bytes) -> None:
    """Whatever the proxy responds to CONNECT, nothing was sent to the service."""
    async with Proxy(0, response=response) as proxy:
        error = await failure(HTTPS, proxy=proxy.url.replace("//", f"//ada:{CANARY}@"))
    assert type(error) is ConnectError
    assert error.sent is False
    assert "proxy" in str(error)
    assert "NoneType" not in str(error)
    assert ("407" in str(error)) == ("credentials" in str(error)) == (b" 407 " in response)
    assert len(proxy.lines) == 1


async def test_refused_tunnel_is_retried() -> None:
    """A retry is harmless, because nothing was sent."""
    async with Proxy(0, response=RESPONSES[3]) as proxy:
        session = AsyncCognitoSession(
            "eu-west-1", endpoint_url=HTTPS, proxy=proxy.url, retry=RetryPolicy(transient_base=0)
        )
        async with session:
            with pytest.raises(ConnectError, match=r"HTTP 502\b") as caught:
                await reset(session.client("abc"))
        assert (caught.value.attempts, len(proxy.lines)) == (3, 3)


async def test_proxy_that_requires_credentials_forwards_nothing() -> None:
    """A 407 for a forwarded request is an error of the proxy, not an ambiguous response of the service."""
    async with Proxy(0, response=RESPONSES[0]) as proxy:
        error = await failure(HTTP, proxy=proxy.url.replace("//", f"//ada:{CANARY}@"))
    assert type(error) is ConnectError
    assert error.sent is False
    assert "407" in str(error)
    assert "credentials" in str(error)


async def test_connection_to_a_proxy_that_requires_credentials_is_closed() -> None:
    """The rest of its page is not read."""
    page = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 99\r\n\r\n<html>"
    async with (
        ScriptedServer(never(page)) as proxy,
        AsyncCognitoSession("eu-west-1", endpoint_url=HTTP, proxy=proxy.url, retry=ONCE) as session,
    ):
        with pytest.raises(ConnectError):
            await reset(session.client("abc"))
        await proxy.until(lambda: proxy.open == 0)


@pytest.mark.parametrize("endpoint", [HTTP, HTTPS])
async def test_unreachable_proxy_is_a_connect_error(endpoint: str) -> None:
    """The error names the proxy, without its credentials."""
    async with Proxy(0) as proxy:
        url = proxy.url.replace("//", f"//ada:{CANARY}@")
    error = await failure(endpoint, proxy=url)
    assert type(error) is ConnectError
    assert error.sent is False
    assert f"proxy 127.0.0.1:{proxy.port}" in str(error)


async def test_untrusted_service_behind_a_proxy_is_a_connect_error(tls: ssl.SSLContext) -> None:
    """The certificate is verified through the tunnel, with the service's name."""
    async with ScriptedServer(tls=tls) as server, Proxy(server.port) as proxy:
        url = proxy.url.replace("//", f"//ada:{CANARY}@")
        for endpoint, certificates in ((HTTPS, None), ("https://other.invalid", CERTIFICATE)):
            error = await failure(endpoint, proxy=url, ssl=certificates)
            assert type(error) is ConnectError
            assert error.sent is False
        assert server.requests == []


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", None])
async def test_invalid_proxy_names_its_origin(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent, without the value."""
    url = f"http://ada:{CANARY}@proxy.example:port"
    if name is not None:
        monkeypatch.setenv(name, url)
    error = await failure(HTTPS, proxy=None if name else url)
    assert isinstance(error, ParameterValidationError)
    assert error.parameter == (name or "proxy")


async def test_later_errors_of_the_constructor_hide_the_proxy() -> None:
    """The argument is not kept in the frame of the constructor."""
    error = await failure("not a URL", proxy=f"http://ada:{CANARY}@proxy.example:3128")
    assert isinstance(error, ParameterValidationError)
    assert error.parameter == "endpoint_url"


# --- CA certificates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
async def test_certificates_of_the_environment_are_trusted(
    tls: ssl.SSLContext, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the variable, the server is not trusted."""
    async with ScriptedServer(tls=tls) as server:
        error = await failure(server.url)
        assert type(error) is ConnectError
        assert "AWS_CA_BUNDLE" in str(error)
        monkeypatch.setenv(name, str(CERTIFICATE))
        await call(server.url)


async def test_ssl_takes_precedence_over_the_environment(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path and a context both do; AWS_CA_BUNDLE comes before SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", "missing.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(CERTIFICATE))
    async with ScriptedServer(tls=tls) as server:
        await call(server.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", "missing.pem")
        for option in (str(CERTIFICATE), CERTIFICATE, ssl.create_default_context(cafile=CERTIFICATE)):
            await call(server.url, ssl=option)


async def test_folder_of_certificates_is_accepted(tls: ssl.SSLContext, tmp_path: Path) -> None:
    """OpenSSL finds a certificate by its name; an empty folder trusts nothing."""
    async with ScriptedServer(tls=tls) as server:
        assert type(await failure(server.url, ssl=tmp_path)) is ConnectError
        (tmp_path / "ce275665.0").write_bytes(CERTIFICATE.read_bytes())  # as `openssl rehash` names it
        await call(server.url, ssl=tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\x00\xff"])
@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "SSL_CERT_FILE", None])
async def test_unusable_certificates_name_their_origin(
    name: str | None, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is sent; plain HTTP does not need them."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    if name is not None:
        monkeypatch.setenv(name, str(path))
    options: dict[str, Any] = {} if name else {"ssl": path}
    error = await failure("https://127.0.0.1:9", **options)
    assert isinstance(error, ParameterValidationError)
    assert error.parameter == (name or "ssl")
    async with ScriptedServer() as server:
        await call(server.url, **options)


async def test_http_1_is_negotiated(tls: ssl.SSLContext) -> None:
    """A server may prefer HTTP/2."""
    tls.set_alpn_protocols(["h2", "http/1.1"])
    chosen: list[str | None] = []

    async def act(connection: Connection) -> None:
        chosen.append(connection.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await answer()(connection)

    async with ScriptedServer(act, tls=tls) as server:
        await call(server.url, ssl=CERTIFICATE)
    assert chosen == ["http/1.1"]


@pytest.mark.parametrize(("name", "number"), [("AWS_CA_BUNDLE", 0), ("SSL_CERT_FILE", 1)])
async def test_default_certificates_are_added_to_those_of_openssl_variables(
    tls: ssl.SSLContext, name: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_DIR belongs to SSL_CERT_FILE; AWS_CA_BUNDLE replaces all others."""
    loaded: list[ssl.SSLContext] = []

    def load(context: ssl.SSLContext) -> None:
        loaded.append(context)

    monkeypatch.setenv(name, str(CERTIFICATE))
    async with ScriptedServer(tls=tls) as server:
        monkeypatch.setattr(ssl.SSLContext, "load_default_certs", load)
        await call(server.url)
    assert len(loaded) == number


async def test_certificates_are_read_once_for_concurrent_calls(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading them takes milliseconds, and happens in a thread."""
    reads: list[str] = []
    original = transport._trust_certificates

    def trust(path: str, origin: str) -> ssl.SSLContext:
        reads.append(path)
        return original(path, origin)

    monkeypatch.setattr(transport, "_trust_certificates", trust)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(CERTIFICATE))
    async with (
        ScriptedServer(tls=tls) as server,
        AsyncCognitoSession("eu-west-1", endpoint_url=server.url) as session,
    ):
        await asyncio.gather(*[reset(session.client("abc")) for _ in range(10)])
        assert len(server.requests) == 10
    assert reads == [str(CERTIFICATE)]


# --- connectors -------------------------------------------------------------------------------------------------------


async def test_connector_is_used_and_never_closed(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its TLS settings apply, several sessions share its connections, and the environment's settings do not apply."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_CA_BUNDLE", "missing.pem")
    async with ScriptedServer(tls=tls) as server:
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=CERTIFICATE))
        for _ in range(2):
            await call(server.url, connector=connector)
            assert not connector.closed
        assert (len(server.requests), server.connections) == (2, 1)
        await connector.close()


async def test_connector_with_proxy_and_ssl(tls: ssl.SSLContext) -> None:
    """The options take precedence over the connector's settings."""
    async with ScriptedServer(tls=tls) as server, Proxy(server.port) as proxy, aiohttp.TCPConnector() as connector:
        await call(HTTPS, connector=connector, proxy=proxy.url, ssl=CERTIFICATE)
        assert len(proxy.lines) == len(server.requests) == 1


async def test_connector_does_not_reuse_a_connection_with_surplus_data() -> None:
    """Data that arrived between two calls is never the response to the second, as with the session's own connector."""
    surplus = Surplus(http(SURPLUS))
    async with ScriptedServer(surplus, otherwise=echo_user) as server, aiohttp.TCPConnector() as connector:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, connector=connector) as session:
            client = session.client("abc")
            assert await username(client, "first") == "first"
            await surplus.write(server)
            assert await username(client, "second") == "second"
            assert await username(client, "third") == "third"
        assert server.connections == 2


async def test_early_data_on_a_new_connection_of_a_connector_is_not_surplus() -> None:
    """Servers send TLS session tickets after the handshake."""
    early = asyncio.Event()

    async def send_early(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        early.set()

    class Connector(aiohttp.TCPConnector):
        async def connect(self, *args: Any, **kwargs: Any) -> aiohttp.connector.Connection:
            connection = await super().connect(*args, **kwargs)
            transport: Any = connection.transport
            transport.pause_reading()
            await early.wait()
            transport.resume_reading()  # the data has arrived, and the event loop has not read it
            return connection

    async with ScriptedServer(on_connect=send_early, otherwise=echo_user) as server, Connector() as connector:
        async with AsyncCognitoSession("eu-west-1", endpoint_url=server.url, connector=connector) as session:
            assert await username(session.client("abc"), "first") == "first"
        assert server.connections == 1


async def test_closed_connector_ends_calls() -> None:
    """Nothing was sent."""
    async with aiohttp.TCPConnector() as connector:
        pass
    assert isinstance(await failure("http://127.0.0.1:9", connector=connector), SessionClosedError)


def test_connector_of_another_loop_is_refused() -> None:
    """It would fail later, with an error of aiohttp."""

    async def connect() -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector()

    connector = asyncio.run(connect())
    error = asyncio.run(failure("http://127.0.0.1:9", connector=connector))
    assert isinstance(error, ParameterValidationError)
    assert error.parameter == "connector"


@pytest.mark.parametrize("options", [{"proxy": "http://127.0.0.1:9"}, {"ssl": "ca.pem"}, {"connector": object()}])
def test_transport_excludes_the_options_of_aiohttp(options: Mapping[str, Any]) -> None:
    """They would have no effect."""
    with pytest.raises(ParameterValidationError, match="transport"):
        AsyncCognitoSession("eu-west-1", transport=ScriptedTransport(), **options)


@pytest.mark.parametrize(
    ("options", "parameter"),
    [({"ssl": True}, "ssl"), ({"ssl": 5}, "ssl"), ({"connector": object()}, "connector"), ({"proxy": 5}, "proxy")],
)
def test_options_of_the_wrong_type_are_refused(options: Mapping[str, Any], parameter: str) -> None:
    """When the session is created."""
    with pytest.raises(ParameterValidationError) as caught:
        AsyncCognitoSession("eu-west-1", **options)
    assert caught.value.parameter == parameter
