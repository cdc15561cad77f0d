"""``bulk report``: tells what became of a job, as a page, a table, or JSON."""

import os
import stat
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Final

from cognito_async.bulk.journal import journal_files, read_facts
from cognito_async.bulk.report import Report, write_csv, write_html, write_json
from cognito_async.cli.destinations import STANDARD_OUTPUT, is_standard_output, writing
from cognito_async.cli.exits import CommandError, Exit
from cognito_async.cli.order import source_of
from cognito_async.cli.paths import journal_to_read, looked_at
from cognito_async.cli.streams import put, say

Write = Callable[[Report, IO[str]], object]

_WRITERS: Final[tuple[tuple[str, Write], ...]] = (
    ("html", write_html),
    ("csv", write_csv),
    ("json", partial(write_json, rows=True)),
)


def run(options: Namespace) -> Exit:
    """Write the reports that are asked for; without any, a page beside the journal.

    Args:
        options: The command's options.

    Returns:
        The exit code.

    Raises:
        BrokenPipeError: Nobody reads standard output any more.
    """
    journal = journal_to_read(options.journal)
    given: list[tuple[Write, str]] = [
        (write, name) for option, write in _WRITERS if (name := getattr(options, option)) is not None
    ]
    wanted = given or [(write_html, f"{journal}.html")]
    _check([name for _, name in wanted], journal)
    # Where standard output holds a report, it holds nothing else.
    tell = say if any(is_standard_output(name) for _, name in wanted) else put
    report = _read(journal)
    for write, name in wanted:
        with writing(name) as file:
            write(report, file)
        if not is_standard_output(name):
            tell(name)
    return Exit.DONE


def _read(journal: Path) -> Report:
    return Report.read(journal, source=source_of(read_facts(journal)))


def _check(names: Sequence[str], journal: Path) -> None:
    """Make sure that no report takes the place of the journal, or of another report."""
    files = {str(path) for path in journal_files(journal)}
    taken: set[str] = set()
    for name in names:
        standard = is_standard_output(name)
        where = STANDARD_OUTPUT if standard else os.path.realpath(name)
        if where in files:
            raise CommandError(f"{name} is the journal itself: name another file for the report")
        if where in taken:
            raise CommandError(f"{name} is named twice: name a file for each report")
        found = None if standard else looked_at(Path(name))
        if found is None or stat.S_ISREG(found.st_mode):
            taken.add(where)
