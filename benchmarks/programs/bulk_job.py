"""Run bulk jobs: `bulk_job rows ACTION ROWS`, `bulk_job portions ROWS PORTION` or `bulk_job rate URL ROWS RATE`.

rows: For each line on standard input, run a job with a new journal and then the same calls without a job, over an
in-process transport; print the CPU seconds per row of each: [job, calls].

portions: Run one `confirm` job over an in-process transport. For each line on standard input, continue until PORTION
more rows are done, and print [CPU seconds per row of the portion, peak memory in bytes].

rate: Run a `confirm` job with a configured rate, and print {"seconds", "lost", "errors"}.
"""

import asyncio
import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.contenders import ACCESS_KEY, CLIENT, PASSWORD, POOL, REGION, SECRET_KEY
from cognito_async import AsyncCognitoSession, CognitoClient, Credentials, Quotas
from cognito_async.bulk import Job, State
from cognito_async.protocol.wire import HttpRequest, HttpResponse

CODE = "123456"
STRIDE = 7919
"""The users are not sorted, as in a real list; a prime, so that each occurs once."""

TIME_LIMIT = 150.0
WARM_UP_ROWS = 500


def username(number: int, rows: int) -> str:
    """Return the user name of a row."""
    return f"user{number * STRIDE % rows}@example.com"


def write_users(path: Path, rows: int) -> None:
    """Write a CSV file for any action, with each user once."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("username,confirmation_code,password\n")
        file.writelines(f"{username(number, rows)},{CODE},{PASSWORD}\n" for number in range(rows))


class InstantTransport:
    """A transport that responds with success immediately, without a turn of the loop."""

    def __init__(self) -> None:
        self.requests = 0

    async def send(self, _: HttpRequest) -> HttpResponse:
        """Respond with success."""
        self.requests += 1
        return HttpResponse(200, {}, b"{}")

    async def close(self) -> None:
        """Do nothing."""


@asynccontextmanager
async def in_process_client(transport: InstantTransport) -> AsyncIterator[CognitoClient]:
    """Open a session over the transport and yield its client."""
    credentials = Credentials(access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY)
    async with AsyncCognitoSession(REGION, transport=transport, credentials=credentials) as session:
        yield session.client(client_id=CLIENT, user_pool_id=POOL)


def call_of(client: CognitoClient, action: str) -> Callable[[str], Awaitable[Any]]:
    """Return the call that a job of this action makes for a user."""
    calls: dict[str, Callable[[str], Awaitable[Any]]] = {
        "confirm": lambda user: client.confirm_forgot_password(
            username=user, confirmation_code=CODE, password=PASSWORD
        ),
        "forgot": lambda user: client.forgot_password(username=user),
        "reset": lambda user: client.admin_reset_user_password(username=user),
    }
    return calls[action]


async def job_and_calls(action: str, rows: int, users: Path, journal: Path) -> list[float]:
    """Run a job and the same calls without it; return the CPU seconds per row of each."""
    transport = InstantTransport()
    async with in_process_client(transport) as client:
        began = time.process_time()
        summary = await Job(client, action, users, journal=journal).run_to_end()
        job = time.process_time() - began
        if not summary.all_done or transport.requests != rows:
            raise RuntimeError(f"the job ended with {summary} after {transport.requests} requests")
        call = call_of(client, action)
        began = time.process_time()
        for number in range(rows):
            await call(username(number, rows))
        return [job / rows, (time.process_time() - began) / rows]


def rows_main(folder: Path, action: str, rows: int) -> None:
    """Warm up, then do a turn for each line on standard input."""
    users, few = folder / "users.csv", folder / "few.csv"
    write_users(users, rows)
    write_users(few, WARM_UP_ROWS)
    asyncio.run(job_and_calls(action, WARM_UP_ROWS, few, folder / "warm-up.journal"))
    for number, _ in enumerate(sys.stdin):
        print(json.dumps(asyncio.run(job_and_calls(action, rows, users, folder / f"{number}.journal"))), flush=True)


def peak_memory() -> int:
    """Return the peak memory of this process in bytes.

    On Linux, ru_maxrss includes the memory of the parent at the time of the fork; VmHWM does not.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


async def portions_main(folder: Path, rows: int, portion: int) -> None:
    """Run one job, and pause after each portion until the next line on standard input."""
    users = folder / "users.csv"
    write_users(users, rows)
    transport = InstantTransport()
    async with in_process_client(transport) as client:
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
                sys.stdin.readline()  # blocks the loop, and with it the job
                began = now  # remaining work of the journal's thread belongs to the next portion
        spent = time.process_time() - began
    if not job.summary.all_done or done != rows or transport.requests != rows:
        raise RuntimeError(f"the job ended with {job.summary} after {transport.requests} requests")
    print(json.dumps([spent / ((rows - 1) % portion + 1), peak_memory()]), flush=True)
    sys.stdin.read()


async def rate_main(folder: Path, url: str, rows: int, rate: float) -> None:
    """Run a job with a configured rate; the time is measured from creating the job to its end."""
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


def main(mode: str, *arguments: str) -> None:
    """Run one of the three modes in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if mode == "rows":
            rows_main(folder, arguments[0], int(arguments[1]))
        elif mode == "portions":
            asyncio.run(portions_main(folder, int(arguments[0]), int(arguments[1])))
        else:
            asyncio.run(rate_main(folder, arguments[0], int(arguments[1]), float(arguments[2])))


if __name__ == "__main__":
    main(*sys.argv[1:])
