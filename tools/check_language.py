"""Find words that make this project's text hard to read: ``python -m tools.check_language``.

The words are not wrong, but were overused; plainer ones are in the comments.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent

# The brackets keep this file from finding itself.
WORDS: Final = re.compile(
    r"\b(?:"
    r"[t]old"  # configured, reported
    r"|[n]obody|who[e]ver"  # no user, no caller; callers, users who
    r"|[a]new|[b]egun"  # again; started
    r"|men[d](?:s|ed|ing)?"  # fix
    r"|can[']t be (?:right|used)"  # is invalid
    r"|of (?:its|their|one's) ow[n]"  # its own, separate
    r"|at onc[e]"  # immediately, concurrently
    r"|so man[y]"
    r")\b",
    re.IGNORECASE,
)


def tracked_files(root: Path) -> list[Path]:
    """Return the files that git tracks, and new ones that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout.decode()  # noqa: S603 - constant
    return [root / name for name in listed.split("\0") if name and (root / name).is_file()]


def problems(root: Path = ROOT) -> Iterator[str]:
    """Yield the place of each such word."""
    for path in tracked_files(root):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # not text
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for found in WORDS.finditer(line):
                yield f"{path.relative_to(root)}:{number}: use a plainer word than {found[0]!r}"


def main() -> int:
    """Print all problems; return 1 if there are any."""
    found = list(problems())
    print(*found, sep="\n", end="\n" if found else "")
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
