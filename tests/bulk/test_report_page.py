"""The report's page: what it says, and how it looks in a real browser."""

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import evolve
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

from cognito_async.bulk.journal import Journal
from cognito_async.bulk.progress import Ending
from cognito_async.bulk.report import Report, Run
from cognito_async.bulk.report.chart import NARROW, draw
from cognito_async.bulk.report.markup import element
from cognito_async.bulk.report.page import moment, page, share, write_html
from cognito_async.bulk.report.timeline import Point, Stretch, Timeline
from cognito_async.bulk.report.words import ENDINGS
from cognito_async.bulk.rows import Outcome, State
from tests.bulk.test_report import BEGAN, HOSTILE, row, two_runs
from tests.support.browser import VARIABLE, browser, browser_path

PHONE, DESK = 390, 1280


def made(**changes: Any) -> Report:
    """Make a report by hand."""
    plain = Report(path=Path("users.journal"), read_at=BEGAN, action="reset", user_pool="eu-west-1_AbCdEfGhI")
    return evolve(plain, **changes)


def at_work(*counts: tuple[int, int, int], seconds: float = 10.0) -> Timeline:
    """Make a timeline of one stretch."""
    points = (Point(BEGAN + place * seconds, seconds, count) for place, count in enumerate(counts))
    return Timeline(seconds, (Stretch(tuple(points)),))


FINISHED = Run(number=1, started=BEGAN, ended=BEGAN + 60, ending="finished", quota=30.0, settled=10)
REPORTS = {
    "not begun": made(),
    "planned only": made(states={State.PLANNED: 5}, whole=False),
    "one row": made(states={State.DONE: 1}, runs=(FINISHED,), timeline=at_work((1, 0, 0), seconds=1.0)),
    "all refused": made(
        states={State.REFUSED: 25},
        kinds={(State.REFUSED, "UserNotFoundException"): 25},
        runs=(evolve(FINISHED, ending="too many errors"),),
        timeline=at_work((0, 25, 0)),
    ),
    "millions": made(
        states={State.DONE: 2_999_999, State.UNKNOWN: 1, State.REFUSED: 0},
        kinds={(State.UNKNOWN, "RequestTimeoutError"): 1},
        runs=(evolve(FINISHED, ended=BEGAN + 100_000, settled=3_000_000),),
        timeline=at_work(*[(15_000, 0, 0)] * 199, (14_999, 0, 1), seconds=500.0),
    ),
    "no quota": made(states={State.DONE: 9}, runs=(evolve(FINISHED, quota=None),), timeline=at_work((9, 0, 0))),
    "slow": made(states={State.DONE: 2}, runs=(FINISHED,), timeline=at_work((1, 0, 0), (0, 0, 0), (0, 1, 0))),
    "many breaks": made(
        states={State.DONE: 900},
        runs=(evolve(FINISHED, ended=BEGAN + 900_000),),
        timeline=Timeline(10.0, tuple(Stretch((Point(BEGAN + day * 90_000, 10.0, (100, 0, 0)),)) for day in range(9))),
    ),
    "hostile": made(
        action=HOSTILE,
        user_pool=HOSTILE,
        source=f'"{HOSTILE}' * 20,
        path=Path(f"{HOSTILE[:10]}.journal"),
        states={State.REFUSED: 1},
        kinds={(State.REFUSED, HOSTILE): 1, (State.PLANNED, "A" * 300): 2},
        runs=(evolve(FINISHED, ending=HOSTILE),),
        timeline=at_work((0, 1, 0)),
    ),
    "running": made(
        states={State.DONE: 1, State.SENT: 3, State.PLANNED: 6},
        running=True,
        runs=(evolve(FINISHED, ended=None, ending=None),),
        timeline=at_work((1, 0, 0)),
    ),
}


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    """Open the browser once."""
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a job with two runs."""
    folder = tmp_path_factory.mktemp("page")
    report = Report.read(two_runs(folder / "users.journal"), now=BEGAN)
    write_html(report, folder / "report.html", rows="users rows.csv")
    return folder / "report.html"


def look(chromium: Browser, path: Path, width: int, scheme: Literal["light", "dark"]) -> Page:
    """Open a page as someone would who got it by mail; complain of whatever it says or asks for."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
    )
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: said.append(request.url) if request.url != path.as_uri() else None)
    opened.goto(path.as_uri())
    opened.wait_for_load_state("networkidle")
    assert said == []
    return opened


def fits(opened: Page) -> bool:
    """Tell whether nothing has to be scrolled sideways."""
    wide, seen = opened.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    return bool(wide <= seen)


def check(opened: Page) -> None:
    """Make sure that nothing sticks out, and that axe finds nothing."""
    assert fits(opened)
    results = Axe().run(opened)
    assert results.violations_count == 0, results.generate_report()


# --- in a browser ---


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_of_a_real_job(chromium: Browser, real: Path, width: int, scheme: Literal["light", "dark"]) -> None:
    """It asks for nothing, complains of nothing, fits the screen, and shows its chart to all."""
    opened = look(chromium, real, width, scheme)
    chart = opened.locator("svg:visible")
    assert chart.count() == 1
    assert chart.locator("path.bars.done").count() == 1
    assert chart.locator("line.quota").count() == 2
    assert chart.locator("rect.break").count() == 1
    box = chart.locator("path.bars.done").bounding_box()
    assert box is not None
    assert box["width"] > width / 2
    assert box["height"] > 50
    assert opened.get_by_role("img", name=re.compile("Rows a second")).count() == 1
    assert opened.get_by_role("row").count() == 1 + 7 + 1 + 2
    assert opened.get_by_role("link").get_attribute("href") == "users%20rows.csv"
    levels = opened.locator("h1, h2, h3").evaluate_all("found => found.map(one => one.tagName)")
    assert levels == ["H1", *["H2"] * 5]
    check(opened)


@pytest.mark.parametrize("name", ["real", *(name for name, report in REPORTS.items() if report.timeline.stretches)])
def test_no_label_of_the_chart_covers_another(chromium: Browser, real: Path, tmp_path: Path, name: str) -> None:
    """Labels keep clear of each other and of the edges, on a phone as on a desk."""
    path = real
    if name != "real":
        path = tmp_path / "report.html"
        write_html(REPORTS[name], path)
    opened = look(chromium, path, DESK, "light")
    for width in (DESK, PHONE):
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
def test_the_page_of_odd_jobs(chromium: Browser, tmp_path: Path, name: str) -> None:
    """Nothing sticks out and nothing runs, whatever there is to tell."""
    write_html(REPORTS[name], tmp_path / "report.html", rows=f"{HOSTILE[:8]}.csv")
    opened = look(chromium, tmp_path / "report.html", DESK, "light")
    assert opened.locator("script").count() == 0
    assert fits(opened)
    opened.set_viewport_size({"width": PHONE, "height": 900})
    check(opened)


def test_a_page_can_be_printed(chromium: Browser, real: Path) -> None:
    """On paper it is dark on white, whatever the screen."""
    opened = look(chromium, real, DESK, "dark")
    opened.emulate_media(media="print")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert opened.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_without_a_browser_the_tests_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """They say how to get one; where they have to run, they fail."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        browser_path()
    monkeypatch.setenv(VARIABLE, "required")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        browser_path()


# --- what it says ---


def test_the_page_names_no_user(real: Path) -> None:
    """A page that is passed on holds no username and no reason."""
    text = real.read_text()
    assert "example.com" not in text
    assert "does not exist" not in text
    assert real.stat().st_mode & 0o777 == 0o600


def test_the_page_holds_the_figures(real: Path) -> None:
    """Totals and shares are there, in words that round nothing away."""
    text = real.read_text()
    for told in ("6,000", "5,993", "99.9 %", "under 0.1 %", "eu-west-1_AbCdEfGhI", "users.csv", "then 50", "Paused"):
        assert told in text
    assert "3 Nov 2026, 10:00 UTC" in text
    assert "script-src" not in text
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text


def test_hostile_text_is_text() -> None:
    """Wherever a text comes from, it is escaped."""
    text = page(REPORTS["hostile"], rows=f'"{HOSTILE}.csv')
    assert "<script" not in text
    assert 'href="%22%3Cscript' in text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("not begun", "nothing was sent"),
        ("not begun", "Nothing: no row was refused"),
        ("planned only", "maybe more to come"),
        ("one row", "100 %"),
        ("all refused", "No such user in this pool"),
        ("millions", "2,999,999"),
        ("millions", "over 99.9 %"),
        ("no quota", "No quota was set"),
        ("running", "It is still at work"),
    ],
)
def test_odd_jobs(name: str, told: str) -> None:
    """Each has words of its own."""
    assert told in page(REPORTS[name])


def test_a_run_that_was_killed_is_told_from_one_that_runs() -> None:
    """Only the last run can be running."""
    cut = evolve(FINISHED, ended=None, ending=None)
    report = made(states={State.DONE: 1}, runs=(cut, evolve(cut, number=2, started=BEGAN + 99)), running=True)
    assert [word in page(report) for word in (">killed<", ">running<", ">running, or killed<")] == [True, True, False]
    assert ">running, or killed<" in page(evolve(report, running=None))
    assert "It was killed" in page(evolve(report, running=False))


def test_every_ending_has_words() -> None:
    """A new ending has to be put into words."""
    assert set(ENDINGS) == {*(ending.value for ending in Ending), "cancelled"}


def test_shares_hide_nothing() -> None:
    """Some is never none, and most is never all."""
    assert [share(0, 0), share(0, 9), share(9, 9), share(1, 3)] == ["0 %", "0 %", "100 %", "33.3 %"]
    assert [share(1, 10**6), share(10**6 - 1, 10**6)] == ["under 0.1 %", "over 99.9 %"]
    assert moment(BEGAN) == "3 Nov 2026, 10:00 UTC"


def test_elements_escape() -> None:
    """Attributes and content are both escaped, and markup is left as it is."""
    assert element("a", "<&", element("b", "x"), href='"<', class_="c", id=None) == (
        '<a href="&quot;&lt;" class="c">&lt;&amp;<b>x</b></a>'
    )


def test_a_drawing_is_small() -> None:
    """A long job's drawing costs some tens of kilobytes and no more."""
    line = REPORTS["millions"].timeline
    drawing = draw(line, [(BEGAN, BEGAN + 1e6, 30.0)], NARROW, title="t", description="d")
    assert len(drawing) < 20_000
    assert drawing.count("<path") == 2


def test_a_job_whose_rows_are_all_bad_has_nothing_to_draw(tmp_path: Path) -> None:
    """Rows that were never sent are in the figures, and not in the chart."""
    with Journal(tmp_path / "j") as journal:
        journal.begin_run(BEGAN, 30.0)
        journal.plan([row(1, State.REFUSED, "InvalidRow"), Outcome(line=2, username="a", state=State.PLANNED)], BEGAN)
    text = page(Report.read(tmp_path / "j"))
    assert "<svg" not in text
    assert "nothing to draw" in text
