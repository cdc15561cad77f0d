"""A site that sets forgotten passwords with aiobotocore."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

WIDTH = 64


class Confirmation(BaseModel):
    """What the form sends."""

    username: str
    code: str
    password: str


async def cognito_client(request: Request) -> Any:
    """Give a route the client that the lifespan opened."""
    return request.state.cognito


def site(url: str) -> FastAPI:
    """Make the site, which speaks with the service at that URL."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        del app
        config = AioConfig(max_pool_connections=WIDTH)
        async with get_session().create_client(
            "cognito-idp", region_name="eu-west-1", endpoint_url=url, config=config
        ) as client:
            yield {"cognito": client}

    app = FastAPI(lifespan=lifespan)

    @app.post("/reset-password")
    async def reset_password(form: Confirmation, cognito: Annotated[Any, Depends(cognito_client)]) -> dict[str, str]:
        try:
            await cognito.confirm_forgot_password(
                ClientId="3n4b5urk1ft4fl3mg5e62d9ado",
                Username=form.username,
                ConfirmationCode=form.code,
                Password=form.password,
            )
        except ClientError as error:
            raise HTTPException(400, error.response["Error"]["Code"]) from error
        return {"detail": "The password was changed."}

    return app
