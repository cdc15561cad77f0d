"""Accounts on the example site, in a real browser: new ones, sign-in, sessions that end, sign-out."""

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.examples.site_stage import ADA, NEW, PASSWORD, SIGN_UP_CODE, WRONG, PoolStage, heading, note, sign_in

pytest_plugins = ("tests.examples.site_stage",)
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _users(stage: PoolStage) -> None:
    """Add the users whom these tests leave with another password."""
    for name in ("alan", "grace"):
        await stage.pool.create_user(f"{name}@example.com", PASSWORD)


async def sign_up(page: Page, email: str, password: str) -> None:
    """Fill in the sign-up page and send it."""
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
async def test_a_new_account(stage: PoolStage, javascript: bool) -> None:  # noqa: FBT001 - pytest's
    """Sign up, mistype the code, ask for a new one, confirm, sign in; with JavaScript and without."""
    email = f"new-{javascript}@example.com"
    async with stage.visit(java_script_enabled=javascript) as page:
        await sign_up(page, email, NEW)
        assert await heading(page) == "Confirm your address"
        assert await page.get_by_label("E-mail address").input_value() == email
        await confirm(page, WRONG)
        assert "The code is wrong or has expired. Check it" in await page.locator("#note").inner_text()
        async with page.expect_navigation():
            await page.get_by_role("button", name="Send a new code").click()
        assert "a new code is on its way" in await page.locator("#note").inner_text()
        await confirm(page, SIGN_UP_CODE)
        assert "Your address is confirmed" in await page.locator("#note").inner_text()
        await sign_in(page, email, NEW)
        assert await heading(page) == "Your account"


async def test_an_address_that_is_taken_is_told_the_same(stage: PoolStage) -> None:
    """Who has an account already is nobody else's business: not at sign-up, not for a new code, not for a wrong one."""
    told: list[list[str]] = []
    for email in (ADA, "nobody-yet@example.com"):
        async with stage.visit() as page:
            await sign_up(page, email, NEW)
            said = [await heading(page), await note(page)]
            await confirm(page, WRONG)
            said.append(await note(page))
            await page.get_by_label("E-mail address").fill(email.replace("yet", "ever"))
            async with page.expect_navigation():
                await page.get_by_role("button", name="Send a new code").click()
            told.append([*said, await note(page)])
    assert told[0] == told[1]


async def test_what_can_not_be_an_account_is_refused(stage: PoolStage) -> None:
    """Each field at fault is named, tied to its text, and the address is kept for mending."""
    async with stage.visit() as page:
        await sign_up(page, "nowhere", "weak")
        assert await note(page) == (
            "Please check what you typed Enter an e-mail address, such as name@example.com. "
            "The password must have at least 8 characters, an upper-case letter (A to Z), "
            "a digit and a symbol (such as ! or -)."
        )
        for label in ("E-mail address", "Password"):
            field = page.get_by_label(label, exact=True)
            assert await field.get_attribute("aria-invalid") == "true"
            (faults,) = [
                name for name in (await field.get_attribute("aria-describedby") or "").split() if "faults" in name
            ]
            assert "Error:" in (await page.locator(f"#{faults}").text_content() or "")
        assert await page.get_by_label("E-mail address").input_value() == "nowhere"


async def test_who_has_not_confirmed_is_sent_there(stage: PoolStage) -> None:
    """Signing in before the address is confirmed leads to the page for the code."""
    async with stage.visit() as page:
        await sign_up(page, "hasty@example.com", NEW)
        await sign_in(page, "hasty@example.com", NEW)
        assert await heading(page) == "Confirm your address"
        assert "Confirm your address first" in await note(page)


async def test_who_needs_a_new_password_is_sent_there(stage: PoolStage) -> None:
    """Where an administrator has reset the password, signing in leads to the page for the code."""
    async with stage.pool.session() as session:
        await session.client(user_pool_id=stage.pool.user_pool_id).admin_reset_user_password(
            username="alan@example.com"
        )
    async with stage.visit() as page:
        await sign_in(page, "alan@example.com", PASSWORD)
        assert await heading(page) == "Set a new password"
        assert "You need a new password" in await note(page)


async def test_what_each_field_is_for(stage: PoolStage) -> None:
    """Password managers and keyboards on phones are told what each field takes."""
    wanted = {
        "/sign-in": {"username": "username", "password": "current-password"},
        "/sign-up": {"username": "username", "password": "new-password"},
        "/confirm-sign-up": {"username": "username", "code": "one-time-code"},
        "/reset-password": {"username": "username", "code": "one-time-code", "password": "new-password"},
    }
    async with stage.visit() as page:
        for path, fields in wanted.items():
            await page.goto(path)
            for name, purpose in fields.items():
                assert await page.locator(f"#{name}").get_attribute("autocomplete") == purpose
            if "code" in fields:
                assert await page.locator("#code").get_attribute("inputmode") == "numeric"


async def test_signing_out_is_for_good(stage: PoolStage) -> None:
    """After signing out neither the back button nor the old cookie shows the account, and the tokens are revoked."""
    async with stage.visit() as page:
        await page.goto("/account")
        assert "Please sign in" in await note(page)
        await sign_in(page, ADA, PASSWORD)
        assert await heading(page) == "Your account"
        await page.goto("/sign-in")
        assert await heading(page) == "Your account"
        cookies = [cookie for cookie in await page.context.cookies() if cookie.get("name") == "session"]
        await page.get_by_role("button", name="Sign out").click()
        assert "You are signed out" in await note(page)
        await page.go_back()
        assert await heading(page) == "Sign in"
        await page.context.add_cookies([{"name": "session", "value": cookies[0].get("value", ""), "url": page.url}])
        await page.goto("/account")
        assert await heading(page) == "Sign in"


async def test_a_session_that_ended_is_told_kindly(stage: PoolStage) -> None:
    """Where the pool has ended the session, the account page says so and asks to sign in again; that works."""
    async with stage.visit() as page:
        await sign_in(page, ADA, PASSWORD)
        assert await heading(page) == "Your account"
        async with stage.pool.session() as session:
            client = session.client(user_pool_id=stage.pool.user_pool_id)
            await client.admin_user_global_sign_out(username=ADA)
        await page.reload()
        assert "Your session has ended" in await note(page)
        await sign_in(page, ADA, PASSWORD)
        assert await heading(page) == "Your account"


async def test_a_new_password_ends_the_sessions_here(stage: PoolStage) -> None:
    """Whoever was signed in with the old password has to sign in again."""
    email = "grace@example.com"
    async with stage.visit() as intruder, stage.visit() as owner:
        await sign_in(intruder, email, PASSWORD)
        assert await heading(intruder) == "Your account"
        await owner.goto("/forgot-password")
        await owner.get_by_label("E-mail address").fill(email)
        await owner.get_by_role("button", name="Send the code").click()
        code = await stage.pool.code_for(email)
        await owner.get_by_label("Code", exact=True).fill(code)
        await owner.get_by_label("New password", exact=True).fill(NEW)
        await owner.get_by_role("button", name="Set the new password").click()
        assert "Your password is changed" in await note(owner)
        await intruder.reload()
        assert "Your session has ended" in await note(intruder)
