"""Quotas: configured, published, and those of the account."""

import asyncio
import json
import tomllib
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import fields

import cognito_async
from cognito_async import Credentials, ParameterValidationError, Quotas, ServiceError
from cognito_async.operations.facts import ADJUSTABLE, PUBLISHED
from tests.support.scripted_transport import ScriptedTransport, refuse, respond, scripted_session

TABLE = tomllib.loads((Path(cognito_async.__file__).parents[1] / "tools/tables/quotas.toml").read_text())["categories"]
KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret of many characters")
NAMES = [attribute.name for attribute in fields(Quotas)]


def provisioned(value: Any) -> Any:
    """Return a response of GetProvisionedLimit."""
    return respond(body=json.dumps({"Limit": {"ProvisionedLimitValue": value, "FreeLimitValue": 1}}).encode())


def test_published_rates_equal_the_table() -> None:
    """18 categories, of which 6 are adjustable."""
    assert {category: row["rate"] for category, row in TABLE.items()} == PUBLISHED
    assert {category for category, row in TABLE.items() if row["adjustable"]} == ADJUSTABLE
    assert len(PUBLISHED) == 18
    assert len(ADJUSTABLE) == 6


def test_each_category_has_a_keyword() -> None:
    """In snake case."""
    assert len(NAMES) == 18
    quotas = Quotas(**{name: float(n) for n, name in enumerate(NAMES, 1)})
    rates = quotas.by_category()
    assert rates.keys() == PUBLISHED.keys()
    assert list(rates.values()) == [float(n) for n in range(1, 19)]


def test_rates_that_are_not_passed_are_not_set() -> None:
    """They adapt to throttling."""
    assert Quotas().by_category() == {}
    assert Quotas(user_account_recovery=30, user_read=0.5).by_category() == {
        "UserAccountRecovery": 30.0,
        "UserRead": 0.5,
    }


@pytest.mark.parametrize("rate", [0, -1, 0.0, float("nan"), float("inf"), "30", b"30", True, [30], 1j])
@pytest.mark.parametrize("name", ["user_account_recovery", "limit_management"])
def test_rate_must_be_a_positive_number(name: str, rate: Any) -> None:
    """The error names the parameter."""
    with pytest.raises(ParameterValidationError) as caught:
        Quotas(**{name: rate})
    assert caught.value.parameter == name


def test_unknown_category_is_refused() -> None:
    """A typo is an error."""
    with pytest.raises(TypeError):
        Quotas(user_acount_recovery=30)  # type: ignore[call-arg]


@pytest.mark.parametrize("share", [1, 0.5, 0.001])
def test_published_share_applies_to_each_rate(share: float) -> None:
    """Of all 18."""
    assert Quotas.published(share).by_category() == pytest.approx(
        {category: rate * share for category, rate in PUBLISHED.items()}
    )
    assert Quotas.published().by_category() == PUBLISHED


@pytest.mark.parametrize("share", [0, -0.5, 1.01, 2, float("nan"), float("inf")])
async def test_share_out_of_range_is_refused(share: float) -> None:
    """``from_account`` sends nothing."""
    with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "share"):
        Quotas.published(share)
    transport = ScriptedTransport()
    async with scripted_session(transport, credentials=KEYS) as session:
        with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "share"):
            await Quotas.from_account(session, share)


@pytest.mark.parametrize("share", ["0.5", None])
def test_share_of_wrong_type_is_refused(share: Any) -> None:
    """With the same error."""
    with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "share"):
        Quotas.published(share)


async def test_from_account_requests_adjustable_rates() -> None:
    """Six signed requests; the other rates are the published ones."""
    transport = ScriptedTransport(*[provisioned(200 + n) for n in range(6)])
    async with scripted_session(transport, credentials=KEYS) as session:
        quotas = await Quotas.from_account(session, 0.5)
    asked = [attempt.json["LimitDefinition"] for attempt in transport.attempts]
    assert {definition["LimitClass"] for definition in asked} == {"API_CATEGORY"}
    categories = [definition["Attributes"]["Category"] for definition in asked]
    assert set(categories) == ADJUSTABLE
    assert len(categories) == 6
    for attempt in transport.attempts:
        assert attempt.headers["X-Amz-Target"] == "AWSCognitoIdentityProviderService.GetProvisionedLimit"
        assert "Authorization" in attempt.headers
    expected = {**PUBLISHED, **{category: 200.0 + n for n, category in enumerate(categories)}}
    assert quotas.by_category() == {category: rate * 0.5 for category, rate in expected.items()}


@pytest.mark.parametrize(
    "body", [b"{}", b'{"Limit": null}', b'{"Limit": {}}', b'{"Limit": {"ProvisionedLimitValue": 0}}']
)
async def test_from_account_without_value_uses_published_rate(body: bytes) -> None:
    """For each form of a missing value."""
    transport = ScriptedTransport(*[respond(body=body) for _ in range(6)])
    async with scripted_session(transport, credentials=KEYS) as session:
        quotas = await Quotas.from_account(session)
    assert quotas.by_category() == PUBLISHED


async def test_from_account_raises_service_errors() -> None:
    """Such as a missing permission."""
    transport = ScriptedTransport(refuse("NotAuthorizedException"))
    async with scripted_session(transport, credentials=KEYS) as session:
        with pytest.raises(ServiceError, match="NotAuthorized"):
            await Quotas.from_account(session)
    assert len(transport.attempts) == 1


@pytest.mark.virtual_clock
@pytest.mark.parametrize("seed", range(20))
async def test_from_account_succeeds_at_one_request_per_second(seed: int) -> None:
    """The limit of the category LimitManagement."""
    loop, seeded = asyncio.get_running_loop(), Random(seed)

    class Service(ScriptedTransport):
        tokens, filled_at = 1.0, 0.0

        async def send(self, request: Any) -> Any:
            self.tokens = min(self.tokens + loop.time() - self.filled_at, 1.0)
            self.filled_at = loop.time()
            allowed = self.tokens >= 1.0
            self.tokens -= allowed
            self.script.append(provisioned(77) if allowed else refuse("TooManyRequestsException"))
            return await super().send(request)

    async with scripted_session(Service(), credentials=KEYS, random=seeded.random) as session:
        quotas = await Quotas.from_account(session)
    assert quotas.user_read == 77
