"""What a program has to be told about a user pool, read from its environment."""

import os
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Self, TypeAlias, TypeVar, cast

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cognito_async.fastapi.refusals import SettingsError

Network: TypeAlias = IPv4Network | IPv6Network
DEFAULT_POOL = "default"
Made = TypeVar("Made", bound="CognitoSettings")
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "AWS_ENDPOINT_URL")


class CognitoSettings(BaseSettings):
    """One user pool's settings, each from its argument, else from the environment: ``COGNITO_CLIENT_ID`` and so on.

    Attributes:
        client_id: The app client's id.
        client_secret: The app client's secret; None if it has none.
        region: The AWS region; None for that of ``user_pool_id``, else ``AWS_REGION`` or ``AWS_DEFAULT_REGION``.
        user_pool_id: The user pool's id, which signed operations need; None if only unsigned ones are called.
        endpoint_url: The service's URL, for emulators and private endpoints; None for the region's own.
        trusted_proxies: The networks whose ``X-Forwarded-For`` is believed; in the environment with commas between
            them. Empty to believe none.
    """

    model_config = SettingsConfigDict(
        env_prefix="COGNITO_", frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    client_id: str = Field(min_length=1, max_length=128)
    client_secret: SecretStr | None = Field(default=None, min_length=1, max_length=64)
    region: str | None = None
    user_pool_id: str | None = Field(default=None, min_length=1, max_length=55)
    endpoint_url: str | None = None
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Take networks with commas between them, as an environment variable has them."""
        return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_region(self) -> Self:
        """Refuse a pool of nowhere, which would show only when the first user comes."""
        told = self.region or self.endpoint_url or "_" in (self.user_pool_id or "")
        if not told and not any(map(os.environ.get, (*_REGION_VARIABLES, *_ENDPOINT_VARIABLES))):
            raise ValueError("one of region, user_pool_id and AWS_REGION has to tell where the user pool is")
        return self

    @classmethod
    def from_environment(cls, name: str = DEFAULT_POOL) -> Self:
        """Read them from the environment, as an application does when it starts.

        Args:
            name: The pool's name in this program: ``"staff"`` has ``COGNITO_STAFF_CLIENT_ID`` and so on. A subclass
                with a prefix of its own keeps it.

        Returns:
            The settings.

        Raises:
            SettingsError: One is missing or can't be right; the text names the variables, and never their values.
        """
        own = cls.model_config.get("env_prefix", "")
        prefix = prefix_of(name) if own == prefix_of(DEFAULT_POOL) else own
        # The checkers do not know of the prefix, nor that all else may come from the environment.
        return _made(name, prefix, cast("Callable[..., Self]", partial(cast("Any", cls), _env_prefix=prefix)))


SettingsSource: TypeAlias = CognitoSettings | Callable[..., CognitoSettings]
"""Settings, or what makes them without arguments when the application starts, such as a subclass."""


def prefix_of(pool: str) -> str:
    """Name the prefix of a pool's environment variables.

    Args:
        pool: The pool's name in this program.

    Returns:
        ``"COGNITO_"`` for the default pool, else e.g. ``"COGNITO_STAFF_"``.
    """
    return "COGNITO_" if pool == DEFAULT_POOL else f"COGNITO_{pool.upper().replace('-', '_')}_"


def read_settings(pool: str, source: SettingsSource | None) -> CognitoSettings:
    """Read a pool's settings.

    Args:
        pool: The pool's name in this program.
        source: The settings, or what makes them; None for the environment's.

    Returns:
        The settings.

    Raises:
        SettingsError: One is missing or can't be right.
    """
    if isinstance(source, CognitoSettings):
        return source
    if source is None:
        return CognitoSettings.from_environment(pool)
    make: Callable[..., CognitoSettings] = source
    prefix = prefix_of(pool)
    if isinstance(source, type) and issubclass(source, CognitoSettings):
        prefix = source.model_config.get("env_prefix", "")
    return _made(pool, prefix, make)


def _made(pool: str, prefix: str, make: Callable[..., Made]) -> Made:
    """Make settings, and tell what is wrong with them by the names of the variables."""
    try:
        return make()
    except ValidationError as error:
        said = "; ".join(_fault(prefix, fault["loc"], fault["msg"]) for fault in error.errors(include_input=False))
        # Without its cause, whose text would be found beside this one.
        raise SettingsError(f"the Cognito pool {pool!r} can't be opened: {said}") from None


def _fault(prefix: str, location: tuple[int | str, ...], message: str) -> str:
    name = "".join(str(part) for part in location[:1])
    said = message.removeprefix("Value error, ")
    return f"{prefix}{name.upper()}: {said}" if name else said
