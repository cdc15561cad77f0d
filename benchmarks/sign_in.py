"""Sign-in with SRP: CPU, stalls of the event loop, and many sign-ins at the same time."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.processes import ROOT, environment, limited, result_of
from benchmarks.programs.sign_in import CROWD, PYCOGNITO, WITH_GMPY2, WITHOUT_GMPY2
from benchmarks.results import Spread, Table, interleave

MODULES = {WITH_GMPY2: "gmpy2", WITHOUT_GMPY2: "cognito_async", PYCOGNITO: "pycognito"}
CPU_TARGETS = {WITH_GMPY2: "<= 3 ms", WITHOUT_GMPY2: "<= 20 ms"}


def sign_in(*, quick: bool) -> list[Table]:
    """Measure sign-ins of a user without MFA against a fake user pool in another process."""
    rounds, sign_ins = (3, 10) if quick else (7, 30)
    table = Table(
        "Sign-in with SRP, in two requests",
        f"A fresh process per round signs in {sign_ins} times for the CPU time, {sign_ins} times for the longest turn "
        f"of the loop, in CPU time, and {CROWD} times concurrently for the delay of a heartbeat, in wall time, which "
        f"is longer on a busy machine; {rounds} interleaved rounds; median (lowest-highest).",
        (
            "contender",
            "CPU ms",
            "target",
            "x pycognito",
            "longest stall ms",
            "target",
            f"heartbeat p99 ms, {CROWD} sign-ins",
            "target",
            "longest ms",
        ),
    )
    present = [name for name, module in MODULES.items() if importlib.util.find_spec(module) is not None]
    with fake_pool() as (url, client_id):

        def measure(name: str) -> Sequence[float]:
            numbers: list[float] = result_of(
                "benchmarks.programs.sign_in", name, url, client_id, str(sign_ins), kind=list
            )
            return numbers

        done = interleave(present, rounds, measure)
    for name in MODULES:
        if name not in present:
            table.add(name, "not installed")
        elif name in done.failures:
            table.add_failed(name, done.failures[name])
        else:
            ours = name in CPU_TARGETS
            cpu, stall, late, latest = (
                Spread.of(sample[index] * 1e3 for sample in done.samples[name]).show("{:.1f}") for index in range(4)
            )
            ratio = done.ratios(name, PYCOGNITO)
            cells = [cpu, CPU_TARGETS.get(name, ""), ratio.show() if ratio else ""]
            table.add(name, *cells, stall, "<= 2 ms" if ours else "", late, "<= 5 ms" if ours else "", latest)
    return [table]


@contextmanager
def fake_pool() -> Iterator[tuple[str, str]]:
    """Start a fake user pool; return its URL and the ID of an app client."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.programs.sign_in_pool"],
        env=environment(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        with limited(process):
            url, client_id = process.stdout.readline().split()
        yield url, client_id
        process.communicate()
