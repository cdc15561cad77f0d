"""CPU time per call of the client process, at 32 concurrent calls over loopback.

Fresh processes stand by together and take turns in blocks of calls, so that a machine that is slow for a moment
is slow for all. What counts is the ratio to the baseline's neighbouring block: its median over the turns of a round,
then the median over the rounds.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.child import Standing
from benchmarks.contenders import AIOBOTOCORE, BOTO3, CAPO, OURS, PLAIN, contenders
from benchmarks.loopback import Loopback
from benchmarks.rounds import Rounds, Spread, interleave
from benchmarks.table import Table

CONCURRENCY = 32


@dataclass(frozen=True, slots=True)
class Group:
    """Contenders that take turns: calls in a block for each, the baseline first; turns in a round; rounds."""

    calls: Mapping[str, int]
    turns: int
    rounds: int


def run(*, quick: bool) -> list[Table]:
    """Measure unsigned ConfirmForgotPassword against plain aiohttp, and signed ListUsers against aiobotocore."""
    close = Group({PLAIN: 512, OURS: 512}, *((8, 4) if quick else (10, 15)))
    far = Group({PLAIN: 2000, AIOBOTOCORE: 480, CAPO: 320, BOTO3: 240}, *((2, 2) if quick else (4, 4)))
    signed = Group({AIOBOTOCORE: 32, OURS: 64, CAPO: 64, BOTO3: 32}, *((5, 2) if quick else (8, 5)))
    about = (
        f"CPU time of the client process per call, {CONCURRENCY} calls at once, fresh processes taking turns in blocks"
    )
    confirm = Table(
        "CPU per call: ConfirmForgotPassword, unsigned",
        f"{about}; {close.rounds} rounds ({far.rounds} for the far ones), median (lowest-highest) of their ratios.",
        ("contender", "x plain aiohttp", "CPU us a call", "wall us a call", "bar"),
    )
    list_users = Table(
        "CPU per call: ListUsers, signed, a page of 60 users with 8 attributes",
        f"{about}; {signed.rounds} rounds, median (lowest-highest) of their ratios.",
        ("contender", "x aiobotocore", "CPU us a call", "wall us a call", "bar"),
    )
    _fill(confirm, "confirm", [close, far], "<= 1.10 x")
    _fill(list_users, "list_users", [signed], "<= 0.35 x")
    return [confirm, list_users]


def _fill(table: Table, operation: str, groups: list[Group], bar: str) -> None:
    """Measure the groups and add a row for each contender, from the first group that has it."""
    known = contenders()
    feature = "CognitoClient.list_users" if operation == "list_users" else "AsyncCognitoSession"
    names = list(dict.fromkeys(name for group in groups for name in group.calls))
    absent = {name: why for name in names if (why := known[name].absence(feature))}
    told = set()
    for group in groups:
        calls = {name: number for name, number in group.calls.items() if name not in absent}
        with Loopback() as server:
            done = [_round(server.url, operation, calls, group.turns) for _ in range(group.rounds)]
        for name in group.calls:
            if name in told:
                continue
            told.add(name)
            if name in absent:
                table.add(name, absent[name])
            else:
                _add(table, name, names[0], done, bar if name == OURS else "")


def _round(url: str, operation: str, calls: Mapping[str, int], turns: int) -> Rounds:
    """Let a fresh process of each contender take its turns."""
    with ExitStack() as processes:
        standing = {
            name: processes.enter_context(
                Standing("benchmarks.programs.calls", name, operation, url, str(number), str(CONCURRENCY))
            )
            for name, number in calls.items()
        }
        return interleave(list(calls), turns, lambda name: standing[name].turn())


def _add(table: Table, name: str, baseline: str, done: list[Rounds], bar: str) -> None:
    """Add the row of a contender that was measured, or that failed in some round."""
    failures = [one.failures[name] for one in done if name in one.failures]
    if failures:
        table.add_failed(name, failures[0])
        return
    ratios = [ratio.median for one in done if (ratio := one.ratios(name, baseline))]
    costs = [Spread.of(one.values(name, index).median for one in done).median for index in (0, 1)]
    table.add(name, Spread.of(ratios).show() if ratios else "", *[f"{cost * 1e6:.0f}" for cost in costs], bar)
