"""Run one job in portions: `job_portions ROWS PORTION`.

For each line on standard input it runs a `confirm` job over a transport within the process until PORTION more rows are
done, prints the seconds of CPU that a row of the portion took and the most bytes of memory that the process has held,
and stands still. The first portion has the job's beginning, the last one its end.
"""

import asyncio
import json
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.jobs import Answering, client_within, write_users
from cognito_async.bulk import Job


def peak_memory() -> int:
    """Return the most bytes that the process has held.

    Linux's ru_maxrss starts with what the parent held when it started the process; VmHWM does not.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


async def main(rows: int, portion: int, folder: Path) -> None:
    """Do a portion for each line that comes in."""
    users = folder / "users.csv"
    write_users(users, rows)
    transport = Answering()
    async with client_within(transport) as client:
        job = Job(client, "confirm", users, journal=folder / "users.journal")
        outcomes = job.run()
        done = 0
        sys.stdin.readline()
        began = time.process_time()
        async for _ in outcomes:
            done += 1
            if done % portion == 0 and done < rows:
                now = time.process_time()
                print(json.dumps([(now - began) / portion, peak_memory()]), flush=True)
                sys.stdin.readline()  # stops the loop, and with it the job
                began = now  # what the journal's thread still did belongs to the next portion
        spent = time.process_time() - began
    if not job.summary.all_done or done != rows or transport.requests != rows:
        raise RuntimeError(f"the job ended with {job.summary} after {transport.requests} requests")
    print(json.dumps([spent / ((rows - 1) % portion + 1), peak_memory()]), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(name)))
