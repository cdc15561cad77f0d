"""The longest stall of the event loop while a session opens and makes its first call."""

from collections.abc import Sequence

from benchmarks.child import answer_of
from benchmarks.contenders import AIOBOTOCORE, BOTO3, CAPO, OURS, PLAIN, contenders
from benchmarks.loopback import Loopback
from benchmarks.rounds import interleave
from benchmarks.startup import program_of
from benchmarks.table import Table

NAMES = (PLAIN, OURS, AIOBOTOCORE, CAPO, BOTO3)


def run(*, quick: bool) -> list[Table]:
    """Measure fresh processes with a coroutine that watches every turn of the loop."""
    rounds = 5 if quick else 11
    table = Table(
        "Longest stall of the event loop, opening a session and making the first call",
        f"Imports stand at the top of the program, before the loop runs; {rounds} interleaved rounds.",
        ("contender", "median ms", "lowest ms", "highest ms", "bar"),
        notes=["boto3 in threads calls nothing in the loop; its threads hold the interpreter's lock"],
    )
    known = contenders()
    absent = {name: why for name in NAMES if (why := known[name].absence("AsyncCognitoSession"))}
    present = [name for name in NAMES if name not in absent]
    with Loopback() as server:

        def measure(name: str) -> Sequence[float]:
            return answer_of("benchmarks.programs.stall", program_of(name), server.url, kind=list)

        interleave(present, 1, measure)
        done = interleave(present, rounds, measure)
    for name in NAMES:
        if name in absent:
            table.add(name, absent[name])
        elif name in done.failures:
            table.add_failed(name, done.failures[name])
        else:
            stall = done.values(name)
            numbers = [f"{value * 1e3:.1f}" for value in (stall.median, stall.low, stall.high)]
            table.add(name, *numbers, "<= 5 ms" if name == OURS else "")
    return [table]
