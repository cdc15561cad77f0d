"""Settings: where each comes from, and what is said when one is missing."""

from ipaddress import ip_network

import pytest
from pydantic_settings import SettingsConfigDict

from cognito_async.fastapi import CognitoSettings, SettingsError
from cognito_async.fastapi.settings import prefix_of, read_settings

SECRET = "the-secret-of-the-app-client"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Begin with a complete environment."""
    monkeypatch.setenv("COGNITO_CLIENT_ID", "abc")
    monkeypatch.setenv("COGNITO_REGION", "eu-west-1")
    return monkeypatch


def test_the_environment_is_read(environment: pytest.MonkeyPatch) -> None:
    """Each field has a variable, and an empty variable is none."""
    environment.setenv("COGNITO_CLIENT_SECRET", SECRET)
    environment.setenv("COGNITO_USER_POOL_ID", "")
    environment.setenv("COGNITO_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32 ,192.0.2.1")
    settings = read_settings("default", None)
    assert settings.client_secret is not None
    assert (settings.client_id, settings.client_secret.get_secret_value()) == ("abc", SECRET)
    assert (settings.region, settings.user_pool_id, settings.endpoint_url) == ("eu-west-1", None, None)
    assert settings.trusted_proxies == tuple(map(ip_network, ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32")))
    assert SECRET not in repr(settings)


def test_another_pool_has_other_variables(environment: pytest.MonkeyPatch) -> None:
    """A named pool has its name in its variables."""
    environment.setenv("COGNITO_BACK_OFFICE_CLIENT_ID", "xyz")
    environment.setenv("COGNITO_BACK_OFFICE_USER_POOL_ID", "eu-west-2_AbC")
    assert prefix_of("back-office") == "COGNITO_BACK_OFFICE_"
    settings = read_settings("back-office", None)
    assert (settings.client_id, settings.user_pool_id, settings.region) == ("xyz", "eu-west-2_AbC", None)


def test_a_program_can_read_them_too(environment: pytest.MonkeyPatch) -> None:
    """What the application does when it starts, anybody can do, and a subclass keeps a prefix of its own."""

    class Staff(CognitoSettings):
        """Settings with a prefix of their own."""

        model_config = SettingsConfigDict(env_prefix="STAFF_")

    assert CognitoSettings.from_environment().client_id == "abc"
    environment.setenv("COGNITO_STAFF_CLIENT_ID", "xyz")
    environment.setenv("COGNITO_STAFF_REGION", "eu-west-2")
    assert CognitoSettings.from_environment("staff").client_id == "xyz"
    with pytest.raises(SettingsError, match="STAFF_CLIENT_ID: Field required"):
        Staff.from_environment()
    environment.setenv("STAFF_CLIENT_ID", "uvw")
    environment.setenv("STAFF_REGION", "eu-west-1")
    told = Staff.from_environment("other")
    assert isinstance(told, Staff)
    assert told.client_id == "uvw"


def test_settings_can_be_given() -> None:
    """Settings that are there already are taken as they are."""
    given = CognitoSettings(client_id="given", user_pool_id="eu-west-1_AbC")
    assert read_settings("default", given) is given
    assert read_settings("default", lambda: given) is given


def test_a_subclass_has_its_own_prefix(environment: pytest.MonkeyPatch) -> None:
    """A class is asked when the application starts, and its mistakes are told with its prefix."""

    class Staff(CognitoSettings):
        """Settings with a prefix of their own."""

        model_config = SettingsConfigDict(env_prefix="STAFF_")

    environment.setenv("STAFF_REGION", "eu-west-1")
    with pytest.raises(SettingsError, match=r"pool 'staff'.*STAFF_CLIENT_ID: Field required"):
        read_settings("staff", Staff)
    environment.setenv("STAFF_CLIENT_ID", "xyz")
    assert read_settings("staff", Staff).client_id == "xyz"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("COGNITO_CLIENT_ID", "", "COGNITO_CLIENT_ID: Field required"),
        ("COGNITO_CLIENT_ID", "x" * 129, "COGNITO_CLIENT_ID: "),
        ("COGNITO_CLIENT_SECRET", SECRET * 3, "COGNITO_CLIENT_SECRET: "),
        ("COGNITO_TRUSTED_PROXIES", "10.0.0.0/8,proxy", "COGNITO_TRUSTED_PROXIES: "),
        ("COGNITO_REGION", "", "one of region, user_pool_id and AWS_REGION"),
    ],
)
def test_a_mistake_is_named(environment: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    """The error names the variable and not its value, and has no cause that would."""
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=said) as caught:
        read_settings("default", None)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"])
def test_the_region_may_come_from_aws_variables(environment: pytest.MonkeyPatch, name: str) -> None:
    """What tells the session where to go is enough."""
    environment.delenv("COGNITO_REGION")
    environment.setenv(name, "eu-west-1")
    assert read_settings("default", None).region is None
