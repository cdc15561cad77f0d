"""Where requests go: the region, the endpoint, the user pool and the app client; and sessions that go there."""

import os
from argparse import Namespace
from collections.abc import Mapping
from typing import Final

from attrs import evolve, fields_dict, frozen

from cognito_async import AsyncCognitoSession, Quotas, Timeouts
from cognito_async.cli.exits import CommandError
from cognito_async.operations.facts import PUBLISHED
from cognito_async.protocol.endpoints import region_of_pool
from cognito_async.protocol.operation import Operation

REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
ENDPOINTS: Final = ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "AWS_ENDPOINT_URL")
TOTAL: Final = 30.0
TURNS: Final = 10
"""Requests that may be ahead of one in its lane: at a low rate they take longer than a call's usual limit."""


@frozen(kw_only=True)
class Address:
    """Where requests go.

    Attributes:
        region: The region.
        endpoint_url: The service's address; None for AWS's own.
        user_pool_id: The user pool; None if none was named.
        client_id: The app client; None if none was named.
    """

    region: str
    endpoint_url: str | None = None
    user_pool_id: str | None = None
    client_id: str | None = None

    def pool(self) -> str:
        """Give the user pool.

        Raises:
            CommandError: None was named.
        """
        if not self.user_pool_id:
            raise CommandError("which user pool? Give --user-pool-id, or set COGNITO_USER_POOL_ID")
        return self.user_pool_id

    def app(self) -> str:
        """Give the app client.

        Raises:
            CommandError: None was named.
        """
        if not self.client_id:
            raise CommandError("which app client? Give --client-id, or set COGNITO_CLIENT_ID")
        return self.client_id

    def session(self, rates: Mapping[str, float] | None = None) -> AsyncCognitoSession:
        """Make a session that goes there, at AWS's published rates.

        Args:
            rates: Other rates, by category; None for none.

        Returns:
            The session.
        """
        quotas = evolve(Quotas.published(), **{_attribute(name): rate for name, rate in (rates or {}).items()})
        slowest = min((rates or {}).values(), default=TURNS)
        timeouts = Timeouts(total=TOTAL + TURNS / slowest)
        return AsyncCognitoSession(self.region, endpoint_url=self.endpoint_url, quotas=quotas, timeouts=timeouts)


def address_of(options: Namespace, environ: Mapping[str, str] = os.environ) -> Address:
    """Tell where a command's requests go.

    Args:
        options: Its options.
        environ: The environment, for what they leave out.

    Returns:
        The address.

    Raises:
        CommandError: Nothing tells the region.
    """
    pool = getattr(options, "user_pool_id", None) or environ.get("COGNITO_USER_POOL_ID")
    region = options.region or region_of_pool(pool) or first(environ, REGIONS)
    if not region:
        raise CommandError("which region? Give --region, or set AWS_REGION")
    return Address(
        region=region,
        endpoint_url=options.endpoint_url or first(environ, ENDPOINTS),
        user_pool_id=pool or None,
        client_id=getattr(options, "client_id", None) or environ.get("COGNITO_CLIENT_ID") or None,
    )


def category_of(operation: Operation) -> str:
    """Give the quota category that an operation's requests count against."""
    return operation.category or operation.name


def published_rate(operation: Operation) -> float:
    """Give the rate that AWS publishes for an operation's category."""
    return PUBLISHED[category_of(operation)]


def first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """Give the first of some variables that is set; None if none is."""
    return next((environ[name] for name in names if environ.get(name)), None)


def _attribute(category: str) -> str:
    """Give the attribute of Quotas that a category has: the one that is spelt like it."""
    return next(name for name in fields_dict(Quotas) if name.replace("_", "") == category.lower())
