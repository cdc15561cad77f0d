"""Bulk jobs: CPU per row, long jobs compared with short ones, jobs behind a quota, and jobs that are killed."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders import ADAPTIVE, contenders
from benchmarks.processes import ChildFailedError, ServerProcess, TurnProcess, result_of
from benchmarks.reliability import BURST, RATE, THROTTLE_TASKS
from benchmarks.results import Spread, Table, interleave, with_targets

ACTIONS = ("confirm", "forgot", "reset")
JOB = "cognito_async.bulk"
PROGRAM = "benchmarks.programs.bulk_job"
SHORT = 10_000
TIME_LIMIT = 900.0
SEED = 20261123
FAULTY = 0.1


def cost(*, quick: bool) -> list[Table]:
    """Measure the CPU per row of a job, and of the same calls without a job."""
    rows, turns, rounds = (5000, 3, 1) if quick else (10_000, 5, 3)
    table = Table(
        "CPU per row of a bulk job",
        f"CPU time over an in-process transport that responds immediately: a job of {rows:,} rows from a CSV file with "
        f"a new journal, then the same calls one after the other; fresh processes taking turns, {rounds} x {turns} "
        "turns; median (lowest-highest) of the differences turn by turn.",
        ("job", "CPU us per row", "call alone us", "added us per row", "target"),
        notes=["includes the journal: its thread, its writes, and reading the file twice, once for its digest"],
    )
    samples: dict[str, list[list[float]]] = {}
    failures: dict[str, ChildFailedError] = {}
    for _ in range(rounds):
        with ExitStack() as stack:
            processes = {
                name: stack.enter_context(TurnProcess(PROGRAM, "rows", name, str(rows), time_limit=TIME_LIMIT))
                for name in ACTIONS
            }
            done = interleave(ACTIONS, turns, lambda name: processes[name].turn())  # noqa: B023 - called in this block
        failures |= done.failures
        for name, taken in done.samples.items():
            samples.setdefault(name, []).extend([list(sample) for sample in taken])
    for name in ACTIONS:
        if name in failures:
            table.add_failed(name, failures[name])
            continue
        job, call = ([sample[index] * 1e6 for sample in samples[name]] for index in (0, 1))
        added = Spread.of(one - other for one, other in zip(job, call, strict=True))
        medians = [f"{Spread.of(values).median:.0f}" for values in (job, call)]
        table.add(name, *medians, added.show("{:.0f}"), "<= 150 us")
    return [table]


def flat(*, quick: bool) -> list[Table]:
    """Measure whether a row of a long job costs as much as a row of a short one."""
    rows, portions = (100_000, 5) if quick else (1_000_000, 10)
    portion = rows // portions
    table = Table(
        f"{rows:,} rows compared with {SHORT:,}",
        f"A `confirm` job over an in-process transport. The long job pauses after every {portion:,} rows while a fresh "
        f"process runs a whole job of {SHORT:,}; median (lowest-highest) of the ratios portion by portion.",
        ("measurement", f"{SHORT:,} rows", f"{rows:,} rows", "long / short", "target"),
    )
    short: list[list[float]] = []
    long: list[list[float]] = []
    try:
        with TurnProcess(PROGRAM, "portions", str(rows), str(portion), time_limit=TIME_LIMIT) as job:
            for _ in range(portions):
                long.append(job.turn())
                with TurnProcess(PROGRAM, "portions", str(SHORT), str(SHORT)) as fresh:
                    short.append(fresh.turn())
    except ChildFailedError as failure:
        table.add_failed(JOB, failure)
        return [table]
    ratios = [one[0] / other[0] for one, other in zip(long, short, strict=True)]
    per_row = [Spread.of(sample[0] * 1e6 for sample in samples) for samples in (short, long)]
    table.add("CPU us per row", *[spread.show("{:.0f}") for spread in per_row], Spread.of(ratios).show(), "<= 1.10 x")
    table.add("last portion alone", "", f"{long[-1][0] * 1e6:.0f}", f"{ratios[-1]:.2f}", "<= 1.10 x")
    memory = [max(sample[1] for sample in samples) / 1e6 for samples in (short, long)]
    added = f"{memory[1] - memory[0]:+.1f} MB"
    table.add("peak memory, MB", *[f"{peak:.1f}" for peak in memory], added, "<= 20 MB more")
    spent = sum(sample[0] for sample in long) * portion
    table.notes.append(f"the {rows:,} rows took {spent / 60:.1f} minutes of CPU")
    return [table]


def rate(*, quick: bool) -> list[Table]:
    """Run a job with a configured rate, and the same resets with a script on aiobotocore."""
    rows = 600 if quick else 1500
    ideal = rows / RATE
    table = Table(
        f"A bulk job behind a limit of {RATE:.0f} requests per second",
        f"{rows:,} users; a token bucket with a burst of {BURST}. The job knows the rate and writes its journal; the "
        f"script runs {THROTTLE_TASKS} tasks and writes nothing. Ideal time: rows / rate = {ideal:.0f} s.",
        ("contender", "lost", "target", "time / ideal", "target", "throttled", "target"),
    )
    _run_at_rate(table, JOB, PROGRAM, ["rate", "{url}", str(rows), str(RATE)], ideal)
    if why := contenders()[ADAPTIVE].absence():
        table.add(ADAPTIVE, why)
    else:
        arguments = [ADAPTIVE, "{url}", str(rows), str(THROTTLE_TASKS), "0"]
        _run_at_rate(table, ADAPTIVE, "benchmarks.programs.resets", arguments, ideal)
    return [table]


def _run_at_rate(table: Table, name: str, program: str, arguments: list[str], ideal: float) -> None:
    """Run a program against a fresh server and add its row."""
    try:
        with ServerProcess("--rate", str(RATE), "--burst", str(BURST)) as server:
            given = [argument.format(url=server.url) for argument in arguments]
            outcome: dict[str, Any] = result_of(program, *given, kind=dict)
            throttled = server.share_throttled()
    except ChildFailedError as failure:
        table.add_failed(name, failure)
        return
    lost = outcome["lost"] if name == JOB else len(outcome["failed"]) + len(outcome["unknown"])
    cells = (f"{lost:,}", f"{outcome['seconds'] / ideal:.3f} x", f"{throttled:.1%}")
    table.add(name, *with_targets(cells, ("0", "<= 1.03 x", "<= 1 %") if name == JOB else ("", "", "")))
    if lost:
        table.notes.append(f"{name} lost rows to {', '.join(sorted(outcome['errors']))}")


@dataclass(frozen=True, slots=True)
class Trial:
    """A job that is killed; a rate of 0 configures none."""

    name: str
    action: str
    rows: int
    kills: int
    rate: float = 0.0
    faulty: float = 0.0


def kills(*, quick: bool) -> list[Table]:
    """Kill jobs with SIGKILL at random moments, resume them, and compare their journals with the server's ledger."""
    rows, many = (2000, 40) if quick else (10_000, 200)
    few_rows, few = (150, 5) if quick else (900, 30)
    trials = (
        Trial("confirm", "confirm", rows, many),
        Trial("forgot", "forgot", rows, many),
        Trial("forgot, rate 30/s", "forgot", few_rows, few, rate=30.0),
        Trial(f"confirm, faults for {FAULTY:.0%}", "confirm", rows, many, faulty=FAULTY),
    )
    outcomes = Table(
        "Killed and resumed jobs: the rows",
        "SIGKILL at seeded random moments, three in four during requests (in brackets), the others while the job "
        "starts. Twice: users whose password was changed twice, or who were sent two messages. Untrue: reported as "
        "done and not done. Missed: done, but reported as refused or as pending.",
        (
            "job",
            "rows",
            "kills",
            "done",
            "unknown",
            *with_targets(("lost", "twice", "untrue", "missed"), ["target"] * 4),
        ),
    )
    times = Table(
        "Killed and resumed jobs: time to resume",
        "From the start of a process that has the library loaded to the first completed row: opening the journal, "
        "recognizing the input, looking up rows, first request.",
        ("job", "starts", "ms to the first row", "whole job, s", "unknown per kill"),
    )
    for trial in trials:
        try:
            with ServerProcess("--ledger", "--faults", str(trial.faulty)) as server:
                arguments = [trial.action, server.url, *map(str, (trial.rows, trial.kills, trial.rate, SEED))]
                program = "benchmarks.programs.killed_job"
                report: dict[str, Any] = result_of(program, *arguments, kind=dict, time_limit=TIME_LIMIT)
                facts = server.ledger()
        except ChildFailedError as failure:
            outcomes.add_failed(trial.name, failure)
            continue
        _compare(outcomes, trial, report, facts)
        starts = Spread.of(second * 1e3 for second in report["starts"])
        unknown = list(report["states"].values()).count("unknown")
        per_kill = f"{unknown / max(report['kills'], 1):.1f}"
        started = f"{len(report['starts']):,}"
        times.add(trial.name, started, starts.show("{:.0f}"), f"{report['seconds']:.0f}", per_kill)
    return [outcomes, times]


def _compare(table: Table, trial: Trial, report: dict[str, Any], facts: dict[str, Any]) -> None:
    """Compare the journal with the server's ledger."""
    states: dict[str, str] = report["states"]
    messages: dict[str, int] = facts["messages"]
    changed = set(facts["applied"]) | set(messages)
    counts = Counter(states.values())
    settled = counts["done"] + counts["refused"] + counts["unknown"]
    done = {user for user, state in states.items() if state == "done"}
    numbers = (
        trial.rows - settled,
        sum(number > 1 for number in messages.values()),
        len(done - changed),
        len({user for user, state in states.items() if state not in {"done", "unknown"}} & changed),
    )
    killed = f"{report['kills']} ({report['kills during requests']})"
    cells = with_targets([f"{number:,}" for number in numbers], ("0",) * 4)
    table.add(trial.name, f"{trial.rows:,}", killed, f"{counts['done']:,}", f"{counts['unknown']:,}", *cells)
    if report["stops"]:
        table.notes.append(f"{trial.name}: stopped on its own {report['stops']} times and was resumed")
    if report["kills"] < trial.kills:
        table.notes.append(f"{trial.name}: completed before the last {trial.kills - report['kills']} kills")
    unknown = {user for user, state in states.items() if state == "unknown"}
    if unknown:
        table.notes.append(f"{trial.name}: {len(unknown & changed):,} of the unknown rows were done")
    if report["codes"]:
        codes = ", ".join(f"{state} {code} ({number:,})" for state, code, number in report["codes"])
        table.notes.append(f"{trial.name}: codes in the journal: {codes}")
