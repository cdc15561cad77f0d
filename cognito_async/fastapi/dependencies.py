"""What a route can ask for, with ``Depends`` or as an annotation; ``dependency_overrides`` replaces each."""

from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

from attrs import frozen
from fastapi import Depends, Form
from starlette.requests import HTTPConnection

from cognito_async.client import CognitoClient
from cognito_async.fastapi.lifespan import find_pool
from cognito_async.fastapi.reset_queue import ResetRequests
from cognito_async.fastapi.settings import DEFAULT_POOL, CognitoSettings
from cognito_async.fastapi.visitor import Address, preferred_language, visitor_address
from cognito_async.operations import UserContextDataType
from cognito_async.session import AsyncCognitoSession

Value = TypeVar("Value")
Dependency: TypeAlias = Callable[..., Coroutine[Any, Any, Value]]

LONGEST_ENCODED_DATA = 8192


@frozen(kw_only=True, eq=False)
class Dependencies:
    """The dependencies of one pool; the same objects whenever the same pool is named, so that overriding one works.

    Attributes:
        settings: Gives the pool's CognitoSettings.
        session: Gives its AsyncCognitoSession.
        client: Gives a CognitoClient bound to its app client.
        reset_requests: Gives its ResetRequests.
        visitor: Gives the visitor's address; None if there is none.
        user_context: Gives UserContextDataType with the address; None if there is none.
        form_user_context: The same with the form's field ``encoded_data``, for routes that take forms.
    """

    settings: Dependency[CognitoSettings]
    session: Dependency[AsyncCognitoSession]
    client: Dependency[CognitoClient]
    reset_requests: Dependency[ResetRequests]
    visitor: Dependency[Address | None]
    user_context: Dependency[UserContextDataType | None]
    form_user_context: Dependency[UserContextDataType | None]


@cache
def dependencies_of(pool: str) -> Dependencies:
    """Make the dependencies of a pool.

    Args:
        pool: The pool's name in this program.

    Returns:
        The dependencies. Each raises PoolNotOpenError where no lifespan has opened the pool.
    """

    async def settings(connection: HTTPConnection) -> CognitoSettings:
        return find_pool(connection.scope.get("state", {}), pool).settings

    async def session(connection: HTTPConnection) -> AsyncCognitoSession:
        return find_pool(connection.scope.get("state", {}), pool).session

    async def client(connection: HTTPConnection) -> CognitoClient:
        return find_pool(connection.scope.get("state", {}), pool).client

    async def reset_requests(
        connection: HTTPConnection, given: Annotated[CognitoClient, Depends(client)]
    ) -> ResetRequests:
        opened = find_pool(connection.scope.get("state", {}), pool)
        # A client that a test puts in the pool's place is used as it is.
        return ResetRequests(opened.reset_queue, opened.patient_client if given is opened.client else given)

    async def visitor(
        connection: HTTPConnection, given: Annotated[CognitoSettings, Depends(settings)]
    ) -> Address | None:
        peer = None if connection.client is None else connection.client.host
        return visitor_address(peer, connection.headers.getlist("x-forwarded-for"), given.trusted_proxies)

    async def user_context(address: Annotated[Address | None, Depends(visitor)]) -> UserContextDataType | None:
        return None if address is None else UserContextDataType(ip_address=str(address))

    async def form_user_context(
        context: Annotated[UserContextDataType | None, Depends(user_context)],
        encoded_data: Annotated[str | None, Form(max_length=LONGEST_ENCODED_DATA)] = None,
    ) -> UserContextDataType | None:
        return with_encoded_data(context, encoded_data)

    return Dependencies(
        settings=settings,
        session=session,
        client=client,
        reset_requests=reset_requests,
        visitor=visitor,
        user_context=user_context,
        form_user_context=form_user_context,
    )


def with_encoded_data(context: UserContextDataType | None, encoded_data: str | None) -> UserContextDataType | None:
    """Add what AWS's script found out about the visitor's device.

    Args:
        context: The context so far; None if there is none.
        encoded_data: The script's result; None or empty if there is none.

    Returns:
        The context; None if there is nothing to tell.
    """
    if not encoded_data:
        return context
    return UserContextDataType(ip_address=context.ip_address if context else None, encoded_data=encoded_data)


async def client_metadata(connection: HTTPConnection) -> Mapping[str, str]:
    """Tell the pool's Lambda functions the visitor's language, so that they can write in it.

    Args:
        connection: The request.

    Returns:
        ``{"locale": "de-CH"}``; empty where the browser names no language.
    """
    language = preferred_language(",".join(connection.headers.getlist("accept-language")) or None)
    return {} if language is None else {"locale": language}


_DEFAULT = dependencies_of(DEFAULT_POOL)

CognitoDep = Annotated[CognitoClient, Depends(_DEFAULT.client)]
CognitoSettingsDep = Annotated[CognitoSettings, Depends(_DEFAULT.settings)]
CognitoSessionDep = Annotated[AsyncCognitoSession, Depends(_DEFAULT.session)]
ResetRequestsDep = Annotated[ResetRequests, Depends(_DEFAULT.reset_requests)]
VisitorDep = Annotated[Address | None, Depends(_DEFAULT.visitor)]
UserContextDep = Annotated[UserContextDataType | None, Depends(_DEFAULT.user_context)]
FormUserContextDep = Annotated[UserContextDataType | None, Depends(_DEFAULT.form_user_context)]
ClientMetadataDep = Annotated[Mapping[str, str], Depends(client_metadata)]
