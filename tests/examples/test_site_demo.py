"""`make demo-web`."""

import asyncio
import socket
import sys

import pytest

from tests.examples.site import ADA, DEMO, PASSWORD, WRONG_CODE, served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


async def test_demo_prints_how_to_use_it_and_stops_on_ctrl_c() -> None:
    """It uses the next free port, and shows the mail in an inbox."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        async with asyncio.timeout(90), served((*DEMO[:-1], str(busy))) as process:
            assert not process.url.endswith(f":{busy}")
            async with process.client() as client:
                assert (await client.get("/inbox")).status_code == 200
            for word in (ADA, PASSWORD, "/inbox", WRONG_CODE, "Ctrl-C"):
                assert word in process.printed
        assert process.popen.returncode == 0
