"""The settings that the routes of an application need, checked at startup."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from attrs import frozen
from fastapi import routing

from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi.authentication import TokenAuth
from cognito_async.fastapi.open_pool import OpenPool
from cognito_async.fastapi.settings import invalid_settings

# Since FastAPI includes routers without copying their routes, this is the way to all of them.
_flat: Callable[[Iterable[Any]], Iterator[Any]] = getattr(routing, "iter_route_contexts", iter)


@frozen
class RequiredSetting:
    """A dependency without a value, which marks routes that need a setting of a pool."""

    pool: str
    names: tuple[str, ...]
    """The setting, and others that replace it."""

    purpose: str
    used_by: Callable[..., Any]
    """The dependency that uses the setting, which is not needed if that is overridden."""

    async def __call__(self) -> None:
        """Do nothing: the setting was checked at startup."""


def check_routes(app: object, name: str, pool: OpenPool, prefix: str) -> None:
    """Raise SettingsError if a route of an application or of a mounted one needs a setting that is missing."""
    found: dict[str, str] = {}
    for path, call in _dependencies(getattr(app, "routes", ()), getattr(app, "dependency_overrides", ()), ""):
        missing = _missing(call, name, pool)
        if missing is not None:
            setting, purpose = missing
            reason = f"{prefix}{setting.upper()} is not set, but the route {path} needs it {purpose}"
            found.setdefault(setting, reason)
    if found:
        raise invalid_settings(name, found.values())


def _dependencies(
    routes: Iterable[Any], overrides: Collection[Any], path: str
) -> Iterator[tuple[str, Callable[..., Any] | None]]:
    """Yield the dependencies of all routes, with the path of the route, except for overridden ones."""
    for route in _flat(routes):
        here = path + (getattr(route, "path", None) or "")
        pending = [*getattr(getattr(route, "dependant", None), "dependencies", ())]
        while pending:
            found = pending.pop()
            if (found.call.used_by if isinstance(found.call, RequiredSetting) else found.call) not in overrides:
                yield here, found.call
                pending += found.dependencies
        inner = getattr(getattr(route, "app", None), "dependency_overrides", ())
        yield from _dependencies(getattr(route, "routes", None) or (), inner, here)


def _missing(call: object, name: str, pool: OpenPool) -> tuple[str, str] | None:
    """Return the setting of a pool that a dependency lacks, and its purpose; None if it lacks none."""
    error, settings = pool.verifier, pool.settings
    if isinstance(call, RequiredSetting) and call.pool == name and not any(getattr(settings, n) for n in call.names):
        return call.names[0], call.purpose
    if isinstance(call, TokenAuth) and call.pool == name and isinstance(error, ParameterValidationError):
        return error.parameter, "to verify tokens"
    return None
