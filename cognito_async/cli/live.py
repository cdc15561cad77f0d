"""The live display on a terminal: the only file that imports rich."""

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cognito_async.bulk import Outcome, Progress, State
from cognito_async.cli.closing import Closing
from cognito_async.cli.displays import PlainDisplay, share, waiting
from cognito_async.cli.opening import Opening
from cognito_async.cli.streams import PEOPLE
from cognito_async.cli.wording import clean, duration, pace

INTERVAL: Final = 0.2
STEPS: Final = "▁▂▃▄▅▆▇█"
WIDTH: Final = 30
"""The points of the curve: half a minute."""

SHOWN_KINDS: Final = 4
_STYLES: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.DONE: "green",
        State.REFUSED: "red",
        State.UNKNOWN: "magenta",
        State.DEFERRED: "yellow",
    }
)


class LiveDisplay:
    """Some lines at the bottom of the terminal that tell how it goes, with single rows above them."""

    interval: float = INTERVAL

    def __init__(self) -> None:
        """Begin with nothing on the screen."""
        self._console = Console(file=PEOPLE, highlight=False)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._lines = PlainDisplay(0, self._print)
        self._curve: deque[float] = deque(maxlen=WIDTH)
        self._spinner = Spinner("dots")
        self._ticks = 0
        self._note = ""

    def _print(self, line: str) -> None:
        self._console.print(Text(line, style=_style_of(line)), soft_wrap=True)

    def open(self, opening: Opening) -> None:
        """Print what the run is about, and begin the live part."""
        head, *rest = opening.lines()
        self._console.print(Text(head, style="bold"), soft_wrap=True)
        for line in rest:
            self._console.print(Text(line, style="dim"), soft_wrap=True)
        self._live.start()

    def outcome(self, outcome: Outcome) -> None:
        """Print a row above, unless there were many of its kind."""
        self._lines.outcome(outcome)

    def progress(self, progress: Progress, now: float) -> None:
        """Draw how far the run has come."""
        if self._ticks % round(1 / INTERVAL) == 0:
            self._curve.append(progress.rate)
        self._ticks += 1
        self._live.update(self._drawn(progress, now), refresh=True)

    def note(self, text: str) -> None:
        """Keep a line below from now on."""
        self._note = clean(text)

    def close(self, closing: Closing | None) -> None:
        """Give the terminal back, and print how it ended."""
        self._live.stop()
        if closing is None:
            return
        head, *rest = closing.lines()
        self._console.print(Text(head, style="bold green" if closing.summary.all_done else "bold yellow"))
        for line in rest:
            self._console.print(Text(line), soft_wrap=True)

    def _drawn(self, progress: Progress, now: float) -> RenderableType:
        lines: list[RenderableType] = [self._bar(progress), self._counts(progress)]
        lines += [_kinds(progress, state) for state in _STYLES if any(state is kind[0] for kind in progress.kinds)]
        if said := waiting(progress, now):
            lines.append(Text(said, style="yellow", no_wrap=True, overflow="ellipsis"))
        if self._note:
            lines.append(Text(self._note, style="bold yellow"))
        return Group(*lines)

    def _bar(self, progress: Progress) -> RenderableType:
        """Draw the bar, with how far it is on its right."""
        if progress.reading:
            self._spinner.update(text=f"reading the users: {sum(progress.states.values()):,}; nothing is sent yet")
            return self._spinner
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(ratio=1)
        grid.add_column(justify="right", no_wrap=True)
        total = progress.total
        far = Text(f"{progress.settled:,}" if total is None else f"{progress.settled:,} of {total:,}")
        if total is not None:
            far.append(f"  {share(progress):.0f} %", style="bold")
        if progress.time_left is not None and progress.waiting_until is None:
            far.append(f"  {duration(progress.time_left)} left", style="cyan")
        grid.add_row(ProgressBar(total=total, completed=progress.settled, pulse=total is None), far)
        return grid

    def _counts(self, progress: Progress) -> Text:
        """Write the rate against the quota, the counts, and the rate's curve as far as there is room."""
        quota = progress.quota
        line = Text(no_wrap=True, overflow="crop")
        line.append(f"{pace(progress.rate)}/s", style="bold")
        line.append("" if quota is None else f" of {pace(quota)}/s", style="dim")
        for state, style in _STYLES.items():
            if (number := progress.states.get(state, 0)) or state is State.DONE:
                line.append(f"  {state.value} {number:,}", style=style)
        if progress.throttled:
            line.append(f"  throttled {progress.throttled:,}", style="yellow")
        line.append(f"  on their way {progress.in_flight}", style="dim")
        line.append(f"  {self._drawn_curve(quota)}", style="cyan")
        return line

    def _drawn_curve(self, quota: float | None) -> str:
        top = max([*self._curve, quota or 0.0]) or 1.0
        return "".join(STEPS[min(round(rate / top * (len(STEPS) - 1)), len(STEPS) - 1)] for rate in self._curve)


def _kinds(progress: Progress, state: State) -> Text:
    """Write the kinds of trouble that rows of a state are in, the most frequent first."""
    found = sorted(((number, code) for (held, code), number in progress.kinds.items() if held is state), reverse=True)
    line = Text(f"  {state.value}: ", style=_STYLES[state], no_wrap=True, overflow="ellipsis")
    line.append(clean(", ".join(f"{code} {number:,}" for number, code in found[:SHOWN_KINDS])))
    line.append(f", and {len(found) - SHOWN_KINDS} more kinds" if len(found) > SHOWN_KINDS else "")
    return line


def _style_of(line: str) -> str:
    """Choose a style by the state that a row's line tells."""
    return next((style for state, style in _STYLES.items() if f" {state.value}: " in line), "")
