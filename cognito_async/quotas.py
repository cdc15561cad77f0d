"""Configured request rates by quota category."""

from typing import TYPE_CHECKING, Any, Self

from attrs import evolve, field, fields, frozen

from cognito_async.errors import ParameterValidationError
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.validators import number

if TYPE_CHECKING:
    from cognito_async.session import AsyncCognitoSession

PATIENT = RetryPolicy(max_attempts=10)  # for GetProvisionedLimit, which is limited to one request per second


def _rate() -> Any:  # noqa: ANN401 - as attrs.field itself
    return field(default=None, validator=number(0, above=True, unlimited=True))


@frozen(kw_only=True, eq=False, repr=False)
class Quotas(Record):
    """Requests per second for each quota category; None to adapt to the service's throttling.

    AWS counts requests per account and region: if several processes share an account, assign each a share. The
    categories are those of https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html.
    """

    __module__ = "cognito_async"

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
        """Return a share of the default rates that AWS publishes.

        Args:
            share: The share of each rate, greater than 0 and at most 1.

        Returns:
            The rates.

        Raises:
            ParameterValidationError: The share is out of range.
        """
        from cognito_async.operations.facts import PUBLISHED  # noqa: PLC0415 - rarely needed

        _check_share(share)
        return cls(**{_attribute(category): rate * share for category, rate in PUBLISHED.items()})

    @classmethod
    async def from_account(cls, session: "AsyncCognitoSession", share: float = 1.0) -> Self:
        """Return a share of the account's rates, with one signed request for each adjustable category.

        Rates that are not adjustable, or that the service does not return, are the published ones.

        Args:
            session: A session with AWS credentials in the region of the user pool.
            share: The share of each rate, greater than 0 and at most 1.

        Returns:
            The rates.

        Raises:
            ParameterValidationError: The share is out of range.
            CognitoError: GetProvisionedLimit failed.
        """
        from cognito_async import operations as ops  # noqa: PLC0415 - rarely needed
        from cognito_async.operations.facts import ADJUSTABLE  # noqa: PLC0415

        quotas = cls.published(share)
        for category in sorted(ADJUSTABLE):
            definition = ops.LimitDefinitionType(limit_class="API_CATEGORY", attributes={"Category": category})
            request = ops.GetProvisionedLimitRequest(limit_definition=definition)
            response = await session.send(request, retry=PATIENT)
            value = None if response.limit is None else response.limit.provisioned_limit_value
            if value:
                quotas = evolve(quotas, **{_attribute(category): value * share})
        return quotas

    def by_category(self) -> dict[str, float]:
        """Return the rates that are set, by AWS's category names."""
        rates = {_category(attribute.name): getattr(self, attribute.name) for attribute in fields(type(self))}
        return {category: float(rate) for category, rate in rates.items() if rate is not None}


def _check_share(share: object) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ParameterValidationError("share", "must be a number greater than 0 and at most 1")


def _attribute(category: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in category).lstrip("_")


def _category(attribute: str) -> str:
    return "".join(word.capitalize() for word in attribute.split("_"))
