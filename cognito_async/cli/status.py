"""``bulk status``: tells how far a job has come, from its journal alone."""

import os
import time
from argparse import Namespace
from pathlib import Path
from shlex import quote

from cognito_async.bulk import State
from cognito_async.bulk.journal import JournalStatus, read_status
from cognito_async.bulk.troubleshooting import advise
from cognito_async.cli.displays import kinds, states
from cognito_async.cli.exits import PROGRAM, Exit
from cognito_async.cli.order import source_of
from cognito_async.cli.paths import journal_to_read
from cognito_async.cli.streams import put, put_json
from cognito_async.cli.wording import clean, duration, iso, moment, pace

SETTLED = (State.DONE, State.REFUSED, State.UNKNOWN)
OPEN = (State.DEFERRED, State.SENT, State.PLANNED)


def run(options: Namespace) -> Exit:
    """Tell how far a job has come.

    Args:
        options: The command's options.

    Returns:
        The exit code: DONE, whatever the job's state is.
    """
    journal = journal_to_read(options.journal)
    ledger = read_status(journal)
    if options.json:
        put_json(_object(ledger, journal))
    else:
        for line in _lines(ledger, journal, time.time()):
            put(clean(line))
    return Exit.DONE


def _object(ledger: JournalStatus, journal: Path) -> dict[str, object]:
    last = ledger.last_run
    return {
        "event": "status",
        "journal": str(journal),
        "action": ledger.facts.get("action"),
        "user_pool_id": ledger.facts.get("user pool"),
        "client_id": ledger.facts.get("app client"),
        "source": source_of(ledger.facts),
        "running": ledger.running,
        "total": ledger.total,
        "settled": _settled(ledger),
        "states": states(ledger.states),
        "kinds": kinds(ledger.kinds),
        "rate": ledger.rate,
        "next_due": iso(ledger.next_due),
        "last_run": None
        if last is None
        else {"started": iso(last.started), "ended": iso(last.ended), "ending": last.ending, "quota": last.quota},
    }


def _lines(ledger: JournalStatus, journal: Path, now: float) -> list[str]:
    facts = ledger.facts
    target = next((f"{kind} {facts[kind]}" for kind in ("user pool", "app client") if kind in facts), "")
    settled, total = _settled(ledger), ledger.total
    far = f"{settled:,} rows settled"
    if total is not None:
        far = f"{settled:,} of {total:,} rows settled" + (f" ({100 * settled / total:.0f} %)" if total else "")
    lines = [f"{facts.get('action', 'a job')}, {target}", f"  {_activity(ledger, now)}", f"  {far}"]
    if ledger.running and ledger.rate:
        left = "" if total is None else f", about {duration(max(total - settled, 0) / ledger.rate)} left"
        lines.append(f"  {pace(ledger.rate)} a second in the last minute{left}")
    for state in (*SETTLED, *OPEN):
        if ledger.states.get(state):
            lines.append(f"  {ledger.states[state]:>9,} {_NAMES.get(state, state.value)}")
            lines += _kinds(ledger, state)
    if ledger.next_due is not None:
        lines.append(f"  the next deferred row is tried again at {moment(ledger.next_due, now)}")
    if not ledger.running and total != settled:
        lines.append(f"  go on with  {PROGRAM} bulk resume {quote(os.path.relpath(journal))}")
    return lines


def _kinds(ledger: JournalStatus, state: State) -> list[str]:
    action = ledger.facts.get("action", "")
    found = sorted(((number, code) for (held, code), number in ledger.kinds.items() if held is state), reverse=True)
    lines: list[str] = []
    for number, code in found:
        advice = advise(code, action, state)
        title = "" if advice.title == code else f" - {advice.title}"
        lines += [f"    {number:>9,} {code}{title}", f"              {advice.todo}"]
    return lines


def _settled(ledger: JournalStatus) -> int:
    return sum(ledger.states.get(state, 0) for state in SETTLED)


def _activity(ledger: JournalStatus, now: float) -> str:
    last = ledger.last_run
    if ledger.running:
        return "running" + ("" if last is None or last.ended is not None else f" since {moment(last.started, now)}")
    if last is None:
        return "not running; it has not sent anything yet"
    if last.ended is None:
        return f"not running; its last run was killed, begun {moment(last.started, now)}"
    return f"not running; its last run ended at {moment(last.ended, now)}: {last.ending}"


_NAMES = {State.SENT: "on their way", State.PLANNED: "not sent yet"}
