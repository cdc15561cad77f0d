"""How fast a job went: what became of its rows over time, without the long idle stretches."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import ceil
from typing import Final, TypeAlias

from attrs import frozen

from cognito_async.bulk.rows import State

SHOWN: Final = (State.DONE, State.REFUSED, State.UNKNOWN)
"""The states of a timeline, from the bottom of the drawing to its top."""

Counts: TypeAlias = tuple[int, int, int]
"""How many rows were done, refused and unknown."""

POINTS: Final = 200
STEPS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Widths in seconds that are easy to read."""
SMOOTH: Final = 10
"""Seconds of a step that even out answers coming in bursts; shorter jobs have shorter steps."""
FEWEST: Final = 12
MOST_BREAKS: Final = 8
SHORTEST_BREAK: Final = 120.0
BREAK_SHARE: Final = 0.05
"""A break is shown as a break, and not as a time without rows, if it is longer than this part of the rest."""


@frozen
class Point:
    """What became of rows during one step.

    Attributes:
        start: When it began, in seconds since 1970.
        seconds: How long it was.
        counts: How many rows were done, refused and unknown.
    """

    start: float
    seconds: float
    counts: Counts

    @property
    def rate(self) -> float:
        """Rows settled a second."""
        return sum(self.counts) / self.seconds


@frozen
class Stretch:
    """A time in which the job worked, without long breaks.

    Attributes:
        points: Its points, one after the other.
    """

    points: tuple[Point, ...]

    @property
    def start(self) -> float:
        """When it began, in seconds since 1970."""
        return self.points[0].start

    @property
    def end(self) -> float:
        """When it ended, in seconds since 1970."""
        return self.points[-1].start + self.points[-1].seconds


@frozen
class Timeline:
    """When rows were settled.

    Attributes:
        step: The length of a point in seconds; the last one of a stretch may differ.
        stretches: The times in which the job worked; between them it was idle for long.
    """

    step: float = 1.0
    stretches: tuple[Stretch, ...] = ()

    @property
    def points(self) -> Iterator[Point]:
        """All points."""
        return (point for stretch in self.stretches for point in stretch.points)

    @property
    def seconds(self) -> float:
        """How long the job worked."""
        return sum(stretch.end - stretch.start for stretch in self.stretches)

    @property
    def mean(self) -> float:
        """Rows settled a second while the job worked."""
        return sum(sum(point.counts) for point in self.points) / self.seconds if self.stretches else 0.0

    @property
    def peak(self) -> float:
        """The most rows settled a second, over one step."""
        return max((point.rate for point in self.points), default=0.0)


def step_for(seconds: float) -> int:
    """Give the shortest easy width that is at least as long."""
    return next((step for step in STEPS if step >= seconds), ceil(seconds / STEPS[-1]) * STEPS[-1])


def timeline(cells: Mapping[int, Sequence[int]], origin: float, width: int) -> Timeline:
    """Make a timeline of counted cells.

    Args:
        cells: How many rows were done, refused and unknown, by the number of the cell; cells without rows are left out.
        origin: When cell 0 begins, in seconds since 1970.
        width: The length of a cell in seconds.

    Returns:
        The timeline, with at most about 200 points.
    """
    if not cells:
        return Timeline()
    stretches = _stretches(sorted(cells), width)
    seconds = sum(last - first + 1 for first, last in stretches) * width
    wanted = max(seconds / POINTS, min(SMOOTH, seconds / FEWEST))
    each = max(step_for(wanted) // width, ceil(wanted / width))
    made = (Stretch(tuple(_points(cells, span, each, origin, width))) for span in stretches)
    return Timeline(float(each * width), tuple(made))


def _stretches(numbers: Sequence[int], width: int) -> list[tuple[int, int]]:
    """Cut where nothing happened for long, beginning with the longest time."""
    left = numbers[-1] - numbers[0] + 1
    cuts: list[tuple[int, int]] = []
    for first, last in sorted(pairwise(numbers), key=lambda pair: pair[0] - pair[1])[:MOST_BREAKS]:
        idle = last - first - 1
        if idle * width < SHORTEST_BREAK or idle < BREAK_SHARE * left:
            break
        cuts.append((first, last))
        left -= idle
    edges = [numbers[0], *(edge for cut in sorted(cuts) for edge in cut), numbers[-1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _points(
    cells: Mapping[int, Sequence[int]], span: tuple[int, int], each: int, origin: float, width: int
) -> Iterator[Point]:
    """Put cells together; a rest that is shorter than half a step belongs to the point before it."""
    first, last = span
    starts = list(range(first, last + 1, each))
    if len(starts) > 1 and (last + 1 - starts[-1]) * 2 < each:
        starts.pop()
    for start, end in pairwise([*starts, last + 1]):
        found = [cells[number] for number in range(start, end) if number in cells]
        done, refused, unknown = (sum(counts[place] for counts in found) for place in range(len(SHOWN)))
        yield Point(origin + start * width, float((end - start) * width), (done, refused, unknown))
