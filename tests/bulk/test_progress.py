"""Progress: counts and the rate of a run."""

from attrs import evolve

from cognito_async.bulk import Outcome, State
from cognito_async.bulk.progress import RATE_WINDOW, Tally


def test_tally_moves_counts_and_measures_rate_over_last_seconds() -> None:
    """Rows are counted by their last state; the rate covers the last whole seconds."""
    tally = Tally()
    for line in range(100):
        row = Outcome(line=line, username="ada", state=State.PLANNED, code="InternalErrorException")
        tally.add(row)
        tally.move(row, evolve(row, state=State.DONE, code=None), 1000 + line / 5)
    assert (+tally.states, +tally.kinds, tally.settled) == ({State.DONE: 100}, {}, 100)
    assert tally.rate(1000.9) == 0.0
    assert tally.rate(1020.5) == 5.0
    assert tally.rate(1020.5 + RATE_WINDOW / 2) == 2.5
    assert tally.rate(1021.5 + RATE_WINDOW) == 0.0
