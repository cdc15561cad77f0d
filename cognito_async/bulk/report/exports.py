"""Writes a report as an HTML page, a CSV file of rows, or JSON."""

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from attrs import asdict

from cognito_async.bulk.csv_jsonl import printable
from cognito_async.bulk.errors import BulkError
from cognito_async.bulk.progress import duration
from cognito_async.bulk.report.chart import SIZES, Chart, Quota
from cognito_async.bulk.report.model import Report
from cognito_async.bulk.rows import ErrorGroup, Outcome, State
from cognito_async.bulk.troubleshooting import NOTES, Troubleshooting, troubleshoot
from cognito_async.files import Target, open_output

MIN_SHARE: Final = 0.1  # the smallest share that is shown as a number, in percent


def write_html(report: Report, target: Target, *, rows: str | None = None) -> None:
    """Write an HTML page with counts, rate, errors and runs. It names no user, so that it can be passed on.

    Args:
        report: The report.
        target: A path or a stream; a regular file is replaced atomically and readable by its owner only.
        rows: The name of the CSV file beside the page, to link to; None for no link.

    Raises:
        BulkError: Jinja2 is not installed (extra ``report``).
        OSError: The target cannot be written.
    """
    page = render_html(report, rows=rows)
    with open_output(target) as file:
        file.write(page)


def render_html(report: Report, *, rows: str | None = None) -> str:
    """Return the HTML page; see ``write_html``."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - an extra
    except ImportError:
        raise BulkError(
            "the HTML report needs Jinja2, which is not installed; install the extra 'report' (included in 'cli')"
        ) from None
    loader = PackageLoader("cognito_async.bulk.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(duration=duration, moment=moment, number="{:,}".format, rate="{:,g}".format)
    line, quotas = report.timeline, list(_quotas(report))
    return environment.get_template("report.html").render(
        report=report,
        line=line,
        rows=rows,
        share=share,
        notes=NOTES,
        charts=[Chart(line, quotas, size) for size in SIZES] if line.periods else [],
        quotas=list(dict.fromkeys(run.quota for run in report.runs if run.quota is not None)),
        errors=_errors(report),
    )


def _quotas(report: Report) -> Iterator[Quota]:
    """Return the rate limits of the runs; that of a killed run lasts until the next run."""
    next_starts = [*(run.started for run in report.runs[1:]), float("inf")]
    for run, until in zip(report.runs, next_starts, strict=False):
        if run.quota is not None:
            yield run.started, until if run.ended is None else run.ended + report.timeline.step, run.quota


def _errors(report: Report) -> list[tuple[ErrorGroup, Troubleshooting]]:
    """Return the errors and their fixes, by state, the most frequent of each state first."""
    places = {State.REFUSED: 1, State.UNKNOWN: 2}
    errors = sorted(report.errors, key=lambda error: (places.get(error.state, 3), -error.rows, error.code))
    return [(error, troubleshoot(error.code, report.action, error.state, error.reason)) for error in errors]


def share(count: int, total: int) -> str:
    """Format a share in percent; only a count of 0 is shown as 0 %, and only the total as 100 %."""
    percent = 100 * count / total if total else 0.0
    if count and percent < MIN_SHARE:
        return f"under {MIN_SHARE:g} %"
    if count < total and percent > 100 - MIN_SHARE:
        return f"over {100 - MIN_SHARE:g} %"
    return f"{percent:.1f} %".replace(".0 %", " %")


def moment(time: float) -> str:
    """Format a time in UTC, such as ``"3 May 2026, 14:02 UTC"``."""
    at = datetime.fromtimestamp(time, UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


# --- CSV ---

COLUMNS: Final = ("line", "username", "state", "code", "reason", "what_to_do")
# How a cell starts that a spreadsheet may run as a formula; some languages include full-width signs.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
PHONE_NUMBER: Final = re.compile(r"\+[0-9]{1,15}")  # harmless, and the username in many user pools
BYTE_ORDER_MARK: Final = "\ufeff"  # makes spreadsheets read UTF-8


def cell(text: str) -> str:
    """Prefix text with an apostrophe if a spreadsheet may run it as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not PHONE_NUMBER.fullmatch(text) else text


def write_csv(report: Report, target: Target) -> int:
    """Write the rows that need attention as CSV. The file names users.

    A file starts with a byte order mark, for spreadsheets; a pipe does not.

    Args:
        report: The report; its journal is read again.
        target: A path or a stream; a regular file is replaced atomically and readable by its owner only.

    Returns:
        The number of rows.

    Raises:
        JournalError: The journal cannot be read.
        OSError: The target cannot be written.
    """
    count = 0
    with open_output(target) as file:
        if file.seekable():  # not a pipe, whose reader may be any program
            file.write(BYTE_ORDER_MARK)
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for count, row in enumerate(report.rows_needing_attention(), 1):  # noqa: B007 - returned
            reason = " ".join((row.reason or "").split())  # one line per row
            values = (row.username, row.state, row.code or "", reason, _todo(row, report.action))
            writer.writerow((row.line, *(cell(printable(value)) for value in values)))
    return count


def _todo(row: Outcome, action: str) -> str:
    todo = troubleshoot(row.code, action, row.state, row.reason).todo
    return todo if row.due is None else f"{todo} Due: {datetime.fromtimestamp(row.due, UTC):%Y-%m-%d %H:%M UTC}."


# --- JSON ---


def write_json(report: Report, target: Target, *, rows: bool = False) -> None:
    """Write the figures of a report as JSON; times are ISO 8601 in UTC.

    Args:
        report: The report.
        target: A path or a stream; a regular file is replaced atomically and readable by its owner only.
        rows: Whether to add the rows that need attention, with usernames; the journal is then read again.

    Raises:
        JournalError: The journal cannot be read.
        OSError: The target cannot be written.
    """
    with open_output(target) as file:
        file.write(json.dumps(_figures(report), indent=2).removesuffix("\n}"))
        if rows:
            file.write(',\n  "rows": [')
            for place, row in enumerate(report.rows_needing_attention()):
                values = {name: getattr(row, name) for name in ("line", "username", "state", "code", "reason")}
                file.write(f"{',' if place else ''}\n    {json.dumps({**values, 'due': _iso(row.due)})}")
            file.write("\n  ]")
        file.write("\n}\n")


def _figures(report: Report) -> dict[str, Any]:
    return {
        **{name: getattr(report, name) for name in ("action", "user_pool", "app_client", "source")},
        **{name: _iso(getattr(report, name)) for name in ("read_at", "started", "ended", "next_due")},
        **{name: getattr(report, name) for name in ("ending", "running", "total", "whole", "quota")},
        "states": {str(state): report.states.get(state, 0) for state in State},
        "kinds": [{"state": state, "code": code, "rows": count} for (state, code), count in report.kinds.items()],
        "mean_rate": round(report.mean_rate, 3),
        "peak_rate": round(report.timeline.peak, 3),
        "runs": [
            {
                name: _iso(value) if name in {"started", "ended", "last"} else value
                for name, value in asdict(run).items()
            }
            for run in report.runs
        ],
    }


def _iso(time: float | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")
