"""Writes HTML and SVG: every text is escaped, unless it is markup already."""

from html import escape


class Html(str):
    """Text that is markup already, and is not escaped again."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: object) -> Html:
    """Make an element; whatever is not Html is escaped.

    Args:
        name: Its name.
        *content: What is in it.
        **attributes: Its attributes: underscores stand for hyphens and one at the end is dropped, None leaves one out.

    Returns:
        The markup.
    """
    given = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(part if isinstance(part, Html) else escape(part) for part in content)
    return Html(f"<{name}{given}>{inside}</{name}>")
