"""Where requests go: region and endpoint from arguments, the environment and a profile of the AWS config file."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, cast

from attrs import field, frozen

from cognito_async.errors import ParameterValidationError
from cognito_async.protocol.endpoints import (
    check_aws_region,
    check_endpoint_url,
    check_region,
    region_of_pool,
    service_url,
)
from cognito_async.protocol.shapes import Record

_LOG = logging.getLogger("cognito_async")

VARIABLES = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "AWS_ENDPOINT_URL"),
    "use_fips_endpoint": ("AWS_USE_FIPS_ENDPOINT",),
    "use_dualstack_endpoint": ("AWS_USE_DUALSTACK_ENDPOINT",),
    "ignore_configured_endpoint_urls": ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",),
}
PROFILE_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
FILE_VARIABLE = "AWS_CONFIG_FILE"
SERVICE = "cognito_identity_provider"


@frozen(eq=False, repr=False, getstate_setstate=False)
class Setting(Record):
    """A configured value and its origin, for error messages."""

    value: str = field(metadata={"secret": True})  # an endpoint may contain a password, which is invalid
    origin: str


Settings = Mapping[str, Setting]


class Location:
    """Region and endpoint of a session.

    Arguments take precedence over environment variables, and these over the profile. The profile is read by the first
    call that needs it: if ``AWS_PROFILE`` or ``AWS_CONFIG_FILE`` is set, or if no region is known otherwise.
    """

    def __init__(
        self, region: str | None, endpoint_url: str | None, *, use_fips: bool | None, use_dualstack: bool | None
    ) -> None:
        """Check the arguments and the environment; a variable with a region is checked when it is used."""
        self.given_region: str | None = None if region is None else check_region(region)
        self._given_endpoint_url = (
            None
            if endpoint_url is None
            else check_endpoint_url(endpoint_url, use_fips=bool(use_fips), use_dualstack=bool(use_dualstack))
        )
        self._given_variant = {"use_fips": use_fips, "use_dualstack": use_dualstack}
        self._environment = _environment_settings()
        self._selects_profile = _profile_name() is not None or bool(os.environ.get(FILE_VARIABLE))
        self._profile_was_read = False
        self._reading = asyncio.Lock()
        self._pool_warned = False
        self._configure(self._environment)
        if self.given_region is not None and self._endpoint_url is None and not self._selects_profile:
            check_aws_region(self.given_region)

    def region(self, pool_region: str | None) -> str | None:
        """Return the region of a call, given that of the user pool ID, if known."""
        known = self.given_region or pool_region
        configured = self._settings.get("region")
        if known is not None or configured is None:
            return known
        return _checked(configured, check_region)

    @property
    def is_at_aws(self) -> bool:
        """Whether requests go to AWS; False for a configured endpoint, and while a profile may still contain one."""
        return self._endpoint_url is None and (self._profile_was_read or not self._selects_profile)

    def check_pool_region(self, user_pool_id: str) -> None:
        """Warn if a valid user pool ID names another region than the session."""
        region = region_of_pool(user_pool_id)
        if self.is_at_aws and self.given_region not in {None, region} and not self._pool_warned:
            self._pool_warned = True  # once: the replicas of a user pool have the same ID in other regions
            text = "the session is for %s, a user pool is in %s; omit the region unless the pool has a replica"
            _LOG.warning(text, self.given_region, region)

    def known(self, pool_region: str | None) -> tuple[str | None, str | None]:
        """Return region and URL as far as they are known and valid, for reprs."""
        region = None
        try:
            region = self.region(pool_region)
            return region, self.url(region)
        except ParameterValidationError:  # not yet known, or of an invalid form
            return region, None

    @property
    def endpoint_url(self) -> str | None:
        """The endpoint of argument, environment or profile; None for the endpoint of the region."""
        return self._endpoint_url

    def url(self, region: str | None) -> str:
        """Return the URL of the service, without a path."""
        if self._endpoint_url is not None:
            return self._endpoint_url
        if region is None:
            rule = "is required: pass AsyncCognitoSession('eu-west-1'), bind a user_pool_id, or set AWS_REGION"
            if name := _profile_name():
                rule += f"; profile {name!r} has no region, or cannot be read without the extra: "
                rule += "pip install '.[aws]' in a checkout of cognito_async"
            raise ParameterValidationError("region", rule)
        configured = self._settings.get("region")
        is_given = configured is None or self.given_region is not None or configured.value != region
        name = "region" if configured is None or is_given else configured.origin
        return service_url(check_aws_region(region, name), **self._variant)

    def needs_profile(self, region: str | None) -> bool:
        """Return whether to call ``read_profile`` before the first call to a region."""
        if self._profile_was_read:
            return False
        return region is None or (self._selects_profile and self._given_endpoint_url is None)

    async def read_profile(self) -> None:
        """Read the profile in a thread, for the settings that arguments and environment leave open."""
        async with self._reading:  # once for all calls that wait
            if not self._profile_was_read:
                self._use_profile(await asyncio.to_thread(_read_profile))

    def read_profile_blocking(self) -> None:
        """Read the profile, for programs and settings outside of an event loop."""
        self._use_profile(_read_profile())

    def _use_profile(self, found: dict[str, str]) -> None:
        name = _profile_name() or "default"
        profile = {setting: Setting(value, f"{setting} of profile {name!r}") for setting, value in found.items()}
        self._configure({**profile, **self._environment})
        self._profile_was_read = True

    def _configure(self, settings: Settings) -> None:
        """Derive the endpoint from arguments and settings."""
        configured = {
            "use_fips": _flag(settings, "use_fips_endpoint"),
            "use_dualstack": _flag(settings, "use_dualstack_endpoint"),
        }
        ignored = _flag(settings, "ignore_configured_endpoint_urls")
        endpoint = None if ignored or any(self._given_variant.values()) else settings.get("endpoint_url")
        self._endpoint_url = self._given_endpoint_url or (
            None if endpoint is None else _checked(endpoint, check_endpoint_url)
        )
        self._variant = {
            name: configured[name] if given is None else given for name, given in self._given_variant.items()
        }
        conflict = next((name for name, used in self._variant.items() if used), None)
        if endpoint is not None and self._given_endpoint_url is None and conflict is not None:
            rule = f"must not be combined with {endpoint.origin}; AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true ignores it"
            raise ParameterValidationError(settings[f"{conflict}_endpoint"].origin, rule)
        self._settings = settings


def _environment_settings() -> Settings:
    """Return the variables that are set. ``os.environ`` is in no local variable: its repr shows the credentials."""
    return {
        setting: Setting(os.environ[found], found)
        for setting, names in VARIABLES.items()
        if (found := next(filter(os.environ.get, names), None)) is not None
    }


def _flag(settings: Settings, name: str) -> bool:
    setting = settings.get(name)
    if setting is None:
        return False
    if setting.value.lower() not in {"true", "false"}:
        raise ParameterValidationError(setting.origin, "must be true or false")
    return setting.value.lower() == "true"


def _checked(setting: Setting, check: Callable[[object], str]) -> str:
    """Check a value; the error names its origin, and its frames do not contain it."""
    try:
        return check(setting.value)
    except ParameterValidationError as error:
        rule = error.rule
    raise ParameterValidationError(setting.origin, rule)


def _profile_name() -> str | None:
    """Return the name of the profile that the environment selects; None if it selects none."""
    return next(filter(None, map(os.environ.get, PROFILE_VARIABLES)), None)


def _read_profile() -> dict[str, str]:
    """Read the settings of the selected or the default profile; none without botocore, the file or the profile.

    Blocks, so call it in a thread. Only the config file is read, never the file with the credentials.
    """
    try:
        from botocore import configloader  # noqa: PLC0415 - an optional extra
        from botocore.exceptions import ConfigNotFound, ConfigParseError  # noqa: PLC0415
    except ImportError:
        return {}
    load: Callable[[str], Any] = cast("Any", configloader).load_config
    try:
        return _profile_settings(load(os.environ.get(FILE_VARIABLE) or "~/.aws/config"), _profile_name() or "default")
    except ConfigNotFound:
        return {}
    except ConfigParseError:
        pass
    # Without the cause: it quotes a line of the file, which may hold credentials.
    raise ParameterValidationError(FILE_VARIABLE, "must be the path of an AWS config file; the file cannot be parsed")


def _profile_settings(config: Any, name: str) -> dict[str, str]:
    """Return the settings that we know, with the endpoint of the service in place of the general one."""
    profile: dict[str, Any] = config["profiles"].get(name, {})
    services: dict[str, Any] = config.get("services", {}).get(profile.get("services"), {})
    found: dict[str, Any] = {setting: profile.get(setting) for setting in VARIABLES}
    if isinstance(services.get(SERVICE), dict):
        found["endpoint_url"] = services[SERVICE].get("endpoint_url", found["endpoint_url"])
    return {setting: value for setting, value in found.items() if isinstance(value, str) and value}
