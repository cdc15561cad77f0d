"""Interleaved rounds: A B C, C B A, A B C …, so that what the machine does meanwhile meets every contender alike."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.child import ChildFailedError


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several values with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Summarise at least one value."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])

    def show(self, pattern: str = "{:.2f}") -> str:
        """Return the median, each number in the pattern's form, with low and high in brackets."""
        return (
            f"{pattern.format(self.median)} ({pattern.format(self.low)}-{pattern.format(self.high)})"  # a plain hyphen
        )


class Rounds:
    """What a number of interleaved rounds measured: a list of samples per contender, or why it failed."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sequence[float]]] = {}
        self.failures: dict[str, ChildFailedError] = {}

    def ratios(self, name: str, baseline: str, index: int = 0) -> Spread | None:
        """Return contender / baseline, taken round by round; None when either has no samples."""
        if name not in self.samples or baseline not in self.samples:
            return None
        pairs = zip(self.samples[name], self.samples[baseline], strict=True)
        return Spread.of(ours[index] / theirs[index] for ours, theirs in pairs)

    def values(self, name: str, index: int = 0) -> Spread:
        """Return one number of each sample of a contender."""
        return Spread.of(sample[index] for sample in self.samples[name])


def interleave(names: Sequence[str], rounds: int, measure: Callable[[str], Sequence[float]]) -> Rounds:
    """Measure every contender once a round, every second round in the opposite order.

    A contender that fails is not tried again and keeps no samples; the others go on.
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
