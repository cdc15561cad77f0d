"""Measure cognito_async beside its peers: `python -m benchmarks [MEASURE…] [--quick] [--markdown FILE]`.

Everything happens on 127.0.0.1, in fresh processes, with numbers of calls and times that are bounded. The measures say
what is; they judge nothing: the exit code is 0 unless something failed to run. Ratios come from one run on one machine;
absolute times are for orientation.
"""

import argparse
import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import bulk, cpu, decode, kills, ledger, sites, size, stall, startup, throttle
from benchmarks.contenders import OURS, contenders
from benchmarks.table import Table

MEASURES: dict[str, Callable[..., list[Table]]] = {
    "cpu": cpu.run,
    "startup": startup.run,
    "stall": stall.run,
    "decode": decode.run,
    "size": size.run,
    "throttle": throttle.run,
    "ledger": ledger.run,
    "bulk-cost": bulk.cost,
    "bulk-flat": bulk.flat,
    "bulk-rate": bulk.rate,
    "bulk-kills": kills.run,
    "fastapi": sites.run,
}
VERSIONED = (
    "cognito_async",
    "aiohttp",
    "attrs",
    "cattrs",
    "aiobotocore",
    "boto3",
    "botocore",
    "capo-cognito-identity-provider",
    "fastapi",
    "uvicorn",
)


def facts() -> str:
    """Return what the numbers depend on, but for the machine: versions of Python and of the libraries."""
    known = [f"{platform.python_implementation()} {platform.python_version()}"]
    for name in VERSIONED:
        try:
            known.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            here = name == OURS and contenders()[OURS].absence() is None
            known.append(f"{name} {'from its source' if here else 'not installed'}")
    return ", ".join(known)


def named(asked: str) -> list[str]:
    """Return the measures that a word stands for: the one of that name, or all whose names begin with it."""
    return [name for name in MEASURES if name == asked or name.startswith(f"{asked}-")]


def main() -> int:
    """Run the measures asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure cognito_async beside its peers.")
    parser.add_argument(
        "measures",
        nargs="*",
        metavar="MEASURE",
        help=f"any of {', '.join(MEASURES)}; bulk for all of bulk; all by default",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a first impression")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown, too")
    options = parser.parse_args()
    if unknown := [name for name in options.measures if not named(name)]:
        parser.error(f"no measure {unknown[0]!r}; there are {', '.join(MEASURES)}")
    print(facts(), end="\n\n", flush=True)
    tables: list[Table] = []
    for name in [name for asked in options.measures for name in named(asked)] or MEASURES:
        began = time.perf_counter()
        for table in MEASURES[name](quick=options.quick):
            print(table.text(), end="\n\n", flush=True)
            tables.append(table)
        print(f"({name}: {time.perf_counter() - began:.0f} s)", end="\n\n", flush=True)
    if options.markdown:
        options.markdown.write_text("\n\n".join([facts(), *[table.markdown() for table in tables]]) + "\n")
    return 1 if any(table.failed for table in tables) else 0


if __name__ == "__main__":
    sys.exit(main())
