"""A new account: sign up, then confirm the address with the code that was sent to it."""

from typing import Annotated

from fastapi import APIRouter, Form, Response, status

from cognito_async import AmbiguousOutcomeError, CognitoError, UsernameExistsException
from cognito_async.fastapi import ClientMetadataDep, CognitoDep, UserContextDep, admit_user, at_least, problem_of
from cognito_async.operations import AttributeType

from .desk import CONFIRM, FLOOR, RESEND, SECOND_CLICK, SIGN_IN, SIGN_UP, DeskDep
from .fields import CodeForm, SignUpForm, UsernameForm
from .notes import Note, error_note, fault_note

router = APIRouter()

# The same for an address that has an account already: who has one is nobody else's business.
_WELCOME = Note(
    title="Check your e-mail",
    detail="If this address is new to us, a code is on its way. If you have an account already, sign in instead.",
    tone="plain",
)
_SENT_AGAIN = Note(
    title="Check your e-mail", detail="If this address has to be confirmed, a new code is on its way.", tone="plain"
)
_CONFIRMED = Note(title="Your address is confirmed", detail="Now you can sign in.")


@router.get(SIGN_UP)
async def sign_up_page(desk: DeskDep) -> Response:
    """Show the form for a new account."""
    return desk.page("sign_up")


@router.post(SIGN_UP)
async def sign_up(
    form: Annotated[SignUpForm, Form()],
    desk: DeskDep,
    client: CognitoDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Make an account."""
    faults = form.new_faults(desk.site.policy)
    if faults:
        return desk.send_to(SIGN_UP, fault_note(faults), username=form.username)

    async def join() -> None:
        async with at_least(FLOOR):
            await client.sign_up(
                username=form.username,
                password=form.password,
                user_attributes=[AttributeType(name="email", value=form.username)],
                user_context_data=context,
                client_metadata=metadata or None,
            )

    error = await desk.once(form.model_dump(), join)
    if error is None or isinstance(error, UsernameExistsException | AmbiguousOutcomeError):
        return desk.send_to(CONFIRM, _WELCOME, username=form.username)
    return desk.send_to(SIGN_UP, error_note(error), username=form.username)


@router.get(CONFIRM)
async def confirm_page(desk: DeskDep) -> Response:
    """Show the form that takes the code."""
    return desk.page("confirm_sign_up")


@router.post(CONFIRM)
async def confirm(
    form: Annotated[CodeForm, Form()],
    desk: DeskDep,
    client: CognitoDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Confirm an address."""
    faults = form.faults()
    if faults:
        return desk.send_to(CONFIRM, fault_note(faults), username=form.username)

    async def check() -> None:
        await admit_user(desk.site.code_tries, form.username)
        async with at_least(FLOOR):
            await client.confirm_sign_up(
                username=form.username,
                confirmation_code=form.code,
                user_context_data=context,
                client_metadata=metadata or None,
            )

    error = await desk.once(form.model_dump(), check)
    if error is None:
        return desk.send_to(SIGN_IN, _CONFIRMED, username=form.username)
    return desk.send_to(CONFIRM, error_note(error), username=form.username)


@router.post(RESEND)
async def resend(
    form: Annotated[UsernameForm, Form()],
    desk: DeskDep,
    client: CognitoDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Send the code once more."""
    faults = form.faults()
    if faults:
        return desk.send_to(CONFIRM, fault_note(faults), username=form.username)

    async def send() -> None:
        async with at_least(FLOOR):
            await client.resend_confirmation_code(
                username=form.username, user_context_data=context, client_metadata=metadata or None
            )

    error = await desk.once(form.model_dump(), send, seconds=SECOND_CLICK)
    note = error_note(error) if error is not None and _is_ours(error) else _SENT_AGAIN
    return desk.send_to(CONFIRM, note, username=form.username)


def _is_ours(error: CognitoError) -> bool:
    """Tell whether an error says nothing about the user: any other one would tell who has an account."""
    return problem_of(error).status >= status.HTTP_500_INTERNAL_SERVER_ERROR
