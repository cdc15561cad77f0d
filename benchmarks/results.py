"""Results: spreads, interleaved rounds, and tables in plain text and Markdown."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.processes import ChildFailedError


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest of several values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Summarise at least one value."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])

    def show(self, pattern: str = "{:.2f}") -> str:
        """Format as median (lowest-highest)."""
        return f"{pattern.format(self.median)} ({pattern.format(self.low)}-{pattern.format(self.high)})"


class Rounds:
    """Samples of several contenders, or the reason why one failed."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sequence[float]]] = {}
        self.failures: dict[str, ChildFailedError] = {}

    def ratios(self, name: str, baseline: str, index: int = 0) -> Spread | None:
        """Return contender / baseline, round by round; None if either has no samples."""
        if name not in self.samples or baseline not in self.samples:
            return None
        pairs = zip(self.samples[name], self.samples[baseline], strict=True)
        return Spread.of(sample[index] / other[index] for sample, other in pairs)

    def values(self, name: str, index: int = 0) -> Spread:
        """Return the spread of one number of a contender's samples."""
        return Spread.of(sample[index] for sample in self.samples[name])


def interleave(names: Sequence[str], rounds: int, measure: Callable[[str], Sequence[float]]) -> Rounds:
    """Measure every contender once per round (A B C, C B A, A B C, …), so that load on the machine affects all alike.

    A contender that fails is not measured again and keeps no samples.
    """
    done = Rounds()
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            if name in done.failures:
                continue
            try:
                done.samples.setdefault(name, []).append(measure(name))
            except ChildFailedError as failure:
                done.failures[name] = failure
                done.samples.pop(name, None)
    return done


@dataclass(slots=True)
class Table:
    """The results of one measurement: a row per contender, and notes."""

    title: str
    about: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    def add(self, *cells: str) -> None:
        """Add a row; missing cells at the end are empty."""
        self.rows.append([*cells, *[""] * (len(self.columns) - len(cells))])

    def add_failed(self, name: str, reason: object) -> None:
        """Add a row for a contender that could not be measured because of an error."""
        self.add(name, "failed")
        self.notes.append(f"{name} failed: {reason}")
        self.failed = True

    def text(self) -> str:
        """Return the table as aligned plain text."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [self.title, "=" * len(self.title), self.about, ""]
        lines += [_aligned(self.columns, widths), _aligned(["-" * width for width in widths], widths)]
        lines += [_aligned(row, widths) for row in self.rows]
        lines += [f"  * {note}" for note in self.notes]
        return "\n".join(lines)

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [f"### {self.title}", "", self.about, ""]
        lines += [_piped(self.columns), _piped(["---", *["---:"] * (len(self.columns) - 1)])]
        lines += [_piped(row) for row in self.rows]
        if self.notes:
            lines += ["", *[f"- {note}" for note in self.notes]]
        return "\n".join(lines)


def _aligned(cells: Iterable[str], widths: Sequence[int]) -> str:
    first, *others = [
        cell.ljust(width) if index == 0 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join([first, *others]).rstrip()


def _piped(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def with_targets(cells: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Return each cell followed by its target."""
    return [text for pair in zip(cells, targets, strict=True) for text in pair]
