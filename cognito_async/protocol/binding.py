"""Bound values: what a client fills into a request that leaves it out."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (values of any type are what this file works on)

from collections.abc import Callable, Mapping
from typing import Any

from cognito_async.protocol.operation import Request
from cognito_async.protocol.secret_hash import secret_hash
from cognito_async.protocol.shapes import MASK


class Bound:
    """The values that a client is bound to; None where it is bound to none. Its repr shows the pool's id only.

    Attributes:
        client_id: The app client's id.
        client_secret: The app client's secret.
        user_pool_id: The user pool's id.
    """

    __slots__ = ("client_id", "client_secret", "user_pool_id")

    def __init__(
        self, *, client_id: str | None = None, client_secret: str | None = None, user_pool_id: str | None = None
    ) -> None:
        self.client_id: str | None = client_id
        self.client_secret: str | None = client_secret
        self.user_pool_id: str | None = user_pool_id

    def __repr__(self) -> str:
        client_id, secret = (None if value is None else MASK for value in (self.client_id, self.client_secret))
        return f"Bound(client_id={client_id}, client_secret={secret}, user_pool_id={self.user_pool_id})"


def missing(request: Request[Any], bound: Bound) -> dict[str, Any]:
    """Compute what a client adds to a request: the bound values that the call leaves out; what the call gives wins.

    The secret belongs to the bound app client: a call that names another client is not given it.

    Args:
        request: The request as the call made it.
        bound: The bound values.

    Returns:
        Values by the names of the members to set.
    """
    changes: dict[str, Any] = {}
    secret = bound.client_secret
    client_id = getattr(request, "client_id", None) or bound.client_id
    if secret is not None and bound.client_id is not None and client_id != bound.client_id:
        secret = None
    for rule, name in request.OPERATION.fills:
        if rule in _PLAIN:
            value = getattr(bound, rule) if getattr(request, name) is None else None
        else:
            value = None if secret is None else _FROM_SECRET[rule](request, name, client_id, secret)
        if value is not None:
            changes[name] = value
    return changes


def _own_secret(request: Request[Any], name: str, _: str | None, secret: str) -> str | None:
    """Fill the secret itself."""
    return secret if getattr(request, name) is None else None


def _hash(request: Request[Any], name: str, client_id: str | None, secret: str) -> str | None:
    """Fill the secret hash for the request's user."""
    username = getattr(request, "username", None)
    if client_id is None or getattr(request, name) is not None or not isinstance(username, str):
        return None
    return secret_hash(secret, username, client_id)


def _hash_in_map(request: Request[Any], name: str, client_id: str | None, secret: str) -> Mapping[str, str] | None:
    """Fill the secret hash for the user that a map names."""
    given = getattr(request, name)
    if client_id is None or not isinstance(given, Mapping) or "SECRET_HASH" in given:
        return None
    username = given.get("USERNAME")
    if not isinstance(username, str):
        return None
    return {**given, "SECRET_HASH": secret_hash(secret, username, client_id)}


_PLAIN = frozenset({"client_id", "user_pool_id"})
_FROM_SECRET: dict[str, Callable[[Request[Any], str, str | None, str], Any]] = {
    "client_secret": _own_secret,
    "secret_hash": _hash,
    "secret_hash_in_map": _hash_in_map,
}
