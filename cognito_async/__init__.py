"""Async client for Amazon Cognito user pools.

    async with AsyncCognitoSession("eu-west-1") as session:
        client = session.client(client_id="…", client_secret="…")
        await client.confirm_forgot_password(username="ada@example.com", confirmation_code="123456", password="…")

Public names are imported on first use: importing the package loads no HTTP library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cognito_async.version import __version__ as __version__

if TYPE_CHECKING:
    from cognito_async import errors as errors
    from cognito_async import operations as operations
    from cognito_async.call import Timeouts as Timeouts
    from cognito_async.client import CognitoClient as CognitoClient
    from cognito_async.errors import *  # noqa: F403 - each error by name
    from cognito_async.operations import AnalyticsMetadataType as AnalyticsMetadataType
    from cognito_async.operations import UserContextDataType as UserContextDataType
    from cognito_async.pagination import Paginator as Paginator
    from cognito_async.protocol.events import AmbiguousDetails as AmbiguousDetails
    from cognito_async.protocol.events import RateLimitDetails as RateLimitDetails
    from cognito_async.protocol.events import RetryDetails as RetryDetails
    from cognito_async.protocol.events import Stats as Stats
    from cognito_async.protocol.retry import RetryKind as RetryKind
    from cognito_async.protocol.retry import RetryPolicy as RetryPolicy
    from cognito_async.protocol.signing import Credentials as Credentials
    from cognito_async.quotas import Quotas as Quotas
    from cognito_async.rate_limiter import CategoryLimiter as CategoryLimiter
    from cognito_async.rate_limiter import RateLimiter as RateLimiter
    from cognito_async.session import AsyncCognitoSession as AsyncCognitoSession
    from cognito_async.transport import PoolLimits as PoolLimits
    from cognito_async.transport import Transport as Transport

_HOME = {
    "AmbiguousDetails": "protocol.events",
    "AnalyticsMetadataType": "operations",
    "AsyncCognitoSession": "session",
    "CognitoClient": "client",
    "Credentials": "protocol.signing",
    "Fault": "errors",
    "CategoryLimiter": "rate_limiter",
    "RateLimitDetails": "protocol.events",
    "RateLimiter": "rate_limiter",
    "Paginator": "pagination",
    "PoolLimits": "transport",
    "Quotas": "quotas",
    "RetryDetails": "protocol.events",
    "RetryKind": "protocol.retry",
    "RetryPolicy": "protocol.retry",
    "Stats": "protocol.events",
    "Timeouts": "call",
    "Transport": "transport",
    "UserContextDataType": "operations",
}


def __dir__() -> list[str]:
    return sorted({*_HOME, *dir(import_module(f"{__name__}.errors")), "__version__", "errors", "operations"})


if not TYPE_CHECKING:  # type checkers use the imports above, so typos are errors

    def __getattr__(name: str) -> Any:
        """Import a public name on first use."""
        if name == "__all__":
            return __dir__()
        if name in {"errors", "operations"}:
            return import_module(f"{__name__}.{name}")
        home = _HOME.get(name) or ("errors" if name.endswith(("Error", "Exception")) else None)
        value = getattr(import_module(f"{__name__}.{home}"), name, None) if home else None
        if value is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value
