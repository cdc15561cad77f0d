"""The check that all numbers in a session's settings go through."""

from collections.abc import Callable
from math import inf
from typing import Any

from cognito_async.errors import ParameterValidationError


def number(low: float, *, above: bool = False, unlimited: bool = False) -> Callable[[Any, Any, object], None]:
    """Make a validator for an attrs field that holds a number.

    Args:
        low: The least value.
        above: Whether ``low`` itself is refused.
        unlimited: Whether None is allowed, for no limit.

    Returns:
        The validator; it raises ParameterValidationError.
    """
    rule = f"must be a number {'above' if above else 'of at least'} {low:g}{', or None' if unlimited else ''}"

    def check(_: object, attribute: Any, value: object) -> None:  # noqa: ANN401 - attrs gives its own Attribute
        if value is None and unlimited:
            return
        usable = isinstance(value, int | float) and not isinstance(value, bool) and low <= value < inf
        if not usable or (above and value == low):
            raise ParameterValidationError(attribute.name, rule)

    return check
