"""Start-up: time to the first response, time of the import, and the longest stall of the event loop."""

from collections.abc import Sequence

from benchmarks.contenders import AIOBOTOCORE, BOTO3, CAPO, OURS, PLAIN, contenders
from benchmarks.processes import PROGRAMS, ChildFailedError, ServerProcess, result_of, start_of
from benchmarks.results import Rounds, Spread, Table, interleave

FIRST_RESPONSE = {
    PLAIN: "plain_aiohttp",
    OURS: "with_cognito_async",
    AIOBOTOCORE: "with_aiobotocore",
    CAPO: "with_capo",
    BOTO3: "with_boto3_in_threads",
}
"""The programs in programs/first_response/."""

LAZY = ("aiohttp", "attr", "attrs", "cattrs")
"""Modules that `import cognito_async` must not load."""


def startup(*, quick: bool) -> list[Table]:
    """Measure whole processes against the plain aiohttp program, then `import cognito_async`."""
    near, far = (5, 3) if quick else (21, 5)
    groups = {(PLAIN, OURS): near, (PLAIN, AIOBOTOCORE, CAPO, BOTO3): far}
    table = Table(
        "From process start to the first response",
        f"A fresh process imports the library, opens a session and makes one call; {near} interleaved rounds, "
        f"{far} for the other libraries; bytecode is compiled before; median (lowest-highest) of the ratios round by "
        "round, and the ratio of the fastest runs.",
        ("contender", "x plain aiohttp, wall", "fastest", "x plain aiohttp, CPU", "wall ms", "CPU ms", "target"),
    )
    known = contenders()
    absent = {name: why for name in FIRST_RESPONSE if (why := known[name].absence())}
    for group, rounds in groups.items():
        with ServerProcess() as server:

            def measure(name: str, url: str = server.url) -> Sequence[float]:
                return start_of(PROGRAMS / "first_response" / f"{FIRST_RESPONSE[name]}.py", url)

            present = [name for name in group if name not in absent]
            interleave(present, 1, measure)  # compiles the bytecode and warms the file cache
            done = interleave(present, rounds, measure)
        for name in group:
            if name in absent:
                table.add(name, absent[name])
            elif name in done.failures:
                table.add_failed(name, done.failures[name])
            elif not any(row[0] == name for row in table.rows):
                _add(table, name, done)
    return [table, _import_time(5 if quick else 11)]


def _add(table: Table, name: str, done: Rounds) -> None:
    walls, cpus = done.values(name, 0), done.values(name, 1)
    ratios = ["", "", ""]
    if (wall := done.ratios(name, PLAIN, 0)) and (cpu := done.ratios(name, PLAIN, 1)):
        ratios = [wall.show(), f"{walls.low / done.values(PLAIN, 0).low:.2f}", cpu.show()]
    table.add(
        name, *ratios, f"{walls.median * 1e3:.0f}", f"{cpus.median * 1e3:.0f}", "<= 1.12 x" if name == OURS else ""
    )


def _import_time(rounds: int) -> Table:
    """Measure the import in fresh processes and list the modules it loads."""
    table = Table(
        "import cognito_async",
        f"{rounds} fresh processes; median (lowest-highest).",
        ("measurement", "value", "target"),
    )
    try:
        results = [result_of("benchmarks.programs.import_time", kind=dict) for _ in range(rounds + 1)][1:]
    except ChildFailedError as failure:
        table.add_failed(OURS, failure)
        return table
    table.add("wall ms", Spread.of(one["wall"] * 1e3 for one in results).show("{:.1f}"))
    table.add("CPU ms", Spread.of(one["cpu"] * 1e3 for one in results).show("{:.1f}"))
    table.add("modules loaded", str(results[0]["modules"]))
    eager = [name for name in results[0]["heavy"] if name in LAZY]
    table.add("aiohttp, attrs and cattrs among them", ", ".join(eager) or "none", "none")
    table.add("other large modules", ", ".join(name for name in results[0]["heavy"] if name not in LAZY) or "none")
    return table


def stall(*, quick: bool) -> list[Table]:
    """Measure the longest turn of the event loop in fresh processes."""
    rounds = 5 if quick else 11
    table = Table(
        "Longest stall of the event loop while opening a session and making the first call",
        f"Imports are at the top of the program, before the loop runs; {rounds} interleaved rounds.",
        ("contender", "median ms", "lowest ms", "highest ms", "target"),
        notes=["boto3 in threads runs nothing in the loop; its threads hold the interpreter's lock"],
    )
    known = contenders()
    absent = {name: why for name in FIRST_RESPONSE if (why := known[name].absence())}
    present = [name for name in FIRST_RESPONSE if name not in absent]
    with ServerProcess() as server:

        def measure(name: str) -> Sequence[float]:
            program = "benchmarks.programs.first_response.loop_stall"
            return result_of(program, FIRST_RESPONSE[name], server.url, kind=list)

        interleave(present, 1, measure)
        done = interleave(present, rounds, measure)
    for name in FIRST_RESPONSE:
        if name in absent:
            table.add(name, absent[name])
        elif name in done.failures:
            table.add_failed(name, done.failures[name])
        else:
            longest = done.values(name)
            numbers = [f"{value * 1e3:.1f}" for value in (longest.median, longest.low, longest.high)]
            table.add(name, *numbers, "<= 5 ms" if name == OURS else "")
    return [table]
