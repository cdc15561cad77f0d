"""The settings of a profile in the AWS config file, read with botocore's parser (extra ``aws``)."""

import os
from collections.abc import Callable
from typing import Any, cast

from cognito_async.errors import ParameterValidationError

NAME_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
FILE_VARIABLE = "AWS_CONFIG_FILE"
SETTINGS = (
    *("region", "endpoint_url", "use_fips_endpoint", "use_dualstack_endpoint", "ignore_configured_endpoint_urls"),
)
SERVICE = "cognito_identity_provider"


def profile_name() -> str | None:
    """Return the name of the profile that the environment selects; None if it selects none."""
    return next(filter(None, map(os.environ.get, NAME_VARIABLES)), None)


def read_profile() -> dict[str, str]:
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
        return _select(load(os.environ.get(FILE_VARIABLE) or "~/.aws/config"), profile_name() or "default")
    except ConfigNotFound:
        return {}
    except ConfigParseError:
        pass
    # Without the cause: it quotes a line of the file, which may hold credentials.
    raise ParameterValidationError(FILE_VARIABLE, "must be the path of an AWS config file; the file cannot be parsed")


def _select(config: Any, name: str) -> dict[str, str]:
    """Return the settings that we know, with the endpoint of the service in place of the general one."""
    profile: dict[str, Any] = config["profiles"].get(name, {})
    services: dict[str, Any] = config.get("services", {}).get(profile.get("services"), {})
    found: dict[str, Any] = {setting: profile.get(setting) for setting in SETTINGS}
    if isinstance(services.get(SERVICE), dict):
        found["endpoint_url"] = services[SERVICE].get("endpoint_url", found["endpoint_url"])
    return {setting: value for setting, value in found.items() if isinstance(value, str) and value}
