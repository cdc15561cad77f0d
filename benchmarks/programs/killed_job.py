"""Run a job, kill it and resume it, again and again: `killed_job ACTION URL ROWS KILLS RATE SEED`.

The library is loaded once; each run is a fork made before there is any loop or thread, so that a start costs next to
nothing, and ends by SIGKILL when chance says: one in four while it starts and takes its journal over, the others after
so many rows, which spreads the kills over the list, and a moment more. A RATE of 0 tells the job none. After the last
kill it may run to its end. The answer: what the journal says of every user, and how long it took from a start to the
first row that was done.
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
from benchmarks.jobs import write_users
from cognito_async import AsyncCognitoSession, Quotas
from cognito_async.bulk import Job, State

EARLY = 0.25
REACH = 0.9
"""The kills are spread over so much of the rows; the rest is left for the last run."""

LONGEST_DELAY = 0.02
LONGEST_WORK = 150.0
MOST_STOPS = 100
DONE, NOT_DONE = b".", b"?"
STOPPED = 3
"""The exit code of a run that ended before its job."""


@dataclass(frozen=True, slots=True)
class Work:
    """What each run works on."""

    action: str
    url: str
    rows: int
    rate: float
    users: Path
    journal: Path

    def run(self, told: int) -> None:
        """Run the job to its end in a process of its own; write a byte for each row that is settled."""
        code = 1
        try:
            code = asyncio.run(self._run(told))
        except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    async def _run(self, told: int) -> int:
        quotas = Quotas(user_account_recovery=self.rate) if self.rate else Quotas()
        async with AsyncCognitoSession(REGION, endpoint_url=self.url, quotas=quotas) as session:
            client = session.client(client_id=CLIENT, user_pool_id=POOL)
            job = Job(client, self.action, self.users, journal=self.journal)
            async for outcome in job.run():
                if outcome.state is not State.DEFERRED:
                    os.write(told, DONE if outcome.state is State.DONE else NOT_DONE)
        if not job.summary.finished:
            print(job.summary, file=sys.stderr)
        return 0 if job.summary.finished else STOPPED


class Run:
    """One run: a fork, and a pipe that tells of its rows and of its end.

    Attributes:
        began: When it was started.
        first: When its first row was done; None before.
        settled: How many rows it has settled.
    """

    def __init__(self, work: Work) -> None:
        self._read, told = os.pipe()
        self.began = time.perf_counter()
        self.first: float | None = None
        self.settled = 0
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._read)
            work.run(told)
        os.close(told)

    def follow(self, rows: float, seconds: float) -> bool:
        """Wait until so many rows are done or the time is over; return whether it has ended before."""
        end = time.perf_counter() + seconds
        done = 0
        while done < rows:
            ready, _, _ = select.select([self._read], [], [], max(end - time.perf_counter(), 0.0))
            if not ready:
                return False
            if not (told := os.read(self._read, 4096)):
                return True
            self.settled += len(told)
            done += told.count(DONE)
            if done:
                self.first = self.first or time.perf_counter()
        return False

    def end(self) -> int:
        """Kill it, unless it has ended, and return its exit code, negative for a signal."""
        os.kill(self._pid, signal.SIGKILL)  # it is there until it is waited for
        _, status = os.waitpid(self._pid, 0)
        while told := os.read(self._read, 4096):
            self.settled += len(told)
        os.close(self._read)
        return os.waitstatus_to_exitcode(status)


@dataclass(slots=True)
class Story:
    """What happened so far."""

    settled: int = 0
    kills: int = 0
    kills_at_work: int = 0
    stops: int = 0
    starts: list[float] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """Add how far a run came, and how long it took to its first row, if it came so far."""
        self.settled += run.settled
        if run.first is not None:
            self.starts.append(run.first - run.began)


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill a run, as chance has it: while it starts or later, after how many rows, and how long after that."""

    early: bool
    rows: float
    delay: float

    @classmethod
    def of(cls, chance: random.Random) -> "Moment":
        """Draw one."""
        return cls(chance.random() < EARLY, 2 * chance.random(), chance.random())


def killed(work: Work, story: Story, moment: Moment, kills_left: int) -> bool:
    """Start a run and kill it; return whether the job has come to its end before."""
    rows = moment.rows * max(work.rows * REACH - story.settled, 0) / (kills_left * (1 - EARLY))
    run = Run(work)
    if moment.early:
        run.follow(math.inf, moment.delay * statistics.median(story.starts or [0.1]))
    elif not run.follow(max(rows, 1), LONGEST_WORK):
        run.follow(math.inf, moment.delay * LONGEST_DELAY)
    code = run.end()
    story.add(run)
    if code == -signal.SIGKILL:
        story.kills += 1
        story.kills_at_work += not moment.early
        return False
    return ended(code, story)


def ended(code: int, story: Story) -> bool:
    """Return whether the job has ended; it may have stopped before."""
    if code == STOPPED:
        story.stops += 1
        if story.stops > MOST_STOPS:
            raise RuntimeError("the job stopped by itself again and again")
    elif code != 0:
        raise RuntimeError("a run failed")
    return code == 0


def to_the_end(work: Work, story: Story) -> None:
    """Let the job come to its end."""
    while True:
        run = Run(work)
        in_time = run.follow(math.inf, LONGEST_WORK)
        code = run.end()
        story.add(run)
        if not in_time:
            raise RuntimeError("the last run took too long")
        if ended(code, story):
            return


def main(action: str, url: str, rows: int, kills: int, rate: float, seed: int) -> None:  # noqa: PLR0917 - the command line
    """Run the job with its kills, and print what the journal says."""
    chance = random.Random(seed)
    moments = [Moment.of(chance) for _ in range(kills)]
    with tempfile.TemporaryDirectory() as name:
        work = Work(action, url, rows, rate, Path(name, "users.csv"), Path(name, "users.journal"))
        write_users(work.users, rows)
        story, finished = Story(), False
        began = time.perf_counter()
        for number, moment in enumerate(moments):
            while story.kills == number and not finished:
                finished = killed(work, story, moment, kills - number)
        if not finished:
            to_the_end(work, story)
        seconds = time.perf_counter() - began
        with closing(sqlite3.connect(work.journal)) as journal:
            said = dict(journal.execute("SELECT username, state FROM rows").fetchall())
            codes = journal.execute(
                "SELECT state, code, count(*) FROM rows WHERE code IS NOT NULL GROUP BY 1, 2"
            ).fetchall()
    answer = {
        "kills": story.kills,
        "kills at work": story.kills_at_work,
        "stops": story.stops,
        "starts": story.starts,
        "seconds": seconds,
        "said": said,
        "codes": codes,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6]))
