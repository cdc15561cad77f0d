"""Rendering: the context of a request, with what the session cookie keeps for its page, and the error pages."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from attrs import asdict
from fastapi import APIRouter, Depends, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from cognito_async import CognitoError, SignedOutError
from cognito_async.fastapi import BadInputError, ClientIpDep, MalformedBodyError, check_username_limit, problem_of

from . import messages
from .forms import SiteForm, errors_in
from .messages import Message
from .security import security_headers
from .state import PendingSignIn, Site, UserSession

Value = TypeVar("Value")

BRAND: Final = "Larkmoor"
MINIMUM_SECONDS: Final = 0.3  # of every response that depends on a user, so that timing does not show who exists
PAGE: Final = ["GET", "HEAD"]  # FastAPI does not add HEAD

_MAX_KEPT: Final = {"username": 128, "code": 32}  # longer input is not kept for the next page: a cookie has 4 KB

# All templates are loaded now, so that no request waits for the disk.
_FILES: Final = FileSystemLoader(Path(__file__).parent / "templates")
_JINJA: Final = Environment(loader=_FILES, autoescape=True, undefined=StrictUndefined, auto_reload=False, cache_size=-1)
_LOADED: Final = [_JINJA.get_template(name) for name in _JINJA.list_templates()]
_TEMPLATES: Final = Jinja2Templates(env=_JINJA)


class PageContext:
    """The site, the form and the session cookie, as seen by one request."""

    def __init__(self, request: Request, client_ip: IPv4Address | IPv6Address | None = None) -> None:
        self.site: Site = request.state.site
        self._request = request
        self._client_ip = client_ip
        self._cookie: dict[str, Any] = request.scope.get("session", {})
        self._session_id: str = self._cookie.get("session_id", "")
        self._sign_in_id: str = self._cookie.get("sign_in_id", "")
        self.session: UserSession | None = self.site.sessions.get(self._session_id)
        self.sign_in: PendingSignIn | None = self.site.sign_ins.get(self._sign_in_id)
        self.form: SiteForm | None = None
        self._fields: Collection[str] = ()
        self._form_path: str = request.url.path
        request.state.page = self  # for the error pages

    @property
    def user(self) -> UserSession:
        """The session of the signed-in user; raises an error that redirects to the sign-in form."""
        if self.session is None:
            raise SignedOutError("there is no session; sign in")
        return self.session

    def check(self, form: SiteForm, *fields: str, sets_password: bool = False, path: str | None = None) -> None:
        """Check the fields of a form. This and later errors are shown on its page, by default of the same path."""
        self.form, self._fields, self._form_path = form, fields, path or self._form_path
        errors = errors_in(form, fields, self.site.password_policy if sets_password else None)
        if errors:
            raise BadInputError("invalid fields", field_errors={name: [text] for name, text in errors.items()})

    async def once(self, work: Callable[[], Awaitable[Value]], *, seconds: float = 60.0) -> Value:
        """Run the work of the form once for two clicks, and return its result after a minimum duration."""
        browser = self._cookie.get("browser") or secrets.token_urlsafe(16)
        sent = (browser, self._request.url.path, self.form.model_dump() if self.form else None)
        return await self.site.submissions.once(sent, work, seconds=seconds, least=MINIMUM_SECONDS)

    async def check_limits(self, username: str) -> None:
        """Count an attempt to guess a code; raise RateLimitedError if there are too many."""
        await check_username_limit(self.site.client_limit, username, self._client_ip)
        await check_username_limit(self.site.username_limit, username)

    def render(self, name: str, code: int = 200, *, message: Message | None = None, **values: object) -> Response:
        """Render a template, with the given message or the one in the session cookie."""
        self._cookie.setdefault("browser", secrets.token_urlsafe(16))  # recognizes a second click
        flash: dict[str, Any] = self._cookie.get("flash", {})
        if flash.get("path") != self._request.url.path:
            flash = {}
        elif self._request.method == "GET":  # a response to HEAD is not shown
            del self._cookie["flash"]
        context = {
            "brand": BRAND,
            "message": message or (Message(**flash["message"]) if flash.get("message") else None),
            "values": flash.get("values", {}),
            "username": self._cookie.get("username") or (self.session.username if self.session else ""),
            "rules": self.site.password_policy.rules,
            "has_inbox": self.site.mailbox is not None,
        }
        return _TEMPLATES.TemplateResponse(self._request, f"{name}.html", {**context, **values}, code)

    def redirect(self, path: str, message: Message | None = None, **values: str) -> Response:
        """Redirect to a page, which shows the message and fills its form with the values."""
        kept = {name: text for name, text in values.items() if len(text) <= _MAX_KEPT.get(name, 64)}
        if "username" in values:
            self._cookie["username"] = kept.pop("username", "")
        if message is not None:
            self._cookie["flash"] = {"path": path, "message": asdict(message), "values": kept}
        return RedirectResponse(path, status.HTTP_303_SEE_OTHER)

    def show_again(self, message: Message) -> Response:
        """Redirect to the page of the form, which keeps its fields, except for passwords and refused codes."""
        names = {*self._fields} - {"password"} - ({"code"} & message.errors.keys())
        values = self.form.model_dump(include=names) if self.form else {}
        return self.redirect(self._form_path, message, **values)

    def replace_session(self, path: str, message: Message | None = None, **cookie: str) -> Response:
        """End the session and the sign-in of this browser, and redirect with a new cookie."""
        self.site.sessions.drop(self._session_id)
        self.site.sign_ins.drop(self._sign_in_id)
        self._cookie.clear()
        self._cookie.update(cookie)
        return self.redirect(path, message)

    def proceed(self, cookie: Mapping[str, str]) -> Response:
        """Redirect to the next step of a sign-in, with the ID of the session or of the sign-in in the cookie."""
        return self.replace_session("/account" if "session_id" in cookie else "/sign-in/challenge", None, **cookie)


async def page_context(request: Request, client_ip: ClientIpDep) -> PageContext:
    """Return the page context of a request."""
    return PageContext(request, client_ip)


PageDep = Annotated[PageContext, Depends(page_context)]


def add_page(router: APIRouter, path: str, template: str) -> None:
    """Add a page that shows a form."""

    @router.api_route(path, methods=PAGE)
    async def show(page: PageDep) -> Response:
        return page.render(template)


async def _cognito_error_page(request: Request, error: Exception) -> Response:
    """Show an error on the page of the form that was checked, else on a page that has nothing but the error."""
    if not isinstance(error, CognitoError):
        error = MalformedBodyError("not a form of this site")  # the original error quotes the input
    page: PageContext = getattr(request.state, "page", None) or PageContext(request)
    if messages.is_session_ended(error):
        message = messages.SESSION_ENDED if "session_id" in request.session else messages.SIGN_IN_REQUIRED
        return page.replace_session("/sign-in", message)
    if page.form is not None:
        return page.show_again(messages.from_error(error))
    problem = problem_of(error)
    response = page.render("error", problem.status, message=messages.from_error(error))
    if (retry_after := problem.retry_after_of(error)) is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


async def _other_error_page(request: Request, error: Exception) -> Response:
    """Show an error that is not about Cognito."""
    code: int = getattr(error, "status_code", 500)
    message = {404: messages.NOT_FOUND, 500: messages.BUG}.get(code, messages.NOT_POSSIBLE)
    response = PageContext(request).render("error", code, message=message)
    # Starlette handles bugs outside of all middleware.
    response.headers.update({**security_headers(request.scope), **(getattr(error, "headers", None) or {})})
    return response


ERROR_PAGES: Final[Mapping[Any, Any]] = {
    **dict.fromkeys((CognitoError, RequestValidationError), _cognito_error_page),
    **dict.fromkeys((HTTPException, Exception), _other_error_page),
}
