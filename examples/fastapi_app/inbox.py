"""The demo's inbox: the mail that the local pool would have sent. No site that is not a demo has this page."""

from fastapi import APIRouter, HTTPException, Response, status

from .desk import INBOX, PAGE, DeskDep

router = APIRouter()


@router.api_route(INBOX, methods=PAGE)
async def inbox(desk: DeskDep) -> Response:
    """Show the mail, the newest first."""
    if desk.site.mailbox is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    return desk.page("inbox", messages=list(reversed(await desk.site.mailbox())))
