"""AWS Signature Version 4 for POST requests with a JSON body. Pure: the time is an argument.

See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

from attrs import field, frozen

from cognito_async.errors import ParameterValidationError
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.validation import broken_form

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "cognito-idp"
DEFAULT_PORTS = {"http": 80, "https": 443}
# Headers that proxies and tracers may change, and the signature itself.
UNSIGNED_HEADERS = frozenset(
    {
        *("accept-encoding", "authorization", "baggage", "connection", "expect", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade"),
        *("user-agent", "x-amzn-trace-id"),
    }
)


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Credentials(Record):
    """AWS credentials; the repr shows only the access key ID."""

    __module__ = "cognito_async"

    access_key_id: str
    """The access key ID."""

    secret_access_key: str = field(metadata={"secret": True})
    """The secret access key."""

    session_token: str | None = field(default=None, metadata={"secret": True})
    """The session token of temporary credentials; None or "" for long-term ones."""

    def __init__(self, *, access_key_id: str, secret_access_key: str, session_token: str | None = None) -> None:
        """Raise ParameterValidationError for a value that is empty or contains line breaks or control characters."""
        rules = {
            "access_key_id": broken_form(access_key_id, spaces=True),
            "secret_access_key": broken_form(secret_access_key, spaces=True),
            "session_token": broken_form(session_token, spaces=True) if session_token else None,
        }
        broken = next(((name, rule) for name, rule in rules.items() if rule is not None), None)
        if broken is None:
            self.__setstate__((access_key_id, secret_access_key, session_token))
        del access_key_id, secret_access_key, session_token  # keeps them out of tracebacks that show locals
        if broken is not None:
            raise ParameterValidationError(*broken)


def sign(  # noqa: PLR0917 - in the order of the signature's parts
    url: str, headers: Mapping[str, str], body: bytes, credentials: Credentials, region: str, now: datetime
) -> dict[str, str]:
    """Return the headers of a signed POST request to a URL as it is sent; ``now`` is in UTC."""
    timestamp = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {**headers, "X-Amz-Date": timestamp}
    if credentials.session_token:
        headers["X-Amz-Security-Token"] = credentials.session_token
    names, canonical = _canonical_request(url, headers, body)
    scope = f"{timestamp[:8]}/{region}/{SERVICE}/aws4_request"
    text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _canonical_request(url: str, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    parts = urlsplit(url)
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    signed["host"] = _host(url)
    lines = [(name, value) for name, value in sorted(signed.items()) if name not in UNSIGNED_HEADERS]
    names = ";".join(name for name, _ in lines)
    values = "".join(f"{name}:{value}\n" for name, value in lines)
    path = quote(_normal_path(parts.path))
    return names, f"POST\n{path}\n\n{values}\n{names}\n{sha256(body).hexdigest()}"


def _normal_path(path: str) -> str:
    """Resolve dot segments and remove empty segments, as the service does when it checks the signature."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    end = "/" if segments and path.endswith("/") else ""
    return f"/{'/'.join(segments)}{end}"


def _host(url: str) -> str:
    """Return the Host header that the transport sends: without a trailing dot and the scheme's default port."""
    parts = urlsplit(url)
    name = (parts.hostname or "").removesuffix(".")
    host = f"[{name}]" if ":" in name else name
    return host if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)} else f"{host}:{parts.port}"
