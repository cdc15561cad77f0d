"""The example site as a server: how it starts and ends, what it sends along with each page, what it refuses.

Also the stage for the other tests of the site: the site in a process of its own, and a browser that visits it.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from attrs import define, frozen
from browser import async_browser
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize
from processes import ROOT, until

from cognito_async.testing import LocalPool

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
]

SITE = ("-m", "uvicorn", "fastapi_app.application:app", "--port", "0", "--no-access-log")
DEMO = ("-m", "fastapi_app", "--port", "0")
URL = re.compile(r"http://127\.0\.0\.1:\d+")
ADA, PASSWORD = "ada@example.com", "Analytical-1843"
CODE, SIGN_UP_CODE, WRONG = "654321", "123456", "000000"
NEW = "Differential-1822"


# --- the stage --------------------------------------------------------------------------------------------------------


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
            popen.wait(20)
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


@frozen
class Stage:
    """A site and a browser.

    Attributes:
        process: The site.
        browser: The browser.
    """

    process: Process
    browser: Browser

    @asynccontextmanager
    async def visit(self, *, width: int = 1280, **options: Any) -> AsyncGenerator[Page, None]:
        """Open a page for a new visitor, who must meet no error on the console and nothing from elsewhere."""
        size: ViewportSize = {"width": width, "height": 900}
        context: BrowserContext = await self.browser.new_context(base_url=self.process.url, viewport=size, **options)
        wrong: list[str] = []
        home = urlsplit(self.process.url).netloc
        context.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        context.on("request", lambda asked: None if urlsplit(asked.url).netloc == home else wrong.append(asked.url))
        context.set_default_timeout(10_000)
        try:
            yield await context.new_page()
            assert not wrong
        finally:
            await context.close()


@frozen
class PoolStage(Stage):
    """A site, a browser, and the pool behind it.

    Attributes:
        pool: The pool.
    """

    pool: LocalPool


@asynccontextmanager
async def staged(
    arguments: Sequence[str] = SITE, variables: Mapping[str, str] | None = None
) -> AsyncGenerator[Stage, None]:
    """Set the stage."""
    async with served(arguments, variables) as process, async_browser() as opened:
        yield Stage(process, opened)


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


# --- the server -------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Process]:
    """Give the tests of this file a site with a local pool."""
    async with LocalPool(users={ADA: PASSWORD}) as pool, served(variables=settings_for(pool)) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def visitor(site: Process) -> AsyncIterator[httpx.AsyncClient]:
    """Give a visitor without a browser."""
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "code"),
    [
        *((path, 200) for path in ("/sign-in", "/sign-up", "/confirm-sign-up", "/forgot-password", "/reset-password")),
        *(("/account", 303), ("/", 303), ("/inbox", 404), ("/nowhere", 404), ("/sign-out", 405)),
    ],
)
async def test_pages_protect_themselves(visitor: httpx.AsyncClient, path: str, code: int) -> None:
    """Every answer, errors too, has the headers that keep it from caches, frames, other origins and their logs."""
    answer = await visitor.get(path)
    assert answer.status_code == code
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! src)|\son\w+=|\sstyle=|<style", answer.text)


async def test_what_is_no_page_may_be_kept(visitor: httpx.AsyncClient) -> None:
    """Style and script are kept by browsers as long as they have not changed."""
    for name, kind in (("site.css", "text/css"), ("site.js", "javascript"), ("mark.svg", "image/svg+xml")):
        answer = await visitor.get(f"/static/{name}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
        assert kind in answer.headers["content-type"]
        again = await visitor.get(f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


async def test_forms_from_elsewhere_are_refused(visitor: httpx.AsyncClient) -> None:
    """A page of another site can't sign anybody in or out."""
    for path in ("/sign-in", "/sign-out", "/forgot-password"):
        answer = await visitor.post(path, data={"username": ADA}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert "The form was sent from another site" in answer.text
        assert "session=" not in answer.headers.get("set-cookie", "")


async def test_what_is_no_form_is_refused(visitor: httpx.AsyncClient) -> None:
    """Bodies that are too long, of unknown length, or files end in an error page, and none of them is repeated."""
    assert (await visitor.post("/sign-in", data={"username": "x" * 40_000})).status_code == 413

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"username=ada"

    assert (await visitor.post("/sign-in", content=pieces())).status_code == 411
    answer = await visitor.post("/sign-in", files={"password": ("a.txt", b"hunter2-hunter2")})
    assert answer.status_code == 400
    assert "The request can&#39;t be read" in answer.text
    assert "hunter2" not in answer.text


async def test_the_session_is_a_key_and_no_token(visitor: httpx.AsyncClient) -> None:
    """The cookie of a session is out of reach for scripts and other sites, holds no token, and ends with it."""
    answer = await visitor.post("/sign-in", data={"username": ADA, "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    (cookie,) = [text for text in answer.headers.get_list("set-cookie") if text.startswith("session=")]
    assert re.fullmatch(r"session=[\w-]{43}; HttpOnly; Path=/; SameSite=lax", cookie)
    key = visitor.cookies["session"]
    assert ADA in (await visitor.get("/account")).text
    answer = await visitor.post("/sign-out")
    assert answer.headers["location"] == "/sign-in"
    answer = await visitor.get("/account", headers={"Cookie": f"session={key}"})
    assert answer.headers["location"] == "/sign-in"


async def test_behind_https_cookies_are_secure(site: Process) -> None:
    """Where a proxy says that the visitor came by HTTPS, cookies go that way only, as does the browser next time."""
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as newcomer:
        answer = await newcomer.post("/forgot-password", headers={"X-Forwarded-Proto": "https"})
    assert "; Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_no_url_names_anybody(visitor: httpx.AsyncClient) -> None:
    """After a form the visitor is sent to a plain address, whatever was typed."""
    for path in ("/forgot-password", "/reset-password", "/sign-in", "/sign-up", "/confirm-sign-up"):
        answer = await visitor.post(path, data={"username": ADA, "code": WRONG, "password": "wrong"})
        assert answer.status_code == 303
        assert re.fullmatch(r"/[a-z-]+", answer.headers["location"])


async def test_password_managers_find_the_way(visitor: httpx.AsyncClient) -> None:
    """The well-known address for changing a password leads to the form."""
    answer = await visitor.get("/.well-known/change-password")
    assert answer.headers["location"] == "/forgot-password"


async def test_what_is_typed_is_no_markup(visitor: httpx.AsyncClient) -> None:
    """A user name that is HTML is shown as it was typed."""
    await visitor.post("/sign-in", data={"username": '"><b>x</b>'})
    text = (await visitor.get("/sign-in")).text
    assert "<b>x" not in text
    assert "&lt;b&gt;x" in text


async def test_nothing_secret_is_printed(site: Process) -> None:
    """What the site has printed so far names nobody, and holds no password and no code."""
    for secret in (ADA, PASSWORD, NEW, CODE, "hunter2"):
        assert secret not in site.printed
