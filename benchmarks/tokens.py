"""Verification of tokens: its time beside other libraries and in a route, malformed tokens, a flood of unknown keys."""

import importlib.util

from benchmarks.contenders import OURS
from benchmarks.processes import ChildFailedError, result_of
from benchmarks.programs.tokens import FASTAPI_COGNITO, JOSERFC, PYJWT, UNKNOWN_KEYS_PER_SECOND
from benchmarks.results import Spread, Table

PROGRAM = "benchmarks.programs.tokens"
MODULES = {OURS: "cognito_async", PYJWT: "jwt", JOSERFC: "joserfc", FASTAPI_COGNITO: "fastapi_cognito"}


def tokens(*, quick: bool) -> list[Table]:
    """Measure verification, malformed tokens, a protected route, and a flood of unknown keys."""
    return [_verify(quick=quick), _refuse(), _protect(quick=quick), _flood(quick=quick)]


def _verify(*, quick: bool) -> Table:
    processes, blocks = (2, 5) if quick else (4, 10)
    table = Table(
        "Verifying an access token with a known key",
        f"RS256, 2048 bits; signature, issuer, expiry, use and app client (fastapi-cognito: neither issuer nor use); "
        f"{processes} processes x {blocks} blocks taking turns; median (lowest-highest) of the ratios block by block.",
        ("contender", "x PyJWT", "CPU us per token", "target"),
    )
    present = [name for name, module in MODULES.items() if importlib.util.find_spec(module) is not None]
    try:
        samples = [
            block for _ in range(processes) for block in result_of(PROGRAM, "verify", str(blocks), *present, kind=list)
        ]
    except ChildFailedError as failure:
        table.add_failed(", ".join(present), failure)
        return table
    for name in MODULES:
        if name not in present:
            table.add(name, "not installed")
            continue
        times = [sample[present.index(name)] for sample in samples]
        ratio = ""
        if PYJWT in present:
            baseline = [sample[present.index(PYJWT)] for sample in samples]
            ratio = Spread.of(a / b for a, b in zip(times, baseline, strict=True)).show()
        table.add(name, ratio, f"{Spread.of(times).median * 1e6:.1f}", "<= 0.65 x" if name == OURS else "")
    return table


def _refuse() -> Table:
    table = Table(
        "Refusing malformed tokens",
        "Median of 200 refusals of the same token.",
        ("token", "us", "target"),
    )
    try:
        for name, seconds in result_of(PROGRAM, "refuse", kind=dict).items():
            table.add(name, f"{seconds * 1e6:.1f}", "<= 100")
    except ChildFailedError as failure:
        table.add_failed(OURS, failure)
    return table


def _protect(*, quick: bool) -> Table:
    processes, blocks = (1, 5) if quick else (3, 10)
    table = Table(
        "A FastAPI route with CurrentUser",
        f"The application is called directly, without a server; {processes} processes x {blocks} blocks of each route "
        f"taking turns; CPU time, median (lowest-highest).",
        ("route", "us per request", "us added", "target"),
    )
    if importlib.util.find_spec("fastapi") is None:
        table.add("CurrentUser", "not installed")
        return table
    try:
        samples = [block for _ in range(processes) for block in result_of(PROGRAM, "protect", str(blocks), kind=list)]
    except ChildFailedError as failure:
        table.add_failed("CurrentUser", failure)
        return table
    table.add("bare", Spread.of(bare * 1e6 for bare, _ in samples).show(), "", "")
    added = Spread.of((protected - bare) * 1e6 for bare, protected in samples).show()
    table.add("CurrentUser", Spread.of(protected * 1e6 for _, protected in samples).show(), added, "<= 150")
    return table


def _flood(*, quick: bool) -> Table:
    seconds = 4 if quick else 10
    table = Table(
        f"A flood of {UNKNOWN_KEYS_PER_SECOND:,} unknown keys per second",
        f"Over {seconds} s, one event loop; between them a known key, and one that was rotated at the start.",
        ("measure", "result", "target"),
    )
    try:
        found = result_of(PROGRAM, "flood", str(seconds), kind=dict)
    except ChildFailedError as failure:
        table.add_failed(OURS, failure)
        return table
    table.add("unknown keys per second", f"{found['rate']:,.0f}", f"{UNKNOWN_KEYS_PER_SECOND:,}")
    table.add("fetches of the key set", f"{found['fetches']:.0f}", "<= 2")
    table.add("CPU time of a known key, x without the flood", f"{found['busy'] / found['calm']:.2f}", "<= 1.2")
    table.add("memory blocks kept for an unknown key", f"{found['blocks']:.3f}", "0")
    accepted = f"{found['accepted']:.1f}" if found["accepted"] >= 0 else "not accepted"
    table.add("seconds until a rotated key is accepted", accepted, "<= 10")
    return table
