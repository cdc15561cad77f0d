"""Bulk jobs: what a row costs beside the bare call, whether that stays so, and the pace at the edge of a quota."""

from contextlib import ExitStack
from typing import Any

from benchmarks.child import ChildFailedError, Standing, answer_of
from benchmarks.contenders import ADAPTIVE, OURS, contenders
from benchmarks.loopback import Loopback
from benchmarks.rounds import Spread, interleave
from benchmarks.table import Table
from benchmarks.throttle import BURST, RATE, TASKS

ACTIONS = ("confirm", "forgot", "reset")
JOB = "cognito_async.bulk"
FEW = 10_000
LONGEST = 900.0


def absence() -> str | None:
    """Say why there is nothing to measure; None when there is."""
    return contenders()[OURS].absence("AsyncCognitoSession") or contenders()[OURS].absence("Quotas")


def cost(*, quick: bool) -> list[Table]:
    """Measure a row of a job beside the bare call."""
    rows, turns, rounds = (5000, 3, 1) if quick else (10_000, 5, 3)
    table = Table(
        "What a row of a bulk job costs",
        f"CPU time over a transport within the process that answers at once: a job of {rows:,} rows from a CSV with a "
        f"new journal, then the same calls one after the other; fresh processes taking turns, {rounds} x {turns} "
        "turns; median (lowest-highest) of the differences turn by turn.",
        ("job", "CPU us a row", "bare call us", "added us a row", "bar"),
        notes=["the journal is part of it: its thread, its writes, and reading the file twice, once for its digest"],
    )
    if why := absence():
        table.add(JOB, why)
        return [table]
    samples: dict[str, list[list[float]]] = {}
    failures: dict[str, ChildFailedError] = {}
    for _ in range(rounds):
        with ExitStack() as processes:
            standing = {
                name: processes.enter_context(
                    Standing("benchmarks.programs.job_rows", name, str(rows), time_limit=LONGEST)
                )
                for name in ACTIONS
            }
            done = interleave(ACTIONS, turns, lambda name: standing[name].turn())  # noqa: B023 - called at once
        failures |= done.failures
        for name, taken in done.samples.items():
            samples.setdefault(name, []).extend([list(sample) for sample in taken])
    for name in ACTIONS:
        if name in failures:
            table.add_failed(name, failures[name])
            continue
        job, bare = ([sample[index] * 1e6 for sample in samples[name]] for index in (0, 1))
        added = Spread.of(one - other for one, other in zip(job, bare, strict=True))
        medians = [f"{Spread.of(values).median:.0f}" for values in (job, bare)]
        table.add(name, *medians, added.show("{:.0f}"), "<= 150 us")
    return [table]


def flat(*, quick: bool) -> list[Table]:
    """Measure a long job beside short ones."""
    rows, portions = (100_000, 5) if quick else (1_000_000, 10)
    portion = rows // portions
    table = Table(
        f"{rows:,} rows beside {FEW:,}",
        f"A `confirm` job over a transport within the process. The long one stands still after every {portion:,} rows "
        f"while a fresh process runs a whole job of {FEW:,}; median (lowest-highest) of the ratios portion by portion.",
        ("measure", f"{FEW:,} rows", f"{rows:,} rows", "long beside short", "bar"),
    )
    if why := absence():
        table.add(JOB, why)
        return [table]
    program = "benchmarks.programs.job_portions"
    short: list[list[float]] = []
    long: list[list[float]] = []
    try:
        with Standing(program, str(rows), str(portion), time_limit=LONGEST) as job:
            for _ in range(portions):
                long.append(job.turn())
                with Standing(program, str(FEW), str(FEW)) as fresh:
                    short.append(fresh.turn())
    except ChildFailedError as failure:
        table.add_failed(JOB, failure)
        return [table]
    ratios = [one[0] / other[0] for one, other in zip(long, short, strict=True)]
    per_row = [Spread.of(sample[0] * 1e6 for sample in samples) for samples in (short, long)]
    table.add("CPU us a row", *[spread.show("{:.0f}") for spread in per_row], Spread.of(ratios).show(), "<= 1.10 x")
    table.add("the last portion alone", "", f"{long[-1][0] * 1e6:.0f}", f"{ratios[-1]:.2f}", "<= 1.10 x")
    memory = [max(sample[1] for sample in samples) / 1e6 for samples in (short, long)]
    added = f"{memory[1] - memory[0]:+.1f} MB"
    table.add("peak memory, MB", *[f"{peak:.1f}" for peak in memory], added, "<= 20 MB more")
    spent = sum(sample[0] for sample in long) * portion
    table.notes.append(f"the {rows:,} rows took {spent / 60:.1f} minutes of CPU")
    return [table]


def rate(*, quick: bool) -> list[Table]:
    """Let a job work at the edge of a known rate, beside the obvious script on aiobotocore."""
    rows = 600 if quick else 1500
    ideal = rows / RATE
    table = Table(
        f"A bulk job behind a limit of {RATE:.0f} requests a second",
        f"{rows:,} users; a token bucket, its burst {BURST}. The job is told the rate and writes its journal; the "
        f"script runs {TASKS} tasks and writes nothing. Ideal time: rows / rate = {ideal:.0f} s.",
        ("contender", "lost", "bar", "time / ideal", "bar", "throttled", "bar"),
    )
    if why := absence():
        table.add(JOB, why)
    else:
        _pace(table, JOB, "benchmarks.programs.job", ["{url}", str(rows), str(RATE)], ideal)
    if why := contenders()[ADAPTIVE].absence():
        table.add(ADAPTIVE, why)
    else:
        arguments = [ADAPTIVE, "{url}", str(rows), str(TASKS), "0"]
        _pace(table, ADAPTIVE, "benchmarks.programs.resets", arguments, ideal)
    return [table]


def _pace(table: Table, name: str, program: str, arguments: list[str], ideal: float) -> None:
    """Run a program against a fresh server, and add its row."""
    try:
        with Loopback("--rate", str(RATE), "--burst", str(BURST)) as server:
            told = [argument.format(url=server.url) for argument in arguments]
            answer: dict[str, Any] = answer_of(program, *told, kind=dict)
            stats = server.stats()
    except ChildFailedError as failure:
        table.add_failed(name, failure)
        return
    lost = answer["lost"] if name == JOB else len(answer["failed"]) + len(answer["unknown"])
    share = stats.get("throttled", 0) / stats["requests"]
    bars = ("0", "<= 1.03 x", "<= 1 %") if name == JOB else ("", "", "")
    cells = (f"{lost:,}", f"{answer['seconds'] / ideal:.3f} x", f"{share:.1%}")
    table.add(name, *[cell for pair in zip(cells, bars, strict=True) for cell in pair])
    if lost:
        table.notes.append(f"{name} lost them to {', '.join(sorted(answer['errors']))}")
