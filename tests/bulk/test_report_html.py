"""The HTML report: content, and rendering in a browser."""

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import evolve
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

from cognito_async.bulk.journal import Journal
from cognito_async.bulk.progress import StopReason
from cognito_async.bulk.report import Report, Run
from cognito_async.bulk.report.chart import SIZES, Chart
from cognito_async.bulk.report.exports import moment, render_html, share, write_html
from cognito_async.bulk.report.model import Period, Point, Timeline
from cognito_async.bulk.rows import ErrorGroup, Outcome, State
from tests.bulk.test_report import HOSTILE, STARTED, row, two_runs
from tests.support.browser import VARIABLE, browser, browser_path

PHONE, DESKTOP = 390, 1280


def make_report(**changes: Any) -> Report:
    """Return a report with some attributes."""
    if "timeline" in changes:
        changes = {"last_settled": changes["timeline"].periods[-1].end, **changes}
    plain = Report(path=Path("users.journal"), read_at=STARTED, action="reset", user_pool="eu-west-1_AbCdEfGhI")
    return evolve(plain, **changes)


def errors(*groups: tuple[State, str, int]) -> list[ErrorGroup]:
    """Return groups of rows with errors."""
    return [ErrorGroup(state=state, code=code, reason=None, rows=rows) for state, code, rows in groups]


def active(*counts: tuple[int, int, int], seconds: float = 10.0) -> Timeline:
    """Return a timeline of one period."""
    points = (Point(STARTED + place * seconds, seconds, count) for place, count in enumerate(counts))
    return Timeline(seconds, (Period(tuple(points)),))


FINISHED = Run(number=1, started=STARTED, ended=STARTED + 60, ending="finished", quota=30.0, settled=10)
REPORTS = {
    "not started": make_report(),
    "planned only": make_report(states={State.PLANNED: 5}, whole=False),
    "one row": make_report(states={State.DONE: 1}, runs=(FINISHED,), timeline=active((1, 0, 0), seconds=1.0)),
    "all refused": make_report(
        states={State.REFUSED: 25},
        errors=errors((State.REFUSED, "UserNotFoundException", 25)),
        runs=(evolve(FINISHED, ending="too many errors"),),
        timeline=active((0, 25, 0)),
    ),
    "millions": make_report(
        states={State.DONE: 2_999_999, State.UNKNOWN: 1, State.REFUSED: 0},
        errors=errors((State.UNKNOWN, "RequestTimeoutError", 1)),
        runs=(evolve(FINISHED, ended=STARTED + 100_000, settled=3_000_000),),
        timeline=active(*[(15_000, 0, 0)] * 199, (14_999, 0, 1), seconds=500.0),
    ),
    "no quota": make_report(states={State.DONE: 9}, runs=(evolve(FINISHED, quota=None),), timeline=active((9, 0, 0))),
    "slow": make_report(states={State.DONE: 2}, runs=(FINISHED,), timeline=active((1, 0, 0), (0, 0, 0), (0, 1, 0))),
    "many breaks": make_report(
        states={State.DONE: 900},
        runs=(evolve(FINISHED, ended=STARTED + 900_000),),
        timeline=Timeline(10.0, tuple(Period((Point(STARTED + day * 90_000, 10.0, (100, 0, 0)),)) for day in range(9))),
    ),
    "hostile": make_report(
        action=HOSTILE,
        user_pool=HOSTILE,
        source=f'"{HOSTILE}' * 20,
        path=Path(f"{HOSTILE[:10]}.journal"),
        states={State.REFUSED: 1},
        errors=errors((State.REFUSED, HOSTILE, 1), (State.PLANNED, "A" * 300, 2)),
        runs=(evolve(FINISHED, ending=HOSTILE),),
        timeline=active((0, 1, 0)),
    ),
    "running": make_report(
        states={State.DONE: 1, State.SENT: 3, State.PLANNED: 6},
        running=True,
        runs=(evolve(FINISHED, ended=None, ending=None),),
        timeline=active((1, 0, 0)),
    ),
}


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    """Open the browser."""
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a job with two runs; return its path."""
    folder = tmp_path_factory.mktemp("page")
    report = Report.read(two_runs(folder / "users.journal"), now=STARTED)
    write_html(report, folder / "report.html", rows="users rows.csv")
    return folder / "report.html"


def open_page(chromium: Browser, path: Path, width: int, scheme: Literal["light", "dark"]) -> Page:
    """Open a page; fail if it logs something, raises an error or sends a request."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda request: problems.append(request.url) if request.url != path.as_uri() else None)
    opened.goto(path.as_uri())
    opened.wait_for_load_state("networkidle")
    assert problems == []
    return opened


def fits(opened: Page) -> bool:
    """Return whether the page needs no horizontal scrolling."""
    content, visible = opened.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    return bool(content <= visible)


def check(opened: Page) -> None:
    """Check that the page fits the screen and passes axe."""
    assert fits(opened)
    results = Axe().run(opened)
    assert results.violations_count == 0, results.generate_report()


# --- in a browser ---


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_page_in_browser_is_accessible_and_self_contained(
    chromium: Browser, real: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    """The page makes no request, logs nothing, fits the screen, and passes axe."""
    opened = open_page(chromium, real, width, scheme)
    chart = opened.locator("svg:visible")
    assert chart.count() == 1
    assert chart.locator("path.bars.done").count() == 1
    assert chart.locator("line.quota").count() == 2
    assert chart.locator("rect.break").count() == 1
    box = chart.locator("path.bars.done").bounding_box()
    assert box is not None
    assert box["width"] > width / 2
    assert box["height"] > 50
    assert opened.get_by_role("img", name=re.compile("Rows per second")).count() == 1
    assert opened.get_by_role("row").count() == 1 + 7 + 1 + 2
    assert opened.get_by_role("link").get_attribute("href") == "users%20rows.csv"
    levels = opened.locator("h1, h2, h3").evaluate_all("found => found.map(one => one.tagName)")
    assert levels == ["H1", *["H2"] * 5]
    check(opened)


@pytest.mark.parametrize("name", ["real", *(name for name, report in REPORTS.items() if report.timeline.periods)])
def test_chart_labels_do_not_overlap(chromium: Browser, real: Path, tmp_path: Path, name: str) -> None:
    """Labels neither overlap nor leave the chart, at both widths."""
    path = real
    if name != "real":
        path = tmp_path / "report.html"
        write_html(REPORTS[name], path)
    opened = open_page(chromium, path, DESKTOP, "light")
    for width in (DESKTOP, PHONE):
        opened.set_viewport_size({"width": width, "height": 900})
        boxes = opened.locator("svg:visible text").evaluate_all(
            "found => found.map(one => one.getBoundingClientRect()).map(at => [at.left, at.top, at.right, at.bottom])"
        )
        frame = opened.locator("svg:visible").bounding_box()
        assert frame is not None
        assert all(left >= frame["x"] - 1 and right <= frame["x"] + frame["width"] + 1 for left, _, right, _ in boxes)
        for place, one in enumerate(boxes):
            for other in boxes[place + 1 :]:
                apart = one[2] <= other[0] or other[2] <= one[0] or one[3] - 3 <= other[1] or other[3] - 3 <= one[1]
                assert apart, (one, other)


@pytest.mark.parametrize("name", REPORTS)
def test_page_of_edge_cases_fits_and_runs_no_script(chromium: Browser, tmp_path: Path, name: str) -> None:
    """Edge cases neither overflow nor run a script."""
    write_html(REPORTS[name], tmp_path / "report.html", rows=f"{HOSTILE[:8]}.csv")
    opened = open_page(chromium, tmp_path / "report.html", DESKTOP, "light")
    assert opened.locator("script").count() == 0
    assert fits(opened)
    opened.set_viewport_size({"width": PHONE, "height": 900})
    check(opened)


def test_page_prints_black_on_white(chromium: Browser, real: Path) -> None:
    """The print style is black on white, also in dark mode."""
    opened = open_page(chromium, real, DESKTOP, "dark")
    opened.emulate_media(media="print")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert opened.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_browser_missing_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Chromium the tests are skipped with instructions, or fail if it is required."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        browser_path()
    monkeypatch.setenv(VARIABLE, "required")
    with pytest.raises(pytest.fail.Exception):
        browser_path()


# --- content ---


def test_page_names_no_user(real: Path) -> None:
    """The page holds no username and no reason."""
    text = real.read_text()
    assert "example.com" not in text
    assert "does not exist" not in text
    assert real.stat().st_mode & 0o777 == 0o600


def test_page_has_figures(real: Path) -> None:
    """Totals, shares, times and IDs are on the page."""
    text = real.read_text()
    for figure in ("6,000", "5,993", "99.9 %", "under 0.1 %", "eu-west-1_AbCdEfGhI", "users.csv", "then 50", "Paused"):
        assert figure in text
    assert "3 Nov 2026, 10:00 UTC" in text
    assert "script-src" not in text
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text


def test_page_escapes_values() -> None:
    """Values are escaped in text and in attributes."""
    text = render_html(REPORTS["hostile"], rows=f'"{HOSTILE}.csv')
    assert "<script" not in text
    assert 'href="%22%3Cscript' in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("not started", "nothing was sent"),
        ("not started", "No errors"),
        ("planned only", "so far"),
        ("one row", "100 %"),
        ("all refused", "User not found"),
        ("millions", "2,999,999"),
        ("millions", "over 99.9 %"),
        ("no quota", "No quota was set"),
        ("running", "The job is running"),
    ],
)
def test_page_of_edge_cases_has_text(name: str, text: str) -> None:
    """Edge cases have their own wording."""
    assert text in render_html(REPORTS[name])


@pytest.mark.parametrize(
    ("states", "ending", "headline"),
    [
        ({State.DONE: 9}, "finished", "Finished"),
        ({State.DONE: 9, State.REFUSED: 3}, "finished", "Finished: 3 rows refused"),
        ({State.DONE: 9, State.REFUSED: 1, State.UNKNOWN: 2}, "finished", "Finished: 1 row refused, 2 rows unknown"),
        ({State.DONE: 9, State.PLANNED: 1000, State.DEFERRED: 2}, "e-mail limit", "Paused: 1,002 rows left"),
        ({State.REFUSED: 25, State.PLANNED: 1}, "too many errors", "Stopped: 25 rows refused, 1 row left"),
    ],
)
def test_page_headline_shows_rows_that_are_left(states: dict[State, int], ending: str, headline: str) -> None:
    """A finished job with refused rows does not look as if all were done."""
    page = render_html(make_report(states=states, runs=(evolve(FINISHED, ending=ending),)))
    assert f'<span class="badge">{headline}</span>' in page


def test_page_times_agree(tmp_path: Path) -> None:
    """No time is after the end of the job, and the run time is the duration of the runs."""
    with Journal(tmp_path / "j") as journal:
        journal.remember({"action": "reset"})
        for start in (STARTED, STARTED + 86_400):
            run = journal.start_run(start, 30.0)
            first = journal.last_line() + 1
            rows = [row(line, State.PLANNED) for line in range(first, first + 600)]
            journal.add_rows(rows, start)
            for at, each in enumerate(rows):
                journal.write([], [evolve(each, state=State.DONE)], start + at * 6.1)
            journal.end_run(run, start + 3660.0, "finished", 0)
    report = Report.read(tmp_path / "j", now=STARTED + 100_000)
    assert report.ended == STARTED + 86_400 + 3660.0
    assert report.run_time == 2 * 3660.0
    assert report.last_settled == STARTED + 86_400 + 599 * 6.1
    assert [run.settled for run in report.runs] == [600, 600]
    assert all(run.started <= (run.last or 0.0) <= (run.ended or 0.0) for run in report.runs)
    page = render_html(report)
    assert "2 h 2 min" in page
    assert moment(report.ended) in page
    assert page.count("1 h 1 min") >= 2  # the table of runs


def test_page_distinguishes_killed_and_running_runs() -> None:
    """Only the last run can be running."""
    killed = evolve(FINISHED, ended=None, ending=None)
    runs = (killed, evolve(killed, number=2, started=STARTED + 99))
    report = make_report(states={State.DONE: 1}, runs=runs, running=True)
    assert [word in render_html(report) for word in (">killed<", ">running<")] == [True, True]
    stopped = render_html(evolve(report, running=False))
    assert [word in stopped for word in (">killed<", ">running<", "was killed")] == [True, False, True]


@pytest.mark.parametrize("ending", [*(reason.value for reason in StopReason), "cancelled", None])
def test_every_stop_reason_has_wording(ending: str | None) -> None:
    """All values of Run.ending have a wording."""
    page = render_html(make_report(runs=(evolve(FINISHED, ending=ending),)))
    assert any(f">{badge}<" in page for badge in ("Finished", "Paused", "Stopped"))


def test_share_never_rounds_to_none_or_all() -> None:
    """Small shares are not shown as none, large ones not as all."""
    assert [share(0, 0), share(0, 9), share(9, 9), share(1, 3)] == ["0 %", "0 %", "100 %", "33.3 %"]
    assert [share(1, 10**6), share(10**6 - 1, 10**6)] == ["under 0.1 %", "over 99.9 %"]
    assert moment(STARTED) == "3 Nov 2026, 10:00 UTC"


def test_chart_of_long_job_is_small() -> None:
    """The chart of a long job has few elements and little text."""
    line = REPORTS["millions"].timeline
    chart = Chart(line, [(STARTED, STARTED + 1e6, 30.0)], SIZES[1])
    parts = [chart.rates, chart.bars, chart.breaks, chart.times, chart.quotas]
    assert len(str(parts)) < 20_000
    assert sum(path != "" for _, path in chart.bars) == 2


def test_page_without_sent_rows_has_no_chart(tmp_path: Path) -> None:
    """Rows for which nothing was sent are not in the chart."""
    with Journal(tmp_path / "j") as journal:
        journal.start_run(STARTED, 30.0)
        journal.add_rows(
            [row(1, State.REFUSED, "InvalidRow"), Outcome(line=2, username="a", state=State.PLANNED)], STARTED
        )
    text = render_html(Report.read(tmp_path / "j"))
    assert "<svg" not in text
    assert "no chart" in text
