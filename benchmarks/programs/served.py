"""Serve one of the `site_…` programs with uvicorn, one worker, on a free port of 127.0.0.1: `served PROGRAM URL`.

It is `uvicorn[standard]`, which is what `fastapi[standard]` brings: with uvloop and httptools.

URL is the service that the site speaks with. For each line on standard input it prints [its port, the seconds of CPU
that it has used]; it ends when standard input closes.
"""

import asyncio
import importlib
import json
import sys
import time

import uvicorn
from fastapi import FastAPI

KEPT = 120
"""Seconds for which a connection is kept: visitors pause while other sites take their turns."""


async def main(config: uvicorn.Config) -> None:
    """Serve until standard input closes."""
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            raise RuntimeError("the site does not start")
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    asked = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    while await asked.readline():
        print(json.dumps([port, time.process_time()]), flush=True)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    site: FastAPI = importlib.import_module(f"benchmarks.programs.{sys.argv[1]}").site(sys.argv[2])
    served = uvicorn.Config(
        site, port=0, loop="uvloop", http="httptools", log_level="warning", access_log=False, timeout_keep_alive=KEPT
    )
    with asyncio.Runner(loop_factory=served.get_loop_factory()) as runner:
        runner.run(main(served))
