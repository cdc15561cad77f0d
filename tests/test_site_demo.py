"""The example site as a program: how the demo starts and ends, and a site under a flood of forms."""

import asyncio
import sys

import httpx
import pytest
from test_site_server import ADA, DEMO, PASSWORD, WRONG, served

from cognito_async.testing import LocalPool

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


async def test_too_many_forms_are_refused() -> None:
    """An address that sends forms without end is told when to come back, on a page and in a header."""
    variables = {"COGNITO_CLIENT_ID": "abc", "COGNITO_ENDPOINT_URL": "http://127.0.0.1:9"}
    async with served(variables=variables) as process:
        async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client:
            taken = 0
            while (last := await client.post("/sign-up")).status_code == 303:
                taken += 1  # one more comes back every second, so a slow machine gets a few more
        assert taken >= 60
        assert last.status_code == 429
        assert last.headers["retry-after"] == "1"
        assert "Try again in 1 second." in last.text
        assert "the password policy can't be read" in process.printed


async def test_the_demo_says_what_to_do_and_ends() -> None:
    """`make demo-web` prints the address, a user and a password, takes the next free port, and Ctrl-C ends it."""
    async with LocalPool() as pool, asyncio.timeout(30):
        busy = int(pool.endpoint_url.rpartition(":")[2])
        async with served((*DEMO[:-1], str(busy))) as process:
            assert process.url != pool.endpoint_url
            async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client:
                assert (await client.get("/inbox")).status_code == 200
            for word in (ADA, PASSWORD, "/inbox", WRONG, "Ctrl-C"):
                assert word in process.printed
        assert process.popen.returncode == 0
        assert process.last_words.endswith("\nGoodbye.\n")
