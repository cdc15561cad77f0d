"""The command line ``cognito-async``: bulk jobs, user exports and single password resets.

    cognito-async bulk reset users.csv --user-pool-id eu-west-1_AbC123

It needs the extra ``cli`` (click, jinja2 and rich).
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default with the arguments of the process; return the exit code."""
    try:
        from cognito_async.cli.commands import CLI  # noqa: PLC0415 - needs click
        from cognito_async.cli.errors import run  # noqa: PLC0415 - needs click
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write(
            'cognito-async: the extra "cli" (click, jinja2 and rich) is not installed;'
            " install it from a checkout of cognito_async: pip install '.[cli]'\n"
        )
        return 1
    return run(CLI, sys.argv[1:] if arguments is None else arguments)
