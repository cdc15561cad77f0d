"""The live display on a terminal; the only module that imports rich."""

from collections import deque
from pathlib import Path
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cognito_async.bulk import Progress, State, Summary
from cognito_async.bulk.csv_jsonl import printable
from cognito_async.bulk.progress import duration
from cognito_async.cli.display import PlainDisplay, percentage, start_lines, waiting_line
from cognito_async.cli.output import STDERR, rate
from cognito_async.cli.settings import JobSettings

INTERVAL: Final = 0.2
BARS: Final = "▁▂▃▄▅▆▇█"
CHART_WIDTH: Final = 30  # points of the rate chart, one per second
KINDS_SHOWN: Final = 4
_STYLES: Final = {
    State.DONE: "green", State.REFUSED: "red", State.UNKNOWN: "magenta", State.DEFERRED: "yellow",
}  # fmt: skip


class LiveDisplay(PlainDisplay):
    def __init__(self) -> None:
        super().__init__(INTERVAL, self._print_row)
        self._console = Console(file=STDERR, highlight=False)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._rates: deque[float] = deque(maxlen=CHART_WIDTH)
        self._spinner = Spinner("dots")
        self._ticks = 0
        self._note = ""

    def start(self, settings: JobSettings, journal: Path, resuming: bool) -> None:  # noqa: FBT001 - as in PlainDisplay
        self._print(start_lines(settings, journal, resuming=resuming), first="bold", rest="dim")
        self._live.start()

    def progress(self, progress: Progress, now: float) -> None:
        if self._ticks % round(1 / INTERVAL) == 0:
            self._rates.append(progress.rate)
        self._ticks += 1
        self._live.update(self._render(progress, now), refresh=True)

    def note(self, text: str) -> None:
        self._note = printable(text)

    def end(self, summary: Summary | None, settings: JobSettings, journal: Path) -> None:
        self._live.stop()
        if summary is not None:
            style = "bold green" if summary.all_done else "bold yellow"
            self._print(self.summary_lines(summary, settings, journal), first=style)

    def _print(self, lines: list[str], *, first: str, rest: str = "") -> None:
        for number, line in enumerate(lines):
            self._console.print(Text(printable(line), style=rest if number else first), soft_wrap=True)

    def _print_row(self, line: str) -> None:
        style = next((style for state, style in _STYLES.items() if f" {state.value}: " in line), "")
        self._print([line], first=style)

    def _render(self, progress: Progress, now: float) -> RenderableType:
        lines: list[RenderableType] = [self._bar(progress), self._counts(progress)]
        lines += [_kinds(progress, state) for state in _STYLES if any(state is kind for kind, _ in progress.kinds)]
        if waiting := waiting_line(progress, now):
            lines.append(Text(printable(waiting), style="yellow", no_wrap=True, overflow="ellipsis"))
        if self._note:
            lines.append(Text(self._note, style="bold yellow"))
        return Group(*lines)

    def _bar(self, progress: Progress) -> RenderableType:
        if progress.reading:
            self._spinner.update(text=f"reading users: {sum(progress.states.values()):,}; nothing has been sent yet")
            return self._spinner
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(ratio=1)
        grid.add_column(justify="right", no_wrap=True)
        total = progress.total
        label = Text(f"{progress.settled:,}" if total is None else f"{progress.settled:,} of {total:,}")
        if total is not None:
            label.append(f"  {percentage(progress):.0f} %", style="bold")
        if progress.time_left is not None and progress.waiting_until is None:
            label.append(f"  {duration(progress.time_left)} left", style="cyan")
        grid.add_row(ProgressBar(total=total, completed=progress.settled, pulse=total is None), label)
        return grid

    def _counts(self, progress: Progress) -> Text:
        quota = progress.quota
        line = Text(no_wrap=True, overflow="crop")
        line.append(f"{rate(progress.rate)}/s", style="bold")
        line.append("" if quota is None else f" of {rate(quota)}/s", style="dim")
        for state, style in _STYLES.items():
            if (number := progress.states.get(state, 0)) or state is State.DONE:
                line.append(f"  {state.value} {number:,}", style=style)
        if progress.throttled:
            line.append(f"  throttled {progress.throttled:,}", style="yellow")
        line.append(f"  in flight {progress.in_flight}", style="dim")
        top = max([*self._rates, quota or 0.0]) or 1.0
        heights = (min(round(each / top * (len(BARS) - 1)), len(BARS) - 1) for each in self._rates)
        line.append(f"  {''.join(BARS[height] for height in heights)}", style="cyan")
        return line


def _kinds(progress: Progress, state: State) -> Text:
    found = sorted(((number, code) for (held, code), number in progress.kinds.items() if held is state), reverse=True)
    line = Text(f"  {state.value}: ", style=_STYLES[state], no_wrap=True, overflow="ellipsis")
    line.append(printable(", ".join(f"{code} {number:,}" for number, code in found[:KINDS_SHOWN])))
    line.append(f", and {len(found) - KINDS_SHOWN} more" if len(found) > KINDS_SHOWN else "")
    return line
