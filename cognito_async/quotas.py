"""The request rates that a session keeps to, by quota category."""

from typing import TYPE_CHECKING, Any, Self

from attrs import evolve, field, fields, frozen

from cognito_async.errors import ParameterValidationError
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.settings import number
from cognito_async.protocol.shapes import Record

if TYPE_CHECKING:
    from cognito_async.session import AsyncCognitoSession


PATIENT = RetryPolicy(max_attempts=10)
"""For asking about limits, of which the service allows one question a second."""


def _check_share(share: object) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ParameterValidationError("share", "must be a number greater than 0 and at most 1")


def _rate() -> Any:  # noqa: ANN401 - as attrs.field itself
    return field(default=None, validator=number(0, above=True, unlimited=True))


@frozen(kw_only=True, eq=False, repr=False)
class Quotas(Record):
    """Requests a second for each quota category; None to find out from the service's throttling.

    AWS counts requests for each account and region: where several processes share an account, give each its share. The
    categories are those of https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html.
    """

    user_authentication: float | None = _rate()
    user_creation: float | None = _rate()
    user_federation: float | None = _rate()
    user_account_recovery: float | None = _rate()
    user_read: float | None = _rate()
    user_update: float | None = _rate()
    user_token: float | None = _rate()
    user_resource_read: float | None = _rate()
    user_resource_update: float | None = _rate()
    user_list: float | None = _rate()
    user_pool_read: float | None = _rate()
    user_pool_update: float | None = _rate()
    user_pool_resource_read: float | None = _rate()
    user_pool_resource_update: float | None = _rate()
    user_pool_client_read: float | None = _rate()
    user_pool_client_update: float | None = _rate()
    client_authentication: float | None = _rate()
    limit_management: float | None = _rate()

    @classmethod
    def published(cls, share: float = 1.0) -> Self:
        """Keep to a share of the rates that AWS publishes as defaults.

        Args:
            share: The part of each rate to use, greater than 0 and at most 1.

        Returns:
            The rates.

        Raises:
            ParameterValidationError: The share is out of range.
        """
        from cognito_async.operations.facts import PUBLISHED  # noqa: PLC0415 - a table that few programs need

        _check_share(share)
        return cls(**{_attribute(category): rate * share for category, rate in PUBLISHED.items()})

    @classmethod
    async def from_account(cls, session: "AsyncCognitoSession", share: float = 1.0) -> Self:
        """Ask the service for the account's rates; signed, one request for each category that AWS raises on request.

        The others, which nobody can have raised, and those that the service does not tell, are as published.

        Args:
            session: A session with AWS credentials, in the region in question.
            share: The part of each rate to use, greater than 0 and at most 1.

        Returns:
            The rates.

        Raises:
            ParameterValidationError: The share is out of range.
            CognitoError: Whatever GetProvisionedLimit raises.
        """
        from cognito_async import operations as ops  # noqa: PLC0415 - loads what only this needs
        from cognito_async.operations.facts import ADJUSTABLE  # noqa: PLC0415

        quotas = cls.published(share)
        for category in sorted(ADJUSTABLE):
            definition = ops.LimitDefinitionType(limit_class="API_CATEGORY", attributes={"Category": category})
            request = ops.GetProvisionedLimitRequest(limit_definition=definition)
            answer = await session.send(request, retry=PATIENT)
            value = None if answer.limit is None else answer.limit.provisioned_limit_value
            if value:
                quotas = evolve(quotas, **{_attribute(category): value * share})
        return quotas

    def by_category(self) -> dict[str, float]:
        """Give the rates that are set, by AWS's names of the categories."""
        rates = {_category(attribute.name): getattr(self, attribute.name) for attribute in fields(type(self))}
        return {category: float(rate) for category, rate in rates.items() if rate is not None}


def _attribute(category: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in category).lstrip("_")


def _category(attribute: str) -> str:
    return "".join(word.capitalize() for word in attribute.split("_"))
