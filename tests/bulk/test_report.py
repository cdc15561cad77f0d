"""The report on a bulk job: what is read from a journal, and what is written into CSV and JSON."""

import csv
import json
import sqlite3
import time
import tracemalloc
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from cognito_async.bulk.advice import ADVICE, FIND_OUT, advise
from cognito_async.bulk.errors import JournalError
from cognito_async.bulk.formats import CsvParser, Splitter
from cognito_async.bulk.journal import Journal
from cognito_async.bulk.report import Report, write_csv, write_json
from cognito_async.bulk.report.chart import duration
from cognito_async.bulk.report.content import read
from cognito_async.bulk.report.exports import cell
from cognito_async.bulk.report.target import replaced
from cognito_async.bulk.report.timeline import MOST_BREAKS, POINTS, Timeline, timeline
from cognito_async.bulk.rows import DUPLICATE, INTERRUPTED, INVALID, Outcome, State
from cognito_async.errors import modelled
from cognito_async.operations.facts import IDEMPOTENCY

BEGAN = 1_793_700_000.0  # 3 November 2026, 10:00 UTC
SLEPT = 16 * 3600.0
HOSTILE = "<script>alert('x')</script>"


def row(line: int, state: State = State.DONE, code: str | None = None, **more: Any) -> Outcome:
    """Make an outcome."""
    name = f"user-{line}@example.com"
    return evolve(Outcome(line=line, username=name, state=state, code=code), **more)


def settle(journal: Journal, outcomes: Iterable[Outcome], began: float, rate: int) -> float:
    """Note outcomes at a rate, and give the time of the last ones."""
    found, now = list(outcomes), began
    for place in range(0, len(found), rate):
        now += 1
        journal.write([], found[place : place + rate], now)
    return now


def two_runs(path: Path) -> Path:
    """Make the journal of a job that was stopped for a night, and went on faster."""
    with Journal(path) as journal:
        journal.remember({"action": "reset", "user pool": "eu-west-1_AbCdEfGhI"})
        journal.begin_run(BEGAN, 30.0)
        planned = [row(line, State.PLANNED) for line in range(1, 6001)]
        planned[10] = row(11, State.REFUSED, INVALID, username="", reason="username is missing")
        planned[11] = row(12, State.PLANNED, username="user-1@example.com")
        special = {
            100: row(100, State.REFUSED, "UserNotFoundException", reason="User does not exist."),
            101: row(101, State.UNKNOWN, "RequestTimeoutError", reason="time ran out", ambiguous=True),
            102: row(102, State.REFUSED, HOSTILE, username=HOSTILE, reason=HOSTILE * 500),
            103: row(103, State.REFUSED, "InvalidParameterException", username='=HYPERLINK("http://x")', reason="a\nb"),
            104: row(104, State.DEFERRED, "LimitExceededException", due=BEGAN + SLEPT + 9000, reason="too often"),
        }
        for line, outcome in special.items():
            planned[line - 1] = row(line, State.PLANNED, username=outcome.username)
        journal.plan(planned, BEGAN)
        journal.remember({"planned": "yes", "source": "users.csv"})
        lines = [line for line in range(1, 6001) if line not in {11, 12}]
        found = [special.get(line, row(line)) for line in lines]
        ended = settle(journal, found[:2998], BEGAN, 25)
        journal.end_run(1, ended, "stopped", 7)
        journal.begin_run(BEGAN + SLEPT, 50.0)
        ended = settle(journal, found[2998:], BEGAN + SLEPT, 50)
        journal.end_run(2, ended, "deferred", 0)
    return path


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give that journal."""
    return two_runs(tmp_path_factory.mktemp("report") / "users.journal")


# --- reading ---


def test_tells_of_the_job(journal: Path) -> None:
    """Facts, totals and troubles are those of the journal."""
    report = Report.read(journal, now=BEGAN)
    assert (report.action, report.user_pool, report.app_client) == ("reset", "eu-west-1_AbCdEfGhI", None)
    assert (report.source, report.whole, report.total, report.waiting) == ("users.csv", True, 6000, 1)
    assert report.states == {State.DONE: 5993, State.REFUSED: 5, State.UNKNOWN: 1, State.DEFERRED: 1}
    assert report.kinds == {
        (State.REFUSED, INVALID): 1,
        (State.REFUSED, DUPLICATE): 1,
        (State.REFUSED, "UserNotFoundException"): 1,
        (State.REFUSED, "InvalidParameterException"): 1,
        (State.REFUSED, HOSTILE): 1,
        (State.UNKNOWN, "RequestTimeoutError"): 1,
        (State.DEFERRED, "LimitExceededException"): 1,
    }
    assert report.next_due == BEGAN + SLEPT + 9000
    assert Report.read(journal, source="-", running=True).source == "-"


def test_tells_of_the_runs(journal: Path) -> None:
    """Each run has its own rows; those that were never sent belong to none."""
    report = Report.read(journal, now=BEGAN)
    assert [(run.settled, run.quota, run.ending, run.throttled) for run in report.runs] == [
        (2997, 30.0, "stopped", 7),
        (3000, 50.0, "deferred", 0),
    ]
    assert (report.started, report.ended, report.ending) == (BEGAN, BEGAN + SLEPT + 60, "deferred")
    assert report.quota == 50.0


def test_a_night_is_left_out_of_the_average(journal: Path) -> None:
    """The night cuts the timeline in two, and slows nothing down."""
    line = Report.read(journal).timeline
    assert len(line.stretches) == 2
    assert line.stretches[1].start - line.stretches[0].end > SLEPT - 600
    assert line.mean == pytest.approx(5997 / 180, rel=0.02)
    assert line.peak == pytest.approx(50, rel=0.02)
    assert sum(sum(point.counts) for point in line.points) == 5997


def test_rows_that_need_a_person(journal: Path) -> None:
    """Refused, unknown and deferred rows come, in order, and no others."""
    assert [case.line for case in Report.read(journal).cases()] == [11, 12, 100, 101, 102, 103, 104]


def test_more_rows_than_a_page_need_a_person(tmp_path: Path) -> None:
    """None is lost between two pages."""
    with Journal(tmp_path / "j") as opened:
        opened.plan([row(line * 3, State.REFUSED, INVALID) for line in range(1, 2502)], BEGAN)
    assert [case.line for case in Report.read(tmp_path / "j").cases()] == [line * 3 for line in range(1, 2502)]


def test_reads_while_a_job_writes(tmp_path: Path) -> None:
    """What is committed is seen, and the writer is not held up; not even within a transaction."""
    with Journal(tmp_path / "j") as opened:
        opened.remember({"action": "forgot", "app client": "abc"})
        opened.begin_run(BEGAN, None)
        opened.plan([row(line, State.PLANNED) for line in range(1, 11)], BEGAN)
        for line in range(1, 11):
            opened.write([], [row(line)], BEGAN + line)
            report = Report.read(tmp_path / "j")
            assert (report.states[State.DONE], report.ended, report.whole) == (line, None, False)
        query = "SELECT count(*) FROM rows WHERE state = 'refused'"

        def seen(connection: sqlite3.Connection) -> tuple[int, int]:
            before = connection.execute(query).fetchone()[0]
            opened.write([], [row(1, State.REFUSED, "Gone")], BEGAN + 20)
            return before, connection.execute(query).fetchone()[0]

        assert read(tmp_path / "j", seen) == (0, 0)
        assert Report.read(tmp_path / "j").app_client == "abc"


def test_a_job_that_begins_meanwhile_is_read_anew(journal: Path, tmp_path: Path) -> None:
    """A journal at rest is read as a file that never changes: if it does change, the query is made again."""
    path = tmp_path / "j"
    path.write_bytes(journal.read_bytes())
    seen: list[int] = []

    def count(connection: sqlite3.Connection) -> int:
        seen.append(connection.execute("SELECT count(*) FROM rows").fetchone()[0])
        if len(seen) == 1:
            with Journal(path) as opened:
                opened.plan([row(7000, State.PLANNED)], BEGAN)
        return seen[-1]

    assert read(path, count) == 6001
    assert seen == [6000, 6001]


def test_leaves_nothing_behind(journal: Path) -> None:
    """No file appears beside a journal that is read."""
    before = sorted(journal.parent.iterdir())
    Report.read(journal)
    assert sorted(journal.parent.iterdir()) == before


def test_reads_where_it_can_not_write(journal: Path, tmp_path: Path) -> None:
    """A copy in a folder that is write-protected will do."""
    folder = tmp_path / "archive"
    folder.mkdir()
    copy = folder / "j"
    copy.write_bytes(journal.read_bytes())
    copy.chmod(0o400)
    folder.chmod(0o500)
    try:
        assert Report.read(copy).total == 6000
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "no journal"),
        (lambda path: path.write_text("line,username\n" * 100), "not a database"),
        (lambda path: path.write_text(""), "is empty"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE t (a)").connection.close(), "no journal of a job"),
        (lambda path: path.mkdir(), "can't be used"),
    ],
)
def test_what_is_no_journal(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    """It says what is wrong, and names the file."""
    make(tmp_path / "j")
    with pytest.raises(JournalError, match=said) as caught:
        Report.read(tmp_path / "j")
    assert str(tmp_path / "j") in str(caught.value)


def test_a_job_that_was_never_run(tmp_path: Path) -> None:
    """An empty journal gives an empty report."""
    Journal(tmp_path / "j").close()
    report = Report.read(tmp_path / "j")
    assert (report.total, report.runs, report.started, report.ending, report.quota) == (0, (), None, None, None)
    assert report.timeline == Timeline()
    assert list(report.cases()) == []


def test_a_killed_run(tmp_path: Path) -> None:
    """A run without an end has its rows, and those that were cut off count into none."""
    with Journal(tmp_path / "j") as opened:
        opened.begin_run(BEGAN, 30.0)
        opened.plan([row(line, State.PLANNED) for line in (1, 2)], BEGAN)
        opened.write([2], [row(1)], BEGAN + 5)
        opened.take_over(BEGAN + 999, repeats=False, reason="killed")
        opened.begin_run(BEGAN + 1000, 30.0)
    report = Report.read(tmp_path / "j")
    assert [(run.settled, run.ended) for run in report.runs] == [(1, None), (0, None)]
    assert report.kinds == {(State.UNKNOWN, INTERRUPTED): 1}
    assert report.timeline.seconds == 1.0


MANY = """
WITH RECURSIVE lines(line) AS (SELECT 1 UNION ALL SELECT line + 1 FROM lines WHERE line < :rows)
INSERT INTO rows (line, username, state, code, reason, attempts, at)
SELECT line, 'user-' || line || '@example.com', iif(line % 2, 'done', 'refused'),
    iif(line % 2, NULL, 'UserNotFoundException'), iif(line % 2, NULL, 'User does not exist.'), 1, :began + line / 30.0
FROM lines
"""


def test_many_rows_in_flat_memory(tmp_path: Path) -> None:
    """200,000 rows are read within three seconds of work and some megabytes."""
    Journal(tmp_path / "j").close()
    with closing(sqlite3.connect(tmp_path / "j")) as connection, connection:
        connection.execute(MANY, {"rows": 200_000, "began": BEGAN})
    began = time.process_time()
    report = Report.read(tmp_path / "j")
    assert sum(1 for _ in report.cases()) == 100_000
    assert time.process_time() - began < 3
    tracemalloc.start()
    try:
        Report.read(tmp_path / "j")
        assert sum(1 for _ in islice(report.cases(), 5000)) == 5000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
    assert report.total == 200_000
    assert report.timeline.mean == pytest.approx(30, rel=0.01)


# --- the timeline ---


@given(
    st.dictionaries(st.integers(0, 60_000), st.tuples(*[st.integers(1, 99)] * 3), min_size=1, max_size=60),
    st.sampled_from([1, 5, 30, 3600]),
)
def test_a_timeline_loses_no_row(cells: dict[int, tuple[int, int, int]], width: int) -> None:
    """Whatever the cells, each row is in one point, and the points are few and in order."""
    line = timeline(cells, BEGAN, width)
    counted = [point.counts for point in line.points]
    assert sum(map(sum, counted)) == sum(map(sum, cells.values()))
    assert len(counted) <= POINTS + 2 * (MOST_BREAKS + 1)
    assert len(line.stretches) <= MOST_BREAKS + 1
    starts = [point.start for point in line.points]
    assert starts == sorted(set(starts))
    assert line.mean <= line.peak * 1.0001


def test_a_short_pause_stays_in_the_timeline() -> None:
    """A minute without rows is a minute at zero."""
    cells = {second: (30, 0, 0) for second in range(600) if not 200 <= second < 260}
    line = timeline(cells, BEGAN, 1)
    assert len(line.stretches) == 1
    assert [point.rate for point in line.points].count(0.0) == 6


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.2, "under 1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3599.7, "1 h"),
        (8040, "2 h 14 min"),
        (86400 * 3 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    """Two units are enough, and none of them overflows."""
    assert duration(seconds) == said


# --- advice ---

OPERATIONS = {
    "confirm": "ConfirmForgotPassword",
    "forgot": "ForgotPassword",
    "reset": "AdminResetUserPassword",
    "set-password": "AdminSetUserPassword",
    "sign-out": "AdminUserGlobalSignOut",
}


@pytest.mark.parametrize("action", OPERATIONS)
def test_advice_knows_whatever_an_action_can_end_with(action: str) -> None:
    """Every code that the service's model declares for the operation has a title of its own."""
    model = get_session().get_service_model("cognito-idp").operation_model(OPERATIONS[action])
    errors = [shape.name for shape in model.error_shapes]
    assert errors
    for code in errors:
        advice = advise(code, action)
        assert advice.title != code
        assert advice.todo


def test_advice_depends_on_action_and_state() -> None:
    """The same code means another thing elsewhere."""
    assert "verified" in advise("InvalidParameterException", "reset").todo
    assert "verified" not in advise("InvalidParameterException", "set-password temporary, generated").todo
    assert "whether a code came" in advise("RequestTimeoutError", "forgot", State.UNKNOWN).todo
    assert "try the new password" in advise("RequestTimeoutError", "confirm", State.UNKNOWN).todo
    assert "app client" in advise("NotAuthorizedException", "forgot", State.PLANNED).todo
    assert advise("LimitExceededException", "reset", State.DEFERRED) != advise("LimitExceededException", "reset")
    assert advise("BrandNewException", "reset").title == "BrandNewException"
    assert advise(None, "reset").title


def test_advice_names_real_codes() -> None:
    """No code of the service is misspelt, and each action that can be ambiguous says how to find out."""
    services = {code for code in ADVICE if code.endswith("Exception")}
    wire = {"ExpiredTokenException", "IncompleteSignatureException", "InvalidSignatureException"}
    wire |= {"MissingAuthenticationTokenException", "ThrottlingException", "UnrecognizedClientException"}
    assert services - wire <= set(dir(modelled)), services - wire - set(dir(modelled))
    assert set(FIND_OUT) == set(OPERATIONS)
    assert set(OPERATIONS.values()) <= set(IDEMPOTENCY)


# --- CSV and JSON ---


def test_csv(journal: Path, tmp_path: Path) -> None:
    """It has a line for each row that needs a person, and says what to do."""
    path = tmp_path / "rows.csv"
    assert write_csv(Report.read(journal), path) == 7
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["line", "username", "state", "code", "reason", "what_to_do"]
    assert [row["line"] for row in rows] == ["11", "12", "100", "101", "102", "103", "104"]
    assert rows[5]["username"] == '\'=HYPERLINK("http://x")'
    assert rows[5]["reason"] == "a b"
    assert rows[6]["what_to_do"].endswith("Due: 2026-11-04 04:30 UTC.")
    assert path.stat().st_mode & 0o777 == 0o600


def test_csv_can_be_the_input_of_a_job(journal: Path, tmp_path: Path) -> None:
    """The bulk reader takes it: a line is a row, and the columns are named."""
    write_csv(Report.read(journal), tmp_path / "rows.csv")
    parser = CsvParser(("username",), "rows.csv")
    content = (tmp_path / "rows.csv").read_bytes()
    rows = parser.rows(Splitter().lines(content))
    assert [row.values["username"] for row in rows][2] == "user-100@example.com"
    assert not any(row.fault for row in rows)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ada", "ada"),
        ("", ""),
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("\tx", "'\tx"),
        ("+447911123456", "+447911123456"),
        ("+447911123456+1", "'+447911123456+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("+44\n", "'+44\n"),
        ("+\u0664\u0664", "'+\u0664\u0664"),
        ("\uff1d1+1", "'\uff1d1+1"),
    ],
)
def test_spreadsheets_run_nothing(text: str, written: str) -> None:
    """What may be a formula is text; telephone numbers stay what they are."""
    assert cell(text) == written


def test_json(journal: Path, tmp_path: Path) -> None:
    """Figures alone name nobody; with rows the usernames are as they are."""
    report = Report.read(journal, now=BEGAN)
    write_json(report, tmp_path / "figures.json")
    write_json(report, tmp_path / "all.json", rows=True)
    figures, both = (json.loads((tmp_path / name).read_text()) for name in ("figures.json", "all.json"))
    rows = both.pop("rows")
    assert figures == both
    assert figures["states"] == {"planned": 0, "sent": 0, "done": 5993, "refused": 5, "deferred": 1, "unknown": 1}
    assert figures["runs"][0]["started"] == "2026-11-03T10:00:00+00:00"
    assert [row["username"] for row in rows][5] == '=HYPERLINK("http://x")'
    assert rows[6]["due"] == "2026-11-04T04:30:00+00:00"
    assert "example.com" not in (tmp_path / "figures.json").read_text()
    assert (tmp_path / "all.json").stat().st_mode & 0o777 == 0o600


def test_json_of_nothing(tmp_path: Path) -> None:
    """No rows are an empty list."""
    Journal(tmp_path / "j").close()
    write_json(Report.read(tmp_path / "j"), tmp_path / "all.json", rows=True)
    assert json.loads((tmp_path / "all.json").read_text())["rows"] == []


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """What fails leaves the old file, and no other."""
    path = tmp_path / "report.csv"
    path.write_text("old")
    path.chmod(0o644)

    def fail() -> None:
        with replaced(path) as file:
            file.write(f"new {1 // 0}")

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    with replaced(path) as file:
        file.write("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="No such file"), replaced(tmp_path / "nowhere" / "report.csv"):
        pass
