"""Bulk jobs that are killed 200 times, at any moment of their lives: nothing is lost, done twice or made up."""

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

from tests.support.bulk_pool import Moment, Pool
from tests.support.processes import ROOT

FORKER: Final = Path(__file__).parent / "programs" / "forker.py"
ROWS: Final = 10_000
KILLS: Final = 100
"""How often each of the two jobs is killed at least."""
SPARE: Final = 10
"""Kills that may find nothing left to kill."""
AT_THE_START: Final = 10
"""How many of the kills come first, at some time after the start and not at a request: while rows are read, say."""
LONGEST_START: Final = 0.5
ON_THEIR_WAY: Final = 16
"""The most rows on their way at once, of which a killed job leaves nothing but the question."""


def kill_process(pid: int) -> None:
    """Kill a process, as nothing else ends one."""
    with suppress(ProcessLookupError):  # it has just come to its end
        os.kill(pid, signal.SIGKILL)


class Victim:
    """A job that is started again each time that it was killed."""

    def __init__(self, action: str, folder: Path, pool: Pool) -> None:
        self.journal = folder / "rows.journal"
        self.told = folder / "told.csv"
        self._child: int | None = None
        self.task = {
            "action": action,
            "source": str(folder / "rows.csv"),
            "journal": str(self.journal),
            "told": str(self.told),
            "url": pool.url,
        }

    async def __aenter__(self) -> Self:
        self._forker = await asyncio.create_subprocess_exec(
            sys.executable, FORKER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._child is not None:
            kill_process(self._child)
        await self._forker.communicate(b"")  # without anything to write, Python 3.11 leaves the pipe open

    async def start(self) -> int:
        """Start it; give its process id."""
        assert self._forker.stdin is not None
        self._forker.stdin.write(json.dumps(self.task).encode() + b"\n")
        self._child = await self._number()
        return self._child

    async def ended(self) -> int:
        """Wait for its end; give its exit status, or the negative number of the signal that killed it."""
        status = os.waitstatus_to_exitcode(await self._number())
        self._child = None
        return status

    async def _number(self) -> int:
        assert self._forker.stdout is not None
        return int(await self._forker.stdout.readline())

    def rows(self) -> dict[str, str]:
        """Give each user's state."""
        with closing(sqlite3.connect(self.journal)) as connection:
            return dict(connection.execute("SELECT username, state FROM rows").fetchall())


class Killer:
    """Kills a victim at random moments: at a request, of which it draws the number and the phase, or after a while."""

    def __init__(self, victim: Victim, pool: Pool, chance: random.Random) -> None:
        self._victim = victim
        self._pool = pool
        self._chance = chance
        self.killed = 0

    async def live(self, kills: int) -> None:
        """Start and kill the victim so often, then let it come to its end."""
        while True:
            pid = await self._victim.start()
            timer = self._aim(pid, kills - self.killed) if self.killed < kills else None
            status = await self._victim.ended()
            self._pool.at = lambda moment: None
            if timer is not None:
                timer.cancel()
            if status == 0:
                return
            assert status == -signal.SIGKILL
            self.killed += 1

    def _aim(self, pid: int, kills: int) -> asyncio.TimerHandle | None:
        if self.killed < AT_THE_START:
            delay = self._chance.uniform(0.0, LONGEST_START)
            return asyncio.get_running_loop().call_later(delay, kill_process, pid)
        rows = (ROWS - len(self._pool.seen)) // kills - ON_THEIR_WAY
        left = self._chance.randint(1, max(rows, 1))
        phase = self._chance.choice(list(Moment))

        def strike(moment: Moment) -> None:
            nonlocal left
            left -= moment is phase
            if not left:
                kill_process(pid)

        self._pool.at = strike
        return None


def write_rows(path: Path, chance: random.Random) -> None:
    """Write the input: among many good rows some of users who aren't there, and of codes that are wrong."""
    with path.open("w") as file:
        file.write("username,confirmation_code,password\n")
        for number in range(ROWS):
            kind = chance.choices(("user", "nobody", "mistaken"), (97, 1, 2))[0]
            file.write(f"{kind}{number},{'654321' if kind == 'mistaken' else '123456'},Passw0rd!{number}\n")


async def kill(action: str, folder: Path) -> None:
    """Kill a job over and over, and see that what it did, what it told and what its journal says are one."""
    chance = random.Random(f"{action} 1")
    write_rows(folder / "rows.csv", chance)
    async with Pool(chance) as pool, Victim(action, folder, pool) as victim:
        killer = Killer(victim, pool, chance)
        await killer.live(KILLS + SPARE)
        rows, applied = victim.rows(), pool.applied
    told: dict[str, set[str]] = {}
    for line in victim.told.read_text().splitlines():
        _, user, state = line.split(",")
        told.setdefault(user, set()).add(state)

    assert killer.killed >= KILLS
    assert len(rows) == ROWS, "rows were lost"
    assert set(rows.values()) == {"done", "refused", "unknown"}, "rows were left"
    assert max(applied.values()) == 1, "something was done twice"
    assert not [user for user, state in rows.items() if state == "done" and not applied[user]], "made up"
    assert not [user for user, state in rows.items() if state == "refused" and applied[user]], "denied"
    assert not [user for user, states in told.items() if "done" in states and rows[user] != "done"], "told too early"
    assert not [user for user, states in told.items() if len(states - {"deferred"}) > 1], "told of twice"
    unknown = Counter(rows.values())["unknown"]
    assert 0 < unknown < killer.killed * ON_THEIR_WAY + ROWS * 0.02, "what is known is not to be called unknown"


@pytest.mark.timeout(400)  # where the machine is busy with other things
async def test_nothing_is_lost_or_done_twice_or_made_up(tmp_path: Path) -> None:
    """Kill jobs over 10,000 rows at 200 moments: each row is done exactly once, refused, or honestly unknown."""
    async with asyncio.TaskGroup() as group:  # side by side, for the time it takes
        for action in ("confirm", "forgot"):
            (tmp_path / action).mkdir()
            group.create_task(kill(action, tmp_path / action))
