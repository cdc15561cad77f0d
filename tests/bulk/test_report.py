"""Reports: reading a journal, advice, CSV and JSON."""

import csv
import json
import shutil
import sqlite3
import sys
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

from cognito_async.bulk import BulkError, JournalError
from cognito_async.bulk.csv_jsonl import CsvParser, LineSplitter
from cognito_async.bulk.journal import Journal, JournalReader, read_journal
from cognito_async.bulk.progress import duration
from cognito_async.bulk.report import Report, write_csv, write_html, write_json
from cognito_async.bulk.report.exports import cell, render_html
from cognito_async.bulk.report.model import MAX_BREAKS, MAX_POINTS, Timeline, make_timeline
from cognito_async.bulk.rows import DUPLICATE_ROW, INTERRUPTED, INVALID_ROW, Outcome, State
from cognito_async.bulk.troubleshooting import ERRORS, HOW_TO_VERIFY, troubleshoot
from cognito_async.errors import modelled
from cognito_async.operations.facts import IDEMPOTENCY

STARTED = 1_793_700_000.0  # 3 November 2026, 10:00 UTC
IDLE = 16 * 3600.0
HOSTILE = "<script>alert('x')</script>"


def row(line: int, state: State = State.DONE, code: str | None = None, **more: Any) -> Outcome:
    """Return an outcome."""
    name = f"user-{line}@example.com"
    return evolve(Outcome(line=line, username=name, state=state, code=code), **more)


def settle(journal: Journal, outcomes: Iterable[Outcome], started: float, rate: int) -> float:
    """Record outcomes at a rate, in rows per second; return the time of the last ones."""
    found, now = list(outcomes), started
    for place in range(0, len(found), rate):
        now += 1
        journal.write([], found[place : place + rate], now)
    return now


def two_runs(path: Path) -> Path:
    """Write the journal of a job that was stopped for a night and continued at a higher rate."""
    with Journal(path) as journal:
        journal.remember({"action": "reset", "user pool": "eu-west-1_AbCdEfGhI"})
        journal.start_run(STARTED, 30.0)
        planned = [row(line, State.PLANNED) for line in range(1, 6001)]
        planned[10] = row(11, State.REFUSED, INVALID_ROW, username="", reason="username is missing")
        planned[11] = row(12, State.PLANNED, username="user-1@example.com")
        special = {
            100: row(100, State.REFUSED, "UserNotFoundException", reason="User does not exist."),
            101: row(101, State.UNKNOWN, "RequestTimeoutError", reason="time ran out", ambiguous=True),
            102: row(102, State.REFUSED, HOSTILE, username=HOSTILE, reason=HOSTILE * 500),
            103: row(103, State.REFUSED, "InvalidParameterException", username='=HYPERLINK("http://x")', reason="a\nb"),
            104: row(104, State.DEFERRED, "LimitExceededException", due=STARTED + IDLE + 9000, reason="too often"),
        }
        for line, outcome in special.items():
            planned[line - 1] = row(line, State.PLANNED, username=outcome.username)
        journal.add_rows(planned, STARTED)
        journal.remember({"planned": "yes", "source": "users.csv"})
        lines = [line for line in range(1, 6001) if line not in {11, 12}]
        found = [special.get(line, row(line)) for line in lines]
        ended = settle(journal, found[:2998], STARTED, 25)
        journal.end_run(1, ended, "stopped", 7)
        journal.start_run(STARTED + IDLE, 50.0)
        ended = settle(journal, found[2998:], STARTED + IDLE, 50)
        journal.end_run(2, ended, "deferred", 0)
    return path


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of that journal."""
    return two_runs(tmp_path_factory.mktemp("report") / "users.journal")


# --- reading ---


def test_report_has_facts_and_counts(journal: Path) -> None:
    """The report has the facts and the counts of the journal."""
    report = Report.read(journal, now=STARTED)
    assert (report.action, report.user_pool, report.app_client) == ("reset", "eu-west-1_AbCdEfGhI", None)
    assert (report.source, report.whole, report.total, report.waiting) == ("users.csv", True, 6000, 1)
    assert report.states == {State.DONE: 5993, State.REFUSED: 5, State.UNKNOWN: 1, State.DEFERRED: 1}
    assert report.kinds == {
        (State.REFUSED, INVALID_ROW): 1,
        (State.REFUSED, DUPLICATE_ROW): 1,
        (State.REFUSED, "UserNotFoundException"): 1,
        (State.REFUSED, "InvalidParameterException"): 1,
        (State.REFUSED, HOSTILE): 1,
        (State.UNKNOWN, "RequestTimeoutError"): 1,
        (State.DEFERRED, "LimitExceededException"): 1,
    }
    assert report.next_due == STARTED + IDLE + 9000
    assert Report.read(journal, source="-").source == "-"


def test_report_runs_have_their_rows(journal: Path) -> None:
    """Each run has its rows; invalid rows belong to none."""
    report = Report.read(journal, now=STARTED)
    assert [(run.settled, run.quota, run.ending, run.throttled) for run in report.runs] == [
        (2997, 30.0, "stopped", 7),
        (3000, 50.0, "deferred", 0),
    ]
    assert (report.started, report.ended, report.ending) == (STARTED, STARTED + IDLE + 60, "deferred")
    assert report.quota == 50.0


def test_timeline_leaves_out_idle_night(journal: Path) -> None:
    """An idle night splits the timeline, and does not lower the mean rate."""
    line = Report.read(journal).timeline
    assert len(line.periods) == 2
    assert line.periods[1].start - line.periods[0].end > IDLE - 600
    assert line.mean == pytest.approx(5997 / 180, rel=0.02)
    assert line.peak == pytest.approx(50, rel=0.02)
    assert sum(sum(point.counts) for point in line.points) == 5997


def test_rows_needing_attention_are_refused_unknown_and_deferred(journal: Path) -> None:
    """Refused, unknown and deferred rows are returned in order."""
    assert [row.line for row in Report.read(journal).rows_needing_attention()] == [11, 100, 101, 102, 103, 104]


def test_mean_rate_counts_the_time_of_the_runs_only(tmp_path: Path) -> None:
    """The time between a stop and the resumption does not lower the average, however short it is."""
    with Journal(tmp_path / "j") as journal:
        journal.add_rows([row(line, State.PLANNED) for line in range(1, 301)], STARTED)
        for start, lines in ((STARTED, range(1, 151)), (STARTED + 25, range(151, 301))):
            run = journal.start_run(start, 30.0)
            ended = settle(journal, [row(line) for line in lines], start, 30)
            journal.end_run(run, ended, "stopped", 0)
    report = Report.read(tmp_path / "j")
    assert report.run_time == 10.0
    assert report.mean_rate == pytest.approx(30, rel=0.15)
    assert report.mean_rate <= report.timeline.peak
    write_json(report, tmp_path / "j.json")
    assert json.loads((tmp_path / "j.json").read_text())["mean_rate"] == round(report.mean_rate, 3)
    assert f"{report.mean_rate:,.1f} rows per second on average" in render_html(report)


def test_mean_rate_of_very_short_runs_is_at_most_the_peak(tmp_path: Path) -> None:
    """Rows are counted by the second; a run can be shorter."""
    assert Report(path=tmp_path, read_at=STARTED, action="reset").mean_rate == 0.0
    with Journal(tmp_path / "j") as journal:
        journal.add_rows([row(line, State.PLANNED) for line in range(1, 101)], STARTED)
        run = journal.start_run(STARTED + 0.25, 30.0)
        journal.write([], [row(line) for line in range(1, 101)], STARTED + 0.375)
        journal.end_run(run, STARTED + 0.5, "finished", 0)
    report = Report.read(tmp_path / "j")
    assert report.mean_rate == report.timeline.peak == 100.0


def test_duplicates_need_attention_unless_their_earlier_row_is_done(tmp_path: Path) -> None:
    """A list for a retry must not contain users who are done."""
    with Journal(tmp_path / "j") as journal:
        names = ("ada", "bob", "eve", "ian", "Ada", "Bob", "Eve", "Ian", "ada")
        journal.add_rows([row(line, State.PLANNED, username=name) for line, name in enumerate(names, 2)], STARTED)
        states = {2: State.DONE, 3: State.REFUSED, 4: State.UNKNOWN}
        journal.write([], [row(line, state, "x") for line, state in states.items()], STARTED)
    assert [each.line for each in Report.read(tmp_path / "j").rows_needing_attention()] == [3, 4, 7, 8, 9]


def test_rows_needing_attention_on_several_pages_are_complete(tmp_path: Path) -> None:
    """No row is lost between pages."""
    with Journal(tmp_path / "j") as opened:
        opened.add_rows([row(line * 3, State.REFUSED, INVALID_ROW) for line in range(1, 2502)], STARTED)
    assert [row.line for row in Report.read(tmp_path / "j").rows_needing_attention()] == [
        line * 3 for line in range(1, 2502)
    ]


def test_report_of_running_job_is_consistent(tmp_path: Path) -> None:
    """Committed rows are seen, within a snapshot, without blocking the writer."""
    with Journal(tmp_path / "j") as opened:
        opened.remember({"action": "forgot", "app client": "abc"})
        opened.start_run(STARTED, None)
        opened.add_rows([row(line, State.PLANNED) for line in range(1, 11)], STARTED)
        for line in range(1, 11):
            opened.write([], [row(line)], STARTED + line)
            report = Report.read(tmp_path / "j")
            assert (report.states[State.DONE], report.ended, report.whole) == (line, None, False)

        def count_twice(reader: JournalReader) -> tuple[int, int]:
            before = reader.counts()[0][State.REFUSED]
            opened.write([], [row(1, State.REFUSED, "Gone")], STARTED + 20)
            return before, reader.counts()[0][State.REFUSED]

        assert read_journal(tmp_path / "j", count_twice) == (0, 0)
        assert Report.read(tmp_path / "j").running
        assert Report.read(tmp_path / "j").app_client == "abc"


def test_query_is_repeated_if_job_starts_meanwhile(journal: Path, tmp_path: Path) -> None:
    """A journal that is read as an immutable file is read again if it changed."""
    path = tmp_path / "j"
    shutil.copy(journal, path)
    seen: list[int] = []

    def count(reader: JournalReader) -> int:
        seen.append(reader.counts()[0].total())
        if len(seen) == 1:
            with Journal(path) as opened:
                opened.add_rows([row(7000, State.PLANNED)], STARTED)
        return seen[-1]

    assert read_journal(path, count) == 6001
    assert seen == [6000, 6001]


def test_report_read_leaves_no_files(journal: Path) -> None:
    """Reading leaves no file beside the journal."""
    before = sorted(journal.parent.iterdir())
    Report.read(journal)
    assert sorted(journal.parent.iterdir()) == before


def test_report_reads_write_protected_journal(journal: Path, tmp_path: Path) -> None:
    """A write-protected journal can be read."""
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
    ("make", "problem"),
    [
        (lambda _: None, "not found"),
        (lambda path: path.write_text("line,username\n" * 100), "not a database"),
        (lambda path: path.write_text(""), "is empty"),
        (
            lambda path: sqlite3.connect(path).execute("CREATE TABLE t (a)").connection.close(),
            "not a cognito_async journal",
        ),
        (lambda path: path.mkdir(), "not a regular file"),
    ],
)
def test_report_of_other_file_raises_journal_error(
    tmp_path: Path, make: Callable[[Path], object], problem: str
) -> None:
    """Other files are rejected with their path."""
    make(tmp_path / "j")
    if (tmp_path / "j").is_file():
        (tmp_path / "j").chmod(0o600)
    with pytest.raises(JournalError, match=problem) as caught:
        Report.read(tmp_path / "j")
    assert str(tmp_path / "j") in str(caught.value)


def test_report_of_empty_journal_is_empty(tmp_path: Path) -> None:
    """A journal without rows gives an empty report."""
    Journal(tmp_path / "j").close()
    report = Report.read(tmp_path / "j")
    assert (report.total, report.runs, report.started, report.ending, report.quota) == (0, (), None, None, None)
    assert report.timeline == Timeline()
    assert list(report.rows_needing_attention()) == []


def test_report_of_killed_run(tmp_path: Path) -> None:
    """A killed run has its rows; interrupted rows belong to no run."""
    with Journal(tmp_path / "j") as opened:
        opened.start_run(STARTED, 30.0)
        opened.add_rows([row(line, State.PLANNED) for line in (1, 2)], STARTED)
        opened.write([2], [row(1)], STARTED + 5)
        opened.recover_sent(STARTED + 999, repeat=False, reason="killed")
        opened.start_run(STARTED + 1000, 30.0)
    report = Report.read(tmp_path / "j")
    assert [(run.settled, run.ended) for run in report.runs] == [(1, None), (0, None)]
    assert report.kinds == {(State.UNKNOWN, INTERRUPTED): 1}
    assert report.timeline.seconds == 1.0


MANY = """
WITH RECURSIVE lines(line) AS (SELECT 1 UNION ALL SELECT line + 1 FROM lines WHERE line < :rows)
INSERT INTO rows (line, username, state, code, reason, attempts, at)
SELECT line, 'user-' || line || '@example.com', iif(line % 2, 'done', 'refused'),
    iif(line % 2, NULL, 'UserNotFoundException'), iif(line % 2, NULL, 'User does not exist.'), 1, :started + line / 30.0
FROM lines
"""


def test_report_of_many_rows_is_fast_and_small(tmp_path: Path) -> None:
    """200,000 rows are read within seconds, in a few megabytes."""
    Journal(tmp_path / "j").close()
    with closing(sqlite3.connect(tmp_path / "j")) as connection, connection:
        connection.execute(MANY, {"rows": 200_000, "started": STARTED})
    started = time.process_time()
    report = Report.read(tmp_path / "j")
    assert sum(1 for _ in report.rows_needing_attention()) == 100_000
    assert time.process_time() - started < 3
    tracemalloc.start()
    try:
        Report.read(tmp_path / "j")
        assert sum(1 for _ in islice(report.rows_needing_attention(), 5000)) == 5000
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
def test_timeline_keeps_all_rows(cells: dict[int, tuple[int, int, int]], width: int) -> None:
    """Every row is in one point; points are few and in order."""
    line = make_timeline(cells, STARTED, width)
    counted = [point.counts for point in line.points]
    assert sum(map(sum, counted)) == sum(map(sum, cells.values()))
    assert len(counted) <= MAX_POINTS + 2 * (MAX_BREAKS + 1)
    assert len(line.periods) <= MAX_BREAKS + 1
    starts = [point.start for point in line.points]
    assert starts == sorted(set(starts))
    assert line.mean <= line.peak * 1.0001


def test_timeline_keeps_short_pause() -> None:
    """A minute without rows is a minute at zero."""
    cells = {second: (30, 0, 0) for second in range(600) if not 200 <= second < 260}
    line = make_timeline(cells, STARTED, 1)
    assert len(line.periods) == 1
    assert [point.rate for point in line.points].count(0.0) == 6


@pytest.mark.parametrize(
    ("seconds", "text"),
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
def test_duration_has_two_units(seconds: float, text: str) -> None:
    """Durations are formatted in two units."""
    assert duration(seconds) == text


# --- advice ---

OPERATIONS = {
    "confirm": "ConfirmForgotPassword",
    "forgot": "ForgotPassword",
    "reset": "AdminResetUserPassword",
    "set-password": "AdminSetUserPassword",
    "sign-out": "AdminUserGlobalSignOut",
}


@pytest.mark.parametrize("action", OPERATIONS)
def test_advice_covers_every_declared_error(action: str) -> None:
    """Every error that the service model declares for an action has advice."""
    model = get_session().get_service_model("cognito-idp").operation_model(OPERATIONS[action])
    errors = [shape.name for shape in model.error_shapes]
    assert errors
    for code in errors:
        fix = troubleshoot(code, action)
        assert fix.title != code
        assert fix.todo


def test_advice_for_corrected_rows_is_a_file_of_their_own() -> None:
    """A new journal for the whole input would repeat the action for the users who are done."""
    codes = ["InvalidRow", "DuplicateRow", "ParameterValidationError", "InvalidPasswordException"]
    for code in [*codes, "PasswordHistoryPolicyViolationException"]:
        for action in OPERATIONS:
            assert "into a new file" in troubleshoot(code, action).todo
    assert not [fix for fix in ERRORS.values() if "new job" in " ".join([fix.todo, *fix.actions.values()])]


def test_advice_depends_on_action_and_state() -> None:
    """The same code means different things for other actions and states."""
    assert "verified" not in troubleshoot("InvalidParameterException", "reset").todo
    assert "whether a code arrived" in troubleshoot("RequestTimeoutError", "forgot", State.UNKNOWN).todo
    assert "try the new password" in troubleshoot("RequestTimeoutError", "confirm", State.UNKNOWN).todo
    assert "app client" in troubleshoot("NotAuthorizedException", "forgot", State.PLANNED).todo
    assert troubleshoot("LimitExceededException", "reset", State.DEFERRED) != troubleshoot(
        "LimitExceededException", "reset"
    )
    assert "if it was refused" in troubleshoot("DuplicateRow", "set-password").todo.lower()
    assert troubleshoot("BrandNewException", "reset").title == "BrandNewException"
    assert troubleshoot(None, "reset").title


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("Cannot reset password for the user as there is no registered/verified email or phone_number", "verified"),
        ("User has no verified e-mail", "verified"),
        ("1 validation error detected: Value at 'username' failed to satisfy constraint: Member must…", "new file"),
        ("Value '***' at 'password' failed to satisfy constraint", "new file"),
        ("Something else", "Read the reason"),
        (None, "Read the reason"),
    ],
)
def test_advice_for_invalid_parameter_depends_on_reason(reason: str | None, part: str) -> None:
    """A user without an address and an invalid username need different fixes."""
    for action in OPERATIONS:
        assert part in troubleshoot("InvalidParameterException", action, State.REFUSED, reason).todo


def test_rows_of_one_code_are_grouped_by_kind_of_reason(tmp_path: Path) -> None:
    """The journal counts each kind separately, with an example, so that the page has advice for each."""
    reasons = ["no verified email", "Value 'a b' at 'username' failed to satisfy constraint: x", "no verified phone"]
    with Journal(tmp_path / "j") as journal:
        found = [
            row(line, State.REFUSED, "InvalidParameterException", reason=reason)
            for line, reason in enumerate(reasons, 1)
        ]
        journal.add_rows(found, STARTED)
    report = Report.read(tmp_path / "j")
    assert sorted((group.rows, group.reason) for group in report.errors) == [(1, reasons[1]), (2, reasons[0])]
    assert report.kinds == {(State.REFUSED, "InvalidParameterException"): 3}
    page = render_html(report)
    assert "AdminUpdateUserAttributes" in page
    assert "contains no spaces" in page


def test_advice_codes_exist() -> None:
    """All codes exist, and every action has instructions for verification."""
    services = {code for code in ERRORS if code.endswith("Exception")}
    wire = {"ExpiredTokenException", "IncompleteSignatureException", "InvalidSignatureException"}
    wire |= {"MissingAuthenticationTokenException", "ThrottlingException", "UnrecognizedClientException"}
    assert services - wire <= set(dir(modelled)), services - wire - set(dir(modelled))
    assert set(HOW_TO_VERIFY) == set(OPERATIONS)
    assert set(OPERATIONS.values()) <= set(IDEMPOTENCY)


# --- CSV and JSON ---


def test_write_csv_lists_rows_with_advice(journal: Path, tmp_path: Path) -> None:
    """The file has one line per row, with what to do."""
    path = tmp_path / "rows.csv"
    assert write_csv(Report.read(journal), path) == 6
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["line", "username", "state", "code", "reason", "what_to_do"]
    assert [row["line"] for row in rows] == ["11", "100", "101", "102", "103", "104"]
    assert rows[4]["username"] == '\'=HYPERLINK("http://x")'
    assert rows[4]["reason"] == "a b"
    assert rows[5]["what_to_do"].endswith("Due: 2026-11-04 04:30 UTC.")
    assert path.stat().st_mode & 0o777 == 0o600


def test_write_csv_output_is_valid_input(journal: Path, tmp_path: Path) -> None:
    """The file can be the input of another job."""
    write_csv(Report.read(journal), tmp_path / "rows.csv")
    parser = CsvParser(("username",), "rows.csv")
    content = (tmp_path / "rows.csv").read_bytes()
    rows = parser.rows(LineSplitter().lines(content))
    assert [row.values["username"] for row in rows][1] == "user-100@example.com"
    assert not any(row.error for row in rows)


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
def test_csv_cell_formulas_are_escaped(text: str, written: str) -> None:
    """Formulas are escaped; phone numbers are not."""
    assert cell(text) == written


def test_write_json_names_users_only_with_rows(journal: Path, tmp_path: Path) -> None:
    """Figures name no user; rows have the usernames."""
    report = Report.read(journal, now=STARTED)
    write_json(report, tmp_path / "figures.json")
    write_json(report, tmp_path / "all.json", rows=True)
    figures, both = (json.loads((tmp_path / name).read_text()) for name in ("figures.json", "all.json"))
    rows = both.pop("rows")
    assert figures == both
    assert figures["states"] == {"planned": 0, "sent": 0, "done": 5993, "refused": 5, "deferred": 1, "unknown": 1}
    assert figures["runs"][0]["started"] == "2026-11-03T10:00:00+00:00"
    assert [row["username"] for row in rows][4] == '=HYPERLINK("http://x")'
    assert rows[5]["due"] == "2026-11-04T04:30:00+00:00"
    assert "example.com" not in (tmp_path / "figures.json").read_text()
    assert (tmp_path / "all.json").stat().st_mode & 0o777 == 0o600


def test_write_json_without_rows_is_empty_list(tmp_path: Path) -> None:
    """A job without rows has an empty list."""
    Journal(tmp_path / "j").close()
    write_json(Report.read(tmp_path / "j"), tmp_path / "all.json", rows=True)
    assert json.loads((tmp_path / "all.json").read_text())["rows"] == []


# --- HTML without Jinja2 ---


def test_write_html_without_jinja2_names_the_extra(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Jinja2 the error names the extra, and no file is written; CSV and JSON work."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    report = Report.read(journal)
    with pytest.raises(BulkError, match="extra 'report'"):
        write_html(report, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
    write_csv(report, tmp_path / "rows.csv")
    write_json(report, tmp_path / "report.json")
