"""How the example site looks: every page at two widths and in two themes, checked by axe-core and kept as pictures."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page

from tests.examples.site_stage import ADA, CODE, DEMO, NEW, PASSWORD, WRONG, Stage, heading, served, sign_in
from tests.support.processes import ROOT

pytest_plugins = ("tests.examples.site_stage",)
pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURES = ROOT / ".artefacts" / "screenshots"
PHONE, DESKTOP = 390, 1280
Way = Callable[[Page], Awaitable[object]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(chromium: Browser) -> AsyncIterator[Stage]:
    """Give the tests of this file the demo, which also has an inbox."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with served(DEMO) as process:
        yield Stage(process, chromium)


def directly(path: str) -> Way:
    """Go to a page."""
    return lambda page: page.goto(path)


async def refused_sign_in(page: Page) -> None:
    """Sign in with a wrong password."""
    await sign_in(page, ADA, WRONG)


async def empty_sign_up(page: Page) -> None:
    """Send the sign-up form as it is."""
    await page.goto("/sign-up")
    await page.get_by_role("button", name="Create the account").click()


async def weak_sign_up(page: Page) -> None:
    """Type half of a good password, and look at it."""
    await page.goto("/sign-up")
    await page.get_by_label("E-mail address").fill("katherine@example.com")
    await page.get_by_label("Password", exact=True).fill("orbit-1962")
    await page.get_by_role("button", name="Show password").click()


async def asked_for_a_code(page: Page, email: str = "grace@example.com") -> None:
    """Ask for a code."""
    await page.goto("/forgot-password")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_role("button", name="Send the code").click()


async def wrong_code(page: Page) -> None:
    """Type a wrong code and a weak password."""
    await asked_for_a_code(page)
    await page.get_by_label("Code", exact=True).fill("")
    await page.get_by_label("New password", exact=True).fill("compiler")
    await page.get_by_role("button", name="Set the new password").click()


async def changed(page: Page) -> None:
    """Set a new password, once the mail is there."""
    email = "alan@example.com"
    await asked_for_a_code(page, email)
    while email not in await (await page.context.request.get("/inbox")).text():
        pass
    await page.get_by_label("Code", exact=True).fill(CODE)
    await page.get_by_label("New password", exact=True).fill(NEW)
    await page.get_by_role("button", name="Set the new password").click()


async def signed_in(page: Page) -> None:
    """Sign in."""
    await sign_in(page, ADA, PASSWORD)


async def full_inbox(page: Page) -> None:
    """Ask for a code, then look at the mail."""
    await asked_for_a_code(page)
    await page.goto("/inbox")


PAGES: dict[str, tuple[Way, str]] = {
    "sign-in": (directly("/sign-in"), "Sign in"),
    "sign-in-refused": (refused_sign_in, "Sign in"),
    "sign-up": (directly("/sign-up"), "Create an account"),
    "sign-up-empty": (empty_sign_up, "Create an account"),
    "sign-up-typing": (weak_sign_up, "Create an account"),
    "confirm-sign-up": (directly("/confirm-sign-up"), "Confirm your address"),
    "forgot-password": (directly("/forgot-password"), "Forgot your password?"),
    "reset-password": (asked_for_a_code, "Set a new password"),
    "reset-password-refused": (wrong_code, "Set a new password"),
    "password-changed": (changed, "Sign in"),
    "session-needed": (directly("/account"), "Sign in"),
    "account": (signed_in, "Your account"),
    "inbox": (full_inbox, "Demo inbox"),
}


ALL = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
LOOKS = {"type": "rule", "values": ["color-contrast", "link-in-text-block", "target-size"]}  # what a theme can change


async def violations(page: Page, rules: Mapping[str, Any]) -> list[str]:
    """Ask axe-core what is wrong with a page."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found = await page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules)
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found["violations"]]


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_looks_right(stage: Stage, name: str) -> None:
    """No page breaks a rule of accessibility, light or dark, or is wider than a phone; its pictures are kept."""
    way, title = PAGES[name]
    async with stage.visit(width=DESKTOP) as page:
        await way(page)
        assert await heading(page) == title
        for width, theme in ((DESKTOP, "light"), (PHONE, "light"), (PHONE, "dark"), (DESKTOP, "dark")):
            await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            await page.set_viewport_size({"width": width, "height": 844})
            if (width == DESKTOP) == (theme == "light"):
                assert await violations(page, ALL if theme == "light" else LOOKS) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            # Written here: Playwright would have a thread do it, and leave it behind.
            picture = await page.screenshot(full_page=True, animations="disabled")
            (PICTURES / f"{name}-{width}-{theme}.png").write_bytes(picture)


async def test_everything_can_be_hit_with_a_thumb(stage: Stage) -> None:
    """On a phone, fields and buttons are at least 40 pixels high."""
    async with stage.visit(width=PHONE, has_touch=True) as page:
        for way, _ in (PAGES["sign-in"], PAGES["confirm-sign-up"], PAGES["reset-password"], PAGES["account"]):
            await way(page)
            for spot in await page.locator("input, button").all():
                box = await spot.bounding_box()
                assert box is not None
                assert box["height"] >= 40


async def test_a_dark_page_is_dark(stage: Stage) -> None:
    """The two themes differ in the ground that all stands on."""
    grounds: list[str] = []
    for theme in ("light", "dark"):
        async with stage.visit(theme=theme) as page:
            await page.goto("/sign-in")
            grounds.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
            slow = await page.evaluate("getComputedStyle(document.querySelector('button')).transitionDuration")
            assert slow == "0s"
    assert grounds == ["rgb(244, 245, 241)", "rgb(16, 22, 20)"]
