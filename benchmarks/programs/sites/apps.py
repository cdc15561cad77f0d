"""The same route, which confirms a password reset, with each library. Each function returns an application."""
# ruff: noqa: PLC0415 - a process imports the one library that it measures

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

from benchmarks.contenders import CLIENT, REGION, WIDTH

CHANGED = {"detail": "The password was changed."}


class Confirmation(BaseModel):
    """The form."""

    username: str
    code: str
    password: str


def fastapi_alone(url: str) -> FastAPI:
    """Read the form and do nothing: the cost of FastAPI and uvicorn."""
    del url
    app = FastAPI()

    @app.post("/reset-password")
    async def reset_password(form: Confirmation) -> dict[str, str]:
        del form
        return CHANGED

    return app


def with_cognito_async(url: str) -> FastAPI:
    """Use cognito_async.fastapi in a handwritten route."""
    from cognito_async.fastapi import Cognito, CognitoDep, CognitoSettings, install_problems

    settings = CognitoSettings(client_id=CLIENT, region=REGION, endpoint_url=url)
    app = FastAPI(lifespan=Cognito(settings=settings).lifespan)
    install_problems(app)

    @app.post("/reset-password")
    async def reset_password(form: Confirmation, cognito: CognitoDep) -> dict[str, str]:
        await cognito.confirm_forgot_password(
            username=form.username, confirmation_code=form.code, password=form.password
        )
        return CHANGED

    return app


def with_cognito_async_router(url: str) -> FastAPI:
    """Use the ready router of cognito_async.fastapi.

    Its minimum duration and its limit per address are turned off, since both would measure the clock. It still counts
    the attempts per address and user name.
    """
    from cognito_async.fastapi import (
        Cognito,
        CognitoSettings,
        MemoryRateLimit,
        ResetConfirmation,
        password_reset_router,
    )

    settings = CognitoSettings(client_id=CLIENT, region=REGION, endpoint_url=url)
    app = FastAPI(lifespan=Cognito(settings=settings).lifespan)
    app.include_router(
        password_reset_router(
            confirmation=ResetConfirmation(minimum_duration=0.0), address_limit=MemoryRateLimit(1_000_000, 1.0)
        )
    )
    return app


async def cognito_client(request: Request) -> Any:
    """Return the client that the lifespan opened."""
    return request.state.cognito


def with_aiobotocore(url: str) -> FastAPI:
    """Use aiobotocore, with a client opened by the lifespan."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session
    from botocore.exceptions import ClientError

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        del app
        config = AioConfig(max_pool_connections=WIDTH)
        async with get_session().create_client(
            "cognito-idp", region_name=REGION, endpoint_url=url, config=config
        ) as client:
            yield {"cognito": client}

    app = FastAPI(lifespan=lifespan)

    @app.post("/reset-password")
    async def reset_password(form: Confirmation, cognito: Annotated[Any, Depends(cognito_client)]) -> dict[str, str]:
        try:
            await cognito.confirm_forgot_password(
                ClientId=CLIENT, Username=form.username, ConfirmationCode=form.code, Password=form.password
            )
        except ClientError as error:
            raise HTTPException(400, error.response["Error"]["Code"]) from error
        return CHANGED

    return app


def with_boto3_in_threads(url: str) -> FastAPI:
    """Use boto3 in a route without `async`, which FastAPI runs in one of 40 threads."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    config = Config(max_pool_connections=WIDTH)
    cognito = boto3.client("cognito-idp", region_name=REGION, endpoint_url=url, config=config)
    app = FastAPI()

    @app.post("/reset-password")
    def reset_password(form: Confirmation) -> dict[str, str]:
        try:
            cognito.confirm_forgot_password(
                ClientId=CLIENT, Username=form.username, ConfirmationCode=form.code, Password=form.password
            )
        except ClientError as error:
            raise HTTPException(400, error.response["Error"]["Code"]) from error
        return CHANGED

    return app
