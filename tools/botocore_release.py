"""Compare the pinned botocore, which has the service model, with the newest release, and pin the newest one.

Usage: ``python -m tools.botocore_release`` warns if a newer release exists; it always succeeds, also without a network.
``python -m tools.botocore_release --pin`` pins the newest release.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PINNED = ("constraints.txt", "requirements-oldest.txt")
LOOKUP_SECONDS = 10.0
"""Time limit of the warning in `make check`."""
PIN_SECONDS = 120.0
LOOKUP = [
    *(sys.executable, "-m", "pip", "index", "versions", "botocore"),
    *("--disable-pip-version-check", "--no-input", "--retries", "0", "--timeout", "5"),
]
_PIN = re.compile(r"^botocore==(\S+)$", re.MULTILINE)


def newest(lookup: list[str] | None = None, seconds: float = LOOKUP_SECONDS) -> str | None:
    """Return the newest release as pip finds it; None if the lookup fails or takes longer than ``seconds``."""
    try:
        done = subprocess.run(  # noqa: S603 - pip with fixed arguments
            lookup or LOOKUP, capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"^botocore \(([\d.]+)\)", done.stdout, re.MULTILINE)
    return found[1] if found else None


def pinned(root: Path) -> str:
    """Return the pinned release."""
    found = _PIN.search((root / PINNED[0]).read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{PINNED[0]} has no line botocore==<version>")
    return found[1]


def pin(version: str, root: Path) -> None:
    """Pin a release in all files that name it."""
    for name in PINNED:
        path = root / name
        path.write_text(_PIN.sub(f"botocore=={version}", path.read_text(encoding="utf-8")), encoding="utf-8")


def is_behind(version: str, other: str) -> bool:
    """Return whether a release is older than another one."""
    numbers = [[int(part) for part in re.findall(r"\d+", each)] for each in (version, other)]
    return numbers[0] < numbers[1]


def main(arguments: list[str] | None = None, lookup: list[str] | None = None, seconds: float | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pin", action="store_true", help="pin the newest release")
    options = parser.parse_args(arguments)
    current = pinned(ROOT)
    found = newest(lookup, seconds or (PIN_SECONDS if options.pin else LOOKUP_SECONDS))
    if found is None:
        print("botocore: the newest release could not be looked up")
        return 1 if options.pin else 0
    if not is_behind(current, found):
        print(f"botocore: {current} is the newest release")
    elif options.pin:
        pin(found, ROOT)
        print(f"botocore: pinned {found} instead of {current}; run 'make generate'")
    else:
        print(f"warning: botocore {found} is available, the service model is that of {current}: make upgrade-model")
    return 0


if __name__ == "__main__":
    sys.exit(main())
