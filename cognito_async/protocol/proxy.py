"""Proxy URLs, and the hosts that bypass a proxy."""

from base64 import b64encode
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from attrs import field, frozen
from yarl import URL

from cognito_async.errors import ParameterValidationError
from cognito_async.protocol.shapes import Record

PROXY_VARIABLES = {"https": ("https_proxy", "HTTPS_PROXY"), "http": ("http_proxy", "HTTP_PROXY")}
NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Proxy(Record):
    """An HTTP proxy; the repr masks its credentials."""

    url: URL  # without credentials
    authorization: str | None = field(default=None, metadata={"secret": True})


class ProxyVariables:
    """The proxy settings of an environment, copied when it is created and parsed when a URL needs them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._values = {
            scheme: next(((name, environ[name]) for name in names if name in environ), None)
            for scheme, names in PROXY_VARIABLES.items()
        }
        if "REQUEST_METHOD" in environ and self._values["http"] == ("HTTP_PROXY", environ.get("HTTP_PROXY")):
            del self._values["http"]  # in a CGI script, HTTP_PROXY is the request's header "Proxy"
        self._no_proxy = next((environ[name] for name in NO_PROXY_VARIABLES if name in environ), "")

    def find(self, url: URL) -> Proxy | None:
        """Return the proxy for a URL; None for a direct connection."""
        variable, value = self._values.get(url.scheme) or ("", "")
        if not value or bypasses(self._no_proxy, url.raw_host or "", url.port):
            return None
        proxy, rule = parse_proxy(value)
        del value
        if proxy is None:
            raise ParameterValidationError(variable, rule)
        return proxy


def parse_proxy(value: object) -> tuple[Proxy | None, str]:
    """Return the proxy with a URL, or None and the broken rule, to be raised from a frame without the credentials."""
    invalid = "must be a URL such as 'http://user:password@proxy.example:3128', special characters percent-encoded"
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        return None, invalid
    try:
        url = URL(value if "://" in value else f"http://{value}")
        host, port = url.raw_host, url.port
    except ValueError:
        return None, invalid
    if url.scheme.startswith("socks"):
        return None, "must be an http or https URL; for a SOCKS proxy pass connector="
    if url.scheme not in {"http", "https"} or not host or not port or url.path != "/" or url.query_string:
        return None, invalid
    if url.raw_user is None and url.raw_password is None:
        return Proxy(url=url.origin()), ""
    credentials = f"{url.user or ''}:{url.password or ''}".encode()
    return Proxy(url=url.origin(), authorization=f"Basic {b64encode(credentials).decode()}"), ""


def bypasses(no_proxy: str, host: str, port: int | None) -> bool:
    """Return whether ``NO_PROXY`` excludes a host from proxying.

    It lists domains (``example.com`` or ``.example.com``, both with their subdomains), IP addresses and networks, each
    with an optional port, separated by commas; ``*`` for all hosts.
    """
    host = host.lower().removesuffix(".")
    address = _address(host)
    for entry in no_proxy.lower().replace(",", " ").split():
        name, entry_port = _split_port(entry)
        if entry_port and entry_port != str(port):
            continue
        if name == "*" or (_contains(name, address) if address else _is_domain_of(name, host)):
            return True
    return False


def _split_port(entry: str) -> tuple[str, str]:
    """Split ``host:port``, ``[::1]:port`` or an entry without a port, which an IPv6 address can be."""
    name, _, port = entry.rpartition(":")
    if not port.isdigit() or not name or (":" in name and not name.endswith("]")):
        name, port = entry, ""
    return name.removeprefix("[").removesuffix("]"), port


def _is_domain_of(name: str, host: str) -> bool:
    domain = name.removeprefix("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _contains(name: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return address in ip_network(name, strict=False)
    except ValueError:
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
