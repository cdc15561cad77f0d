"""The names by which a pool knows a user: one may sign in with any of them."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, cast

_CLAIMS = ("sub", "cognito:username", "preferred_username", "email", "phone_number")


def names_in(id_token: str | None) -> frozenset[str]:
    """Read a user's names out of an ID token.

    Its signature is not looked at: the token comes straight from the pool. One that comes from a browser has to be
    verified before a word of it is believed.

    Args:
        id_token: The token; None if the pool gave none.

    Returns:
        The names in lower case; none where there is nothing to read.
    """
    try:
        payload = (id_token or "").split(".")[1]
        claims: object = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError, RecursionError):
        return frozenset()
    told: Mapping[str, Any] = cast("Mapping[str, Any]", claims) if isinstance(claims, dict) else {}
    return frozenset(name.casefold() for claim in _CLAIMS if isinstance(name := told.get(claim), str))
