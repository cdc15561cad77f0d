"""The chart of a job's rate over time: positions of its shapes. The template draws them as SVG."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, floor, log10
from typing import Final, TypeAlias

from attrs import frozen

from cognito_async.bulk.progress import duration
from cognito_async.bulk.report.model import CHARTED_STATES, STEPS, Timeline, readable_step

LEFT, RIGHT, ABOVE, BELOW = 46, 10, 34, 58  # the margins of the chart, in pixels
CHARACTER: Final = 7.5  # the approximate width of a character
TICKS: Final = 5
HEADROOM: Final = 1.18  # space above the highest value, for the label of the quota

Quota: TypeAlias = tuple[float, float, float]  # when a rate limit started and ended to apply, and requests per second
Shape: TypeAlias = tuple[str, dict[str, object], str]  # an SVG element: its name, attributes and text


@frozen(kw_only=True)
class Size:
    """The size of a chart, in pixels."""

    name: str  # the class of the SVG element
    width: int
    height: int
    labels: int  # on the time axis
    gap: int  # the width of a break


SIZES: Final = (
    Size(name="wide", width=920, height=320, labels=9, gap=20),
    Size(name="narrow", width=350, height=280, labels=4, gap=16),
)


class Chart:
    """The shapes of a chart, in drawing order."""

    def __init__(self, line: Timeline, quotas: Sequence[Quota], size: Size) -> None:
        self.size: Size = size
        self._line = line
        self._quotas = quotas
        self._highest = max(line.peak, *(quota for *_, quota in quotas), 0.0) * HEADROOM
        width = size.width - LEFT - RIGHT - size.gap * (len(line.periods) - 1)
        self._scale = width / line.seconds
        self._base = size.height - BELOW
        self._lefts: list[float] = []
        left = float(LEFT)
        for period in line.periods:
            self._lefts.append(left)
            left += (period.end - period.start) * self._scale + size.gap
        parts = (self._rate_axis(), self._bars(), self._breaks(), self._time_axis(), self._quota_lines())
        self.shapes: list[Shape] = [shape for part in parts for shape in part]

    def _x(self, place: int, time: float) -> float:
        """Return the position of a time within a period."""
        return round(self._lefts[place] + (time - self._line.periods[place].start) * self._scale, 1)

    def _y(self, rate: float) -> float:
        return round(self._base - rate / self._highest * (self._base - ABOVE), 1)

    def _rate_axis(self) -> Iterator[Shape]:
        right = self.size.width - RIGHT
        step = _readable(self._highest / TICKS)
        for number in range(floor(self._highest / step) + 1):
            y = self._y(number * step)
            yield _line(LEFT, right, y, y, "grid" if number else "axis")
            yield _text(f"{number * step:,g}", LEFT - 8, y + 4, "end")
        yield _text("rows per second", 2, 14, "start", "name")

    def _bars(self) -> Iterator[Shape]:
        for place, state in enumerate(CHARTED_STATES):
            parts: list[str] = []
            for number, period in enumerate(self._line.periods):
                for point in period.points:
                    if point.counts[place]:
                        low, high = (self._y(sum(point.counts[:end]) / point.seconds) for end in (place, place + 1))
                        left, right = self._x(number, point.start), self._x(number, point.start + point.seconds)
                        parts.append(f"M{left} {low}V{high}H{right}V{low}z")
            if parts:
                yield "path", {"d": "".join(parts), "class": f"bars {state}"}, ""

    def _breaks(self) -> Iterator[Shape]:
        """Mark the idle times that are left out, with their length."""
        for place, (before, after) in enumerate(pairwise(self._line.periods)):
            left, width = self._x(place, before.end), self.size.gap
            middle, height = left + width / 2, (ABOVE + self._base) / 2
            size = {"width": width, "height": self._base - ABOVE}
            yield "rect", {"x": left, "y": ABOVE, **size, "class": "break"}, ""
            name, attributes, text = _text(
                f"idle {duration(after.start - before.end)}", middle, height, "middle", "break-name"
            )
            yield name, {**attributes, "dy": 4, "transform": f"rotate(-90 {middle} {height})"}, text

    def _time_axis(self) -> Iterator[Shape]:
        free, day = 0.0, ""
        for x, label, date in self._times():
            half = max(len(label), len(date) if date != day else 0) * CHARACTER / 2
            at = min(max(x, half), self.size.width - half)
            yield _line(x, x, self._base, self._base + 5, "axis")
            if at - half < free:
                continue
            yield _text(label, at, self._base + 19, "middle")
            if date != day:
                yield _text(date, at, self._base + 34, "middle", "name")
            free, day = at + half + CHARACTER, date
        yield _text("time (UTC)", self.size.width - RIGHT, self.size.height - 6, "end", "name")

    def _times(self) -> Iterator[tuple[float, str, str]]:
        """Return the positions, times and dates of the time axis."""
        step = readable_step(self._line.seconds / self.size.labels)
        pattern = "%H:%M:%S" if step < STEPS[8] else "%H:%M"
        for place, period in enumerate(self._line.periods):
            first, last = ceil(period.start / step), ceil(period.end / step)
            for time in [number * float(step) for number in range(first, last)] or [period.start]:
                moment = datetime.fromtimestamp(time, UTC)
                yield self._x(place, time), moment.strftime(pattern), f"{moment.day} {moment:%b}"

    def _quota_lines(self) -> Iterator[Shape]:
        named: set[float] = set()
        for started, ended, quota in self._quotas:
            for place, period in enumerate(self._line.periods):
                left, right = self._x(place, max(started, period.start)), self._x(place, min(ended, period.end))
                if left >= right:
                    continue
                y = self._y(quota)
                yield _line(left, right, y, y, "quota")
                if quota not in named:
                    named.add(quota)
                    name = f"quota {quota:,g}/s"
                    x = min(left + 4, self.size.width - RIGHT - len(name) * CHARACTER)
                    yield _text(name, x, y - 7, "start", "quota-name")


def _line(x1: float, x2: float, y1: float, y2: float, kind: str) -> Shape:
    return "line", {"x1": x1, "x2": x2, "y1": y1, "y2": y2, "class": kind}, ""


def _text(text: str, x: float, y: float, anchor: str, kind: str | None = None) -> Shape:
    return "text", {"x": x, "y": y, "text-anchor": anchor, "class": kind}, text


def _readable(minimum: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, … and of their fractions."""
    power = 10.0 ** floor(log10(minimum))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= minimum * 0.999)
