"""Endpoints of regions, compared with a recorded table and with botocore's endpoint rules."""

import csv
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cognito_async import AsyncCognitoSession
from cognito_async.errors import CognitoError, ParameterValidationError
from cognito_async.protocol.endpoints import (
    check_endpoint_url,
    check_pool_id,
    check_region,
    is_aws_pool_id,
    issuers,
    pool_id_rule,
    region_of_pool,
    service_url,
)

RECORDED = Path(__file__).parents[1] / "data" / "endpoints.csv"
VARIANTS = tuple(product((False, True), repeat=2))


def recorded() -> list[tuple[str, bool, bool, str]]:
    """Return the recorded endpoints."""
    with RECORDED.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return [(row["region"], row["fips"] == "True", row["dualstack"] == "True", row["url"]) for row in rows]


@cache
def provider() -> Any:
    """Return botocore's rule set for the service."""
    loader = Loader()
    rules = loader.load_service_model("cognito-idp", "endpoint-rule-set-1")
    return EndpointProvider(rules, loader.load_data("partitions"))


def partitions() -> list[dict[str, Any]]:
    """Return botocore's partitions."""
    found: list[dict[str, Any]] = Loader().load_data("partitions")["partitions"]
    return found


def resolved(region: str, *, fips: bool, dualstack: bool) -> str:
    """Return the endpoint that botocore resolves."""
    return str(provider().resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dualstack).url)


REGIONS = sorted({region for partition in partitions() for region in partition["regions"]})


@pytest.mark.parametrize(("region", "fips", "dualstack", "url"), recorded())
def test_service_url_equals_recorded_endpoint(region: str, *, fips: bool, dualstack: bool, url: str) -> None:
    """For each row of the table."""
    assert service_url(region, use_fips=fips, use_dualstack=dualstack) == url


def test_recorded_endpoints_cover_all_partitions() -> None:
    """The table has each combination of its regions once."""
    rows = recorded()
    assert len(rows) == len({row[:3] for row in rows}) == 4 * len({row[0] for row in rows}) == 224
    named = {row[0] for row in rows}
    for partition in partitions():
        assert named & set(partition["regions"]), partition["id"]


@pytest.mark.parametrize("region", REGIONS)
def test_service_url_equals_botocore_for_known_regions(region: str) -> None:
    """In all four variants."""
    for fips, dualstack in VARIANTS:
        expected = resolved(region, fips=fips, dualstack=dualstack)
        assert service_url(region, use_fips=fips, use_dualstack=dualstack) == expected


PREFIXES = st.sampled_from(
    [
        "us",
        "eu",
        "mars",
        "cn",
        "us-gov",
        "eusc-de",
        "eusc-fr",
        "us-iso",
        "us-isob",
        "eu-isoe",
        "us-isof",
        "us-isog",
        "eu-iso",
    ]
)
NEW_REGIONS = st.builds(
    "{}-{}-{}".format, PREFIXES, st.text("abcdefgh0", min_size=1, max_size=6), st.integers(0, 99)
) | (st.from_regex(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True))


@settings(max_examples=200, deadline=None)
@given(region=NEW_REGIONS, fips=st.booleans(), dualstack=st.booleans())
@example(region="us-isob-new-1", fips=True, dualstack=True)
@example(region="eusc-de-west-2", fips=False, dualstack=True)
@example(region="aws-global", fips=True, dualstack=False)
@example(region="r" * 63, fips=False, dualstack=False)
def test_service_url_equals_botocore_for_future_regions(region: str, *, fips: bool, dualstack: bool) -> None:
    """The partition follows from the region's name."""
    assert service_url(region, use_fips=fips, use_dualstack=dualstack) == resolved(
        region, fips=fips, dualstack=dualstack
    )


BAD_REGIONS: tuple[Any, ...] = (
    *(
        "",
        " ",
        "x.evil.com/",
        "x.evil.com",
        "eu-west-1/",
        "eu-west-1#",
        "eu-west-1?",
        "eu-west-1:80",
        "a@evil.com",
        "a%2e",
    ),
    *(
        "EU-WEST-1",
        "eu-West-1",
        " eu-west-1",
        "eu-west-1 ",
        "eu west 1",
        "eu-west-1\n",
        "eu\n",
        "\neu-west-1",
        "eu_west_1",
    ),
    *(
        "-eu-west-1",
        "eu-west-1-",
        "1eu",
        "é",
        "eu-west-\N{ARABIC-INDIC DIGIT ONE}",
        "\N{FULLWIDTH LATIN SMALL LETTER E}u-west-1",
        "eu-west-1\x00",
        "r" * 64,
        "r" * 10_000,
    ),
    *("..", "\\", "[::1]", b"eu-west-1", 1, 1.5, True, None, ["eu-west-1"], {"eu-west-1"}),
)


@pytest.mark.parametrize("check", [check_region, service_url], ids=["check_region", "service_url"])
@pytest.mark.parametrize("region", BAD_REGIONS, ids=lambda region: repr(region)[:20])
def test_invalid_region_is_refused(check: Callable[[Any], str], region: Any) -> None:
    """It could lead a request, with its signature, to another host."""
    with pytest.raises(ParameterValidationError) as caught:
        check(region)
    assert caught.value.parameter == "region"
    assert "eu-west-1" in caught.value.rule
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    "region", [region for region in BAD_REGIONS if region is not None], ids=lambda region: repr(region)[:20]
)
def test_session_with_invalid_region_is_refused(region: Any) -> None:
    """The constructor raises the error."""
    with pytest.raises(ParameterValidationError):
        AsyncCognitoSession(region)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_invalid_region_in_environment_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is checked like an argument."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv(name, "x.evil.com/")
    async with AsyncCognitoSession() as session:
        with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == name):
            await session.client("client").forgot_password(username="ada")


@settings(max_examples=300, deadline=None)
@given(region=st.text(max_size=70))
def test_any_text_is_a_region_or_refused(region: str) -> None:
    """The host of the URL is always the service's."""
    try:
        url = service_url(region)
    except CognitoError:
        return
    assert url == f"https://cognito-idp.{region}.amazonaws.com" or url.startswith(f"https://cognito-idp.{region}.")
    assert region.isascii()
    assert region.replace("-", "").isalnum()


GOOD_URLS = (
    ("https://cognito-idp.eu-west-1.amazonaws.com", "https://cognito-idp.eu-west-1.amazonaws.com"),
    ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
    ("http://127.0.0.1:4566/", "http://127.0.0.1:4566"),
    ("http://[::1]:65535/", "http://[::1]:65535"),
    ("http://[0:0::0:1]", "http://[::1]"),
    ("https://proxy.example/cognito/", "https://proxy.example/cognito"),
    ("https://proxy.example/X/", "https://proxy.example/X"),
    ("HTTP://LOCALHOST:1", "http://localhost:1"),
    ("http://cognito_local:9229", "http://cognito_local:9229"),
    ("http://localhost.:80", "http://localhost."),
    ("http://b\u00fccher.example", "http://xn--bcher-kva.example"),
    (f"http://{'a' * 63}.{'b' * 63}.example", f"http://{'a' * 63}.{'b' * 63}.example"),
    (f"http://{'a.' * 126}b", f"http://{'a.' * 126}b"),
    ("http://host/a b/%2F/\u00fc/~/%7e/%", "http://host/a%20b/%2F/%C3%BC/~/~/%25"),
    ("http://host/a/../b/./c/@:;=", "http://host/b/c/@:;="),
    (
        "https://vpce-0a1b.cognito-idp.eu-west-1.vpce.amazonaws.com",
        "https://vpce-0a1b.cognito-idp.eu-west-1.vpce.amazonaws.com",
    ),
)


@pytest.mark.parametrize(("given_url", "url"), GOOD_URLS)
def test_endpoint_is_normalized(given_url: str, url: str) -> None:
    """The host is in lower-case ASCII, the path is quoted, and the slash at the end is removed."""
    assert check_endpoint_url(given_url) == url
    assert check_endpoint_url(url) == url


BAD_URLS: tuple[Any, ...] = (
    *("", " ", "localhost", "localhost:4566", "//localhost", "/path", "ftp://host", "ws://host", "file:///etc/passwd"),
    *(
        "http://",
        "http:///path",
        "https://:443",
        "http:host",
        "javascript:alert(1)",
        "http://host?query=1",
        "http://host/?",
    ),
    *("http://host#fragment", "http://host/#", "http://host:0", "http://host:99999", "http://host:-1", "http://host:x"),
    *(
        "http://host:80:80",
        "http://[::1",
        "http://::1]",
        "http://[bad]",
        " http://host",
        "http://host ",
        "http://ho st",
    ),
    *(
        "http://host\n",
        "http://host/\r\nX-Evil: 1",
        "http://ho\tst",
        "http://host\x00",
        "http://host\x7f",
        "http://ho\u200bst",
    ),
    *("http://host\\evil.com", "http://host\\", None, 1, b"http://host", ["http://host"]),
    # Hosts that cannot be looked up
    *("http://a..b", "http://.a", "http://a..", "http://.", "http://..", "http://-a", "http://a-.b", "http://a,b"),
    *("http://a%41", "http://a*b", f"http://{'a' * 64}", f"http://{'a.' * 127}com", "http://xn--", "http://xn--a"),
    *("http://1.2.3.256", "http://1.2.3", "http://a.1", "http://[v1.a]", "http://[::1%25lo]", "http://a\u3002\u3002b"),
    "http://host:65536",
)


@pytest.mark.parametrize("endpoint_url", BAD_URLS, ids=lambda endpoint_url: repr(endpoint_url)[:30])
def test_invalid_endpoint_is_rejected_at_construction(endpoint_url: Any) -> None:
    """Another scheme, an unusable host or port, a query, a fragment or control characters never reach a call."""
    with pytest.raises(ParameterValidationError) as caught:
        check_endpoint_url(endpoint_url)
    assert caught.value.parameter == "endpoint_url"
    if endpoint_url is not None:
        with pytest.raises(ParameterValidationError):
            AsyncCognitoSession("eu-west-1", endpoint_url=endpoint_url)


WITH_CREDENTIALS = (
    "http://me:hush@host",
    "http://me@host",
    "http://:hush@host",
    "http://@host",
    "http://@host/path",
)


@pytest.mark.parametrize("endpoint_url", WITH_CREDENTIALS)
def test_credentials_in_an_endpoint_are_rejected(endpoint_url: str) -> None:
    """A user name or password in the URL would end up in logs; the error does not repeat it."""
    with pytest.raises(ParameterValidationError) as caught:
        check_endpoint_url(endpoint_url)
    assert caught.value.parameter == "endpoint_url"
    assert "password" in caught.value.rule
    assert "hush" not in str(caught.value)


def test_at_sign_in_a_path_is_allowed() -> None:
    """Only the authority may not contain credentials."""
    assert check_endpoint_url("http://host/@ada") == "http://host/@ada"


@pytest.mark.parametrize(("fips", "dualstack"), [variant for variant in VARIANTS if any(variant)])
def test_endpoint_with_fips_or_dualstack_is_refused(*, fips: bool, dualstack: bool) -> None:
    """FIPS and dual-stack select the endpoint; botocore's rules refuse the combination, too."""
    url = "https://host.example"
    with pytest.raises(ParameterValidationError, match="use_fips or use_dualstack") as caught:
        check_endpoint_url(url, use_fips=fips, use_dualstack=dualstack)
    assert caught.value.parameter == "endpoint_url"
    with pytest.raises(ParameterValidationError):
        AsyncCognitoSession("eu-west-1", endpoint_url=url, use_fips=fips, use_dualstack=dualstack)
    with pytest.raises(Exception, match="not supported"):
        provider().resolve_endpoint(Region="eu-west-1", UseFIPS=fips, UseDualStack=dualstack, Endpoint=url)


@settings(max_examples=300, deadline=None)
@given(endpoint_url=st.text(max_size=30) | st.text(max_size=30).map("http://{}".format))
def test_any_text_is_an_endpoint_or_refused(endpoint_url: str) -> None:
    """No other error is raised."""
    try:
        url = check_endpoint_url(endpoint_url)
    except CognitoError:
        return
    assert url.partition("://")[0].lower() in {"http", "https"}
    assert "@" not in url.partition("://")[2].partition("/")[0]


POOLS: tuple[tuple[Any, str | None], ...] = (
    ("eu-west-1_AbC123xyz", "eu-west-1"),
    ("us-gov-west-1_a", "us-gov-west-1"),
    ("mars-north-9_X_Y", "mars-north-9"),
    ("eu-west-1_", "eu-west-1"),
    ("eu-west-1", None),
    ("_AbC", None),
    ("x.evil.com/_AbC", None),
    ("EU-WEST-1_AbC", None),
    ("eu west_AbC", None),
    ("", None),
    (None, None),
    (7, None),
    (b"eu-west-1_AbC", None),
)


@pytest.mark.parametrize(("user_pool_id", "region"), POOLS)
def test_region_of_user_pool_id(user_pool_id: Any, region: str | None) -> None:
    """The ID starts with the region."""
    assert region_of_pool(user_pool_id) == region


@pytest.mark.parametrize("pool", ["eu-west-1_X", "us-gov-west-1_AbC123", "eusc-de-east-1_9", f"eu-west-1_{'x' * 45}"])
def test_user_pool_id_of_aws_is_valid_everywhere(pool: str) -> None:
    """It starts with a region."""
    assert pool_id_rule(pool, at_aws=True) is None
    assert pool_id_rule(pool, at_aws=False) is None
    assert is_aws_pool_id(pool)
    check_pool_id(pool, at_aws=True)


@pytest.mark.parametrize("pool", ["local_abc", "Local_abc", "my_local_abc", "eu-west1_X", "EU-WEST-1_X", "-_0"])
def test_user_pool_id_of_an_emulator_is_valid_at_an_endpoint_only(pool: str) -> None:
    """The error names the option."""
    assert pool_id_rule(pool, at_aws=False) is None
    assert "endpoint_url" in str(pool_id_rule(pool, at_aws=True))
    assert not is_aws_pool_id(pool)
    with pytest.raises(ParameterValidationError) as caught:
        check_pool_id(pool, at_aws=True)
    assert (caught.value.parameter, caught.value.rule) == ("user_pool_id", pool_id_rule(pool, at_aws=True))


def test_issuers_of_a_pool_of_an_emulator_need_a_region() -> None:
    """Of any name that can be part of a host name."""
    assert issuers("local_abc") == {
        "https://cognito-idp.local.amazonaws.com/local_abc",
        "https://issuer-cognito-idp.local.amazonaws.com/local_abc",
    }
    with pytest.raises(ParameterValidationError) as caught:
        issuers("Local_abc")
    assert caught.value.parameter == "user_pool_id"
    assert "eu-west-1_" in caught.value.rule


@pytest.mark.parametrize(
    "pool",
    [
        *("", "eu-west-1-X", "AbC123", "_AbC123", "eu-west-1_", "eu-west-1_A\n", "eu west_X", "eu-west-1_\uff11"),
        *("eu-west-1_A-b", f"eu-west-1_{'x' * 46}", None, 7, b"eu-west-1_X"),
    ],
)
def test_user_pool_id_of_another_form_is_refused(pool: Any) -> None:
    """The form is that of the service model."""
    for at_aws in (False, True):
        rule = pool_id_rule(pool, at_aws=at_aws)
        assert rule is not None
        assert "endpoint_url" not in rule
    with pytest.raises(ParameterValidationError):
        check_pool_id(pool, at_aws=False)
