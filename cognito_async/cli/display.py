"""What a run shows: the banner, progress, rows and the summary, as plain lines or as JSON Lines."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import Final

from attrs import asdict, frozen

from cognito_async.bulk import ErrorGroup, Outcome, Progress, State, StopReason, Summary
from cognito_async.bulk.progress import duration
from cognito_async.bulk.troubleshooting import NOTES, advise
from cognito_async.cli.errors import PROGRAM, Exit
from cognito_async.cli.output import iso, local_time, log, plural, put_json, rate

ROWS_SHOWN: Final = 20
"""Rows of a kind that are printed one by one."""
KINDS_SHOWN: Final = 8
"""Kinds of failures that the summary explains."""

_ENDINGS: Final[Mapping[StopReason, tuple[str, str]]] = {
    StopReason.FINISHED: ("finished", ""),
    StopReason.STOPPED: ("stopped", ""),
    StopReason.DEFERRED: ("paused", ": the remaining rows can only be retried later"),
    StopReason.EMAIL_LIMIT: ("paused", ": the account's daily e-mail limit is reached"),
    StopReason.TOO_MANY_ERRORS: ("stopped", ": too many consecutive errors"),
    StopReason.NO_SERVICE: ("paused", ": the service was unreachable or throttled for too long"),
}
_LABELS: Final[Mapping[State, str]] = {State.PLANNED: "not sent yet", State.SENT: "in flight"}
_ORDER: Final = (State.DONE, State.REFUSED, State.UNKNOWN, State.DEFERRED, State.SENT, State.PLANNED)

Kinds = Mapping[tuple[State, str], int]


@frozen(kw_only=True)
class Banner:
    """What a run is about. The attributes are the keys of the JSON event ``start``."""

    action: str
    """The action's name and variant."""
    does: str
    rows: str
    """The name of the source."""
    target: str
    """The user pool or the app client."""
    region: str
    endpoint_url: str | None
    journal: str
    continued: bool
    """Whether the journal already existed."""
    rate: float
    """Requests per second."""
    published: bool
    """Whether that is AWS's published quota."""
    category: str
    """The quota category."""

    def lines(self) -> list[str]:
        """Return the lines to print."""
        endpoint = f" at {self.endpoint_url}" if self.endpoint_url else ""
        origin = f", the published AWS quota for {self.category}; change it with --rate" if self.published else ""
        return [
            f"{self.action}: {self.does}",
            f"  users    {self.rows}, {self.target} in {self.region}{endpoint}",
            f"  journal  {self.journal}{' (resuming)' if self.continued else ''}",
            f"  rate     at most {rate(self.rate)} requests per second{origin}",
            "           the quota is shared with your applications",
        ]


@frozen(kw_only=True)
class Result:
    """The end of a run."""

    summary: Summary
    action: str
    journal: Path
    endpoint_url: str | None
    """The endpoint, which resuming requires again; None for AWS's."""

    @property
    def exit(self) -> Exit:
        """The exit code."""
        if not self.summary.finished:
            return Exit.PAUSED
        return Exit.DONE if self.summary.all_done else Exit.PARTIAL

    def lines(self) -> list[str]:
        """Return the lines to print."""
        summary = self.summary
        verb, reason = _ENDINGS[summary.ending]
        counts = [counts_line(summary.states)] if any(summary.states.values()) else ["no rows"]
        if summary.settled and summary.seconds >= 1:
            counts.append(f"{rate(summary.settled / summary.seconds)} per second in this run")
        if summary.throttled:
            counts.append(f"{plural(summary.throttled, 'request')} throttled")
        lines = [f"{self.action} {verb} after {duration(round(summary.seconds))}{reason}"]
        lines += [f"  {summary.detail}"] if summary.detail else []
        lines += [f"  {', '.join(counts)}", *error_lines(summary.errors, self.action, KINDS_SHOWN)]
        lines += note_lines(summary.states, self.action)
        if not summary.finished:
            when = "" if summary.until is None else f"  (at {local_time(summary.until, time.time())})"
            endpoint = "" if self.endpoint_url is None else f" --endpoint-url {quote(self.endpoint_url)}"
            lines.append(f"  resume:  {bulk_command('resume', self.journal)}{endpoint}{when}")
        if not summary.all_done:
            lines.append(f"  report:  {bulk_command('report', self.journal)}")
        return lines


def bulk_command(name: str, journal: Path) -> str:
    """Return the command line of a command for a journal."""
    return f"{PROGRAM} bulk {name} {quote(os.path.relpath(journal))}"


def counts_line(states: Mapping[State, int]) -> str:
    """Return the numbers of rows by state."""
    return ", ".join(f"{states[state]:,} {_LABELS.get(state, state.value)}" for state in _ORDER if states.get(state))


def error_lines(errors: Iterable[ErrorGroup], action: str, limit: int | None = None) -> list[str]:
    """Return the kinds of failures, the most frequent first, each with what to do about it."""
    found = sorted((group for group in errors if group.state is not State.DONE), key=lambda group: -group.rows)
    lines: list[str] = []
    for group in found[:limit]:
        advice = advise(group.code, action, group.state, group.reason)
        title = "" if advice.title == group.code else f" - {advice.title}"
        lines.append(f"  {group.rows:,} {_LABELS.get(group.state, group.state.value)}: {group.code}{title}")
        lines.append(f"      {advice.todo}")
    hidden = len(found) - len(found[:limit])
    return [*lines, f"  and {plural(hidden, 'more kind')} of failures, see the report"] if hidden else lines


def note_lines(states: Mapping[State, int], action: str) -> list[str]:
    """Return what to know about the rows that are done, if anything."""
    note = NOTES.get(action.partition(" ")[0]) if states.get(State.DONE) else None
    return [] if note is None else [f"  note: {note}"]


def progress_line(progress: Progress, now: float) -> str:
    """Return the progress of a run in one line."""
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
    """Return what a run is waiting for; empty if it is not waiting."""
    if progress.waiting_until is not None:
        return f"waiting for deferred rows until {local_time(progress.waiting_until, now)}"
    return "" if progress.trouble is None else f"retrying: {progress.trouble}"


def percentage(progress: Progress) -> float:
    """Return the percentage of settled rows; 0 if the total is unknown."""
    return min(100.0 * progress.settled / progress.total, 100.0) if progress.total else 0.0


class PlainDisplay:
    """Plain lines, for logs and simple terminals. The methods may block; a thread calls them one at a time."""

    def __init__(self, interval: float, write: Callable[[str], None] = log) -> None:
        self.interval: float = interval
        """Seconds between two calls of ``progress``."""
        self._write = write
        self._kinds: Counter[tuple[State, str | None]] = Counter()
        self._last = ""

    def start(self, banner: Banner) -> None:
        """Print the banner."""
        for line in banner.lines():
            self._write(line)

    def outcome(self, outcome: Outcome) -> None:
        """Print a row, unless many of its kind were printed."""
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
        """Print a message."""
        self._write(text)

    def end(self, result: Result | None) -> None:
        """Print the summary; there is none if the run failed."""
        for line in [] if result is None else result.lines():
            self._write(line)


class JsonDisplay:
    """JSON Lines on stdout, for programs."""

    def __init__(self, interval: float) -> None:
        self.interval: float = interval

    def start(self, banner: Banner) -> None:
        """Print the event ``start``."""
        put_json({"event": "start", **asdict(banner)})

    def outcome(self, outcome: Outcome) -> None:
        """Print the event ``outcome``."""
        keys = ("line", "username", "state", "code", "reason", "attempts", "due", "ambiguous", "deferrals")
        put_json({"event": "outcome", **_values(outcome, keys), "due": iso(outcome.due)})

    def progress(self, progress: Progress, now: float) -> None:
        """Print the event ``progress``."""
        keys = ("total", "reading", "in_flight", "rate", "quota", "throttled", "trouble", "settled", "time_left")
        put_json(
            {
                "event": "progress",
                **_values(progress, keys),
                **counts_json(progress.states, progress.kinds),
                "waiting_until": iso(progress.waiting_until),
                "at": iso(now),
            }
        )

    def note(self, text: str) -> None:
        """Print a message to stderr."""
        log(text)

    def end(self, result: Result | None) -> None:
        """Print the event ``summary``."""
        if result is None:
            return
        summary = result.summary
        put_json(
            {
                "event": "summary",
                "ending": summary.ending.value,
                **counts_json(summary.states, summary.kinds),
                **_values(summary, ("seconds", "settled", "throttled", "detail")),
                "until": iso(summary.until),
                "journal": str(result.journal),
                "exit": int(result.exit),
            }
        )


def counts_json(states: Mapping[State, int], kinds: Kinds) -> dict[str, object]:
    """Return the counts by state and by kind for programs."""
    return {
        "states": {state.value: states.get(state, 0) for state in State},
        "kinds": [{"state": state.value, "code": code, "rows": rows} for (state, code), rows in kinds.items()],
    }


def _values(of: object, keys: Iterable[str]) -> dict[str, object]:
    return {key: getattr(of, key) for key in keys}
