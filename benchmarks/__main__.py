"""Run benchmarks: `python -m benchmarks [NAME…] [--quick] [--markdown FILE]`.

Everything runs on 127.0.0.1 in fresh processes. A missed target is not an error: the exit code is 0 unless a program
fails. Compare the ratios; absolute times depend on the machine.
"""

import argparse
import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import bulk, call_cost, refresh, reliability, sign_in, sites, size, startup, tokens
from benchmarks.contenders import OURS, contenders
from benchmarks.results import Table

BENCHMARKS: dict[str, Callable[..., list[Table]]] = {
    "cpu": call_cost.cpu,
    "startup": startup.startup,
    "stall": startup.stall,
    "decode": call_cost.decode,
    "size": size.size,
    "throttle": reliability.throttle,
    "ledger": reliability.ledger,
    "refresh": refresh.refresh,
    "bulk-cost": bulk.cost,
    "bulk-flat": bulk.flat,
    "bulk-rate": bulk.rate,
    "bulk-kills": bulk.kills,
    "fastapi": sites.fastapi,
    "sign-in": sign_in.sign_in,
    "tokens": tokens.tokens,
}
PACKAGES = (
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
    "gmpy2",
    "pycognito",
    "cryptography",
    "PyJWT",
    "joserfc",
    "fastapi-cognito",
)


def versions() -> str:
    """Return the versions of Python and of the libraries."""
    known = [f"{platform.python_implementation()} {platform.python_version()}"]
    for name in PACKAGES:
        try:
            known.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            from_source = name == OURS and contenders()[OURS].absence() is None
            known.append(f"{name} {'from source' if from_source else 'not installed'}")
    return ", ".join(known)


def named(word: str) -> list[str]:
    """Return the benchmark of that name, or all of a group, such as bulk."""
    return [name for name in BENCHMARKS if name == word or name.startswith(f"{word}-")]


def main() -> int:
    """Run the selected benchmarks, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(BENCHMARKS)}; or bulk for all bulk benchmarks (default: all)",
    )
    parser.add_argument("--quick", action="store_true", help="run fewer rounds")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables to a Markdown file")
    options = parser.parse_args()
    if unknown := [name for name in options.names if not named(name)]:
        parser.error(f"unknown benchmark {unknown[0]!r}; choose from {', '.join(BENCHMARKS)}")
    print(versions(), end="\n\n", flush=True)
    tables: list[Table] = []
    for name in [name for word in options.names for name in named(word)] or BENCHMARKS:
        began = time.perf_counter()
        for table in BENCHMARKS[name](quick=options.quick):
            print(table.text(), end="\n\n", flush=True)
            tables.append(table)
        print(f"({name}: {time.perf_counter() - began:.0f} s)", end="\n\n", flush=True)
    if options.markdown:
        options.markdown.write_text("\n\n".join([versions(), *[table.markdown() for table in tables]]) + "\n")
    return 1 if any(table.failed for table in tables) else 0


if __name__ == "__main__":
    sys.exit(main())
