"""Bulk jobs that are killed: what their journals say in the end, beside what the server really did.

Each job is killed with SIGKILL at moments that chance chooses, and resumed each time. The server does no wrong of its
own, but for the last job, where a share of the users meets a fault as well.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from benchmarks.bulk import JOB, LONGEST, absence
from benchmarks.child import ChildFailedError, answer_of
from benchmarks.loopback import Loopback
from benchmarks.rounds import Spread
from benchmarks.table import Table

SEED = 20261123
FAULTY = 0.1


@dataclass(frozen=True, slots=True)
class Trial:
    """A job and its misfortunes; a rate of 0 tells the job none."""

    name: str
    action: str
    rows: int
    kills: int
    rate: float = 0.0
    faulty: float = 0.0


def run(*, quick: bool) -> list[Table]:
    """Kill the jobs, one after the other, each against a fresh ledger."""
    rows, kills = (2000, 40) if quick else (10_000, 200)
    few, few_kills = (150, 5) if quick else (900, 30)
    trials = (
        Trial("confirm", "confirm", rows, kills),
        Trial("forgot", "forgot", rows, kills),
        Trial("forgot, told 30 a second", "forgot", few, few_kills, rate=30.0),
        Trial(f"confirm, faults for {FAULTY:.0%}", "confirm", rows, kills, faulty=FAULTY),
    )
    outcomes = Table(
        "Jobs that are killed and resumed: what became of the rows",
        "SIGKILL at seeded random moments, three in four amid requests (in brackets), the others while the job starts. "
        "Twice: users whose password was changed twice, or who were sent two messages. Untrue: said to be done and not "
        "done. Missed: done, but said to be refused or still to do.",
        ("job", "rows", "kills", "done", "unknown", *_barred("lost", "twice", "untrue", "missed")),
    )
    times = Table(
        "Jobs that are killed and resumed: how long resuming takes",
        "From the start of a process that has the library loaded to the first row that is done: journal opened and "
        "taken over, input recognised, rows looked up, first request answered.",
        ("job", "starts", "ms to the first row", "whole job, s", "unknown a kill"),
    )
    if why := absence():
        outcomes.add(JOB, why)
        return [outcomes]
    for trial in trials:
        try:
            with Loopback("--ledger", "--faults", str(trial.faulty)) as server:
                arguments = [trial.action, server.url, *map(str, (trial.rows, trial.kills, trial.rate, SEED))]
                program = "benchmarks.programs.killed_job"
                story: dict[str, Any] = answer_of(program, *arguments, kind=dict, time_limit=LONGEST)
                truth = server.ledger()
        except ChildFailedError as failure:
            outcomes.add_failed(trial.name, failure)
            continue
        _judge(outcomes, trial, story, truth)
        starts = Spread.of(second * 1e3 for second in story["starts"])
        unknown = list(story["said"].values()).count("unknown")
        share = f"{unknown / max(story['kills'], 1):.1f}"
        number = f"{len(story['starts']):,}"
        times.add(trial.name, number, starts.show("{:.0f}"), f"{story['seconds']:.0f}", share)
    return [outcomes, times]


def _judge(table: Table, trial: Trial, story: dict[str, Any], truth: dict[str, Any]) -> None:
    """Compare what the journal says with what the server did."""
    said: dict[str, str] = story["said"]
    messages: dict[str, int] = truth["messages"]
    did = set(truth["applied"]) | set(messages)
    states = Counter(said.values())
    settled = states["done"] + states["refused"] + states["unknown"]
    done = {user for user, state in said.items() if state == "done"}
    numbers = (
        trial.rows - settled,
        sum(number > 1 for number in messages.values()),
        len(done - did),
        len({user for user, state in said.items() if state not in {"done", "unknown"}} & did),
    )
    kills = f"{story['kills']} ({story['kills at work']})"
    cells = [cell for number in numbers for cell in (f"{number:,}", "0")]
    table.add(trial.name, f"{trial.rows:,}", kills, f"{states['done']:,}", f"{states['unknown']:,}", *cells)
    if story["stops"]:
        table.notes.append(f"{trial.name}: stopped by itself {story['stops']} times and was resumed")
    if story["kills"] < trial.kills:
        table.notes.append(f"{trial.name}: came to its end before the last {trial.kills - story['kills']} kills")
    unknown = {user for user, state in said.items() if state == "unknown"}
    if unknown:
        table.notes.append(f"{trial.name}: of the unknown, {len(unknown & did):,} were done")
    if story["codes"]:
        codes = ", ".join(f"{state} {code} ({number:,})" for state, code, number in story["codes"])
        table.notes.append(f"{trial.name}: the journal notes {codes}")


def _barred(*columns: str) -> list[str]:
    return [cell for column in columns for cell in (column, "bar")]
