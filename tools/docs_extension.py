"""An extension of griffe, which reads the package for the reference pages."""

import griffe


class HideMembers(griffe.Extension):  # type: ignore[misc]  # griffe is installed for the documentation only
    """Shows the members of requests and responses as annotations, without the call that declares them."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: object) -> None:
        """Remove the value of a member."""
        if str(attr.value).startswith("member("):
            attr.value = None
