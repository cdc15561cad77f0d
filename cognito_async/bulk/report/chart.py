"""A job's timeline as a drawing in SVG."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, floor, log10
from typing import Final, TypeAlias

from attrs import frozen

from cognito_async.bulk.report.markup import Html, element
from cognito_async.bulk.report.timeline import SHOWN, STEPS, Timeline, step_for


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
