"""The report on a job as one HTML page: no request, no script, and no user's name."""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from cognito_async.bulk.advice import advise
from cognito_async.bulk.report.chart import NARROW, WIDE, Quota, draw, duration
from cognito_async.bulk.report.content import Report, Run
from cognito_async.bulk.report.markup import Html, element
from cognito_async.bulk.report.style import STYLE
from cognito_async.bulk.report.target import Target, opened
from cognito_async.bulk.report.words import DEEDS, ENDINGS, FIGURES, HIDDEN_USERS, NOT_BEGUN, OPEN, TITLES, WORDS
from cognito_async.bulk.rows import FINAL, State

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
LEAST: Final = 0.1
"""The smallest part that is told in figures, in percent."""


def page(report: Report, *, rows: str | None = None) -> str:
    """Make the page: figures, speed, troubles and runs of a job, fit to be passed on.

    It names no user. Who needs help is in the file that ``write_csv`` makes, which stays with those who may see it.

    Args:
        report: The report.
        rows: The name of that file, if it lies beside the page; None if there is none.

    Returns:
        An HTML document.
    """
    title = _by_action(TITLES, report.action) or report.action or "A bulk job"
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="referrer" content="no-referrer">'),
        element("title", f"{title}: {number(report.total)} rows, {moment(report.read_at)}"),
        element("style", Html(STYLE)),
    )
    parts = (_header(report, title), _figures(report), _speed(report), _troubles(report, rows), _runs(report))
    main = element("main", *parts, _words(report), _footer(report))
    return f'<!DOCTYPE html>\n<html lang="en">{head}{element("body", main)}</html>\n'


def write_html(report: Report, target: Target, *, rows: str | None = None) -> None:
    """Write the page into a file that only its owner can read.

    Args:
        report: The report.
        target: The file, which is replaced as a whole or not at all; see ``opened`` for what else it may be.
        rows: The name of the file with the rows that need a person, if it lies beside the page; None if there is none.

    Raises:
        OSError: The file can't be written.
    """
    with opened(target) as file:
        file.write(page(report, rows=rows))


# --- words for figures ---


def number(count: float) -> str:
    """Give a whole number with separators, such as ``"3,000,000"``."""
    return f"{count:,}"


def share(count: int, total: int) -> str:
    """Give a part of a whole in percent, and never round some to none or most to all."""
    percent = 100 * count / total if total else 0.0
    if count and percent < LEAST:
        return f"under {LEAST:g} %"
    if count < total and percent > 100 - LEAST:
        return f"over {100 - LEAST:g} %"
    return f"{percent:.1f} %".replace(".0 %", " %")


def moment(time: float) -> str:
    """Give a time in UTC, such as ``"3 May 2026, 14:02 UTC"``."""
    at = datetime.fromtimestamp(time, UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def _by_action(table: dict[str, str], action: str) -> str:
    """Find an action's entry by its label, or by the part before a comma or a blank."""
    label = action.partition(",")[0]
    return table.get(label) or table.get(label.partition(" ")[0], "")


# --- the parts of the page ---


def _header(report: Report, title: str) -> Html:
    badge, sentence = _activity(report)
    ended = None if report.running else report.ended
    line = report.timeline
    if ended is None and line.stretches:
        sentence += f" The last answer came at {moment(line.stretches[-1].end)}."
    if report.next_due is not None:
        sentence += f" The next row that waits is due at {moment(report.next_due)}."
    given = {
        "User pool": report.user_pool,
        "App client": report.app_client,
        "Input": report.source,
        "Rows": number(report.total) + ("" if report.whole else ", and maybe more to come"),
        "Began": None if report.started is None else moment(report.started),
        "Ended": None if ended is None else moment(ended),
        "Worked for": duration(line.seconds) if line.stretches else None,
    }
    facts = [element("div", element("dt", name), element("dd", value)) for name, value in given.items() if value]
    return element(
        "header",
        element("p", "Amazon Cognito · report on a bulk job", class_="eyebrow"),
        element("h1", title),
        element("p", _by_action(DEEDS, report.action), class_="soft"),
        element("p", element("span", badge, class_="badge"), element("span", sentence), class_="status"),
        element("dl", *facts, class_="facts"),
    )


def _activity(report: Report) -> tuple[str, str]:
    """Say what the job does: a badge and a sentence. One that is at work may have noted no new run yet."""
    if report.running:
        return OPEN[True][:2]
    return (_ending(report, report.runs[-1]) if report.runs else NOT_BEGUN)[:2]


def _figures(report: Report) -> Html:
    counts = {name: report.states.get(State(name), 0) for name in FINAL} | {"waiting": report.waiting}
    boxes = [
        element(
            "div",
            element("dt", name),
            element("dd", number(counts[key]), " ", element("span", share(counts[key], report.total)), class_="large"),
            element("dd", meaning, class_="soft"),
            class_=f"is-{key}",
        )
        for key, name, meaning in FIGURES
    ]
    bar = [element("i", class_=f"is-{key}", style=f"flex:{counts[key]} 0 0") for key, *_ in FIGURES if counts[key]]
    return element(
        "section",
        element("h2", "What became of the rows"),
        element("dl", *boxes, class_="figures"),
        element("div", *bar, class_="share", aria_hidden="true"),
    )


def _speed(report: Report) -> Html:
    line = report.timeline
    quotas = list(dict.fromkeys(f"{run.quota:,g}" for run in report.runs if run.quota is not None))
    heading = element("h2", "How fast it went")
    if not line.stretches:
        return element(
            "section", heading, element("p", "No request has been answered yet, so there is nothing to draw.")
        )
    limit = f"The quota was {', then '.join(quotas)} requests a second." if quotas else "No quota was set."
    said = f"{line.mean:,.1f} rows a second on average, {line.peak:,.1f} at the most. {limit}"
    breaks = len(line.stretches) - 1
    idle = f" {breaks} long idle {'time is' if breaks == 1 else 'times are'} left out." if breaks else ""
    caption = f"Each step is {duration(line.step)} wide.{idle} All times are UTC."
    title = "Rows a second over time" + (", beside the quota" if quotas else "")
    described = f"From {moment(line.stretches[0].start)} to {moment(line.stretches[-1].end)}: {said} {caption}"
    drawn = [draw(line, _quotas(report), size, title=title, description=described) for size in (WIDE, NARROW)]
    return element(
        "section",
        heading,
        element("p", said),
        _legend(report),
        element("figure", *drawn, element("figcaption", caption)),
    )


def _legend(report: Report) -> Html:
    items = [
        element("li", element("i", class_=f"is-{key}"), name)
        for place, (key, name, _) in enumerate(FIGURES[:3])
        if any(point.counts[place] for point in report.timeline.points)
    ]
    if _quotas(report):
        items.append(element("li", element("i", class_="dashes"), "Quota"))
    return element("ul", *items, class_="legend")


def _quotas(report: Report) -> list[Quota]:
    """Give the quotas of the runs; one whose end nobody noted lasts until the next."""
    starts = [run.started for run in report.runs[1:]] + [float("inf")]
    return [
        (run.started, until if run.ended is None else run.ended + report.timeline.step, run.quota)
        for run, until in zip(report.runs, starts, strict=True)
        if run.quota is not None
    ]


def _troubles(report: Report, rows: str | None) -> Html:
    heading = element("h2", "What went wrong, and what to do about it")
    kinds = [(state, code, count) for (state, code), count in report.kinds.items() if state is not State.DONE]
    if not kinds:
        return element("section", heading, element("p", "Nothing: no row was refused, and none is unknown."))
    kinds.sort(key=lambda kind: (_figure(kind[0]), -kind[2], kind[1]))
    lines = [_trouble(state, code, count, report) for state, code, count in kinds]
    beside: tuple[Html, ...] = ()
    if rows is not None:
        link = element("a", rows, href=quote(rows))
        beside = (
            element(
                "p", "Which rows they are: ", link, ". That file names users; pass it on with care.", class_="beside"
            ),
        )
    return element("section", heading, *beside, _table(("Rows", "What happened", "What to do"), lines))


def _figure(state: State) -> int:
    """Give the place of a state's box."""
    return next((place for place, (key, *_) in enumerate(FIGURES) if key == state), len(FIGURES) - 1)


def _trouble(state: State, code: str, count: int, report: Report) -> Html:
    advice = advise(code, report.action, state)
    key, name, _ = FIGURES[_figure(state)]
    mark = element("span", class_=f"mark is-{key}", aria_hidden="true")
    what = (element("strong", advice.title), element("span", mark, name), element("code", code))
    return _row(
        _cell(number(count), class_="number", data_name="Rows"),
        _cell(*what, class_="kind"),
        _cell(advice.todo),
    )


def _runs(report: Report) -> Html:
    heading = element("h2", "Runs")
    if not report.runs:
        return element("section", heading, element("p", "There has been none."))
    names = ("Run", "Began", "Took", "Rows settled", "Quota", "Throttled", "Ending")
    return element("section", heading, _table(names, [_run(report, run, names) for run in report.runs]))


def _ending(report: Report, run: Run) -> tuple[str, str, str]:
    if run.ending is not None:
        return ENDINGS.get(run.ending, (run.ending, "", run.ending))
    return OPEN[report.running if run == report.runs[-1] else False]


def _run(report: Report, run: Run, names: tuple[str, ...]) -> Html:
    values = (
        number(run.number),
        moment(run.started),
        "not known" if run.ended is None else duration(run.ended - run.started),
        number(run.settled),
        "none" if run.quota is None else f"{run.quota:,g} a second",
        "not known" if run.ended is None else number(run.throttled),
        _ending(report, run)[2],
    )
    return _row(*(_cell(value, data_name=name) for name, value in zip(names, values, strict=True)))


def _words(report: Report) -> Html:
    words = [part for word, meaning in WORDS for part in (element("dt", word), element("dd", meaning))]
    hidden = (element("p", HIDDEN_USERS, class_="soft"),) if report.action == "forgot" else ()
    return element("section", element("h2", "What the words mean"), element("dl", *words, class_="words"), *hidden)


def _footer(report: Report) -> Html:
    said = f"Read from {report.path.name} at {moment(report.read_at)} by cognito_async. This page names no user."
    return element("footer", element("p", said))


# --- tables: the roles are said again, since phones show the cells as blocks ---


def _table(names: tuple[str, ...], rows: list[Html]) -> Html:
    head = element("tr", *(element("th", name, scope="col", role="columnheader") for name in names), role="row")
    return element(
        "table", element("thead", head, role="rowgroup"), element("tbody", *rows, role="rowgroup"), role="table"
    )


def _row(*cells: Html) -> Html:
    return element("tr", *cells, role="row")


def _cell(*content: str, **attributes: object) -> Html:
    return element("td", *content, role="cell", **attributes)
