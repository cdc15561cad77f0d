"""The client IP behind proxies."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_async.fastapi.request_origin import client_ip, parse_address

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


@given(st.lists(st.text(max_size=60), max_size=4))
def test_client_ip_with_any_header_returns_an_address(forwarded: list[str]) -> None:
    """Without trusted proxies it is the peer."""
    assert client_ip("10.0.0.1", forwarded, PROXIES) is not None
    assert str(client_ip("10.0.0.1", forwarded, ())) == "10.0.0.1"
