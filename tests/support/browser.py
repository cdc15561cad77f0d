"""Headless Chromium for tests of pages; the installed one is used, nothing is downloaded."""

import os
import shutil
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from playwright.async_api import Browser as AsyncBrowser
from playwright.async_api import async_playwright
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
NEEDED = "this test needs Chromium: apt-get install chromium (macOS: brew install chromium)"
VARIABLE = "COGNITO_ASYNC_BROWSER_TESTS"  # "required" to fail tests instead of skipping them
ARGUMENTS = (
    "--no-sandbox",  # as root, in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browser_path() -> str:
    """Return the path of Chromium; without it, skip the test, or fail it if browser tests are required."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        end = pytest.fail if os.environ.get(VARIABLE) == "required" else pytest.skip
        end(NEEDED)
    return found


def launch_options() -> dict[str, Any]:
    """Return the arguments for launching Playwright's ``chromium``."""
    return {"executable_path": browser_path(), "args": list(ARGUMENTS), "headless": True}


@contextmanager
def browser() -> Generator[Browser]:
    """Open Chromium, for synchronous tests."""
    options = launch_options()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(**options)
        try:
            yield opened
        finally:
            opened.close()


@asynccontextmanager
async def async_browser() -> AsyncGenerator[AsyncBrowser]:
    """Open Chromium, for asynchronous tests."""
    options = launch_options()
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(**options)
        try:
            yield opened
        finally:
            await opened.close()
