"""Proxy URLs and the hosts that bypass a proxy."""

import pytest
from yarl import URL

from cognito_async import ParameterValidationError
from cognito_async.protocol.proxy import ProxyVariables, bypasses, parse_proxy

SERVICE = URL("https://cognito-idp.eu-west-1.amazonaws.com/")
LOCAL = URL("http://127.0.0.1:4566/")


@pytest.mark.parametrize(
    ("value", "url", "authorization"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", None),
        ("http://proxy.example:3128/", "http://proxy.example:3128", None),
        ("https://proxy.example", "https://proxy.example", None),
        ("proxy.example:3128", "http://proxy.example:3128", None),
        ("10.0.0.1:3128", "http://10.0.0.1:3128", None),
        ("http://[::1]:3128", "http://[::1]:3128", None),
        ("HTTP://Proxy.Example:3128", "http://proxy.example:3128", None),
        ("http://ada:secret@proxy.example:3128", "http://proxy.example:3128", "Basic YWRhOnNlY3JldA=="),
        ("ada:secret@proxy.example:3128", "http://proxy.example:3128", "Basic YWRhOnNlY3JldA=="),
        ("http://ada:p%40ss%3A%2F@proxy.example", "http://proxy.example", "Basic YWRhOnBAc3M6Lw=="),
        ("http://ada@proxy.example", "http://proxy.example", "Basic YWRhOg=="),
        ("http://:secret@proxy.example", "http://proxy.example", "Basic OnNlY3JldA=="),
    ],
)
def test_proxy_url_is_split_from_its_credentials(value: str, url: str, authorization: str | None) -> None:
    """The URL of a proxy never contains the credentials, which are percent-decoded for the header."""
    proxy, rule = parse_proxy(value)
    assert proxy is not None
    assert (str(proxy.url), proxy.authorization, rule) == (url, authorization, "")


def test_proxy_repr_masks_the_credentials() -> None:
    """Neither the plain nor the encoded credentials are shown."""
    proxy, _ = parse_proxy("http://ada:secret@proxy.example:3128")
    assert "proxy.example:3128" in repr(proxy)
    assert "secret" not in repr(proxy)
    assert "YWRhOnNlY3JldA" not in repr(proxy)


@pytest.mark.parametrize(
    "value",
    [
        *("http://", "http://proxy.example:port", "http://proxy.example:0", "http://proxy.example:99999"),
        *(
            "ftp://proxy.example",
            "socks5://proxy.example:1080",
            "http://proxy.example/path",
            "http://proxy.example?a=b",
        ),
        *("http://proxy .example", "http://proxy.example\n", "http://user:pa/ss@proxy.example", "://", 5, b"http://a"),
    ],
)
def test_invalid_proxy_url_is_refused_without_its_value(value: object) -> None:
    """The rule says what is valid and does not quote the URL."""
    proxy, rule = parse_proxy(value)
    assert proxy is None
    assert rule.startswith("must be a")
    assert "pa/ss" not in rule
    assert ("connector=" in rule) == str(value).startswith("socks")


@pytest.mark.parametrize(
    ("environ", "url", "found"),
    [
        ({}, SERVICE, None),
        ({"HTTPS_PROXY": "http://a.example:1"}, SERVICE, "http://a.example:1"),
        ({"https_proxy": "http://a.example:1"}, SERVICE, "http://a.example:1"),
        ({"HTTPS_PROXY": "http://a.example:1", "https_proxy": "http://b.example:1"}, SERVICE, "http://b.example:1"),
        ({"HTTPS_PROXY": "http://a.example:1", "https_proxy": ""}, SERVICE, None),
        ({"HTTPS_PROXY": "http://a.example:1"}, LOCAL, None),
        ({"HTTP_PROXY": "http://a.example:1"}, LOCAL, "http://a.example:1"),
        ({"HTTP_PROXY": "http://a.example:1"}, SERVICE, None),
        ({"HTTP_PROXY": "http://a.example:1", "REQUEST_METHOD": "GET"}, LOCAL, None),
        ({"http_proxy": "http://a.example:1", "REQUEST_METHOD": "GET"}, LOCAL, "http://a.example:1"),
        ({"HTTP_PROXY": "http://a.example:1", "NO_PROXY": "127.0.0.1"}, LOCAL, None),
        ({"HTTP_PROXY": "http://a.example:1", "NO_PROXY": "127.0.0.1:4566"}, LOCAL, None),
        ({"HTTP_PROXY": "http://a.example:1", "NO_PROXY": "127.0.0.1", "no_proxy": ""}, LOCAL, "http://a.example:1"),
        ({"HTTPS_PROXY": "http://a.example:1", "no_proxy": ".amazonaws.com"}, SERVICE, None),
        ({"HTTPS_PROXY": "not a URL", "no_proxy": ".amazonaws.com"}, SERVICE, None),
        ({"ALL_PROXY": "http://a.example:1"}, SERVICE, None),
    ],
)
def test_environment_proxy_depends_on_scheme_and_no_proxy(environ: dict[str, str], url: URL, found: str | None) -> None:
    """Lower case takes precedence, and an empty variable disables the proxy."""
    proxy = ProxyVariables(environ).find(url)
    assert (None if proxy is None else str(proxy.url)) == found


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_invalid_environment_proxy_names_the_variable(name: str) -> None:
    """The error names the variable as it is written and not its value."""
    with pytest.raises(ParameterValidationError) as caught:
        ProxyVariables({name: "http://ada:secret@proxy.example:port"}).find(SERVICE)
    assert caught.value.parameter == name
    assert "must be a URL" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port"),
    [
        ("*", "example.com", 443),
        ("example.com", "example.com", 443),
        ("EXAMPLE.com", "Example.COM.", 443),
        ("example.com", "a.example.com", 443),
        (".example.com", "a.example.com", 443),
        (".example.com", "example.com", 443),
        ("*.example.com", "a.example.com", 443),
        ("a.example,example.com , b.example", "example.com", 443),
        ("a.example example.com", "example.com", 443),
        ("example.com:443", "example.com", 443),
        ("example.com:8443,example.com:443", "example.com", 443),
        ("127.0.0.1", "127.0.0.1", 80),
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("127.0.0.0/8", "127.1.2.3", 80),
        ("127.0.0.1/8", "127.1.2.3", 80),
        ("::1", "::1", 80),
        ("[::1]", "::1", 80),
        ("[::1]:80", "::1", 80),
        ("fd00::/8", "fd00::5", 80),
    ],
)
def test_no_proxy_excludes_hosts_domains_addresses_and_networks(no_proxy: str, host: str, port: int) -> None:
    """Each kind of entry, with and without a port."""
    assert bypasses(no_proxy, host, port)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port"),
    [
        ("", "example.com", 443),
        ("example.com", "notexample.com", 443),
        ("example.com", "example.com.evil", 443),
        ("example.com:8443", "example.com", 443),
        ("example.com:", "example.com", 443),
        ("127.0.0.1:81", "127.0.0.1", 80),
        ("10.0.0.0/8", "127.0.0.1", 80),
        ("0.0.1", "127.0.0.1", 80),
        ("[::1]:81", "::1", 80),
        ("fd00::/8", "127.0.0.1", 80),
        (",, .", "example.com", 443),
    ],
)
def test_no_proxy_does_not_exclude_others(no_proxy: str, host: str, port: int) -> None:
    """Neither hosts with a similar name nor other ports."""
    assert not bypasses(no_proxy, host, port)
