"""A forgotten password on the example site, in a real browser: all that people do to such a form."""

import asyncio

import pytest
import pytest_asyncio
from playwright.async_api import Page

from cognito_async.fastapi import PasswordPolicy
from tests.examples.site_stage import CODE, NEW, PASSWORD, WRONG, PoolStage, heading, note, sign_in

pytest_plugins = ("tests.examples.site_stage",)
pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = "wrong twice clicks-true clicks-false tabs back plain keys ended lost often known"
Form = dict[str, str | float | bool]  # as Playwright wants it
USERS = {f"{name}@example.com" for name in NAMES.split()}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _users(stage: PoolStage) -> None:
    """Add a user for each of these tests."""
    for email in USERS:
        await stage.pool.create_user(email, PASSWORD)


async def ask(stage: PoolStage, page: Page, email: str) -> None:
    """Ask for a code, from the sign-in page on, and wait for the mail, if there is such a user."""
    await page.goto("/sign-in")
    await page.get_by_role("link", name="Forgot your password?").click()
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_role("button", name="Send the code").click()
    assert await heading(page) == "Set a new password"
    if email in USERS:
        assert await stage.pool.code_for(email) == CODE


async def fill(page: Page, code: str, password: str) -> None:
    """Fill in the code and the new password."""
    await page.get_by_label("Code", exact=True).fill(code)
    await page.get_by_label("New password", exact=True).fill(password)


async def send(page: Page) -> None:
    """Send the code and the new password."""
    async with page.expect_navigation():
        await page.get_by_role("button", name="Set the new password").click()


async def test_the_whole_story(stage: PoolStage) -> None:
    """A wrong code and a weak password are refused with the reason; then the new one works, and the old one not."""
    email = "wrong@example.com"
    async with stage.visit() as page:
        await ask(stage, page, email)
        assert "If there is an account with this address, a code is on its way." in await note(page)
        assert await page.get_by_label("E-mail address").input_value() == email
        await fill(page, WRONG, NEW)
        await send(page)
        told = await note(page)
        assert told.startswith("The code was not accepted The code is wrong or has expired")
        assert await page.title() == "Error: Set a new password – Larkmoor"  # noqa: RUF001
        code = page.get_by_label("Code", exact=True)
        assert await code.get_attribute("aria-invalid") == "true"
        assert await code.get_attribute("aria-describedby") == "code-hint code-faults"
        await page.get_by_role("link", name="The code is wrong").click()
        assert await code.evaluate("field => field === document.activeElement")
        await fill(page, CODE, "differential")
        await send(page)
        told = await note(page)
        assert "must have an upper-case letter (A to Z), a digit and a symbol (such as ! or -)." in told
        assert await page.get_by_label("New password", exact=True).input_value() == ""
        await fill(page, f" {CODE[:3]} {CODE[3:]} ", NEW)
        await send(page)
        assert await note(page) == "Your password is changed Sign in with the new one."
        await sign_in(page, email, PASSWORD)
        assert "The e-mail address or the password is wrong" in await note(page)
        await sign_in(page, email, NEW)
        assert await heading(page) == "Your account"
        assert await page.locator("dd").first.inner_text() == email


async def test_an_unknown_address_is_told_the_same(stage: PoolStage) -> None:
    """Whether there is an account shows neither when a code is asked for, nor when a wrong one is typed."""
    told: list[list[str]] = []
    for email in ("known@example.com", "unknown@example.com"):
        async with stage.visit() as page:
            await ask(stage, page, email)
            asked = await note(page)
            await fill(page, WRONG, NEW)
            await send(page)
            told.append([asked, await note(page)])
    assert told[0] == told[1]


async def test_hints_tick_while_one_types(stage: PoolStage) -> None:
    """Each rule that is kept gets its tick at once, a screen reader hears how many are left, and Show shows it."""
    async with stage.visit() as page:
        await page.goto("/reset-password")
        field = page.get_by_label("New password", exact=True)
        met, left = page.locator("li.met"), page.locator("[data-rules-left]")
        for typed, rules in (
            ("a", 2),
            ("aB", 3),
            ("aB3", 4),
            ("aB3-", 5),
            ("aB3-aB3-", 6),
            ("aB3-aB3- ", 5),
            ("äöüäöüäöü", 2),
        ):
            await field.fill(typed)
            assert await met.count() == rules
            assert (await left.text_content() or "")[:1] == ("T" if rules == 6 else str(6 - rules))
        await page.get_by_role("button", name="Show password").click()
        assert await field.get_attribute("type") == "text"
        await page.get_by_role("button", name="Hide password").click()
        assert await field.get_attribute("type") == "password"


async def test_the_browser_reads_the_rules_as_python_does(stage: PoolStage) -> None:
    """Each rule's pattern finds the same in JavaScript, with either of its flags for Unicode, as in Python."""
    ends = ["", " ", "\t", "\n", "\v", "\r", "\u00a0", "\u2028", "\ufeff", "\x1c", "\x85"]
    symbols = [chr(number) for number in (*range(0x20, 0x7F), 0xA3, 0x2010)]
    passwords = [f"{end}aB3{end}" for end in ends] + [f"x{end}\n" for end in ends]
    passwords += [*symbols, *(f"a{symbol}a" for symbol in symbols), "\U0001f426" * 7, "\U0001f426" * 8]
    rules = PasswordPolicy().rules
    async with stage.visit() as page:
        for flag in "uv":
            told = await page.evaluate(
                "([patterns, texts, flag]) => patterns.map(one => texts.map(text => new RegExp(one, flag).test(text)))",
                [[rule.pattern for rule in rules], passwords, flag],
            )
            assert told == [[rule.is_kept(password) for password in passwords] for rule in rules]


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_second_click_changes_nothing(stage: PoolStage, javascript: bool) -> None:  # noqa: FBT001 - pytest's
    """Who clicks twice is told that the password is changed, with JavaScript and without."""
    async with stage.visit(java_script_enabled=javascript) as page:
        await ask(stage, page, f"clicks-{javascript}@example.com".lower())
        await fill(page, CODE, NEW)
        await page.get_by_role("button", name="Set the new password").dblclick()
        await page.wait_for_url("**/sign-in")
        assert "Your password is changed" in await page.locator("#note").inner_text()


async def test_the_same_form_twice_has_one_outcome(stage: PoolStage) -> None:
    """Two posts at once, and a third one later, get the answer to the first, although its code is used up."""
    email = "twice@example.com"
    async with stage.visit() as page:
        await ask(stage, page, email)
        form: Form = {"username": email, "code": CODE, "password": NEW}
        post = page.context.request.post
        answers = await asyncio.gather(*[post("/reset-password", form=form, max_redirects=0) for _ in range(3)])
        answers.append(await post("/reset-password", form=form, max_redirects=0))
        assert [answer.headers["location"] for answer in answers] == ["/sign-in"] * 4
        other = await post("/reset-password", form={**form, "password": f"{NEW}!"}, max_redirects=0)
        assert other.headers["location"] == "/reset-password"


async def test_somebody_else_does_not_get_the_outcome(stage: PoolStage) -> None:
    """The answer to the first click is for the browser that clicked, and for no other."""
    email = "often@example.com"
    form: Form = {"username": email, "code": CODE, "password": NEW}
    locations: list[str] = []
    for asks in (True, False):
        async with stage.visit() as page:
            await (ask(stage, page, email) if asks else page.goto("/reset-password"))
            answer = await page.context.request.post("/reset-password", form=form, max_redirects=0)
            locations.append(answer.headers["location"])
    assert locations == ["/sign-in", "/reset-password"]


async def test_the_back_button_sends_nothing(stage: PoolStage) -> None:
    """Going back shows the forms as they were at first, never a warning about sending them again."""
    async with stage.visit() as page:
        await ask(stage, page, "back@example.com")
        await fill(page, WRONG, NEW)
        await send(page)
        await fill(page, CODE, NEW)
        await send(page)
        assert await heading(page) == "Sign in"
        seen: list[str] = []
        for _ in range(3):
            await page.go_back()
            seen.append(await heading(page))
        assert seen[-1] in {"Forgot your password?", "Sign in"}
        assert set(seen) <= {"Set a new password", "Forgot your password?", "Sign in"}
        await page.reload()
        assert await page.locator("#note").count() == 0
        await sign_in(page, "back@example.com", NEW)
        assert await heading(page) == "Your account"


async def test_two_tabs_do_not_mix_up_their_users(stage: PoolStage) -> None:
    """Each tab keeps the address it was opened for, whatever the other one does."""
    async with stage.tab() as tab:
        first = tab.page
        await ask(stage, first, "tabs@example.com")
        second = await tab.second()
        await ask(stage, second, "lost@example.com")
        for page, email in ((first, "tabs@example.com"), (second, "lost@example.com")):
            assert await page.get_by_label("E-mail address").input_value() == email
            await fill(page, CODE, NEW)
            await send(page)
            assert "Your password is changed" in await note(page)
            await sign_in(page, email, NEW)
            assert await page.locator("dd").first.inner_text() == email
            await page.get_by_role("button", name="Sign out").click()


async def test_who_comes_without_cookies_types_the_address_again(stage: PoolStage) -> None:
    """A visit that was forgotten, or the link from another device, costs nothing but the address."""
    email = "ended@example.com"
    async with stage.visit() as page:
        await ask(stage, page, email)
        await page.context.clear_cookies()
        await page.reload()
        assert await page.get_by_label("E-mail address").input_value() == ""
        await fill(page, CODE, NEW)
        await send(page)
        assert await note(page) == "Please check what you typed Enter your e-mail address."
        await page.get_by_label("E-mail address").fill(email)
        await fill(page, CODE, NEW)
        await send(page)
        assert "Your password is changed" in await note(page)


async def test_without_javascript(stage: PoolStage) -> None:
    """All of it works, refusals too."""
    email = "plain@example.com"
    async with stage.visit(java_script_enabled=False) as page:
        await ask(stage, page, email)
        await fill(page, WRONG, NEW)
        await send(page)
        assert "The code was not accepted" in await page.locator("#note").inner_text()
        await fill(page, CODE, NEW)
        await send(page)
        assert "Your password is changed" in await page.locator("#note").inner_text()
        await sign_in(page, email, NEW)
        assert await heading(page) == "Your account"


async def test_with_the_keyboard_only(stage: PoolStage) -> None:
    """From the sign-in to the new password without a mouse; what has the focus is seen to have it."""
    async with stage.visit() as page:
        press, write = page.keyboard.press, page.keyboard.type
        await page.goto("/forgot-password")
        await press("Tab")  # the brand
        await press("Tab")
        await write("keys@example.com")
        await press("Tab")
        ring = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(ring) == "solid"
        await press("Enter")
        await page.wait_for_url("**/reset-password")
        assert "Check your e-mail" in await note(page)  # from here the next stop is the form
        await press("Tab")
        await press("Tab")
        await write(CODE)
        await press("Tab")
        await write(NEW)
        await press("Tab")  # the button that shows it
        await press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Set the new password"
        assert await page.evaluate(ring) == "solid"
        await press("Enter")
        await page.wait_for_url("**/sign-in")
        assert "Your password is changed" in await note(page)


async def test_codes_can_not_be_guessed(stage: PoolStage) -> None:
    """After five tries for one user the next has to wait, and is told for how long."""
    async with stage.visit() as page:
        post = page.context.request.post
        for number in range(6):
            form: Form = {"username": "guessed@example.com", "code": f"00000{number}", "password": NEW}
            await post("/reset-password", form=form, max_redirects=0)
        await page.goto("/reset-password")
        assert await note(page) == "Too many requests Wait a moment before you try again. Try again in 3 minutes."
