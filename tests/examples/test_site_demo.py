"""The example site in a flood of forms, and as a demo that starts and ends."""

import asyncio
import socket
import sys

import pytest

from tests.examples.site_stage import ADA, DEMO, PASSWORD, WRONG, inside, served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


async def test_too_many_forms_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    """An address that sends forms without end is told when to come back; it may look at pages, and others may go on."""
    variables = {"COGNITO_CLIENT_ID": "abc", "COGNITO_ENDPOINT_URL": "http://127.0.0.1:9"}
    async with inside(**variables) as site, site.visitor() as visitor, site.visitor() as other:
        taken = 0
        while (last := await visitor.post("/sign-up")).status_code == 303:
            taken += 1  # one more comes back every second, so a slow machine gets a few more
        assert taken >= 60
        assert last.status_code == 429
        assert last.headers["retry-after"] == "1"
        assert "Try again in 1 second." in last.text
        assert (await visitor.get("/sign-up")).status_code == 200
        assert (await other.post("/sign-up")).status_code == 303
    assert "the password policy can't be read" in caplog.text


async def test_the_demo_says_what_to_do_and_ends() -> None:
    """`make demo-web` prints the address, a user and a password, takes the next free port, and Ctrl-C ends it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        async with asyncio.timeout(90), served((*DEMO[:-1], str(busy))) as process:
            assert not process.url.endswith(f":{busy}")
            async with process.visitor() as visitor:
                assert (await visitor.get("/inbox")).status_code == 200
            for word in (ADA, PASSWORD, "/inbox", WRONG, "Ctrl-C"):
                assert word in process.printed
        assert process.popen.returncode == 0
        assert process.last_words.endswith("\nGoodbye.\n")
