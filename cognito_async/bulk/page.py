"""The report on a job as one HTML page: no request, no script, and no user's name."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cognito_async.bulk.advice import advise
from cognito_async.bulk.chart import NARROW, WIDE, Html, Quota, draw, duration, element
from cognito_async.bulk.report import Report, Run, replaced
from cognito_async.bulk.rows import FINAL, State

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
TITLES: Final = {
    "confirm": "New passwords, set with codes",
    "forgot": "Codes for forgotten passwords",
    "reset": "Password resets",
    "set-password temporary": "Temporary passwords",
    "set-password permanent": "New passwords",
    "sign-out": "Sign-outs everywhere",
}
DEEDS: Final = {
    "confirm": "Each user gets a new password, with the code that the user was sent.",
    "forgot": "Each user is sent a code to set a new password with.",
    "reset": "Each user's password becomes invalid, and the user is sent a code to set a new one with.",
    "set-password temporary": "Each user gets a password that has to be changed at the next sign-in.",
    "set-password permanent": "Each user gets a new password to keep.",
    "sign-out": "All sessions of each user are ended.",
}
ENDINGS: Final = {
    "finished": ("Finished", "Nothing is left to do.", "finished"),
    "stopped": ("Paused", "It was told to stop. Resume it to go on where it was.", "told to stop"),
    "deferred": ("Paused", "What is left can only be tried later.", "the rest is for later"),
    "e-mail limit": (
        "Paused",
        "The account's e-mail for the day is used up. Resume it when there is more.",
        "no e-mail left",
    ),
    "too many errors": (
        "Stopped",
        "Row after row went wrong, or the service refused the job itself. See below what to do.",
        "too many errors",
    ),
    "no service": (
        "Stopped",
        "The service could not be reached, or throttled for too long. Resume it later.",
        "no service",
    ),
    "cancelled": ("Stopped", "It was cut short. Resume it to go on where it was.", "cut short"),
}
"""What the last run's ending means: in a word, in a sentence, and beside other runs."""
OPEN: Final = {
    True: ("Running", "It is still at work.", "running"),
    False: ("Stopped", "It was killed. Resume it to go on where it was.", "killed"),
    None: ("Not ended", "It is still running, or was killed. If it was killed, resume it.", "running, or killed"),
}
"""The same for a run whose end nobody noted, by whether the job is running."""
NOT_BEGUN: Final = ("Not begun", "No run has begun yet, and nothing was sent.", "")
FIGURES: Final = (
    ("done", "Done", "The service did it."),
    ("refused", "Refused", "It can't be done as it stands."),
    ("unknown", "Unknown", "Nobody can tell whether it was done."),
    ("waiting", "Waiting", "Not settled yet."),
)
WORDS: Final = (
    ("Done", "The service said that it was done."),
    (
        "Refused",
        "The service said no, or the row broke a rule before anything was sent. As a rule nothing was changed.",
    ),
    (
        "Unknown",
        "The answer got lost, so it may or may not have been done, and asking again would not tell or would do harm.",
    ),
    ("Waiting", "Nothing was sent yet, it is on its way, or it is tried again later."),
    ("Rows a second", "Rows that were sent for and then settled. A row can take more than one request."),
    ("Quota", "The requests a second that the job kept to when the run began. AWS counts them by account and region."),
    ("Idle", "A long time in which nothing was settled. It is left out of the chart and of the average."),
)
HIDDEN_USERS: Final = (
    "An app client that hides which users exist reports success for users who do not exist; such rows count as done."
)
LEAST: Final = 0.1
"""The smallest part that is told in figures, in percent."""
STYLE: Final = """
:root{color-scheme:light dark;--ground:#f6f7f9;--sheet:#fff;--ink:#1a2230;--soft:#566073;--line:#dfe3e9;
--done:#2a78b8;--refused:#d4620a;--unknown:#93215f;--waiting:#8b95a5;--quota:#1a2230;--calm:#e9f2fa}
@media (prefers-color-scheme:dark){:root{--ground:#11151c;--sheet:#191f29;--ink:#e8ecf2;--soft:#a3aebf;--line:#323b49;
--done:#5aa9e6;--refused:#f2994a;--unknown:#e87bb5;--waiting:#77839a;--quota:#e8ecf2;--calm:#1d2c3b}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2.5rem 1.25rem 3rem}
h1{font-size:2.1rem;line-height:1.2;margin:.15rem 0 .4rem;letter-spacing:-.015em}
h2{font-size:1.2rem;margin:0 0 .35rem}
p{margin:.3rem 0;max-width:52rem}
.eyebrow,.soft,dt,figcaption,footer{color:var(--soft)}
.eyebrow{margin:0;font-size:.9rem}
section{background:var(--sheet);border:1px solid var(--line);
border-radius:.75rem;padding:1.35rem 1.5rem;margin-top:1.25rem}
.status{display:flex;flex-wrap:wrap;align-items:baseline;gap:.35rem .75rem;margin:1rem 0 0;
max-width:none}
.badge{background:var(--ink);color:var(--sheet);border-radius:1rem;padding:.1rem .8rem;font-weight:600;font-size:.9rem}
.facts{display:grid;grid-template-columns:repeat(3,1fr);gap:.9rem 1.5rem;margin:1.25rem 0 0}
dt{font-size:.85rem}dd{margin:0;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(4,1fr);gap:1rem 1.5rem;margin:0}
.figures div{border-left:4px solid var(--colour);padding-left:.85rem;min-width:0}
.figures dt{font-size:.95rem;color:var(--ink);font-weight:600}
.figures .large{font-size:clamp(1.25rem,6vw,1.9rem);line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.figures .large span{font-size:1rem;font-weight:400;color:var(--soft);white-space:nowrap}
.figures .soft{font-size:.85rem}
.share{display:flex;gap:2px;height:.6rem;border-radius:.3rem;overflow:hidden;margin-top:1.25rem;background:var(--line)}
.share i{background:var(--colour);min-width:2px}
.is-done{--colour:var(--done)}.is-refused{--colour:var(--refused)}.is-unknown{--colour:var(--unknown)}
.is-waiting{--colour:var(--waiting)}
figure{margin:1rem 0 0}
.chart{display:block;width:100%;height:auto;font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.chart text{fill:var(--ink)}.chart .name,.chart .break-name{fill:var(--soft)}
.chart .grid{stroke:var(--line)}.chart .axis{stroke:var(--soft)}
.bars.done{fill:var(--done)}.bars.refused{fill:var(--refused)}.bars.unknown{fill:var(--unknown)}
.chart .quota{stroke:var(--quota);stroke-width:1.75;stroke-dasharray:7 5}
.chart .quota-name{fill:var(--quota);font-weight:600}
.chart .break{fill:var(--ground)}.chart .break-name{font-size:11.5px}
.narrow{display:none}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.25rem;list-style:none;padding:0;margin:.4rem 0 0;font-size:.9rem}
.legend i{display:inline-block;width:.85rem;height:.85rem;border-radius:.2rem;background:var(--colour);
margin-right:.45rem;vertical-align:-.1rem}
.legend .dashes{height:0;width:1.5rem;border-radius:0;background:none;
border-top:2px dashed var(--quota);vertical-align:.25rem}
table{border-collapse:collapse;width:100%;margin-top:.9rem;font-size:.95rem}
th,td{text-align:left;vertical-align:top;padding:.6rem 1rem .6rem 0;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-weight:500;font-size:.85rem;padding-top:0}
td:last-child,th:last-child{padding-right:0}
td.number{font-variant-numeric:tabular-nums;white-space:nowrap;width:6rem}
td strong,td code{display:block;overflow-wrap:anywhere}
code{font:.82rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--soft)}
.kind{width:34%}
.mark{display:inline-block;width:.6rem;height:.6rem;border-radius:50%;background:var(--colour);margin-right:.4rem}
.beside{background:var(--calm);
border-radius:.5rem;padding:.6rem .9rem;margin:.75rem 0 0;max-width:none;overflow-wrap:anywhere}
a{color:inherit}
.words{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.25rem;margin:.75rem 0 0;font-size:.9rem}
footer{font-size:.85rem;margin-top:1.25rem;overflow-wrap:anywhere}footer p{max-width:none}
@media (max-width:46rem){
main{padding:1.5rem .9rem 2rem}h1{font-size:1.65rem}section{padding:1.1rem 1rem}
.figures,.facts{grid-template-columns:1fr 1fr}.figures .large span{display:block;line-height:1.3}
.wide{display:none}.narrow{display:block}
table,tbody,tr,td{display:block}thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{border-top:1px solid var(--line);padding:.7rem 0}td{border:0;padding:.1rem 0;width:auto!important}
td[data-name]::before{content:attr(data-name) ": ";color:var(--soft)}
.words{grid-template-columns:1fr}.words dd{margin-bottom:.4rem}}
@media print{:root{color-scheme:light;--ground:#fff;--sheet:#fff;--ink:#000;--soft:#444;--line:#bbb;--done:#2a78b8;
--refused:#d4620a;--unknown:#93215f;--waiting:#8b95a5;--quota:#000;--calm:#fff}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}main{padding:0;max-width:none}
section{padding:1rem 0;border-width:1px 0 0;
border-radius:0}tr,figure,.figures{break-inside:avoid}}
"""


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


def write_html(report: Report, path: str | Path, *, rows: str | None = None) -> None:
    """Write the page into a file that only its owner can read.

    Args:
        report: The report.
        path: The file; it is replaced as a whole, or not at all.
        rows: The name of the file with the rows that need a person, if it lies beside the page; None if there is none.

    Raises:
        OSError: The file can't be written.
    """
    with replaced(Path(path)) as file:
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
    badge, sentence, _ = _ending(report, report.runs[-1]) if report.runs else NOT_BEGUN
    line = report.timeline
    if report.ended is None and line.stretches:
        sentence += f" The last answer came at {moment(line.stretches[-1].end)}."
    if report.next_due is not None:
        sentence += f" The next row that waits is due at {moment(report.next_due)}."
    given = {
        "User pool": report.user_pool,
        "App client": report.app_client,
        "Input": report.source,
        "Rows": number(report.total) + ("" if report.whole else ", and maybe more to come"),
        "Began": None if report.started is None else moment(report.started),
        "Ended": None if report.ended is None else moment(report.ended),
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
