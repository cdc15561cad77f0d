"""What callers are told of 2,000 password resets, beside what the server really did.

40 % of the users meet a fault on the first attempt: a connection cut before or after the password was changed, a
truncated 200, a 500 before or after, a proxy's 502, a throttle. The worst a library can do is report a reset as failed
that was applied: the old password is gone and nobody was told the new one counts.
"""

from collections import Counter
from typing import Any

from benchmarks.child import ChildFailedError, answer_of
from benchmarks.contenders import AIOBOTOCORE, BOTO3, CAPO, OURS, STANDARD, contenders
from benchmarks.loopback import Loopback
from benchmarks.table import Table

FAULTY = 0.4
TASKS = 32
NAMES = (OURS, AIOBOTOCORE, STANDARD, BOTO3, CAPO)


def run(*, quick: bool) -> list[Table]:
    """Let every contender reset the same users with the same faults, each against a fresh ledger."""
    users = 400 if quick else 2000
    table = Table(
        f"Resets with faults on the first attempt of {FAULTY:.0%} of the users",
        f"{users:,} users, {TASKS} tasks, the same faults for everyone. A false failure: reported as failed though the "
        "password was changed. A false success: reported as done though it was not. Unknown: AmbiguousOutcomeError.",
        (
            "contender",
            "false failures",
            "bar",
            "false successes",
            "bar",
            "unknown",
            "true failures",
            "true successes",
        ),
    )
    known = contenders()
    for name in NAMES:
        if why := known[name].absence("AsyncCognitoSession"):
            table.add(name, why)
            continue
        try:
            with Loopback("--ledger", "--faults", str(FAULTY)) as server:
                arguments = [name, server.url, str(users), str(TASKS), "0"]
                learned: dict[str, Any] = answer_of("benchmarks.programs.resets", *arguments, kind=dict)
                truth = server.ledger()
        except ChildFailedError as failure:
            table.add_failed(name, failure)
            continue
        _add(table, name, learned, truth)
    return [table]


def _add(table: Table, name: str, learned: dict[str, Any], truth: dict[str, Any]) -> None:
    """Compare what was said with what was done."""
    applied = set(truth["applied"])
    failed, succeeded = set(learned["failed"]), set(learned["succeeded"])
    bars = ("0", "0") if name == OURS else ("", "")
    table.add(
        name,
        str(len(failed & applied)),
        bars[0],
        str(len(succeeded - applied)),
        bars[1],
        str(len(learned["unknown"])),
        str(len(failed - applied)),
        str(len(succeeded & applied)),
    )
    met = Counter(truth["faults"][user] or "none" for user in failed & applied)
    if met:
        table.notes.append(
            f"{name}'s false failures met: {', '.join(f'{fault} ({n})' for fault, n in met.most_common())}"
        )
