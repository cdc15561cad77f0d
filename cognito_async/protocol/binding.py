"""Bound values: a client fills them into requests that leave them out."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (this module works on values of any type)

from collections.abc import Callable, Mapping
from typing import Any

from cognito_async.protocol.endpoints import pool_id_rule
from cognito_async.protocol.operation import Request
from cognito_async.protocol.secret_hash import secret_hash
from cognito_async.protocol.shapes import MASK
from cognito_async.protocol.validation import broken_form
from cognito_async.protocol.validators import check_rules


class Bound:
    """The values that a client is bound to. The repr shows only the user pool ID."""

    # Not an attrs class: rich prints the fields of those, whatever their repr.
    __slots__ = ("client_id", "client_secret", "user_pool_id")

    def __init__(
        self, *, client_id: str | None = None, client_secret: str | None = None, user_pool_id: str | None = None
    ) -> None:
        self.client_id: str | None = client_id
        self.client_secret: str | None = client_secret
        self.user_pool_id: str | None = user_pool_id

    def __repr__(self) -> str:
        client_id, secret = (None if value is None else MASK for value in (self.client_id, self.client_secret))
        pool_id = self.user_pool_id
        if pool_id is not None and pool_id_rule(pool_id, at_aws=False) is not None:  # it may be a misplaced secret
            pool_id = MASK
        return f"Bound(client_id={client_id}, client_secret={secret}, user_pool_id={pool_id})"

    def check(self, *, at_aws: bool) -> None:
        """Raise ParameterValidationError for a value of an invalid form; ``at_aws`` is as for ``pool_id_rule``."""
        rules = {
            "client_id": None if self.client_id is None else broken_form(self.client_id, 128),
            "client_secret": None if self.client_secret is None else broken_form(self.client_secret, 64, spaces=True),
            "user_pool_id": None if self.user_pool_id is None else pool_id_rule(self.user_pool_id, at_aws=at_aws),
        }
        check_rules(rules.items())


def missing(request: Request[Any], bound: Bound) -> dict[str, Any]:
    """Return the bound values that a request leaves out, by member name."""
    changes: dict[str, Any] = {}
    secret = bound.client_secret
    client_id = getattr(request, "client_id", None) or bound.client_id
    if secret is not None and bound.client_id is not None and client_id != bound.client_id:  # not its app client
        secret = None
    for rule, name in request.OPERATION.fills:
        if rule in _PLAIN:
            value = getattr(bound, rule) if getattr(request, name) is None else None
        else:
            value = None if secret is None else _FROM_SECRET[rule](request, name, client_id, secret)
        if value is not None:
            changes[name] = value
    return changes


def _own_secret(request: Request[Any], name: str, _: object, secret: str) -> str | None:
    return secret if getattr(request, name) is None else None


def _hash(request: Request[Any], name: str, client_id: object, secret: str) -> str | None:
    username = getattr(request, "username", None)
    if not isinstance(client_id, str) or getattr(request, name) is not None or not isinstance(username, str):
        return None
    return secret_hash(secret, username, client_id)


def _hash_in_map(request: Request[Any], name: str, client_id: object, secret: str) -> Mapping[str, str] | None:
    given = getattr(request, name)
    if not isinstance(client_id, str) or not isinstance(given, Mapping) or "SECRET_HASH" in given:
        return None
    username = given.get("USERNAME")
    if not isinstance(username, str):
        return None
    return {**given, "SECRET_HASH": secret_hash(secret, username, client_id)}


_PLAIN = frozenset({"client_id", "user_pool_id"})
_FROM_SECRET: dict[str, Callable[[Request[Any], str, object, str], Any]] = {
    "client_secret": _own_secret,
    "secret_hash": _hash,
    "secret_hash_in_map": _hash_in_map,
}
