"""Build the documentation site into ``site/``: ``python -m tools.build_docs``. Every warning is an error."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HARMLESS = ("No issues found", "Build started", "Build finished")


def main() -> int:
    """Build the site and return the exit code."""
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", "mkdocs.yml"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    output = process.stdout + process.stderr
    print(output, end="")
    # Warnings about docstrings are only logged, even in strict mode.
    warnings = [line for line in output.splitlines() if line.strip() and not line.startswith(HARMLESS)]
    if process.returncode or warnings:
        print("The documentation has errors or warnings; fix the lines above.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
