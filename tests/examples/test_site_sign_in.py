"""Sign-in with challenges on the example site, with a fake pool that has all of them."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page

from cognito_async.testing import FakeCognito
from cognito_async.testing.fake_cognito.pool import FakeUser, totp
from tests.examples.site import (
    NEW_PASSWORD,
    PASSWORD,
    WRONG_CODE,
    InProcessSite,
    SiteBrowser,
    field_error,
    heading,
    in_process_site,
    message,
    post_form,
    settings_for_fake,
    sign_in,
)
from tests.support.processes import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHALLENGE = "/sign-in/challenge"
TOTP = "SOFTWARE_TOKEN_MFA"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(fake: FakeCognito) -> AsyncIterator[InProcessSite]:
    """Start the site on the fake pool, in this process."""
    async with in_process_site(**settings_for_fake(fake)) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def client(site: InProcessSite) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of that site, with the sign-in page open."""
    async with site.client() as opened:
        await opened.get("/sign-in")
        yield opened


def create_user(fake: FakeCognito, name: str, *mfa: str, **options: str | list[str] | None) -> FakeUser:
    """Create a user with second factors."""
    contact = {"email": f"{name}@example.com", "phone_number": "+15550001234", "password": PASSWORD}
    return fake.create_user(name, **{**contact, **options}, mfa=mfa)  # type: ignore[arg-type]


def app_code(fake: FakeCognito, name: str, *, later: int = 0) -> str:
    """Return the code that the user's app shows now, or in a number of half minutes."""
    return totp(fake.users[name].totp_secret or "", int(fake.now) // 30 + later)


async def send_code(page: Page, code: str, button: str = "Continue") -> None:
    """Fill in a code and send it."""
    await page.get_by_label("Code", exact=True).fill(code)
    async with page.expect_navigation():
        await page.get_by_role("button", name=button).click()


async def start(client: httpx.AsyncClient, name: str) -> None:
    """Sign in with the password, which leads to a challenge."""
    path, _ = await post_form(client, "/sign-in", {"username": f"{name}@example.com", "password": PASSWORD})
    assert path == CHALLENGE


def count(fake: FakeCognito, operation: str) -> int:
    """Return how often an operation was called."""
    return sum(request.operation == operation for request in fake.requests)


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("javascript", [True, False])
async def test_code_of_the_authenticator_app(
    fake: FakeCognito,
    fake_browser: SiteBrowser,
    javascript: bool,  # noqa: FBT001 - pytest's
) -> None:
    """A wrong code can be corrected. The password is not sent, and signing out revokes the tokens."""
    name = f"totp-{javascript}".lower()
    create_user(fake, name, TOTP)
    async with fake_browser.page(java_script_enabled=javascript) as page:
        await sign_in(page, f"{name}@example.com", PASSWORD)
        assert await heading(page) == "Enter your code"
        await send_code(page, WRONG_CODE)
        assert "wrong" in await field_error(page, "code")
        assert await page.get_by_label("Code", exact=True).input_value() == ""
        await send_code(page, app_code(fake, name))
        assert await heading(page) == "Your account"
        assert await page.locator("dd").first.inner_text() == f"{name}@example.com"
        revoked = count(fake, "RevokeToken")
        await page.get_by_role("button", name="Sign out").click()
        assert await heading(page) == "Sign in"
    assert count(fake, "RevokeToken") == revoked + 1
    assert PASSWORD not in str(fake.requests)


@pytest.mark.parametrize(("factor", "destination"), [("SMS_MFA", "1234"), ("EMAIL_OTP", "@")])
async def test_code_that_was_sent(fake: FakeCognito, fake_browser: SiteBrowser, factor: str, destination: str) -> None:
    """The page shows where the code was sent."""
    name = factor.partition("_")[0].lower()
    create_user(fake, name, factor)
    async with fake_browser.page() as page:
        await sign_in(page, f"{name}@example.com", PASSWORD)
        assert await heading(page) == "Enter your code"
        assert destination in await page.locator(".lead").inner_text()
        await send_code(page, "123")
        assert await field_error(page, "code")
        await send_code(page, fake.messages[-1].code)
        assert await heading(page) == "Your account"


async def test_choice_of_the_second_factor(fake: FakeCognito, fake_browser: SiteBrowser) -> None:
    """A user with several factors chooses one."""
    create_user(fake, "choice", TOTP, "SMS_MFA")
    async with fake_browser.page() as page:
        await sign_in(page, "choice@example.com", PASSWORD)
        assert await heading(page) == "Choose a second step"
        await page.get_by_role("button", name="Text message").click()
        assert await heading(page) == "Enter your code"
        await send_code(page, fake.messages[-1].code)
        assert await heading(page) == "Your account"


async def test_temporary_password_must_be_replaced(fake: FakeCognito, fake_browser: SiteBrowser) -> None:
    """A weak password and a missing attribute are shown at their fields; what was right is kept."""
    user = create_user(
        fake, "temporary", status="FORCE_CHANGE_PASSWORD", required_attributes=["given_name", "family_name"]
    )
    async with fake_browser.page() as page:
        await sign_in(page, "temporary@example.com", PASSWORD)
        assert await heading(page) == "Choose a new password"
        await page.get_by_label("Given name").fill("Ada <b>")
        await page.get_by_label("New password", exact=True).fill("weak")
        await page.get_by_role("button", name="Set the new password").click()
        assert "8 characters" in await field_error(page, "password")
        assert await field_error(page, "family_name")
        assert await page.get_by_label("Given name").input_value() == "Ada <b>"
        await page.get_by_label("Family name").fill("Lovelace")
        await page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Set the new password").click()
        assert await heading(page) == "Your account"
    assert (user.password, user.attributes["given_name"]) == (NEW_PASSWORD, "Ada <b>")


async def test_set_up_of_the_authenticator_app_at_sign_in(
    fake: FakeCognito, fake_browser: SiteBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the pool requires a second factor, the user sets up an app, whose code is asked for next time."""
    monkeypatch.setattr(fake, "mfa_setup", (TOTP,))
    create_user(fake, "setup")
    async with fake_browser.page() as page:
        await sign_in(page, "setup@example.com", PASSWORD)
        await set_up(page, fake, "setup")
        await page.get_by_role("button", name="Sign out").click()
        await sign_in(page, "setup@example.com", PASSWORD)
        await send_code(page, app_code(fake, "setup", later=1))
        assert await heading(page) == "Your account"


async def test_set_up_of_the_authenticator_app_on_the_account_page(
    fake: FakeCognito, fake_browser: SiteBrowser
) -> None:
    """A signed-in user adds an app, whose code is asked for next time."""
    create_user(fake, "adds")
    async with fake_browser.page() as page:
        await sign_in(page, "adds@example.com", PASSWORD)
        await page.get_by_role("button", name="Set up an authenticator app").click()
        await set_up(page, fake, "adds")
        assert "Your authenticator app is set up" in await message(page)
        assert "Replace your authenticator app" in await page.content()
        await page.goto("/account/authenticator")
        assert await heading(page) == "Your account"
        await page.get_by_role("button", name="Sign out").click()
        await sign_in(page, "adds@example.com", PASSWORD)
        await send_code(page, app_code(fake, "adds", later=1))
        assert await heading(page) == "Your account"


async def set_up(page: Page, fake: FakeCognito, name: str) -> None:
    """Set up the app whose secret the page shows, after a wrong code."""
    assert await heading(page) == "Set up an authenticator app"
    key = (await page.locator("code.key").inner_text()).replace(" ", "")
    assert key == fake.users[name].totp_secret
    link = await page.get_by_role("link", name="Open the app").get_attribute("href") or ""
    assert link.startswith(f"otpauth://totp/Larkmoor:{name}@example.com?secret={key}")
    assert await page.get_by_role("img", name="QR code").is_visible()
    await send_code(page, WRONG_CODE, "Verify the app")
    assert await field_error(page, "code")
    assert (await page.locator("code.key").inner_text()).replace(" ", "") == key
    await send_code(page, app_code(fake, name), "Verify the app")
    assert await heading(page) == "Your account"


# --- in this process --------------------------------------------------------------------------------------------------


async def test_expired_challenge_starts_again(fake: FakeCognito, client: httpx.AsyncClient) -> None:
    """Cognito ends a sign-in after three minutes."""
    create_user(fake, "slow", TOTP)
    await start(client, "slow")
    fake.advance(200)
    try:
        path, text = await post_form(client, CHALLENGE, {"code": app_code(fake, "slow")})
    finally:
        fake.advance(-200)
    assert path == "/sign-in"
    assert "Your sign-in has expired" in text
    assert (await client.get(CHALLENGE)).headers["location"] == "/sign-in"


async def test_second_click_signs_in_once(fake: FakeCognito, client: httpx.AsyncClient) -> None:
    """The code works once, and both clicks lead to the same session."""
    create_user(fake, "click", TOTP)
    await start(client, "click")
    cookie, before = client.cookies["session"], count(fake, "RespondToAuthChallenge")
    answers = {"code": app_code(fake, "click")}
    headers = {"Cookie": f"session={cookie}"}
    responses = await asyncio.gather(*[client.post(CHALLENGE, data=answers, headers=headers) for _ in range(2)])
    responses.append(await client.post(CHALLENGE, data=answers, headers=headers))
    assert [response.headers["location"] for response in responses] == ["/account"] * 3
    assert count(fake, "RespondToAuthChallenge") == before + 1
    assert (await client.get("/account")).status_code == 200


async def test_replayed_challenge_starts_no_session(fake: FakeCognito, client: httpx.AsyncClient) -> None:
    """The cookie of an answered challenge is useless, with another code and after signing out."""
    create_user(fake, "replay", TOTP)
    await start(client, "replay")
    headers, answers = {"Cookie": f"session={client.cookies['session']}"}, {"code": app_code(fake, "replay")}
    assert (await client.post(CHALLENGE, data=answers)).headers["location"] == "/account"
    other = {"code": app_code(fake, "replay", later=1)}
    response = await client.post(CHALLENGE, data=other, headers=headers)
    assert response.headers["location"] == "/sign-in"
    assert (await client.get("/account", headers=headers)).status_code == 303


async def test_replay_after_signing_out_has_no_session(fake: FakeCognito, client: httpx.AsyncClient) -> None:
    """The outcome for a second click names a session that has ended."""
    create_user(fake, "out", TOTP)
    await start(client, "out")
    headers, answers = {"Cookie": f"session={client.cookies['session']}"}, {"code": app_code(fake, "out")}
    await client.post(CHALLENGE, data=answers)
    await client.post("/sign-out")
    await client.post(CHALLENGE, data=answers, headers=headers)
    assert (await client.get("/account")).headers["location"] == "/sign-in"


@pytest.mark.parametrize("form", [{"code": "123456"}, {"password": NEW_PASSWORD}, {"option": "SMS_MFA"}, {}])
async def test_answer_without_a_challenge_starts_again(client: httpx.AsyncClient, form: dict[str, str]) -> None:
    """A browser without a sign-in has nothing to answer."""
    path, text = await post_form(client, CHALLENGE, form)
    assert path == "/sign-in"
    assert "Your sign-in has expired" in text


async def test_lost_response_to_a_code_starts_again(fake: FakeCognito, client: httpx.AsyncClient) -> None:
    """The code may be used up."""
    create_user(fake, "lost", TOTP)
    await start(client, "lost")
    fake.fail_next("RespondToAuthChallenge", lose_response=True)
    path, text = await post_form(client, CHALLENGE, {"code": app_code(fake, "lost")})
    assert path == "/sign-in"
    assert 'class="message warning"' in text


async def test_codes_are_limited_per_user(fake: FakeCognito, client: httpx.AsyncClient) -> None:
    """After five codes the next attempt has to wait."""
    create_user(fake, "guessed", TOTP)
    await start(client, "guessed")
    for number in range(5):
        _, text = await post_form(client, CHALLENGE, {"code": f"00000{number}"})
    assert 'id="code-error"' in text
    _, text = await post_form(client, CHALLENGE, {"code": "000005"})
    assert "Try again in" in text


async def test_used_code_is_refused(fake: FakeCognito, site: InProcessSite) -> None:
    """A code that was used for one sign-in does not work for another."""
    create_user(fake, "used", TOTP)
    code = app_code(fake, "used")
    async with site.client() as first, site.client() as second:
        for one in (first, second):
            await start(one, "used")
        assert (await post_form(first, CHALLENGE, {"code": code}))[0] == "/account"
        path, text = await post_form(second, CHALLENGE, {"code": code})
    assert path == CHALLENGE
    assert 'id="code-error"' in text


async def test_cookie_holds_no_secret_of_the_sign_in(
    fake: FakeCognito, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The challenge, with Cognito's session, stays on the server."""
    caplog.set_level("DEBUG")
    create_user(fake, "cookie", TOTP)
    await start(client, "cookie")
    assert len(client.cookies["session"]) < 400
    assert "eyJ1c2Vy" not in client.cookies["session"]
    lines = str([record.getMessage() for record in caplog.records])
    assert PASSWORD not in lines
    assert "cookie@example.com" not in lines


async def test_password_reset_ends_a_challenge(fake: FakeCognito, site: InProcessSite) -> None:
    """Someone who knows the old password cannot finish a sign-in that was started with it."""
    create_user(fake, "taken", TOTP)
    async with site.client() as intruder, site.client() as owner:
        await start(intruder, "taken")
        await owner.post("/forgot-password", data={"username": "taken@example.com"})
        await until(lambda: fake.messages[-1].username == "taken")
        form = {"username": "taken@example.com", "code": fake.messages[-1].code, "password": NEW_PASSWORD}
        assert (await post_form(owner, "/reset-password", form))[0] == "/sign-in"
        path, _ = await post_form(intruder, CHALLENGE, {"code": app_code(fake, "taken")})
        assert path == "/sign-in"
        assert (await intruder.get("/account")).status_code == 303


async def test_session_outlives_its_access_token(fake: FakeCognito, site: InProcessSite) -> None:
    """Tokens are refreshed for the account page; a refused refresh token ends the session."""
    user = create_user(fake, "fresh")
    async with site.client() as client:
        form = {"username": "fresh@example.com", "password": PASSWORD}
        assert (await post_form(client, "/sign-in", form))[0] == "/account"
        sessions = site.state["site"].sessions._items.values()
        provider = next(session.tokens for _, session in sessions if session.username == "fresh@example.com")
        for enabled in (True, False):
            user.enabled = enabled
            provider._refresh_at = provider._expires_at = 0.0
            before = count(fake, "GetTokensFromRefreshToken")
            response = await client.get("/account")
            assert count(fake, "GetTokensFromRefreshToken") == before + 1
            assert response.status_code == (200 if enabled else 303)
        assert "Your session has ended" in (await client.get("/sign-in")).text


async def test_site_without_a_user_pool_does_not_start() -> None:
    """SRP and the verification of tokens need the user pool ID."""
    with pytest.raises(Exception, match="user_pool_id"):
        async with in_process_site(COGNITO_USER_POOL_ID="", COGNITO_REGION="eu-west-1"):
            pass
