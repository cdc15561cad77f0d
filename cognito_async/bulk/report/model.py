"""The report on a job, read from its journal: counts, runs, and the rate over time."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from attrs import evolve, field, frozen

from cognito_async.bulk.journal import Fact, JournalReader, Run, read_with_activity, rows_needing_attention
from cognito_async.bulk.rows import FINAL_STATES, ErrorGroup, Outcome, State, count_kinds

CHARTED_STATES: Final = (State.DONE, State.REFUSED, State.UNKNOWN)  # in the order of the chart, from bottom to top
Counts: TypeAlias = tuple[int, int, int]  # the number of rows in each of CHARTED_STATES

MAX_CELLS: Final = 50_000  # about how many cells rows are counted in before they are combined into points
MAX_POINTS: Final = 200
MIN_POINTS: Final = 12
SMOOTHING: Final = 10  # seconds per point that even out bursts of responses; shorter jobs have shorter steps
MAX_BREAKS: Final = 8
MIN_BREAK: Final = 120.0
BREAK_SHARE: Final = 0.05  # an idle time is left out of the chart if it is longer than this share of the remaining time

# Readable steps of a time axis, in seconds.
STEPS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@frozen
class Point:
    """The rows settled during one step. Times are in seconds since 1970."""

    start: float
    seconds: float
    counts: Counts

    @property
    def rate(self) -> float:
        return sum(self.counts) / self.seconds


@frozen
class Period:
    """A time without long idle times, as adjacent points."""

    points: tuple[Point, ...]

    @property
    def start(self) -> float:
        return self.points[0].start

    @property
    def end(self) -> float:
        return self.points[-1].start + self.points[-1].seconds


@frozen
class Timeline:
    """The rows settled over time, in the periods in which the job was active."""

    step: float = 1.0  # the length of a point in seconds; the last one of a period may differ
    periods: tuple[Period, ...] = ()

    @property
    def points(self) -> Iterator[Point]:
        return (point for period in self.periods for point in period.points)

    @property
    def seconds(self) -> float:
        return sum(period.end - period.start for period in self.periods)

    @property
    def mean(self) -> float:
        """Rows settled per second of the periods."""
        return sum(sum(point.counts) for point in self.points) / self.seconds if self.periods else 0.0

    @property
    def peak(self) -> float:
        return max((point.rate for point in self.points), default=0.0)


def readable_step(seconds: float) -> int:
    """Return the shortest readable step that is at least as long."""
    return next((step for step in STEPS if step >= seconds), ceil(seconds / STEPS[-1]) * STEPS[-1])


def make_timeline(cells: Mapping[int, Sequence[int]], origin: float, width: int) -> Timeline:
    """Combine non-empty cells of ``width`` seconds from ``origin`` on into at most about 200 points."""
    if not cells:
        return Timeline()
    spans = _active_spans(sorted(cells), width)
    seconds = sum(last - first + 1 for first, last in spans) * width
    wanted = max(seconds / MAX_POINTS, min(SMOOTHING, seconds / MIN_POINTS))
    size = max(readable_step(wanted) // width, ceil(wanted / width))
    periods = (Period(tuple(_points(cells, span, size, origin, width))) for span in spans)
    return Timeline(float(size * width), tuple(periods))


def _active_spans(numbers: Sequence[int], width: int) -> list[tuple[int, int]]:
    """Split the numbers of the cells at the longest idle times."""
    remaining = numbers[-1] - numbers[0] + 1
    breaks: list[tuple[int, int]] = []
    for first, last in sorted(pairwise(numbers), key=lambda pair: pair[0] - pair[1])[:MAX_BREAKS]:
        idle = last - first - 1
        if idle * width < MIN_BREAK or idle < BREAK_SHARE * remaining:
            break
        breaks.append((first, last))
        remaining -= idle
    edges = [numbers[0], *(edge for gap in sorted(breaks) for edge in gap), numbers[-1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _points(
    cells: Mapping[int, Sequence[int]], span: tuple[int, int], size: int, origin: float, width: int
) -> Iterator[Point]:
    """Combine cells; a rest of less than half a step joins the point before it."""
    first, last = span
    starts = list(range(first, last + 1, size))
    if len(starts) > 1 and (last + 1 - starts[-1]) * 2 < size:
        starts.pop()
    for start, end in pairwise([*starts, last + 1]):
        found = [cells[number] for number in range(start, end) if number in cells]
        done, refused, unknown = (sum(counts[place] for counts in found) for place in range(len(CHARTED_STATES)))
        yield Point(origin + start * width, float((end - start) * width), (done, refused, unknown))


@frozen(kw_only=True)
class Report:
    """The state of a job at one moment."""

    __module__ = "cognito_async.bulk.report"

    path: Path
    """The journal."""
    read_at: float
    """When it was read, in seconds since 1970."""
    action: str
    """The action's name and variant."""
    user_pool: str | None = None
    """The user pool ID; None if the action needs none."""
    app_client: str | None = None
    """The app client ID; None if the action needs none."""
    source: str | None = None
    """The name of the source; None if it is not stored."""
    running: bool = False
    """Whether a process runs the job."""
    whole: bool = True
    """Whether the journal holds all rows of the source."""
    runs: tuple[Run, ...] = ()
    """The runs, in order."""
    states: Mapping[State, int] = field(factory=dict[State, int])
    """The number of rows by state."""
    errors: Sequence[ErrorGroup] = ()
    """The rows with errors, in groups."""
    timeline: Timeline = field(factory=Timeline)
    """The rows settled over time, without those for which nothing was sent."""
    last_settled: float | None = None
    """When the last row was settled by a request, in seconds since 1970; None if none was."""
    next_due: float | None = None
    """When the next deferred row is due, in seconds since 1970; None if no row is deferred."""

    @classmethod
    def read(cls, path: str | Path, *, now: float | None = None, source: str | None = None) -> Self:
        """Read a journal without changing it; the job may be running.

        Args:
            path: The journal.
            now: The time in seconds since 1970; None for the current time.
            source: The name of the source; None for the stored one.

        Raises:
            JournalError: The file is missing, is not a journal, or cannot be read.
        """
        read_at = datetime.now(UTC).timestamp() if now is None else now
        found, running = read_with_activity(Path(path), _query)
        report = cls(path=Path(path), read_at=read_at, running=running, **found)
        return report if source is None else evolve(report, source=source)

    @property
    def kinds(self) -> Mapping[tuple[State, str], int]:
        """The number of rows with an error, by state and code."""
        return count_kinds(self.errors)

    @property
    def run_time(self) -> float:
        """How long the runs took in all, in seconds; a killed run counts until its last row."""
        return sum(end - start for start, end in self._spans)

    @property
    def mean_rate(self) -> float:
        """Rows settled per second of the runs, without long idle times; 0.0 if no row was settled."""
        periods = self.timeline.periods
        times = (min(end, each.end) - max(start, each.start) for start, end in self._spans for each in periods)
        seconds = sum(time for time in times if time > 0)
        # The times of rows are exact to a step, so that very short runs would seem to be too fast.
        whole = self.timeline.mean
        return min(whole * self.timeline.seconds / seconds, self.timeline.peak) if seconds else whole

    @property
    def _spans(self) -> list[tuple[float, float]]:
        """The start and the end of each run."""
        now = self.read_at if self.running else None
        ends = [run.ended or (now if run is self.runs[-1] else None) or run.last or run.started for run in self.runs]
        return [(run.started, max(end, run.started)) for end, run in zip(ends, self.runs, strict=True)]

    @property
    def total(self) -> int:
        """The number of rows in the journal."""
        return sum(self.states.values())

    @property
    def waiting(self) -> int:
        """The number of rows that are not settled."""
        return self.total - sum(self.states.get(state, 0) for state in FINAL_STATES)

    @property
    def started(self) -> float | None:
        """When the first run started, in seconds since 1970; None if there was none."""
        return self.runs[0].started if self.runs else None

    @property
    def ended(self) -> float | None:
        """When the last run ended, in seconds since 1970; None if it is running, or was killed."""
        return self.runs[-1].ended if self.runs else None

    @property
    def ending(self) -> str | None:
        """Why the last run ended; None if it is running, or was killed."""
        return self.runs[-1].ending if self.runs else None

    @property
    def quota(self) -> float | None:
        """The rate limit of the last run that had one, in requests per second; None if none had."""
        return next((run.quota for run in reversed(self.runs) if run.quota is not None), None)

    def rows_needing_attention(self) -> Generator[Outcome]:
        """Yield the rows that may need attention, in order and in flat memory.

        They are refused, unknown or deferred. A duplicate is left out if the earlier row of its user is done.
        """
        return rows_needing_attention(self.path)


def _query(journal: JournalReader) -> dict[str, Any]:
    facts = journal.facts()
    first, last = journal.settled_span()
    origin, width = float(int(first)), readable_step((last - first) / MAX_CELLS)
    cells: dict[int, list[int]] = {}
    runs = journal.runs()
    starts, ends = [run.started for run in runs], {run.number: run.ended for run in runs}
    settled, lasts = Counter[int](), dict[int, float]()
    for cell, state, count in journal.settled_per_cell(origin, width):
        cells.setdefault(cell, [0] * len(CHARTED_STATES))[CHARTED_STATES.index(state)] += count
        end = origin + (cell + 1) * width
        number = max(bisect_left(starts, end), 1)  # of the last run that started before the cell's end
        settled[number] += count
        lasts[number] = max(lasts.get(number, 0.0), min(end, last, ends.get(number) or end))
    states, errors = journal.counts()
    return {
        "action": facts.get(Fact.ACTION, ""),
        "user_pool": facts.get(Fact.USER_POOL) or None,
        "app_client": facts.get(Fact.APP_CLIENT) or None,
        "source": facts.get(Fact.SOURCE),
        "whole": Fact.COMPLETE in facts,
        "runs": tuple(evolve(run, settled=settled[run.number], last=lasts.get(run.number)) for run in runs),
        "states": states,
        "errors": errors,
        "timeline": make_timeline(cells, origin, width),
        "last_settled": last or None,
        "next_due": journal.next_due(),
    }
