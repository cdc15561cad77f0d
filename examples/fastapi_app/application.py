"""The site, put together.

    cd examples && uvicorn fastapi_app.application:app

What it has to know of the pool comes from the environment when it starts: see ``CognitoSettings``.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from cognito_async import CognitoError
from cognito_async.fastapi import (
    Cognito,
    CognitoSettings,
    MalformedBodyError,
    join_lifespans,
    problem_of,
    session_of,
)

from . import account, inbox, reset, sign_in, sign_up
from .desk import BRAND, FORGOT, Desk, Mailbox, Site
from .notes import Note, error_note
from .policy import read_policy
from .protection import STATIC, SecurityHeaders, SmallBodies

_NOT_FOUND: Final = Note(title="There is no such page", detail="The address may have a typing mistake.", tone="error")
_REFUSED: Final = Note(title="This can't be done here", detail="Go back and use the buttons of the page.", tone="error")


def make_app(mailbox: Mailbox | None = None) -> FastAPI:
    """Make the site.

    Args:
        mailbox: Reads the mail that the pool has sent, for a demo; None for a site that is none.

    Returns:
        The application. It reads its settings when it starts.
    """

    @asynccontextmanager
    async def open_site(_: FastAPI) -> AsyncGenerator[dict[str, Site]]:
        settings = CognitoSettings()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - from the environment
        async with session_of(settings) as session:
            policy = await read_policy(session.client(user_pool_id=settings.user_pool_id))
        yield {"site": Site(policy=policy, mailbox=mailbox)}

    app = FastAPI(
        title=BRAND,
        lifespan=join_lifespans(Cognito().lifespan, open_site),
        openapi_url=None,  # these are pages for people
    )
    app.add_middleware(SmallBodies)
    app.add_middleware(SecurityHeaders)  # added last, so outermost: it also sees the answers of the other
    for router in (sign_in.router, sign_up.router, reset.router, account.router, inbox.router):
        app.include_router(router)
    app.mount(STATIC, StaticFiles(directory=Path(__file__).parent / "static"), "static")
    app.add_api_route("/.well-known/change-password", change_password)
    app.add_exception_handler(CognitoError, problem_page)
    app.add_exception_handler(RequestValidationError, problem_page)
    app.add_exception_handler(HTTPException, status_page)
    return app


async def change_password() -> Response:
    """Show password managers the way, as they look for it in this place."""
    return RedirectResponse(FORGOT)


async def problem_page(request: Request, error: Exception) -> Response:
    """Show what was refused before a page could deal with it: forms from other sites, and too many of them."""
    if not isinstance(error, CognitoError):
        error = MalformedBodyError("not a form of this site")  # the original one repeats what was typed
    problem = problem_of(error)
    answer = Desk(request).page("refused", problem.status, note=error_note(error))
    wait = problem.wait(error)
    if wait is not None:
        answer.headers["Retry-After"] = str(wait)
    return answer


async def status_page(request: Request, error: Exception) -> Response:
    """Show that there is no such page, or that it can't be asked like this."""
    code = error.status_code if isinstance(error, HTTPException) else status.HTTP_500_INTERNAL_SERVER_ERROR
    note = _NOT_FOUND if code == status.HTTP_404_NOT_FOUND else _REFUSED
    return Desk(request).page("refused", code, note=note)


app = make_app()
