"""The same FastAPI route with each library: requests per second, CPU, and the time it adds to the call.

All sites are served by `uvicorn[standard]` with one worker and take turns in short blocks. The service and the clients
are separate processes.
"""

import importlib.util
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.contenders import AIOBOTOCORE, BOTO3, OURS, contenders
from benchmarks.processes import ChildFailedError, ServerProcess, TurnProcess
from benchmarks.results import Rounds, Spread, Table, interleave

CONNECTIONS = 32
TIME_LIMIT = 300.0
ALONE = "FastAPI alone"
ROUTER = "cognito_async, router"
SITES = {
    ALONE: "fastapi_alone",
    OURS: "with_cognito_async",
    ROUTER: "with_cognito_async_router",
    AIOBOTOCORE: "with_aiobotocore",
    BOTO3: "with_boto3_in_threads",
}
"""The functions in programs/sites/apps.py."""

SERVED_WITH = ("fastapi", "uvicorn", "uvloop", "httptools", "pydantic_settings")
TARGETS = {OURS: ">= 2.2 x", ROUTER: ">= 1.6 x"}
LIBRARIES = {OURS: OURS, ROUTER: OURS, AIOBOTOCORE: AIOBOTOCORE, BOTO3: BOTO3}


class Site:
    """The processes of a site: its server, clients with many connections and with one, and calls without a site."""

    def __init__(self, name: str, url: str, requests: int, waits: int, stack: ExitStack) -> None:
        self._server = self._start(stack, "sites.serve", SITES[name], url)
        port = str(int(self._server.turn()[0]))
        self._many = self._start(stack, "sites.load", port, str(requests), str(CONNECTIONS))
        self._one = self._start(stack, "sites.load", port, str(waits), "1")
        library = LIBRARIES.get(name)
        self._call = None if library is None else self._start(stack, "calls", library, "confirm", url, str(waits), "1")
        self._requests = requests

    @staticmethod
    def _start(stack: ExitStack, program: str, *arguments: str) -> TurnProcess:
        return stack.enter_context(TurnProcess(f"benchmarks.programs.{program}", *arguments, time_limit=TIME_LIMIT))

    def load(self) -> Sequence[float]:
        """Send requests over many connections; return seconds, the site's CPU and the client's CPU per request."""
        before = self._server.turn()[1]
        wall, _, client = self._many.turn()
        return [wall, (self._server.turn()[1] - before) / self._requests, client]

    def wait(self) -> Sequence[float]:
        """Send requests over one connection; return the median time of a request, of a call, and the difference."""
        call = 0.0 if self._call is None else self._call.turn()[2]
        _, request, _ = self._one.turn()
        return [request, call, request - call]


def fastapi(*, quick: bool) -> list[Table]:
    """Measure the sites under load and with one connection."""
    rounds, turns, requests, waits = (1, 4, 480, 100) if quick else (3, 8, 640, 200)
    load = Table(
        "A FastAPI route that confirms a password reset: load",
        f"uvicorn[standard], one worker; {CONNECTIONS} kept connections, {requests} requests per turn, sites taking "
        f"turns; {rounds} rounds of fresh processes x {turns} turns; median (lowest-highest) of the ratios by turn.",
        ("site", "requests/s x aiobotocore", "target", "CPU x aiobotocore", "requests/s", "CPU us per request"),
    )
    wait = Table(
        "A FastAPI route that confirms a password reset: time added to the call",
        f"One connection, one request at a time, compared with the same call in another process against the same "
        f"server; medians of {waits}, then of the {rounds} x {turns} turns (lowest-highest).",
        ("site", "request ms", "call ms", "added ms", "target"),
    )
    tables = [load, wait]
    absent = _absences()
    names = [name for name in SITES if name not in absent]
    loads, waited = [], []
    with ServerProcess() as server:
        for _ in range(rounds):
            one, other = _round(server.url, names, turns, requests, waits)
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
        load.notes.append(f"the client process takes {Spread.of(costs).median:.0f} us of CPU per request")
    return tables


def _absences() -> dict[str, str]:
    """Return the sites that cannot be measured, with the reason."""
    if any(importlib.util.find_spec(name) is None for name in SERVED_WITH):
        return dict.fromkeys(SITES, "not installed")
    known = contenders()
    return {name: why for name, library in LIBRARIES.items() if (why := known[library].absence())}


def _round(url: str, names: Sequence[str], turns: int, requests: int, waits: int) -> tuple[Rounds, Rounds]:
    """Start the processes of each site and let them take turns, under load and then with one connection."""
    failed: dict[str, ChildFailedError] = {}
    with ExitStack() as stack:
        sites: dict[str, Site] = {}
        for name in names:
            try:
                sites[name] = Site(name, url, requests, waits, stack)
            except ChildFailedError as failure:
                failed[name] = failure
        loads = interleave(list(sites), turns, lambda name: sites[name].load())
        waited = interleave(list(sites), turns, lambda name: sites[name].wait())
    loads.failures |= failed
    return loads, waited


def _add_load(table: Table, name: str, done: list[Rounds]) -> None:
    samples = [sample for one in done for sample in one.samples[name]]
    cells = [f"{1 / Spread.of(sample[0] for sample in samples).median:,.0f}"]
    cells.append(f"{Spread.of(sample[1] for sample in samples).median * 1e6:.0f}")
    faster, cheaper = "", ""
    if all(AIOBOTOCORE in one.samples for one in done):
        baseline = [sample for one in done for sample in one.samples[AIOBOTOCORE]]
        pairs = list(zip(samples, baseline, strict=True))
        faster = Spread.of(other[0] / sample[0] for sample, other in pairs).show()
        cheaper = Spread.of(sample[1] / other[1] for sample, other in pairs).show()
    table.add(name, faster, TARGETS.get(name, ""), cheaper, *cells)


def _add_wait(table: Table, name: str, done: list[Rounds]) -> None:
    samples = [sample for one in done for sample in one.samples[name]]
    request, call = (f"{Spread.of(sample[index] for sample in samples).median * 1e3:.2f}" for index in (0, 1))
    added = Spread.of(sample[2] * 1e3 for sample in samples).show()
    table.add(name, request, call if name in LIBRARIES else "", added, "<= 1 ms" if name in {OURS, ROUTER} else "")
