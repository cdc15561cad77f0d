"""Password policies."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_async import CognitoClient
from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi import PasswordPolicy
from cognito_async.operations import (
    DescribeUserPoolResponse,
    PasswordPolicyType,
    UserPoolPolicyType,
    UserPoolType,
)


@pytest.mark.parametrize(
    ("password", "broken"),
    [
        ("Analytical-1843", 0),
        ("Aa1 aaaa", 0),
        ("analytical-1843", 1),
        ("ANALYTICAL-1843", 1),
        ("Analytical1843", 1),
        ("Analytical-Engine", 1),
        ("Aa1-", 1),
        (" Analytical-1843", 1),
        ("", 5),
        ("ÄÖÜßäöü€", 4),
    ],
)
def test_broken_rules_of_default_policy(password: str, broken: int) -> None:
    """Each broken rule is listed with its own text, without the password."""
    rules = PasswordPolicy().broken_rules(password)
    assert len(rules) == len(set(rules)) == broken
    assert not password or password not in str(rules)


def test_policy_with_length_only() -> None:
    """Each rule can be disabled; the minimum length is at least six, as in the service."""
    lenient = PasswordPolicy(
        minimum_length=12,
        require_lowercase=False,
        require_uppercase=False,
        require_numbers=False,
        require_symbols=False,
    )
    assert lenient.broken_rules("correcthorse") == ()
    assert len(lenient.broken_rules("correct")) == 1
    with pytest.raises(ParameterValidationError):
        PasswordPolicy(minimum_length=5)


def test_from_type_does_not_require_missing_members() -> None:
    """Members without a value in the response are not required."""
    policy = PasswordPolicyType(minimum_length=12, require_numbers=True, require_symbols=False)
    assert PasswordPolicy.from_type(policy) == PasswordPolicy(
        minimum_length=12, require_lowercase=False, require_uppercase=False, require_symbols=False
    )
    assert PasswordPolicy.from_type(PasswordPolicyType()).broken_rules("aaaaaaaa") == ()


@pytest.mark.parametrize(
    ("pool", "length"),
    [
        (None, 8),
        (UserPoolType(), 8),
        (UserPoolType(policies=UserPoolPolicyType()), 8),
        (UserPoolType(policies=UserPoolPolicyType(password_policy=PasswordPolicyType(minimum_length=14))), 14),
    ],
)
async def test_from_pool_uses_the_pool_or_the_default(pool: UserPoolType | None, length: int) -> None:
    """A response without a policy gives the default policy."""

    async def describe_user_pool() -> DescribeUserPoolResponse:
        return DescribeUserPoolResponse(user_pool=pool)

    client = cast("CognitoClient", SimpleNamespace(describe_user_pool=describe_user_pool))
    assert (await PasswordPolicy.from_pool(client)).minimum_length == length


POLICIES: st.SearchStrategy[Any] = st.builds(
    PasswordPolicy,
    minimum_length=st.integers(6, 20),
    require_lowercase=st.booleans(),
    require_uppercase=st.booleans(),
    require_numbers=st.booleans(),
    require_symbols=st.booleans(),
)


@given(policy=POLICIES, password=st.text(max_size=24) | st.text("aZ5- \t\n", max_size=24))
def test_patterns_agree_with_broken_rules(policy: PasswordPolicy, password: str) -> None:
    """The pattern of a rule matches exactly the passwords that meet it; whitespace is ASCII, as in the service."""
    unmet = [rule for rule in policy.rules if not re.search(rule.pattern, password)]
    assert [f"must have {rule.text}" for rule in unmet] == list(policy.broken_rules(password))
    assert (policy.rules[-1] in unmet) is (password != password.strip(" \t\n\v\f\r"))
    assert (policy.rules[0] in unmet) is (len(password) < policy.minimum_length)
