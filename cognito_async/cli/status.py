"""``bulk status`` and ``bulk report``: read a job's journal."""

import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from cognito_async.bulk.journal import Fact, JournalStatus, journal_files, read_facts, read_status
from cognito_async.bulk.progress import duration
from cognito_async.bulk.report import Report, write_csv, write_html, write_json
from cognito_async.bulk.rows import FINAL_STATES, count_kinds
from cognito_async.cli import output
from cognito_async.cli.display import counts_json, counts_line, error_lines, note_lines, resume_command
from cognito_async.cli.errors import CommandError, Exit
from cognito_async.cli.output import iso, local_time
from cognito_async.cli.settings import Options, saved_settings, source_label

Write = Callable[[Report, IO[str]], object]


def show(options: Options) -> Exit:
    journal = output.existing_journal(options.journal or "")
    status = read_status(journal)
    if options.json:
        output.put_json(_status_json(status, journal))
    else:
        for line in _status_lines(status, journal, time.time()):
            output.put(line)
    return Exit.DONE


def report(options: Options) -> Exit:
    """Write reports about a job; an HTML page beside the journal by default."""
    journal = output.existing_journal(options.journal or "")
    choices: tuple[tuple[Write, str | None], ...] = (
        (write_html, options.html_file),
        (write_csv, options.csv_file),
        (partial(write_json, rows=True), options.json_file),
    )
    wanted = [(write, name) for write, name in choices if name is not None] or [(write_html, f"{journal}.html")]
    _check_names([name for _, name in wanted], journal)
    # If stdout holds a report, the file names go to stderr.
    announce = output.log if any(output.is_stdout(name) for _, name in wanted) else output.put
    content = Report.read(journal, source=source_label(read_facts(journal)))
    for write, name in wanted:
        with output.writing(name) as file:
            write(content, file)
        if not output.is_stdout(name):
            announce(name)
    return Exit.DONE


def _status_json(status: JournalStatus, journal: Path) -> dict[str, object]:
    last = status.last_run
    last_run = last and {
        "started": iso(last.started), "ended": iso(last.ended), "ending": last.ending, "quota": last.quota
    }  # fmt: skip
    return {
        "event": "status",
        "journal": str(journal),
        "action": status.facts.get(Fact.ACTION),
        "user_pool_id": status.facts.get(Fact.USER_POOL),
        "client_id": status.facts.get(Fact.APP_CLIENT),
        "source": source_label(status.facts),
        "running": status.running,
        "total": status.total,
        "settled": _settled(status),
        **counts_json(status.states, count_kinds(status.errors)),
        "rate": status.rate,
        "next_due": iso(status.next_due),
        "last_run": last_run,
    }


def _status_lines(status: JournalStatus, journal: Path, now: float) -> list[str]:
    facts, total, settled = status.facts, status.total, _settled(status)
    action = facts.get(Fact.ACTION, "unknown action")
    target = next((f", {kind} {facts[kind]}" for kind in (Fact.USER_POOL, Fact.APP_CLIENT) if kind in facts), "")
    lines = [f"{action}{target}", f"  {_activity(status, now)}"]
    if total is None:
        lines.append(f"  {settled:,} rows settled")
    else:
        share = f" ({100 * settled / total:.0f} %)" if total else ""
        lines.append(f"  {settled:,} of {total:,} rows settled{share}")
    if status.running and status.rate:
        left = "" if total is None else f", about {duration(max(total - settled, 0) / status.rate)} left"
        lines.append(f"  {output.rate(status.rate)} per second in the last minute{left}")
    if counts := counts_line(status.states):
        lines.append(f"  {counts}")
    lines += error_lines(status.errors, facts.get(Fact.ACTION, ""))
    lines += note_lines(status.states, facts.get(Fact.ACTION, ""))
    if status.next_due is not None:
        lines.append(f"  the next deferred row is retried at {local_time(status.next_due, now)}")
    if not status.running and total != settled:
        lines.append(f"  resume:  {_resume(facts, journal)}")
    return lines


def _resume(facts: Mapping[str, str], journal: Path) -> str:
    try:
        return resume_command(journal, saved_settings(facts, journal).target.endpoint_url)
    except CommandError:
        return "run the program that started the job"


def _settled(status: JournalStatus) -> int:
    return sum(status.states.get(state, 0) for state in FINAL_STATES)


def _activity(status: JournalStatus, now: float) -> str:
    last = status.last_run
    if status.running:
        started = "" if last is None or last.ended is not None else f" since {local_time(last.started, now)}"
        return f"running{started}"
    if last is None:
        return "not running; nothing has been sent yet"
    if last.ended is None:
        return f"not running; the last run, started at {local_time(last.started, now)}, was killed"
    return f"not running; the last run ended at {local_time(last.ended, now)}: {last.ending}"


def _check_names(names: Sequence[str], journal: Path) -> None:
    """Check that no report replaces the journal or another report."""
    taken = {str(path) for path in journal_files(journal)}
    for name in names:
        place = output.STANDARD_STREAM if output.is_stdout(name) else os.path.realpath(name)
        if place in taken:
            raise CommandError(f"{name} is the journal itself or another report; use one file for each report")
        found = None if place == output.STANDARD_STREAM else output.find_file(Path(name))
        if found is None or stat.S_ISREG(found.st_mode):
            taken.add(place)
