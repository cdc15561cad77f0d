"""The service's URL: resolved from region, FIPS and dual-stack in every AWS partition, or a custom endpoint."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

from yarl import URL

from cognito_async.errors import ParameterValidationError

SERVICE = "cognito-idp"

# For each partition: the pattern of its region names, its DNS suffix and its dual-stack DNS suffix. All other regions
# belong to the commercial partition: AWS opens regions faster than libraries are released.
PARTITIONS = (
    (r"cn-\w+-\d+|aws-cn-global", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    (r"us-gov-\w+-\d+|aws-us-gov-global", "amazonaws.com", "api.aws"),
    (r"eusc-de-\w+-\d+", "amazonaws.eu", "api.amazonwebservices.eu"),
    (r"us-iso-\w+-\d+|aws-iso-global", "c2s.ic.gov", "api.aws.ic.gov"),
    (r"us-isob-\w+-\d+|aws-iso-b-global", "sc2s.sgov.gov", "api.aws.scloud"),
    (r"eu-isoe-\w+-\d+|aws-iso-e-global", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    (r"us-isof-\w+-\d+|aws-iso-f-global", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
)
COMMERCIAL = ("", "amazonaws.com", "api.aws")
# The commercial partition's standard endpoints are dual-stack, and so are the FIPS endpoints of these regions.
FIPS_DUAL_STACK_REGIONS = frozenset({"us-east-1", "us-east-2", "us-west-1", "us-west-2"})

_REGION = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_AWS_REGION = r"[a-z]{2,5}(?:-[a-z0-9]+)+-\d+|aws-(?:[a-z]+-)*global"
_POOL_ID = re.compile(
    r"[\w-]+_[0-9A-Za-z]+", re.ASCII
)  # the service model's form, which the IDs of emulators have, too
_AWS_POOL_ID = re.compile(rf"(?:{_AWS_REGION})_[0-9A-Za-z]+", re.ASCII)
_LONGEST_POOL_ID = 55
_POOL_ID_RULE = "must be a user pool ID such as 'eu-west-1_AbC123'"


def check_region(region: object, name: str = "region") -> str:
    """Return the region if it can be part of a host name; raise ParameterValidationError otherwise."""
    if not isinstance(region, str) or not re.fullmatch(_REGION, region, re.ASCII):
        raise ParameterValidationError(name, "must be the name of an AWS region, such as 'eu-west-1'")
    return region


def check_aws_region(region: str, name: str = "region") -> str:
    """Return a valid region if it has the form of AWS's names; raise ParameterValidationError otherwise."""
    if not re.fullmatch(_AWS_REGION, region, re.ASCII):
        rule = "must be the name of an AWS region, such as 'eu-west-1'; other names require an endpoint_url"
        raise ParameterValidationError(name, rule)
    return region


@lru_cache(maxsize=16)  # most requests have one, and programs use few
def is_aws_pool_id(user_pool_id: str) -> bool:
    """Return whether a user pool ID is valid everywhere."""
    return pool_id_rule(user_pool_id, at_aws=True) is None


def pool_id_rule(user_pool_id: object, *, at_aws: bool) -> str | None:
    """Return the rule that a user pool ID breaks, if any; at AWS, other than in emulators, it starts with a region."""
    if (
        not isinstance(user_pool_id, str)
        or not _POOL_ID.fullmatch(user_pool_id)
        or len(user_pool_id) > _LONGEST_POOL_ID
    ):
        return _POOL_ID_RULE
    if at_aws and not _AWS_POOL_ID.fullmatch(user_pool_id):
        return f"{_POOL_ID_RULE}; the IDs of emulators require an endpoint_url"
    return None


def check_pool_id(user_pool_id: object, *, at_aws: bool) -> None:
    """Raise ParameterValidationError for an invalid user pool ID."""
    rule = pool_id_rule(user_pool_id, at_aws=at_aws)
    if rule is not None:
        raise ParameterValidationError("user_pool_id", rule)


def region_of_pool(user_pool_id: str | None) -> str | None:
    """Return the region of a user pool ID (``eu-west-1_AbC``); None if it has none."""
    if not isinstance(user_pool_id, str):
        return None
    region, separator, _ = user_pool_id.partition("_")
    return region if separator and re.fullmatch(_REGION, region, re.ASCII) else None


def service_url(region: str, *, use_fips: bool = False, use_dualstack: bool = False) -> str:
    """Return the service's URL in a region, without a path; raise ParameterValidationError for an invalid region."""
    region = check_region(region)
    found = next((row for row in PARTITIONS if re.fullmatch(row[0], region, re.ASCII)), COMMERCIAL)
    _, suffix, dual_stack_suffix = found
    dual_stack_already = region in FIPS_DUAL_STACK_REGIONS if use_fips else found is COMMERCIAL
    if use_dualstack and not dual_stack_already:
        suffix = dual_stack_suffix
    return f"https://{SERVICE}{'-fips' if use_fips else ''}.{region}.{suffix}"


def issuers(user_pool_id: str, replica_regions: Iterable[str] = ()) -> frozenset[str]:
    """Return the issuers of a user pool: both forms that Amazon Cognito uses, in each region of the pool.

    Raises:
        ParameterValidationError: The user pool ID or a region is invalid.
    """
    check_pool_id(user_pool_id, at_aws=False)
    region = region_of_pool(user_pool_id)
    if region is None:
        raise ParameterValidationError("user_pool_id", _POOL_ID_RULE)
    regions = (region, *(check_region(replica, "replica_regions") for replica in replica_regions))
    hosts = [service_url(each).removeprefix("https://") for each in regions]
    return frozenset(f"https://{prefix}{host}/{user_pool_id}" for host in hosts for prefix in ("", "issuer-"))


def check_jwks_url(url: object, name: str) -> None:
    """Raise ParameterValidationError unless the URL of a key set is https or that of a loopback address."""
    parsed = _parsed_endpoint(url)
    if parsed is None or parsed.user is not None or not (parsed.scheme == "https" or _is_loopback(parsed.host or "")):
        raise ParameterValidationError(name, "must be an https URL, or an http URL of a loopback address")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_endpoint_url(endpoint_url: object, *, use_fips: bool = False, use_dualstack: bool = False) -> str:
    """Return an endpoint URL as it is sent and signed; raise ParameterValidationError for an invalid one."""
    if use_fips or use_dualstack:
        raise ParameterValidationError("endpoint_url", "must not be combined with use_fips or use_dualstack")
    url = _parsed_endpoint(endpoint_url)
    if url is None:
        raise ParameterValidationError(
            "endpoint_url", "must be an http or https URL such as 'https://cognito-idp.eu-west-1.amazonaws.com'"
        )
    if "@" in str(endpoint_url).split("/")[2]:
        raise ParameterValidationError("endpoint_url", "must not contain a user name or password")
    return str(url).rstrip("/")


def _parsed_endpoint(endpoint_url: object) -> URL | None:
    if not isinstance(endpoint_url, str) or not endpoint_url.isprintable() or endpoint_url != endpoint_url.strip():
        return None
    try:
        url = URL(endpoint_url)
        usable = url.scheme in {"http", "https"} and url.port != 0 and bool(url.host) and _is_host(url.raw_host or "")
    except ValueError:
        return None
    return url if usable and not re.search(r"[\\?#]|//\[(?![\da-fA-F:.]+\])", endpoint_url) else None


def _is_host(host: str) -> bool:
    """Return whether an ASCII host is an IP address or a name that can be looked up."""
    try:
        ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        is_number = labels[-1].isdigit()  # resolvers read such a name as an IPv4 address
        return not is_number and len(host) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, labels))
    return True


_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_LONGEST_HOST = 253
