"""Settings of a user pool, read from the environment."""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias, TypeVar, cast

from attrs import frozen
from pydantic import AliasChoices, AliasPath, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi.problems import SettingsError
from cognito_async.location import Location
from cognito_async.protocol.endpoints import check_pool_id, region_of_pool

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

Proxy: TypeAlias = IPv4Network | IPv6Network | Literal["unix"]
Settings = TypeVar("Settings", bound="CognitoSettings")
DEFAULT_POOL: Final = "default"
UNIX_SOCKET: Final = "unix"
KEY_BYTES: Final = 32
_POOL_NAME: Final = re.compile("[a-z][a-z0-9_]*")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_NO_REGION: Final = "no_region"
_PROXIES_RULE: Final = "must be networks such as 10.0.0.0/8, or unix for a Unix socket, separated by commas"
_RULES: Final = {
    "missing": "is not set",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} characters",
}


class CognitoSettings(BaseSettings):
    """The settings of a user pool, from arguments or environment variables such as ``COGNITO_CLIENT_ID``."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="COGNITO_", frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    client_id: str = Field(min_length=1, max_length=128)
    """The app client ID."""

    client_secret: SecretStr | None = Field(default=None, min_length=1, max_length=64)
    """The app client secret; None if the app client has none."""

    region: str | None = None
    """The AWS region; None for that of ``user_pool_id``, of the environment or of the AWS profile, as for sessions."""

    user_pool_id: str | None = Field(default=None, min_length=1, max_length=55)
    """The user pool ID, required to verify tokens, for SRP, and for operations that need AWS credentials."""

    endpoint_url: str | None = None
    """The URL of an emulator or private endpoint; None for that of the environment, the AWS profile or the region."""

    trusted_proxies: Annotated[tuple[Proxy, ...], NoDecode] = ()
    """The networks whose ``X-Forwarded-For`` is trusted; comma-separated in the environment.

    ``unix`` trusts connections without an address: those on a Unix socket.
    """

    state_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """The keys that seal the challenges of ``sign_in_router``: 32 bytes in base64; comma-separated in the environment.

    The first one seals, all of them open. None are needed if there is a client secret.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Refuse unknown arguments, unlike variables and entries of .env files, which others may use."""
        if isinstance(init_settings, InitSettingsSource):
            given: Any = init_settings  # its arguments have no types
            _check_names(settings_cls, given.init_kwargs)
        return init_settings, env_settings, dotenv_settings, file_secret_settings

    @field_validator("trusted_proxies", "state_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value

    @field_validator("state_keys")
    @classmethod
    def _check_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(key_of(key) for key in value):
            raise ValueError("must be keys of 32 random bytes in base64, as `openssl rand -base64 32` prints them")
        return value

    @model_validator(mode="after")
    def _check_location(self) -> Self:
        """Find the faults of a session with these settings at startup."""
        location = Location(self.region, self.endpoint_url, use_fips=None, use_dualstack=None)
        pool_region = region_of_pool(self.user_pool_id)
        if location.needs_profile(location.region(pool_region)):
            location.read_profile_blocking()  # at startup
        if self.user_pool_id is not None:
            check_pool_id(self.user_pool_id, at_aws=location.is_at_aws)
        region = location.region(pool_region)
        if region is None and location.endpoint_url is None:
            raise PydanticCustomError(_NO_REGION, "no region: set region, user_pool_id or AWS_REGION")
        location.url(region)
        return self

    @classmethod
    def from_environment(cls, name: str = DEFAULT_POOL) -> Self:
        """Read the settings from the environment, as an application does at startup.

        The pool ``"staff"`` reads ``COGNITO_STAFF_CLIENT_ID`` and so on; a subclass with its own prefix keeps it.

        Raises:
            SettingsError: A setting is missing or invalid. The message names the variables, never their values.
            ParameterValidationError: ``name`` has other characters than lower-case letters, digits and underscores.
        """
        check_pool_name(name)
        own = cls.model_config.get("env_prefix", "")
        prefix = env_prefix(name) if own == env_prefix(DEFAULT_POOL) else own
        # Type checkers know neither _env_prefix nor that the required fields come from the environment.
        return _create(name, prefix, cast("Callable[..., Self]", partial(cast("Any", cls), _env_prefix=prefix)))


def key_of(text: SecretStr) -> bytes | None:
    """Return a key of the settings; None if it is not 32 bytes in base64, standard or URL-safe."""
    try:
        key = b64decode(text.get_secret_value().strip().translate(_URL_SAFE), validate=True)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def _check_names(settings: type[BaseSettings], given: Iterable[str]) -> None:
    """Raise SettingsError for arguments that are no settings."""
    known = {name for field, info in settings.model_fields.items() for name in _names(field, info)}
    unknown = sorted({*given} - known)
    if unknown and settings.model_config.get("extra") != "allow":
        matches = get_close_matches(unknown[0], known, 1)
        reason = f"use {matches[0]}" if matches else f"the settings are {', '.join(sorted(known))}"
        raise SettingsError(f"{settings.__name__} has no setting {unknown[0]}: {reason}")


def _names(field: str, info: "FieldInfo") -> Iterator[str]:
    """Yield the names of the arguments for a field."""
    yield field
    alias = info.validation_alias
    for each in alias.choices if isinstance(alias, AliasChoices) else [alias]:
        if each is not None:
            yield str(each.path[0]) if isinstance(each, AliasPath) else each


SettingsSource: TypeAlias = CognitoSettings | Callable[..., CognitoSettings]
"""The settings, or a function or subclass of CognitoSettings that is called at startup."""


def check_pool_name(pool: object) -> None:
    """Raise ParameterValidationError for a name that could share its variables or cookies with another one."""
    if not isinstance(pool, str) or not _POOL_NAME.fullmatch(pool):
        rule = "must have lower-case letters, digits and underscores only, and begin with a letter"
        raise ParameterValidationError("pool", rule)


def env_prefix(pool: str) -> str:
    return "COGNITO_" if pool == DEFAULT_POOL else f"COGNITO_{pool.upper()}_"


def read_settings(pool: str, source: SettingsSource | None) -> CognitoSettings:
    """Return the settings from a source, or from the environment for None; raise SettingsError if invalid."""
    if isinstance(source, CognitoSettings):
        return source
    if source is None:
        return CognitoSettings.from_environment(pool)
    return _create(pool, prefix_of(pool, source), source)


def prefix_of(pool: str, source: SettingsSource | None) -> str:
    """Return the prefix of the variables from which a source reads its settings."""
    kind = source if isinstance(source, type) else type(source)
    return kind.model_config.get("env_prefix", "") if issubclass(kind, CognitoSettings) else env_prefix(pool)


def _create(pool: str, prefix: str, create: Callable[..., Settings]) -> Settings:
    try:
        return create()
    except ValidationError as error:
        reasons = [_reason(prefix, item) for item in error.errors(include_input=False)]
        # Without the cause, whose text contains the values.
        raise invalid_settings(pool, dict.fromkeys(reasons)) from None


def invalid_settings(pool: str, reasons: Iterable[str]) -> SettingsError:
    return SettingsError(f"invalid settings of Cognito pool {pool!r}: {'; '.join(reasons)}")


def _reason(prefix: str, item: "ErrorDetails") -> str:
    """Describe an error of pydantic, with the name of the variable and without its value."""
    fault = item.get("ctx", {}).get("error")
    if isinstance(fault, ParameterValidationError):
        name = fault.parameter  # a setting, or a variable of AWS
        return f"{prefix + name.upper() if name in CognitoSettings.model_fields else name} {fault.rule}"
    if item["type"] == _NO_REGION:
        return f"{prefix}REGION is not set: set it, {prefix}USER_POOL_ID or AWS_REGION"
    variable = f"{prefix}{str(item['loc'][0]).upper()}" if item["loc"] else ""
    if item["loc"][:1] == ("trusted_proxies",):
        return f"{variable} {_PROXIES_RULE}"
    if variable and item["type"] in _RULES:
        return f"{variable} {_RULES[item['type']].format_map(item.get('ctx', {}))}"
    text = item["msg"].removeprefix("Value error, ")
    return f"{variable}{' ' if text.startswith('must ') else ': '}{text}".removeprefix(": ").lstrip()


@frozen
class RequiredSetting:
    """A dependency without a value, which marks routes that need a setting of a pool."""

    pool: str
    names: tuple[str, ...]
    """The setting, and others that replace it."""

    purpose: str
    used_by: Callable[..., Any]
    """The dependency that uses the setting, which is not needed if that is overridden."""

    async def __call__(self) -> None:
        """Do nothing: the setting was checked at startup."""
