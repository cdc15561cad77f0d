"""The stage for the tests of the example site: a site in a process of its own, its pool, and a browser that visits it.

A plugin of pytest: the tests of all files share one stage, since to set it costs more than most of them. So each has
users of its own, and each visitor an address of their own, as the site counts the forms that come from one.

PYTEST_DONT_REWRITE: the tests import it before pytest does.
"""

import asyncio
import importlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from attrs import define, field, frozen
from playwright.async_api import Browser, Page

from cognito_async.testing import LocalPool
from tests.support.browser import async_browser
from tests.support.processes import ROOT, until

SITE: Final = ("-m", "uvicorn", "fastapi_app.application:app", "--port", "0", "--no-access-log")
DEMO: Final = ("-m", "fastapi_app", "--port", "0")
URL: Final = re.compile(r"http://127\.0\.0\.1:\d+")
ADA, PASSWORD = "ada@example.com", "Analytical-1843"
CODE, SIGN_UP_CODE, WRONG = "654321", "123456", "000000"
NEW: Final = "Differential-1822"

_ADDRESSES = count(1)


def part(name: str) -> Any:
    """Import a part of the site, as the server does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "examples")
        return importlib.import_module(f"fastapi_app.{name}")


# --- the site, within this process ------------------------------------------------------------------------------------


@frozen
class Inside:
    """The site without a server; a bug in it is answered as a server would see it.

    Attributes:
        app: The application.
        state: What its lifespan yields.
    """

    app: Any
    state: Mapping[str, Any]

    def visitor(self) -> httpx.AsyncClient:
        """Give a new visitor."""

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "state": dict(self.state)}, receive, send)

        transport = httpx.ASGITransport(with_state, raise_app_exceptions=False, client=(next_address(), 4711))
        return httpx.AsyncClient(transport=transport, base_url="http://site.example")


@asynccontextmanager
async def inside(mailbox: Any = None, /, **variables: str) -> AsyncGenerator[Inside, None]:
    """Run the site within this process, with these variables for what it reads when it starts."""
    app = part("application").make_app(mailbox)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        async with app.router.lifespan_context(app) as state:
            yield Inside(app, state)


def next_address() -> str:
    """Give an address that no visitor has had."""
    return f"2001:db8:{next(_ADDRESSES):x}::1"


# --- the site as a server ---------------------------------------------------------------------------------------------


@define
class Process:
    """A server in a process of its own.

    Attributes:
        url: Its address.
        output: The file that holds what it prints.
        popen: The process.
        last_words: All that it has printed, once it has ended.
    """

    url: str
    output: Path
    popen: "subprocess.Popen[bytes]"
    last_words: str = ""

    @property
    def printed(self) -> str:
        """Give what it has printed so far."""
        return self.output.read_text()

    def visitor(self) -> httpx.AsyncClient:
        """Give a new visitor without a browser; the site takes this machine for a proxy."""
        return httpx.AsyncClient(base_url=self.url, trust_env=False, headers={"X-Forwarded-For": next_address()})


@asynccontextmanager
async def served(
    arguments: Sequence[str] = SITE, variables: Mapping[str, str] | None = None
) -> AsyncGenerator[Process, None]:
    """Run a server as one does at a keyboard, until the end of the block; it must end well, and print no traceback."""
    with tempfile.NamedTemporaryFile() as output:
        popen = subprocess.Popen(  # noqa: ASYNC220 - that of asyncio leaves a thread behind
            [sys.executable, "-W", "error", *arguments],
            cwd=ROOT / "examples",
            env={"PYTHONUNBUFFERED": "1", **os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        process = Process("", Path(output.name), popen)
        try:
            await until(lambda: URL.search(process.printed) or popen.poll() is not None)
            found = URL.search(process.printed)
            assert found, process.printed
            process.url = found[0]
            yield process
        finally:
            popen.send_signal(signal.SIGINT)
            popen.wait(60)
            process.last_words = process.printed
        assert "Traceback" not in process.last_words, process.last_words
        assert "Warning" not in process.last_words, process.last_words


def settings_for(pool: LocalPool) -> Mapping[str, str]:
    """Say where a pool is, as one does for a real one."""
    return {
        "COGNITO_ENDPOINT_URL": pool.endpoint_url,
        "COGNITO_CLIENT_ID": pool.client_id,
        "COGNITO_CLIENT_SECRET": pool.client_secret or "",
        "COGNITO_USER_POOL_ID": pool.user_pool_id,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


# --- the site and a browser -------------------------------------------------------------------------------------------


@define
class Tab:
    """A tab of the browser, which one visitor after the other uses: to open one costs more than most tests.

    Attributes:
        page: The page.
        wrong: What went wrong on it: errors and warnings on the console, and requests to elsewhere.
    """

    page: Page
    wrong: list[str]

    @classmethod
    async def open(cls, browser: Browser, url: str, **options: Any) -> Self:
        """Open a tab for a site."""
        context = await browser.new_context(base_url=url, **options)
        context.set_default_timeout(30_000)
        tab = cls(await context.new_page(), [])
        home = urlsplit(url).netloc
        wrong = tab.wrong
        context.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        context.on("request", lambda asked: None if urlsplit(asked.url).netloc == home else wrong.append(asked.url))
        return tab

    async def welcome(self, width: int, theme: Literal["dark", "light"]) -> None:
        """Make it that of a new visitor."""
        await self.page.context.clear_cookies()
        await self.page.context.set_extra_http_headers({"X-Forwarded-For": next_address()})
        await self.page.set_viewport_size({"width": width, "height": 900})
        await self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        self.wrong.clear()

    async def second(self) -> Page:
        """Open another tab of the same visitor: the one step of its test that has no time limit of its own."""
        for _ in range(3):
            with suppress(TimeoutError):
                async with asyncio.timeout(15):
                    return await self.page.context.new_page()
        raise AssertionError("the browser opens no second tab")


@frozen
class Stage:
    """A site and a browser.

    Attributes:
        process: The site.
        browser: The browser.
    """

    process: Process
    browser: Browser
    _free: dict[str, list[Tab]] = field(factory=lambda: defaultdict(list))

    @asynccontextmanager
    async def visit(
        self, *, width: int = 1280, theme: Literal["dark", "light"] = "light", **options: Any
    ) -> AsyncGenerator[Page, None]:
        """Give a page to a new visitor, who must meet no error on the console and nothing from elsewhere."""
        async with self.tab(width=width, theme=theme, **options) as tab:
            yield tab.page

    @asynccontextmanager
    async def tab(
        self, *, width: int = 1280, theme: Literal["dark", "light"] = "light", **options: Any
    ) -> AsyncGenerator[Tab, None]:
        """Give the tab itself, for a visitor who opens another."""
        free = self._free[repr(options)]
        tab = free.pop() if free else await Tab.open(self.browser, self.process.url, **options)
        await tab.welcome(width, theme)
        yield tab
        assert not tab.wrong
        if len(tab.page.context.pages) == 1:
            free.append(tab)  # others, and those of tests that fail, are closed with the browser


@frozen
class PoolStage(Stage):
    """A site, a browser, and the pool behind it.

    Attributes:
        pool: The pool.
    """

    pool: LocalPool = field(kw_only=True)


async def sign_in(page: Page, username: str, password: str) -> None:
    """Fill in the sign-in page and send it."""
    await page.goto("/sign-in")
    await page.get_by_label("E-mail address").fill(username)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def heading(page: Page) -> str:
    """Read the page's heading once it is there."""
    return (await page.get_by_role("heading", level=1).inner_text()).strip()


async def note(page: Page) -> str:
    """Read what the page has to say, which must have the focus."""
    box = page.locator("#note")
    text = await box.inner_text()
    assert await box.evaluate("box => box === document.activeElement"), f"not in focus: {text}"
    return " ".join(text.split())


# --- what is shared ---------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Give all tests of the site one browser."""
    async with async_browser() as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site_pool() -> AsyncIterator[LocalPool]:
    """Give all tests of the site one pool, with one user who keeps their password."""
    async with LocalPool(users={ADA: PASSWORD}) as pool:
        yield pool


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(site_pool: LocalPool) -> AsyncIterator[Process]:
    """Give all tests of the site one site."""
    async with served(variables=settings_for(site_pool)) as process:
        yield process


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(site: Process, chromium: Browser, site_pool: LocalPool) -> PoolStage:
    """Set the stage."""
    return PoolStage(site, chromium, pool=site_pool)
