"""Sign-up: create an account, then confirm the address with the code that was sent to it."""

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Form, Response

from cognito_async import RetryPolicy
from cognito_async.fastapi import ClientMetadataDep, CognitoDep, UserContextDep, check_username_limit, minimum_duration
from cognito_async.operations import AttributeType

from . import messages
from .forms import CodeForm, PasswordForm, UsernameForm, errors_in
from .pages import MINIMUM_SECONDS, PAGE, PageDep

# Only users who are sent a code reach its limit: a retry would show by its time that there is such a user.
RETRY: Final = RetryPolicy(limit_exceeded_retries=0)

router = APIRouter()


@router.api_route("/sign-up", methods=PAGE)
async def sign_up_page(page: PageDep) -> Response:
    """Show the form for a new account."""
    return page.render("sign_up")


@router.post("/sign-up")
async def sign_up(
    form: Annotated[PasswordForm, Form()],
    page: PageDep,
    client: CognitoDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Create an account. The response is the same for an address that has one already."""
    if errors := errors_in(form, page.site.password_policy):
        return page.show_again(form, messages.invalid(errors))
    create = partial(
        client.with_options(retry=RETRY).sign_up,
        username=form.username,
        password=form.password,
        user_attributes=[AttributeType(name="email", value=form.username)],
        user_context_data=context,
        client_metadata=metadata or None,
    )
    async with minimum_duration(MINIMUM_SECONDS):  # also for a second click, whose outcome is known immediately
        error = await page.once(form, create)
    message = messages.SIGN_UP_CODE_SENT
    if error is not None:
        error_message = messages.from_error(error)  # logs it as well
        if messages.is_outcome_unknown(error):
            message = error_message
        elif error.code not in {"UsernameExistsException", *messages.CODE_SENDING_ERRORS}:
            return page.show_again(form, error_message)
    return page.redirect("/confirm-sign-up", message, username=form.username)


@router.api_route("/confirm-sign-up", methods=PAGE)
async def confirm_page(page: PageDep) -> Response:
    """Show the form for the code."""
    return page.render("confirm_sign_up")


@router.post("/confirm-sign-up")
async def confirm(
    form: Annotated[CodeForm, Form()],
    page: PageDep,
    client: CognitoDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Confirm an address."""
    if errors := errors_in(form):
        return page.show_again(form, messages.invalid(errors))

    async def check() -> None:
        await check_username_limit(page.site.confirm_limit, form.username)
        await client.confirm_sign_up(
            username=form.username,
            confirmation_code=form.code,
            user_context_data=context,
            client_metadata=metadata or None,
        )

    async with minimum_duration(MINIMUM_SECONDS):
        error = await page.once(form, check)
    if error is not None:
        return page.show_again(form, messages.from_error(error))
    return page.redirect("/sign-in", messages.ADDRESS_CONFIRMED, username=form.username)


@router.post("/confirm-sign-up/resend")
async def resend(
    form: Annotated[UsernameForm, Form()],
    page: PageDep,
    client: CognitoDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Send a new code. The response is the same for an address that needs none."""
    if errors := errors_in(form):
        return page.show_again(form, messages.invalid(errors), path="/confirm-sign-up")
    send = partial(
        client.with_options(retry=RETRY).resend_confirmation_code,
        username=form.username,
        user_context_data=context,
        client_metadata=metadata or None,
    )
    async with minimum_duration(MINIMUM_SECONDS):
        error = await page.once(form, send, seconds=3.0)
    message = messages.NEW_SIGN_UP_CODE_SENT
    if error is not None:
        error_message = messages.from_error(error)  # logs it as well
        if messages.is_about_the_site(error):
            message = error_message
    return page.show_again(form, message, path="/confirm-sign-up")
