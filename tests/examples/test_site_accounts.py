"""Sign-up, sign-in, sessions and sign-out on the example site, in a browser."""

import pytest
import pytest_asyncio
from playwright.async_api import Page

from cognito_async.testing import LocalPool
from tests.examples.site import (
    ADA,
    NEW_PASSWORD,
    PASSWORD,
    SIGN_UP_CODE,
    WRONG_CODE,
    SiteBrowser,
    field_error,
    heading,
    message,
    sign_in,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _users(site_pool: LocalPool) -> None:
    """Create the users whose passwords these tests change."""
    for name in ("alan", "grace"):
        await site_pool.create_user(f"{name}@example.com", PASSWORD)


async def sign_up(page: Page, email: str, password: str) -> None:
    """Fill in the sign-up form and send it."""
    await page.goto("/sign-up")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password", exact=True).fill(password)
    async with page.expect_navigation():
        await page.get_by_role("button", name="Create the account").click()


async def confirm(page: Page, code: str) -> None:
    """Fill in the code and send it."""
    await page.get_by_label("Code", exact=True).fill(code)
    async with page.expect_navigation():
        await page.get_by_role("button", name="Confirm").click()


@pytest.mark.parametrize("javascript", [True, False])
async def test_sign_up_confirm_and_sign_in(browser: SiteBrowser, javascript: bool) -> None:  # noqa: FBT001 - pytest's
    """A new account: wrong code, new code, confirmation, sign-in."""
    email = f"new-{javascript}@example.com"
    async with browser.page(java_script_enabled=javascript) as page:
        await sign_up(page, email, NEW_PASSWORD)
        assert await heading(page) == "Confirm your address"
        assert await page.get_by_label("E-mail address").input_value() == email
        await confirm(page, WRONG_CODE)
        assert await field_error(page, "code")
        async with page.expect_navigation():
            await page.get_by_role("button", name="Send a new code").click()
        assert "a new code is on its way" in await page.locator("#message").inner_text()
        await confirm(page, SIGN_UP_CODE)
        assert "Your address is confirmed" in await page.locator("#message").inner_text()
        await sign_in(page, email, NEW_PASSWORD)
        assert await heading(page) == "Your account"


async def test_sign_up_with_existing_address_looks_the_same(browser: SiteBrowser) -> None:
    """Sign-up, a wrong code and a new code do not show who has an account."""
    seen: list[list[str]] = []
    for email in (ADA, "nobody-yet@example.com"):
        async with browser.page() as page:
            await sign_up(page, email, NEW_PASSWORD)
            texts = [await heading(page), await message(page)]
            await confirm(page, WRONG_CODE)
            texts.append(await field_error(page, "code"))
            await page.get_by_label("E-mail address").fill(email.replace("yet", "ever"))
            async with page.expect_navigation():
                await page.get_by_role("button", name="Send a new code").click()
            seen.append([*texts, await message(page)])
    assert seen[0] == seen[1]


async def test_invalid_sign_up_shows_one_error_per_field(browser: SiteBrowser) -> None:
    """Each error is connected to its field, and the address is kept."""
    async with browser.page() as page:
        await sign_up(page, "now here", "weak")
        for name in ("username", "password"):
            assert await page.locator(f"#{name}").get_attribute("aria-invalid") == "true"
            assert f"{name}-error" in (await page.locator(f"#{name}").get_attribute("aria-describedby") or "").split()
            assert (await page.content()).count(await field_error(page, name)) == 1
        assert await page.locator("#message").count() == 0
        assert await page.get_by_label("E-mail address").input_value() == "now here"


async def test_sign_in_before_confirmation_leads_to_the_code_form(browser: SiteBrowser) -> None:
    """Without a client secret, the site may show what anyone can ask Cognito."""
    async with browser.page() as page:
        await sign_up(page, "hasty@example.com", NEW_PASSWORD)
        await sign_in(page, "hasty@example.com", NEW_PASSWORD)
        assert await heading(page) == "Confirm your address"
        assert "Confirm your address first" in await message(page)


async def test_sign_in_after_admin_reset_leads_to_the_reset_form(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """An administrator's reset requires a new password."""
    async with site_pool.session() as session:
        client = session.client(user_pool_id=site_pool.user_pool_id)
        await client.admin_reset_user_password(username="alan@example.com")
    async with browser.page() as page:
        await sign_in(page, "alan@example.com", PASSWORD)
        assert await heading(page) == "Set a new password"
        assert "You need a new password" in await message(page)


async def test_sign_out_ends_the_session(browser: SiteBrowser) -> None:
    """Neither the back button nor the old cookie shows the account after signing out."""
    async with browser.page() as page:
        await page.goto("/account")
        assert "Please sign in" in await message(page)
        await sign_in(page, ADA, PASSWORD)
        assert await heading(page) == "Your account"
        await page.goto("/sign-in")
        assert await heading(page) == "Your account"
        (cookie,) = await page.context.cookies()
        await page.get_by_role("button", name="Sign out").click()
        assert "You are signed out" in await message(page)
        await page.go_back()
        assert await heading(page) == "Sign in"
        await page.context.add_cookies(
            [{"name": cookie.get("name", ""), "value": cookie.get("value", ""), "url": page.url}]
        )
        await page.goto("/account")
        assert await heading(page) == "Sign in"


async def test_session_ended_by_the_pool_asks_to_sign_in_again(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """A global sign-out ends the session on the site."""
    async with browser.page() as page:
        await sign_in(page, ADA, PASSWORD)
        assert await heading(page) == "Your account"
        async with site_pool.session() as session:
            client = session.client(user_pool_id=site_pool.user_pool_id)
            await client.admin_user_global_sign_out(username=ADA)
        await page.reload()
        assert "Your session has ended" in await message(page)
        await sign_in(page, ADA, PASSWORD)
        assert await heading(page) == "Your account"


async def test_password_reset_ends_other_sessions(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """A session that was started with the old password ends."""
    email = "grace@example.com"
    async with browser.page() as intruder, browser.page() as owner:
        await sign_in(intruder, email, PASSWORD)
        assert await heading(intruder) == "Your account"
        await owner.goto("/forgot-password")
        await owner.get_by_label("E-mail address").fill(email)
        await owner.get_by_role("button", name="Send the code").click()
        code = await site_pool.code_for(email)
        await owner.get_by_label("Code", exact=True).fill(code)
        await owner.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        await owner.get_by_role("button", name="Set the new password").click()
        assert "Your password is changed" in await message(owner)
        await intruder.reload()
        assert "Your session has ended" in await message(intruder)
