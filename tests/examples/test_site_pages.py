"""Every page of the example site at two widths and in two themes: accessibility, layout, and screenshots."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page

from cognito_async.testing import FakeCognito
from cognito_async.testing.fake_cognito.pool import totp
from tests.examples.site import (
    ADA,
    DEMO,
    NEW_PASSWORD,
    PASSWORD,
    RESET_CODE,
    SIGN_UP_CODE,
    WRONG_CODE,
    SiteBrowser,
    field_error,
    heading,
    served,
    sign_in,
)
from tests.support.processes import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCREENSHOTS = ROOT / ".artefacts" / "screenshots"
PHONE, DESKTOP = 390, 1280
Steps = Callable[[Page], Awaitable[object]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(chromium: Browser) -> AsyncIterator[SiteBrowser]:
    """Start the demo, which also has an inbox."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    async with served(DEMO) as process:
        yield SiteBrowser(process, chromium)


def visit(path: str) -> Steps:
    """Open a page."""
    return lambda page: page.goto(path)


async def refused_sign_in(page: Page) -> None:
    """Sign in with a wrong password."""
    await sign_in(page, ADA, WRONG_CODE)


async def empty_sign_up(page: Page) -> None:
    """Send the empty sign-up form."""
    await page.goto("/sign-up")
    await page.get_by_role("button", name="Create the account").click()


async def weak_sign_up(page: Page) -> None:
    """Type a weak password and show it."""
    await page.goto("/sign-up")
    await page.get_by_label("E-mail address").fill("katherine@example.com")
    await page.get_by_label("Password", exact=True).fill("orbit-1962")
    await page.get_by_role("button", name="Show password").click()


async def code_requested(page: Page, email: str = "grace@example.com") -> None:
    """Request a code."""
    await page.goto("/forgot-password")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_role("button", name="Send the code").click()


async def empty_code(page: Page) -> None:
    """Send no code and a weak password."""
    await code_requested(page)
    await page.get_by_label("Code", exact=True).fill("")
    await page.get_by_label("New password", exact=True).fill("compiler")
    await page.get_by_role("button", name="Set the new password").click()


async def password_changed(page: Page) -> None:
    """Set a new password when the mail has arrived."""
    email = "alan@example.com"
    await code_requested(page, email)
    while email not in await (await page.context.request.get("/inbox")).text():
        pass
    await page.get_by_label("Code", exact=True).fill(RESET_CODE)
    await page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Set the new password").click()


async def signed_in(page: Page) -> None:
    """Sign in."""
    await sign_in(page, ADA, PASSWORD)


async def app_set_up(page: Page, email: str = "app-1@example.com") -> None:
    """Create an account, and open the page for an authenticator app."""
    await page.goto("/sign-up")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create the account").click()
    await page.get_by_label("Code", exact=True).fill(SIGN_UP_CODE)
    await page.get_by_role("button", name="Confirm").click()
    await sign_in(page, email, PASSWORD)
    await page.get_by_role("button", name="Set up an authenticator app").click()


async def wrong_app_code(page: Page, email: str = "app-2@example.com") -> str:
    """Set up an app, sign in again and enter a wrong code. Return the app's secret."""
    await app_set_up(page, email)
    secret = (await page.locator("code.key").inner_text()).replace(" ", "")
    await page.get_by_label("Code", exact=True).fill(totp(secret, int(time.time()) // 30))
    await page.get_by_role("button", name="Verify the app").click()
    await page.get_by_role("button", name="Sign out").click()
    await sign_in(page, email, PASSWORD)
    await page.get_by_label("Code", exact=True).fill(WRONG_CODE)
    await page.get_by_role("button", name="Continue").click()
    assert await field_error(page, "code")
    return secret


async def signed_in_with_app(page: Page) -> None:
    """Sign in with the code of an app."""
    secret = await wrong_app_code(page, "app-3@example.com")
    await page.get_by_label("Code", exact=True).fill(totp(secret, int(time.time()) // 30))
    await page.get_by_role("button", name="Continue").click()


async def refused_temporary_password(page: Page) -> None:
    """Send no attribute and a weak password."""
    await sign_in(page, "page-temporary@example.com", PASSWORD)
    await page.get_by_label("New password", exact=True).fill("weak")
    await page.get_by_role("button", name="Set the new password").click()
    assert await field_error(page, "given_name")


async def choice_of_factor(page: Page) -> None:
    """Sign in as a user with two factors."""
    await sign_in(page, "page-choice@example.com", PASSWORD)


async def full_inbox(page: Page) -> None:
    """Request a code, then open the inbox."""
    await code_requested(page)
    await page.goto("/inbox")


PAGES: dict[str, tuple[Steps, str]] = {
    "sign-in": (visit("/sign-in"), "Sign in"),
    "sign-in-refused": (refused_sign_in, "Sign in"),
    "sign-up": (visit("/sign-up"), "Create an account"),
    "sign-up-empty": (empty_sign_up, "Create an account"),
    "sign-up-typing": (weak_sign_up, "Create an account"),
    "confirm-sign-up": (visit("/confirm-sign-up"), "Confirm your address"),
    "forgot-password": (visit("/forgot-password"), "Forgot your password?"),
    "reset-password": (code_requested, "Set a new password"),
    "reset-password-refused": (empty_code, "Set a new password"),
    "password-changed": (password_changed, "Sign in"),
    "session-needed": (visit("/account"), "Sign in"),
    "account": (signed_in, "Your account"),
    "authenticator": (app_set_up, "Set up an authenticator app"),
    "authenticator-code-refused": (wrong_app_code, "Enter your code"),
    "account-with-authenticator": (signed_in_with_app, "Your account"),
    "inbox": (full_inbox, "Demo inbox"),
}
# Pages that the emulator cannot lead to.
FAKE_PAGES: dict[str, tuple[Steps, str]] = {
    "new-password-refused": (refused_temporary_password, "Choose a new password"),
    "choice-of-factor": (choice_of_factor, "Choose a second step"),
}
ALL_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# Rules that depend on the theme.
THEME_RULES = {
    "type": "rule",
    "values": ["color-contrast", "link-in-text-block", "target-size"],
}


async def violations(page: Page, rules: Mapping[str, Any]) -> list[str]:
    """Return the violations that axe-core finds."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found = await page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules)
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found["violations"]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def challenged(fake: FakeCognito, fake_browser: SiteBrowser) -> SiteBrowser:
    """Create users with the challenges of these pages, and return a browser for their site."""
    contact: Any = {"phone_number": "+15550001234", "password": PASSWORD}
    fake.create_user("page-choice", email="page-choice@example.com", mfa=["SOFTWARE_TOKEN_MFA", "SMS_MFA"], **contact)
    name, status = "page-temporary", "FORCE_CHANGE_PASSWORD"
    fake.create_user(name, email=f"{name}@example.com", status=status, required_attributes=["given_name"], **contact)
    return fake_browser


@pytest.mark.parametrize("name", [*PAGES, *FAKE_PAGES])
async def test_page_is_accessible_and_fits(demo: SiteBrowser, challenged: SiteBrowser, name: str) -> None:
    """No page violates a rule of axe-core or is wider than its window. The screenshots are kept."""
    steps, title = {**PAGES, **FAKE_PAGES}[name]
    browser = challenged if name in FAKE_PAGES else demo
    async with browser.page(width=DESKTOP) as page:
        await steps(page)
        assert await heading(page) == title
        await page.wait_for_load_state()  # the heading is there before the style sheet
        for width, theme in ((DESKTOP, "light"), (PHONE, "light"), (PHONE, "dark"), (DESKTOP, "dark")):
            await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            await page.set_viewport_size({"width": width, "height": 844})
            if (width == DESKTOP) == (theme == "light"):
                assert await violations(page, ALL_RULES if theme == "light" else THEME_RULES) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            # Written here, since Playwright would leave a thread behind.
            picture = await page.screenshot(full_page=True, animations="disabled")
            (SCREENSHOTS / f"{name}-{width}-{theme}.png").write_bytes(picture)
