"""A site that sets forgotten passwords with boto3: a route without `async`, which FastAPI runs in one of 40 threads."""

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

WIDTH = 64


class Confirmation(BaseModel):
    """What the form sends."""

    username: str
    code: str
    password: str


def site(url: str) -> FastAPI:
    """Make the site, which speaks with the service at that URL."""
    cognito = boto3.client(
        "cognito-idp", region_name="eu-west-1", endpoint_url=url, config=Config(max_pool_connections=WIDTH)
    )
    app = FastAPI()

    @app.post("/reset-password")
    def reset_password(form: Confirmation) -> dict[str, str]:
        try:
            cognito.confirm_forgot_password(
                ClientId="3n4b5urk1ft4fl3mg5e62d9ado",
                Username=form.username,
                ConfirmationCode=form.code,
                Password=form.password,
            )
        except ClientError as error:
            raise HTTPException(400, error.response["Error"]["Code"]) from error
        return {"detail": "The password was changed."}

    return app
