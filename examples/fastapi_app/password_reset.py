"""Password reset: ask for a code, then enter it with a new password."""

from functools import partial

from fastapi import APIRouter, Response

from cognito_async import CognitoError
from cognito_async.fastapi import CognitoDep, ResetRequestsDep

from . import messages
from .forms import FormDep
from .pages import PageDep, add_page
from .security import CallerDep

router = APIRouter()
add_page(router, "/forgot-password", "forgot_password")
add_page(router, "/reset-password", "reset_password")


@router.post("/forgot-password")
async def forgot_password(form: FormDep, page: PageDep, resets: ResetRequestsDep, caller: CallerDep) -> Response:
    """Send a code in the background, so that the response is the same whether or not the user exists."""
    page.check(form, "username")

    async def send() -> None:
        resets.submit(form.username, **caller)

    await page.once(send, seconds=3.0)
    return page.redirect("/reset-password", messages.RESET_CODE_SENT, username=form.username)


@router.post("/reset-password")
async def reset_password(form: FormDep, page: PageDep, client: CognitoDep, caller: CallerDep) -> Response:
    """Set the new password and end the user's sessions on this site."""
    page.check(form, "username", "code", "password", sets_password=True)
    confirm = partial(page.site.confirmation.confirm, client, username=form.username, code=form.code, **caller)
    message = messages.PASSWORD_CHANGED
    try:
        await page.once(partial(confirm, password=form.password))
    except CognitoError as error:
        if not messages.is_outcome_unknown(error):
            raise
        message = messages.from_error(error)
    page.site.sessions.end_all(form.username)
    return page.redirect("/sign-in", message, username=form.username)
