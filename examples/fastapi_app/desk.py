"""The front desk, which every page works with: it knows the visitor, hands out pages and sends to other ones.

After a form the visitor is always sent on to a page that can be loaded again; what that page has to say waits here for
as long. So no reload and no back button sends a form twice, and no URL holds a name, a code or a message.
"""

import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Request, Response, status
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cognito_async.operations import AuthenticationResultType

from .names import names_in
from .notes import Note
from .site import Member, Site, Visit
from .submissions import Outcome, Work, outcome_of

BRAND: Final = "Larkmoor"

HOME: Final = "/"
SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
SIGN_UP: Final = "/sign-up"
CONFIRM: Final = "/confirm-sign-up"
RESEND: Final = "/confirm-sign-up/resend"
FORGOT: Final = "/forgot-password"
RESET: Final = "/reset-password"
ACCOUNT: Final = "/account"
INBOX: Final = "/inbox"

FLOOR: Final = 0.3  # seconds: the least that an answer about a user takes, whether or not there is such a user
SECOND_CLICK: Final = 3.0  # seconds: two clicks are one mail, and who asks again a little later wants another one

PAGE: Final = ["GET", "HEAD"]  # how a page is asked for: FastAPI, unlike Starlette, does not add HEAD by itself

_PATHS: Final = {
    "home": HOME, "sign_in": SIGN_IN, "sign_out": SIGN_OUT, "sign_up": SIGN_UP, "confirm": CONFIRM, "resend": RESEND,
    "forgot": FORGOT, "reset": RESET, "account": ACCOUNT, "inbox": INBOX,
}  # fmt: skip

_VISIT_COOKIE: Final = "visit"
_SESSION_COOKIE: Final = "session"


def _read_templates() -> Jinja2Templates:
    """Read all templates, once and for all: while the site serves, no page waits for the disk."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,  # all of them stay
    )
    templates = Jinja2Templates(env=environment)
    for name in environment.list_templates():
        templates.get_template(name)
    return templates


_TEMPLATES: Final = _read_templates()


class Desk:
    """The front desk for one request.

    Attributes:
        site: What belongs to the site.
        member: The visitor, if signed in.
        was_member: Whether the visitor comes with the cookie of a session, over or not.
    """

    def __init__(self, request: Request) -> None:
        self.site: Site = request.state.site
        self._request = request
        given = request.cookies.get(_VISIT_COOKIE, "")
        self._visit_key = given if self.site.visit_keys.knows(given) else ""  # else of somebody else's choice
        self._session_key = request.cookies.get(_SESSION_COOKIE, "")
        self._visit: Visit | None = self.site.visits.get(self._visit_key) or self.site.passers.get(self._visit_key)
        self.member: Member | None = self.site.members.get(self._session_key)
        self.was_member: bool = bool(self._session_key)

    @property
    def username(self) -> str:
        """Return the name that was typed last, or that of who is signed in; empty if there is none."""
        typed = self._visit.username if self._visit else ""
        return typed or (self.member.username if self.member else "")

    def page(
        self, name: str, code: int = status.HTTP_200_OK, *, note: Note | None = None, **values: object
    ) -> Response:
        """Hand out a page.

        Args:
            name: The template's name, without its ending.
            code: The HTTP status.
            note: What the page has to say; None for what waits for it.
            **values: What else the template shows.

        Returns:
            The page.
        """
        waiting = self._take_note()
        context = {
            "brand": BRAND, "paths": _PATHS, "note": note or waiting, "member": self.member, "username": self.username,
            "hints": self.site.policy.rules, "has_inbox": self.site.mailbox is not None,
        }  # fmt: skip
        answer = _TEMPLATES.TemplateResponse(self._request, f"{name}.html", {**context, **values}, status_code=code)
        self._know_again(answer)  # so that the two clicks on this page's button are known to be one visitor's
        return answer

    def send_to(self, path: str, note: Note | None = None, *, username: str | None = None) -> Response:
        """Send the visitor to a page.

        Args:
            path: The page.
            note: What it has to say; None for nothing.
            username: The name for the next forms; None to keep what there is.

        Returns:
            The redirection.
        """
        answer = RedirectResponse(path, status.HTTP_303_SEE_OTHER)
        if note is None and username is None:
            return answer
        visit = self._visit_of(answer)
        if username is not None:
            visit.username = username
            self.site.passers.drop(self._visit_key)
            self.site.visits.put(self._visit_key, visit)
        if note is not None:
            visit.notes[path] = note
        return answer

    async def once(self, typed: Mapping[str, str], work: Work, *, seconds: float = 60.0) -> Outcome:
        """Do what a form asks for, once for two clicks.

        Args:
            typed: What is in the form.
            work: Does it.
            seconds: How long the outcome stands for the same form.

        Returns:
            What came of it.
        """
        if not self._visit_key:  # nobody knows whose clicks these are
            return await outcome_of(work)
        submissions = self.site.submissions
        name = submissions.name(self._visit_key, self._request.url.path, *chain.from_iterable(typed.items()))
        return await submissions.once(name, work, seconds)

    def let_in(self, username: str, tokens: AuthenticationResultType, *, asked: float) -> Response | None:
        """Begin a session, and forget the visit that led to it.

        Args:
            username: The name that was typed.
            tokens: What the pool gave.
            asked: When the pool was asked for it, by the monotonic clock.

        Returns:
            The way to the account; None where the user has had a new password since.
        """
        names = names_in(tokens.id_token) | {username.casefold()}
        if any((self.site.resets.get(name) or 0.0) >= asked for name in names):
            return None
        self.site.visits.drop(self._visit_key)
        self.site.members.drop(self._session_key)
        member = Member(
            username=username,
            names=names,
            access_token=tokens.access_token or "",
            refresh_token=tokens.refresh_token,
        )
        # The session lasts as long as the access token: to go on, one signs in again.
        key = self.site.members.add(member, seconds=tokens.expires_in)
        answer = RedirectResponse(ACCOUNT, status.HTTP_303_SEE_OTHER)
        answer.delete_cookie(_VISIT_COOKIE)
        self._give_cookie(answer, _SESSION_COOKIE, key)
        return answer

    def let_out(self, note: Note) -> Response:
        """End the session.

        Args:
            note: What the sign-in page has to say.

        Returns:
            The way there.
        """
        self.site.members.drop(self._session_key)
        self.member = None
        answer = self.send_to(SIGN_IN, note)
        answer.delete_cookie(_SESSION_COOKIE)
        return answer

    def end_sessions(self, username: str) -> None:
        """End all sessions of a user on this site, whichever name they were begun with.

        Args:
            username: One of the user's names, as it was typed.
        """
        self.site.resets.put(username.casefold(), time.monotonic())  # for who is just being let in
        for key, member in self.site.members.items():
            if username.casefold() in member.names:
                self.site.members.drop(key)

    def _take_note(self) -> Note | None:
        """Take what waits for this page; it goes on waiting where only the head is asked for, which nobody reads."""
        notes = self._visit.notes if self._visit else {}
        path = self._request.url.path
        return notes.get(path) if self._request.method == "HEAD" else notes.pop(path, None)

    def _visit_of(self, answer: Response) -> Visit:
        """Find the visit that an answer belongs to; where there is none, begin one."""
        visit = self._visit
        if visit is None:
            visit = self._visit = Visit()
            self._know_again(answer)
            self.site.passers.put(self._visit_key, visit)
        return visit

    def _know_again(self, answer: Response) -> None:
        """Give the visitor a key, unless there is one; nothing is kept under it before something is typed."""
        if not self._visit_key:
            self._visit_key = self.site.visit_keys.new()
            self._give_cookie(answer, _VISIT_COOKIE, self._visit_key)

    def _give_cookie(self, answer: Response, name: str, key: str) -> None:
        answer.set_cookie(name, key, httponly=True, samesite="lax", secure=self._request.url.scheme == "https")


async def desk_of(request: Request) -> Desk:
    """Give the front desk for a request."""
    return Desk(request)


DeskDep = Annotated[Desk, Depends(desk_of)]
