"""What is said when a run has ended: how, what became of the rows, and what to do next."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from types import MappingProxyType
from typing import Final

from attrs import frozen

from cognito_async.bulk import State, StopReason, Summary
from cognito_async.bulk.troubleshooting import advise
from cognito_async.cli.exits import PROGRAM, Exit
from cognito_async.cli.wording import clean, duration, moment, pace, plural

SHOWN_KINDS: Final = 8
"""The kinds of trouble that are told with advice; the report has all of them."""

_ENDINGS: Final[Mapping[StopReason, tuple[str, str]]] = MappingProxyType(
    {
        StopReason.FINISHED: ("finished", ""),
        StopReason.STOPPED: ("stopped", "; nothing is lost"),
        StopReason.DEFERRED: ("paused", ": what is left can only be tried later"),
        StopReason.EMAIL_LIMIT: ("paused", ": the account's e-mail for today is used up"),
        StopReason.TOO_MANY_ERRORS: ("stopped", ": too many errors in a row"),
        StopReason.NO_SERVICE: ("paused", ": the service could not be reached, or throttled, for too long"),
    }
)
_STATES: Final = (State.DONE, State.REFUSED, State.UNKNOWN, State.DEFERRED, State.PLANNED)


@frozen(kw_only=True)
class Closing:
    """How a run ended.

    Attributes:
        summary: The run's own summary.
        action: The action's label.
        journal: The journal.
    """

    summary: Summary
    action: str
    journal: Path

    @property
    def exit(self) -> Exit:
        """The exit code."""
        if not self.summary.finished:
            return Exit.PAUSED
        return Exit.DONE if self.summary.all_done else Exit.ROWS

    def lines(self) -> list[str]:
        """Say it for people."""
        summary = self.summary
        how, why = _ENDINGS[summary.ending]
        return [
            f"{self.action} {how} after {duration(summary.seconds)}{why}",
            *([f"  {clean(summary.detail)}"] if summary.detail else []),
            f"  {self._counts()}",
            *self._kinds(),
            *self._next(),
        ]

    def _counts(self) -> str:
        summary = self.summary
        parts = [f"{summary.states[state]:,} {_named(state)}" for state in _STATES if summary.states.get(state)]
        if not parts:
            return "there were no rows" if summary.finished else "nothing was sent"
        if summary.settled and summary.seconds >= 1:
            parts.append(f"{pace(summary.settled / summary.seconds)} a second in this run")
        if summary.throttled:
            parts.append(f"{plural(summary.throttled, 'request')} throttled")
        return ", ".join(parts)

    def _kinds(self) -> list[str]:
        found = sorted(
            ((kind, number) for kind, number in self.summary.kinds.items() if kind[0] is not State.DONE),
            key=lambda item: -item[1],
        )
        lines: list[str] = []
        for (state, code), number in found[:SHOWN_KINDS]:
            advice = advise(code, self.action, state)
            title = "" if advice.title == code else f" - {advice.title}"
            lines += [clean(f"  {number:,} {_named(state)}: {code}{title}"), f"      {advice.todo}"]
        if len(found) > SHOWN_KINDS:
            lines.append(f"  and {plural(len(found) - SHOWN_KINDS, 'more kind')}: see the report")
        return lines

    def _next(self) -> list[str]:
        journal = quote(os.path.relpath(self.journal))
        summary = self.summary
        lines: list[str] = []
        if not summary.finished:
            when = "" if summary.until is None else f", from {moment(summary.until, time.time())} on"
            lines.append(f"  go on with    {PROGRAM} bulk resume {journal}{when}")
        if not summary.all_done:
            lines.append(f"  look at rows  {PROGRAM} bulk report {journal}")
        return lines


def _named(state: State) -> str:
    return "left" if state is State.PLANNED else state.value
