"""A job's report as files for programs: the rows that need a person as CSV, the figures as JSON."""

import csv
import json
from datetime import UTC, datetime
from re import compile as pattern
from typing import Any, Final

from attrs import asdict

from cognito_async.bulk.advice import advise
from cognito_async.bulk.report.content import Report
from cognito_async.bulk.report.target import Target, opened
from cognito_async.bulk.rows import Outcome, State

COLUMNS: Final = ("line", "username", "state", "code", "reason", "what_to_do")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet may take for a formula; in some languages the wide signs count too."""
MARK: Final = "\ufeff"
"""Spreadsheets know UTF-8 by it."""
TELEPHONE: Final = pattern(r"\+[0-9]{1,15}")


def cell(text: str) -> str:
    """Make a text safe for a spreadsheet, which would otherwise run one that begins like a formula.

    Such a text gets an apostrophe in front. A telephone number does not, though it begins with a plus: plus and digits
    alone are no more than a number, and many pools have them for usernames, which have to stay what they are.

    Args:
        text: The text.

    Returns:
        The text, or the text behind an apostrophe.
    """
    return f"'{text}" if text.startswith(FORMULA) and not TELEPHONE.fullmatch(text) else text


def write_csv(report: Report, target: Target) -> int:
    """Write the rows that need a person into a CSV file, which only its owner can read: it names users.

    Args:
        report: The report; its journal is read once more.
        target: The file, which is replaced as a whole or not at all; see ``opened`` for what else it may be.

    Returns:
        How many rows there are.

    Raises:
        JournalError: The journal can't be read.
        OSError: The file can't be written.
    """
    number = 0
    with opened(target) as file:
        file.write(MARK)
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in report.cases():
            # One line each, whatever the service says: a job's input has rows of one line, and grep likes them too.
            reason = " ".join((row.reason or "").split())
            values = (row.username, row.state, row.code or "", reason, _todo(row, report.action))
            writer.writerow((row.line, *map(cell, values)))
            number += 1
    return number


def _todo(row: Outcome, action: str) -> str:
    todo = advise(row.code, action, row.state).todo
    return todo if row.due is None else f"{todo} Due: {datetime.fromtimestamp(row.due, UTC):%Y-%m-%d %H:%M UTC}."


def write_json(report: Report, target: Target, *, rows: bool = False) -> None:
    """Write a report's figures into a JSON file that only its owner can read; times are ISO 8601 in UTC.

    Args:
        report: The report.
        target: The file, which is replaced as a whole or not at all; see ``opened`` for what else it may be.
        rows: Whether to add the rows that need a person, with their usernames as they are; the journal is then read
            once more.

    Raises:
        JournalError: The journal can't be read.
        OSError: The file can't be written.
    """
    with opened(target) as file:
        file.write(json.dumps(_figures(report), indent=2).removesuffix("\n}"))
        if rows:
            file.write(',\n  "rows": [')
            for number, row in enumerate(report.cases()):
                values = {name: getattr(row, name) for name in ("line", "username", "state", "code", "reason")}
                file.write(f"{',' if number else ''}\n    {json.dumps({**values, 'due': _iso(row.due)})}")
            file.write("\n  ]")
        file.write("\n}\n")


def _figures(report: Report) -> dict[str, Any]:
    times = ("started", "ended", "last")
    return {
        "action": report.action,
        "user_pool": report.user_pool,
        "app_client": report.app_client,
        "source": report.source,
        "read_at": _iso(report.read_at),
        "started": _iso(report.started),
        "ended": _iso(report.ended),
        "ending": report.ending,
        "running": report.running,
        "next_due": _iso(report.next_due),
        "total": report.total,
        "whole": report.whole,
        "states": {str(state): report.states.get(state, 0) for state in State},
        "kinds": [{"state": state, "code": code, "rows": count} for (state, code), count in report.kinds.items()],
        "mean_rate": round(report.timeline.mean, 3),
        "peak_rate": round(report.timeline.peak, 3),
        "quota": report.quota,
        "runs": [
            {name: _iso(value) if name in times else value for name, value in asdict(run).items()}
            for run in report.runs
        ],
    }


def _iso(time: float | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")
