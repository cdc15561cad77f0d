"""A site that takes the form and does nothing with it: what FastAPI and uvicorn cost."""

from fastapi import FastAPI
from pydantic import BaseModel


class Confirmation(BaseModel):
    """What the form sends."""

    username: str
    code: str
    password: str


def site(url: str) -> FastAPI:
    """Make the site."""
    del url
    app = FastAPI()

    @app.post("/reset-password")
    async def reset_password(form: Confirmation) -> dict[str, str]:
        del form
        return {"detail": "The password was changed."}

    return app
