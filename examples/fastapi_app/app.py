"""The application: sign-in, the account page, and sign-out. Start it with `uvicorn fastapi_app.app:app`."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, TypeAlias

import segno
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Response, status
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from markupsafe import Markup
from starlette.middleware.sessions import SessionMiddleware

from cognito_async import (
    CodeMismatchException,
    CognitoClient,
    CognitoError,
    SignInExpiredError,
    SoftwareTokenMfaSettingsType,
)
from cognito_async import sign_in as challenges
from cognito_async.fastapi import CognitoDep, MemoryRateLimit, log_problem, rate_limit, same_origin
from cognito_async.tokens import TokenProvider

from . import messages, password_reset, sign_up
from .forms import FormDep, SiteForm
from .pages import BRAND, ERROR_PAGES, PAGE, PageContext, PageDep
from .security import CallerDep, SecurityMiddleware
from .state import Mailbox, PendingSignIn, Site, UserSession, site_lifespan

SignInResult: TypeAlias = challenges.SignInResult
Answer: TypeAlias = Callable[[SiteForm], Awaitable[SignInResult]]

router = APIRouter()


@router.post("/sign-in")
async def sign_in(form: FormDep, page: PageDep, client: CognitoDep, caller: CallerDep) -> Response:
    """Sign in with username and password. SRP proves the password without sending it to Cognito."""
    page.check(form, "username", "password")

    async def start() -> dict[str, str]:
        requested_at = monotonic()
        result = await client.sign_in(username=form.username, password=form.password, **caller)
        return await keep(page.site, client, result, form.username, requested_at)

    try:
        return page.proceed(await page.once(start, seconds=3.0))
    except CognitoError as error:
        # Without a client secret anyone can ask Cognito for the user's state, so showing it reveals nothing new.
        next_step = None if client.bound.client_secret else messages.NEXT_STEPS.get(error.code)
        if next_step is None:
            raise  # shown on the form's page
        return page.redirect(*next_step, username=form.username)


@router.api_route("/sign-in", methods=PAGE)
async def sign_in_page(page: PageDep) -> Response:
    """Show the sign-in form."""
    return page.redirect("/account") if page.session else page.render("sign_in")


@router.api_route("/sign-in/challenge", methods=PAGE)
async def challenge_page(page: PageDep, client: CognitoDep) -> Response:
    """Show the form for the answer to a challenge."""
    if page.sign_in is None:
        return page.redirect("/sign-in", None if page.session else messages.SIGN_IN_EXPIRED)
    if (secret := page.sign_in.app_secret) is not None:
        return show_authenticator(page, page.sign_in.username, secret)
    challenge = client.resume_sign_in(page.sign_in.state)
    if form_of(challenge)[1] is None:
        return page.replace_session("/sign-in", messages.NOT_SUPPORTED)
    return page.render("challenge", challenge=challenge)


@router.post("/sign-in/challenge")
async def answer_challenge(form: FormDep, page: PageDep, client: CognitoDep, caller: CallerDep) -> Response:
    """Answer a challenge: with a code, a new password, or the choice of a second factor."""
    pending = page.sign_in
    challenge = pending and client.resume_sign_in(pending.state, user_context_data=caller["user_context_data"])
    fields, respond = form_of(challenge) if challenge else ((), None)
    page.check(form, *fields, sets_password=True)

    async def answer() -> dict[str, str]:
        if pending is None or respond is None:
            raise SignInExpiredError("the sign-in has expired; start a new one")
        await page.check_limits(f"challenge {pending.username}")
        return await keep(page.site, client, await respond(form), pending.username, pending.requested_at)

    try:
        return page.proceed(await page.once(answer))
    except CognitoError as error:
        if not messages.is_sign_in_over(error):
            raise
        return page.replace_session("/sign-in", messages.from_error(error))


def form_of(challenge: SignInResult) -> tuple[Sequence[str], Answer | None]:
    """Return the fields of the form for a challenge, and the function that answers it; None if it is not supported."""
    match challenge:
        case challenges.SoftwareTokenMfaChallenge() | challenges.SmsMfaChallenge() | challenges.EmailOtpChallenge():
            return ["code"], lambda form: challenge.respond(form.code)
        case challenges.MfaSetupChallenge(options=options) if "SOFTWARE_TOKEN_MFA" in options:
            return ["code"], lambda form: challenge.verify_software_token(form.code)
        case challenges.SelectMfaTypeChallenge():
            return ["option"], lambda form: challenge.select(form.option)
        case challenges.NewPasswordRequiredChallenge(required_attributes=names):
            return [*names, "password"], lambda form: challenge.respond(
                form.password, attributes=form.model_dump(include={*names})
            )
        case _:
            return [], None


async def keep(site: Site, client: CognitoClient, result: SignInResult, username: str, since: float) -> dict[str, str]:
    """Keep a new session, or a sign-in that waits for an answer, on the server; return its ID for the cookie."""
    if isinstance(result, challenges.SignedIn):
        user = await site.id_tokens.verify(result.tokens.id_token or "")
        aliases = map(user.claims.get, ("sub", "cognito:username", "email", "phone_number", "preferred_username"))
        all_names = frozenset(name.casefold() for name in (username, *aliases) if isinstance(name, str))
        session = UserSession(username, all_names, TokenProvider(client, tokens=result.tokens))
        return {"session_id": site.sessions.start(session, requested_at=since)}
    app_secret = None
    if isinstance(result, challenges.MfaSetupChallenge) and form_of(result)[1]:
        app_secret = await result.associate_software_token()
    return {"sign_in_id": site.sign_ins.add(PendingSignIn(username, since, result.state(), app_secret))}


@router.post("/sign-out")
async def sign_out(page: PageDep) -> Response:
    """Sign out on this site and revoke the tokens. Other devices stay signed in."""
    if page.session is not None:
        try:
            await page.session.tokens.sign_out()
        except CognitoError as error:
            log_problem(error)  # the site forgets the tokens anyway, and they expire
    return page.replace_session("/sign-in", messages.SIGNED_OUT)


async def access_token(page: PageDep) -> str:
    """Return the user's access token, refreshed and verified."""
    token = await page.user.tokens.access_token()
    await page.site.access_tokens.verify(token)
    return token


AccessTokenDep = Annotated[str, Depends(access_token)]


@router.api_route("/account", methods=PAGE)
async def account(page: PageDep, client: CognitoDep, token: AccessTokenDep) -> Response:
    """Show the signed-in user's attributes. Cognito refuses the request if the session was ended elsewhere."""
    user = await client.get_user(access_token=token)
    attributes = {attribute.name: attribute.value for attribute in user.user_attributes or ()}
    has_app = "SOFTWARE_TOKEN_MFA" in (user.user_mfa_setting_list or ())
    email = attributes.get("email") or page.user.username
    return page.render("account", email=email, attributes=attributes, has_app=has_app)


@router.post("/account/authenticator/new")
async def new_authenticator(page: PageDep, client: CognitoDep, token: AccessTokenDep) -> Response:
    """Create the secret of an authenticator app, which counts from its first code on."""
    response = await client.associate_software_token(access_token=token)
    page.user.app_secret = challenges.SoftwareTokenSecret(response.secret_code or "")
    return page.redirect("/account/authenticator")


@router.api_route("/account/authenticator", methods=PAGE)
async def authenticator_page(page: PageDep) -> Response:
    """Show the secret of the authenticator app, and the form for its first code."""
    secret = page.user.app_secret
    return show_authenticator(page, page.user.username, secret) if secret else page.redirect("/account")


@router.post("/account/authenticator")
async def verify_authenticator(form: FormDep, page: PageDep, client: CognitoDep, token: AccessTokenDep) -> Response:
    """Verify the authenticator app, and make it the second factor."""
    page.check(form, "code")

    async def verify() -> None:
        response = await client.verify_software_token(access_token=token, user_code=form.code)
        if response.status != "SUCCESS":
            raise CodeMismatchException("the code is wrong", operation="VerifySoftwareToken")
        settings = SoftwareTokenMfaSettingsType(enabled=True, preferred_mfa=True)
        await client.set_user_mfa_preference(access_token=token, software_token_mfa_settings=settings)

    await page.once(verify)
    page.user.app_secret = None
    return page.redirect("/account", messages.APP_ADDED)


def show_authenticator(page: PageContext, account: str, secret: challenges.SoftwareTokenSecret) -> Response:
    """Show a secret as a QR code, as a link and as text."""
    uri = secret.uri(issuer=BRAND, account=account)
    svg = segno.make_qr(uri).svg_inline(omitsize=True, svgclass="qr", title="QR code for your authenticator app")
    return page.render("authenticator", secret=secret.secret, uri=uri, qr=Markup(svg))  # noqa: S704 - made by segno


@router.api_route("/", methods=PAGE)
async def home(page: PageDep) -> Response:
    """Redirect to the account or to the sign-in form."""
    return page.redirect("/account" if page.session else "/sign-in")


@router.api_route("/inbox", methods=PAGE)
async def inbox(page: PageDep) -> Response:
    """Show the mail that the demo's local pool has sent, newest first."""
    if page.site.mailbox is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    return page.render("inbox", mails=list(reversed(await page.site.mailbox())))


@router.api_route("/.well-known/change-password", methods=PAGE)
async def change_password() -> Response:
    """Redirect password managers, which look for the form at this address."""
    return RedirectResponse("/forgot-password")


def create_app(mailbox: Mailbox | None = None) -> FastAPI:
    """Create the application, which reads its settings from the environment when it starts."""
    # Forms must come from this site, at most 60 per minute and client address.
    guards = [Depends(same_origin()), Depends(rate_limit(MemoryRateLimit(60, 60.0)))]
    options: Any = {"dependencies": guards, "exception_handlers": ERROR_PAGES, "openapi_url": None}
    app = FastAPI(lifespan=site_lifespan(mailbox), redirect_slashes=False, **options)
    app.add_middleware(SessionMiddleware, secret_key=secrets.token_urlsafe(32), max_age=None)  # workers must share it
    app.add_middleware(SecurityMiddleware)  # the last one added is the outermost
    for part in (router, sign_up.router, password_reset.router):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), "static")
    return app


app = create_app()
