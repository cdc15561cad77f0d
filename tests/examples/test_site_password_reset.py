"""Password resets on the example site, in a browser."""

import asyncio

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from cognito_async.fastapi import PasswordPolicy
from cognito_async.testing import LocalPool
from tests.examples.site import (
    NEW_PASSWORD,
    PASSWORD,
    RESET_CODE,
    WRONG_CODE,
    SiteBrowser,
    field_error,
    heading,
    message,
    second_tab,
    sign_in,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

Form = dict[str, str | float | bool]  # the type that Playwright expects
NAMES = "reset click-true click-false same tab-1 tab-2 back keyboard cookies other existing"
USERS = {f"{name}@example.com" for name in NAMES.split()}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _users(site_pool: LocalPool) -> None:
    """Create a user for each test."""
    for email in USERS:
        await site_pool.create_user(email, PASSWORD)


async def request_code(pool: LocalPool, page: Page, email: str) -> None:
    """Request a code from the sign-in page, and wait for the mail if the user exists."""
    await page.goto("/sign-in")
    await page.get_by_role("link", name="Forgot your password?").click()
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_role("button", name="Send the code").click()
    assert await heading(page) == "Set a new password"
    if email in USERS:
        assert await pool.code_for(email) == RESET_CODE


async def fill(page: Page, code: str, password: str) -> None:
    """Fill in the code and the new password."""
    await page.get_by_label("Code", exact=True).fill(code)
    await page.get_by_label("New password", exact=True).fill(password)


async def send(page: Page) -> None:
    """Send the form for the new password."""
    async with page.expect_navigation():
        await page.get_by_role("button", name="Set the new password").click()


async def test_reset_with_wrong_code_weak_password_and_success(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """Each error is shown once, at its field, which has the focus. Then only the new password works."""
    email = "reset@example.com"
    async with browser.page() as page:
        await request_code(site_pool, page, email)
        assert "Check your e-mail" in await message(page)
        assert await page.get_by_label("E-mail address").input_value() == email
        await fill(page, WRONG_CODE, NEW_PASSWORD)
        await send(page)
        code = page.get_by_label("Code", exact=True)
        error = await field_error(page, "code")
        assert (await page.content()).count(error) == 1
        assert await page.locator("#message").count() == 0
        assert await page.title() == "Error: Set a new password – Larkmoor"  # noqa: RUF001
        assert await code.get_attribute("aria-invalid") == "true"
        assert await code.get_attribute("aria-describedby") == "code-hint code-error"
        await expect(code).to_be_focused()
        assert await code.input_value() == ""
        await fill(page, f" {RESET_CODE[:3]} {RESET_CODE[3:]} ", "differential")
        await send(page)
        error = await field_error(page, "password")
        assert "a digit" in error
        assert (await page.content()).count(error) == 1
        assert await page.locator("#message, #code-error").count() == 0
        assert await code.input_value() == RESET_CODE
        password = page.get_by_label("New password", exact=True)
        assert await password.input_value() == ""
        await expect(password).to_be_focused()
        await password.fill(NEW_PASSWORD)
        await send(page)
        assert "Your password is changed" in await message(page)
        await sign_in(page, email, PASSWORD)
        assert "Sign-in failed" in await message(page)
        await sign_in(page, email, NEW_PASSWORD)
        assert await heading(page) == "Your account"
        assert await page.locator("dd").first.inner_text() == email


async def test_reset_of_unknown_user_looks_the_same(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """Neither the request for a code nor a wrong code shows whether the user exists."""
    seen: list[list[str]] = []
    for email in ("existing@example.com", "unknown@example.com"):
        async with browser.page() as page:
            await request_code(site_pool, page, email)
            requested = await message(page)
            await fill(page, WRONG_CODE, NEW_PASSWORD)
            await send(page)
            seen.append([requested, await field_error(page, "code")])
    assert seen[0] == seen[1]


async def test_password_rules_are_ticked_while_typing(browser: SiteBrowser) -> None:
    """No rule is ticked before typing, or when the field is empty again; a screen reader hears the number left."""
    async with browser.page() as page:
        await page.goto("/reset-password")
        field = page.get_by_label("New password", exact=True)
        met, left = page.locator("li.met"), page.locator("[data-rules-left]")
        assert await met.count() == 0
        assert await left.text_content() == ""
        for typed, rules in (("a", 2), ("aB", 3), ("aB3", 4), ("aB3-", 5), ("aB3-aB3-", 6), ("aB3-aB3- ", 5), ("", 0)):
            await field.fill(typed)
            assert await met.count() == rules
            assert (await left.text_content() or "")[:1] == ("T" if rules == 6 else str(6 - rules))
        await page.get_by_role("button", name="Show password").click()
        assert await field.get_attribute("type") == "text"
        await page.get_by_role("button", name="Hide password").click()
        assert await field.get_attribute("type") == "password"


async def test_password_rules_match_the_same_in_browser_and_python(browser: SiteBrowser) -> None:
    """The pattern of each rule gives the same result in JavaScript, with either Unicode flag, as in Python."""
    ends = ["", " ", "\t", "\n", "\v", "\r", "\u00a0", "\u2028", "\ufeff", "\x1c", "\x85"]
    symbols = [chr(number) for number in (*range(0x20, 0x7F), 0xA3, 0x2010)]
    passwords = [f"{end}aB3{end}" for end in ends] + [f"x{end}\n" for end in ends]
    passwords += [*symbols, *(f"a{symbol}a" for symbol in symbols), "\U0001f426" * 7, "\U0001f426" * 8]
    rules = PasswordPolicy().rules
    async with browser.page() as page:
        for flag in "uv":
            found = await page.evaluate(
                "([patterns, texts, flag]) => patterns.map(one => texts.map(text => new RegExp(one, flag).test(text)))",
                [[rule.pattern for rule in rules], passwords, flag],
            )
            assert found == [[rule.matches(password) for password in passwords] for rule in rules]


@pytest.mark.parametrize("javascript", [True, False])
async def test_double_click_changes_the_password_once(
    browser: SiteBrowser,
    site_pool: LocalPool,
    javascript: bool,  # noqa: FBT001 - pytest's
) -> None:
    """The second click shows success, although the code is used up."""
    async with browser.page(java_script_enabled=javascript) as page:
        await request_code(site_pool, page, f"click-{javascript}@example.com".lower())
        await fill(page, RESET_CODE, NEW_PASSWORD)
        await page.get_by_role("button", name="Set the new password").dblclick()
        await page.wait_for_url("**/sign-in")
        assert "Your password is changed" in await page.locator("#message").inner_text()


async def test_same_form_has_one_outcome(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """Concurrent and later posts of one form get the first outcome; another form does not."""
    email = "same@example.com"
    async with browser.page() as page:
        await request_code(site_pool, page, email)
        form: Form = {"username": email, "code": RESET_CODE, "password": NEW_PASSWORD}
        post = page.context.request.post
        responses = await asyncio.gather(*[post("/reset-password", form=form, max_redirects=0) for _ in range(3)])
        responses.append(await post("/reset-password", form=form, max_redirects=0))
        assert [response.headers["location"] for response in responses] == ["/sign-in"] * 4
        other = await post("/reset-password", form={**form, "password": f"{NEW_PASSWORD}!"}, max_redirects=0)
        assert other.headers["location"] == "/reset-password"


async def test_outcome_is_not_shown_to_another_browser(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """The first outcome is for the browser that sent the form."""
    email = "other@example.com"
    form: Form = {"username": email, "code": RESET_CODE, "password": NEW_PASSWORD}
    locations: list[str] = []
    for requests_code in (True, False):
        async with browser.page() as page:
            await (request_code(site_pool, page, email) if requests_code else page.goto("/reset-password"))
            response = await page.context.request.post("/reset-password", form=form, max_redirects=0)
            locations.append(response.headers["location"])
    assert locations == ["/sign-in", "/reset-password"]


async def test_back_button_sends_nothing(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """Going back shows the earlier pages, never a warning about sending a form again."""
    async with browser.page() as page:
        await request_code(site_pool, page, "back@example.com")
        await fill(page, WRONG_CODE, NEW_PASSWORD)
        await send(page)
        await fill(page, RESET_CODE, NEW_PASSWORD)
        await send(page)
        assert await heading(page) == "Sign in"
        for _ in range(3):
            await page.go_back()
            assert await heading(page) in {"Set a new password", "Forgot your password?", "Sign in"}
        await page.reload()
        assert await page.locator("#message").count() == 0


async def test_tabs_keep_their_users(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """A tab keeps the address it was opened for while another tab resets another password."""
    async with browser.page() as first:
        await request_code(site_pool, first, "tab-1@example.com")
        second = await second_tab(first)
        await request_code(site_pool, second, "tab-2@example.com")
        for page, email in ((first, "tab-1@example.com"), (second, "tab-2@example.com")):
            assert await page.get_by_label("E-mail address").input_value() == email
            await fill(page, RESET_CODE, NEW_PASSWORD)
            await send(page)
            assert "Your password is changed" in await message(page)


async def test_reset_without_the_cookie_asks_for_the_address(browser: SiteBrowser, site_pool: LocalPool) -> None:
    """A code works on another device, too."""
    email = "cookies@example.com"
    async with browser.page() as page:
        await request_code(site_pool, page, email)
        await page.context.clear_cookies()
        await page.reload()
        assert await page.get_by_label("E-mail address").input_value() == ""
        await fill(page, RESET_CODE, NEW_PASSWORD)
        await send(page)
        assert await field_error(page, "username")
        assert await page.get_by_label("Code", exact=True).input_value() == RESET_CODE
        await page.get_by_label("E-mail address").fill(email)
        await fill(page, RESET_CODE, NEW_PASSWORD)
        await send(page)
        assert "Your password is changed" in await message(page)


async def test_reset_with_the_keyboard(browser: SiteBrowser) -> None:
    """Everything can be reached in order, and the focus is visible."""
    async with browser.page() as page:
        press, write = page.keyboard.press, page.keyboard.type
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        await page.goto("/forgot-password")
        await press("Tab")  # the brand
        await press("Tab")
        await write("keyboard@example.com")
        await press("Tab")
        assert await page.evaluate(outline) == "solid"
        await press("Enter")
        await page.wait_for_url("**/reset-password")
        assert "Check your e-mail" in await message(page)
        await press("Tab")
        await press("Tab")
        await write(RESET_CODE)
        await press("Tab")
        await write(NEW_PASSWORD)
        await press("Tab")  # the button that shows it
        await press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Set the new password"
        assert await page.evaluate(outline) == "solid"
        await press("Enter")
        await page.wait_for_url("**/sign-in")
        assert "Your password is changed" in await message(page)


async def test_reset_limits_attempts_per_username(browser: SiteBrowser) -> None:
    """After five codes for one user the next attempt has to wait."""
    async with browser.page() as page:
        for number in range(6):
            form: Form = {"username": "guessed@example.com", "code": f"00000{number}", "password": NEW_PASSWORD}
            await page.context.request.post("/reset-password", form=form, max_redirects=0)
        await page.goto("/reset-password")
        assert "Try again in 3 minutes." in await message(page)
