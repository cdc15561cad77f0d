"""The site, put together.

    cd examples && uvicorn fastapi_app.application:app

What it has to know of the pool comes from the environment when it starts: see ``CognitoSettings``.
"""

import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import Depends, FastAPI, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from cognito_async import CognitoClient, CognitoError, Timeouts
from cognito_async.fastapi import (
    Cognito,
    MalformedBodyError,
    MemoryRateLimit,
    PasswordPolicy,
    ResetConfirmation,
    limited,
    problem_of,
    same_origin,
)

from . import account, inbox, reset, sign_in, sign_up
from .desk import BRAND, FLOOR, FORGOT, PAGE, Desk
from .notes import Note, error_note
from .protection import STATIC, SecurityHeaders, SmallBodies, headers_for
from .site import Mailbox, Site

_LOG = logging.getLogger("fastapi_app")

_ROUTERS: Final = (sign_in.router, sign_up.router, reset.router, account.router, inbox.router)

_NOT_FOUND: Final = Note(title="There is no such page", detail="The address may have a typing mistake.", tone="error")
_REFUSED: Final = Note(title="This can't be done here", detail="Go back and use the buttons of the page.", tone="error")
_BROKEN: Final = Note(
    title="Something went wrong on our side", detail="We have taken note of it. Try again in a while.", tone="error"
)


def make_app(mailbox: Mailbox | None = None) -> FastAPI:
    """Make the site.

    Args:
        mailbox: Reads the mail that the pool has sent, for a demo; None for a site that is none.

    Returns:
        The application. It reads its settings when it starts.
    """
    cognito = Cognito()

    @asynccontextmanager
    async def open_site(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
        async with cognito.lifespan(app) as state:
            policy = await read_policy(cognito.client_of(state))
            confirmation = ResetConfirmation(password_policy=policy, floor=FLOOR)
            yield {**state, "site": Site(policy=policy, confirmation=confirmation, mailbox=mailbox)}

    # Every form has to come from this site, and not too often from one address, which may be a whole office's.
    guards = [Depends(same_origin()), Depends(limited(MemoryRateLimit(60, 60.0)))]
    app = FastAPI(title=BRAND, lifespan=open_site, dependencies=guards, openapi_url=None)  # pages are for people
    app.add_middleware(SmallBodies)
    app.add_middleware(SecurityHeaders)  # added last, so outermost: it also sees the answers of the other
    for router in _ROUTERS:
        app.include_router(router)
    app.mount(STATIC, StaticFiles(directory=Path(__file__).parent / "static"), "static")
    app.add_api_route("/.well-known/change-password", change_password, methods=PAGE)
    app.add_exception_handler(CognitoError, problem_page)
    app.add_exception_handler(RequestValidationError, problem_page)
    app.add_exception_handler(HTTPException, status_page)
    app.add_exception_handler(Exception, bug_page)
    return app


async def read_policy(client: CognitoClient) -> PasswordPolicy:
    """Ask the pool for its password policy, which needs AWS credentials.

    Args:
        client: A client bound to the pool.

    Returns:
        The policy; that of a new pool where this one can't be asked. Then the pool may refuse what the hints allow, and
        visitors are told so.
    """
    try:
        return await PasswordPolicy.from_pool(client.with_options(timeouts=Timeouts(total=5.0)))
    except CognitoError as error:
        # A site that resets passwords needs no credentials: that there are none is no reason to stop.
        _LOG.warning("the password policy can't be read, the default is used: %s", error.code or type(error).__name__)
        return PasswordPolicy()


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
    if not isinstance(error, HTTPException):
        error = HTTPException(status.HTTP_500_INTERNAL_SERVER_ERROR)
    note = _NOT_FOUND if error.status_code == status.HTTP_404_NOT_FOUND else _REFUSED
    answer = Desk(request).page("refused", error.status_code, note=note)
    answer.headers.update(error.headers or {})
    allowed = ", ".join(methods_at(request.url.path))
    if error.status_code == status.HTTP_405_METHOD_NOT_ALLOWED and allowed:
        answer.headers["Allow"] = allowed
    return answer


def methods_at(path: str) -> Iterator[str]:
    """Give the methods of a page and of its form, which are two routes: the error knows only those of the first.

    Args:
        path: The page.

    Yields:
        The methods; none where the path is none of a page.
    """
    for router in _ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.path == path:
                yield from sorted(route.methods or ())


async def bug_page(request: Request, error: Exception) -> Response:
    """Show that the site has a bug; the server logs it."""
    del error
    answer = Desk(request).page("refused", status.HTTP_500_INTERNAL_SERVER_ERROR, note=_BROKEN)
    answer.headers.update(headers_for(request.scope))  # Starlette answers bugs outside of all middleware
    return answer


app = make_app()
