"""A new account: sign up, then confirm the address with the code that was sent to it."""

from typing import Annotated

from fastapi import APIRouter, Form, Response, status

from cognito_async import AmbiguousOutcomeError, CognitoError, InvalidPasswordException, UsernameExistsException
from cognito_async.fastapi import ClientMetadataDep, CognitoDep, UserContextDep, problem_of
from cognito_async.operations import AttributeType

from .desk import CONFIRM, RESEND, SIGN_IN, SIGN_UP, DeskDep
from .fields import CodeForm, SignUpForm, UsernameForm
from .notes import CONFIRM_PROBLEMS, Note, error_note, fault_note
from .pacing import FORM_GUARDS, settle

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


@router.post(SIGN_UP, dependencies=FORM_GUARDS)
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
    error = await desk.once(
        form.model_dump(),
        lambda: settle(
            client.sign_up(
                username=form.username,
                password=form.password,
                user_attributes=[AttributeType(name="email", value=form.username)],
                user_context_data=context,
                client_metadata=metadata or None,
            )
        ),
    )
    if isinstance(error, InvalidPasswordException):
        note = fault_note({"password": ("This password can't be used. Choose another one.",)})
        return desk.send_to(SIGN_UP, note, username=form.username)
    if error is None or isinstance(error, UsernameExistsException | AmbiguousOutcomeError):
        return desk.send_to(CONFIRM, _WELCOME, username=form.username)
    return desk.send_to(SIGN_UP, error_note(error), username=form.username)


@router.get(CONFIRM)
async def confirm_page(desk: DeskDep) -> Response:
    """Show the form that takes the code."""
    return desk.page("confirm_sign_up")


@router.post(CONFIRM, dependencies=FORM_GUARDS)
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
        await desk.site.code_tries.admit(form.username)
        await client.confirm_sign_up(
            username=form.username,
            confirmation_code=form.code,
            user_context_data=context,
            client_metadata=metadata or None,
        )

    error = await desk.once(form.model_dump(), lambda: settle(check()))
    if error is None:
        return desk.send_to(SIGN_IN, _CONFIRMED, username=form.username)
    return desk.send_to(CONFIRM, error_note(error, CONFIRM_PROBLEMS), username=form.username)


@router.post(RESEND, dependencies=FORM_GUARDS)
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
    error = await settle(
        client.resend_confirmation_code(
            username=form.username, user_context_data=context, client_metadata=metadata or None
        )
    )
    note = error_note(error) if error is not None and _is_ours(error) else _SENT_AGAIN
    return desk.send_to(CONFIRM, note, username=form.username)


def _is_ours(error: CognitoError) -> bool:
    """Tell whether an error says nothing about the user: any other one would tell who has an account."""
    return problem_of(error).status >= status.HTTP_500_INTERNAL_SERVER_ERROR
