"""Starts jobs in forked processes, so that the library is imported once.

For each line of JSON on standard input it prints the process ID of a job and, when that has ended, its exit status.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from typing import Any, Final

from cognito_async import AsyncCognitoSession, RetryPolicy
from cognito_async.bulk import BulkPolicy, Job, sources
from cognito_async.bulk import job as _job  # noqa: F401 - imported before the fork
from cognito_async.errors import modelled  # noqa: F401
from cognito_async.operations import facts  # noqa: F401
from cognito_async.protocol import events, redaction  # noqa: F401

FINISHED: Final = 0
UNFINISHED: Final = 3
POLICY: Final = BulkPolicy(
    concurrency=16,
    max_errors=None,
    deferral=0.01,
    longest_deferral=0.05,
    max_deferrals=40,
    settle_attempts=40,
    backoff=RetryPolicy(transient_base=0.005, throttled_base=0.005, max_delay=0.05),
)

logging.disable()
sources.FINGERPRINT_ROUNDS = 1  # type: ignore[misc]  # not under test


async def work(task: dict[str, Any]) -> int:
    """Run a job to its end, and write each outcome to a file."""
    file = os.open(task["outcomes"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    async with AsyncCognitoSession("eu-west-1", endpoint_url=task["url"]) as session:
        job = Job(session.client("app"), task["action"], task["source"], journal=task["journal"], policy=POLICY)
        async for outcome in job.run():
            os.write(file, f"{outcome.line},{outcome.username},{outcome.state}\n".encode())
        return FINISHED if job.summary.finished else UNFINISHED


def main() -> None:
    """Fork a process for each line of standard input."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            signal.alarm(100)  # if the tests were killed
            status = 1
            try:
                status = asyncio.run(work(json.loads(line)))
            finally:
                os._exit(status)
        print(child, flush=True)  # noqa: T201
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201


main()
