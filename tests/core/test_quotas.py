"""The request rates by quota category: what can be said, what is published, and what the account was given."""

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
    """Make an answer of GetProvisionedLimit."""
    return respond(body=json.dumps({"Limit": {"ProvisionedLimitValue": value, "FreeLimitValue": 1}}).encode())


def test_the_published_rates_are_those_of_the_table() -> None:
    """18 categories with their rates, of which AWS raises 6 on request."""
    assert {category: row["rate"] for category, row in TABLE.items()} == PUBLISHED
    assert {category for category, row in TABLE.items() if row["adjustable"]} == ADJUSTABLE
    assert len(PUBLISHED) == 18
    assert len(ADJUSTABLE) == 6


def test_there_is_a_keyword_for_each_category() -> None:
    """All 18, in snake case, each of which comes out under AWS's name."""
    assert len(NAMES) == 18
    quotas = Quotas(**{name: float(n) for n, name in enumerate(NAMES, 1)})
    rates = quotas.by_category()
    assert rates.keys() == PUBLISHED.keys()
    assert list(rates.values()) == [float(n) for n in range(1, 19)]


def test_what_is_not_said_is_not_set() -> None:
    """Only the named rates are kept to; the others are found out."""
    assert Quotas().by_category() == {}
    assert Quotas(user_account_recovery=30, user_read=0.5).by_category() == {
        "UserAccountRecovery": 30.0,
        "UserRead": 0.5,
    }


@pytest.mark.parametrize("rate", [0, -1, 0.0, float("nan"), float("inf"), "30", b"30", True, [30], 1j])
@pytest.mark.parametrize("name", ["user_account_recovery", "limit_management"])
def test_a_rate_must_be_a_positive_number(name: str, rate: Any) -> None:
    """Anything else is refused by name."""
    with pytest.raises(ParameterValidationError) as caught:
        Quotas(**{name: rate})
    assert caught.value.parameter == name


def test_an_unknown_category_is_refused() -> None:
    """A misspelt keyword is an error, not a rate that nobody keeps to."""
    with pytest.raises(TypeError):
        Quotas(user_acount_recovery=30)  # type: ignore[call-arg]


@pytest.mark.parametrize("share", [1, 0.5, 0.001])
def test_a_share_of_the_published_rates(share: float) -> None:
    """Each of the 18."""
    assert Quotas.published(share).by_category() == pytest.approx(
        {category: rate * share for category, rate in PUBLISHED.items()}
    )
    assert Quotas.published().by_category() == PUBLISHED


@pytest.mark.parametrize("share", [0, -0.5, 1.01, 2, float("nan"), float("inf")])
async def test_a_share_must_be_a_part(share: float) -> None:
    """Greater than 0 and at most 1; ``from_account`` asks nothing before it has seen that."""
    with pytest.raises(ParameterValidationError, match="share"):
        Quotas.published(share)
    transport = ScriptedTransport()
    async with scripted_session(transport, credentials=KEYS) as session:
        with pytest.raises(ParameterValidationError, match="share"):
            await Quotas.from_account(session, share)


@pytest.mark.parametrize("share", ["0.5", None])
def test_a_share_of_the_wrong_kind_is_refused(share: Any) -> None:
    """In the same words as any other that can't be."""
    with pytest.raises(ParameterValidationError, match="share"):
        Quotas.published(share)


async def test_the_account_is_asked_for_the_adjustable_ones() -> None:
    """Six signed requests, one for each; the answers count, the other twelve are as published."""
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
async def test_what_the_service_does_not_tell_is_as_published(body: bytes) -> None:
    """An answer without a value falls back."""
    transport = ScriptedTransport(*[respond(body=body) for _ in range(6)])
    async with scripted_session(transport, credentials=KEYS) as session:
        quotas = await Quotas.from_account(session)
    assert quotas.by_category() == PUBLISHED


async def test_a_refusal_comes_out() -> None:
    """Without the permission the caller learns it, rather than keep to a guess."""
    transport = ScriptedTransport(refuse("NotAuthorizedException"))
    async with scripted_session(transport, credentials=KEYS) as session:
        with pytest.raises(ServiceError, match="NotAuthorized"):
            await Quotas.from_account(session)
    assert len(transport.attempts) == 1


@pytest.mark.virtual_clock
@pytest.mark.parametrize("seed", range(20))
async def test_asking_is_not_throttled_to_death(seed: int) -> None:
    """The service takes one such request a second (category LimitManagement): asking for all six succeeds anyway."""
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
