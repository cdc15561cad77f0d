"""Writes a report as an HTML page, a CSV file of rows, or JSON."""

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from re import compile as pattern
from typing import Any, Final

from attrs import asdict, frozen

from cognito_async.bulk.csv_jsonl import printable
from cognito_async.bulk.errors import BulkError
from cognito_async.bulk.progress import StopReason, duration
from cognito_async.bulk.report.chart import SIZES, Chart, Quota
from cognito_async.bulk.report.model import CHARTED_STATES, Report
from cognito_async.bulk.rows import Outcome, State
from cognito_async.bulk.troubleshooting import NOTES, advise
from cognito_async.files import Target, open_output

# --- HTML ---


@frozen
class Wording:
    """How the page describes the end of a run: a badge, a sentence, and a few words for the table of runs."""

    badge: str
    sentence: str
    short: str


ENDINGS: Final[Mapping[str | None, Wording]] = {
    StopReason.FINISHED.value: Wording("Finished", "All rows are settled.", "finished"),
    StopReason.STOPPED.value: Wording("Paused", "The job was stopped. Resume it to continue.", "stopped"),
    StopReason.DEFERRED.value: Wording("Paused", "The remaining rows can only be tried later.", "rows deferred"),
    StopReason.EMAIL_LIMIT.value: Wording(
        "Paused", "The account reached its daily e-mail limit. Resume the job when it is reset.", "e-mail limit"
    ),
    StopReason.TOO_MANY_ERRORS.value: Wording(
        "Stopped",
        "Too many consecutive rows failed, or the service rejected the job itself. See below.",
        "too many errors",
    ),
    StopReason.NO_SERVICE.value: Wording(
        "Stopped", "The service was unreachable or throttled for too long. Resume the job later.", "service unavailable"
    ),
    "cancelled": Wording("Stopped", "The run was cancelled. Resume the job to continue.", "cancelled"),
    None: Wording("Stopped", "The run was killed. Resume the job to continue.", "killed"),
}
"""The wording by ``Run.ending``."""

RUNNING: Final = Wording("Running", "The job is running.", "running")
NOT_STARTED: Final = Wording("Not started", "No run has started, and nothing was sent.", "")

ACTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "confirm": ("New passwords by code", "Sets a new password for each user, with the confirmation code."),
    "forgot": ("Password reset codes", "Sends each user a code for setting a new password."),
    "reset": ("Password resets", "Invalidates the password of each user, and sends a code for setting a new one."),
    "set-password temporary": (
        "Temporary passwords",
        "Sets a password that each user must change at the next sign-in.",
    ),
    "set-password permanent": ("New passwords", "Sets a new permanent password for each user."),
    "sign-out": ("Global sign-outs", "Ends all sessions of each user."),
}
"""The page's title and description, by the action's label without details."""

FIGURES: Final = (
    ("done", "Done", "Succeeded."),
    ("refused", "Refused", "Rejected by the service, or invalid."),
    ("unknown", "Unknown", "The outcome is unknown."),
    ("waiting", "Waiting", "Not settled yet."),
)
"""The keys, names and meanings of the figures; other states than the first three are waiting."""

MIN_SHARE: Final = 0.1
"""The smallest share that is shown as a number, in percent."""


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
    return environment.get_template("report.html").render(_page(report, rows))


def _page(report: Report, rows: str | None) -> dict[str, Any]:
    """Return the variables of the template."""
    label = report.action.partition(",")[0]
    title, description = ACTIONS.get(label, ACTIONS.get(label.partition(" ")[0], (label or "Bulk job", "")))
    line, quotas = report.timeline, list(_quotas(report))
    counts = {name: report.states.get(State(name), 0) for name, *_ in FIGURES[:3]} | {"waiting": report.waiting}
    return {
        "report": report,
        "line": line,
        "rows": rows,
        "title": title,
        "description": description,
        "status": RUNNING if report.running else _ending(report.ending) if report.runs else NOT_STARTED,
        "left": "" if report.running else _left(report),
        "note": NOTES.get(label.partition(" ")[0]),
        "figures": [(*figure, counts[figure[0]], share(counts[figure[0]], report.total)) for figure in FIGURES],
        "charted": [
            figure
            for place, figure in enumerate(FIGURES[: len(CHARTED_STATES)])
            if any(point.counts[place] for point in line.points)
        ],
        "charts": [Chart(line, quotas, size) for size in SIZES] if line.periods else [],
        "quotas": list(dict.fromkeys(run.quota for run in report.runs if run.quota is not None)),
        "errors": list(_errors(report)),
        "runs": [
            (run, (RUNNING if report.running and run == report.runs[-1] else _ending(run.ending)).short)
            for run in report.runs
        ],
    }


def _left(report: Report) -> str:
    """Return the numbers of rows that are not done, such as ``"3 rows rejected"``."""
    counts = {"rejected": report.states.get(State.REFUSED, 0), "unknown": report.states.get(State.UNKNOWN, 0)}
    counts["left"] = report.waiting
    return ", ".join(f"{count:,} row{'' if count == 1 else 's'} {what}" for what, count in counts.items() if count)


def _ending(ending: str | None) -> Wording:
    return ENDINGS.get(ending) or Wording(ending or "", "", ending or "")


def _quotas(report: Report) -> Iterator[Quota]:
    """Return the rate limits of the runs; that of a killed run lasts until the next run."""
    next_starts = [*(run.started for run in report.runs[1:]), float("inf")]
    for run, until in zip(report.runs, next_starts, strict=False):
        if run.quota is not None:
            yield run.started, until if run.ended is None else run.ended + report.timeline.step, run.quota


def _errors(report: Report) -> Iterator[dict[str, Any]]:
    """Return the errors with advice, by state, the most frequent of each state first."""
    places = {key: place for place, (key, *_) in enumerate(FIGURES)}
    found = [(places.get(group.state, places["waiting"]), -group.rows, group.code, group) for group in report.errors]
    for place, _, code, group in sorted(found, key=lambda error: error[:3]):
        if group.state is not State.DONE:
            key, name, _ = FIGURES[place]
            advice = advise(code, report.action, group.state, group.reason)
            yield {"key": key, "name": name, "code": code, "count": group.rows, "advice": advice}


def share(count: int, total: int) -> str:
    """Format a share in percent; some is never shown as none, and not all never as all."""
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
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell starts that a spreadsheet may run as a formula; some languages include full-width signs."""

BYTE_ORDER_MARK: Final = "\ufeff"
"""Makes spreadsheets read UTF-8."""

PHONE_NUMBER: Final = pattern(r"\+[0-9]{1,15}")


def cell(text: str) -> str:
    """Prefix a text that a spreadsheet may run as a formula with an apostrophe.

    Phone numbers stay as they are: they are harmless, and usernames in many user pools.
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not PHONE_NUMBER.fullmatch(text) else text


def write_csv(report: Report, target: Target) -> int:
    """Write the rows that need attention as CSV. The file names users.

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
        file.write(BYTE_ORDER_MARK)
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in report.cases():
            reason = " ".join((row.reason or "").split())  # one line per row
            values = (row.username, row.state, row.code or "", reason, _todo(row, report.action))
            writer.writerow((row.line, *(cell(printable(value)) for value in values)))
            count += 1
    return count


def _todo(row: Outcome, action: str) -> str:
    todo = advise(row.code, action, row.state, row.reason).todo
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
            for place, row in enumerate(report.cases()):
                values = {name: getattr(row, name) for name in ("line", "username", "state", "code", "reason")}
                file.write(f"{',' if place else ''}\n    {json.dumps({**values, 'due': _iso(row.due)})}")
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
