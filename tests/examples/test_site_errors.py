"""The example site when the service fails: the pages, the sessions and the log."""

import asyncio
from collections.abc import Iterator

import pytest

from cognito_async.testing import TokenIssuer
from tests.examples.site import (
    ISSUER,
    ScriptedSite,
    form_of,
    in_process_site,
    post_form,
    refuse,
    scripted_site,
    tokens_of,
)
from tests.support.scripted_server import Action, Connection, answer, cut

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESET = "/reset-password"


@pytest.fixture(autouse=True)
def _log_names_no_user(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that the log holds neither a user's name nor the service's words about one."""
    caplog.set_level("DEBUG")
    yield
    lines = [record.getMessage() for phase in ("setup", "call") for record in caplog.get_records(phase)]
    assert "canary" not in str(lines)
    assert "@example.com" not in str(lines)


@pytest.mark.parametrize(("name", "failure"), [("cut", cut()), ("lambda", refuse("UnexpectedLambdaException"))])
async def test_reset_with_unknown_outcome_suggests_signing_in(
    scripted: ScriptedSite, name: str, failure: Action
) -> None:
    """The password may have been changed: sessions end, and a second click gets the same page."""
    async with scripted.client(tokens_of(name), failure, otherwise=refuse("ExpiredCodeException")) as client:
        await client.post("/sign-in", data=form_of(name))
        await client.get(RESET)
        path, text = await post_form(client, RESET, form_of(name))
        assert path == "/sign-in"
        assert "Your password may have been changed" in text
        assert (await client.get("/account")).headers["location"] == "/sign-in"


async def test_second_click_gets_the_same_unknown_outcome(scripted: ScriptedSite) -> None:
    """A second request would be refused with a wrong code, although the first may have worked."""
    async with scripted.client(cut(), otherwise=refuse("ExpiredCodeException")) as client:
        pages = [await post_form(client, RESET, form_of("lost")) for _ in range(2)]
    assert [path for path, _ in pages] == ["/sign-in"] * 2


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LimitExceededException", "Too many attempts"),
        ("TooManyFailedAttemptsException", "Try again in 15 minutes."),
        *((code, 'id="code-error"') for code in ("InvalidPasswordException", "UserNotFoundException")),
        ("PasswordHistoryPolicyViolationException", 'id="code-error"'),
    ],
)
async def test_reset_errors_have_their_texts(scripted: ScriptedSite, code: str, text: str) -> None:
    """Errors that would show whether the user exists look like a wrong code."""
    async with scripted.client(otherwise=refuse(code)) as client:
        path, page = await post_form(client, RESET, form_of(code))
    assert path == RESET
    assert text in page


@pytest.mark.parametrize("name", ["username", "code", "password"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/confirm-sign-up", RESET])
async def test_invalid_unicode_is_rejected(scripted: ScriptedSite, path: str, name: str) -> None:
    """A form with an unusual character set can contain lone surrogates. The pages after it still work."""
    fields = {**form_of("unicode"), name: r"Abcdef-1\ud800x"}
    parts = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}' for key, text in fields.items()]
    body = "\r\n".join([*parts, "--x--", ""])
    headers = {"Content-Type": "multipart/form-data; boundary=x; charset=unicode_escape"}
    async with scripted.client() as client:
        response = await client.post(path, content=body, headers=headers)
        assert response.status_code == 400
        assert (await client.get(RESET)).status_code == 200


async def test_unknown_service_error_is_logged_for_the_operator(
    scripted: ScriptedSite, caplog: pytest.LogCaptureFixture
) -> None:
    """The page shows a general error; the log has the code and the request ID, but no text that may name a user."""
    async with scripted.client(otherwise=refuse("SomethingNewException", "details for the operator")) as client:
        path, text = await post_form(client, RESET, form_of("new"))
    assert path == RESET
    assert "details for the operator" not in text
    assert "SomethingNewException" in caplog.text
    assert "details for the operator" not in caplog.text


async def test_form_can_be_sent_again_after_an_error(scripted: ScriptedSite) -> None:
    """Only success and unknown outcomes are kept for a second click."""
    async with scripted.client(refuse("CodeMismatchException")) as client:
        assert (await post_form(client, RESET, form_of("again")))[0] == RESET
        assert (await post_form(client, RESET, form_of("again")))[0] == "/sign-in"


async def test_sign_in_with_unknown_challenge_is_refused(scripted: ScriptedSite) -> None:
    """A challenge is reported as such, and starts no session."""
    async with scripted.client(answer({"ChallengeName": "CUSTOM_CHALLENGE", "Session": "x" * 20})) as client:
        path, _ = await post_form(client, "/sign-in", form_of("factor"))
        assert path == "/sign-in/challenge"
        text = (await client.get("/sign-in")).text
        assert "Your account needs another step" in text
        assert (await client.get("/account")).status_code == 303


async def test_sign_out_works_when_revocation_fails(scripted: ScriptedSite) -> None:
    """The site forgets the tokens even if Cognito does not revoke them."""
    async with scripted.client(tokens_of("out"), otherwise=refuse("NotAuthorizedException")) as client:
        assert (await client.post("/sign-in", data=form_of("out"))).headers["location"] == "/account"
        path, text = await post_form(client, "/sign-out", {})
        assert path == "/sign-in"
        assert "You are signed out" in text
        assert (await client.get("/account")).headers["location"] == "/sign-in"


async def test_password_reset_ends_sessions_started_with_another_name(scripted: ScriptedSite) -> None:
    """The ID token names all aliases of the user."""
    user = answer({"Username": "1f2e", "UserAttributes": []})
    async with scripted.client(tokens_of("1f2e", email="Names@example.com"), otherwise=user) as client:
        await client.post("/sign-in", data={**form_of("x"), "username": "1f2e"})
        assert (await client.get("/account")).status_code == 200
        async with scripted.client() as other:
            assert (await post_form(other, RESET, form_of("names")))[0] == "/sign-in"
        assert (await client.get("/account")).status_code == 303


async def test_password_reset_ends_a_sign_in_in_flight(scripted: ScriptedSite) -> None:
    """A sign-in that Cognito accepted before the reset, but whose response comes after it, starts no session."""
    signing_in, reset_done = asyncio.Event(), asyncio.Event()

    async def respond(connection: Connection) -> None:
        assert connection.request is not None
        if connection.request.headers["x-amz-target"].endswith("InitiateAuth"):
            signing_in.set()
            await reset_done.wait()
            await tokens_of("late")(connection)
        else:
            await answer()(connection)

    async with scripted.client(otherwise=respond) as owner, scripted.site.client() as intruder:
        form = form_of("late")
        late = asyncio.create_task(intruder.post("/sign-in", data=form))
        await signing_in.wait()
        assert (await owner.post(RESET, data=form)).headers["location"] == "/sign-in"
        reset_done.set()
        assert (await late).headers["location"] == "/sign-in"
        assert (await intruder.get("/account")).status_code == 303
        assert (await intruder.post("/sign-in", data=form)).headers["location"] == "/account"


async def test_account_page_when_the_service_fails(scripted: ScriptedSite) -> None:
    """The error page has Retry-After, and the session stays."""
    async with scripted.client(tokens_of("page"), otherwise=refuse("InternalErrorException")) as client:
        await client.post("/sign-in", data=form_of("page"))
        page = await client.get("/account")
        assert (page.status_code, page.headers["retry-after"]) == (503, "30")
        scripted.otherwise = answer({"Username": "page", "UserAttributes": []})
        assert (await client.get("/account")).status_code == 200


async def test_throttled_request_shows_when_to_retry() -> None:
    """The page names the seconds."""
    async with scripted_site() as scripted, scripted.client(otherwise=refuse("TooManyRequestsException")) as client:
        path, text = await post_form(client, RESET, form_of("throttled"))
    assert path == RESET
    assert "Try again in 5 seconds." in text


async def test_site_starts_without_a_readable_password_policy(caplog: pytest.LogCaptureFixture) -> None:
    """The default policy is used, and the log says so."""
    async with in_process_site() as site, site.client() as client:
        assert "at least 8 characters" in (await client.get("/sign-up")).text
    assert "password policy not readable" in caplog.text


@pytest.mark.parametrize("issuer", [TokenIssuer(user_pool_id=ISSUER.user_pool_id, client_id=ISSUER.client_id), None])
async def test_sign_in_with_forged_or_missing_id_token_starts_no_session(
    scripted: ScriptedSite, issuer: TokenIssuer | None
) -> None:
    """Tokens are verified with the keys of the user pool."""
    tokens = {"AccessToken": ISSUER.access_token(), **({} if issuer is None else {"IdToken": issuer.id_token()})}
    async with scripted.client(answer({"AuthenticationResult": tokens})) as client:
        path, text = await post_form(client, "/sign-in", form_of("forged"))
        assert path == "/sign-in"
        assert 'class="message error"' in text
        assert (await client.get("/account")).status_code == 303
