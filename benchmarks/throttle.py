"""A bulk reset against a service that allows 100 requests a second: what is lost, and how long it takes."""

from typing import Any

from benchmarks.child import ChildFailedError, answer_of
from benchmarks.contenders import ADAPTIVE, AIOBOTOCORE, CAPO, OURS_TOLD, OURS_UNTOLD, STANDARD, contenders
from benchmarks.loopback import Loopback
from benchmarks.table import Table

RATE = 100.0
BURST = 10
TASKS = 64
BARS = {
    OURS_TOLD: ("0", "<= 1.03 x", "<= 1 %"),
    OURS_UNTOLD: ("0", "<= 1.10 x", "<= 5 %"),
}
NAMES = (OURS_TOLD, OURS_UNTOLD, AIOBOTOCORE, STANDARD, ADAPTIVE, CAPO)


def run(*, quick: bool) -> list[Table]:
    """Let every contender work through the same list, each against a fresh server."""
    calls = 300 if quick else 1500
    ideal = calls / RATE
    table = Table(
        f"Bulk reset behind a limit of {RATE:.0f} requests a second",
        f"{calls:,} calls from {TASKS} tasks, each user tried once; a token bucket, its burst {BURST}. Ideal time: "
        f"calls / rate = {ideal:.0f} s.",
        ("contender", "lost calls", "bar", "time / ideal", "bar", "throttled", "bar"),
        notes=["time / ideal says little of those that lose calls: giving up is quick"],
    )
    known = contenders()
    for name in NAMES:
        if why := known[name].absence("Quotas" if name == OURS_TOLD else "AsyncCognitoSession"):
            table.add(name, why)
            continue
        try:
            with Loopback("--rate", str(RATE), "--burst", str(BURST)) as server:
                arguments = [name, server.url, str(calls), str(TASKS), str(RATE)]
                learned: dict[str, Any] = answer_of("benchmarks.programs.resets", *arguments, kind=dict)
                stats = server.stats()
        except ChildFailedError as failure:
            table.add_failed(name, failure)
            continue
        lost = len(learned["failed"]) + len(learned["unknown"])
        share = stats.get("throttled", 0) / stats["requests"]
        bars = BARS.get(name, ("", "", ""))
        cells = (f"{lost:,}", f"{learned['seconds'] / ideal:.2f} x", f"{share:.1%}")
        table.add(name, *[cell for pair in zip(cells, bars, strict=True) for cell in pair])
        if lost:
            table.notes.append(f"{name} lost them to {', '.join(sorted(learned['errors']))}")
    return [table]
