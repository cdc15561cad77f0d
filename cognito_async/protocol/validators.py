"""Validation of arguments and settings."""

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from cognito_async.errors import ParameterValidationError


def check_rules(rules: Iterable[tuple[str, str | None]]) -> None:
    """Raise ParameterValidationError for the parameters that break a rule; those with None break none."""
    broken = [(name, rule) for name, rule in rules if rule is not None]
    if broken:
        (name, rule), *others = broken
        raise ParameterValidationError(name, rule, others=others)


def check_number(name: str, value: object, low: float, *, above: bool = False, unlimited: bool = False) -> None:
    """Raise ParameterValidationError unless a value is a finite number of at least (or above) ``low``.

    ``unlimited`` allows None.
    """
    if value is None and unlimited:
        return
    usable = isinstance(value, int | float) and not isinstance(value, bool) and low <= value < inf
    if not usable or (above and value == low):
        limit = f"{'above' if above else 'of at least'} {low:g}{', or None' if unlimited else ''}"
        raise ParameterValidationError(name, f"must be a number {limit}")


def number(low: float, *, above: bool = False, unlimited: bool = False) -> Callable[[Any, Any, object], None]:
    """Return an attrs validator for a number of at least (or above) ``low``; ``unlimited`` allows None."""

    def check(_: object, attribute: Any, value: object) -> None:  # noqa: ANN401 - an attrs Attribute
        check_number(attribute.name, value, low, above=above, unlimited=unlimited)

    return check
