"""From the start of a process to its first answer, and the import of the package alone."""

from collections.abc import Sequence

from benchmarks.child import ChildFailedError, answer_of, start_of
from benchmarks.contenders import AIOBOTOCORE, BOTO3, CAPO, OURS, PLAIN, contenders
from benchmarks.loopback import Loopback
from benchmarks.rounds import Rounds, Spread, interleave
from benchmarks.table import Table

NAMES = (PLAIN, OURS, AIOBOTOCORE, CAPO, BOTO3)
UNWANTED = ("aiohttp", "attr", "attrs", "cattrs")


def program_of(name: str) -> str:
    """Return the name of a contender's program."""
    return f"first_answer_{name.replace(' ', '_')}"


def run(*, quick: bool) -> list[Table]:
    """Measure whole processes against the plain aiohttp program, then `import cognito_async`."""
    close, far = (5, 3) if quick else (21, 5)
    groups = {(PLAIN, OURS): close, (PLAIN, AIOBOTOCORE, CAPO, BOTO3): far}
    table = Table(
        "From process start to the first answer",
        f"A fresh process imports the library, opens a session and makes one call; {close} interleaved rounds, "
        f"{far} for the far ones, bytecode compiled before; median (lowest-highest) of the ratios round by round, "
        "and the ratio of the fastest runs of all.",
        ("contender", "x plain aiohttp, wall", "fastest", "x plain aiohttp, CPU", "wall ms", "CPU ms", "bar"),
    )
    known = contenders()
    absent = {name: why for name in NAMES if (why := known[name].absence("AsyncCognitoSession"))}
    for group, rounds in groups.items():
        with Loopback() as server:

            def measure(name: str, url: str = server.url) -> Sequence[float]:
                return start_of(program_of(name), [url])

            present = [name for name in group if name not in absent]
            interleave(present, 1, measure)  # compiles the bytecode, warms the file cache
            done = interleave(present, rounds, measure)
        for name in group:
            if name in absent:
                table.add(name, absent[name])
            elif name in done.failures:
                table.add_failed(name, done.failures[name])
            elif not any(row[0] == name for row in table.rows):
                _add(table, name, done)
    return [table, _import_alone(5 if quick else 11)]


def _add(table: Table, name: str, done: Rounds) -> None:
    """Add the row of a contender that was measured."""
    walls, cpus = done.values(name, 0), done.values(name, 1)
    ratios = ["", "", ""]
    if (wall := done.ratios(name, PLAIN, 0)) and (cpu := done.ratios(name, PLAIN, 1)):
        ratios = [wall.show(), f"{walls.low / done.values(PLAIN, 0).low:.2f}", cpu.show()]
    table.add(
        name, *ratios, f"{walls.median * 1e3:.0f}", f"{cpus.median * 1e3:.0f}", "<= 1.10 x" if name == OURS else ""
    )


def _import_alone(rounds: int) -> Table:
    """Measure the import in fresh processes and name what it loads."""
    table = Table(
        "import cognito_async, and nothing else",
        f"{rounds} fresh processes; median (lowest-highest).",
        ("measure", "value", "bar"),
    )
    if why := contenders()[OURS].absence("AsyncCognitoSession"):
        table.add(OURS, why)
        return table
    try:
        seen = [answer_of("benchmarks.programs.import_alone", kind=dict) for _ in range(rounds + 1)][1:]
    except ChildFailedError as failure:
        table.add_failed(OURS, failure)
        return table
    table.add("wall ms", Spread.of(one["wall"] * 1e3 for one in seen).show("{:.1f}"))
    table.add("CPU ms", Spread.of(one["cpu"] * 1e3 for one in seen).show("{:.1f}"))
    table.add("modules loaded", str(seen[0]["modules"]))
    unwanted = [name for name in seen[0]["heavy"] if name in UNWANTED]
    table.add("aiohttp, attrs or cattrs among them", ", ".join(unwanted) or "none", "none")
    table.add("others worth naming", ", ".join(name for name in seen[0]["heavy"] if name not in UNWANTED) or "none")
    return table
