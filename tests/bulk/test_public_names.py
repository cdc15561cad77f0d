"""The public names of the bulk packages."""

from inspect import isclass
from types import ModuleType

import pytest

from cognito_async import bulk
from cognito_async.bulk import report


@pytest.mark.parametrize("package", [bulk, report], ids=lambda package: package.__name__)
def test_public_classes_belong_to_their_package(package: ModuleType) -> None:
    """Every name of __all__ exists, and tracebacks name classes by the package that exports them."""
    assert set(package.__all__) <= set(dir(package))
    classes = [value for name in package.__all__ if isclass(value := getattr(package, name))]
    assert {value.__module__ for value in classes} == {package.__name__}


def test_unknown_name_raises_attribute_error() -> None:
    """A misspelt name is not imported."""
    with pytest.raises(AttributeError, match="Jobs"):
        _ = bulk.Jobs  # type: ignore[attr-defined]
