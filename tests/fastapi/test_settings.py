"""Settings from arguments and the environment."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any, Self

import pytest
from pydantic import AliasChoices, AliasPath, Field, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from cognito_async.fastapi import CognitoSettings, SettingsError
from cognito_async.fastapi.settings import env_prefix, read_settings

SECRET = "the-secret-of-the-app-client"


class StaffSettings(CognitoSettings):
    """Settings with their own prefix."""

    model_config = SettingsConfigDict(env_prefix="STAFF_")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set the required variables."""
    monkeypatch.setenv("COGNITO_CLIENT_ID", "abc")
    monkeypatch.setenv("COGNITO_REGION", "eu-west-1")
    return monkeypatch


def test_settings_are_read_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    """Each field has a variable; an empty variable is ignored; the secret is not in the repr."""
    environment.setenv("COGNITO_CLIENT_SECRET", SECRET)
    environment.setenv("COGNITO_USER_POOL_ID", "")
    environment.setenv("COGNITO_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32 ,192.0.2.1, unix")
    settings = read_settings("default", None)
    assert settings.client_secret is not None
    assert (settings.client_id, settings.client_secret.get_secret_value()) == ("abc", SECRET)
    assert (settings.region, settings.user_pool_id, settings.endpoint_url) == ("eu-west-1", None, None)
    assert settings.trusted_proxies == (
        *map(ip_network, ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32")),
        "unix",
    )
    assert SECRET not in repr(settings)


def test_named_pool_has_its_name_in_the_variables(environment: pytest.MonkeyPatch) -> None:
    """In upper case."""
    environment.setenv("COGNITO_BACK_OFFICE_CLIENT_ID", "xyz")
    environment.setenv("COGNITO_BACK_OFFICE_USER_POOL_ID", "eu-west-2_AbC")
    assert env_prefix("back_office") == "COGNITO_BACK_OFFICE_"
    settings = read_settings("back_office", None)
    assert (settings.client_id, settings.user_pool_id, settings.region) == ("xyz", "eu-west-2_AbC", None)


def test_from_environment_uses_the_pool_name_or_the_subclass_prefix(environment: pytest.MonkeyPatch) -> None:
    """A subclass with its own prefix keeps it for every pool name."""
    assert CognitoSettings.from_environment().client_id == "abc"
    environment.setenv("COGNITO_STAFF_CLIENT_ID", "xyz")
    environment.setenv("COGNITO_STAFF_REGION", "eu-west-2")
    assert CognitoSettings.from_environment("staff").client_id == "xyz"
    with pytest.raises(SettingsError, match="STAFF_CLIENT_ID"):
        StaffSettings.from_environment()
    environment.setenv("STAFF_CLIENT_ID", "uvw")
    environment.setenv("STAFF_REGION", "eu-west-1")
    settings = StaffSettings.from_environment("other")
    assert isinstance(settings, StaffSettings)
    assert settings.client_id == "uvw"


def test_read_settings_accepts_an_object_or_a_function() -> None:
    """An object is returned as it is; a function is called."""
    settings = CognitoSettings(client_id="other", user_pool_id="eu-west-1_AbC")
    assert read_settings("default", settings) is settings
    assert read_settings("default", lambda: settings) is settings


def test_read_settings_with_a_subclass_uses_its_prefix(environment: pytest.MonkeyPatch) -> None:
    """Errors name the variables of the subclass."""
    environment.setenv("STAFF_REGION", "eu-west-1")
    with pytest.raises(SettingsError, match=r"'staff'.*STAFF_CLIENT_ID"):
        read_settings("staff", StaffSettings)
    environment.setenv("STAFF_CLIENT_ID", "xyz")
    assert read_settings("staff", StaffSettings).client_id == "xyz"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("COGNITO_CLIENT_ID", "", "COGNITO_CLIENT_ID is not set"),
        ("COGNITO_CLIENT_ID", "x" * 129, "COGNITO_CLIENT_ID must have at most 128 characters"),
        ("COGNITO_CLIENT_SECRET", SECRET * 3, "COGNITO_CLIENT_SECRET must have at most 64 characters"),
        ("COGNITO_TRUSTED_PROXIES", "10.0.0.0/8,proxy,x", "COGNITO_TRUSTED_PROXIES must be networks[^;]*unix[^;]*"),
        ("COGNITO_STATE_KEYS", SECRET, "COGNITO_STATE_KEYS must be [^;]*openssl rand -base64 32[^;]*"),
        ("COGNITO_REGION", "", "COGNITO_REGION is not set: [^;]*COGNITO_USER_POOL_ID or AWS_REGION"),
    ],
)
def test_invalid_setting_is_named_without_its_value(
    environment: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    """Neither the message nor a cause contains the value."""
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^invalid settings of Cognito pool 'default': {message}$") as caught:
        read_settings("default", None)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://127.0.0.1:1"),
    ],
)
def test_region_may_come_from_aws_variables(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The session reads these variables itself."""
    environment.delenv("COGNITO_REGION")
    environment.setenv(name, value)
    assert read_settings("default", None).region is None


def test_all_invalid_settings_are_reported(environment: pytest.MonkeyPatch) -> None:
    """Also those that a function or a subclass checks."""

    class Strict(StaffSettings):
        tenant: str

        @field_validator("tenant")
        @classmethod
        def check(cls, value: str) -> str:
            if value == "?":
                raise ValueError("unknown")
            raise ValueError(f"must not be {{{len(value)}}}")

        @model_validator(mode="before")
        @classmethod
        def check_all(cls, values: Any) -> Any:
            if not values:
                raise ValueError("there are no settings")
            return values

    with pytest.raises(SettingsError, match=r"'default': there are no settings$"):
        read_settings("default", Strict)
    environment.setenv("STAFF_TENANT", "x")
    with pytest.raises(SettingsError, match=r"STAFF_CLIENT_ID is not set; STAFF_TENANT must not be \{1\}$"):
        read_settings("default", Strict)
    environment.setenv("STAFF_TENANT", "?")
    with pytest.raises(SettingsError, match=r"STAFF_TENANT: unknown$"):
        read_settings("default", Strict)

    class Paired(CognitoSettings):
        @model_validator(mode="after")
        def check_all(self) -> Self:
            raise ValueError("must have both pools")

    with pytest.raises(SettingsError, match=r"'default': must have both pools$"):
        read_settings("default", Paired)
    with pytest.raises(
        SettingsError, match="COGNITO_CLIENT_ID must be a string; COGNITO_USER_POOL_ID must not be empty"
    ):
        read_settings("default", lambda: CognitoSettings(client_id=1, user_pool_id=""))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["client_id", "client_secret", "user_pool_id", "state_keys"])
def test_values_of_invalid_arguments_are_not_shown(name: str) -> None:
    """Neither by the settings, nor by the error of pydantic that a caller gets."""
    with pytest.raises(ValidationError) as caught:
        CognitoSettings.model_validate({"user_pool_id": "eu-west-1_AbC", name: [SECRET, SECRET]})
    assert SECRET not in str(caught.value)


class Shop(StaffSettings):
    """Settings with more names."""

    model_config = SettingsConfigDict(env_prefix="STAFF_", populate_by_name=True)

    tenant: str = Field("", alias="shop")
    owner: str = Field("", validation_alias=AliasChoices("keeper", AliasPath("owners", 0)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"client_secet": SECRET}, "CognitoSettings has no setting client_secet: use client_secret"),
        ({"user_pool": SECRET}, "CognitoSettings has no setting user_pool: use user_pool_id"),
        ({"q": SECRET}, "CognitoSettings has no setting q: the settings are client_id, client_secret, .*"),
        ({"tenants": SECRET}, "Shop has no setting tenants: use tenant"),
        ({"shops": SECRET}, "Shop has no setting shops: use shop"),
    ],
)
def test_unknown_argument_is_refused(given: dict[str, Any], message: str) -> None:
    """The error names the setting that was meant, not another fault that follows from it, and no value."""
    kind = Shop if message.startswith("Shop") else CognitoSettings
    with pytest.raises(SettingsError, match=f"^{message}$") as caught:
        kind(**given)
    assert SECRET not in str(caught.value)
    with pytest.raises(SettingsError) as again:
        read_settings("default", lambda: kind(**given))
    assert str(again.value) == str(caught.value)


def test_settings_of_subclasses_are_arguments() -> None:
    """By name and alias; a subclass can allow any."""
    for given in ({"tenant": "a"}, {"shop": "a"}, {"keeper": "a"}, {"owners": ["a"]}, {"owner": "a"}):
        settings = Shop.model_validate({"client_id": "abc", "user_pool_id": "eu-west-1_AbC", **given})
        assert (settings.tenant, settings.owner) in {("a", ""), ("", "a")}

    class Open(CognitoSettings):
        model_config = SettingsConfigDict(extra="allow")

    assert Open.model_validate({"other": "a"}).model_extra == {"other": "a"}


def test_other_entries_of_env_files_are_ignored(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other programs may use them."""
    environment.setenv("COGNITO_CLIENT_SECET", SECRET)
    file = tmp_path / ".env"
    file.write_text(f"COGNITO_CLIENT_ID=xyz\nCOGNITO_CLIENT_SECET={SECRET}\nOTHER=1\n")
    environment.delenv("COGNITO_CLIENT_ID")

    class FileSettings(CognitoSettings):
        model_config = SettingsConfigDict(env_file=file)

    assert FileSettings().client_id == "xyz"  # type: ignore[call-arg]  # read from the file
    assert FileSettings.from_environment().client_id == "xyz"


def test_region_may_come_from_the_aws_profile(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As for sessions."""
    environment.delenv("COGNITO_REGION")
    config = tmp_path / "config"
    config.write_text("[profile staging]\nregion = eu-west-1\n")
    environment.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(SettingsError, match="COGNITO_REGION is not set"):
        read_settings("default", None)
    environment.setenv("AWS_PROFILE", "staging")
    assert read_settings("default", None).region is None


def test_aws_profile_is_not_read_without_need(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As for sessions: the user pool ID has the region, and no profile is selected."""
    environment.delenv("COGNITO_REGION")
    environment.setenv("COGNITO_USER_POOL_ID", "eu-west-1_AbC")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nendpoint_url = ftp://127.0.0.1\n")
    environment.setenv("HOME", str(tmp_path))
    environment.delenv("AWS_CONFIG_FILE", raising=False)
    assert read_settings("default", None).endpoint_url is None
    environment.delenv("COGNITO_USER_POOL_ID")
    with pytest.raises(SettingsError, match="endpoint_url of profile"):
        read_settings("default", None)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"COGNITO_USER_POOL_ID": "AbC123"}, "COGNITO_USER_POOL_ID"),
        ({"COGNITO_USER_POOL_ID": "_AbC123"}, "COGNITO_USER_POOL_ID"),
        ({"COGNITO_USER_POOL_ID": "eu-west1_X", "COGNITO_REGION": ""}, "COGNITO_USER_POOL_ID"),
        ({"COGNITO_USER_POOL_ID": "local_abc"}, "COGNITO_USER_POOL_ID"),
        ({"COGNITO_USER_POOL_ID": "AbC123", "COGNITO_ENDPOINT_URL": "http://127.0.0.1:1"}, "COGNITO_USER_POOL_ID"),
        ({"COGNITO_REGION": "eu-west1"}, "COGNITO_REGION"),
        ({"COGNITO_REGION": "", "AWS_REGION": "eu-west1"}, "AWS_REGION"),
        ({"COGNITO_ENDPOINT_URL": "ftp://127.0.0.1"}, "COGNITO_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL": "ftp://127.0.0.1"}, "AWS_ENDPOINT_URL"),
    ],
)
def test_misspelled_pool_region_or_endpoint_is_found_at_startup(
    environment: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    """The message names the variable that has the value."""
    for name, value in variables.items():
        environment.setenv(name, value)
    with pytest.raises(SettingsError, match=f": {named} must be "):
        read_settings("default", None)


@pytest.mark.parametrize("name", ["COGNITO_ENDPOINT_URL", "AWS_ENDPOINT_URL"])
def test_pool_and_region_of_an_emulator_require_an_endpoint(environment: pytest.MonkeyPatch, name: str) -> None:
    """The endpoint may come from any variable that sessions read."""
    environment.setenv("COGNITO_USER_POOL_ID", "local_abc")
    environment.setenv("COGNITO_REGION", "local")
    environment.setenv(name, "http://127.0.0.1:1")
    assert read_settings("default", None).user_pool_id == "local_abc"
