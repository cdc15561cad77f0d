"""``python -m cognito_async.cli``: the command line, where its script is not on the path."""

import sys

from cognito_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
