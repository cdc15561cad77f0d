"""Starts a job again and again, each time in a process that is forked off warm, so that a start costs little.

Reads one line of JSON for each start, answers with the process's id, and when that has ended with its exit status.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from typing import Any, Final

from cognito_async import AsyncCognitoSession, RetryPolicy
from cognito_async.bulk import BulkPolicy, Job, files
from cognito_async.bulk import job as _job  # noqa: F401 - what a job imports late is imported before the fork
from cognito_async.errors import modelled  # noqa: F401
from cognito_async.operations import facts  # noqa: F401
from cognito_async.protocol import events, redaction  # noqa: F401

FINISHED: Final = 0
UNFINISHED: Final = 3
HASTY: Final = BulkPolicy(
    concurrency=16,
    max_errors=None,
    deferral=0.01,
    longest_deferral=0.05,
    max_deferrals=40,
    settle_attempts=40,
    backoff=RetryPolicy(transient_base=0.005, throttled_base=0.005, max_delay=0.05),
)

logging.disable()
files.ROUNDS = 1  # type: ignore[misc]  # the fingerprint's slowness is no part of what is tested


async def work(task: dict[str, Any]) -> int:
    """Run a job to its end, and note each outcome when it is told."""
    told = os.open(task["told"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    async with AsyncCognitoSession("eu-west-1", endpoint_url=task["url"]) as session:
        job = Job(session.client("app"), task["action"], task["source"], journal=task["journal"], policy=HASTY)
        async for outcome in job.run():
            os.write(told, f"{outcome.line},{outcome.username},{outcome.state}\n".encode())
        return FINISHED if job.summary.finished else UNFINISHED


def main() -> None:
    """Fork for each line of standard input."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            signal.alarm(100)  # should the tests be gone
            status = 1
            try:
                status = asyncio.run(work(json.loads(line)))
            finally:
                os._exit(status)
        print(child, flush=True)  # noqa: T201 - the answer
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201


main()
