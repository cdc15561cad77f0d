"""Password reset: ask for a code, then enter it with a new password."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Response

from cognito_async.fastapi import ClientMetadataDep, CognitoDep, ResetRequestsDep, UserContextDep

from . import messages
from .forms import ResetForm, UsernameForm, errors_in
from .pages import PAGE, PageDep

router = APIRouter()


@router.api_route("/forgot-password", methods=PAGE)
async def forgot_password_page(page: PageDep) -> Response:
    """Show the form that asks for a code."""
    return page.render("forgot_password")


@router.post("/forgot-password")
async def forgot_password(
    form: Annotated[UsernameForm, Form()],
    page: PageDep,
    resets: ResetRequestsDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Send a code in the background, so that the response is the same whether or not the user exists."""
    if errors := errors_in(form):
        return page.show_again(form, messages.invalid(errors))

    async def send() -> None:
        resets.submit(form.username, user_context_data=context, client_metadata=metadata or None)

    error = await page.once(form, send, seconds=3.0)
    if error is not None:
        return page.show_again(form, messages.from_error(error))
    return page.redirect("/reset-password", messages.RESET_CODE_SENT, username=form.username)


@router.api_route("/reset-password", methods=PAGE)
async def reset_password_page(page: PageDep) -> Response:
    """Show the form for the code and the new password."""
    return page.render("reset_password")


@router.post("/reset-password")
async def reset_password(
    form: Annotated[ResetForm, Form()],
    page: PageDep,
    client: CognitoDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Set the new password and end the user's sessions on this site."""
    if errors := errors_in(form, page.site.password_policy):
        return page.show_again(form, messages.invalid(errors))
    confirm = partial(
        page.site.confirmation.confirm,
        client,
        username=form.username,
        code=form.code,
        password=form.password,
        user_context_data=context,
        client_metadata=metadata or None,
    )
    error = await page.once(form, confirm)
    message = messages.PASSWORD_CHANGED
    if error is not None:
        message = messages.from_error(error)
        if not messages.is_outcome_unknown(error):
            return page.show_again(form, message)
    page.site.sessions.end_all(form.username)
    return page.redirect("/sign-in", message, username=form.username)
