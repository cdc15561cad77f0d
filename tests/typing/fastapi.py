"""cognito_async.fastapi: dependencies have the types that routes use."""

from ipaddress import IPv4Address, IPv6Address
from typing import assert_type

from fastapi import APIRouter, FastAPI

from cognito_async import AsyncCognitoSession, CognitoClient, CognitoError, UserContextDataType
from cognito_async.fastapi import (
    ClientIpDep,
    Cognito,
    CognitoDep,
    CognitoSessionDep,
    CognitoSettings,
    CognitoSettingsDep,
    MemoryRateLimit,
    Problem,
    RateLimit,
    UserContextDep,
    install_problems,
    password_reset_router,
    problem_of,
)

app = FastAPI(lifespan=Cognito().lifespan)


@app.get("/")
async def route(
    cognito: CognitoDep,
    session: CognitoSessionDep,
    settings: CognitoSettingsDep,
    client_ip: ClientIpDep,
    user_context: UserContextDep,
) -> None:
    assert_type(cognito, CognitoClient)
    assert_type(session, AsyncCognitoSession)
    assert_type(settings, CognitoSettings)
    assert_type(client_ip, IPv4Address | IPv6Address | None)
    assert_type(user_context, UserContextDataType | None)


def parts_of_an_application(error: CognitoError) -> None:
    assert_type(password_reset_router(), APIRouter)
    assert_type(problem_of(error), Problem)
    install_problems(app)
    _: RateLimit = MemoryRateLimit(3, 60)
