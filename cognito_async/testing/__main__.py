"""``python -m cognito_async.testing``: make what the local pool needs, ahead of the tests that use it."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from cognito_async.testing.environment import LocalPoolError, prepare


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, or 1 when the environment cannot be made.

    Args:
        arguments: What follows the program's name; ``None`` takes this process's own.
    """
    parser = argparse.ArgumentParser(prog="python -m cognito_async.testing", description="Set up the local pool.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("prepare", help="install the emulator into your cache folder, unless it is there already")
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
