"""cognito_async.bulk: jobs, sources and results."""

from collections.abc import AsyncIterable
from typing import assert_type

from cognito_async import CognitoClient
from cognito_async.bulk import RESET, Action, FileSource, IterableSource, Job, PoolSource, Source, Summary, set_password


async def jobs_return_summaries(client: CognitoClient, usernames: AsyncIterable[str]) -> None:
    assert_type(RESET, Action)
    assert_type(set_password(permanent=True), Action)
    job = Job(client, "reset", "users.csv", journal="users.journal")
    assert_type(await job.run_to_end(), Summary)
    file: Source = FileSource("users.csv")
    rows: Source = IterableSource(usernames)
    pool: Source = PoolSource(client)
    for source in (file, rows, pool):
        Job(client, RESET, source, journal="users.journal")
    Job(client, RESET, ["ada", "bob"], journal="users.journal")
    Job(client, RESET, ({"username": name} for name in ("ada", "bob")), journal="users.journal")
