"""The example site under test: in this process, on a scripted service, or as a server that a browser visits."""

import asyncio
import importlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx
import pytest
from attrs import define, field, frozen
from playwright.async_api import Browser, Page, expect

from cognito_async.testing import FakeCognito, LocalPool, TokenIssuer
from tests.support.processes import ROOT, until
from tests.support.scripted_server import Action, Connection, ScriptedServer, answer

SITE: Final = ("-m", "uvicorn", "fastapi_app.app:app", "--port", "0", "--no-access-log")
DEMO: Final = ("-m", "fastapi_app", "--port", "0")
ADA, PASSWORD, NEW_PASSWORD = "ada@example.com", "Analytical-1843", "Differential-1822"
RESET_CODE, SIGN_UP_CODE, WRONG_CODE = "654321", "123456", "000000"

ISSUER: Final = TokenIssuer(user_pool_id="eu-west-1_abc", client_id="abc")
_URL = re.compile(r"http://127\.0\.0\.1:\d+")
_ADDRESSES = count(1)
expect.set_options(timeout=15_000)  # milliseconds, for busy machines


def site_module(name: str) -> Any:
    """Import a module of the site, as the server does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "examples")
        return importlib.import_module(f"fastapi_app.{name}")


def next_address() -> str:
    """Return a client address that no other test uses: the site limits the requests of each."""
    return f"2001:db8:{next(_ADDRESSES):x}::1"


# --- in this process --------------------------------------------------------------------------------------------------


@frozen
class InProcessSite:
    """The site's application, started."""

    app: Any
    state: Mapping[str, Any]

    def client(self) -> httpx.AsyncClient:
        """Return a client with its own cookies and address; a bug is answered with the site's error page."""

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "state": dict(self.state)}, receive, send)

        transport = httpx.ASGITransport(with_state, raise_app_exceptions=False, client=(next_address(), 4711))
        return httpx.AsyncClient(transport=transport, base_url="http://site.example")


@asynccontextmanager
async def in_process_site(mailbox: Any = None, /, **variables: str) -> AsyncGenerator[InProcessSite, None]:
    """Start the site in this process, with these environment variables; by default on a port that nothing serves."""
    app = site_module("app").create_app(mailbox)
    defaults = {
        "COGNITO_ENDPOINT_URL": "http://127.0.0.1:9",
        "COGNITO_CLIENT_ID": ISSUER.client_id,
        "COGNITO_USER_POOL_ID": ISSUER.user_pool_id,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**defaults, **variables}.items():
            patch.setenv(name, value)
        async with app.router.lifespan_context(app) as state:
            yield InProcessSite(app, state)


@define
class ScriptedSite:
    """The site in this process, on a service that responds as scripted."""

    site: InProcessSite
    script: list[Action]  # the next responses
    otherwise: Action = field(factory=answer)  # the response when the script is exhausted

    @asynccontextmanager
    async def client(self, *script: Action, otherwise: Action | None = None) -> AsyncGenerator[httpx.AsyncClient, None]:
        """Set the script and yield a client that has a page open."""
        self.script[:], self.otherwise = script, otherwise or answer()
        async with self.site.client() as client:
            await client.get("/reset-password")
            yield client


@asynccontextmanager
async def scripted_site(mailbox: Any = None, /, **variables: str) -> AsyncGenerator[ScriptedSite, None]:
    """Start the site on a scripted service, which refuses to show its password policy."""
    script: list[Action] = [refuse("AccessDeniedException")]
    scripted: ScriptedSite

    async def act(connection: Connection) -> None:
        if connection.request is not None and "/jwks.json" in connection.request.line:
            await answer(ISSUER.jwks, Content_Type="application/json")(connection)
            return
        await (script.pop(0) if script else scripted.otherwise)(connection)

    async with (
        ScriptedServer(otherwise=act) as service,
        in_process_site(mailbox, COGNITO_ENDPOINT_URL=service.url, **variables) as site,
    ):
        scripted = ScriptedSite(site, script)
        yield scripted


def refuse(code: str, message: str = "canary about ada@example.com") -> Action:
    """Respond with an error of the service. Its message must reach neither a page nor, if it names a user, the log."""
    return answer({"__type": code, "message": message}, 400)


def tokens_of(name: str, email: str | None = None) -> Action:
    """Respond with the tokens of a user."""
    tokens = {
        "AccessToken": ISSUER.access_token(username=name),
        "IdToken": ISSUER.id_token(username=name, email=email or f"{name}@example.com"),
        "RefreshToken": "r" * 40,
        "ExpiresIn": 3600,
    }
    return answer({"AuthenticationResult": tokens})


def form_of(name: str) -> dict[str, str]:
    """Return the fields of any form, for a user that no other test has."""
    return {"username": f"{name}@example.com", "code": RESET_CODE, "password": NEW_PASSWORD}


async def post_form(client: httpx.AsyncClient, path: str, form: Mapping[str, str]) -> tuple[str, str]:
    """Post a form, follow the redirect, and return its path and the page."""
    response = await client.post(path, data=dict(form))
    assert response.status_code == 303
    page = await client.get(response.headers["location"])
    assert "canary" not in page.text
    return response.headers["location"], page.text


# --- as a server ------------------------------------------------------------------------------------------------------


@define
class SiteProcess:
    """The site as a server process."""

    url: str
    output: Path
    popen: "subprocess.Popen[bytes]"
    final_output: str = ""  # set when the process has ended

    @property
    def printed(self) -> str:
        """Return the output so far."""
        return self.output.read_text()

    def client(self) -> httpx.AsyncClient:
        """Return a client with its own cookies and address; the site trusts this machine as a proxy."""
        return httpx.AsyncClient(base_url=self.url, trust_env=False, headers={"X-Forwarded-For": next_address()})


@asynccontextmanager
async def served(
    arguments: Sequence[str] = SITE, variables: Mapping[str, str] | None = None
) -> AsyncGenerator[SiteProcess, None]:
    """Run a server until the end of the block; it must print no traceback and no warning."""
    with tempfile.NamedTemporaryFile() as output:
        popen = subprocess.Popen(  # noqa: ASYNC220 - asyncio's would leave a thread behind
            [sys.executable, "-W", "error", *arguments],
            cwd=ROOT / "examples",
            env={"PYTHONUNBUFFERED": "1", **os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        process = SiteProcess("", Path(output.name), popen)
        try:
            await until(lambda: _URL.search(process.printed) or popen.poll() is not None)
            found = _URL.search(process.printed)
            assert found, process.printed
            process.url = found[0]
            yield process
        finally:
            popen.send_signal(signal.SIGINT)
            popen.wait(60)
            process.final_output = process.printed
        assert "Traceback" not in process.final_output, process.final_output
        assert "Warning" not in process.final_output, process.final_output


def settings_for(pool: LocalPool) -> Mapping[str, str]:
    """Return the environment variables that point the site at a pool."""
    return {
        "COGNITO_ENDPOINT_URL": pool.endpoint_url,
        "COGNITO_CLIENT_ID": pool.client_id,
        "COGNITO_CLIENT_SECRET": pool.client_secret or "",
        "COGNITO_USER_POOL_ID": pool.user_pool_id,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def settings_for_fake(fake: FakeCognito) -> dict[str, str]:
    """Return the environment variables that point the site at a new app client of a fake pool."""
    app_client = fake.create_app_client(client_secret="s3cr3t-of-the-app-client")
    return {
        "COGNITO_ENDPOINT_URL": fake.endpoint_url,
        "COGNITO_CLIENT_ID": app_client.client_id,
        "COGNITO_CLIENT_SECRET": app_client.client_secret or "",
        "COGNITO_USER_POOL_ID": fake.user_pool_id,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


# --- in a browser -----------------------------------------------------------------------------------------------------


@frozen
class SiteBrowser:
    """A browser and the site it visits."""

    process: SiteProcess
    browser: Browser
    _idle: dict[str, list[tuple[Page, list[str]]]] = field(factory=dict[str, list[tuple[Page, list[str]]]])

    @asynccontextmanager
    async def page(
        self, *, width: int = 1280, theme: Literal["dark", "light"] = "light", **options: Any
    ) -> AsyncGenerator[Page, None]:
        """Yield a page without cookies. It must show no error on the console and load nothing from elsewhere.

        Pages are reused: opening one takes longer than most tests.
        """
        idle = self._idle.setdefault(repr(options), [])
        page, problems = idle.pop() if idle else await self._open(**options)
        await page.context.clear_cookies()
        await page.context.set_extra_http_headers({"X-Forwarded-For": next_address()})
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        problems.clear()
        yield page
        assert not problems
        if len(page.context.pages) == 1:
            idle.append((page, problems))

    async def _open(self, **options: Any) -> tuple[Page, list[str]]:
        context = await self.browser.new_context(base_url=self.process.url, **options)
        context.set_default_timeout(30_000)
        problems: list[str] = []
        own = urlsplit(self.process.url).netloc
        context.on("console", lambda line: problems.append(line.text) if line.type in {"error", "warning"} else None)
        context.on("weberror", lambda error: problems.append(str(error.error)))
        context.on("request", lambda sent: None if urlsplit(sent.url).netloc == own else problems.append(sent.url))
        return await context.new_page(), problems


async def second_tab(page: Page) -> Page:
    """Open another tab with the same cookies; Playwright has no time limit for it."""
    for _ in range(3):
        with suppress(TimeoutError):
            async with asyncio.timeout(15):
                return await page.context.new_page()
    raise AssertionError("the browser opens no second tab")


async def sign_in(page: Page, username: str, password: str) -> None:
    """Fill in the sign-in form and send it."""
    await page.goto("/sign-in")
    await page.get_by_label("E-mail address").fill(username)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def heading(page: Page) -> str:
    """Return the page's heading once it is there."""
    return (await page.get_by_role("heading", level=1).inner_text()).strip()


async def message(page: Page) -> str:
    """Return the text of the message box, which must have the focus."""
    box = page.locator("#message")
    text = await box.inner_text()
    await expect(box).to_be_focused()  # waits, because browsers apply autofocus after the page is there
    return " ".join(text.split())


async def field_error(page: Page, name: str) -> str:
    """Return the error shown at a field."""
    return " ".join((await page.locator(f"#{name}-error").inner_text()).split()).removeprefix("Error: ")
