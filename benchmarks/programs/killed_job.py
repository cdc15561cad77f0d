"""Kill and resume a job repeatedly: `killed_job ACTION URL ROWS KILLS RATE SEED`.

The library is loaded once, and each run is a fork made before there is a loop or thread, so that it starts fast.
SIGKILL follows at a random moment: one in four during the start, the others after a number of rows, spread over the
list, and a short delay. A RATE of 0 configures none. After the last kill the job may complete. The result: the state of
every user in the journal, and the time from each start to the first completed row.
"""

import asyncio
import json
import math
import os
import random
import select
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
import traceback
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contenders import CLIENT, POOL, REGION
from benchmarks.programs.bulk_job import write_users
from cognito_async import AsyncCognitoSession, Quotas
from cognito_async.bulk import Job, State

EARLY = 0.25
REACH = 0.9
"""Share of the rows over which the kills are spread; the rest is left for the last run."""

LONGEST_DELAY = 0.02
LONGEST_WORK = 150.0
MOST_STOPS = 100
DONE, NOT_DONE = b".", b"?"
STOPPED = 3
"""The exit code of a run that ended before its job."""


@dataclass(frozen=True, slots=True)
class Work:
    """The job that each run works on."""

    action: str
    url: str
    rows: int
    rate: float
    users: Path
    journal: Path

    def run(self, output: int) -> None:
        """Run the job in this fork, and write a byte for each settled row."""
        code = 1
        try:
            code = asyncio.run(self._run(output))
        except BaseException:  # noqa: BLE001 - the process ends here
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    async def _run(self, output: int) -> int:
        quotas = Quotas(user_account_recovery=self.rate) if self.rate else Quotas()
        async with AsyncCognitoSession(REGION, endpoint_url=self.url, quotas=quotas) as session:
            client = session.client(client_id=CLIENT, user_pool_id=POOL)
            job = Job(client, self.action, self.users, journal=self.journal)
            async for outcome in job.run():
                if outcome.state is not State.DEFERRED:
                    os.write(output, DONE if outcome.state is State.DONE else NOT_DONE)
        if not job.summary.finished:
            print(job.summary, file=sys.stderr)
        return 0 if job.summary.finished else STOPPED


class Run:
    """A run: a fork and a pipe with its progress."""

    def __init__(self, work: Work) -> None:
        self._read, output = os.pipe()
        self.began = time.perf_counter()
        """When it was started."""

        self.first: float | None = None
        """When its first row was completed; None before."""

        self.settled = 0
        """Number of rows it has settled."""

        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._read)
            work.run(output)
        os.close(output)

    def follow(self, rows: float, seconds: float) -> bool:
        """Wait until a number of rows is done or the time is over; return True if the run ended before."""
        end = time.perf_counter() + seconds
        done = 0
        while done < rows:
            ready, _, _ = select.select([self._read], [], [], max(end - time.perf_counter(), 0.0))
            if not ready:
                return False
            if not (progress := os.read(self._read, 4096)):
                return True
            self.settled += len(progress)
            done += progress.count(DONE)
            if done:
                self.first = self.first or time.perf_counter()
        return False

    def end(self) -> int:
        """Kill the run, unless it has ended, and return its exit code; negative for a signal."""
        os.kill(self._pid, signal.SIGKILL)  # the process exists until waitpid
        _, status = os.waitpid(self._pid, 0)
        while progress := os.read(self._read, 4096):
            self.settled += len(progress)
        os.close(self._read)
        return os.waitstatus_to_exitcode(status)


@dataclass(slots=True)
class Progress:
    """The progress of the job over all runs."""

    settled: int = 0
    kills: int = 0
    kills_during_requests: int = 0
    stops: int = 0
    starts: list[float] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """Add the rows of a run, and the time to its first completed row."""
        self.settled += run.settled
        if run.first is not None:
            self.starts.append(run.first - run.began)


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill a run: during its start or later, after how many rows, and with which delay."""

    early: bool
    rows: float
    delay: float

    @classmethod
    def draw(cls, generator: random.Random) -> "Moment":
        """Draw a random moment."""
        return cls(generator.random() < EARLY, 2 * generator.random(), generator.random())


def killed(work: Work, progress: Progress, moment: Moment, kills_left: int) -> bool:
    """Start a run and kill it; return True if the job completed before."""
    rows = moment.rows * max(work.rows * REACH - progress.settled, 0) / (kills_left * (1 - EARLY))
    run = Run(work)
    if moment.early:
        run.follow(math.inf, moment.delay * statistics.median(progress.starts or [0.1]))
    elif not run.follow(max(rows, 1), LONGEST_WORK):
        run.follow(math.inf, moment.delay * LONGEST_DELAY)
    code = run.end()
    progress.add(run)
    if code == -signal.SIGKILL:
        progress.kills += 1
        progress.kills_during_requests += not moment.early
        return False
    return ended(code, progress)


def ended(code: int, progress: Progress) -> bool:
    """Return whether the job has completed; a run may also stop on its own."""
    if code == STOPPED:
        progress.stops += 1
        if progress.stops > MOST_STOPS:
            raise RuntimeError("the job stopped on its own too often")
    elif code != 0:
        raise RuntimeError("a run failed")
    return code == 0


def complete(work: Work, progress: Progress) -> None:
    """Let the job complete."""
    while True:
        run = Run(work)
        in_time = run.follow(math.inf, LONGEST_WORK)
        code = run.end()
        progress.add(run)
        if not in_time:
            raise RuntimeError("the last run took too long")
        if ended(code, progress):
            return


def main(action: str, url: str, rows: int, kills: int, rate: float, seed: int) -> None:  # noqa: PLR0917 - the command line
    """Run and kill the job, and print the result."""
    generator = random.Random(seed)
    moments = [Moment.draw(generator) for _ in range(kills)]
    with tempfile.TemporaryDirectory() as name:
        work = Work(action, url, rows, rate, Path(name, "users.csv"), Path(name, "users.journal"))
        write_users(work.users, rows)
        progress, finished = Progress(), False
        began = time.perf_counter()
        for number, moment in enumerate(moments):
            while progress.kills == number and not finished:
                finished = killed(work, progress, moment, kills - number)
        if not finished:
            complete(work, progress)
        seconds = time.perf_counter() - began
        with closing(sqlite3.connect(work.journal)) as journal:
            states = dict(journal.execute("SELECT username, state FROM rows").fetchall())
            codes = journal.execute(
                "SELECT state, code, count(*) FROM rows WHERE code IS NOT NULL GROUP BY 1, 2"
            ).fetchall()
    result = {
        "kills": progress.kills,
        "kills during requests": progress.kills_during_requests,
        "stops": progress.stops,
        "starts": progress.starts,
        "seconds": seconds,
        "states": states,
        "codes": codes,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6]))
