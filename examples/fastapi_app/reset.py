"""A forgotten password: ask for a code, then type it with a new password."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from cognito_async import AmbiguousOutcomeError
from cognito_async.fastapi import ClientMetadataDep, CognitoDep, ResetRequestsDep, UserContextDep

from .desk import FORGOT, PAGE, RESET, SECOND_CLICK, SIGN_IN, DeskDep
from .fields import ResetForm, UsernameForm
from .notes import Note, error_note, fault_note

router = APIRouter()

_ASKED = Note(
    title="Check your e-mail",
    detail="If there is an account with this address, a code is on its way. It may take a minute, and it may land "
    "in your spam folder.",
    tone="plain",
)
_CHANGED = Note(title="Your password is changed", detail="Sign in with the new one.")


@router.api_route(FORGOT, methods=PAGE)
async def forgot_page(desk: DeskDep) -> Response:
    """Show the form that asks for a code."""
    return desk.page("forgot_password")


@router.post(FORGOT)
async def forgot(
    form: Annotated[UsernameForm, Form()],
    desk: DeskDep,
    resets: ResetRequestsDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Ask for a code, in the background: the answer comes as soon, and is the same, for whoever is unknown."""
    faults = form.faults()
    if faults:
        return desk.send_to(FORGOT, fault_note(faults), username=form.username)

    async def ask() -> None:
        resets.submit(form.username, user_context_data=context, client_metadata=metadata or None)

    error = await desk.once(form.model_dump(), ask, seconds=SECOND_CLICK)
    if error is not None:
        return desk.send_to(FORGOT, error_note(error), username=form.username)
    return desk.send_to(RESET, _ASKED, username=form.username)


@router.api_route(RESET, methods=PAGE)
async def reset_page(desk: DeskDep) -> Response:
    """Show the form that takes the code and the new password."""
    return desk.page("reset_password")


@router.post(RESET)
async def reset(
    form: Annotated[ResetForm, Form()],
    desk: DeskDep,
    client: CognitoDep,
    context: UserContextDep,
    metadata: ClientMetadataDep,
) -> Response:
    """Set the new password."""
    faults = form.new_faults(desk.site.policy)
    if faults:
        return desk.send_to(RESET, fault_note(faults), username=form.username)
    error = await desk.once(
        form.model_dump(),
        lambda: desk.site.confirmation.confirm(
            client,
            username=form.username,
            code=form.code,
            password=form.password,
            user_context_data=context,
            client_metadata=metadata or None,
        ),
    )
    if error is None:
        desk.end_sessions(form.username)
        return desk.send_to(SIGN_IN, _CHANGED, username=form.username)
    note = error_note(error)
    if isinstance(error, AmbiguousOutcomeError):
        desk.end_sessions(form.username)
        return desk.send_to(SIGN_IN, Note(title=note.title, detail=note.detail, tone="warning"), username=form.username)
    return desk.send_to(RESET, note, username=form.username)
