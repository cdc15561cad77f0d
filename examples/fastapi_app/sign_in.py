"""Signing in and out."""

import logging
import time
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Response

from cognito_async import CognitoError, PasswordResetRequiredException, UserNotConfirmedException
from cognito_async.fastapi import CognitoDep, CognitoSettingsDep, UserContextDep, at_least

from .desk import ACCOUNT, CONFIRM, FLOOR, HOME, PAGE, RESET, SIGN_IN, SIGN_OUT, DeskDep
from .fields import SignInForm
from .notes import OVER, Note, error_note, fault_note

_LOG = logging.getLogger("fastapi_app")

router = APIRouter()

_GOODBYE = Note(title="You are signed out", detail="See you soon.")
_CONFIRM_FIRST = Note(
    title="Confirm your address first",
    detail="Type the code that we sent you when you signed up, or ask for a new one.",
    tone="warning",
)
_NEW_PASSWORD_FIRST = Note(
    title="You need a new password",
    detail="Type the code that was sent to you and choose one. If you have no code, ask for one.",
    tone="warning",
)
_ONE_MORE_STEP = Note(
    title="Your account asks for one more step",
    detail="It needs a second factor or a first password of your own, which this site can't ask you for yet.",
    tone="error",
)
# What an answer of the service means beyond "no", and where it can be mended.
_MENDED_AT: Mapping[type[CognitoError], tuple[str, Note]] = {
    UserNotConfirmedException: (CONFIRM, _CONFIRM_FIRST),
    PasswordResetRequiredException: (RESET, _NEW_PASSWORD_FIRST),
}


@router.api_route(HOME, methods=PAGE)
async def home(desk: DeskDep) -> Response:
    """Send the visitor on."""
    return desk.send_to(ACCOUNT if desk.member else SIGN_IN)


@router.api_route(SIGN_IN, methods=PAGE)
async def sign_in_page(desk: DeskDep) -> Response:
    """Show the form."""
    return desk.send_to(ACCOUNT) if desk.member else desk.page("sign_in")


@router.post(SIGN_IN)
async def sign_in(
    form: Annotated[SignInForm, Form()],
    desk: DeskDep,
    client: CognitoDep,
    settings: CognitoSettingsDep,
    context: UserContextDep,
) -> Response:
    """Sign in."""
    faults = form.faults()
    if faults:
        return desk.send_to(SIGN_IN, fault_note(faults), username=form.username)
    asked = time.monotonic()
    try:
        async with at_least(FLOOR):
            answer = await client.initiate_auth(
                auth_flow="USER_PASSWORD_AUTH",
                auth_parameters={"USERNAME": form.username, "PASSWORD": form.password},
                user_context_data=context,
            )
    except CognitoError as error:
        # Without a client secret everybody can ask the service, so to say what it says tells nothing new. With one
        # only this site can ask: then all refusals look alike.
        mended = None if settings.client_secret else _MENDED_AT.get(type(error))
        if mended:
            return desk.send_to(*mended, username=form.username)
        return desk.send_to(SIGN_IN, error_note(error), username=form.username)
    tokens = answer.authentication_result
    if tokens is None or tokens.access_token is None:
        return desk.send_to(SIGN_IN, _ONE_MORE_STEP, username=form.username)
    return desk.let_in(form.username, tokens, asked=asked) or desk.send_to(SIGN_IN, OVER, username=form.username)


@router.post(SIGN_OUT)
async def sign_out(desk: DeskDep, client: CognitoDep) -> Response:
    """Sign out here, and have the pool revoke the tokens; other devices stay signed in."""
    if desk.member and desk.member.refresh_token:
        try:
            await client.revoke_token(token=desk.member.refresh_token)
        except CognitoError as error:
            # The visitor leaves all the same: this site forgets the tokens, and they end by themselves.
            _LOG.warning("tokens were not revoked: %s", error.code or type(error).__name__)
    return desk.let_out(_GOODBYE)
