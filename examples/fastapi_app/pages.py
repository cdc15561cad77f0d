"""Rendering: the page of a request, the data kept for it in the session cookie, and the error pages.

Each form is answered with a redirect to a page that can be reloaded. What that page shows is in the session cookie, so
that no URL holds a user name, a code or a message.
"""

import secrets
from pathlib import Path
from typing import Annotated, Any, Final

from attrs import asdict
from fastapi import Depends, FastAPI, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from cognito_async import CognitoError
from cognito_async.fastapi import MalformedBodyError, problem_of
from cognito_async.operations import AuthenticationResultType

from . import messages
from .forms import CodeForm, UsernameForm
from .messages import Message
from .security import security_headers
from .state import Outcome, Site, UserSession, Work

BRAND: Final = "Larkmoor"
MINIMUM_SECONDS: Final = 0.3  # of every response that depends on a user, so that timing does not show who exists
PAGE: Final = ["GET", "HEAD"]  # FastAPI does not add HEAD

_MAX_USERNAME: Final = 128  # longer input is not kept for the next page: a cookie has at most 4 KB
_MAX_CODE: Final = 32


def _load_templates() -> Jinja2Templates:
    """Load all templates now, so that no request waits for the disk."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    for name in environment.list_templates():
        environment.get_template(name)
    return Jinja2Templates(env=environment)


_TEMPLATES: Final = _load_templates()


class PageContext:
    """The site, the signed-in user and the session cookie, as seen by one request."""

    def __init__(self, request: Request) -> None:
        self.site: Site = request.state.site
        self._request = request
        self._cookie: dict[str, Any] = request.scope.get("session", {})
        self._session_id: str = self._cookie.get("session_id", "")
        self.had_session: bool = bool(self._session_id)
        self.user: UserSession | None = self.site.sessions.get(self._session_id)

    def render(
        self, name: str, status_code: int = 200, *, message: Message | None = None, **values: object
    ) -> Response:
        """Render a template, with the given message or the one in the session cookie."""
        self._cookie.setdefault("browser", secrets.token_urlsafe(16))  # recognizes a second click
        flash = self._take_flash()
        context = {
            "brand": BRAND,
            "message": message or (Message(**flash["message"]) if flash.get("message") else None),
            "code": flash.get("code", ""),
            "username": self._cookie.get("username") or (self.user.username if self.user else ""),
            "user": self.user,
            "rules": self.site.password_policy.rules,
            "has_inbox": self.site.mailbox is not None,
        }
        return _TEMPLATES.TemplateResponse(self._request, f"{name}.html", {**context, **values}, status_code)

    def redirect(
        self, path: str, message: Message | None = None, *, username: str | None = None, code: str = ""
    ) -> Response:
        """Redirect to a page, which shows the message and fills its form with user name and code."""
        if username is not None:
            self._cookie["username"] = username if len(username) <= _MAX_USERNAME else ""
        if message is not None:
            code = code if len(code) <= _MAX_CODE else ""
            self._cookie["flash"] = {"path": path, "message": asdict(message), "code": code}
        return RedirectResponse(path, status.HTTP_303_SEE_OTHER)

    def show_again(self, form: UsernameForm, message: Message, *, path: str | None = None) -> Response:
        """Redirect to the page of a form, which keeps its fields, except for passwords and refused codes."""
        code = form.code if isinstance(form, CodeForm) and "code" not in message.errors else ""
        return self.redirect(path or self._request.url.path, message, username=form.username, code=code)

    async def once(self, form: UsernameForm, work: Work, *, seconds: float = 60.0) -> Outcome:
        """Run the work of a form once for two clicks; return its error, None on success."""
        browser = self._cookie.get("browser") or secrets.token_urlsafe(16)
        sent = (browser, self._request.url.path, *form.model_dump().values())
        return await self.site.submissions.once(sent, work, seconds=seconds)

    def start_session(self, username: str, tokens: AuthenticationResultType, *, requested_at: float) -> bool:
        """Start a session in place of the current one; return False if the password was reset in the meantime."""
        session_id = self.site.sessions.start(username, tokens, requested_at=requested_at)
        if session_id is None:
            return False
        self.end_session()
        self._cookie["session_id"] = session_id
        return True

    def end_session(self) -> None:
        """End the user's session and clear the cookie."""
        self.site.sessions.drop(self._session_id)
        self._cookie.clear()
        self.user = None

    def _take_flash(self) -> dict[str, Any]:
        """Return what the last form left for this page, and remove it unless the page is not shown (HEAD)."""
        flash: dict[str, Any] = self._cookie.get("flash", {})
        if flash.get("path") != self._request.url.path:
            return {}
        if self._request.method == "GET":
            del self._cookie["flash"]
        return flash


async def page_context(request: Request) -> PageContext:
    """Return the page context of a request."""
    return PageContext(request)


PageDep = Annotated[PageContext, Depends(page_context)]


def add_error_pages(app: FastAPI) -> None:
    """Show pages for errors that no route handles."""
    app.add_exception_handler(CognitoError, _cognito_error_page)
    app.add_exception_handler(RequestValidationError, _cognito_error_page)
    app.add_exception_handler(HTTPException, _http_error_page)
    app.add_exception_handler(Exception, _bug_page)


async def _cognito_error_page(request: Request, error: Exception) -> Response:
    if not isinstance(error, CognitoError):
        error = MalformedBodyError("not a form of this site")  # the original error quotes the input
    problem = problem_of(error)
    response = PageContext(request).render("error", problem.status, message=messages.from_error(error))
    retry_after = problem.retry_after_of(error)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


async def _http_error_page(request: Request, error: Exception) -> Response:
    code: int = getattr(error, "status_code", status.HTTP_500_INTERNAL_SERVER_ERROR)
    message = messages.NOT_FOUND if code == status.HTTP_404_NOT_FOUND else messages.NOT_POSSIBLE
    response = PageContext(request).render("error", code, message=message)
    response.headers.update(getattr(error, "headers", None) or {})
    return response


async def _bug_page(request: Request, _: Exception) -> Response:
    response = PageContext(request).render("error", status.HTTP_500_INTERNAL_SERVER_ERROR, message=messages.BUG)
    response.headers.update(security_headers(request.scope))  # Starlette handles bugs outside of all middleware
    return response
