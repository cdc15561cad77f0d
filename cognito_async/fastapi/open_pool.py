"""A user pool that the lifespan of an application has opened."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from cognito_async.client import CognitoClient
from cognito_async.errors import ParameterValidationError
from cognito_async.fastapi.problems import PoolNotOpenError
from cognito_async.fastapi.reset_queue import ResetQueue
from cognito_async.fastapi.settings import DEFAULT_POOL, CognitoSettings
from cognito_async.session import AsyncCognitoSession

if TYPE_CHECKING:
    from cognito_async.tokens import AccessToken, TokenVerifier


@frozen(kw_only=True, repr=False, eq=False)
class OpenPool:
    settings: CognitoSettings
    session: AsyncCognitoSession
    client: CognitoClient
    background_client: CognitoClient
    reset_queue: ResetQueue
    verifier: "TokenVerifier[AccessToken] | ParameterValidationError"
    """The verifier, or the error for routes that need one: an application may have no such route."""

    logged: set[str] = field(factory=set[str])
    """The warnings that were logged, each of them once."""


def find_pool(state: Mapping[str, Any], name: str) -> OpenPool:
    """Return a user pool from the lifespan state; raise PoolNotOpenError if no lifespan has opened it."""
    pool = state.get(state_key(name))
    if isinstance(pool, OpenPool):
        return pool
    cognito = "Cognito()" if name == DEFAULT_POOL else f"Cognito({name!r})"
    raise PoolNotOpenError(
        f"Cognito pool {name!r} is not open: pass lifespan={cognito}.lifespan to the outermost FastAPI(...), or "
        "combine_lifespans(...) for several lifespans. In tests use `with TestClient(app) as client`: without `with`, "
        "and with httpx.ASGITransport, no lifespan runs."
    )


def state_key(pool: str) -> str:
    return f"cognito_async.{pool}"
