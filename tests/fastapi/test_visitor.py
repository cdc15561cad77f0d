"""Visitors: their address behind proxies, what they are counted as, and their language."""

from ipaddress import ip_network
from typing import Annotated

import pytest
from fastapi import FastAPI, Form
from hypothesis import given
from hypothesis import strategies as st

from cognito_async.fastapi import ClientMetadataDep, Cognito, CognitoSettings, FormUserContextDep, UserContextDep
from cognito_async.fastapi.visitor import household, preferred_language, read_address, visitor_address
from tests.fastapi.test_lifespan import visiting

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
        ("1" * 5000, None),
    ],
)
def test_an_address_is_read(text: str, address: str | None) -> None:
    """Addresses come with ports, brackets and quotes; what is none is None."""
    found = read_address(text)
    assert (found and str(found)) == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # the peer is nobody's proxy: its word counts for nothing
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),  # forged by the visitor, and added to by the proxy
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
def test_the_visitor_is_the_first_who_is_no_proxy(peer: str | None, forwarded: list[str], address: str | None) -> None:
    """The walk goes from the right, and ends at the first address that no trusted proxy has."""
    found = visitor_address(peer, forwarded, PROXIES)
    assert (found and str(found)) == address


@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_header_is_survived(forwarded: list[str]) -> None:
    """Whatever a header holds, there is an address, and by default it is the peer's."""
    assert visitor_address("10.0.0.1", forwarded, PROXIES) is not None
    assert str(visitor_address("10.0.0.1", forwarded, ())) == "10.0.0.1"


def test_an_ipv6_network_counts_as_one() -> None:
    """Addresses of one /64 are one visitor; IPv4 addresses are each their own."""
    assert household(read_address("2001:db8::1")) == household(read_address("2001:db8::ffff:1")) == "2001:db8::/64"
    assert household(read_address("203.0.113.7")) == "203.0.113.7"
    assert household(None) == "unknown"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, None),
        ("", None),
        ("de-CH, de;q=0.9, en;q=0.8", "de-CH"),
        ("en;q=0.2, fr ; q=0.7", "fr"),
        ("en;q=0, fr;q=0.001", "fr"),
        ("*", None),
        ("en-US,en", "en-US"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("not_a_tag, x, it", "it"),
        ("en\x00, <script>", None),
        ("en;q=2, de;q=nan", None),
        ("de," * 400, None),
    ],
)
def test_the_language_that_is_liked_best(header: str | None, language: str | None) -> None:
    """The highest weight wins, then the order; what is no tag is left out, and a huge header is not read."""
    assert preferred_language(header) == language


async def test_routes_get_the_context() -> None:
    """The address, the form's data and the language reach a route; garbage in headers harms nobody."""
    settings = CognitoSettings(client_id="abc", region="eu-west-1", trusted_proxies=(ip_network("192.0.2.0/24"),))
    app = FastAPI(lifespan=Cognito(settings=settings).lifespan)

    @app.get("/")
    async def look(context: UserContextDep, metadata: ClientMetadataDep) -> tuple[str | None, dict[str, str]]:
        return context.ip_address if context else None, dict(metadata)

    @app.post("/")
    async def form(context: FormUserContextDep, name: Annotated[str, Form()]) -> list[str | None]:
        return [name, context.ip_address if context else None, context.encoded_data if context else None]

    headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7", "Accept-Language": "de-CH"}
    async with visiting(app) as visitor:
        assert (await visitor.get("/", headers=headers)).json() == ["203.0.113.7", {"locale": "de-CH"}]
        garbage = {b"X-Forwarded-For": b"\xff\xfe, \x01", b"Accept-Language": b"\xff"}
        assert (await visitor.get("/", headers=garbage)).json() == ["192.0.2.1", {}]
        sent = await visitor.post("/", data={"name": "ada", "encoded_data": "eyJ9"})
        assert sent.json() == ["ada", "192.0.2.1", "eyJ9"]
        assert (await visitor.post("/", data={"name": "ada"})).json() == ["ada", "192.0.2.1", None]
    async with visiting(app, client=("", 0)) as visitor:  # as on a Unix socket
        assert (await visitor.post("/", data={"name": "ada", "encoded_data": "eyJ9"})).json() == ["ada", None, "eyJ9"]
        assert (await visitor.post("/", data={"name": "ada"})).json() == ["ada", None, None]
