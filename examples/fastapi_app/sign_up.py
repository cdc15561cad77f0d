"""A new account: sign up, then confirm the address with the code that was sent to it."""

from typing import Annotated, Final

from attrs import evolve
from fastapi import APIRouter, Form, Response, status

from cognito_async import (
    AmbiguousOutcomeError,
    CodeDeliveryFailureException,
    CognitoError,
    InvalidEmailRoleAccessPolicyException,
    InvalidLambdaResponseException,
    InvalidSmsRoleAccessPolicyException,
    InvalidSmsRoleTrustRelationshipException,
    LimitExceededException,
    RetryPolicy,
    UnexpectedLambdaException,
    UsernameExistsException,
)
from cognito_async.fastapi import ClientMetadataDep, CognitoDep, UserContextDep, admit_user, at_least, problem_of
from cognito_async.operations import AttributeType

from .desk import CONFIRM, FLOOR, PAGE, RESEND, SECOND_CLICK, SIGN_IN, SIGN_UP, DeskDep
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

# What fails while a code is sent, or in the pool's function that writes the mail, fails only for those who get one.
_SENDING = (
    CodeDeliveryFailureException, LimitExceededException, InvalidEmailRoleAccessPolicyException,
    InvalidSmsRoleAccessPolicyException, InvalidSmsRoleTrustRelationshipException, UnexpectedLambdaException,
    InvalidLambdaResponseException,
)  # fmt: skip
# A limit is met only by those who get a code, too: a pause before a second try would tell them by the time.
RETRY: Final = RetryPolicy(limit_exceeded_retries=0)


@router.api_route(SIGN_UP, methods=PAGE)
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
        await client.with_options(retry=RETRY).sign_up(
            username=form.username,
            password=form.password,
            user_attributes=[AttributeType(name="email", value=form.username)],
            user_context_data=context,
            client_metadata=metadata or None,
        )

    async with at_least(FLOOR):  # a second click as well: only what worked is remembered, and is there at once
        error = await desk.once(form.model_dump(), join)
    if error is None:
        return desk.send_to(CONFIRM, _WELCOME, username=form.username)
    note = error_note(error)  # which also logs what is not told
    if isinstance(error, (UsernameExistsException, *_SENDING)):
        return desk.send_to(CONFIRM, _WELCOME, username=form.username)
    if isinstance(error, AmbiguousOutcomeError):  # a code may be on its way
        return desk.send_to(CONFIRM, evolve(note, tone="warning"), username=form.username)
    return desk.send_to(SIGN_UP, note, username=form.username)


@router.api_route(CONFIRM, methods=PAGE)
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
        await client.confirm_sign_up(
            username=form.username,
            confirmation_code=form.code,
            user_context_data=context,
            client_metadata=metadata or None,
        )

    async with at_least(FLOOR):
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
        await client.with_options(retry=RETRY).resend_confirmation_code(
            username=form.username, user_context_data=context, client_metadata=metadata or None
        )

    async with at_least(FLOOR):
        error = await desk.once(form.model_dump(), send, seconds=SECOND_CLICK)
    if error is None:
        return desk.send_to(CONFIRM, _SENT_AGAIN, username=form.username)
    note = error_note(error)  # which also logs what is not told
    return desk.send_to(CONFIRM, note if _is_ours(error) else _SENT_AGAIN, username=form.username)


def _is_ours(error: CognitoError) -> bool:
    """Tell whether an error says nothing about the user: any other one would tell who has an account."""
    return problem_of(error).status >= status.HTTP_500_INTERNAL_SERVER_ERROR and not isinstance(error, _SENDING)
