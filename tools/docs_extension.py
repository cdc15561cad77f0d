"""An extension of griffe, which reads the package for the reference pages."""

import griffe


class HideValues(griffe.Extension):
    """Hides values that readers do not need: the calls that declare members of requests, and tables."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: object) -> None:
        """Remove the value of a member or a table."""
        if str(attr.value).startswith(("member(", "{")):
            attr.value = None
