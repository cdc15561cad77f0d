"""Run a whole job and the same calls without a job, in turns: `job_rows ACTION ROWS`.

For each line on standard input it runs a job with a new journal over a transport within the process, then makes the
same calls one after the other, and prints the seconds of CPU that a row took in each: [job, bare].
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.jobs import Answering, bare_call, client_within, username, write_users
from cognito_async.bulk import Job


async def turn(action: str, rows: int, users: Path, journal: Path) -> list[float]:
    """Do both, and return what a row took."""
    transport = Answering()
    async with client_within(transport) as client:
        began = time.process_time()
        summary = await Job(client, action, users, journal=journal).run_to_end()
        job = time.process_time() - began
        if not summary.all_done or transport.requests != rows:
            raise RuntimeError(f"the job ended with {summary} after {transport.requests} requests")
        call = bare_call(client, action)
        began = time.process_time()
        for number in range(rows):
            await call(username(number, rows))
        return [job / rows, (time.process_time() - began) / rows]


def main(action: str, rows: int) -> None:
    """Warm up, then take a turn for each line that comes in."""
    with tempfile.TemporaryDirectory() as name:
        users = Path(name, "users.csv")
        write_users(users, rows)
        few = Path(name, "few.csv")
        write_users(few, 500)
        asyncio.run(turn(action, 500, few, Path(name, "warm-up.journal")))
        for number, _ in enumerate(sys.stdin):
            print(json.dumps(asyncio.run(turn(action, rows, users, Path(name, f"{number}.journal")))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
