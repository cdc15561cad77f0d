"""Shows a run: the displays' common face, plain lines for logs, and JSON Lines for programs."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from attrs import asdict

from cognito_async.bulk import Outcome, Progress, State
from cognito_async.cli.closing import Closing
from cognito_async.cli.opening import Opening
from cognito_async.cli.streams import put_json, say
from cognito_async.cli.wording import clean, duration, iso, moment, pace

SHOWN: Final = 20
"""The rows of a kind that are told one by one."""


class Display(Protocol):
    """Shows a run to somebody. Each method may block, and is called off the loop, one at a time."""

    @property
    def interval(self) -> float:
        """Seconds between two calls of ``progress``."""
        ...

    def open(self, opening: Opening) -> None:
        """Show what the run is about."""
        ...

    def outcome(self, outcome: Outcome) -> None:
        """Show what became of a row that is not done."""
        ...

    def progress(self, progress: Progress, now: float) -> None:
        """Show how far the run has come; ``now`` in seconds since 1970."""
        ...

    def note(self, text: str) -> None:
        """Show a line about the run itself."""
        ...

    def close(self, closing: Closing | None) -> None:
        """Show how it ended; None where it broke off."""
        ...


class PlainDisplay:
    """Plain lines, for logs and simple terminals."""

    def __init__(self, interval: float, tell: Callable[[str], None] = say) -> None:
        """Take the seconds between two lines of progress, and what prints a line."""
        self.interval: float = interval
        self._tell = tell
        self._kinds: Counter[tuple[State, str | None]] = Counter()
        self._last = ""

    def open(self, opening: Opening) -> None:
        """Print what the run is about."""
        for line in opening.lines():
            self._tell(line)

    def outcome(self, outcome: Outcome) -> None:
        """Print a row, unless there were many of its kind."""
        kind = (outcome.state, outcome.code)
        self._kinds[kind] += 1
        if self._kinds[kind] > SHOWN:
            return
        until = "" if outcome.due is None else f" (again at {iso(outcome.due)})"
        who = f"line {outcome.line} {outcome.username}".rstrip()
        said = f"{outcome.code or ''} {outcome.reason or ''}".strip()
        self._tell(clean(f"{who} {outcome.state}: {said}{until}"))
        if self._kinds[kind] == SHOWN:
            self._tell(clean(f"further rows {outcome.state} with {outcome.code} are counted, and are in the report"))

    def progress(self, progress: Progress, now: float) -> None:
        """Print how far the run has come, if that has changed; a wait of hours is told once."""
        line = progress_line(progress, now)
        mark = line if progress.waiting_until is None else str(progress.waiting_until)
        if mark != self._last:
            self._tell(line)
        self._last = mark

    def note(self, text: str) -> None:
        """Print a line."""
        self._tell(clean(text))

    def close(self, closing: Closing | None) -> None:
        """Print how it ended."""
        for line in () if closing is None else closing.lines():
            self._tell(line)


class JsonDisplay:
    """A JSON object in each line of standard output, and nothing else there."""

    def __init__(self, interval: float) -> None:
        """Take the seconds between two objects about the progress."""
        self.interval: float = interval

    def open(self, opening: Opening) -> None:
        """Print what the run is about."""
        put_json({"event": "start", **asdict(opening)})

    def outcome(self, outcome: Outcome) -> None:
        """Print a row."""
        put_json({"event": "outcome", **asdict(outcome), "due": iso(outcome.due)})

    def progress(self, progress: Progress, now: float) -> None:
        """Print how far the run has come."""
        told = asdict(progress, recurse=False)
        told.update(states=states(progress.states), kinds=kinds(progress.kinds), settled=progress.settled)
        told.update(waiting_until=iso(progress.waiting_until), time_left=progress.time_left, at=iso(now))
        put_json({"event": "progress", **told})

    def note(self, text: str) -> None:
        """Say a line to people."""
        say(text)

    def close(self, closing: Closing | None) -> None:
        """Print how it ended."""
        if closing is None:
            return
        told = asdict(closing.summary, recurse=False)
        told.update(states=states(closing.summary.states), kinds=kinds(closing.summary.kinds))
        told.update(ending=closing.summary.ending.value, until=iso(closing.summary.until))
        put_json({"event": "summary", **told, "journal": str(closing.journal), "exit": int(closing.exit)})


def states(counts: Mapping[State, int]) -> dict[str, int]:
    """Give counts by state, for programs."""
    return {state.value: counts.get(state, 0) for state in State}


def kinds(counts: Mapping[tuple[State, str], int]) -> list[dict[str, object]]:
    """Give counts by state and kind, for programs."""
    return [{"state": state.value, "code": code, "rows": number} for (state, code), number in counts.items()]


def progress_line(progress: Progress, now: float) -> str:
    """Say how far a run has come, in one line.

    Args:
        progress: How far.
        now: The time in seconds since 1970.

    Returns:
        The line.
    """
    if progress.reading:
        return f"reading the users: {sum(progress.states.values()):,} so far; nothing is sent yet"
    total = progress.total
    far = f"{progress.settled:,}" if total is None else f"{share(progress):.0f} % {progress.settled:,} of {total:,}"
    counts = [
        f"{state.value} {progress.states[state]:,}"
        for state in (State.REFUSED, State.UNKNOWN, State.DEFERRED)
        if progress.states.get(state)
    ]
    parts = [far, f"{pace(progress.rate)} a second", *counts]
    if progress.throttled:
        parts.append(f"throttled {progress.throttled:,}")
    if progress.time_left is not None and progress.waiting_until is None:
        parts.append(f"{duration(progress.time_left)} left")
    return ", ".join([*parts, *([waits] if (waits := waiting(progress, now)) else [])])


def waiting(progress: Progress, now: float) -> str:
    """Say what a run waits for; empty while it works."""
    if progress.waiting_until is not None:
        return f"waits for deferred rows until {moment(progress.waiting_until, now)}"
    return "" if progress.trouble is None else clean(f"tries again: {progress.trouble}")


def share(progress: Progress) -> float:
    """Tell how far a run has come, in percent; 0 while nobody knows the total."""
    return 0.0 if not progress.total else min(100.0 * progress.settled / progress.total, 100.0)
