"""Whether a form was sent from a page of this site: browsers say where it comes from, in headers no page can forge."""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

_OWN = frozenset({"same-origin", "none"})


def is_same_origin(headers: Mapping[str, str], allowed: Collection[str] = ()) -> bool:
    """Tell whether a request that is not a plain visit may come from where it says it comes from.

    ``Sec-Fetch-Site`` decides where there is one, as every browser since 2023 sends it over HTTPS. Others send
    ``Origin``, which has to name the host that was asked; ``null`` names none, and that is what they send from a page
    with ``Referrer-Policy: no-referrer``. What sends neither is no browser, so no visitor was tricked into sending it.

    Args:
        headers: The request's headers, looked up in lower case.
        allowed: Further origins that are welcome, such as ``"https://www.example.com"``.

    Returns:
        True if so.
    """
    origin = headers.get("origin")
    if origin is not None and origin in allowed:
        return True
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in _OWN
    if origin is None:
        return True
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(host) and host == headers.get("host")
