"""Validation of numbers in the settings of a session."""

from collections.abc import Callable
from math import inf
from typing import Any

from cognito_async.errors import ParameterValidationError


def number(low: float, *, above: bool = False, unlimited: bool = False) -> Callable[[Any, Any, object], None]:
    """Return an attrs validator for a number of at least (or above) ``low``; ``unlimited`` allows None."""
    rule = f"must be a number {'above' if above else 'of at least'} {low:g}{', or None' if unlimited else ''}"

    def check(_: object, attribute: Any, value: object) -> None:  # noqa: ANN401 - an attrs Attribute
        if value is None and unlimited:
            return
        usable = isinstance(value, int | float) and not isinstance(value, bool) and low <= value < inf
        if not usable or (above and value == low):
            raise ParameterValidationError(attribute.name, rule)

    return check
