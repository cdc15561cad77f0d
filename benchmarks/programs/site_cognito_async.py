"""A site that sets forgotten passwords with cognito_async.fastapi: a route of its own."""

from fastapi import FastAPI
from pydantic import BaseModel

from cognito_async.fastapi import Cognito, CognitoDep, CognitoSettings, install_problems


class Confirmation(BaseModel):
    """What the form sends."""

    username: str
    code: str
    password: str


def site(url: str) -> FastAPI:
    """Make the site, which speaks with the service at that URL."""
    settings = CognitoSettings(client_id="3n4b5urk1ft4fl3mg5e62d9ado", region="eu-west-1", endpoint_url=url)
    app = FastAPI(lifespan=Cognito(settings=settings).lifespan)
    install_problems(app)

    @app.post("/reset-password")
    async def reset_password(form: Confirmation, cognito: CognitoDep) -> dict[str, str]:
        await cognito.confirm_forgot_password(
            username=form.username, confirmation_code=form.code, password=form.password
        )
        return {"detail": "The password was changed."}

    return app
