"""Many password resets against a service with a rate limit, and against one with faults.

With faults, 40 % of the users meet one on the first attempt: a connection closed before or after the password was
changed, a truncated 200, a 500 before or after, a proxy's 502, a throttled request. The worst result is a reset that
was applied and is reported as failed: the old password no longer works, and the user does not know the new one.
"""

from collections import Counter
from typing import Any

from benchmarks.contenders import (
    ADAPTIVE,
    AIOBOTOCORE,
    BOTO3,
    CAPO,
    OURS,
    OURS_WITH_RATE,
    OURS_WITHOUT_RATE,
    STANDARD,
    contenders,
)
from benchmarks.processes import ChildFailedError, ServerProcess, result_of
from benchmarks.results import Table, with_targets

RATE = 100.0
BURST = 10
THROTTLE_TASKS = 64
THROTTLE_TARGETS = {
    OURS_WITH_RATE: ("0", "<= 1.03 x", "<= 1 %"),
    OURS_WITHOUT_RATE: ("0", "<= 1.10 x", "<= 5 %"),
}
FAULTY = 0.4
LEDGER_TASKS = 32


def throttle(*, quick: bool) -> list[Table]:
    """Run the same list of resets with every contender, each against a fresh server with a rate limit."""
    calls = 300 if quick else 1500
    ideal = calls / RATE
    table = Table(
        f"Bulk reset behind a limit of {RATE:.0f} requests per second",
        f"{calls:,} calls from {THROTTLE_TASKS} tasks, each user once; a token bucket with a burst of {BURST}. Ideal "
        f"time: calls / rate = {ideal:.0f} s.",
        ("contender", "lost calls", "target", "time / ideal", "target", "throttled", "target"),
        notes=["time / ideal is not comparable for contenders that lose calls: giving up is fast"],
    )
    known = contenders()
    for name in (OURS_WITH_RATE, OURS_WITHOUT_RATE, AIOBOTOCORE, STANDARD, ADAPTIVE, CAPO):
        if why := known[name].absence():
            table.add(name, why)
            continue
        try:
            with ServerProcess("--rate", str(RATE), "--burst", str(BURST)) as server:
                arguments = [name, server.url, str(calls), str(THROTTLE_TASKS), str(RATE)]
                outcome: dict[str, Any] = result_of("benchmarks.programs.resets", *arguments, kind=dict)
                throttled = server.share_throttled()
        except ChildFailedError as failure:
            table.add_failed(name, failure)
            continue
        lost = len(outcome["failed"]) + len(outcome["unknown"])
        cells = (f"{lost:,}", f"{outcome['seconds'] / ideal:.2f} x", f"{throttled:.1%}")
        table.add(name, *with_targets(cells, THROTTLE_TARGETS.get(name, ("", "", ""))))
        if lost:
            table.notes.append(f"{name} lost calls to {', '.join(sorted(outcome['errors']))}")
    return [table]


def ledger(*, quick: bool) -> list[Table]:
    """Run the same resets with the same faults with every contender; compare its reports with the server's ledger."""
    users = 400 if quick else 2000
    table = Table(
        f"Resets with faults on the first attempt of {FAULTY:.0%} of the users",
        f"{users:,} users, {LEDGER_TASKS} tasks, the same faults for every contender. False failure: reported as "
        "failed although the password was changed. False success: reported as done although it was not. Unknown: "
        "AmbiguousOutcomeError.",
        (
            *("contender", "false failures", "target", "false successes", "target"),
            *("unknown", "true failures", "true successes"),
        ),
    )
    known = contenders()
    for name in (OURS, AIOBOTOCORE, STANDARD, BOTO3, CAPO):
        if why := known[name].absence():
            table.add(name, why)
            continue
        try:
            with ServerProcess("--ledger", "--faults", str(FAULTY)) as server:
                arguments = [name, server.url, str(users), str(LEDGER_TASKS), "0"]
                outcome: dict[str, Any] = result_of("benchmarks.programs.resets", *arguments, kind=dict)
                facts = server.ledger()
        except ChildFailedError as failure:
            table.add_failed(name, failure)
            continue
        _compare(table, name, outcome, facts)
    return [table]


def _compare(table: Table, name: str, outcome: dict[str, Any], facts: dict[str, Any]) -> None:
    """Compare the reported outcomes with the server's ledger."""
    applied = set(facts["applied"])
    failed, succeeded = set(outcome["failed"]), set(outcome["succeeded"])
    false = (str(len(failed & applied)), str(len(succeeded - applied)))
    others = (len(outcome["unknown"]), len(failed - applied), len(succeeded & applied))
    table.add(name, *with_targets(false, ("0", "0") if name == OURS else ("", "")), *map(str, others))
    met = Counter(facts["faults"][user] or "none" for user in failed & applied)
    if met:
        counts = ", ".join(f"{fault} ({count})" for fault, count in met.most_common())
        table.notes.append(f"faults behind the false failures of {name}: {counts}")
