"""The meanings of the error codes of rows, and fixes. The texts are in troubleshooting.toml."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from attrs import field, frozen

from cognito_async.bulk.rows import DAILY_EMAIL_LIMIT, State

AUTOMATIC: Final = "None needed: the job retries the row when it is due. If the job has ended, resume it then."
UNKNOWN_CODE: Final = "Read the reason. Look up the code in the Amazon Cognito documentation."


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _entries(entries: Sequence[Mapping[str, Any]]) -> "list[Troubleshooting]":
    return [Troubleshooting(**entry) for entry in entries]


@frozen(kw_only=True)
class Troubleshooting:
    """The meaning of an error code, and how to fix it."""

    title: str
    todo: str = field(converter=_one_line)
    codes: Sequence[str] = ()
    pattern: str = ""  # the reason must contain it
    actions: Mapping[str, str] = field(factory=dict[str, str])
    reasons: "Sequence[Troubleshooting]" = field(default=(), converter=_entries)


def _by_code(entries: Sequence[Mapping[str, Any]]) -> dict[str, Troubleshooting]:
    return {code: entry for entry in _entries(entries) for code in entry.codes}


_TEXTS: Final = tomllib.loads((files("cognito_async.bulk") / "troubleshooting.toml").read_text(encoding="utf-8"))
ERRORS: Final = _by_code(_TEXTS["errors"])
JOB_ERRORS: Final = _by_code(_TEXTS["job_errors"])
HOW_TO_VERIFY: Final[Mapping[str, str]] = {name: _one_line(text) for name, text in _TEXTS["how_to_verify"].items()}
NOTES: Final[Mapping[str, str]] = {name: _one_line(text) for name, text in _TEXTS["notes"].items()}


def reason_kind(code: str | None, reason: str | None) -> int:
    """Return the number, from 1, of the first entry of ``reasons`` that matches a reason; 0 if none does."""
    kinds = ERRORS[code].reasons if code is not None and code in ERRORS else ()
    found = (kind for kind, each in enumerate(kinds, 1) if re.search(each.pattern, reason or "", re.IGNORECASE))
    return next(found, 0)


def troubleshoot(
    code: str | None, action: str, state: State = State.REFUSED, reason: str | None = None
) -> Troubleshooting:
    """Return what an error code means for a row, and how to fix it; ``action`` is the action's name or label."""
    name = action.partition(" ")[0]
    found = ERRORS.get(code or "") or Troubleshooting(title=code or "No error code", todo=UNKNOWN_CODE)
    if kind := reason_kind(code, reason):
        found = found.reasons[kind - 1]
    if state is State.PLANNED:
        found = JOB_ERRORS.get(code or "", found)
    todo = found.actions.get(name, found.todo)
    if state is State.UNKNOWN:
        todo = HOW_TO_VERIFY.get(name, "Ask the user, or check with AdminGetUser.")
    if state is State.DEFERRED:
        todo = AUTOMATIC if code != DAILY_EMAIL_LIMIT else f"{todo} {AUTOMATIC}"
    return Troubleshooting(title=found.title, todo=todo)
