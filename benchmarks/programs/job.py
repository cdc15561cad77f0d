"""Run a `confirm` job that is told the service's rate, and print what came of it: `job URL ROWS RATE`."""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.contenders import CLIENT, REGION
from benchmarks.jobs import write_users
from cognito_async import AsyncCognitoSession, Quotas
from cognito_async.bulk import Job, State

TIME_LIMIT = 150.0


async def main(url: str, rows: int, rate: float, folder: Path) -> None:
    """Run the job; the clock runs from making it to its end."""
    users = folder / "users.csv"
    write_users(users, rows)
    quotas = Quotas(user_account_recovery=rate)
    async with AsyncCognitoSession(REGION, endpoint_url=url, quotas=quotas) as session, asyncio.timeout(TIME_LIMIT):
        began = time.perf_counter()
        job = Job(session.client(client_id=CLIENT), "confirm", users, journal=folder / "users.journal")
        summary = await job.run_to_end()
        seconds = time.perf_counter() - began
    lost = rows - summary.states.get(State.DONE, 0)
    print(json.dumps({"seconds": seconds, "lost": lost, "errors": sorted({code for _, code in summary.kinds})}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(name)))
