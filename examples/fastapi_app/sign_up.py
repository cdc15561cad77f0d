"""Sign-up: create an account, then confirm the address with the code that was sent to it."""

from functools import partial
from typing import Final

from fastapi import APIRouter, Response

from cognito_async import AttributeType, CognitoError, RetryPolicy
from cognito_async.fastapi import CognitoDep

from . import messages
from .forms import FormDep
from .pages import PageDep, add_page
from .security import CallerDep

# Only users who are sent a code reach its limit: a retry would show by its time that there is such a user.
RETRY: Final = RetryPolicy(limit_exceeded_retries=0)

router = APIRouter()
add_page(router, "/sign-up", "sign_up")
add_page(router, "/confirm-sign-up", "confirm_sign_up")


@router.post("/sign-up")
async def sign_up(form: FormDep, page: PageDep, client: CognitoDep, caller: CallerDep) -> Response:
    """Create an account. The response is the same for an address that has one already."""
    page.check(form, "username", "password", sets_password=True)
    email = AttributeType(name="email", value=form.username)
    create = partial(client.with_options(retry=RETRY).sign_up, user_attributes=[email], **caller)
    message = messages.SIGN_UP_CODE_SENT
    try:
        await page.once(partial(create, username=form.username, password=form.password))
    except CognitoError as error:
        is_unknown = messages.is_outcome_unknown(error)
        if not is_unknown and error.code not in {"UsernameExistsException", *messages.CODE_SENDING_ERRORS}:
            raise
        error_message = messages.from_error(error)  # logs it as well
        message = error_message if is_unknown else message
    return page.redirect("/confirm-sign-up", message, username=form.username)


@router.post("/confirm-sign-up")
async def confirm(form: FormDep, page: PageDep, client: CognitoDep, caller: CallerDep) -> Response:
    """Confirm an address."""
    page.check(form, "username", "code")

    async def check_code() -> None:
        await page.check_limits(form.username)
        await client.confirm_sign_up(username=form.username, confirmation_code=form.code, **caller)

    await page.once(check_code)
    return page.redirect("/sign-in", messages.ADDRESS_CONFIRMED, username=form.username)


@router.post("/confirm-sign-up/resend")
async def resend(form: FormDep, page: PageDep, client: CognitoDep, caller: CallerDep) -> Response:
    """Send a new code. The response is the same for an address that needs none."""
    page.check(form, "username", path="/confirm-sign-up")
    send = partial(client.with_options(retry=RETRY).resend_confirmation_code, username=form.username, **caller)
    message = messages.NEW_SIGN_UP_CODE_SENT
    try:
        await page.once(send, seconds=3.0)
    except CognitoError as error:
        error_message = messages.from_error(error)  # logs it as well
        message = error_message if messages.is_about_the_site(error) else message
    return page.show_again(message)
