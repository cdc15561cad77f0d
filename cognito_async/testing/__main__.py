"""``python -m cognito_async.testing prepare``: install the emulator of the local pool before the tests run."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from cognito_async.testing.environment import LocalPoolError, prepare


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 if the emulator cannot be installed."""
    parser = argparse.ArgumentParser(prog="python -m cognito_async.testing", description="Install the local pool.")
    parser.add_argument("command", choices=["prepare"], help="install the emulator into the cache unless it exists")
    parser.parse_args(arguments)
    try:
        python = asyncio.run(prepare())
    except LocalPoolError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The emulator is in {python.parent.parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
