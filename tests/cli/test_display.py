"""Displays of a run."""

import json

import pytest

from cognito_async.bulk import Outcome, Progress, State
from cognito_async.bulk.csv_jsonl import printable
from cognito_async.bulk.progress import duration
from cognito_async.cli.display import JsonDisplay, PlainDisplay
from cognito_async.cli.output import rate

PROGRESS = Progress(
    states={State.DEFERRED: 1}, kinds={}, total=1, reading=False, in_flight=0, rate=0.0, quota=30.0, throttled=0,
    waiting_until=5000.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01, "0.01"), (0.5, "0.5"), (1, "1"), (2.5, "2.5"), (30, "30"), (99.96, "100.0"), (10_000, "10,000")],
)
def test_rate_has_three_digits_and_is_never_0(value: float, text: str) -> None:
    assert rate(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3660, "1 h 1 min"), (90_000, "1 d 1 h")]
)
def test_duration_has_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_control_characters_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    row = Outcome(line=2, username="ada\x1b[2J\u202eevil", state=State.REFUSED, code="X", reason="a\nb")
    PlainDisplay(5.0).outcome(row)
    assert capsys.readouterr().err == "line 2 ada\\u001b[2J\\u202eevil refused: X a\\nb\n"
    assert printable("a\r\x07\x9b\ud800\u00e4") == "a\\r\\u0007\\u009b\\ud800\u00e4"


def test_plain_display_prints_a_long_wait_once() -> None:
    lines: list[str] = []
    display = PlainDisplay(5.0, lines.append)
    for now in (1000.0, 2000.0, 3000.0):
        display.progress(PROGRESS, now)
    assert len(lines) == 1
    assert "(in 1 h 7 min)" in lines[0]


def test_json_display_has_stable_keys(capsys: pytest.CaptureFixture[str]) -> None:
    display = JsonDisplay(5.0)
    display.outcome(Outcome(line=2, username="ada", state=State.DEFERRED, code="X", reason="a", due=5000.0))
    display.progress(PROGRESS, 1000.0)
    outcome, progress = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(outcome) == {
        "event", "line", "username", "state", "code", "reason", "attempts", "due", "ambiguous", "deferrals",
    }  # fmt: skip
    assert set(progress) == {
        "event", "states", "kinds", "total", "reading", "in_flight", "rate", "quota", "throttled", "waiting_until",
        "trouble", "settled", "time_left", "at",
    }  # fmt: skip
    assert set(progress["states"]) == {state.value for state in State}
    assert outcome["due"].startswith("1970-01-01T")
