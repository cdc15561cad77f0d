"""The browser, the pool and the site, which all tests of the example site share: starting them takes seconds."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from cognito_async.testing import FakeCognito, LocalPool
from tests.examples.site import (
    ADA,
    PASSWORD,
    ScriptedSite,
    SiteBrowser,
    SiteProcess,
    scripted_site,
    served,
    settings_for,
    settings_for_fake,
)
from tests.support.browser import async_browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser."""
    async with async_browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site_pool() -> AsyncIterator[LocalPool]:
    """Start a pool with one user, whose password no test changes."""
    async with LocalPool(users={ADA: PASSWORD}) as pool:
        yield pool


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(site_pool: LocalPool) -> AsyncIterator[SiteProcess]:
    """Start the site on the pool."""
    async with served(variables=settings_for(site_pool)) as process:
        yield process


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(site: SiteProcess, chromium: Browser) -> SiteBrowser:
    """Return a browser for the site."""
    return SiteBrowser(site, chromium)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scripted() -> AsyncIterator[ScriptedSite]:
    """Start the site on a scripted service, for the tests of one module."""
    async with scripted_site() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fake() -> AsyncIterator[FakeCognito]:
    """Start a fake pool, which has the challenges that the emulator lacks."""
    async with FakeCognito() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fake_browser(fake: FakeCognito, chromium: Browser) -> AsyncIterator[SiteBrowser]:
    """Start the site on the fake pool, and return a browser for it."""
    async with served(variables=settings_for_fake(fake)) as process:
        yield SiteBrowser(process, chromium)
