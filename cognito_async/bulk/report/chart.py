"""The chart of a job's rate over time. The template draws it as SVG."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, floor, log10
from typing import Final, TypeAlias

from attrs import frozen

from cognito_async.bulk.report.model import CHARTED_STATES, STEPS, Timeline, readable_step
from cognito_async.bulk.rows import State

LEFT, RIGHT, ABOVE, BELOW = 46, 10, 34, 58  # the margins of the chart, in pixels
CHARACTER: Final = 7.5  # the approximate width of a character
TICKS: Final = 5
HEADROOM: Final = 1.18  # space above the highest value, for the label of the quota

Quota: TypeAlias = tuple[float, float, float]  # when a rate limit started and ended to apply, and requests per second
QuotaLine: TypeAlias = tuple[float, float, float, float, str]  # left, right, height, place and text of the label
TimeLabel: TypeAlias = tuple[float, float, str, str]  # the positions of the mark and the label, the time and the date


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
    """The positions of the parts of a chart, in pixels."""

    def __init__(self, line: Timeline, quotas: Sequence[Quota], size: Size) -> None:
        self.size: Size = size
        self.left: int = LEFT
        self.right: int = size.width - RIGHT
        self.top: int = ABOVE
        self.base: int = size.height - BELOW
        self._line = line
        self._highest = max(line.peak, *(quota for *_, quota in quotas), 0.0) * HEADROOM
        self._scale = (self.right - LEFT - size.gap * (len(line.periods) - 1)) / line.seconds
        self._lefts: list[float] = []
        left = float(LEFT)
        for period in line.periods:
            self._lefts.append(left)
            left += (period.end - period.start) * self._scale + size.gap
        step = _readable(self._highest / TICKS)
        # The labels of the rate axis, with their positions.
        self.rates: list[tuple[float, float]] = [
            (number * step, self._y(number * step)) for number in range(floor(self._highest / step) + 1)
        ]
        self.bars: list[tuple[State, str]] = [(state, self._path(place)) for place, state in enumerate(CHARTED_STATES)]
        # The idle times that are left out: the left edge and the length.
        self.breaks: list[tuple[float, float]] = [
            (self._x(place, before.end), after.start - before.end)
            for place, (before, after) in enumerate(pairwise(line.periods))
        ]
        self.times: list[TimeLabel] = list(self._time_labels())
        self.quotas: list[QuotaLine] = list(self._quota_lines(quotas))

    def _x(self, place: int, time: float) -> float:
        """Return the position of a time within a period."""
        return round(self._lefts[place] + (time - self._line.periods[place].start) * self._scale, 1)

    def _y(self, rate: float) -> float:
        return round(self.base - rate / self._highest * (self.base - ABOVE), 1)

    def _path(self, place: int) -> str:
        parts: list[str] = []
        for number, period in enumerate(self._line.periods):
            for point in period.points:
                if point.counts[place]:
                    low, high = (self._y(sum(point.counts[:end]) / point.seconds) for end in (place, place + 1))
                    left, right = self._x(number, point.start), self._x(number, point.start + point.seconds)
                    parts.append(f"M{left} {low}V{high}H{right}V{low}z")
        return "".join(parts)

    def _time_labels(self) -> Iterator[TimeLabel]:
        """Label the marks of the time axis, as far as there is space; the date only where it changes."""
        step = readable_step(self._line.seconds / self.size.labels)
        pattern = "%H:%M:%S" if step < STEPS[8] else "%H:%M"
        free, day = 0.0, ""
        for place, period in enumerate(self._line.periods):
            first, last = ceil(period.start / step), ceil(period.end / step)
            for time in [number * float(step) for number in range(first, last)] or [period.start]:
                x, moment = self._x(place, time), datetime.fromtimestamp(time, UTC)
                label, date = f"{moment:{pattern}}", f"{moment.day} {moment:%b}"
                half = max(len(label), len(date) if date != day else 0) * CHARACTER / 2
                center = min(max(x, half), self.size.width - half)
                if center - half < free:
                    yield x, x, "", ""
                else:
                    yield x, center, label, date if date != day else ""
                    free, day = center + half + CHARACTER, date

    def _quota_lines(self, quotas: Sequence[Quota]) -> Iterator[QuotaLine]:
        named: set[float] = set()
        for started, ended, quota in quotas:
            name = f"quota {quota:,g}/s"
            for place, period in enumerate(self._line.periods):
                left, right = self._x(place, max(started, period.start)), self._x(place, min(ended, period.end))
                if left < right:
                    label = min(left + 4, self.right - len(name) * CHARACTER)
                    yield left, right, self._y(quota), label, "" if quota in named else name
                    named.add(quota)


def _readable(minimum: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, … and of their fractions."""
    power = 10.0 ** floor(log10(minimum))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= minimum * 0.999)
