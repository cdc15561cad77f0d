"""Signature Version 4, compared with botocore."""

from collections.abc import Mapping
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_async.protocol.signing import Credentials, sign

NOON = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
URL = "https://cognito-idp.eu-west-1.amazonaws.com/"
HEADERS = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "AWSCognitoIdentityProviderService.ListUsers",
}
# botocore's list of headers that proxies and tracers change.
UNSIGNED = (
    "baggage", "Connection", "Expect", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "traceparent",
    "tracestate", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "X-Amzn-Trace-Id",
)  # fmt: skip


def signed_by_botocore(  # noqa: PLR0917 - the signature of sign
    url: str, headers: Mapping[str, str], body: bytes, credentials: Credentials, region: str, now: datetime
) -> dict[str, str]:
    """Return the headers that botocore signs at a given time."""
    keys = BotocoreCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    request = AWSRequest(method="POST", url=url, data=body, headers=dict(headers))
    with patch.object(auth, "get_current_datetime", lambda: now.replace(tzinfo=None)):
        auth.SigV4Auth(keys, "cognito-idp", region).add_auth(request)
    return dict(request.headers.items())


LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
HOSTS = st.one_of(
    LABELS.map("{}.example".format),
    LABELS.map("HOST.{}".format),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
)
PORTS = st.just("") | st.sampled_from([":80", ":443"]) | st.integers(1, 65535).map(":{}".format)
URLS = st.builds(
    "{}://{}{}{}".format, st.sampled_from(["http", "https"]), HOSTS, PORTS, st.sampled_from(["", "/", "/base/path/"])
)
TOKEN_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
# Headers that the library or the HTTP library sets are not arbitrary.
OURS = frozenset({"authorization", "content-length", "date", "host", "x-amz-date", "x-amz-security-token"})
NAMES = (st.text(TOKEN_CHARACTERS, min_size=1, max_size=12) | st.sampled_from(UNSIGNED)).filter(
    lambda name: name.lower() not in OURS and name.lower() != "x-amz-content-sha256"
)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
ANY_HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6, unique_by=lambda pair: pair[0].lower()).map(dict)
SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
CREDENTIALS = st.builds(
    Credentials,
    access_key_id=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=24),
    secret_access_key=SECRETS,
    session_token=st.none() | SECRETS,
)
REGIONS = LABELS | st.sampled_from(["eu-west-1", "us-gov-west-1", "cn-north-1"])
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them naive


@settings(max_examples=300, deadline=None)
@given(url=URLS, headers=ANY_HEADERS, body=st.binary(), credentials=CREDENTIALS, region=REGIONS, now=TIMES)
@example(url=URL, headers=HEADERS, body=b"", credentials=KEYS, region="eu-west-1", now=NOON)
@example(url=URL, headers=HEADERS, body=bytes(100_000), credentials=KEYS, region="eu-west-1", now=NOON)
@example(url="http://[::1]:4566", headers={"a": "  b \t  c  "}, body=b"{}", credentials=KEYS, region="x", now=NOON)
def test_signed_headers_equal_botocore(  # noqa: PLR0917 - the signature of sign
    url: str, headers: dict[str, str], body: bytes, credentials: Credentials, region: str, now: datetime
) -> None:
    """For any body, headers, credentials, region, host, port and time."""
    ours = sign(url, headers, body, credentials, region, now)
    assert ours == signed_by_botocore(url, headers, body, credentials, region, now)


@pytest.mark.parametrize("name", UNSIGNED)
def test_headers_that_proxies_change_are_not_signed(name: str) -> None:
    """The same headers as in botocore."""
    ours = sign(URL, {**HEADERS, name: "before"}, b"{}", KEYS, "eu-west-1", NOON)
    changed = sign(URL, {**HEADERS, name: "after"}, b"{}", KEYS, "eu-west-1", NOON)
    assert ours["Authorization"] == changed["Authorization"]
    assert name.lower() not in ours["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert ours == signed_by_botocore(URL, {**HEADERS, name: "before"}, b"{}", KEYS, "eu-west-1", NOON)


@settings(deadline=None)
@given(segments=st.lists(st.sampled_from(["", ".", "..", "a", "b c", "d%20e", "é", "~_-.!$&'()*+,;=:@"]), max_size=5))
def test_signed_paths_equal_botocore(segments: list[str]) -> None:
    """Paths are normalized and quoted."""
    url = "/".join(["https://proxy.example", *segments, ""])
    ours = sign(url, HEADERS, b"{}", KEYS, "eu-west-1", NOON)
    assert ours == signed_by_botocore(url, HEADERS, b"{}", KEYS, "eu-west-1", NOON)


def test_trailing_dot_of_a_host_is_not_signed() -> None:
    """The transport sends the Host header without it."""
    plain, dotted = (
        sign(url, HEADERS, b"{}", KEYS, "eu-west-1", NOON) for url in ("http://host:1/", "http://host.:1/")
    )
    assert plain == dotted


def test_empty_session_token_is_not_sent() -> None:
    """Nor is it signed."""
    keys = Credentials(access_key_id="AKID", secret_access_key="secret", session_token="")
    assert sign(URL, HEADERS, b"{}", keys, "eu-west-1", NOON) == signed_by_botocore(
        URL, HEADERS, b"{}", keys, "eu-west-1", NOON
    )


def test_spaces_inside_credentials_are_signed() -> None:
    """They are valid, other than spaces at the start or end."""
    keys = Credentials(access_key_id="AK ID", secret_access_key="a secret", session_token="a token")
    assert sign(URL, HEADERS, b"{}", keys, "eu-west-1", NOON) == signed_by_botocore(
        URL, HEADERS, b"{}", keys, "eu-west-1", NOON
    )


def test_signing_again_replaces_the_signature() -> None:
    """The old date and signature are not signed."""
    earlier = sign(URL, HEADERS, b"{}", KEYS, "eu-west-1", NOON.replace(hour=11))
    assert sign(URL, earlier, b"{}", KEYS, "eu-west-1", NOON) == sign(URL, HEADERS, b"{}", KEYS, "eu-west-1", NOON)


def test_sign_does_not_change_its_arguments() -> None:
    """It returns new headers."""
    headers = dict(HEADERS)
    signed = sign(URL, headers, b"{}", KEYS, "eu-west-1", NOON)
    assert headers == HEADERS
    assert set(signed) - set(headers) == {"X-Amz-Date", "Authorization"}


def test_signature_equals_recorded_signature() -> None:
    """Recorded from botocore 1.44.5."""
    signed = sign(URL, HEADERS, b'{"UserPoolId": "eu-west-1_AbC"}', KEYS, "eu-west-1", NOON)
    assert signed["X-Amz-Date"] == "20261101T120000Z"
    assert signed["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261101/eu-west-1/cognito-idp/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
        "Signature=c913478b0c6a5e6c6c90e6569136f4d172eafa57d702e8211b6d34af5fdc4488"
    )


def test_repr_of_credentials_shows_only_the_access_key_id() -> None:
    """Not the secret or the token."""
    credentials = Credentials(access_key_id="AKID", secret_access_key="hush-secret", session_token="hush-token")
    shown = f"{credentials!r} {credentials}"
    assert "AKID" in shown
    assert "hush" not in shown
