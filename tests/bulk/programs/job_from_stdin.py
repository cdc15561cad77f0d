"""Runs a job with rows from standard input against a transport that always succeeds; prints each outcome."""

import asyncio
import json
import sys

from cognito_async import AsyncCognitoSession
from cognito_async.bulk import FileSource, Job
from cognito_async.protocol.wire import HttpRequest, HttpResponse


class SuccessTransport:
    """A transport that always succeeds."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Return success."""
        return HttpResponse(200, {}, b"{}")

    async def close(self) -> None:
        """Do nothing."""


async def main(action: str, journal: str) -> None:
    """Run the job."""
    async with AsyncCognitoSession("eu-west-1", transport=SuccessTransport()) as session:
        job = Job(session.client("app"), action, FileSource("-"), journal=journal)
        async for outcome in job.run():
            print(json.dumps([outcome.line, outcome.username, outcome.state, outcome.reason]))  # noqa: T201
        print(json.dumps(job.summary.ending.value))  # noqa: T201


asyncio.run(main(*sys.argv[1:]))
