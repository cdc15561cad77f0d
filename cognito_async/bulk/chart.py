"""How fast a job went: its timeline without the long idle stretches, and that timeline as a drawing in SVG."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from math import ceil, floor, log10
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


# --- the drawing ---


class Html(str):
    """Text that is markup already, and is not escaped again."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: object) -> Html:
    """Make an element; whatever is not Html is escaped.

    Args:
        name: Its name.
        *content: What is in it.
        **attributes: Its attributes: underscores stand for hyphens and one at the end is dropped, None leaves one out.

    Returns:
        The markup.
    """
    given = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(part if isinstance(part, Html) else escape(part) for part in content)
    return Html(f"<{name}{given}>{inside}</{name}>")


@frozen(kw_only=True)
class Size:
    """How large a drawing is, in pixels.

    Attributes:
        name: A name of its own within a page.
        width: Its width.
        height: Its height.
        labels: How many labels its time axis has room for.
        gap: How wide a break is drawn.
    """

    name: str
    width: int
    height: int
    labels: int
    gap: int = 20


WIDE: Final = Size(name="wide", width=920, height=320, labels=9)
NARROW: Final = Size(name="narrow", width=350, height=280, labels=4, gap=16)
LEFT, RIGHT, ABOVE, BELOW = 46, 10, 34, 58
CHARACTER: Final = 7.5
"""About how wide a character of a label is."""
TICKS: Final = 5
SPARE: Final = 1.18
"""How much higher than the highest value the drawing is, so that the quota's name has room."""

Quota: TypeAlias = tuple[float, float, float]
"""From when to when a quota held, in seconds since 1970, and its requests a second."""


class _Plot:
    """Where times and rates are on a drawing."""

    def __init__(self, line: Timeline, quotas: Sequence[Quota], size: Size) -> None:
        self.line, self.size, self.quotas = line, size, quotas
        self.highest = max(line.peak, *(quota for *_, quota in quotas), 0.0) * SPARE
        room = size.width - LEFT - RIGHT - size.gap * (len(line.stretches) - 1)
        self.scale = room / line.seconds
        self.base = size.height - BELOW
        self.lefts: list[float] = []
        left = float(LEFT)
        for stretch in line.stretches:
            self.lefts.append(left)
            left += (stretch.end - stretch.start) * self.scale + size.gap

    def x(self, place: int, time: float) -> float:
        """Give where a time within a stretch is."""
        return round(self.lefts[place] + (time - self.line.stretches[place].start) * self.scale, 1)

    def y(self, rate: float) -> float:
        """Give where a rate is."""
        return round(self.base - rate / self.highest * (self.base - ABOVE), 1)


def draw(line: Timeline, quotas: Sequence[Quota], size: Size, *, title: str, description: str) -> Html:
    """Draw a timeline.

    Args:
        line: The timeline, with at least one point.
        quotas: The quotas to draw beside it.
        size: How large to draw it.
        title: What it shows, for those who can't see it.
        description: What is to be seen in it.

    Returns:
        An SVG element; its colours are the page's matter.
    """
    plot = _Plot(line, quotas, size)
    heading, text = f"{size.name}-title", f"{size.name}-description"
    return element(
        "svg",
        element("title", title, id=heading),
        element("desc", description, id=text),
        *_rate_axis(plot),
        *_bars(plot),
        *_breaks(plot),
        *_time_axis(plot),
        *_quota_lines(plot),
        viewBox=f"0 0 {size.width} {size.height}",
        class_=f"chart {size.name}",
        role="img",
        aria_labelledby=f"{heading} {text}",
    )


def _rate_axis(plot: _Plot) -> Iterator[Html]:
    right = plot.size.width - RIGHT
    step = _nice(plot.highest / TICKS)
    for number in range(floor(plot.highest / step) + 1):
        y = plot.y(number * step)
        yield element("line", x1=LEFT, x2=right, y1=y, y2=y, class_="grid" if number else "axis")
        yield element("text", f"{number * step:,g}", x=LEFT - 8, y=y + 4, text_anchor="end")
    yield element("text", "rows a second", x=2, y=14, class_="name")


def _nice(least: float) -> float:
    """Give the next of 1, 2, 5, 10, 20, … and of their fractions."""
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)


def _bars(plot: _Plot) -> Iterator[Html]:
    for place, state in enumerate(SHOWN):
        parts: list[str] = []
        for number, stretch in enumerate(plot.line.stretches):
            for point in stretch.points:
                if point.counts[place]:
                    low, high = (plot.y(sum(point.counts[:end]) / point.seconds) for end in (place, place + 1))
                    left, right = plot.x(number, point.start), plot.x(number, point.start + point.seconds)
                    parts.append(f"M{left} {low}V{high}H{right}V{low}z")
        if parts:
            yield element("path", d="".join(parts), class_=f"bars {state}")


def _breaks(plot: _Plot) -> Iterator[Html]:
    """Mark what is left out, with its length."""
    for place, (before, after) in enumerate(pairwise(plot.line.stretches)):
        left, width = plot.x(place, before.end), plot.size.gap
        middle, height = left + width / 2, (ABOVE + plot.base) / 2
        yield element("rect", x=left, y=ABOVE, width=width, height=plot.base - ABOVE, class_="break")
        yield element(
            "text", f"idle {duration(after.start - before.end)}", x=middle, y=height, dy=4, text_anchor="middle",
            class_="break-name", transform=f"rotate(-90 {middle} {height})",
        )  # fmt: skip


def _time_axis(plot: _Plot) -> Iterator[Html]:
    free, day = 0.0, ""
    for x, label, date in _times(plot):
        half = max(len(label), len(date) if date != day else 0) * CHARACTER / 2
        at = min(max(x, half), plot.size.width - half)
        yield element("line", x1=x, x2=x, y1=plot.base, y2=plot.base + 5, class_="axis")
        if at - half < free:
            continue
        yield element("text", label, x=at, y=plot.base + 19, text_anchor="middle")
        if date != day:
            yield element("text", date, x=at, y=plot.base + 34, text_anchor="middle", class_="name")
        free, day = at + half + CHARACTER, date
    yield element(
        "text", "time (UTC)", x=plot.size.width - RIGHT, y=plot.size.height - 6, text_anchor="end", class_="name"
    )


def _times(plot: _Plot) -> Iterator[tuple[float, str, str]]:
    """Give the times to name: where they are, the time of day, the date."""
    step = step_for(plot.line.seconds / plot.size.labels)
    pattern = "%H:%M:%S" if step < STEPS[8] else "%H:%M"
    for place, stretch in enumerate(plot.line.stretches):
        first, last = ceil(stretch.start / step), ceil(stretch.end / step)
        for time in [number * float(step) for number in range(first, last)] or [stretch.start]:
            moment = datetime.fromtimestamp(time, UTC)
            yield plot.x(place, time), moment.strftime(pattern), f"{moment.day} {moment:%b}"


def _quota_lines(plot: _Plot) -> Iterator[Html]:
    named: set[float] = set()
    for began, ended, quota in plot.quotas:
        for place, stretch in enumerate(plot.line.stretches):
            left, right = plot.x(place, max(began, stretch.start)), plot.x(place, min(ended, stretch.end))
            if left >= right:
                continue
            y = plot.y(quota)
            yield element("line", x1=left, x2=right, y1=y, y2=y, class_="quota")
            if quota not in named:
                named.add(quota)
                name = f"quota {quota:,g}/s"
                x = min(left + 4, plot.size.width - RIGHT - len(name) * CHARACTER)
                yield element("text", name, x=x, y=y - 7, class_="quota-name")


UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Say how long something is, in its two largest units, such as ``"2 h 14 min"``."""
    if 0 < seconds < 1:
        return "under 1 s"
    seconds = round(seconds)
    for (large, name), (small, part) in pairwise(UNITS):
        if seconds >= large:
            whole, rest = divmod(round(seconds / small), large // small)
            return f"{whole} {name} {rest} {part}" if rest else f"{whole} {name}"
    return f"{seconds} s"
