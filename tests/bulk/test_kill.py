"""Jobs that are killed 200 times: nothing is lost, repeated or misreported."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.support.bulk_pool import FakePool, Phase
from tests.support.processes import ROOT

FORK_JOBS: Final = Path(__file__).parent / "programs" / "fork_jobs.py"
ROWS: Final = 10_000
KILLS: Final = 100
"""The minimum number of kills of each of the two jobs."""
SPARE: Final = 10
"""Additional kills, because some find no process."""
KILLS_AT_START: Final = 10
"""The kills at a random time after the start, for example while rows are read, and not at a request."""
MAX_START_DELAY: Final = 0.5
MAX_IN_FLIGHT: Final = 16
"""The maximum number of rows in flight, which may be unknown after a kill."""


def kill_process(pid: int) -> None:
    """Send SIGKILL to a process, unless it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class KilledJob:
    """A job that runs in a forked process and can be started again."""

    def __init__(self, action: str, folder: Path, pool: FakePool) -> None:
        self.journal = folder / "rows.journal"
        self.outcomes = folder / "outcomes.csv"
        self._child: int | None = None
        self.task = {
            "action": action,
            "source": str(folder / "rows.csv"),
            "journal": str(self.journal),
            "outcomes": str(self.outcomes),
            "url": pool.url,
        }

    async def __aenter__(self) -> Self:
        self._fork_jobs = await asyncio.create_subprocess_exec(
            sys.executable, FORK_JOBS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._child is not None:
            kill_process(self._child)
        await self._fork_jobs.communicate(b"")  # without anything to write, Python 3.11 leaves the pipe open

    async def start(self) -> int:
        """Start the job; return its process ID."""
        assert self._fork_jobs.stdin is not None
        self._fork_jobs.stdin.write(json.dumps(self.task).encode() + b"\n")
        self._child = await self._number()
        return self._child

    async def ended(self) -> int:
        """Wait for the end; return the exit status, or the negative number of the signal."""
        status = os.waitstatus_to_exitcode(await self._number())
        self._child = None
        return status

    async def _number(self) -> int:
        assert self._fork_jobs.stdout is not None
        return int(await self._fork_jobs.stdout.readline())

    def rows(self) -> dict[str, str]:
        """Return the state of each user."""
        with closing(sqlite3.connect(self.journal)) as connection:
            return dict(connection.execute("SELECT username, state FROM rows").fetchall())


class Killer:
    """Kills a job at a random phase of a random request, or after a random delay."""

    def __init__(self, job: KilledJob, pool: FakePool, rng: random.Random) -> None:
        self._job = job
        self._pool = pool
        self._rng = rng
        self.killed = 0

    async def run(self, kills: int) -> None:
        """Start and kill the job a number of times, then run it to its end."""
        while True:
            pid = await self._job.start()
            timer = self._schedule_kill(pid, kills - self.killed) if self.killed < kills else None
            status = await self._job.ended()
            self._pool.at = lambda phase: None
            if timer is not None:
                timer.cancel()
            if status == 0:
                return
            assert status == -signal.SIGKILL
            self.killed += 1

    def _schedule_kill(self, pid: int, kills: int) -> asyncio.TimerHandle | None:
        if self.killed < KILLS_AT_START:
            delay = self._rng.uniform(0.0, MAX_START_DELAY)
            return asyncio.get_running_loop().call_later(delay, kill_process, pid)
        rows = (ROWS - len(self._pool.seen)) // kills - MAX_IN_FLIGHT
        left = self._rng.randint(1, max(rows, 1))
        target = self._rng.choice(list(Phase))

        def kill_at(phase: Phase) -> None:
            nonlocal left
            left -= phase is target
            if not left:
                kill_process(pid)

        self._pool.at = kill_at
        return None


def write_rows(path: Path, rng: random.Random) -> None:
    """Write the input: mostly valid rows, some with missing users and wrong codes."""
    with path.open("w") as file:
        file.write("username,confirmation_code,password\n")
        for number in range(ROWS):
            kind = rng.choices(("user", "missing", "mistyped"), (97, 1, 2))[0]
            file.write(f"{kind}{number},{'654321' if kind == 'mistyped' else '123456'},Passw0rd!{number}\n")


async def kill_repeatedly(action: str, folder: Path) -> None:
    """Kill a job repeatedly; compare the service, the outcomes and the journal."""
    rng = random.Random(f"{action} 1")
    write_rows(folder / "rows.csv", rng)
    async with FakePool(rng) as pool, KilledJob(action, folder, pool) as job:
        killer = Killer(job, pool, rng)
        await killer.run(KILLS + SPARE)
        rows, applied = job.rows(), pool.applied
    outcomes: dict[str, set[str]] = {}
    for line in job.outcomes.read_text().splitlines():
        _, user, state = line.split(",")
        outcomes.setdefault(user, set()).add(state)

    assert killer.killed >= KILLS
    assert len(rows) == ROWS, "lost rows"
    assert set(rows.values()) == {"done", "refused", "unknown"}, "unsettled rows"
    assert max(applied.values()) == 1, "applied twice"
    assert not [user for user, state in rows.items() if state == "done" and not applied[user]], "done, but not applied"
    assert not [user for user, state in rows.items() if state == "refused" and applied[user]], "refused, but applied"
    assert not [user for user, states in outcomes.items() if "done" in states and rows[user] != "done"], (
        "yielded before the journal"
    )
    assert not [user for user, states in outcomes.items() if len(states - {"deferred"}) > 1], "yielded twice"
    unknown = Counter(rows.values())["unknown"]
    assert 0 < unknown < killer.killed * MAX_IN_FLIGHT + ROWS * 0.02, "too many unknown rows"


@pytest.mark.timeout(400)  # for a busy machine
async def test_killed_jobs_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Over 10,000 rows and 200 kills, each row is done once, refused or unknown."""
    async with asyncio.TaskGroup() as group:  # concurrently, to save time
        for action in ("confirm", "forgot"):
            (tmp_path / action).mkdir()
            group.create_task(kill_repeatedly(action, tmp_path / action))
