"""What a run shows: the banner, progress, rows and the summary, as plain lines or as JSON Lines."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import Final

from attrs import asdict

from cognito_async.bulk import ErrorGroup, Outcome, Progress, State, StopReason, Summary
from cognito_async.bulk.progress import duration
from cognito_async.bulk.troubleshooting import NOTES, troubleshoot
from cognito_async.cli.errors import PROGRAM, Exit
from cognito_async.cli.output import iso, local_time, log, plural, put_json, rate
from cognito_async.cli.settings import JobSettings

ROWS_SHOWN: Final = 20  # of a kind, printed one by one
KINDS_SHOWN: Final = 8  # kinds of failures that the summary explains

NOTHING_TO_DO: Final = (
    "nothing to do: all rows were settled by earlier runs; nothing was sent. For another round, use another --journal"
)
_ENDINGS: Final[Mapping[StopReason, tuple[str, str]]] = {
    StopReason.FINISHED: ("finished", ""),
    StopReason.STOPPED: ("stopped", ""),
    StopReason.DEFERRED: ("paused", ": the remaining rows can only be retried later"),
    StopReason.EMAIL_LIMIT: ("paused", ": the account's daily e-mail limit is reached"),
    StopReason.TOO_MANY_ERRORS: ("stopped", " because of errors"),
    StopReason.NO_SERVICE: ("paused", ": the service was unreachable or throttled for too long"),
}
_LABELS: Final[Mapping[State, str]] = {State.PLANNED: "not sent yet", State.SENT: "in flight"}
_ORDER: Final = (State.DONE, State.REFUSED, State.UNKNOWN, State.DEFERRED, State.SENT, State.PLANNED)


def start_lines(settings: JobSettings, journal: Path, *, resuming: bool) -> list[str]:
    action, target = settings.bulk_action(), settings.target
    endpoint = f" at {target.endpoint_url}" if target.endpoint_url else ""
    published = f", the published AWS quota for {settings.quota_category()}; change it with --rate"
    return [
        f"{action.label}: {action.does}",
        f"  users    {settings.source_name()}, {settings.target_name()} in {target.region}{endpoint}",
        f"  journal  {journal}{' (resuming)' if resuming else ''}",
        f"  rate     at most {rate(settings.effective_rate())} requests per second{'' if settings.rate else published}",
        "           the quota is shared with your applications",
    ]


def summary_exit(summary: Summary) -> Exit:
    if not summary.finished:
        return Exit.PAUSED
    return Exit.DONE if summary.all_done else Exit.PARTIAL


def summary_lines(summary: Summary, settings: JobSettings, journal: Path, *, idle: bool) -> list[str]:
    """Return the summary of a run; ``idle``: it settled no row."""
    action, endpoint_url = settings.bulk_action().label, settings.target.endpoint_url
    verb, reason = _ENDINGS[summary.ending]
    counts = [counts_line(summary.states)] if any(summary.states.values()) else ["no rows"]
    if summary.settled and summary.seconds >= 1:
        counts.append(f"{rate(summary.settled / summary.seconds)} per second in this run")
    if summary.throttled:
        counts.append(f"{plural(summary.throttled, 'request')} throttled")
    lines = [f"{action} {verb} after {duration(round(summary.seconds))}{reason}"]
    if idle and summary.finished and any(summary.states.values()):
        lines = [NOTHING_TO_DO]
    lines += [f"  {summary.detail}"] if summary.detail else []
    lines += [f"  {', '.join(counts)}", *error_lines(summary.errors, action, KINDS_SHOWN)]
    lines += note_lines(summary.states, action)
    if not summary.finished:
        when = "" if summary.until is None else f"  (at {local_time(summary.until, time.time())})"
        lines.append(f"  resume:  {resume_command(journal, endpoint_url)}{when}")
    if not summary.all_done:
        lines.append(f"  report:  {bulk_command('report', journal)}")
    return lines


def bulk_command(name: str, journal: Path) -> str:
    return f"{PROGRAM} bulk {name} {quote(os.path.relpath(journal))}"


def resume_command(journal: Path, endpoint_url: str | None) -> str:
    endpoint = "" if endpoint_url is None else f" --endpoint-url {quote(endpoint_url)}"
    return bulk_command("resume", journal) + endpoint


def counts_line(states: Mapping[State, int]) -> str:
    return ", ".join(f"{states[state]:,} {_LABELS.get(state, state.value)}" for state in _ORDER if states.get(state))


def error_lines(errors: Iterable[ErrorGroup], action: str, limit: int | None = None) -> list[str]:
    """Return the kinds of failures, the most frequent first, each with what to do about it."""
    found = sorted((group for group in errors if group.state is not State.DONE), key=lambda group: -group.rows)
    lines: list[str] = []
    for group in found[:limit]:
        fix = troubleshoot(group.code, action, group.state, group.reason)
        title = "" if fix.title == group.code else f" - {fix.title}"
        lines.append(f"  {group.rows:,} {_LABELS.get(group.state, group.state.value)}: {group.code}{title}")
        lines.append(f"      {fix.todo}")
    hidden = len(found) - len(found[:limit])
    return [*lines, f"  and {plural(hidden, 'more kind')} of failures, see the report"] if hidden else lines


def note_lines(states: Mapping[State, int], action: str) -> list[str]:
    note = NOTES.get(action.partition(" ")[0]) if states.get(State.DONE) else None
    return [] if note is None else [f"  note: {note}"]


def progress_line(progress: Progress, now: float) -> str:
    if progress.reading:
        return f"reading users: {sum(progress.states.values()):,} so far; nothing has been sent yet"
    total = progress.total
    settled = f"{progress.settled:,}"
    parts = [
        settled if total is None else f"{percentage(progress):.0f} % {settled} of {total:,}",
        f"{rate(progress.rate)} per second",
    ]
    shown = (State.REFUSED, State.UNKNOWN, State.DEFERRED)
    parts += [f"{state.value} {progress.states[state]:,}" for state in shown if progress.states.get(state)]
    if progress.throttled:
        parts.append(f"throttled {progress.throttled:,}")
    if progress.time_left is not None and progress.waiting_until is None:
        parts.append(f"{duration(progress.time_left)} left")
    if waiting := waiting_line(progress, now):
        parts.append(waiting)
    return ", ".join(parts)


def waiting_line(progress: Progress, now: float) -> str:
    if progress.waiting_until is not None:
        return f"waiting for deferred rows until {local_time(progress.waiting_until, now)}"
    return "" if progress.trouble is None else f"retrying: {progress.trouble}"


def percentage(progress: Progress) -> float:
    return min(100.0 * progress.settled / progress.total, 100.0) if progress.total else 0.0


class PlainDisplay:
    """Plain lines, for logs and simple terminals. The methods may block; a thread calls them one at a time."""

    def __init__(self, interval: float, write: Callable[[str], None] = log) -> None:
        self.interval: float = interval  # seconds between two calls of progress()
        self._write = write
        self._kinds: Counter[tuple[State, str | None]] = Counter()
        self._last = ""

    def start(self, settings: JobSettings, journal: Path, resuming: bool) -> None:  # noqa: FBT001 - passed by position
        for line in start_lines(settings, journal, resuming=resuming):
            self._write(line)

    def outcome(self, outcome: Outcome) -> None:
        kind = (outcome.state, outcome.code)
        self._kinds[kind] += 1
        if self._kinds[kind] > ROWS_SHOWN:
            return
        retry = "" if outcome.due is None else f" (retry at {iso(outcome.due)})"
        row = f"line {outcome.line} {outcome.username}".rstrip()
        problem = f"{outcome.code or ''} {outcome.reason or ''}".strip()
        self._write(f"{row} {outcome.state}: {problem}{retry}")
        if self._kinds[kind] == ROWS_SHOWN:
            self._write(f"more rows {outcome.state} with {outcome.code} are only counted; see the report")

    def progress(self, progress: Progress, now: float) -> None:
        """Print the progress at a time, in seconds since 1970, if it has changed; a wait is printed only once."""
        line = progress_line(progress, now)
        key = line if progress.waiting_until is None else str(progress.waiting_until)
        if key != self._last:
            self._write(line)
        self._last = key

    def note(self, text: str) -> None:
        self._write(text)

    def end(self, summary: Summary | None, settings: JobSettings, journal: Path) -> None:
        """Print the summary; there is none if the run failed."""
        for line in [] if summary is None else self.summary_lines(summary, settings, journal):
            self._write(line)

    def summary_lines(self, summary: Summary, settings: JobSettings, journal: Path) -> list[str]:
        return summary_lines(summary, settings, journal, idle=not (self._kinds or summary.settled))


class JsonDisplay(PlainDisplay):
    def start(self, settings: JobSettings, journal: Path, resuming: bool) -> None:  # noqa: FBT001 - as above
        action, target = settings.bulk_action(), settings.target
        put_json(
            {
                "event": "start",
                "action": action.label,
                "does": action.does,
                "rows": settings.source_name(),
                "target": settings.target_name(),
                "region": target.region,
                "endpoint_url": target.endpoint_url,
                "journal": str(journal),
                "continued": resuming,
                "rate": settings.effective_rate(),
                "published": settings.rate is None,
                "category": settings.quota_category(),
            }
        )

    def outcome(self, outcome: Outcome) -> None:
        put_json({"event": "outcome", **asdict(outcome), "due": iso(outcome.due)})

    def progress(self, progress: Progress, now: float) -> None:
        put_json(
            {
                "event": "progress",
                **asdict(progress),
                "settled": progress.settled,
                "time_left": progress.time_left,
                **counts_json(progress.states, progress.kinds),
                "waiting_until": iso(progress.waiting_until),
                "at": iso(now),
            }
        )

    def end(self, summary: Summary | None, settings: JobSettings, journal: Path) -> None:  # noqa: ARG002 - as above
        if summary is None:
            return
        put_json(
            {
                "event": "summary",
                "ending": summary.ending.value,
                **counts_json(summary.states, summary.kinds),
                "seconds": summary.seconds,
                "settled": summary.settled,
                "throttled": summary.throttled,
                "detail": summary.detail,
                "until": iso(summary.until),
                "journal": str(journal),
                "exit": int(summary_exit(summary)),
            }
        )


def counts_json(states: Mapping[State, int], kinds: Mapping[tuple[State, str], int]) -> dict[str, object]:
    return {
        "states": {state.value: states.get(state, 0) for state in State},
        "kinds": [{"state": state.value, "code": code, "rows": rows} for (state, code), rows in kinds.items()],
    }
