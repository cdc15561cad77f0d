"""Serve an application of `apps.py` with uvicorn, one worker, on a free port of 127.0.0.1: `serve APPLICATION URL`.

URL is that of the service. For each line on standard input it prints [its port, the CPU seconds it has used]; it ends
when standard input closes. It is `uvicorn[standard]`, with uvloop and httptools, as in `fastapi[standard]`.
"""

import asyncio
import json
import sys
import time

import uvicorn
from fastapi import FastAPI

from benchmarks.programs.sites import apps

KEEP_ALIVE = 120
"""Seconds: clients pause while other sites take their turns."""


async def main(config: uvicorn.Config) -> None:
    """Serve until standard input closes."""
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            raise RuntimeError("the site does not start")
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while await stdin.readline():
        print(json.dumps([port, time.process_time()]), flush=True)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    app: FastAPI = getattr(apps, sys.argv[1])(sys.argv[2])
    served = uvicorn.Config(
        app,
        port=0,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    with asyncio.Runner(loop_factory=served.get_loop_factory()) as runner:
        runner.run(main(served))
