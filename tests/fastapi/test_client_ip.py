"""The client IP behind proxies."""

from ipaddress import ip_network
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from cognito_async.fastapi import ClientIpDep, Cognito, request
from cognito_async.fastapi.request import client_ip, is_ignored, parse_address
from tests.support.asgi import SETTINGS, asgi_client

PROXIES = tuple(map(ip_network, ("10.0.0.0/8", "2001:db8:ffff::/48")))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7:4711 ", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("203.0.113.7:port", None),
        ("203.0.113.07", None),
        ("[203.0.113.7", None),
        ("X203.0.113.7X", None),
        ("1" * 5000, None),
        ("203.0.113.7".rjust(100), "203.0.113.7"),
        ("203.0.113.7".rjust(101), None),
    ],
)
def test_parse_address(text: str, address: str | None) -> None:
    """Ports, brackets and quotes are accepted; other text is None."""
    found = parse_address(text)
    assert (found and str(found)) == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # the peer is not a trusted proxy
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),  # the client forged the first entry
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.7:99, [2001:db8:ffff::5]:80"], "203.0.113.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["garbage, 10.0.0.9"], "10.0.0.9"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        (None, ["203.0.113.7"], None),
        ("testclient", ["203.0.113.7"], None),
    ],
)
def test_client_ip_is_the_rightmost_untrusted_address(
    peer: str | None, forwarded: list[str], address: str | None
) -> None:
    """Entries are read from the right, past the trusted proxies."""
    found = client_ip(peer, forwarded, PROXIES)
    assert (found and str(found)) == address


@pytest.mark.parametrize("peer", [None, "", "testclient"])
def test_connection_without_an_address_is_trusted_on_request(peer: str | None) -> None:
    """As on a Unix socket; a proxy before it can be trusted, too."""
    forwarded = ["6.6.6.6, 203.0.113.7, 10.0.0.2"]
    assert str(client_ip(peer, forwarded, (*PROXIES, "unix"))) == "203.0.113.7"
    assert str(client_ip(peer, forwarded, ("unix",))) == "10.0.0.2"
    assert client_ip(peer, ["garbage"], ("unix",)) is None
    assert str(client_ip("198.51.100.1", forwarded, ("unix",))) == "198.51.100.1"


def site(*trusted: Any) -> FastAPI:
    """Create an application with a route that returns the client IP."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS.model_copy(update={"trusted_proxies": trusted})).lifespan)

    @app.get("/")
    async def read(ip: ClientIpDep) -> str:
        return str(ip)

    return app


@pytest.mark.parametrize(
    ("peer", "trusted", "records"),
    [
        (("192.0.2.1", 1), [], 1),
        (("192.0.2.1", 1), ["unix"], 1),
        (("192.0.2.1", 1), [ip_network("192.0.2.0/24")], 0),
        (None, [], 1),
        (None, [ip_network("192.0.2.0/24")], 1),
        (None, ["unix"], 0),
    ],
)
async def test_ignored_header_is_logged_once(
    peer: tuple[str, int] | None, trusted: list[Any], records: int, caplog: pytest.LogCaptureFixture
) -> None:
    """All clients of a proxy that is not trusted count as one. The log names the setting, and no address."""
    async with asgi_client(site(*trusted), client=peer) as http:
        for number in range(3):
            await http.get("/", headers={"X-Forwarded-For": f"203.0.113.{number}"})
    assert [(each.name, each.levelname) for each in caplog.records] == [("cognito_async.fastapi", "WARNING")] * records
    assert caplog.text.count("COGNITO_TRUSTED_PROXIES") == records
    assert "192.0.2.1" not in caplog.text
    assert "203.0.113" not in caplog.text


async def test_header_that_the_server_has_applied_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A server may replace the address of the connection; requests without the header have nothing to ignore."""
    async with asgi_client(site(), client=("2001:db8::7", 0)) as http:
        for headers in ({}, {"X-Forwarded-For": "6.6.6.6, [2001:db8::7]:80, 127.0.0.1"}):
            assert (await http.get("/", headers=headers)).json() == "2001:db8::7"
    assert not caplog.records


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the entries that are parsed."""
    texts: list[str] = []

    def parse(text: str) -> request.Address | None:
        texts.append(text)
        return parse_address(text)

    monkeypatch.setattr(request, "parse_address", parse)
    return texts


@pytest.mark.parametrize("header", [["1," * 5000 + "192.0.2.1"], ["1"] * 5000 + ["192.0.2.1"]])
@pytest.mark.parametrize(("peer", "records"), [("192.0.2.1", 0), ("192.0.2.2", 1)])
async def test_long_header_of_an_untrusted_connection_takes_bounded_work(
    header: list[str], peer: str, records: int, parsed: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A few entries are compared with the connection, from the right, until the warning is logged."""
    async with asgi_client(site(), client=(peer, 1)) as http:
        for _ in range(2):
            lines = [("X-Forwarded-For", value) for value in header]
            assert (await http.get("/", headers=lines)).json() == peer
    assert len(caplog.records) == records
    assert len(parsed) == (32 if records else 2)


@pytest.mark.parametrize(
    ("forwarded", "address", "count"),
    [
        (["6.6.6.6," * 5000 + "203.0.113.7"], "203.0.113.7", 1),
        (["203.0.113.7," + "10.0.0.2," * 30 + "10.0.0.3"], "203.0.113.7", 32),
        (["203.0.113.7"] + ["10.0.0.2"] * 31, "203.0.113.7", 32),
        (["203.0.113.7,10.0.0.9," + "10.0.0.2," * 30 + "10.0.0.3"], "10.0.0.9", 32),
        (["10.0.0.9", *["10.0.0.2"] * 5000], "10.0.0.2", 32),
    ],
)
def test_at_most_32_entries_of_trusted_proxies_are_read(
    forwarded: list[str], address: str, count: int, parsed: list[str]
) -> None:
    """More than that are not proxies, but the choice of a client in a trusted network."""
    assert str(client_ip("10.0.0.1", forwarded, PROXIES)) == address
    assert len(parsed) == count


def test_last_entries_show_that_the_server_has_applied_the_header() -> None:
    """The address of the connection is one of them."""
    assert not is_ignored("192.0.2.1", ["192.0.2.1" + ",::1" * 31], ())
    assert is_ignored("192.0.2.1", ["192.0.2.1" + ",::1" * 32], ())


@given(st.lists(st.text(max_size=60), max_size=4))
def test_client_ip_with_any_header_returns_an_address(forwarded: list[str]) -> None:
    """Without trusted proxies it is the peer."""
    assert client_ip("10.0.0.1", forwarded, PROXIES) is not None
    assert str(client_ip("10.0.0.1", forwarded, ())) == "10.0.0.1"
