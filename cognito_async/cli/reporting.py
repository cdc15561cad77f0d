"""``bulk report``: tells what became of a job, as a page, a table, or JSON."""

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from cognito_async.bulk import JournalError
from cognito_async.bulk.report import Report, write_csv, write_html, write_json
from cognito_async.cli.exits import CommandError, Exit
from cognito_async.cli.streams import put

_WRITERS: Final[tuple[tuple[str, Callable[[Report, Path], object]], ...]] = (
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
    """
    journal = Path(options.journal)
    report = Report.read(journal)
    wanted = [(write, Path(path)) for name, write in _WRITERS if (path := getattr(options, name)) is not None]
    for write, path in wanted or [(write_html, journal.with_name(f"{journal.name}.html"))]:
        if path.resolve() == journal.resolve():
            raise CommandError(f"{path} is the journal itself: name another file for the report")
        try:
            write(report, path)
        except JournalError:
            raise
        except OSError as error:
            raise CommandError(f"{path} can't be written: {error.strerror}", Exit.TROUBLE) from None
        put(str(path))
    return Exit.DONE
