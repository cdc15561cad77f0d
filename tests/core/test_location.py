"""Region, endpoint and attempts from environment variables and from a profile of the AWS config file."""

import asyncio
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cognito_async import (
    AsyncCognitoSession,
    ConnectError,
    Credentials,
    ParameterValidationError,
    RetryPolicy,
    location,
)
from tests.support.canaries import CANARY, leaking_frames
from tests.support.scripted_transport import ScriptedTransport, reset, respond

KEYS = Credentials(access_key_id="AKID", secret_access_key="secret")
REGIONAL = "https://cognito-idp.us-east-1.amazonaws.com/"
FIPS = "https://cognito-idp-fips.us-east-1.amazonaws.com/"
GOVERNMENT = {"AWS_REGION": "us-gov-west-1"}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the AWS config file with ``PROFILES``, in a home that holds nothing else."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(PROFILES)
    return tmp_path / ".aws" / "config"


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set a region, so that no test reads the profile of the machine."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return monkeypatch


async def url_of_call(*, user_pool_id: str | None = None, **options: Any) -> str:
    """Return the URL to which an unsigned call is sent."""
    transport = ScriptedTransport(respond())
    async with AsyncCognitoSession(transport=transport, **options) as session:
        await reset(session.client("abc", user_pool_id=user_pool_id))
    return transport.attempts[0].url


async def attempts_of_call(**options: Any) -> int:
    """Return the number of attempts of a call that never reaches the service."""
    transport = ScriptedTransport(*[ConnectError("no connection", sent=False)] * 9)
    async with AsyncCognitoSession("eu-west-1", transport=transport, **options) as session:
        with pytest.raises(ConnectError):
            await reset(session.client("abc"))
    return len(transport.attempts)


# --- environment variables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "options", "url"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, {}, FIPS),
        ({"AWS_USE_FIPS_ENDPOINT": "TRUE"}, {}, FIPS),
        ({"AWS_USE_FIPS_ENDPOINT": "false"}, {}, REGIONAL),
        ({"AWS_USE_FIPS_ENDPOINT": ""}, {}, REGIONAL),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, {"use_fips": False}, REGIONAL),
        ({"AWS_USE_FIPS_ENDPOINT": "false"}, {"use_fips": True}, FIPS),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, {"endpoint_url": "http://a.example"}, "http://a.example/"),
        (
            {**GOVERNMENT, "AWS_USE_DUALSTACK_ENDPOINT": "true"},
            {},
            "https://cognito-idp.us-gov-west-1.api.aws/",
        ),
        (
            {**GOVERNMENT, "AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_USE_FIPS_ENDPOINT": "true"},
            {},
            "https://cognito-idp-fips.us-gov-west-1.api.aws/",
        ),
        ({"AWS_ENDPOINT_URL": "http://a.example"}, {"use_fips": True}, FIPS),
        ({"AWS_ENDPOINT_URL": "http://a.example"}, {"use_fips": False}, "http://a.example/"),
        ({"AWS_ENDPOINT_URL": "http://a.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, {}, REGIONAL),
        (
            {
                "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": "http://a.example",
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True",
                "AWS_USE_FIPS_ENDPOINT": "true",
            },
            {},
            FIPS,
        ),
        (
            {"AWS_ENDPOINT_URL": "http://a.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            {"endpoint_url": "http://b.example"},
            "http://b.example/",
        ),
        (
            {"AWS_ENDPOINT_URL": "not a URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            {},
            REGIONAL,
        ),
    ],
)
async def test_variables_select_the_endpoint(
    variables: Mapping[str, str], options: Mapping[str, Any], url: str, environ: pytest.MonkeyPatch
) -> None:
    """Arguments take precedence over variables."""
    for name, value in variables.items():
        environ.setenv(name, value)
    assert await url_of_call(**options) == url


@pytest.mark.parametrize("flag", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
@pytest.mark.parametrize("endpoint", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"])
def test_conflicting_variables_are_named(flag: str, endpoint: str, environ: pytest.MonkeyPatch) -> None:
    """An endpoint that may not be a FIPS endpoint is not used in place of one."""
    environ.setenv(flag, "true")
    environ.setenv(endpoint, "http://a.example")
    with pytest.raises(ParameterValidationError, match=endpoint) as caught:
        AsyncCognitoSession()
    assert caught.value.parameter == flag


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("AWS_USE_FIPS_ENDPOINT", "yes"), ("AWS_USE_DUALSTACK_ENDPOINT", "1")),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "on"),
        *(("AWS_MAX_ATTEMPTS", value) for value in ("abc", "0", "-1", "1.5", " 3", "³", "9" * 5000)),
        *(("AWS_ENDPOINT_URL", f"http://ada:{CANARY}@a.example"), ("AWS_ENDPOINT_URL", "ftp://a.example")),
    ],
)
def test_invalid_variable_is_named(name: str, value: str, environ: pytest.MonkeyPatch) -> None:
    """When the session is created, without the value."""
    environ.setenv(name, value)
    with pytest.raises(ParameterValidationError) as caught:
        AsyncCognitoSession()
    assert caught.value.parameter == name
    assert caught.value.__context__ is None
    assert leaking_frames(caught.value) == []
    assert CANARY not in str(caught.value)


async def test_invalid_region_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a call needs it: a session whose pools name their region does not."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "not a region")
    assert await url_of_call(user_pool_id="us-east-1_AbC") == REGIONAL
    with pytest.raises(ParameterValidationError) as caught:
        await url_of_call()
    assert caught.value.parameter == "AWS_DEFAULT_REGION"


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("value", "options", "attempts"),
    [
        (None, {}, 3),
        ("", {}, 3),
        ("1", {}, 1),
        ("005", {}, 5),
        ("1", {"retry": RetryPolicy()}, 3),
        ("abc", {"retry": RetryPolicy(max_attempts=2)}, 2),
    ],
)
async def test_max_attempts_is_the_default_of_the_retry_policy(
    value: str | None, options: Mapping[str, Any], attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy in code takes precedence as a whole."""
    if value is not None:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", value)
    assert await attempts_of_call(**options) == attempts


# --- the profile ------------------------------------------------------------------------------------------------------

PROFILES = """
[default]
region = us-west-1

[profile staging]
region = us-east-1

[profile fips]
region = us-east-1
use_fips_endpoint = true

[profile dual]
region = us-gov-west-1
use_dualstack_endpoint = true

[profile local]
region = us-east-1
endpoint_url = http://general.example

[profile services]
region = us-east-1
endpoint_url = http://general.example
services = emulators

[profile ignored]
region = us-east-1
endpoint_url = http://general.example
ignore_configured_endpoint_urls = true

[profile both]
use_fips_endpoint = true
endpoint_url = http://general.example

[profile wrong]
use_fips_endpoint = yes

[profile nowhere]
output = json
s3 =
    region = us-east-1

[services emulators]
s3 =
    endpoint_url = http://s3.example
cognito_identity_provider =
    endpoint_url = http://cognito.example
"""


@pytest.mark.parametrize(
    ("variables", "options", "url"),
    [
        ({}, {}, "https://cognito-idp.us-west-1.amazonaws.com/"),
        ({"AWS_PROFILE": "staging"}, {}, REGIONAL),
        ({"AWS_DEFAULT_PROFILE": "staging"}, {}, REGIONAL),
        ({"AWS_PROFILE": "staging", "AWS_REGION": "eu-west-1"}, {}, "https://cognito-idp.eu-west-1.amazonaws.com/"),
        ({"AWS_PROFILE": "staging"}, {"region": "eu-west-1"}, "https://cognito-idp.eu-west-1.amazonaws.com/"),
        ({"AWS_PROFILE": "fips"}, {}, FIPS),
        ({"AWS_PROFILE": "fips", "AWS_REGION": "us-east-1"}, {}, FIPS),
        ({"AWS_PROFILE": "fips"}, {"use_fips": False}, REGIONAL),
        ({"AWS_PROFILE": "fips", "AWS_USE_FIPS_ENDPOINT": "false"}, {}, REGIONAL),
        ({"AWS_PROFILE": "dual"}, {}, "https://cognito-idp.us-gov-west-1.api.aws/"),
        ({"AWS_PROFILE": "local"}, {}, "http://general.example/"),
        ({"AWS_PROFILE": "local"}, {"use_fips": True}, FIPS),
        ({"AWS_PROFILE": "local", "AWS_ENDPOINT_URL": "http://a.example"}, {}, "http://a.example/"),
        ({"AWS_PROFILE": "local", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, {}, REGIONAL),
        ({"AWS_PROFILE": "local"}, {"endpoint_url": "http://a.example"}, "http://a.example/"),
        ({"AWS_PROFILE": "services"}, {}, "http://cognito.example/"),
        ({"AWS_PROFILE": "ignored"}, {}, REGIONAL),
        ({"AWS_PROFILE": "missing", "AWS_REGION": "us-east-1"}, {}, REGIONAL),
        ({"AWS_PROFILE": "both", "AWS_REGION": "us-east-1"}, {"endpoint_url": "http://a.example"}, "http://a.example/"),
    ],
)
async def test_profile_fills_what_arguments_and_variables_leave_open(
    variables: Mapping[str, str],
    options: Mapping[str, Any],
    url: str,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each setting of the profile has the lowest precedence."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert await url_of_call(**options) == url


async def test_concurrent_first_calls_read_the_profile_once(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one thread."""
    monkeypatch.setenv("AWS_PROFILE", "staging")
    reads: list[dict[str, str]] = []
    read = location._read_profile

    def recorded() -> dict[str, str]:
        reads.append(read())
        return reads[-1]

    monkeypatch.setattr(location, "_read_profile", recorded)
    async with AsyncCognitoSession(transport=ScriptedTransport(*[respond()] * 5)) as session:
        await asyncio.gather(*[reset(session.client("abc")) for _ in range(5)])
    assert len(reads) == 1


async def test_config_file_variable_names_the_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_CONFIG_FILE has the default profile read even if the region is known."""
    (tmp_path / "other").write_text("[default]\nuse_fips_endpoint = true\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "other"))
    assert await url_of_call(region="us-east-1") == FIPS


async def test_profile_region_signs_requests(config: Path) -> None:
    """The region is that of the signature, too."""
    transport = ScriptedTransport(respond())
    async with AsyncCognitoSession(transport=transport, credentials=KEYS) as session:
        await session.client().list_user_pools(max_results=1)
    assert "/us-west-1/cognito-idp/" in transport.attempts[0].headers["Authorization"]


@pytest.mark.parametrize(
    ("profile", "parameter"),
    [
        ("both", "use_fips_endpoint of profile 'both'"),
        ("wrong", "use_fips_endpoint of profile 'wrong'"),
        ("nowhere", "region"),
        ("missing", "region"),
    ],
)
async def test_unusable_profile_is_named(
    profile: str, parameter: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent, and the next call reports it again."""
    monkeypatch.setenv("AWS_PROFILE", profile)
    async with AsyncCognitoSession(transport=ScriptedTransport()) as session:
        for _ in range(2):
            with pytest.raises(ParameterValidationError, match=profile) as caught:
                await reset(session.client("abc"))
            assert caught.value.parameter == parameter


@pytest.mark.parametrize("content", [f"[default]\naws_secret_access_key {CANARY}\n[", f"\xff{CANARY}", CANARY])
async def test_config_file_that_cannot_be_parsed_is_not_quoted(content: str, config: Path) -> None:
    """The file may hold credentials."""
    config.write_bytes(content.encode("latin-1"))
    with pytest.raises(ParameterValidationError) as caught:
        await url_of_call()
    assert caught.value.parameter == "AWS_CONFIG_FILE"
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert CANARY not in str(caught.value)
    assert leaking_frames(caught.value) == []


async def test_config_file_is_read_once_and_off_the_loop(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the session is created, but by the first call."""
    from botocore import configloader  # noqa: PLC0415 - an optional extra

    threads: list[threading.Thread] = []
    original = configloader.load_config

    def load(path: str) -> Any:
        threads.append(threading.current_thread())
        return original(path)

    monkeypatch.setattr(configloader, "load_config", load)
    transport = ScriptedTransport(*[respond()] * 3)
    async with AsyncCognitoSession(transport=transport) as session:
        assert threads == []
        for _ in range(3):
            await reset(session.client("abc"))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_credentials_file_is_not_read_for_an_unsigned_call(config: Path) -> None:
    """A region in that file does not count."""
    config.unlink()
    config.with_name("credentials").write_text("[default]\nregion = us-east-1\naws_access_key_id = AKID\n")
    with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "region"):
        await url_of_call()


@pytest.mark.parametrize("variables", [{}, {"AWS_PROFILE": "staging"}])
async def test_profile_is_not_read_without_the_extra(
    variables: Mapping[str, str], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base install ignores the files of the AWS CLI; the error names the extra if a profile is selected."""
    monkeypatch.setitem(sys.modules, "botocore", None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "region") as caught:
        await url_of_call()
    assert ("'.[aws]'" in str(caught.value)) == bool(variables)


@pytest.mark.virtual_clock
async def test_profile_is_not_read_if_region_is_known_and_no_profile_is_selected(config: Path) -> None:
    """The usual call starts no thread, which the virtual clock would refuse."""
    assert await url_of_call(region="us-east-1") == REGIONAL


async def test_concurrent_first_calls_share_a_context(config: Path) -> None:
    """Invocation IDs are unique per session and region."""
    transport = ScriptedTransport(*[respond()] * 9)
    async with AsyncCognitoSession(transport=transport) as session:
        await asyncio.gather(*[reset(session.client("abc")) for _ in range(9)])
    identifiers = {attempt.headers["amz-sdk-invocation-id"] for attempt in transport.attempts}
    assert len(identifiers) == 9
    assert len({identifier[:23] for identifier in identifiers}) == 1
