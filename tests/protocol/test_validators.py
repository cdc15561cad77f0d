"""Numbers in the settings of a session."""

from math import inf, nan
from types import SimpleNamespace
from typing import Any

import pytest

from cognito_async.errors import ParameterValidationError
from cognito_async.protocol.validators import check_number, number

LEAST, ABOVE = "must be a number of at least 1", "must be a number above 0, or None"


def rule_of(value: object, low: float, **options: bool) -> str | None:
    """Return the rule that the value of a setting breaks, if any."""
    try:
        number(low, **options)(None, SimpleNamespace(name="seconds"), value)
    except ParameterValidationError as error:
        return dict(error.errors)["seconds"]
    return None


@pytest.mark.parametrize("value", [1, 1.0, 1.5, 10**6])
def test_number_within_the_limit_is_valid(value: float) -> None:
    """The limit itself is valid."""
    assert rule_of(value, 1) is None


@pytest.mark.parametrize("value", [None, 0, 0.99, -1, True, "1", b"1", [1], inf, -inf, nan])
def test_other_value_is_refused(value: object) -> None:
    """Numbers below the limit, infinity, and anything that is not a number."""
    assert rule_of(value, 1) == LEAST


@pytest.mark.parametrize(("value", "rule"), [(None, None), (0.001, None), (0, ABOVE), (-1, ABOVE), (inf, ABOVE)])
def test_number_above_a_limit_or_none(value: Any, rule: str | None) -> None:
    """None means unlimited where that is allowed."""
    assert rule_of(value, 0, above=True, unlimited=True) == rule


def test_none_is_refused_for_a_limit_that_is_required() -> None:
    """Also above a limit."""
    assert rule_of(None, 0, above=True) == "must be a number above 0"
    assert rule_of(0, 0, unlimited=True) is None


def test_number_outside_of_settings_has_the_same_rules() -> None:
    """The limit itself is valid, and None is not."""
    check_number("seconds", 0, 0)
    with pytest.raises(ParameterValidationError) as caught:
        check_number("seconds", None, 0)
    assert caught.value.errors == (("seconds", "must be a number of at least 0"),)
