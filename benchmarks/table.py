"""Tables of results: aligned plain text for people, Markdown for the README."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Table:
    """One measure: what was measured, a row per contender, and what qualifies the numbers."""

    title: str
    about: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    def add(self, *cells: str) -> None:
        """Add a row; cells left out at the end are empty."""
        self.rows.append([*cells, *[""] * (len(self.columns) - len(cells))])

    def add_failed(self, name: str, reason: object) -> None:
        """Add the row of something that did not run, and remember that not everything did."""
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
