"""CPU time of calls, and of decoding a full page of users.

Fresh processes take turns in blocks of calls, so that a machine that is slow for a moment slows all of them. The result
is the ratio to the baseline's block in the same turn: its median over the turns of a round, then over the rounds.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.contenders import AIOBOTOCORE, BOTO3, CAPO, OURS, PLAIN, contenders
from benchmarks.processes import ChildFailedError, ServerProcess, TurnProcess, result_of
from benchmarks.programs.decode import JSON_ONLY
from benchmarks.results import Rounds, Spread, Table, interleave
from benchmarks.server import user_page

CONCURRENCY = 32
DECODED = {AIOBOTOCORE: "dicts", OURS: "attrs classes", CAPO: "typed dicts", JSON_ONLY: "raw JSON"}


@dataclass(frozen=True, slots=True)
class Group:
    """Contenders that take turns: calls per block of each, the baseline first; turns per round; rounds."""

    calls: Mapping[str, int]
    turns: int
    rounds: int


def cpu(*, quick: bool) -> list[Table]:
    """Measure unsigned ConfirmForgotPassword against plain aiohttp, and signed ListUsers against aiobotocore."""
    near = Group({PLAIN: 512, OURS: 512}, *((8, 4) if quick else (10, 15)))
    far = Group({PLAIN: 2000, AIOBOTOCORE: 480, CAPO: 320, BOTO3: 240}, *((2, 2) if quick else (4, 4)))
    signed = Group({AIOBOTOCORE: 32, OURS: 64, CAPO: 64, BOTO3: 32}, *((5, 2) if quick else (8, 5)))
    about = f"CPU time of the client process per call; {CONCURRENCY} concurrent calls; fresh processes taking turns"
    confirm = Table(
        "CPU per call: ConfirmForgotPassword, unsigned",
        f"{about}; {near.rounds} rounds ({far.rounds} for the slow libraries); median (lowest-highest) of the ratios.",
        ("contender", "x plain aiohttp", "CPU us per call", "wall us per call", "target"),
    )
    list_users = Table(
        "CPU per call: ListUsers, signed, a page of 60 users with 8 attributes",
        f"{about}; {signed.rounds} rounds; median (lowest-highest) of the ratios.",
        ("contender", "x aiobotocore", "CPU us per call", "wall us per call", "target"),
    )
    _fill(confirm, "confirm", [near, far], "<= 1.05 x")
    _fill(list_users, "list_users", [signed], "<= 0.35 x")
    return [confirm, list_users]


def _fill(table: Table, operation: str, groups: list[Group], target: str) -> None:
    """Measure the groups and add a row for each contender, from the first group that has it."""
    known = contenders()
    names = list(dict.fromkeys(name for group in groups for name in group.calls))
    absent = {name: why for name in names if (why := known[name].absence())}
    added = set()
    for group in groups:
        calls = {name: number for name, number in group.calls.items() if name not in absent}
        with ServerProcess() as server:
            done = [_round(server.url, operation, calls, group.turns) for _ in range(group.rounds)]
        for name in group.calls:
            if name in added:
                continue
            added.add(name)
            if name in absent:
                table.add(name, absent[name])
            else:
                _add(table, name, names[0], done, target if name == OURS else "")


def _round(url: str, operation: str, calls: Mapping[str, int], turns: int) -> Rounds:
    """Start a process for each contender and let them take their turns."""
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(
                TurnProcess("benchmarks.programs.calls", name, operation, url, str(number), str(CONCURRENCY))
            )
            for name, number in calls.items()
        }
        return interleave(list(calls), turns, lambda name: processes[name].turn())


def _add(table: Table, name: str, baseline: str, done: list[Rounds], target: str) -> None:
    failures = [one.failures[name] for one in done if name in one.failures]
    if failures:
        table.add_failed(name, failures[0])
        return
    ratios = [ratio.median for one in done if (ratio := one.ratios(name, baseline))]
    costs = [Spread.of(one.values(name, index).median for one in done).median for index in (0, 1)]
    table.add(name, Spread.of(ratios).show() if ratios else "", *[f"{cost * 1e6:.0f}" for cost in costs], target)


def decode(*, quick: bool) -> list[Table]:
    """Measure all decoders in one process, block by block, in a few processes one after the other."""
    processes, blocks = (2, 5) if quick else (4, 10)
    table = Table(
        "Decoding a ListUsers page of 60 users with 8 attributes",
        f"The same {len(user_page()):,} bytes for all; blocks of decodes taking turns in one process; {processes} "
        f"processes x {blocks} blocks; median (lowest-highest) of the ratios block by block.",
        ("contender", "result", "x aiobotocore", "us per page", "target"),
    )
    names = (AIOBOTOCORE, OURS, CAPO)
    known = contenders()
    absent = {name: why for name in names if (why := known[name].absence())}
    present = [*[name for name in names if name not in absent], JSON_ONLY]
    try:
        samples = [
            block
            for _ in range(processes)
            for block in result_of("benchmarks.programs.decode", str(blocks), *present, kind=list)
        ]
    except ChildFailedError as failure:
        table.add_failed(", ".join(present), failure)
        return [table]
    for name in (*names, JSON_ONLY):
        if name in absent:
            table.add(name, absent[name])
            continue
        times = [sample[present.index(name)] for sample in samples]
        ratio = ""
        if AIOBOTOCORE in present:
            baseline = [sample[present.index(AIOBOTOCORE)] for sample in samples]
            ratio = Spread.of(a / b for a, b in zip(times, baseline, strict=True)).show()
        table.add(
            name, DECODED[name], ratio, f"{Spread.of(times).median * 1e6:.0f}", "<= 0.50 x" if name == OURS else ""
        )
    return [table]
