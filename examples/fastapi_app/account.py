"""The page behind the sign-in."""

from fastapi import APIRouter, Response

from cognito_async import (
    NotAuthorizedException,
    PasswordResetRequiredException,
    UserNotConfirmedException,
    UserNotFoundException,
)
from cognito_async.fastapi import CognitoDep

from .desk import ACCOUNT, PAGE, SIGN_IN, DeskDep
from .notes import OVER, Note

router = APIRouter()

_PLEASE = Note(title="Please sign in", detail="The page you asked for is only for members.", tone="plain")
_REFUSALS = (
    NotAuthorizedException, PasswordResetRequiredException, UserNotConfirmedException, UserNotFoundException,
)  # fmt: skip


@router.api_route(ACCOUNT, methods=PAGE)
async def account(desk: DeskDep, client: CognitoDep) -> Response:
    """Show who is signed in, as the pool has it: it knows when a session was ended elsewhere."""
    if desk.member is None:
        return desk.let_out(OVER) if desk.was_member else desk.send_to(SIGN_IN, _PLEASE)
    try:
        user = await client.get_user(access_token=desk.member.access_token)
    except _REFUSALS:
        return desk.let_out(OVER)
    attributes = {attribute.name: attribute.value for attribute in user.user_attributes or ()}
    return desk.page("account", email=attributes.get("email") or desk.member.username, attributes=attributes)
