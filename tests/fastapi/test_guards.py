"""Guards: forms from other sites, rates of tries, and the password policy."""

import asyncio
import contextlib
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st

from cognito_async import CognitoClient
from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi import (
    Cognito,
    MemoryRateLimit,
    PasswordPolicy,
    RateLimitedError,
    admit_user,
    at_least,
    install_problems,
    limited,
    same_origin,
)
from cognito_async.fastapi.origin import is_same_origin
from cognito_async.operations import (
    DescribeUserPoolResponse,
    PasswordPolicyType,
    UserPoolPolicyType,
    UserPoolType,
)
from tests.fastapi.test_lifespan import SETTINGS, visiting

HOST = {"host": "site.example"}


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),  # no browser
        ({"sec-fetch-site": "same-origin", "origin": "https://site.example"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site", "origin": "https://blog.site.example"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://site.example"}, False),
        ({"sec-fetch-site": "nonsense"}, False),
        ({"origin": "https://site.example"}, True),
        ({"origin": "http://site.example:80"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://site.example.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "https://[broken"}, False),
        ({"origin": "https://www.example.com", "sec-fetch-site": "cross-site"}, True),
    ],
)
def test_where_a_form_comes_from(headers: dict[str, str], own: bool) -> None:  # noqa: FBT001 - the expected answer
    """The browser's word decides; one further origin is allowed."""
    assert is_same_origin({**HOST, **headers}, {"https://www.example.com"}) is own


def test_no_host_is_no_match() -> None:
    """A request without a Host header matches no origin, not even an empty one."""
    assert not is_same_origin({"origin": "null"})
    assert not is_same_origin({"origin": "https://site.example"})


async def test_the_guards_are_dependencies() -> None:
    """They refuse before the route runs: cross-site forms with 403, too many tries with 429."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)
    install_problems(app)
    guards = [Depends(same_origin()), Depends(limited(MemoryRateLimit(2, 60.0)))]

    @app.api_route("/", methods=["GET", "POST"], dependencies=guards)
    async def route() -> str:
        return "welcome"

    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    async with visiting(app) as visitor:
        assert (await visitor.post("/", headers=elsewhere, data={"a": "b"})).status_code == 403
        assert (await visitor.post("/", headers={**elsewhere, "Content-Type": "text/plain"})).status_code == 403
        assert (await visitor.get("/", headers=elsewhere)).status_code == 200
        assert (await visitor.post("/", headers=elsewhere, json={})).status_code == 200  # after CORS allowed it
        assert (await visitor.post("/")).status_code == 200
        refused = await visitor.post("/")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        for method in ("GET", "HEAD", "OPTIONS"):  # what only reads is not counted
            assert (await visitor.request(method, "/")).status_code in {200, 405}
    async with visiting(app, client=("192.0.2.2", 1)) as other:
        assert (await other.post("/")).status_code == 200


# --- rates ------------------------------------------------------------------------------------------------------------


async def test_tries_come_back_one_by_one() -> None:
    """Three tries are there at once; then one every 20 seconds, and never more than three."""
    clock = SimpleNamespace(now=1000.0)
    limit = MemoryRateLimit(3, 60.0, clock=lambda: clock.now)
    assert [await limit.wait("a") for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]
    clock.now += 19.0
    assert await limit.wait("a") == pytest.approx(1.0)
    assert await limit.wait("b") == 0.0
    clock.now += 1.0
    assert [await limit.wait("a") for _ in range(2)] == [0.0, 20.0]
    clock.now += 3600.0
    assert [await limit.wait("a") for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 5))
async def test_a_rate_is_never_exceeded(pauses: list[float], tries: int) -> None:
    """Whatever the pauses, any window of the given seconds lets at most twice the tries pass, and waiting helps."""
    clock = SimpleNamespace(now=0.0)
    limit = MemoryRateLimit(tries, 60.0, clock=lambda: clock.now)
    passed: list[float] = []
    for pause in pauses:
        clock.now += pause
        wait = await limit.wait("a")
        if wait:
            clock.now += wait + 1e-6
            assert await limit.wait("a") == 0.0
        passed.append(clock.now)
    for start in passed:
        assert sum(start <= time < start + 60.0 for time in passed) <= 2 * tries


async def test_the_memory_is_bounded() -> None:
    """A million addresses do not fill it; the one heard of last is remembered."""
    limit = MemoryRateLimit(1, 60.0, keys=100)
    assert await limit.wait("a") == 0.0
    for number in range(1000):
        await limit.wait(str(number))
        assert await limit.wait("a") > 0.0
    assert len(limit) == 100


@pytest.mark.parametrize(("tries", "seconds", "keys"), [(0, 60.0, 1), (1, 0.0, 1), (1, 60.0, 0)])
def test_a_rate_of_nothing_is_refused(tries: int, seconds: float, keys: int) -> None:
    """The numbers must make sense."""
    with pytest.raises(ValueError, match="at least 1"):
        MemoryRateLimit(tries, seconds, keys=keys)


async def test_users_are_counted_without_their_names() -> None:
    """What counts gets a hash, the same in upper and lower case; one try too many says when to come back."""
    keys: list[str] = []

    class Counts:
        """Allows one try."""

        async def wait(self, key: str) -> float:
            """Count."""
            keys.append(key)
            return 0.0 if len(keys) == 1 else 7.0

    await admit_user(Counts(), "Ada")
    with pytest.raises(RateLimitedError) as caught:
        await admit_user(Counts(), "aDA")
    assert caught.value.retry_after == 7
    assert keys[0] == keys[1]
    assert "ada" not in keys[0].casefold()


@pytest.mark.virtual_clock
async def test_an_answer_takes_its_time() -> None:
    """Success and failure take the same time, what takes longer by itself is not held up, and leaving is not."""
    clock = asyncio.get_running_loop().time
    for pause, error in ((0.0, None), (0.2, None), (0.2, ZeroDivisionError()), (0.7, None)):
        start = clock()
        with pytest.raises(ZeroDivisionError) if error else contextlib.nullcontext():
            async with at_least(0.5):
                await asyncio.sleep(pause)
                if error:
                    raise error
        assert clock() - start == pytest.approx(max(pause, 0.5))


# --- passwords --------------------------------------------------------------------------------------------------------


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
def test_the_policy_names_what_is_broken(password: str, broken: int) -> None:
    """Each rule that a password breaks is told, without the password."""
    rules = PasswordPolicy().broken_rules(password)
    assert len(rules) == broken
    assert not password or password not in str(rules)


def test_a_policy_may_ask_for_length_alone() -> None:
    """Each rule can be switched off; the least length that the service admits is six."""
    lenient = PasswordPolicy(
        minimum_length=12,
        require_lowercase=False,
        require_uppercase=False,
        require_numbers=False,
        require_symbols=False,
    )
    assert lenient.broken_rules("correcthorse") == ()
    assert lenient.broken_rules("correct") == ("must have at least 12 characters",)
    with pytest.raises(ParameterValidationError):
        PasswordPolicy(minimum_length=5)


def test_a_policy_is_taken_from_the_service() -> None:
    """What the service tells is what is checked; what it leaves out is not required."""
    told = PasswordPolicyType(minimum_length=12, require_numbers=True, require_symbols=False)
    expected = PasswordPolicy(
        minimum_length=12, require_lowercase=False, require_uppercase=False, require_symbols=False
    )
    assert PasswordPolicy.of(told) == expected
    assert PasswordPolicy.of(PasswordPolicyType()).broken_rules("aaaaaaaa") == ()


@pytest.mark.parametrize(
    ("pool", "length"),
    [
        (None, 8),
        (UserPoolType(), 8),
        (UserPoolType(policies=UserPoolPolicyType()), 8),
        (UserPoolType(policies=UserPoolPolicyType(password_policy=PasswordPolicyType(minimum_length=14))), 14),
    ],
)
async def test_the_pool_is_asked_for_its_policy(pool: UserPoolType | None, length: int) -> None:
    """The pool's own policy is taken, that of a new pool where it tells none."""

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
def test_the_patterns_say_what_the_check_says(policy: PasswordPolicy, password: str) -> None:
    """Each rule's pattern finds something in just the passwords that keep the rule; the blank is the service's."""
    left = [f"must have {rule.text}" for rule in policy.rules if not re.search(rule.pattern, password)]
    assert left == list(policy.broken_rules(password))
    assert (left[-1:] == ["must have no blank at the beginning or end"]) is (password != password.strip(" \t\n\v\f\r"))
    assert (len(password) < policy.minimum_length) is (f"must have at least {policy.minimum_length} characters" in left)
