"""Region, FIPS and dual-stack to the service's URL, for every partition of AWS."""

import re
from urllib.parse import urlsplit

from cognito_async.errors import ParameterValidationError

SERVICE = "cognito-idp"

# Partition: the form of its regions' names, its DNS suffix and its dual-stack DNS suffix. A region of the last, the
# commercial partition, is also whatever no other claims: AWS opens regions faster than libraries are released.
PARTITIONS = (
    (r"cn-\w+-\d+|aws-cn-global", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    (r"us-gov-\w+-\d+|aws-us-gov-global", "amazonaws.com", "api.aws"),
    (r"eusc-de-\w+-\d+", "amazonaws.eu", "api.amazonwebservices.eu"),
    (r"us-iso-\w+-\d+|aws-iso-global", "c2s.ic.gov", "api.aws.ic.gov"),
    (r"us-isob-\w+-\d+|aws-iso-b-global", "sc2s.sgov.gov", "api.aws.scloud"),
    (r"eu-isoe-\w+-\d+|aws-iso-e-global", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    (r"us-isof-\w+-\d+|aws-iso-f-global", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
)
COMMERCIAL = ("amazonaws.com", "api.aws")
# The commercial partition's plain endpoints are dual-stack already, and so are the FIPS endpoints of these regions.
FIPS_DUAL_STACK_REGIONS = frozenset({"us-east-1", "us-east-2", "us-west-1", "us-west-2"})

_REGION = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"


def check_region(region: object) -> str:
    """Refuse what can't be a region's name, before it becomes part of a host name.

    Args:
        region: The region, e.g. ``"eu-west-1"``.

    Returns:
        The region.

    Raises:
        ParameterValidationError: If it isn't one lower-case DNS label.
    """
    if not isinstance(region, str) or not re.fullmatch(_REGION, region, re.ASCII):
        raise ParameterValidationError("region", "must be the name of an AWS region, such as 'eu-west-1'")
    return region


def region_of_pool(user_pool_id: str | None) -> str | None:
    """Read the region off a user pool's id (``eu-west-1_AbC``); None if it holds none."""
    if not isinstance(user_pool_id, str):
        return None
    region, separator, _ = user_pool_id.partition("_")
    return region if separator and re.fullmatch(_REGION, region, re.ASCII) else None


def service_url(region: str, *, use_fips: bool = False, use_dualstack: bool = False) -> str:
    """Give the service's URL in a region.

    Args:
        region: The region, e.g. ``"eu-west-1"``.
        use_fips: Whether to use the endpoint with FIPS 140 cryptography.
        use_dualstack: Whether to use the endpoint that answers on IPv4 and IPv6.

    Returns:
        The URL, without a path.

    Raises:
        ParameterValidationError: If the region isn't a region's name.
    """
    region = check_region(region)
    suffix, dual_stack_suffix = COMMERCIAL
    commercial = True
    for pattern, partition_suffix, partition_dual_stack_suffix in PARTITIONS:
        if re.fullmatch(pattern, region, re.ASCII):
            suffix, dual_stack_suffix, commercial = partition_suffix, partition_dual_stack_suffix, False
            break
    dual_stack_already = region in FIPS_DUAL_STACK_REGIONS if use_fips else commercial
    if use_dualstack and not dual_stack_already:
        suffix = dual_stack_suffix
    return f"https://{SERVICE}{'-fips' if use_fips else ''}.{region}.{suffix}"


def check_endpoint_url(endpoint_url: object, *, use_fips: bool = False, use_dualstack: bool = False) -> str:
    """Refuse an endpoint that can't be used.

    Args:
        endpoint_url: An http or https URL with a host, e.g. ``"http://127.0.0.1:4566"``.
        use_fips: Whether FIPS was asked for too, which contradicts an endpoint of one's own.
        use_dualstack: Whether dual-stack was asked for too, likewise.

    Returns:
        The URL without a trailing slash.

    Raises:
        ParameterValidationError: If it is not such a URL, or contradicts the switches.
    """
    if use_fips or use_dualstack:
        raise ParameterValidationError("endpoint_url", "can't be combined with use_fips or use_dualstack")
    refusal = ParameterValidationError(
        "endpoint_url", "must be an http or https URL such as 'https://cognito-idp.eu-west-1.amazonaws.com'"
    )
    if not isinstance(endpoint_url, str):
        raise refusal
    try:
        parts = urlsplit(endpoint_url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise refusal from None
    if parts.username is not None:
        raise ParameterValidationError("endpoint_url", "must not hold a user name or password")
    if not usable or not endpoint_url.isprintable() or any(character in " \\?#" for character in endpoint_url):
        raise refusal
    return endpoint_url.rstrip("/")
