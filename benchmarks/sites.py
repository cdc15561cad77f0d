"""The same route of a FastAPI site on each library: requests a second, CPU, and what it adds to the bare call.

All sites are served by `uvicorn[standard]`, one worker each, and stand by together; they take turns in short blocks,
against one server in the service's place and with one small program for the visitors, each in a process of its own.
"""

import importlib.util
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.child import ChildFailedError, Standing
from benchmarks.contenders import AIOBOTOCORE, BOTO3, OURS, contenders
from benchmarks.loopback import Loopback
from benchmarks.rounds import Rounds, Spread, interleave
from benchmarks.table import Table

CONNECTIONS = 32
LONGEST = 300.0
ALONE = "FastAPI alone"
ROUTER = "cognito_async, router"
SITES = {
    ALONE: "site_fastapi_alone",
    OURS: "site_cognito_async",
    ROUTER: "site_cognito_async_router",
    AIOBOTOCORE: "site_aiobotocore",
    BOTO3: "site_boto3_in_threads",
}
SERVED_WITH = ("fastapi", "uvicorn", "uvloop", "httptools", "pydantic_settings")
LIBRARIES = {OURS: OURS, ROUTER: OURS, AIOBOTOCORE: AIOBOTOCORE, BOTO3: BOTO3}


class Site:
    """A site that stands by, with the visitors who come many at once, the one who comes alone, and a bare caller."""

    def __init__(self, name: str, url: str, visits: int, waits: int, processes: ExitStack) -> None:
        self._served = self._standing(processes, "served", SITES[name], url)
        port = str(int(self._served.turn()[0]))
        self._many = self._standing(processes, "visits", port, str(visits), str(CONNECTIONS))
        self._one = self._standing(processes, "visits", port, str(waits), "1")
        library = LIBRARIES.get(name)
        self._bare = None if library is None else self._standing(processes, "waits", library, url, str(waits))
        self._visits = visits

    @staticmethod
    def _standing(processes: ExitStack, program: str, *arguments: str) -> Standing:
        return processes.enter_context(Standing(f"benchmarks.programs.{program}", *arguments, time_limit=LONGEST))

    def load(self) -> Sequence[float]:
        """Let many visitors come; return seconds a visit, the site's CPU a visit, the visitors' CPU a visit."""
        before = self._served.turn()[1]
        wall, _, visitors = self._many.turn()
        return [wall, (self._served.turn()[1] - before) / self._visits, visitors]

    def wait(self) -> Sequence[float]:
        """Let one visitor come, beside a bare caller; return the median wait of either, and the difference."""
        bare = 0.0 if self._bare is None else self._bare.turn()[0]
        _, visitor, _ = self._one.turn()
        return [visitor, bare, visitor - bare]


def run(*, quick: bool) -> list[Table]:
    """Measure the sites under load and with one visitor."""
    rounds, turns, visits, waits = (1, 4, 480, 100) if quick else (3, 8, 640, 200)
    load = Table(
        "A FastAPI route that sets a forgotten password: under load",
        f"uvicorn[standard], one worker; {CONNECTIONS} connections that are kept, {visits} requests a turn, sites "
        f"taking turns; {rounds} rounds of fresh processes x {turns} turns; median (lowest-highest) of the ratios turn "
        "by turn.",
        ("site", "requests/s x aiobotocore", "bar", "CPU x aiobotocore", "requests/s", "CPU us a request"),
    )
    wait = Table(
        "A FastAPI route that sets a forgotten password: what it adds to the call",
        f"One connection, one request at a time, beside the bare call in a process of its own against the same server; "
        f"medians of {waits}, then of the {rounds} x {turns} turns (lowest-highest).",
        ("site", "request ms", "bare call ms", "added ms", "bar"),
    )
    tables = [load, wait]
    absent = _absences()
    names = [name for name in SITES if name not in absent]
    loads, waited = [], []
    with Loopback() as server:
        for _ in range(rounds):
            one, other = _round(server.url, names, turns, visits, waits)
            loads.append(one)
            waited.append(other)
    for name in SITES:
        failures = [one.failures[name] for one in [*loads, *waited] if name in one.failures]
        for table in tables:
            if name in absent:
                table.add(name, absent[name])
            elif failures:
                table.add_failed(name, failures[0])
        if name not in absent and not failures:
            _add_load(load, name, loads)
            _add_wait(wait, name, waited)
    costs = [sample[2] * 1e6 for one in loads for samples in one.samples.values() for sample in samples]
    if costs:
        load.notes.append(f"the visitors' process takes {Spread.of(costs).median:.0f} us of CPU a request")
    return tables


def _absences() -> dict[str, str]:
    """Say which sites cannot be measured, and why."""
    if any(importlib.util.find_spec(name) is None for name in SERVED_WITH):
        return dict.fromkeys(SITES, "not installed")
    known = contenders()
    absent = {name: why for name, library in LIBRARIES.items() if (why := known[library].absence())}
    if OURS not in absent and importlib.util.find_spec("cognito_async.fastapi") is None:
        absent |= dict.fromkeys((OURS, ROUTER), "not in this version")
    return absent


def _round(url: str, names: Sequence[str], turns: int, visits: int, waits: int) -> tuple[Rounds, Rounds]:
    """Let fresh processes of each site take their turns, under load and then with one visitor."""
    failed: dict[str, ChildFailedError] = {}
    with ExitStack() as processes:
        sites: dict[str, Site] = {}
        for name in names:
            try:
                sites[name] = Site(name, url, visits, waits, processes)
            except ChildFailedError as failure:
                failed[name] = failure
        loads = interleave(list(sites), turns, lambda name: sites[name].load())
        waited = interleave(list(sites), turns, lambda name: sites[name].wait())
    loads.failures |= failed
    return loads, waited


def _add_load(table: Table, name: str, done: list[Rounds]) -> None:
    """Add the row of a site under load."""
    samples = [sample for one in done for sample in one.samples[name]]
    cells = [f"{1 / Spread.of(sample[0] for sample in samples).median:,.0f}"]
    cells.append(f"{Spread.of(sample[1] for sample in samples).median * 1e6:.0f}")
    faster, cheaper = "", ""
    if all(AIOBOTOCORE in one.samples for one in done):
        theirs = [sample for one in done for sample in one.samples[AIOBOTOCORE]]
        pairs = list(zip(samples, theirs, strict=True))
        faster = Spread.of(other[0] / mine[0] for mine, other in pairs).show()
        cheaper = Spread.of(mine[1] / other[1] for mine, other in pairs).show()
    table.add(name, faster, ">= 2 x" if name in {OURS, ROUTER} else "", cheaper, *cells)


def _add_wait(table: Table, name: str, done: list[Rounds]) -> None:
    """Add the row of a site with one visitor."""
    samples = [sample for one in done for sample in one.samples[name]]
    request, bare = (f"{Spread.of(sample[index] for sample in samples).median * 1e3:.2f}" for index in (0, 1))
    added = Spread.of(sample[2] * 1e3 for sample in samples).show()
    table.add(name, request, bare if name in LIBRARIES else "", added, "<= 1 ms" if name in {OURS, ROUTER} else "")
