"""The application, sign-in, sign-out and the account page. Start it with `uvicorn fastapi_app.app:app`."""

import logging
from pathlib import Path
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, FastAPI, Form, HTTPException, Response, status
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from cognito_async import CognitoError
from cognito_async.fastapi import CognitoDep, CognitoSettingsDep, UserContextDep, minimum_duration

from . import messages, pages, password_reset, security, sign_up
from .forms import PasswordForm, errors_in
from .pages import MINIMUM_SECONDS, PAGE, PageDep
from .state import Mailbox, site_lifespan

_LOG = logging.getLogger("fastapi_app")

router = APIRouter()


@router.post("/sign-in")
async def sign_in(
    form: Annotated[PasswordForm, Form()],
    page: PageDep,
    client: CognitoDep,
    settings: CognitoSettingsDep,
    context: UserContextDep,
) -> Response:
    """Sign in with user name and password."""
    if errors := errors_in(form):
        return page.show_again(form, messages.invalid(errors))
    requested_at = monotonic()
    try:
        async with minimum_duration(MINIMUM_SECONDS):
            response = await client.initiate_auth(
                auth_flow="USER_PASSWORD_AUTH",
                auth_parameters={"USERNAME": form.username, "PASSWORD": form.password},
                user_context_data=context,
            )
    except CognitoError as error:
        # Without a client secret anyone can ask Cognito for the user's state, so showing it reveals nothing new.
        next_step = None if settings.client_secret else messages.NEXT_STEPS.get(error.code)
        if next_step is not None:
            return page.redirect(*next_step, username=form.username)
        return page.show_again(form, messages.from_error(error))
    tokens = response.authentication_result
    if tokens is None or tokens.access_token is None:
        return page.show_again(form, messages.CHALLENGE_NOT_SUPPORTED)
    if not page.start_session(form.username, tokens, requested_at=requested_at):
        return page.show_again(form, messages.SESSION_ENDED)
    return page.redirect("/account")


@router.api_route("/sign-in", methods=PAGE)
async def sign_in_page(page: PageDep) -> Response:
    """Show the sign-in form."""
    return page.redirect("/account") if page.user else page.render("sign_in")


@router.post("/sign-out")
async def sign_out(page: PageDep, client: CognitoDep) -> Response:
    """Sign out on this site and revoke the tokens. Other devices stay signed in."""
    if page.user and page.user.refresh_token:
        try:
            await client.revoke_token(token=page.user.refresh_token)
        except CognitoError as error:
            # The site forgets the tokens anyway, and they expire.
            _LOG.warning("tokens not revoked: %s", error.code or type(error).__name__)
    page.end_session()
    return page.redirect("/sign-in", messages.SIGNED_OUT)


@router.api_route("/", methods=PAGE)
async def home(page: PageDep) -> Response:
    """Redirect to the account or to the sign-in form."""
    return page.redirect("/account" if page.user else "/sign-in")


@router.api_route("/account", methods=PAGE)
async def account(page: PageDep, client: CognitoDep) -> Response:
    """Show the signed-in user's attributes. Cognito refuses the request if the session was ended elsewhere."""
    if page.user is None:
        message = messages.SESSION_ENDED if page.had_session else messages.SIGN_IN_REQUIRED
        page.end_session()
        return page.redirect("/sign-in", message)
    try:
        user = await client.get_user(access_token=page.user.access_token)
    except CognitoError as error:
        if not messages.is_sign_in_refused(error):
            raise
        page.end_session()
        return page.redirect("/sign-in", messages.SESSION_ENDED)
    attributes = {attribute.name: attribute.value for attribute in user.user_attributes or ()}
    return page.render("account", email=attributes.get("email") or page.user.username, attributes=attributes)


@router.api_route("/inbox", methods=PAGE)
async def inbox(page: PageDep) -> Response:
    """Show the mail that the demo's local pool has sent, newest first."""
    if page.site.mailbox is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    return page.render("inbox", mails=list(reversed(await page.site.mailbox())))


@router.api_route("/.well-known/change-password", methods=PAGE)
async def change_password() -> Response:
    """Redirect password managers, which look for the form at this address."""
    return RedirectResponse("/forgot-password")


def create_app(mailbox: Mailbox | None = None) -> FastAPI:
    """Create the application, which reads its settings from the environment when it starts."""
    lifespan = site_lifespan(mailbox, minimum_seconds=MINIMUM_SECONDS)
    app = FastAPI(lifespan=lifespan, dependencies=security.guards(), openapi_url=None, redirect_slashes=False)
    app.add_middleware(security.SchemeSessionMiddleware)
    app.add_middleware(security.SecurityMiddleware)  # the last one added is the outermost
    for part in (router, sign_up.router, password_reset.router):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), "static")
    pages.add_error_pages(app)
    return app


app = create_app()
