"""aiohttp.web: routes that reset a password. Run it with: python aiohttp_app.py."""

import os
from collections.abc import AsyncIterator

from aiohttp import web

from cognito_async import AmbiguousOutcomeError, AsyncCognitoSession, CognitoClient, Fault, ServiceError

CLIENT = web.AppKey("cognito", CognitoClient)
routes = web.RouteTableDef()


async def open_client(app: web.Application) -> AsyncIterator[None]:
    """Open one session for the process."""
    async with AsyncCognitoSession() as session:
        app[CLIENT] = session.client(
            client_id=os.environ["COGNITO_CLIENT_ID"], client_secret=os.environ.get("COGNITO_CLIENT_SECRET")
        )
        yield


@routes.post("/forgot-password")
async def forgot_password(request: web.Request) -> web.Response:
    """Send a code to the user."""
    form = await request.post()
    try:
        await request.app[CLIENT].forgot_password(username=str(form["username"]))
    except ServiceError as error:
        if error.fault is not Fault.USER:
            raise
    return web.json_response({"message": "If the user exists, a code was sent."}, status=202)


@routes.post("/reset-password")
async def reset_password(request: web.Request) -> web.Response:
    """Set the new password."""
    form = await request.post()
    try:
        await request.app[CLIENT].confirm_forgot_password(
            username=str(form["username"]), confirmation_code=str(form["code"]), password=str(form["password"])
        )
    except AmbiguousOutcomeError as error:  # the password may have been changed
        return web.json_response({"message": error.how_to_verify}, status=502)
    except ServiceError as error:
        if error.fault is not Fault.USER:
            raise
        return web.json_response({"message": "The code is wrong or has expired."}, status=400)
    return web.json_response({"message": "The password was changed."})


def create_app() -> web.Application:
    """Create the application."""
    app = web.Application()
    app.add_routes(routes)
    app.cleanup_ctx.append(open_client)
    return app


if __name__ == "__main__":
    web.run_app(create_app())
