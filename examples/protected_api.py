"""An API with sign-in, protected routes, refresh, sign-out and password reset.

Without an AWS account, with a fake user pool that has the user ada:

    python examples/protected_api.py

With a user pool, after COGNITO_USER_POOL_ID, COGNITO_CLIENT_ID and COGNITO_CLIENT_SECRET or COGNITO_STATE_KEYS are set:

    uvicorn --app-dir examples protected_api:app
"""

import asyncio
import os
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from cognito_async.fastapi import (
    Cognito,
    CurrentUser,
    install_problems,
    password_reset_router,
    require_groups,
    sign_in_router,
)
from cognito_async.testing import FakeCognito

app = FastAPI(title="Orders", lifespan=Cognito().lifespan)
install_problems(app)
app.include_router(sign_in_router(), prefix="/account")
app.include_router(password_reset_router(), prefix="/account")


@app.get("/me")
async def me(user: CurrentUser) -> dict[str, str | None]:
    """Return the name of the user."""
    return {"username": user.username}


@app.delete("/orders/{order}", status_code=204, dependencies=[require_groups("staff")])
async def cancel(order: int) -> None:
    """Cancel an order."""


async def main() -> None:
    """Serve the API with a fake user pool."""
    async with FakeCognito() as fake:
        client = fake.create_app_client(client_secret="exists-only-in-the-fake-pool")  # noqa: S106
        fake.create_user("ada", password="Analytical-1843", email="ada@example.com", groups=["staff"])  # noqa: S106
        os.environ.update(fake.environment(client))
        print("Sign in as ada with Analytical-1843, see /docs.")
        await uvicorn.Server(uvicorn.Config(app, port=int(os.environ.get("PORT", "8000")))).serve()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
