"""The command line ``cognito-async``: bulk jobs, a user pool's users as a file, and single resets.

    cognito-async bulk reset users.csv --user-pool-id eu-west-1_AbC123

It needs nothing beside the library; with ``rich`` (extra ``cli``) a terminal shows a live display.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; None for this process's own.

    Returns:
        The exit code, see ``cognito_async.cli.exits``.
    """
    from cognito_async.cli.program import run  # noqa: PLC0415 - importing the package costs nothing

    return run(sys.argv[1:] if arguments is None else arguments)
